//! Who calls, and what this caller is told at the start.

pub(crate) mod instructions;
pub(crate) mod principal;
