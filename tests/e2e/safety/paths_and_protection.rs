//! Paths that a client did not expand, and protected numbers in any notation.

use std::any::TypeId;
use std::path::{Path, PathBuf};

use clap::{Arg, Command, CommandFactory};
use serde_json::{Value, json};
use truedy_mcp::cli::Cli;

use crate::support::era::Era;
use crate::support::fake_truedy::{LIST, RELEASE, Upstream};
use crate::support::program::{KEY, program, run, server};
use crate::support::raw_client::{Called, Wire};

const KEPT: &str = "+14155550150";

// Paths.

/// Every argument of every command, with the command's name.
fn arguments(command: &Command) -> Vec<(String, Arg)> {
    let own = command.get_arguments().map(|argument| (command.get_name().to_owned(), argument.clone()));
    own.chain(command.get_subcommands().flat_map(arguments)).collect()
}

#[test]
fn every_setting_that_is_a_path_refuses_what_the_client_did_not_expand() {
    let all = arguments(&Cli::command());
    let is_path = |argument: &Arg| argument.get_value_parser().type_id() == TypeId::of::<PathBuf>();
    let named_so = |argument: &Arg| {
        argument
            .get_value_names()
            .unwrap_or_default()
            .iter()
            .any(|name| ["FILE", "DIR", "PATH"].contains(&name.as_str()))
    };
    let paths: Vec<_> = all.iter().filter(|(_, argument)| is_path(argument)).collect();
    for flag in
        ["state-dir", "config", "api-key-file", "state-key-file", "ca-file", "ledger", "tokens", "tls-cert", "tls-key"]
    {
        assert!(paths.iter().any(|(_, argument)| argument.get_long() == Some(flag)), "--{flag} is no path");
    }
    for (command, argument) in &all {
        assert!(
            is_path(argument) || !named_so(argument),
            "{command}: {} is a path that is read as something else",
            argument.get_id()
        );
    }
    for (command, argument) in paths {
        // An argument that stands alone cannot be written as its command writes it.
        let name = argument.get_id().as_str();
        let read = |value: &str| {
            let alone = Arg::new("path").long("path").value_parser(argument.get_value_parser().clone());
            let read = Command::new("x").arg(alone).try_get_matches_from(["x", "--path", value]);
            read.map(|found| found.get_one::<PathBuf>("path").cloned().unwrap())
        };
        for wrong in
            ["%APPDATA%\\x", "${user_config.dir}", "/srv/${TENANT}/x", "$STATE/x", "~ana/x", "{HOME}/x", "<dir>/x"]
        {
            let said = read(wrong).expect_err(wrong).to_string();
            assert!(said.contains("did not expand"), "{command} {name}: {said}");
        }
        for wrong in ["\"~/x\"", "'~'/x", "file:///tmp/x", " /tmp/x"] {
            let said = read(wrong).expect_err(wrong).to_string();
            assert!(said.contains("begins with"), "{command} {name}: {said}");
        }
        let home = std::env::home_dir().unwrap();
        for text in ["~/x", "$HOME/x", "${HOME}/x"] {
            assert_eq!(read(text).unwrap(), home.join("x"), "{command} {name}");
        }
        assert_eq!(read("/var/x").unwrap(), Path::new("/var/x"), "{command} {name}");
        match (argument.get_long(), read("var/x")) {
            (Some("state-dir"), refused) => assert!(refused.unwrap_err().to_string().contains("it is relative")),
            (_, path) => assert_eq!(path.unwrap(), Path::new("var/x"), "{command} {name}"),
        }
    }
}

/// Reads the journal of this state directory from this working directory, by flag or by variable.
fn journal(state_dir: &str, by_flag: bool, home: &Path, from: &Path) -> (Option<i32>, String) {
    let mut command = program();
    command.env("HOME", home).current_dir(from).args(["call", "list_operations", "--sandbox"]);
    if by_flag {
        command.args(["--state-dir", state_dir]);
    } else {
        command.env("TRUEDY_MCP_STATE_DIR", state_dir);
    }
    let ran = run(command, "");
    (ran.code, ran.stderr)
}

#[test]
fn a_state_directory_is_one_place_from_wherever_the_program_starts() {
    for by_flag in [true, false] {
        let (home, one, two) =
            (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (at, text) in ["~/a", "$HOME/b", "${HOME}/c"].into_iter().enumerate() {
            for from in [one.path(), two.path()] {
                let (code, said) = journal(text, by_flag, home.path(), from);
                assert_eq!(code, Some(0), "{text}: {said}");
            }
            assert!(home.path().join(["a", "b", "c"][at]).is_dir(), "{text}");
        }
        for text in ["%APPDATA%\\x", "${user_config.state_dir}", "${STATE}/x"] {
            let (code, said) = journal(text, by_flag, home.path(), one.path());
            assert_eq!(code, Some(2), "{text}: {said}");
            assert!(said.contains("did not expand") && said.contains("--state-dir"), "{said}");
        }
        for (text, why) in [
            ("\"~/truedy\"", "begins with a quote"),
            ("'~'/t", "begins with a quote"),
            ("{HOME}/x", "did not expand"),
            ("[HOME]/x", "did not expand"),
            ("#{HOME}/x", "did not expand"),
            ("!HOME!/x", "did not expand"),
            ("@@HOME@@/x", "did not expand"),
            ("__HOME__/x", "did not expand"),
            ("\\~/x", "did not expand"),
            ("<dir>/x", "did not expand"),
            ("file:///tmp/x", "begins with file:"),
            ("state", "it is relative"),
            ("./state", "it is relative"),
            ("../state", "it is relative"),
        ] {
            let (code, said) = journal(text, by_flag, home.path(), one.path());
            assert_eq!(code, Some(2), "{text}: {said}");
            for part in [why, "--state-dir", "write the whole path, for example"] {
                assert!(said.contains(part), "{text}: {part}: {said}");
            }
        }
        for from in [one.path(), two.path()] {
            assert_eq!(from.read_dir().unwrap().count(), 0, "nothing is made in the working directory");
        }
    }
}

#[test]
fn paths_in_the_configuration_file_and_of_a_socket_are_read_likewise() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    for text in [
        "[tenants.acme]\napi_key_file = \"${KEYS}/acme\"\n",
        "[carriers.main]\nprovider = \"telnyx\"\napi_key = { file = \"%APPDATA%/key\" }\n",
    ] {
        std::fs::write(&file, text).unwrap();
        let mut command = program();
        command.args(["carriers", "list", "--config"]).arg(&file);
        let ran = run(command, "");
        assert_eq!(ran.code, Some(2), "{}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains("did not expand"), "{}", ran.stderr);
    }
    let mut command = program();
    command.args(["http", "--sandbox", "--listen", "unix:${RUNTIME_DIRECTORY}/mcp.sock"]);
    let ran = run(command, "");
    assert!(ran.code == Some(2) && ran.stderr.contains("did not expand"), "{}", ran.stderr);
    let mut command = program();
    command.args([
        "carriers",
        "add",
        "main",
        "--provider",
        "telnyx",
        "--from",
        "api_key=file:${KEYS}/telnyx",
        "--config",
    ]);
    let ran = run(
        {
            command.arg(dir.path().join("new.toml"));
            command
        },
        "",
    );
    assert!(ran.code == Some(2) && ran.stderr.contains("did not expand"), "{}", ran.stderr);
}

// Protection.

#[test]
fn an_entry_that_would_protect_nothing_stops_the_start() {
    for (entry, why) in [
        ("+1312555011", "9 digits"),
        ("+4402079460958", "no number begins with 0"),
        ("all", "neither a number nor an id"),
        ("Main-line", "neither a number nor an id"),
        ("14155550150", "begins with +"),
    ] {
        for by_flag in [true, false] {
            let mut command = program();
            command.args(["stdio", "--sandbox", "--ephemeral"]);
            if by_flag {
                command.args(["--protect", entry]);
            } else {
                command.env("TRUEDY_MCP_PROTECT", entry);
            }
            let ran = run(command, "");
            assert_eq!(ran.code, Some(2), "{entry}: {}", ran.stderr);
            for part in ["--protect, entry 1", why, "for example +14155550123"] {
                assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
            }
        }
    }
}

fn release(wire: &mut Wire, id: &str) -> Called {
    wire.call("release_number", json!({ "number_id": id, "confirm": true }))
}

#[test]
fn a_protected_number_is_not_released_in_whatever_notation_it_stands() {
    for (written, digits) in [
        (KEPT.to_owned(), "plain"),
        (format!("tel:{KEPT}"), "tel"),
        ("+1 (415) 555\u{2011}0150".to_owned(), "separators"),
        ("\u{ff0b}1 415 555 \u{ff10}\u{ff11}\u{ff15}\u{ff10}".to_owned(), "full width"),
        ("+1\u{a0}415\u{a0}555\u{a0}0150".to_owned(), "no-break spaces"),
        ("001-415-555-0150".to_owned(), "a prefix"),
        ("14155550150;ext=7".to_owned(), "an extension"),
        ("(415) 555-0150".to_owned(), "no country code"),
    ] {
        let upstream = Upstream::start();
        let id = upstream.account(|account| account.add(&written, true));
        let mut command = server(&upstream.base_url());
        command.args(["--protect", KEPT]);
        let mut wire = Wire::open(command, Era::Modern);
        let refused = release(&mut wire, &id);
        assert_eq!(upstream.count(RELEASE), 0, "{digits}: {}", refused.0);
        assert_eq!(
            (refused.status(), &refused.object()["rule"]),
            ("policy_denied", &json!("protect")),
            "{digits}: {}",
            refused.0
        );
    }
}

#[test]
fn a_protected_id_is_recognised_in_any_notation() {
    let id = "d0845d54-d96d-4cb8-8cc3-eac55f94c2c0";
    let plain = id.replace('-', "");
    let notations = [id.to_owned(), id.to_uppercase(), plain.clone(), plain.to_uppercase()];
    for listed in &notations {
        for entry in &notations {
            let upstream = Upstream::start();
            upstream.account(|account| {
                account.add(KEPT, true);
                account.numbers[0]["id"] = json!(listed);
            });
            let mut command = server(&upstream.base_url());
            command.args(["--protect", entry]);
            let mut wire = Wire::open(command, Era::Modern);
            let refused = release(&mut wire, KEPT);
            assert_eq!(upstream.count(RELEASE), 0, "{listed} {entry}: {}", refused.0);
            assert_eq!(refused.object()["rule"], "protect", "{listed} {entry}: {}", refused.0);
            let said = wire.running.stderr();
            assert!(!said.contains("match no number"), "{listed} {entry}: {said}");
        }
    }
}

#[test]
fn a_number_that_is_protected_under_one_id_is_not_released_under_another() {
    let other = "+12125550142";
    for (second, protected) in [(KEPT, true), ("tel:+1-415-555-0150", true), ("(415) 555-0150", true), (other, false)] {
        for protect_first in [true, false] {
            let upstream = Upstream::start();
            let ids = upstream.account(|account| [account.add(KEPT, true), account.add(second, true)]);
            let (kept, named) = if protect_first { (&ids[0], &ids[1]) } else { (&ids[1], &ids[0]) };
            let mut command = server(&upstream.base_url());
            command.args(["--protect", kept]);
            let mut wire = Wire::open(command, Era::Modern);
            let said = release(&mut wire, named);
            assert_eq!(said.object()["rule"] == "protect", protected, "{second} {protect_first}: {}", said.0);
            assert_eq!(upstream.count(RELEASE), usize::from(!protected), "{second} {protect_first}: {}", said.0);
        }
    }
}

#[test]
fn entries_that_match_nothing_are_said_once_after_a_whole_list() {
    let upstream = Upstream::start();
    upstream.account(|account| [account.add(KEPT, true), account.add("+12125550142", true)]);
    let (lost, lost_id) = ("+16175550155", "51f2a8d6-c073-4e9b-8d1c-a4b96e3f7205");
    let mut command = server(&upstream.base_url());
    command.args(["--protect", &format!("{KEPT},{lost},{lost_id}")]);
    let mut wire = Wire::open(command, Era::Legacy);
    assert_eq!(upstream.seen().len(), 0, "nothing is read before a call");
    let warned = |wire: &Wire| wire.running.stderr().matches("match no number of the account").count();
    assert_eq!(warned(&wire), 0);
    for _ in 0..3 {
        assert_eq!(wire.call("list_numbers", json!({ "unassigned": true })).status(), "ok");
    }
    let said = wire.running.stderr();
    assert_eq!(warned(&wire), 1, "{said}");
    let line = said.lines().find(|line| line.contains("match no number")).unwrap();
    assert!(line.contains(lost) && line.contains(lost_id) && !line.contains(KEPT), "{line}");
}

#[test]
fn doctor_says_which_entries_match_nothing() {
    let upstream = Upstream::start();
    upstream.account(|account| {
        for last in 0..250 {
            account.add(&format!("+1415555{last:04}"), true);
        }
    });
    let examine = |protect: &str| {
        let mut command = program();
        command.args(["doctor", "--json", "--protect", protect]);
        command.env("TRUEDY_BASE_URL", upstream.base_url()).env("TRUEDY_API_KEY", KEY);
        let ran = run(command, "");
        let report: Value =
            serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}{}", ran.stdout, ran.stderr));
        let checks = report["checks"].as_array().unwrap().clone();
        checks.into_iter().find(|check| check["check"] == "protect").unwrap_or_else(|| panic!("{report}"))
    };
    let check = examine("+14155550249,+16175550155");
    assert_eq!(check["health"], "notice", "{check}");
    let found = check["found"].as_str().unwrap();
    assert!(found.contains("+16175550155") && !found.contains("+14155550249"), "{check}");
    assert_eq!(examine("+14155550249")["health"], "ok");
    assert!(upstream.count(LIST) > 3, "all pages are read");
}
