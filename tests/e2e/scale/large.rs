//! A large account: thousands of numbers, newest first, and agents whose rows are as large as a test needs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::fake_truedy::{
    AGENT_NUMBERS, AGENTS, ASSIGN, LIST, PURCHASE, Play, RELEASE, Reply, Seen, UNASSIGN, Upstream,
};
use crate::support::program::{home, server_within};

/// One number of the account.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) number: String,
    /// The place of the agent of each direction.
    pub(super) agents: [Option<usize>; 2],
    created_at: String,
}

/// The account, newest number first.
#[derive(Debug, Default)]
pub(super) struct Large {
    pub(super) rows: Vec<Row>,
    agents: usize,
    prompt: usize,
    made: usize,
    /// Rows that have left the account.
    pub(super) gone: Vec<Row>,
    /// How many numbers Truedy tells beyond those that it has.
    pub(super) untold: isize,
    /// The id that the first agent names beside its list of numbers, instead of one from the list.
    pub(super) named_alone: Option<String>,
}

pub(super) fn number(n: usize) -> String {
    format!("+1415{:07}", 2_000_000 + n)
}

pub(super) fn agent_id(n: usize) -> String {
    format!("00000000-0000-4000-9000-{n:012}")
}

pub(super) fn agent_name(n: usize) -> String {
    format!("Agent {n:05}")
}

const SLOTS: [&str; 2] = ["inbound_agent_id", "outbound_agent_id"];

impl Large {
    /// Adds a number at the top, created now.
    pub(super) fn add(&mut self, number: &str) -> String {
        let created_at = jiff::Timestamp::now().to_string();
        self.add_at(number, created_at)
    }

    fn add_at(&mut self, number: &str, created_at: String) -> String {
        self.made += 1;
        let id = format!("00000000-0000-4000-8000-{:012}", self.made);
        self.rows.insert(0, Row { id: id.clone(), number: number.to_owned(), agents: [None; 2], created_at });
        id
    }

    /// Adds a second row of a number, with an id of its own, at a position.
    pub(super) fn add_twin(&mut self, number: &str, at: usize) -> String {
        let id = self.add(number);
        let row = self.rows.remove(0);
        self.rows.insert(at, row);
        id
    }

    /// Lists the oldest numbers first from now on.
    pub(super) fn turn(&mut self) {
        self.rows.reverse();
        for (at, row) in self.rows.iter_mut().enumerate() {
            row.created_at = format!("2026-03-03T20:{:02}:{:02}+00:00", at / 60 % 60, at % 60);
        }
    }

    pub(super) fn id_of(&self, number: &str) -> String {
        self.rows.iter().find(|row| row.number == number).expect("it is there").id.clone()
    }

    pub(super) fn has(&self, number: &str) -> bool {
        self.rows.iter().any(|row| row.number == number)
    }

    fn shown(row: &Row) -> Value {
        let slot = |at: usize| row.agents[at].map(agent_id);
        json!({
            "id": row.id, "organization_id": "org_large", "phone_number": row.number, "status": "active",
            "is_trudy_managed": true, SLOTS[0]: slot(0), SLOTS[1]: slot(1), "created_at": row.created_at
        })
    }

    fn held(&self, agent: usize, direction: usize) -> Vec<Value> {
        let held = self.rows.iter().filter(|row| row.agents[direction] == Some(agent));
        held.map(|row| json!({ "id": row.id, "phone_number": row.number })).collect()
    }

    fn agent(&self, n: usize) -> Value {
        let [inbound, outbound] = [0, 1].map(|direction| self.held(n, direction));
        let alone = self.named_alone.as_ref().filter(|_| n == 0).map(|id| json!(id));
        json!({
            "id": agent_id(n), "name": agent_name(n), "status": "active", "system_prompt": "x".repeat(self.prompt),
            "inbound_phone_number_id": alone.or_else(|| inbound.first().map(|held| held["id"].clone())),
            "outbound_phone_number_id": outbound.last().map(|held| &held["id"]),
            "inbound_phone_numbers": inbound, "outbound_phone_numbers": outbound
        })
    }

    pub(super) fn list(&self, seen: &Seen) -> Play {
        let (limit, offset) = (asked(seen, "limit", 50), asked(seen, "offset", 0));
        let data = self.rows.iter().skip(offset).take(limit).map(Self::shown).collect();
        page(data, self.rows.len().saturating_add_signed(self.untold), limit, offset)
    }

    pub(super) fn agents(&self, seen: &Seen) -> Play {
        let name = seen.query.split('&').find_map(|pair| pair.strip_prefix("name=")).unwrap_or_default();
        let name = name.replace('+', " ").replace("%20", " ").to_lowercase();
        let fitting: Vec<usize> = (0..self.agents).filter(|n| agent_name(*n).to_lowercase().contains(&name)).collect();
        let (limit, offset) = (asked(seen, "limit", 50), asked(seen, "offset", 0));
        let data = fitting.iter().skip(offset).take(limit).map(|n| self.agent(*n)).collect();
        page(data, fitting.len(), limit, offset)
    }

    fn change(&mut self, seen: &Seen, agent: Option<usize>) -> Play {
        let direction = usize::from(seen.says("assignment_type") == "outbound");
        match self.rows.iter_mut().find(|row| row.id == seen.says("number_id")) {
            Some(row) => row.agents[direction] = agent,
            None => return Play::Answer(Reply::json(404, &json!({ "error": { "code": "not_found" } }))),
        }
        said(&seen.json())
    }

    fn release(&mut self, id: &str) -> Play {
        match self.rows.iter().position(|row| row.id == id) {
            Some(at) => {
                let row = self.rows.remove(at);
                self.gone.push(row);
                said(&json!({ "id": id, "deleted": true }))
            }
            None => Play::Answer(Reply::json(404, &json!({ "error": { "code": "not_found" } }))),
        }
    }
}

pub(super) fn said(data: &Value) -> Play {
    Play::Answer(Reply::json(200, &json!({ "data": data, "meta": { "request_id": "req-large" } })))
}

fn page(data: Vec<Value>, total: usize, limit: usize, offset: usize) -> Play {
    let more = offset + data.len() < total;
    let pagination = json!({ "total": total, "limit": limit, "offset": offset, "has_more": more });
    Play::Answer(Reply::json(200, &json!({ "data": data, "pagination": pagination })))
}

pub(super) fn asked(seen: &Seen, name: &str, default: usize) -> usize {
    let value = seen.query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok());
    value.unwrap_or(default)
}

/// A Truedy with a large account.
pub(super) struct LargeTruedy {
    pub(super) upstream: Upstream,
    pub(super) account: Arc<Mutex<Large>>,
}

impl LargeTruedy {
    /// So many numbers, and so many agents with prompts of so many bytes. Every tenth number has both agents.
    pub(super) fn start(numbers: usize, agents: usize, prompt: usize) -> Self {
        let mut account = Large { agents, prompt, ..Large::default() };
        for n in 0..numbers {
            account.add_at(&number(n), "2026-03-03T20:30:21.310278+00:00".to_owned());
            if n % 10 == 0 {
                account.rows[0].agents = [Some(n / 10 % agents), Some(n / 10 % agents)];
            }
        }
        let truedy = Self { upstream: Upstream::start(), account: Arc::new(Mutex::new(account)) };
        truedy.on(LIST, |account, seen| account.list(seen));
        truedy.on(AGENTS, |account, seen| account.agents(seen));
        truedy.on(AGENT_NUMBERS, |account, seen| {
            let id = seen.path.split('/').nth(3).unwrap_or_default().to_owned();
            let n = (0..account.agents).find(|n| agent_id(*n) == id).unwrap_or(usize::MAX);
            said(&json!({ "agent_id": id, "inbound": account.held(n, 0), "outbound": account.held(n, 1) }))
        });
        truedy.on(PURCHASE, |account, seen| {
            let number = seen.says("phone_number");
            if account.has(&number) {
                let error = json!({ "error": { "code": "validation_error", "message": "It is sold." } });
                return Play::Answer(Reply::json(422, &error));
            }
            let id = account.add(&number);
            said(&json!({ "number_id": id, "phone_number": number }))
        });
        truedy.on(ASSIGN, |account, seen| {
            let id = seen.says("agent_id");
            let agent = (0..account.agents).find(|n| agent_id(*n) == id);
            account.change(seen, agent)
        });
        truedy.on(UNASSIGN, |account, seen| account.change(seen, None));
        truedy.on(RELEASE, |account, seen| {
            let id = seen.path.rsplit('/').next().unwrap_or_default().to_owned();
            account.release(&id)
        });
        truedy
    }

    /// From now on a route is answered by this.
    pub(super) fn on(&self, route: &str, mut rule: impl FnMut(&mut Large, &Seen) -> Play + Send + 'static) {
        let account = Arc::clone(&self.account);
        self.upstream.on(route, move |seen, _| rule(&mut account.lock().unwrap(), seen));
    }

    pub(super) fn account<T>(&self, look: impl FnOnce(&mut Large) -> T) -> T {
        look(&mut self.account.lock().unwrap())
    }

    /// A server for it that keeps its state in this folder.
    pub(super) fn server(&self, state: &Path) -> Command {
        self.server_within(state, "off")
    }

    /// The same, keeping within so many requests a minute.
    pub(super) fn server_within(&self, state: &Path, rpm: &str) -> Command {
        let mut command = server_within(&self.upstream.base_url(), rpm);
        command.env("HOME", state);
        command
    }

    /// How many requests came so far.
    pub(super) fn requests(&self) -> usize {
        self.upstream.requests()
    }

    /// Waits until no further request comes.
    pub(super) fn until_quiet(&self) {
        let mut before = usize::MAX;
        while before != self.requests() {
            before = self.requests();
            std::thread::sleep(Duration::from_millis(300));
        }
    }
}

/// A folder for the state of a server.
pub(super) fn state() -> PathBuf {
    home()
}
