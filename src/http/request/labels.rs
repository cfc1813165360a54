//! The labels of requests in metrics and logs. They come from fixed lists, never from a caller.

use http::{Method, StatusCode};

use crate::http::request::paths::{MCP, MESSAGES, METADATA, SSE};

/// Returns the metrics label of a path; `other` for an unknown path.
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

/// Returns the log label of a method; `other` for an unknown method.
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

/// Returns the metrics label of a status.
pub(crate) fn code(status: StatusCode) -> String {
    status.as_str().to_owned()
}
