//! Purchases that take long or whose answer is lost: what is told meanwhile, and what is known in the end.
//!
//! These stories wait for the bounds of real calls. They are told all at once by the first test that needs one, and each
//! test looks at its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::scene::{NUMBER, OTHER, THIRD, buy, buy_knowing, is, journal, keeper, leave, only, open, until};
use crate::support::era::Era;
use crate::support::fake_truedy::{LIST, PURCHASE, Play, Upstream};
use crate::support::program::LONG;
use crate::support::raw_client::{Called, Wire};

/// The bound every call keeps, a slow machine's share included.
const BOUND: Duration = Duration::from_secs(26);

/// Each story under its name.
const STORIES: [(&str, fn()); 9] = [
    ("a minute", a_minute),
    ("the input ends", the_input_ends),
    ("lost: 422", || lost(|account_says| Play::json(422, &account_says))),
    ("lost: closed", || lost(|_| Play::Close)),
    ("lost: 500", || lost(|_| Play::json(500, &json!({ "error": { "message": "An internal error occurred" } })))),
    ("silence, then the end", silence_then_the_end),
    ("SIGTERM early", || ended_while_preparing(Duration::from_secs(8))),
    ("SIGTERM late", || ended_while_preparing(Duration::from_millis(600))),
    ("locked", super::unusable::many_changes_on_a_locked_journal),
];

static TOLD: LazyLock<Vec<(&str, Result<(), String>)>> = LazyLock::new(|| {
    thread::scope(|scope| {
        let told = STORIES.map(|(name, story)| (name, scope.spawn(move || ended(story))));
        told.into_iter().map(|(name, story)| (name, story.join().unwrap())).collect()
    })
});

/// How a story ends: well, or with these words.
fn ended(story: fn()) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(story)).map_err(|why| {
        let word = why.downcast_ref::<&str>().map(|word| (*word).to_owned());
        why.downcast_ref::<String>().cloned().or(word).unwrap_or_default()
    })
}

/// Ends as the story of this name ended.
fn tell(name: &str) {
    let (_, ended) = TOLD.iter().find(|(told, _)| *told == name).expect("a story of this name");
    if let Err(why) = ended {
        panic!("{name}: {why}");
    }
}

/// An answer within the bound that every call keeps.
fn in_time(wire: &mut Wire, id: u64) -> Called {
    let since = Instant::now();
    let called = wire.called(id);
    assert!(since.elapsed() < BOUND, "answered after {:?}", since.elapsed());
    called
}

fn state_of(wire: &mut Wire, id: &Value) -> Value {
    let listed = wire.call("list_operations", json!({ "id": id }));
    listed.object()["operations"][0]["state"].clone()
}

fn a_minute() {
    let (upstream, home) = (Upstream::start(), tempfile::tempdir().unwrap());
    upstream.always(PURCHASE, Play::After(Duration::from_secs(60), Box::new(Play::Usual)));
    let mut wire = open(&upstream, home.path(), &[]);
    let asked = wire.send_call("purchase_number", buy(NUMBER));
    upstream.wait_for(PURCHASE, 1);
    // Meanwhile others read, and nobody buys the same again.
    assert_eq!(wire.call("list_numbers", json!({})).status(), "ok");
    assert_eq!(wire.call("purchase_number", buy(NUMBER)).status(), "duplicate_in_flight");
    let called = in_time(&mut wire, asked);
    assert_eq!(called.status(), "in_progress", "{}", called.0);
    let id = called.object()["operation_id"].clone();
    assert!(id.is_string() && called.summary().contains("list_operations"), "{}", called.0);
    assert_eq!(state_of(&mut wire, &id), json!("sent"));
    assert_eq!(wire.call("purchase_number", buy(NUMBER)).status(), "duplicate_in_flight");
    until("the operation is done", || state_of(&mut wire, &id) == json!("done"));
    is(&only(home.path()), "done", "purchased", Some("answer"));
    assert_eq!(wire.call("purchase_number", buy(NUMBER)).status(), "already_owned");
    assert_eq!(upstream.count(PURCHASE), 1);
}

#[test]
fn a_purchase_of_a_minute_is_in_progress_and_then_done() {
    tell("a minute");
}

fn the_input_ends() {
    let (upstream, home) = (Upstream::start(), tempfile::tempdir().unwrap());
    upstream.always(PURCHASE, Play::After(Duration::from_secs(30), Box::new(Play::Usual)));
    let mut wire = open(&upstream, home.path(), &[]);
    wire.send_call("purchase_number", buy(NUMBER));
    upstream.wait_for(PURCHASE, 1);
    wire.running.close();
    let since = Instant::now();
    assert_eq!(wire.running.ended(LONG), Some(0));
    assert!(since.elapsed() < BOUND);
    // Nobody waits for the answer any more, and Truedy has not bought it yet.
    let lost = only(home.path());
    is(&lost, "unknown", "outcome_unknown", None);
    let mut next = open(&upstream, home.path(), &[]);
    assert_eq!(next.call("purchase_number", buy(NUMBER)).status(), "duplicate_in_flight");
    until("the number shows", || state_of(&mut next, &lost["id"]) == json!("done"));
    is(&only(home.path()), "done", "purchased", Some("look"));
    assert_eq!(upstream.count(PURCHASE), 1);
}

#[test]
fn a_purchase_that_outlives_its_process_is_found_by_the_next() {
    tell("the input ends");
}

/// A purchase that is made, whose answer is lost, and which the list does not show at first.
fn lost(answer: impl Fn(Value) -> Play + Send + 'static) {
    let (upstream, home) = (Upstream::start(), tempfile::tempdir().unwrap());
    let hidden = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let hides = std::sync::Arc::clone(&hidden);
    upstream.on(LIST, move |seen, account| {
        if !hides.load(std::sync::atomic::Ordering::SeqCst) {
            return Play::Usual;
        }
        let mut shown = account.clone();
        shown.numbers.retain(|row| row["phone_number"] != json!(NUMBER));
        Play::Answer(shown.usual(seen))
    });
    upstream.on(PURCHASE, move |seen, account| {
        let usual = account.usual(seen);
        if seen.says("phone_number") != NUMBER {
            return Play::Answer(usual);
        }
        answer(json!({ "error": { "code": "validation_error", "message": "Failed to purchase number: Telnyx API request failed: ReadTimeout" } }))
    });
    let mut wire = open(&upstream, home.path(), &[]);
    let asked = wire.send_call("purchase_number", buy(NUMBER));
    until("its answer is lost", || journal(home.path()).iter().any(|one| one["state"] == json!("unknown")));
    let called = in_time(&mut wire, asked);
    assert_eq!(called.status(), "outcome_unknown", "{}", called.0);
    let id = called.object()["operation_id"].as_str().expect("an id").to_owned();

    // In this process, in another one and after a restart.
    let mut second = open(&upstream, home.path(), &[]);
    for server in [&mut wire, &mut second] {
        let instead = server.call("purchase_number", buy(OTHER));
        assert_eq!(instead.status(), "operation_unresolved", "{}", instead.0);
        assert_eq!(instead.object()["acknowledge_unresolved"], json!([id]));
    }
    let knowing = second.call("purchase_number", buy_knowing(OTHER, &[&id]));
    assert_eq!(knowing.status(), "purchased", "{}", knowing.0);
    leave(second);
    let mut third = open(&upstream, home.path(), &[]);
    for server in [&mut wire, &mut third] {
        let again = server.call("purchase_number", buy_knowing(NUMBER, &[&id]));
        assert_eq!((again.status(), &again.object()["operation_id"]), ("duplicate_in_flight", &json!(id)));
    }
    // Once told is enough.
    assert_eq!(third.call("purchase_number", buy(THIRD)).status(), "purchased");

    // Whoever reads the list and sees it settles it.
    hidden.store(false, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(wire.call("list_numbers", json!({})).status(), "ok");
    let found = journal(home.path()).into_iter().find(|one| one["id"] == json!(id)).unwrap();
    is(&found, "done", "purchased", Some("look"));
    assert_eq!(upstream.count(PURCHASE), 3);
}

#[test]
fn a_purchase_whose_answer_is_lost_stands_in_the_way_until_it_is_known() {
    for how in ["lost: 422", "lost: closed", "lost: 500"] {
        tell(how);
    }
}

/// Truedy buys and never answers; then the process is killed.
fn silence_then_the_end() {
    let (upstream, home) = (Upstream::start(), tempfile::tempdir().unwrap());
    upstream.on(PURCHASE, |seen, account| {
        account.usual(seen);
        Play::Never
    });
    let mut wire = open(&upstream, home.path(), &[]);
    let asked = wire.send_call("purchase_number", buy(NUMBER));
    let called = in_time(&mut wire, asked);
    assert_eq!(called.status(), "in_progress", "{}", called.0);
    wire.running.kill();
    let id = called.object()["operation_id"].clone();
    is(&only(home.path()), "unknown", "outcome_unknown", None);
    let mut next = open(&upstream, home.path(), &[]);
    assert_eq!(state_of(&mut next, &id), json!("done"));
    assert_eq!(upstream.count(PURCHASE), 1);
}

#[test]
fn a_purchase_without_an_answer_is_found_after_the_end_of_its_process() {
    tell("silence, then the end");
}

/// SIGTERM while the list is read before a purchase, which takes so long.
fn ended_while_preparing(list_takes: Duration) {
    let (upstream, home) = (Upstream::start(), tempfile::tempdir().unwrap());
    upstream.always(LIST, Play::After(list_takes, Box::new(Play::Usual)));
    let mut wire = Wire::open(keeper(&upstream, home.path()), Era::Modern);
    let asked = wire.send_call("purchase_number", buy(NUMBER));
    upstream.wait_for(LIST, 1);
    wire.running.signal(Signal::TERM);
    let called = in_time(&mut wire, asked);
    assert_eq!(wire.running.ended(LONG), Some(0));
    match called.status() {
        "purchased" => {
            assert_eq!(upstream.count(PURCHASE), 1);
            is(&only(home.path()), "done", "purchased", Some("answer"));
        }
        "cancelled" | "upstream_unavailable" => {
            assert!(called.summary().starts_with("Nothing was bought."), "{}", called.0);
            assert_eq!(upstream.changes(), 0);
            nothing_is_open(home.path());
        }
        other => panic!("{other}: {}", called.0),
    }
}

fn nothing_is_open(state: &Path) {
    let open = journal(state).into_iter().filter(|one| one["state"] != json!("refused")).collect::<Vec<_>>();
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn a_signal_while_a_purchase_is_prepared_leaves_no_doubt() {
    tell("SIGTERM early");
    tell("SIGTERM late");
}

#[test]
fn many_changes_on_a_locked_journal_are_refused_in_time() {
    tell("locked");
}
