//! Changes under every fault: nothing is done twice, and nothing is denied that may have happened.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::account::{HTML, error};
use super::silence::{BOUND, SLOW};
use crate::support::era::Era;
use crate::support::fake_truedy::{
    ASSIGN, FRONT_DESK, FRONT_OFFICE, IMPORT, PURCHASE, Play, RELEASE, Reply, Seen, UNASSIGN, Upstream,
};
use crate::support::program::server;
use crate::support::raw_client::{Called, Wire};

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
pub(super) struct Outcome {
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
pub(super) struct Changes {
    pub(super) outcomes: Vec<Outcome>,
    pub(super) took: Duration,
    /// Connections that the host of the redirects saw.
    pub(super) elsewhere: usize,
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
        // One after the other up to the change: a hundred servers that begin at once wait for the processor, and not for
        // Truedy. From there on all wait together.
        let send = |(row, wire): (usize, &mut Wire)| {
            let sent = (wire.send_call(self.tool, (self.arguments)(&number(row))), Instant::now());
            upstream.wait_for(self.route, row + 1);
            sent
        };
        let calls: Vec<(u64, Instant)> = wires.iter_mut().enumerate().map(send).collect();
        // Who was sent later is read later, so the longest of these times is that of a call.
        let mut took = Duration::ZERO;
        let read = |(wire, (id, sent)): (&mut Wire, (u64, Instant))| {
            let called = wire.called(id);
            took = took.max(sent.elapsed());
            called
        };
        let answers: Vec<Called> = wires.iter_mut().zip(calls).map(read).collect();
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

pub(super) fn purchases() -> Vec<Changes> {
    let arguments: fn(&str) -> Value = |number| json!({ "phone_number": number, "confirm": true });
    creations(&Trial { route: PURCHASE, tool: "purchase_number", arguments, prepare: NOTHING }, "purchased")
}

pub(super) fn imports() -> Vec<Changes> {
    let arguments: fn(&str) -> Value =
        |number| json!({ "phone_number": number, "provider_type": "telnyx", "api_key": "KEYwire0123456789" });
    creations(&Trial { route: IMPORT, tool: "import_number", arguments, prepare: NOTHING }, "imported")
}

pub(super) fn releases() -> Vec<Changes> {
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

pub(super) fn assignments() -> Vec<Changes> {
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
