//! What was done: an intent before, an outcome after. Every change is recorded before it is sent; the caps are counted here.

mod failpoints;
mod journal;
mod operation;
mod postgres;
mod queries;
mod schema;
mod sqlite;
mod store;
#[cfg(test)]
mod tests;

pub use journal::{Awaited, Journal, Place};
pub use operation::{
    Ending, Evidence, Intent, KnownBy, Operation, PREVIEWED, Query, Refused, Standing, State, Stop, moment,
};
pub use postgres::address::PostgresPlace;
pub use sqlite::store::private_directory;
pub use store::Unavailable;
