//! `truedy-mcp tour`: three scenes on a fresh sandbox, by a real MCP client over standard input and output.

pub(crate) mod command;
pub(crate) mod guide;
pub(crate) mod scenes;
