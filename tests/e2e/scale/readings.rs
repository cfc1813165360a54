//! Whole readings: what waits for them, what does not, and what follows from them.

use std::time::Duration;

use serde_json::json;

use super::large::{Large, LargeTruedy, agent_name, asked, number, state};
use crate::support::era::Era;
use crate::support::fake_truedy::{LIST, Play, Seen, UNASSIGN};
use crate::support::raw_client::{Called, Wire};

/// Calls until the answer is no longer that the list is still being read.
fn until_read(wire: &mut Wire, tool: &str, arguments: &serde_json::Value) -> Called {
    for _ in 0..60 {
        let called = wire.call(tool, arguments.clone());
        if called.status() != "still_reading" {
            return called;
        }
    }
    panic!("the whole list was never read");
}

/// Answers pages beyond the first only after a while.
fn slowly(truedy: &LargeTruedy, wait: Duration) {
    truedy.on(LIST, move |account, seen| {
        let page = account.list(seen);
        if asked(seen, "offset", 0) == 0 { page } else { Play::After(wait, Box::new(page)) }
    });
}

#[test]
fn a_call_that_needs_the_whole_list_says_how_far_it_is() {
    let truedy = LargeTruedy::start(6_000, 5, 100);
    slowly(&truedy, Duration::from_millis(400));
    let mut wire = Wire::open(truedy.server(&state()), Era::Legacy);
    let first = wire.call("list_numbers", json!({ "unassigned": true, "limit": 5 }));
    assert_eq!(first.status(), "still_reading", "{}", first.0);
    assert_eq!((&first.object()["retryable"], &first.object()["numbers_total"]), (&json!(true), &json!(6_000)));
    assert!(first.object()["numbers_read"].as_u64() > Some(99), "{}", first.0);
    // A number of the newest page is found meanwhile, and changed.
    let assign = json!({ "number_id": number(5_998), "agent_id": agent_name(2), "assignment_type": "outbound" });
    assert_eq!(wire.call("assign_number", assign).status(), "assigned");
    let buy = json!({ "phone_number": "+12125550142", "confirm": true });
    assert_eq!(wire.call("purchase_number", buy).status(), "purchased");
    let done = until_read(&mut wire, "list_numbers", &json!({ "unassigned": true, "limit": 5 }));
    // 600 had agents, one was given one, and one was bought.
    assert_eq!((done.status(), &done.object()["total"]), ("ok", &json!(5_400)), "{}", done.0);
    assert!(done.object()["as_of"].is_string(), "{}", done.0);
    let requests = truedy.requests();
    let again = wire.call("list_numbers", json!({ "unassigned": true, "limit": 5 }));
    assert_eq!((again.status(), truedy.requests() - requests), ("ok", 1), "only the agents are read: {}", again.0);
}

#[test]
fn a_call_that_waits_for_the_rate_limit_says_for_how_long() {
    let truedy = LargeTruedy::start(6_000, 5, 100);
    let mut wire = Wire::open(truedy.server_within(&state(), "20"), Era::Modern);
    let called = wire.call("list_numbers", json!({ "unassigned": true, "limit": 5 }));
    assert_eq!(called.status(), "still_reading", "{}", called.0);
    let seconds = called.object()["retry_after_seconds"].as_u64();
    assert!(seconds > Some(20) && seconds < Some(70), "a minute's share is used up: {}", called.0);
    assert!(called.summary().contains(&format!("Call again in {} s.", seconds.unwrap())), "{}", called.0);
}

#[test]
fn own_changes_are_seen_at_once_in_a_list_that_was_read_before() {
    let truedy = LargeTruedy::start(300, 5, 100);
    let mut wire = Wire::open(truedy.server(&state()), Era::Modern);
    let count = |wire: &mut Wire, filter: serde_json::Value| {
        let called = until_read(wire, "list_numbers", &filter);
        called.object()["total"].as_u64().unwrap_or_else(|| panic!("{}", called.0))
    };
    let unused = json!({ "unassigned": true });
    assert_eq!(count(&mut wire, unused.clone()), 270);
    let assign = json!({ "number_id": number(7), "agent_id": agent_name(1), "assignment_type": "inbound" });
    assert_eq!(wire.call("assign_number", assign).status(), "assigned");
    assert_eq!(count(&mut wire, unused.clone()), 269);
    let unassign = json!({ "number_id": number(7), "assignment_type": "inbound" });
    assert_eq!(wire.call("unassign_number", unassign).status(), "unassigned");
    assert_eq!(count(&mut wire, unused.clone()), 270);
    assert_eq!(wire.call("release_number", json!({ "number_id": number(9), "confirm": true })).status(), "released");
    assert_eq!(count(&mut wire, unused.clone()), 269);
    let buy = json!({ "phone_number": "+12125550142", "confirm": true });
    assert_eq!(wire.call("purchase_number", buy).status(), "purchased");
    assert_eq!(count(&mut wire, unused), 270);
    let gone = wire.call("diagnose_number", json!({ "number_id": number(9) }));
    assert!(gone.0.to_string().contains("not in this account"), "{}", gone.0);
}

#[test]
fn a_number_beyond_any_bound_is_found_and_only_the_whole_list_denies_one() {
    let truedy = LargeTruedy::start(8_000, 5, 100);
    let mut wire = Wire::open(truedy.server(&state()), Era::Legacy);
    let oldest = until_read(&mut wire, "diagnose_number", &json!({ "number_id": number(3) }));
    assert_eq!(oldest.status(), "ok", "{}", oldest.0);
    let none = json!({ "number_id": "+12125550199", "assignment_type": "inbound" });
    assert_eq!(until_read(&mut wire, "unassign_number", &none).status(), "not_found");
    // Somebody else buys it. It stands at the top, so it is found although the whole list was read before.
    truedy.account(|account| account.add("+12125550199"));
    assert_eq!(wire.call("unassign_number", none).status(), "unassigned");
}

#[test]
fn a_released_number_is_verified_by_its_page_and_its_neighbours() {
    let truedy = LargeTruedy::start(1_000, 5, 100);
    let mut wire = Wire::open(truedy.server(&state()), Era::Modern);
    let called = until_read(&mut wire, "release_number", &json!({ "number_id": number(333), "confirm": true }));
    assert_eq!(called.status(), "released", "{}", called.0);
    assert_eq!((&called.object()["verified"], &called.object()["verified_by"]), (&json!(true), &json!("page")));
    let small = LargeTruedy::start(20, 5, 100);
    let mut wire = Wire::open(small.server(&state()), Era::Modern);
    let called = wire.call("release_number", json!({ "number_id": number(3), "confirm": true }));
    assert_eq!((called.status(), &called.object()["verified_by"]), ("released", &json!("list")), "{}", called.0);
}

#[test]
fn a_purchase_whose_answer_is_lost_is_found_on_the_newest_page() {
    let truedy = LargeTruedy::start(20_000, 5, 100);
    truedy.on(crate::support::fake_truedy::PURCHASE, |account, seen| {
        account.add(&seen.says("phone_number"));
        Play::Close
    });
    let mut wire = Wire::open(truedy.server(&state()), Era::Legacy);
    let before = truedy.requests();
    let called = wire.call("purchase_number", json!({ "phone_number": "+12125550142", "confirm": true }));
    assert_eq!(called.status(), "purchased", "{}", called.0);
    assert!(truedy.requests() - before <= 12, "{} requests", truedy.requests() - before);
}

#[test]
fn an_older_row_of_the_number_leaves_a_lost_purchase_unknown() {
    let truedy = LargeTruedy::start(2_000, 5, 100);
    // The account has the number already, far down where nobody has looked. It moves to the top when Truedy is asked.
    truedy.on(crate::support::fake_truedy::PURCHASE, |account, seen| {
        let at = account.rows.iter().position(|row| row.number == seen.says("phone_number")).expect("it is there");
        let row = account.rows.remove(at);
        account.rows.insert(0, row);
        Play::Close
    });
    let mut wire = Wire::open(truedy.server(&state()), Era::Legacy);
    let id = wire.send_call("purchase_number", json!({ "phone_number": number(5), "confirm": true }));
    let called = wire.called(id);
    assert!(["outcome_unknown", "in_progress"].contains(&called.status()), "{}", called.0);
    let listed = wire.call("list_operations", json!({}));
    assert!(!listed.0.to_string().contains("not_bought"), "{}", listed.0);
}

#[test]
fn a_row_that_only_looks_like_the_number_does_not_keep_a_call_reading() {
    let truedy = LargeTruedy::start(2_000, 5, 100);
    // The newest row has the same digits, in a notation that is not certainly the number.
    let odd = number(1_999).replace('+', "00");
    truedy.account(|account| account.rows[0].number.clone_from(&odd));
    slowly(&truedy, Duration::from_millis(300));
    let mut wire = Wire::open(truedy.server(&state()), Era::Legacy);
    let named = json!({ "number_id": number(1_999), "assignment_type": "inbound" });
    assert_eq!(until_read(&mut wire, "unassign_number", &named).status(), "not_found");
    // The whole list takes 22 requests, and each call a few more.
    assert!(truedy.requests() <= 60, "{} requests", truedy.requests());
}

/// Asks for a number that nobody has, with this rule for the list. Returns the answer and how many requests it took.
fn ask_for_an_absent_number(
    numbers: usize,
    rule: impl FnMut(&mut Large, &Seen) -> Play + Send + 'static,
) -> (Called, usize) {
    let truedy = LargeTruedy::start(numbers, 5, 100);
    truedy.on(LIST, rule);
    let mut wire = Wire::open(truedy.server(&state()), Era::Legacy);
    let none = json!({ "number_id": "+12125550199", "assignment_type": "inbound" });
    let called = until_read(&mut wire, "unassign_number", &none);
    let sent = truedy.upstream.seen();
    assert!(!sent.iter().any(|seen| seen.is(UNASSIGN)), "{}", called.0);
    (called, sent.len())
}

#[test]
fn a_list_that_grows_by_more_than_a_page_while_it_is_read_is_read_as_a_whole() {
    let mut pages = 0;
    let (called, requests) = ask_for_an_absent_number(2_000, move |account, seen| {
        pages += usize::from(asked(seen, "offset", 0) > 0);
        if pages == 9 {
            (0..350).for_each(|n| drop(account.add(&format!("+1646{n:07}"))));
        }
        account.list(seen)
    });
    assert_eq!(called.status(), "not_found", "{}", called.0);
    assert!(requests < 42, "one reading: {requests} requests");
}

#[test]
fn a_newest_page_whose_rows_were_all_shown_before_does_not_end_the_list() {
    let truedy = LargeTruedy::start(300, 5, 100);
    let mut wire = Wire::open(truedy.server(&state()), Era::Modern);
    let named = json!({ "number_id": number(229), "assignment_type": "inbound" });
    assert_eq!(until_read(&mut wire, "unassign_number", &named).status(), "unassigned");
    // The number leaves. It is looked for where it stood, and above. Then the rows above leave, too.
    truedy.account(|account| account.rows.retain(|row| row.number != number(229)));
    truedy.on(LIST, |account, seen| {
        if asked(seen, "offset", 0) == 0 && account.rows.len() == 299 {
            account.rows.drain(..40);
        }
        account.list(seen)
    });
    assert_eq!(until_read(&mut wire, "unassign_number", &named).status(), "not_found");
}

#[test]
fn a_list_that_moved_so_much_that_it_was_not_read_as_a_whole_is_read_once_more() {
    let mut others = 0;
    let (called, requests) = ask_for_an_absent_number(2_000, move |account, seen| {
        // A reading has 20 pages behind the first. At the end of the first reading, and at the begin of the second, the
        // first page tells 500 numbers more.
        let first = asked(seen, "offset", 0) == 0;
        others += usize::from(!first);
        account.untold = if first && (1..35).contains(&others) { 500 } else { 0 };
        account.list(seen)
    });
    assert_eq!(called.status(), "not_found", "{}", called.0);
    assert!(requests > 42, "two readings of 21 pages: {requests} requests");
}

#[test]
fn a_list_that_is_never_read_as_a_whole_proves_no_absence() {
    // A total that stays wrong would be wrong in a second reading too.
    let (called, requests) = ask_for_an_absent_number(2_000, |account, seen| {
        account.untold = 1;
        account.list(seen)
    });
    assert_eq!(
        (called.status(), &called.object()["retryable"]),
        ("bad_upstream_response", &json!(true)),
        "{}",
        called.0
    );
    assert!(requests < 35, "one reading: {requests} requests");
    let mut pages = 0;
    let (called, requests) = ask_for_an_absent_number(2_000, move |account, seen| {
        pages += 1;
        account.untold = 500 + pages;
        account.list(seen)
    });
    assert_eq!(called.status(), "bad_upstream_response", "{}", called.0);
    assert!((42..150).contains(&requests), "two readings, each with a few pages again: {requests} requests");
}

#[test]
fn a_number_that_appears_below_the_newest_page_is_found_although_the_list_was_read_before() {
    let truedy = LargeTruedy::start(300, 5, 100);
    let mut wire = Wire::open(truedy.server(&state()), Era::Legacy);
    assert_eq!(until_read(&mut wire, "list_numbers", &json!({ "unassigned": true })).status(), "ok");
    // It was created earlier than others, for example because it was imported with its date.
    truedy.account(|account| account.add_twin("+12125550199", 200));
    let named = json!({ "number_id": "+12125550199", "assignment_type": "inbound" });
    assert_eq!(until_read(&mut wire, "unassign_number", &named).status(), "unassigned");
}

#[test]
fn a_newest_number_at_the_end_of_the_list_is_found_although_another_one_left() {
    let truedy = LargeTruedy::start(300, 5, 100);
    truedy.account(Large::turn);
    let mut wire = Wire::open(truedy.server(&state()), Era::Legacy);
    assert_eq!(until_read(&mut wire, "list_numbers", &json!({ "unassigned": true })).status(), "ok");
    truedy.account(|account| {
        account.rows.remove(150);
        account.add_twin("+12125550199", 299);
    });
    let named = json!({ "number_id": "+12125550199", "assignment_type": "inbound" });
    assert_eq!(until_read(&mut wire, "unassign_number", &named).status(), "unassigned");
}

#[test]
fn a_total_that_is_out_of_date_makes_no_part_of_a_list_the_whole() {
    for behind in [-20, -150, -1_000] {
        let truedy = LargeTruedy::start(1_000, 5, 100);
        truedy.account(|account| account.untold = behind);
        let mut wire = Wire::open(truedy.server(&state()), Era::Modern);
        let oldest = json!({ "number_id": number(1), "assignment_type": "inbound" });
        assert_eq!(until_read(&mut wire, "unassign_number", &oldest).status(), "unassigned", "{behind}");
        let listed = until_read(&mut wire, "list_numbers", &json!({ "unassigned": true, "limit": 1 }));
        assert_eq!(listed.object()["total"], json!(900), "{behind}: {}", listed.0);
    }
}

#[test]
fn a_purchase_reads_a_list_of_unknown_length_once() {
    let truedy = LargeTruedy::start(1_000, 5, 100);
    truedy.on(LIST, |account, seen| match account.list(seen) {
        Play::Answer(mut reply) => {
            let mut body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
            body["pagination"].as_object_mut().unwrap().remove("total");
            reply.body = body.to_string().into();
            Play::Answer(reply)
        }
        other => other,
    });
    let mut wire = Wire::open(truedy.server(&state()), Era::Legacy);
    let buy = |n: u32| json!({ "phone_number": format!("+1212555{n:04}"), "confirm": true });
    assert_eq!(until_read(&mut wire, "purchase_number", &buy(142)).status(), "purchased");
    truedy.until_quiet();
    let before = truedy.requests();
    assert_eq!(wire.call("purchase_number", buy(143)).status(), "purchased");
    let requests = truedy.requests() - before;
    assert!(requests <= 6, "a reading that ended before counts, with the newest page: {requests} requests");
}
