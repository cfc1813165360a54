//! The interface through which several processes count their requests to Truedy together.
//!
//! The store only keeps rows and runs one update of an account at a time. The limiter decides what the rows mean.

use futures::future::BoxFuture;

/// Places of the 60-second window that one process holds or has used.
///
/// Times are milliseconds since 1970 by the clock of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRow {
    /// The id of the lease, unique within the account.
    pub id: String,
    /// The name of the share, as the limiter gives it.
    pub share: String,
    /// The principal, where several share the account.
    pub principal: Option<String>,
    /// How many requests the row counts for, at least 0.
    pub places: i64,
    /// Until when the holder may use the places. 0 if the holder has reported how many it used.
    pub leased_until: i64,
    /// Until when the places count.
    pub counts_until: i64,
}

/// What an update does to the rows of an account.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct LeaseChanges {
    /// The ids of the rows to delete.
    pub removed: Vec<String>,
    /// The rows to insert, or to replace where the id exists.
    pub written: Vec<LeaseRow>,
}

/// Decides the changes from the time of the store and the rows of the account. It may run in the middle of a
/// transaction, so it must not wait.
pub type LeaseWork = Box<dyn FnOnce(i64, Vec<LeaseRow>) -> LeaseChanges + Send>;

/// A store of leases that all processes of an account share.
pub trait RateLeases: Send + Sync {
    /// Updates the rows of an account. No two updates of one account run at the same time, in any process.
    ///
    /// It ends within ten seconds. After an error the changes may or may not have been made. The error says why, as a
    /// text for operators.
    fn update(&self, account: &str, work: LeaseWork) -> BoxFuture<'static, Result<(), String>>;
}
