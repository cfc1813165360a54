//! `truedy-mcp doctor`: checks key, address, clock and settings.

pub(crate) mod account;
pub(crate) mod command;
pub(crate) mod local;
pub(crate) mod protected;
pub(crate) mod report;
