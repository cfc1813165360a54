//! What is missing, nearly right or put in the wrong place is named, with what to do.

use std::fs;

use super::refused_settings::{fine, ran, refused};
use crate::support::program::{KEY, program, run};
use crate::support::terminal::run_at_terminal;

#[test]
fn a_variable_that_is_nearly_one_of_ours_stops_the_start_and_one_that_may_be_a_limit_is_named() {
    for (variable, meant) in [
        ("TRUEDY_SANDBOX", "TRUEDY_MCP_SANDBOX?"),
        ("TRUEDY_READ_ONLY", "TRUEDY_MCP_READ_ONLY?"),
        ("TRUEDY_GATE", "TRUEDY_MCP_GATE?"),
        ("truedy_mcp_read_only", "TRUEDY_MCP_READ_ONLY?"),
        ("TRUEDY_MCP-READ-ONLY", "TRUEDY_MCP_READ_ONLY?"),
        ("TRUEDYMCP_READONLY", "TRUEDY_MCP_READ_ONLY?"),
        ("truedy_api_key", "TRUEDY_API_KEY?"),
        ("TRUEDY_MCP_API_KEY", "TRUEDY_API_KEY?"),
        ("TRUEDY_MCP_BASE_URL", "TRUEDY_BASE_URL?"),
    ] {
        for command in ["tools", "stdio", "http"] {
            let said = refused(&[command], &[(variable, "hunter2")], &[variable, "Did you mean ", meant]);
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
    for (variable, value, named) in [
        ("TRUEDY_COUNTRY", "hunter2", Some("TRUEDY_MCP_COUNTRIES")),
        ("truedy_protected", "hunter2", Some("TRUEDY_MCP_PROTECT")),
        ("TRUEDY_READ_ONLY", " ", None),
        ("TRUEDY_HOST", "mcp.example.com", None),
        ("TRUEDY_TEST_POSTGRES", "x", None),
        ("TRUEDY_CAMPAIGN_SEED", "7", None),
        ("TRUEDY_INTERLEAVED", "1", None),
        ("TRUEDY_FLOOD", "1", None),
        ("TRUEDY_SANDBOX_PORT", "tcp://10.0.0.7:8787", None),
        ("MY_TRUEDY_READ_ONLY", "1", None),
    ] {
        let ran = ran(&["tools"], &[(variable, value)]);
        assert_eq!(ran.code, Some(0), "{variable}: {}", ran.stderr);
        let told = ran.stderr.contains(variable) && named.is_some_and(|named| ran.stderr.contains(named));
        assert!(told == named.is_some() && !ran.stderr.contains("hunter2"), "{variable}: {}", ran.stderr);
        assert!(told || ran.stderr.is_empty(), "{variable}: {}", ran.stderr);
    }
    // A name of the operator's own is known by the file that names it.
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    fs::write(&file, "[tenants.acme]\napi_key_env = \"truedy_api_key\"\n").unwrap();
    fine(&["tools"], &[("truedy_api_key", KEY), ("TRUEDY_MCP_CONFIG", file.to_str().unwrap())]);
}

#[test]
fn a_server_without_a_key_says_at_the_start_how_to_set_one() {
    const SAID: &str = "no API key is set, so every call will be refused: set TRUEDY_API_KEY";
    for (arguments, variables, told) in [
        (&["stdio"][..], &[][..], 1),
        (&["stdio"], &[("TRUEDY_API_KEY", " ")], 1),
        (&["stdio"], &[("TRUEDY_API_KEY", KEY)], 0),
        (&["stdio", "--sandbox", "--ephemeral"], &[], 0),
    ] {
        let ran = ran(arguments, variables);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert_eq!(ran.stderr.matches(SAID).count(), told, "{arguments:?} {variables:?}: {}", ran.stderr);
    }
}

#[test]
fn a_program_that_is_not_there_is_found_by_its_place_in_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    let profile = "provider = \"telnyx\"\napi_key = { command = [\"no-such-program-7\"] }\n";
    let at = file.to_str().unwrap();
    for (text, place) in [
        (format!("[carriers.main]\n{profile}"), "carriers.main.api_key"),
        (
            format!("[tenants.acme]\napi_key_env = \"ACME\"\n[tenants.acme.carriers.main]\n{profile}"),
            "tenants.acme.carriers.main.api_key",
        ),
    ] {
        fs::write(&file, text).unwrap();
        for arguments in [&["carriers", "list", "--config", at][..], &["carriers", "list", "--json", "--config", at]] {
            let listed = fine(arguments, &[]);
            assert!(listed.contains(&format!("; see {place} in {at}")), "{listed}");
            assert!(!listed.contains("no-such-program-7"), "{listed}");
        }
    }
}

#[test]
fn a_flag_for_a_key_of_a_carrier_is_told_how_its_place_is_given() {
    let add = ["carriers", "add", "main", "--provider", "twilio"];
    for flag in ["--api-key", "--auth-token", "--sip-password"] {
        let field = flag.trim_start_matches('-').replace('-', "_");
        let said = refused(&[&add[..], &[flag, "hunter2"]].concat(), &[], &[flag, &format!("--from {field}=env:")]);
        assert!(!said.contains("hunter2") && !said.contains("TRUEDY_API_KEY"), "{said}");
    }
    refused(&["tools", "--api-key", "hunter2"], &[], &["TRUEDY_API_KEY"]);
}

#[test]
fn an_unknown_flag_is_named_and_a_tools_argument_is_shown_as_it_is_written() {
    refused(&["numbers", "--read_only"], &[], &["'--read_only'", "did you mean '--read-only'?"]);
    let said = refused(&["freeze", "--why", "x", "--json"], &[], &["unexpected argument '--json' found"]);
    assert!(!said.contains("belongs to the command") && !said.contains("did you mean '--json'"), "{said}");
    refused(&["numbers", "--behind-tls-proxy"], &[], &["it belongs to the command http"]);
    for (flag, pair) in [("--unasigned", "unassigned=true"), ("--limit", "limit=VALUE")] {
        let told = format!("Arguments of a tool are name=value: {pair}");
        refused(&["call", "list_numbers", "--sandbox", flag], &[], &[flag, &told]);
    }
}

#[test]
fn a_person_without_a_key_is_led_to_init() {
    let home = tempfile::tempdir().unwrap();
    let at = home.path().to_str().unwrap();
    for arguments in [&["numbers"][..], &["call", "list_numbers"], &["doctor"]] {
        let ran = ran(&[arguments, &["--state-dir", at]].concat(), &[("HOME", at)]);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.code, Some(3), "{said}");
        let init = format!("Run `truedy-mcp init --state-dir {at}`, which asks for the key; or set TRUEDY_API_KEY");
        assert!(said.contains(&init) && !said.contains("where this server is started"), "{said}");
        assert!(!ran.stderr.contains("WARN"), "{said}");
    }
}

#[test]
fn profiles_that_nobody_added_yet_are_no_error() {
    let home = tempfile::tempdir().unwrap();
    let at = [("HOME", home.path().to_str().unwrap())];
    assert!(fine(&["carriers", "list"], &at).contains("There are no profiles yet; `truedy-mcp carriers add"));
    assert!(fine(&["carriers", "list", "--json"], &at).contains("\"carriers\": []"));
    refused(&["carriers", "list", "--config", "/nowhere/config.toml"], &at, &["--config /nowhere/config.toml"]);
}

#[test]
fn what_a_terminal_is_left_with_says_what_comes_next() {
    let home = tempfile::tempdir().unwrap();
    let command = |arguments: &[&str]| {
        let mut command = program();
        command.args(arguments).env("HOME", home.path());
        command
    };
    let waits = run_at_terminal(command(&["stdio", "--sandbox"]), "waiting for an MCP client", "\u{4}");
    assert!(waits.stderr.contains("Ctrl-C ends it"), "{}", waits.stderr);
    let page = run_at_terminal(command(&["man", "call"]), ".TH", "");
    assert!(page.stderr.contains("`truedy-mcp man call | man -l -` shows it as a page"), "{}", page.stderr);
    let file = home.path().join("tokens.toml");
    let new = ["token", "new", "--principal", "ana", "--tokens", file.to_str().unwrap()];
    let first = run(command(&new), "").stderr;
    let next = format!("give it to ana as TRUEDY_MCP_TOKEN; start `truedy-mcp http --tokens {}`", file.display());
    assert!(first.contains(&next) && !first.contains("another token"), "{first}");
    let second = run(command(&new), "").stderr;
    assert!(second.contains("another token of ana exists: ") && second.contains("truedy-mcp token revoke"), "{second}");
}
