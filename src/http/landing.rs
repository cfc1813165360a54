//! The page for people who open the address in a browser: what this is, how to connect, whether it is ready.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, Response, StatusCode};
use sha2::{Digest, Sha256};

use crate::mcp::wire::{Body, text, with};

const PAGE: &str = include_str!("landing.html");

/// The page.
pub(super) struct Landing {
    /// Whether clients reach it by https, by a certificate of its own or a proxy's.
    https: bool,
    policy: String,
}

impl Landing {
    /// The page of a server that clients reach by https or not.
    pub(super) fn new(https: bool) -> Self {
        // The one style is known by its digest, so that no other one works, nor any script.
        let style = between(PAGE, "<style>", "</style>").unwrap_or_default();
        let digest = STANDARD.encode(Sha256::digest(style.as_bytes()));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        Self { https, policy }
    }

    /// The page as it is now. The host was checked before: it is one of the server's own names.
    pub(super) fn answer(&self, headers: &HeaderMap, ready: bool, legacy_sse: bool) -> Response<Body> {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let scheme = if self.https { "https" } else { "http" };
        let page = if legacy_sse { Cow::Borrowed(PAGE) } else { without(PAGE, "<!-- sse -->", "<!-- /sse -->") };
        let page = page
            .replace("{{url}}", &escaped(&format!("{scheme}://{host}/mcp")))
            .replace("{{sse}}", &escaped(&format!("{scheme}://{host}/sse")))
            .replace("{{version}}", env!("CARGO_PKG_VERSION"))
            .replace("{{health}}", if ready { "ready" } else { "draining" });
        let answer = text(StatusCode::OK, "text/html; charset=utf-8", page);
        let rules: [(HeaderName, &str); 5] = [
            (CONTENT_SECURITY_POLICY, &self.policy),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (X_FRAME_OPTIONS, "DENY"),
            (REFERRER_POLICY, "no-referrer"),
            (CACHE_CONTROL, "no-store"),
        ];
        rules.into_iter().fold(answer, |answer, (name, value)| with(answer, name, value))
    }
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.split_once(start)?.1.split_once(end).map(|(inner, _)| inner)
}

fn without<'a>(text: &'a str, start: &str, end: &str) -> Cow<'a, str> {
    let cut = text.split_once(start).and_then(|(before, rest)| Some((before, rest.split_once(end)?.1)));
    cut.map_or(Cow::Borrowed(text), |(before, after)| Cow::Owned(format!("{before}{after}")))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
