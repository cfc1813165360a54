//! Finds the settings of every command that were set: by which flag or variable, and to which value.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use url::Url;

use crate::config::Settings;

/// A setting of every command that was set by a flag or a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SetSetting {
    /// Its flag, without the dashes.
    pub(crate) flag: String,
    /// Its variable.
    pub(crate) variable: String,
    /// Whether the variable set it, and not the flag.
    pub(crate) by_variable: bool,
    /// Its value.
    pub(crate) value: SetValue,
}

impl SetSetting {
    /// Returns the flag or the variable, whichever set it.
    pub(crate) fn place(&self) -> String {
        if self.by_variable { self.variable.clone() } else { format!("--{}", self.flag) }
    }
}

/// The value of a setting that was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SetValue {
    /// A switch that is on.
    On,
    /// A switch that is off, which is also its default.
    Off,
    /// One of a few words that the setting allows.
    Word(String),
    /// Any other text, or a list with commas.
    Text(String),
    /// A path, with the home directory expanded.
    Path(PathBuf),
    /// A text that contains a password.
    Secret,
}

/// Returns the settings of every command that a flag or a variable set, in the order of their definition.
///
/// `definition` is the original one of the whole program. The one used for parsing lacks variables that count as not
/// set.
pub(crate) fn settings_set(definition: &Command, matches: &ArgMatches, settings: &Settings) -> Vec<SetSetting> {
    let set = definition.get_arguments().filter(|arg| arg.is_global_set()).filter_map(|arg| {
        let (flag, variable, id) = (arg.get_long()?, arg.get_env()?.to_str()?, arg.get_id().as_str());
        let source = matches.value_source(id)?;
        let by_variable = source == ValueSource::EnvVariable;
        if !by_variable && source != ValueSource::CommandLine {
            return None;
        }
        let value = set_value(arg, matches, settings)?;
        Some(SetSetting { flag: flag.to_owned(), variable: variable.to_owned(), by_variable, value })
    });
    set.collect()
}

/// Returns every argument of a command and of its subcommands.
pub(crate) fn arguments(command: &Command) -> Vec<&Arg> {
    command.get_arguments().chain(command.get_subcommands().flat_map(arguments)).collect()
}

/// Returns the settings that were set and are not among these flags. The flags have no dashes.
pub(crate) fn unused<'a>(set: &'a [SetSetting], used: &[&str]) -> impl Iterator<Item = &'a SetSetting> {
    set.iter().filter(|one| !used.contains(&one.flag.as_str()))
}

fn set_value(arg: &Arg, matches: &ArgMatches, settings: &Settings) -> Option<SetValue> {
    let id = arg.get_id().as_str();
    if is_switch(arg) {
        return Some(if *matches.get_one::<bool>(id)? { SetValue::On } else { SetValue::Off });
    }
    if is_path(arg) {
        return matches.get_one::<PathBuf>(id).cloned().map(SetValue::Path);
    }
    let texts: Option<Vec<&str>> = matches.get_raw(id)?.map(OsStr::to_str).collect();
    let text = texts?.join(",");
    let has_password = match id {
        "journal" => settings.no_password_in_journal().is_err(),
        "upstream_proxy" => has_login(&text),
        _ => false,
    };
    Some(match has_password {
        true => SetValue::Secret,
        false if arg.get_possible_values().is_empty() => SetValue::Text(text),
        false => SetValue::Word(text),
    })
}

/// Whether the argument is a switch with a variable, according to its definition.
pub(crate) fn is_switch(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue) && arg.get_env().is_some()
}

/// Whether the argument is a path.
pub(crate) fn is_path(arg: &Arg) -> bool {
    arg.get_value_parser().type_id() == std::any::TypeId::of::<PathBuf>()
}

/// Whether a text is a URL that contains a user or a password.
pub(crate) fn has_login(text: &str) -> bool {
    Url::parse(text.trim()).is_ok_and(|url| !url.username().is_empty() || url.password().is_some())
}
