//! The operator stops everything: no change begins after `truedy-mcp freeze` has returned, and what was sent is settled.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::era::{Era, in_both_eras};
use crate::support::expected;
use crate::support::fake_truedy::{
    AGENT_NUMBERS, AGENTS, FRONT_DESK, FRONT_OFFICE, Gate, PURCHASE, Play, SEARCH, Upstream,
};
use crate::support::frozen_purchases::{WHY, buy, number};
use crate::support::mcp_client::Agent;
use crate::support::people::Human;
use crate::support::program::{KEY, LONG, Ran, program, run, server};
use crate::support::raw_client::Wire;
use crate::support::terminal::run_at_terminal;

fn keeper(upstream: &Upstream, state: &Path) -> Command {
    let mut command = server(&upstream.base_url());
    command.args(["--purchases-per-day", "unlimited", "--state-dir"]).arg(state);
    command
}

fn open(upstream: &Upstream, state: &Path) -> Wire {
    Wire::open(keeper(upstream, state), Era::Modern)
}

/// A command of the operator on this journal.
fn operator(state: &Path, arguments: &[&str]) -> Command {
    let mut command = program();
    command.args(arguments).arg("--state-dir").arg(state);
    command
}

fn freeze(state: &Path) -> Ran {
    let ran = run(operator(state, &["freeze", "--why", WHY]), "");
    assert_eq!(ran.code, Some(0), "{} {}", ran.stdout, ran.stderr);
    ran
}

fn unfreeze(state: &Path) {
    let ran = run_at_terminal(operator(state, &["unfreeze"]), "type unfreeze", "unfreeze\n");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

/// The journal as its operator reads it.
fn journal(state: &Path) -> Vec<Value> {
    let ran = run(operator(state, &["operations", "--json", "--only", "all"]), "");
    serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{} {}", ran.stdout, ran.stderr))
}

/// A Truedy at which purchases wait behind one gate, and the prices of half of the numbers behind another.
fn slow() -> (Upstream, Gate, Gate) {
    let (upstream, buying, pricing) = (Upstream::start(), Gate::new(), Gate::new());
    let (at, then) = (buying.clone(), pricing.clone());
    upstream.on(PURCHASE, move |_, _| Play::Behind(at.clone(), Box::new(Play::Usual)));
    upstream.on(SEARCH, move |seen, _| match seen.says("area_code") == "212" {
        true => Play::Behind(then.clone(), Box::new(Play::Usual)),
        false => Play::Usual,
    });
    (upstream, buying, pricing)
}

#[test]
fn of_ten_purchases_in_two_processes_none_begins_after_the_command_returned() {
    let ((upstream, buying, pricing), home) = (slow(), tempfile::tempdir().unwrap());
    let mut wires = [open(&upstream, home.path()), open(&upstream, home.path())];
    let mut sent = Vec::new();
    for at in 0..10 {
        let wire = &mut wires[at % 2];
        // Of each process, some are sent and the others still read prices.
        sent.push(wire.send_call("purchase_number", buy(if at < 4 { 160 + at } else { 180 + at - 4 })));
    }
    upstream.wait_for(PURCHASE, 4);
    upstream.wait_for(SEARCH, 10);
    let ran = freeze(home.path());
    assert!(ran.stdout.contains("Changes that were sent before: 4. Truedy still works on 4"), "{}", ran.stdout);
    assert!(ran.stdout.contains("Other processes that have this journal open: 2."), "{}", ran.stdout);
    let path = home.path().display().to_string();
    assert!(ran.stdout.contains(&path), "{}", ran.stdout);
    pricing.open();
    buying.open();
    for (at, id) in sent.into_iter().enumerate() {
        let called = wires[at % 2].called(id);
        if at < 4 {
            assert_eq!(called.status(), "purchased", "{}", called.0);
            continue;
        }
        assert_eq!((called.status(), called.is_error()), ("frozen", true), "{}", called.0);
        assert_eq!(called.object()["frozen"]["why"], WHY, "{}", called.0);
        assert!(called.summary().starts_with("Nothing was bought.") && !called.summary().contains(WHY), "{}", called.0);
    }
    assert_eq!(upstream.count(PURCHASE), 4);
    let rows = journal(home.path());
    let ended = |state: &str, outcome: &str| {
        rows.iter().filter(|row| row["state"] == state && row["outcome"] == outcome).count()
    };
    assert_eq!((ended("done", "purchased"), rows.iter().filter(|row| row["state"] == "sent").count()), (4, 0));
    unfreeze(home.path());
    assert_eq!(wires[0].call("purchase_number", buy(190)).status(), "purchased");
}

#[test]
fn however_the_freeze_falls_among_ten_purchases_nothing_is_sent_afterwards() {
    for round in 0..6 {
        let (upstream, home) = (Upstream::start(), tempfile::tempdir().unwrap());
        let mut wires = [open(&upstream, home.path()), open(&upstream, home.path())];
        let sent: Vec<u64> = (0..10).map(|at| wires[at % 2].send_call("purchase_number", buy(160 + at))).collect();
        thread::sleep(Duration::from_millis(40 * round));
        freeze(home.path());
        let bought = upstream.count(PURCHASE);
        let statuses: Vec<String> =
            sent.into_iter().enumerate().map(|(at, id)| wires[at % 2].called(id).status().to_owned()).collect();
        assert_eq!(upstream.count(PURCHASE), bought, "round {round}: {statuses:?}");
        let count = |wanted: &str| statuses.iter().filter(|status| *status == wanted).count();
        assert_eq!((count("purchased"), count("frozen")), (bought, 10 - bought), "round {round}: {statuses:?}");
    }
}

/// A process that is stopped between two steps of a purchase, while the operator freezes everything.
fn stopped_at(point: &str) -> (Upstream, tempfile::TempDir, String) {
    let (upstream, home) = (Upstream::start(), tempfile::tempdir().unwrap());
    let mut command = keeper(&upstream, home.path());
    command.env("TRUEDY_MCP_STOP_AT", point);
    let mut wire = Wire::open(command, Era::Modern);
    let id = wire.send_call("purchase_number", buy(160));
    let stat = format!("/proc/{}/stat", wire.running.id());
    while !std::fs::read_to_string(&stat).unwrap().contains(") T ") {
        thread::sleep(Duration::from_millis(5));
    }
    freeze(home.path());
    wire.running.signal(Signal::CONT);
    let status = wire.called(id).status().to_owned();
    (upstream, home, status)
}

#[test]
fn what_has_begun_is_not_sent_and_what_was_cleared_runs_to_its_end() {
    let (upstream, home, status) = stopped_at("begun");
    assert_eq!((status.as_str(), upstream.count(PURCHASE)), ("frozen", 0));
    let row = journal(home.path()).remove(0);
    assert_eq!((&row["state"], &row["outcome"]), (&json!("refused"), &json!("frozen")), "{row}");
    let (upstream, home, status) = stopped_at("cleared");
    assert_eq!((status.as_str(), upstream.count(PURCHASE)), ("purchased", 1));
    assert_eq!(journal(home.path()).remove(0)["state"], "done");
}

#[test]
fn every_change_is_refused_and_everything_else_goes_on() {
    let (upstream, home) = (Upstream::start(), tempfile::tempdir().unwrap());
    let (free, used) = (number(170), number(171));
    upstream.account(|account| {
        account.add(&free, true);
        let id = account.add(&used, true);
        let row = account.numbers.iter_mut().find(|row| row["id"] == json!(id)).unwrap();
        row["inbound_agent_id"] = json!(FRONT_DESK);
    });
    freeze(home.path());
    let mut wire = open(&upstream, home.path());
    let changes = [
        ("purchase_number", buy(160)),
        (
            "import_number",
            json!({ "phone_number": number(161), "provider_type": "telnyx", "api_key": "KEY0123456789" }),
        ),
        ("release_number", json!({ "number_id": free, "confirm": true })),
        ("assign_number", json!({ "number_id": free, "agent_id": FRONT_DESK, "assignment_type": "inbound" })),
        ("unassign_number", json!({ "number_id": used, "assignment_type": "inbound" })),
    ];
    expected::assert_covers(&expected::changing(), changes.iter().map(|(tool, _)| *tool));
    for (tool, arguments) in changes {
        let called = wire.call(tool, arguments.clone());
        assert_eq!(called.status(), "frozen", "{tool}: {}", called.0);
        // No argument lifts it.
        let mut more = arguments;
        for (name, value) in [("unfreeze", json!(true)), ("frozen", json!(false)), ("force", json!(true))] {
            more[name] = value;
        }
        assert!(["frozen", "invalid_argument"].contains(&wire.call(tool, more).status()), "{tool}");
    }
    assert_eq!(upstream.changes(), 0);
    // Reading goes on, and so does a preview, which says that its call is refused.
    let preview = wire.call("purchase_number", json!({ "phone_number": number(160) }));
    assert_eq!((preview.status(), preview.is_error()), ("confirmation_required", false), "{}", preview.0);
    assert_eq!(preview.object()["frozen"]["why"], WHY, "{}", preview.0);
    assert!(preview.summary().contains("frozen all changes"), "{}", preview.0);
    assert_eq!(wire.call("list_numbers", json!({})).status(), "ok");
    let told = wire.call("list_operations", json!({}));
    assert_eq!((told.status(), &told.object()["frozen"]["why"]), ("ok", &json!(WHY)), "{}", told.0);
    // The command line has no way past it either.
    let mut command = program();
    command.args(["call", "purchase_number", "confirm=true", "--state-dir"]).arg(home.path());
    command.arg(format!("phone_number={}", number(160)));
    command.env("TRUEDY_BASE_URL", upstream.base_url()).env("TRUEDY_API_KEY", KEY);
    let ran = run(command, "");
    assert_eq!(ran.code, Some(5), "{} {}", ran.stdout, ran.stderr);
    assert_eq!(upstream.changes(), 0);
}

#[test]
fn a_refusal_that_names_the_call_that_goes_on_tells_of_the_freeze() {
    let (upstream, home, used) = (Upstream::start(), tempfile::tempdir().unwrap(), number(171));
    upstream.account(|account| {
        let id = account.add(&used, true);
        let row = account.numbers.iter_mut().find(|row| row["id"] == json!(id)).unwrap();
        // What the row says of outgoing calls cannot be read, and the agents do not answer.
        (row["inbound_agent_id"], row["outbound_agent_id"]) = (json!(FRONT_DESK), json!([]));
    });
    for route in [AGENTS, AGENT_NUMBERS] {
        upstream.always(route, Play::json(500, &json!({ "error": { "code": "internal_error" } })));
    }
    freeze(home.path());
    let mut wire = open(&upstream, home.path());
    for (direction, status) in [("inbound", "would_reassign"), ("outbound", "assignment_unknown")] {
        let wish = json!({ "number_id": used, "agent_id": FRONT_OFFICE, "assignment_type": direction });
        let shown = wire.call("assign_number", wish);
        assert_eq!((shown.status(), &shown.object()["frozen"]["why"]), (status, &json!(WHY)), "{}", shown.0);
        let then = wire.call("assign_number", shown.object()["next"]["arguments"].clone());
        assert_eq!(then.status(), "frozen", "{}", then.0);
    }
    assert_eq!(upstream.changes(), 0);
}

#[test]
fn at_a_terminal_a_frozen_purchase_is_refused_as_in_a_pipe() {
    let (upstream, home) = (Upstream::start(), tempfile::tempdir().unwrap());
    freeze(home.path());
    let mut command = program();
    command.args(["call", "purchase_number", "confirm=true", "--state-dir"]).arg(home.path());
    command.arg(format!("phone_number={}", number(160)));
    command.env("TRUEDY_BASE_URL", upstream.base_url()).env("TRUEDY_API_KEY", KEY);
    let ran = run_at_terminal(command, "truedy-mcp unfreeze", "");
    assert_eq!(ran.code, Some(5), "{}", ran.stdout);
    assert!(!ran.stdout.contains("call purchase_number"), "nothing leads to a call that is refused: {}", ran.stdout);
    assert_eq!(upstream.changes(), 0);
}

#[test]
fn what_was_lost_before_is_still_found() {
    let (upstream, home) = (Upstream::start(), tempfile::tempdir().unwrap());
    upstream.on(PURCHASE, |seen, account| {
        account.usual(seen);
        account.numbers.clear();
        Play::Close
    });
    let mut wire = open(&upstream, home.path());
    assert_eq!(wire.call("purchase_number", buy(160)).status(), "outcome_unknown");
    freeze(home.path());
    upstream.account(|account| account.add(&number(160), true));
    let begun = std::time::Instant::now();
    while wire.call("list_operations", json!({})).object()["unresolved"] != json!(0) {
        assert!(begun.elapsed() < LONG, "it is not found");
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(journal(home.path()).remove(0)["state"], "done");
}

#[tokio::test]
async fn nobody_is_asked_for_a_consent_that_has_no_effect() {
    let home = tempfile::tempdir().unwrap();
    let agent = Agent::with(Human::Agrees).kept_in(home.path()).start().await;
    let offers = agent.call("search_numbers", json!({ "area_code": "415" })).await.expect("offers");
    let number = &offers["offers"][0]["number"];
    let ran = run(operator(home.path(), &["freeze", "--sandbox", "--why", WHY]), "");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let refused = agent.call("purchase_number", json!({ "phone_number": number })).await.expect_err("it is frozen");
    assert_eq!((refused.status.as_str(), agent.asked().len()), ("frozen", 0), "{}", refused.body);
    assert_eq!(agent.leave().await.changes(), 0);
}

in_both_eras!(a_yes_counts_for_nothing_once_changes_are_frozen);
/// The person is asked, the operator freezes, and then the person agrees.
async fn a_yes_counts_for_nothing_once_changes_are_frozen(era: Era) {
    for (tool, arguments) in [
        ("purchase_number", json!({ "phone_number": "+14155550150" })),
        ("release_number", json!({ "number_id": "+13055550164", "confirm": true })),
    ] {
        let home = tempfile::tempdir().unwrap();
        let state = home.path().to_owned();
        let human = Human::agrees_after(move || {
            let state = state.clone();
            async move {
                let frozen = tokio::task::spawn_blocking(move || {
                    run(operator(&state, &["freeze", "--sandbox", "--why", WHY]), "")
                });
                let ran = frozen.await.unwrap();
                assert_eq!(ran.code, Some(0), "{} {}", ran.stdout, ran.stderr);
            }
        });
        let agent = Agent::with(human).in_era(era).kept_in(home.path()).start().await;
        let refused = agent.call(tool, arguments).await.expect_err("it is frozen");
        assert_eq!((refused.status.as_str(), agent.asked().len()), ("frozen", 1), "{tool}: {}", refused.body);
        assert_eq!(agent.leave().await.changes(), 0, "{tool}");
    }
}
