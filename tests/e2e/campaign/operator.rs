//! `truedy-mcp operations`: what its operator is shown, and what the operator can say.

use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::scene::{NUMBER, OTHER, THIRD, buy, is, journal, keeper, only, open, operations, read, until};
use crate::support::era::Era;
use crate::support::fake_truedy::{Gate, PURCHASE, Play, Upstream};
use crate::support::program::{KEY, LONG, Ran, Running, run};
use crate::support::raw_client::Wire;

fn scene() -> (Upstream, tempfile::TempDir) {
    (Upstream::start(), tempfile::tempdir().unwrap())
}

/// Leaves a purchase of this number that is not known; its id.
fn leave_unknown(upstream: &Upstream, state: &Path, number: &str) -> String {
    let mut command = keeper(upstream, state);
    command.env("TRUEDY_MCP_CRASH_AT", "cleared");
    let mut wire = Wire::open(command, Era::Modern);
    wire.send_call("purchase_number", buy(number));
    assert_eq!(wire.running.ended(LONG), None);
    let all = journal(state);
    let lost = all.iter().find(|one| one["number"] == json!(number) && one["state"] == json!("unknown"));
    lost.expect("it is unknown")["id"].as_str().unwrap().to_owned()
}

fn resolve(state: &Path, id: &str, verdict: &str, note: &str) -> Ran {
    run(operations(state, &["resolve", id, "--as", verdict, "--note", note]), "")
}

#[test]
fn it_shows_what_was_done_unresolved_first() {
    let (upstream, home) = scene();
    let empty = run(operations(home.path(), &[]), "");
    assert_eq!((empty.code, empty.stdout.as_str()), (Some(0), "No operations.\n"), "{}", empty.stderr);

    let mut wire = open(&upstream, home.path(), &["--purchases-per-day", "1"]);
    assert_eq!(wire.call("purchase_number", buy(OTHER)).status(), "purchased");
    assert_eq!(wire.call("purchase_number", buy(THIRD)).status(), "policy_denied");
    let lost = leave_unknown(&upstream, home.path(), NUMBER);
    let shown = run(operations(home.path(), &["--only", "all"]), "");
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    let lines: Vec<&str> = shown.stdout.lines().collect();
    assert!(lines[0].starts_with("TIME (") && lines[0].ends_with("ID"), "{}", shown.stdout);
    let first = lines[1];
    assert!(
        first.contains("unknown") && first.contains("+1 415 555 0160") && first.ends_with(&lost),
        "{}",
        shown.stdout
    );
    assert!(lines[2].contains("refused") && lines[2].contains("policy_denied (purchases_per_day)"), "{}", shown.stdout);
    assert!(lines[3].contains("done") && lines[3].contains("purchased"), "{}", shown.stdout);
    let changes = run(operations(home.path(), &[]), "").stdout;
    assert!(!changes.contains("policy_denied") && changes.contains(&lost), "a refusal changes nothing: {changes}");
    for verdict in ["bought", "not-bought"] {
        let call = format!("truedy-mcp operations resolve ID --as {verdict} --note ");
        assert!(shown.stdout.contains(&call), "{}", shown.stdout);
    }

    for (filter, count) in [
        (&["--state", "unknown"][..], 1),
        (&["--state", "done"], 1),
        (&["--state", "sent"], 0),
        (&["--tool", "purchase_number"], 2),
        (&["--tool", "purchase_number", "--only", "all"], 3),
        (&["--tool", "release_number"], 0),
        (&["--object", THIRD], 0),
        (&["--object", THIRD, "--only", "all"], 1),
        (&["--id", &lost.to_ascii_uppercase()], 1),
        (&["--limit", "2"], 2),
        (&["--since", "2020-01-01T00:00:00Z"], 2),
        (&["--since", "today"], 2),
        (&["--since", "2099-01-01T00:00:00Z"], 0),
    ] {
        let rows = read(operations(home.path(), &[&["--json"], filter].concat()));
        assert_eq!(rows.len(), count, "{filter:?}: {rows:?}");
    }
    let row = read(operations(home.path(), &["--json", "--id", &lost])).remove(0);
    for (field, value) in [
        ("tool", json!("purchase_number")),
        ("number", json!(NUMBER)),
        ("unresolved", json!(true)),
        ("tenant", json!("default")),
        ("principal", json!("local")),
        ("evidence", json!("flag")),
    ] {
        assert_eq!(row[field], value, "{field} of {row}");
    }
}

#[test]
fn a_filter_that_cannot_be_is_refused_with_an_example() {
    let home = tempfile::tempdir().unwrap();
    for wrong in [
        &["--state", "lost"][..],
        &["--tool", "list_numbers"],
        &["--object", "?"],
        &["--since", "the day before"],
        &["--only", "some"],
        &["--limit", "0"],
        &["resolve", "x"],
        &["resolve", "x", "--as", "perhaps", "--note", "y"],
    ] {
        let ran = run(operations(home.path(), wrong), "");
        assert_eq!(ran.code, Some(2), "{wrong:?}: {}", ran.stderr);
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{wrong:?}");
    }
}

#[test]
fn it_follows_what_is_done_until_it_is_ended() {
    let (upstream, home) = scene();
    let gate = Gate::new();
    let mut wire = open(&upstream, home.path(), &[]);
    assert_eq!(wire.call("purchase_number", buy(OTHER)).status(), "purchased");
    let mut following = Running::start(operations(home.path(), &["--json", "--follow"]));
    let next = || -> Value {
        let line = following.line(LONG).expect("a line");
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("not one object: {line:?}"))
    };
    is(&next(), "done", "purchased", Some("answer"));
    upstream.always(PURCHASE, Play::Behind(gate.clone(), Box::new(Play::Usual)));
    let asked = wire.send_call("purchase_number", buy(NUMBER));
    let running = next();
    assert_eq!(running["number"], json!(NUMBER));
    assert!(["begun", "sent"].map(Value::from).contains(&running["state"]), "{running}");
    let id = running["id"].clone();
    upstream.wait_for(PURCHASE, 1);
    gate.open();
    assert_eq!(wire.called(asked).status(), "purchased");
    let last = loop {
        let row = next();
        assert_eq!(row["id"], id, "{row}");
        if row["state"] == json!("done") {
            break row;
        }
    };
    is(&last, "done", "purchased", Some("answer"));
    following.signal(Signal::TERM);
    assert_eq!(following.ended(LONG), Some(0));
}

#[test]
fn what_the_operator_saw_settles_it_for_good() {
    let (upstream, home) = scene();
    let limits = ["--purchases-per-day", "1"];
    let mut wire = open(&upstream, home.path(), &limits);
    let id = leave_unknown(&upstream, home.path(), NUMBER);
    assert_eq!(wire.call("purchase_number", buy(NUMBER)).status(), "policy_denied");
    let resolved = resolve(home.path(), &id.to_ascii_uppercase(), "not-bought", "not in the dashboard");
    assert_eq!(resolved.code, Some(0), "{}", resolved.stderr);
    assert!(resolved.stdout.contains("refused") && resolved.stdout.contains("not_bought"), "{}", resolved.stdout);
    let known = only(home.path());
    is(&known, "refused", "not_bought", Some("operator"));
    assert_eq!(known["note"], json!("not in the dashboard"));
    // Its place in the cap is free, nothing stands in the way, and the number can be bought.
    assert_eq!(wire.call("purchase_number", buy(NUMBER)).status(), "purchased");
    assert_eq!(upstream.count(PURCHASE), 1);
}

#[test]
fn what_the_operator_saw_to_be_bought_keeps_its_place_and_is_not_bought_again() {
    let (upstream, home) = scene();
    let mut wire = open(&upstream, home.path(), &["--purchases-per-day", "2"]);
    let id = leave_unknown(&upstream, home.path(), NUMBER);
    let resolved = resolve(home.path(), &id, "bought", "seen in the dashboard");
    assert_eq!(resolved.code, Some(0), "{}", resolved.stderr);
    is(&only(home.path()), "done", "purchased", Some("operator"));
    assert_eq!(wire.call("purchase_number", buy(NUMBER)).status(), "duplicate_in_flight");
    assert_eq!(wire.call("purchase_number", buy(OTHER)).status(), "purchased");
    assert_eq!(wire.call("purchase_number", buy(THIRD)).status(), "policy_denied");
    assert_eq!(upstream.count(PURCHASE), 1);
}

#[test]
fn what_is_known_or_still_running_cannot_be_resolved() {
    let (upstream, home) = scene();
    let gate = Gate::new();
    upstream.always(PURCHASE, Play::Behind(gate.clone(), Box::new(Play::Usual)));
    let mut wire = open(&upstream, home.path(), &[]);
    let asked = wire.send_call("purchase_number", buy(NUMBER));
    upstream.wait_for(PURCHASE, 1);
    let id = only(home.path())["id"].as_str().unwrap().to_owned();
    let running = resolve(home.path(), &id, "not-bought", "not in the dashboard");
    assert_eq!(running.code, Some(1));
    assert!(running.stderr.contains("still running"), "{}", running.stderr);
    assert_eq!(only(home.path())["state"], json!("sent"));

    gate.open();
    assert_eq!(wire.called(asked).status(), "purchased");
    let known = resolve(home.path(), &id, "not-bought", "not in the dashboard");
    assert_eq!(known.code, Some(1));
    assert!(known.stderr.contains("its outcome is known"), "{}", known.stderr);
    is(&only(home.path()), "done", "purchased", Some("answer"));
    assert!(only(home.path()).get("note").is_none());
}

#[test]
fn an_id_that_is_not_there_and_a_note_that_says_nothing_or_too_much_are_refused() {
    let (upstream, home) = scene();
    let id = leave_unknown(&upstream, home.path(), NUMBER);
    let nobody = resolve(home.path(), "0199d0ab-7c1e-7d4b-9a55-2f0e6b1c8d90", "bought", "seen");
    assert_eq!(nobody.code, Some(1));
    assert!(nobody.stderr.contains("there is no operation"), "{}", nobody.stderr);
    for (note, word) in [("", "must say"), (" \n\t ", "must say"), (&format!("as {KEY} says"), "looks like a key")] {
        let ran = resolve(home.path(), &id, "bought", note);
        assert_eq!(ran.code, Some(2), "{note:?}");
        assert!(ran.stderr.contains(word) && !ran.stderr.contains(KEY), "{note:?}: {}", ran.stderr);
    }
    is(&only(home.path()), "unknown", "outcome_unknown", None);
    // A long note is cut, and holds one line.
    assert_eq!(resolve(home.path(), &id, "bought", &format!("line\nline {}", "x".repeat(500))).code, Some(0));
    let note = only(home.path())["note"].as_str().unwrap().to_owned();
    assert!(note.chars().count() <= 201 && !note.contains('\n'), "{note:?}");
}

#[test]
fn a_server_beside_learns_what_the_operator_said() {
    let (upstream, home) = scene();
    let mut wire = open(&upstream, home.path(), &[]);
    let id = leave_unknown(&upstream, home.path(), NUMBER);
    assert_eq!(wire.call("purchase_number", buy(OTHER)).status(), "operation_unresolved");
    assert_eq!(resolve(home.path(), &id, "not-bought", "not in the dashboard").code, Some(0));
    until("the number can be bought", || wire.call("purchase_number", buy(OTHER)).status() == "purchased");
    let listed = wire.call("list_operations", json!({ "id": id }));
    assert_eq!(listed.object()["operations"][0]["outcome"], json!("not_bought"), "{}", listed.0);
}
