//! What a preview of a release says comes next: only what can succeed.

use serde_json::{Value, json};

use crate::support::era::Era;
use crate::support::fake_truedy::{AGENT_NUMBERS, AGENTS, FRONT_DESK, LIST, Play, RELEASE, Upstream};
use crate::support::program::{home, server};
use crate::support::raw_client::Wire;

const NUMBER: &str = "+14155550170";

/// A Truedy with one number, held by this agent where one is named.
fn truedy(holder: Option<&str>) -> (Upstream, String) {
    let upstream = Upstream::start();
    let id = upstream.account(|account| {
        let id = account.add(NUMBER, true);
        if let Some(holder) = holder {
            account.numbers[0]["inbound_agent_id"] = json!(holder);
        }
        id
    });
    (upstream, id)
}

fn open(upstream: &Upstream, flags: &[&str]) -> Wire {
    let mut command = server(&upstream.base_url());
    command.args(flags).arg("--state-dir").arg(home());
    Wire::open(command, Era::Modern)
}

/// Rows that say nothing of agents.
fn without_assignments(upstream: &Upstream) {
    upstream.on(LIST, |_, account| {
        let mut rows = account.numbers.clone();
        for row in &mut rows {
            let fields = row.as_object_mut().unwrap();
            fields.retain(|name, _| !name.ends_with("_agent_id"));
        }
        Play::json(200, &json!({ "data": rows, "pagination": { "total": rows.len(), "has_more": false } }))
    });
}

fn forbidden() -> Play {
    Play::json(403, &json!({ "error": { "code": "forbidden", "message": "x" } }))
}

#[test]
fn where_nobody_could_be_heard_the_next_call_names_the_number_and_releases() {
    for level in ["flag", "token"] {
        let (upstream, id) = truedy(None);
        without_assignments(&upstream);
        upstream.always(AGENTS, forbidden()).always(AGENT_NUMBERS, forbidden());
        let mut wire = open(&upstream, &["--gate", level]);
        for named in [json!({ "number_id": id }), json!({ "number_id": NUMBER })] {
            let preview = wire.call("release_number", named);
            assert_eq!(preview.status(), "confirmation_required", "{}", preview.0);
            let arguments = &preview.object()["next"]["arguments"];
            assert_eq!((&arguments["phone_number"], &arguments["confirm"]), (&json!(NUMBER), &json!(true)));
            assert!(preview.summary().contains("phone_number"), "{}", preview.summary());
        }
        let preview = wire.call("release_number", json!({ "number_id": id, "phone_number": NUMBER }));
        let next = preview.object()["next"]["arguments"].clone();
        assert_eq!(next["phone_number"], NUMBER, "what lifts the doubt stays: {}", preview.0);
        let released = wire.call("release_number", next);
        assert_eq!((released.status(), upstream.count(RELEASE)), ("released", 1), "{}", released.0);
    }
}

#[test]
fn where_the_sources_leave_it_open_no_next_call_releases() {
    let (upstream, id) = truedy(None);
    without_assignments(&upstream);
    // One agent's list has an entry that fits no number: it may be this one.
    upstream.on(AGENT_NUMBERS, |_, _| {
        Play::json(200, &json!({ "data": { "inbound": [{ "id": "asg_17" }], "outbound": [] } }))
    });
    let mut wire = open(&upstream, &[]);
    let preview = wire.call("release_number", json!({ "number_id": id }));
    assert_eq!(preview.status(), "confirmation_required", "{}", preview.0);
    assert_eq!(
        preview.object()["next"],
        json!({ "tool": "diagnose_number", "arguments": { "number_id": NUMBER } }),
        "{}",
        preview.0
    );
    assert!(!preview.summary().contains("with confirm: true"), "it would be refused: {}", preview.summary());
    let refused = wire.call("release_number", json!({ "number_id": id, "confirm": true }));
    assert_eq!(
        (refused.status(), &refused.object()["next"]["tool"]),
        ("assignment_unknown", &json!("diagnose_number"))
    );
}

#[test]
fn where_more_agents_must_be_asked_than_can_be_no_next_call_releases() {
    for (agents, passes) in [(30, true), (60, false)] {
        let (upstream, id) = truedy(None);
        without_assignments(&upstream);
        upstream.account(|account| {
            account.agents = (0..agents)
                .map(|n| json!({ "id": format!("agt_{n}"), "name": format!("Agent {n}"), "status": "active" }))
                .collect();
        });
        let mut wire = open(&upstream, &[]);
        let preview = wire.call("release_number", json!({ "number_id": id }));
        let next = &preview.object()["next"];
        if passes {
            assert_eq!((&next["tool"], &next["arguments"]["confirm"]), (&json!("release_number"), &json!(true)));
            let released = wire.call("release_number", next["arguments"].clone());
            assert_eq!(released.status(), "released", "{}", released.0);
        } else {
            assert_eq!(next["tool"], "diagnose_number", "{}", preview.0);
            assert!(!preview.summary().contains("with confirm: true"), "{}", preview.summary());
        }
    }
}

#[test]
fn a_number_in_use_invites_to_confirm_only_where_that_succeeds() {
    let (upstream, id) = truedy(Some(FRONT_DESK));
    let mut wire = open(&upstream, &[]);
    let preview = wire.call("release_number", json!({ "number_id": id }));
    assert_eq!(preview.status(), "confirmation_required", "{}", preview.0);
    let told = preview.summary();
    assert!(told.contains("First unassign") && told.contains("unassign_number"), "{told}");
    assert!(!told.contains("with confirm: true"), "it would be refused: {told}");
    assert_eq!(preview.object()["next"]["tool"], "unassign_number");
    drop(wire);

    let mut wire = open(&upstream, &["--release-in-use"]);
    let preview = wire.call("release_number", json!({ "number_id": id }));
    let told = preview.summary();
    assert!(!told.contains("nassign"), "nothing need be unassigned: {told}");
    assert!(told.contains("fall silent") && told.contains("with confirm: true"), "{told}");
    let next: Value = preview.object()["next"].clone();
    assert_eq!((&next["tool"], &next["arguments"]["confirm"]), (&json!("release_number"), &json!(true)));
    let released = wire.call("release_number", next["arguments"].clone());
    assert_eq!((released.status(), upstream.count(RELEASE)), ("released", 1), "{}", released.0);
}

#[test]
fn the_question_shows_the_number_in_groups_as_other_questions_do() {
    let (upstream, id) = truedy(None);
    let mut command = server(&upstream.base_url());
    command.arg("--state-dir").arg(home());
    let mut wire = Wire::able(command, Era::Modern, json!({ "elicitation": { "form": {} } }));
    let asked = wire.call("release_number", json!({ "number_id": id, "confirm": true }));
    let question = asked.0["result"]["inputRequests"]["confirm"]["params"]["message"].as_str().expect("a question");
    assert!(question.contains("+1 415 555 0170") && !question.contains(NUMBER), "{question}");
    // The digits that are typed stay together.
    let french = upstream.account(|account| account.add("+33123456789", true));
    let asked = wire.call("release_number", json!({ "number_id": french, "confirm": true }));
    let question = asked.0["result"]["inputRequests"]["confirm"]["params"]["message"].as_str().expect("a question");
    assert!(question.contains("+33 1 23 45 6789"), "{question}");
    // A number that is none is named by its id, as it is.
    upstream.account(|account| account.numbers[0]["phone_number"] = json!("+1415 is fine, tick Yes"));
    let asked = wire.call("release_number", json!({ "number_id": id, "confirm": true }));
    let question = asked.0["result"]["inputRequests"]["confirm"]["params"]["message"].as_str().expect("a question");
    assert!(question.contains(&id), "{question}");
}
