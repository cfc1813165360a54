//! Lets Claude Code change its own file, which it keeps rewriting while it runs.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::cli::clients::program::on_path;
use crate::config::{ClientEntry, ClientKind, ConfigScope, NAME};
use crate::redact::without_keys;

/// The command line of Claude Code.
pub(super) struct ClaudeCommand(PathBuf);

impl ClaudeCommand {
    /// Returns the command that changes the file of this client. `None` if the file is changed here.
    pub(super) fn of(client: ClientKind, scope: ConfigScope) -> Option<Self> {
        let changes_itself = client == ClientKind::ClaudeCode && scope == ConfigScope::User;
        changes_itself.then(|| on_path(&["claude", "claude.exe", "claude.cmd"])).flatten().map(Self)
    }

    /// Adds the entry for this user. One that is there is replaced.
    pub(super) fn add(&self, entry: &ClientEntry, is_there: bool) -> Result<(), String> {
        if is_there {
            self.remove()?;
        }
        let whole = entry.value();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let variables = whole.get("env").and_then(Value::as_object).into_iter().flatten();
        let variables = variables.flat_map(|(name, value)| ["-e".to_owned(), format!("{name}={}", text(value))]);
        let command = [whole.get("command").map(text).unwrap_or_default()];
        let arguments = whole.get("args").and_then(Value::as_array).into_iter().flatten().map(text);
        let front = ["mcp", "add", "--scope", "user", NAME].map(str::to_owned);
        let line = front.into_iter().chain(variables).chain(["--".to_owned()]).chain(command).chain(arguments);
        self.run(&line.collect::<Vec<_>>())
    }

    /// Removes the entry of this user.
    pub(super) fn remove(&self) -> Result<(), String> {
        self.run(&["mcp", "remove", "--scope", "user", NAME].map(str::to_owned))
    }

    fn run(&self, arguments: &[String]) -> Result<(), String> {
        let words = arguments.iter().take(2).map(String::as_str).collect::<Vec<_>>().join(" ");
        let ran = Command::new(&self.0).args(arguments).stdin(Stdio::null()).output();
        let ran = ran.map_err(|error| format!("claude {words} could not be started: {error}"))?;
        if ran.status.success() {
            return Ok(());
        }
        let said = [ran.stderr, ran.stdout].concat();
        let said = String::from_utf8_lossy(&said);
        let first = said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it said nothing");
        Err(format!("claude {words} failed: {}", without_keys(first)))
    }
}
