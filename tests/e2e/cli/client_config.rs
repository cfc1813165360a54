//! The entry of a client carries what was set where it was printed: its server has the same policy, key and places.

use std::fs;
use std::path::Path;

use clap::{Arg, ArgAction, CommandFactory};
use serde_json::Value;
use truedy_mcp::cli::Cli;

use crate::support::program::{Ran, at_once, program, run};

/// The clients, and the way to the entry of each in what is printed as JSON.
const CLIENTS: [(&str, &str); 13] = [
    ("claude-code", "/mcpServers/truedy"),
    ("claude-desktop", "/mcpServers/truedy"),
    ("vscode", "/servers/truedy"),
    ("cursor", "/mcpServers/truedy"),
    ("codex", ""),
    ("gemini", "/mcpServers/truedy"),
    ("zed", "/context_servers/truedy"),
    ("goose", ""),
    ("windsurf", "/mcpServers/truedy"),
    ("cline", "/mcpServers/truedy"),
    ("opencode", "/mcp/truedy"),
    ("lmstudio", "/mcpServers/truedy"),
    ("librechat", ""),
];

fn printed(client: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    let mut command = program();
    command.args(["config", "print", client]).args(arguments).envs(variables.iter().copied());
    run(command, "")
}

/// The arguments and the variables of an entry.
#[track_caller]
fn entry(client: &str, ran: &Ran) -> (Vec<String>, Vec<String>) {
    assert_eq!(ran.code, Some(0), "{client}: {}", ran.stderr);
    let (_, way) = CLIENTS.iter().find(|(name, _)| *name == client).unwrap();
    let found: Value = match client {
        "codex" => {
            let table: toml::Table = ran.stdout.parse().unwrap();
            serde_json::to_value(&table["mcp_servers"]["truedy"]).unwrap()
        }
        // Its list of arguments is JSON, and its variables are lines of their own.
        "goose" | "librechat" => {
            let args = ran.stdout.lines().find_map(|line| line.trim_start().strip_prefix("args: ")).unwrap();
            let env = ran.stdout.lines().skip_while(|line| !["envs:", "env:"].contains(&line.trim())).skip(1);
            let env = env.take_while(|line| line.starts_with("      "));
            let env = env.map(|line| line.trim().split_once(": ").unwrap());
            let env: serde_json::Map<String, Value> =
                env.map(|(name, value)| (name.to_owned(), value.into())).collect();
            serde_json::json!({ "args": serde_json::from_str::<Value>(args).unwrap(), "env": env })
        }
        _ => serde_json::from_str::<Value>(&ran.stdout).unwrap().pointer(way).unwrap().clone(),
    };
    // The command of opencode is one list with its arguments.
    let words = found.get("args").or(found.get("command")).unwrap().as_array().unwrap();
    let args = words.iter().map(|word| word.as_str().unwrap().to_owned()).filter(|word| word != "truedy-mcp");
    let env = found
        .get("env")
        .or(found.get("environment"))
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, _)| name.clone());
    (args.collect(), env.collect())
}

/// The settings of every command: flag, variable, and a value that is not the default; `None` for a switch.
fn settings(dir: &Path) -> Vec<(String, String, Option<String>)> {
    let command = Cli::command();
    let value = |arg: &Arg| -> Option<String> {
        if matches!(arg.get_action(), ArgAction::SetTrue) {
            return None;
        }
        if arg.get_value_parser().type_id() == std::any::TypeId::of::<std::path::PathBuf>() {
            return Some(dir.join(arg.get_id().as_str()).display().to_string());
        }
        let default = arg.get_default_values().first().map(|value| value.to_string_lossy().into_owned());
        let mut other = arg.get_possible_values().into_iter().map(|one| one.get_name().to_owned());
        let other = other.rfind(|name| Some(name) != default.as_ref() && name != "human");
        let known = match arg.get_id().as_str() {
            "base_url" => "https://api.example.com/v1",
            "upstream_proxy" => "http://proxy.example.com:3128",
            "fault" => "pending=stuck",
            "journal" => "memory",
            "tools" => "list_numbers,release_number",
            "exclude_tools" => "release_number,list_agents",
            "protect" => "+14155550123,+12125550142",
            "spend_per_day" | "max_monthly_cost" => "2.50 USD",
            "countries" => "US,CA",
            "number_types" => "local,toll_free",
            "sip_hosts" => "sip.example.com,sip.example.org",
            id if id.ends_with("_per_day") || id == "upstream_rpm" => "3",
            id => return Some(other.unwrap_or_else(|| panic!("{id}: a value is to be given here"))),
        };
        Some(known.to_owned())
    };
    let global = command.get_arguments().filter(|arg| arg.is_global_set() && arg.get_env().is_some());
    let row = |arg: &Arg| {
        let variable = arg.get_env().unwrap().to_str().unwrap().to_owned();
        (format!("--{}", arg.get_long().unwrap()), variable, value(arg))
    };
    global.map(row).collect()
}

#[test]
fn every_setting_stands_in_the_entry_of_every_client_whatever_set_it() {
    let dir = tempfile::tempdir().unwrap();
    let ca = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n";
    fs::write(dir.path().join("ca_file"), ca).unwrap();
    let settings = settings(dir.path());
    let policy = ["--read-only", "--gate", "--protect", "--purchases-per-day", "--countries", "--tools"];
    assert!(policy.iter().all(|flag| settings.iter().any(|(known, ..)| known == flag)) && settings.len() > 28);
    let cases = settings.iter().flat_map(|setting| CLIENTS.map(|(client, _)| (setting, client)));
    at_once(cases, |((flag, variable, value), client)| {
        let of_sandbox = ["--ephemeral", "--fault", "--ledger"].contains(&flag.as_str());
        let play: &[&str] = if of_sandbox { &["--sandbox"] } else { &[] };
        let by_flag = [play, &[flag.as_str()], &value.iter().map(String::as_str).collect::<Vec<_>>()].concat();
        let by_variable = [(variable.as_str(), value.as_deref().unwrap_or("true"))];
        for ran in [printed(client, &by_flag, &[]), printed(client, play, &by_variable)] {
            let (args, _) = entry(client, &ran);
            let at = args.iter().position(|word| word == flag).unwrap_or_else(|| panic!("{client} {flag}: {args:?}"));
            assert_eq!(args.get(at + 1).filter(|_| value.is_some()), value.as_ref(), "{client} {flag}: {args:?}");
            // The server takes them: the same command line, with another command in the place of `stdio`.
            if client == "codex"
                && !["--config", "--ca-file", "--api-key-file", "--state-key-file"].contains(&flag.as_str())
            {
                let mut command = program();
                command.arg("tools").args(&args[1..]);
                let ran = run(command, "");
                assert_eq!(ran.code, Some(0), "{flag}: {}", ran.stderr);
            }
        }
        // An entry for a URL carries none, and says so.
        for ran in [
            printed(client, &[&["--http"], &by_flag[..]].concat(), &[]),
            printed(client, &[&["--http"], play].concat(), &by_variable),
        ] {
            let said =
                |name: &str| ran.stderr.lines().any(|line| line.contains("not in this entry") && line.contains(name));
            assert!(ran.code == Some(0) && (said(flag) || said(variable)), "{client} {flag}: {}", ran.stderr);
        }
    });
}

#[test]
fn a_relative_path_of_an_entry_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("our config.toml"), "").unwrap();
    let mut command = program();
    command.args(["config", "print", "cursor", "--config", "our config.toml"]).current_dir(dir.path());
    let (args, _) = entry("cursor", &run(command, ""));
    let whole = dir.path().canonicalize().unwrap().join("our config.toml");
    assert_eq!(args, ["stdio", "--config", whole.to_str().unwrap()]);
}

#[test]
fn a_secret_is_carried_by_the_name_of_its_variable_alone() {
    let journal = ("TRUEDY_MCP_JOURNAL", "postgres://app:hunter2@127.0.0.1:1/truedy");
    let proxy = ("TRUEDY_MCP_UPSTREAM_PROXY", "http://app:hunter3@127.0.0.1:1");
    for (client, _) in CLIENTS {
        let ran = printed(client, &[], &[journal, proxy, ("TRUEDY_API_KEY", "hunter4")]);
        let (args, env) = entry(client, &ran);
        assert_eq!(args, ["stdio"], "{client}");
        for name in ["TRUEDY_API_KEY", journal.0, proxy.0] {
            assert!(env.iter().any(|known| known == name), "{client}: {env:?}");
        }
        assert!(ran.stderr.contains(journal.0) && ran.stderr.contains(proxy.0), "{client}: {}", ran.stderr);
        assert!(!format!("{}{}", ran.stdout, ran.stderr).contains("hunter"), "{client}");
        let (_, env) = entry(client, &printed(client, &["--sandbox"], &[journal, proxy]));
        assert!(env.is_empty(), "{client}: {env:?}");
    }
}

#[test]
fn the_key_of_an_entry_is_that_of_the_tenant_or_of_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    let at = file.to_str().unwrap();
    let profile = "[tenants.acme.carriers.main]\nprovider = \"telnyx\"\napi_key = { env = \"ACME_TELNYX\" }\n";
    for (client, _) in CLIENTS {
        for (text, keys) in [
            ("", &["TRUEDY_API_KEY"][..]),
            ("[tenants.acme]\napi_key_env = \"ACME_TRUEDY_KEY\"\n", &["ACME_TRUEDY_KEY"]),
            ("[tenants.acme]\napi_key_file = \"/etc/truedy/acme.key\"\n", &[]),
            ("[tenants.acme]\napi_key_command = [\"pass\", \"truedy\"]\n", &[]),
        ] {
            fs::write(&file, text).unwrap();
            let (args, env) = entry(client, &printed(client, &["--config", at], &[("TRUEDY_API_KEY", "x")]));
            assert!(args == ["stdio", "--config", at] && env == keys, "{client} {text}: {args:?} {env:?}");
        }
        fs::write(&file, format!("[tenants.acme]\napi_key_env = \"ACME_TRUEDY_KEY\"\n{profile}")).unwrap();
        let (_, mut env) = entry(client, &printed(client, &[], &[("TRUEDY_MCP_CONFIG", at)]));
        env.sort();
        assert_eq!(env, ["ACME_TELNYX", "ACME_TRUEDY_KEY"], "{client}");
        let (_, env) = entry(client, &printed(client, &["--api-key-file", "/etc/truedy/key"], &[]));
        assert!(env.is_empty(), "{client}: {env:?}");
    }
    fs::write(&file, "[tenants.acme]\napi_key_env = \"A\"\n[tenants.beta]\napi_key_env = \"B\"\n").unwrap();
    let ran = printed("codex", &["--config", at], &[]);
    assert!(ran.code == Some(2) && ran.stderr.contains("several tenants"), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn an_entry_whose_server_would_not_start_is_refused() {
    for (arguments, part) in [
        (&["--tools", "nope"][..], "--tools"),
        (&["--gate", "human", "--ask", "off"], "--gate human"),
        (&["--ephemeral"], "add --sandbox"),
        (&["--sandbox", "--base-url", "https://api.example.com/v1"], "--base-url would do nothing"),
        (&["--base-url", "http://api.example.com/v1"], "--base-url"),
    ] {
        let ran = printed("codex", arguments, &[]);
        assert!(ran.code == Some(2) && ran.stdout.is_empty() && ran.stderr.contains(part), "{}", ran.stderr);
    }
}
