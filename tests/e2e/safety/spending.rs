//! What a preview of a purchase, and a refusal of one, says about money: limits first, and a way on that spends nothing unseen.

use std::path::Path;

use serde_json::{Value, json};

use crate::apps::cards::offered_at;
use crate::support::era::{Era, LEGACY};
use crate::support::fake_truedy::{LIST, PURCHASE, Play, SEARCH, Upstream};
use crate::support::program::{home, server};
use crate::support::raw_client::{Called, Wire};

/// For sale at 1.50 USD a month and 2.00 USD once.
const FIRST: &str = "+14155550150";
/// The same.
const SECOND: &str = "+14155550151";
/// For sale at a price that nobody tells.
const UNPRICED: &str = "+14155550152";

fn truedy() -> Upstream {
    let upstream = Upstream::start();
    let cost = json!({ "currency": "USD", "monthly_cost": "1.50000", "upfront_cost": "2.00000" });
    let priced = [FIRST, SECOND].map(|number| json!({ "phone_number": number, "cost_information": cost }));
    upstream.account(|account| {
        account.offers.extend(priced);
        account.offers.push(json!({ "phone_number": UNPRICED }));
    });
    upstream
}

fn mute(upstream: &Upstream, era: Era, flags: &[&str], state: &Path) -> Wire {
    let mut command = server(&upstream.base_url());
    command.args(flags).arg("--state-dir").arg(state);
    Wire::open(command, era)
}

fn asking(upstream: &Upstream, flags: &[&str], state: &Path) -> Wire {
    let mut command = server(&upstream.base_url());
    command.args(flags).arg("--state-dir").arg(state);
    Wire::able(command, Era::Modern, json!({ "elicitation": { "form": {} } }))
}

fn question(called: &Called) -> &str {
    called.0["result"]["inputRequests"]["confirm"]["params"]["message"]
        .as_str()
        .unwrap_or_else(|| panic!("no question: {}", called.0))
}

fn denied_by(called: &Called, rule: &str) {
    assert_eq!((called.status(), &called.object()["rule"]), ("policy_denied", &json!(rule)), "{}", called.0);
}

#[test]
fn the_money_of_a_day_is_weighed_before_a_preview_and_before_a_question() {
    for era in Era::BOTH {
        let (upstream, state) = (truedy(), home());
        let flags = ["--spend-per-day", "6 USD"];
        let mut wire = mute(&upstream, era, &flags, &state);
        let preview = wire.call("purchase_number", json!({ "phone_number": FIRST }));
        assert_eq!(preview.status(), "confirmation_required", "{}", preview.0);
        assert_eq!(preview.object()["spend_left"], "6.00 USD");
        assert!(preview.summary().contains("Left to spend in 24 hours: 6.00 USD."), "{}", preview.summary());
        let bought = wire.call("purchase_number", preview.object()["next"]["arguments"].clone());
        assert_eq!(bought.status(), "purchased", "{}", bought.0);
        // 3.50 of 6.00 are spent: another 3.50 do not fit, and nobody is led to confirm them.
        for arguments in [json!({ "phone_number": SECOND }), json!({ "phone_number": SECOND, "confirm": true })] {
            let refused = wire.call("purchase_number", arguments);
            denied_by(&refused, "spend_per_day");
            assert_eq!(
                (&refused.object()["spent"], &refused.object()["limit"]),
                (&json!("3.50 USD"), &json!("6.00 USD"))
            );
            assert!(refused.object().get("next").is_none(), "{}", refused.0);
        }
        drop(wire);
        let mut asks = asking(&upstream, &flags, &state);
        denied_by(&asks.call("purchase_number", json!({ "phone_number": SECOND })), "spend_per_day");
        assert_eq!(upstream.count(PURCHASE), 1);
    }
}

#[test]
fn a_question_tells_what_is_left_of_the_money_of_the_day() {
    let (upstream, state) = (truedy(), home());
    let mut asks = asking(&upstream, &["--spend-per-day", "6 USD"], &state);
    let asked = asks.call("purchase_number", json!({ "phone_number": FIRST }));
    assert!(question(&asked).contains("Spent in 24 hours: 0.00 USD of 6.00 USD."), "{}", question(&asked));
    // Without a limit of money nothing is said of it.
    let mut asks = asking(&upstream, &[], &home());
    let asked = asks.call("purchase_number", json!({ "phone_number": FIRST }));
    assert!(!question(&asked).contains("Spent"), "{}", question(&asked));
}

#[test]
fn the_callers_own_limit_is_called_so_and_leads_to_a_fresh_preview() {
    for confirm in [json!(true), json!(null)] {
        for era in Era::BOTH {
            let upstream = truedy();
            let mut wire = mute(&upstream, era, &[], &home());
            for (number, says) in [(FIRST, "1.50 USD a month, more than the 1.00 USD"), (UNPRICED, "not known")] {
                let given = json!({ "phone_number": number, "confirm": confirm, "max_monthly_cost": "1" });
                let refused = wire.call("purchase_number", given);
                assert_eq!((refused.status(), refused.is_error()), ("price_limit", true), "{}", refused.0);
                let told = refused.summary();
                assert!(told.starts_with("Nothing was bought.") && told.contains("the limit you gave"), "{told}");
                assert!(told.contains(says) && !told.contains("operator"), "{told}");
                assert_eq!(refused.object()["limit"], "1.00 USD");
                assert!(refused.object().get("rule").is_none(), "no rule of the operator's: {}", refused.0);
                let next = &refused.object()["next"];
                assert_eq!(
                    (&next["tool"], &next["arguments"]),
                    (&json!("purchase_number"), &json!({ "phone_number": number }))
                );
                let preview = wire.call("purchase_number", next["arguments"].clone());
                assert_eq!(preview.status(), "confirmation_required", "{}", preview.0);
            }
            assert_eq!(upstream.changes(), 0);
        }
    }
}

#[test]
fn a_price_that_rises_after_the_preview_is_not_paid_in_any_part() {
    let costs = |monthly: &str, once: &str| json!({ "currency": "USD", "monthly_cost": monthly, "upfront_cost": once });
    let none = json!({ "currency": "USD", "monthly_cost": "1.50" });
    for (then, now) in [
        (costs("1.50", "2.00"), costs("1.50", "5000.00")),
        (costs("1.50", "2.00"), costs("1.50", "2.01")),
        (costs("1.50", "0.00"), costs("1.50", "0.01")),
        (costs("1.50", "1.50"), costs("1.50", "1.51")),
        (costs("1.50", "2.00"), costs("1.51", "2.00")),
        (none, costs("1.50", "400.00")),
    ] {
        let upstream = Upstream::start();
        let offer = |cost: &Value| json!({ "phone_number": FIRST, "cost_information": cost });
        upstream.account(|account| account.offers.push(offer(&then)));
        let mut wire = mute(&upstream, Era::Modern, &[], &home());
        let preview = wire.call("purchase_number", json!({ "phone_number": FIRST }));
        let next = preview.object()["next"]["arguments"].clone();
        assert_eq!(next["confirm"], true, "{}", preview.0);
        upstream.account(|account| account.offers = vec![offer(&now)]);
        let refused = wire.call("purchase_number", next.clone());
        assert_eq!(refused.status(), "price_limit", "{then} {now}: {}", refused.0);
        assert_eq!(upstream.count(PURCHASE), 0);
        // At the price that was shown it is bought.
        upstream.account(|account| account.offers = vec![offer(&then)]);
        let bought = wire.call("purchase_number", next);
        assert_eq!(bought.status(), "purchased", "{then}: {}", bought.0);
    }
}

#[test]
fn the_way_on_from_a_limit_keeps_the_account_that_pays() {
    let upstream = truedy();
    let mut wire = mute(&upstream, Era::Modern, &[], &home());
    let given = json!({ "phone_number": FIRST, "max_monthly_cost": "1", "api_key": "KEYwords0123456789abcdef" });
    let refused = wire.call("purchase_number", given);
    assert_eq!(refused.status(), "price_limit", "{}", refused.0);
    assert!(refused.object().get("next").is_none(), "without the key another account would pay: {}", refused.0);
}

#[test]
fn the_way_on_from_an_unresolved_purchase_previews_again() {
    let lost = || {
        let upstream = truedy();
        upstream.always(PURCHASE, Play::Close);
        upstream
    };
    for level in ["flag", "token"] {
        let (upstream, state) = (lost(), home());
        let mut wire = mute(&upstream, Era::Modern, &["--gate", level], &state);
        let mut arguments = json!({ "phone_number": FIRST, "confirm": true });
        if level == "token" {
            arguments =
                wire.call("purchase_number", json!({ "phone_number": FIRST })).object()["next"]["arguments"].clone();
        }
        assert_eq!(wire.call("purchase_number", arguments).status(), "outcome_unknown");
        let refused = wire.call("purchase_number", json!({ "phone_number": SECOND, "confirm": true }));
        assert_eq!(refused.status(), "operation_unresolved", "{}", refused.0);
        let next = refused.object()["next"]["arguments"].clone();
        assert!(next.get("confirm").is_none() && next.get("confirmation_token").is_none(), "{next}");
        let preview = wire.call("purchase_number", next);
        assert_eq!(preview.status(), "confirmation_required", "{}", preview.0);
        let limit = &preview.object()["next"]["arguments"]["max_monthly_cost"];
        assert_eq!((limit, upstream.count(PURCHASE)), (&json!("1.50 USD + 2.00 USD once"), 1), "{}", preview.0);
        // Without its key the call would buy from another account.
        let own = json!({ "phone_number": SECOND, "confirm": true, "api_key": "KEYwords0123456789abcdef" });
        let refused = wire.call("purchase_number", own);
        assert_eq!(refused.status(), "operation_unresolved", "{}", refused.0);
        assert!(refused.summary().contains("Give the same api_key again"), "{}", refused.0);
        assert!(refused.object()["next"]["arguments"].get("confirm").is_none(), "{}", refused.0);
    }
}

#[test]
fn where_a_person_must_agree_a_client_that_cannot_ask_is_told_at_its_first_call() {
    for era in Era::BOTH {
        let upstream = truedy();
        let number = upstream.account(|account| account.add("+14155550170", true));
        let mut wire = mute(&upstream, era, &["--gate", "human"], &home());
        let calls = [
            ("purchase_number", json!({ "phone_number": FIRST })),
            ("purchase_number", json!({ "phone_number": FIRST, "confirm": true })),
            ("release_number", json!({ "number_id": number })),
            ("release_number", json!({ "number_id": number, "confirm": true })),
        ];
        for (tool, arguments) in calls {
            let refused = wire.call(tool, arguments.clone());
            assert_eq!(
                (refused.status(), refused.is_error()),
                ("human_unavailable", true),
                "{arguments}: {}",
                refused.0
            );
            assert!(refused.object().get("confirmation_token").is_none(), "it would lead nowhere: {}", refused.0);
            assert!(refused.summary().contains("cannot put a question to its user"), "{}", refused.summary());
        }
        assert_eq!(upstream.changes(), 0);
    }
}

#[test]
fn a_price_that_could_not_be_searched_says_why() {
    let says = |message: &str, status: u16| {
        Play::json(status, &json!({ "error": { "code": "validation_error", "message": message } }))
    };
    for (play, status, words) in [
        (
            says("Failed to search numbers: Telnyx API key is not configured", 422),
            "provider_not_configured",
            "No telephony provider is configured",
        ),
        (says("no", 403), "forbidden", "could not be searched"),
    ] {
        let upstream = truedy();
        upstream.always(SEARCH, play);
        let mut wire = mute(&upstream, Era::Modern, &[], &home());
        let preview = wire.call("purchase_number", json!({ "phone_number": FIRST }));
        assert_eq!(preview.status(), "confirmation_required", "{}", preview.0);
        let search = &preview.object()["price_search"];
        assert_eq!(
            (&search["status"], &preview.object()["price"]),
            (&json!(status), &json!("unknown")),
            "{}",
            preview.0
        );
        assert!(preview.summary().contains(words), "{}", preview.summary());
        // A limit that cannot be kept for that says it too.
        let refused = wire.call("purchase_number", json!({ "phone_number": FIRST, "max_monthly_cost": "5" }));
        assert_eq!(refused.object()["price_search"]["status"], status, "{}", refused.0);
        drop(wire);
        let mut limited = mute(&upstream, Era::Modern, &["--max-monthly-cost", "5 USD"], &home());
        let denied = limited.call("purchase_number", json!({ "phone_number": FIRST }));
        denied_by(&denied, "price_unknown");
        assert_eq!(denied.object()["price_search"]["status"], status, "{}", denied.0);
    }
    // A search that simply does not show the number is no failure.
    let upstream = truedy();
    upstream.always(SEARCH, offered_at(SECOND, "1.00000"));
    let mut wire = mute(&upstream, Era::Modern, &[], &home());
    let preview = wire.call("purchase_number", json!({ "phone_number": FIRST }));
    assert!(preview.object().get("price_search").is_none(), "{}", preview.0);
    assert_eq!(upstream.count(LIST), 1);
}

#[test]
fn what_a_purchase_needs_is_told_as_it_is_enforced() {
    let upstream = truedy();
    let mut wire = mute(&upstream, Era::Legacy, &[], &home());
    drop(wire.call("purchase_number", json!({ "phone_number": FIRST })));
    let told = wire.handshake(LEGACY)["result"]["instructions"].as_str().unwrap_or_default().to_owned();
    assert!(!told.contains("after a preview"), "no preview is asked for: {told}");
    assert!(told.contains("confirm: true, without which it is a preview"), "{told}");
    let bought: Value =
        wire.call("purchase_number", json!({ "phone_number": FIRST, "confirm": true })).object().clone();
    assert_eq!(bought["status"], "purchased", "without a preview before: {bought}");
}
