//! The transports of MCP messages: standard input and output, Streamable HTTP, and the older SSE.

pub(crate) mod accept;
pub mod http_response;
pub(crate) mod id_finder;
pub(crate) mod in_flight;
pub(crate) mod legacy_sse;
pub(crate) mod line_repair;
pub(crate) mod message_repair;
pub(crate) mod pending;
pub(crate) mod sessions;
pub(crate) mod stdio;
pub(crate) mod streamable_http;
