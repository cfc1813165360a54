//! Reads the command line and the variables, and reports what is wrong. A value is never repeated, because it may be a
//! secret.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches};

use crate::cli::args::Cli;
use crate::cli::color;
use crate::cli::given::{SetSetting, arguments, has_login, is_path, is_switch, settings_set};
use crate::cli::help::pages::{asked, show};
use crate::cli::help::requested::{help, is_help};
use crate::cli::near_miss::{self, PREFIX, is_of_kubernetes};
use crate::cli::output::{Exit, KEY_IN_ARGUMENTS, complain};
use crate::cli::tour::command::FAULT;
use crate::cli::unknown_argument::{deepest, unknown_argument};
use crate::config::{ConfigError, KEY_VARIABLE, Settings};
use crate::domain::did_you_mean;
use crate::redact::{is_certain_key, looks_like_key, placeholder};

/// Variables with this prefix that this program does not read. Clients take the token of a server from them.
const OF_CLIENTS: [&str; 1] = ["TRUEDY_MCP_TOKEN"];
/// Variables of debug builds, for tests.
const OF_TESTS: [&str; 3] = ["TRUEDY_MCP_CRASH_AT", "TRUEDY_MCP_STOP_AT", FAULT];
/// The start of the placeholder that a desktop bundle passes for a blank field.
const BLANK_FIELD: &str = "${user_config.";
/// Reads the command line. Returns its content, and the settings of every command that were set.
/// If something is wrong, prints it and returns the exit code.
pub(super) fn parse() -> Result<(Cli, Vec<SetSetting>), ExitCode> {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let original = Cli::command().color(color::apply(&words));
    if let Some(topic) = asked(&words) {
        return Err(show(&topic).into());
    }
    let usage = |sentence: &str| {
        complain(sentence);
        ExitCode::from(Exit::Usage)
    };
    if let Some(sentence) = unfilled(&original) {
        return Err(usage(&sentence));
    }
    let (command, matches) = matches(&original, &words)?;
    let mut cli = Cli::from_arg_matches(&matches).map_err(|error| refuse(&error, &command))?;
    cli.settings.note_sources(&matches);
    cli.settings.variables = set_by_variables(&command, &matches);
    cli.settings.use_default_files();
    if let Some(sentence) = misplaced(&command, &matches) {
        return Err(usage(&sentence));
    }
    if let (true, Err(ConfigError(sentence))) = (is_by_flag(&matches, "journal"), cli.settings.no_password_in_journal())
    {
        return Err(usage(&sentence));
    }
    let (known, limits) = (variables(&original, |_| true), variables(&original, is_limit));
    if let Some(sentence) = unknown_variable(&known, &cli.settings) {
        return Err(usage(&sentence));
    }
    let warnings = near_miss::check(&known, &limits, &cli.settings).map_err(|sentence| usage(&sentence))?;
    warnings.iter().for_each(|warning| complain(warning));
    let set = settings_set(&original, &matches, &cli.settings);
    Ok((cli, set))
}

/// Matches the command line. Returns the definition that was used, and its matches.
///
/// Clap copies each setting into each command. So the first definition has only the commands that the command line may
/// name. What it refuses is matched again with all commands, because messages and help show them.
fn matches(original: &Command, words: &[OsString]) -> Result<(Command, ArgMatches), ExitCode> {
    let command = as_parsed(with_named_commands(original, words));
    if let Ok(matches) = command.clone().try_get_matches() {
        return Ok((command, matches));
    }
    let command = as_parsed(original.clone());
    match command.clone().try_get_matches() {
        Ok(matches) => Ok((command, matches)),
        Err(error) if is_help(error.kind()) => Err(help(&command, words, error.kind())),
        Err(error) => Err(refuse(&error, &command)),
    }
}

/// Returns a definition with all settings, and with those commands whose name is one of these words.
fn with_named_commands(original: &Command, words: &[OsString]) -> Command {
    let is_named = |command: &&Command| words.iter().any(|word| word == command.get_name());
    Command::new(env!("CARGO_PKG_NAME"))
        .disable_help_subcommand(true)
        .color(original.get_color())
        .styles(original.get_styles().clone())
        .groups(original.get_groups().cloned())
        .args(original.get_arguments().cloned())
        .subcommands(original.get_subcommands().filter(is_named).cloned())
}

/// Returns the variables of the wanted arguments that this program reads, and that of the key, which has no argument.
///
/// `original` is the definition as it is written. The one used for parsing lacks variables that count as not set.
fn variables(original: &Command, wanted: impl Fn(&Arg) -> bool) -> Vec<String> {
    let wanted = arguments(original).into_iter().filter(|arg| wanted(arg));
    let names = wanted.filter_map(|arg| arg.get_env()?.to_str()).map(str::to_owned);
    names.chain([KEY_VARIABLE.to_owned()]).collect()
}

/// Returns the definition used for parsing. Help shows no values of variables, and variables that count as not set are
/// ignored.
fn as_parsed(command: Command) -> Command {
    command.mut_args(read_so).mut_subcommands(as_parsed)
}

/// An empty variable counts as not set, because some clients pass every variable that they know. A switch with a blank
/// field of a desktop bundle counts as not set, unless it belongs to the policy.
fn read_so(arg: Arg) -> Arg {
    let counts_as_unset = arg.get_env().and_then(std::env::var_os).is_some_and(|value| is_blank(&arg, &value));
    let arg = if is_switch(&arg) { switch(arg) } else { arg }.hide_env_values(true);
    if counts_as_unset { arg.env(Resettable::Reset) } else { arg }
}

/// Whether this value of the argument's variable counts as not set. The argument is the one of the original definition.
fn is_blank(arg: &Arg, value: &OsStr) -> bool {
    let text = value.to_string_lossy();
    text.trim().is_empty() || (text.starts_with(BLANK_FIELD) && is_switch(arg) && !is_limit(arg))
}

/// Whether the argument is part of the policy.
fn is_limit(arg: &Arg) -> bool {
    arg.get_help_heading() == Some("Policy")
}

/// Makes a switch with a variable accept `--switch=true` and `--switch=false` as well.
fn switch(arg: Arg) -> Arg {
    arg.action(ArgAction::Set)
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("true")
        .default_value("false")
        .hide_default_value(true)
        .hide_possible_values(true)
        .value_name("true|false")
        .value_parser(clap::builder::BoolishValueParser::new())
}

/// Refuses a variable that holds a placeholder which was not filled in. Paths have their own message for that.
fn unfilled(original: &Command) -> Option<String> {
    arguments(original).into_iter().find_map(|arg| {
        let variable = arg.get_env()?;
        let value = std::env::var(variable).ok().filter(|value| !is_blank(arg, OsStr::new(value)))?;
        let form = placeholder(&value).filter(|_| value.contains(['$', '%', '<', '{']))?;
        (!is_path(arg)).then(|| {
            format!(
                "{} (--{}) cannot be used: {form} stands in it, which the client that started this program did not fill in; give the value itself, or leave the variable out.",
                variable.to_string_lossy(),
                arg.get_long().unwrap_or_default()
            )
        })
    })
}

/// Returns the matches of a command line and of its subcommands.
fn all_matches(matches: &ArgMatches) -> Vec<&ArgMatches> {
    let below = matches.subcommand().map(|(_, below)| all_matches(below)).unwrap_or_default();
    std::iter::once(matches).chain(below).collect()
}

/// Returns the source of the value of a setting.
fn source(matches: &ArgMatches, id: &str) -> Option<ValueSource> {
    let known = all_matches(matches).into_iter().filter(|one| one.try_contains_id(id).is_ok());
    known.filter_map(|one| one.value_source(id)).max()
}

fn is_by_flag(matches: &ArgMatches, id: &str) -> bool {
    source(matches, id) == Some(ValueSource::CommandLine)
}

/// Returns the flag of each setting that was set by a variable, with that variable.
fn set_by_variables(command: &Command, matches: &ArgMatches) -> Vec<(String, String)> {
    let set = arguments(command).into_iter().filter_map(|arg| {
        let (flag, variable) = (arg.get_long()?, arg.get_env()?.to_str()?);
        let is_set = source(matches, arg.get_id().as_str()) == Some(ValueSource::EnvVariable);
        is_set.then(|| (flag.to_owned(), variable.to_owned()))
    });
    set.collect()
}

/// Refuses a key in a setting that is not for keys. Also refuses a password in a URL if every process can read it or
/// nothing uses it.
fn misplaced(command: &Command, matches: &ArgMatches) -> Option<String> {
    arguments(command).into_iter().find_map(|arg| {
        let (flag, id) = (arg.get_long()?, arg.get_id().as_str());
        let variable = arg.get_env().and_then(OsStr::to_str);
        if variable.is_none() && !is_path(arg) {
            return None;
        }
        let by_flag = is_by_flag(matches, id);
        let known = all_matches(matches).into_iter().filter(|one| one.try_contains_id(id).is_ok());
        let values: Vec<&OsStr> = known.flat_map(|one| one.get_raw(id).into_iter().flatten()).collect();
        let texts: Vec<_> = values.iter().map(|value| value.to_string_lossy()).collect();
        let takes_password = matches!(id, "upstream_proxy" | "journal");
        let variable = variable.unwrap_or_default();
        if !takes_password && texts.iter().any(|text| is_certain_key(text)) {
            return Some(if by_flag { KEY_IN_ARGUMENTS.to_owned() } else { key_in_variable(arg, variable) });
        }
        if id == "journal" || !texts.iter().any(|text| has_login(text)) {
            return None;
        }
        if by_flag && takes_password {
            return Some(format!(
                "--{flag} must not hold a user name or password, which every process could read: put the URL into {variable}."
            ));
        }
        (!takes_password).then(|| {
            format!(
                "--{flag} ({variable}) must not hold a user name or password; expected a URL without, for example https://host.example.com/path."
            )
        })
    })
}

fn key_in_variable(arg: &Arg, variable: &str) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    let expected: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
    format!(
        "{variable} (--{}) cannot be used: what looks like a key stands in it, and no key belongs there; what belongs there is {}.",
        arg.get_long().unwrap_or_default(),
        expected.join(" ")
    )
}

/// Refuses an unknown variable with this program's prefix. If it were ignored, its limit would be missing.
fn unknown_variable(known: &[String], settings: &Settings) -> Option<String> {
    let is_unknown = |name: &str, value: &OsString| {
        let tests = if cfg!(debug_assertions) { &OF_TESTS[..] } else { &[] };
        name.starts_with(PREFIX)
            && !known.iter().any(|known| known == name)
            && !OF_CLIENTS.contains(&name)
            && !tests.contains(&name)
            && !is_of_kubernetes(name, &value.to_string_lossy())
    };
    let mut unknown: Vec<String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, value)| is_unknown(name, value))
        .map(|(name, _)| name)
        .collect();
    unknown.sort();
    if unknown.is_empty() {
        return None;
    }
    // The configuration file may name a variable of the operator's own, which is then accepted.
    let named = settings.file_variables();
    let name = unknown.into_iter().find(|name| !named.contains(name))?;
    let bare = |name: &'_ str| name.strip_prefix(PREFIX).unwrap_or_default().to_owned();
    let names: Vec<String> = known.iter().map(|name| bare(name)).collect();
    let near = || did_you_mean(&bare(&name), names.iter().map(String::as_str)).map(|near| format!("{PREFIX}{near}"));
    let meant = near_miss::meant_by(&name, known).or_else(near);
    let meant = meant.map(|meant| format!(" Did you mean {meant}?")).unwrap_or_default();
    let shown = if looks_like_key(&name) { format!("a variable that begins with {PREFIX}") } else { name };
    Some(format!(
        "{shown} is not known to this version ({}), so it would set nothing.{meant} Correct its name, or unset it. A later version may know it. truedy-mcp help settings lists the variables, for example {PREFIX}READ_ONLY.",
        env!("CARGO_PKG_VERSION")
    ))
}

/// Reports what is wrong with the command line. Help and version are printed.
fn refuse(error: &clap::Error, command: &Command) -> ExitCode {
    if !error.use_stderr() {
        drop(error.print());
        return Exit::Fine.into();
    }
    let said = explained(error, command).unwrap_or_else(|| error.render().to_string());
    // Values are not repeated, but names are, and a key may stand in the place of a name.
    if looks_like_key(&said) || std::env::args().any(|argument| is_certain_key(&argument)) {
        complain(KEY_IN_ARGUMENTS);
    } else {
        drop(std::io::Write::write_all(&mut std::io::stderr().lock(), said.as_bytes()));
    }
    Exit::Usage.into()
}

/// Returns the message for an error that would otherwise repeat the given value. `None` for other errors.
fn explained(error: &clap::Error, command: &Command) -> Option<String> {
    let texts = |kind: ContextKind| match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    };
    let first = |kind| texts(kind).first().cloned();
    let argument = first(ContextKind::InvalidArg).unwrap_or_default();
    let what = match error.kind() {
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let place = place_of(&argument, command);
            let why = std::error::Error::source(error).map(ToString::to_string);
            let known = texts(ContextKind::ValidValue);
            let meant =
                first(ContextKind::SuggestedValue).map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
            match (why, known.as_slice()) {
                (Some(why), _) => format!("invalid value for {place}: {why}"),
                (None, []) => format!("a value is required for {place}"),
                (None, known) => format!("invalid value for {place}: expected {}{meant}", known.join(", ")),
            }
        }
        ErrorKind::TooManyValues | ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => {
            format!("another number of values is expected for {}", place_of(&argument, command))
        }
        ErrorKind::UnknownArgument => unknown_argument(&argument, first(ContextKind::SuggestedArg), command),
        ErrorKind::InvalidSubcommand => {
            let given = first(ContextKind::InvalidSubcommand).unwrap_or_default();
            let names: Vec<&str> = deepest(command).get_subcommands().map(Command::get_name).collect();
            let meant = first(ContextKind::SuggestedSubcommand)
                .or_else(|| texts(ContextKind::SuggestedSubcommand).into_iter().next());
            let meant = meant.or_else(|| did_you_mean(&given, names.iter().copied()).map(str::to_owned));
            let meant = meant.map_or(".".to_owned(), |meant| format!("; did you mean {meant}?"));
            format!("there is no such command{meant} There are: {}.", names.join(", "))
        }
        ErrorKind::InvalidUtf8 => "an argument is not UTF-8".to_owned(),
        _ => return None,
    };
    Some(format!("error: {what}\n\nFor more information, try '--help'.\n"))
}

/// Returns the flag, and its variable if the variable set it.
fn place_of(argument: &str, command: &Command) -> String {
    let flag = argument.split(['=', ' ', '[']).next().unwrap_or_default();
    let name = flag.strip_prefix("--").unwrap_or_default();
    let arg = arguments(command).into_iter().find(|arg| !name.is_empty() && arg.get_long() == Some(name));
    let variable = arg.and_then(Arg::get_env).map(|variable| variable.to_string_lossy());
    let by_flag = std::env::args().any(|given| given == flag || given.starts_with(&format!("{flag}=")));
    match variable {
        Some(variable) if !by_flag => format!("'{variable}' ({argument})"),
        _ => format!("'{argument}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_help_shows_what_a_variable_holds() {
        let command = as_parsed(Cli::command());
        assert!(arguments(&command).len() > 60);
        for arg in arguments(&command) {
            assert!(arg.is_hide_env_values_set(), "{}", arg.get_id());
        }
    }

    fn parsed(command: Command, words: &[&str]) -> Result<String, ErrorKind> {
        let words = std::iter::once("truedy-mcp").chain(words.iter().copied());
        let matches = as_parsed(command).try_get_matches_from(words).map_err(|error| error.kind())?;
        Ok(format!("{:?}", Cli::from_arg_matches(&matches).map_err(|error| error.kind())?))
    }

    #[test]
    fn a_command_line_means_the_same_with_the_commands_that_it_names_alone() {
        let original = Cli::command();
        for (line, named) in [
            ("", 0),
            ("stdio", 1),
            ("--sandbox stdio --read-only", 1),
            ("--log-format json stdio", 1),
            ("http --listen 127.0.0.1:0", 1),
            ("token new --tokens tokens.toml --principal ana", 1),
            ("call list_numbers limit=3", 1),
            ("call doctor", 2),
            ("operations --json", 1),
            ("completions bash", 1),
        ] {
            let words: Vec<&str> = line.split_whitespace().collect();
            let given: Vec<OsString> = words.iter().map(OsString::from).collect();
            let narrow = with_named_commands(&original, &given);
            assert_eq!(narrow.get_subcommands().count(), named, "{line}");
            let all = parsed(original.clone(), &words);
            assert!(all.is_ok(), "{line}: {all:?}");
            assert_eq!(parsed(narrow, &words), all, "{line}");
        }
    }

    #[test]
    fn what_all_commands_refuse_is_refused_with_the_named_ones_too() {
        let original = Cli::command();
        for line in ["stdi", "--version", "--help", "stdio --listen 1", "http --listen", "--readonly"] {
            let words: Vec<&str> = line.split_whitespace().collect();
            let given: Vec<OsString> = words.iter().map(OsString::from).collect();
            assert!(parsed(original.clone(), &words).is_err(), "{line}");
            assert!(parsed(with_named_commands(&original, &given), &words).is_err(), "{line}");
        }
    }
}
