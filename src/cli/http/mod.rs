//! `truedy-mcp http`: its arguments, and how it is served.

pub(crate) mod oauth_args;
pub(crate) mod serve;
