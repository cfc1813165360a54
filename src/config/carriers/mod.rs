//! Carrier profiles: their sections in the file, the sources of their values, and how they are edited.

pub(crate) mod edit;
pub(crate) mod printed;
pub(crate) mod sources;
