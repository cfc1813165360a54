//! Answers that a client of 2026-07-28 might make up: one question has one answer, and an answer needs its question.

use std::sync::Arc;

use serde_json::{Value, json};

use super::account::{BUSY, FOR_SALE, IDLE, IDLE_ID, IDLE_IMPORTED, release};
use crate::support::era::Era;
use crate::support::mcp_client::{Agent, Word};
use crate::support::people::Human;

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
