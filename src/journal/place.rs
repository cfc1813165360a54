//! The location of a journal.

use std::fmt;
use std::path::PathBuf;

use crate::journal::postgres::address::PostgresPlace;
use crate::redact::shown_path;

/// The location of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalPlace {
    /// In memory. It is lost when the process ends.
    Memory,
    /// In a directory of this machine.
    Directory(PathBuf),
    /// In a PostgreSQL database, which any number of machines share.
    Postgres(PostgresPlace),
}

/// The location as people read it. A password is never shown.
impl fmt::Display for JournalPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => formatter.write_str("in memory"),
            Self::Directory(directory) => write!(formatter, "sqlite, in {}", shown_path(directory)),
            Self::Postgres(place) => write!(formatter, "postgres, {place}"),
        }
    }
}
