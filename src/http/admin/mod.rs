//! The port for health and metrics.

pub(crate) mod endpoints;
