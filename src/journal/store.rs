//! The interface of a store: one transaction at a time, in a dialect of SQL that all stores share.

use futures::future::BoxFuture;
use uuid::Uuid;

/// The error of a store: why nothing could be read or written, as a text for operators.
///
/// No change is sent while the journal is unavailable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// A newer version of this program wrote the journal. The store itself works.
    #[error("a newer version of this program wrote it (layout {found}, known is {known})")]
    Newer {
        /// The version of the layout in the store.
        found: usize,
        /// The newest version of the layout that this program knows.
        known: usize,
    },
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// A value of a row or a parameter.
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

/// Returns a random number for this process, at least 0. Other processes use it to check that this one still runs.
pub(crate) fn new_owner() -> i64 {
    let (random, _) = Uuid::new_v4().as_u64_pair();
    i64::try_from(random >> 1).unwrap_or(i64::MAX)
}

pub(crate) type SqlRow = Vec<SqlValue>;
pub(crate) type StoreResult<T> = Result<T, Unavailable>;

/// A transaction. Parameters are `$1`, `$2` and so on. Both stores understand the SQL.
pub(crate) trait Transaction: Send {
    fn query<'a>(&'a mut self, sql: &'a str, values: &'a [SqlValue]) -> BoxFuture<'a, StoreResult<Vec<SqlRow>>>;

    /// Runs a statement. Returns how many rows it changed.
    fn execute<'a>(&'a mut self, sql: &'a str, values: &'a [SqlValue]) -> BoxFuture<'a, StoreResult<u64>>;

    /// Returns the time of the store, in milliseconds since 1970. All processes that share the store use it.
    fn now(&mut self) -> BoxFuture<'_, StoreResult<i64>>;

    /// Checks whether the process with this number still runs.
    ///
    /// If that is unknown, the process counts as running. A wrong result in either direction stops something, but never
    /// sends anything twice.
    fn lives(&mut self, owner: i64) -> BoxFuture<'_, StoreResult<bool>>;

    /// Returns how many other processes have the store open. A process opens it with its first change or reading of it.
    fn other_processes(&mut self) -> BoxFuture<'_, StoreResult<usize>>;
}

/// The work of a transaction. An error rolls all of it back.
pub(crate) type TransactionWork =
    Box<dyn for<'t> FnOnce(&'t mut dyn Transaction) -> BoxFuture<'t, StoreResult<()>> + Send>;

/// When the rows that a transaction writes must be on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Before the commit returns, together with all earlier rows. Used for records that must never be lost.
    OnDisk,
    /// With the next `OnDisk` transaction, or when the system writes them.
    ///
    /// All processes see the rows at once. Only a crash of the whole machine can lose them. Then the operations that
    /// were running count as unknown and are resolved later.
    Soon,
}

/// A store of the journal. It is opened at its first use. If opening fails, the next use tries again.
pub(crate) trait JournalStore: Send + Sync {
    /// Returns the kind of the store, as people read it.
    fn kind(&self) -> &'static str;

    /// Makes the store warn once if it creates a new journal. Does nothing where that does not happen by mistake.
    fn tell_if_new(&self) {}

    /// Checks whether the store has a clock of its own that all its processes use.
    fn has_own_clock(&self) -> bool;

    /// Returns the number of this process. Other processes check by it whether this one runs.
    fn owner(&self) -> i64;

    /// Runs a transaction. No two transactions run at the same time, in this process or any other.
    fn transact(&self, work: TransactionWork, lasting: Durability) -> BoxFuture<'_, StoreResult<()>>;

    /// Moves committed rows to their final place, without holding up transactions. A database server does that by itself.
    fn write_back(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Checks that what is stored is not damaged. It may take long. A database server does that by itself.
    fn check(&self) -> BoxFuture<'_, StoreResult<()>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
