//! Changes of one number that come at once: by one process and by two, none relies on what another one changes.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::era::Era;
use crate::support::fake_truedy::{ASSIGN, FRONT_DESK, FRONT_OFFICE, PURCHASE, Play, RELEASE, Upstream};
use crate::support::program::server;
use crate::support::raw_client::{Called, Wire};

const NUMBER: &str = "+14155550111";

fn open(upstream: &Upstream, state: &Path) -> Wire {
    let mut command = server(&upstream.base_url());
    command.arg("--state-dir").arg(state);
    Wire::open(command, Era::Modern)
}

fn assign(agent: &str) -> Value {
    json!({ "number_id": NUMBER, "agent_id": agent, "assignment_type": "inbound" })
}

/// An account with the number, where each change takes a while.
fn account() -> Upstream {
    let upstream = Upstream::start();
    upstream.account(|account| drop(account.add(NUMBER, true)));
    for route in [ASSIGN, RELEASE, PURCHASE] {
        upstream.always(route, Play::After(Duration::from_millis(300), Box::new(Play::Usual)));
    }
    upstream
}

/// Makes the calls at once, in turn by each of so many processes.
fn at_once(upstream: &Upstream, processes: usize, calls: &[(&str, Value)]) -> Vec<Called> {
    let home = tempfile::tempdir().unwrap();
    let mut wires: Vec<Wire> = (0..processes).map(|_| open(upstream, home.path())).collect();
    let sent: Vec<(usize, u64)> = calls
        .iter()
        .enumerate()
        .map(|(nth, (tool, arguments))| (nth % processes, wires[nth % processes].send_call(tool, arguments.clone())))
        .collect();
    sent.into_iter().map(|(at, id)| wires[at].called(id)).collect()
}

fn counted(answers: &[Called]) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for answer in answers {
        *counted.entry(answer.status().to_owned()).or_default() += 1;
    }
    counted
}

#[test]
fn of_two_agents_that_get_a_free_direction_at_once_one_gets_it() {
    for processes in [1, 2] {
        let upstream = account();
        let calls = [("assign_number", assign(FRONT_DESK)), ("assign_number", assign(FRONT_OFFICE))];
        let answers = at_once(&upstream, processes, &calls);
        let statuses = counted(&answers);
        assert_eq!(statuses.get("assigned"), Some(&1), "{processes}: {statuses:?}");
        // The other one comes while the first runs, or has read what the first has changed since.
        let others = ["duplicate_in_flight", "would_reassign"].iter().filter_map(|status| statuses.get(*status));
        assert_eq!(others.sum::<usize>(), 1, "{processes}: {statuses:?}");
        assert_eq!(upstream.count(ASSIGN), 1);
        let told = answers.iter().find(|answer| answer.status() == "duplicate_in_flight");
        assert!(told.is_none_or(|told| told.object()["retryable"] == json!(true)), "{answers:?}");
    }
}

#[test]
fn a_number_is_not_released_while_it_is_assigned() {
    for processes in [1, 2] {
        let upstream = account();
        let home = tempfile::tempdir().unwrap();
        let mut wires: Vec<Wire> = (0..processes).map(|_| open(&upstream, home.path())).collect();
        let assigning = wires[0].send_call("assign_number", assign(FRONT_DESK));
        upstream.wait_for(ASSIGN, 1);
        let released = wires[processes - 1].call("release_number", json!({ "number_id": NUMBER, "confirm": true }));
        assert!(["duplicate_in_flight", "number_in_use"].contains(&released.status()), "{}", released.0);
        assert_eq!(wires[0].called(assigning).status(), "assigned");
        assert_eq!(upstream.count(RELEASE), 0);
    }
}

#[test]
fn many_releases_of_one_number_at_once_are_one_request() {
    for processes in [1, 2] {
        for _ in 0..5 {
            let upstream = account();
            upstream.always(RELEASE, Play::Usual);
            let release = ("release_number", json!({ "number_id": NUMBER, "confirm": true }));
            let answers = at_once(&upstream, processes, &vec![release; 8]);
            let statuses = counted(&answers);
            assert_eq!(statuses.get("released"), Some(&1), "{processes}: {statuses:?}");
            let others = ["duplicate_in_flight", "not_found"].iter().filter_map(|status| statuses.get(*status));
            assert_eq!(others.sum::<usize>(), 7, "{processes}: {statuses:?}");
            assert_eq!(upstream.count(RELEASE), 1, "{processes}: {statuses:?}");
        }
    }
}

#[test]
fn a_number_is_not_released_while_its_purchase_goes_on() {
    let upstream = account();
    let home = tempfile::tempdir().unwrap();
    let mut wires = [open(&upstream, home.path()), open(&upstream, home.path())];
    upstream.always(PURCHASE, Play::After(Duration::from_secs(3), Box::new(Play::Usual)));
    let new = "+14155550112";
    let buying = wires[0].send_call("purchase_number", json!({ "phone_number": new, "confirm": true }));
    upstream.wait_for(PURCHASE, 1);
    // Truedy lists it before it answers.
    upstream.account(|account| drop(account.add(new, true)));
    let released = wires[1].call("release_number", json!({ "number_id": new, "confirm": true }));
    assert_eq!(released.status(), "duplicate_in_flight", "{}", released.0);
    assert_eq!(upstream.count(RELEASE), 0);
    assert_eq!(wires[0].called(buying).status(), "purchased");
}
