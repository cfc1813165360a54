//! A small Truedy of our own: it remembers what was bought and assigned, serves the documented REST API over real
//! HTTP, and misbehaves on request.
//!
//! It writes its JSON by hand from the documentation and shares no type with the client it is used to test: a wrong
//! type on both sides would agree with itself. Nothing here can dial, charge or reach anyone; every number it sells
//! lies in a range set aside for fiction.
//!
//! Source: the "Telephony" page of the API reference, <https://docs.truedy.ai/api-reference/telephony>, and the pages
//! on agents, calls, rate limits and errors beside it.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::sandbox::faults::active::Faults;

/// How a sandbox is to run.
#[derive(Debug)]
pub struct SandboxOptions {
    /// Where to listen; port 0 takes any free port, which [`Sandbox::address`](crate::sandbox::Sandbox::address) then tells.
    pub listen: SocketAddr,
    /// Where the account is kept.
    pub store: SandboxStore,
    /// How to misbehave from the start.
    pub faults: Faults,
    /// A file to append one JSON line to for every request received and every answer given.
    pub ledger: Option<PathBuf>,
}

/// Where the account of a sandbox is kept.
#[derive(Clone, Debug)]
pub enum SandboxStore {
    /// In memory: gone when the sandbox stops.
    Memory,
    /// In `sandbox.sqlite` in this directory, which several sandboxes may use at the same time.
    Directory(PathBuf),
}
