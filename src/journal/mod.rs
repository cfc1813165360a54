//! What was done: an intent before, an outcome after. Every change is recorded before it is sent; the caps are counted here.

mod address;
mod anchor;
mod book;
mod caps;
mod clocks;
mod layout;
mod ledger;
mod nonces;
mod operation;
mod passfile;
mod point;
mod postgres;
mod postgres_errors;
mod refusals;
mod row;
mod sqlite;
mod sqlite_copy;
mod store;
mod tls;
#[cfg(test)]
mod trials;

pub use address::PostgresPlace;
pub use book::{Awaited, Journal, Place};
pub use operation::{
    Ending, Evidence, Intent, KnownBy, Operation, PREVIEWED, Query, Refused, Standing, State, Stop, moment,
};
pub use sqlite::private_directory;
pub use store::Unavailable;
