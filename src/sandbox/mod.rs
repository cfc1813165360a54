//! An imitation of Truedy's API. It remembers changes, serves the documented REST API over HTTP, and shows faults on
//! request.
//!
//! Its JSON is written by hand from the documentation. It shares no type with the client that it tests, because an
//! error in a shared type would stay unnoticed. It cannot dial, charge or reach anyone. Every number that it sells is
//! in a range reserved for fiction.
//!
//! Source: the "Telephony" page of the API reference, <https://docs.truedy.ai/api-reference/telephony>, and the pages
//! on agents, calls, rate limits and errors beside it.

mod auth;
mod connection;
mod control;
mod data;
mod endpoints;
mod error;
mod faults;
mod host;
mod keys;
mod options;
mod pipeline;
mod request_log;
mod response;
mod routes;
mod server;
mod state;
#[cfg(test)]
mod tests;
mod time;
mod validation;

pub use faults::active::{FaultError, Faults};
pub use faults::catalogue::FaultSwitch;
pub use keys::{KEY, OTHER_ORGANIZATION_KEY, REVOKED_KEY, SECOND_KEY};
pub use options::{SandboxOptions, SandboxStore};
pub use server::reset;
pub use server::{Sandbox, StartError};
