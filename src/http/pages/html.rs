//! HTML pages for people, with one inline style and a strict content security policy.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{Response, StatusCode};
use sha2::{Digest, Sha256};

use crate::mcp::transport::http_response::{ResponseBody, text, with};

/// Returns the content security policy of a page. It forbids scripts, outside requests, frames and other styles.
/// `forms` says where its forms may be sent.
pub(crate) fn rules(page: &str, forms: &str) -> String {
    // The policy names the style by its digest, so no other style works, and no script.
    let style = page.split_once("<style>").and_then(|(_, rest)| rest.split_once("</style>"));
    let digest = STANDARD.encode(Sha256::digest(style.map_or("", |(style, _)| style).as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action {forms}; frame-ancestors 'none'"
    )
}

/// Returns a page as a response that must not be cached.
pub(crate) fn page(status: StatusCode, rules: &str, referrer: &str, html: String) -> Response<ResponseBody> {
    let answer = text(status, "text/html; charset=utf-8", html);
    let headers: [(HeaderName, &str); 5] = [
        (CONTENT_SECURITY_POLICY, rules),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, referrer),
        (CACHE_CONTROL, "no-store"),
    ];
    headers.into_iter().fold(answer, |answer, (name, value)| with(answer, name, value))
}

/// Escapes a text for HTML.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
