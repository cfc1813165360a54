//! Settings by flag and by variable: what they do, and what is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use truedy_mcp::sandbox::KEY;

use super::help::SETTINGS;
use super::run::{truedy, truedy_with};
use crate::support::era::Era;
use crate::support::expected;
use crate::support::fake_truedy::{LIST, Play, Upstream};
use crate::support::program::{program, run};
use crate::support::raw_client::Wire;

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

#[test]
fn an_empty_variable_counts_as_none() {
    let empty: Vec<(&str, &str)> =
        SETTINGS.iter().map(|(_, variable, _)| (*variable, "")).chain([("TRUEDY_API_KEY", "")]).collect();
    let listed = truedy_with(&["tools", "--json"], &empty, "").fine();
    assert_eq!(listed, truedy(&["tools", "--json"]).fine());
    let import = r#"{"phone_number":"+12125550143","provider_type":"custom_sip","sip_username":"u","sip_password":"secret-word","sip_server":"sip.example.com"}"#;
    truedy_with(&["call", "import_number", "--sandbox", "--ephemeral", "--json", "-"], &empty, import).fine();
}
