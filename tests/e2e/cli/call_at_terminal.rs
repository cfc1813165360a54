//! `call` for people: what a terminal shows, and what a person there is asked before money and a release.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::run::truedy_with;
use crate::support::fake_truedy::{PURCHASE, Play, SEARCH, Upstream};
use crate::support::program::{KEY, Ran, program, run};
use crate::support::terminal::run_at_terminal;

const NUMBER: &str = "phone_number=+14155550100";
/// A number of the sandbox that no agent uses.
const UNUSED: &str = "number_id=+442079460123";

/// Calls a tool on the sandbox of this home, at a terminal where this is typed at the prompt.
fn at_terminal(home: &Path, arguments: &[&str], prompt: &str, typed: &str) -> Ran {
    let mut command = program();
    command.arg("call").args(arguments).arg("--sandbox").env("HOME", home).env("NO_COLOR", "1").env("TERM", "xterm");
    run_at_terminal(command, prompt, typed)
}

/// The recorded changes.
fn recorded(home: &Path) -> Vec<Value> {
    let mut command = program();
    command.args(["operations", "--sandbox", "--json"]).env("HOME", home);
    serde_json::from_str(&run(command, "").stdout).expect("an array")
}

#[test]
fn a_purchase_is_made_only_after_a_yes_and_recorded_as_approved_at_the_terminal() {
    for (more, typed, bought) in [
        (&[][..], "n\n", false),
        (&["confirm=true"], "\n", false),
        (&["confirm=true"], "0100\n", false),
        (&[], "y\n", true),
        (&["confirm=true"], "yes\n", true),
    ] {
        let home = TempDir::new().unwrap();
        let ran = at_terminal(home.path(), &[&["purchase_number", NUMBER], more].concat(), "[y/N]", typed);
        assert!(
            ran.stderr.contains("buy +1 415 555 0100 for 1.00 USD a month and 1.00 USD once? [y/N]"),
            "{}",
            ran.stderr
        );
        assert_eq!(ran.code, Some(i32::from(!bought)), "{typed:?}: {}", ran.stderr);
        let recorded = recorded(home.path());
        assert_eq!(recorded.len(), usize::from(bought), "{recorded:?}");
        if bought {
            assert_eq!(recorded[0]["approved_by"], "person (terminal)", "{recorded:?}");
        } else {
            assert!(ran.stderr.contains("Nothing was bought."), "{}", ran.stderr);
        }
    }
}

/// A copied line must not act on the live account.
#[test]
fn the_next_command_has_the_settings_of_this_one() {
    let home = TempDir::new().unwrap();
    let state = home.path().join("a b").display().to_string();
    let ran =
        at_terminal(home.path(), &["purchase_number", NUMBER, "confirm=true", "--state-dir", &state], "[y/N]", "y\n");
    let next =
        ran.stderr.lines().find(|line| line.starts_with("Next: truedy-mcp call ")).unwrap_or_default().trim_end();
    assert!(next.ends_with(&format!(" --sandbox --state-dir '{state}'")), "{}", ran.stderr);
}

/// A yes is one to the price that was shown.
#[test]
fn what_became_dearer_before_the_yes_is_not_bought() {
    let upstream = Upstream::start();
    let mut price = 1;
    upstream.on(SEARCH, move |_, _| {
        let cost = json!({ "currency": "USD", "monthly_cost": format!("{price}.00") });
        price += 8;
        let offer = json!({ "phone_number": "+14155550100", "cost_information": cost });
        Play::json(200, &json!({ "data": [offer], "pagination": { "has_more": false } }))
    });
    let home = TempDir::new().unwrap();
    let mut command = program();
    command.args(["call", "purchase_number", NUMBER]).env("HOME", home.path()).env("TERM", "xterm");
    command.env("TRUEDY_BASE_URL", upstream.base_url()).env("TRUEDY_API_KEY", KEY);
    let ran = run_at_terminal(command, "[y/N]", "y\n");
    assert_eq!((ran.code, upstream.count(PURCHASE)), (Some(1), 0), "{}", ran.stderr);
    assert!(ran.stderr.contains("1.00 USD") && ran.stderr.contains("It costs 9.00 USD a month"), "{}", ran.stderr);
}

#[test]
fn a_release_is_made_only_after_its_last_four_digits() {
    let home = TempDir::new().unwrap();
    for typed in ["y\n", "0124\n", "\n", "+442079460123\n"] {
        let ran = at_terminal(home.path(), &["release_number", UNUSED, "confirm=true"], "last four digits", typed);
        assert!(ran.code == Some(1) && ran.stderr.contains("Nothing was released."), "{typed:?}: {}", ran.stderr);
    }
    assert!(recorded(home.path()).is_empty());
    let ran = at_terminal(home.path(), &["release_number", UNUSED], "last four digits", "0123\n");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(recorded(home.path())[0]["approved_by"], "person (terminal)");
}

#[test]
fn a_release_that_would_be_refused_asks_nothing() {
    let home = TempDir::new().unwrap();
    let ran = at_terminal(home.path(), &["release_number", "number_id=+14155550123"], "last four digits", "0123\n");
    assert!(ran.code == Some(1) && !ran.stderr.contains("last four digits:"), "{}", ran.stderr);
}

#[test]
fn yes_spares_the_question_and_nothing_else() {
    let home = TempDir::new().unwrap();
    let ran = at_terminal(home.path(), &["purchase_number", NUMBER, "--yes"], "[y/N]", "y\n");
    assert!(ran.code == Some(1) && !ran.stderr.contains("[y/N]"), "{}", ran.stderr);
    assert!(recorded(home.path()).is_empty());
    // In a pipe nobody is asked, and the flag is needed all the same.
    let sandbox = ["--sandbox", "--ephemeral"];
    assert_eq!(truedy_with(&[&["call", "purchase_number", NUMBER], &sandbox[..]].concat(), &[], "y\n").code, Some(1));
    let ran = at_terminal(home.path(), &["purchase_number", NUMBER, "confirm=true", "--yes"], "[y/N]", "");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(recorded(home.path())[0]["approved_by"], "flag");
}

/// Whoever types at a terminal may be a program: the level `human` asks for more.
#[test]
fn a_yes_at_the_terminal_is_not_enough_for_the_level_human() {
    let home = TempDir::new().unwrap();
    let ran = at_terminal(home.path(), &["purchase_number", NUMBER, "--gate", "human"], "[y/N]", "y\n");
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(recorded(home.path()).iter().all(|one| one["state"] != "done"), "{:?}", recorded(home.path()));
    let ran = at_terminal(home.path(), &["purchase_number", NUMBER, "--gate", "token"], "[y/N]", "y\n");
    assert_eq!(ran.code, Some(0), "the token of the preview goes along: {}", ran.stderr);
}

#[test]
fn a_terminal_shows_a_table_and_a_pipe_json() {
    let home = TempDir::new().unwrap();
    let shown = at_terminal(home.path(), &["search_numbers", "area_code=415", "page_size=3"], "no prompt", "").stderr;
    assert!(shown.contains("NUMBER") && shown.contains("+1 415 555 0100") && !shown.contains('{'), "{shown}");
    let json = at_terminal(home.path(), &["list_numbers", "--json"], "no prompt", "").stderr;
    assert!(serde_json::from_str::<Value>(&json).is_ok_and(|body| body["status"] == "ok"), "{json}");
    let piped =
        |more: &[&str]| truedy_with(&[&["call", "list_numbers", "--sandbox", "--ephemeral"], more].concat(), &[], "");
    assert_eq!(piped(&[]).json()["status"], "ok");
    assert_eq!(piped(&["--json"]).json()["status"], "ok");
    assert_eq!(piped(&["--json", "limit=2"]).json()["numbers"].as_array().map(Vec::len), Some(2));
    let csv = piped(&["--csv"]).fine();
    assert!(csv.starts_with("number,") && csv.lines().count() > 5, "{csv}");
    assert_eq!(piped(&["limit=2", "--json", "{}"]).code, Some(2));
}

#[test]
fn an_error_is_said_once_and_a_wrong_name_gets_the_near_one() {
    let home = TempDir::new().unwrap();
    let ran = at_terminal(home.path(), &["list_numbers", "limit=101"], "no prompt", "");
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("limit").count(), ran.stderr.lines().filter(|line| line.contains("limit")).count());
    assert_eq!(ran.stderr.matches("truedy-mcp: ").count(), 1, "{}", ran.stderr);
    let ran = at_terminal(home.path(), &["list_number"], "no prompt", "");
    assert!(ran.code == Some(2) && ran.stderr.contains("Did you mean list_numbers?"), "{}", ran.stderr);
}
