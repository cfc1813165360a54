//! Carrier profiles: where they are written, where their values come from, and how they are edited.

pub(crate) mod edit;
pub(crate) mod printed;
pub(crate) mod sources;
