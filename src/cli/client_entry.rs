//! Builds the content of a client's entry. Its server then works with the settings of this command line and its
//! variables.
//!
//! If a setting were left out, its limit would be lost. Secrets are included only by the name of their variable.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::cli::clients::launch::Launch;
use crate::cli::given::{SetSetting, SetValue};
use crate::config::{ApiKeySource, ClientKind, ConfigError, KEY_VARIABLE, Settings};
use crate::mcp::Catalog;
use crate::redact::{is_plausible_path, is_plausible_variable};

/// Settings of the live account, which have no effect on the sandbox.
const OF_THE_ACCOUNT: [&str; 5] = ["api-key-file", "base-url", "upstream-proxy", "ca-file", "journal"];

/// The content of an entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Carried {
    /// The arguments after `stdio`.
    pub(crate) arguments: Vec<String>,
    /// The variables that hold secrets.
    pub(crate) secrets: Vec<String>,
}

impl Carried {
    /// Builds the content of an entry from these settings.
    /// Errors: its server would not start, or a value may be a secret.
    pub(crate) fn of(settings: &Settings, set: &[SetSetting]) -> Result<Self, ConfigError> {
        check(settings)?;
        let sandbox = settings.sandbox;
        let mut carried = Self { secrets: keys(settings)?, ..Self::default() };
        // Another home has other default files, and so none of these limits.
        let defaults = [
            ("config", settings.is_default_config.then_some(&settings.config)),
            ("api-key-file", settings.is_default_key.then_some(&settings.api_key_file)),
        ];
        for (flag, file) in defaults {
            if let Some(file) = file.and_then(Option::as_ref) {
                carried.arguments.extend([format!("--{flag}"), whole_path(&format!("--{flag}"), file)?]);
            }
        }
        for one in set.iter().filter(|one| !(sandbox && OF_THE_ACCOUNT.contains(&one.flag.as_str()))) {
            let flag = format!("--{}", one.flag);
            match &one.value {
                SetValue::Off => {}
                SetValue::On => carried.arguments.push(flag),
                SetValue::Secret => carried.secrets.push(one.variable.clone()),
                SetValue::Text(text) | SetValue::Word(text) => carried.arguments.extend([flag, text.clone()]),
                SetValue::Path(path) => carried.arguments.extend([flag, whole(one, path)?]),
            }
        }
        carried.name_stored_limits(settings, set)?;
        Ok(carried)
    }

    /// Names the limits that `init` stored in the configuration file, so that a person sees them in the entry.
    fn name_stored_limits(&mut self, settings: &Settings, set: &[SetSetting]) -> Result<(), ConfigError> {
        // `carriers add` may still make a file that is named.
        if settings.config.as_ref().is_some_and(|file| !file.exists()) {
            return Ok(());
        }
        let stored = settings.with_file_policy()?;
        let is_free = |flag: &str| !set.iter().any(|one| one.flag == flag && one.value != SetValue::Off);
        if stored.read_only && is_free("read-only") {
            self.arguments.push("--read-only".to_owned());
        }
        if let Some(most) = stored.spend_per_day.filter(|_| is_free("spend-per-day")) {
            self.arguments.extend(["--spend-per-day".to_owned(), most.to_string()]);
        }
        Ok(())
    }
}

/// Makes the checks that the server makes at its start, but does not look for its key.
fn check(settings: &Settings) -> Result<(), ConfigError> {
    settings.policy(&Catalog::names())?;
    // This is the only list that accepts any word.
    let hosts = settings.sip_hosts.as_deref().unwrap_or_default();
    if hosts.iter().map(|host| host.trim()).any(|host| !host.is_empty() && !host.contains(['.', ':'])) {
        let sentence = "--sip-hosts (TRUEDY_MCP_SIP_HOSTS): an entry has no dot, so it is no public host, and is not repeated; expected names such as sip.example.com.";
        return Err(ConfigError(sentence.to_owned()));
    }
    settings.journal_place()?;
    if settings.sandbox {
        settings.sandbox(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        return settings.unused_on_sandbox().map_or(Ok(()), |unused| Err(ConfigError(unused)));
    }
    settings.no_sandbox_settings()?;
    settings.base_url().map(drop)
}

/// Returns a path as an absolute one, because a client starts the server in any directory.
fn whole(one: &SetSetting, path: &Path) -> Result<String, ConfigError> {
    whole_path(&format!("--{} ({})", one.flag, one.variable), path)
}

fn whole_path(place: &str, path: &Path) -> Result<String, ConfigError> {
    if !is_plausible_path(path) {
        return Err(ConfigError(format!(
            "{place} is not repeated in an entry, since it may be a secret; expected the whole path of a file or folder, for example /home/ana/truedy-mcp/config.toml."
        )));
    }
    let path: PathBuf = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.into_os_string()
        .into_string()
        .map_err(|_| ConfigError(format!("{place} cannot stand in an entry: it is not UTF-8; rename the file.")))
}

/// Returns the variables that hold the key of Truedy and those of carriers.
/// The sandbox needs no key and must not get one.
fn keys(settings: &Settings) -> Result<Vec<String>, ConfigError> {
    if settings.sandbox {
        return Ok(Vec::new());
    }
    let mut keys = Vec::new();
    // A configuration file that does not exist yet names no variables.
    let is_there = settings.config.as_ref().is_none_or(|file| file.exists());
    let tenants = if is_there { settings.tenants()? } else { Vec::new() };
    if tenants.len() > 1 {
        let sentence = "--config names several tenants, and an entry starts a server for one: name one alone, or print the entry of a server for all with --http.";
        return Err(ConfigError(sentence.to_owned()));
    }
    match tenants.first().map(|tenant| &tenant.key) {
        None | Some(ApiKeySource::Settings) => {
            let is_set = std::env::var(KEY_VARIABLE).is_ok_and(|text| !text.trim().is_empty());
            if is_set || settings.api_key_file.is_none() {
                keys.push(KEY_VARIABLE.to_owned());
            }
        }
        Some(ApiKeySource::Variable(name)) => keys.push(name.clone()),
        Some(ApiKeySource::File(_) | ApiKeySource::Command(_)) => {}
    }
    for name in if is_there { settings.file_variables() } else { Vec::new() } {
        if !keys.contains(&name) {
            keys.push(name);
        }
    }
    if keys.iter().all(|name| is_plausible_variable(name)) {
        return Ok(keys);
    }
    Err(ConfigError(
        "--config: a field of the file that names a variable holds what may be a secret, which no entry repeats; expected the name of a variable, for example TELNYX_API_KEY."
            .to_owned(),
    ))
}

/// Returns the fields of an entry that starts this program, in the order in which the client documents them.
/// `written` gives what stands in the place of a secret.
pub(crate) fn stdio_fields(
    client: ClientKind,
    launch: &Launch,
    carried: &Carried,
    written: &dyn Fn(&str) -> String,
) -> Vec<(&'static str, Value)> {
    let line = launch.line(&carried.arguments);
    let arguments = line.get(1..).unwrap_or_default();
    let variables: Map<String, Value> =
        carried.secrets.iter().map(|name| (name.clone(), written(name).into())).collect();
    let rest =
        [("command", launch.program.as_str().into()), ("args", arguments.into()), ("env", variables.clone().into())];
    match client {
        ClientKind::ClaudeCode | ClientKind::Vscode => [("type", "stdio".into())].into_iter().chain(rest).collect(),
        ClientKind::Zed => [("source", "custom".into())].into_iter().chain(rest).collect(),
        ClientKind::Opencode => vec![
            ("type", "local".into()),
            ("command", line.into()),
            ("enabled", true.into()),
            ("environment", variables.into()),
        ],
        _ => rest.into(),
    }
}

/// Turns the name of a variable into the id of an input field in VS Code.
pub(crate) fn input(variable: &str) -> String {
    if variable == KEY_VARIABLE { "truedy-key".to_owned() } else { variable.to_lowercase().replace('_', "-") }
}

/// Returns what an input field in VS Code asks for.
pub(crate) fn input_about(variable: &str) -> &str {
    if variable == KEY_VARIABLE { "Truedy API key" } else { variable }
}

/// Returns the input field in VS Code for a variable.
pub(crate) fn input_fields(variable: &str) -> Value {
    json!({ "type": "promptString", "id": input(variable), "description": input_about(variable), "password": true })
}
