//! Every command and every setting: its help, its flag and its variable.

use std::fs;

use clap::{Command, CommandFactory};
use serde_json::{Value, json};
use tempfile::TempDir;
use truedy_mcp::cli::Cli;

use super::run::{truedy, truedy_with};
use crate::support::expected;
use crate::support::program::{at_once, program, run};

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

/// The text without the breaks of lines.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Every command, as the words of a command line.
fn commands(at: &Command, words: &[String]) -> Vec<Vec<String>> {
    let below =
        at.get_subcommands().flat_map(|below| commands(below, &[words, &[below.get_name().to_owned()]].concat()));
    std::iter::once(words.to_vec()).chain(below.collect::<Vec<_>>()).collect()
}

#[test]
fn the_help_shows_groups_an_example_and_exit_codes() {
    for arguments in [&["--help"][..], &["help"], &["-h"], &["--color", "never", "help"]] {
        let help = truedy(arguments).fine();
        for group in ["Try", "Connect", "Use", "Check", "Other"] {
            assert!(help.contains(&format!("\n{group}\n  ")), "{arguments:?}: {group}: {help}");
        }
        for word in ["truedy-mcp tour", "TRUEDY_API_KEY", "Exit codes:", "truedy-mcp help settings"] {
            assert!(help.contains(word), "{arguments:?}: {word}");
        }
        for code in ["0 fine", "1 failed", "2 usage", "3 key", "4 Truedy", "5 refused", "6 not known"] {
            assert!(flat(&help).contains(code), "{arguments:?}: {code}");
        }
        assert!(!help.contains("--purchases-per-day"), "{help}");
    }
}

#[test]
fn the_page_of_the_settings_shows_every_flag_and_variable() {
    let help = flat(&truedy(&["help", "settings"]).fine());
    for (flag, variable, _) in SETTINGS {
        assert!(help.contains(flag) && help.contains(&format!("[env: {variable}]")), "{flag}: {help}");
    }
    let http = flat(&truedy(&["help", "http-settings"]).fine());
    for flag in ["--listen", "--tls-cert", "--oauth-tenant", "--admin-listen", "--drain-seconds"] {
        assert!(http.contains(flag), "{flag}: {http}");
    }
    assert!(!http.contains("--purchases-per-day"), "{http}");
}

#[test]
fn the_page_of_every_command_is_short_and_begins_with_what_it_is_for_and_an_example() {
    let all = commands(&Cli::command(), &[]);
    assert!(all.len() > 28, "{all:?}");
    at_once(&all, |words| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let page = truedy(&[&words[..], &["--help"]].concat()).fine();
        assert_eq!(truedy(&[&["help"], &words[..]].concat()).fine(), page, "{words:?}");
        assert!(page.lines().count() <= 45, "{words:?}: {} lines\n{page}", page.lines().count());
        for line in page.lines() {
            assert!(line.chars().count() <= 100, "{words:?}: {line}");
        }
        let (before, _) = page.split_once("Usage:").expect("how it is used");
        let example = format!("truedy-mcp {}", words.first().unwrap_or(&"tour"));
        assert!(before.contains(&example), "{words:?}: no example before the usage\n{page}");
        assert!(page.starts_with(|c: char| c.is_uppercase()) && page.lines().nth(1) == Some(""), "{words:?}: {page}");
    });
}

#[test]
fn a_page_shows_no_setting_that_the_command_does_not_use() {
    for command in [&["token", "new"][..], &["probe"], &["tour"], &["completions"], &["man"], &["sandbox", "faults"]] {
        let page = truedy(&[command, &["--help"]].concat()).fine();
        assert!(!page.contains("help settings"), "{command:?}: {page}");
        for (flag, ..) in SETTINGS {
            let shows = |line: &str| line.trim_start().split([' ', '[']).next() == Some(flag);
            assert!(!page.lines().any(shows), "{command:?}: {flag}");
        }
    }
    // A flag that a page shows is accepted: the command says no that it would not use it.
    let call = truedy(&["call", "--help"]).fine();
    assert!(call.contains("--sandbox") && call.contains("help settings"), "{call}");
}

#[test]
fn the_help_of_a_tool_shows_its_arguments() {
    for arguments in [&["call", "purchase_number", "--help"][..], &["call", "-h", "purchase_number"]] {
        let page = truedy(arguments).fine();
        for part in ["Buy (purchase, order, get)", "Required. E.164", "true|false", "phone_number=+14155550100"] {
            assert!(page.contains(part), "{part}: {page}");
        }
    }
    // A name that is no tool gets the page of the command.
    assert!(truedy(&["call", "no_such_tool", "--help"]).fine().contains("<TOOL>"));
}

/// A reader copies the example first.
#[test]
fn the_example_of_every_tool_runs_on_the_sandbox() {
    let home = TempDir::new().unwrap();
    let import = json!({ "phone_number": "+12125550143", "provider_type": "telnyx", "api_key": "KEY0123456789" });
    fs::write(home.path().join("import.json"), import.to_string()).unwrap();
    for tool in expected::names() {
        let page = truedy(&["call", tool, "--help"]).fine();
        let example =
            page.lines().skip_while(|line| !line.starts_with("Example: ")).take_while(|line| !line.is_empty());
        let example: Vec<&str> = example.collect();
        let typed = example.join("\n").replacen("Example: truedy-mcp", "\"$PROGRAM\"", 1);
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &typed]).current_dir(home.path()).env_clear();
        shell.env("PROGRAM", program().get_program()).env("HOME", home.path());
        let ran = run(shell, "");
        let answer: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{typed}: {}", ran.stderr));
        let status = answer["status"].as_str().unwrap_or_default();
        let fine = ["ok", "confirmation_required", "imported", "already_assigned", "unassigned"];
        assert!(fine.contains(&status), "{typed}: {answer}");
    }
}

#[test]
fn help_is_given_whatever_is_set_and_an_unknown_topic_is_not_repeated() {
    for arguments in [&["help"][..], &["help", "settings"], &["help", "call"]] {
        truedy_with(arguments, &[("TRUEDY_MCP_READONLY", "1"), ("TRUEDY_MCP_UPSTREAM_RPM", "x")], "").fine();
    }
    let said = truedy(&["help", "setings"]).refused(2);
    assert!(said.contains("Did you mean settings?"), "{said}");
    let said = truedy(&["help", "truedy_Hunter2Hunter2Hunter2Hunter2Hunt"]).refused(2);
    assert!(!said.contains("Hunter2"), "{said}");
}

#[test]
fn every_setting_has_a_variable_named_after_its_flag() {
    assert_eq!(truedy(&["-V"]).fine(), concat!("truedy-mcp ", env!("CARGO_PKG_VERSION"), "\n"));
    let help = truedy(&["help", "settings"]).fine();
    let flags: Vec<&str> = help
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("--"))
        .map(|rest| rest.split([' ', ',', '[']).next().unwrap_or_default())
        .collect();
    // It has no variable of its own: NO_COLOR and CLICOLOR_FORCE are everybody's.
    let own = ["color"];
    for flag in flags.iter().filter(|flag| !own.contains(flag)) {
        let variable = match *flag {
            "api-key-file" => "TRUEDY_API_KEY_FILE".to_owned(),
            "base-url" => "TRUEDY_BASE_URL".to_owned(),
            other => format!("TRUEDY_MCP_{}", other.replace('-', "_").to_uppercase()),
        };
        // No help shows what a variable holds.
        let shown = format!("[env: {variable}]");
        assert!(flat(&help).contains(&shown), "{flag}");
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
