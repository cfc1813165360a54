//! `truedy-mcp config install`, `remove` and `check`.

pub(crate) mod check;
mod claude;
mod handshake;
pub(crate) mod install;
pub(crate) mod launch;
mod program;
pub(crate) mod remove;
mod shown;
