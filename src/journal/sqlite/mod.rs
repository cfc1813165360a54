//! The store for one machine: a SQLite database.

pub(crate) mod anchor;
pub(crate) mod backup;
pub(crate) mod connection;
pub(crate) mod errors;
pub(crate) mod integrity;
pub(crate) mod lease;
#[cfg(test)]
pub(crate) mod recorded;
pub(crate) mod store;
pub(crate) mod transaction;
