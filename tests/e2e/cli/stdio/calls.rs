//! Many calls at once over stdio, calls taken back, and files and sockets in place of pipes.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::purchase::{A_WHILE, FREE, buy};
use crate::support::era::{Era, LEGACY};
use crate::support::fake_truedy::{CREDENTIALS, Gate, LIST, PURCHASE, Play, Upstream};
use crate::support::program::{LONG, at_once, server, server_within};
use crate::support::raw_client::{Called, Wire};

#[test]
fn three_hundred_calls_at_once_are_all_answered_and_64_run() {
    let upstream = Upstream::start();
    let gate = Gate::new();
    upstream.always(CREDENTIALS, Play::Behind(gate.clone(), Box::new(Play::Usual)));
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Modern);
    let ids: Vec<u64> = (0..300).map(|_| wire.send_call("list_credentials", json!({}))).collect();
    upstream.wait_for(CREDENTIALS, 64);
    thread::sleep(A_WHILE);
    assert_eq!((upstream.running(), upstream.count(CREDENTIALS)), (64, 64), "the rest waits");
    gate.open();
    for id in ids {
        assert_eq!(wire.called(id).status(), "ok");
    }
    assert_eq!((upstream.peak(), upstream.count(CREDENTIALS)), (64, 300));
}

#[test]
fn a_flood_is_answered_to_the_last_call() {
    let upstream = Upstream::start();
    // As an operator runs it, with Truedy's limit kept.
    let mut wire = Wire::open(server_within(&upstream.base_url(), "100"), Era::Legacy);
    let ids: Vec<u64> = (0..2_000).map(|_| wire.send_call("list_credentials", json!({}))).collect();
    let answers: Vec<Called> = ids.into_iter().map(|id| wire.called(id)).collect();
    let count = |status: &str| answers.iter().filter(|called| called.status() == status).count();
    assert_eq!(count("ok") + count("rate_limited"), 2_000);
    assert!(count("ok") > 0 && upstream.seen().len() <= 100, "{} {}", count("ok"), upstream.seen().len());
    assert!(wire.ask("tools/list", json!({}))["result"].is_object());
}

#[test]
fn a_call_that_is_taken_back_before_anything_was_sent_stops() {
    at_once(Era::BOTH, |era| {
        let upstream = Upstream::start();
        let gate = Gate::new();
        upstream.always(LIST, Play::Behind(gate.clone(), Box::new(Play::Usual)));
        let mut wire = Wire::open(server(&upstream.base_url()), era);
        let id = wire.send_call("purchase_number", buy());
        upstream.wait_for(LIST, 1);
        wire.notify("notifications/cancelled", json!({ "requestId": id }));
        assert!(wire.answer_within(id, A_WHILE).is_none(), "{era:?}: a cancelled request has no answer");
        gate.open();
        assert_eq!(wire.call("list_credentials", json!({})).status(), "ok");
        thread::sleep(A_WHILE);
        assert_eq!(upstream.changes(), 0, "{era:?}");
    });
}

#[test]
fn a_change_that_was_sent_runs_to_its_end_although_it_is_taken_back() {
    at_once(Era::BOTH, |era| {
        let upstream = Upstream::start();
        let gate = Gate::new();
        upstream.always(PURCHASE, Play::Behind(gate.clone(), Box::new(Play::Usual)));
        let mut wire = Wire::open(server(&upstream.base_url()), era);
        let id = wire.send_call("purchase_number", buy());
        upstream.wait_for(PURCHASE, 1);
        wire.notify("notifications/cancelled", json!({ "requestId": id }));
        thread::sleep(A_WHILE);
        gate.open();
        // It is read back, which only a call that still runs does.
        upstream.wait_for(LIST, 2);
        assert!(wire.answer_within(id, A_WHILE).is_none(), "{era:?}: a cancelled request has no answer");
        assert_eq!(upstream.count(PURCHASE), 1);
        assert!(upstream.account(|account| account.has(FREE)));
        assert_eq!(wire.call("purchase_number", buy()).status(), "already_owned", "{era:?}");
    });
}

/// A handshake and a call, as lines.
fn script() -> String {
    let client = json!({ "name": "script", "version": "1" });
    let params = json!({ "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": client });
    let messages = [
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": "list_credentials" } }),
    ];
    messages.iter().map(|message| format!("{message}\n")).collect()
}

/// The statuses of the calls that were answered in these lines.
fn statuses(lines: &str) -> Vec<Value> {
    let messages = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("a message"));
    messages.map(|message| message["result"]["structuredContent"]["status"].clone()).collect()
}

#[test]
fn files_serve_as_well_as_pipes() {
    let (upstream, dir) = (Upstream::start(), tempfile::tempdir().unwrap());
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    fs::write(&input, script()).unwrap();
    let status = server(&upstream.base_url())
        .stdin(File::open(&input).unwrap())
        .stdout(File::create(&output).unwrap())
        .stderr(Stdio::null())
        .status()
        .expect("the program runs");
    assert_eq!(status.code(), Some(0));
    assert_eq!(statuses(&fs::read_to_string(&output).unwrap()), [Value::Null, json!("ok")]);
}

#[test]
fn a_socket_serves_as_well_as_pipes() {
    for half in [true, false] {
        let upstream = Upstream::start();
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(LONG)).unwrap();
        let mut child = server(&upstream.base_url())
            .stdin(OwnedFd::from(theirs.try_clone().unwrap()))
            .stdout(OwnedFd::from(theirs))
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        ours.write_all(script().as_bytes()).unwrap();
        let mut lines = BufReader::new(ours.try_clone().unwrap()).lines();
        let said: Vec<String> = lines.by_ref().take(2).map(|line| line.expect("a line") + "\n").collect();
        assert_eq!(statuses(&said.concat()), [Value::Null, json!("ok")]);
        if half {
            ours.shutdown(Shutdown::Write).unwrap();
        } else {
            kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        }
        assert!(lines.next().is_none(), "it ends, and says no more");
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}
