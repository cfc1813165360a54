//! What changes while a person thinks: a yes counts for what the person was shown.

use std::sync::Arc;

use serde_json::{Value, json};

use super::account::{BUSY, FOR_SALE, IDLE, has, refused, release};
use crate::support::era::{Era, in_both_eras};
use crate::support::mcp_client::Agent;
use crate::support::people::Human;

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
