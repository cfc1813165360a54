//! Rate limits of Truedy and of the operator: who waits, who is refused, and for how long.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::account::{CHANGES, FREE, HTML, NUMBER, OTHER, busy, one_of_each};
use crate::support::era::Era;
use crate::support::fake_truedy::{
    CREDENTIALS, FRONT_DESK, FRONT_OFFICE, LIST, PURCHASE, Play, Reply, SEARCH, Upstream, WEBHOOK,
};
use crate::support::program::{server, server_within};
use crate::support::raw_client::{Called, Wire};

/// Truedy's clock in the answers of these tests.
const DATE: &str = "Tue, 03 Mar 2026 12:00:00 GMT";

fn limited(status: u16, body: &Value) -> Play {
    Play::Answer(Reply::json(status, body).header("Date", DATE))
}

/// The documented refusal of the rate limiter, with this `reset_at`.
fn limit_until(reset_at: Value) -> Value {
    json!({ "error": { "code": "rate_limit_exceeded", "message": "Rate limit exceeded", "details": { "limit": 100, "reset_at": reset_at } } })
}

#[test]
fn a_rate_limit_is_read_in_every_form_and_told_in_seconds() {
    let epoch = 1_772_539_200_i64; // DATE
    let upstream = Upstream::start();
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    for (name, play, seconds) in [
        ("with zone", limited(429, &limit_until(json!("2026-03-03T12:00:40.000000Z"))), 40),
        ("with offset", limited(429, &limit_until(json!("2026-03-03T14:00:40+02:00"))), 40),
        ("without zone", limited(429, &limit_until(json!("2026-03-03T12:00:40.123456"))), 40),
        ("with a space", limited(429, &limit_until(json!("2026-03-03 12:00:40"))), 40),
        ("epoch", limited(429, &limit_until(json!(epoch + 40))), 40),
        ("epoch in milliseconds", limited(429, &limit_until(json!((epoch + 40) * 1000))), 40),
        ("epoch with a fraction", limited(429, &limit_until(json!(1_772_539_240.5))), 40),
        ("epoch as text", limited(429, &limit_until(json!((epoch + 40).to_string()))), 40),
        ("far too late", limited(429, &limit_until(json!("2026-03-03T13:00:00Z"))), 60),
        ("more than a minute", limited(429, &limit_until(json!("2026-03-03T12:01:50Z"))), 65),
        ("garbage", limited(429, &limit_until(json!("soon"))), 60),
        ("nothing", limited(429, &json!({})), 60),
        ("wrapped", limited(429, &json!({ "detail": limit_until(json!("2026-03-03T12:00:40")) })), 40),
        ("as 500", limited(500, &json!({ "detail": limit_until(json!("2026-03-03T12:00:40")) })), 40),
        ("as plain 500", limited(500, &limit_until(json!("2026-03-03T12:00:40"))), 40),
        ("without a code", limited(429, &json!({ "error": { "details": { "reset_at": epoch + 40 } } })), 40),
        (
            "Retry-After",
            Play::Answer(Reply::json(429, &json!({})).header("Date", DATE).header("Retry-After", "40")),
            40,
        ),
        (
            "Retry-After as a date",
            Play::Answer(
                Reply::json(429, &json!({}))
                    .header("Date", DATE)
                    .header("Retry-After", "Tue, 03 Mar 2026 12:00:40 GMT"),
            ),
            40,
        ),
        (
            "the later of two",
            Play::Answer(
                Reply::json(429, &limit_until(json!(epoch + 20))).header("Date", DATE).header("Retry-After", "40"),
            ),
            40,
        ),
        ("HTML", Play::Answer(Reply::text(429, "text/html", HTML).header("Retry-After", "40")), 40),
    ] {
        let before = upstream.count(CREDENTIALS);
        upstream.always(CREDENTIALS, play);
        let called = wire.call("list_credentials", json!({}));
        assert_eq!(called.status(), "rate_limited", "{name}: {}", called.0);
        assert_eq!(called.object()["retry_after_seconds"], json!(seconds), "{name}: {}", called.0);
        assert_eq!(called.object()["retryable"], json!(true), "{name}");
        assert_eq!(upstream.count(CREDENTIALS) - before, 1, "{name}: there is no time to wait for it");
    }
}

#[test]
fn a_short_rate_limit_is_waited_out_and_even_a_purchase_goes_through_once() {
    let upstream = busy();
    let soon = || vec![limited(429, &limit_until(json!("2026-03-03T12:00:01Z"))), Play::Usual];
    for route in [CREDENTIALS, SEARCH].into_iter().chain(CHANGES) {
        upstream.in_turn(route, soon());
    }
    upstream.in_turn(WEBHOOK, vec![limited(429, &limit_until(json!("2020-01-01T00:00:00"))), Play::Usual]);
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Modern);
    let calls: Vec<(&str, u64)> = [
        ("list_credentials", json!({})),
        ("search_numbers", json!({})),
        ("get_webhook_url", json!({ "agent_id": FRONT_DESK })),
        ("purchase_number", json!({ "phone_number": FREE, "confirm": true })),
        ("import_number", json!({ "phone_number": OTHER, "provider_type": "telnyx", "api_key": "KEYwire0123456789" })),
        ("assign_number", json!({ "number_id": NUMBER, "agent_id": FRONT_OFFICE, "assignment_type": "outbound" })),
        ("unassign_number", json!({ "number_id": "+14155550124", "assignment_type": "inbound" })),
        ("release_number", json!({ "number_id": "+14155550125", "confirm": true })),
    ]
    .into_iter()
    .map(|(tool, arguments)| (tool, wire.send_call(tool, arguments)))
    .collect();
    let statuses: Vec<(&str, String)> =
        calls.into_iter().map(|(tool, id)| (tool, wire.called(id).status().to_owned())).collect();
    let expected = ["ok", "ok", "ok", "purchased", "imported", "assigned", "unassigned", "released"];
    assert_eq!(statuses.iter().map(|(_, status)| status.as_str()).collect::<Vec<_>>(), expected, "{statuses:?}");
    for route in [WEBHOOK].into_iter().chain(CHANGES) {
        assert_eq!(upstream.count(route), 2, "{route}");
    }
    assert_eq!(upstream.count(SEARCH), 3, "before a purchase its price is looked up, too");
    assert_eq!(upstream.count(CREDENTIALS), 3, "before an import they are read, too");
    let bought =
        upstream.account(|account| account.numbers.iter().filter(|row| row["phone_number"] == json!(FREE)).count());
    assert_eq!(bought, 1);
}

#[test]
fn a_purchase_that_meets_a_long_rate_limit_bought_nothing_and_says_when_to_come_back() {
    let upstream = Upstream::start();
    upstream.always(PURCHASE, limited(429, &limit_until(json!("2026-03-03T12:00:50Z"))));
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    let called = wire.call("purchase_number", json!({ "phone_number": FREE, "confirm": true }));
    assert_eq!(called.status(), "rate_limited", "{}", called.0);
    assert!(called.summary().starts_with("Nothing was bought"), "{}", called.0);
    assert_eq!(called.object()["retry_after_seconds"], json!(50));
    assert_eq!(upstream.count(PURCHASE), 1);
}

/// A server that keeps within so many requests a minute.
fn thrifty(upstream: &Upstream, rpm: &str) -> Wire {
    Wire::open(server_within(&upstream.base_url(), rpm), Era::Legacy)
}

#[test]
fn after_a_rate_limit_nothing_is_asked_until_it_ends() {
    let upstream = busy();
    upstream.always(CREDENTIALS, limited(429, &limit_until(json!("2026-03-03T12:00:50Z"))));
    let mut wire = thrifty(&upstream, "100");
    assert_eq!(wire.call("list_credentials", json!({})).status(), "rate_limited");
    let before = upstream.seen().len();
    for (tool, arguments) in one_of_each() {
        let called = wire.call(tool, arguments);
        assert_eq!(called.status(), "rate_limited", "{tool}: {}", called.0);
        let wait = called.object()["retry_after_seconds"].as_u64().unwrap_or_default();
        assert!((20..=51).contains(&wait), "{tool}: {}", called.0);
    }
    assert_eq!(upstream.seen().len(), before);
}

#[test]
fn no_more_requests_leave_in_a_minute_than_the_operator_allows() {
    let upstream = busy();
    let mut wire = thrifty(&upstream, "5");
    let start = Instant::now();
    // One read before, its price, the purchase, one look afterwards.
    assert_eq!(wire.call("purchase_number", json!({ "phone_number": FREE, "confirm": true })).status(), "purchased");
    assert_eq!(upstream.seen().len(), 4);
    let ids: Vec<u64> = (0..6).map(|_| wire.send_call("list_credentials", json!({}))).collect();
    let answers: Vec<Called> = ids.into_iter().map(|id| wire.called(id)).collect();
    let answered = answers.iter().filter(|called| called.status() == "ok").count();
    assert_eq!(answered, 1, "five in all");
    for refused in answers.iter().filter(|called| called.status() != "ok") {
        assert_eq!(refused.status(), "rate_limited", "{}", refused.0);
        let wait = refused.object()["retry_after_seconds"].as_u64().unwrap_or_default();
        assert!((1..=60).contains(&wait), "{}", refused.0);
    }
    let refused = wire.call("purchase_number", json!({ "phone_number": OTHER, "confirm": true }));
    assert_eq!(refused.status(), "rate_limited", "{}", refused.0);
    assert!(refused.summary().starts_with("Nothing was bought"), "{}", refused.0);
    assert!(start.elapsed() < Duration::from_secs(45), "the window must not have moved on: {:?}", start.elapsed());
    assert_eq!(upstream.seen().len(), 5);
}

#[test]
fn reads_cannot_use_up_what_is_kept_for_changes() {
    let upstream = busy();
    // The list is answered slowly, so that the reads come in while the purchase is planned.
    upstream.on(LIST, |_, _| Play::After(Duration::from_millis(700), Box::new(Play::Usual)));
    let mut wire = thrifty(&upstream, "20");
    let purchase = wire.send_call("purchase_number", json!({ "phone_number": FREE, "confirm": true }));
    upstream.wait_for(LIST, 1);
    let reads: Vec<u64> = (0..30).map(|_| wire.send_call("list_credentials", json!({}))).collect();
    assert_eq!(wire.called(purchase).status(), "purchased");
    assert!(reads.into_iter().any(|id| wire.called(id).status() == "rate_limited"));
    assert!(upstream.seen().len() <= 20);
}

#[test]
fn the_sixth_of_six_calls_is_answered_within_twelve_seconds() {
    let upstream = Upstream::start();
    let mut wire = thrifty(&upstream, "5");
    for _ in 0..4 {
        assert_eq!(wire.call("list_credentials", json!({})).status(), "ok");
    }
    let start = Instant::now();
    for _ in 0..2 {
        assert_eq!(wire.call("list_credentials", json!({})).status(), "rate_limited", "one place is kept for changes");
    }
    assert!(start.elapsed() < Duration::from_secs(12), "{:?}", start.elapsed());
}
