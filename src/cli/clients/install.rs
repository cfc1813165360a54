//! `truedy-mcp config install`: puts the entry into a client's file.

use std::path::PathBuf;

use clap::Args;

use crate::cli::client_entry::{Carried, input, input_about, stdio_fields};
use crate::cli::clients::claude::ClaudeCommand;
use crate::cli::clients::launch::Launch;
use crate::cli::clients::shown::{marked, old_entry};
use crate::cli::given::SetSetting;
use crate::cli::output::{Exit, exit_after, print};
use crate::config::{
    ApiKeySource, ClientEntry, ClientFile, ClientFolders, ClientKind, ConfigError, ConfigScope, InputField,
    KEY_VARIABLE, NAME, Settings, places,
};
use crate::redact::shown_path;

#[derive(Debug, Args)]
pub(crate) struct InstallArgs {
    /// The client.
    client: ClientKind,
    /// For all projects of this user, or for the project in this folder.
    #[arg(long, value_name = "user|project", value_enum, default_value_t = ConfigScope::User)]
    scope: ConfigScope,
    /// Show what would change, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(settings: &Settings, set: &[SetSetting], arguments: &InstallArgs) -> Result<Exit, ConfigError> {
    let InstallArgs { client, scope, dry_run } = *arguments;
    install(client, scope, dry_run, settings, set)
}

/// Shows the entry and writes it, and says what to restart.
pub(crate) fn install(
    client: ClientKind,
    scope: ConfigScope,
    dry_run: bool,
    settings: &Settings,
    set: &[SetSetting],
) -> Result<Exit, ConfigError> {
    let (folders, places) = file_places(client, scope)?;
    let (entry, variables) = wanted_entry(client, settings, set)?;
    let state = settings.state_dir()?;
    let result = ClientFile::read(client, &places).and_then(|file| {
        if file.has(&entry) {
            print(&format!("{}: {} has this entry already.\n", client.name(), folders.shown(file.path())));
            return Ok(());
        }
        // Everything that can be refused is refused before anything is shown.
        let section = shown_section(client, &entry, &places)?;
        file.with(&entry)?;
        file.check_writable()?;
        let old = file.entry().map(|old| old_entry(NAME, old)).unwrap_or_default();
        let place = folders.shown(file.path());
        print(&format!("{}: {place}\n{old}{}", client.name(), marked("+", &section)));
        if dry_run {
            print("Nothing was written: --dry-run.\n");
            return Ok(());
        }
        let backup = write(client, scope, &file, &entry, &state, &places)?;
        let copy = backup.map(|copy| format!(" The file as it was: {}", folders.shown(&copy)));
        print(&format!(
            "Written.{}\n{}{}\n",
            copy.unwrap_or_default(),
            source_of(client, &variables),
            client.restart()
        ));
        Ok(())
    });
    Ok(exit_after(result))
}

/// Returns where the file of a client may be.
/// Errors: the client has no file that this program changes.
pub(super) fn file_places(
    client: ClientKind,
    scope: ConfigScope,
) -> Result<(ClientFolders, Vec<PathBuf>), ConfigError> {
    let (name, word) = (client.name(), client.word());
    if client.is_print_only() {
        return Err(ConfigError(format!(
            "The file of {name} is YAML, which this command does not change: run truedy-mcp config print {word}, and put what it prints into that file."
        )));
    }
    let folders = ClientFolders::here()
        .ok_or_else(|| ConfigError("There is no home directory, so no file of a client: set HOME.".to_owned()))?;
    let places = places(client, scope, &folders);
    if places.is_empty() {
        return Err(ConfigError(format!("{name} has no file for one project: leave --scope out.")));
    }
    Ok((folders, places))
}

/// Returns the entry for a client, and the variables that the client takes from elsewhere. It has no secret in it.
fn wanted_entry(
    client: ClientKind,
    settings: &Settings,
    set: &[SetSetting],
) -> Result<(ClientEntry, Vec<String>), ConfigError> {
    let mut carried = Carried::of(settings, set)?;
    if has_key_file(settings) {
        carried.secrets.retain(|name| name != KEY_VARIABLE);
    }
    let launch = Launch::of_this_process()?;
    let written = |name: &str| match client {
        ClientKind::Vscode => format!("${{input:{}}}", input(name)),
        _ => client.reference(name).unwrap_or_default(),
    };
    let mut fields = stdio_fields(client, &launch, &carried, &written);
    let mut inputs = Vec::new();
    let variables = carried.secrets;
    if variables.is_empty() || client == ClientKind::Codex {
        fields.retain(|(name, _)| !["env", "environment"].contains(name));
    }
    match client {
        _ if variables.is_empty() => {}
        ClientKind::Codex => fields.push(("env_vars", variables.clone().into())),
        ClientKind::Vscode => {
            inputs = variables
                .iter()
                .map(|name| InputField { id: input(name), description: input_about(name).to_owned() })
                .collect();
        }
        _ if variables.iter().all(|name| client.reference(name).is_some()) => {}
        _ => return Err(without_variables(client, &variables)),
    }
    Ok((ClientEntry { fields, inputs }, variables))
}

/// Whether the key comes from a file that the entry names, so that no variable is needed beside it.
fn has_key_file(settings: &Settings) -> bool {
    let tenants = settings.tenants().unwrap_or_default();
    settings.api_key_file.is_some() && tenants.iter().all(|tenant| tenant.key == ApiKeySource::Settings)
}

/// Says that the client cannot take these variables from elsewhere, and what to do instead.
fn without_variables(client: ClientKind, variables: &[String]) -> ConfigError {
    let name = client.name();
    let others: Vec<&str> = variables.iter().map(String::as_str).filter(|name| *name != KEY_VARIABLE).collect();
    if others.is_empty() {
        return ConfigError(format!(
            "{name} takes no variables from elsewhere, and no key is written into its file. Put the key into a file of yours with mode 0600, and add --api-key-file FILE; or try it with --sandbox."
        ));
    }
    ConfigError(format!(
        "{name} takes no variables from elsewhere, and no secret is written into its file: {}. In the file of --config, name a file or a command in the place of the variable.",
        others.join(", ")
    ))
}

/// Returns the entry as it stands in a file of its own.
fn shown_section(client: ClientKind, entry: &ClientEntry, places: &[PathBuf]) -> Result<String, String> {
    ClientFile::none(client, places).with(entry)
}

/// Writes the entry. Returns where the copy of the file is.
fn write(
    client: ClientKind,
    scope: ConfigScope,
    file: &ClientFile,
    entry: &ClientEntry,
    state: &std::path::Path,
    places: &[PathBuf],
) -> Result<Option<PathBuf>, String> {
    let Some(claude) = ClaudeCommand::of(client, scope) else {
        return file.install(entry, state).map(|written| written.backup);
    };
    let copy = file.keep_copy(state).map_err(|error| format!("{}: {error}", shown_path(file.path())))?;
    // An entry that was there may be out already, and stands in the copy.
    let lost = |why: String| match copy.as_deref().filter(|_| file.entry().is_some()) {
        Some(copy) => format!("{why}; the file as it was: {}", shown_path(copy)),
        None => why,
    };
    claude.add(entry, file.entry().is_some()).map_err(lost)?;
    if !ClientFile::read(client, places)?.has(entry) {
        return Err(format!(
            "claude mcp add ended well, but {} has not the entry; add it by hand: truedy-mcp config print {}",
            shown_path(file.path()),
            client.word()
        ));
    }
    file.note_change(state, copy.clone());
    Ok(copy)
}

/// Says where the client takes the variables from.
fn source_of(client: ClientKind, variables: &[String]) -> String {
    let names = variables.join(", ");
    match client {
        _ if variables.is_empty() => String::new(),
        ClientKind::Vscode => format!("VS Code asks for {names} once, and keeps it.\n"),
        _ => format!("{} takes {names} from its own environment: set it where the client is started.\n", client.name()),
    }
}
