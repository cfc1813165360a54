//! A Truedy with a large account. Lists come newest first and in pages, changes are kept, and every request takes a
//! while. Each row is written as JSON once, so that a page costs no more than to join its rows.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Value, json};

const BASE: &str = "/api/public/v1";
/// Nothing has come for so long: no request is under way.
const QUIET: Duration = Duration::from_millis(80);
/// Of so many numbers, one is held by an agent in both directions.
pub(crate) const HELD: usize = 10;

/// The server. Its threads end with the program.
pub(crate) struct LargeUpstream {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// What the connections share.
struct Shared {
    account: Mutex<Account>,
    /// When each request came, and when its answer was written.
    requests: Mutex<Vec<(Instant, Option<Instant>)>>,
    delay: Mutex<Duration>,
}

impl LargeUpstream {
    /// Starts with so many numbers and agents. Every agent has a prompt of so many bytes.
    pub(crate) fn start(numbers: usize, agents: usize, prompt: usize) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let account = Mutex::new(Account::new(numbers, agents, prompt));
        let shared = Arc::new(Shared { account, requests: Mutex::default(), delay: Mutex::default() });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&serving);
                thread::spawn(move || shared.serve(&stream));
            }
        });
        Ok(Self { address, shared })
    }

    /// What to set as the base URL.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}{BASE}", self.address)
    }

    /// From now on every request takes so long.
    pub(crate) fn delay(&self, delay: Duration) {
        *self.shared.delay.lock() = delay;
    }

    /// How many requests have come.
    pub(crate) fn count(&self) -> usize {
        self.shared.requests.lock().len()
    }

    /// For how long any of the requests after the first `count` was under way until now.
    pub(crate) fn busy_since(&self, count: usize) -> Duration {
        let now = Instant::now();
        let (mut busy, mut end) = (Duration::ZERO, None::<Instant>);
        // They stand in the order in which they came.
        for (begun, ended) in self.shared.requests.lock().iter().skip(count) {
            let ended = ended.unwrap_or(now);
            let from = end.map_or(*begun, |end| end.max(*begun));
            busy += ended.saturating_duration_since(from);
            end = Some(end.map_or(ended, |end| end.max(ended)));
        }
        busy
    }

    /// Waits until no request is under way and none follows.
    pub(crate) async fn quiet(&self) {
        let is_quiet = |(_, ended): &(Instant, Option<Instant>)| ended.is_some_and(|ended| ended.elapsed() > QUIET);
        while !self.shared.requests.lock().iter().all(is_quiet) {
            tokio::time::sleep(QUIET / 8).await;
        }
    }
}

impl Shared {
    /// Answers one connection until it ends.
    fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut input = BufReader::new(stream);
        while let Some((first, body)) = request(&mut input)? {
            let begun = Instant::now();
            let place = {
                let mut requests = self.requests.lock();
                requests.push((begun, None));
                requests.len() - 1
            };
            let (status, answer) = self.account.lock().answer(&first, &body);
            let delay = *self.delay.lock();
            thread::sleep(delay.saturating_sub(begun.elapsed()));
            let date = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT");
            let head = format!(
                "HTTP/1.1 {status} Done\r\ncontent-type: application/json\r\ndate: {date}\r\ncontent-length: {}\r\n\r\n",
                answer.len()
            );
            let mut out = stream;
            let written = out.write_all(&[head.as_bytes(), answer.as_bytes()].concat());
            if let Some((_, ended)) = self.requests.lock().get_mut(place) {
                *ended = Some(Instant::now());
            }
            written?;
        }
        Ok(())
    }
}

/// Reads one request: its first line, and its body. `None` if the connection has ended.
fn request(input: &mut impl BufRead) -> io::Result<Option<(String, Value)>> {
    let (mut first, mut length) = (String::new(), 0);
    if input.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    loop {
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        let length_of = |(name, value): (&str, &str)| {
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap_or(0))
        };
        length = line.split_once(':').and_then(length_of).unwrap_or(length);
    }
    let mut body = vec![0; length];
    input.read_exact(&mut body)?;
    Ok(Some((first, serde_json::from_slice(&body).unwrap_or_default())))
}

/// A number of the account.
struct Number {
    id: usize,
    number: String,
    /// The place of the agent of each direction.
    agents: [Option<usize>; 2],
    created_at: String,
    /// The row as it is sent.
    json: String,
}

/// An agent of the account.
struct Agent {
    name: String,
    /// The ids of its numbers, for each direction.
    held: [Vec<usize>; 2],
    /// The row as it is sent.
    json: String,
}

/// The account. Its numbers are kept with the oldest first, so their ids rise.
struct Account {
    numbers: Vec<Number>,
    agents: Vec<Agent>,
    prompt: String,
    made: usize,
}

impl Account {
    fn new(numbers: usize, agents: usize, prompt: usize) -> Self {
        let agents: Vec<Agent> =
            (0..agents).map(|n| Agent { name: agent_name(n), held: Default::default(), json: String::new() }).collect();
        let mut account = Self { numbers: Vec::new(), agents, prompt: "x".repeat(prompt), made: 0 };
        for n in 0..numbers {
            let id = account.add(number(n), "2026-03-03T20:30:21.310278+00:00".to_owned());
            if is_held(n) {
                let agent = n / HELD % account.agents.len();
                account.numbers[n].agents = [Some(agent); 2];
                account.agents[agent].held.iter_mut().for_each(|held| held.push(id));
            }
            account.numbers[n].write();
        }
        (0..account.agents.len()).for_each(|agent| account.write_agent(agent));
        account
    }

    fn add(&mut self, number: String, created_at: String) -> usize {
        self.made += 1;
        let id = self.made;
        self.numbers.push(Number { id, number, agents: [None; 2], created_at, json: String::new() });
        id
    }

    fn place(&self, id: &str) -> Option<usize> {
        let id = id.rsplit('-').next()?.parse().ok()?;
        self.numbers.binary_search_by_key(&id, |number| number.id).ok()
    }

    fn held(&self, agent: usize, direction: usize) -> Vec<Value> {
        let rows = self.agents[agent].held[direction].iter().filter_map(|id| self.place(&number_id(*id)));
        rows.map(|at| json!({ "id": number_id(self.numbers[at].id), "phone_number": self.numbers[at].number }))
            .collect()
    }

    fn write_agent(&mut self, n: usize) {
        let [inbound, outbound] = [0, 1].map(|direction| self.held(n, direction));
        let first = |held: &[Value]| held.first().map(|held| held["id"].clone());
        let row = json!({
            "id": agent_id(n), "name": self.agents[n].name, "status": "active", "model": "ultravox-v0.7",
            "system_prompt": self.prompt, "created_at": "2026-02-20T09:00:00+00:00",
            // Truedy also names one number of each list by its id alone.
            "inbound_phone_number_id": first(&inbound), "outbound_phone_number_id": first(&outbound),
            "inbound_phone_numbers": inbound, "outbound_phone_numbers": outbound,
        });
        self.agents[n].json = row.to_string();
    }

    /// Status and body of the answer to a request.
    fn answer(&mut self, first: &str, body: &Value) -> (u16, String) {
        let mut words = first.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let parts: Vec<&str> = path.strip_prefix(BASE).unwrap_or_default().split('/').skip(1).collect();
        let done = match (method, parts.as_slice()) {
            ("GET", ["telephony", "numbers"]) => {
                let rows: Vec<&str> = self.numbers.iter().rev().map(|number| number.json.as_str()).collect();
                Some(page(&rows, query))
            }
            ("GET", ["agents"]) => {
                let name = asked(query, "name").replace('+', " ").replace("%20", " ").to_lowercase();
                let fitting = self.agents.iter().filter(|agent| agent.name.to_lowercase().contains(&name));
                Some(page(&fitting.map(|agent| agent.json.as_str()).collect::<Vec<_>>(), query))
            }
            ("GET", ["telephony", "agents", id, "numbers"]) => self.agent(id).map(|agent| {
                data(&json!({ "agent_id": id, "inbound": self.held(agent, 0), "outbound": self.held(agent, 1) }))
            }),
            ("GET", ["telephony", "agents", _, "webhook-url"]) => {
                Some(data(&json!({ "webhook_url": "https://api.ultravox.ai/api/agents/6a1d8c0e/telephony_xml" })))
            }
            ("POST", ["telephony", "numbers", "assign"]) => {
                self.agent(said(body, "agent_id")).and_then(|agent| self.hold(body, Some(agent)))
            }
            ("POST", ["telephony", "numbers", "unassign"]) => self.hold(body, None),
            ("GET", ["telephony", "credentials"]) => Some(page(&[], query)),
            ("POST", ["telephony", "numbers", "purchase" | "import"]) => Some(self.gain(said(body, "phone_number"))),
            ("DELETE", ["telephony", "numbers", id]) => self.place(id).map(|at| {
                self.numbers.remove(at);
                data(&json!({ "id": id, "deleted": true }))
            }),
            _ => None,
        };
        done.map_or_else(|| (404, json!({ "error": { "code": "not_found" } }).to_string()), |body| (200, body))
    }

    fn agent(&self, id: &str) -> Option<usize> {
        let n = id.rsplit('-').next()?.parse().ok()?;
        (n < self.agents.len()).then_some(n)
    }

    fn hold(&mut self, body: &Value, agent: Option<usize>) -> Option<String> {
        let direction = usize::from(said(body, "assignment_type") == "outbound");
        let number = self.place(said(body, "number_id")).and_then(|at| self.numbers.get_mut(at))?;
        let (id, before) = (number.id, std::mem::replace(&mut number.agents[direction], agent));
        number.write();
        if let Some(before) = before {
            self.agents[before].held[direction].retain(|held| *held != id);
            self.write_agent(before);
        }
        if let Some(agent) = agent {
            self.agents[agent].held[direction].push(id);
            self.write_agent(agent);
        }
        Some(data(body))
    }

    fn gain(&mut self, number: &str) -> String {
        let id = self.add(number.to_owned(), jiff::Timestamp::now().to_string());
        self.numbers.iter_mut().rev().take(1).for_each(Number::write);
        data(&json!({ "number_id": number_id(id), "phone_number": number }))
    }
}

impl Number {
    /// Writes the row anew.
    fn write(&mut self) {
        let [inbound, outbound] = self.agents.map(|agent| agent.map(agent_id));
        let row = json!({
            "id": number_id(self.id), "organization_id": "org_2abCDefGhIJkLmNoPqRsTuVwXyZ", "agent_id": null,
            "inbound_agent_id": inbound, "outbound_agent_id": outbound, "phone_number": self.number,
            "provider_id": number_id(self.id), "status": "active", "is_trudy_managed": true,
            "telephony_credential_id": null, "created_at": self.created_at, "updated_at": self.created_at,
        });
        self.json = row.to_string();
    }
}

/// The part of a list that a request asks for.
fn page(rows: &[&str], query: &str) -> String {
    let told = |name: &str, default: usize| asked(query, name).parse().unwrap_or(default);
    let (total, limit, offset) = (rows.len(), told("limit", 50), told("offset", 0));
    let shown = rows.get(offset.min(total)..total.min(offset.saturating_add(limit))).unwrap_or_default();
    let pagination =
        json!({ "total": total, "limit": limit, "offset": offset, "has_more": offset + shown.len() < total });
    format!("{{\"data\":[{}],\"pagination\":{pagination}}}", shown.join(","))
}

fn data(data: &Value) -> String {
    json!({ "data": data, "meta": { "request_id": "req-large" } }).to_string()
}

fn asked<'a>(query: &'a str, name: &str) -> &'a str {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default()
}

fn said<'a>(body: &'a Value, field: &str) -> &'a str {
    body.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// Whether the number was held by an agent at first.
pub(crate) fn is_held(n: usize) -> bool {
    n.is_multiple_of(HELD)
}

/// The number that was added after `n` others.
pub(crate) fn number(n: usize) -> String {
    format!("+1415{:07}", 2_000_000 + n)
}

/// What an agent is called.
pub(crate) fn agent_name(n: usize) -> String {
    format!("Agent {n:05}")
}

fn agent_id(n: usize) -> String {
    format!("00000000-0000-4000-9000-{n:012}")
}

fn number_id(n: usize) -> String {
    format!("00000000-0000-4000-8000-{n:012}")
}
