//! How many requests a call costs in an account of 20,000 numbers, in a process that knows it, and in a fresh one.

use std::time::Duration;

use serde_json::{Value, json};

use super::large::{LargeTruedy, agent_name, number, state};
use crate::support::era::Era;
use crate::support::raw_client::Wire;

const NUMBERS: usize = 20_000;

/// Calls that name one number, with the most requests that each may cost.
fn named() -> Vec<(&'static str, Value, &'static str, usize)> {
    let (far, held) = (number(41), number(6_000));
    vec![
        ("diagnose_number", json!({ "number_id": far }), "ok", 6),
        (
            "assign_number",
            json!({ "number_id": far, "agent_id": agent_name(3), "assignment_type": "inbound" }),
            "assigned",
            6,
        ),
        ("unassign_number", json!({ "number_id": far, "assignment_type": "inbound" }), "unassigned", 6),
        (
            "assign_number",
            json!({ "number_id": number(19_001), "agent_id": agent_name(1), "assignment_type": "outbound" }),
            "assigned",
            6,
        ),
        ("unassign_number", json!({ "number_id": held, "assignment_type": "inbound" }), "unassigned", 6),
        ("release_number", json!({ "number_id": number(12_345) }), "confirmation_required", 8),
        ("release_number", json!({ "number_id": number(12_345), "confirm": true }), "released", 8),
        ("purchase_number", json!({ "phone_number": "+12125550142", "confirm": true }), "purchased", 6),
    ]
}

fn cost(truedy: &LargeTruedy, wire: &mut Wire, (tool, arguments, status, most): (&str, Value, &str, usize)) {
    truedy.until_quiet();
    let before = truedy.requests();
    let called = wire.call(tool, arguments.clone());
    let cost = truedy.requests() - before;
    assert_eq!(called.status(), status, "{tool} {arguments}: {}", called.0);
    let seen = truedy.upstream.seen();
    let asked: Vec<String> =
        seen.iter().skip(before).map(|seen| format!("{} {}?{}", seen.method, seen.path, seen.query)).collect();
    assert!(cost <= most, "{tool} {arguments}: {cost} requests, at most {most}: {asked:#?}");
}

/// Makes the process know where every number stands.
fn warm(wire: &mut Wire) {
    for _ in 0..60 {
        if wire.call("list_numbers", json!({ "unassigned": true })).status() == "ok" {
            return;
        }
    }
    panic!("the whole list was never read");
}

/// Waits until the places of the numbers are on the disk. They are written beside the calls.
fn until_kept(truedy: &LargeTruedy) {
    truedy.until_quiet();
    std::thread::sleep(Duration::from_secs(2));
}

#[test]
fn a_call_costs_as_many_requests_at_20_000_numbers_as_at_100() {
    let (truedy, state) = (LargeTruedy::start(NUMBERS, 5, 100), state());
    let mut wire = Wire::open(truedy.server(&state), Era::Legacy);
    warm(&mut wire);
    for call in named() {
        cost(&truedy, &mut wire, call);
    }
}

#[test]
fn a_fresh_process_finds_where_an_earlier_one_saw_a_number() {
    let (truedy, state) = (LargeTruedy::start(NUMBERS, 5, 100), state());
    let mut wire = Wire::open(truedy.server(&state), Era::Legacy);
    warm(&mut wire);
    until_kept(&truedy);
    drop(wire);
    for (tool, arguments, status, most) in named() {
        let mut wire = Wire::open(truedy.server(&state), Era::Modern);
        cost(&truedy, &mut wire, (tool, arguments, status, most + 3));
    }
}

#[test]
fn an_id_that_an_agent_names_is_looked_up_and_keeps_its_number() {
    let (truedy, state) = (LargeTruedy::start(2_000, 5, 100), state());
    // A second row of one number, far below the first. Both say that no agent has it.
    let twin = truedy.account(|account| account.add_twin(&number(1_502), 1_900));
    let mut wire = Wire::open(truedy.server(&state), Era::Legacy);
    warm(&mut wire);
    until_kept(&truedy);
    drop(wire);
    let other = truedy.account(|account| account.rows[1_000].id.clone());
    // The id of another number costs a page in a fresh process, and not the whole list.
    for (named, released, status) in [(other, 1_501, "released"), (twin, 1_502, "number_in_use")] {
        truedy.account(|account| account.named_alone = Some(named));
        let mut wire = Wire::open(truedy.server(&state), Era::Modern);
        let release =
            json!({ "number_id": truedy.account(|account| account.id_of(&number(released))), "confirm": true });
        cost(&truedy, &mut wire, ("release_number", release, status, 8 + 3));
    }
}

#[test]
fn many_agents_are_read_once_for_several_changes() {
    let (truedy, state) = (LargeTruedy::start(2_000, 2_000, 100), state());
    let mut wire = Wire::open(truedy.server(&state), Era::Modern);
    warm(&mut wire);
    for n in [7, 11, 13] {
        let agent = agent_name(1_000 + n);
        let assign = json!({ "number_id": number(n), "agent_id": agent, "assignment_type": "inbound" });
        cost(&truedy, &mut wire, ("assign_number", assign, "assigned", 6));
        let unassign = json!({ "number_id": number(n), "assignment_type": "inbound" });
        cost(&truedy, &mut wire, ("unassign_number", unassign, "unassigned", 6));
        cost(&truedy, &mut wire, ("diagnose_number", json!({ "number_id": number(n) }), "ok", 6));
    }
    // Before a release the agents are always read anew, 21 requests for 2,000 agents.
    cost(
        &truedy,
        &mut wire,
        ("release_number", json!({ "number_id": number(17), "confirm": true }), "released", 7 + 21),
    );
}

#[test]
fn ten_changes_are_never_limited_at_100_requests_a_minute() {
    let (truedy, state) = (LargeTruedy::start(NUMBERS, 5, 100), state());
    let mut wire = Wire::open(truedy.server(&state), Era::Legacy);
    warm(&mut wire);
    until_kept(&truedy);
    drop(wire);
    let mut wire = Wire::open(truedy.server_within(&state, "100"), Era::Legacy);
    for n in 0..10 {
        let name = number(n * 1_990 + 1);
        let assign = json!({ "number_id": name, "agent_id": agent_name(n % 5), "assignment_type": "inbound" });
        let called = wire.call("assign_number", assign);
        assert_eq!(called.status(), "assigned", "change {n}: {}", called.0);
    }
    let unassigned = wire.call("list_numbers", json!({ "unassigned": true }));
    assert!(["ok", "still_reading"].contains(&unassigned.status()), "{}", unassigned.0);
}
