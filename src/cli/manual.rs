//! Prints shell completions and manual pages, from the definition of the command line.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::Path;

use clap::{Command, CommandFactory};

use crate::cli::args::Cli;
use crate::cli::output::{Exit, complain, print};
use crate::config::ConfigError;
use crate::domain::meant_sentence;
use crate::redact::shown_path;

pub(crate) fn completions(shell: clap_complete::Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "truedy-mcp", &mut script);
    print(&String::from_utf8_lossy(&script));
    Exit::Fine
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
