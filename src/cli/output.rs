//! How a command ends, and what it prints.

use std::io::{self, Write};

/// How a command ended. Documented in `docs/reference/cli.md` and in the help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Fine = 0,
    /// It did not work.
    Failed = 1,
    /// Wrong arguments or settings.
    Usage = 2,
    /// The API key is missing or refused.
    Key = 3,
    /// Truedy cannot be reached or does not answer properly.
    Upstream = 4,
    /// The operator's policy refuses it.
    Policy = 5,
    /// It is not known, or not yet, whether it happened: do not repeat it.
    Unknown = 6,
}

/// What is said of a key on the command line.
pub(crate) const KEY_IN_ARGUMENTS: &str = "what looks like a key stands on the command line, where every process can read it: name the variable, the file or the command that has it instead, and if it is a key in use, replace it at its provider.";

/// Writes to standard output; a reader that has gone away is no failure of ours.
pub(crate) fn print(text: &str) {
    let mut out = io::stdout().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// Writes a sentence to standard error.
pub(crate) fn complain(text: &str) {
    drop(writeln!(io::stderr().lock(), "truedy-mcp: {text}"));
}
