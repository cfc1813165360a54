//! The help that a command line asks for by `--help`, or gets because a subcommand is missing.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Command;
use clap::error::ErrorKind;

use crate::cli::given::arguments;
use crate::cli::help::pages::{page, show};
use crate::cli::help::tool_page::tool_page;
use crate::cli::output::{Exit, print_styled};

/// Whether clap stopped for help: because it was asked for, or because a subcommand is missing.
pub(crate) fn is_help(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand)
}

/// Prints the help that a command line asks for, or that it gets for a missing subcommand.
pub(crate) fn help(command: &Command, words: &[OsString], kind: ErrorKind) -> ExitCode {
    // `call TOOL --help` is about the tool. Without the flag the command line names it.
    let asks = |word: &&OsString| *word == "--help" || *word == "-h";
    let rest = words.iter().filter(|word| !asks(word));
    let named = command.clone().try_get_matches_from(std::iter::once(command.get_name().into()).chain(rest.cloned()));
    let called = named.ok().and_then(|matches| matches.subcommand_matches("call")?.get_one::<String>("tool").cloned());
    if let Some(page) = called.and_then(|tool| tool_page(&tool)) {
        print_styled(&page);
        return Exit::Fine.into();
    }
    let topic = named_commands(command, words);
    if kind == ErrorKind::DisplayHelp {
        return show(&topic).into();
    }
    let page = page(&topic).unwrap_or_default();
    drop(anstream::AutoStream::auto(io::stderr().lock()).write_all(page.as_bytes()));
    Exit::Usage.into()
}

/// Returns the names of the command and the subcommands that a command line names. Values of flags are no names.
fn named_commands(command: &Command, words: &[OsString]) -> Vec<String> {
    let takes_value = |word: &str| {
        let known = arguments(command).into_iter().find(|arg| arg.get_long() == word.strip_prefix("--"));
        known.is_some_and(|arg| arg.get_action().takes_values() && !arg.is_require_equals_set())
    };
    let (mut at, mut names, mut is_value) = (command, Vec::new(), false);
    for word in words.iter().map(|word| word.to_string_lossy()) {
        if let Some(below) = at.find_subcommand(word.as_ref()).filter(|_| !is_value) {
            names.push(below.get_name().to_owned());
            at = below;
        }
        is_value = word.starts_with("--") && takes_value(&word);
    }
    names
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::args::Cli;

    #[test]
    fn the_values_of_flags_are_no_commands() {
        for (line, names) in [
            ("", &[][..]),
            ("token new --help", &["token", "new"]),
            ("--gate token http --help", &["http"]),
            ("--sandbox http --help", &["http"]),
            ("call doctor --help", &["call"]),
        ] {
            let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
            assert_eq!(named_commands(&Cli::command(), &words), names, "{line}");
        }
    }
}
