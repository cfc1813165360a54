//! `truedy-mcp doctor`: checks key, address, clock and settings.

pub(crate) mod command;
pub(crate) mod protected;
