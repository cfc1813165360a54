//! A release needs the flag, and the yes of a person where one can be asked.

use rmcp::model::ProtocolVersion;
use serde_json::json;

use super::account::{
    BUSY, ELSEWHERE, FOR_SALE, IDLE, IDLE_ID, IDLE_IMPORTED, IDLE_IMPORTED_ID, has, import, refused, release,
};
use crate::support::era::{Era, in_both_eras};
use crate::support::mcp_client::Agent;
use crate::support::people::Human;

in_both_eras!(without_the_flag_nothing_is_released);
async fn without_the_flag_nothing_is_released(era: Era) {
    let agent = Agent::with(Human::Agrees).in_era(era).start().await;
    for arguments in [
        json!({ "number_id": IDLE }),
        json!({ "number_id": IDLE_ID, "confirm": false }),
        json!({ "number_id": IDLE, "confirm": null, "phone_number": IDLE }),
    ] {
        let preview = refused(agent.call("release_number", arguments).await);
        assert_eq!(preview.status, "confirmation_required");
        assert!(preview.summary.contains(IDLE) && preview.summary.contains("confirm"), "{}", preview.summary);
        assert_eq!(preview.body["number"], IDLE);
        assert_eq!(preview.body["id"], IDLE_ID);
        assert_eq!(preview.body["kind"], "managed");
        assert_eq!(preview.body["agents_that_fall_silent"], json!([]));
        assert_eq!(preview.body["undo"], "cannot be undone");
        assert_eq!(preview.body["next"]["arguments"]["confirm"], true);
    }
    let used = refused(agent.call("release_number", json!({ "number_id": BUSY })).await);
    assert_eq!(used.status, "confirmation_required");
    assert_eq!(
        used.body["agents_that_fall_silent"],
        json!([
            { "agent": "Front office", "direction": "inbound" },
            { "agent": "Front office", "direction": "outbound" }
        ])
    );
    assert!(agent.asked().is_empty());
    assert_eq!(agent.leave().await.changes(), 0);
}

in_both_eras!(the_flag_is_true_and_nothing_like_it);
async fn the_flag_is_true_and_nothing_like_it(era: Era) {
    let agent = Agent::alone(era).start().await;
    for flag in [json!("true"), json!("yes"), json!(1), json!([true]), json!({ "confirm": true })] {
        let refusal = refused(agent.call("release_number", json!({ "number_id": IDLE, "confirm": flag })).await);
        assert_eq!((refusal.status.as_str(), refusal.fields()), ("invalid_argument", vec!["confirm"]), "{flag}");
    }
    assert_eq!(agent.sent().len(), 0);
    let empty = refused(agent.call("release_number", json!({ "number_id": IDLE, "confirm": "" })).await);
    assert!(["invalid_argument", "confirmation_required"].contains(&empty.status.as_str()), "{empty:?}");
    assert_eq!(agent.leave().await.changes(), 0);
}

in_both_eras!(an_idle_number_is_released_once_on_the_flag_of_a_client_that_cannot_ask);
async fn an_idle_number_is_released_once_on_the_flag_of_a_client_that_cannot_ask(era: Era) {
    let agent = Agent::alone(era).start().await;
    let released = agent.call("release_number", release(IDLE)).await.unwrap();
    assert_eq!(
        (&released["status"], &released["verified"], &released["undo"]),
        (&json!("released"), &json!(true), &json!("cannot be undone"))
    );
    assert_eq!((agent.sent().releases(), agent.sent().changes()), (1, 1));
    assert!(agent.sent().0.iter().any(|sent| sent.method == "DELETE" && sent.path.ends_with(IDLE_ID)));
    assert!(!has(&agent, IDLE).await);
    assert_eq!(refused(agent.call("release_number", release(IDLE)).await).status, "not_found");
    assert_eq!(agent.leave().await.releases(), 1);
}

in_both_eras!(a_yes_releases_once);
async fn a_yes_releases_once(era: Era) {
    let agent = Agent::with(Human::Agrees).in_era(era).start().await;
    let released = agent.call("release_number", release(IDLE_IMPORTED_ID)).await.unwrap();
    assert_eq!((&released["status"], &released["number"]), (&json!("released"), &json!(IDLE_IMPORTED)));
    let asked = agent.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].message.replace(' ', "").contains(IDLE_IMPORTED), "{asked:?}");
    assert_eq!(asked[0].form["required"], json!(["release", "last4"]));
    assert_ne!(asked[0].form["properties"]["release"]["default"], true);
    assert!(asked[0].form["properties"]["last4"].get("default").is_none());
    assert_eq!(agent.leave().await.releases(), 1);
}

in_both_eras!(anything_but_a_whole_yes_releases_nothing);
async fn anything_but_a_whole_yes_releases_nothing(era: Era) {
    for (human, status) in [
        (Human::TypesWrongDigits, "human_declined"),
        (Human::TicksNothing, "human_declined"),
        (Human::SendsItEmpty, "human_declined"),
        (Human::SendsNoForm, "human_declined"),
        (Human::FillsIn(json!({ "release": true })), "human_declined"),
        (Human::FillsIn(json!({ "release": true, "last4": 110 })), "human_declined"),
        (Human::FillsIn(json!({ "release": true, "last4": "" })), "human_declined"),
        (Human::FillsIn(json!({ "release": true, "last4": "٠١١٠" })), "human_declined"),
        (Human::FillsIn(json!({ "release": "true", "last4": "0110" })), "human_declined"),
        (Human::FillsIn(json!({ "release": 1, "last4": "0110" })), "human_declined"),
        (Human::FillsIn(json!({ "buy": true, "last4": "0110" })), "human_declined"),
        (Human::Declines, "human_declined"),
        (Human::Cancels, "human_declined"),
    ] {
        let agent = Agent::with(human).in_era(era).start().await;
        let refusal = refused(agent.call("release_number", release(IDLE)).await);
        assert_eq!(refusal.status, status);
        assert_eq!(agent.asked().len(), 1);
        assert_eq!(agent.leave().await.changes(), 0, "{refusal:?}");
    }
}

in_both_eras!(a_client_that_declares_and_then_cannot_ask_gets_nothing_done);
async fn a_client_that_declares_and_then_cannot_ask_gets_nothing_done(era: Era) {
    let agent = Agent::with(Human::CannotBeReached).in_era(era).start().await;
    for (tool, arguments) in [
        ("release_number", release(IDLE)),
        ("purchase_number", json!({ "phone_number": FOR_SALE })),
        ("import_number", import(ELSEWHERE)),
    ] {
        let refusal = agent.call(tool, arguments).await.expect_err("a refusal");
        match era {
            Era::Legacy => {
                assert_eq!(refusal.status, "human_unavailable");
                assert!(refusal.summary.starts_with("Nothing was "), "{}", refusal.summary);
            }
            // The client asks by itself, and does not call again.
            Era::Modern => assert_eq!(refusal.status, "client_failed"),
        }
    }
    assert_eq!(agent.asked().len(), 3);
    assert_eq!(agent.leave().await.changes(), 0);
}

#[tokio::test]
async fn a_call_that_is_taken_back_while_the_person_is_silent_releases_nothing() {
    let agent = Agent::with(Human::KeepsSilent).in_era(Era::Legacy).start().await;
    let call = agent.begin("release_number", release(IDLE)).await;
    agent.until_asked().await;
    call.cancel(Some("the user went away".to_owned())).await.unwrap();
    assert!(has(&agent, IDLE).await, "the connection lives on");
    assert_eq!(agent.leave().await.changes(), 0);
}

#[tokio::test]
async fn a_client_that_goes_away_while_the_person_is_silent_releases_nothing() {
    let agent = Agent::with(Human::KeepsSilent).in_era(Era::Legacy).start().await;
    let _call = agent.begin("release_number", release(IDLE)).await;
    agent.until_asked().await;
    assert_eq!(agent.leave().await.changes(), 0);
}

#[tokio::test]
async fn a_question_that_is_never_answered_releases_nothing() {
    let agent = Agent::with(Human::KeepsSilent).in_era(Era::Modern).start().await;
    agent.say("release_number", release(IDLE), None, None).await.state();
    assert!(has(&agent, IDLE).await);
    assert_eq!(agent.leave().await.changes(), 0);
}

#[tokio::test]
async fn only_versions_that_can_carry_a_question_are_asked() {
    let asked = Agent::with(Human::Declines).speaking(ProtocolVersion::V_2025_06_18).start().await;
    assert_eq!(refused(asked.call("release_number", release(IDLE)).await).status, "human_declined");
    assert_eq!((asked.asked().len(), asked.leave().await.changes()), (1, 0));
    // Elicitation came with 2025-06-18; what a client of before declares has no meaning.
    let unasked = Agent::with(Human::Declines).speaking(ProtocolVersion::V_2025_03_26).start().await;
    assert_eq!(
        refused(unasked.call("release_number", json!({ "number_id": IDLE })).await).status,
        "confirmation_required"
    );
    assert_eq!(unasked.call("release_number", release(IDLE)).await.unwrap()["status"], "released");
    assert_eq!((unasked.asked().len(), unasked.leave().await.changes()), (0, 1));
}

in_both_eras!(a_client_that_only_opens_links_is_not_sent_a_form);
async fn a_client_that_only_opens_links_is_not_sent_a_form(era: Era) {
    let agent = Agent::with(Human::OpensLinks).in_era(era).start().await;
    let preview = agent.call("release_number", json!({ "number_id": IDLE })).await;
    assert_eq!(refused(preview).status, "confirmation_required");
    assert_eq!(agent.call("release_number", release(IDLE)).await.unwrap()["status"], "released");
    assert_eq!((agent.asked().len(), agent.leave().await.changes()), (0, 1));
}

in_both_eras!(an_operator_may_leave_the_person_in_peace);
async fn an_operator_may_leave_the_person_in_peace(era: Era) {
    let agent = Agent::with(Human::Declines).in_era(era).flags(&["--ask", "off"]).start().await;
    assert_eq!(
        refused(agent.call("release_number", json!({ "number_id": IDLE })).await).status,
        "confirmation_required"
    );
    assert_eq!(agent.call("release_number", release(IDLE)).await.unwrap()["status"], "released");
    assert_eq!(refused(agent.call("release_number", release(BUSY)).await).status, "number_in_use");
    let preview = agent.call("purchase_number", json!({ "phone_number": FOR_SALE })).await;
    assert_eq!(refused(preview).status, "confirmation_required");
    assert_eq!(
        agent.call("purchase_number", json!({ "phone_number": FOR_SALE, "confirm": true })).await.unwrap()["status"],
        "purchased"
    );
    assert!(agent.asked().is_empty());
    let sent = agent.leave().await;
    assert_eq!((sent.releases(), sent.purchases(), sent.changes()), (1, 1, 2));
}
