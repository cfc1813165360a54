//! Prints shell completions and manual pages, from the definition of the command line.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::Path;

use clap::builder::PossibleValuesParser;
use clap::{Arg, Command, CommandFactory};

use crate::cli::args::Cli;
use crate::cli::output::{Exit, complain, print};
use crate::config::ConfigError;
use crate::domain::meant_sentence;
use crate::mcp::Catalog;
use crate::redact::shown_path;

pub(crate) fn completions(shell: clap_complete::Shell) -> Exit {
    print(&script(shell));
    Exit::Fine
}

/// Returns the script that completes the command line in a shell.
fn script(shell: clap_complete::Shell) -> String {
    let mut program = with_tools(Cli::command());
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut program, env!("CARGO_PKG_NAME"), &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        // clap_complete writes a dash in the name of the program in two ways, so that no command would be found.
        clap_complete::Shell::Bash => script.replace("truedy__subcmd__mcp", "truedy__mcp"),
        // For fish, it writes flags and commands alone.
        clap_complete::Shell::Fish => script + &fish_values(&program, &[]),
        _ => script,
    }
}

/// Returns a definition in which `call` takes the names of the tools alone.
///
/// It is for scripts and never parses: the parser of a name there makes no value of the type that `call` reads.
fn with_tools(program: Command) -> Command {
    let tools = PossibleValuesParser::new(Catalog::names());
    let named =
        |argument: Arg| if argument.get_id() == "tool" { argument.value_parser(tools.clone()) } else { argument };
    // `mut_arg` would put the tool behind its arguments.
    program.mut_subcommand("call", |call| call.mut_args(named))
}

/// Returns the lines for fish that complete the values of arguments without a flag. `commands` leads to `command`.
fn fish_values(command: &Command, commands: &[&str]) -> String {
    let function = format!("__fish_{}", env!("CARGO_PKG_NAME").replace('-', "_"));
    let seen = "__fish_seen_subcommand_from";
    let mut lines = String::new();
    for argument in command.get_positionals() {
        let values = argument.get_possible_values();
        let names: Vec<&str> =
            values.iter().filter(|value| !value.is_hide_set()).map(|value| value.get_name()).collect();
        let Some((first, rest)) = commands.split_first().filter(|_| !names.is_empty()) else { continue };
        let below: String = rest.iter().map(|name| format!("; and {seen} {name}")).collect();
        let names = names.join(" ");
        lines.push_str(&format!(
            "complete -c {} -n \"{function}_using_subcommand {first}{below}; and not {seen} {names}\" -f -a \"{names}\"\n",
            env!("CARGO_PKG_NAME")
        ));
    }
    for below in command.get_subcommands() {
        lines.push_str(&fish_values(below, &[commands, &[below.get_name()]].concat()));
    }
    lines
}

/// Prints the page of the program, or of a command: `["carriers", "add"]`.
pub(crate) fn man(topic: &[String]) -> Result<Exit, ConfigError> {
    let mut program = Cli::command();
    program.build();
    let mut found = &program;
    for name in topic {
        found = found.find_subcommand(name).ok_or_else(|| {
            let names: Vec<&str> = found.get_subcommands().map(Command::get_name).collect();
            let meant = meant_sentence(name, names.iter().copied());
            ConfigError(format!("man: there is no such command.{meant} truedy-mcp --help shows all."))
        })?;
    }
    let mut page = Vec::new();
    let written = clap_mangen::Man::new(found.clone()).render(&mut page);
    print(&String::from_utf8_lossy(&page));
    if io::stdout().is_terminal() {
        let words: String = topic.iter().map(|word| format!(" {word}")).collect();
        complain(&format!("`truedy-mcp man{words} | man -l -` shows it as a page"));
    }
    Ok(if written.is_ok() { Exit::Fine } else { Exit::Failed })
}

/// Writes the page of the program and of each command. The file names are those by which the pages refer to each other.
pub(crate) fn man_pages(dir: &Path) -> Result<Exit, ConfigError> {
    let refuse = |error: io::Error| ConfigError(format!("--dir {} cannot be used: {error}.", shown_path(dir)));
    fs::create_dir_all(dir).map_err(refuse)?;
    clap_mangen::generate_to(Cli::command(), dir).map_err(refuse)?;
    Ok(Exit::Fine)
}

#[cfg(test)]
mod tests {
    use clap_complete::Shell;

    use super::*;
    use crate::config::ClientKind;

    /// Returns the lines of a script that belong to a place: those from `begin` up to `end`.
    fn part<'a>(script: &'a str, begin: &str, end: &str) -> &'a str {
        let from = script.find(begin).unwrap_or_else(|| panic!("no {begin}"));
        let rest = &script[from..];
        &rest[..rest.find(end).unwrap_or_else(|| panic!("no {end} behind {begin}"))]
    }

    fn clients() -> Vec<String> {
        use clap::ValueEnum;
        ClientKind::value_variants().iter().map(|client| client.word()).collect()
    }

    fn has_all(shell: Shell, text: &str, names: impl IntoIterator<Item = impl AsRef<str>>) {
        let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c)).collect();
        for name in names {
            assert!(words.contains(&name.as_ref()), "{shell}: no {} in {text}", name.as_ref());
        }
    }

    /// What `call`, and a command of `config`, complete in a shell.
    fn places(shell: Shell, command: &str) -> (String, String) {
        let script = script(shell);
        let (call, config) = match shell {
            Shell::Bash => (
                part(&script, "truedy__mcp__subcmd__call)\n            opts=", "if [[").to_owned(),
                part(&script, &format!("truedy__mcp__subcmd__config__subcmd__{command})\n            opts="), "if [["),
            ),
            Shell::Zsh => (
                part(part(&script, "(call)\n", "&& ret=0"), ":tool -- ", "' \\\n").to_owned(),
                part(part(&script, "(config)\n", "esac"), &format!("({command})\n"), "&& ret=0")
                    .rsplit(":client -- ")
                    .next()
                    .expect("the client"),
            ),
            _ => (
                part(&script, "_using_subcommand call; and not __fish_seen_subcommand_from list_numbers", "\n")
                    .to_owned(),
                part(&script, &format!("config; and __fish_seen_subcommand_from {command}; and not"), "\n"),
            ),
        };
        (call, config.to_owned())
    }

    #[test]
    fn scripts_complete_the_names_of_tools_and_of_clients() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            for command in ["install", "remove", "check", "print"] {
                let (call, config) = places(shell, command);
                has_all(shell, &call, Catalog::names());
                has_all(shell, &config, clients());
                assert!(
                    !call.contains("claude-desktop") && !config.contains("list_numbers"),
                    "{shell}: {call}{config}"
                );
            }
        }
    }

    #[test]
    fn the_command_line_itself_takes_any_word_as_a_tool() {
        let call = Cli::command().find_subcommand("call").expect("call").clone();
        assert!(call.get_positionals().next().expect("the tool").get_possible_values().is_empty());
    }
}
