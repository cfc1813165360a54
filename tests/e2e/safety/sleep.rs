//! What was decided before the machine slept is looked at again after it.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::consent::{ELSEWHERE, NUMBER, account, release};
use crate::support::era::Era;
use crate::support::fake_truedy::{FRONT_DESK, PURCHASE, RELEASE, SEARCH, Upstream};
use crate::support::program::{LONG, at_once, server};
use crate::support::raw_client::Wire;

/// The state of a process: `T` where it is stopped.
fn process_state(id: u32) -> String {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    stat.rsplit(')').next().unwrap().split_whitespace().next().unwrap().to_owned()
}

/// Calls a tool of a server that is stopped at this point of the operation for longer than what it has read is good for;
/// what became of it. A process that was stopped has answered late already: the journal tells.
fn slept_at(point: &str, upstream: &Upstream, (tool, arguments): (&str, Value), meanwhile: impl Fn()) -> Value {
    let mut command = server(&upstream.base_url());
    command.env("TRUEDY_MCP_STOP_AT", point);
    let mut wire = Wire::open(command, Era::Modern);
    let call = wire.send_call(tool, arguments);
    let (begun, id) = (Instant::now(), wire.running.id());
    while process_state(id) != "T" {
        assert!(begun.elapsed() < LONG, "it is not stopped: {}", wire.running.stderr());
        std::thread::sleep(Duration::from_millis(20));
    }
    meanwhile();
    std::thread::sleep(Duration::from_secs(31));
    wire.running.signal(Signal::CONT);
    let called = wire.called(call);
    let id = called.object()["operation_id"].as_str().unwrap_or_else(|| panic!("no operation: {called:?}")).to_owned();
    let begun = Instant::now();
    loop {
        let listed = wire.call("list_operations", json!({ "id": id }));
        let operation = listed.object()["operations"][0].clone();
        if !["begun", "sent"].contains(&operation["state"].as_str().unwrap_or("begun")) {
            return operation;
        }
        assert!(begun.elapsed() < LONG, "it does not end: {operation}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn sell(upstream: &Upstream, price: &str) {
    let cost = json!({ "currency": "USD", "monthly_cost": price, "upfront_cost": "1.00000" });
    let offer = json!({ "phone_number": ELSEWHERE, "phone_number_type": "local", "cost_information": cost });
    upstream.account(|account| account.offers = vec![offer.clone()]);
}

#[test]
fn what_was_read_before_the_machine_slept_is_read_again_before_anything_is_sent() {
    let buy =
        || ("purchase_number", json!({ "phone_number": ELSEWHERE, "confirm": true, "max_monthly_cost": "99 USD" }));
    at_once(["begun", "cleared"].iter().flat_map(|point| [(*point, true), (*point, false)]), |(point, changes)| {
        let upstream = Upstream::start();
        sell(&upstream, "1.00000");
        let operation =
            slept_at(point, &upstream, buy(), || sell(&upstream, if changes { "9.00000" } else { "1.00000" }));
        let (outcome, sent) = if changes { ("state_changed", 0) } else { ("purchased", 1) };
        assert_eq!((&operation["outcome"], upstream.count(PURCHASE)), (&json!(outcome), sent), "{point}: {operation}");
        assert_eq!(upstream.count(SEARCH), 2, "{point}: the price was looked up again");
    });
}

#[test]
fn a_number_that_came_into_use_while_the_machine_slept_is_not_released() {
    let upstream = account();
    let id = upstream.account(|account| account.numbers[0]["id"].as_str().unwrap().to_owned());
    let operation = slept_at("begun", &upstream, ("release_number", release(NUMBER)), || {
        upstream.account(|account| {
            let row = account.numbers.iter_mut().find(|row| row["id"] == json!(id)).unwrap();
            row["inbound_agent_id"] = json!(FRONT_DESK);
        });
    });
    assert_eq!((&operation["state"], upstream.count(RELEASE)), (&json!("refused"), 0), "{operation}");
}
