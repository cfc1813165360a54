//! What a page of another origin may do: call, if its origin is let in, and read answers, if the operator has named it.

use std::sync::atomic::{AtomicBool, Ordering};

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::http::request::host_check::AllowedOrigin;
use crate::mcp::transport::http_response::{ResponseBody, empty, refusal};

/// What a page of an allowed origin may send and read.
const CORS_HEADERS: &str = "authorization, content-type, accept, last-event-id, mcp-method, mcp-name, mcp-protocol-version, mcp-session-id, x-mcp-readonly, x-mcp-tools";
const CORS_EXPOSED: &str = "mcp-session-id, mcp-protocol-version, www-authenticate, retry-after";

/// Answers pages that ask.
#[derive(Default)]
pub(super) struct Cors {
    /// Whether the log says already that a page was refused.
    said: AtomicBool,
}

impl Cors {
    /// Answers a page that asks whether it may call. `let_in` is what its origin was let in as. One of this machine may call;
    /// but only one that is named is told so, since its scripts can read the answers.
    pub(super) fn preflight(&self, headers: &HeaderMap, let_in: &AllowedOrigin) -> Response<ResponseBody> {
        let asks = headers.get(ORIGIN);
        if let (true, Some(asks)) = (let_in.is_configured(), asks) {
            return readable_by(allowed(), asks.clone());
        }
        // It is an origin of this machine, as was checked.
        let asks = asks.and_then(|asks| asks.to_str().ok()).unwrap_or_default();
        if !self.said.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                origin = asks,
                "a page asked to call and was refused: --allow-origin with its origin lets it"
            );
        }
        let why = format!(
            "A browser lets a page of {asks} call only where that is allowed: start the server with --allow-origin {asks}."
        );
        refusal(StatusCode::FORBIDDEN, &why)
    }
}

/// What a page of a named origin is told that asks whether it may call.
fn allowed() -> Response<ResponseBody> {
    let mut answer = empty(StatusCode::NO_CONTENT);
    let headers = answer.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, DELETE"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(CORS_HEADERS));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    answer
}

/// The answer as a page of this origin may read it. Never with credentials of the browser's own.
pub(super) fn readable_by(mut answer: Response<ResponseBody>, origin: HeaderValue) -> Response<ResponseBody> {
    let headers = answer.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(CORS_EXPOSED));
    headers.append(VARY, HeaderValue::from_static("origin"));
    answer
}
