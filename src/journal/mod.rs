//! What was done: an intent before, an outcome after. Every change is recorded before it is sent; the caps are counted here.

mod failpoints;
#[expect(clippy::module_inception, reason = "it holds the type of that name")]
mod journal;
mod operation;
mod postgres;
mod queries;
mod schema;
mod sqlite;
mod store;
#[cfg(test)]
mod tests;

pub use journal::{AwaitedNumber, Journal, JournalPlace};
pub use operation::{
    BeginConflict, GateEvidence, Intent, Operation, OperationPhase, OperationQuery, Outcome, OutcomeSource, PREVIEWED,
    Preconditions, RefusedCall, moment,
};
pub use postgres::address::PostgresPlace;
pub use sqlite::store::private_directory;
pub use store::Unavailable;
