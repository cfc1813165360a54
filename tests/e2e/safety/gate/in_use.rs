//! A number in use is not released, and who uses it must be known.

use serde_json::json;

use super::account::{
    ANSWERED, BUSY, CALLED_FROM, FOR_SALE, IDLE, IDLE_ID, IDLE_IMPORTED, IDLE_IMPORTED_ID, refused, release,
};
use crate::support::era::{Era, in_both_eras};
use crate::support::mcp_client::Agent;
use crate::support::people::Human;
use crate::support::sandbox::Sandbox;

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
