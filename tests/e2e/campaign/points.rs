//! A process that ends at each of the points between the steps of an operation, and what the next one finds.

use std::path::Path;

use serde_json::{Value, json};

use super::scene::{NUMBER, OTHER, THIRD, buy, buy_knowing, is, journal, keeper, only, open};
use crate::support::era::Era;
use crate::support::fake_truedy::{IMPORT, PURCHASE, Play, RELEASE, Upstream};
use crate::support::program::LONG;
use crate::support::raw_client::Wire;

/// Calls a tool in a server that ends at this point of it.
fn end_at(point: &str, upstream: &Upstream, state: &Path, tool: &str, arguments: Value) {
    let mut command = keeper(upstream, state);
    command.env("TRUEDY_MCP_CRASH_AT", point);
    let mut wire = Wire::open(command, Era::Modern);
    wire.send_call(tool, arguments);
    assert_eq!(wire.running.ended(LONG), None, "only a signal ends it so");
    assert_eq!(wire.running.stdout().lines().count(), 1, "nobody is told anything after the greeting");
}

fn scene() -> (Upstream, tempfile::TempDir) {
    (Upstream::start(), tempfile::tempdir().unwrap())
}

fn import() -> Value {
    json!({ "phone_number": NUMBER, "provider_type": "telnyx", "api_key": "KEY0123456789" })
}

/// A look at the operations finds the number in the account; nothing is sent again.
fn is_found(upstream: &Upstream, state: &Path, route: &str, outcome: &str) {
    let id = only(state)["id"].clone();
    let mut wire = open(upstream, state, &[]);
    let listed = wire.call("list_operations", json!({}));
    assert_eq!(listed.object()["unresolved"], json!(0), "{}", listed.0);
    let found = only(state);
    is(&found, "done", outcome, Some("look"));
    assert_eq!(found["id"], id);
    assert_eq!(upstream.count(route), 1);
}

#[test]
fn ended_at_planned_nothing_is_recorded_and_nothing_was_sent() {
    let (upstream, home) = scene();
    end_at("planned", &upstream, home.path(), "purchase_number", buy(NUMBER));
    assert!(journal(home.path()).is_empty());
    assert_eq!(upstream.changes(), 0);
    let mut wire = open(&upstream, home.path(), &[]);
    assert_eq!(wire.call("purchase_number", buy(NUMBER)).status(), "purchased");
    assert_eq!(upstream.count(PURCHASE), 1);
}

#[test]
fn ended_at_begun_it_was_not_sent_and_its_place_in_the_cap_is_free_again() {
    let (upstream, home) = scene();
    end_at("begun", &upstream, home.path(), "purchase_number", buy(NUMBER));
    is(&only(home.path()), "refused", "cancelled", Some("answer"));
    assert_eq!(upstream.changes(), 0);
    // The same number, and in the one place there is.
    let mut wire = open(&upstream, home.path(), &["--purchases-per-day", "1"]);
    assert_eq!(wire.call("purchase_number", buy(NUMBER)).status(), "purchased");
    assert_eq!(wire.call("purchase_number", buy(OTHER)).status(), "policy_denied");
    assert_eq!(upstream.count(PURCHASE), 1);
}

#[test]
fn ended_at_cleared_it_may_have_been_sent_and_stays_unknown() {
    let (upstream, home) = scene();
    end_at("cleared", &upstream, home.path(), "purchase_number", buy(NUMBER));
    let lost = only(home.path());
    is(&lost, "unknown", "outcome_unknown", None);
    let id = lost["id"].as_str().unwrap();
    assert_eq!(upstream.changes(), 0, "in truth it was not sent, which nobody can know");

    let mut wire = open(&upstream, home.path(), &["--purchases-per-day", "2"]);
    let again = wire.call("purchase_number", buy_knowing(NUMBER, &[id]));
    assert_eq!((again.status(), &again.object()["operation_id"]), ("duplicate_in_flight", &lost["id"]));
    let instead = wire.call("purchase_number", buy(OTHER));
    assert_eq!(instead.status(), "operation_unresolved");
    assert_eq!(instead.object()["acknowledge_unresolved"], json!([id]), "{}", instead.0);
    assert_eq!(wire.call("purchase_number", buy_knowing(OTHER, &[id])).status(), "purchased");
    // It keeps its place in the cap, as if it had been bought.
    assert_eq!(wire.call("purchase_number", buy(THIRD)).status(), "policy_denied");
    let listed = wire.call("list_operations", json!({ "id": id }));
    assert_eq!(listed.object()["operations"][0]["state"], json!("unknown"), "{}", listed.0);
    assert_eq!(upstream.count(PURCHASE), 1);
}

#[test]
fn ended_at_answer_lost_it_is_unknown_until_the_account_shows_it() {
    let (upstream, home) = scene();
    upstream.on(PURCHASE, |seen, account| {
        account.usual(seen);
        Play::Close
    });
    end_at("answer_lost", &upstream, home.path(), "purchase_number", buy(NUMBER));
    is(&only(home.path()), "unknown", "outcome_unknown", None);
    is_found(&upstream, home.path(), PURCHASE, "purchased");
}

#[test]
fn ended_at_lost_it_is_unknown_until_the_account_shows_it() {
    let (upstream, home) = scene();
    upstream.on(PURCHASE, |seen, account| {
        account.usual(seen);
        Play::json(500, &json!({ "error": { "code": "internal_error", "message": "An internal error occurred" } }))
    });
    end_at("lost", &upstream, home.path(), "purchase_number", buy(NUMBER));
    let lost = only(home.path());
    is(&lost, "unknown", "outcome_unknown", None);
    assert_eq!(lost["upstream_status"], json!(500), "what Truedy said is kept: {lost}");
    is_found(&upstream, home.path(), PURCHASE, "purchased");
}

#[test]
fn ended_at_answered_it_is_unknown_until_the_account_shows_it() {
    let (upstream, home) = scene();
    end_at("answered", &upstream, home.path(), "purchase_number", buy(NUMBER));
    is(&only(home.path()), "unknown", "outcome_unknown", None);
    is_found(&upstream, home.path(), PURCHASE, "purchased");
}

#[test]
fn ended_at_settled_all_is_known_but_to_the_caller() {
    let (upstream, home) = scene();
    end_at("settled", &upstream, home.path(), "purchase_number", buy(NUMBER));
    is(&only(home.path()), "done", "purchased", Some("answer"));
    let mut wire = open(&upstream, home.path(), &[]);
    assert_eq!(wire.call("purchase_number", buy(NUMBER)).status(), "already_owned");
    assert_eq!(upstream.count(PURCHASE), 1);
}

#[test]
fn an_import_that_ended_at_answered_is_found_in_the_account() {
    let (upstream, home) = scene();
    end_at("answered", &upstream, home.path(), "import_number", import());
    is(&only(home.path()), "unknown", "outcome_unknown", None);
    is_found(&upstream, home.path(), IMPORT, "imported");
}

#[test]
fn a_release_that_ended_at_answered_is_known_by_the_number_being_gone() {
    let (upstream, home) = scene();
    let id = upstream.account(|account| account.add(NUMBER, true));
    let release = json!({ "number_id": id, "confirm": true });
    end_at("answered", &upstream, home.path(), "release_number", release);
    is(&only(home.path()), "unknown", "outcome_unknown", None);
    is_found(&upstream, home.path(), RELEASE, "released");
}

#[test]
fn a_release_that_ended_at_cleared_is_not_sent_again_by_itself() {
    let (upstream, home) = scene();
    let id = upstream.account(|account| account.add(NUMBER, true));
    let release = json!({ "number_id": id, "confirm": true });
    end_at("cleared", &upstream, home.path(), "release_number", release.clone());
    is(&only(home.path()), "unknown", "outcome_unknown", None);
    let mut wire = open(&upstream, home.path(), &[]);
    // A number that is there right afterwards proves nothing: the release may still be on its way.
    assert_eq!(wire.call("list_operations", json!({})).object()["unresolved"], json!(1));
    assert_eq!(upstream.changes(), 0);
    // Whoever asks for it once more gets it: to give a number up twice ends the same.
    assert_eq!(wire.call("release_number", release).status(), "released");
    assert_eq!(upstream.changes(), 1);
    assert_eq!(wire.call("list_operations", json!({})).object()["unresolved"], json!(0), "both are known now");
}
