//! Nothing is bought for want of a word: without a literal `true` a client that cannot ask gets a preview, and the call that the
//! preview points to buys.

use serde_json::{Value, json};

use crate::apps::cards::{offered_at, pages};
use crate::support::era::{Era, in_both_eras};
use crate::support::fake_truedy::{FRONT_DESK, FRONT_OFFICE, PURCHASE, Play, SEARCH, Upstream};
use crate::support::http_client::Served;
use crate::support::mcp_client::Agent;
use crate::support::people::Human;
use crate::support::program::{KEY, home, program, run, server};
use crate::support::raw_client::{Called, Wire};

/// For sale, at a price.
const PRICED: &str = "+14155550150";
/// For sale, at a price that nobody tells.
const UNPRICED: &str = "+14155550151";

/// A Truedy that offers both numbers.
fn truedy() -> Upstream {
    let upstream = Upstream::start();
    let cost = json!({ "currency": "USD", "monthly_cost": "1.50000", "upfront_cost": "2.00000" });
    let offers = [json!({ "phone_number": PRICED, "cost_information": cost }), json!({ "phone_number": UNPRICED })];
    upstream.account(|account| account.offers.extend(offers));
    upstream
}

/// A client that cannot ask anybody.
fn mute(upstream: &Upstream, era: Era, flags: &[&str]) -> Wire {
    let mut command = server(&upstream.base_url());
    command.args(flags).arg("--state-dir").arg(home());
    Wire::open(command, era)
}

/// A preview as the model reads it: a result that begins with what did not happen, and tells the price or that it is unknown.
fn previews(called: &Called, number: &str) {
    let shown = called.object();
    assert_eq!((called.status(), called.is_error()), ("confirmation_required", false), "{}", called.0);
    let text = called.0["result"]["content"][0]["text"].as_str().expect("a text");
    assert!(text.starts_with("Nothing was bought") && text.contains(number), "{text}");
    assert_eq!(shown["number"], number);
    assert!(shown.get("code").is_none(), "no error: {shown}");
    assert!(shown.get("confirmation_token").is_none(), "150 characters for nothing: {shown}");
    assert_eq!(shown["purchases_left"], 10);
    if number == PRICED {
        assert_eq!(
            (&shown["monthly"], &shown["setup"], &shown["currency"]),
            (&json!("1.50"), &json!("2.00"), &json!("USD"))
        );
        assert!(text.contains("1.50 USD a month and 2.00 USD once"), "{text}");
    } else {
        assert_eq!((&shown["price"], shown.get("monthly")), (&json!("unknown"), None), "{shown}");
        assert!(text.contains("a price that is not known") && text.contains("Nothing limits"), "{text}");
    }
}

/// 216 combinations of arguments without a literal `confirm: true`.
fn without_the_word() -> Vec<Value> {
    let absent = Value::Null;
    let words = [
        absent.clone(),
        json!(false),
        json!(""),
        json!("true"),
        json!("yes"),
        json!(1),
        json!(0),
        json!([true]),
        json!({ "confirm": true }),
    ];
    let mut all = Vec::new();
    for number in [PRICED, UNPRICED] {
        for word in &words {
            for limit in [absent.clone(), json!("5"), json!("5.00 USD")] {
                for token in [absent.clone(), json!("rs2.a1b2.c3d4.e5f6")] {
                    for known in [absent.clone(), json!([])] {
                        let mut arguments = json!({ "phone_number": number });
                        for (name, value) in [
                            ("confirm", word),
                            ("max_monthly_cost", &limit),
                            ("confirmation_token", &token),
                            ("acknowledge_unresolved", &known),
                        ] {
                            if !value.is_null() {
                                arguments[name] = value.clone();
                            }
                        }
                        all.push(arguments);
                    }
                }
            }
        }
    }
    all
}

#[test]
fn without_a_literal_true_nothing_is_bought_by_who_cannot_ask() {
    assert!(without_the_word().len() >= 200);
    for era in Era::BOTH {
        let upstream = truedy();
        let mut wire = mute(&upstream, era, &[]);
        for arguments in without_the_word() {
            let called = wire.call("purchase_number", arguments.clone());
            let number = arguments["phone_number"].as_str().unwrap();
            let strange = !matches!(arguments.get("confirm"), None | Some(Value::Bool(false)));
            assert!(called.summary().starts_with("Nothing was bought"), "{arguments}: {}", called.0);
            if strange {
                assert_eq!((called.status(), called.is_error()), ("invalid_argument", true), "{arguments}");
            } else if number == UNPRICED && arguments.get("max_monthly_cost").is_some() {
                assert_eq!((called.status(), &called.object()["price"]), ("price_limit", &json!("unknown")));
            } else {
                previews(&called, number);
            }
        }
        assert_eq!(upstream.changes(), 0);
    }
}

#[test]
fn the_call_in_next_buys_and_tells_the_price() {
    for era in Era::BOTH {
        for number in [PRICED, UNPRICED] {
            let upstream = truedy();
            let mut wire = mute(&upstream, era, &[]);
            // Two in a row are two results.
            for _ in 0..2 {
                previews(&wire.call("purchase_number", json!({ "phone_number": number })), number);
            }
            let next =
                wire.call("purchase_number", json!({ "phone_number": number, "confirm": false })).object()["next"]
                    .clone();
            let arguments = &next["arguments"];
            assert_eq!((&next["tool"], &arguments["confirm"]), (&json!("purchase_number"), &json!(true)));
            let limit = (number == PRICED).then(|| json!("1.50 USD + 2.00 USD once"));
            assert_eq!(arguments.get("max_monthly_cost"), limit.as_ref(), "{next}");
            assert_eq!(upstream.changes(), 0);
            let bought = wire.call("purchase_number", arguments.clone());
            let told = bought.object();
            assert_eq!((bought.status(), bought.is_error()), ("purchased", false), "{}", bought.0);
            if number == PRICED {
                assert_eq!(
                    (&told["monthly"], &told["setup"], &told["currency"]),
                    (&json!("1.50"), &json!("2.00"), &json!("USD"))
                );
            } else {
                assert_eq!((&told["price"], told.get("monthly")), (&json!("unknown"), None));
            }
            assert_eq!(upstream.count(PURCHASE), 1);
        }
    }
}

#[test]
fn a_client_that_is_not_to_ask_needs_the_word_too() {
    for era in Era::BOTH {
        let upstream = truedy();
        let mut command = server(&upstream.base_url());
        command.args(["--ask", "off"]).arg("--state-dir").arg(home());
        let mut wire = Wire::able(command, era, json!({ "elicitation": { "form": {} } }));
        let preview = wire.call("purchase_number", json!({ "phone_number": PRICED }));
        previews(&preview, PRICED);
        assert_eq!(upstream.changes(), 0);
        assert_eq!(wire.call("purchase_number", preview.object()["next"]["arguments"].clone()).status(), "purchased");
        assert_eq!(upstream.count(PURCHASE), 1);
    }
}

in_both_eras!(the_yes_of_a_person_is_enough_and_their_no_ends_it);
async fn the_yes_of_a_person_is_enough_and_their_no_ends_it(era: Era) {
    for confirm in [json!(false), json!(true)] {
        let arguments = json!({ "phone_number": PRICED, "confirm": confirm });
        let agent = Agent::with(Human::Declines).in_era(era).start().await;
        let refused = agent.call("purchase_number", arguments.clone()).await.expect_err("a no");
        assert_eq!(refused.status, "human_declined");
        assert_eq!(agent.leave().await.changes(), 0);
        let agent = Agent::with(Human::Agrees).in_era(era).start().await;
        assert_eq!(agent.call("purchase_number", arguments).await.expect("a yes")["status"], "purchased");
        assert_eq!((agent.asked().len(), agent.leave().await.purchases()), (1, 1));
    }
}

#[tokio::test]
async fn over_http_too_a_preview_comes_first_and_its_next_buys() {
    let upstream = truedy();
    let served = Served::on(&upstream, &[]).await;
    let token = served.token();
    let preview = served.call(&token, "purchase_number", json!({ "phone_number": PRICED })).await;
    assert_eq!(
        (&preview["status"], &preview["price"]),
        (&json!("confirmation_required"), &json!("1.50 USD a month and 2.00 USD once"))
    );
    assert_eq!(upstream.changes(), 0);
    let bought = served.call(&token, "purchase_number", preview["next"]["arguments"].clone()).await;
    assert_eq!((&bought["status"], upstream.count(PURCHASE)), (&json!("purchased"), 1));
}

#[test]
fn what_became_dearer_or_unknown_since_the_preview_is_not_bought() {
    for (later, price) in [(Some("9.00000"), "9.00 USD a month and 1.00 USD once"), (None, "unknown")] {
        for era in Era::BOTH {
            let upstream = Upstream::start();
            let gone = Play::json(200, &json!({ "data": [], "pagination": { "has_more": false } }));
            let later = later.map_or(gone, |price| offered_at(PRICED, price));
            upstream.in_turn(SEARCH, vec![offered_at(PRICED, "1.00000"), later]);
            let mut wire = mute(&upstream, era, &[]);
            let next =
                wire.call("purchase_number", json!({ "phone_number": PRICED })).object()["next"]["arguments"].clone();
            assert_eq!(next["max_monthly_cost"], "1.00 USD");
            let refused = wire.call("purchase_number", next);
            assert_eq!((refused.status(), &refused.object()["price"]), ("price_limit", &json!(price)), "{}", refused.0);
            assert!(refused.is_error() && refused.summary().starts_with("Nothing was bought."), "{}", refused.0);
            assert_eq!(upstream.changes(), 0);
        }
    }
}

#[test]
fn a_yes_to_one_price_buys_at_no_other() {
    let upstream = Upstream::start();
    upstream.always(SEARCH, offered_at(PRICED, "1.00000"));
    let mut wire = Wire::able(server(&upstream.base_url()), Era::Modern, json!({ "elicitation": {} }));
    let wish = json!({ "phone_number": PRICED });
    let asked = wire.call("purchase_number", wish.clone()).0["result"].clone();
    let question = &asked["inputRequests"]["confirm"]["params"];
    assert!(question["message"].as_str().unwrap().contains("1.00 USD a month"), "{asked}");
    let field = question["requestedSchema"]["properties"].as_object().unwrap().keys().next().unwrap();
    upstream.always(SEARCH, offered_at(PRICED, "9.00000"));
    let yes = json!({ "confirm": { "action": "accept", "content": { field: true } } });
    let second = json!({ "name": "purchase_number", "arguments": wish, "requestState": asked["requestState"], "inputResponses": yes });
    let id = wire.request("tools/call", second);
    let refused = wire.called(id);
    assert_eq!((refused.status(), upstream.changes()), ("state_changed", 0), "{}", refused.0);
    assert!(refused.summary().starts_with("Nothing was bought."), "{}", refused.0);
}

#[test]
fn a_preview_shows_what_was_seen_lately_and_a_purchase_looks_anew() {
    let upstream = Upstream::start();
    upstream.in_turn(SEARCH, vec![offered_at(PRICED, "1.00000"), offered_at(PRICED, "9.00000")]);
    let mut wire = mute(&upstream, Era::Modern, &[]);
    let wish = json!({ "locality": "San Francisco", "page": 3 });
    assert_eq!(wire.call("search_numbers", wish).status(), "ok");
    let preview = wire.call("purchase_number", json!({ "phone_number": PRICED }));
    assert_eq!((&preview.object()["monthly"], upstream.count(SEARCH)), (&json!("1.00"), 1), "{}", preview.0);
    // The flag alone sets no limit: it is bought at what it costs now, and told so.
    let bought = wire.call("purchase_number", json!({ "phone_number": PRICED, "confirm": true }));
    assert_eq!((bought.status(), &bought.object()["monthly"]), ("purchased", &json!("9.00")), "{}", bought.0);
    let searches: Vec<Value> = upstream.seen().iter().filter(|seen| seen.is(SEARCH)).map(|seen| seen.json()).collect();
    assert_eq!(searches.len(), 2);
    assert_eq!(searches[0], searches[1], "the search that showed it is made again, on whichever page it was");
}

#[test]
fn a_preview_counts_what_is_left_and_stands_in_the_journal_as_one() {
    let (upstream, state) = (truedy(), home());
    let mut command = server(&upstream.base_url());
    command.args(["--purchases-per-day", "3"]).arg("--state-dir").arg(&state);
    let mut wire = Wire::open(command, Era::Modern);
    wire.call("purchase_number", json!({ "phone_number": PRICED, "confirm": true }));
    let preview = wire.call("purchase_number", json!({ "phone_number": UNPRICED }));
    assert_eq!((preview.status(), &preview.object()["purchases_left"]), ("confirmation_required", &json!(2)));
    assert!(preview.summary().contains("Purchases left in 24 hours: 2."), "{}", preview.summary());
    let told = wire.call("list_operations", json!({ "object": UNPRICED, "only": "all" }));
    let row = &told.object()["operations"][0];
    assert_eq!((&row["state"], &row["outcome"]), (&json!("refused"), &json!("previewed")), "{}", told.0);
    assert!(told.summary().contains("was not bought: the call was a preview."), "{}", told.summary());
    // A preview takes no place of the day's.
    for _ in 0..5 {
        wire.call("purchase_number", json!({ "phone_number": UNPRICED }));
    }
    assert_eq!(
        wire.call("purchase_number", json!({ "phone_number": UNPRICED, "confirm": true })).status(),
        "purchased"
    );
    drop(wire);
    let mut command = program();
    command.args(["operations", "--object", UNPRICED, "--state", "refused", "--state-dir"]).arg(&state);
    command.env("TRUEDY_API_KEY", KEY);
    let shown = run(command, "");
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    assert!(shown.stdout.contains("previewed  purchase_number"), "{}", shown.stdout);
}

#[test]
fn a_key_of_the_call_is_not_repeated_and_no_call_without_it_is_pointed_to() {
    const CARRIER_KEY: &str = "KEYpreviews0123456789_canary";
    let upstream = truedy();
    let mut wire = mute(&upstream, Era::Modern, &[]);
    let preview = wire.call("purchase_number", json!({ "phone_number": PRICED, "api_key": CARRIER_KEY }));
    previews(&preview, PRICED);
    assert!(!preview.0.to_string().contains("canary"), "{}", preview.0);
    // Without the key the call would buy from another account.
    assert!(preview.object().get("next").is_none() && preview.summary().contains("the same api_key"), "{}", preview.0);
    assert_eq!(upstream.changes(), 0);
}

#[test]
fn what_a_model_must_read_to_go_on_is_no_error_and_the_rest_is() {
    let upstream = truedy();
    let held = upstream.account(|account| {
        let id = account.add("+14155550170", true);
        account.numbers[0]["inbound_agent_id"] = json!(FRONT_DESK);
        id
    });
    let mut wire = mute(&upstream, Era::Modern, &["--gate", "token"]);
    let assign = json!({ "number_id": held, "agent_id": FRONT_OFFICE, "assignment_type": "inbound" });
    let forged = json!({ "phone_number": PRICED, "confirm": true, "confirmation_token": "rs2.a1b2.c3d4.e5f6" });
    let in_use = json!({ "number_id": held, "confirm": true });
    for (tool, arguments, status, is_error) in [
        ("assign_number", assign, "would_reassign", false),
        ("release_number", json!({ "number_id": held }), "confirmation_required", false),
        ("purchase_number", json!({ "phone_number": PRICED }), "confirmation_required", false),
        ("purchase_number", forged, "confirmation_invalid", false),
        ("purchase_number", json!({ "phone_number": "+14155550170" }), "already_owned", false),
        ("release_number", in_use, "number_in_use", true),
        ("release_number", json!({ "number_id": "+14155550199" }), "not_found", true),
        ("purchase_number", json!({ "phone_number": "415" }), "invalid_argument", true),
    ] {
        let called = wire.call(tool, arguments.clone());
        assert_eq!((called.status(), called.is_error()), (status, is_error), "{tool} {arguments}: {}", called.0);
        assert!(called.0["result"]["content"][0]["text"].as_str().unwrap().starts_with("Nothing "), "{}", called.0);
        assert_eq!(called.object().get("code").is_some(), is_error, "{}", called.0);
    }
    assert_eq!(upstream.changes(), 0);
}

#[tokio::test]
async fn the_page_needs_its_token_at_the_level_of_the_flag_too() {
    let agent = Agent::alone(Era::Modern).showing(pages()).start().await;
    for arguments in [json!({ "phone_number": PRICED, "confirm": true }), json!({ "phone_number": PRICED })] {
        let refused = agent.result("buy_offer", arguments).await;
        assert_eq!(refused["structuredContent"]["status"], "invalid_argument", "{refused}");
    }
    assert_eq!(agent.leave().await.changes(), 0);
}
