//! What becomes of a call when the network or Truedy fails: nothing is done twice, nothing is denied that may have
//! happened, and every call is answered in time.
//!
//! What takes long is started all at once by the first test that needs it, and each test looks at its part.

use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::era::Era;
use crate::support::expected;
use crate::support::fake_truedy::{
    AGENT_NUMBERS, AGENTS, ASSIGN, CREDENTIALS, FRONT_DESK, FRONT_OFFICE, IMPORT, LIST, PREFIX, PURCHASE, Play,
    RELEASE, Reply, SEARCH, Seen, UNASSIGN, Upstream, WEBHOOK,
};
use crate::support::program::{KEY, at_once, nobody, server, server_within};
use crate::support::raw_client::{Called, Wire};

/// The bound every call keeps, a slow machine's share included.
const BOUND: Duration = Duration::from_secs(26);

// --- Changes under every fault -----------------------------------------------------------------------------------

/// A way to fail; it is given the answer that would have been right.
struct Fault {
    name: &'static str,
    play: Box<dyn Fn(Reply) -> Play + Send>,
}

fn fault(name: &'static str, play: impl Fn(Reply) -> Play + Send + 'static) -> Fault {
    Fault { name, play: Box::new(play) }
}

fn says(name: &'static str, status: u16, body: Value) -> Fault {
    fault(name, move |_| Play::json(status, &body))
}

fn error(code: &str, message: &str) -> Value {
    json!({ "error": { "code": code, "message": message, "details": {} }, "meta": { "request_id": "req-1" } })
}

const HTML: &str = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>";

/// Failures that leave open whether a change took place. `elsewhere` is the address of another host.
fn unclear(elsewhere: &str) -> Vec<Fault> {
    let (found, moved) = (format!("{elsewhere}/taken"), format!("{elsewhere}/kept"));
    let nginx = json!({ "error": { "code": "server_error", "message": "Backend server is currently unreachable" } });
    vec![
        fault("reset", |_| Play::Reset),
        fault("closed", |_| Play::Close),
        fault("silence", |_| Play::Never),
        fault("endless chunks", |_| Play::Endless),
        fault("one byte a second", Play::Drip),
        fault("cut", Play::Cut),
        fault("longer than announced", Play::Overrun),
        says("500", 500, error("internal_error", "An internal error occurred")),
        fault("500 of a proxy", move |_| Play::Answer(Reply::text(500, "text/plain", nginx.to_string()))),
        fault("502 HTML", |_| Play::Answer(Reply::text(502, "text/html", HTML))),
        fault("503 empty", |_| Play::Answer(Reply::empty(503))),
        fault("504 HTML", |_| Play::Answer(Reply::text(504, "text/html", HTML))),
        says("408", 408, error("timeout", "Request timeout")),
        says("425", 425, error("early", "Too early")),
        fault("403 HTML", |_| Play::Answer(Reply::text(403, "text/html", HTML))),
        fault("200 HTML", |_| Play::Answer(Reply::text(200, "text/html", HTML))),
        fault("200 of another type", |right| Play::Answer(Reply::text(200, "text/plain", right.body))),
        fault("200 of 3 MiB", |_| Play::json(200, &json!({ "data": { "text": "x".repeat(3 << 20) } }))),
        fault("200 compressed", |_| {
            let garbage = [&[0x1f, 0x8b, 8, 0][..], &[0xa5; 200]].concat();
            Play::Answer(Reply::text(200, "application/json", garbage).header("Content-Encoding", "gzip"))
        }),
        fault("200 not UTF-8", |_| {
            Play::Answer(Reply::text(200, "application/json", b"{\"data\":\"\xff\xfe\"}".to_vec()))
        }),
        fault("200 nested deeply", |_| {
            Play::Answer(Reply::text(200, "application/json", "[".repeat(5_000) + &"]".repeat(5_000)))
        }),
        fault("302 elsewhere", move |_| Play::Answer(Reply::redirect(302, &found))),
        fault("307 elsewhere", move |_| Play::Answer(Reply::redirect(307, &moved))),
        fault("308 with a slash", |_| Play::Answer(Reply::redirect(308, "purchase/"))),
        fault("307 to another path", |_| Play::Answer(Reply::redirect(307, "/api/public/v2/telephony"))),
    ]
}

/// A yes without a word of what was done.
fn bare_yes() -> Vec<Fault> {
    vec![
        fault("200 empty", |_| Play::Answer(Reply::text(200, "application/json", ""))),
        fault("200 empty without a type", |_| Play::Answer(Reply::empty(200))),
        fault("204", |_| Play::Answer(Reply::empty(204))),
    ]
}

/// What only purchase and import leave open: Truedy wraps all that goes wrong in 422, after the order too.
fn wrapped() -> Vec<Fault> {
    vec![
        says(
            "422 timed out",
            422,
            error("validation_error", "Failed to purchase number: Telnyx API request failed: timed out"),
        ),
        says("422 database", 422, error("validation_error", "Failed to import number: connection to server lost")),
        says(
            "422 carrier unsure",
            422,
            error("validation_error", "Failed to purchase number: Telnyx API error: 503 - down"),
        ),
        // Words of a refusal beside words of a failure on the way: the failure counts.
        says(
            "422 carrier or not",
            422,
            error("validation_error", "Failed to purchase number: Telnyx API error: 400 - request failed"),
        ),
        says(
            "422 required or not",
            422,
            error("validation_error", "Telnyx API request failed: connection required a restart"),
        ),
        fault("422 empty", |_| Play::Answer(Reply::empty(422))),
        fault("422 HTML", |_| Play::Answer(Reply::text(422, "text/html", HTML))),
        says("429 of somebody else", 429, error("too_many_orders", "Telnyx: slow down")),
    ]
}

/// Refusals that come before the deed, and their status.
fn refusals() -> Vec<(Fault, &'static str)> {
    let fields = json!({ "detail": [{ "type": "missing", "loc": ["body", "phone_number"], "msg": "Field required", "input": {} }] });
    let field = json!({ "error": { "code": "validation_error", "message": "Invalid request",
        "details": { "field": "phone_number", "reason": "Must be in E.164 format" } } });
    let tail = |text: &str| error("validation_error", &format!("Failed to purchase number: {text}"));
    vec![
        (says("422 fields", 422, fields), "upstream_rejected"),
        (says("422 field", 422, field), "upstream_rejected"),
        (says("422 not configured", 422, tail("Telnyx API key is not configured")), "provider_not_configured"),
        (says("422 carrier said no", 422, tail("Telnyx API error: 422 - no longer available")), "upstream_rejected"),
        (says("422 carrier key", 422, tail("Telnyx API error: 401 - bad key")), "upstream_rejected"),
        (says("400", 400, error("bad_request", "Malformed")), "upstream_rejected"),
        (says("401", 401, error("unauthorized", "Invalid or missing API key")), "auth_failed"),
        (says("402", 402, error("payment_required", "Trial expired")), "payment_required"),
        (says("403", 403, error("forbidden", "IP not allowed")), "forbidden"),
        (says("404", 404, error("not_found", "Not found")), "not_found"),
        (says("409", 409, error("conflict", "Conflict")), "upstream_rejected"),
        (says("415", 415, error("bad_type", "Unsupported media type")), "upstream_rejected"),
    ]
}

/// What came of one call under one fault.
struct Outcome {
    fault: &'static str,
    committed: bool,
    expected: &'static str,
    called: Called,
    /// How many requests to make this one change came.
    sent: usize,
}

impl Outcome {
    fn says(&self) -> String {
        format!("{} (committed: {}, sent {}): {}", self.fault, self.committed, self.sent, self.called.0)
    }
}

/// All outcomes of one kind of change.
struct Changes {
    outcomes: Vec<Outcome>,
    took: Duration,
    /// Connections that the host of the redirects saw.
    elsewhere: usize,
}

/// A call for each fault, all at once.
struct Trial {
    route: &'static str,
    tool: &'static str,
    arguments: fn(&str) -> Value,
    /// Makes the number that the call is about known beforehand.
    prepare: fn(&Upstream, &str),
}

impl Trial {
    /// Each row: how to fail, whether the change is made all the same, what the answer must be.
    fn run(&self, rows: Vec<(Fault, bool, &'static str)>, elsewhere: &Upstream) -> Changes {
        let upstream = Upstream::start();
        let number = |row: usize| format!("+1415555{:04}", 100 + row);
        (0..rows.len()).for_each(|row| (self.prepare)(&upstream, &number(row)));
        let ids: Vec<String> = upstream.account(|account| {
            let id = |row| account.numbers.iter().find(|n| n["phone_number"] == json!(number(row)))?["id"].as_str();
            (0..rows.len()).map(|row| id(row).unwrap_or_default().to_owned()).collect()
        });
        let named: Vec<(&str, bool, &str)> =
            rows.iter().map(|(fault, made, expected)| (fault.name, *made, *expected)).collect();
        let about = |row: usize| [number(row), ids[row].clone()];
        let subjects: Vec<[String; 2]> = (0..rows.len()).map(about).collect();
        let known = subjects.clone();
        upstream.on(self.route, move |seen, account| {
            let row = known.iter().position(|subject| concerns(seen, subject)).expect("a row");
            let (fault, commits, _) = &rows[row];
            let right = if *commits { account.usual(seen) } else { account.clone().usual(seen) };
            (fault.play)(right)
        });
        // A server for each: what one loses would stop the others.
        let open = |_| Wire::open(server(&upstream.base_url()), Era::Legacy);
        let mut wires: Vec<Wire> = (0..named.len()).map(open).collect();
        let start = Instant::now();
        let sends = wires.iter_mut().enumerate();
        let calls: Vec<u64> =
            sends.map(|(row, wire)| wire.send_call(self.tool, (self.arguments)(&number(row)))).collect();
        let answers: Vec<Called> = wires.iter_mut().zip(calls).map(|(wire, id)| wire.called(id)).collect();
        let took = start.elapsed();
        let seen = upstream.seen();
        let outcomes =
            named.into_iter().zip(answers).zip(&subjects).map(|(((fault, committed, expected), called), subject)| {
                let sent = seen.iter().filter(|seen| seen.is(self.route) && concerns(seen, subject)).count();
                Outcome { fault, committed, expected, called, sent }
            });
        Changes { outcomes: outcomes.collect(), took, elsewhere: elsewhere.connections() }
    }
}

/// Whether a request is about a number, by number or id.
fn concerns(seen: &Seen, subject: &[String; 2]) -> bool {
    let [number, id] = subject;
    seen.says("phone_number") == *number
        || (!id.is_empty() && (seen.says("number_id") == *id || seen.path.ends_with(id)))
}

fn both_ways(
    faults: Vec<Fault>,
    more: Vec<Fault>,
    done: &'static str,
    undone: &'static str,
) -> Vec<(Fault, bool, &'static str)> {
    let committed = faults.into_iter().map(|fault| (fault, true, done));
    committed.chain(more.into_iter().map(|fault| (fault, false, undone))).collect()
}

const NOTHING: fn(&Upstream, &str) = |_, _| {};

fn creations(trial: &Trial, done: &'static str) -> Vec<Changes> {
    let elsewhere = Upstream::start();
    let open = || [unclear(&elsewhere.origin()), bare_yes(), wrapped()].into_iter().flatten();
    // What is still being answered when the caller must be: only then it is not lost yet.
    let unanswered = |fault: &Fault| ["silence", "endless chunks", "one byte a second"].contains(&fault.name);
    let status = |fault: &Fault, lost| if unanswered(fault) { "in_progress" } else { lost };
    let mut lost: Vec<(Fault, bool, &'static str)> =
        open().map(|fault| (status(&fault, done), fault)).map(|(status, fault)| (fault, true, status)).collect();
    lost.extend(
        refusals()
            .into_iter()
            .filter(|(fault, _)| fault.name.contains("carrier"))
            .map(|(fault, _)| (fault, true, done)),
    );
    let mut not_made: Vec<(Fault, bool, &'static str)> = open()
        .map(|fault| (status(&fault, "outcome_unknown"), fault))
        .map(|(status, fault)| (fault, false, status))
        .collect();
    not_made.extend(refusals().into_iter().map(|(fault, status)| (fault, false, status)));
    // A plain yes counts, whatever the list shows.
    not_made.push((fault("201", |right| Play::Answer(Reply { status: 201, ..right })), false, done));
    not_made.push((fault("202", |right| Play::Answer(Reply { status: 202, ..right })), false, done));
    not_made.push((
        fault("slow", |right| Play::After(Duration::from_secs(4), Box::new(Play::Answer(right)))),
        false,
        done,
    ));
    thread::scope(|scope| {
        let (lost, not_made) =
            (scope.spawn(|| trial.run(lost, &elsewhere)), scope.spawn(|| trial.run(not_made, &elsewhere)));
        vec![lost.join().unwrap(), not_made.join().unwrap()]
    })
}

fn purchases() -> Vec<Changes> {
    let arguments: fn(&str) -> Value = |number| json!({ "phone_number": number, "confirm": true });
    creations(&Trial { route: PURCHASE, tool: "purchase_number", arguments, prepare: NOTHING }, "purchased")
}

fn imports() -> Vec<Changes> {
    let arguments: fn(&str) -> Value =
        |number| json!({ "phone_number": number, "provider_type": "telnyx", "api_key": "KEYwire0123456789" });
    creations(&Trial { route: IMPORT, tool: "import_number", arguments, prepare: NOTHING }, "imported")
}

fn releases() -> Vec<Changes> {
    let elsewhere = Upstream::start();
    let all = || [unclear(&elsewhere.origin()), vec![wrapped().pop().unwrap()]].into_iter().flatten().collect();
    let mut rows = both_ways(all(), all(), "released", "not_released");
    // A bare yes to a release is a yes.
    rows.extend(both_ways(bare_yes(), bare_yes(), "released", "released"));
    for (fault, status) in
        refusals().into_iter().filter(|(fault, _)| matches!(fault.name, "401" | "402" | "403" | "404"))
    {
        rows.push((fault, false, status));
    }
    rows.push((
        says("422 carrier", 422, error("validation_error", "Failed to release number: Telnyx API error: 422 - x")),
        false,
        "not_released",
    ));
    rows.push((says("409", 409, error("conflict", "Conflict")), false, "not_released"));
    let trial = Trial {
        route: RELEASE,
        tool: "release_number",
        arguments: |number| json!({ "number_id": number, "confirm": true }),
        prepare: |upstream, number| drop(upstream.account(|account| account.add(number, true))),
    };
    vec![trial.run(rows, &elsewhere)]
}

fn assignments() -> Vec<Changes> {
    let elsewhere = Upstream::start();
    let engine =
        || says("422 engine", 422, error("validation_error", "Failed to assign number: Ultravox API error: 502"));
    let all = || [unclear(&elsewhere.origin()), bare_yes(), vec![engine()]].into_iter().flatten().collect();
    let assign = Trial {
        route: ASSIGN,
        tool: "assign_number",
        arguments: |number| json!({ "number_id": number, "agent_id": FRONT_OFFICE, "assignment_type": "inbound" }),
        prepare: |upstream, number| drop(upstream.account(|account| account.add(number, true))),
    };
    let unassign = Trial {
        route: UNASSIGN,
        tool: "unassign_number",
        arguments: |number| json!({ "number_id": number, "assignment_type": "inbound" }),
        prepare: |upstream, number| {
            upstream.account(|account| {
                account.add(number, true);
                account.numbers.last_mut().unwrap()["inbound_agent_id"] = json!(FRONT_DESK);
            });
        },
    };
    let assigns = both_ways(all(), all(), "assigned", "not_assigned");
    let unassigns = both_ways(all(), all(), "unassigned", "not_unassigned");
    thread::scope(|scope| {
        let (first, second) =
            (scope.spawn(|| assign.run(assigns, &elsewhere)), scope.spawn(|| unassign.run(unassigns, &elsewhere)));
        vec![first.join().unwrap(), second.join().unwrap()]
    })
}

// --- An upstream that never answers ------------------------------------------------------------------------------

const NUMBER: &str = "+14155550123";
const FREE: &str = "+14155550199";
const OTHER: &str = "+14155550198";

/// A call of each tool that asks Truedy: the journal is read without it.
fn one_of_each() -> Vec<(&'static str, Value)> {
    vec![
        ("list_numbers", json!({})),
        ("search_numbers", json!({ "area_code": "415" })),
        ("purchase_number", json!({ "phone_number": FREE, "confirm": true })),
        ("import_number", json!({ "phone_number": OTHER, "provider_type": "telnyx", "api_key": "KEYwire0123456789" })),
        ("assign_number", json!({ "number_id": NUMBER, "agent_id": FRONT_OFFICE, "assignment_type": "outbound" })),
        ("unassign_number", json!({ "number_id": "+14155550124", "assignment_type": "inbound" })),
        ("release_number", json!({ "number_id": "+14155550125", "confirm": true })),
        ("get_agent_numbers", json!({ "agent_id": FRONT_DESK })),
        ("get_webhook_url", json!({ "agent_id": FRONT_DESK })),
        ("diagnose_number", json!({ "number_id": "+14155550124" })),
        ("list_credentials", json!({})),
        ("list_agents", json!({})),
    ]
}

/// An account in which each of those calls has something to do.
fn busy() -> Upstream {
    let upstream = Upstream::start();
    upstream.account(|account| {
        for number in [NUMBER, "+14155550124", "+14155550125"] {
            account.add(number, true);
        }
        account.numbers[1]["inbound_agent_id"] = json!(FRONT_DESK);
    });
    upstream
}

const READS: [&str; 6] = [LIST, AGENTS, CREDENTIALS, AGENT_NUMBERS, WEBHOOK, SEARCH];
const CHANGES: [&str; 5] = [PURCHASE, IMPORT, ASSIGN, UNASSIGN, RELEASE];

struct Silence {
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

// --- A list that cannot be read afterwards ------------------------------------------------------------------------

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

// --- All that takes long, at once --------------------------------------------------------------------------------

pub(crate) struct Slow {
    pub(crate) endings: Vec<crate::cli::stdio::transport::End>,
    purchases: Vec<Changes>,
    imports: Vec<Changes>,
    releases: Vec<Changes>,
    assignments: Vec<Changes>,
    silences: Vec<Silence>,
    blind_release: (Called, usize),
}

pub(crate) static SLOW: LazyLock<Slow> = LazyLock::new(|| {
    thread::scope(|scope| {
        let (purchases, imports, releases) = (scope.spawn(purchases), scope.spawn(imports), scope.spawn(releases));
        let (assignments, silences) = (scope.spawn(assignments), scope.spawn(silences));
        let (blind_release, endings) = (scope.spawn(blind_release), scope.spawn(crate::cli::stdio::transport::endings));
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

/// Finds those outcomes that do not fit and stops with all of them.
#[track_caller]
fn all_fit(changes: &[Changes], mut right: impl FnMut(&Outcome) -> bool) {
    let outcomes = changes.iter().flat_map(|changes| &changes.outcomes);
    let wrong: String = outcomes.filter(|outcome| !right(outcome)).map(|outcome| outcome.says() + "\n").collect();
    assert!(wrong.is_empty(), "not as it should be:\n{wrong}");
}

#[test]
fn a_lost_answer_to_a_purchase_is_never_sent_again() {
    all_fit(&SLOW.purchases, |outcome| outcome.sent == 1);
}

#[test]
fn a_lost_answer_to_an_import_is_never_sent_again() {
    all_fit(&SLOW.imports, |outcome| outcome.sent == 1);
}

#[test]
fn a_release_is_sent_once_whatever_becomes_of_it() {
    all_fit(&SLOW.releases, |outcome| outcome.sent == 1);
}

#[test]
fn an_assignment_is_sent_twice_at_most_and_never_again_once_it_shows() {
    all_fit(
        &SLOW.assignments,
        |outcome| if outcome.committed { outcome.sent == 1 } else { (1..=2).contains(&outcome.sent) },
    );
}

#[test]
fn every_fault_during_a_purchase_ends_in_the_status_that_is_true() {
    all_fit(&SLOW.purchases, |outcome| outcome.called.status() == outcome.expected);
}

#[test]
fn every_fault_during_an_import_ends_in_the_status_that_is_true() {
    all_fit(&SLOW.imports, |outcome| outcome.called.status() == outcome.expected);
}

#[test]
fn every_fault_during_a_release_ends_in_the_status_that_is_true() {
    all_fit(&SLOW.releases, |outcome| outcome.called.status() == outcome.expected);
}

#[test]
fn every_fault_during_an_assignment_ends_in_the_status_that_is_true() {
    all_fit(&SLOW.assignments, |outcome| outcome.called.status() == outcome.expected);
}

#[test]
fn a_purchase_that_was_found_in_the_list_is_told_with_its_id() {
    let mut found = 0;
    all_fit(&SLOW.purchases, |outcome| {
        let told = outcome.committed && outcome.expected == "purchased";
        found += usize::from(told);
        !told || (outcome.called.object()["id"].is_string() && outcome.called.object()["purchased"] == json!(true))
    });
    assert!(found > 20);
}

#[test]
fn a_release_whose_outcome_cannot_be_looked_up_is_unknown() {
    let (called, sent) = &SLOW.blind_release;
    assert_eq!((called.status(), *sent), ("outcome_unknown", 1), "{}", called.0);
    assert!(called.summary().contains("list_numbers"));
}

#[test]
fn an_outcome_nobody_knows_is_never_denied_and_points_to_the_list() {
    let mut unknown = 0;
    for changes in [&SLOW.purchases, &SLOW.imports] {
        all_fit(changes, |outcome| {
            if !["outcome_unknown", "in_progress"].contains(&outcome.expected) {
                return true;
            }
            unknown += 1;
            let text = outcome.called.0.to_string().to_lowercase();
            let denied = ["nothing was", "was not bought", "not been bought", "was not imported", "not been imported"];
            outcome.called.is_error() == (outcome.expected == "outcome_unknown")
                && !denied.iter().any(|words| text.contains(words))
                && outcome.called.summary().contains("list_operations")
                && outcome.called.object()["next"]["tool"] == json!("list_operations")
                && outcome.called.object()["next"]["arguments"]["id"] == outcome.called.object()["operation_id"]
                && outcome.called.object()["retryable"] == json!(false)
        });
    }
    assert!(unknown > 50);
}

#[test]
fn a_refusal_before_the_deed_says_that_nothing_was_done() {
    let says = |text: &str, words: [&str; 2]| words.iter().any(|words| text.contains(words));
    let refused = |outcome: &Outcome| {
        !outcome.committed
            && outcome.called.is_error()
            && !["outcome_unknown", "in_progress"].contains(&outcome.expected)
    };
    all_fit(&SLOW.purchases, |outcome| {
        !refused(outcome) || says(outcome.called.summary(), ["Nothing was bought", "was not bought"])
    });
    all_fit(&SLOW.imports, |outcome| {
        !refused(outcome) || says(outcome.called.summary(), ["Nothing was imported", "was not imported"])
    });
}

#[test]
fn no_change_is_ever_carried_to_another_host_by_a_redirect() {
    for changes in [&SLOW.purchases, &SLOW.imports, &SLOW.releases, &SLOW.assignments] {
        assert!(changes.iter().all(|changes| changes.elsewhere == 0));
    }
}

#[test]
fn every_call_is_answered_within_26_seconds_however_the_change_fails() {
    for changes in [&SLOW.purchases, &SLOW.imports, &SLOW.releases, &SLOW.assignments].into_iter().flatten() {
        assert!(changes.took < BOUND, "{:?}", changes.took);
    }
}

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

// --- Changes, one fault at a time --------------------------------------------------------------------------------

#[test]
fn a_change_that_finds_no_connection_says_that_nothing_was_sent() {
    let cases = [
        (PURCHASE, "purchase_number", json!({ "phone_number": FREE, "confirm": true }), "Nothing was bought"),
        (
            IMPORT,
            "import_number",
            json!({ "phone_number": FREE, "provider_type": "telnyx", "api_key": "KEYwire0123456789" }),
            "Nothing was imported",
        ),
        (RELEASE, "release_number", json!({ "number_id": NUMBER, "confirm": true }), "Nothing was released"),
        (
            UNASSIGN,
            "unassign_number",
            json!({ "number_id": "+14155550124", "assignment_type": "inbound" }),
            "Nothing was changed",
        ),
    ];
    at_once(cases, |(route, tool, arguments, words)| {
        let upstream = busy();
        // From the last read before the change on, nobody listens.
        let deaf = upstream.refuser();
        upstream.on(LIST, move |_, _| {
            deaf.cancel();
            Play::After(Duration::from_millis(300), Box::new(Play::Usual))
        });
        let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
        let called = wire.call(tool, arguments);
        assert_eq!(called.status(), "upstream_unavailable", "{route}: {}", called.0);
        assert!(called.summary().contains(words), "{route}: {}", called.0);
        assert_eq!(upstream.changes(), 0);
    });
}

#[test]
fn nothing_listening_is_told_at_once_by_every_tool() {
    let (_free, base_url) = nobody();
    let mut wire = Wire::open(server(&base_url), Era::Modern);
    expected::assert_covers(
        &expected::names_without(&["list_operations"]),
        one_of_each().iter().map(|(tool, _)| *tool),
    );
    let calls = one_of_each().into_iter().map(|(tool, arguments)| (tool, wire.send_call(tool, arguments)));
    for (tool, id) in calls.collect::<Vec<_>>() {
        let called = wire.called(id);
        assert_eq!(called.status(), "upstream_unavailable", "{tool}: {}", called.0);
        assert!(called.summary().starts_with("Nothing "), "{tool}: {}", called.0);
        assert_eq!(called.object()["retryable"], json!(true), "{tool}");
    }
}

#[test]
fn a_purchase_whose_connection_is_closed_before_it_is_read_may_have_left() {
    let upstream = Upstream::start();
    upstream.unread(PURCHASE, 9).on(LIST, |_, account| {
        // The looks afterwards find it, so the test need not wait for all of them.
        if account.credentials.is_empty() {
            account.credentials.push(json!({}));
        } else if !account.has(FREE) {
            account.add(FREE, true);
        }
        Play::Usual
    });
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    let called = wire.call("purchase_number", json!({ "phone_number": FREE, "confirm": true }));
    assert_eq!(called.status(), "purchased", "{}", called.0);
    assert_eq!((upstream.wordless(), upstream.count(PURCHASE)), (1, 0), "one connection, and no second attempt");
}

#[test]
fn a_refused_release_looks_before_it_says_that_the_number_is_still_there() {
    for (status, code) in [(422, "validation_error"), (409, "conflict")] {
        let upstream = busy();
        upstream.on(RELEASE, move |seen, account| {
            account.usual(seen);
            Play::json(status, &error(code, "Failed to release number: database error"))
        });
        let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
        let called = wire.call("release_number", json!({ "number_id": NUMBER, "confirm": true }));
        assert_ne!(called.status(), "not_released", "it is gone: {}", called.0);
        assert_eq!(upstream.count(RELEASE), 1);
    }
}

#[test]
fn an_assignment_that_did_not_take_place_is_sent_once_more() {
    let upstream = busy();
    upstream.in_turn(ASSIGN, vec![Play::Reset, Play::Usual]);
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    let called = wire.call(
        "assign_number",
        json!({ "number_id": NUMBER, "agent_id": "Front office", "assignment_type": "inbound" }),
    );
    assert_eq!((called.status(), called.object()["verified"].clone()), ("assigned", json!(true)), "{}", called.0);
    assert_eq!(upstream.count(ASSIGN), 2);
}

#[test]
fn an_assignment_is_not_sent_over_what_somebody_else_did_meanwhile() {
    let upstream = busy();
    upstream.on(ASSIGN, |_, account| {
        account.numbers[0]["inbound_agent_id"] = json!(FRONT_DESK);
        Play::Reset
    });
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    let called = wire
        .call("assign_number", json!({ "number_id": NUMBER, "agent_id": FRONT_OFFICE, "assignment_type": "inbound" }));
    assert_eq!(called.status(), "not_assigned", "{}", called.0);
    assert_eq!(upstream.count(ASSIGN), 1);
    assert_eq!(upstream.account(|account| account.numbers[0]["inbound_agent_id"].clone()), json!(FRONT_DESK));
}

#[test]
fn a_stored_assignment_is_told_although_the_engine_failed_afterwards() {
    let upstream = busy();
    upstream.on(ASSIGN, |seen, account| {
        account.usual(seen);
        Play::json(422, &error("validation_error", "Failed to assign number: Ultravox API error: 502"))
    });
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    let called = wire
        .call("assign_number", json!({ "number_id": NUMBER, "agent_id": FRONT_OFFICE, "assignment_type": "inbound" }));
    assert_eq!(called.status(), "assigned", "{}", called.0);
    assert!(called.object()["warnings"].to_string().contains("failure"), "{}", called.0);
    assert_eq!(upstream.count(ASSIGN), 1);
}

// --- Reads -------------------------------------------------------------------------------------------------------

/// One call against an upstream prepared for it; the answer, and how often the route was asked.
fn probe(tool: &str, arguments: Value, route: &str, play: &Play) -> (Called, usize) {
    let upstream = busy();
    upstream.always(route, play.clone());
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    let called = wire.call(tool, arguments);
    (called, upstream.count(route))
}

#[test]
fn a_read_that_fails_is_tried_three_times_and_a_search_twice() {
    let cases = [
        ("reset", Play::Reset),
        ("closed", Play::Close),
        ("cut", Play::Cut(Reply::json(200, &json!({ "data": [] })))),
        ("500", Play::json(500, &error("internal_error", "oops"))),
        ("502", Play::Answer(Reply::text(502, "text/html", HTML))),
        ("503", Play::Answer(Reply::empty(503))),
    ];
    at_once(cases, |(name, play)| {
        let (called, times) = probe("list_credentials", json!({}), CREDENTIALS, &play);
        assert_eq!((called.status(), times), ("upstream_unavailable", 3), "{name}: {}", called.0);
        let (called, times) = probe("search_numbers", json!({}), SEARCH, &play);
        // A plain 500 to a search is an answer, not an accident.
        assert_eq!(
            (called.status(), times),
            ("upstream_unavailable", if name == "500" { 1 } else { 2 }),
            "{name}: {}",
            called.0
        );
    });
    let cases = [
        ("list_numbers", json!({}), LIST),
        ("list_agents", json!({}), AGENTS),
        ("get_agent_numbers", json!({ "agent_id": FRONT_DESK }), AGENT_NUMBERS),
        ("get_webhook_url", json!({ "agent_id": FRONT_DESK }), WEBHOOK),
    ];
    at_once(cases, |(tool, arguments, route)| {
        let (called, times) = probe(tool, arguments, route, &Play::Answer(Reply::empty(503)));
        assert_eq!((called.status(), times), ("upstream_unavailable", 3), "{tool}: {}", called.0);
    });
}

#[test]
fn a_read_that_succeeds_at_last_is_answered() {
    let upstream = busy();
    upstream.in_turn(CREDENTIALS, vec![Play::Reset, Play::Answer(Reply::empty(503)), Play::Usual]);
    upstream.in_turn(SEARCH, vec![Play::Close, Play::Usual]);
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Modern);
    assert_eq!(wire.call("list_credentials", json!({})).status(), "ok");
    assert_eq!(wire.call("search_numbers", json!({})).status(), "ok");
    assert_eq!((upstream.count(CREDENTIALS), upstream.count(SEARCH)), (3, 2));
}

#[test]
fn a_read_whose_connection_is_closed_before_it_is_read_is_tried_again() {
    let upstream = busy();
    upstream.unread(CREDENTIALS, 2);
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    assert_eq!(wire.call("list_credentials", json!({})).status(), "ok");
    assert_eq!((upstream.wordless(), upstream.count(CREDENTIALS)), (2, 1));
}

#[test]
fn connections_that_truedy_closes_after_each_answer_cost_no_call() {
    let upstream = Upstream::start();
    upstream.on(CREDENTIALS, |seen, account| Play::Last(account.usual(seen)));
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    for turn in 0..60 {
        let called = wire.call("list_credentials", json!({}));
        assert_eq!(called.status(), "ok", "{turn}: {}", called.0);
    }
}

#[test]
fn a_purchase_is_not_planned_on_a_list_that_cannot_be_read() {
    for play in
        [Play::Reset, Play::json(200, &json!({ "data": "?" })), Play::Answer(Reply::text(200, "text/html", HTML))]
    {
        let upstream = busy();
        upstream.always(LIST, play);
        let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
        let called = wire.call("purchase_number", json!({ "phone_number": FREE, "confirm": true }));
        assert!(called.summary().starts_with("Nothing was bought"), "{}", called.0);
        assert_eq!(upstream.changes(), 0);
    }
}

#[test]
fn repeats_end_when_nothing_succeeds() {
    let upstream = busy();
    upstream.always(CREDENTIALS, Play::Answer(Reply::empty(503)));
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    for _ in 0..12 {
        assert_eq!(wire.call("list_credentials", json!({})).status(), "upstream_unavailable");
    }
    // Twelve calls, and ten repeats that the budget pays for.
    assert_eq!(upstream.count(CREDENTIALS), 22);
}

#[test]
fn every_shape_of_an_error_has_its_status() {
    let text = |status: u16, kind: &str, body: &str| Play::Answer(Reply::text(status, kind, body.to_owned()));
    let inside = |code: &str| json!({ "error": { "code": code, "message": "m", "details": {}, "request_id": "req-b", "ts": "2026-03-03T12:00:00" } });
    let fields = json!({ "detail": [
        { "type": "missing", "loc": ["body", "phone_number"], "msg": "Field required", "input": { "api_key": "KEYinput0123456789" } },
        { "type": "int_parsing", "loc": ["query", "limit"], "msg": "Input should be a valid integer", "input": "KEYinput0123456789", "ctx": {}, "url": "https://errors.example" }
    ] });
    let cases = [
        ("A 400", Play::json(400, &error("bad_request", "m")), "upstream_rejected", 1),
        ("A 401", Play::json(401, &error("unauthorized", "Invalid or missing API key")), "auth_failed", 1),
        ("A 402", Play::json(402, &error("payment_required", "m")), "payment_required", 1),
        ("A 403", Play::json(403, &error("forbidden", "m")), "forbidden", 1),
        ("A 404", Play::json(404, &error("not_found", "m")), "not_found", 1),
        ("A 409", Play::json(409, &error("conflict", "m")), "upstream_rejected", 1),
        ("A 422", Play::json(422, &error("validation_error", "m")), "upstream_rejected", 1),
        ("A 502", Play::json(502, &error("provider_error", "m")), "upstream_unavailable", 3),
        ("B 401", Play::json(401, &inside("unauthorized")), "auth_failed", 1),
        ("B 404", Play::json(404, &inside("not_found")), "not_found", 1),
        (
            "B 422 not found",
            Play::json(422, &json!({ "error": { "code": "validation_error", "message": "Agent not found" } })),
            "not_found",
            1,
        ),
        ("B 500", Play::json(500, &inside("internal_error")), "upstream_unavailable", 3),
        ("C 422", Play::json(422, &fields), "upstream_rejected", 1),
        ("D 404", Play::json(404, &json!({ "detail": "Not Found" })), "not_found", 1),
        ("D 405", Play::json(405, &json!({ "detail": "Method Not Allowed" })), "upstream_rejected", 1),
        ("E 401", Play::json(401, &json!({ "detail": inside("unauthorized") })), "auth_failed", 1),
        (
            "F 500",
            Play::json(
                500,
                &json!({ "error": { "code": "internal_error", "message": "An internal error occurred", "request_id": "r", "ts": null } }),
            ),
            "upstream_unavailable",
            3,
        ),
        (
            "G 500",
            text(
                500,
                "text/html",
                r#"{"error":{"code":"server_error","message":"Backend server is currently unreachable or failed."}}"#,
            ),
            "upstream_unavailable",
            3,
        ),
        ("H 413", Play::json(413, &error("payload_too_large", "m")), "upstream_rejected", 1),
        ("I 400", Play::Answer(Reply::empty(400)), "upstream_rejected", 1),
        ("I 401", text(401, "text/html", HTML), "auth_failed", 1),
        ("I 403", text(403, "text/html", HTML), "forbidden", 1),
        ("I 404", text(404, "text/html", HTML), "not_found", 1),
        ("I 502", text(502, "text/html", HTML), "upstream_unavailable", 3),
        ("I 503", Play::Answer(Reply::empty(503)), "upstream_unavailable", 3),
        ("I 418", text(418, "text/html", HTML), "bad_upstream_response", 1),
        ("I 200", text(200, "text/html", HTML), "bad_upstream_response", 1),
        ("I 200 empty", Play::Answer(Reply::empty(200)), "bad_upstream_response", 1),
        ("I 204", Play::Answer(Reply::empty(204)), "bad_upstream_response", 1),
        ("200 as text", text(200, "text/plain", r#"{"data":[]}"#), "bad_upstream_response", 1),
        ("200 not JSON", text(200, "application/json", "{\"data\":"), "bad_upstream_response", 1),
        (
            "200 longer than announced",
            Play::Overrun(Reply::json(200, &json!({ "data": [] }))),
            "bad_upstream_response",
            1,
        ),
        ("200 no list", Play::json(200, &json!({ "data": { "rows": [] } })), "bad_upstream_response", 1),
        ("200 of 3 MiB", Play::json(200, &json!({ "data": ["x".repeat(3 << 20)] })), "bad_upstream_response", 1),
        (
            "200 not UTF-8",
            Play::Answer(Reply::text(200, "application/json", b"{\"data\":[\"\xff\"]}".to_vec())),
            "bad_upstream_response",
            1,
        ),
        (
            "200 nested deeply",
            text(200, "application/json", &("[".repeat(5_000) + &"]".repeat(5_000))),
            "bad_upstream_response",
            1,
        ),
        (
            "200 compressed",
            Play::Answer(
                Reply::text(200, "application/json", vec![0x1f, 0x8b, 8, 0, 0xa5, 0xa5])
                    .header("Content-Encoding", "gzip"),
            ),
            "bad_upstream_response",
            1,
        ),
        ("302", Play::Answer(Reply::redirect(302, "/login")), "bad_upstream_response", 1),
    ];
    at_once(cases, |(name, play, status, times)| {
        let (called, asked) = probe("list_credentials", json!({}), CREDENTIALS, &play);
        assert_eq!((called.status(), asked), (status, times), "{name}: {}", called.0);
        assert!(called.is_error() && called.summary().starts_with("Nothing could be read"), "{name}: {}", called.0);
        assert!(!called.0.to_string().contains("KEYinput"), "{name}: the input is repeated: {}", called.0);
        if name == "C 422" {
            let fields = called.object()["truedy_fields"].to_string();
            assert!(
                fields.contains("phone_number") && fields.contains("Field required") && fields.contains("limit"),
                "{fields}"
            );
        }
        if name.starts_with("B 4") || name.starts_with("E 4") {
            assert!(
                name == "B 422 not found" || called.object()["request_id"] == json!("req-b"),
                "{name}: {}",
                called.0
            );
        }
    });
}

#[test]
fn a_list_of_almost_two_mebibytes_is_read() {
    let upstream = Upstream::start();
    upstream.on(CREDENTIALS, |_, _| {
        Play::json(
            200,
            &json!({ "data": [{ "id": "c1", "friendly_name": "Main line", "notes": "x".repeat((2 << 20) - 200) }] }),
        )
    });
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    let called = wire.call("list_credentials", json!({}));
    assert_eq!(called.object()["credentials"], json!([{ "id": "c1", "name": "Main line" }]), "{}", called.0);
}

// --- Rate limits -------------------------------------------------------------------------------------------------

/// Truedy's clock in the answers of these tests.
const DATE: &str = "Tue, 03 Mar 2026 12:00:00 GMT";

fn limited(status: u16, body: &Value) -> Play {
    Play::Answer(Reply::json(status, body).header("Date", DATE))
}

/// The documented refusal of the rate limiter, with this `reset_at`.
fn limit_until(reset_at: Value) -> Value {
    json!({ "error": { "code": "rate_limit_exceeded", "message": "Rate limit exceeded", "details": { "limit": 100, "reset_at": reset_at } } })
}

#[test]
fn a_rate_limit_is_read_in_every_form_and_told_in_seconds() {
    let epoch = 1_772_539_200_i64; // DATE
    let upstream = Upstream::start();
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    for (name, play, seconds) in [
        ("with zone", limited(429, &limit_until(json!("2026-03-03T12:00:40.000000Z"))), 40),
        ("with offset", limited(429, &limit_until(json!("2026-03-03T14:00:40+02:00"))), 40),
        ("without zone", limited(429, &limit_until(json!("2026-03-03T12:00:40.123456"))), 40),
        ("with a space", limited(429, &limit_until(json!("2026-03-03 12:00:40"))), 40),
        ("epoch", limited(429, &limit_until(json!(epoch + 40))), 40),
        ("epoch in milliseconds", limited(429, &limit_until(json!((epoch + 40) * 1000))), 40),
        ("epoch with a fraction", limited(429, &limit_until(json!(1_772_539_240.5))), 40),
        ("epoch as text", limited(429, &limit_until(json!((epoch + 40).to_string()))), 40),
        ("far too late", limited(429, &limit_until(json!("2026-03-03T13:00:00Z"))), 60),
        ("more than a minute", limited(429, &limit_until(json!("2026-03-03T12:01:50Z"))), 65),
        ("garbage", limited(429, &limit_until(json!("soon"))), 60),
        ("nothing", limited(429, &json!({})), 60),
        ("wrapped", limited(429, &json!({ "detail": limit_until(json!("2026-03-03T12:00:40")) })), 40),
        ("as 500", limited(500, &json!({ "detail": limit_until(json!("2026-03-03T12:00:40")) })), 40),
        ("as plain 500", limited(500, &limit_until(json!("2026-03-03T12:00:40"))), 40),
        ("without a code", limited(429, &json!({ "error": { "details": { "reset_at": epoch + 40 } } })), 40),
        (
            "Retry-After",
            Play::Answer(Reply::json(429, &json!({})).header("Date", DATE).header("Retry-After", "40")),
            40,
        ),
        (
            "Retry-After as a date",
            Play::Answer(
                Reply::json(429, &json!({}))
                    .header("Date", DATE)
                    .header("Retry-After", "Tue, 03 Mar 2026 12:00:40 GMT"),
            ),
            40,
        ),
        (
            "the later of two",
            Play::Answer(
                Reply::json(429, &limit_until(json!(epoch + 20))).header("Date", DATE).header("Retry-After", "40"),
            ),
            40,
        ),
        ("HTML", Play::Answer(Reply::text(429, "text/html", HTML).header("Retry-After", "40")), 40),
    ] {
        let before = upstream.count(CREDENTIALS);
        upstream.always(CREDENTIALS, play);
        let called = wire.call("list_credentials", json!({}));
        assert_eq!(called.status(), "rate_limited", "{name}: {}", called.0);
        assert_eq!(called.object()["retry_after_seconds"], json!(seconds), "{name}: {}", called.0);
        assert_eq!(called.object()["retryable"], json!(true), "{name}");
        assert_eq!(upstream.count(CREDENTIALS) - before, 1, "{name}: there is no time to wait for it");
    }
}

#[test]
fn a_short_rate_limit_is_waited_out_and_even_a_purchase_goes_through_once() {
    let upstream = busy();
    let soon = || vec![limited(429, &limit_until(json!("2026-03-03T12:00:01Z"))), Play::Usual];
    for route in [CREDENTIALS, SEARCH].into_iter().chain(CHANGES) {
        upstream.in_turn(route, soon());
    }
    upstream.in_turn(WEBHOOK, vec![limited(429, &limit_until(json!("2020-01-01T00:00:00"))), Play::Usual]);
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Modern);
    let calls: Vec<(&str, u64)> = [
        ("list_credentials", json!({})),
        ("search_numbers", json!({})),
        ("get_webhook_url", json!({ "agent_id": FRONT_DESK })),
        ("purchase_number", json!({ "phone_number": FREE, "confirm": true })),
        ("import_number", json!({ "phone_number": OTHER, "provider_type": "telnyx", "api_key": "KEYwire0123456789" })),
        ("assign_number", json!({ "number_id": NUMBER, "agent_id": FRONT_OFFICE, "assignment_type": "outbound" })),
        ("unassign_number", json!({ "number_id": "+14155550124", "assignment_type": "inbound" })),
        ("release_number", json!({ "number_id": "+14155550125", "confirm": true })),
    ]
    .into_iter()
    .map(|(tool, arguments)| (tool, wire.send_call(tool, arguments)))
    .collect();
    let statuses: Vec<(&str, String)> =
        calls.into_iter().map(|(tool, id)| (tool, wire.called(id).status().to_owned())).collect();
    let expected = ["ok", "ok", "ok", "purchased", "imported", "assigned", "unassigned", "released"];
    assert_eq!(statuses.iter().map(|(_, status)| status.as_str()).collect::<Vec<_>>(), expected, "{statuses:?}");
    for route in [WEBHOOK].into_iter().chain(CHANGES) {
        assert_eq!(upstream.count(route), 2, "{route}");
    }
    assert_eq!(upstream.count(SEARCH), 3, "before a purchase its price is looked up, too");
    assert_eq!(upstream.count(CREDENTIALS), 3, "before an import they are read, too");
    let bought =
        upstream.account(|account| account.numbers.iter().filter(|row| row["phone_number"] == json!(FREE)).count());
    assert_eq!(bought, 1);
}

#[test]
fn a_purchase_that_meets_a_long_rate_limit_bought_nothing_and_says_when_to_come_back() {
    let upstream = Upstream::start();
    upstream.always(PURCHASE, limited(429, &limit_until(json!("2026-03-03T12:00:50Z"))));
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    let called = wire.call("purchase_number", json!({ "phone_number": FREE, "confirm": true }));
    assert_eq!(called.status(), "rate_limited", "{}", called.0);
    assert!(called.summary().starts_with("Nothing was bought"), "{}", called.0);
    assert_eq!(called.object()["retry_after_seconds"], json!(50));
    assert_eq!(upstream.count(PURCHASE), 1);
}

/// A server that keeps within so many requests a minute.
fn thrifty(upstream: &Upstream, rpm: &str) -> Wire {
    Wire::open(server_within(&upstream.base_url(), rpm), Era::Legacy)
}

#[test]
fn after_a_rate_limit_nothing_is_asked_until_it_ends() {
    let upstream = busy();
    upstream.always(CREDENTIALS, limited(429, &limit_until(json!("2026-03-03T12:00:50Z"))));
    let mut wire = thrifty(&upstream, "100");
    assert_eq!(wire.call("list_credentials", json!({})).status(), "rate_limited");
    let before = upstream.seen().len();
    for (tool, arguments) in one_of_each() {
        let called = wire.call(tool, arguments);
        assert_eq!(called.status(), "rate_limited", "{tool}: {}", called.0);
        let wait = called.object()["retry_after_seconds"].as_u64().unwrap_or_default();
        assert!((20..=51).contains(&wait), "{tool}: {}", called.0);
    }
    assert_eq!(upstream.seen().len(), before);
}

#[test]
fn no_more_requests_leave_in_a_minute_than_the_operator_allows() {
    let upstream = busy();
    let mut wire = thrifty(&upstream, "5");
    let start = Instant::now();
    // One read before, its price, the purchase, one look afterwards.
    assert_eq!(wire.call("purchase_number", json!({ "phone_number": FREE, "confirm": true })).status(), "purchased");
    assert_eq!(upstream.seen().len(), 4);
    let ids: Vec<u64> = (0..6).map(|_| wire.send_call("list_credentials", json!({}))).collect();
    let answers: Vec<Called> = ids.into_iter().map(|id| wire.called(id)).collect();
    let answered = answers.iter().filter(|called| called.status() == "ok").count();
    assert_eq!(answered, 1, "five in all");
    for refused in answers.iter().filter(|called| called.status() != "ok") {
        assert_eq!(refused.status(), "rate_limited", "{}", refused.0);
        let wait = refused.object()["retry_after_seconds"].as_u64().unwrap_or_default();
        assert!((1..=60).contains(&wait), "{}", refused.0);
    }
    let refused = wire.call("purchase_number", json!({ "phone_number": OTHER, "confirm": true }));
    assert_eq!(refused.status(), "rate_limited", "{}", refused.0);
    assert!(refused.summary().starts_with("Nothing was bought"), "{}", refused.0);
    assert!(start.elapsed() < Duration::from_secs(45), "the window must not have moved on: {:?}", start.elapsed());
    assert_eq!(upstream.seen().len(), 5);
}

#[test]
fn reads_cannot_use_up_what_is_kept_for_changes() {
    let upstream = busy();
    // The list is answered slowly, so that the reads come in while the purchase is planned.
    upstream.on(LIST, |_, _| Play::After(Duration::from_millis(700), Box::new(Play::Usual)));
    let mut wire = thrifty(&upstream, "20");
    let purchase = wire.send_call("purchase_number", json!({ "phone_number": FREE, "confirm": true }));
    upstream.wait_for(LIST, 1);
    let reads: Vec<u64> = (0..30).map(|_| wire.send_call("list_credentials", json!({}))).collect();
    assert_eq!(wire.called(purchase).status(), "purchased");
    assert!(reads.into_iter().any(|id| wire.called(id).status() == "rate_limited"));
    assert!(upstream.seen().len() <= 20);
}

#[test]
fn the_sixth_of_six_calls_is_answered_within_twelve_seconds() {
    let upstream = Upstream::start();
    let mut wire = thrifty(&upstream, "5");
    for _ in 0..4 {
        assert_eq!(wire.call("list_credentials", json!({})).status(), "ok");
    }
    let start = Instant::now();
    for _ in 0..2 {
        assert_eq!(wire.call("list_credentials", json!({})).status(), "rate_limited", "one place is kept for changes");
    }
    assert!(start.elapsed() < Duration::from_secs(12), "{:?}", start.elapsed());
}

// --- Redirects ---------------------------------------------------------------------------------------------------

#[test]
fn agents_with_a_slash_are_fetched_once_when_truedy_says_so() {
    for status in [307, 308] {
        for absolute in [false, true] {
            let upstream = busy();
            let location = if absolute {
                format!("{}/agents/?limit=50&offset=0", upstream.base_url())
            } else {
                format!("{PREFIX}/agents/")
            };
            upstream.always(AGENTS, Play::Answer(Reply::redirect(status, &location)));
            upstream.on("GET /agents/", |seen, account| {
                let plain = Seen { path: "/agents".to_owned(), ..seen.clone() };
                Play::Answer(account.usual(&plain))
            });
            let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
            let called = wire.call("list_agents", json!({}));
            assert_eq!(called.object()["agents"].as_array().map(Vec::len), Some(2), "{location}: {}", called.0);
            let seen = upstream.seen();
            assert_eq!((seen.len(), upstream.count("GET /agents/")), (2, 1));
            assert_eq!(
                (&seen[0].query, &seen[1].query),
                (&"limit=50&offset=0".to_owned(), &"limit=50&offset=0".to_owned())
            );
            assert_eq!(seen[1].header("authorization"), Some(format!("Bearer {KEY}").as_str()));
        }
    }
}

#[test]
fn every_other_redirect_is_an_error_and_the_other_host_hears_nothing() {
    let elsewhere = Upstream::start();
    let there = elsewhere.origin();
    let same = PREFIX;
    for (status, location) in [
        (301, format!("{same}/agents/")),
        (302, format!("{same}/agents/")),
        (303, format!("{same}/agents/")),
        (307, format!("{there}{same}/agents/")),
        (308, format!("{there}{same}/agents/")),
        (307, format!("//{}{same}/agents/", there.trim_start_matches("http://"))),
        (307, format!("{same}/agents/../agents//")),
        (307, format!("{same}/agents")),
        (307, format!("{same}/agents/?limit=1")),
        (307, format!("{same}/agents/all")),
        (307, "/login/".to_owned()),
        (307, "https:agents/".to_owned()),
        (307, String::new()),
    ] {
        let upstream = busy();
        upstream.always(AGENTS, Play::Answer(Reply::redirect(status, &location)));
        let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
        let called = wire.call("list_agents", json!({}));
        assert_eq!(called.status(), "bad_upstream_response", "{status} {location}: {}", called.0);
        assert_eq!(upstream.seen().len(), 1, "{status} {location}");
    }
    // With a user name in it the address is another one.
    let upstream = busy();
    let named = upstream.base_url().replace("http://", "http://user@");
    upstream.always(AGENTS, Play::Answer(Reply::redirect(307, &format!("{named}/agents/"))));
    upstream.always("GET /agents/", Play::Answer(Reply::redirect(307, &format!("{same}/agents//"))));
    upstream.always(SEARCH, Play::Answer(Reply::redirect(307, &format!("{same}/telephony/numbers/search/"))));
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    assert_eq!(wire.call("list_agents", json!({})).status(), "bad_upstream_response");
    assert_eq!(wire.call("search_numbers", json!({})).status(), "bad_upstream_response", "a POST is never redirected");
    assert_eq!(upstream.seen().len(), 2);
    // The one that is followed is followed once.
    upstream.always(AGENTS, Play::Answer(Reply::redirect(307, &format!("{same}/agents/"))));
    assert_eq!(wire.call("list_agents", json!({})).status(), "bad_upstream_response");
    assert_eq!(upstream.seen().len(), 4);
    assert_eq!(elsewhere.connections(), 0);
}

// --- Drift -------------------------------------------------------------------------------------------------------

#[test]
fn unknown_fields_and_values_survive() {
    let upstream = Upstream::start();
    upstream.account(|account| {
        account.add(NUMBER, true);
        let number = &mut account.numbers[0];
        number["status"] = json!("porting");
        number["carrier"] = json!({ "deep": [1, { "new": null }] });
        number["created_at"] = json!(17);
        account.agents[0]["status"] = json!("hibernating");
        account.agents[0]["voices"] = json!([[[]]]);
        account.credentials.push(json!({ "id": "c1", "provider_type": "plivo", "friendly_name": null, "rotation": { "due": true } }));
        account.offers.push(json!({ "phone_number": FREE, "phone_number_type": "shared_cost", "features": ["voice", { "name": "fax" }, 7], "cost_information": { "monthly_cost": 1.5, "currency": "USD" }, "quality": 5 }));
    });
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Modern);
    let numbers = wire.call("list_numbers", json!({}));
    assert_eq!(numbers.object()["numbers"][0]["status"], json!("porting"), "{}", numbers.0);
    assert_eq!(wire.call("list_numbers", json!({ "status": "porting" })).object()["total"], json!(1));
    let agents = wire.call("list_agents", json!({}));
    assert_eq!(agents.object()["agents"][0]["status"], json!("hibernating"), "{}", agents.0);
    let credentials = wire.call("list_credentials", json!({}));
    assert_eq!(credentials.object()["credentials"], json!([{ "id": "c1", "provider": "plivo" }]), "{}", credentials.0);
    let offers = wire.call("search_numbers", json!({}));
    let offer = &offers.object()["offers"][0];
    assert_eq!((&offer["type"], &offer["monthly"]), (&json!("shared_cost"), &json!("1.5")), "{}", offers.0);
    assert!(offer["features"].to_string().contains("voice fax"), "{}", offers.0);
}

#[test]
fn bodies_without_an_envelope_are_read() {
    let upstream = Upstream::start();
    let number = json!({ "id": "n1", "phone_number": NUMBER, "status": "active", "inbound_agent_id": null, "outbound_agent_id": null });
    upstream.always(LIST, Play::json(200, &json!([number])));
    upstream.always(AGENTS, Play::json(200, &json!([{ "id": FRONT_DESK, "name": "Front desk", "status": "active" }])));
    upstream.always(CREDENTIALS, Play::json(200, &json!([{ "id": "c1" }])));
    upstream.always(WEBHOOK, Play::json(200, &json!({ "webhook_url": "https://api.ultravox.ai/x" })));
    upstream.always(AGENT_NUMBERS, Play::json(200, &json!({ "inbound": [number], "outbound": [] })));
    upstream.always(SEARCH, Play::json(200, &json!([{ "phone_number": FREE }])));
    upstream.always(PURCHASE, Play::json(201, &json!({ "id": "n2", "phone_number": FREE })));
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    for (tool, arguments, path, expected) in [
        ("list_numbers", json!({}), "/numbers/0/number", json!(NUMBER)),
        ("list_agents", json!({}), "/agents/0/name", json!("Front desk")),
        ("list_credentials", json!({}), "/credentials/0/id", json!("c1")),
        ("get_webhook_url", json!({ "agent_id": "Front desk" }), "/webhook_url", json!("https://api.ultravox.ai/x")),
        ("get_agent_numbers", json!({ "agent_id": FRONT_DESK }), "/inbound/0/id", json!("n1")),
        ("search_numbers", json!({}), "/offers/0/number", json!(FREE)),
        ("purchase_number", json!({ "phone_number": FREE, "confirm": true }), "/id", json!("n2")),
    ] {
        let called = wire.call(tool, arguments);
        assert_eq!(called.object().pointer(path), Some(&expected), "{tool}: {}", called.0);
    }
}

#[test]
fn both_shapes_of_a_search_are_read_alike() {
    let documented = json!({
        "phone_number": FREE, "range": null, "phone_number_type": "toll-free",
        "region_information": { "region_name": "CA", "locality": "San Francisco" }, "features": ["voice", "sms"],
        "cost_information": { "upfront_cost": "1.00000", "monthly_cost": "2.50000", "currency": "USD" }
    });
    let carrier = json!({
        "phone_number": FREE, "range": null, "phone_number_type": "toll_free",
        "region_information": [
            { "region_type": "country_code", "region_name": "US" }, { "region_type": "state", "region_name": "CA" },
            { "region_type": "rate_center", "region_name": "San Francisco" }
        ],
        "features": [{ "name": "voice" }, { "name": "sms" }],
        "cost_information": { "monthly_cost": "2.50000", "upfront_cost": "1.00000", "currency": "USD" }
    });
    let upstream = Upstream::start();
    let pagination = json!({ "page": 1, "page_size": 20, "total_results": 57, "total_pages": 3, "has_more": true });
    upstream.always(SEARCH, Play::json(200, &json!({ "data": [documented, carrier], "pagination": pagination })));
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    let called = wire.call("search_numbers", json!({}));
    let offers = &called.object()["offers"];
    assert_eq!(offers[0], offers[1], "{}", called.0);
    assert_eq!((&offers[0]["region"], &offers[0]["locality"]), (&json!("CA"), &json!("San Francisco")));
    assert_eq!((&offers[0]["monthly"], &offers[0]["type"]), (&json!("2.50000"), &json!("toll_free")));
    assert_eq!((&called.object()["total"], &called.object()["next_page"]), (&json!(57), &json!(2)));
}

#[test]
fn a_search_for_more_than_truedy_gives_is_narrowed_once() {
    let upstream = Upstream::start();
    upstream.on(SEARCH, |seen, _| match seen.json()["page_size"].as_u64() {
        Some(0..=50) => Play::json(200, &json!({ "data": [{ "phone_number": FREE }] })),
        _ => Play::json(
            422,
            &json!({ "detail": [{ "loc": ["body", "page_size"], "msg": "less than or equal to 50", "type": "x" }] }),
        ),
    });
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    let called = wire.call("search_numbers", json!({ "page_size": 100 }));
    assert_eq!((called.status(), upstream.count(SEARCH)), ("ok", 2), "{}", called.0);
}

#[test]
fn a_list_that_repeats_itself_for_ever_is_left() {
    let upstream = Upstream::start();
    let row = json!({ "id": "n1", "phone_number": NUMBER, "inbound_agent_id": null, "outbound_agent_id": null });
    upstream.always(LIST, Play::json(200, &json!({ "data": [row], "pagination": { "has_more": true } })));
    let mut turn = 0;
    upstream.on(AGENTS, move |_, _| {
        turn += 1;
        Play::json(
            200,
            &json!({ "data": [{ "id": format!("agt_{turn}"), "name": "x" }], "pagination": { "has_more": true } }),
        )
    });
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    let called = wire.call("list_numbers", json!({ "managed": true }));
    assert!(!called.is_error(), "{}", called.0);
    assert!(
        upstream.count(LIST) <= 2 && upstream.count(AGENTS) <= 50,
        "{} {}",
        upstream.count(LIST),
        upstream.count(AGENTS)
    );
}

#[test]
fn every_request_carries_the_key_in_one_header_and_says_who_asks() {
    let upstream = busy();
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    for (tool, arguments) in one_of_each() {
        wire.call(tool, arguments);
    }
    let seen = upstream.seen();
    assert!(CHANGES.into_iter().chain(READS).all(|route| upstream.count(route) > 0));
    for request in &seen {
        let names: Vec<&String> =
            request.headers.iter().filter(|(_, value)| value.contains(KEY)).map(|(name, _)| name).collect();
        assert_eq!(names.len(), 1, "{request:?}");
        assert_eq!(request.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
        assert_eq!(request.header("accept"), Some("application/json"), "{request:?}");
        assert!(request.header("user-agent").is_some_and(|agent| agent.starts_with("truedy-mcp/")), "{request:?}");
        assert!(request.header("accept-encoding").is_none() && request.header("cookie").is_none(), "{request:?}");
        assert!(
            !request.query.contains(KEY) && !request.path.contains(KEY) && !request.body.contains(KEY),
            "{request:?}"
        );
        assert_eq!(request.header("content-type").is_some(), request.method == "POST", "{request:?}");
    }
}

#[test]
fn a_text_that_is_slow_to_look_through_does_not_hold_up_the_answer() {
    let texts = ["\\", "%25", "%5C%5C", "\\u005c", "+", "%", "truedy_"];
    at_once(texts, |part| {
        let upstream = Upstream::start();
        // Far below the limit of a list, and long enough to show any work that grows with the square of the length.
        let text = part.repeat(300_000 / part.len());
        upstream.always(CREDENTIALS, Play::json(200, &json!({ "data": [{ "id": "c1", "friendly_name": text }] })));
        let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
        let id = wire.send_call("list_credentials", json!({}));
        let answer = wire.answer_within(id, BOUND).unwrap_or_else(|| panic!("no answer to {part:?} in {BOUND:?}"));
        assert_eq!(Called(answer).status(), "ok", "{part:?}");
    });
}

#[test]
fn a_webhook_url_is_passed_on_only_if_it_is_one() {
    let upstream = Upstream::start();
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Modern);
    let long = format!("https://api.ultravox.ai/{}", "x".repeat(600));
    for (url, status, flagged) in [
        ("https://api.ultravox.ai/api/agents/1/telephony_xml", "ok", false),
        ("https://hooks.truedy.ai/x", "ok", false),
        ("https://ultravox.ai.example.com/x", "ok", true),
        ("https://notultravox.ai/x", "ok", true),
        ("http://api.ultravox.ai/x", "bad_upstream_response", false),
        ("https://user@api.ultravox.ai/x", "bad_upstream_response", false),
        ("javascript:alert(1)", "bad_upstream_response", false),
        ("", "bad_upstream_response", false),
        (&long, "bad_upstream_response", false),
    ] {
        upstream.always(WEBHOOK, Play::json(200, &json!({ "data": { "webhook_url": url } })));
        let called = wire.call("get_webhook_url", json!({ "agent_id": FRONT_DESK }));
        assert_eq!(called.status(), status, "{url}: {}", called.0);
        assert_eq!(called.object()["unexpected_host"] == json!(true), flagged, "{url}: {}", called.0);
    }
}
