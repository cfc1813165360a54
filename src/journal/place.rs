//! Where a journal is kept.

use std::fmt;
use std::path::PathBuf;

use crate::journal::postgres::address::PostgresPlace;
use crate::redact::shown_path;

/// Where a journal is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalPlace {
    /// In memory: gone with the process.
    Memory,
    /// In a directory of this machine.
    Directory(PathBuf),
    /// In a PostgreSQL database, which any number of machines share.
    Postgres(PostgresPlace),
}

/// Where it is, for people; never a password.
impl fmt::Display for JournalPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => formatter.write_str("in memory"),
            Self::Directory(directory) => write!(formatter, "sqlite, in {}", shown_path(directory)),
            Self::Postgres(place) => write!(formatter, "postgres, {place}"),
        }
    }
}
