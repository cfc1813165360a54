//! What was done: an intent before, an outcome after. Every change is recorded before it is sent; the caps are counted here.

mod awaited;
mod failpoints;
#[expect(clippy::module_inception, reason = "it holds the type of that name")]
mod journal;
mod operation;
mod place;
mod postgres;
mod queries;
mod schema;
mod sqlite;
mod store;
#[cfg(test)]
mod tests;
mod unresolved;

pub use awaited::AwaitedNumber;
pub use journal::Journal;
pub use operation::{
    BeginConflict, GateEvidence, Intent, Operation, OperationPhase, OperationQuery, Outcome, OutcomeSource, PREVIEWED,
    Preconditions, RefusedCall, moment,
};
pub use place::JournalPlace;
pub use postgres::address::PostgresPlace;
pub use sqlite::folder::private_directory;
pub use store::Unavailable;
