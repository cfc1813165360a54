//! Every command and every setting: its help, its flag and its variable.

use super::run::truedy;
use crate::support::program::at_once;

/// Each command as it is typed, the shortest way.
const COMMANDS: [&[&str]; 19] = [
    &["http"],
    &["token", "new"],
    &["probe", "ready"],
    &["stdio"],
    &["sandbox"],
    &["sandbox", "reset"],
    &["sandbox", "faults"],
    &["tour"],
    &["call", "list_numbers"],
    &["tools"],
    &["doctor"],
    &["carriers", "add", "main", "--provider", "telnyx"],
    &["carriers", "list"],
    &["carriers", "remove", "main"],
    &["carriers", "test"],
    &["config", "print", "codex"],
    &["config"],
    &["completions", "bash"],
    &["man"],
];

/// Every setting: its flag, its variable, and a value that is right.
pub(super) const SETTINGS: [(&str, &str, Option<&str>); 29] = [
    ("--config", "TRUEDY_MCP_CONFIG", Some("/dev/null")),
    ("--api-key-file", "TRUEDY_API_KEY_FILE", Some("/dev/null")),
    ("--base-url", "TRUEDY_BASE_URL", Some("http://127.0.0.1:9")),
    ("--upstream-rpm", "TRUEDY_MCP_UPSTREAM_RPM", Some("7")),
    ("--upstream-window", "TRUEDY_MCP_UPSTREAM_WINDOW", Some("own")),
    ("--upstream-proxy", "TRUEDY_MCP_UPSTREAM_PROXY", Some("env")),
    ("--ca-file", "TRUEDY_MCP_CA_FILE", Some("/dev/null")),
    ("--sandbox", "TRUEDY_MCP_SANDBOX", None),
    ("--ephemeral", "TRUEDY_MCP_EPHEMERAL", None),
    ("--fault", "TRUEDY_MCP_FAULT", Some("pending=stuck")),
    ("--ledger", "TRUEDY_MCP_LEDGER", Some("/dev/null")),
    ("--read-only", "TRUEDY_MCP_READ_ONLY", None),
    ("--tools", "TRUEDY_MCP_TOOLS", Some("list_numbers,list_agents")),
    ("--exclude-tools", "TRUEDY_MCP_EXCLUDE_TOOLS", Some("release_number")),
    ("--protect", "TRUEDY_MCP_PROTECT", Some("+14155550123")),
    ("--release-in-use", "TRUEDY_MCP_RELEASE_IN_USE", None),
    ("--ask", "TRUEDY_MCP_ASK", Some("off")),
    ("--gate", "TRUEDY_MCP_GATE", Some("token")),
    ("--purchases-per-day", "TRUEDY_MCP_PURCHASES_PER_DAY", Some("3")),
    ("--releases-per-day", "TRUEDY_MCP_RELEASES_PER_DAY", Some("0")),
    ("--imports-per-day", "TRUEDY_MCP_IMPORTS_PER_DAY", Some("unlimited")),
    ("--spend-per-day", "TRUEDY_MCP_SPEND_PER_DAY", Some("50 USD")),
    ("--max-monthly-cost", "TRUEDY_MCP_MAX_MONTHLY_COST", Some("2.50 USD")),
    ("--countries", "TRUEDY_MCP_COUNTRIES", Some("US,CA")),
    ("--number-types", "TRUEDY_MCP_NUMBER_TYPES", Some("local,toll_free")),
    ("--sip-hosts", "TRUEDY_MCP_SIP_HOSTS", Some("sip.example.com")),
    ("--inline-secrets", "TRUEDY_MCP_INLINE_SECRETS", Some("deny")),
    ("--journal", "TRUEDY_MCP_JOURNAL", Some("memory")),
    ("--log-format", "TRUEDY_MCP_LOG_FORMAT", Some("text")),
];

#[test]
fn the_help_shows_variables_examples_and_exit_codes() {
    for arguments in [&["--help"][..], &["help"], &["-h"]] {
        // Without the breaks of lines.
        let help = truedy(arguments).fine().split_whitespace().collect::<Vec<_>>().join(" ");
        for (flag, variable, _) in SETTINGS {
            assert!(help.contains(flag) && help.contains(&format!("[env: {variable}")), "{arguments:?}: {flag}");
        }
        for word in ["Examples:", "truedy-mcp tour", "TRUEDY_API_KEY", "Exit codes:"] {
            assert!(help.contains(word), "{arguments:?}: {word}");
        }
        for code in ["0 fine", "1 failed", "2 usage", "3 key", "4 Truedy", "5 refused"] {
            assert!(help.contains(code), "{arguments:?}: {code}");
        }
    }
}

#[test]
fn the_help_of_every_command_shows_an_example_of_it() {
    for command in [
        "stdio",
        "http",
        "token",
        "probe",
        "sandbox",
        "tour",
        "call",
        "tools",
        "doctor",
        "carriers",
        "config",
        "completions",
        "man",
    ] {
        for arguments in [[command, "--help"], ["help", command]] {
            let help = truedy(&arguments).fine();
            let (_, examples) = help.split_once("Example").unwrap_or_else(|| panic!("{command}: {help}"));
            assert!(examples.contains("truedy-mcp") && examples.contains(command), "{command}: {examples}");
        }
    }
    assert_eq!(truedy(&["--version"]).fine(), concat!("truedy-mcp ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn every_setting_has_a_variable_named_after_its_flag() {
    let help = truedy(&["--help"]).fine();
    let flags: Vec<&str> = help
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("--"))
        .map(|rest| rest.split([' ', ',', '[']).next().unwrap_or_default())
        .collect();
    let own = ["help", "version"];
    for flag in flags.iter().filter(|flag| !own.contains(flag)) {
        let variable = match *flag {
            "api-key-file" => "TRUEDY_API_KEY_FILE".to_owned(),
            "base-url" => "TRUEDY_BASE_URL".to_owned(),
            other => format!("TRUEDY_MCP_{}", other.replace('-', "_").to_uppercase()),
        };
        // No help shows what a variable holds.
        let shown = format!("[env: {variable}]");
        assert!(help.contains(&shown), "{flag}");
    }
    // And the table of these tests has them all.
    for flag in flags.iter().filter(|flag| !own.contains(flag) && !["state-dir", "state-key-file"].contains(*flag)) {
        assert!(SETTINGS.iter().any(|(known, ..)| known.trim_start_matches("--") == *flag), "{flag}");
    }
    assert!(flags.len() > SETTINGS.len());
}

#[test]
fn every_setting_is_accepted_after_every_command_and_before_it() {
    let mut settings: Vec<&str> = vec!["--state-dir", "/nowhere"];
    for (flag, _, value) in &SETTINGS {
        settings.push(flag);
        settings.extend(value);
    }
    at_once(COMMANDS, |command| {
        for arguments in
            [[command, &settings[..], &["--help"]].concat(), [&settings[..], command, &["--help"]].concat()]
        {
            let ran = truedy(&arguments);
            assert_eq!(ran.code, Some(0), "{command:?}: {}", ran.stderr);
        }
        // Help alone would forgive nothing: an unknown flag is refused in the same place.
        let ran = truedy(&[command, &["--no-such-setting", "--help"]].concat());
        assert_eq!(ran.code, Some(2), "{command:?}: {}", ran.stdout);
    });
}
