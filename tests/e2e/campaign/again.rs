//! An assignment may be sent once more when its answer was lost and reading back shows the number as before.

use serde_json::{Value, json};

use super::scene::{NUMBER, is, leave, only, open, until};
use crate::support::fake_truedy::{ASSIGN, FRONT_DESK, LIST, Play, UNASSIGN, Upstream};

fn scene() -> (Upstream, tempfile::TempDir) {
    let upstream = Upstream::start();
    upstream.account(|account| account.add(NUMBER, true));
    (upstream, tempfile::tempdir().unwrap())
}

fn failure() -> Play {
    Play::json(500, &json!({ "error": { "code": "internal_error", "message": "An internal error occurred" } }))
}

#[test]
fn an_assignment_that_failed_and_does_not_show_is_sent_once_more() {
    let (upstream, home) = scene();
    upstream.in_turn(ASSIGN, vec![failure(), Play::Usual]);
    let mut wire = open(&upstream, home.path(), &[]);
    let slot = json!({ "number_id": NUMBER, "agent_id": FRONT_DESK, "assignment_type": "inbound" });
    let called = wire.call("assign_number", slot);
    assert_eq!(called.status(), "assigned", "{}", called.0);
    assert_eq!(upstream.count(ASSIGN), 2);
    is(&only(home.path()), "done", "assigned", Some("look"));
}

/// Both attempts of an assignment come to nothing that is certain. So it is denied so far, and stays unknown.
fn denied_so_far(second: Play, why: &str) {
    let (upstream, home) = scene();
    upstream.in_turn(ASSIGN, vec![failure(), second]);
    let mut wire = open(&upstream, home.path(), &[]);
    let slot = json!({ "number_id": NUMBER, "agent_id": FRONT_DESK, "assignment_type": "inbound" });
    let called = wire.call("assign_number", slot);
    assert_eq!(called.status(), "not_assigned", "{}", called.0);
    assert!(called.summary().contains("so far"), "{}", called.0);
    assert_eq!(upstream.count(ASSIGN), 2);
    assert_eq!(only(home.path())["state"], "unknown", "{why}");
}

#[test]
fn an_assignment_that_failed_twice_is_not_said_to_have_sent_nothing() {
    denied_so_far(failure(), "either request may still be carried out");
}

#[test]
fn a_second_attempt_that_is_refused_says_nothing_of_the_first() {
    let refusal = json!({ "error": { "code": "unprocessable", "message": "The agent cannot take calls" } });
    denied_so_far(Play::json(422, &refusal), "the first request may still be carried out");
}

#[test]
fn a_change_that_shows_only_later_is_recorded_as_done() {
    for (route, tool, before, after, outcome) in [
        (ASSIGN, "assign_number", Value::Null, json!(FRONT_DESK), "assigned"),
        (UNASSIGN, "unassign_number", json!(FRONT_DESK), Value::Null, "unassigned"),
    ] {
        let (upstream, home) = scene();
        let holds = |agent: Value| upstream.account(|account| account.numbers[0]["inbound_agent_id"] = agent);
        holds(before);
        upstream.always(route, Play::Reset);
        let mut wire = open(&upstream, home.path(), &[]);
        let mut slot = json!({ "number_id": NUMBER, "assignment_type": "inbound" });
        if route == ASSIGN {
            slot["agent_id"] = json!(FRONT_DESK);
        }
        let called = wire.call(tool, slot.clone());
        assert_eq!(called.status(), format!("not_{outcome}"), "{}", called.0);
        assert!(called.summary().contains("so far"), "{}", called.0);
        assert_eq!(only(home.path())["state"], "unknown", "{tool}");
        leave(wire);
        holds(after);
        // The next process looks at its start, where this one would have looked after a minute.
        let next = open(&upstream, home.path(), &[]);
        until("the journal shows it", || only(home.path())["state"] != "unknown");
        is(&only(home.path()), "done", outcome, Some("look"));
        leave(next);
    }
}

#[test]
fn a_lost_assignment_does_not_stop_another_attempt() {
    let (upstream, home) = scene();
    upstream.in_turn(ASSIGN, vec![failure(), failure(), Play::Usual]);
    let mut wire = open(&upstream, home.path(), &[]);
    let slot = json!({ "number_id": NUMBER, "agent_id": FRONT_DESK, "assignment_type": "inbound" });
    assert_eq!(wire.call("assign_number", slot.clone()).status(), "not_assigned");
    let called = wire.call("assign_number", slot);
    assert_eq!(called.status(), "assigned", "{}", called.0);
}

#[test]
fn a_second_attempt_that_cannot_leave_says_nothing_of_the_first() {
    let (upstream, home) = scene();
    // After the first attempt nobody listens any more; the connections that reading keeps go on.
    let refuser = upstream.refuser();
    upstream.on(ASSIGN, move |_, _| {
        refuser.cancel();
        failure()
    });
    let mut wire = open(&upstream, home.path(), &[]);
    let slot = json!({ "number_id": NUMBER, "agent_id": FRONT_DESK, "assignment_type": "inbound" });
    let called = wire.call("assign_number", slot);
    assert!(upstream.count(LIST) > 0);
    assert_eq!(upstream.count(ASSIGN), 1);
    assert!(["outcome_unknown", "not_assigned"].contains(&called.status()), "{}", called.0);
    let operation = only(home.path());
    assert_ne!(operation["outcome"], json!("cancelled"), "{operation}");
    assert_ne!(operation["outcome"], json!("upstream_unavailable"), "{operation}");
}
