//! The paths of the endpoints.

pub(crate) const MCP: &str = "/mcp";

pub(crate) const SSE: &str = "/sse";

pub(crate) const MESSAGES: &str = "/messages";

/// The path of the resource metadata (RFC 9728 §3). The path of the endpoint may follow it.
pub(crate) const METADATA: &str = "/.well-known/oauth-protected-resource";
