//! `truedy-mcp http`: its arguments, and how it serves.

pub(crate) mod oauth_args;
pub(crate) mod readiness;
pub(crate) mod serve;
