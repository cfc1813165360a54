//! The operator's policy: what it forbids is refused without a question and without a request.

use serde_json::{Value, json};

use super::account::{BUSY, ELSEWHERE, FOR_SALE, IDLE, IDLE_ID, IDLE_IMPORTED, IDLE_IMPORTED_ID, has, import, release};
use crate::support::era::{Era, in_both_eras};
use crate::support::expected;
use crate::support::mcp_client::{Agent, Refusal};
use crate::support::people::Human;

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
