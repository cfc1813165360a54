//! `truedy-mcp carriers`: adds, lists, removes and tests carrier profiles.

pub(crate) mod command;
