//! The account of the sandbox: its tables, its seed, and the numbers it sells.

pub(crate) mod account;
pub(crate) mod areas;
pub(crate) mod inventory;
pub(crate) mod seed;
pub(crate) mod store;
