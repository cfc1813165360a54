//! A small Truedy of our own: it remembers what was bought and assigned, serves the documented REST API over real
//! HTTP, and misbehaves on request.
//!
//! It writes its JSON by hand from the documentation and shares no type with the client it is used to test: a wrong
//! type on both sides would agree with itself. Nothing here can dial, charge or reach anyone; every number it sells
//! lies in a range set aside for fiction.
//!
//! Source: the "Telephony" page of the API reference, <https://docs.truedy.ai/api-reference/telephony>, and the pages
//! on agents, calls, rate limits and errors beside it.

use crate::sandbox::data::store;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::sandbox::faults::active::Faults;

/// An API key of the first organization, the one with agents and numbers to try things on.
pub const KEY: &str = "truedy_SandboxFirstKey00000000000000001";

/// Another API key of the first organization: it sees the same account and shares its rate limit.
pub const SECOND_KEY: &str = "truedy_SandboxSecondKey0000000000000002";

/// An API key of the first organization that was revoked: it is answered 401.
pub const REVOKED_KEY: &str = "truedy_SandboxRevokedKey000000000000003";

/// An API key of the second organization, which must never see anything of the first.
pub const OTHER_ORGANIZATION_KEY: &str = "truedy_SandboxOtherOrganization00000004";

/// How a sandbox is to run.
#[derive(Debug)]
pub struct Options {
    /// Where to listen; port 0 takes any free port, which [`Sandbox::address`] then tells.
    pub listen: SocketAddr,
    /// Where the account is kept.
    pub store: Store,
    /// How to misbehave from the start.
    pub faults: Faults,
    /// A file to append one JSON line to for every request received and every answer given.
    pub ledger: Option<PathBuf>,
}

/// Where the account of a sandbox is kept.
#[derive(Clone, Debug)]
pub enum Store {
    /// In memory: gone when the sandbox stops.
    Memory,
    /// In `sandbox.sqlite` in this directory, which several sandboxes may use at the same time.
    Directory(PathBuf),
}

/// Forgets the kept account, also under a running sandbox, so that it begins with the seed again; true if there was one.
pub fn reset(state_dir: &Path) -> std::io::Result<bool> {
    store::forget(state_dir)
}
