//! A Truedy that never answers: every call is answered in time, and what is not known is not denied.
//!
//! What takes long is started all at once by the first test that needs it, and each test looks at its part.

use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::account::{CHANGES, NUMBER, READS, busy, one_of_each};
use super::changes::{Changes, assignments, imports, purchases, releases};
use crate::support::era::Era;
use crate::support::expected;
use crate::support::fake_truedy::{LIST, Play, RELEASE, Reply, SEARCH, Upstream};
use crate::support::program::server;
use crate::support::raw_client::{Called, Wire};

/// The bound every call keeps, a slow machine's share included.
pub(super) const BOUND: Duration = Duration::from_secs(26);

pub(super) struct Silence {
    what: &'static str,
    answers: Vec<(&'static str, Called)>,
    took: Duration,
    changes: usize,
}

fn silent(what: &'static str, upstream: &Upstream, calls: Vec<(&'static str, Value)>) -> Silence {
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Modern);
    let start = Instant::now();
    let ids: Vec<(&str, u64)> =
        calls.into_iter().map(|(tool, arguments)| (tool, wire.send_call(tool, arguments))).collect();
    let answers = ids.into_iter().map(|(tool, id)| (tool, wire.called(id))).collect();
    Silence { what, answers, took: start.elapsed(), changes: upstream.changes() }
}

fn silences() -> Vec<Silence> {
    thread::scope(|scope| {
        let mut all = Vec::new();
        for (what, play) in [
            ("nothing is answered", Play::Never),
            ("a byte a second", Play::Drip(Reply::json(200, &json!({ "data": ["x".repeat(60)] })))),
            ("endless chunks", Play::Endless),
        ] {
            all.push(scope.spawn(move || {
                let upstream = busy();
                for route in READS.into_iter().chain(CHANGES) {
                    upstream.always(route, play.clone());
                }
                silent(what, &upstream, one_of_each())
            }));
        }
        all.push(scope.spawn(|| {
            let upstream = busy();
            for route in CHANGES.into_iter().chain([SEARCH]) {
                upstream.always(route, Play::Never);
            }
            silent("changes are not answered", &upstream, one_of_each())
        }));
        let changing = expected::changing();
        let changes = one_of_each().into_iter().filter(|(tool, _)| changing.contains(tool));
        for (call, route) in changes.zip(CHANGES) {
            all.push(scope.spawn(move || {
                let upstream = busy();
                let mute = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
                for read in READS {
                    let mute = std::sync::Arc::clone(&mute);
                    upstream.on(read, move |_, _| {
                        if mute.load(std::sync::atomic::Ordering::SeqCst) { Play::Never } else { Play::Usual }
                    });
                }
                upstream.on(route, move |_, _| {
                    mute.store(true, std::sync::atomic::Ordering::SeqCst);
                    Play::Never
                });
                silent("silence from the change on", &upstream, vec![call])
            }));
        }
        all.into_iter().map(|part| part.join().unwrap()).collect()
    })
}

/// A release that is lost, after which the list cannot be read; the answer and how many were sent.
fn blind_release() -> (Called, usize) {
    let upstream = busy();
    let mut lost = false;
    upstream.on(RELEASE, |_, account| {
        account.numbers.clear();
        Play::Reset
    });
    upstream.on(LIST, move |_, account| {
        lost |= account.numbers.is_empty();
        if lost { Play::Answer(Reply::empty(400)) } else { Play::Usual }
    });
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Modern);
    let called = wire.call("release_number", json!({ "number_id": NUMBER, "confirm": true }));
    (called, upstream.count(RELEASE))
}

pub(crate) struct Slow {
    pub(crate) endings: Vec<crate::cli::stdio::ending::End>,
    pub(super) purchases: Vec<Changes>,
    pub(super) imports: Vec<Changes>,
    pub(super) releases: Vec<Changes>,
    pub(super) assignments: Vec<Changes>,
    pub(super) silences: Vec<Silence>,
    pub(super) blind_release: (Called, usize),
}

pub(crate) static SLOW: LazyLock<Slow> = LazyLock::new(|| {
    thread::scope(|scope| {
        let (purchases, imports, releases) = (scope.spawn(purchases), scope.spawn(imports), scope.spawn(releases));
        let (assignments, silences) = (scope.spawn(assignments), scope.spawn(silences));
        let (blind_release, endings) = (scope.spawn(blind_release), scope.spawn(crate::cli::stdio::ending::endings));
        Slow {
            endings: endings.join().unwrap(),
            purchases: purchases.join().unwrap(),
            imports: imports.join().unwrap(),
            releases: releases.join().unwrap(),
            assignments: assignments.join().unwrap(),
            silences: silences.join().unwrap(),
            blind_release: blind_release.join().unwrap(),
        }
    })
});

#[test]
fn every_tool_answers_within_26_seconds_when_truedy_never_does() {
    for silence in &SLOW.silences {
        assert!(silence.took < BOUND, "{}: {:?}", silence.what, silence.took);
        assert!(silence.answers.iter().all(|(_, called)| called.object()["status"].is_string()), "{}", silence.what);
    }
    assert_eq!(SLOW.silences.iter().map(|silence| silence.answers.len()).sum::<usize>(), 53);
}

#[test]
fn silence_from_the_start_on_changes_nothing_and_says_so() {
    for silence in SLOW.silences.iter().take(3) {
        assert_eq!(silence.changes, 0, "{}", silence.what);
        for (tool, called) in &silence.answers {
            assert_eq!(called.status(), "upstream_unavailable", "{}, {tool}: {}", silence.what, called.0);
            assert!(called.summary().starts_with("Nothing "), "{}, {tool}: {}", silence.what, called.0);
        }
    }
}

#[test]
fn silence_after_a_change_was_sent_leaves_its_outcome_unknown() {
    let last: Vec<&(&str, Called)> = SLOW.silences.iter().skip(4).flat_map(|silence| &silence.answers).collect();
    assert_eq!(last.len(), 5);
    for (tool, called) in last {
        // What makes something may take Truedy minutes: it is still awaited.
        let awaited = ["purchase_number", "import_number"].contains(tool);
        assert_eq!(called.status(), if awaited { "in_progress" } else { "outcome_unknown" }, "{tool}: {}", called.0);
        assert!(called.summary().contains("list_"), "{tool}: {}", called.0);
        assert_eq!(called.object()["next"]["tool"], "list_operations", "{tool}: {}", called.0);
    }
    assert!(SLOW.silences.iter().skip(4).all(|silence| silence.changes == 1));
}
