//! CORS: a page of an allowed origin may call. It may read the responses only if the operator named its origin.

use std::sync::atomic::{AtomicBool, Ordering};

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::http::request::host_check::AllowedOrigin;
use crate::mcp::transport::http_response::{ResponseBody, empty, refusal};

/// The request headers that a page of an allowed origin may send. The next constant lists the response headers that it
/// may read.
const CORS_HEADERS: &str = "authorization, content-type, accept, last-event-id, mcp-method, mcp-name, mcp-protocol-version, mcp-session-id, x-mcp-readonly, x-mcp-tools";
const CORS_EXPOSED: &str = "mcp-session-id, mcp-protocol-version, www-authenticate, retry-after";

/// Responds to preflight requests of pages.
#[derive(Default)]
pub(super) struct Cors {
    /// Whether the log already has the warning about a refused page.
    said: AtomicBool,
}

impl Cors {
    /// Responds to a preflight request. `let_in` is the entry that allowed the page's origin. A page of this machine
    /// may call. Only a page that the operator named gets a positive response, because it can then read the
    /// responses.
    pub(super) fn preflight(&self, headers: &HeaderMap, let_in: &AllowedOrigin) -> Response<ResponseBody> {
        let asks = headers.get(ORIGIN);
        if let (true, Some(asks)) = (let_in.is_configured(), asks) {
            return readable_by(allowed(), asks.clone());
        }
        // An earlier check made sure that this is an origin of this machine.
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

/// Returns the response to a preflight request from a page that the operator named.
fn allowed() -> Response<ResponseBody> {
    let mut answer = empty(StatusCode::NO_CONTENT);
    let headers = answer.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, DELETE"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(CORS_HEADERS));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    answer
}

/// Allows a page of this origin to read a response. The browser's own credentials are never allowed.
pub(super) fn readable_by(mut answer: Response<ResponseBody>, origin: HeaderValue) -> Response<ResponseBody> {
    let headers = answer.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(CORS_EXPOSED));
    headers.append(VARY, HeaderValue::from_static("origin"));
    answer
}
