//! What an entry names when the program was started by `npx` or `uvx`, whose cache is cleaned some day.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::program::{Ran, home, run};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A home with caches in it, and with `npx` and `uvx` in `PATH`, which start the program as the real ones do.
struct Caches(PathBuf);

impl Caches {
    fn new() -> Self {
        let caches = Self(home());
        // The words before those of this program: `-y PACKAGE`, and `PACKAGE` or `--from PACKAGE PROGRAM`.
        let program = env!("CARGO_BIN_EXE_truedy-mcp");
        caches.script("npx", &format!("shift 2; exec '{program}' \"$@\""));
        caches.script("uvx", &format!("[ \"$1\" = --from ] && shift 2; shift; exec '{program}' \"$@\""));
        caches
    }

    fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn script(&self, name: &str, text: &str) {
        let file = self.write(&format!("bin/{name}"), &format!("#!/bin/sh\n{text}\n"));
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The program in this folder.
    fn program(&self, folder: &str) -> PathBuf {
        let file = self.write(&format!("{folder}/truedy-mcp"), "");
        fs::remove_file(&file).unwrap();
        fs::hard_link(env!("CARGO_BIN_EXE_truedy-mcp"), &file).unwrap();
        file
    }

    /// The program as `npx` keeps it, in a package of this name for this machine.
    fn of_npx(&self, name: &str) -> PathBuf {
        let folder = format!(".npm/_npx/1a2b3c/node_modules/{name}-linux-x64");
        let about = json!({ "name": format!("{name}-linux-x64"), "os": ["linux"], "cpu": ["x64"] });
        self.write(&format!("{folder}/package.json"), &about.to_string());
        self.program(&format!("{folder}/bin"))
    }

    /// The program as `uvx` keeps it.
    fn of_uvx(&self, name: &str) -> PathBuf {
        let folder = ".cache/uv/archive-v0/x1y2z3";
        let about = format!("{folder}/lib/python3.12/site-packages/a-{VERSION}.dist-info");
        self.write(&format!("{about}/METADATA"), &format!("Metadata-Version: 2.4\nName: {name}\n"));
        self.write(&format!("{about}/RECORD"), "../../../bin/truedy-mcp,sha256=x,1\n");
        self.program(&format!("{folder}/bin"))
    }

    fn config(&self, program: &Path, arguments: &[&str]) -> Ran {
        let mut command = Command::new(program);
        command.arg("config").args(arguments).env_clear();
        command.env("HOME", &self.0).env("PATH", format!("{}:/usr/bin:/bin", self.0.join("bin").display()));
        run(command, "")
    }
}

/// Puts the program of a package of this name into a cache.
type Kept = fn(&Caches, &str) -> PathBuf;

#[test]
fn an_entry_names_the_command_that_fetched_the_program_with_its_version() {
    let kinds: [(Kept, &str, Vec<String>); 4] = [
        (Caches::of_npx, "truedy-mcp", vec!["npx".into(), "-y".into(), format!("truedy-mcp@{VERSION}")]),
        (Caches::of_npx, "@a/truedy-mcp", vec!["npx".into(), "-y".into(), format!("@a/truedy-mcp@{VERSION}")]),
        (Caches::of_uvx, "truedy-mcp", vec!["uvx".into(), format!("truedy-mcp@{VERSION}")]),
        (
            Caches::of_uvx,
            "a-truedy-mcp",
            vec!["uvx".into(), "--from".into(), format!("a-truedy-mcp=={VERSION}"), "truedy-mcp".into()],
        ),
    ];
    for (kept, name, words) in kinds {
        let caches = Caches::new();
        let program = kept(&caches, name);
        let line = [&words[..], &["stdio".to_owned(), "--sandbox".to_owned()]].concat();
        let (command, arguments) = (json!(line[0]), json!(line[1..]));
        let shown = caches.config(&program, &["install", "codex", "--sandbox", "--dry-run"]).fine();
        assert!(shown.contains(&format!("+ command = {command}\n")), "{name}: {shown}");
        assert!(words.iter().all(|word| shown.contains(word)) && !shown.contains("node_modules"), "{name}: {shown}");
        assert!(!caches.0.join(".codex").exists(), "a dry run writes nothing");

        caches.config(&program, &["install", "cursor", "--sandbox"]).fine();
        let file = fs::read_to_string(caches.0.join(".cursor/mcp.json")).unwrap();
        let entry = serde_json::from_str::<Value>(&file).unwrap()["mcpServers"]["truedy"].clone();
        assert_eq!((&entry["command"], &entry["args"]), (&command, &arguments), "{name}");
        let checked = caches.config(&program, &["check", "cursor"]).fine();
        assert!(checked.starts_with("ok ") && checked.contains("starts: truedy-mcp"), "{name}: {checked}");

        let printed: Value = caches.config(&program, &["print", "gemini", "--sandbox"]).json();
        let entry = &printed["mcpServers"]["truedy"];
        assert_eq!((&entry["command"], &entry["args"]), (&command, &arguments), "{name}");
        for client in ["codex", "goose", "librechat"] {
            let printed = caches.config(&program, &["print", client, "--sandbox"]).fine();
            assert!(words.iter().all(|word| printed.contains(word)), "{client}: {printed}");
        }
        let printed = caches.config(&program, &["print", "claude-code", "--sandbox"]).stderr;
        assert!(printed.contains(&format!("claude mcp add truedy -- {} ", words[0])), "{printed}");
    }
}

/// Such a program stays where it is, so its path is right.
#[test]
fn an_entry_names_the_path_of_a_program_that_is_in_no_cache() {
    let caches = Caches::new();
    for folder in ["lib/node_modules/truedy-mcp-linux-x64/bin", ".local/share/uv/tools/truedy-mcp/bin", "_npx/bin"] {
        let program = caches.program(folder);
        let shown = caches.config(&program, &["install", "codex", "--sandbox", "--dry-run"]).fine();
        assert!(shown.contains(&format!("+ command = \"{}\"\n", program.display())), "{shown}");
        let printed: Value = caches.config(&program, &["print", "gemini", "--sandbox"]).json();
        assert_eq!(printed["mcpServers"]["truedy"]["command"], "truedy-mcp");
    }
}
