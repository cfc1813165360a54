//! How the sandbox misbehaves on request.

pub(crate) mod active;
pub(crate) mod catalogue;
