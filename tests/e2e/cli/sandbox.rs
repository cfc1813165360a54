//! `truedy-mcp sandbox`: how it is started, reached, reset and stopped.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use truedy_mcp::sandbox::{KEY, OTHER_ORGANIZATION_KEY, REVOKED_KEY, SECOND_KEY};

use super::run::{truedy, truedy_with};
use crate::support::program::{LONG, Running, program};

/// A running `truedy-mcp sandbox`.
pub(super) struct Sandbox {
    pub(super) running: Running,
    pub(super) base_url: String,
    /// All it said at the start.
    pub(super) said: String,
}

impl Sandbox {
    pub(super) fn start(arguments: &[&str]) -> Self {
        let mut command = program();
        command.args(["sandbox", "--listen", "127.0.0.1:0"]).args(arguments);
        Self::run(command)
    }

    pub(super) fn run(command: Command) -> Self {
        let running = Running::start(command);
        let mut said = String::new();
        while !said.contains("Ctrl-C") {
            said.push_str(&running.line(LONG).unwrap_or_else(|| panic!("{said}{}", running.stderr())));
        }
        let base_url = said.split("TRUEDY_BASE_URL=").nth(1).and_then(|rest| rest.lines().next()).unwrap().to_owned();
        Self { running, base_url, said }
    }

    /// One request over a connection of its own: status and body.
    pub(super) fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let (host, prefix) = self.base_url.trim_start_matches("http://").split_once('/').unwrap();
        let mut stream = TcpStream::connect(host).expect("it listens");
        stream.set_read_timeout(Some(LONG)).unwrap();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = format!(
            "{method} /{prefix}{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {KEY}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("a whole answer");
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    pub(super) fn numbers(&self) -> Vec<Value> {
        let (status, body) = self.ask("GET", "/telephony/numbers?limit=100", &Value::Null);
        assert_eq!(status, 200, "{body}");
        body["data"].as_array().cloned().unwrap_or_default()
    }
}

#[test]
fn the_sandbox_says_how_to_reach_it_and_stops_when_told() {
    let mut sandbox = Sandbox::start(&["--ephemeral"]);
    for key in [KEY, SECOND_KEY, OTHER_ORGANIZATION_KEY, REVOKED_KEY] {
        assert!(sandbox.said.contains(key), "{}", sandbox.said);
    }
    assert!(
        sandbox.said.contains(&format!("export TRUEDY_API_KEY={KEY}"))
            && sandbox.base_url.starts_with("http://127.0.0.1:")
    );
    assert_eq!(sandbox.numbers().len(), 12);
    sandbox.running.signal(Signal::TERM);
    assert_eq!(sandbox.running.ended(LONG), Some(0));
    // A port that is taken is told.
    let other = Sandbox::start(&["--ephemeral"]);
    let address = other.base_url.trim_start_matches("http://").split('/').next().unwrap();
    let ran = truedy(&["sandbox", "--ephemeral", "--listen", address]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{}", ran.stderr);
    assert!(ran.stderr.contains(address), "{}", ran.stderr);
    let ran = truedy_with(&["sandbox", "--ephemeral"], &[("TRUEDY_MCP_LISTEN", address)], "");
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
}

#[test]
fn the_sandbox_lists_its_faults_and_forgets_when_told() {
    let faults = truedy(&["sandbox", "faults"]).fine();
    for fault in ["purchase=", "pending=", "rate_limit=", "timeout_after_commit"] {
        assert!(faults.contains(fault), "{faults}");
    }
    let dir = TempDir::new().unwrap();
    let state = dir.path().display().to_string();
    let released = truedy(&[
        "call",
        "release_number",
        "number_id=+442079460123",
        "confirm=true",
        "--sandbox",
        "--state-dir",
        &state,
    ])
    .json();
    assert_eq!(released["status"], json!("released"));
    let total = || truedy(&["call", "list_numbers", "--sandbox", "--state-dir", &state]).json()["total"].clone();
    assert_eq!(total(), json!(11));
    assert!(truedy(&["sandbox", "reset", "--state-dir", &state]).fine().contains(&state));
    assert_eq!(total(), json!(12));
    truedy(&["sandbox", "reset", "--state-dir", &state]).fine();
    truedy(&["sandbox", "reset", "--state-dir", &state]).fine();
}

#[test]
fn a_program_reaches_the_sandbox_by_address_and_key_and_sees_only_its_own_organisation() {
    let sandbox = Sandbox::start(&["--ephemeral"]);
    let list = |key: &str| {
        truedy_with(&["call", "list_numbers"], &[("TRUEDY_BASE_URL", &sandbox.base_url), ("TRUEDY_API_KEY", key)], "")
    };
    assert_eq!(list(KEY).json()["total"], json!(12));
    assert_eq!(list(SECOND_KEY).json()["total"], json!(12));
    assert_eq!(list(OTHER_ORGANIZATION_KEY).json()["total"], json!(1));
    assert_eq!(list(REVOKED_KEY).code, Some(3));
}

#[test]
fn a_sandbox_that_is_killed_keeps_every_change_it_has_acknowledged() {
    let dir = TempDir::new().unwrap();
    let state = dir.path().display().to_string();
    let start = || Sandbox::start(&["--state-dir", &state]);
    let mut sandbox = start();
    let (status, found) =
        sandbox.ask("POST", "/telephony/numbers/search", &json!({ "area_code": "415", "page_size": 20 }));
    assert_eq!(status, 200, "{found}");
    let offers: Vec<Value> =
        found["data"].as_array().unwrap().iter().map(|offer| offer["phone_number"].clone()).collect();
    assert!(offers.len() >= 10, "{found}");
    let (_, agents) = sandbox.ask("GET", "/agents/", &Value::Null);
    let agent = agents["data"][0]["id"].clone();
    let mut expected: Vec<Value> = sandbox.numbers();
    for turn in 0..20 {
        // By turns: a purchase, an import, an assignment, a release.
        let (status, answer) = match turn % 4 {
            0 => sandbox.ask("POST", "/telephony/numbers/purchase", &json!({ "phone_number": offers[turn / 4] })),
            1 => {
                let number = format!("+121255501{}", 50 + turn / 4);
                let body = json!({ "phone_number": number, "provider_type": "telnyx", "api_key": "k" });
                sandbox.ask("POST", "/telephony/numbers/import", &body)
            }
            2 => {
                let direction = if turn % 8 == 2 { "inbound" } else { "outbound" };
                let body = json!({ "number_id": expected[0]["id"], "agent_id": agent, "assignment_type": direction });
                sandbox.ask("POST", "/telephony/numbers/assign", &body)
            }
            _ => {
                let id = expected.last().unwrap()["id"].as_str().unwrap();
                sandbox.ask("DELETE", &format!("/telephony/numbers/{id}"), &Value::Null)
            }
        };
        sandbox.running.kill();
        assert!((200..300).contains(&status), "{turn}: {status} {answer}");
        let before: Vec<Value> = expected.iter().map(|row| row["id"].clone()).collect();
        sandbox = start();
        expected = sandbox.numbers();
        let id = answer["data"]["number_id"].clone();
        let now: Vec<&Value> = expected.iter().map(|row| &row["id"]).collect();
        match turn % 4 {
            0 | 1 => assert!(now.contains(&&id) && now.len() == before.len() + 1, "{turn}: {answer}"),
            2 => {
                let slot = if turn % 8 == 2 { "inbound_agent_id" } else { "outbound_agent_id" };
                let row = expected.iter().find(|row| row["id"] == before[0]).unwrap();
                assert_eq!(row[slot], agent, "{turn}: {row}");
            }
            _ => assert!(!now.contains(&before.last().unwrap()) && now.len() == before.len() - 1, "{turn}"),
        }
    }
}
