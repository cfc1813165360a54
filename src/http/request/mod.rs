//! The checks of a request before it reaches the MCP server.

pub(crate) mod body_limit;
pub(crate) mod host_check;
pub(crate) mod jsonrpc;
pub(crate) mod labels;
pub(crate) mod negotiate;
pub(crate) mod paths;
pub(crate) mod public_path;
