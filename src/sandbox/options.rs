//! The options with which a sandbox starts.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::sandbox::faults::active::Faults;

/// The options of a sandbox.
#[derive(Debug)]
pub struct SandboxOptions {
    /// The address on which to listen. Port 0 takes any free port, which
    /// [`Sandbox::address`](crate::sandbox::Sandbox::address) then returns.
    pub listen: SocketAddr,
    /// Where the account is stored.
    pub store: SandboxStore,
    /// The faults from the start.
    pub faults: Faults,
    /// A file to which one JSON line is appended for every request and every response.
    pub ledger: Option<PathBuf>,
}

/// Where the account of a sandbox is stored.
#[derive(Clone, Debug)]
pub enum SandboxStore {
    /// In memory. It is lost when the sandbox stops.
    Memory,
    /// In `sandbox.sqlite` in this directory, which several sandboxes may use at the same time.
    Directory(PathBuf),
}
