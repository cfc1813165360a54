//! What was done: an intent before, an outcome after. Every change is recorded before it is sent; the caps are counted here.

mod address;
mod book;
mod layout;
mod ledger;
mod operation;
mod passfile;
mod point;
mod postgres;
mod sqlite;
mod store;
mod tls;
#[cfg(test)]
mod trials;

pub use address::PostgresPlace;
pub use book::{Awaited, Journal, Place};
pub use operation::{
    Ending, Evidence, Intent, KnownBy, Operation, PREVIEWED, Query, Refused, Standing, State, Stop, moment,
};
pub use store::Unavailable;
