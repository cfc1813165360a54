//! A price belongs to the account it was quoted for, and no search that somebody makes lifts a limit of money.

use serde_json::{Value, json};

use crate::apps::cards::{offered_at, pages};
use crate::support::era::{Era, MODERN};
use crate::support::fake_truedy::{PURCHASE, Play, SEARCH, Upstream};
use crate::support::http_client::{Served, message};
use crate::support::program::{home, server};
use crate::support::raw_client::Wire;

const NUMBER: &str = "+14155550150";
/// An own account of the caller.
const OWN_KEY: &str = "KEY0189prices0123456789abcdef";

/// A Truedy where an own account has the number for 0.10, and Truedy itself for 25.00.
fn two_prices() -> Upstream {
    let upstream = Upstream::start();
    upstream.on(SEARCH, |seen, _| {
        offered_at(NUMBER, if seen.json().get("api_key").is_some() { "0.10000" } else { "25.00000" })
    });
    upstream
}

fn open(upstream: &Upstream, era: Era, flags: &[&str], config: Option<&str>) -> Wire {
    let mut command = server(&upstream.base_url());
    command.args(flags).arg("--state-dir").arg(home());
    if let Some(text) = config {
        let folder = home();
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("config.toml");
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        command.arg("--config").arg(file).env("OWN_KEY", OWN_KEY);
    }
    Wire::open(command, era)
}

const PROFILE: &str = "[carriers.main]\nprovider = \"telnyx\"\napi_key = { env = \"OWN_KEY\" }\n";

#[test]
fn a_price_of_another_account_lifts_no_limit() {
    for era in Era::BOTH {
        for own in [json!({ "api_key": OWN_KEY }), json!({ "carrier": "main" })] {
            for (flags, rule) in [
                (&["--max-monthly-cost", "2 USD"][..], "max_monthly_cost"),
                (&["--spend-per-day", "5 USD"][..], "spend_per_day"),
            ] {
                let upstream = two_prices();
                let mut wire = open(&upstream, era, flags, Some(PROFILE));
                let mut search = own.clone();
                search["area_code"] = json!("415");
                let found = wire.call("search_numbers", search);
                assert_eq!(found.object()["offers"][0]["monthly"], "0.10", "{}", found.0);
                let refused = wire.call("purchase_number", json!({ "phone_number": NUMBER, "confirm": true }));
                assert_eq!(
                    (refused.status(), &refused.object()["rule"]),
                    ("policy_denied", &json!(rule)),
                    "{}",
                    refused.0
                );
                assert_eq!(upstream.changes(), 0);
                // With the account it was quoted for it is what it was quoted at.
                let mut buy = own.clone();
                (buy["phone_number"], buy["confirm"]) = (json!(NUMBER), json!(true));
                let bought = wire.call("purchase_number", buy);
                assert_eq!(
                    (bought.status(), &bought.object()["monthly"]),
                    ("purchased", &json!("0.10")),
                    "{}",
                    bought.0
                );
            }
        }
    }
}

#[test]
fn a_preview_and_a_question_tell_the_price_of_the_account_that_pays() {
    for own in [json!({ "api_key": OWN_KEY }), json!({ "carrier": "main" })] {
        let upstream = two_prices();
        let mut wire = open(&upstream, Era::Modern, &[], Some(PROFILE));
        let mut search = own.clone();
        search["area_code"] = json!("415");
        wire.call("search_numbers", search);
        let preview = wire.call("purchase_number", json!({ "phone_number": NUMBER }));
        assert_eq!(preview.object()["monthly"], "25.00", "{}", preview.0);
        let mut dear = own.clone();
        dear["phone_number"] = json!(NUMBER);
        let preview = wire.call("purchase_number", dear);
        assert_eq!(preview.object()["monthly"], "0.10", "{}", preview.0);

        let mut command = server(&upstream.base_url());
        command.arg("--state-dir").arg(home());
        let mut asks = Wire::able(command, Era::Modern, json!({ "elicitation": { "form": {} } }));
        asks.call("search_numbers", json!({ "area_code": "415", "api_key": OWN_KEY }));
        let asked = asks.call("purchase_number", json!({ "phone_number": NUMBER }));
        let question = asked.0["result"]["inputRequests"]["confirm"]["params"]["message"].as_str().expect("a question");
        assert!(question.contains("25.00 USD") && !question.contains("0.10"), "{question}");
        assert_eq!(upstream.changes(), 0);
    }
}

#[test]
fn a_token_of_one_account_is_none_for_another() {
    let upstream = Upstream::start();
    // The same price for all: only the account tells them apart.
    upstream.always(SEARCH, offered_at(NUMBER, "1.00000"));
    let mut wire = open(&upstream, Era::Modern, &["--gate", "token"], None);
    let shown = wire.call("purchase_number", json!({ "phone_number": NUMBER, "api_key": OWN_KEY }));
    let token = shown.object()["confirmation_token"].clone();
    let bare = json!({ "phone_number": NUMBER, "confirm": true, "confirmation_token": token });
    assert_eq!(wire.call("purchase_number", bare.clone()).status(), "state_changed");
    assert_eq!(upstream.count(PURCHASE), 0);
    let mut whole = bare;
    whole["api_key"] = json!(OWN_KEY);
    assert_eq!(wire.call("purchase_number", whole).status(), "purchased");
}

#[test]
fn of_one_number_twice_in_an_answer_the_higher_price_counts() {
    let offer = |monthly: &str| {
        let cost = json!({ "currency": "USD", "monthly_cost": monthly, "upfront_cost": "1.00000" });
        json!({ "phone_number": NUMBER, "phone_number_type": "local", "cost_information": cost })
    };
    for rows in [[offer("1.00000"), offer("25.00000")], [offer("25.00000"), offer("1.00000")]] {
        for era in Era::BOTH {
            let upstream = Upstream::start();
            upstream.always(SEARCH, Play::json(200, &json!({ "data": rows, "pagination": { "has_more": false } })));
            let mut wire = open(&upstream, era, &["--max-monthly-cost", "2 USD"], None);
            let found = wire.call("search_numbers", json!({ "area_code": "415" }));
            let offers = found.object()["offers"].as_array().expect("offers");
            assert!(offers.iter().all(|offer| offer["monthly"] == "25.00") && !offers.is_empty(), "{}", found.0);
            for arguments in [json!({ "phone_number": NUMBER }), json!({ "phone_number": NUMBER, "confirm": true })] {
                let refused = wire.call("purchase_number", arguments);
                assert_eq!(refused.object()["rule"], "max_monthly_cost", "{}", refused.0);
            }
            assert_eq!(upstream.changes(), 0);
        }
    }
}

#[test]
fn after_thousands_of_offers_the_newest_price_of_a_known_number_counts() {
    let upstream = Upstream::start();
    let mut turn = 0;
    upstream.on(SEARCH, move |_, _| {
        turn += 1;
        let row = |number: String, monthly: &str| {
            json!({ "phone_number": number, "cost_information": { "currency": "USD", "monthly_cost": monthly } })
        };
        let mut rows: Vec<Value> = (0..99).map(|n| row(format!("+1415{:07}", turn * 1_000 + n), "1.00000")).collect();
        rows.push(row(NUMBER.to_owned(), if turn > 21 { "99.00000" } else { "1.00000" }));
        Play::json(200, &json!({ "data": rows, "pagination": { "has_more": true } }))
    });
    let mut wire = open(&upstream, Era::Modern, &[], None);
    for page in 1..=22 {
        assert_eq!(
            wire.call("search_numbers", json!({ "area_code": "415", "page": page, "page_size": 100 })).status(),
            "ok"
        );
    }
    let preview = wire.call("purchase_number", json!({ "phone_number": NUMBER }));
    assert_eq!((&preview.object()["monthly"], upstream.count(SEARCH)), (&json!("99.00"), 22), "{}", preview.0);
    let limited = json!({ "phone_number": NUMBER, "confirm": true, "max_monthly_cost": "2" });
    assert_eq!(wire.call("purchase_number", limited).status(), "price_limit");
    assert_eq!(upstream.changes(), 0);
}

/// A call of a client that shows pages.
async fn shown(served: &Served, tool: &str, arguments: Value) -> Value {
    let bearer = format!("Bearer {}", served.token());
    let headers = [
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "tools/call"),
        ("mcp-name", tool),
        ("authorization", &bearer),
    ];
    let mut message = message("tools/call", json!({ "name": tool, "arguments": arguments }));
    message["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
        json!({ "extensions": { "io.modelcontextprotocol/ui": pages() } });
    served.post(&headers, message).await.json()["result"].clone()
}

#[tokio::test]
async fn the_page_buys_at_the_price_of_the_account_that_pays() {
    let upstream = two_prices();
    let served = Served::on(&upstream, &[]).await;
    for own in [json!({ "area_code": "415", "api_key": OWN_KEY })] {
        let found = shown(&served, "search_numbers", own).await;
        assert!(found["_meta"].get("truedy/offers").is_none(), "no token of an account that does not pay: {found}");
    }
    let found = shown(&served, "search_numbers", json!({ "area_code": "415" })).await;
    let token = found["_meta"]["truedy/offers"][NUMBER].clone();
    // Somebody searches with an own key meanwhile: the page's price stays the one that Truedy asks.
    shown(&served, "search_numbers", json!({ "area_code": "415", "api_key": OWN_KEY })).await;
    let bought = shown(&served, "buy_offer", json!({ "phone_number": NUMBER, "confirmation_token": token })).await;
    assert_eq!(bought["structuredContent"]["status"], "purchased", "{bought}");
    assert_eq!(bought["structuredContent"]["monthly"], "25.00", "{bought}");
}
