//! `truedy-mcp config check`: whether clients have the entry, whether its command starts, and in which mode.

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::cli::bootstrap;
use crate::cli::clients::handshake::EntryCommand;
use crate::cli::output::{Exit, print};
use crate::cli::progress::ProgressLine;
use crate::config::{ClientFile, ClientFolders, ClientKind, ConfigError, ConfigScope, places};
use crate::redact::without_keys;

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The client; all without it.
    client: Option<ClientKind>,
    /// For all projects of this user, or for the project in this folder.
    #[arg(long, value_name = "user|project", value_enum, default_value_t = ConfigScope::User)]
    scope: ConfigScope,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// What is found of one client.
#[derive(Debug)]
pub(crate) struct ClientState {
    pub(crate) client: ClientKind,
    /// The file, as people write its path.
    pub(crate) file: String,
    /// The entry that is in it. An error if the file cannot be read.
    pub(crate) entry: Result<Option<Value>, String>,
}

impl ClientState {
    /// Returns in which mode the server of the entry runs: `live`, `sandbox` or `http`, with `read-only` where it is.
    pub(crate) fn mode(&self) -> Option<String> {
        self.entry.as_ref().ok()?.as_ref().map(mode)
    }
}

/// Returns what is found of each client that has a file. Nothing is started.
pub(crate) fn states(only: Option<ClientKind>, scope: ConfigScope) -> Vec<ClientState> {
    let Some(folders) = ClientFolders::here() else { return Vec::new() };
    let clients: Vec<ClientKind> = match only {
        Some(client) => vec![client],
        None => ClientKind::value_variants().iter().copied().filter(|client| !client.is_print_only()).collect(),
    };
    let of = |client: ClientKind| {
        let places = places(client, scope, &folders);
        let first = places.first()?;
        Some(match ClientFile::read(client, &places) {
            Ok(file) if only.is_none() && !file.exists() => return None,
            Ok(file) => ClientState { client, file: folders.shown(file.path()), entry: Ok(file.entry().cloned()) },
            Err(why) => ClientState { client, file: folders.shown(first), entry: Err(why) },
        })
    };
    clients.into_iter().filter_map(of).collect()
}

pub(crate) fn run(arguments: &CheckArgs) -> Result<Exit, ConfigError> {
    if let Some(client) = arguments.client {
        super::install::file_places(client, arguments.scope)?;
    }
    let states = states(arguments.client, arguments.scope);
    let runtime = bootstrap::runtime()?;
    let waiting = ProgressLine::begin("checking");
    let one = |state: &ClientState| {
        waiting.say(format!("starting the server of {}", state.client.name()));
        runtime.block_on(checked(state))
    };
    let rows: Vec<CheckRow> = states.iter().map(one).collect();
    drop(waiting);
    let is_fine = rows.iter().any(|row| row.is_working) && !rows.iter().any(|row| row.is_broken);
    if arguments.json {
        let clients: Vec<Value> = rows.iter().map(CheckRow::json).collect();
        let whole = json!({ "ok": is_fine, "clients": clients });
        print(&format!("{}\n", serde_json::to_string_pretty(&whole).unwrap_or_default()));
    } else {
        rows.iter().for_each(|row| print(&row.line()));
        if rows.iter().all(|row| !row.is_working && !row.is_broken) {
            print("No client has an entry; truedy-mcp config install CLIENT puts it there.\n");
        }
    }
    Ok(if is_fine { Exit::Fine } else { Exit::Failed })
}

/// One client and what was found.
struct CheckRow {
    client: ClientKind,
    file: String,
    mode: Option<String>,
    found: String,
    is_working: bool,
    is_broken: bool,
}

impl CheckRow {
    fn word(&self) -> &'static str {
        match (self.is_working, self.is_broken) {
            (true, _) => "ok",
            (_, true) => "bad",
            _ => "none",
        }
    }

    fn line(&self) -> String {
        let mode = self.mode.as_deref().unwrap_or("-");
        let (word, name) = (self.word(), self.client.name());
        format!("{word:<5} {name:<14} {mode:<18} {}; {}\n", self.file, self.found)
    }

    fn json(&self) -> Value {
        json!({
            "client": self.client.word(), "health": self.word(), "mode": self.mode, "file": self.file,
            "found": self.found
        })
    }
}

async fn checked(state: &ClientState) -> CheckRow {
    let row = |found: String, is_working, is_broken| CheckRow {
        client: state.client,
        file: state.file.clone(),
        mode: state.mode(),
        found,
        is_working,
        is_broken,
    };
    let entry = match &state.entry {
        Err(why) => return row(why.clone(), false, true),
        Ok(None) => return row("no entry".to_owned(), false, false),
        Ok(Some(entry)) => entry,
    };
    if let Some(url) = url(entry) {
        return row(format!("reached by URL, not tried: {}", without_keys(url)), true, false);
    }
    if ["disabled", "enabled"].iter().any(|name| entry.get(name) == Some(&json!(*name == "disabled"))) {
        return row("the client is told not to start it".to_owned(), false, true);
    }
    let Some(command) = command_of(entry) else {
        return row("it has no command".to_owned(), false, true);
    };
    match command.handshake().await {
        Ok(server) => row(format!("starts: {server}"), true, false),
        Err(why) => row(why, false, true),
    }
}

fn url(entry: &Value) -> Option<&str> {
    ["url", "httpUrl", "serverUrl"].iter().find_map(|name| entry.get(name)?.as_str())
}

fn texts(value: Option<&Value>) -> Vec<String> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Returns the command of an entry, with the variables that the client fills in.
fn command_of(entry: &Value) -> Option<EntryCommand> {
    let command = entry.get("command")?;
    let mut line = match command {
        Value::String(program) => vec![program.clone()],
        list => texts(Some(list)),
    };
    line.extend(texts(entry.get("args")));
    let mut line = line.into_iter();
    let program = line.next()?;
    let variables = variables(entry).filter_map(|(name, value)| Some((name.clone(), filled(value.as_str()?)?)));
    Some(EntryCommand { program, arguments: line.collect(), variables: variables.collect() })
}

fn variables(entry: &Value) -> impl Iterator<Item = (&String, &Value)> {
    ["env", "environment"].into_iter().filter_map(|name| entry.get(name)?.as_object()).flatten()
}

/// Returns the value that a client gives its server. `None` for what it asks its user for, or does not have.
fn filled(value: &str) -> Option<String> {
    let inner =
        value.strip_prefix("${").or_else(|| value.strip_prefix("{env:")).and_then(|rest| rest.strip_suffix('}'));
    let Some(name) = inner.or_else(|| value.strip_prefix('$')) else { return Some(value.to_owned()) };
    std::env::var(name.strip_prefix("env:").unwrap_or(name)).ok()
}

fn mode(entry: &Value) -> String {
    if url(entry).is_some() {
        return "http".to_owned();
    }
    let arguments = [texts(entry.get("command")), texts(entry.get("args"))].concat();
    let is_set = |flag: &str, variable: &str| {
        let by_flag = arguments.iter().any(|word| word == flag || word.strip_prefix(flag) == Some("=true"));
        let by_variable = variables(entry).any(|(name, value)| {
            name == variable && value.as_str().is_some_and(|text| ["1", "true", "yes", "on"].contains(&text))
        });
        by_flag || by_variable
    };
    let account = if is_set("--sandbox", "TRUEDY_MCP_SANDBOX") { "sandbox" } else { "live" };
    if is_set("--read-only", "TRUEDY_MCP_READ_ONLY") { format!("{account}, read-only") } else { account.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_of_an_entry_is_read_from_its_arguments_and_variables() {
        for (entry, told) in [
            (json!({ "command": "truedy-mcp", "args": ["stdio"] }), "live"),
            (json!({ "command": "truedy-mcp", "args": ["stdio", "--sandbox"] }), "sandbox"),
            (json!({ "command": ["truedy-mcp", "stdio", "--read-only"] }), "live, read-only"),
            (json!({ "command": "x", "args": [], "env": { "TRUEDY_MCP_SANDBOX": "1" } }), "sandbox"),
            (json!({ "command": "x", "args": ["--sandbox=false"] }), "live"),
            (json!({ "httpUrl": "http://127.0.0.1:8080/mcp" }), "http"),
        ] {
            assert_eq!(mode(&entry), told, "{entry}");
        }
    }

    #[test]
    fn a_command_is_that_of_the_entry_with_what_the_client_fills_in() {
        let entry = json!({ "command": ["a b", "stdio"], "environment": { "X": "1", "Y": "{env:NO_SUCH_VARIABLE}", "Z": "${input:z}" } });
        let command = command_of(&entry).expect("a command");
        assert_eq!((command.program.as_str(), command.arguments), ("a b", vec!["stdio".to_owned()]));
        assert_eq!(command.variables, [("X".to_owned(), "1".to_owned())]);
    }
}
