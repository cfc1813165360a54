//! The program under clocks that are wrong. `TRUEDY_TEST_FAKETIME` names libfaketime; the journal's own trials hold the same
//! rules without it.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::era::Era;
use crate::support::fake_truedy::{Account, LIST, PURCHASE, Play, RELEASE, Seen, Upstream};
use crate::support::program::{LONG, at_once, program, run, server};
use crate::support::raw_client::{Called, Wire};

/// Clocks set by this much.
const JUMPS: [&str; 4] = ["+25h", "-25h", "+91d", "-730d"];

fn number(last: u32) -> String {
    format!("+1415555{last:04}")
}

/// The library; `None`, and a word about it, where there is none.
fn library() -> Option<PathBuf> {
    let Some(library) = std::env::var_os("TRUEDY_TEST_FAKETIME").filter(|path| !path.is_empty()) else {
        println!("LEFT OUT: TRUEDY_TEST_FAKETIME is not set");
        return None;
    };
    let library = PathBuf::from(library);
    assert!(library.exists(), "TRUEDY_TEST_FAKETIME names no file");
    Some(library)
}

/// Lets a program believe that the wall clock is off by so much. Nothing else is changed.
fn under(mut command: Command, library: &Path, jump: &str) -> Command {
    command.env("LD_PRELOAD", library).env("FAKETIME", jump).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    command
}

fn keeper(upstream: &Upstream, state: &Path) -> Command {
    let mut command = server(&upstream.base_url());
    command.args(["--purchases-per-day", "1", "--releases-per-day", "1", "--state-dir"]).arg(state);
    command
}

fn buy(wire: &mut Wire, number: &str) -> Called {
    wire.call("purchase_number", json!({ "phone_number": number, "confirm": true }))
}

fn leave(mut wire: Wire) {
    wire.running.close();
    assert_eq!(wire.running.ended(LONG), Some(0));
}

fn operations(state: &Path) -> Vec<Value> {
    let mut command = program();
    command.args(["operations", "--json", "--only", "all", "--state-dir"]).arg(state);
    let ran = run(command, "");
    serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{} {}", ran.stdout, ran.stderr))
}

/// Whether the tool believes that a cap is reached.
fn is_full(called: &Called, rule: &str) {
    let answer = called.object();
    assert_eq!((called.status(), &answer["rule"]), ("policy_denied", &json!(rule)), "{}", called.0);
}

/// A process whose clock is set, on the journal of one whose clock is right: no place is free, nothing is erased, and no
/// number is bought twice. Then the other way round.
#[test]
fn a_clock_that_is_set_frees_no_place_and_erases_nothing() {
    let Some(library) = library() else { return };
    at_once(JUMPS.iter().flat_map(|jump| [(*jump, false), (*jump, true)]), |(jump, first_is_wrong)| {
        let (upstream, home) = (Upstream::start(), tempfile::tempdir().unwrap());
        // Of what was bought the list shows nothing: only the journal knows.
        upstream.on(PURCHASE, |seen, account| {
            let bought = Play::Answer(account.usual(seen));
            account.numbers.retain(|row| row["phone_number"] != json!(seen.says("phone_number")));
            bought
        });
        let id = upstream.account(|account| account.add(&number(2), true));
        let start = |is_wrong: bool| {
            let command = keeper(&upstream, home.path());
            Wire::open(if is_wrong { under(command, &library, jump) } else { command }, Era::Modern)
        };
        let mut first = start(first_is_wrong);
        assert_eq!(buy(&mut first, &number(1)).status(), "purchased");
        let released = first.call("release_number", json!({ "number_id": id, "confirm": true }));
        assert_eq!(released.status(), "released", "{}", released.0);
        leave(first);
        for is_wrong in [!first_is_wrong, first_is_wrong] {
            let mut wire = start(is_wrong);
            is_full(&buy(&mut wire, &number(3)), "purchases_per_day");
            is_full(&buy(&mut wire, &number(1)), "purchases_per_day");
            let other = upstream.account(|account| account.add(&number(4), true));
            is_full(&wire.call("release_number", json!({ "number_id": other, "confirm": true })), "releases_per_day");
            // It lives for as long as the tending takes that erases what is old.
            std::thread::sleep(std::time::Duration::from_millis(2_500));
            leave(wire);
            // Without a cap the number is not bought again either.
            let mut command = server(&upstream.base_url());
            command.arg("--state-dir").arg(home.path());
            let mut wire = Wire::open(if is_wrong { under(command, &library, jump) } else { command }, Era::Modern);
            let again = buy(&mut wire, &number(1));
            assert!(!again.is_error() || again.status() == "duplicate_in_flight", "{jump}: {}", again.0);
            leave(wire);
        }
        assert_eq!((upstream.count(PURCHASE), upstream.count(RELEASE)), (1, 1), "{jump} {first_is_wrong}");
        let done = operations(home.path()).into_iter().filter(|one| one["state"] == json!("done")).count();
        assert_eq!(done, 2, "{jump} {first_is_wrong}");
    });
}

/// A release whose answer was lost a moment ago is not "long after" because a clock says so.
#[test]
fn a_clock_that_is_set_makes_no_release_a_refused_one() {
    let Some(library) = library() else { return };
    at_once(["+25h", "+91d"], |jump| {
        let (upstream, home) = (Upstream::start(), tempfile::tempdir().unwrap());
        let id = upstream.account(|account| account.add(&number(1), true));
        upstream.always(RELEASE, Play::Never);
        let mut first = Wire::open(keeper(&upstream, home.path()), Era::Modern);
        first.send_call("release_number", json!({ "number_id": id, "confirm": true }));
        upstream.wait_for(RELEASE, 1);
        first.running.kill();
        // Whoever looks first, under the right clock, writes down that it was lost.
        assert_eq!(operations(home.path())[0]["state"], json!("unknown"));
        let mut wire = Wire::open(under(keeper(&upstream, home.path()), &library, jump), Era::Modern);
        for _ in 0..2 {
            let listed = wire.call("list_operations", json!({}));
            assert_eq!(listed.object()["unresolved"], json!(1), "{jump}: {}", listed.0);
        }
    });
}

/// What Truedy states as the time of day is a clock: it is asked for where nothing else vouches for a place being free.
#[test]
fn a_place_of_yesterday_is_free_once_truedy_says_what_day_it_is() {
    let (upstream, home) = (Upstream::start(), tempfile::tempdir().unwrap());
    let mut first = Wire::open(keeper(&upstream, home.path()), Era::Modern);
    assert_eq!(buy(&mut first, &number(1)).status(), "purchased");
    leave(first);
    // The machine was off for a day: what is stored is of another start.
    let day = 25 * 60 * 60 * 1000;
    let file = rusqlite::Connection::open(home.path().join("journal.sqlite")).unwrap();
    let sql = format!(
        "UPDATE operations SET begun_at = begun_at - {day}, ended_at = ended_at - {day}, begun_boot = 'other', ended_boot = 'other'"
    );
    file.execute(&sql, []).unwrap();
    drop(file);
    let dated = |hours_ago: i64| {
        move |seen: &Seen, account: &mut Account| {
            let at = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(hours_ago);
            let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap();
            Play::Answer(account.usual(seen).header("Date", &date))
        }
    };
    let start = || Wire::open(keeper(&upstream, home.path()), Era::Modern);
    // Truedy states no time, then one that contradicts this machine's: nothing is free.
    is_full(&buy(&mut start(), &number(2)), "purchases_per_day");
    upstream.on(LIST, dated(20));
    is_full(&buy(&mut start(), &number(2)), "purchases_per_day");
    upstream.on(LIST, dated(0));
    let bought = buy(&mut start(), &number(2));
    assert_eq!(bought.status(), "purchased", "{}", bought.0);
}
