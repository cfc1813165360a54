//! Changes of which one step fails: what was sent, what is looked up, and what is told.

use std::time::Duration;

use serde_json::json;

use super::account::{FREE, NUMBER, busy, error, one_of_each};
use crate::support::era::Era;
use crate::support::expected;
use crate::support::fake_truedy::{
    ASSIGN, FRONT_DESK, FRONT_OFFICE, IMPORT, LIST, PURCHASE, Play, RELEASE, UNASSIGN, Upstream,
};
use crate::support::program::{at_once, nobody, server};
use crate::support::raw_client::Wire;

#[test]
fn a_change_that_finds_no_connection_says_that_nothing_was_sent() {
    let cases = [
        (PURCHASE, "purchase_number", json!({ "phone_number": FREE, "confirm": true }), "Nothing was bought"),
        (
            IMPORT,
            "import_number",
            json!({ "phone_number": FREE, "provider_type": "telnyx", "api_key": "KEYwire0123456789" }),
            "Nothing was imported",
        ),
        (RELEASE, "release_number", json!({ "number_id": NUMBER, "confirm": true }), "Nothing was released"),
        (
            UNASSIGN,
            "unassign_number",
            json!({ "number_id": "+14155550124", "assignment_type": "inbound" }),
            "Nothing was changed",
        ),
    ];
    at_once(cases, |(route, tool, arguments, words)| {
        let upstream = busy();
        // From the last read before the change on, nobody listens.
        let deaf = upstream.refuser();
        upstream.on(LIST, move |_, _| {
            deaf.cancel();
            Play::After(Duration::from_millis(300), Box::new(Play::Usual))
        });
        let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
        let called = wire.call(tool, arguments);
        assert_eq!(called.status(), "upstream_unavailable", "{route}: {}", called.0);
        assert!(called.summary().contains(words), "{route}: {}", called.0);
        assert_eq!(upstream.changes(), 0);
    });
}

#[test]
fn nothing_listening_is_told_at_once_by_every_tool() {
    let (_free, base_url) = nobody();
    let mut wire = Wire::open(server(&base_url), Era::Modern);
    expected::assert_covers(
        &expected::names_without(&["list_operations"]),
        one_of_each().iter().map(|(tool, _)| *tool),
    );
    let calls = one_of_each().into_iter().map(|(tool, arguments)| (tool, wire.send_call(tool, arguments)));
    for (tool, id) in calls.collect::<Vec<_>>() {
        let called = wire.called(id);
        assert_eq!(called.status(), "upstream_unavailable", "{tool}: {}", called.0);
        assert!(called.summary().starts_with("Nothing "), "{tool}: {}", called.0);
        assert_eq!(called.object()["retryable"], json!(true), "{tool}");
    }
}

#[test]
fn a_purchase_whose_connection_is_closed_before_it_is_read_may_have_left() {
    let upstream = Upstream::start();
    upstream.unread(PURCHASE, 9).on(LIST, |_, account| {
        // The looks afterwards find it, so the test need not wait for all of them.
        if account.credentials.is_empty() {
            account.credentials.push(json!({}));
        } else if !account.has(FREE) {
            account.add(FREE, true);
        }
        Play::Usual
    });
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    let called = wire.call("purchase_number", json!({ "phone_number": FREE, "confirm": true }));
    assert_eq!(called.status(), "purchased", "{}", called.0);
    assert_eq!((upstream.wordless(), upstream.count(PURCHASE)), (1, 0), "one connection, and no second attempt");
}

#[test]
fn a_refused_release_looks_before_it_says_that_the_number_is_still_there() {
    for (status, code) in [(422, "validation_error"), (409, "conflict")] {
        let upstream = busy();
        upstream.on(RELEASE, move |seen, account| {
            account.usual(seen);
            Play::json(status, &error(code, "Failed to release number: database error"))
        });
        let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
        let called = wire.call("release_number", json!({ "number_id": NUMBER, "confirm": true }));
        assert_ne!(called.status(), "not_released", "it is gone: {}", called.0);
        assert_eq!(upstream.count(RELEASE), 1);
    }
}

#[test]
fn an_assignment_that_did_not_take_place_is_sent_once_more() {
    let upstream = busy();
    upstream.in_turn(ASSIGN, vec![Play::Reset, Play::Usual]);
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    let called = wire.call(
        "assign_number",
        json!({ "number_id": NUMBER, "agent_id": "Front office", "assignment_type": "inbound" }),
    );
    assert_eq!((called.status(), called.object()["verified"].clone()), ("assigned", json!(true)), "{}", called.0);
    assert_eq!(upstream.count(ASSIGN), 2);
}

#[test]
fn an_assignment_is_not_sent_over_what_somebody_else_did_meanwhile() {
    let upstream = busy();
    upstream.on(ASSIGN, |_, account| {
        account.numbers[0]["inbound_agent_id"] = json!(FRONT_DESK);
        Play::Reset
    });
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    let called = wire
        .call("assign_number", json!({ "number_id": NUMBER, "agent_id": FRONT_OFFICE, "assignment_type": "inbound" }));
    assert_eq!(called.status(), "not_assigned", "{}", called.0);
    assert_eq!(upstream.count(ASSIGN), 1);
    assert_eq!(upstream.account(|account| account.numbers[0]["inbound_agent_id"].clone()), json!(FRONT_DESK));
}

#[test]
fn a_stored_assignment_is_told_although_the_engine_failed_afterwards() {
    let upstream = busy();
    upstream.on(ASSIGN, |seen, account| {
        account.usual(seen);
        Play::json(422, &error("validation_error", "Failed to assign number: Ultravox API error: 502"))
    });
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    let called = wire
        .call("assign_number", json!({ "number_id": NUMBER, "agent_id": FRONT_OFFICE, "assignment_type": "inbound" }));
    assert_eq!(called.status(), "assigned", "{}", called.0);
    assert!(called.object()["warnings"].to_string().contains("failure"), "{}", called.0);
    assert_eq!(upstream.count(ASSIGN), 1);
}
