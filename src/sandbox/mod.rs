//! A small Truedy of our own: it remembers what was bought and assigned, serves the documented REST API over real
//! HTTP, and misbehaves on request.
//!
//! It writes its JSON by hand from the documentation and shares no type with the client it is used to test: a wrong
//! type on both sides would agree with itself. Nothing here can dial, charge or reach anyone; every number it sells
//! lies in a range set aside for fiction.
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
