//! The exit codes of commands, and how commands print.

use std::io::{self, BufRead, Read, Write};

use crate::cli::progress;
use crate::cli::repeated::as_given;
pub(crate) use crate::cli::terminal_width::width;

/// The exit code of a command. Documented in `docs/reference/cli.md` and in the help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The command succeeded.
    Fine = 0,
    /// The command failed.
    Failed = 1,
    /// Arguments or settings are wrong.
    Usage = 2,
    /// The API key is missing or refused.
    Key = 3,
    /// Truedy cannot be reached or does not respond properly.
    Upstream = 4,
    /// The operator's policy refuses the call, or the operator has frozen all changes.
    Policy = 5,
    /// It is not known, or not known yet, whether the change happened. It must not be repeated.
    Unknown = 6,
}

/// The error for a key on the command line.
pub(crate) const KEY_IN_ARGUMENTS: &str = "what looks like a key stands on the command line, where every process can read it: name the variable, the file or the command that has it instead, and if it is a key in use, replace it at its provider.";

/// What a person does where no key is set.
pub(crate) const SET_A_KEY: &str = "Run `truedy-mcp init`, which asks for the key; or set TRUEDY_API_KEY to a key of Truedy's dashboard (Settings > API Keys); or try it all with --sandbox.";

/// Writes to standard output. A closed reader is not an error.
pub(crate) fn print(text: &str) {
    let mut out = io::stdout().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// Writes a text with styles to standard output. The styles are left out where no terminal shows them, or where
/// `NO_COLOR` is set. A closed reader is not an error.
pub(crate) fn print_styled(text: &str) {
    let mut out = anstream::AutoStream::auto(io::stdout().lock());
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// Reads a line that a person types at the terminal, at most 64 bytes. Empty if there is none.
pub(crate) fn person_line() -> String {
    let mut line = String::new();
    // What was cut off or is no text is no answer.
    let read = io::stdin().lock().take(64).read_line(&mut line);
    read.map_or_else(|_| String::new(), |_| line)
}

/// Returns the exit code of a command that printed what it did. Why it failed is written to standard error.
pub(crate) fn exit_after(result: Result<(), impl std::fmt::Display>) -> Exit {
    match result {
        Ok(()) => Exit::Fine,
        Err(why) => {
            complain(&format!("{why}."));
            Exit::Failed
        }
    }
}

/// Writes a sentence to standard error. Commands in backticks get the settings of this command line.
pub(crate) fn complain(text: &str) {
    progress::above(|_| drop(writeln!(io::stderr().lock(), "truedy-mcp: {}", as_given(text))));
}

/// Writes a text with styles to standard error, for people at a terminal.
pub(crate) fn complain_styled(text: &str) {
    progress::above(|_| drop(anstream::AutoStream::auto(io::stderr().lock()).write_all(text.as_bytes())));
}
