//! What a person runs: each command, what it prints, and its exit codes.

use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use truedy_mcp::sandbox::KEY;

use super::run::{truedy, truedy_with};
use crate::support::era::Era;
use crate::support::expected::{self, TOOLS};
use crate::support::fake_truedy::{LIST, PURCHASE, Play, Upstream};
use crate::support::program::{LONG, Running, nobody, program};
use crate::support::raw_client::Wire;

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
    for (play, reading) in [
        (Play::json(500, &json!({})), true),
        (Play::json(200, &json!({ "data": 5 })), true),
        (Play::json(429, &json!({})), false),
    ] {
        upstream.always(LIST, play);
        if reading {
            assert_eq!(truedy_with(&["call", "list_numbers"], &live, "").code, Some(4));
        }
        // A change is not made to wait for the rate limit, as a reading is.
        let change = ["call", "unassign_number", "number_id=+14155550123", "assignment_type=inbound"];
        assert_eq!(truedy_with(&change, &live, "").code, Some(4));
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
        assert!(plain.lines().any(|line| line.starts_with(tool) && line.contains('~')), "{plain}");
        assert!(table.contains(&format!("`{tool}`")), "{table}");
    }
    for (words, tool) in [
        ("get rid of a number", "release_number"),
        ("buy a phone number", "purchase_number"),
        ("twilio", "import_number"),
    ] {
        let found = truedy(&["tools", "--search", words]).fine();
        assert!(found.lines().nth(1).is_some_and(|first| first.starts_with(tool)), "{words}: {found}");
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

/// What bash offers for the last of these words, by this script.
fn completed_by_bash(script: &str, words: &[&str]) -> String {
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("script");
    std::fs::write(&file, script).unwrap();
    let parsed = Command::new("bash").arg("-n").arg(&file).output().expect("bash starts");
    assert!(parsed.status.success() && parsed.stderr.is_empty(), "{}", String::from_utf8_lossy(&parsed.stderr));
    let [before, last] = words.last_chunk().expect("two words");
    // The function has the name of the program, the last word and the one before it, as bash gives them.
    let ask = format!(
        "source {}; set -- $(complete -p truedy-mcp); while [ \"$1\" != -F ]; do shift; done; \
         COMP_WORDS=(truedy-mcp {}); COMP_CWORD={}; \"$2\" truedy-mcp {last} {before}; echo \"${{COMPREPLY[*]}}\"",
        file.display(),
        words.join(" "),
        words.len()
    );
    let said = Command::new("bash").args(["--norc", "-c", &ask]).output().expect("bash starts");
    String::from_utf8_lossy(&said.stdout).trim().to_owned()
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
        if shell == "bash" {
            let tools = completed_by_bash(&script, &["call", "list_"]);
            assert_eq!(tools, expected::names_where(|tool| tool.name.starts_with("list_")).join(" "));
            assert_eq!(completed_by_bash(&script, &["config", "install", "claude-"]), "claude-code claude-desktop");
            assert_eq!(completed_by_bash(&script, &["config", "check", "vs"]), "vscode");
        }
    }
    let manual = truedy(&["man"]).fine();
    for word in [".TH truedy-mcp 1", "TRUEDY_API_KEY", "read\\-only", "Exit codes", "doctor"] {
        assert!(manual.contains(word), "{word}: {manual}");
    }
}

#[test]
fn the_version_says_what_the_program_was_built_from() {
    let short = truedy(&["-V"]).fine();
    assert_eq!(short, concat!("truedy-mcp ", env!("CARGO_PKG_VERSION"), "\n"));
    let facts = truedy(&["version", "--json"]).json();
    assert_eq!(facts["version"], env!("CARGO_PKG_VERSION"));
    let commit = facts["commit"].as_str().unwrap();
    let is_commit =
        commit.trim_end_matches("-changed").len() == 40 && commit.starts_with(|c: char| c.is_ascii_hexdigit());
    assert!(commit == "unknown" || is_commit, "{commit}");
    assert!(facts["target"].as_str().is_some_and(|target| target.contains('-')), "{facts}");
    assert_eq!(facts["features"].as_array().is_some_and(|all| all.contains(&json!("otel"))), cfg!(feature = "otel"));
    for text in [truedy(&["--version"]).fine(), truedy(&["version"]).fine()] {
        for name in ["commit", "date", "target"] {
            let line = format!("\n{name}: {}\n", facts[name].as_str().unwrap());
            assert!(text.starts_with(short.trim_end()) && text.contains(&line), "{name}: {text}");
        }
    }
}

#[test]
fn the_tools_are_a_table_with_a_header() {
    let shown = truedy(&["tools"]).fine();
    let (header, first) = (shown.lines().next().unwrap(), shown.lines().nth(1).unwrap());
    assert_eq!(header.split_whitespace().collect::<Vec<_>>(), ["TOOL", "EFFECT", "TOKENS", "WHAT", "IT", "DOES"]);
    assert_eq!(header.find("EFFECT"), first.find("reads"), "{shown}");
    assert!(shown.contains("tokens in a model's context"), "{shown}");
}
