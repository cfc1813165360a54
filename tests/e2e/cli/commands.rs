//! What a person runs: every command, every setting by flag and by variable, and the exit codes.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use truedy_mcp::sandbox::{KEY, OTHER_ORGANIZATION_KEY, REVOKED_KEY, SECOND_KEY};

use crate::support::era::Era;
use crate::support::expected::{self, TOOLS};
use crate::support::fake_truedy::{LIST, PURCHASE, Play, Reply, Upstream};
use crate::support::program::{LONG, Ran, Running, at_once, nobody, program, run};
use crate::support::raw_client::Wire;

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
const SETTINGS: [(&str, &str, Option<&str>); 28] = [
    ("--config", "TRUEDY_MCP_CONFIG", Some("/dev/null")),
    ("--api-key-file", "TRUEDY_API_KEY_FILE", Some("/dev/null")),
    ("--base-url", "TRUEDY_BASE_URL", Some("http://127.0.0.1:9")),
    ("--upstream-rpm", "TRUEDY_MCP_UPSTREAM_RPM", Some("7")),
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

/// Runs the program with these arguments and a home of its own.
fn truedy(arguments: &[&str]) -> Ran {
    truedy_with(arguments, &[], "")
}

fn truedy_with(arguments: &[&str], variables: &[(&str, &str)], input: &str) -> Ran {
    let home = TempDir::new().unwrap();
    let mut command = program();
    command.args(arguments).env("HOME", home.path()).envs(variables.iter().copied());
    run(command, input)
}

impl Ran {
    #[track_caller]
    fn fine(self) -> String {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stdout, self.stderr);
        self.stdout
    }

    #[track_caller]
    fn json(self) -> Value {
        let text = self.fine();
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}"))
    }

    /// Refused with this exit code and one sentence, and nothing on standard output.
    #[track_caller]
    fn refused(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        assert_eq!(self.stdout, "", "{}", self.stderr);
        assert_eq!(self.stderr.lines().count(), 1, "{}", self.stderr);
        assert!(self.stderr.starts_with("truedy-mcp: "), "{}", self.stderr);
        self.stderr
    }
}

// --- Help --------------------------------------------------------------------------------------------------------

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

// --- Settings ----------------------------------------------------------------------------------------------------

/// The names of the tools that are offered with these settings.
fn offered(arguments: &[&str], variables: &[(&str, &str)]) -> Vec<String> {
    let listed = truedy_with(&[&["tools", "--json"], arguments].concat(), variables, "").json();
    let tools = listed["tools"].as_array().cloned().unwrap_or_default();
    tools.iter().filter_map(|tool| tool["name"].as_str().map(str::to_owned)).collect()
}

#[test]
fn each_setting_does_the_same_by_flag_and_by_variable() {
    let reads = expected::reading();
    assert_eq!(offered(&["--read-only"], &[]), reads);
    assert_eq!(offered(&[], &[("TRUEDY_MCP_READ_ONLY", "true")]), reads);
    assert_eq!(offered(&[], &[("TRUEDY_MCP_READ_ONLY", "1")]), reads);
    assert_eq!(offered(&[], &[("TRUEDY_MCP_READ_ONLY", "false")]), expected::names());
    assert_eq!(offered(&["--tools", "list_agents,list_numbers"], &[]), ["list_numbers", "list_agents"]);
    assert_eq!(offered(&[], &[("TRUEDY_MCP_TOOLS", "list_agents,list_numbers")]), ["list_numbers", "list_agents"]);
    assert_eq!(offered(&["--exclude-tools", "release_number"], &[]), expected::names_without(&["release_number"]));
    assert_eq!(
        offered(&[], &[("TRUEDY_MCP_EXCLUDE_TOOLS", "release_number,list_agents")]),
        expected::names_without(&["release_number", "list_agents"])
    );
    assert_eq!(
        offered(&["--tools", "list_agents"], &[("TRUEDY_MCP_TOOLS", "list_numbers")]),
        ["list_agents"],
        "a flag wins"
    );

    // What a call does shows the rest. The first of each pair is without the setting.
    let release = ["call", "release_number", "number_id=+442079460123", "confirm=true"];
    let in_use = ["call", "release_number", "number_id=+14155550123", "confirm=true"];
    let sip = ["call", "import_number", "--json", "-"];
    let buy = ["call", "purchase_number", "phone_number=+14155550150", "confirm=true"];
    let trunk = json!({ "phone_number": "+12125550177", "provider_type": "custom_sip", "sip_username": "t", "sip_password": "p", "sip_server": "sip.example.org" }).to_string();
    let sandbox = ("TRUEDY_MCP_SANDBOX", "yes");
    let memory = ("TRUEDY_MCP_EPHEMERAL", "true");
    for (arguments, input, setting, without, with) in [
        (&release[..], "", [("--protect", "TRUEDY_MCP_PROTECT", Some("+442079460123"))], 0, 5),
        (&in_use, "", [("--release-in-use", "TRUEDY_MCP_RELEASE_IN_USE", None)], 1, 0),
        (&sip, trunk.as_str(), [("--sip-hosts", "TRUEDY_MCP_SIP_HOSTS", Some("sip.example.com"))], 0, 5),
        (&sip, trunk.as_str(), [("--imports-per-day", "TRUEDY_MCP_IMPORTS_PER_DAY", Some("0"))], 0, 5),
        (&release, "", [("--releases-per-day", "TRUEDY_MCP_RELEASES_PER_DAY", Some("0"))], 0, 5),
        (&buy, "", [("--purchases-per-day", "TRUEDY_MCP_PURCHASES_PER_DAY", Some("0"))], 0, 5),
        (&buy, "", [("--countries", "TRUEDY_MCP_COUNTRIES", Some("CA,GB"))], 0, 5),
        (&buy, "", [("--number-types", "TRUEDY_MCP_NUMBER_TYPES", Some("mobile"))], 0, 5),
        (&["call", "list_numbers"], "", [("--fault", "TRUEDY_MCP_FAULT", Some("auth=401"))], 0, 3),
    ] {
        let ran = truedy_with(arguments, &[sandbox, memory], input);
        assert_eq!(ran.code, Some(without), "{arguments:?}: {}", ran.stderr);
        for (flag, variable, value) in setting {
            let by_flag = [arguments, &["--sandbox", "--ephemeral", flag], value.as_slice()].concat();
            let ran = truedy_with(&by_flag, &[], input);
            assert_eq!(ran.code, Some(with), "{flag}: {}{}", ran.stdout, ran.stderr);
            let ran = truedy_with(arguments, &[sandbox, memory, (variable, value.unwrap_or("true"))], input);
            assert_eq!(ran.code, Some(with), "{variable}: {}{}", ran.stdout, ran.stderr);
        }
    }
}

/// What doctor says of the policy.
fn policy(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let report = truedy_with(&[&["doctor", "--json", "--sandbox"], arguments].concat(), variables, "").json();
    let checks = report["checks"].as_array().cloned().unwrap_or_default();
    let told = checks.into_iter().find(|check| check["check"] == json!("policy")).expect("the policy is told");
    told["found"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn the_policy_in_force_is_told_whatever_set_it() {
    let defaults = policy(&[], &[]);
    for rule in ["gate flag", "at most 10 purchases, 10 releases and 50 imports in 24 hours"] {
        assert!(defaults.contains(rule), "{rule}: {defaults}");
    }
    for (flag, variable, value, rule) in [
        ("--gate", "TRUEDY_MCP_GATE", "token", "gate token"),
        ("--gate", "TRUEDY_MCP_GATE", "human", "gate human"),
        ("--purchases-per-day", "TRUEDY_MCP_PURCHASES_PER_DAY", "3", "3 purchases"),
        ("--releases-per-day", "TRUEDY_MCP_RELEASES_PER_DAY", "0", ", 0 releases"),
        ("--imports-per-day", "TRUEDY_MCP_IMPORTS_PER_DAY", "unlimited", "unlimited imports"),
        ("--spend-per-day", "TRUEDY_MCP_SPEND_PER_DAY", "50 USD", "50.00 USD for purchases in 24 hours"),
        ("--max-monthly-cost", "TRUEDY_MCP_MAX_MONTHLY_COST", "2.5 EUR", "2.50 EUR a month"),
        ("--countries", "TRUEDY_MCP_COUNTRIES", "US,CA", "CA, US only"),
        ("--number-types", "TRUEDY_MCP_NUMBER_TYPES", "toll-free,local", "local, toll_free numbers only"),
        ("--tools", "TRUEDY_MCP_TOOLS", "list_numbers", "list_numbers only"),
        ("--exclude-tools", "TRUEDY_MCP_EXCLUDE_TOOLS", "list_agents", "switched off: list_agents"),
        ("--inline-secrets", "TRUEDY_MCP_INLINE_SECRETS", "deny", "carrier keys from profiles or the user's page only"),
    ] {
        assert!(!defaults.contains(rule), "{rule}: {defaults}");
        for told in [policy(&[flag, value], &[]), policy(&[], &[(variable, value)])] {
            assert!(told.contains(rule), "{flag}: {told}");
        }
    }
    // A flag wins, a rule for the whole is told beside it.
    let told = policy(&["--purchases-per-day", "4"], &[("TRUEDY_MCP_PURCHASES_PER_DAY", "3")]);
    assert!(told.contains("gate flag") && told.contains("4 purchases"), "{told}");
}

#[test]
fn files_and_directories_are_taken_from_flag_and_variable() {
    let dir = TempDir::new().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let (by_flag, by_variable) = (path("flag"), path("variable"));
    truedy(&["call", "list_numbers", "--sandbox", "--state-dir", &by_flag]).fine();
    truedy_with(&["call", "list_numbers"], &[("TRUEDY_MCP_SANDBOX", "on"), ("TRUEDY_MCP_STATE_DIR", &by_variable)], "")
        .fine();
    for state in [&by_flag, &by_variable] {
        let state = Path::new(state);
        assert!(state.join("sandbox.sqlite").is_file(), "{state:?}");
        assert_eq!(fs::metadata(state).unwrap().permissions().mode() & 0o777, 0o700, "others can look into {state:?}");
    }
    // In memory nothing is left behind.
    let none = path("none");
    truedy(&["call", "list_numbers", "--sandbox", "--ephemeral", "--state-dir", &none]).fine();
    assert!(!Path::new(&none).exists());
    let (first, second) = (path("ledger-1"), path("ledger-2"));
    truedy(&["call", "list_numbers", "--sandbox", "--ephemeral", "--ledger", &first]).fine();
    truedy_with(&["call", "list_numbers", "--sandbox", "--ephemeral"], &[("TRUEDY_MCP_LEDGER", &second)], "").fine();
    for ledger in [first, second] {
        let text = fs::read_to_string(&ledger).unwrap();
        assert!(text.lines().count() > 0, "{ledger}");
        assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{text}");
        assert!(!text.contains(KEY), "{text}");
    }
    // Without either, state lies where it is kept by convention.
    let home = TempDir::new().unwrap();
    let mut command = program();
    command.args(["call", "list_numbers", "--sandbox"]).env("HOME", home.path());
    run(command, "").fine();
    assert!(home.path().join(".local/state/truedy-mcp/sandbox.sqlite").is_file());
    let state = TempDir::new().unwrap();
    let mut command = program();
    command.args(["call", "list_numbers", "--sandbox"]).env("HOME", home.path()).env("XDG_STATE_HOME", state.path());
    run(command, "").fine();
    assert!(state.path().join("truedy-mcp/sandbox.sqlite").is_file());
}

#[test]
fn how_logs_look_and_how_many_requests_leave_are_taken_from_flag_and_variable() {
    let upstream = Upstream::start();
    let base = upstream.base_url();
    let live = [("TRUEDY_BASE_URL", base.as_str()), ("TRUEDY_API_KEY", KEY), ("RUST_LOG", "truedy_mcp=debug")];
    upstream.always(LIST, Play::json(402, &json!({})));
    for (arguments, variables, json) in [
        (&["--log-format", "json"][..], &[][..], true),
        (&["--log-format", "text"], &[], false),
        (&[], &[("TRUEDY_MCP_LOG_FORMAT", "json")], true),
        (&[], &[("TRUEDY_MCP_LOG_FORMAT", "text")], false),
        (&[], &[], true),
    ] {
        let ran = truedy_with(&[&["call", "list_numbers"], arguments].concat(), &[&live[..], variables].concat(), "");
        let first = ran.stderr.lines().next().unwrap_or_default();
        assert!(first.contains("DEBUG") || first.contains("WARN"), "{}", ran.stderr);
        assert_eq!(serde_json::from_str::<Value>(first).is_ok(), json, "{arguments:?} {variables:?}: {}", ran.stderr);
    }
    let upstream = Upstream::start();
    let base = upstream.base_url();
    let live = [("TRUEDY_BASE_URL", base.as_str()), ("TRUEDY_API_KEY", KEY)];
    let rated = |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = program();
        command.arg("stdio").args(arguments).envs(live).envs(variables.iter().copied());
        let mut wire = Wire::open(command, Era::Legacy);
        (0..5).filter(|_| wire.call("list_credentials", json!({})).status() == "ok").count()
    };
    assert_eq!(rated(&[], &["--upstream-rpm", "3"]), 2);
    assert_eq!(rated(&[("TRUEDY_MCP_UPSTREAM_RPM", "3")], &[]), 2);
    assert_eq!(rated(&[("TRUEDY_MCP_UPSTREAM_RPM", "3")], &["--upstream-rpm", "off"]), 5);
}

#[test]
fn a_proxy_is_used_only_when_it_is_set() {
    let (upstream, proxy) = (Upstream::start(), Upstream::start());
    let (base, through) = (upstream.base_url(), proxy.origin());
    let live = [("TRUEDY_BASE_URL", base.as_str()), ("TRUEDY_API_KEY", KEY)];
    // What the environment says is not asked for.
    let environment = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
        .map(|name| (name, through.as_str()));
    truedy_with(&["call", "list_credentials"], &[&live[..], &environment[..]].concat(), "").fine();
    assert_eq!((proxy.connections(), upstream.seen().len()), (0, 1));
    for (arguments, variables) in [
        (vec!["--upstream-proxy", &through], vec![]),
        (vec![], vec![("TRUEDY_MCP_UPSTREAM_PROXY", through.as_str())]),
        (vec!["--upstream-proxy", "env"], environment.to_vec()),
    ] {
        let before = proxy.connections();
        truedy_with(&[&["call", "list_credentials"], &arguments[..]].concat(), &[&live[..], &variables].concat(), "");
        assert!(proxy.connections() > before, "{arguments:?} {variables:?}");
        assert_eq!(upstream.seen().len(), 1);
    }
}

#[test]
fn bad_settings_end_with_code_2_and_one_sentence() {
    let key = ("TRUEDY_API_KEY", KEY);
    for url in [
        "http://api.truedy.ai/v1",
        "http://10.0.0.1/",
        "http://localhost.example.com/",
        "https://user:pass@api.truedy.ai/",
        "https://api.truedy.ai/?a=b",
        "https://api.truedy.ai/#x",
        "https://169.254.169.254/latest",
        "https://[fe80::1]/",
        "ftp://api.truedy.ai/",
        "file:///etc/passwd",
        "api.truedy.ai",
    ] {
        for command in [&["stdio"][..], &["call", "list_numbers"], &[]] {
            let said = truedy_with(&[command, &["--base-url", url]].concat(), &[key], "").refused(2);
            assert!(said.contains("--base-url") && said.contains("https://"), "{url}: {said}");
            truedy_with(command, &[key, ("TRUEDY_BASE_URL", url)], "").refused(2);
        }
    }
    for (arguments, word) in [
        (&["--tools", "list_numbers,nope"][..], "--tools: entry 2"),
        (&["--exclude-tools", "nope"], "--exclude-tools: entry 1"),
        (&["--protect", "not a number"], "--protect, entry 1"),
        (&["--protect", "+1415555012٣"], "--protect"),
        (&["--ca-file", "/nowhere/ca.pem"], "/nowhere/ca.pem"),
        (&["--gate", "human", "--ask", "off"], "--ask off"),
        (&["--sandbox", "--fault", "nope=1"], "the names are"),
        (&["--sandbox", "--fault", "pending=forever"], "the fault pending"),
    ] {
        for command in [&["stdio"][..], &["call", "list_numbers"]] {
            let said = truedy_with(&[command, arguments].concat(), &[key], "").refused(2);
            assert!(said.contains(word), "{said}");
        }
    }
    let said = truedy_with(&["stdio"], &[("TRUEDY_API_KEY", "schlüssel-schlüssel")], "").refused(2);
    assert!(said.contains("TRUEDY_API_KEY") && !said.contains("schl"), "{said}");
    truedy(&["sandbox", "--listen", "0.0.0.0:0"]).refused(2);
}

#[test]
fn wrong_arguments_end_with_code_2_and_say_what_is_right() {
    for (arguments, word) in [
        (&["nope"][..], "stdio, http"),
        (&["--nope"], "--nope"),
        (&["tools", "--upstream-rpm", "0"], "100"),
        (&["tools", "--upstream-rpm", "many"], "100"),
        (&["tools", "--upstream-proxy", "nowhere"], "env"),
        (&["tools", "--ask", "perhaps"], "auto"),
        (&["tools", "--gate", "door"], "human"),
        (&["tools", "--purchases-per-day", "-1"], "for example 10"),
        (&["tools", "--releases-per-day", "many"], "unlimited"),
        (&["tools", "--imports-per-day", "1.5"], "for example 10"),
        (&["tools", "--spend-per-day", "50"], "50 USD"),
        (&["tools", "--spend-per-day", "-1 USD"], "50 USD"),
        (&["tools", "--max-monthly-cost", "2 dollars"], "50 USD"),
        (&["tools", "--countries", "UK"], "GB"),
        (&["tools", "--countries", "US,Canada"], "US,CA"),
        (&["tools", "--number-types", "satellite"], "local,toll_free"),
        (&["tools", "--log-format", "xml"], "json"),
        (&["tools", "--json", "--markdown"], "--markdown"),
        (&["config", "print", "emacs"], "vscode"),
        (&["completions", "cmd"], "bash"),
        (&["sandbox", "--listen", "here"], "--listen"),
        (&["call"], "TOOL"),
        (&["call", "nope"], "list_numbers"),
        (&["call", "list_numbers", "limit"], "name=value"),
        (&["call", "list_numbers", "--json", "[1]"], "object"),
        (&["call", "list_numbers", "--json", "{"], "object"),
        (&["call", "list_numbers", "limit=5", "--json", "{}"], "--json"),
    ] {
        let ran = truedy(arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{arguments:?}");
        assert!(ran.stderr.to_lowercase().contains(&word.to_lowercase()), "{arguments:?}: {}", ran.stderr);
    }
    for (variable, value) in [
        ("TRUEDY_MCP_UPSTREAM_RPM", "x"),
        ("TRUEDY_MCP_ASK", "x"),
        ("TRUEDY_MCP_LOG_FORMAT", "x"),
        ("TRUEDY_MCP_READ_ONLY", "x"),
        ("TRUEDY_MCP_SANDBOX", "x"),
        ("TRUEDY_MCP_EPHEMERAL", "x"),
        ("TRUEDY_MCP_RELEASE_IN_USE", "x"),
        ("TRUEDY_MCP_UPSTREAM_PROXY", "x"),
        ("TRUEDY_MCP_GATE", "x"),
        ("TRUEDY_MCP_PURCHASES_PER_DAY", "-1"),
        ("TRUEDY_MCP_RELEASES_PER_DAY", "x"),
        ("TRUEDY_MCP_IMPORTS_PER_DAY", "x"),
        ("TRUEDY_MCP_SPEND_PER_DAY", "1"),
        ("TRUEDY_MCP_MAX_MONTHLY_COST", "x"),
        ("TRUEDY_MCP_COUNTRIES", "x"),
        ("TRUEDY_MCP_NUMBER_TYPES", "x"),
    ] {
        let ran = truedy_with(&["tools"], &[(variable, value)], "");
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{variable}: {}", ran.stderr);
    }
}

// --- The commands ------------------------------------------------------------------------------------------------

#[test]
fn without_a_command_and_a_terminal_it_serves() {
    let mut wire = Wire::open(program(), Era::Legacy);
    assert_eq!(wire.ask("tools/list", json!({}))["result"]["tools"].as_array().map(Vec::len), Some(TOOLS.len()));
    wire.running.close();
    assert_eq!(wire.running.ended(LONG), Some(0));
    // Settings are taken without a command too.
    let mut command = program();
    command.args(["--read-only"]);
    let mut wire = Wire::open(command, Era::Modern);
    assert_eq!(
        wire.ask("tools/list", json!({}))["result"]["tools"].as_array().map(Vec::len),
        Some(expected::reading().len())
    );
}

#[test]
fn every_exit_code_is_reached() {
    let (_free, closed) = nobody();
    let key = ("TRUEDY_API_KEY", KEY);
    let upstream = Upstream::start();
    let base = upstream.base_url();
    let live = [("TRUEDY_BASE_URL", base.as_str()), key];
    let sandbox = ["--sandbox", "--ephemeral"];
    let call = |arguments: &[&'static str]| truedy(&[&["call"], arguments, &sandbox].concat()).code;
    assert_eq!(call(&["list_numbers"]), Some(0));
    assert_eq!(call(&["release_number", "number_id=+14155550123", "confirm=true"]), Some(1), "it is in use");
    assert_eq!(call(&["release_number", "number_id=+442079460123"]), Some(1), "only a preview");
    assert_eq!(call(&["list_numbers", "limit=101"]), Some(2));
    assert_eq!(call(&["list_numbers", "colour=blue"]), Some(2));
    assert_eq!(call(&["purchase_number"]), Some(2));
    assert_eq!(truedy(&["call", "list_numbers"]).code, Some(3), "no key");
    assert_eq!(call(&["list_numbers", "--fault", "auth=401"]), Some(3));
    assert_eq!(truedy_with(&["call", "list_numbers"], &[("TRUEDY_BASE_URL", &closed), key], "").code, Some(4));
    for play in [Play::json(500, &json!({})), Play::json(200, &json!({ "data": 5 })), Play::json(429, &json!({}))] {
        upstream.always(LIST, play);
        assert_eq!(truedy_with(&["call", "list_numbers"], &live, "").code, Some(4));
    }
    for policy in [
        &["--read-only"][..],
        &["--exclude-tools", "release_number"],
        &["--tools", "list_numbers"],
        &["--protect", "+442079460123"],
        &["--releases-per-day", "0"],
    ] {
        let arguments =
            [&["call", "release_number", "number_id=+442079460123", "confirm=true"], policy, &sandbox].concat();
        let ran = truedy(&arguments);
        assert_eq!(ran.code, Some(5), "{policy:?}: {}", ran.stderr);
        assert!(
            ran.stdout.contains("policy_denied") && ran.stderr.contains("Nothing was "),
            "{}{}",
            ran.stdout,
            ran.stderr
        );
    }
}

#[test]
fn call_takes_arguments_as_pairs_as_json_and_from_standard_input() {
    let sandbox = ["--sandbox", "--ephemeral"];
    let json = r#"{"area_code": "415", "page_size": 2}"#;
    let pairs = truedy(&[&["call", "search_numbers", "area_code=415", "page_size=2"], &sandbox[..]].concat()).json();
    assert_eq!(pairs["offers"].as_array().map(Vec::len), Some(2), "{pairs}");
    let inline = truedy(&[&["call", "search_numbers", "--json", json], &sandbox[..]].concat()).json();
    let piped = truedy_with(&[&["call", "search_numbers", "--json", "-"], &sandbox[..]].concat(), &[], json).json();
    assert_eq!((&pairs["offers"], &pairs["offers"]), (&inline["offers"], &piped["offers"]));
    // Flags by word, numbers by digits, and a value may hold an equals sign.
    let idle =
        truedy(&[&["call", "list_numbers", "unassigned=true", "managed=false", "limit=1"], &sandbox[..]].concat())
            .json();
    assert_eq!(idle["total"], json!(1), "{idle}");
    let named = truedy(&[&["call", "list_agents", "name=a=b"], &sandbox[..]].concat()).json();
    assert_eq!(named["agents"], json!([]), "{named}");
    let refused =
        truedy(&[&["call", "release_number", "number_id=+14155550123", "confirm=true"], &sandbox[..]].concat());
    let told: Value = serde_json::from_str(&refused.stdout).unwrap();
    assert_eq!(told["status"], json!("number_in_use"));
    assert!(refused.stderr.contains(told["summary"].as_str().unwrap()), "{}", refused.stderr);
}

#[test]
fn a_call_that_is_interrupted_finishes_what_was_sent_and_sends_nothing_else() {
    for (route, status, code) in [(PURCHASE, "purchased", 0), (LIST, "cancelled", 1)] {
        let upstream = Upstream::start();
        upstream.always(route, Play::After(Duration::from_secs(1), Box::new(Play::Usual)));
        let mut command = program();
        command.args(["call", "purchase_number", "phone_number=+14155550199", "confirm=true"]);
        command.env("TRUEDY_BASE_URL", upstream.base_url()).env("TRUEDY_API_KEY", KEY);
        let mut running = Running::start(command);
        upstream.wait_for(route, 1);
        running.signal(Signal::INT);
        assert_eq!(running.ended(LONG), Some(code), "{route}: {}", running.stdout());
        let told: Value = serde_json::from_str(&running.stdout()).unwrap();
        assert_eq!(told["status"], json!(status), "{route}: {told}");
        assert_eq!(upstream.changes(), usize::from(route == PURCHASE), "{route}");
    }
}

#[test]
fn tools_shows_what_clients_are_shown() {
    let listed = truedy(&["tools", "--json"]).json();
    let mut wire = Wire::open(program(), Era::Legacy);
    let over_mcp = wire.ask("tools/list", json!({}));
    assert_eq!(listed["tools"], over_mcp["result"]["tools"]);
    let tools: Vec<&str> =
        listed["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(tools, expected::names());
    let (plain, table) = (truedy(&["tools"]).fine(), truedy(&["tools", "--markdown"]).fine());
    assert_eq!(table.lines().count(), TOOLS.len() + 2, "a head, a rule and a line a tool");
    assert!(table.lines().all(|line| line.starts_with('|') && line.ends_with('|')), "{table}");
    for tool in tools {
        assert!(plain.lines().any(|line| line.starts_with(tool) && line.contains("tokens")), "{plain}");
        assert!(table.contains(&format!("`{tool}`")), "{table}");
    }
    for (words, tool) in [
        ("get rid of a number", "release_number"),
        ("buy a phone number", "purchase_number"),
        ("twilio", "import_number"),
    ] {
        let found = truedy(&["tools", "--search", words]).fine();
        assert!(found.starts_with(tool), "{words}: {found}");
        assert_eq!(truedy(&["tools", "--search", words, "--json"]).json()["tools"][0]["name"], json!(tool));
    }
    let nothing = truedy(&["tools", "--search", "xylophone"]);
    assert_eq!(nothing.code, Some(1), "{}", nothing.stdout);
}

#[test]
fn config_print_shows_a_snippet_for_every_client() {
    let json_of = |text: &str| {
        let body: String = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
        serde_json::from_str::<Value>(&body).unwrap_or_else(|_| panic!("{text}"))
    };
    for (client, entry) in [
        ("claude-code", "/mcpServers/truedy"),
        ("claude-desktop", "/mcpServers/truedy"),
        ("vscode", "/servers/truedy"),
        ("vs-code", "/servers/truedy"),
        ("cursor", "/mcpServers/truedy"),
        ("gemini", "/mcpServers/truedy"),
        ("gemini-cli", "/mcpServers/truedy"),
        ("zed", "/context_servers/truedy"),
    ] {
        let text = truedy(&["config", "print", client]).fine();
        let config = json_of(&text);
        let entry = config.pointer(entry).unwrap_or_else(|| panic!("{client}: {text}"));
        assert_eq!((&entry["command"], &entry["args"]), (&json!("truedy-mcp"), &json!(["stdio"])), "{client}: {text}");
        assert!(entry["env"]["TRUEDY_API_KEY"].is_string(), "{client}: {text}");
    }
    for client in ["codex", "goose"] {
        let text = truedy(&["config", "print", client]).fine();
        assert!(["truedy-mcp", "stdio", "TRUEDY_API_KEY", "env"].iter().all(|word| text.contains(word)), "{text}");
    }
}

#[test]
fn completions_and_the_manual_are_printed() {
    for (shell, word) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef truedy-mcp"),
        ("fish", "complete -c truedy-mcp"),
        ("powershell", "Register-ArgumentCompleter"),
        ("elvish", "edit:completion"),
    ] {
        let script = truedy(&["completions", shell]).fine();
        assert!(
            script.contains(word) && script.contains("upstream-rpm") && script.contains("doctor"),
            "{shell}: {script}"
        );
    }
    let manual = truedy(&["man"]).fine();
    for word in [".TH truedy-mcp 1", "TRUEDY_API_KEY", "read\\-only", "Exit codes", "doctor"] {
        assert!(manual.contains(word), "{word}: {manual}");
    }
}

// --- The sandbox as a program of its own -------------------------------------------------------------------------

/// A running `truedy-mcp sandbox`.
struct Sandbox {
    running: Running,
    base_url: String,
    /// All it said at the start.
    said: String,
}

impl Sandbox {
    fn start(arguments: &[&str]) -> Self {
        let mut command = program();
        command.args(["sandbox", "--listen", "127.0.0.1:0"]).args(arguments);
        Self::run(command)
    }

    fn run(command: Command) -> Self {
        let running = Running::start(command);
        let mut said = String::new();
        while !said.contains("Ctrl-C") {
            said.push_str(&running.line(LONG).unwrap_or_else(|| panic!("{said}{}", running.stderr())));
        }
        let base_url = said.split("TRUEDY_BASE_URL=").nth(1).and_then(|rest| rest.lines().next()).unwrap().to_owned();
        Self { running, base_url, said }
    }

    /// One request over a connection of its own: status and body.
    fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let (host, prefix) = self.base_url.trim_start_matches("http://").split_once('/').unwrap();
        let mut stream = TcpStream::connect(host).expect("it listens");
        stream.set_read_timeout(Some(LONG)).unwrap();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = format!(
            "{method} /{prefix}{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {KEY}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("a whole answer");
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    fn numbers(&self) -> Vec<Value> {
        let (status, body) = self.ask("GET", "/telephony/numbers?limit=100", &Value::Null);
        assert_eq!(status, 200, "{body}");
        body["data"].as_array().cloned().unwrap_or_default()
    }
}

#[test]
fn the_sandbox_says_how_to_reach_it_and_stops_when_told() {
    let mut sandbox = Sandbox::start(&["--ephemeral"]);
    for key in [KEY, SECOND_KEY, OTHER_ORGANIZATION_KEY, REVOKED_KEY] {
        assert!(sandbox.said.contains(key), "{}", sandbox.said);
    }
    assert!(
        sandbox.said.contains(&format!("export TRUEDY_API_KEY={KEY}"))
            && sandbox.base_url.starts_with("http://127.0.0.1:")
    );
    assert_eq!(sandbox.numbers().len(), 5);
    sandbox.running.signal(Signal::TERM);
    assert_eq!(sandbox.running.ended(LONG), Some(0));
    // A port that is taken is told.
    let other = Sandbox::start(&["--ephemeral"]);
    let address = other.base_url.trim_start_matches("http://").split('/').next().unwrap();
    let ran = truedy(&["sandbox", "--ephemeral", "--listen", address]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{}", ran.stderr);
    assert!(ran.stderr.contains(address), "{}", ran.stderr);
    let ran = truedy_with(&["sandbox", "--ephemeral"], &[("TRUEDY_MCP_LISTEN", address)], "");
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
}

#[test]
fn the_sandbox_lists_its_faults_and_forgets_when_told() {
    let faults = truedy(&["sandbox", "faults"]).fine();
    for fault in ["purchase=", "pending=", "rate_limit=", "timeout_after_commit"] {
        assert!(faults.contains(fault), "{faults}");
    }
    let dir = TempDir::new().unwrap();
    let state = dir.path().display().to_string();
    let released = truedy(&[
        "call",
        "release_number",
        "number_id=+442079460123",
        "confirm=true",
        "--sandbox",
        "--state-dir",
        &state,
    ])
    .json();
    assert_eq!(released["status"], json!("released"));
    let total = || truedy(&["call", "list_numbers", "--sandbox", "--state-dir", &state]).json()["total"].clone();
    assert_eq!(total(), json!(4));
    assert!(truedy(&["sandbox", "reset", "--state-dir", &state]).fine().contains(&state));
    assert_eq!(total(), json!(5));
    truedy(&["sandbox", "reset", "--state-dir", &state]).fine();
    truedy(&["sandbox", "reset", "--state-dir", &state]).fine();
}

#[test]
fn doctor_finds_everything_in_order_on_a_sandbox() {
    let sandbox = Sandbox::start(&["--ephemeral"]);
    let live = [("TRUEDY_BASE_URL", sandbox.base_url.as_str()), ("TRUEDY_API_KEY", KEY)];
    let text = truedy_with(&["doctor"], &live, "").fine();
    let report = truedy_with(&["doctor", "--json"], &live, "").json();
    assert_eq!(
        (&report["ok"], &report["exit_code"], &report["mode"]),
        (&json!(true), &json!(0), &json!("live")),
        "{report}"
    );
    let checks = report["checks"].as_array().unwrap();
    for name in ["base_url", "key", "truedy", "clock", "proxy", "state_dir", "journal", "policy"] {
        let check =
            checks.iter().find(|check| check["check"] == json!(name)).unwrap_or_else(|| panic!("{name}: {report}"));
        assert_eq!(check["health"], json!("ok"), "{check}");
        assert!(text.contains(name), "{text}");
    }
    assert_eq!(truedy(&["doctor", "--json", "--sandbox"]).json()["mode"], json!("sandbox"));
}

#[test]
fn doctor_examines_every_tenant_by_its_own_key() {
    let sandbox = Sandbox::start(&["--ephemeral"]);
    let home = TempDir::new().unwrap();
    let config = home.path().join("config.toml");
    let tenants =
        "[tenants.acme]\napi_key_env = \"ACME_KEY\"\nread_only = true\n[tenants.old]\napi_key_env = \"OLD_KEY\"\n";
    fs::write(&config, tenants).unwrap();
    let config = config.display().to_string();
    let variables = [("TRUEDY_BASE_URL", sandbox.base_url.as_str()), ("ACME_KEY", KEY), ("OLD_KEY", REVOKED_KEY)];
    let ran = truedy_with(&["doctor", "--json", "--config", &config], &variables, "");
    assert_eq!(ran.code, Some(3), "{}{}", ran.stdout, ran.stderr);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let health = |tenant: &str, name: &str| {
        let checks = report["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["tenant"] == tenant && check["check"] == name);
        check.unwrap_or_else(|| panic!("{tenant} {name}: {report}"))["health"].clone()
    };
    assert_eq!((health("acme", "truedy"), health("old", "truedy")), (json!("ok"), json!("bad")));
    assert!(ran.stdout.contains("read-only") && !ran.stdout.contains(KEY), "{}", ran.stdout);
    let text = truedy_with(&["doctor", "--config", &config], &variables, "").stdout;
    assert!(text.contains("acme: the key is accepted") && text.contains("old: Truedy refuses the key"), "{text}");
    fs::write(home.path().join("config.toml"), "[tenants.acme]\napi_key = \"x\"\n").unwrap();
    let ran = truedy_with(&["doctor", "--config", &config], &variables, "");
    assert!(ran.code == Some(2) && ran.stdout.contains("unknown field"), "{}", ran.stdout);
}

/// Where nobody answers, with a password.
const DATABASE: &str = "postgres://app:hunter2@127.0.0.1:1/truedy";

#[test]
fn a_password_of_the_journal_comes_by_its_variable_alone_and_shows_nowhere() {
    for url in [DATABASE, "postgres://db.example.com/d?user=u&password=hunter2", "x://a:hunter2@b"] {
        for arguments in [
            vec!["--journal", url, "tools"],
            vec!["tools", "--journal", url],
            vec!["config", "print", "codex", "--journal", url],
            vec!["sandbox", "--journal", url, "faults"],
            vec!["--journal", "sqlite", "tools", "--journal", url],
        ] {
            let said = truedy(&arguments).refused(2);
            assert!(said.contains("TRUEDY_MCP_JOURNAL") && said.contains("PGPASSFILE"), "{said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
        // The flag wins over the variable, which may hold one.
        let variables = [("TRUEDY_MCP_JOURNAL", url), ("RUST_LOG", "trace")];
        truedy_with(&["tools"], &variables, "").fine();
        truedy_with(&["tools", "--journal", "memory"], &variables, "").fine();
        let help = truedy_with(&["--help"], &variables, "").fine();
        assert!(!help.contains("hunter2"), "{help}");
    }
    let variables = [("TRUEDY_MCP_JOURNAL", DATABASE), ("RUST_LOG", "trace")];
    let ran = truedy_with(&["doctor"], &variables, "");
    assert!(ran.stdout.contains("postgres, app@127.0.0.1:1/truedy: the database cannot be reached"), "{}", ran.stdout);
    assert!(ran.stderr.contains("the journal"), "detail is logged: {}", ran.stderr);
    assert!(!(ran.stdout + &ran.stderr).contains("hunter2"));
}

#[test]
fn doctor_opens_and_writes_the_journal_where_it_is() {
    let home = TempDir::new().unwrap();
    let state = home.path().join("state");
    let check = |variables: &[(&str, &str)]| {
        let common = [("TRUEDY_MCP_STATE_DIR", state.to_str().unwrap()), ("TRUEDY_MCP_SANDBOX", "1")];
        let ran = truedy_with(&["doctor", "--json"], &[&common[..], variables].concat(), "");
        let report: Value = serde_json::from_str(&ran.stdout).unwrap();
        report["checks"].as_array().unwrap().iter().find(|check| check["check"] == "journal").unwrap().clone()
    };
    let kept = check(&[]);
    assert_eq!(kept["health"], json!("ok"), "{kept}");
    let file = state.join("sandbox-journal").join("journal.sqlite");
    assert!(kept["found"].as_str().unwrap().contains("sandbox-journal") && file.is_file(), "{kept}");
    assert_eq!(check(&[("TRUEDY_MCP_EPHEMERAL", "1")])["found"], json!("in memory; nothing unresolved"));
    fs::write(&file, "no database").unwrap();
    let damaged = check(&[]);
    assert_eq!(damaged["health"], json!("bad"), "{damaged}");
    assert!(damaged["found"].as_str().unwrap().contains("damaged"), "{damaged}");
    let live = truedy_with(&["doctor"], &[("TRUEDY_MCP_JOURNAL", "memory")], "").stdout;
    assert!(live.contains("notice  journal    in memory"), "{live}");
}

#[test]
fn doctor_says_what_is_wrong_and_what_to_do() {
    let sandbox = Sandbox::start(&["--ephemeral"]);
    let base = sandbox.base_url.as_str();
    let (_free, closed) = nobody();
    let html = Upstream::start();
    html.always(LIST, Play::Answer(Reply::text(200, "text/html", "<html>")));
    let html = html.base_url();
    for (variables, code, bad) in [
        (vec![("TRUEDY_BASE_URL", base)], 3, "key"),
        (vec![("TRUEDY_BASE_URL", base), ("TRUEDY_API_KEY", "truedy_ThisKeyIsNotKnownToAnybody00000")], 3, "truedy"),
        (vec![("TRUEDY_BASE_URL", base), ("TRUEDY_API_KEY", REVOKED_KEY)], 3, "truedy"),
        (vec![("TRUEDY_BASE_URL", &closed), ("TRUEDY_API_KEY", KEY)], 4, "truedy"),
        (vec![("TRUEDY_BASE_URL", &html), ("TRUEDY_API_KEY", KEY)], 4, "truedy"),
        (vec![("TRUEDY_BASE_URL", "http://example.com/"), ("TRUEDY_API_KEY", KEY)], 2, "base_url"),
        (vec![("TRUEDY_BASE_URL", base), ("TRUEDY_API_KEY_FILE", "/nowhere")], 2, "key"),
        (vec![("TRUEDY_BASE_URL", base), ("TRUEDY_API_KEY", KEY), ("TRUEDY_MCP_TOOLS", "nope")], 2, "policy"),
        (
            vec![("TRUEDY_BASE_URL", base), ("TRUEDY_API_KEY", KEY), ("TRUEDY_MCP_STATE_DIR", "/dev/null/nowhere")],
            1,
            "state_dir",
        ),
        (vec![("TRUEDY_BASE_URL", base), ("TRUEDY_API_KEY", KEY), ("TRUEDY_MCP_JOURNAL", "mysql")], 2, "journal"),
        (vec![("TRUEDY_BASE_URL", base), ("TRUEDY_API_KEY", KEY), ("TRUEDY_MCP_JOURNAL", DATABASE)], 1, "journal"),
    ] {
        let ran = truedy_with(&["doctor", "--json"], &variables, "");
        assert_eq!(ran.code, Some(code), "{variables:?}: {}", ran.stdout);
        let report: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!((&report["ok"], &report["exit_code"]), (&json!(false), &json!(code)));
        let check = report["checks"].as_array().unwrap().iter().find(|check| check["health"] == json!("bad")).unwrap();
        assert_eq!(check["check"], json!(bad), "{report}");
        assert!(check["todo"].as_str().is_some_and(|todo| todo.len() > 10), "{check}");
        let text = truedy_with(&["doctor"], &variables, "");
        assert_eq!(text.code, Some(code));
        assert!(![&ran.stdout, &ran.stderr, &text.stdout, &text.stderr].iter().any(|said| said.contains("hunter2")));
        assert!(text.stdout.contains(check["todo"].as_str().unwrap()), "{}", text.stdout);
    }
}

#[test]
fn a_program_reaches_the_sandbox_by_address_and_key_and_sees_only_its_own_organisation() {
    let sandbox = Sandbox::start(&["--ephemeral"]);
    let list = |key: &str| {
        truedy_with(&["call", "list_numbers"], &[("TRUEDY_BASE_URL", &sandbox.base_url), ("TRUEDY_API_KEY", key)], "")
    };
    assert_eq!(list(KEY).json()["total"], json!(5));
    assert_eq!(list(SECOND_KEY).json()["total"], json!(5));
    assert_eq!(list(OTHER_ORGANIZATION_KEY).json()["total"], json!(1));
    assert_eq!(list(REVOKED_KEY).code, Some(3));
}

#[test]
fn a_sandbox_that_is_killed_keeps_every_change_it_has_acknowledged() {
    let dir = TempDir::new().unwrap();
    let state = dir.path().display().to_string();
    let start = || Sandbox::start(&["--state-dir", &state]);
    let mut sandbox = start();
    let (status, found) =
        sandbox.ask("POST", "/telephony/numbers/search", &json!({ "area_code": "415", "page_size": 20 }));
    assert_eq!(status, 200, "{found}");
    let offers: Vec<Value> =
        found["data"].as_array().unwrap().iter().map(|offer| offer["phone_number"].clone()).collect();
    assert!(offers.len() >= 10, "{found}");
    let (_, agents) = sandbox.ask("GET", "/agents/", &Value::Null);
    let agent = agents["data"][0]["id"].clone();
    let mut expected: Vec<Value> = sandbox.numbers();
    for turn in 0..20 {
        // By turns: a purchase, an import, an assignment, a release.
        let (status, answer) = match turn % 4 {
            0 => sandbox.ask("POST", "/telephony/numbers/purchase", &json!({ "phone_number": offers[turn / 4] })),
            1 => {
                let number = format!("+121255501{}", 50 + turn / 4);
                let body = json!({ "phone_number": number, "provider_type": "telnyx", "api_key": "k" });
                sandbox.ask("POST", "/telephony/numbers/import", &body)
            }
            2 => {
                let direction = if turn % 8 == 2 { "inbound" } else { "outbound" };
                let body = json!({ "number_id": expected[0]["id"], "agent_id": agent, "assignment_type": direction });
                sandbox.ask("POST", "/telephony/numbers/assign", &body)
            }
            _ => {
                let id = expected.last().unwrap()["id"].as_str().unwrap();
                sandbox.ask("DELETE", &format!("/telephony/numbers/{id}"), &Value::Null)
            }
        };
        sandbox.running.kill();
        assert!((200..300).contains(&status), "{turn}: {status} {answer}");
        let before: Vec<Value> = expected.iter().map(|row| row["id"].clone()).collect();
        sandbox = start();
        expected = sandbox.numbers();
        let id = answer["data"]["number_id"].clone();
        let now: Vec<&Value> = expected.iter().map(|row| &row["id"]).collect();
        match turn % 4 {
            0 | 1 => assert!(now.contains(&&id) && now.len() == before.len() + 1, "{turn}: {answer}"),
            2 => {
                let slot = if turn % 8 == 2 { "inbound_agent_id" } else { "outbound_agent_id" };
                let row = expected.iter().find(|row| row["id"] == before[0]).unwrap();
                assert_eq!(row[slot], agent, "{turn}: {row}");
            }
            _ => assert!(!now.contains(&before.last().unwrap()) && now.len() == before.len() - 1, "{turn}"),
        }
    }
}

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
        let said = truedy(&[command, &["--countries", "US"]].concat()).refused(2);
        assert!(said.contains("--countries") && said.contains("leave it out"), "{command:?}: {said}");
        truedy_with(command, &[("TRUEDY_MCP_COUNTRIES", "US")], "").fine();
    }
    for command in [&["probe", "ready"][..], &["sandbox"], &["sandbox", "reset"]] {
        let said = truedy(&[command, &["--max-monthly-cost", "2 USD"]].concat()).refused(2);
        assert!(said.contains("--max-monthly-cost"), "{command:?}: {said}");
    }
}

#[test]
fn an_empty_variable_counts_as_none() {
    let empty: Vec<(&str, &str)> =
        SETTINGS.iter().map(|(_, variable, _)| (*variable, "")).chain([("TRUEDY_API_KEY", "")]).collect();
    let listed = truedy_with(&["tools", "--json"], &empty, "").fine();
    assert_eq!(listed, truedy(&["tools", "--json"]).fine());
    let import = r#"{"phone_number":"+12125550143","provider_type":"custom_sip","sip_username":"u","sip_password":"secret-word","sip_server":"sip.example.com"}"#;
    truedy_with(&["call", "import_number", "--sandbox", "--ephemeral", "--json", "-"], &empty, import).fine();
}
