//! How a conversation over stdio begins: without a key, in each revision, and in both eras with one process.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::purchase::buy;
use crate::support::era::{Era, LEGACY, MODERN};
use crate::support::expected::TOOLS;
use crate::support::fake_truedy::{PURCHASE, Play, Upstream};
use crate::support::program::{program, server};
use crate::support::raw_client::Wire;

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
