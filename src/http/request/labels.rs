//! What a request is called in metrics: words that are known beforehand, never a caller's.

use http::{Method, StatusCode};

use crate::http::request::paths::{MCP, MESSAGES, METADATA, SSE};

/// The places there are, for counting: whatever else is asked for is one of them.
pub(crate) fn place(path: &str) -> &'static str {
    match path {
        MCP => "mcp",
        SSE => "sse",
        MESSAGES => "messages",
        "/" => "landing",
        _ if path.starts_with(METADATA) => "metadata",
        _ => "other",
    }
}

/// A method, for a line in the log: whatever else it is called is one of them.
pub(crate) fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// A status as a label.
pub(crate) fn code(status: StatusCode) -> String {
    status.as_str().to_owned()
}
