//! `truedy-mcp stdio`: what clients send over standard input, and what must come back over standard output.

mod beginning;
mod busy;
mod calls;
pub(crate) mod ending;
mod handshakes;
mod memory;
mod odd_lines;
mod purchase;
