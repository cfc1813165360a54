//! Many calls at once and one after the other, in one process and in several: the limits hold for all together.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::scene::{begun, buy, is, journal, leave, open, until};
use crate::support::fake_truedy::{Gate, LIST, PURCHASE, Play, Upstream};
use crate::support::raw_client::Wire;

/// The statuses of these calls, and how often each came.
fn statuses(servers: &mut [Wire], asked: &[Vec<u64>]) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for (server, ids) in servers.iter_mut().zip(asked) {
        for id in ids {
            *counted.entry(server.called(*id).status().to_owned()).or_default() += 1;
        }
    }
    counted
}

/// Sends all these purchases at once, to one server after the other in turn; the ids, by server.
fn ask_all(servers: &mut [Wire], numbers: &[String]) -> Vec<Vec<u64>> {
    let mut asked = vec![Vec::new(); servers.len()];
    let count = servers.len();
    for (at, number) in numbers.iter().enumerate() {
        asked[at % count].push(servers[at % count].send_call("purchase_number", buy(number)));
    }
    asked
}

fn servers(count: usize, upstream: &Upstream, state: &Path, arguments: &[&str]) -> Vec<Wire> {
    (0..count).map(|_| open(upstream, state, arguments)).collect()
}

fn number(nth: usize) -> String {
    format!("+1415555{nth:04}")
}

fn fifty_identical_purchases_are_one(processes: usize) {
    let (upstream, home) = (Upstream::start(), tempfile::tempdir().unwrap());
    let mut servers = servers(processes, &upstream, home.path(), &[]);
    upstream.always(PURCHASE, Play::After(Duration::from_millis(300), Box::new(Play::Usual)));
    // What lies between the last look and the first word in the journal is short: it is tried several times.
    for round in 1..=6 {
        let (gate, number) = (Gate::new(), number(round));
        upstream.always(LIST, Play::Behind(gate.clone(), Box::new(Play::Usual)));
        let asked = ask_all(&mut servers, &vec![number.clone(); 50]);
        // Every process has begun to look when all find nothing, at the same moment.
        until("every process looks", || upstream.running() >= processes);
        gate.open();
        let counted = statuses(&mut servers, &asked);
        assert_eq!(counted.get("purchased"), Some(&1), "{counted:?}");
        let others = counted.get("duplicate_in_flight").unwrap_or(&0) + counted.get("already_owned").unwrap_or(&0);
        assert_eq!(others, 49, "{counted:?}");
        assert_eq!(upstream.count(PURCHASE), round);
        let all = begun(home.path());
        assert_eq!(all.len(), round, "{all:?}");
        is(&all[0], "done", "purchased", Some("answer"));
    }
}

#[test]
fn fifty_identical_purchases_at_once_are_one_request() {
    fifty_identical_purchases_are_one(1);
}

#[test]
fn fifty_identical_purchases_at_once_in_two_processes_are_one_request() {
    fifty_identical_purchases_are_one(2);
}

/// Two hundred purchases, one after the other. Before each one the servers may be changed; it goes to the one returned.
fn two_hundred(mut before: impl FnMut(usize, &mut Vec<Wire>, &Upstream, &Path) -> usize) {
    let (upstream, home) = (Upstream::start(), tempfile::tempdir().unwrap());
    let mut servers = Vec::new();
    let mut after_the_tenth = None;
    for nth in 0..200 {
        let at = before(nth, &mut servers, &upstream, home.path());
        let called = servers[at].call("purchase_number", buy(&number(nth)));
        if nth < 10 {
            assert_eq!(called.status(), "purchased", "the {nth}th: {}", called.0);
            continue;
        }
        let seen = upstream.seen().len();
        assert_eq!(*after_the_tenth.get_or_insert(seen), seen, "the {nth}th asked Truedy something");
        assert_eq!((called.status(), called.object()["rule"].as_str().is_some()), ("policy_denied", true));
    }
    assert_eq!(upstream.count(PURCHASE), 10);
    // Refusals are recorded as well.
    let all = journal(home.path());
    let states = |state: &str| all.iter().filter(|operation| operation["state"] == json!(state)).count();
    assert_eq!((states("done"), states("refused")), (10, 190));
}

#[test]
fn of_two_hundred_purchases_ten_are_made_and_the_rest_ask_truedy_nothing() {
    two_hundred(|nth, servers, upstream, state| {
        if nth == 0 {
            servers.push(open(upstream, state, &[]));
        }
        0
    });
}

#[test]
fn a_restart_gives_no_new_places_in_the_cap() {
    two_hundred(|nth, servers, upstream, state| {
        if [0, 6, 10, 100].contains(&nth) {
            servers.drain(..).for_each(leave);
            servers.push(open(upstream, state, &[]));
        }
        0
    });
}

#[test]
fn two_processes_share_the_places_in_the_cap() {
    two_hundred(|nth, servers, upstream, state| {
        if nth < 2 {
            servers.push(open(upstream, state, &[]));
        }
        nth % 2
    });
}

fn last_place(processes: usize) {
    let (upstream, home) = (Upstream::start(), tempfile::tempdir().unwrap());
    let mut servers = servers(processes, &upstream, home.path(), &["--purchases-per-day", "3"]);
    for nth in 0..2 {
        assert_eq!(servers[0].call("purchase_number", buy(&number(nth))).status(), "purchased");
    }
    let asked = ask_all(&mut servers, &(100..112).map(number).collect::<Vec<_>>());
    let counted = statuses(&mut servers, &asked);
    let expected = [("policy_denied", 11), ("purchased", 1)].map(|(status, count)| (status.to_owned(), count));
    assert_eq!(counted, BTreeMap::from(expected));
    assert_eq!(upstream.count(PURCHASE), 3);
}

#[test]
fn of_many_at_once_at_the_last_place_one_passes() {
    last_place(1);
}

#[test]
fn of_many_at_once_at_the_last_place_one_passes_in_two_processes() {
    last_place(2);
}

#[test]
fn releases_and_imports_have_caps_that_two_processes_share() {
    let (upstream, home) = (Upstream::start(), tempfile::tempdir().unwrap());
    let ids: Vec<String> = (0..8).map(|nth| upstream.account(|account| account.add(&number(nth), true))).collect();
    let limits = ["--releases-per-day", "2", "--imports-per-day", "2"];
    let mut servers = servers(2, &upstream, home.path(), &limits);
    let import = |nth: usize| json!({ "phone_number": number(500 + nth), "provider_type": "telnyx", "api_key": "KEY0123456789" });
    let release = |id: &String| json!({ "number_id": id, "confirm": true });
    let calls: [Vec<(&str, Value)>; 2] = [
        ids.iter().map(|id| ("release_number", release(id))).collect(),
        (0..8).map(|nth| ("import_number", import(nth))).collect(),
    ];
    for calls in calls {
        let mut asked = vec![Vec::new(); 2];
        for (at, (tool, arguments)) in calls.into_iter().enumerate() {
            asked[at % 2].push(servers[at % 2].send_call(tool, arguments));
        }
        let counted = statuses(&mut servers, &asked);
        assert_eq!(counted.get("policy_denied"), Some(&6), "{counted:?}");
    }
    assert_eq!(upstream.changes(), 4);
}
