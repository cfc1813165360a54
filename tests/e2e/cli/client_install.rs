//! `config install`, `config remove` and `config check`: a client's file gets the entry and nothing else changes in it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::program::{KEY, Ran, program, run};

/// The clients whose files are changed, where the file is below a home on Linux, and the way to the entry.
const CLIENTS: [(&str, &str, &str); 11] = [
    ("claude-code", ".claude.json", "/mcpServers/truedy"),
    ("claude-desktop", ".config/Claude/claude_desktop_config.json", "/mcpServers/truedy"),
    ("vscode", ".config/Code/User/mcp.json", "/servers/truedy"),
    ("cursor", ".cursor/mcp.json", "/mcpServers/truedy"),
    ("windsurf", ".codeium/windsurf/mcp_config.json", "/mcpServers/truedy"),
    ("codex", ".codex/config.toml", "/mcp_servers/truedy"),
    ("gemini", ".gemini/settings.json", "/mcpServers/truedy"),
    ("zed", ".config/zed/settings.json", "/context_servers/truedy"),
    ("cline", ".cline/data/settings/cline_mcp_settings.json", "/mcpServers/truedy"),
    ("opencode", ".config/opencode/opencode.json", "/mcp/truedy"),
    ("lmstudio", ".lmstudio/mcp.json", "/mcpServers/truedy"),
];

/// A home with a project in it, and with nothing in `PATH` but what a test puts there.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(TempDir::new().unwrap());
        for folder in ["bin", "project"] {
            fs::create_dir(home.at(folder)).unwrap();
        }
        home
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), text).unwrap();
    }

    fn read(&self, path: &str) -> Option<String> {
        fs::read(self.at(path)).ok().map(|bytes| String::from_utf8(bytes).unwrap())
    }

    fn command(&self, mut command: Command, arguments: &[&str]) -> Ran {
        command.arg("config").args(arguments).current_dir(self.at("project"));
        command.env_clear().env("HOME", self.0.path()).env("PATH", self.at("bin"));
        run(command, "")
    }

    fn config(&self, arguments: &[&str]) -> Ran {
        self.command(program(), arguments)
    }

    fn with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
        let mut command = program();
        command.arg("config").args(arguments).current_dir(self.at("project"));
        command.env("HOME", self.0.path()).env("PATH", self.at("bin")).envs(variables.iter().copied());
        run(command, "")
    }

    /// The entry in a file of a client.
    #[track_caller]
    fn entry(&self, client: &str) -> Value {
        let (_, path, way) = CLIENTS.iter().find(|(name, ..)| *name == client).unwrap();
        let text = self.read(path).unwrap_or_else(|| panic!("{client}: there is no {path}"));
        let whole: Value = match client {
            "codex" => serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap(),
            _ => serde_json::from_str(&text).unwrap(),
        };
        whole.pointer(way).unwrap_or_else(|| panic!("{client}: {text}")).clone()
    }

    /// All files below the home, but not what is kept of them.
    fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        let mut open = vec![self.0.path().to_owned()];
        while let Some(folder) = open.pop() {
            for one in fs::read_dir(folder).unwrap().map(|one| one.unwrap().path()) {
                if one.is_dir() && !one.is_symlink() {
                    open.push(one);
                } else {
                    files.push(one.strip_prefix(self.0.path()).unwrap().display().to_string());
                }
            }
        }
        files.retain(|file| !file.starts_with(".local/state"));
        files.sort();
        files
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn every_client_gets_an_entry_that_starts_and_loses_it_without_a_trace() {
    for (client, path, _) in CLIENTS {
        let home = Home::new();
        let said = home.config(&["install", client, "--sandbox", "--read-only"]).fine();
        assert!(said.contains(&format!("~/{path}")) && said.contains("+ ") && said.contains("Written."), "{said}");
        let entry = home.entry(client);
        let line = match client {
            "opencode" => entry["command"].clone(),
            _ => json!([&[entry["command"].clone()], &entry["args"].as_array().unwrap()[..]].concat()),
        };
        let program = env!("CARGO_BIN_EXE_truedy-mcp");
        assert_eq!(line, json!([program, "stdio", "--sandbox", "--read-only"]), "{client}");
        assert!(entry.get("env").or(entry.get("environment")).is_none(), "{client}: {entry}");
        let again = home.config(&["install", client, "--sandbox", "--read-only"]).fine();
        assert!(again.contains("has this entry already"), "{again}");
        let found = home.config(&["check", client, "--json"]).json();
        assert_eq!((&found["ok"], &found["clients"][0]["mode"]), (&json!(true), &json!("sandbox, read-only")));
        let said = home.config(&["check"]).fine();
        assert!(said.starts_with("ok ") && said.lines().count() == 1 && said.contains("starts: truedy"), "{said}");
        let said = home.config(&["remove", client]).fine();
        assert!(said.contains("- \"truedy\"") && said.contains("is gone again"), "{said}");
        assert_eq!(home.files(), Vec::<String>::new(), "{client}");
        assert!(home.config(&["remove", client]).fine().contains("has no entry"));
        assert_eq!(home.config(&["check", client]).code, Some(1));
    }
}

/// Files as people and editors leave them.
fn odd_files(client: &str) -> Vec<String> {
    if client == "codex" {
        return [
            "",
            "# mine\n\nmodel = \"o\"   # spaces\n[z]\nb=1\na = 2\n\n[mcp_servers.other]\ncommand = 'x'\n# the end",
            "\u{feff}model = \"o\"\r\n[a]\r\n\tb = 1\r\n",
        ]
        .map(str::to_owned)
        .into();
    }
    let list = CLIENTS.iter().find(|(name, ..)| *name == client).unwrap().2.split('/').nth(1).unwrap();
    [
        "",
        "\n\n",
        "{}",
        "// only a comment",
        "{\"z\":1,\"LIST\":{\"other\":{\"command\":\"x\",\"env\":{\"KEY\":\"hunter2\"}}},\"a\":[ ]}",
        "{\n\t\"z\" : 1,\n\n\t\"LIST\" : {\n\t\t\"other\": { \"command\": \"x\" } // mine, \"truedy\": {}\n\t\t/* } */\n\t},\n\t\"a\": null,\n}",
        "\u{feff}{\r\n    \"a\": 0.10,\r\n    \"LIST\": {\r\n    }\r\n}\r\n",
        "{ \"LIST\": { \"b\": {}, \"a\": {}, }, }\n\n",
    ]
    .map(|text| text.replace("LIST", list))
    .into()
}

#[test]
fn whatever_else_is_in_the_file_stays_to_the_last_byte() {
    for (client, path, _) in CLIENTS {
        for text in odd_files(client) {
            let home = Home::new();
            home.write(path, &text);
            let seen = home.config(&["install", client, "--sandbox", "--dry-run"]).fine();
            assert!(seen.contains("+ ") && seen.contains("--dry-run"), "{seen}");
            assert_eq!((home.read(path), home.files().len()), (Some(text.clone()), 1), "{client}: a dry run");
            let said = home.config(&["install", client, "--sandbox"]).fine();
            assert!(!said.contains("hunter2"), "{said}");
            let now = home.read(path).unwrap();
            // Each line of before stands there still, in its order, but for a comma.
            let mut lines = now.lines();
            for line in text.lines().filter(|line| line.len() > 2 && !line.starts_with('{') && !line.contains(": {}")) {
                let is_same = |now: &str| {
                    now.trim_end_matches(',') == line.trim_end_matches(',') || now.replace("},", "}") == line
                };
                assert!(lines.any(is_same), "{client}: {line:?} is missing in\n{now}");
            }
            let copy = format!("{path}.truedy-backup");
            assert_eq!((home.read(&copy), mode(&home.at(&copy))), (Some(text.clone()), 0o600), "{client}");
            assert!(home.config(&["check", client]).fine().starts_with("ok "));
            assert!(home.config(&["remove", client]).fine().contains("as it was before"));
            assert_eq!((home.read(path), home.files().len()), (Some(text), 1), "{client}");
        }
    }
}

#[test]
fn a_file_that_cannot_be_changed_safely_is_refused_and_left() {
    let cursor = |text: &'static str, told: &'static str| ("cursor", ".cursor/mcp.json", text, told);
    let codex = |text: &'static str, told: &'static str| ("codex", ".codex/config.toml", text, told);
    for (client, path, text, told) in [
        cursor("{\n  \"mcpServers\": {\n    \"a\": hunter2\n", "line 3, column 10"),
        cursor("{\"mcpServers\": [\"hunter2\"]}", "line 1, column 16: mcpServers is no object"),
        cursor("{\"mcpServers\": {}, \"mcpServers\": {}}", "mcpServers stands there a second time"),
        cursor(
            "{\"mcpServers\": {\"truedy\": 1,\n\"truedy\": 2}}",
            "line 2, column 1: truedy stands there a second time",
        ),
        cursor("[1]", "expected an object"),
        codex("model = \"o\"\n[a\n", "line 2, column "),
        codex("mcp_servers = { a = 1 }\n", "edit it by hand"),
        codex("a = 1\na = 2\n", "line 2, column 1: duplicate key"),
    ] {
        let home = Home::new();
        home.write(path, text);
        for arguments in
            [&["install", client, "--sandbox"][..], &["install", client, "--sandbox", "--dry-run"], &["remove", client]]
        {
            let why = home.config(arguments).refused(1);
            assert!(why.contains(path) && why.contains(told) && !why.contains("hunter2"), "{why}");
        }
        assert_eq!(home.config(&["check", client]).code, Some(1));
        assert_eq!((home.read(path).as_deref(), home.files().len()), (Some(text), 1), "{told}");
    }
    let home = Home::new();
    home.write(".cursor/mcp.json", "{}");
    fs::set_permissions(home.at(".cursor/mcp.json"), fs::Permissions::from_mode(0o444)).unwrap();
    let why = home.config(&["install", "cursor", "--sandbox"]).refused(1);
    assert!(why.contains("it is read-only; chmod u+w"), "{why}");
    assert_eq!((home.read(".cursor/mcp.json").as_deref(), home.files().len()), (Some("{}"), 1));
    fs::remove_file(home.at(".cursor/mcp.json")).unwrap();
    symlink("nowhere", home.at(".cursor/mcp.json")).unwrap();
    let why = home.config(&["install", "cursor", "--sandbox"]).refused(1);
    assert!(why.contains("a link to a file that does not exist"), "{why}");
    fs::remove_file(home.at(".cursor/mcp.json")).unwrap();
    fs::create_dir(home.at(".cursor/mcp.json")).unwrap();
    assert!(home.config(&["install", "cursor", "--sandbox"]).refused(1).contains("no regular file"));
    fs::remove_dir(home.at(".cursor/mcp.json")).unwrap();
    fs::write(home.at(".cursor/mcp.json"), b"{\"a\": \"\xff\"}").unwrap();
    assert!(home.config(&["install", "cursor", "--sandbox"]).refused(1).contains("no UTF-8"));
}

#[test]
fn a_link_stays_and_its_target_is_written() {
    let home = Home::new();
    home.write("dotfiles/mcp.json", "{ }");
    fs::set_permissions(home.at("dotfiles/mcp.json"), fs::Permissions::from_mode(0o640)).unwrap();
    fs::create_dir(home.at(".cursor")).unwrap();
    symlink("../dotfiles/mcp.json", home.at(".cursor/mcp.json")).unwrap();
    home.config(&["install", "cursor", "--sandbox"]).fine();
    assert!(home.at(".cursor/mcp.json").is_symlink() && home.read("dotfiles/mcp.json").unwrap().contains("truedy"));
    assert_eq!(
        (mode(&home.at("dotfiles/mcp.json")), mode(&home.at("dotfiles/mcp.json.truedy-backup"))),
        (0o640, 0o600)
    );
    home.config(&["remove", "cursor"]).fine();
    assert!(home.at(".cursor/mcp.json").is_symlink());
    assert_eq!(home.read("dotfiles/mcp.json").as_deref(), Some("{ }"));
}

#[test]
fn no_file_gets_a_key() {
    let taken = ["claude-code", "vscode", "cursor", "windsurf", "codex", "gemini", "opencode"];
    for (client, path, _) in CLIENTS {
        let home = Home::new();
        let ran = home.with(&[("TRUEDY_API_KEY", KEY)], &["install", client]);
        if taken.contains(&client) {
            let said = ran.fine();
            assert!(said.contains("TRUEDY_API_KEY") && !said.contains(KEY), "{said}");
            let text = home.read(path).unwrap();
            assert!(text.contains("TRUEDY_API_KEY") && !text.contains(KEY), "{text}");
            let entry = home.entry(client);
            let variables = entry.get("env").or(entry.get("environment")).cloned().unwrap_or_default();
            let told = match client {
                "codex" => entry["env_vars"][0].clone(),
                _ => variables["TRUEDY_API_KEY"].clone(),
            };
            let wanted = match client {
                "claude-code" => "${TRUEDY_API_KEY}",
                "vscode" => "${input:truedy-key}",
                "cursor" | "windsurf" => "${env:TRUEDY_API_KEY}",
                "gemini" => "$TRUEDY_API_KEY",
                "opencode" => "{env:TRUEDY_API_KEY}",
                _ => "TRUEDY_API_KEY",
            };
            assert_eq!(told, wanted, "{client}");
            let json: Option<Value> = serde_json::from_str(&text).ok();
            assert_eq!(json.is_some_and(|whole| whole["inputs"][0]["id"] == "truedy-key"), client == "vscode");
        } else {
            let why = ran.refused(2);
            assert!(why.contains("--api-key-file FILE") && why.contains("--sandbox"), "{why}");
            assert_eq!(home.files(), Vec::<String>::new());
        }
        let home = Home::new();
        home.write("key", KEY);
        home.config(&["install", client, "--api-key-file", "../key"]).fine();
        let text = home.read(path).unwrap();
        assert!(text.contains("--api-key-file") && !text.contains("TRUEDY_API_KEY"), "{text}");
        // Others can read the file, so the server does not start.
        let found = home.config(&["check", client]);
        assert!(
            found.code == Some(1) && found.stdout.contains("live") && found.stdout.contains("chmod 600"),
            "{}",
            found.stdout
        );
        fs::set_permissions(home.at("key"), fs::Permissions::from_mode(0o600)).unwrap();
        assert!(home.config(&["check", client]).fine().starts_with("ok "));
    }
    let home = Home::new();
    let journal = ("TRUEDY_MCP_JOURNAL", "postgres://app:hunter2@127.0.0.1:1/truedy");
    let why = home.with(&[journal], &["install", "zed", "--api-key-file", "/k"]).refused(2);
    assert!(why.contains(journal.0) && !why.contains("hunter2"), "{why}");
}

#[test]
fn an_entry_of_somebody_else_is_shown_without_its_values_and_comes_back() {
    let home = Home::new();
    let text =
        "{\"mcpServers\": {\"truedy\": {\"command\": \"npx\", \"args\": [\"other\"], \"env\": {\"A\": \"hunter2\"}}}}";
    home.write(".cursor/mcp.json", text);
    let said = home.config(&["install", "cursor", "--sandbox"]).fine();
    assert!(said.contains("- ") && said.contains("\"other\"") && !said.contains("hunter2"), "{said}");
    assert_eq!(home.entry("cursor")["args"], json!(["stdio", "--sandbox"]));
    // An update leaves the copy of the very first file.
    home.config(&["install", "cursor", "--sandbox", "--read-only"]).fine();
    let said = home.config(&["remove", "cursor"]).fine();
    assert!(said.contains("The entry of before is back"), "{said}");
    assert_eq!(home.read(".cursor/mcp.json").as_deref(), Some(text));
}

#[test]
fn an_entry_in_a_file_that_changed_since_is_taken_out_alone() {
    for (client, path, change) in
        [("vscode", ".config/Code/User/mcp.json", "\n\n"), ("codex", ".codex/config.toml", "\n[later]\na = 1\n")]
    {
        let home = Home::new();
        home.with(&[("TRUEDY_API_KEY", "x")], &["install", client]).fine();
        let text = home.read(path).unwrap() + change;
        home.write(path, &text);
        let said = home.config(&["remove", client]).fine();
        assert!(said.contains("The rest of the file has not changed"), "{said}");
        let left = home.read(path).unwrap();
        assert!(left.ends_with(change) && !left.contains("truedy") && !left.contains("promptString"), "{left}");
        assert_eq!(mode(&home.at(&format!("{path}.truedy-backup"))), 0o600);
    }
}

#[test]
fn a_program_in_a_folder_with_blanks_and_quotes_is_named_so_that_it_starts() {
    let folder = crate::support::program::home().join("a b'\"\\c ä");
    fs::create_dir_all(&folder).unwrap();
    let copy = folder.join("truedy-mcp");
    fs::hard_link(env!("CARGO_BIN_EXE_truedy-mcp"), &copy).unwrap();
    for (client, ..) in CLIENTS {
        let home = Home::new();
        home.command(Command::new(&copy), &["install", client, "--sandbox"]).fine();
        let command = home.entry(client)["command"].clone();
        let command = command.as_str().or_else(|| command[0].as_str()).unwrap().to_owned();
        assert_eq!(Path::new(&command), copy, "{client}");
        assert!(home.config(&["check", client]).fine().starts_with("ok "), "{client}");
    }
    // The place in PATH outlives the place behind it.
    let home = Home::new();
    symlink(&copy, home.at("bin/truedy-mcp")).unwrap();
    home.command(Command::new(&copy), &["install", "cursor", "--sandbox"]).fine();
    assert_eq!(home.entry("cursor")["command"], home.at("bin/truedy-mcp").to_str().unwrap());
}

#[test]
fn the_file_of_a_project_is_in_its_folder() {
    let home = Home::new();
    for (client, path) in [
        ("claude-code", "project/.mcp.json"),
        ("vscode", "project/.vscode/mcp.json"),
        ("codex", "project/.codex/config.toml"),
    ] {
        home.config(&["install", client, "--sandbox", "--scope", "project"]).fine();
        assert!(home.read(path).unwrap().contains("truedy"), "{path}");
        assert!(home.config(&["check", client, "--scope", "project"]).fine().starts_with("ok "));
        home.config(&["remove", client, "--scope", "project"]).fine();
        assert_eq!(home.read(path), None);
    }
    let why = home.config(&["install", "claude-desktop", "--sandbox", "--scope", "project"]).refused(2);
    assert!(why.contains("leave --scope out"), "{why}");
    for client in ["goose", "librechat"] {
        let why = home.config(&["install", client, "--sandbox"]).refused(2);
        assert!(why.contains(&format!("truedy-mcp config print {client}")), "{why}");
    }
}

/// A `claude` that keeps its file as the real one does: it writes it anew, and notes how it was called.
const CLAUDE: &str = r#"#!/bin/sh
printf '%s|' "$@" >> "$HOME/calls"
echo >> "$HOME/calls"
[ -e "$HOME/broken" ] && { echo "Invalid something" >&2; exit 1; }
if [ "$2" = remove ]; then echo '{"numStartups": 2}' > "$HOME/.claude.json"; exit 0; fi
while [ "$1" != -- ]; do shift; done
echo "{\"numStartups\": 2, \"mcpServers\": {\"truedy\": {\"type\": \"stdio\", \"command\": \"$2\", \"args\": [\"$3\", \"$4\"], \"env\": {}}}}" > "$HOME/.claude.json"
"#;

#[test]
fn claude_code_changes_its_own_file() {
    let home = Home::new();
    fs::write(home.at("bin/claude"), CLAUDE).unwrap();
    fs::set_permissions(home.at("bin/claude"), fs::Permissions::from_mode(0o755)).unwrap();
    // Nothing but builtins of the shell and /bin/sh itself is used.
    home.write(".claude.json", "{\"numStartups\": 1}");
    let calls = || home.read("calls").unwrap_or_default();
    home.config(&["install", "claude-code", "--sandbox", "--dry-run"]).fine();
    assert_eq!(calls(), "");
    home.config(&["install", "claude-code", "--sandbox"]).fine();
    let add = format!("mcp|add|--scope|user|truedy|--|{}|stdio|--sandbox|\n", env!("CARGO_BIN_EXE_truedy-mcp"));
    assert_eq!(calls(), add);
    assert!(home.config(&["install", "claude-code", "--sandbox"]).fine().contains("already"));
    assert_eq!(home.read(".claude.json.truedy-backup").as_deref(), Some("{\"numStartups\": 1}"));
    assert!(home.config(&["remove", "claude-code"]).fine().contains("as it was before"));
    assert_eq!((home.read(".claude.json").as_deref(), calls()), (Some("{\"numStartups\": 1}"), add));
    // After a change by somebody else, it takes the entry out itself; an older entry goes first.
    home.config(&["install", "claude-code", "--sandbox"]).fine();
    let text = home.read(".claude.json").unwrap().replace("2,", "3,").replace("--sandbox", "--read-only");
    home.write(".claude.json", &text);
    fs::remove_file(home.at("calls")).unwrap();
    home.config(&["install", "claude-code", "--sandbox"]).fine();
    let called = calls();
    let words: Vec<&str> = called.lines().map(|line| line.split('|').nth(1).unwrap()).collect();
    assert_eq!(words, ["remove", "add"]);
    home.write(".claude.json", &home.read(".claude.json").unwrap().replace("2,", "4,"));
    assert!(home.config(&["remove", "claude-code"]).fine().contains("Removed."));
    assert!(calls().ends_with("mcp|remove|--scope|user|truedy|\n"));
    fs::write(home.at("broken"), "").unwrap();
    let ran = home.config(&["install", "claude-code", "--sandbox"]);
    assert!(ran.code == Some(1) && ran.stderr.contains("claude mcp add failed: Invalid something"), "{}", ran.stderr);
}

#[test]
fn a_command_that_does_not_start_is_told() {
    let home = Home::new();
    let entry =
        |command: &str, more: &str| format!("{{\"mcpServers\": {{\"truedy\": {{\"command\": \"{command}\"{more}}}}}}}");
    for (text, told) in [
        (entry("/no/such/truedy-mcp", ""), "its command does not exist"),
        (
            entry("/bin/sh", ", \"args\": [\"-c\", \"echo no such flag >&2\"]"),
            "it ends without an answer: no such flag",
        ),
        (entry("x", ", \"disabled\": true"), "told not to start it"),
        ("{\"mcpServers\": {\"truedy\": {}}}".to_owned(), "no command"),
        ("{\"mcpServers\": {\"truedy\": 7}}".to_owned(), "no command"),
    ] {
        home.write(".cursor/mcp.json", &text);
        let found = home.config(&["check", "--json"]);
        let found_json: Value = serde_json::from_str(&found.stdout).unwrap();
        let row = &found_json["clients"][0];
        assert_eq!((found.code, &row["health"], &row["client"]), (Some(1), &json!("bad"), &json!("cursor")));
        assert!(row["found"].as_str().unwrap().contains(told), "{row}");
    }
    home.write(".cursor/mcp.json", "{\"mcpServers\": {\"truedy\": {\"url\": \"http://127.0.0.1:9/mcp\"}}}");
    assert!(home.config(&["check", "cursor"]).fine().contains("http"));
}
