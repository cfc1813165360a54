//! The paths of what is served.

pub(crate) const MCP: &str = "/mcp";

pub(crate) const SSE: &str = "/sse";

pub(crate) const MESSAGES: &str = "/messages";

/// RFC 9728 §3: with the path of the endpoint behind it, or alone.
pub(crate) const METADATA: &str = "/.well-known/oauth-protected-resource";
