//! `truedy-mcp init` at a terminal, and the default files that it and others leave.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;
use truedy_mcp::sandbox::{KEY, REVOKED_KEY};

use super::sandbox::Sandbox;
use crate::support::program::{Ran, program, run};
use crate::support::terminal::run_dialogue;

const FILE: &str = ".config/truedy-mcp/key";
const ASKED: &str = "Truedy API key:";

fn command(home: &TempDir, base_url: &str, arguments: &[&str]) -> Command {
    let mut command = program();
    command.args(arguments).env("HOME", home.path()).env("TRUEDY_BASE_URL", base_url);
    command
}

fn ran(home: &TempDir, base_url: &str, arguments: &[&str]) -> Ran {
    run(command(home, base_url, arguments), "")
}

fn kept(home: &TempDir) -> Option<String> {
    fs::read_to_string(home.path().join(FILE)).ok()
}

#[test]
fn init_leads_from_a_key_to_a_client_that_has_the_server() {
    let sandbox = Sandbox::start(&["--ephemeral"]);
    let home = TempDir::new().unwrap();
    for folder in [".cursor", ".lmstudio"] {
        fs::create_dir(home.path().join(folder)).unwrap();
    }
    let dialogue = [
        (ASKED, "hunter2\n"),
        ("refuses the key", ""),
        (ASKED, &format!("{KEY}\n")),
        ("Which? [1]", "\n"),
        ("Put the entry into Cursor? [Y/n]", "\n"),
        ("Put the entry into LM Studio? [Y/n]", "n\n"),
    ];
    let said = run_dialogue(command(&home, &sandbox.base_url, &["init"]), &dialogue, Some(ASKED));
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    // What was typed is not shown, and the key stands nowhere else.
    assert!(!said.stderr.contains(KEY) && !said.stderr.contains("hunter2"), "{}", said.stderr);
    for part in
        ["Truedy accepts the key", "for you alone", "the key is accepted", "Cursor (live, read-only)", "key_file"]
    {
        assert!(said.stderr.contains(part), "{part}: {}", said.stderr);
    }
    assert_eq!(kept(&home), Some(format!("{KEY}\n")));
    let mode = fs::metadata(home.path().join(FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = fs::read_to_string(home.path().join(".cursor/mcp.json")).unwrap();
    let args = serde_json::from_str::<Value>(&text).unwrap()["mcpServers"]["truedy"]["args"].clone();
    let file = home.path().join(FILE);
    assert!(!text.contains(KEY) && args.as_array().unwrap().contains(&json!("--read-only")), "{text}");
    assert!(args.as_array().unwrap().contains(&json!(file.to_str().unwrap())), "{text}");
    assert!(!home.path().join(".lmstudio/mcp.json").exists());
    // The key is read from now on, and a variable wins over it.
    assert_eq!(ran(&home, &sandbox.base_url, &["numbers", "--json"]).code, Some(0));
    let mut other = command(&home, &sandbox.base_url, &["doctor"]);
    other.env("TRUEDY_API_KEY", REVOKED_KEY);
    assert_eq!(run(other, "").code, Some(3));
    // A second time, the key is kept unless another is wanted; a budget is the second choice.
    let dialogue = [
        ("Keep it? [Y/n]", "\n"),
        ("Which? [1]", "2\n"),
        ("How much a day?", "much\n"),
        ("Type an amount", ""),
        ("How much a day?", "5 usd\n"),
        ("Cursor has an entry (live, read-only). Replace it by one for your account? [y/N]", "y\n"),
        ("into LM Studio?", "n\n"),
    ];
    let said = run_dialogue(command(&home, &sandbox.base_url, &["init"]), &dialogue, Some(ASKED));
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let text = fs::read_to_string(home.path().join(".cursor/mcp.json")).unwrap();
    assert!(text.contains("\"--spend-per-day\", \"5 USD\"") && !text.contains("--read-only"), "{text}");
    assert_eq!(kept(&home), Some(format!("{KEY}\n")));
}

#[test]
fn init_stores_no_key_that_is_refused_and_none_over_another_unasked() {
    let sandbox = Sandbox::start(&["--ephemeral"]);
    let home = TempDir::new().unwrap();
    let refused = format!("{REVOKED_KEY}\n");
    let dialogue = [(ASKED, refused.as_str()), (ASKED, refused.as_str()), (ASKED, refused.as_str())];
    let said = run_dialogue(command(&home, &sandbox.base_url, &["init"]), &dialogue, Some(ASKED));
    assert!(said.code == Some(3) && said.stderr.contains("No key was stored"), "{}", said.stderr);
    assert_eq!(kept(&home), None);
    fs::create_dir_all(home.path().join(".config/truedy-mcp")).unwrap();
    fs::write(home.path().join(FILE), "old\n").unwrap();
    let again = format!("{KEY}\n");
    let dialogue =
        [("Keep it? [Y/n]", "n\n"), (ASKED, refused.as_str()), (ASKED, again.as_str()), ("Which? [1]", "3\n")];
    let said = run_dialogue(command(&home, &sandbox.base_url, &["init"]), &dialogue, Some(ASKED));
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert_eq!(kept(&home), Some(again));
    // The old file was open to others.
    let mode = fs::metadata(home.path().join(FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn the_limit_of_init_holds_for_every_command_and_for_entries_that_are_put_in_later() {
    let sandbox = Sandbox::start(&["--ephemeral"]);
    let home = TempDir::new().unwrap();
    let key = format!("{KEY}\n");
    let dialogue = [(ASKED, key.as_str()), ("Which? [1]", "\n"), ("No client was found", "")];
    let said = run_dialogue(command(&home, &sandbox.base_url, &["init"]), &dialogue, Some(ASKED));
    assert!(said.code == Some(0) && said.stderr.contains("read only. Every command"), "{}", said.stderr);
    let file = home.path().join(".config/truedy-mcp/config.toml");
    assert_eq!(fs::read_to_string(&file).unwrap(), "[policy]\nread_only = true\n");
    let buy = ["call", "purchase_number", "phone_number=+14155550100", "confirm=true"];
    let bought = ran(&home, &sandbox.base_url, &buy);
    assert!(bought.code == Some(5), "{} {}", bought.stdout, bought.stderr);
    let doctor = ran(&home, &sandbox.base_url, &["doctor"]);
    assert!(doctor.stdout.contains("read-only") && !doctor.stdout.contains("default: "), "{}", doctor.stdout);
    let tools = ran(&home, &sandbox.base_url, &["tools"]);
    assert!(!tools.stdout.contains("purchase_number"), "{}", tools.stdout);
    // The sandbox costs nothing, so the limit of the account does not hold there.
    let play = [&buy[..], &["--sandbox"]].concat();
    assert_ne!(ran(&home, &sandbox.base_url, &play).code, Some(5));
    assert_eq!(ran(&home, &sandbox.base_url, &["config", "install", "zed"]).code, Some(0));
    let zed = fs::read_to_string(home.path().join(".config/zed/settings.json")).unwrap();
    assert!(zed.contains("--read-only") && zed.contains(file.to_str().unwrap()), "{zed}");
    // Another choice replaces it, here and in the entry.
    let dialogue = [
        ("Keep it? [Y/n]", "\n"),
        ("The limit until now: read only.", ""),
        ("Which? [1]", "2\n"),
        ("How much a day?", "\n"),
        ("Zed has an entry (live, read-only). Replace it by", "y\n"),
    ];
    let said = run_dialogue(command(&home, &sandbox.base_url, &["init"]), &dialogue, Some(ASKED));
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert_eq!(fs::read_to_string(&file).unwrap(), "[policy]\nspend_per_day = \"20.00 USD\"\n");
    let zed = fs::read_to_string(home.path().join(".config/zed/settings.json")).unwrap();
    assert!(zed.contains("\"--spend-per-day\", \"20 USD\"") && !zed.contains("--read-only"), "{zed}");
    // The sandbox does not take the place of a live entry by a plain Enter.
    let dialogue = [("Zed has an entry (live). Replace it by the sandbox? [y/N]", "\n")];
    let said = run_dialogue(command(&home, &sandbox.base_url, &["init", "--sandbox"]), &dialogue, None);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert_eq!(fs::read_to_string(home.path().join(".config/zed/settings.json")).unwrap(), zed);
    // A file that cannot be changed: what is not limited is said, with the flag to give instead.
    fs::write(&file, "policy = 1 # by hand\n").unwrap();
    let dialogue = [("Keep it? [Y/n]", "\n"), ("Which? [1]", "1\n"), ("Zed has an entry", "\n")];
    let said = run_dialogue(command(&home, &sandbox.base_url, &["init"]), &dialogue, Some(ASKED));
    for part in ["The limit was not stored", "are not limited", "config install CLIENT --read-only"] {
        assert!(said.stderr.contains(part), "{part}: {}", said.stderr);
    }
}

#[test]
fn init_needs_a_terminal_and_says_what_to_do_without_one() {
    let home = TempDir::new().unwrap();
    let why = ran(&home, "https://api.example.com/v1", &["init"]).refused(2);
    for part in [FILE, "mode 0600", "truedy-mcp doctor", "truedy-mcp config install CLIENT"] {
        assert!(why.contains(part), "{part}: {why}");
    }
    let said = run_dialogue(
        command(&home, "https://api.example.com/v1", &["init", "--sandbox"]),
        &[("No client was found", "")],
        None,
    );
    assert!(said.code == Some(0) && said.stderr.contains("needs no key"), "{}", said.stderr);
    assert_eq!(kept(&home), None);
}

#[test]
fn the_default_file_is_read_where_no_other_is_named() {
    let home = TempDir::new().unwrap();
    let folder = home.path().join(".config/truedy-mcp");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("config.toml");
    let profile = "[carriers.main]\nprovider = \"telnyx\"\napi_key = { env = \"MY_TELNYX\" }\n";
    fs::write(&file, profile).unwrap();
    let doctor = |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = program();
        command.args(["doctor", "--json", "--sandbox"]).args(arguments).env("HOME", home.path());
        let report: Value = serde_json::from_str(
            &run(
                {
                    command.envs(variables.iter().copied());
                    command
                },
                "",
            )
            .stdout,
        )
        .unwrap();
        let checks = report["checks"].as_array().unwrap().clone();
        let found =
            |name: &str| checks.iter().find(|check| check["check"] == name).map(|check| check["found"].to_string());
        (found("config"), found("carriers"))
    };
    let (config, carriers) = doctor(&[], &[]);
    assert!(
        config.is_some_and(|found| found.contains("the default file"))
            && carriers.is_some_and(|found| found.contains("main"))
    );
    // Another file, another folder and a sandbox that keeps nothing go without it.
    fs::write(home.path().join("other.toml"), "").unwrap();
    let other = home.path().join("other.toml").display().to_string();
    let empty = home.path().join("elsewhere").display().to_string();
    for found in [
        doctor(&[], &["--config", &other]),
        doctor(&[("TRUEDY_MCP_CONFIG", &other)], &[]),
        doctor(&[("XDG_CONFIG_HOME", &empty)], &[]),
        doctor(&[], &["--ephemeral"]),
    ] {
        assert_eq!(found, (None, None));
    }
    // An entry of a client names it, since the client may have another home.
    let print = ran(&home, "https://api.example.com/v1", &["config", "print", "cursor"]).json();
    assert_eq!(
        print["mcpServers"]["truedy"]["args"],
        json!(["stdio", "--config", file.to_str().unwrap(), "--base-url", "https://api.example.com/v1"])
    );
    // `carriers` keeps its profiles there, and a file that others can change is refused.
    let added = ["carriers", "add", "spare", "--provider", "telnyx", "--from", "api_key=env:SPARE_TELNYX"];
    assert_eq!(ran(&home, "https://api.example.com/v1", &added).code, Some(0));
    assert!(fs::read_to_string(&file).unwrap().contains("[carriers.spare]"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    let why = ran(&home, "https://api.example.com/v1", &["call", "list_numbers", "--sandbox"]).refused(2);
    assert!(why.contains("others can change it"), "{why}");
}
