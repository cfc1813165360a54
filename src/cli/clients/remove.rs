//! `truedy-mcp config remove`: takes the entry out of a client's file again.

use clap::Args;
use serde_json::Value;

use crate::cli::clients::claude::ClaudeCommand;
use crate::cli::clients::install::file_places;
use crate::cli::clients::shown::old_entry;
use crate::cli::output::{Exit, exit_after, print};
use crate::config::{ClientFile, ClientKind, ConfigError, ConfigScope, InputField, NAME, Removed, Settings};

#[derive(Debug, Args)]
pub(crate) struct RemoveEntryArgs {
    /// The client.
    client: ClientKind,
    /// For all projects of this user, or for the project in this folder.
    #[arg(long, value_name = "user|project", value_enum, default_value_t = ConfigScope::User)]
    scope: ConfigScope,
    /// Show what would change, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(settings: &Settings, arguments: &RemoveEntryArgs) -> Result<Exit, ConfigError> {
    let RemoveEntryArgs { client, scope, dry_run } = *arguments;
    let (folders, places) = file_places(client, scope)?;
    let state = settings.state_dir()?;
    let result = ClientFile::read(client, &places).and_then(|file| {
        let place = folders.shown(file.path());
        let Some(entry) = file.entry() else {
            print(&format!("{}: {place} has no entry {NAME}.\n", client.name()));
            return Ok(());
        };
        file.check_writable()?;
        print(&format!("{}: {place}\n{}", client.name(), old_entry(NAME, entry)));
        if dry_run {
            print("Nothing was written: --dry-run.\n");
            return Ok(());
        }
        let claude = ClaudeCommand::of(client, scope).filter(|_| file.before(&state).is_none());
        let removed = match claude {
            Some(claude) => claude.remove().map(|()| Removed::Alone(None)),
            None => file.remove(&inputs_of(entry), &state),
        };
        print(&match removed? {
            Removed::Restored => "Removed. The file is as it was before.\n".to_owned(),
            Removed::Deleted => "Removed. The file was made for the entry, and is gone again.\n".to_owned(),
            Removed::Alone(None) => "Removed. The rest of the file has not changed.\n".to_owned(),
            Removed::Alone(Some(copy)) => format!(
                "Removed. The rest of the file has not changed. The file with the entry: {}\n",
                folders.shown(&copy)
            ),
        });
        if let Some(again) = ClientFile::read(client, &places)?.entry() {
            print(&format!("The entry of before is back:\n{}", old_entry(NAME, again)));
        }
        print(&format!("{}\n", client.restart()));
        Ok(())
    });
    Ok(exit_after(result))
}

/// Returns what the entry has VS Code ask for.
fn inputs_of(entry: &Value) -> Vec<InputField> {
    let values = entry.get("env").and_then(Value::as_object).into_iter().flatten();
    let ids = values.filter_map(|(_, value)| value.as_str()?.strip_prefix("${input:")?.strip_suffix('}'));
    ids.map(|id| InputField { id: id.to_owned(), description: String::new() }).collect()
}
