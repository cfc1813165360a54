//! Numbers that cannot exist are refused before anything is sent.

use serde_json::{Value, json};

use crate::support::era::Era;
use crate::support::fake_truedy::{IMPORT, PURCHASE, Upstream};
use crate::support::program::{at_once, server};
use crate::support::raw_client::{Called, Wire};

/// Each with a part of what is said of it.
const IMPOSSIBLE: [(&str, &str); 8] = [
    ("+1415555016", "9 digits after the country code +1, and numbers there have 10"),
    ("+141555501633", "11 digits after the country code +1, and numbers there have 10"),
    ("+911", "1 digits after the country code +91"),
    ("+4402079460958", "without it the number is +442079460958"),
    ("+4903012345678", "without it the number is +493012345678"),
    ("+11155550163", "no area code after +1 begins with 0 or 1"),
    ("+14151550163", "no exchange begins with 0 or 1"),
    ("+999123456789", "no country code begins +999"),
];

fn buy(number: &str) -> Value {
    json!({ "phone_number": number, "confirm": true })
}

fn import(number: &str) -> Value {
    json!({ "phone_number": number, "provider_type": "telnyx", "api_key": "KEY-of-the-carrier" })
}

fn refused(called: &Called, why: &str) {
    let problem = &called.object()["problems"][0];
    assert_eq!((called.status(), &problem["field"]), ("invalid_argument", &json!("phone_number")), "{}", called.0);
    assert!(called.summary().starts_with("Nothing was ") && called.is_error(), "{}", called.0);
    for text in [called.summary(), problem["reason"].as_str().unwrap()] {
        assert!(text.contains(why), "{why}: {}", called.0);
    }
}

#[test]
fn what_cannot_exist_is_neither_bought_nor_imported() {
    at_once(Era::BOTH, |era| {
        let upstream = Upstream::start();
        let mut wire = Wire::open(server(&upstream.base_url()), era);
        for (number, why) in IMPOSSIBLE {
            refused(&wire.call("purchase_number", buy(number)), why);
            refused(&wire.call("import_number", import(number)), why);
        }
        assert_eq!(upstream.seen().len(), 0, "nothing was sent");
    });
}

#[test]
fn what_can_exist_passes_whether_or_not_a_plan_calls_it_valid() {
    let upstream = Upstream::start();
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Modern);
    let numbers = [
        "+390612345678",
        "+3780549886377",
        "+2250102030405",
        "+24101234567",
        "+242061234567",
        "+15005550006",
        "+442079460958",
    ];
    for number in numbers {
        let imported = wire.call("import_number", import(number));
        assert_eq!(imported.status(), "imported", "{number}: {}", imported.0);
    }
    assert_eq!(upstream.count(IMPORT), numbers.len());
    let bought = wire.call("purchase_number", buy("+14155550163"));
    assert_eq!(bought.status(), "purchased", "{}", bought.0);
}

#[test]
fn what_the_search_offered_can_be_bought_whatever_the_plan_says() {
    let upstream = Upstream::start();
    let odd = "+1415555016";
    upstream.account(|account| {
        account
            .offers
            .push(json!({ "phone_number": odd, "cost_information": { "monthly_cost": "1.00", "currency": "USD" } }));
    });
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Modern);
    let before = wire.call("purchase_number", buy(odd));
    refused(&before, "9 digits");
    for part in ["search_numbers first", "in this same session"] {
        assert!(before.summary().contains(part), "{}", before.0);
    }
    assert_eq!(wire.call("search_numbers", json!({})).status(), "ok");
    let bought = wire.call("purchase_number", buy(odd));
    assert_eq!(bought.status(), "purchased", "{}", bought.0);
    assert_eq!(upstream.count(PURCHASE), 1);
    // Another of its kind was not offered.
    assert_eq!(wire.call("purchase_number", buy("+1415555017")).status(), "invalid_argument");
    // A process that did not search knows no offer: it sends nothing, and says how the number can be bought.
    upstream.account(|account| account.numbers.clear());
    let mut other = Wire::open(server(&upstream.base_url()), Era::Modern);
    let sent = upstream.seen().len();
    let unknown = other.call("purchase_number", buy(odd));
    refused(&unknown, "9 digits");
    assert!(unknown.summary().contains("in this same session"), "{}", unknown.0);
    assert_eq!((upstream.seen().len(), upstream.count(PURCHASE)), (sent, 1));
    assert_eq!(other.call("search_numbers", json!({})).status(), "ok");
    assert_eq!(other.call("purchase_number", buy(odd)).status(), "purchased");
}

#[test]
fn a_person_reads_a_number_in_groups_and_programs_read_it_as_it_is() {
    let upstream = Upstream::start();
    upstream.account(|account| account.add("+14155550163", true));
    let asks = json!({ "elicitation": { "form": {} } });
    let mut wire = Wire::able(server(&upstream.base_url()), Era::Legacy, asks);
    for (tool, arguments, shown, hidden) in [
        ("import_number", import("+442079460958"), "Import +44 20 7946 0958?", "+442079460958"),
        ("release_number", json!({ "number_id": "+14155550163", "confirm": true }), "+1 415 555 0163", "+14155550163"),
    ] {
        let id = wire.send_call(tool, arguments);
        let question = wire.said();
        let message = question["params"]["message"].as_str().unwrap_or_default();
        assert!(message.contains(shown) && !message.contains(hidden), "{question}");
        wire.send(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "action": "decline" } }));
        let declined = wire.called(id);
        assert_eq!(declined.status(), "human_declined", "{}", declined.0);
    }
    let listed = wire.call("list_numbers", json!({}));
    assert_eq!(listed.object()["numbers"][0]["number"], "+14155550163", "{}", listed.0);
}
