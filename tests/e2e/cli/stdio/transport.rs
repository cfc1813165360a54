//! Standard input and output as a transport: both eras, whatever nonsense a client sends, many calls at once, calls taken
//! back, and every way in which it all may end.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::failures::silence::SLOW;
use crate::support::era::{Era, LEGACY, MODERN};
use crate::support::expected::TOOLS;
use crate::support::fake_truedy::{CREDENTIALS, Gate, LIST, PURCHASE, Play, Upstream};
use crate::support::program::{LONG, at_once, program, server, server_within};
use crate::support::raw_client::{Called, Wire};

const FREE: &str = "+14155550199";

fn buy() -> Value {
    json!({ "phone_number": FREE, "confirm": true })
}

/// After this long, what has not happened will not happen.
const A_WHILE: Duration = Duration::from_millis(700);

// --- Beginning ---------------------------------------------------------------------------------------------------

#[test]
fn the_first_answers_need_no_connection_to_truedy() {
    for era in Era::BOTH {
        let upstream = Upstream::start();
        let mut wire = Wire::open(server(&upstream.base_url()), era);
        let tools = wire.ask("tools/list", json!({}));
        assert_eq!(tools["result"]["tools"].as_array().map(Vec::len), Some(TOOLS.len()));
        thread::sleep(Duration::from_millis(200));
        assert_eq!(upstream.connections(), 0);
        assert_eq!(wire.call("list_credentials", json!({})).status(), "ok");
        assert!(upstream.connections() > 0);
    }
}

#[test]
fn without_a_key_tools_are_listed_and_a_call_says_how_to_set_one() {
    for era in Era::BOTH {
        let upstream = Upstream::start();
        let mut command = program();
        command.arg("stdio").env("TRUEDY_BASE_URL", upstream.base_url());
        let mut wire = Wire::open(command, era);
        assert_eq!(wire.ask("tools/list", json!({}))["result"]["tools"].as_array().map(Vec::len), Some(TOOLS.len()));
        for (tool, arguments) in [("list_numbers", json!({})), ("purchase_number", buy())] {
            let called = wire.call(tool, arguments);
            assert_eq!(called.status(), "auth_failed", "{}", called.0);
            assert!(called.is_error() && called.summary().contains("TRUEDY_API_KEY"), "{}", called.0);
        }
        // What is wrong with the arguments is told all the same.
        assert_eq!(wire.call("purchase_number", json!({})).status(), "invalid_argument");
        assert_eq!(upstream.connections(), 0);
    }
}

#[test]
fn the_four_older_versions_are_spoken_as_asked() {
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let upstream = Upstream::start();
        let mut wire = Wire::start(server(&upstream.base_url()), Era::Legacy);
        let answer = wire.handshake(version);
        assert_eq!(answer["result"]["protocolVersion"], json!(version), "{answer}");
        assert_eq!(answer["result"]["serverInfo"]["name"], json!("truedy-mcp"));
        assert!(answer["result"]["instructions"].is_string() && answer["result"]["capabilities"]["tools"].is_object());
        let called = wire.call("list_credentials", json!({}));
        assert_eq!(called.status(), "ok");
        assert!(called.0["result"].get("resultType").is_none(), "a word of the newer protocol: {}", called.0);
        assert_eq!(wire.ask("ping", json!({}))["result"], json!({}));
    }
}

#[test]
fn a_handshake_in_an_unknown_version_is_answered_in_the_newest_that_has_one() {
    for version in ["1999-01-01", "2099-01-01", MODERN, ""] {
        let upstream = Upstream::start();
        let mut wire = Wire::start(server(&upstream.base_url()), Era::Legacy);
        let answer = wire.handshake(version);
        assert_eq!(answer["result"]["protocolVersion"], json!(LEGACY), "{version}: {answer}");
        assert_eq!(wire.call("list_credentials", json!({})).status(), "ok");
    }
}

/// Calls in each era in turn; each answer is one of that era.
fn take_turns(wire: &mut Wire) {
    for era in [Era::Legacy, Era::Modern, Era::Modern, Era::Legacy, Era::Modern, Era::Legacy] {
        wire.speak(era);
        let called = wire.call("list_credentials", json!({}));
        assert_eq!(called.status(), "ok", "{era:?}");
        assert_eq!(called.0["result"].get("resultType").is_some(), era == Era::Modern, "{era:?}: {}", called.0);
    }
}

#[test]
fn one_process_speaks_both_eras() {
    let upstream = Upstream::start();
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    take_turns(&mut wire);
    wire.speak(Era::Modern);
    assert_eq!(wire.ask("server/discover", json!({}))["result"]["resultType"], json!("complete"));
    take_turns(&mut wire);
}

#[test]
fn a_handshake_after_modern_calls_is_kept() {
    let upstream = Upstream::start();
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Modern);
    assert_eq!(wire.call("list_credentials", json!({})).status(), "ok");
    let answer = wire.handshake(LEGACY);
    assert_eq!(answer["result"]["protocolVersion"], json!(LEGACY), "{answer}");
    take_turns(&mut wire);
}

#[test]
fn a_probe_before_the_handshake_does_no_harm() {
    let upstream = Upstream::start();
    let mut wire = Wire::start(server(&upstream.base_url()), Era::Modern);
    assert!(wire.ask("server/discover", json!({}))["result"]["supportedVersions"].is_array());
    assert!(wire.ask("server/discover", json!({}))["result"].is_object());
    wire.handshake("2025-06-18");
    assert_eq!(wire.call("list_credentials", json!({})).status(), "ok");
}

#[test]
fn messages_before_the_first_request_do_no_harm() {
    for era in Era::BOTH {
        let upstream = Upstream::start();
        let mut wire = Wire::start(server(&upstream.base_url()), era);
        wire.notify("notifications/initialized", json!({}));
        wire.notify("notifications/cancelled", json!({ "requestId": 1, "reason": "none" }));
        wire.notify("notifications/roots/list_changed", json!({}));
        wire.notify("notifications/of/our/own", json!({ "x": [1, 2] }));
        wire.send(&json!({ "jsonrpc": "2.0", "id": 4711, "result": {} }));
        wire.raw(b"\n\r\n   \n");
        wire.begin();
        assert_eq!(wire.call("list_credentials", json!({})).status(), "ok", "{era:?}");
    }
}

#[test]
fn answers_of_2026_07_28_say_what_kind_they_are_who_gave_them_and_how_long_they_last() {
    let upstream = Upstream::start();
    let mut wire = Wire::start(server(&upstream.base_url()), Era::Modern);
    let discovered = wire.ask("server/discover", json!({}));
    let versions = discovered["result"]["supportedVersions"].to_string();
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", LEGACY, MODERN] {
        assert!(versions.contains(version), "{versions}");
    }
    let listed = wire.ask("tools/list", json!({}));
    for answer in [&discovered, &listed] {
        assert!(answer["result"]["ttlMs"].as_u64().is_some(), "{answer}");
        assert!(["public", "private"].map(Value::from).contains(&answer["result"]["cacheScope"]), "{answer}");
    }
    let mut answers = vec![discovered, listed];
    upstream.always(PURCHASE, Play::json(402, &json!({})));
    for (tool, arguments) in [
        ("list_credentials", json!({})),
        ("purchase_number", buy()),
        ("release_number", json!({ "number_id": "?" })),
        // Ways of their own through the server.
        ("list_credentials", json!("{}")),
        ("list_credentials", json!(5)),
    ] {
        answers.push(wire.call(tool, arguments).0);
    }
    for answer in answers {
        let result = &answer["result"];
        assert_eq!(result["resultType"], json!("complete"), "{answer}");
        let server = &result["_meta"]["io.modelcontextprotocol/serverInfo"];
        assert_eq!((&server["name"], server["version"].is_string()), (&json!("truedy-mcp"), true), "{answer}");
    }
}

#[test]
fn a_request_of_2026_07_28_without_what_it_must_carry_is_refused() {
    let upstream = Upstream::start();
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    let mut ask = |id: u64, meta: Value| {
        wire.send(&json!({ "jsonrpc": "2.0", "id": id, "method": "tools/list", "params": { "_meta": meta } }));
        wire.answer(id)
    };
    let version = "io.modelcontextprotocol/protocolVersion";
    let capabilities = "io.modelcontextprotocol/clientCapabilities";
    let refused = ask(101, json!({ version: "2099-01-01", capabilities: {} }));
    assert_eq!(refused["error"]["code"], json!(-32022), "{refused}");
    assert_eq!(refused["error"]["data"]["requested"], json!("2099-01-01"), "{refused}");
    assert!(refused["error"]["data"]["supported"].to_string().contains(MODERN), "{refused}");
    let refused = ask(102, json!({ version: MODERN }));
    assert_eq!(refused["error"]["code"], json!(-32602), "{refused}");
    assert!(ask(103, json!({ version: MODERN, capabilities: {} }))["result"].is_object());
}

// --- Nonsense ----------------------------------------------------------------------------------------------------

/// Lines that are no message.
fn nonsense() -> Vec<Vec<u8>> {
    vec![
        b"{".to_vec(),
        b"{\"jsonrpc\":\"2.0\",\"id\":900,\"method\":\"tools/list\"".to_vec(),
        b"hello".to_vec(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"[1,2,3]".to_vec(),
        b"\"tools/list\"".to_vec(),
        b"42".to_vec(),
        b"{}".to_vec(),
        b"{\"jsonrpc\":\"2.0\"}".to_vec(),
        b"{\"jsonrpc\":\"2.0\",\"id\":null}".to_vec(),
        b"{\"jsonrpc\":\"2.0\",\"method\":5}".to_vec(),
        b"\xff\xfe\x00\x01".to_vec(),
        b"{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"params\":{\"t\":\"\xc3\x28\"}}".to_vec(),
        vec![0; 64],
        b"\x1b[2J".to_vec(),
        "[".repeat(100_000).into_bytes(),
        format!("{{\"a\":{}1{}}}", "[".repeat(5_000), "]".repeat(5_000)).into_bytes(),
        b"{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"params\":{\"n\":1e99999}}".to_vec(),
        b"GET / HTTP/1.1".to_vec(),
        b"Content-Length: 12".to_vec(),
        b"{\"jsonrpc\":\"2.0\",\"id\":4711,\"error\":{\"code\":-1,\"message\":\"no\"}}".to_vec(),
        b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{}}".to_vec(),
        b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":[]}}".to_vec(),
        b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":123456}}".to_vec(),
    ]
}

#[test]
fn lines_that_are_no_messages_do_no_harm() {
    for era in Era::BOTH {
        for first in [true, false] {
            let upstream = Upstream::start();
            let mut wire = Wire::start(server(&upstream.base_url()), era);
            if !first {
                wire.begin();
            }
            for line in nonsense() {
                wire.raw(&line);
                wire.raw(b"\n");
                if !first {
                    assert_eq!(wire.call("list_credentials", json!({})).status(), "ok", "{line:?}");
                }
            }
            if first {
                wire.begin();
            }
            assert_eq!(wire.call("list_credentials", json!({})).status(), "ok", "{era:?}");
            wire.running.close();
            assert_eq!(wire.running.ended(LONG), Some(0));
        }
    }
}

/// A request as a line of this length, the end of the line not counted.
fn line_of(length: usize, id: u64) -> Vec<u8> {
    let line = |pad: &str| {
        json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": "list_numbers", "arguments": { "pad": pad } } }).to_string()
    };
    let line = line(&"x".repeat(length - line("").len()));
    assert_eq!(line.len(), length);
    line.into_bytes()
}

#[test]
fn a_line_of_more_than_a_mebibyte_is_not_read_and_the_connection_lives_on() {
    let mebibyte = 1 << 20;
    at_once([true, false], |first| {
        let upstream = Upstream::start();
        let mut wire = Wire::start(server(&upstream.base_url()), Era::Legacy);
        if !first {
            wire.begin();
        }
        for (length, id) in [(mebibyte + 1, 900), (5 * mebibyte, 902)] {
            wire.raw(&line_of(length, id));
            wire.raw(b"\n");
            assert_eq!(wire.answer(id)["error"]["code"], json!(-32600));
        }
        if first {
            wire.begin();
        }
        assert_eq!(wire.call("list_credentials", json!({})).status(), "ok");
        wire.raw(&line_of(mebibyte - 1, 901));
        wire.raw(b"\n");
        assert_eq!(wire.called(901).status(), "invalid_argument");
        assert_eq!(wire.call("list_credentials", json!({})).status(), "ok");
    });
}

#[test]
fn arguments_that_come_as_a_json_text_are_read() {
    for era in Era::BOTH {
        let upstream = Upstream::start();
        let mut wire = Wire::open(server(&upstream.base_url()), era);
        assert_eq!(wire.call("list_credentials", json!("{}")).status(), "ok", "{era:?}");
        assert_eq!(wire.call("list_credentials", Value::Null).status(), "ok", "{era:?}");
        let id = wire.request("tools/call", json!({ "name": "list_credentials" }));
        assert_eq!(wire.called(id).status(), "ok", "{era:?}");
        let bought = wire.call("purchase_number", json!(buy().to_string()));
        assert_eq!(bought.status(), "purchased", "{era:?}: {}", bought.0);
        assert_eq!(upstream.count(PURCHASE), 1);
        let wrong = wire.call("purchase_number", json!(r#"{"phone_number":"415"}"#));
        assert_eq!(wrong.status(), "invalid_argument", "{era:?}: {}", wrong.0);
    }
}

#[test]
fn arguments_of_another_type_are_answered_with_what_is_expected() {
    for era in Era::BOTH {
        let upstream = Upstream::start();
        let mut wire = Wire::open(server(&upstream.base_url()), era);
        for arguments in [json!(5), json!(true), json!([{ "limit": 5 }]), json!("limit=5"), json!("[]"), json!("")] {
            let called = wire.call("list_numbers", arguments.clone());
            assert_eq!(called.status(), "invalid_argument", "{era:?} {arguments}: {}", called.0);
            assert!(called.is_error() && called.summary().contains("object"), "{era:?} {arguments}: {}", called.0);
        }
        assert_eq!(upstream.connections(), 0);
    }
}

#[test]
fn what_does_not_exist_is_named_in_the_error() {
    for era in Era::BOTH {
        let upstream = Upstream::start();
        let mut wire = Wire::open(server(&upstream.base_url()), era);
        for arguments in [json!({}), json!({ "x": 1 }), json!("{}"), Value::Null] {
            let answer = wire.ask("tools/call", json!({ "name": "buy_a_house", "arguments": arguments }));
            assert_eq!(answer["error"]["code"], json!(-32602), "{era:?}: {answer}");
            assert!(answer["error"]["message"].as_str().is_some_and(|said| said.contains("buy_a_house")), "{answer}");
        }
        for cursor in ["next", "2", ""] {
            let answer = wire.ask("tools/list", json!({ "cursor": cursor }));
            assert_eq!(answer["error"]["code"], json!(-32602), "{era:?} {cursor:?}: {answer}");
        }
        assert_eq!(wire.ask("tools/sell", json!({}))["error"]["code"], json!(-32601), "{era:?}");
        assert_eq!(wire.ask("tools/call", json!({}))["error"]["code"], json!(-32602), "{era:?}");
        assert_eq!(wire.ask("tools/call", json!({ "name": 5 }))["error"]["code"], json!(-32602), "{era:?}");
    }
}

#[test]
fn ids_come_back_as_they_were_sent() {
    let upstream = Upstream::start();
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    for id in [json!(0), json!(-7), json!("seven"), json!(""), json!("7"), json!(9_007_199_254_740_991_u64)] {
        wire.send(
            &json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": "list_credentials" } }),
        );
        let line = wire.running.line(LONG).expect("an answer");
        let answer: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&answer["id"], &answer["result"]["isError"]), (&id, &json!(false)), "{answer}");
    }
}

// --- Many at once ------------------------------------------------------------------------------------------------

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

// --- Taken back --------------------------------------------------------------------------------------------------

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

// --- Not a pipe --------------------------------------------------------------------------------------------------

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

// --- The end -----------------------------------------------------------------------------------------------------

/// How a client, or whoever runs it, ends the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Input,
    Terminate,
    Interrupt,
}

impl Ending {
    const ALL: [Self; 3] = [Self::Input, Self::Terminate, Self::Interrupt];

    fn bring(self, wire: &mut Wire) {
        match self {
            Self::Input => wire.running.close(),
            Self::Terminate => wire.running.signal(Signal::TERM),
            Self::Interrupt => wire.running.signal(Signal::INT),
        }
    }
}

#[test]
fn an_end_before_any_request_is_a_normal_one() {
    for before in
        ["", "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n", "{\"jsonrpc\":\"2.0\",\"id\":1,\"meth"]
    {
        for arguments in [&["stdio"][..], &[]] {
            let mut command = program();
            command.args(arguments);
            let mut wire = Wire::start(command, Era::Legacy);
            wire.raw(before.as_bytes());
            wire.running.close();
            assert_eq!(wire.running.ended(LONG), Some(0), "{before:?}");
            assert_eq!(wire.running.stdout(), "");
        }
    }
}

#[test]
fn idle_it_ends_at_once() {
    for ending in Ending::ALL {
        for era in Era::BOTH {
            let upstream = Upstream::start();
            let mut wire = Wire::open(server(&upstream.base_url()), era);
            wire.call("list_credentials", json!({}));
            ending.bring(&mut wire);
            assert_eq!(wire.running.ended(Duration::from_secs(5)), Some(0), "{ending:?} {era:?}");
        }
    }
}

#[test]
fn running_work_is_finished_and_answered_before_the_end() {
    at_once(Ending::ALL, |ending| {
        let upstream = Upstream::start();
        upstream.always(CREDENTIALS, Play::After(Duration::from_secs(1), Box::new(Play::Usual)));
        upstream.always(PURCHASE, Play::After(Duration::from_secs(3), Box::new(Play::Usual)));
        let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
        let purchase = wire.send_call("purchase_number", buy());
        let reads: Vec<u64> = (0..20).map(|_| wire.send_call("list_credentials", json!({}))).collect();
        upstream.wait_for(PURCHASE, 1);
        upstream.wait_for(CREDENTIALS, 20);
        ending.bring(&mut wire);
        assert_eq!(wire.called(purchase).status(), "purchased", "{ending:?}");
        for id in reads {
            assert_eq!(wire.called(id).status(), "ok", "{ending:?}");
        }
        assert_eq!(wire.running.ended(LONG), Some(0), "{ending:?}");
        assert_eq!(upstream.count(PURCHASE), 1);
    });
}

#[test]
fn work_that_would_not_end_is_stopped_where_nothing_was_sent() {
    at_once(Ending::ALL, |ending| {
        let upstream = Upstream::start();
        upstream.always(LIST, Play::Never).always(CREDENTIALS, Play::Never);
        let mut wire = Wire::open(server(&upstream.base_url()), Era::Modern);
        let calls = [wire.send_call("purchase_number", buy()), wire.send_call("list_credentials", json!({}))];
        upstream.wait_for(LIST, 1);
        upstream.wait_for(CREDENTIALS, 1);
        let start = Instant::now();
        ending.bring(&mut wire);
        for id in calls {
            let called = wire.called(id);
            assert!(called.is_error() && called.summary().starts_with("Nothing "), "{ending:?}: {}", called.0);
        }
        assert_eq!(wire.running.ended(LONG), Some(0), "{ending:?}");
        assert!(start.elapsed() < Duration::from_secs(8), "{ending:?}: {:?}", start.elapsed());
        assert_eq!(upstream.changes(), 0);
    });
}

/// How it ended while a change was not answered.
pub(crate) struct End {
    ending: Ending,
    code: Option<i32>,
    took: Duration,
    sent: usize,
}

/// Ends the server in each way while the answer to a change does not come. Takes as long as it may take.
pub(crate) fn endings() -> Vec<End> {
    thread::scope(|scope| {
        let ends = Ending::ALL.map(|ending| {
            scope.spawn(move || {
                let upstream = Upstream::start();
                upstream.always(PURCHASE, Play::Never);
                let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
                wire.send_call("purchase_number", buy());
                upstream.wait_for(PURCHASE, 1);
                let start = Instant::now();
                ending.bring(&mut wire);
                let code = wire.running.ended(LONG);
                End { ending, code, took: start.elapsed(), sent: upstream.count(PURCHASE) }
            })
        });
        ends.into_iter().map(|end| end.join().unwrap()).collect()
    })
}

#[test]
fn a_change_whose_answer_does_not_come_is_waited_for_within_bounds() {
    for end in &SLOW.endings {
        // Twenty seconds after the end of input, ten after a signal, and never at once.
        let most = if end.ending == Ending::Input { 20 } else { 10 };
        assert_eq!((end.code, end.sent), (Some(0), 1), "{:?}", end.ending);
        assert!(end.took > Duration::from_secs(5), "{:?}: {:?}", end.ending, end.took);
        assert!(end.took < Duration::from_secs(most + 4), "{:?}: {:?}", end.ending, end.took);
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let upstream = Upstream::start();
    upstream.always(PURCHASE, Play::Never);
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    wire.send_call("purchase_number", buy());
    upstream.wait_for(PURCHASE, 1);
    wire.running.signal(Signal::TERM);
    thread::sleep(A_WHILE);
    let start = Instant::now();
    wire.running.signal(Signal::TERM);
    assert_eq!(wire.running.ended(LONG), Some(1));
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[test]
fn a_client_that_no_longer_reads_ends_it_without_a_word() {
    let upstream = Upstream::start();
    let mut child = server(&upstream.base_url())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let mut input = child.stdin.take().unwrap();
    let start = Instant::now();
    let ended = loop {
        let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": { "name": "x", "version": "1" } } });
        drop(input.write_all(format!("{ping}\n").as_bytes()));
        thread::sleep(Duration::from_millis(100));
        match child.try_wait().expect("it can be waited for") {
            None if start.elapsed() < LONG => {}
            ended => break ended,
        }
    };
    drop(child.kill());
    let said = child.wait_with_output().expect("it has ended");
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(!said.contains("panic") && !said.contains("a fault in this server"), "{said}");
    assert!(ended.is_some(), "it went on: {said}");
}

#[test]
fn a_request_whose_parameters_are_no_object_is_answered_by_its_id() {
    for era in Era::BOTH {
        let upstream = Upstream::start();
        let mut wire = Wire::open(server(&upstream.base_url()), era);
        for (id, params) in
            [json!([1]), json!("x"), json!(1), json!(true), json!({ "_meta": [1] }), json!({ "_meta": "x" })]
                .into_iter()
                .enumerate()
        {
            let id = 700 + u64::try_from(id).unwrap();
            wire.send(&json!({ "jsonrpc": "2.0", "id": id, "method": "tools/list", "params": params }));
            let answer = wire.answer(id);
            assert_eq!(answer["error"]["code"], -32602, "{params}: {answer}");
        }
        assert_eq!(wire.call("list_credentials", json!({})).status(), "ok", "the connection goes on");
    }
}
