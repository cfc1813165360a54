//! What one process has written holds for the next one and for the one beside it: caps, unresolved purchases, tokens.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::scene::{NUMBER, OTHER, THIRD, buy, buy_knowing, is, journal, keeper, leave, open};
use crate::support::era::Era;
use crate::support::fake_truedy::{Gate, PURCHASE, Play, RELEASE, Upstream};
use crate::support::program::LONG;
use crate::support::raw_client::Wire;

/// A file with the key that all processes seal their tokens with.
fn key_file(home: &Path) -> PathBuf {
    let file = home.join("state.key");
    fs::write(&file, "0123456789abcdef0123456789abcdef0123456789abcdef\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    file
}

fn with_tokens(upstream: &Upstream, state: &Path, key: &Path) -> Wire {
    open(upstream, state, &["--gate", "token", "--state-key-file", key.to_str().unwrap()])
}

/// The call a preview offers, with its token.
fn previewed(wire: &mut Wire, tool: &str, arguments: Value) -> Value {
    let shown = wire.call(tool, arguments);
    assert_eq!(shown.status(), "confirmation_required", "{}", shown.0);
    let next = shown.object()["next"]["arguments"].clone();
    assert!(next["confirmation_token"].is_string(), "{}", shown.0);
    next
}

#[test]
fn a_token_is_good_for_one_purchase_in_whatever_process() {
    let (upstream, home) = (Upstream::start(), tempfile::tempdir().unwrap());
    let key = key_file(home.path());
    let state = home.path().join("state");
    // The carrier says no, after it was asked: the number can be asked for again, the token is spent.
    let no = json!({ "error": { "code": "validation_error", "message": "Failed to purchase number: Telnyx API error: 422 - no longer available." } });
    upstream.in_turn(PURCHASE, vec![Play::json(422, &no), Play::Usual]);
    let mut first = with_tokens(&upstream, &state, &key);
    let mut second = with_tokens(&upstream, &state, &key);
    let yes = previewed(&mut first, "purchase_number", buy(NUMBER));
    assert_eq!(second.call("purchase_number", yes.clone()).status(), "upstream_rejected");
    for server in [&mut first, &mut second] {
        assert_eq!(server.call("purchase_number", yes.clone()).status(), "confirmation_used");
    }
    leave(first);
    leave(second);
    let mut third = with_tokens(&upstream, &state, &key);
    assert_eq!(third.call("purchase_number", yes).status(), "confirmation_used");
    assert_eq!(upstream.count(PURCHASE), 1);
    // A new preview, a new token.
    let yes = previewed(&mut third, "purchase_number", buy(NUMBER));
    assert_eq!(third.call("purchase_number", yes).status(), "purchased");
    assert_eq!(upstream.count(PURCHASE), 2);
}

#[test]
fn a_token_used_many_times_at_once_in_two_processes_releases_once() {
    let (upstream, home) = (Upstream::start(), tempfile::tempdir().unwrap());
    let key = key_file(home.path());
    let state = home.path().join("state");
    upstream.account(|account| account.add(NUMBER, true));
    let mut servers = [with_tokens(&upstream, &state, &key), with_tokens(&upstream, &state, &key)];
    let yes = previewed(&mut servers[0], "release_number", json!({ "number_id": NUMBER }));
    let asked: Vec<(usize, u64)> =
        (0..16).map(|nth| (nth % 2, servers[nth % 2].send_call("release_number", yes.clone()))).collect();
    let mut released = 0;
    for (at, id) in asked {
        let called = servers[at].called(id);
        match called.status() {
            "released" => released += 1,
            "duplicate_in_flight" | "confirmation_used" | "not_found" => {}
            other => panic!("{other}: {}", called.0),
        }
    }
    assert_eq!((released, upstream.count(RELEASE)), (1, 1));
}

#[test]
fn a_token_survives_a_restart_and_a_call_that_sent_nothing() {
    let (upstream, home) = (Upstream::start(), tempfile::tempdir().unwrap());
    let key = key_file(home.path());
    let state = home.path().join("state");
    let mut first = with_tokens(&upstream, &state, &key);
    let yes = previewed(&mut first, "purchase_number", buy(NUMBER));
    leave(first);
    // It ends after it has recorded the token and before it has sent anything.
    let mut command = keeper(&upstream, &state);
    command.args(["--gate", "token", "--state-key-file"]).arg(&key).env("TRUEDY_MCP_CRASH_AT", "begun");
    let mut second = Wire::open(command, Era::Modern);
    second.send_call("purchase_number", yes.clone());
    assert_eq!(second.running.ended(LONG), None);
    let mut third = with_tokens(&upstream, &state, &key);
    assert_eq!(third.call("purchase_number", yes).status(), "purchased");
    assert_eq!(upstream.count(PURCHASE), 1);
}

#[test]
fn a_token_that_may_have_been_sent_is_spent() {
    let (upstream, home) = (Upstream::start(), tempfile::tempdir().unwrap());
    let key = key_file(home.path());
    let state = home.path().join("state");
    upstream.account(|account| account.add(NUMBER, true));
    let mut first = with_tokens(&upstream, &state, &key);
    let yes = previewed(&mut first, "release_number", json!({ "number_id": NUMBER }));
    let mut command = keeper(&upstream, &state);
    command.args(["--gate", "token", "--state-key-file"]).arg(&key).env("TRUEDY_MCP_CRASH_AT", "cleared");
    let mut second = Wire::open(command, Era::Modern);
    second.send_call("release_number", yes.clone());
    assert_eq!(second.running.ended(LONG), None);
    for server in [&mut first, &mut with_tokens(&upstream, &state, &key)] {
        let again = server.call("release_number", yes.clone());
        assert!(["duplicate_in_flight", "confirmation_used"].contains(&again.status()), "{}", again.0);
    }
    assert_eq!(upstream.changes(), 0);
}

#[test]
fn an_unresolved_purchase_counts_and_stands_in_the_way_in_every_process() {
    let (upstream, home) = (Upstream::start(), tempfile::tempdir().unwrap());
    let limits = ["--purchases-per-day", "2"];
    let mut beside = open(&upstream, home.path(), &limits);
    let mut command = keeper(&upstream, home.path());
    command.args(limits).env("TRUEDY_MCP_CRASH_AT", "cleared");
    let mut ends = Wire::open(command, Era::Modern);
    ends.send_call("purchase_number", buy(NUMBER));
    assert_eq!(ends.running.ended(LONG), None);

    let id = journal(home.path())[0]["id"].as_str().unwrap().to_owned();
    let mut next = open(&upstream, home.path(), &limits);
    for server in [&mut beside, &mut next] {
        assert_eq!(server.call("purchase_number", buy(NUMBER)).status(), "duplicate_in_flight");
        assert_eq!(server.call("purchase_number", buy(OTHER)).status(), "operation_unresolved");
    }
    assert_eq!(next.call("purchase_number", buy_knowing(OTHER, &[&id])).status(), "purchased");
    for server in [&mut beside, &mut next] {
        assert_eq!(server.call("purchase_number", buy_knowing(THIRD, &[&id])).status(), "policy_denied");
    }
    assert_eq!(upstream.count(PURCHASE), 1);
    let all = journal(home.path());
    is(&all[0], "unknown", "outcome_unknown", None);
    assert_eq!(all[0]["id"], json!(id));
}

#[test]
fn what_a_living_process_is_doing_is_not_taken_for_lost() {
    let (upstream, home) = (Upstream::start(), tempfile::tempdir().unwrap());
    let gate = Gate::new();
    upstream.always(PURCHASE, Play::Behind(gate.clone(), Box::new(Play::Usual)));
    let mut busy = open(&upstream, home.path(), &[]);
    let asked = busy.send_call("purchase_number", buy(NUMBER));
    upstream.wait_for(PURCHASE, 1);
    let mut other = open(&upstream, home.path(), &[]);
    for _ in 0..3 {
        let listed = other.call("list_operations", json!({}));
        assert_eq!(listed.object()["operations"][0]["state"], json!("sent"), "{}", listed.0);
    }
    assert_eq!(other.call("purchase_number", buy(NUMBER)).status(), "duplicate_in_flight");
    gate.open();
    assert_eq!(busy.called(asked).status(), "purchased");
    assert_eq!(upstream.count(PURCHASE), 1);
}
