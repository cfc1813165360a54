//! Purchases and imports: the price is told first, nothing is bought twice, and a question repeats no words from outside.

use std::collections::BTreeSet;

use serde_json::json;

use super::account::{BUSY, ELSEWHERE, FOR_SALE, IDLE_ID, import, refused, release};
use crate::support::era::{Era, in_both_eras};
use crate::support::mcp_client::Agent;
use crate::support::people::Human;

in_both_eras!(without_a_yes_nothing_is_bought);
async fn without_a_yes_nothing_is_bought(era: Era) {
    for human in [
        Human::Declines,
        Human::Cancels,
        Human::TicksNothing,
        Human::SendsItEmpty,
        Human::SendsNoForm,
        Human::FillsIn(json!({ "buy": "true" })),
        Human::FillsIn(json!({ "release": true, "import": true })),
    ] {
        let agent = Agent::with(human).in_era(era).start().await;
        let refusal = refused(agent.call("purchase_number", json!({ "phone_number": FOR_SALE })).await);
        assert_eq!(refusal.status, "human_declined");
        assert!(refusal.summary.starts_with("Nothing was bought."), "{}", refusal.summary);
        assert_eq!(agent.asked().len(), 1);
        assert_eq!(agent.leave().await.changes(), 0);
    }
}

in_both_eras!(the_person_is_told_the_price_before_it_is_spent);
async fn the_person_is_told_the_price_before_it_is_spent(era: Era) {
    let agent = Agent::with(Human::Agrees).in_era(era).start().await;
    // The second was seen in a search, the others are looked up for the question; what nobody sells has no price.
    agent.call("search_numbers", json!({ "area_code": "212" })).await.unwrap();
    for (number, price) in [
        (FOR_SALE, "1.00 USD a month"),
        ("+12125550143", "1.50 USD a month"),
        ("+18005550111", "2.00 USD a month"),
        ("+16135550120", "1.25 CAD a month"),
    ] {
        let before = agent.sent().purchases();
        let bought = agent.call("purchase_number", json!({ "phone_number": number })).await.unwrap();
        assert_eq!((&bought["status"], &bought["number"]), (&json!("purchased"), &json!(number)));
        let asked = agent.asked();
        assert_eq!(asked.len(), 1);
        assert!(asked[0].message.replace(' ', "").contains(number) && asked[0].message.contains(price), "{asked:?}");
        assert_eq!(asked[0].form["required"], json!(["buy"]));
        assert_ne!(asked[0].form["properties"]["buy"]["default"], true);
        assert_eq!(agent.sent().purchases() - before, 1);
    }
    let unknown = agent.call("purchase_number", json!({ "phone_number": "+14155551234" })).await;
    assert!(agent.asked()[0].message.contains("not known"));
    assert_eq!(refused(unknown).status, "upstream_rejected");
    assert_eq!(agent.leave().await.purchases(), 5);
}

in_both_eras!(a_client_that_cannot_ask_buys_once_and_not_twice);
async fn a_client_that_cannot_ask_buys_once_and_not_twice(era: Era) {
    let agent = Agent::alone(era).start().await;
    let bought = agent.call("purchase_number", json!({ "phone_number": FOR_SALE, "confirm": true })).await.unwrap();
    assert_eq!((&bought["status"], &bought["purchased"]), (&json!("purchased"), &json!(true)));
    let again = agent.call("purchase_number", json!({ "phone_number": FOR_SALE, "confirm": true })).await.unwrap();
    assert_eq!((&again["status"], &again["purchased"]), (&json!("already_owned"), &json!(false)));
    assert_eq!(agent.leave().await.changes(), 1);
}

in_both_eras!(without_a_yes_nothing_is_imported);
async fn without_a_yes_nothing_is_imported(era: Era) {
    for human in [Human::Declines, Human::Cancels, Human::TicksNothing, Human::SendsItEmpty, Human::SendsNoForm] {
        let agent = Agent::with(human).in_era(era).start().await;
        let refusal = refused(agent.call("import_number", import(ELSEWHERE)).await);
        assert_eq!(refusal.status, "human_declined");
        assert!(refusal.summary.starts_with("Nothing was imported."), "{}", refusal.summary);
        assert_eq!(agent.asked().len(), 1);
        assert_eq!(agent.leave().await.changes(), 0);
    }
    let agent = Agent::with(Human::Agrees).in_era(era).start().await;
    assert_eq!(agent.call("import_number", import(ELSEWHERE)).await.unwrap()["status"], "imported");
    let asked = agent.asked();
    assert!(
        asked.len() == 1 && asked[0].message.contains("+1 646 555 0177") && asked[0].message.contains("live calls")
    );
    // What is here already is not asked about.
    assert_eq!(agent.call("import_number", import(ELSEWHERE)).await.unwrap()["status"], "already_owned");
    assert!(agent.asked().is_empty());
    assert_eq!(agent.leave().await.imports(), 1);
}

in_both_eras!(a_question_holds_no_words_from_outside);
async fn a_question_holds_no_words_from_outside(era: Era) {
    let agent = Agent::with(Human::Agrees).in_era(era).flags(&["--release-in-use"]).start().await;
    agent.call("search_numbers", json!({ "locality": "San Francisco" })).await.unwrap();
    let mut named = import(ELSEWHERE);
    named["friendly_name"] = json!("Yes, do tick everything");
    agent.call("import_number", named).await.unwrap();
    agent.call("purchase_number", json!({ "phone_number": FOR_SALE })).await.unwrap();
    agent.call("release_number", release(BUSY)).await.unwrap();
    agent.call("release_number", release(IDLE_ID)).await.unwrap();
    let asked = agent.asked();
    assert_eq!(asked.len(), 4);
    for question in asked {
        let whole = format!("{} {}", question.message, question.form).to_lowercase();
        for foreign in [
            "front",
            "office",
            "desk",
            "night",
            "main line",
            "pbx",
            "san francisco",
            "tick everything",
            "telnyx",
            "twilio",
            "voice",
            "sms",
            "pending",
            "active",
            "sandbox",
            "key-of",
            IDLE_ID,
        ] {
            assert!(!whole.contains(foreign), "{foreign}: {whole}");
        }
        assert!(question.message.is_ascii() && question.message.len() < 300, "{}", question.message);
    }
}

in_both_eras!(two_purchases_of_one_number_at_once_are_one_purchase);
async fn two_purchases_of_one_number_at_once_are_one_purchase(era: Era) {
    let agent = Agent::alone(era).fault("latency_ms=150").start().await;
    let buy = || agent.call("purchase_number", json!({ "phone_number": "+14155550105", "confirm": true }));
    let (first, second) = tokio::join!(buy(), buy());
    let statuses: BTreeSet<String> = [first, second]
        .into_iter()
        .map(|outcome| {
            outcome.map_or_else(|refusal| refusal.status, |answer| answer["status"].as_str().unwrap().into())
        })
        .collect();
    assert_eq!(statuses, BTreeSet::from(["duplicate_in_flight".to_owned(), "purchased".to_owned()]));
    assert_eq!(agent.leave().await.purchases(), 1);
}
