//! A Truedy on a loopback port that gives every request its one fixed answer at once.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use serde_json::{Value, json};

/// The key that is sent; nothing checks it.
pub(crate) const KEY: &str = "truedy_0123456789abcdef0123456789abcdef";
/// Numbers in the account.
pub(crate) const ROWS: usize = 50;

/// The paths that are answered.
pub(crate) const CREDENTIALS: &str = "/telephony/credentials";
pub(crate) const NUMBERS: &str = "/telephony/numbers?limit=50&offset=0";
pub(crate) const AGENTS: &str = "/agents?limit=100&offset=0";

const BASE: &str = "/api/public/v1";
const NAMES: [&str; 5] = ["Front desk", "Sales Berlin", "After hours", "Appointments", "Support line"];

/// The server; its threads end with the program.
pub(crate) struct Upstream(SocketAddr);

impl Upstream {
    /// Starts to listen.
    pub(crate) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let answers = Arc::new(Answers::new());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answers = Arc::clone(&answers);
                thread::spawn(move || answers.serve(&stream));
            }
        });
        Ok(Self(address))
    }

    /// What to set as the base URL.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}{BASE}", self.0)
    }
}

/// The answers, ready to be written.
struct Answers {
    credentials: Vec<u8>,
    numbers: Vec<u8>,
    agents: Vec<u8>,
}

impl Answers {
    fn new() -> Self {
        Self {
            credentials: answer(&(0..2).map(credential).collect()),
            numbers: answer(&(0..ROWS).map(number).collect()),
            agents: answer(&(0..NAMES.len()).map(agent).collect()),
        }
    }

    /// Answers one connection until it ends.
    fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut lines = BufReader::new(stream).lines();
        while let Some(first) = lines.next().transpose()? {
            while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
            let mut out = stream;
            out.write_all(self.to(&first))?;
        }
        Ok(())
    }

    fn to(&self, request_line: &str) -> &[u8] {
        let path = request_line.split([' ', '?']).nth(1).unwrap_or_default();
        match path.strip_prefix(BASE) {
            Some("/telephony/credentials") => &self.credentials,
            Some("/telephony/numbers") => &self.numbers,
            Some("/agents") => &self.agents,
            _ => b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
        }
    }
}

/// A whole HTTP answer around the rows of a list.
fn answer(rows: &Value) -> Vec<u8> {
    let total = rows.as_array().map_or(0, Vec::len);
    let body = json!({
        "data": rows,
        "meta": { "request_id": id(1), "ts": "2026-11-23T12:00:00.000000Z" },
        "pagination": { "total": total, "limit": 50, "offset": 0, "has_more": false },
    });
    let body = body.to_string();
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}

fn credential(n: usize) -> Value {
    json!({
        "id": id(1_000 + n), "organization_id": "org_2abCDefGhIJkLmNoPqRsTuVwXyZ", "provider_type": "twilio",
        "friendly_name": "Main line", "created_at": "2026-02-20T09:00:00+00:00", "updated_at": "2026-02-20T09:00:00+00:00",
    })
}

/// A number held in both directions: the dearest row there is.
fn number(n: usize) -> Value {
    let agent = id(2_000 + n % NAMES.len());
    json!({
        "id": id(3_000 + n), "organization_id": "org_2abCDefGhIJkLmNoPqRsTuVwXyZ", "agent_id": null,
        "inbound_agent_id": agent, "outbound_agent_id": agent, "phone_number": phone(n), "provider_id": id(4_000 + n),
        "status": "active", "is_trudy_managed": n < 30, "telephony_credential_id": null,
        "created_at": "2026-03-03T20:30:21.310278+00:00", "updated_at": "2026-03-03T20:31:02.118400+00:00",
    })
}

fn agent(n: usize) -> Value {
    let held: Value = (n..ROWS)
        .step_by(NAMES.len())
        .map(|number| json!({ "id": id(3_000 + number), "phone_number": phone(number) }))
        .collect();
    json!({
        "id": id(2_000 + n), "name": NAMES[n], "status": "active", "model": "ultravox-v0.7",
        "system_prompt": "You answer the phone, take down what the caller wants and say who will call back.",
        "inbound_phone_numbers": held, "outbound_phone_numbers": held,
        "created_at": "2026-02-20T09:00:00+00:00", "updated_at": "2026-02-20T09:00:00+00:00",
    })
}

/// A number reserved for fiction.
pub(crate) fn phone(n: usize) -> String {
    format!("+1415555{:04}", 100 + n)
}

/// An id that looks random and is the same in every run.
fn id(n: usize) -> String {
    // The golden ratio in 128 bits scatters small numbers evenly.
    let bits = (n as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid().to_string()
}
