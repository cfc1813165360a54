//! One part of a campaign: rounds of random calls to one or two servers, each ended by a kill.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use truedy_mcp::sandbox::KEY;

use super::chance::Chance;
use super::owner::{Frozen, undo};
use super::scene::read;
use super::store::Store;
use super::truedy::Truedy;
use super::verdict::{Evidence, judge};
use crate::support::era::Era;
use crate::support::fake_truedy::{FRONT_DESK, FRONT_OFFICE};
use crate::support::program::{LONG, Running, program};
use crate::support::raw_client::{Called, Wire};

/// The points at which a process can be told to end, in the order in which an operation comes to them.
pub(super) const POINTS: [&str; 7] = ["planned", "begun", "cleared", "answer_lost", "lost", "answered", "settled"];
/// After so many kills a part of a campaign is judged, and the next begins with a fresh account.
pub(super) const PART: usize = 25;
/// A round goes on for less than this before its kill.
const ROUND_MS: usize = 400;
/// How long it is waited for that a process ends at a point.
const AT_A_POINT: Duration = Duration::from_secs(4);

/// What was fought so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) kills: usize,
    /// How often a process ended at each point.
    pub(super) points: BTreeMap<&'static str, usize>,
    answers: BTreeMap<String, usize>,
    states: BTreeMap<String, usize>,
    requests: usize,
    /// How often the owner stopped all changes.
    pub(super) freezes: usize,
    /// How many operations undid another one.
    pub(super) undone: usize,
}

impl Tally {
    pub(super) fn add(&mut self, other: &Self) {
        self.kills += other.kills;
        self.requests += other.requests;
        self.freezes += other.freezes;
        self.undone += other.undone;
        for (point, times) in &other.points {
            *self.points.entry(point).or_default() += times;
        }
        for (own, others) in [(&mut self.answers, &other.answers), (&mut self.states, &other.states)] {
            for (word, times) in others {
                *own.entry(word.clone()).or_default() += times;
            }
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, points, answers, states, requests, freezes, undone } = self;
        write!(formatter, "{kills} kills, {requests} changes sent; ended at {points:?}; ")?;
        write!(formatter, "frozen {freezes} times, {undone} undone; ")?;
        write!(formatter, "operations {states:?}; answers {answers:?}")
    }
}

/// A call and its answer.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) tool: String,
    pub(super) arguments: Value,
    pub(super) answer: Value,
}

/// A server and what it was asked.
struct Server {
    wire: Wire,
    asked: HashMap<u64, (String, Value)>,
    /// How much of what it said was read.
    read: usize,
    /// The point at which it is to end.
    point: Option<&'static str>,
}

impl Server {
    fn ask(&mut self, tool: &str, arguments: Value) {
        let id = self.wire.send_call(tool, arguments.clone());
        self.asked.insert(id, (tool.to_owned(), arguments));
    }

    /// The answers that came since the last time. A line that was cut off by the end of the process is none.
    fn answers(&mut self) -> Vec<Told> {
        let said = self.wire.running.stdout();
        let new = said.get(self.read..).unwrap_or_default();
        let whole = new.rfind('\n').map_or("", |end| &new[..=end]);
        self.read += whole.len();
        let messages = whole.lines().map(|line| serde_json::from_str::<Value>(line).expect("one line is one message"));
        let answered = messages.filter_map(|message| {
            let (tool, arguments) = self.asked.remove(&message["id"].as_u64()?)?;
            Some(Told { tool, arguments, answer: message["result"]["structuredContent"].clone() })
        });
        answered.collect()
    }
}

/// One part of a campaign.
pub(super) struct Fight {
    name: String,
    /// Which kill of the campaign is the first of this part.
    first: usize,
    chance: Chance,
    store: Store,
    truedy: Truedy,
    servers: Vec<Server>,
    /// The owner's commands that undo something.
    undoing: Vec<Running>,
    told: Vec<Told>,
    /// What the account held at the beginning.
    seed: BTreeSet<String>,
    /// How many numbers were taken so far, to buy and to import.
    taken: [usize; 2],
    /// Numbers that somebody was asked to make ours, with the tool.
    wanted: Vec<(&'static str, String)>,
    /// Numbers that somebody was asked to release: nobody is asked for them again.
    given_up: BTreeSet<String>,
    /// Operations that callers were told not to be known.
    acknowledged: Vec<String>,
    rounds: usize,
    tally: Tally,
}

impl Fight {
    pub(super) fn new(seed: u64, first: usize, store: Store) -> Self {
        let truedy = Truedy::start();
        let numbers = truedy.numbers();
        let seed_numbers = numbers.iter().filter_map(|row| row["phone_number"].as_str().map(str::to_owned)).collect();
        Self {
            name: format!("seed {seed}, kills {first} and on"),
            first,
            chance: Chance::new(seed.wrapping_add(1000 * first as u64)),
            store,
            truedy,
            servers: Vec::new(),
            undoing: Vec::new(),
            told: Vec::new(),
            seed: seed_numbers,
            taken: [0; 2],
            wanted: Vec::new(),
            given_up: BTreeSet::new(),
            acknowledged: Vec::new(),
            rounds: 0,
            tally: Tally::default(),
        }
    }

    /// Fights until there were so many kills, and judges.
    pub(super) fn until(mut self, kills: usize) -> Tally {
        while self.tally.kills < kills {
            self.round(kills);
        }
        self.end_all();
        self.peace()
    }

    fn round(&mut self, kills: usize) {
        // Every third round ends at a point, the next one as soon as one was reached. Each part begins with another.
        let reached: usize = self.tally.points.values().sum();
        let next = POINTS[(self.first / PART * 3 + reached) % POINTS.len()];
        let point = self.rounds.is_multiple_of(3).then_some(next);
        self.rounds += 1;
        self.truedy.misbehave(&json!({}));
        let owned = self.truedy.numbers();
        let faults = self.faults(point);
        self.truedy.misbehave(&faults);

        let wanted = 1 + self.chance.below(2);
        while self.servers.len() < wanted {
            self.start(None);
        }
        if point.is_some() {
            self.start(point);
        }
        self.order(&owned);
        self.undo_some();
        match point {
            Some(_) => self.watch(AT_A_POINT, true),
            // Where Truedy keeps silent, the command would wait for what was sent.
            None if faults.get("hang").is_none() && self.chance.one_in(4) => {
                let moment = Duration::from_millis(self.chance.below(ROUND_MS) as u64);
                self.watch(moment / 2, false);
                let frozen = Frozen::begin(&self.store, &self.truedy);
                self.order(&owned);
                self.watch(moment, false);
                frozen.end(&self.store, &self.truedy, &self.name);
                self.tally.freezes += 1;
            }
            None => {
                let moment = Duration::from_millis(self.chance.below(ROUND_MS) as u64);
                if self.servers.len() > 1 && self.chance.one_in(3) && self.tally.kills + 2 <= kills {
                    // One goes early, and another comes in its place while the rest goes on.
                    self.watch(moment / 2, false);
                    self.end(0);
                    self.start(None);
                    self.order(&owned);
                }
                self.watch(moment, false);
            }
        }
        // The one that had to end at a point is the last; in other rounds it is any of them.
        let last = self.servers.len() - 1;
        let victim = if point.is_some() { last } else { self.chance.below(last + 1) };
        self.end(victim);
        // Of the others some live on.
        while self.tally.kills < kills && !self.servers.is_empty() && !self.chance.one_in(3) {
            self.end(0);
        }
        while self.servers.len() > 2 {
            let mut gone = self.servers.remove(0);
            gone.wire.running.kill();
            self.note(&mut gone);
        }
        if self.chance.one_in(2) {
            self.undoing.drain(..).for_each(|mut command| command.kill());
        }
    }

    /// The owner undoes something, or the model does: what was answered says how.
    fn undo_some(&mut self) {
        for command in &mut self.undoing {
            assert!(!command.has_ended() || command.ended(LONG) != Some(101), "{}", command.stderr());
        }
        let done = |told: &&Told| told.answer["undo"]["tool"].is_string() && told.answer["verified"] == json!(true);
        let known: Vec<Value> = self.told.iter().filter(done).map(|told| told.answer.clone()).collect();
        let Some(answer) = self.chance.pick(&known).cloned() else { return };
        match answer["operation_id"].as_str() {
            Some(id) if !self.chance.one_in(3) => self.undoing.push(undo(&self.store, &self.truedy, id)),
            _ => {
                let at = self.chance.below(self.servers.len());
                let how = &answer["undo"];
                self.ask(at, how["tool"].as_str().unwrap(), how["arguments"].clone());
            }
        }
    }

    /// How Truedy misbehaves in a round. A point behind a lost answer needs one.
    fn faults(&mut self, point: Option<&str>) -> Value {
        let purchase = ["timeout_after_commit", "commit_then_422", "500_after_commit", "charged_then_422"];
        let changes = json!(["purchase", "import", "release", "assign", "unassign"]);
        let lost = [
            json!({ "drop_connection": changes }),
            json!({ "purchase": "500_after_commit", "drop_connection": ["import"] }),
        ];
        let mut faults = match point {
            Some("answer_lost" | "lost") => self.chance.pick(&lost).cloned().unwrap(),
            Some(_) => json!({}),
            None => match self.chance.below(9) {
                0 | 1 => json!({}),
                2 => json!({ "drop_connection": changes }),
                3 => json!({ "drop_connection_before": changes }),
                4 => json!({ "hang": changes, "times": 3 }),
                5 => json!({ "server_error": changes, "times": 2 }),
                6 => json!({ "purchase": "500_after_commit", "assign": "ultravox_down_after_write", "release": "204" }),
                7 => json!({ "drop_connection": ["list"], "times": 2, "release": "carrier_refuses" }),
                _ => json!({ "purchase": self.chance.pick(&purchase) }),
            },
        };
        if self.chance.one_in(2) {
            faults["latency_ms"] = json!(5 + self.chance.below(120));
        }
        faults
    }

    fn start(&mut self, point: Option<&'static str>) {
        let mut command = program();
        command.args(["stdio", "--upstream-rpm", "off"]);
        for cap in ["--purchases-per-day", "--releases-per-day", "--imports-per-day"] {
            command.args([cap, "unlimited"]);
        }
        command.env("TRUEDY_BASE_URL", &self.truedy.base_url).env("TRUEDY_API_KEY", KEY);
        self.store.give(&mut command);
        if let Some(point) = point {
            command.env("TRUEDY_MCP_CRASH_AT", point);
        }
        // Now and then the kill comes while it starts.
        let wire =
            if self.chance.one_in(6) { Wire::start(command, Era::Modern) } else { Wire::open(command, Era::Modern) };
        let read = wire.running.stdout().len();
        self.servers.push(Server { wire, asked: HashMap::new(), read, point });
    }

    /// A number nobody was asked for so far.
    fn fresh(&mut self, tool: &'static str) -> String {
        const AREAS: [&str; 8] = ["773", "512", "213", "305", "303", "404", "202", "215"];
        loop {
            let nth = self.taken[usize::from(tool == "import_number")];
            self.taken[usize::from(tool == "import_number")] += 1;
            // The last three of each hundred are said to misbehave.
            let number = match tool {
                "import_number" => format!("+493023125{nth:03}"),
                _ => format!("+1{}555{:04}", AREAS[nth / 97 % AREAS.len()], 100 + nth % 97),
            };
            if !self.seed.contains(&number) {
                self.wanted.push((tool, number.clone()));
                return number;
            }
        }
    }

    /// Asks for several things at once, of all servers.
    fn order(&mut self, owned: &[Value]) {
        let mut orders: Vec<(&str, Value)> = Vec::new();
        // Which numbers go is settled first: nobody buys them again in this very round.
        let mut releases = Vec::new();
        for _ in 0..self.chance.below(3) {
            let Some(row) = self.chance.pick(owned) else { break };
            let confirm = !self.chance.one_in(3);
            let number = row["phone_number"].as_str().unwrap().to_owned();
            let named = if self.chance.one_in(2) { row["id"].clone() } else { json!(number) };
            releases.push(("release_number", json!({ "number_id": named, "confirm": confirm })));
            if confirm {
                self.given_up.insert(number);
            }
        }
        let at_least = self.servers.len();
        for _ in 0..at_least + self.chance.below(4) {
            let tool = if self.chance.one_in(4) { "import_number" } else { "purchase_number" };
            let number = self.fresh(tool);
            // The same again, to whoever gets it; or to everybody at the same moment.
            if self.chance.one_in(2) {
                (0..self.servers.len()).for_each(|at| self.ask(at, tool, json!({ "phone_number": number })));
            } else {
                for _ in 0..1 + self.chance.below(3) {
                    orders.push((tool, json!({ "phone_number": number })));
                }
            }
        }
        let known: Vec<_> = self.wanted.iter().filter(|(_, number)| !self.given_up.contains(number)).cloned().collect();
        for _ in 0..self.chance.below(3) {
            if let Some((tool, number)) = self.chance.pick(&known) {
                orders.push((tool, json!({ "phone_number": number })));
            }
        }
        orders.extend(releases);
        for _ in 0..self.chance.below(4) {
            let Some(row) = self.chance.pick(owned) else { break };
            let mut slot = json!({ "number_id": row["id"], "assignment_type": self.chance.pick(&["inbound", "outbound", "both"]) });
            if self.chance.one_in(2) {
                orders.push(("unassign_number", slot));
            } else {
                slot["agent_id"] = json!(self.chance.pick(&[FRONT_DESK, FRONT_OFFICE]));
                orders.push(("assign_number", slot));
            }
        }
        while !orders.is_empty() {
            let (tool, arguments) = orders.swap_remove(self.chance.below(orders.len()));
            let at = self.chance.below(self.servers.len());
            self.ask(at, tool, arguments);
        }
    }

    /// Asks one server for one thing.
    fn ask(&mut self, at: usize, tool: &str, mut arguments: Value) {
        match tool {
            "purchase_number" => {
                arguments["confirm"] = json!(true);
                self.know(&mut arguments);
            }
            "import_number" => {
                arguments["provider_type"] = json!("telnyx");
                arguments["api_key"] = json!("KEY0123456789");
            }
            _ => {}
        }
        self.servers[at].ask(tool, arguments);
    }

    /// Says in a purchase what is known not to be known.
    fn know(&self, arguments: &mut Value) {
        let newest = &self.acknowledged[self.acknowledged.len().saturating_sub(50)..];
        if !newest.is_empty() {
            arguments["acknowledge_unresolved"] = json!(newest);
        }
    }

    /// Reads answers for so long. What is refused because something is not known is asked for again, knowingly.
    fn watch(&mut self, time: Duration, until_one_ends: bool) {
        let since = Instant::now();
        while since.elapsed() < time {
            for at in 0..self.servers.len() {
                for told in self.servers[at].answers() {
                    if told.answer["status"] == json!("operation_unresolved") {
                        let ids = told.answer["acknowledge_unresolved"].as_array().cloned().unwrap_or_default();
                        self.acknowledged.extend(ids.iter().filter_map(|id| id.as_str().map(str::to_owned)));
                        let mut arguments = told.arguments.clone();
                        arguments["acknowledge_unresolved"] = json!(ids);
                        self.servers[at].ask(&told.tool, arguments);
                    }
                    self.told.push(told);
                }
            }
            if until_one_ends && self.servers.last_mut().is_some_and(|server| server.wire.running.has_ended()) {
                return;
            }
            thread::sleep(Duration::from_millis(3));
        }
    }

    /// Ends a server, if it did not end by itself, and keeps what it said.
    fn end(&mut self, at: usize) {
        let mut server = self.servers.remove(at);
        if let Some(point) = server.point
            && server.wire.running.has_ended()
        {
            assert_eq!(server.wire.running.ended(LONG), None, "{}: {}", self.name, server.wire.running.stderr());
            *self.tally.points.entry(point).or_default() += 1;
        }
        server.wire.running.kill();
        self.tally.kills += 1;
        self.note(&mut server);
    }

    fn end_all(&mut self) {
        self.undoing.drain(..).for_each(|mut command| command.kill());
        for mut server in std::mem::take(&mut self.servers) {
            server.wire.running.kill();
            self.note(&mut server);
        }
    }

    /// Keeps what a server that has ended said to the last.
    fn note(&mut self, server: &mut Server) {
        server.wire.running.ended(LONG);
        let answers = server.answers();
        self.told.extend(answers);
    }

    /// The whole journal.
    fn journal(&self) -> Vec<Value> {
        let mut command = program();
        command.args(["operations", "--json", "--only", "all", "--limit", "10000"]);
        self.store.give(&mut command);
        read(command)
    }

    /// Truedy behaves; a fresh server finds out what became of everything. Then all of it is judged.
    fn peace(mut self) -> Tally {
        self.truedy.misbehave(&json!({}));
        self.start(None);
        let mut server = self.servers.pop().unwrap();
        let since = Instant::now();
        let (journal, wrong) = loop {
            // Looking is what resolves.
            let listed: Called = server.wire.call("list_operations", json!({}));
            assert_eq!(listed.status(), "ok", "{}: {}", self.name, listed.0);
            let changes = self.truedy.changes();
            let (journal, account) = (self.journal(), self.truedy.numbers());
            let evidence = Evidence {
                changes: &changes,
                journal: &journal,
                account: &account,
                told: &self.told,
                given_up: &self.given_up,
                seed: &self.seed,
            };
            let wrong = judge(&evidence);
            // What was under way when the last process ended may take a moment to show.
            if wrong.is_empty() || since.elapsed() > Duration::from_secs(60) {
                self.tally.requests = changes.len();
                break (journal, wrong);
            }
            thread::sleep(Duration::from_millis(500));
        };
        assert!(wrong.is_empty(), "{}:\n{}", self.name, wrong.join("\n"));
        self.store.was_used();
        for operation in &journal {
            *self.tally.states.entry(operation["state"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        self.tally.undone = journal.iter().filter(|operation| operation.get("undo_of").is_some()).count();
        for told in &self.told {
            let status = told.answer["status"].as_str().unwrap_or("none").to_owned();
            *self.tally.answers.entry(status).or_default() += 1;
        }
        self.tally
    }
}
