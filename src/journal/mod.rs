//! What was done: an intent before, an outcome after. Every change is recorded before it is sent; the caps are counted here.

mod book;
mod layout;
mod ledger;
mod operation;
mod point;
mod sqlite;
mod store;

pub use book::{Journal, Place};
pub use operation::{Ending, Evidence, Intent, KnownBy, Operation, Query, Refused, Standing, State, Stop, moment};
pub use store::Unavailable;
