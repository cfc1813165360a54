//! "The first one failed, I bought another": purchases that nobody waits for, and operations under a key that was replaced.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::era::{Era, MODERN};
use crate::support::fake_truedy::{Gate, LIST, PURCHASE, Play, RELEASE, Upstream};
use crate::support::http_client::{Served, message, request};
use crate::support::program::{LONG, program, run, server};
use crate::support::raw_client::Wire;

const NUMBER: &str = "+14155550160";
const OTHER: &str = "+14155550161";
const THIRD: &str = "+14155550162";
const FOURTH: &str = "+14155550163";
/// The key that replaces the usual one.
const NEW_KEY: &str = "truedy_WireTestKey00000000000000000000x2";

fn buy(number: &str) -> Value {
    json!({ "phone_number": number, "confirm": true })
}

fn buy_knowing(number: &str, id: &Value) -> Value {
    json!({ "phone_number": number, "confirm": true, "acknowledge_unresolved": [id] })
}

fn keeper(upstream: &Upstream, state: &Path) -> Command {
    let mut command = server(&upstream.base_url());
    command.arg("--state-dir").arg(state);
    command
}

fn open(upstream: &Upstream, state: &Path) -> Wire {
    Wire::open(keeper(upstream, state), Era::Modern)
}

fn open_with_new_key(upstream: &Upstream, state: &Path) -> Wire {
    let mut command = keeper(upstream, state);
    command.env("TRUEDY_API_KEY", NEW_KEY);
    Wire::open(command, Era::Modern)
}

/// The journal as its operator reads it: the operation about this number.
fn operation(state: &Path, number: &str) -> Value {
    let mut command = program();
    command.args(["operations", "--json", "--only", "all", "--object", number, "--state-dir"]).arg(state);
    let ran = run(command, "");
    let rows: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{} {}", ran.stdout, ran.stderr));
    rows[0].clone()
}

/// Waits until something holds.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < 2 * LONG, "still not so: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// A Truedy on which a purchase of one number waits behind a gate.
fn slow_for(number: &'static str) -> (Upstream, Gate) {
    let (upstream, gate) = (Upstream::start(), Gate::new());
    let behind = gate.clone();
    upstream.on(PURCHASE, move |seen, _| match seen.says("phone_number") == number {
        true => Play::Behind(behind.clone(), Box::new(Play::Usual)),
        false => Play::Usual,
    });
    (upstream, gate)
}

#[test]
fn whoever_gives_up_a_purchase_buys_no_other_until_it_has_ended() {
    let ((upstream, gate), home) = (slow_for(NUMBER), tempfile::tempdir().unwrap());
    let mut wire = open(&upstream, home.path());
    let first = wire.send_call("purchase_number", buy(NUMBER));
    upstream.wait_for(PURCHASE, 1);
    // A client whose own time is up says so and asks for the next offer.
    wire.notify("notifications/cancelled", json!({ "requestId": first, "reason": "timed out" }));
    let instead = wire.call("purchase_number", buy(OTHER));
    assert_eq!(instead.status(), "operation_unresolved", "{}", instead.0);
    let id = operation(home.path(), NUMBER)["id"].clone();
    assert_eq!(instead.object()["acknowledge_unresolved"], json!([id]), "{}", instead.0);
    assert!(instead.summary().contains("goes on"), "{}", instead.0);
    // So it is in another process.
    let mut second = open(&upstream, home.path());
    assert_eq!(second.call("purchase_number", buy(OTHER)).status(), "operation_unresolved");
    assert_eq!(upstream.count(PURCHASE), 1);
    // Named, it stops nothing; ended, neither.
    assert_eq!(second.call("purchase_number", buy_knowing(OTHER, &id)).status(), "purchased");
    gate.open();
    until("the first is bought", || operation(home.path(), NUMBER)["state"] == json!("done"));
    assert_eq!(wire.call("purchase_number", buy(THIRD)).status(), "purchased");
    assert_eq!(upstream.count(PURCHASE), 3);
}

#[test]
fn purchases_that_are_all_waited_for_run_side_by_side() {
    let ((upstream, gate), home) = (slow_for(NUMBER), tempfile::tempdir().unwrap());
    let mut wire = open(&upstream, home.path());
    let first = wire.send_call("purchase_number", buy(NUMBER));
    upstream.wait_for(PURCHASE, 1);
    assert_eq!(wire.call("purchase_number", buy(OTHER)).status(), "purchased");
    gate.open();
    assert_eq!(wire.called(first).status(), "purchased");
}

#[test]
fn a_purchase_that_is_in_progress_stops_the_others_of_its_principal() {
    let ((upstream, gate), home) = (slow_for(NUMBER), tempfile::tempdir().unwrap());
    let mut wire = open(&upstream, home.path());
    let first = wire.send_call("purchase_number", buy(NUMBER));
    let told = wire.called(first);
    assert_eq!(told.status(), "in_progress", "{}", told.0);
    let id = told.object()["operation_id"].clone();
    // It is in the journal before the answer went out, so any process knows.
    let mut second = open(&upstream, home.path());
    for wire in [&mut second, &mut wire] {
        let stopped = wire.call("purchase_number", buy(OTHER));
        assert_eq!(stopped.status(), "operation_unresolved", "{}", stopped.0);
        assert_eq!(stopped.object()["acknowledge_unresolved"], json!([id]));
    }
    gate.open();
    until("the first is bought", || operation(home.path(), NUMBER)["state"] == json!("done"));
    assert_eq!(second.call("purchase_number", buy(OTHER)).status(), "purchased");
    assert_eq!(upstream.count(PURCHASE), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_closes_its_connection_waits_no_longer() {
    let ((upstream, gate), home) = (slow_for(NUMBER), tempfile::tempdir().unwrap());
    let served = Served::on(&upstream, &["--state-dir", home.path().to_str().unwrap()]).await;
    let (token, bearer) = (served.token(), format!("Bearer {}", served.token()));
    let headers = [
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "tools/call"),
        ("mcp-name", "purchase_number"),
        ("authorization", bearer.as_str()),
    ];
    let body = message("tools/call", json!({ "name": "purchase_number", "arguments": buy(NUMBER) })).to_string();
    let mut talk = served.connect().await;
    talk.send(request(&served.host(), "POST", "/mcp", &headers, &body)).await;
    while upstream.count(PURCHASE) == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(talk);
    let mut status = Value::Null;
    // The server hears of it when it hears of it; nothing is bought in between by one that the client began later.
    for _ in 0..100 {
        status = served.call(&token, "list_operations", json!({ "object": NUMBER })).await["operations"][0].clone();
        if status["waited_for"] == json!(false) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(status["waited_for"], json!(false), "{status}");
    let instead = served.call(&token, "purchase_number", buy(OTHER)).await;
    assert_eq!(instead["status"], "operation_unresolved", "{instead}");
    assert_eq!(upstream.count(PURCHASE), 1);
    gate.open();
}

/// How a client leaves a program that it started.
#[derive(Debug, Clone, Copy)]
enum Leaving {
    Closes,
    Terminates,
}

impl Leaving {
    const ALL: [Self; 2] = [Self::Closes, Self::Terminates];

    fn leave(self, wire: &mut Wire) {
        match self {
            Self::Closes => wire.running.close(),
            Self::Terminates => wire.running.signal(Signal::TERM),
        }
    }
}

#[test]
fn a_client_that_leaves_its_program_waits_no_longer_from_that_moment_on() {
    for leaving in Leaving::ALL {
        let ((upstream, gate), home) = (slow_for(NUMBER), tempfile::tempdir().unwrap());
        let (mut wire, mut second) = (open(&upstream, home.path()), open(&upstream, home.path()));
        let first = wire.send_call("purchase_number", buy(NUMBER));
        upstream.wait_for(PURCHASE, 1);
        leaving.leave(&mut wire);
        let left = Instant::now();
        // All of them lie within the time in which reads may still be answered.
        for (after, number) in [(100, OTHER), (500, THIRD), (1_300, FOURTH)] {
            thread::sleep(Duration::from_millis(after).saturating_sub(left.elapsed()));
            let instead = second.call("purchase_number", buy(number));
            assert_eq!(instead.status(), "operation_unresolved", "{leaving:?} {after}: {}", instead.0);
            assert!(instead.summary().contains("goes on"), "{}", instead.0);
        }
        assert_eq!(upstream.count(PURCHASE), 1);
        // Its answer is delivered if it comes in time, and then it stops nobody any more.
        gate.open();
        assert_eq!(wire.called(first).status(), "purchased", "{leaving:?}");
        assert_eq!(second.call("purchase_number", buy(OTHER)).status(), "purchased");
        assert_eq!(wire.running.ended(LONG), Some(0));
    }
}

#[test]
fn a_purchase_that_begins_after_its_client_left_is_one_that_nobody_waits_for() {
    let ((upstream, gate), home) = (slow_for(NUMBER), tempfile::tempdir().unwrap());
    let (mut wire, mut second) = (open(&upstream, home.path()), open(&upstream, home.path()));
    // What is read first takes longer than the client stays.
    let reading = Gate::new();
    upstream.in_turn(LIST, vec![Play::Behind(reading.clone(), Box::new(Play::Usual)), Play::Usual]);
    let before = upstream.count(LIST);
    let first = wire.send_call("purchase_number", buy(NUMBER));
    upstream.wait_for(LIST, before + 1);
    wire.running.close();
    thread::sleep(Duration::from_millis(300));
    reading.open();
    upstream.wait_for(PURCHASE, 1);
    let instead = second.call("purchase_number", buy(OTHER));
    assert_eq!(instead.status(), "operation_unresolved", "{}", instead.0);
    assert_eq!(upstream.count(PURCHASE), 1);
    gate.open();
    assert_eq!(wire.called(first).status(), "purchased");
}

#[test]
fn of_purchases_that_are_piped_in_one_at_a_time_is_under_way() {
    let ((upstream, gate), home) = (slow_for(NUMBER), tempfile::tempdir().unwrap());
    let mut wire = open(&upstream, home.path());
    let first = wire.send_call("purchase_number", buy(NUMBER));
    upstream.wait_for(PURCHASE, 1);
    let reading = Gate::new();
    upstream.in_turn(LIST, vec![Play::Behind(reading.clone(), Box::new(Play::Usual)), Play::Usual]);
    let before = upstream.count(LIST);
    let second = wire.send_call("purchase_number", buy(OTHER));
    upstream.wait_for(LIST, before + 1);
    wire.running.close();
    thread::sleep(Duration::from_millis(300));
    reading.open();
    let stopped = wire.called(second);
    assert_eq!(stopped.status(), "operation_unresolved", "{}", stopped.0);
    gate.open();
    assert_eq!(wire.called(first).status(), "purchased");
    assert_eq!(upstream.count(PURCHASE), 1);
}

/// A change whose answer never comes, in a process that is killed.
fn killed(upstream: &Upstream, state: &Path, route: &str, tool: &str, arguments: Value) {
    upstream.always(route, Play::Never);
    let mut wire = open(upstream, state);
    wire.send_call(tool, arguments);
    upstream.wait_for(route, 1);
    wire.running.kill();
}

#[test]
fn a_purchase_under_a_replaced_key_is_counted_looked_for_and_found() {
    let (upstream, home) = (Upstream::start(), tempfile::tempdir().unwrap());
    killed(&upstream, home.path(), PURCHASE, "purchase_number", buy(NUMBER));
    let mut wire = open_with_new_key(&upstream, home.path());
    let listed = wire.call("list_operations", json!({}));
    assert_eq!(listed.object()["unresolved"], json!(1), "{}", listed.0);
    assert_eq!(wire.call("purchase_number", buy(OTHER)).status(), "operation_unresolved");
    upstream.account(|account| account.add(NUMBER, true));
    until("it is found", || operation(home.path(), NUMBER)["state"] == json!("done"));
    assert_eq!(operation(home.path(), NUMBER)["known_by"], json!("look"));
}

#[test]
fn what_another_key_does_not_show_proves_nothing_unless_it_is_the_same_organization() {
    for (before, after, resolves) in [
        (None, None, false),
        (Some("org_1"), None, false),
        (None, Some("org_1"), false),
        (Some("org_1"), Some("org_2"), false),
        (Some("org_1"), Some("org_1"), true),
    ] {
        let (upstream, home) = (Upstream::start(), tempfile::tempdir().unwrap());
        let name = |organization: Option<&str>| {
            upstream.account(|account| {
                for row in &mut account.numbers {
                    match organization {
                        Some(name) => row["organization_id"] = json!(name),
                        None => drop(row.as_object_mut().unwrap().remove("organization_id")),
                    }
                }
            });
        };
        let id = upstream.account(|account| {
            account.add(OTHER, true);
            account.add(NUMBER, true)
        });
        name(before);
        killed(&upstream, home.path(), RELEASE, "release_number", json!({ "number_id": id, "confirm": true }));
        upstream.account(|account| account.numbers.retain(|row| row["id"] != json!(id)));
        name(after);
        let mut wire = open_with_new_key(&upstream, home.path());
        let reads = upstream.count(LIST);
        let listed = wire.call("list_operations", json!({}));
        assert!(upstream.count(LIST) > reads, "it is looked for");
        let unresolved = if resolves { 0 } else { 1 };
        assert_eq!(listed.object()["unresolved"], json!(unresolved), "{before:?} {after:?}: {}", listed.0);
        if resolves {
            continue;
        }
        // The doctor says why it stays so; under its own key it is known at once.
        let mut doctor = program();
        doctor.args(["doctor", "--state-dir"]).arg(home.path());
        doctor.env("TRUEDY_BASE_URL", upstream.base_url()).env("TRUEDY_API_KEY", NEW_KEY);
        let said = run(doctor, "").stdout;
        assert!(said.contains("1 unresolved, 1 of them begun under another key"), "{said}");
        drop(wire);
        let listed = open(&upstream, home.path()).call("list_operations", json!({}));
        assert_eq!(listed.object()["unresolved"], json!(0), "{}", listed.0);
        assert_eq!(operation(home.path(), NUMBER)["outcome"], json!("released"));
    }
}
