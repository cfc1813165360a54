//! What a journal is kept in: transactions, one at a time, over one dialect of SQL.

use std::fmt;

use futures::future::BoxFuture;
use uuid::Uuid;

/// How the reason begins where a newer program wrote the journal.
pub(crate) const NEWER: &str = "a newer version of this program wrote it";

/// Why nothing could be read or written, in words for an operator. Nothing is sent without the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable(pub String);

impl Unavailable {
    /// Whether a newer version of this program wrote the journal: nothing is wrong with its place.
    pub fn is_of_newer_program(&self) -> bool {
        self.0.starts_with(NEWER)
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Unavailable {}

/// A value as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SqlValue {
    Null,
    Int(i64),
    Text(String),
}

impl SqlValue {
    pub(crate) fn int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Self::Text(value) => Some(value.clone()),
            _ => None,
        }
    }
}

impl From<i64> for SqlValue {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for SqlValue {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<&String> for SqlValue {
    fn from(value: &String) -> Self {
        Self::Text(value.clone())
    }
}

impl From<String> for SqlValue {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl<T: Into<SqlValue>> From<Option<T>> for SqlValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A number for a process, by which it is known to live: random, and never negative.
pub(crate) fn new_owner() -> i64 {
    let (random, _) = Uuid::new_v4().as_u64_pair();
    i64::try_from(random >> 1).unwrap_or(i64::MAX)
}

pub(crate) type SqlRow = Vec<SqlValue>;
pub(crate) type StoreResult<T> = Result<T, Unavailable>;

/// One transaction. Parameters are `$1`, `$2` … in SQL that both stores understand.
pub(crate) trait Transaction: Send {
    fn query<'a>(&'a mut self, sql: &'a str, values: &'a [SqlValue]) -> BoxFuture<'a, StoreResult<Vec<SqlRow>>>;

    /// How many rows were changed.
    fn execute<'a>(&'a mut self, sql: &'a str, values: &'a [SqlValue]) -> BoxFuture<'a, StoreResult<u64>>;

    /// The time that all who share the store go by, in milliseconds since 1970.
    fn now(&mut self) -> BoxFuture<'_, StoreResult<i64>>;

    /// Whether the process that has this number still runs. What cannot be told is taken for life: a mistake either way
    /// stops something, but never lets anything be sent twice.
    fn lives(&mut self, owner: i64) -> BoxFuture<'_, StoreResult<bool>>;
}

/// What is done in a transaction; an error takes all of it back.
pub(crate) type TransactionWork =
    Box<dyn for<'t> FnOnce(&'t mut dyn Transaction) -> BoxFuture<'t, StoreResult<()>> + Send>;

/// When what is written must be on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Before the transaction counts, with all that was written before it: what must not be forgotten whatever happens.
    OnDisk,
    /// With the next transaction that must, or by itself. Every process sees it at once, and only the loss of the whole
    /// machine can take it back: then what was under way counts as not known, and is looked for.
    Soon,
}

/// A store. Opened when first used; one that could not be opened is tried again the next time.
pub(crate) trait JournalStore: Send + Sync {
    /// What it is, in a word for people.
    fn kind(&self) -> &'static str;

    /// Warns when it is begun anew, where that is easily done by mistake.
    fn tell_if_new(&self) {}

    /// Whether it has a clock of its own, by which all who share it go.
    fn has_own_clock(&self) -> bool;

    /// The number of this process, under which it is known to be alive.
    fn owner(&self) -> i64;

    /// Runs a transaction. No two run at the same time, in this or any other process.
    fn transact(&self, work: TransactionWork, lasting: Durability) -> BoxFuture<'_, StoreResult<()>>;
}
