//! `truedy-mcp carriers`: adds, lists, removes and tests carrier profiles.

pub(crate) mod args;
pub(crate) mod command;
pub(crate) mod list;
pub(crate) mod test;
