//! Generates the pages of `docs/reference` from the program itself.

use clap::{Command, CommandFactory};

use crate::cli::args::Cli;
use crate::cli::call::exit_of_status;
use crate::cli::output::Exit;
use crate::cli::settings_table::{http_table, settings_table};
use crate::cli::tools;
use crate::domain::{Refusal, Status};

/// The width of the help texts, in characters.
const WIDTH: usize = 110;

/// The first line of each page.
const GENERATED: &str =
    "<!-- Generated: do not edit. `UPDATE_DOCS=1 cargo test --test e2e -- papers::generated` writes it. -->";

/// Returns the pages of `docs/reference`: the name of each file, and its text.
pub fn reference_pages() -> [(&'static str, String); 5] {
    let page = |title: &str, about: &str, body: String| {
        format!("{GENERATED}\n\n# {title}\n\n{about}\n\n{}\n", body.trim_end())
    };
    [
        ("tools.md", page("Tools", TOOLS, tools::markdown())),
        ("settings.md", page("Settings", SETTINGS, settings_table())),
        ("http-settings.md", page("Settings of `truedy-mcp http`", HTTP, http_table())),
        ("cli.md", page("Commands", COMMANDS, commands())),
        ("statuses.md", page("Statuses", STATUSES, statuses_table())),
    ]
}

const TOOLS: &str = "\
The tools that an agent is offered, and the arguments of each, in the words that agents read.
`truedy-mcp tools --json` prints them with their schemas.
The tokens are an estimate of what a tool takes in a model's context.";

const SETTINGS: &str = "\
Every command takes these settings, as a flag or as a variable. A flag wins over its variable.
[Safety](../safety.md) explains those that limit what agents may do.";

const HTTP: &str = "\
`truedy-mcp http` takes these settings beside [those of every command](settings.md).
[Serving over HTTP](../http/serve.md) explains them.";

const COMMANDS: &str = "\
The help text of each command. The [settings of every command](settings.md) are left out here.
In a terminal, `truedy-mcp COMMAND --help` shows both.";

const STATUSES: &str = "\
Every answer of a tool has a `status`: what happened, or what did not. `isError` is what an MCP client receives.
An answer that holds a preview is never an error. The exit code is that of `truedy-mcp call`.";

/// Returns the statuses as a Markdown table.
fn statuses_table() -> String {
    let mut table = String::from("| status | what it says | `isError` | exit code |\n| --- | --- | --- | --- |\n");
    for status in Status::ALL {
        let is_error = !status.is_success() && Refusal::new(*status, "").is_error();
        let exit: Exit = exit_of_status(*status, is_error);
        table.push_str(&format!("| `{}` | {} | {is_error} | {} |\n", status.as_str(), status.sentence(), exit as u8));
    }
    table
}

/// Returns the help text of each command.
fn commands() -> String {
    let program = Cli::command();
    // The settings of every command are left out, because they have a page of their own.
    let mut text = help("truedy-mcp", program.clone().mut_args(|argument| argument.hide(true)));
    for command in program.get_subcommands() {
        add_command(&mut text, "truedy-mcp", command);
    }
    text
}

/// Adds a command and its subcommands.
fn add_command(text: &mut String, above: &str, command: &Command) {
    let name = format!("{above} {}", command.get_name());
    text.push_str(&help(&name, command.clone()));
    for below in command.get_subcommands() {
        add_command(text, &name, below);
    }
}

/// Returns a heading and the help text as a terminal shows it, without the values of variables.
fn help(name: &str, command: Command) -> String {
    let command = command.mut_args(|argument| argument.hide_env_values(true));
    let shown = command.bin_name(name).term_width(WIDTH).max_term_width(WIDTH).render_long_help().to_string();
    let lines: Vec<&str> = shown.trim_end().lines().map(str::trim_end).collect();
    format!("## `{name}`\n\n```text\n{}\n```\n\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_sentence_and_an_exit_code() {
        let table = statuses_table();
        for status in Status::ALL {
            let sentence = status.sentence();
            assert!(sentence.ends_with('.') && !sentence.starts_with(' '), "{status:?}: {sentence}");
        }
        for row in [
            "| `ok` | The call",
            "| `policy_denied` | Nothing was changed: the operator's settings do not allow it. `rule` names the setting. | true | 5 |",
            "not finished. `list_operations` tells how it ended. | false | 6 |",
            "| `already_owned` | Nothing was sent: the account has the number already. | false | 0 |",
            "makes the change. | false | 1 |",
        ] {
            assert!(table.contains(row), "{row}\n{table}");
        }
    }

    #[test]
    fn every_command_is_there_without_the_settings_of_all() {
        let text = commands();
        for name in ["truedy-mcp", "truedy-mcp http", "truedy-mcp carriers add", "truedy-mcp operations resolve"] {
            assert!(text.contains(&format!("## `{name}`\n")), "{name}");
        }
        assert!(text.contains("--listen") && !text.contains("--purchases-per-day"), "{text}");
    }
}
