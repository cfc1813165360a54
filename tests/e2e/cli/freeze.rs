//! `truedy-mcp freeze` and `unfreeze`: what they refuse, what they say, and where they cannot write.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::program::{Ran, nobody, program, run};
use crate::support::terminal::run_at_terminal;

const WHY: &str = "wrong numbers bought";

fn command(state: &Path, arguments: &[&str]) -> Command {
    let mut command = program();
    command.args(arguments).arg("--state-dir").arg(state);
    command
}

fn freeze(state: &Path, arguments: &[&str]) -> Ran {
    run(command(state, &[&["freeze"], arguments].concat()), "")
}

/// What `doctor` finds about freezes.
fn found(state: &Path) -> Vec<Value> {
    let ran = run(command(state, &["doctor", "--json", "--sandbox"]), "");
    let report: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{} {}", ran.stdout, ran.stderr));
    let checks = report["checks"].as_array().expect("checks").clone();
    checks.into_iter().filter(|check| check["check"] == "freeze" || check["name"] == "freeze").collect()
}

#[test]
fn where_nothing_can_be_written_it_fails_and_says_what_to_stop() {
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state");
    let fails = |ran: Ran, why: &str| {
        assert_eq!(ran.code, Some(1), "{why}: {} {}", ran.stdout, ran.stderr);
        for said in [why, "Nothing is certain to be frozen. Stop the processes", "revoke the API key"] {
            assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
        }
        assert!(!ran.stdout.contains("Frozen"), "{}", ran.stdout);
    };
    fails(freeze(&state, &["--why", WHY, "--journal", "memory"]), "journal in memory");
    fails(freeze(&state, &["--why", WHY, "--sandbox", "--ephemeral"]), "journal in memory");
    assert!(!state.exists());
    // A file that is no journal.
    fs::create_dir(&state).unwrap();
    fs::write(state.join("journal.sqlite"), b"not a database, and long enough to be one".repeat(100)).unwrap();
    fails(freeze(&state, &["--why", WHY]), "cannot be written");
    // A database that does not answer.
    let (_kept, address) = nobody();
    let address = address.trim_start_matches("http://").split('/').next().unwrap().to_owned();
    let mut away = command(&home.path().join("other"), &["freeze", "--why", WHY]);
    away.env("TRUEDY_MCP_JOURNAL", format!("postgres://truedy:hidden@{address}/truedy"));
    let away = run(away, "");
    assert!(!away.stderr.contains("hidden"), "{}", away.stderr);
    fails(away, "cannot be written");
}

#[test]
fn a_full_disk_is_no_freeze() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(freeze(home.path(), &["--why", "to make the journal"]).code, Some(0));
    let ended = run_at_terminal(command(home.path(), &["unfreeze"]), "type unfreeze", "unfreeze\n");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    // No file may grow, as on a full disk.
    let freezing = command(home.path(), &["freeze", "--why", WHY]);
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -f 0; exec \"$0\" \"$@\""]).arg(freezing.get_program()).args(freezing.get_args());
    limited.env_clear().env("HOME", home.path());
    let ran = run(limited, "");
    assert_eq!(ran.code, Some(1), "{} {}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("Stop the processes"), "{}", ran.stderr);
    assert!(found_live(home.path()).is_empty());
}

/// What `doctor` finds about freezes of the live journal.
fn found_live(state: &Path) -> Vec<Value> {
    let (_kept, address) = nobody();
    let mut doctor = command(state, &["doctor", "--json"]);
    doctor.env("TRUEDY_BASE_URL", address);
    let ran = run(doctor, "");
    let report: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{} {}", ran.stdout, ran.stderr));
    let checks = report["checks"].as_array().expect("checks").clone();
    checks.into_iter().filter(|check| check.to_string().contains("\"freeze\"")).collect()
}

#[test]
fn only_a_person_at_a_terminal_who_types_the_word_ends_it() {
    let home = tempfile::tempdir().unwrap();
    let ran = freeze(home.path(), &["--why", WHY]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let shown = ran.stdout;
    assert!(shown.starts_with("Frozen since 20") && shown.contains("no change begins for all tenants"), "{shown}");
    assert!(shown.contains("No other process has this journal open now."), "{shown}");
    assert!(shown.contains("No change was under way."), "{shown}");
    let told = found_live(home.path());
    assert!(told.len() == 1 && told[0].to_string().contains(WHY), "{told:?}");
    // The word in a pipe is nobody's.
    let piped = run(command(home.path(), &["unfreeze"]), "unfreeze\n");
    assert_eq!(piped.code, Some(1), "{}", piped.stdout);
    assert!(piped.stderr.contains("needs a person at a terminal; nothing was changed"), "{}", piped.stderr);
    for typed in ["\n", "yes\n", "y\n", "UNFREEZE\n", "freeze\n", "unfreeze now\n", "\u{4}"] {
        let ran = run_at_terminal(command(home.path(), &["unfreeze"]), "type unfreeze", typed);
        assert_eq!(ran.code, Some(1), "{typed:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("it stays frozen") && ran.stderr.contains(WHY), "{typed:?}: {}", ran.stderr);
    }
    // The freeze of a tenant that has none.
    let other =
        run_at_terminal(command(home.path(), &["unfreeze", "--tenant", "default"]), "type unfreeze", "unfreeze\n");
    assert_eq!(other.code, Some(1), "{}", other.stderr);
    let report = found_live(home.path()).remove(0).to_string();
    assert!(report.contains(WHY) && report.contains("truedy-mcp unfreeze"), "{report}");
    let ran = run_at_terminal(command(home.path(), &["unfreeze"]), "type unfreeze", "unfreeze\n");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(found_live(home.path()).is_empty());
    let again = run_at_terminal(command(home.path(), &["unfreeze"]), "type unfreeze", "unfreeze\n");
    assert_eq!((again.code, again.stderr.contains("nothing is frozen here")), (Some(0), true), "{}", again.stderr);
}

#[test]
fn the_reason_is_one_short_line_without_a_key() {
    let home = tempfile::tempdir().unwrap();
    for empty in ["", " \n ", "\u{202e}\u{7}"] {
        assert_eq!(freeze(home.path(), &["--why", empty]).code, Some(2), "{empty:?}");
    }
    let key = freeze(home.path(), &["--why", "the key truedy_0123456789abcdefghijABCDEFGHIJ01 leaked"]);
    assert_eq!(key.code, Some(2), "{}", key.stdout);
    assert!(!key.stderr.contains("0123456789abcdef"), "{}", key.stderr);
    assert!(found_live(home.path()).is_empty());
    let long = format!("a\nb\u{1b}[31m\u{202e} {}", "x".repeat(1_000));
    let ran = freeze(home.path(), &["--why", &long]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    // The command itself does not repeat the reason, which may hold what was pasted by mistake.
    assert!(!ran.stdout.contains("xxx"), "{}", ran.stdout);
    let told = found_live(home.path())[0].to_string();
    assert!(told.contains("a b") && told.matches('x').count() <= 200, "{told}");
    assert!(!told.contains(['\u{1b}', '\u{202e}']), "{told}");
    // The sandbox has a journal of its own, and says so.
    assert!(found(home.path()).is_empty());
    let ran = freeze(home.path(), &["--why", WHY, "--sandbox"]);
    assert!(ran.stdout.contains("sandbox-journal"), "{}", ran.stdout);
    assert_eq!(found(home.path()).len(), 1);
}

#[test]
fn a_freeze_says_what_ends_it_and_the_end_of_one_says_what_is_still_frozen() {
    let home = tempfile::tempdir().unwrap();
    let one = freeze(home.path(), &["--why", WHY, "--tenant", "default", "--sandbox"]).stdout;
    let at = home.path().display();
    let ends = format!("`truedy-mcp unfreeze --tenant default --sandbox --state-dir {at}`");
    assert!(one.contains(&format!("At a terminal, {ends} ends it.")) && !one.contains("frozen already"), "{one}");
    let again = freeze(home.path(), &["--why", "audit", "--tenant", "default", "--sandbox"]).stdout;
    assert!(again.contains("It was frozen already (since 20"), "{again}");
    assert!(again.contains(&format!(", {WHY}); the reason is now: audit")), "{again}");
    freeze(home.path(), &["--why", WHY, "--sandbox"]);
    let todo = found(home.path());
    assert!(todo.iter().any(|check| check["todo"].to_string().contains(&ends)), "{todo:?}");
    let end = |arguments: &[&str]| {
        let unfreeze = command(home.path(), &[&["unfreeze", "--sandbox"], arguments].concat());
        run_at_terminal(unfreeze, "type unfreeze", "unfreeze\n").stderr
    };
    let ended = end(&[]);
    let told = format!("The freeze of all tenants has ended. Still frozen: tenant default ({ends}).");
    assert!(ended.contains(&told) && !ended.contains("audit"), "{ended}");
    let reset = run(command(home.path(), &["sandbox", "reset"]), "").stdout;
    assert!(reset.contains(&format!("It is still frozen: {ends}.")), "{reset}");
    assert!(end(&["--tenant", "default"]).contains("The freeze of tenant default has ended: changes may begin again."));
    assert!(!run(command(home.path(), &["sandbox", "reset"]), "").stdout.contains("still frozen"));
}
