//! Pages for people: plain HTML with a style of its own, and rules under which nothing else works in them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{Response, StatusCode};
use sha2::{Digest, Sha256};

use crate::mcp::transport::http_response::{ResponseBody, text, with};

/// The rules of a page: no script, no outside request, no frame, and only its own style. `forms` says where its forms go.
pub(crate) fn rules(page: &str, forms: &str) -> String {
    // The one style is known by its digest, so that no other one works, nor any script.
    let style = page.split_once("<style>").and_then(|(_, rest)| rest.split_once("</style>"));
    let digest = STANDARD.encode(Sha256::digest(style.map_or("", |(style, _)| style).as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action {forms}; frame-ancestors 'none'"
    )
}

/// A page as an answer that nobody keeps.
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

/// A text as it stands in HTML.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
