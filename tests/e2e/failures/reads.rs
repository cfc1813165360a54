//! Reads that fail: how often they are tried, and the status that each error has.

use serde_json::{Value, json};

use super::account::{FREE, HTML, busy, error};
use crate::support::era::Era;
use crate::support::fake_truedy::{
    AGENT_NUMBERS, AGENTS, CREDENTIALS, FRONT_DESK, LIST, Play, Reply, SEARCH, Upstream, WEBHOOK,
};
use crate::support::program::{at_once, server};
use crate::support::raw_client::{Called, Wire};

/// One call against an upstream prepared for it; the answer, and how often the route was asked.
fn probe(tool: &str, arguments: Value, route: &str, play: &Play) -> (Called, usize) {
    let upstream = busy();
    upstream.always(route, play.clone());
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    let called = wire.call(tool, arguments);
    (called, upstream.count(route))
}

#[test]
fn a_read_that_fails_is_tried_three_times_and_a_search_twice() {
    let cases = [
        ("reset", Play::Reset),
        ("closed", Play::Close),
        ("cut", Play::Cut(Reply::json(200, &json!({ "data": [] })))),
        ("500", Play::json(500, &error("internal_error", "oops"))),
        ("502", Play::Answer(Reply::text(502, "text/html", HTML))),
        ("503", Play::Answer(Reply::empty(503))),
    ];
    at_once(cases, |(name, play)| {
        let (called, times) = probe("list_credentials", json!({}), CREDENTIALS, &play);
        assert_eq!((called.status(), times), ("upstream_unavailable", 3), "{name}: {}", called.0);
        let (called, times) = probe("search_numbers", json!({}), SEARCH, &play);
        // A plain 500 to a search is an answer, not an accident.
        assert_eq!(
            (called.status(), times),
            ("upstream_unavailable", if name == "500" { 1 } else { 2 }),
            "{name}: {}",
            called.0
        );
    });
    let cases = [
        ("list_numbers", json!({}), LIST),
        ("list_agents", json!({}), AGENTS),
        ("get_agent_numbers", json!({ "agent_id": FRONT_DESK }), AGENT_NUMBERS),
        ("get_webhook_url", json!({ "agent_id": FRONT_DESK }), WEBHOOK),
    ];
    at_once(cases, |(tool, arguments, route)| {
        let (called, times) = probe(tool, arguments, route, &Play::Answer(Reply::empty(503)));
        assert_eq!((called.status(), times), ("upstream_unavailable", 3), "{tool}: {}", called.0);
    });
}

#[test]
fn a_read_that_succeeds_at_last_is_answered() {
    let upstream = busy();
    upstream.in_turn(CREDENTIALS, vec![Play::Reset, Play::Answer(Reply::empty(503)), Play::Usual]);
    upstream.in_turn(SEARCH, vec![Play::Close, Play::Usual]);
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Modern);
    assert_eq!(wire.call("list_credentials", json!({})).status(), "ok");
    assert_eq!(wire.call("search_numbers", json!({})).status(), "ok");
    assert_eq!((upstream.count(CREDENTIALS), upstream.count(SEARCH)), (3, 2));
}

#[test]
fn a_read_whose_connection_is_closed_before_it_is_read_is_tried_again() {
    let upstream = busy();
    upstream.unread(CREDENTIALS, 2);
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    assert_eq!(wire.call("list_credentials", json!({})).status(), "ok");
    assert_eq!((upstream.wordless(), upstream.count(CREDENTIALS)), (2, 1));
}

#[test]
fn connections_that_truedy_closes_after_each_answer_cost_no_call() {
    let upstream = Upstream::start();
    upstream.on(CREDENTIALS, |seen, account| Play::Last(account.usual(seen)));
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    for turn in 0..60 {
        let called = wire.call("list_credentials", json!({}));
        assert_eq!(called.status(), "ok", "{turn}: {}", called.0);
    }
}

#[test]
fn a_purchase_is_not_planned_on_a_list_that_cannot_be_read() {
    for play in
        [Play::Reset, Play::json(200, &json!({ "data": "?" })), Play::Answer(Reply::text(200, "text/html", HTML))]
    {
        let upstream = busy();
        upstream.always(LIST, play);
        let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
        let called = wire.call("purchase_number", json!({ "phone_number": FREE, "confirm": true }));
        assert!(called.summary().starts_with("Nothing was bought"), "{}", called.0);
        assert_eq!(upstream.changes(), 0);
    }
}

#[test]
fn repeats_end_when_nothing_succeeds() {
    let upstream = busy();
    upstream.always(CREDENTIALS, Play::Answer(Reply::empty(503)));
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    for _ in 0..12 {
        assert_eq!(wire.call("list_credentials", json!({})).status(), "upstream_unavailable");
    }
    // Twelve calls, and ten repeats that the budget pays for.
    assert_eq!(upstream.count(CREDENTIALS), 22);
}

/// A failure, the status that it is told with, and how often the request is sent.
type Shape = (&'static str, Play, &'static str, usize);

fn text(status: u16, kind: &str, body: &str) -> Play {
    Play::Answer(Reply::text(status, kind, body.to_owned()))
}

/// Errors in each form that Truedy has been seen to use.
fn errors_of_truedy() -> Vec<Shape> {
    let inside = |code: &str| json!({ "error": { "code": code, "message": "m", "details": {}, "request_id": "req-b", "ts": "2026-03-03T12:00:00" } });
    let fields = json!({ "detail": [
        { "type": "missing", "loc": ["body", "phone_number"], "msg": "Field required", "input": { "api_key": "KEYinput0123456789" } },
        { "type": "int_parsing", "loc": ["query", "limit"], "msg": "Input should be a valid integer", "input": "KEYinput0123456789", "ctx": {}, "url": "https://errors.example" }
    ] });
    vec![
        ("A 400", Play::json(400, &error("bad_request", "m")), "upstream_rejected", 1),
        ("A 401", Play::json(401, &error("unauthorized", "Invalid or missing API key")), "auth_failed", 1),
        ("A 402", Play::json(402, &error("payment_required", "m")), "payment_required", 1),
        ("A 403", Play::json(403, &error("forbidden", "m")), "forbidden", 1),
        ("A 404", Play::json(404, &error("not_found", "m")), "not_found", 1),
        ("A 409", Play::json(409, &error("conflict", "m")), "upstream_rejected", 1),
        ("A 422", Play::json(422, &error("validation_error", "m")), "upstream_rejected", 1),
        ("A 502", Play::json(502, &error("provider_error", "m")), "upstream_unavailable", 3),
        ("B 401", Play::json(401, &inside("unauthorized")), "auth_failed", 1),
        ("B 404", Play::json(404, &inside("not_found")), "not_found", 1),
        (
            "B 422 not found",
            Play::json(422, &json!({ "error": { "code": "validation_error", "message": "Agent not found" } })),
            "not_found",
            1,
        ),
        ("B 500", Play::json(500, &inside("internal_error")), "upstream_unavailable", 3),
        ("C 422", Play::json(422, &fields), "upstream_rejected", 1),
        ("D 404", Play::json(404, &json!({ "detail": "Not Found" })), "not_found", 1),
        ("D 405", Play::json(405, &json!({ "detail": "Method Not Allowed" })), "upstream_rejected", 1),
        ("E 401", Play::json(401, &json!({ "detail": inside("unauthorized") })), "auth_failed", 1),
        (
            "F 500",
            Play::json(
                500,
                &json!({ "error": { "code": "internal_error", "message": "An internal error occurred", "request_id": "r", "ts": null } }),
            ),
            "upstream_unavailable",
            3,
        ),
        (
            "G 500",
            text(
                500,
                "text/html",
                r#"{"error":{"code":"server_error","message":"Backend server is currently unreachable or failed."}}"#,
            ),
            "upstream_unavailable",
            3,
        ),
        ("H 413", Play::json(413, &error("payload_too_large", "m")), "upstream_rejected", 1),
    ]
}

/// Answers that a proxy may give, or that are no answer at all.
fn errors_of_others() -> Vec<Shape> {
    vec![
        ("I 400", Play::Answer(Reply::empty(400)), "upstream_rejected", 1),
        ("I 401", text(401, "text/html", HTML), "auth_failed", 1),
        ("I 403", text(403, "text/html", HTML), "forbidden", 1),
        ("I 404", text(404, "text/html", HTML), "not_found", 1),
        ("I 502", text(502, "text/html", HTML), "upstream_unavailable", 3),
        ("I 503", Play::Answer(Reply::empty(503)), "upstream_unavailable", 3),
        ("I 418", text(418, "text/html", HTML), "bad_upstream_response", 1),
        ("I 200", text(200, "text/html", HTML), "bad_upstream_response", 1),
        ("I 200 empty", Play::Answer(Reply::empty(200)), "bad_upstream_response", 1),
        ("I 204", Play::Answer(Reply::empty(204)), "bad_upstream_response", 1),
        ("200 as text", text(200, "text/plain", r#"{"data":[]}"#), "bad_upstream_response", 1),
        ("200 not JSON", text(200, "application/json", "{\"data\":"), "bad_upstream_response", 1),
        (
            "200 longer than announced",
            Play::Overrun(Reply::json(200, &json!({ "data": [] }))),
            "bad_upstream_response",
            1,
        ),
        ("200 no list", Play::json(200, &json!({ "data": { "rows": [] } })), "bad_upstream_response", 1),
        ("200 of 3 MiB", Play::json(200, &json!({ "data": ["x".repeat(3 << 20)] })), "bad_upstream_response", 1),
        (
            "200 not UTF-8",
            Play::Answer(Reply::text(200, "application/json", b"{\"data\":[\"\xff\"]}".to_vec())),
            "bad_upstream_response",
            1,
        ),
        (
            "200 nested deeply",
            text(200, "application/json", &("[".repeat(5_000) + &"]".repeat(5_000))),
            "bad_upstream_response",
            1,
        ),
        (
            "200 compressed",
            Play::Answer(
                Reply::text(200, "application/json", vec![0x1f, 0x8b, 8, 0, 0xa5, 0xa5])
                    .header("Content-Encoding", "gzip"),
            ),
            "bad_upstream_response",
            1,
        ),
        ("302", Play::Answer(Reply::redirect(302, "/login")), "bad_upstream_response", 1),
    ]
}

#[test]
fn every_shape_of_an_error_has_its_status() {
    at_once([errors_of_truedy(), errors_of_others()].concat(), |(name, play, status, times)| {
        let (called, asked) = probe("list_credentials", json!({}), CREDENTIALS, &play);
        assert_eq!((called.status(), asked), (status, times), "{name}: {}", called.0);
        assert!(called.is_error() && called.summary().starts_with("Nothing could be read"), "{name}: {}", called.0);
        assert!(!called.0.to_string().contains("KEYinput"), "{name}: the input is repeated: {}", called.0);
        if name == "C 422" {
            let fields = called.object()["truedy_fields"].to_string();
            assert!(
                fields.contains("phone_number") && fields.contains("Field required") && fields.contains("limit"),
                "{fields}"
            );
        }
        if name.starts_with("B 4") || name.starts_with("E 4") {
            assert!(
                name == "B 422 not found" || called.object()["request_id"] == json!("req-b"),
                "{name}: {}",
                called.0
            );
        }
    });
}

#[test]
fn a_list_of_almost_two_mebibytes_is_read() {
    let upstream = Upstream::start();
    upstream.on(CREDENTIALS, |_, _| {
        Play::json(
            200,
            &json!({ "data": [{ "id": "c1", "friendly_name": "Main line", "notes": "x".repeat((2 << 20) - 200) }] }),
        )
    });
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    let called = wire.call("list_credentials", json!({}));
    assert_eq!(called.object()["credentials"], json!([{ "id": "c1", "name": "Main line" }]), "{}", called.0);
}
