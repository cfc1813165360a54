//! The store for several replicas: a PostgreSQL database.

pub(crate) mod address;
pub(crate) mod errors;
pub(crate) mod passfile;
pub(crate) mod store;
pub(crate) mod tls;
