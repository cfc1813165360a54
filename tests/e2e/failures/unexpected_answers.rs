//! Answers of Truedy that are not as documented: what can still be read is read.

use serde_json::json;

use super::account::{CHANGES, FREE, NUMBER, READS, busy, one_of_each};
use super::silence::BOUND;
use crate::support::era::Era;
use crate::support::fake_truedy::{
    AGENT_NUMBERS, AGENTS, CREDENTIALS, FRONT_DESK, LIST, PURCHASE, Play, SEARCH, Upstream, WEBHOOK,
};
use crate::support::program::{KEY, at_once, server};
use crate::support::raw_client::{Called, Wire};

#[test]
fn unknown_fields_and_values_survive() {
    let upstream = Upstream::start();
    upstream.account(|account| {
        account.add(NUMBER, true);
        let number = &mut account.numbers[0];
        number["status"] = json!("porting");
        number["carrier"] = json!({ "deep": [1, { "new": null }] });
        number["created_at"] = json!(17);
        account.agents[0]["status"] = json!("hibernating");
        account.agents[0]["voices"] = json!([[[]]]);
        account.credentials.push(json!({ "id": "c1", "provider_type": "plivo", "friendly_name": null, "rotation": { "due": true } }));
        account.offers.push(json!({ "phone_number": FREE, "phone_number_type": "shared_cost", "features": ["voice", { "name": "fax" }, 7], "cost_information": { "monthly_cost": 1.5, "currency": "USD" }, "quality": 5 }));
    });
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Modern);
    let numbers = wire.call("list_numbers", json!({}));
    assert_eq!(numbers.object()["numbers"][0]["status"], json!("porting"), "{}", numbers.0);
    assert_eq!(wire.call("list_numbers", json!({ "status": "porting" })).object()["total"], json!(1));
    let agents = wire.call("list_agents", json!({}));
    assert_eq!(agents.object()["agents"][0]["status"], json!("hibernating"), "{}", agents.0);
    let credentials = wire.call("list_credentials", json!({}));
    assert_eq!(credentials.object()["credentials"], json!([{ "id": "c1", "provider": "plivo" }]), "{}", credentials.0);
    let offers = wire.call("search_numbers", json!({}));
    let offer = &offers.object()["offers"][0];
    assert_eq!((&offer["type"], &offer["monthly"]), (&json!("shared_cost"), &json!("1.50")), "{}", offers.0);
    assert!(offer["features"].to_string().contains("voice fax"), "{}", offers.0);
}

#[test]
fn bodies_without_an_envelope_are_read() {
    let upstream = Upstream::start();
    let number = json!({ "id": "n1", "phone_number": NUMBER, "status": "active", "inbound_agent_id": null, "outbound_agent_id": null });
    upstream.always(LIST, Play::json(200, &json!([number])));
    upstream.always(AGENTS, Play::json(200, &json!([{ "id": FRONT_DESK, "name": "Front desk", "status": "active" }])));
    upstream.always(CREDENTIALS, Play::json(200, &json!([{ "id": "c1" }])));
    upstream.always(WEBHOOK, Play::json(200, &json!({ "webhook_url": "https://api.ultravox.ai/x" })));
    upstream.always(AGENT_NUMBERS, Play::json(200, &json!({ "inbound": [number], "outbound": [] })));
    upstream.always(SEARCH, Play::json(200, &json!([{ "phone_number": FREE }])));
    upstream.always(PURCHASE, Play::json(201, &json!({ "id": "n2", "phone_number": FREE })));
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    for (tool, arguments, path, expected) in [
        ("list_numbers", json!({}), "/numbers/0/number", json!(NUMBER)),
        ("list_agents", json!({}), "/agents/0/name", json!("Front desk")),
        ("list_credentials", json!({}), "/credentials/0/id", json!("c1")),
        ("get_webhook_url", json!({ "agent_id": "Front desk" }), "/webhook_url", json!("https://api.ultravox.ai/x")),
        ("get_agent_numbers", json!({ "agent_id": FRONT_DESK }), "/inbound/0/id", json!("n1")),
        ("search_numbers", json!({}), "/offers/0/number", json!(FREE)),
        ("purchase_number", json!({ "phone_number": FREE, "confirm": true }), "/id", json!("n2")),
    ] {
        let called = wire.call(tool, arguments);
        assert_eq!(called.object().pointer(path), Some(&expected), "{tool}: {}", called.0);
    }
}

#[test]
fn both_shapes_of_a_search_are_read_alike() {
    let documented = json!({
        "phone_number": FREE, "range": null, "phone_number_type": "toll-free",
        "region_information": { "region_name": "CA", "locality": "San Francisco" }, "features": ["voice", "sms"],
        "cost_information": { "upfront_cost": "1.00000", "monthly_cost": "2.50000", "currency": "USD" }
    });
    let carrier = json!({
        "phone_number": FREE, "range": null, "phone_number_type": "toll_free",
        "region_information": [
            { "region_type": "country_code", "region_name": "US" }, { "region_type": "state", "region_name": "CA" },
            { "region_type": "rate_center", "region_name": "San Francisco" }
        ],
        "features": [{ "name": "voice" }, { "name": "sms" }],
        "cost_information": { "monthly_cost": "2.50000", "upfront_cost": "1.00000", "currency": "USD" }
    });
    let upstream = Upstream::start();
    let pagination = json!({ "page": 1, "page_size": 20, "total_results": 57, "total_pages": 3, "has_more": true });
    upstream.always(SEARCH, Play::json(200, &json!({ "data": [documented, carrier], "pagination": pagination })));
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    let called = wire.call("search_numbers", json!({}));
    let offers = &called.object()["offers"];
    assert_eq!(offers[0], offers[1], "{}", called.0);
    assert_eq!((&offers[0]["region"], &offers[0]["locality"]), (&json!("CA"), &json!("San Francisco")));
    assert_eq!((&offers[0]["monthly"], &offers[0]["type"]), (&json!("2.50"), &json!("toll_free")));
    assert_eq!((&called.object()["total"], &called.object()["next_page"]), (&json!(57), &json!(2)));
}

#[test]
fn a_search_for_more_than_truedy_gives_is_narrowed_once() {
    let upstream = Upstream::start();
    upstream.on(SEARCH, |seen, _| match seen.json()["page_size"].as_u64() {
        Some(0..=50) => Play::json(200, &json!({ "data": [{ "phone_number": FREE }] })),
        _ => Play::json(
            422,
            &json!({ "detail": [{ "loc": ["body", "page_size"], "msg": "less than or equal to 50", "type": "x" }] }),
        ),
    });
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    let called = wire.call("search_numbers", json!({ "page_size": 100 }));
    assert_eq!((called.status(), upstream.count(SEARCH)), ("ok", 2), "{}", called.0);
}

#[test]
fn a_list_that_repeats_itself_for_ever_is_left() {
    let upstream = Upstream::start();
    let row = json!({ "id": "n1", "phone_number": NUMBER, "inbound_agent_id": null, "outbound_agent_id": null });
    upstream.always(LIST, Play::json(200, &json!({ "data": [row], "pagination": { "has_more": true } })));
    let mut turn = 0;
    upstream.on(AGENTS, move |_, _| {
        turn += 1;
        Play::json(
            200,
            &json!({ "data": [{ "id": format!("agt_{turn}"), "name": "x" }], "pagination": { "has_more": true } }),
        )
    });
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    let called = wire.call("list_numbers", json!({ "managed": true }));
    assert!(!called.is_error(), "{}", called.0);
    assert!(
        upstream.count(LIST) <= 8 && upstream.count(AGENTS) <= 50,
        "{} {}",
        upstream.count(LIST),
        upstream.count(AGENTS)
    );
}

#[test]
fn every_request_carries_the_key_in_one_header_and_says_who_asks() {
    let upstream = busy();
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    for (tool, arguments) in one_of_each() {
        wire.call(tool, arguments);
    }
    let seen = upstream.seen();
    assert!(CHANGES.into_iter().chain(READS).all(|route| upstream.count(route) > 0));
    for request in &seen {
        let names: Vec<&String> =
            request.headers.iter().filter(|(_, value)| value.contains(KEY)).map(|(name, _)| name).collect();
        assert_eq!(names.len(), 1, "{request:?}");
        assert_eq!(request.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
        assert_eq!(request.header("accept"), Some("application/json"), "{request:?}");
        assert!(request.header("user-agent").is_some_and(|agent| agent.starts_with("truedy-mcp/")), "{request:?}");
        assert!(request.header("accept-encoding").is_none() && request.header("cookie").is_none(), "{request:?}");
        assert!(
            !request.query.contains(KEY) && !request.path.contains(KEY) && !request.body.contains(KEY),
            "{request:?}"
        );
        assert_eq!(request.header("content-type").is_some(), request.method == "POST", "{request:?}");
    }
}

#[test]
fn a_text_that_is_slow_to_look_through_does_not_hold_up_the_answer() {
    let texts = ["\\", "%25", "%5C%5C", "\\u005c", "+", "%", "truedy_"];
    at_once(texts, |part| {
        let upstream = Upstream::start();
        // Far below the limit of a list, and long enough to show any work that grows with the square of the length.
        let text = part.repeat(300_000 / part.len());
        upstream.always(CREDENTIALS, Play::json(200, &json!({ "data": [{ "id": "c1", "friendly_name": text }] })));
        let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
        let id = wire.send_call("list_credentials", json!({}));
        let answer = wire.answer_within(id, BOUND).unwrap_or_else(|| panic!("no answer to {part:?} in {BOUND:?}"));
        assert_eq!(Called(answer).status(), "ok", "{part:?}");
    });
}

#[test]
fn a_webhook_url_is_passed_on_only_if_it_is_one() {
    let upstream = Upstream::start();
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Modern);
    let long = format!("https://api.ultravox.ai/{}", "x".repeat(600));
    for (url, status, flagged) in [
        ("https://api.ultravox.ai/api/agents/1/telephony_xml", "ok", false),
        ("https://hooks.truedy.ai/x", "ok", false),
        ("https://ultravox.ai.example.com/x", "ok", true),
        ("https://notultravox.ai/x", "ok", true),
        ("http://api.ultravox.ai/x", "bad_upstream_response", false),
        ("https://user@api.ultravox.ai/x", "bad_upstream_response", false),
        ("javascript:alert(1)", "bad_upstream_response", false),
        ("", "bad_upstream_response", false),
        (&long, "bad_upstream_response", false),
    ] {
        upstream.always(WEBHOOK, Play::json(200, &json!({ "data": { "webhook_url": url } })));
        let called = wire.call("get_webhook_url", json!({ "agent_id": FRONT_DESK }));
        assert_eq!(called.status(), status, "{url}: {}", called.0);
        assert_eq!(called.object()["unexpected_host"] == json!(true), flagged, "{url}: {}", called.0);
    }
}
