//! The faults that the sandbox shows on request.

pub(crate) mod active;
pub(crate) mod catalogue;
