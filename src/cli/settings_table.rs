//! Generates the tables of settings in the reference.

use clap::CommandFactory;

use crate::cli::args::Cli;

/// Returns the settings of every command as a Markdown table, for `docs/reference`.
pub fn settings_table() -> String {
    let key = "| | `TRUEDY_API_KEY` | | The Truedy API key. There is no flag: every process can read arguments. |\n";
    table(&Cli::command(), key)
}

/// Returns the settings of `http` alone as a Markdown table.
pub fn http_table() -> String {
    Cli::command().find_subcommand("http").map(|command| table(command, "")).unwrap_or_default()
}

pub(crate) fn table(command: &clap::Command, first: &str) -> String {
    let mut table = format!("| flag | variable | default | what it does |\n| --- | --- | --- | --- |\n{first}");
    for argument in command.get_arguments() {
        let (Some(flag), Some(variable)) = (argument.get_long(), argument.get_env()) else {
            continue;
        };
        let value = argument
            .get_value_names()
            .filter(|_| argument.get_action().takes_values())
            .map(|names| format!(" {}", names.join(" ")))
            .unwrap_or_default();
        let default: Vec<String> = argument
            .get_default_values()
            .iter()
            .map(|value| format!("`{}`", value.to_string_lossy()))
            .filter(|_| argument.get_action().takes_values())
            .collect();
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        table.push_str(&format!(
            "| `--{flag}{}` | `{}` | {} | {help} |\n",
            value.replace('|', "\\|"),
            variable.to_string_lossy(),
            default.join(" ")
        ));
    }
    table
}
