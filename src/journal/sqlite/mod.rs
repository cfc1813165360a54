//! The store for one machine: a SQLite database.

pub(crate) mod anchor;
pub(crate) mod backup;
pub(crate) mod connection;
pub(crate) mod errors;
pub(crate) mod lease;
pub(crate) mod store;
pub(crate) mod transaction;
