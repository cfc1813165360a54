//! Tests of the journal through its interface, with every store, and tests of each store alone.

pub(crate) mod audit;
mod cases;
pub(crate) mod clocks;
pub(crate) mod doubt;
pub(crate) mod files;
pub(crate) mod fixture;
pub(crate) mod freezes;
pub(crate) mod layouts;
pub(crate) mod leaving;
pub(crate) mod model;
pub(crate) mod page_hints;
pub(crate) mod pruning;
pub(crate) mod rate_leases;
pub(crate) mod refusals;
pub(crate) mod same_number;
pub(crate) mod server;
pub(crate) mod statements;
pub(crate) mod stores;
