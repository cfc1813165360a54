//! `truedy-mcp tour`.

use tempfile::TempDir;
use truedy_mcp::sandbox::KEY;

use super::help::SETTINGS;
use super::run::{truedy, truedy_with};
use crate::support::program::{at_once, nobody};

#[test]
fn the_tour_goes_through_to_its_end_whatever_is_set_where_it_is_run() {
    let (_free, closed) = nobody();
    let odd = vec![("TRUEDY_API_KEY", KEY), ("TRUEDY_BASE_URL", closed.as_str()), ("TRUEDY_MCP_READ_ONLY", "true")];
    at_once([Vec::new(), odd], |variables| {
        let ran = truedy_with(&["tour"], &variables, "");
        let named = |part: &str| ran.stderr.lines().filter(|line| line.contains(part)).count();
        let (told, limits) = (named("do not hold there"), named("TRUEDY_MCP_READ_ONLY"));
        assert!(told == limits && (told == 1) != variables.is_empty(), "{}", ran.stderr);
        let shown = ran.fine();
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines.len() <= 30, "{} lines\n{shown}", lines.len());
        for line in &lines {
            assert!(line.chars().count() <= 80 && !line.contains('{') && !line.contains('\u{1b}'), "{line}");
        }
        for (part, times) in [
            ("You  ", 4),
            ("you: yes", 2),
            ("you: 0100", 1),
            ("Refused: Front desk would fall silent", 1),
            ("Preview:", 1),
            ("not known yet whether it was bought", 1),
            ("It is bought once", 1),
            ("$1.00 a month from now on. A person approved both purchases.", 1),
            ("truedy-mcp config", 1),
            ("tour --verbose", 1),
        ] {
            assert_eq!(shown.matches(part).count(), times, "{part}: {shown}");
        }
    });
}

#[test]
fn the_verbose_tour_shows_every_call_and_its_answer_in_json() {
    let shown = truedy(&["tour", "--verbose"]).fine();
    for part in [
        "{\"area_code\":\"415\",\"page_size\":3}",
        "\"status\": \"purchased\"",
        "\"status\": \"number_in_use\"",
        "\"status\": \"confirmation_required\"",
        "\"status\": \"already_owned\"",
        "\"approved_by\": \"person (form)\"",
        "asked: Buy +1 415 555 0100",
        "\"last4\":\"0100\"",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

/// What is not as the tour expects it stops the tour, wherever it happens.
#[test]
fn the_tour_fails_when_anything_is_not_as_expected() {
    at_once(
        [
            ("purchase=unavailable", "(purchase_number) answered"),
            ("pending=fails", "did not become active"),
            ("release=carrier_refuses", "(release_number) answered"),
            ("auth=401", "answered auth_failed"),
            ("search=race", "the tour stopped: "),
        ],
        |(fault, said)| {
            let ran = truedy_with(&["tour"], &[("TRUEDY_MCP_TOUR_FAULT", fault)], "");
            assert_eq!(ran.code, Some(1), "{fault}: {}{}", ran.stdout, ran.stderr);
            assert!(ran.stderr.contains(said) && !ran.stdout.contains("Next"), "{fault}: {}", ran.stderr);
        },
    );
}

#[test]
fn the_tour_refuses_the_flags_that_it_would_not_use() {
    for (flag, _, value) in SETTINGS.iter().filter(|(flag, ..)| !["--sandbox", "--ephemeral"].contains(flag)) {
        let said = truedy(&[&["tour", flag], value.as_slice()].concat()).refused(2);
        assert!(said.contains(flag) && said.contains("would do nothing"), "{flag}: {said}");
    }
}

#[test]
fn commands_without_a_policy_refuse_its_flags_and_ignore_its_variables() {
    let dir = TempDir::new().unwrap();
    let tokens = dir.path().join("tokens.toml").display().to_string();
    for command in [
        &["token", "new", "--tokens", &tokens, "--principal", "ana"][..],
        &["sandbox", "faults"],
        &["completions", "bash"],
        &["man"],
    ] {
        let said = truedy(&[command, &["--countries", "US"][..]].concat()).refused(2);
        assert!(said.contains("--countries") && said.contains("leave it out"), "{command:?}: {said}");
        truedy_with(command, &[("TRUEDY_MCP_COUNTRIES", "US")], "").fine();
    }
    for command in [&["probe", "ready"][..], &["sandbox"], &["sandbox", "reset"]] {
        let said = truedy(&[command, &["--max-monthly-cost", "2 USD"][..]].concat()).refused(2);
        assert!(said.contains("--max-monthly-cost"), "{command:?}: {said}");
    }
}
