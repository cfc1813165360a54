//! The gate over the wire: what is not done without the owner's word, and what no word gets past.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rmcp::model::ProtocolVersion;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crate::support::era::{Era, in_both_eras};
use crate::support::expected;
use crate::support::mcp_client::{Agent, Refusal, Word};
use crate::support::people::Human;
use crate::support::program::tokio_program;
use crate::support::sandbox::Sandbox;

/// Bought, waiting for its carrier, used by nobody.
const IDLE: &str = "+13125550110";
const IDLE_ID: &str = "51f2a8d6-c073-4e9b-8d1c-a4b96e3f7205";
/// Imported, used by nobody.
const IDLE_IMPORTED: &str = "+442079460123";
const IDLE_IMPORTED_ID: &str = "2e8d41b7-6f95-4a03-bc12-d7f0a9638e5c";
/// "Front desk" answers it.
const ANSWERED: &str = "+14155550123";
/// "Front office" calls from it.
const CALLED_FROM: &str = "+12125550142";
/// "Front office" answers it and calls from it.
const BUSY: &str = "+16175550155";
/// For sale.
const FOR_SALE: &str = "+14155550150";
/// With a carrier of the owner's own.
const ELSEWHERE: &str = "+16465550177";

fn release(number: &str) -> Value {
    json!({ "number_id": number, "confirm": true })
}

fn import(number: &str) -> Value {
    json!({ "phone_number": number, "provider_type": "telnyx", "api_key": "KEY-of-the-carrier" })
}

/// Whether the account still has a number.
async fn has(agent: &Agent, number: &str) -> bool {
    agent.numbers(json!({})).await.numbers().contains(&number)
}

/// The refusal, which says in its first words that nothing happened.
fn refused(outcome: Result<Value, Refusal>) -> Refusal {
    let refusal = outcome.expect_err("a refusal");
    assert!(refusal.summary.starts_with("Nothing was "), "{}", refusal.summary);
    refusal
}

// The flag.

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

// The person.

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

// What a client of 2026-07-28 might make up.

fn yes(last4: &str) -> Value {
    json!({ "confirm": { "action": "accept", "content": { "release": true, "last4": last4 } } })
}

#[tokio::test]
async fn an_answer_to_no_question_is_no_answer() {
    let agent = Agent::with(Human::Agrees).start().await;
    let state = agent.say("release_number", release(IDLE), Some(yes("0110")), None).await.state();
    assert!(matches!(
        agent.say("release_number", release(IDLE), Some(yes("0110")), Some("")).await,
        Word::Asked { .. }
    ));
    let mut forged: Vec<String> = ["x", "AAAA.BBBB", "null", "{}"].map(str::to_owned).into();
    forged.extend([0, 1, state.len() / 2, state.len() - 1].map(|end| state[..end].to_owned()));
    forged.extend([0, state.len() / 3, state.len() / 2, state.len() - 1].map(|at| {
        let mut bytes = state.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    }));
    forged.push(format!("{state}A"));
    forged.push("A".repeat(100_000));
    for forged in forged.iter().filter(|forged| **forged != state) {
        let word = agent.say("release_number", release(IDLE), Some(yes("0110")), Some(forged)).await;
        assert_ne!(word.state(), state, "asked again, not with the forged state");
    }
    assert_eq!(agent.sent().changes(), 0);
    let word = agent.say("release_number", release(IDLE), Some(yes("0110")), Some(&state)).await;
    assert!(matches!(word, Word::Final(Ok(_))), "the true state is good all the same");
    assert_eq!(agent.leave().await.releases(), 1);
}

#[tokio::test]
async fn a_client_that_cannot_ask_gains_nothing_by_an_answer() {
    let agent = Agent::alone(Era::Modern).start().await;
    for state in [None, Some("AAAA")] {
        let word = agent.say("release_number", json!({ "number_id": IDLE }), Some(yes("0110")), state).await;
        assert_eq!(word.refusal().status, "confirmation_required");
        let word = agent.say("release_number", release(BUSY), Some(yes("0155")), state).await;
        assert_eq!(word.refusal().status, "number_in_use");
    }
    assert_eq!(agent.leave().await.changes(), 0);
}

#[tokio::test]
async fn an_answer_in_a_call_of_before_is_not_looked_at() {
    let agent = Agent::with(Human::Declines).in_era(Era::Legacy).start().await;
    let word = agent.say("release_number", release(IDLE), Some(yes("0110")), Some("AAAA")).await;
    assert_eq!(word.refusal().status, "human_declined");
    assert_eq!((agent.asked().len(), agent.leave().await.changes()), (1, 0));
}

#[tokio::test]
async fn a_yes_to_one_thing_is_no_yes_to_another() {
    let agent = Agent::with(Human::Agrees).start().await;
    let stranger = Agent::with(Human::Agrees).start().await;
    let elsewhere = stranger.say("release_number", release(IDLE), None, None).await.state();
    let idle = agent.say("release_number", release(IDLE), None, None).await.state();
    let by_id = agent.say("release_number", release(IDLE_ID), None, None).await.state();
    let imported = agent.say("release_number", release(IDLE_IMPORTED), None, None).await.state();
    let bought = agent.say("purchase_number", json!({ "phone_number": FOR_SALE }), None, None).await.state();
    let everything =
        json!({ "confirm": { "action": "accept", "content": { "release": true, "buy": true, "last4": "0110" } } });
    for foreign in [&imported, &by_id, &bought, &elsewhere] {
        let word = agent.say("release_number", release(IDLE), Some(everything.clone()), Some(foreign)).await;
        word.state();
    }
    for foreign in [&idle, &imported] {
        let arguments = json!({ "phone_number": FOR_SALE });
        agent.say("purchase_number", arguments, Some(everything.clone()), Some(foreign)).await.state();
    }
    // One argument more is another call.
    let more = json!({ "number_id": IDLE, "confirm": true, "phone_number": IDLE });
    agent.say("release_number", more, Some(everything.clone()), Some(&idle)).await.state();
    assert_eq!(agent.leave().await.changes() + stranger.leave().await.changes(), 0);
}

#[tokio::test]
async fn a_state_answers_one_question_once() {
    let agent = Agent::with(Human::Agrees).start().await;
    let state = agent.say("release_number", release(IDLE), None, None).await.state();
    for no in [
        json!({ "confirm": { "action": "decline" } }),
        json!({ "confirm": { "action": "maybe" } }),
        json!({ "confirm": { "action": "accept" } }),
        json!({ "confirm": { "action": "accept", "content": "yes" } }),
        json!({ "confirm": "yes" }),
        json!({ "confirm": null }),
    ] {
        let state = agent.say("release_number", release(IDLE), None, None).await.state();
        let refusal = agent.say("release_number", release(IDLE), Some(no.clone()), Some(&state)).await.refusal();
        assert!(["human_declined", "human_unavailable"].contains(&refusal.status.as_str()), "{no}: {refusal:?}");
        assert!(refusal.summary.starts_with("Nothing was released."), "{}", refusal.summary);
        // The no was the answer: a yes with the same state comes too late.
        agent.say("release_number", release(IDLE), Some(yes("0110")), Some(&state)).await.state();
    }
    // An answer under another name leaves the question open.
    let misnamed = json!({ "something": yes("0110")["confirm"] });
    agent.say("release_number", release(IDLE), Some(misnamed), Some(&state)).await.state();
    agent.say("release_number", release(IDLE), None, Some(&state)).await.state();
    assert_eq!(agent.sent().changes(), 0);
    let word = agent.say("release_number", release(IDLE), Some(yes("0110")), Some(&state)).await;
    assert!(matches!(word, Word::Final(Ok(_))));
    let again = agent.say("release_number", release(IDLE), Some(yes("0110")), Some(&state)).await;
    assert_eq!(again.refusal().status, "not_found");
    assert_eq!(agent.leave().await.releases(), 1);
}

#[tokio::test]
async fn one_yes_sent_many_times_at_once_buys_once() {
    let agent = Arc::new(Agent::with(Human::Agrees).fault("latency_ms=50").start().await);
    let arguments = json!({ "phone_number": FOR_SALE });
    let state = agent.say("purchase_number", arguments.clone(), None, None).await.state();
    let answer = json!({ "confirm": { "action": "accept", "content": { "buy": true } } });
    let calls = (0..8).map(|_| agent.say("purchase_number", arguments.clone(), Some(answer.clone()), Some(&state)));
    let words = futures::future::join_all(calls).await;
    // Who comes late finds it owned, or is asked anew.
    let bought = |word: &&Word| matches!(word, Word::Final(Ok(answer)) if answer["status"] == "purchased");
    assert_eq!((words.iter().filter(bought).count(), agent.sent().purchases()), (1, 1));
}

// What changes while the person thinks.

/// A person who agrees after somebody else, on the same account, has made this call.
async fn agrees_after(home: &std::path::Path, tool: &'static str, arguments: Value) -> Human {
    let other = Arc::new(Agent::alone(Era::Modern).kept_in(home).start().await);
    Human::agrees_after(move || {
        let (other, arguments) = (Arc::clone(&other), arguments.clone());
        async move { drop(other.call(tool, arguments).await.expect("the other one may do this")) }
    })
}

in_both_eras!(a_number_that_is_assigned_while_the_person_thinks_is_not_released);
async fn a_number_that_is_assigned_while_the_person_thinks_is_not_released(era: Era) {
    let home = tempfile::tempdir().unwrap();
    let assignment = json!({ "number_id": IDLE, "agent_id": "Front desk", "assignment_type": "outbound" });
    let human = agrees_after(home.path(), "assign_number", assignment).await;
    let agent = Agent::with(human).in_era(era).kept_in(home.path()).start().await;
    let refusal = refused(agent.call("release_number", release(IDLE)).await);
    // It has changed; and what it has changed to says more: by whom it is used now.
    assert!(["state_changed", "number_in_use"].contains(&refusal.status.as_str()), "{refusal:?}");
    assert_eq!(agent.asked().len(), 1);
    assert!(has(&agent, IDLE).await);
    assert_eq!(agent.leave().await.changes(), 0);
}

in_both_eras!(a_yes_counts_only_for_what_the_person_was_shown);
async fn a_yes_counts_only_for_what_the_person_was_shown(era: Era) {
    for (number, tool, change) in [
        (IDLE, "assign_number", json!({ "number_id": IDLE, "agent_id": "Front desk", "assignment_type": "inbound" })),
        (BUSY, "unassign_number", json!({ "number_id": BUSY, "assignment_type": "inbound" })),
    ] {
        let home = tempfile::tempdir().unwrap();
        let human = agrees_after(home.path(), tool, change).await;
        let agent = Agent::with(human).in_era(era).kept_in(home.path()).flags(&["--release-in-use"]).start().await;
        let refusal = refused(agent.call("release_number", release(number)).await);
        assert_eq!(refusal.status, "state_changed");
        assert_eq!(refusal.body["retryable"], true);
        assert_eq!(agent.leave().await.changes(), 0);
    }
}

in_both_eras!(a_number_that_somebody_else_released_is_not_released_again);
async fn a_number_that_somebody_else_released_is_not_released_again(era: Era) {
    let home = tempfile::tempdir().unwrap();
    let human = agrees_after(home.path(), "release_number", release(IDLE)).await;
    let agent = Agent::with(human).in_era(era).kept_in(home.path()).start().await;
    assert_eq!(refused(agent.call("release_number", release(IDLE)).await).status, "not_found");
    assert_eq!(agent.leave().await.changes(), 0);
}

in_both_eras!(a_number_that_was_bought_meanwhile_is_not_bought_again);
async fn a_number_that_was_bought_meanwhile_is_not_bought_again(era: Era) {
    let home = tempfile::tempdir().unwrap();
    let human =
        agrees_after(home.path(), "purchase_number", json!({ "phone_number": FOR_SALE, "confirm": true })).await;
    let agent = Agent::with(human).in_era(era).kept_in(home.path()).start().await;
    let answer = agent.call("purchase_number", json!({ "phone_number": FOR_SALE })).await.unwrap();
    assert_eq!((&answer["status"], &answer["purchased"]), (&json!("already_owned"), &json!(false)));
    assert_eq!(agent.leave().await.changes(), 0);
}

// The interlock.

in_both_eras!(a_number_in_use_is_not_released_whatever_the_caller_says);
async fn a_number_in_use_is_not_released_whatever_the_caller_says(era: Era) {
    let agent = Agent::with(Human::Agrees).in_era(era).start().await;
    for (number, holders) in [
        (ANSWERED, json!([{ "agent": "Front desk", "direction": "inbound" }])),
        (CALLED_FROM, json!([{ "agent": "Front office", "direction": "outbound" }])),
        (
            BUSY,
            json!([{ "agent": "Front office", "direction": "inbound" }, { "agent": "Front office", "direction": "outbound" }]),
        ),
    ] {
        for arguments in [release(number), json!({ "number_id": number, "confirm": true, "phone_number": number })] {
            let refusal = refused(agent.call("release_number", arguments).await);
            assert_eq!((refusal.status.as_str(), &refusal.body["in_use_by"]), ("number_in_use", &holders));
            assert_eq!(refusal.body["next"]["tool"], "unassign_number");
        }
    }
    assert!(agent.asked().is_empty(), "nobody is asked what is not going to be done");
    assert_eq!(agent.leave().await.changes(), 0);
}

in_both_eras!(only_the_operator_lets_a_number_in_use_go);
async fn only_the_operator_lets_a_number_in_use_go(era: Era) {
    let agent = Agent::with(Human::Agrees).in_era(era).flags(&["--release-in-use"]).start().await;
    assert_eq!(
        refused(agent.call("release_number", json!({ "number_id": BUSY })).await).status,
        "confirmation_required"
    );
    let released = agent.call("release_number", release(BUSY)).await.unwrap();
    assert_eq!(released["status"], "released");
    let asked = agent.asked();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].message.contains('2'), "the person is told how many assignments end: {asked:?}");
    assert_eq!(agent.leave().await.releases(), 1);
    let careful = Agent::with(Human::TypesWrongDigits).in_era(era).flags(&["--release-in-use"]).start().await;
    assert_eq!(refused(careful.call("release_number", release(BUSY)).await).status, "human_declined");
    assert_eq!(careful.leave().await.changes(), 0);
}

in_both_eras!(who_uses_it_must_be_known);
async fn who_uses_it_must_be_known(era: Era) {
    let sandbox = Sandbox::start().await;
    sandbox
        .misbehave(
            json!({ "rate_limit": 0, "list": "omit_assignment_fields", "internal_error": ["agents", "agent_numbers"] }),
        )
        .await;
    let agent = Agent::alone(era).on(&sandbox).start().await;
    for number in [IDLE, BUSY] {
        let preview = refused(agent.call("release_number", json!({ "number_id": number })).await);
        assert_eq!(preview.status, "confirmation_required");
        assert_eq!((&preview.body["inbound"], &preview.body["outbound"]), (&json!("unknown"), &json!("unknown")));
        let refusal = refused(agent.call("release_number", release(number)).await);
        assert_eq!(refusal.status, "assignment_unknown");
        assert!(refusal.summary.contains("phone_number") && refusal.summary.contains(number), "{}", refusal.summary);
    }
    let other = json!({ "number_id": IDLE_ID, "confirm": true, "phone_number": BUSY });
    assert_eq!(refused(agent.call("release_number", other).await).status, "number_mismatch");
    assert_eq!(agent.sent().changes(), 0);
    let sure = json!({ "number_id": IDLE_ID, "confirm": true, "phone_number": IDLE });
    assert_eq!(agent.call("release_number", sure).await.unwrap()["status"], "released");
    assert_eq!(agent.leave().await.releases(), 1);
}

in_both_eras!(who_uses_it_is_found_out_another_way_where_the_list_does_not_say);
async fn who_uses_it_is_found_out_another_way_where_the_list_does_not_say(era: Era) {
    for faults in [&["list=omit_assignment_fields"][..], &["list=omit_assignment_fields", "agents=omit_numbers"]] {
        let setup = faults.iter().fold(Agent::alone(era), |setup, fault| setup.fault(fault));
        let agent = setup.start().await;
        assert_eq!(refused(agent.call("release_number", release(BUSY)).await).status, "number_in_use");
        assert_eq!(refused(agent.call("release_number", release(CALLED_FROM)).await).status, "number_in_use");
        assert_eq!(agent.call("release_number", release(IDLE)).await.unwrap()["status"], "released");
        assert_eq!(agent.leave().await.releases(), 1);
    }
}

in_both_eras!(number_and_id_must_agree_where_both_are_given);
async fn number_and_id_must_agree_where_both_are_given(era: Era) {
    let agent = Agent::with(Human::Agrees).in_era(era).start().await;
    for (named, number) in [(IDLE_ID, IDLE_IMPORTED), (IDLE, IDLE_IMPORTED), (IDLE, FOR_SALE), (IDLE_IMPORTED_ID, BUSY)]
    {
        for confirm in [false, true] {
            let arguments = json!({ "number_id": named, "phone_number": number, "confirm": confirm });
            let refusal = refused(agent.call("release_number", arguments).await);
            assert_eq!(refusal.status, "number_mismatch", "{named} {number} {confirm}");
        }
    }
    assert_eq!((agent.asked().len(), agent.sent().changes()), (0, 0));
    let agreeing = json!({ "number_id": IDLE_ID, "phone_number": IDLE, "confirm": true });
    assert_eq!(agent.call("release_number", agreeing).await.unwrap()["status"], "released");
    assert_eq!(agent.leave().await.releases(), 1);
}

// The wall.

/// A call of each tool that changes something, as sure of itself as a call can be.
fn changes() -> Vec<(&'static str, Value)> {
    vec![
        ("purchase_number", json!({ "phone_number": FOR_SALE })),
        ("import_number", import(ELSEWHERE)),
        (
            "assign_number",
            json!({ "number_id": IDLE, "agent_id": "Front desk", "assignment_type": "inbound", "confirm": true }),
        ),
        ("unassign_number", json!({ "number_id": BUSY, "assignment_type": "inbound" })),
        ("release_number", json!({ "number_id": IDLE_ID, "confirm": true, "phone_number": IDLE })),
    ]
}

/// A refusal by the operator's policy: by this rule, and by no argument to be lifted.
fn denied(outcome: Result<Value, Refusal>, rule: &str) {
    let refusal = outcome.expect_err("the policy refuses");
    assert_eq!((refusal.status.as_str(), &refusal.body["rule"]), ("policy_denied", &json!(rule)), "{refusal:?}");
    assert!(refusal.summary.starts_with("Nothing was ") && refusal.summary.contains("No argument"), "{refusal:?}");
    assert_eq!(refusal.body["retryable"], false);
}

in_both_eras!(what_may_not_be_bought_is_refused_without_a_question_or_a_request);
async fn what_may_not_be_bought_is_refused_without_a_question_or_a_request(era: Era) {
    for (flags, number, rule) in [
        (["--countries", "US"], "+442079460150", "countries"),
        (["--countries", "US"], "+80012345678", "countries"),
        (["--number-types", "local"], "+18005550150", "number_types"),
        (["--number-types", "local"], "+4930123456", "number_types"),
        (["--purchases-per-day", "0"], "+14155550150", "purchases_per_day"),
    ] {
        let agent = Agent::with(Human::Agrees).in_era(era).flags(&flags).start().await;
        denied(agent.call("purchase_number", json!({ "phone_number": number })).await, rule);
        assert!(agent.asked().is_empty());
        assert_eq!(agent.sent().len(), 0, "nothing is even read for it");
    }
}

in_both_eras!(a_server_for_reading_only_changes_nothing);
async fn a_server_for_reading_only_changes_nothing(era: Era) {
    let agent = Agent::with(Human::Agrees).in_era(era).flags(&["--read-only"]).start().await;
    let offered: Vec<&str> = agent.tools().iter().map(|tool| tool.name.as_ref()).collect();
    assert_eq!(offered, expected::reading());
    assert!(agent.instructions().contains("read-only"));
    expected::assert_covers(&expected::changing(), changes().iter().map(|(tool, _)| *tool));
    for (tool, arguments) in changes() {
        denied(agent.call(tool, arguments).await, "read_only");
    }
    assert!(agent.asked().is_empty());
    assert_eq!(agent.sent().len(), 0, "nothing is even read for it");
    assert!(has(&agent, IDLE).await, "reading goes on");
    assert_eq!(agent.leave().await.changes(), 0);
}

in_both_eras!(a_tool_that_is_switched_off_is_neither_shown_nor_run);
async fn a_tool_that_is_switched_off_is_neither_shown_nor_run(era: Era) {
    let without = Agent::with(Human::Agrees).in_era(era).flags(&["--exclude-tools", "release_number,list_agents"]);
    let without = without.start().await;
    let offered: Vec<&str> = without.tools().iter().map(|tool| tool.name.as_ref()).collect();
    assert_eq!(offered, expected::names_without(&["release_number", "list_agents"]));
    denied(without.call("release_number", release(IDLE)).await, "exclude_tools");
    denied(without.call("release_number", json!({ "number_id": IDLE })).await, "exclude_tools");
    denied(without.call("list_agents", json!({})).await, "exclude_tools");
    assert_eq!(without.leave().await.len(), 0);
    let only = Agent::with(Human::Agrees).in_era(era).flags(&["--tools", "list_numbers,assign_number"]).start().await;
    let offered: Vec<&str> = only.tools().iter().map(|tool| tool.name.as_ref()).collect();
    assert_eq!(offered, ["list_numbers", "assign_number"]);
    for (tool, arguments) in changes().into_iter().filter(|(tool, _)| *tool != "assign_number") {
        denied(only.call(tool, arguments).await, "tools");
    }
    denied(only.call("search_numbers", json!({})).await, "tools");
    assert_eq!(only.leave().await.len(), 0);
}

in_both_eras!(a_protected_number_stays_by_whatever_name_it_is_called);
async fn a_protected_number_stays_by_whatever_name_it_is_called(era: Era) {
    let protect = format!("{IDLE},{IDLE_IMPORTED_ID}");
    let agent =
        Agent::with(Human::Agrees).in_era(era).flags(&["--protect", &protect, "--release-in-use"]).start().await;
    for name in [IDLE, IDLE_ID, IDLE_IMPORTED, IDLE_IMPORTED_ID] {
        for confirm in [false, true] {
            let arguments = json!({ "number_id": name, "confirm": confirm });
            denied(agent.call("release_number", arguments).await, "protect");
        }
    }
    let twice = json!({ "number_id": IDLE_ID, "confirm": true, "phone_number": IDLE });
    denied(agent.call("release_number", twice).await, "protect");
    assert!(agent.asked().is_empty());
    assert_eq!(agent.sent().changes(), 0);
    // Protected against release, not against use.
    let assignment = json!({ "number_id": IDLE, "agent_id": "Front desk", "assignment_type": "inbound" });
    assert_eq!(agent.call("assign_number", assignment).await.unwrap()["status"], "assigned");
    assert_eq!(agent.leave().await.releases(), 0);
}

in_both_eras!(no_password_is_sent_to_a_host_inside_a_network);
async fn no_password_is_sent_to_a_host_inside_a_network(era: Era) {
    let from = |host: &str| {
        json!({
            "phone_number": ELSEWHERE, "provider_type": "custom_sip", "sip_username": "trunk",
            "sip_password": "correct horse battery", "sip_server": host
        })
    };
    let agent = Agent::with(Human::Agrees).in_era(era).start().await;
    for host in [
        "localhost",
        "127.0.0.1",
        "127.1",
        "10.1.2.3:5060",
        "192.168.0.1",
        "172.16.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "100.64.0.1",
        "[::1]",
        "[fe80::1]",
        "[fd00::1]:5061",
        "[::ffff:10.0.0.1]",
        "pbx",
        "pbx.local",
        "metadata.google.internal",
        "2130706433",
        "0x7f.0.0.1",
    ] {
        let outcome = agent.call("import_number", from(host)).await;
        assert_eq!(outcome.as_ref().err().map(|refusal| refusal.status.as_str()), Some("policy_denied"), "{host}");
        denied(outcome, "sip_host");
    }
    assert!(agent.asked().is_empty());
    assert_eq!(agent.sent().len(), 0);
    assert_eq!(agent.call("import_number", from("sip.example.com:5061")).await.unwrap()["status"], "imported");
    assert_eq!(agent.leave().await.imports(), 1);
    let choosy = Agent::alone(era).flags(&["--sip-hosts", "sip.example.com"]).start().await;
    denied(choosy.call("import_number", from("sip.example.org")).await, "sip_hosts");
    denied(choosy.call("import_number", from("localhost")).await, "sip_hosts");
    assert_eq!(choosy.sent().len(), 0);
    assert_eq!(choosy.call("import_number", from("SIP.example.com")).await.unwrap()["status"], "imported");
    assert_eq!(choosy.leave().await.imports(), 1);
}

// Money.

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
        ("+12125550143", "1.00 USD a month"),
        ("+18005550111", "2.00 USD a month"),
        ("+16135550120", "1.00 USD a month"),
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

// What is said to a person.

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

// Arguments that are not right.

/// Arguments that are right, for each tool.
fn right(tool: &str) -> Value {
    match tool {
        "purchase_number" => json!({ "phone_number": FOR_SALE }),
        "import_number" => json!({ "phone_number": ELSEWHERE, "provider_type": "telnyx", "api_key": "KEY-1" }),
        "assign_number" => json!({ "number_id": IDLE, "agent_id": "Front desk", "assignment_type": "inbound" }),
        "diagnose_number" => json!({ "number_id": BUSY }),
        "unassign_number" => json!({ "number_id": BUSY, "assignment_type": "inbound" }),
        "release_number" => json!({ "number_id": IDLE, "confirm": true }),
        "get_agent_numbers" | "get_webhook_url" => json!({ "agent_id": "Front desk" }),
        _ => json!({}),
    }
}

/// Values that are wrong for an argument, told by its schema and its name.
fn wrong(name: &str, schema: &Value) -> Vec<Value> {
    let long = "9".repeat(100_000);
    if schema["type"] == "array" {
        let ids = json!(vec!["0199d0ab"; 51]);
        return vec![
            json!("0199d0ab"),
            json!({}),
            json!(true),
            json!([1]),
            json!(["a b"]),
            json!([long]),
            json!([[]]),
            ids,
        ];
    }
    let mut wrong = vec![json!([]), json!(["+14155550123"]), json!({}), json!({ "$ne": null })];
    match schema["type"].as_str() {
        Some("boolean") => {
            wrong.extend([json!(0), json!(1), json!("yes"), json!("1")]);
            // Into the word that spends or destroys nothing is read.
            wrong.extend(["true", "false"].iter().filter(|_| name == "confirm").map(|text| json!(text)));
        }
        Some("integer") => {
            let (least, most) = (schema["minimum"].as_i64().unwrap(), schema["maximum"].as_i64().unwrap());
            wrong.extend([json!(least - 1), json!(most + 1), json!(-1), json!(1.5), json!(u64::MAX), json!(1e300)]);
            wrong.extend([json!(true), json!("ten"), json!("٥"), json!("1;2"), json!("-1"), json!(long)]);
        }
        _ => {
            wrong.extend([json!(true), json!(14_155_550_123_u64), json!(-1.5)]);
            // A user name of digits may come without quotes.
            wrong.retain(|value| name != "sip_username" || !value.is_u64());
            wrong.extend(["\u{0}", "+1415555\n0123", "a\u{7}b", "\u{1b}[31m", "x\u{85}y"].map(|text| json!(text)));
            wrong.push(json!(long));
            let unsafe_in_a_path =
                ["../agents", "..%2fagents", "a/b", "a?b=c", "a#b", "a b", "%2e%2e", "é", "d0845d54;"];
            let no_number =
                ["+14155550١٢٣", "14155550123", "+0123456", "+1 415 555 0123", "+1", "+１４１５", "tel:+14155550123"];
            let no_choice = ["INBOUND", "both", "inbound ", "telnyx,twilio", "🤖"];
            wrong.extend(match name {
                "number_id" => unsafe_in_a_path.iter().map(|text| json!(text)).collect(),
                "phone_number" => no_number.iter().chain(&unsafe_in_a_path).map(|text| json!(text)).collect(),
                "area_code" => ["٤١٥", "4", "1234567", "41 5", "415;"].iter().map(|text| json!(text)).collect(),
                "country_code" => ["us", "USA", "U", "U5", "ÜS", "ＵＳ"].iter().map(|text| json!(text)).collect(),
                "status" => ["Active", "in use", "activé", "a-b"].iter().map(|text| json!(text)).collect(),
                "account_sid" => ["AC/../x", "AC 1", "ÄC"].iter().map(|text| json!(text)).collect(),
                "sip_server" => {
                    ["sip:user@example.com", "https://example.com/", "a b", "-x", "example.com:port", "[::1"]
                        .iter()
                        .map(|text| json!(text))
                        .collect()
                }
                "sip_username" => ["a b", "ünser"].iter().map(|text| json!(text)).collect(),
                "api_key" | "auth_token" | "sip_password" => {
                    ["schlüssel", "tab\tbed"].iter().map(|text| json!(text)).collect()
                }
                _ if schema.get("enum").is_some() => no_choice.iter().map(|text| json!(text)).collect(),
                _ => Vec::<Value>::new(),
            });
        }
    }
    wrong
}

/// Checks that a refusal complains of exactly these arguments, helpfully, and repeats no secret.
fn complains_of(outcome: Result<Value, Refusal>, expected: &BTreeSet<&str>, why: &str) {
    let Err(refusal) = outcome else { panic!("{why}: it was taken") };
    assert_eq!(refusal.status, "invalid_argument", "{why}: {}", refusal.summary);
    assert!(refusal.summary.starts_with("Nothing was "), "{why}: {}", refusal.summary);
    assert_eq!(refusal.fields().into_iter().collect::<BTreeSet<_>>(), *expected, "{why}");
    assert!(refusal.body.to_string().len() < 20_000, "{why}: too long an answer");
    for problem in refusal.problems() {
        let part = |name: &str| problem[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let (field, reason) = (part("field").unwrap(), part("reason").unwrap_or_else(|| panic!("{why}: no reason")));
        assert!(part("expected").is_some() && part("example").is_some(), "{why}: {problem}");
        assert!(refusal.summary.contains(&field) && refusal.summary.contains(&reason), "{why}: {}", refusal.summary);
        let secret = ["api_key", "auth_token", "sip_password"].contains(&field.as_str());
        assert!(!secret || problem.get("received").is_none(), "{why}: {problem}");
        let received = part("received").unwrap_or_default();
        assert!(received.chars().count() <= 33 && !received.chars().any(char::is_control), "{why}: {problem}");
    }
}

in_both_eras!(a_wrong_argument_is_named_and_reaches_no_network);
async fn a_wrong_argument_is_named_and_reaches_no_network(era: Era) {
    let agent = Agent::with(Human::Agrees).in_era(era).start().await;
    let mut tried = 0;
    for tool in agent.tools() {
        let name = tool.name.as_ref();
        let properties = tool.input_schema["properties"].as_object().unwrap();
        for (argument, schema) in properties {
            for value in wrong(argument, schema) {
                let mut arguments = right(name);
                arguments[argument] = value.clone();
                let shown: String = value.to_string().chars().take(60).collect();
                let why = format!("{name} {argument} {shown}");
                complains_of(agent.call(name, arguments).await, &[argument.as_str()].into(), &why);
                tried += 1;
            }
        }
        let required = tool.input_schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        for argument in required.iter().filter_map(Value::as_str) {
            let mut without = right(name);
            without.as_object_mut().unwrap().remove(argument);
            complains_of(agent.call(name, without).await, &[argument].into(), &format!("{name} without {argument}"));
            for absent in [json!(null), json!("")] {
                let mut arguments = right(name);
                arguments[argument] = absent;
                let why = format!("{name} with an empty {argument}");
                complains_of(agent.call(name, arguments).await, &[argument].into(), &why);
            }
        }
        let mut misspelt = right(name);
        misspelt["confrim"] = json!(true);
        misspelt["../../etc"] = json!(1);
        complains_of(agent.call(name, misspelt).await, &["confrim", "../../etc"].into(), &format!("{name} misspelt"));
        assert_eq!(agent.sent().len(), 0, "{name}: something was sent");
    }
    assert!(tried > 500, "only {tried} were tried");
    assert!(agent.asked().is_empty());
    assert_eq!(agent.leave().await.len(), 0);
}

in_both_eras!(everything_wrong_is_told_at_once);
async fn everything_wrong_is_told_at_once(era: Era) {
    let agent = Agent::with(Human::Agrees).in_era(era).start().await;
    for tool in agent.tools() {
        let properties = tool.input_schema["properties"].as_object().unwrap();
        let mut arguments = json!({ "nonsense": [1], "Confirm": true });
        let mut expected: BTreeSet<&str> = ["nonsense", "Confirm"].into();
        for (argument, schema) in properties {
            arguments[argument] = wrong(argument, schema).pop().unwrap();
            expected.insert(argument);
        }
        complains_of(agent.call(&tool.name, arguments).await, &expected, &tool.name);
    }
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let many: serde_json::Map<String, Value> = (0..300).map(|n| (format!("field_{n}"), json!(n))).collect();
    for arguments in [json!({ "number_id": deep, "confirm": true }), Value::Object(many)] {
        assert_eq!(refused(agent.call("release_number", arguments).await).status, "invalid_argument");
    }
    assert_eq!(agent.leave().await.len(), 0);
}

in_both_eras!(arguments_that_do_not_go_together_are_named);
async fn arguments_that_do_not_go_together_are_named(era: Era) {
    let agent = Agent::with(Human::Agrees).in_era(era).start().await;
    let import = |fields: Value| {
        let mut arguments = json!({ "phone_number": ELSEWHERE });
        arguments.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        arguments
    };
    for (fields, expected) in [
        (json!({}), vec!["carrier"]),
        (json!({ "provider_type": "telnyx" }), vec!["carrier", "api_key"]),
        (json!({ "provider_type": "twilio", "auth_token": "t0ken-t0ken" }), vec!["api_key"]),
        (json!({ "provider_type": "custom_sip" }), vec!["carrier", "sip_password", "sip_server", "sip_username"]),
        (
            json!({ "provider_type": "custom_sip", "sip_username": "u", "sip_password": "p", "api_key": "k3y-k3y" }),
            vec!["api_key", "sip_server"],
        ),
        (
            json!({ "provider_type": "telnyx", "api_key": "k3y-k3y", "auth_token": "t0ken-t0ken", "sip_username": "u" }),
            vec!["auth_token", "sip_username"],
        ),
        (
            json!({ "provider_type": "twilio", "api_key": "k3y-k3y", "sip_server": "sip.example.com" }),
            vec!["sip_server"],
        ),
    ] {
        let why = fields.to_string();
        let outcome = agent.call("import_number", import(fields)).await;
        if let Err(refusal) = &outcome {
            let all = refusal.body.to_string();
            assert!(!all.contains("k3y-k3y") && !all.contains("t0ken-t0ken"), "{all}");
        }
        complains_of(outcome, &expected.into_iter().collect(), &why);
    }
    assert!(agent.asked().is_empty());
    assert_eq!(agent.leave().await.len(), 0);
}

in_both_eras!(what_cannot_be_an_id_is_looked_up_as_a_name_and_never_put_in_a_path);
async fn what_cannot_be_an_id_is_looked_up_as_a_name_and_never_put_in_a_path(era: Era) {
    let agent = Agent::alone(era).start().await;
    for name in ["../numbers", "..%2f..", "a/b?c=d#e", "Front desk/../..", "agt_../x", "' OR 1=1 --", "é🤖", "%00", "."]
    {
        for (tool, mut arguments) in [
            ("get_agent_numbers", json!({})),
            ("get_webhook_url", json!({})),
            ("list_numbers", json!({})),
            ("assign_number", json!({ "number_id": IDLE, "assignment_type": "inbound", "confirm": true })),
        ] {
            arguments["agent_id"] = json!(name);
            let refusal = agent.call(tool, arguments).await.expect_err("there is no such agent");
            assert_eq!(refusal.status, "not_found", "{tool} {name}: {refusal:?}");
        }
        let listed = agent.call("list_agents", json!({ "name": name })).await.unwrap();
        assert_eq!(listed["agents"], json!([]), "{name}");
    }
    let sent = agent.leave().await;
    assert!(sent.len() > 20);
    for request in &sent.0 {
        assert_eq!(request.method, "GET");
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_');
        assert!(request.path.chars().all(plain), "{}", request.path);
    }
}

/// Sends lines as they are, in the old way of the protocol, and reads an answer to each request.
async fn raw(calls: &[&str]) -> (Vec<Value>, usize) {
    let home = tempfile::tempdir().unwrap();
    let ledger = home.path().join("ledger.jsonl");
    let mut command = tokio_program();
    command.args(["stdio", "--sandbox", "--ephemeral", "--ledger"]).arg(&ledger);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    let hello = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"raw","version":"1"}}}
{"jsonrpc":"2.0","method":"notifications/initialized"}
"#;
    input.write_all(hello.as_bytes()).await.unwrap();
    output.next_line().await.unwrap().unwrap();
    let mut answers = Vec::new();
    for arguments in calls {
        let line = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{{\"name\":\"release_number\",\"arguments\":{arguments}}}}}\n"
        );
        input.write_all(line.as_bytes()).await.unwrap();
        answers.push(serde_json::from_str(&output.next_line().await.unwrap().unwrap()).unwrap());
    }
    drop(input);
    child.wait().await.unwrap();
    let deletes = std::fs::read_to_string(&ledger).unwrap_or_default().matches("\"DELETE\"").count();
    (answers, deletes)
}

/// A key that stands twice: which of both was meant is not known, so nothing is released.
#[tokio::test]
async fn a_key_that_stands_twice_releases_nothing() {
    let (answers, deletes) = raw(&[
        &format!(r#"{{"number_id":"{IDLE}","confirm":true,"confirm":false}}"#),
        &format!(r#"{{"number_id":"{IDLE}","number_id":"{BUSY}","confirm":true}}"#),
        &format!(r#"{{"number_id":"{IDLE}","confirm":true,"confirm":"true"}}"#),
    ])
    .await;
    let status = |answer: &Value| answer["result"]["structuredContent"]["status"].clone();
    let statuses: Vec<Value> = answers.iter().map(status).collect();
    assert_eq!(statuses, ["invalid_argument"; 3], "{answers:?}");
    assert_eq!(deletes, 0);
}

// Any order of calls.

/// What an agent may do to one of the numbers.
#[derive(Debug, Clone)]
enum Deed {
    Assign { number: usize, agent: usize, inbound: bool, confirm: bool },
    Unassign { number: usize, inbound: bool },
    Release { number: usize, confirm: bool },
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let flag = prop::bool::weighted(0.6);
    let deed = prop_oneof![
        3 => (0..4_usize, 0..2_usize, any::<bool>(), any::<bool>())
            .prop_map(|(number, agent, inbound, confirm)| Deed::Assign { number, agent, inbound, confirm }),
        3 => (0..4_usize, any::<bool>()).prop_map(|(number, inbound)| Deed::Unassign { number, inbound }),
        2 => (0..4_usize, flag).prop_map(|(number, confirm)| Deed::Release { number, confirm }),
    ];
    prop::collection::vec(deed, 1..40)
}

/// What should become of a deed, by a model in which a number is there or not, and each direction has an agent or none.
fn expected(account: &mut [Option<[Option<usize>; 2]>; 4], deed: &Deed) -> (&'static str, usize) {
    let (Deed::Assign { number, .. } | Deed::Unassign { number, .. } | Deed::Release { number, .. }) = deed;
    let place = &mut account[*number];
    let Some(slots) = place else { return ("not_found", 0) };
    match deed {
        Deed::Assign { agent, inbound, confirm, .. } => {
            let slot = &mut slots[usize::from(*inbound)];
            match *slot {
                Some(holder) if holder == *agent => ("already_assigned", 0),
                Some(_) if !confirm => ("would_reassign", 0),
                _ => {
                    *slot = Some(*agent);
                    ("assigned", 1)
                }
            }
        }
        Deed::Unassign { inbound, .. } => ("unassigned", usize::from(slots[usize::from(*inbound)].take().is_some())),
        Deed::Release { confirm: false, .. } => ("confirmation_required", 0),
        Deed::Release { .. } if slots.iter().any(Option::is_some) => ("number_in_use", 0),
        Deed::Release { .. } => {
            *place = None;
            ("released", 1)
        }
    }
}

async fn live_through(deeds: Vec<Deed>) {
    let numbers = [IDLE, IDLE_IMPORTED, ANSWERED, BUSY];
    let agents = ["Front desk", "Front office"];
    // Outbound, inbound.
    let mut account = [Some([None, None]), Some([None, None]), Some([None, Some(0)]), Some([Some(1), Some(1)])];
    let agent = Agent::alone(Era::Modern).start().await;
    let mut changes = 0;
    for deed in deeds {
        let direction = |inbound| if inbound { "inbound" } else { "outbound" };
        let (tool, arguments) = match deed {
            Deed::Assign { number, agent, inbound, confirm } => (
                "assign_number",
                json!({ "number_id": numbers[number], "agent_id": agents[agent], "assignment_type": direction(inbound), "confirm": confirm }),
            ),
            Deed::Unassign { number, inbound } => {
                ("unassign_number", json!({ "number_id": numbers[number], "assignment_type": direction(inbound) }))
            }
            Deed::Release { number, confirm } => {
                ("release_number", json!({ "number_id": numbers[number], "confirm": confirm }))
            }
        };
        let (status, sent) = expected(&mut account, &deed);
        changes += sent;
        let outcome = agent.call(tool, arguments).await;
        let became =
            outcome.map_or_else(|refusal| refusal.status, |answer| answer["status"].as_str().unwrap().to_owned());
        assert_eq!((became.as_str(), agent.sent().changes()), (status, changes), "{deed:?}");
    }
}

#[test]
fn whatever_the_order_of_calls_only_what_may_be_done_is_done() {
    let settings = ProptestConfig { cases: 6, max_shrink_iters: 60, failure_persistence: None, ..Default::default() };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    TestRunner::new(settings)
        .run(&deeds(), |deeds| {
            runtime.block_on(live_through(deeds));
            Ok(())
        })
        .unwrap();
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
