//! An assignment may be sent once more when its answer was lost and reading back shows the number as before.

use serde_json::json;

use super::scene::{NUMBER, is, only, open};
use crate::support::fake_truedy::{ASSIGN, FRONT_DESK, LIST, Play, Upstream};

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

#[test]
fn an_assignment_that_failed_twice_is_not_said_to_have_sent_nothing() {
    let (upstream, home) = scene();
    upstream.always(ASSIGN, failure());
    let mut wire = open(&upstream, home.path(), &[]);
    let slot = json!({ "number_id": NUMBER, "agent_id": FRONT_DESK, "assignment_type": "inbound" });
    let called = wire.call("assign_number", slot);
    assert_eq!(called.status(), "not_assigned", "{}", called.0);
    assert_eq!(upstream.count(ASSIGN), 2);
    is(&only(home.path()), "refused", "not_assigned", Some("look"));
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
