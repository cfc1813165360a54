//! Settings that take one of a few fixed values.

use std::fmt;

use clap::ValueEnum;

/// The text of `--journal`. It may hold a password, so `Debug` does not print it.
#[derive(Clone, PartialEq, Eq)]
pub struct JournalText(pub(crate) String);

impl JournalText {
    /// Accepts any text. clap would repeat a refused value in its error, and the value may hold a password.
    pub(crate) fn any(text: &str) -> Result<Self, std::convert::Infallible> {
        Ok(Self(text.trim().to_owned()))
    }
}

impl fmt::Debug for JournalText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if matches!(self.0.as_str(), "sqlite" | "memory") { &self.0 } else { "[a database]" })
    }
}

/// Whether a person is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AskWhen {
    /// Whenever the client can.
    Auto,
    /// Never.
    Off,
}

/// Whether a carrier's keys may be arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum InlineSecrets {
    /// They may.
    Allow,
    /// They may not: no schema has them, and a call that has them is refused.
    Deny,
}

/// Which programs count their requests to Truedy together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum UpstreamWindow {
    /// All that share a PostgreSQL journal and use the same key.
    Shared,
    /// This program alone.
    Own,
}

/// What a purchase and a release need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Gate {
    /// `confirm: true`. A purchase needs it only where the user cannot be asked.
    Flag,
    /// `confirm: true` and the token of a preview.
    Token,
    /// The same, and a person who was asked and agreed.
    Human,
}

/// How logs look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// Text.
    Text,
    /// One JSON object a line.
    Json,
}
