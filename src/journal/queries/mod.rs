//! The queries and statements of the journal. They are the same for every store.

pub(crate) mod caps;
pub(crate) mod clocks;
pub(crate) mod fees;
pub(crate) mod freezes;
pub(crate) mod freezing;
pub(crate) mod lists;
pub(crate) mod nonces;
pub(crate) mod prune;
pub(crate) mod records;
pub(crate) mod refusals;
pub(crate) mod resent;
pub(crate) mod row;
pub(crate) mod same_number;
pub(crate) mod totals;
