//! `truedy-mcp help`: the page of a command, and the two pages of the settings.

use std::ffi::OsString;

use clap::{Arg, Command, CommandFactory};

use crate::cli::args::Cli;
use crate::cli::help::layout::{WIDTH, concise, laid_out};
use crate::cli::output::{Exit, complain, print_styled};
use crate::domain::meant_sentence;

/// The topics that are no commands.
const TOPICS: [&str; 2] = ["settings", "http-settings"];

/// The page of the settings of every command.
const SETTINGS: &str = "\
Settings of every command, as a flag or as a variable. A flag wins over its variable.

Example: truedy-mcp stdio --read-only

The API key has no flag, because every process can read arguments: it comes from TRUEDY_API_KEY
or from --api-key-file. docs/safety.md explains the limits.

{all-args}";

/// The page of the settings of `http` alone.
const HTTP_SETTINGS: &str = "\
Settings of `truedy-mcp http`, beside those of every command: `truedy-mcp help settings`.

Example: truedy-mcp http --listen 0.0.0.0:8080 --behind-tls-proxy --allow-host mcp.example.com

docs/http/serve.md explains them.

{all-args}";

/// Returns the words after `help`, if the command line asks for help by that command.
///
/// It is answered before any setting is read, since somebody with a wrong variable asks for help most of all.
pub(crate) fn asked(words: &[OsString]) -> Option<Vec<String>> {
    if words.iter().any(|word| word == "--help" || word == "-h") {
        return None;
    }
    let texts: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let mut rest =
        texts.iter().filter(|word| !word.starts_with('-') && !["auto", "always", "never"].contains(&word.as_str()));
    (rest.next()? == "help").then(|| rest.cloned().collect())
}

/// Prints the page of a topic: the program, a command, or the settings.
pub(crate) fn show(topic: &[String]) -> Exit {
    match page(topic) {
        Some(text) => {
            print_styled(&format!("{}\n", text.trim_end()));
            Exit::Fine
        }
        None => {
            // The word is not repeated: it may be a key that was pasted by mistake.
            let program = Cli::command();
            let names: Vec<&str> = program.get_subcommands().map(Command::get_name).chain(TOPICS).collect();
            let word = topic.first().map(String::as_str).unwrap_or_default();
            let meant = meant_sentence(word, names.iter().copied());
            complain(&format!("there is no such command or topic.{meant} truedy-mcp --help lists the commands."));
            Exit::Usage
        }
    }
}

/// Returns the text of a page with its styles. `None` if there is no such command or topic.
pub(crate) fn page(topic: &[String]) -> Option<String> {
    let words: Vec<&str> = topic.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["settings"] => {
            let program = Cli::command();
            Some(settings_page(program.get_arguments().filter(|arg| arg.is_global_set()), SETTINGS))
        }
        ["http-settings"] => {
            let program = Cli::command();
            program.find_subcommand("http").map(|http| settings_page(http.get_arguments(), HTTP_SETTINGS))
        }
        words => {
            let mut program = laid_out(Cli::command());
            program.build();
            let found = words.iter().try_fold(&mut program, |at, word| at.find_subcommand_mut(word))?;
            Some(found.render_help().ansi().to_string())
        }
    }
}

fn settings_page<'a>(arguments: impl Iterator<Item = &'a Arg>, template: &'static str) -> String {
    let page = Command::new("truedy-mcp").disable_help_flag(true).help_template(template).max_term_width(WIDTH);
    let page = page.styles(crate::cli::color::HELP_STYLES);
    let arguments = arguments.cloned().map(|arg| concise(arg).global(false).next_line_help(true));
    page.args(arguments).render_help().ansi().to_string()
}
