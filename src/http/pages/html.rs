//! HTML pages for people, with one inline style, at most one inline script, and a strict content security policy.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{Response, StatusCode};
use sha2::{Digest, Sha256};

use crate::mcp::transport::http_response::{ResponseBody, text, with};

/// Returns the content security policy of a page. It allows the one style and the one script that the page has, and
/// forbids other ones, outside requests and frames. `forms` says where its forms may be sent.
pub(crate) fn rules(page: &str, forms: &str) -> String {
    let style = digest(page, "<style>", "</style>").unwrap_or_else(|| "'none'".to_owned());
    let script = digest(page, "<script>", "</script>").map(|digest| format!(" script-src {digest};"));
    format!(
        "default-src 'none'; style-src {style};{} img-src data:; base-uri 'none'; form-action {forms}; frame-ancestors 'none'",
        script.unwrap_or_default()
    )
}

/// Returns the digest of what stands between two marks, as a policy names it. `None` if the page has no such part.
fn digest(page: &str, start: &str, end: &str) -> Option<String> {
    let (_, rest) = page.split_once(start)?;
    let (part, _) = rest.split_once(end)?;
    Some(format!("'sha256-{}'", STANDARD.encode(Sha256::digest(part.as_bytes()))))
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
