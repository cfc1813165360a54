//! Lines over stdio that are no messages, too long or odd: each is answered or dropped, and the next is as usual.

use serde_json::{Value, json};

use super::purchase::buy;
use crate::support::era::Era;
use crate::support::fake_truedy::{PURCHASE, Upstream};
use crate::support::program::{LONG, at_once, server};
use crate::support::raw_client::Wire;

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
