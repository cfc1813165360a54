//! What is read from and written to the tables of the journal, the same for every store.

pub(crate) mod caps;
pub(crate) mod clocks;
pub(crate) mod nonces;
pub(crate) mod records;
pub(crate) mod refusals;
pub(crate) mod row;
