//! The journal: the record of every change.
//!
//! Each change has an intent, written before it is sent, and an outcome, written after it. The daily caps are counted
//! here.

mod awaited;
mod evidence;
mod failpoints;
mod fees;
mod freeze;
mod freezing;
#[expect(clippy::module_inception, reason = "it holds the type of that name")]
mod journal;
mod operation;
mod page_hints;
mod place;
mod position;
mod postgres;
mod pruning;
mod queries;
mod revision;
mod schema;
mod sqlite;
mod store;
#[cfg(test)]
mod tests;
mod tool_total;
mod totals;
mod unresolved;

pub use awaited::{AddedNumber, AwaitedNumber};
pub use evidence::{ConsentPlace, GateEvidence};
pub use freeze::{Freeze, FreezeReport};
pub use journal::Journal;
pub use operation::{
    BeginConflict, CallOrigin, Intent, Operation, OperationPhase, OperationQuery, Outcome, OutcomeSource, PREVIEWED,
    Preconditions, RefusedCall, key_of_added, moment,
};
pub use place::JournalPlace;
pub use position::ListPosition;
pub use postgres::address::PostgresPlace;
pub use postgres::rate_leases::PostgresLeases;
pub use pruning::PrunePass;
pub use store::Unavailable;
pub use tool_total::{CurrencySum, ToolTotal};
