//! Traces with the names of the conventions for MCP: the spans of calls and requests. The feature `otel` adds their
//! export to a collector.

#[cfg(feature = "otel")]
mod export;
mod parent;
mod spans;

#[cfg(feature = "otel")]
pub use export::{Traces, start};
pub use parent::Parent;
pub use spans::{Heard, TARGET, ended, failed, received, request, tool_call};
