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
        for word in [
            "list_agents",
            "purchase_number",
            "the user is asked",
            "number_in_use",
            "confirmation_required",
            "released",
            "That is all of it",
        ] {
            assert!(shown.contains(word), "{word}: {shown}");
        }
    });
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
