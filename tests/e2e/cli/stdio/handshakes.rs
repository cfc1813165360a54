//! Handshakes and lines that real clients send on stdio: each is answered, none ends the program.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::era::{Era, LEGACY, MODERN};
use crate::support::fake_truedy::{CREDENTIALS, Gate, PURCHASE, Play, Upstream};
use crate::support::program::{LONG, Running, home, program, run, server};
use crate::support::raw_client::Wire;

/// After this long, what has not happened will not happen.
const A_WHILE: Duration = Duration::from_millis(500);

fn handshake(id: u64, params: Option<Value>) -> Value {
    let mut message = json!({ "jsonrpc": "2.0", "id": id, "method": "initialize" });
    if let Some(params) = params {
        message["params"] = params;
    }
    message
}

fn whole() -> Value {
    json!({ "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": { "name": "wire", "version": "1" } })
}

/// The whole handshake with one thing else.
fn with(path: &str, value: Value) -> Option<Value> {
    let mut params = whole();
    *params.pointer_mut(path).expect("a place") = value;
    Some(params)
}

fn without(name: &str) -> Option<Value> {
    let mut params = whole();
    params.as_object_mut().unwrap().remove(name);
    Some(params)
}

/// Handshakes that are answered as one that declares no ability.
fn odd_handshakes() -> Vec<Option<Value>> {
    let mut all = vec![None, Some(Value::Null), Some(json!([])), Some(json!({}))];
    all.extend(["protocolVersion", "capabilities", "clientInfo"].map(without));
    let info = "/clientInfo";
    for value in [json!(null), json!([]), json!("wire"), json!({}), json!({ "name": "wire" }), json!({ "version": 1 })]
    {
        all.push(with(info, value));
    }
    for value in [json!({ "name": 5, "version": 1.5 }), json!({ "name": "w", "version": "1", "icons": "none" })] {
        all.push(with(info, value));
    }
    for value in [json!(20_251_125), json!(2025.1125), json!(null), json!([]), json!({}), json!("1.0"), json!("")] {
        all.push(with("/protocolVersion", value));
    }
    for value in [json!(null), json!([]), json!(true), json!("elicitation"), json!(["elicitation"]), json!(5)] {
        all.push(with("/capabilities", value));
    }
    for value in [json!(true), json!("form"), json!(["form"]), json!(1), json!(null), json!(false)] {
        all.push(with("/capabilities", json!({ "elicitation": value })));
    }
    for value in [json!({ "form": true }), json!({ "form": null }), json!({ "form": null, "url": null })] {
        all.push(with("/capabilities", json!({ "elicitation": value })));
    }
    for value in [json!({ "roots": true }), json!({ "sampling": [1] }), json!({ "experimental": "x", "extensions": 1 })]
    {
        all.push(with("/capabilities", value));
    }
    let mut meta = whole();
    meta["_meta"] = json!("x");
    all.push(Some(meta));
    all
}

#[test]
fn a_handshake_that_lacks_something_is_answered_and_declares_nothing() {
    let upstream = Upstream::start();
    let odd = odd_handshakes();
    assert!(odd.len() >= 40, "{}", odd.len());
    for (at, params) in odd.into_iter().enumerate() {
        let mut wire = Wire::start(server(&upstream.base_url()), Era::Legacy);
        wire.send(&handshake(900, params.clone()));
        let answer = wire.answer(900);
        let agreed = answer["result"]["protocolVersion"].as_str().unwrap_or_else(|| panic!("{params:?}: {answer}"));
        assert_eq!(agreed, LEGACY, "{params:?}");
        wire.notify("notifications/initialized", json!({}));
        // A client that can be asked would be asked now, and the call would wait.
        let called = wire.call("purchase_number", json!({ "phone_number": format!("+1415555{:04}", 3000 + at) }));
        assert_eq!(called.status(), "confirmation_required", "{params:?}: {}", called.0);
        wire.running.close();
        assert_eq!(wire.running.ended(LONG), Some(0), "{params:?}");
    }
    assert_eq!(upstream.count(PURCHASE), 0);
}

#[test]
fn what_comes_before_the_handshake_is_answered_and_ends_nothing() {
    let upstream = Upstream::start();
    let mut wire = Wire::start(server(&upstream.base_url()), Era::Legacy);
    let meta = |value: Value| json!({ "_meta": value });
    let version = "io.modelcontextprotocol/protocolVersion";
    let requests = [
        ("tools/list", json!({})),
        ("tools/call", json!({ "name": "list_credentials" })),
        ("resources/list", json!({})),
        ("Initialize", json!({})),
        ("initialise", whole()),
        ("initialize", json!("x")),
        ("initialize", json!([1])),
        ("server/discover", json!({})),
        ("tools/list", meta(json!({ version: MODERN }))),
        ("tools/list", meta(json!({ version: "2099-01-01", "io.modelcontextprotocol/clientCapabilities": {} }))),
        ("tools/list", meta(json!({ version: 5, "io.modelcontextprotocol/clientCapabilities": {} }))),
        ("tools/list", meta(json!([1]))),
    ];
    for (id, (method, params)) in (700..).zip(requests) {
        wire.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        let answer = wire.answer(id);
        assert!(answer["error"]["code"].is_i64(), "{method}: {answer}");
        for note in ["notifications/initialized", "notifications/roots/list_changed", "notifications/of/our/own"] {
            wire.notify(note, json!({}));
        }
        wire.notify("notifications/cancelled", json!({ "requestId": id }));
        wire.send(&json!({ "jsonrpc": "2.0", "id": 4711, "result": {} }));
    }
    assert_eq!(wire.begin()["result"]["protocolVersion"], json!(LEGACY));
    assert_eq!(wire.call("list_credentials", json!({})).status(), "ok");
    wire.running.close();
    assert_eq!(wire.running.ended(LONG), Some(0));
}

#[test]
fn a_request_that_is_none_by_its_words_is_answered_with_what_is_expected() {
    let upstream = Upstream::start();
    for first in [true, false] {
        let mut wire = Wire::start(server(&upstream.base_url()), Era::Legacy);
        if !first {
            wire.begin();
        }
        for (id, message) in [
            (801, json!({ "id": 801, "method": "initialize", "params": whole() })),
            (802, json!({ "jsonrpc": "1.0", "id": 802, "method": "initialize", "params": whole() })),
            (803, json!({ "jsonrpc": "2.0", "id": 803, "method": 5 })),
            (804, json!({ "jsonrpc": 2.0, "id": 804, "method": "ping" })),
        ] {
            wire.send(&message);
            let error = &wire.answer(id)["error"];
            assert_eq!(error["code"], json!(-32600), "{message}: {error}");
            assert!(error["message"].as_str().is_some_and(|why| why.contains("jsonrpc")), "{error}");
        }
        // A whole number is one however it is written.
        wire.raw(b"{\"jsonrpc\":\"2.0\",\"id\":805.0,\"method\":\"ping\"}\n");
        assert_eq!(wire.answer(805)["result"], json!({}));
        if first {
            wire.begin();
        }
        assert_eq!(wire.call("list_credentials", json!({})).status(), "ok");
    }
}

#[test]
fn an_empty_list_where_an_object_belongs_is_an_empty_object() {
    let upstream = Upstream::start();
    for era in Era::BOTH {
        let mut wire = Wire::start(server(&upstream.base_url()), era);
        if era == Era::Legacy {
            let params = json!({ "protocolVersion": LEGACY, "capabilities": { "roots": [] }, "clientInfo": { "name": "php", "version": "8" } });
            wire.send(&handshake(900, Some(params)));
            assert_eq!(wire.answer(900)["result"]["protocolVersion"], json!(LEGACY));
            wire.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized", "params": [] }));
            wire.send(&json!({ "jsonrpc": "2.0", "id": 901, "method": "tools/list", "params": [] }));
            assert!(wire.answer(901)["result"]["tools"].is_array());
            wire.send(&json!({ "jsonrpc": "2.0", "id": 902, "method": "ping", "params": [] }));
            assert_eq!(wire.answer(902)["result"], json!({}));
        }
        assert_eq!(wire.call("list_credentials", json!([])).status(), "ok", "{era:?}");
        assert_eq!(wire.call("purchase_number", json!([])).object()["problems"][0]["field"], "phone_number");
        let refused = wire.call("list_credentials", json!([{}]));
        assert_eq!(refused.status(), "invalid_argument", "{era:?}: {}", refused.0);
    }
}

#[test]
fn an_empty_list_of_capabilities_declares_as_an_empty_object_does() {
    let upstream = Upstream::start();
    let mut wire = Wire::able(server(&upstream.base_url()), Era::Legacy, json!({ "elicitation": [] }));
    let id = wire.send_call("purchase_number", json!({ "phone_number": "+14155550199" }));
    let question = wire.said();
    assert_eq!(question["method"], "elicitation/create", "{question}");
    wire.send(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "action": "decline", "content": [] } }));
    assert_eq!(wire.called(id).status(), "human_declined");
    assert_eq!(upstream.count(PURCHASE), 0);
}

/// What n8n sends with a call, and Cursor.
fn notes(nth: u64) -> Value {
    json!({
        "sessionId": format!("s{nth}"), "action": "sendMessage", "chatInput": { "text": "buy" }, "tool": "x",
        "toolCallId": format!("call_{nth}"), "random_string": ""
    })
}

fn and(mut arguments: Value, more: Value) -> Value {
    arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    arguments
}

#[test]
fn notes_of_a_client_are_dropped_and_other_names_stay_refused() {
    for era in Era::BOTH {
        let upstream = Upstream::start();
        let mut wire = Wire::open(server(&upstream.base_url()), era);
        for (tool, arguments) in [
            ("list_credentials", json!({})),
            ("list_numbers", json!({ "limit": 5 })),
            ("purchase_number", json!({ "phone_number": "+14155550199", "confirm": true })),
        ] {
            let called = wire.call(tool, and(arguments, notes(1)));
            assert!(["ok", "purchased"].contains(&called.status()), "{era:?} {tool}: {}", called.0);
        }
        // The tool of one argument is named so itself.
        let called =
            wire.call("list_operations", and(json!({ "tool": "purchase_number" }), json!({ "sessionId": "a" })));
        assert_eq!(called.status(), "ok", "{}", called.0);
        assert_eq!(wire.call("list_operations", json!({ "tool": "x" })).status(), "invalid_argument");
        for name in ["statsu", "dry_run", "sessionid", "session_id", "Action"] {
            let called = wire.call("list_numbers", json!({ name: true, "toolCallId": "x" }));
            let problems = called.object()["problems"].as_array().expect("problems");
            assert_eq!((problems.len(), &problems[0]["field"]), (1, &json!(name)), "{}", called.0);
        }
    }
}

#[test]
fn a_second_round_matches_although_the_notes_of_a_client_differ() {
    let upstream = Upstream::start();
    let mut wire = Wire::able(server(&upstream.base_url()), Era::Modern, json!({ "elicitation": {} }));
    let call = |nth| and(json!({ "phone_number": "+14155550199" }), notes(nth));
    let id = wire.send_call("purchase_number", call(1));
    let asked = wire.answer(id);
    let state =
        asked["result"]["requestState"].as_str().unwrap_or_else(|| panic!("nobody is asked: {asked}")).to_owned();
    let field = asked["result"]["inputRequests"]["confirm"]["params"]["requestedSchema"]["properties"].clone();
    let name = field.as_object().and_then(|all| all.keys().next().cloned()).expect("a field");
    let yes = json!({ "confirm": { "action": "accept", "content": { name: true } } });
    let id = wire.request(
        "tools/call",
        json!({ "name": "purchase_number", "arguments": call(2), "requestState": state, "inputResponses": yes }),
    );
    let done = wire.called(id);
    assert_eq!(done.status(), "purchased", "{}", done.0);
    assert_eq!(upstream.count(PURCHASE), 1);
}

#[test]
fn methods_that_are_not_offered_are_named_in_words() {
    let upstream = Upstream::start();
    for (era, methods) in [
        (
            Era::Legacy,
            ["logging/setLevel", "resources/subscribe", "resources/unsubscribe", "subscriptions/listen", "tasks/get"],
        ),
        (Era::Modern, ["logging/setLevel", "resources/subscribe", "ping", "subscriptions/listen", "tasks/get"]),
    ] {
        let mut wire = Wire::open(server(&upstream.base_url()), era);
        for method in methods.into_iter().chain(["resources/directory/read", "tools/sell", "shutdown", "roots/list"]) {
            let params = json!({
                "level": "info", "uri": "truedy://numbers", "taskId": "1", "notifications": {}
            });
            let error = wire.ask(method, params)["error"].clone();
            assert_eq!(error["code"], json!(-32601), "{era:?} {method}: {error}");
            assert_eq!(error["message"], json!(format!("Method not found: {method}")), "{era:?}");
        }
    }
}

#[test]
fn a_line_that_is_too_long_is_answered_wherever_its_id_stands() {
    let upstream = Upstream::start();
    let long = "x".repeat(1 << 20);
    for first in [true, false] {
        let mut wire = Wire::start(server(&upstream.base_url()), Era::Legacy);
        if !first {
            wire.begin();
        }
        for (line, id) in [
            (format!(r#"{{"jsonrpc":"2.0","id":900,"method":"tools/call","params":{{"pad":"{long}"}}}}"#), 900),
            (format!(r#"{{"method":"tools/call","params":{{"id":1,"pad":"{long}"}},"jsonrpc":"2.0","id":901}}"#), 901),
        ] {
            wire.raw(line.as_bytes());
            wire.raw(b"\n");
            let error = &wire.answer(id)["error"];
            assert_eq!(error["code"], json!(-32600), "{error}");
            assert!(error["message"].as_str().is_some_and(|why| why.contains("1 MiB")), "{error}");
        }
        // An answer is not answered: its id may be that of a request of the client's own.
        wire.raw(format!(r#"{{"jsonrpc":"2.0","id":902,"result":{{"pad":"{long}"}}}}"#).as_bytes());
        wire.raw(b"\n");
        if first {
            wire.begin();
        }
        assert_eq!(wire.call("list_credentials", json!({})).status(), "ok");
        assert!(wire.answer_within(902, A_WHILE).is_none());
    }
}

#[test]
fn what_is_no_line_of_the_protocol_is_told_once() {
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let wide: Vec<u8> = format!("{list}\n").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let framed = format!("Content-Length: {}\r\n\r\n{list}", list.len());
    for (input, told) in [
        (framed.repeat(5).into_bytes(), "Content-Length"),
        (wide.repeat(5), "UTF-16"),
        (b"hello, my key is truedy_SecretKeyOnTheWire0000000001\n".repeat(5), "no JSON"),
    ] {
        let mut command = program();
        command.args(["stdio", "--sandbox", "--ephemeral"]);
        let mut running = Running::start(command);
        running.write(&input);
        running.close();
        assert_eq!(running.ended(LONG), Some(0), "{told}");
        let said = running.stderr();
        assert_eq!(said.matches("This is said once").count(), 1, "{told}: {said}");
        assert!(said.contains(told) && !said.contains("truedy_Secret"), "{told}: {said}");
    }
}

#[test]
fn a_last_line_without_its_end_is_read() {
    let whole = handshake(1, Some(whole())).to_string();
    let mut command = program();
    command.args(["stdio", "--sandbox", "--ephemeral"]);
    let ran = run(command, &whole);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let answer: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stdout));
    assert_eq!((&answer["id"], &answer["result"]["protocolVersion"]), (&json!(1), &json!(LEGACY)));
    let mut command = program();
    command.args(["stdio", "--sandbox", "--ephemeral"]);
    let ran = run(command, &whole[..whole.len() - 3]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "half a line is nothing");
}

#[test]
fn requests_with_one_id_are_each_answered() {
    for era in Era::BOTH {
        let upstream = Upstream::start();
        let gate = Gate::new();
        upstream.always(CREDENTIALS, Play::Behind(gate.clone(), Box::new(Play::Usual)));
        let mut wire = Wire::open(server(&upstream.base_url()), era);
        let params = json!({
            "name": "list_credentials", "_meta": {
                "io.modelcontextprotocol/protocolVersion": if era == Era::Modern { MODERN } else { LEGACY },
                "io.modelcontextprotocol/clientCapabilities": {}
            }
        });
        let call = json!({ "jsonrpc": "2.0", "id": "same", "method": "tools/call", "params": params });
        let next = |wire: &Wire| -> Value {
            serde_json::from_str(&wire.running.line(LONG).expect("an answer")).expect("JSON")
        };
        for _ in 0..3 {
            wire.send(&call);
        }
        for _ in 0..2 {
            let refused = next(&wire);
            assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!("same"), &json!(-32600)), "{refused}");
        }
        // Taken back, the id is free, and the first answer is not taken for the second.
        wire.notify("notifications/cancelled", json!({ "requestId": "same" }));
        wire.send(&json!({ "jsonrpc": "2.0", "id": "same", "method": "tools/call",
            "params": { "name": "list_numbers", "_meta": params["_meta"] } }));
        let answer = next(&wire);
        assert!(answer["result"]["structuredContent"]["numbers"].is_array(), "{era:?}: {answer}");
        gate.open();
        wire.send(&call);
        let answer = next(&wire);
        assert!(answer["result"]["structuredContent"]["credentials"].is_array(), "{era:?}: {answer}");
        assert!(wire.running.line(A_WHILE).is_none(), "{era:?}: nothing is answered twice");
    }
}

#[test]
fn beyond_the_limit_for_files_reading_goes_on_and_nothing_is_changed() {
    let upstream = Upstream::start();
    let built = server(&upstream.base_url());
    let mut command = Command::new("sh");
    command.arg("-c").arg("ulimit -f 0; exec \"$0\" \"$@\"").arg(built.get_program()).args(built.get_args());
    command.env_clear().envs(built.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut wire = Wire::open(command, Era::Legacy);
    for _ in 0..3 {
        let refused = wire.call("purchase_number", json!({ "phone_number": "+14155550199", "confirm": true }));
        assert_eq!(refused.status(), "journal_unavailable", "{}", refused.0);
        assert_eq!(wire.call("list_credentials", json!({})).status(), "ok");
    }
    assert_eq!(upstream.count(PURCHASE), 0);
    wire.running.close();
    assert_eq!(wire.running.ended(LONG), Some(0));
}

#[test]
fn a_live_journal_that_is_new_is_told_once() {
    const TOLD: &str = "there is no journal";
    let upstream = Upstream::start();
    let home = home();
    for told in [1, 0] {
        let mut command = server(&upstream.base_url());
        command.env("HOME", &home);
        let mut wire = Wire::open(command, Era::Legacy);
        assert_eq!(wire.call("list_operations", json!({})).status(), "ok");
        let said = wire.running.stderr();
        assert_eq!(said.matches(TOLD).count(), told, "{said}");
        assert!(told == 0 || said.contains("volume"), "{said}");
    }
    let mut command = program();
    command.args(["stdio", "--sandbox"]);
    let mut wire = Wire::open(command, Era::Legacy);
    assert_eq!(wire.call("list_operations", json!({})).status(), "ok");
    assert!(!wire.running.stderr().contains(TOLD), "{}", wire.running.stderr());
}
