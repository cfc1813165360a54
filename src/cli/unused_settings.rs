//! Refuses flags that a command would not use. Otherwise a limit would seem to hold and would not.

use crate::cli::args::Command;
use crate::cli::given::{SetSetting, unused};
use crate::cli::sandbox;
use crate::cli::tour::command as tour;
use crate::config::ConfigError;

/// Refuses the flags that this command does not use. Variables are not refused, because they are set for all commands.
pub(super) fn refuse(command: Option<&Command>, set: &[SetSetting]) -> Result<(), ConfigError> {
    let Some(command) = command else { return Ok(()) };
    let Some(used) = used_settings(command) else { return Ok(()) };
    let flags: Vec<String> = unused(set, used).filter(|one| !one.by_variable).map(SetSetting::place).collect();
    if flags.is_empty() {
        return Ok(());
    }
    let flags = flags.join(", ");
    Err(ConfigError(match command {
        Command::Tour(_) => tour::on_unused(&flags),
        _ => format!("This command does not use {flags}: leave it out."),
    }))
}

/// Returns the flags, without the dashes, of the settings that a command uses. `None` if it accepts all settings.
fn used_settings(command: &Command) -> Option<&'static [&'static str]> {
    match command {
        Command::Token(_)
        | Command::Probe(_)
        | Command::Completions { .. }
        | Command::Man { .. }
        | Command::Help { .. }
        | Command::Version { .. } => Some(&[]),
        Command::Sandbox(arguments) => Some(sandbox::used_settings(arguments)),
        Command::Tour(_) => Some(&tour::SETTINGS),
        Command::Stdio
        | Command::Http(_)
        | Command::Call(_)
        | Command::Tools(_)
        | Command::Doctor(_)
        | Command::Numbers(_)
        | Command::Operations(_)
        | Command::Undo(_)
        | Command::Freeze(_)
        | Command::Unfreeze(_)
        | Command::Carriers(_)
        | Command::Init(_)
        | Command::Config(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use clap::{Arg, ArgAction, Command as Definition, CommandFactory, FromArgMatches};

    use super::*;
    use crate::cli::args::Cli;
    use crate::cli::given::settings_set;

    /// The commands that use some settings only, and which. The words of a command are separated by a space.
    const USE_SOME: [(&str, &[&str]); 12] = [
        ("token list", &[]),
        ("token revoke", &[]),
        ("token new", &[]),
        ("probe", &[]),
        ("sandbox", &["sandbox", "ephemeral", "fault", "ledger", "state-dir"]),
        ("sandbox reset", &["sandbox", "journal", "state-dir"]),
        ("sandbox faults", &[]),
        ("tour", &["sandbox", "ephemeral"]),
        ("completions", &[]),
        ("man", &[]),
        ("help", &[]),
        ("version", &[]),
    ];
    /// The first words of the commands that accept all settings.
    const ACCEPT_ALL: [&str; 14] = [
        "",
        "stdio",
        "http",
        "call",
        "tools",
        "doctor",
        "numbers",
        "operations",
        "undo",
        "freeze",
        "unfreeze",
        "carriers",
        "init",
        "config",
    ];

    /// Returns every command that can be run, as the words of a command line with the arguments that it requires.
    fn runnable(definition: &Definition, words: &[String]) -> Vec<(String, Vec<String>)> {
        let below = definition.get_subcommands().flat_map(|command| {
            let words = [words, &[command.get_name().to_owned()]].concat();
            runnable(command, &words)
        });
        let below: Vec<_> = below.collect();
        if definition.is_subcommand_required_set() {
            return below;
        }
        let required = definition.get_arguments().filter(|arg| arg.is_required_set());
        let line = [words, &required.map(as_given).collect::<Vec<_>>().concat()].concat();
        std::iter::once((words.join(" "), line)).chain(below).collect()
    }

    /// Returns an argument as it is given on the command line, with a valid value.
    fn as_given(arg: &Arg) -> Vec<String> {
        let kind = arg.get_value_names().and_then(<[_]>::first).map(ToString::to_string).unwrap_or_default();
        let value = match (arg.get_possible_values().first(), kind.as_str()) {
            (Some(first), _) => first.get_name().to_owned(),
            (None, "FILE") => "/dev/null".to_owned(),
            (None, "URL") => "http://127.0.0.1:9".to_owned(),
            (None, "URL|env") => "env".to_owned(),
            (None, "N|off" | "N|unlimited") => "7".to_owned(),
            (None, "AMOUNT CUR") => "50 USD".to_owned(),
            (None, "COUNTRY,…") => "US".to_owned(),
            (None, "TYPE,…") => "local".to_owned(),
            (None, "sqlite|memory|URL") => "memory".to_owned(),
            (None, _) => "/x".to_owned(),
        };
        match arg.get_long() {
            Some(flag) if matches!(arg.get_action(), ArgAction::SetTrue) => vec![format!("--{flag}")],
            Some(flag) => vec![format!("--{flag}"), value],
            None => vec![value],
        }
    }

    #[test]
    fn every_command_uses_or_refuses_each_flag() {
        let definition = Cli::command();
        // Colours are no setting of the server: every command has them.
        let is_setting = |arg: &&Arg| arg.is_global_set() && arg.get_id() != "color";
        let settings: Vec<&Arg> = definition.get_arguments().filter(is_setting).collect();
        assert!(settings.len() > 25);
        let commands = runnable(&definition, &[]);
        for (name, _) in USE_SOME {
            assert!(commands.iter().any(|(command, _)| command == name), "there is no command {name}");
        }
        for (command, line) in &commands {
            let first = command.split(' ').next().unwrap_or_default();
            let some = USE_SOME.iter().find(|(name, _)| name == command).map(|(_, used)| *used);
            assert!(some.is_some() != ACCEPT_ALL.contains(&first), "{command} must be in one of the lists");
            for arg in &settings {
                let line = [&["truedy-mcp".to_owned()][..], line, &as_given(arg)].concat();
                let matches = definition.clone().try_get_matches_from(&line).unwrap_or_else(|why| panic!("{why}"));
                let cli = Cli::from_arg_matches(&matches).unwrap();
                let set = settings_set(&definition, &matches, &cli.settings);
                let flag = arg.get_long().unwrap_or_default();
                let by_flag = set.iter().any(|one| one.flag == flag && !one.by_variable);
                assert!(by_flag, "{command}: --{flag} is not seen");
                let refused = refuse(cli.command.as_ref(), &set).err().map(|ConfigError(sentence)| sentence);
                match some.filter(|used| !used.contains(&flag)) {
                    Some(_) => assert!(refused.is_some_and(|why| why.contains(&format!("--{flag}"))), "{line:?}"),
                    None => assert_eq!(refused, None, "{line:?}"),
                }
            }
        }
    }
}
