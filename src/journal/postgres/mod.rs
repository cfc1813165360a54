//! The store for several replicas: a PostgreSQL database.

pub(crate) mod address;
pub(crate) mod errors;
pub(crate) mod passfile;
pub(crate) mod rate_leases;
pub(crate) mod store;
pub(crate) mod tls;
pub(crate) mod transaction;
