//! `truedy-mcp stdio`: what clients send over standard input, and what must come back over standard output.

mod busy;
mod handshakes;
mod memory;
pub(crate) mod transport;
