//! Finding the number that is meant: by its place, its age or its price, and by a name that is not quite right.

use serde_json::{Value, json};

use crate::support::era::Era;
use crate::support::fake_truedy::{AGENTS, FRONT_DESK, Play, Reply, SEARCH, Upstream};
use crate::support::mcp_client::Listed;
use crate::support::program::{home, server};
use crate::support::raw_client::Wire;

const BOSTON: &str = "+16175550155";
const CHICAGO: &str = "+13125550110";
const LONDON: &str = "+442079460123";
const FREE: &str = "+18005550142";
const TORONTO: &str = "+14165550142";

/// An account whose numbers are not listed in the order of their age.
fn account() -> Upstream {
    let upstream = Upstream::start();
    upstream.account(|account| {
        for (number, created) in [
            (BOSTON, json!("2026-03-04T00:00:00Z")),
            (CHICAGO, json!("2026-01-02T00:00:00Z")),
            (LONDON, json!("2026-02-03T23:59:59.9Z")),
            (FREE, json!(null)),
            (TORONTO, json!("2025-12-31T12:00:00+02:00")),
        ] {
            let id = account.add(number, true);
            account.numbers.iter_mut().find(|row| row["id"] == json!(id)).unwrap()["created_at"] = created;
        }
        let boston = account.numbers.iter_mut().find(|row| row["phone_number"] == json!(BOSTON)).unwrap();
        boston["inbound_agent_id"] = json!(FRONT_DESK);
    });
    upstream
}

fn open(upstream: &Upstream) -> Wire {
    let mut command = server(&upstream.base_url());
    command.arg("--state-dir").arg(home());
    Wire::open(command, Era::Modern)
}

fn listed(wire: &mut Wire, arguments: Value) -> (Vec<String>, Value) {
    let found = wire.call("list_numbers", arguments.clone());
    assert_eq!(found.status(), "ok", "{arguments}: {}", found.0);
    let numbers = Listed::of(found.object()).numbers().into_iter().map(str::to_owned).collect();
    (numbers, found.object().clone())
}

#[test]
fn the_boston_number_and_the_oldest_unused_are_one_call() {
    let upstream = account();
    let mut wire = open(&upstream);
    for (arguments, numbers) in [
        (json!({ "place": "Boston" }), &[BOSTON][..]),
        (json!({ "place": "massachusetts" }), &[BOSTON]),
        (json!({ "place": "US" }), &[BOSTON, CHICAGO]),
        (json!({ "place": "Canada" }), &[TORONTO]),
        (json!({ "place": "UK" }), &[LONDON]),
        (json!({ "place": "toll-free" }), &[FREE]),
        (json!({ "area_code": 312 }), &[CHICAGO]),
        (json!({ "area_code": "207" }), &[]),
        (json!({ "sort": "created" }), &[TORONTO, CHICAGO, LONDON, BOSTON, FREE]),
        (json!({ "unassigned": true, "sort": "created", "limit": 3 }), &[TORONTO, CHICAGO, LONDON]),
        (json!({ "sort": "created", "limit": 2, "offset": 3 }), &[BOSTON, FREE]),
        (json!({ "sort": "number" }), &[CHICAGO, TORONTO, BOSTON, FREE, LONDON]),
    ] {
        assert_eq!(listed(&mut wire, arguments.clone()).0, numbers, "{arguments}");
    }
    assert_eq!(upstream.changes(), 0);
}

#[test]
fn a_row_has_more_only_if_it_is_asked_for_or_chosen_by_it() {
    let upstream = account();
    let mut wire = open(&upstream);
    let fields = |row: &Value| -> Vec<String> {
        let more = ["created", "place", "monthly"].into_iter().filter(|name| row.get(*name).is_some());
        more.map(str::to_owned).collect()
    };
    for (arguments, shown) in [
        (json!({}), &[][..]),
        (json!({ "unassigned": false }), &[]),
        (json!({ "area_code": "617" }), &[]),
        (json!({ "sort": "number" }), &[]),
        (json!({ "place": "Boston" }), &["place"]),
        (json!({ "sort": "created" }), &["created"]),
        (json!({ "sort": "monthly" }), &["monthly"]),
        (json!({ "show": ["place", "created"] }), &["created", "place"]),
        (json!({ "show": "monthly, place" }), &["place", "monthly"]),
    ] {
        let (_, found) = listed(&mut wire, arguments.clone());
        let row = Listed::of(&found).row(BOSTON).clone();
        assert_eq!(fields(&row), shown, "{arguments}: {row}");
    }
    let (_, found) = listed(&mut wire, json!({ "show": ["created", "place", "monthly"] }));
    let listed = Listed::of(&found);
    let facts = |number: &str| ["created", "place", "monthly"].map(|name| listed.row(number)[name].clone());
    assert_eq!(facts(BOSTON), [json!("2026-03-04"), json!("Boston, MA"), json!("unknown")]);
    assert_eq!(facts(LONDON), [json!("2026-02-03"), json!("GB"), json!("unknown")]);
    assert_eq!(facts(FREE), [json!("unknown"), json!("toll-free"), json!("unknown")]);
    let summary = found["summary"].as_str().unwrap();
    assert!(summary.contains("No price of these 5 is known"), "{summary}");
}

#[test]
fn a_place_with_no_number_leads_to_the_nearest_that_has_one() {
    let upstream = account();
    let mut wire = open(&upstream);
    let (numbers, found) = listed(&mut wire, json!({ "place": "Bostn" }));
    assert!(numbers.is_empty());
    assert!(found["summary"].as_str().unwrap().contains("The nearest places: Boston, MA."), "{found}");
    let (_, found) = listed(&mut wire, json!({ "place": "Zanzibar" }));
    assert!(!found["summary"].as_str().unwrap().contains("nearest"), "{found}");
    let refused = wire.call("list_numbers", json!({ "sort": "oldest", "show": ["price"] }));
    let fields: Vec<&Value> =
        refused.object()["problems"].as_array().unwrap().iter().map(|row| &row["field"]).collect();
    assert_eq!((refused.status(), fields), ("invalid_argument", vec![&json!("sort"), &json!("show")]));
}

#[test]
fn a_table_has_the_columns_that_were_asked_for() {
    let upstream = Upstream::start();
    upstream.account(|account| {
        for line in 0..30 {
            account.add(&format!("+1415555{:04}", 100 + line), true);
        }
    });
    let mut wire = open(&upstream);
    let found = wire.call("list_numbers", json!({ "show": ["monthly", "place"] }));
    let columns = &found.object()["columns"];
    assert_eq!(*columns, json!(["id", "number", "status", "kind", "inbound", "outbound", "place", "monthly"]));
    let rows = found.object()["rows"].as_array().unwrap();
    assert!(rows.len() == 30 && rows.iter().all(|row| row.as_array().unwrap().len() == 8), "{}", found.0);
    assert_eq!(rows[0][6], "San Francisco, CA");
}

#[test]
fn a_number_that_is_called_by_its_place_is_suggested_by_it() {
    let upstream = account();
    let mut wire = open(&upstream);
    for (named, first) in [
        ("Boston", BOSTON),
        ("the Boston number", BOSTON),
        ("Chicago, IL", CHICAGO),
        ("Ontario", TORONTO),
        ("617-555-0155", BOSTON),
        ("3125550110", CHICAGO),
    ] {
        let refused = wire.call("release_number", json!({ "number_id": named }));
        let (candidates, problems) = (&refused.object()["candidates"], &refused.object()["problems"]);
        if problems.is_array() {
            // A number without its country code is read as no other one.
            assert!(named.starts_with(char::is_numeric), "{named}: {}", refused.0);
            continue;
        }
        assert_eq!(
            (refused.status(), &candidates[0]["number"]),
            ("not_found", &json!(first)),
            "{named}: {}",
            refused.0
        );
    }
    let refused = wire.call("release_number", json!({ "number_id": "Boston" }));
    assert_eq!(refused.object()["candidates"][0]["place"], "Boston, MA");
    let refused = wire.call("release_number", json!({ "number_id": "no-such-id" }));
    assert_eq!(refused.object()["candidates"], json!([]), "nothing is like it: {}", refused.0);
    assert!(refused.summary().contains("none of them is like it"), "{}", refused.summary());
    assert_eq!(upstream.changes(), 0);
}

/// Offers at these prices, each with its currency.
fn offers(prices: &[(&str, &str)]) -> Play {
    let offer = |(at, (monthly, currency)): (usize, &(&str, &str))| {
        let cost = json!({ "currency": currency, "monthly_cost": monthly, "upfront_cost": "0.00000" });
        json!({ "phone_number": format!("+1415555{:04}", 150 + at), "cost_information": cost })
    };
    let rows: Vec<Value> = prices.iter().enumerate().map(offer).collect();
    let pagination = json!({ "total_results": 40, "has_more": true });
    Play::Answer(Reply::json(200, &json!({ "data": rows, "pagination": pagination })))
}

#[test]
fn a_search_shows_what_is_within_the_price_and_counts_the_rest() {
    let upstream = Upstream::start();
    let prices =
        [("1.00000", "USD"), ("2.00000", "USD"), ("2.01", "USD"), ("free", "USD"), ("1.00", "EUR"), ("9", "USD")];
    upstream.always(SEARCH, offers(&prices));
    let mut wire = open(&upstream);
    for limit in [json!(2), json!("2"), json!("$2"), json!("2 USD"), json!("usd 2.00")] {
        let found = wire.call("search_numbers", json!({ "max_monthly_cost": limit }));
        let object = found.object();
        let monthly: Vec<&Value> = object["offers"].as_array().unwrap().iter().map(|offer| &offer["monthly"]).collect();
        // Without a currency the limit is in the currency of each offer.
        let bare = limit == json!(2) || limit == json!("2");
        let (shown, unknown) = if bare { (vec!["1.00", "2.00", "1.00"], 1) } else { (vec!["1.00", "2.00"], 2) };
        assert_eq!(
            monthly,
            shown.iter().map(|text| json!(text)).collect::<Vec<_>>().iter().collect::<Vec<_>>(),
            "{limit}"
        );
        assert_eq!(object["left_out"], json!({ "dearer": 2, "unknown": unknown }), "{limit}");
        assert!(found.summary().contains("2 cost more"), "{}", found.summary());
        assert_eq!(object["next_page"], 2, "what is left out may be followed by what fits");
    }
    let none = wire.call("search_numbers", json!({ "max_monthly_cost": "0.50 USD" }));
    assert_eq!(none.object()["offers"], json!([]));
    assert!(none.summary().contains("The cheapest costs 1.00 USD a month."), "{}", none.summary());
    let all = wire.call("search_numbers", json!({}));
    assert_eq!((all.object()["offers"].as_array().map(Vec::len), all.object().get("left_out")), (Some(6), None));
    assert_eq!(wire.call("search_numbers", json!({ "max_monthly_cost": "cheap" })).status(), "invalid_argument");
}

#[test]
fn what_bought_numbers_cost_is_known_and_added_up_by_currency() {
    let upstream = account();
    let prices = [("1.50", "USD"), ("6.00", "USD"), ("2.00", "GBP"), ("free", "USD")];
    upstream.always(SEARCH, offers(&prices));
    let state = home();
    let start = || {
        let mut command = server(&upstream.base_url());
        command.arg("--state-dir").arg(&state);
        Wire::open(command, Era::Modern)
    };
    let mut wire = start();
    for line in 150..154 {
        let bought =
            wire.call("purchase_number", json!({ "phone_number": format!("+1415555{line:04}"), "confirm": true }));
        assert_eq!(bought.status(), "purchased", "{}", bought.0);
    }
    drop(wire);
    // Another process knows it from the journal.
    let mut wire = start();
    let (numbers, found) = listed(&mut wire, json!({ "sort": "monthly", "area_code": "415" }));
    assert_eq!(numbers, ["+14155550152", "+14155550151", "+14155550150", "+14155550153"]);
    let rows = Listed::of(&found);
    let monthly: Vec<&Value> = numbers.iter().map(|number| &rows.row(number)["monthly"]).collect();
    assert_eq!(monthly, [&json!("2.00 GBP"), &json!("6.00 USD"), &json!("1.50 USD"), &json!("unknown")]);
    let known = "Known: 2.00 GBP a month for 1 and 7.50 USD a month for 2 of";
    assert!(found["summary"].as_str().unwrap().contains(&format!("{known} 4 numbers.")), "{found}");
    let (_, found) = listed(&mut wire, json!({ "show": ["monthly"] }));
    assert!(found["summary"].as_str().unwrap().contains(&format!("{known} 9 numbers.")), "{found}");
    // The sum is of all that fit, not of the page.
    let (_, found) = listed(&mut wire, json!({ "show": "monthly", "unassigned": true, "limit": 1 }));
    assert!(found["summary"].as_str().unwrap().contains(&format!("{known} 8 numbers.")), "{found}");
    let (_, found) = listed(&mut wire, json!({ "area_code": "415" }));
    assert!(!found["summary"].as_str().unwrap().contains("Known"), "only where it is asked for: {found}");
}

#[test]
fn an_offer_tells_its_price_as_its_preview_does() {
    let upstream = Upstream::start();
    for (monthly, currency) in [("1.5", "USD"), ("1.00000", "GBP"), ("free", "USD"), ("1.00", "dollars")] {
        upstream.always(SEARCH, offers(&[(monthly, currency)]));
        let mut wire = open(&upstream);
        let offer = wire.call("search_numbers", json!({})).object()["offers"][0].clone();
        let preview = wire.call("purchase_number", json!({ "phone_number": "+14155550150" }));
        assert_eq!(preview.status(), "confirmation_required", "{}", preview.0);
        let bought = wire.call("purchase_number", json!({ "phone_number": "+14155550150", "confirm": true }));
        assert_eq!(bought.status(), "purchased", "{}", bought.0);
        upstream.account(|account| account.numbers.clear());
        for field in ["monthly", "setup", "currency"] {
            assert_eq!(offer.get(field), preview.object().get(field), "{field} {}", preview.0);
            assert_eq!(offer.get(field), bought.object().get(field), "{field} {}", bought.0);
        }
        let is_unknown = |object: &Value| object["price"] == json!("unknown");
        let known = monthly != "free" && currency != "dollars";
        assert_eq!([is_unknown(&offer), is_unknown(preview.object()), is_unknown(bought.object())], [!known; 3]);
    }
}

#[test]
fn a_misspelt_city_leads_to_the_one_that_is_meant() {
    let upstream = Upstream::start();
    let mut wire = open(&upstream);
    let none = wire.call("search_numbers", json!({ "locality": "San Fransisco" }));
    assert!(none.summary().contains("The nearest city by name is San Francisco."), "{}", none.summary());
    let none = wire.call("search_numbers", json!({ "locality": "Boston" }));
    assert!(!none.summary().contains("nearest"), "{}", none.summary());
}

#[test]
fn an_agents_numbers_come_with_its_status() {
    let upstream = account();
    upstream.account(|account| account.agents[1]["status"] = json!("draft"));
    let mut wire = open(&upstream);
    for (named, status) in [("Front desk", "active"), (FRONT_DESK, "active"), ("front office", "draft")] {
        let found = wire.call("get_agent_numbers", json!({ "agent_id": named }));
        assert_eq!((found.status(), &found.object()["agent_status"]), ("ok", &json!(status)), "{}", found.0);
        assert_eq!(found.summary().contains("not active"), status != "active", "{}", found.summary());
    }
    // Whoever may not list agents still sees the numbers.
    upstream
        .always(AGENTS, Play::Answer(Reply::json(403, &json!({ "error": { "code": "forbidden", "message": "No" } }))));
    let found = open(&upstream).call("get_agent_numbers", json!({ "agent_id": FRONT_DESK }));
    assert_eq!((found.status(), found.object().get("agent_status")), ("ok", None), "{}", found.0);
    assert_eq!(found.object()["inbound"][0]["number"], BOSTON);
}
