//! `truedy-mcp doctor`: what it examines, and what it tells.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;
use truedy_mcp::sandbox::{KEY, REVOKED_KEY};

use super::run::{truedy, truedy_with};
use super::sandbox::Sandbox;
use crate::support::fake_truedy::{LIST, Play, Reply, Upstream};
use crate::support::program::nobody;

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
    for name in ["base_url", "key", "truedy", "clock", "proxy", "state_dir", "journal", "policy", "rate"] {
        let check =
            checks.iter().find(|check| check["check"] == json!(name)).unwrap_or_else(|| panic!("{name}: {report}"));
        assert_eq!(check["health"], json!("ok"), "{check}");
        assert!(text.contains(name), "{text}");
    }
    assert_eq!(truedy(&["doctor", "--json", "--sandbox"]).json()["mode"], json!("sandbox"));
}

/// A report that somebody sends tells which build it is about.
#[test]
fn doctor_says_what_the_program_was_built_from() {
    let facts = truedy(&["version", "--json"]).json();
    let report = truedy(&["doctor", "--sandbox", "--ephemeral", "--json"]).json();
    for name in ["version", "commit", "date", "target", "features"] {
        assert_eq!(report[name], facts[name], "{name}");
    }
    let text = truedy(&["doctor", "--sandbox", "--ephemeral"]).fine();
    let (commit, target) = (facts["commit"].as_str().unwrap(), facts["target"].as_str().unwrap());
    let line = text.lines().nth(1).unwrap();
    assert!(line.starts_with(&format!("commit {commit}, target {target}, features: ")), "{text}");
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
