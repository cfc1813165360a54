//! `truedy-mcp init`: from the key to a client that has the server, by questions.

pub(crate) mod command;
mod dialogue;
mod limits;
