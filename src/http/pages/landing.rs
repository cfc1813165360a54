//! The landing page for people who open the address in a browser. It says what the server is, how to connect, and
//! whether it is ready.

use std::borrow::Cow;
use std::collections::BTreeSet;

use http::header::HOST;
use http::{HeaderMap, Response, StatusCode};

use crate::http::pages::html::{escaped, page, rules};
use crate::http::request::host_check::AllowedHost;
use crate::mcp::transport::http_response::ResponseBody;

const PAGE: &str = include_str!("landing.html");

/// The landing page.
pub(crate) struct Landing {
    /// Whether clients reach the server by HTTPS, with its own certificate or a proxy's.
    https: bool,
    /// The names of a proxy that terminates TLS, if there is one.
    proxied: Option<Vec<AllowedHost>>,
    policy: String,
    /// What a purchase needs on this server, as a text.
    purchase: String,
}

impl Landing {
    /// Creates the page. `https` and `proxied` say how clients reach the server. `purchase` gives for each tenant what
    /// a purchase needs.
    pub(crate) fn new<'a>(
        (https, proxied): (bool, Option<Vec<AllowedHost>>),
        purchase: impl Iterator<Item = &'a str>,
    ) -> Self {
        let policy = rules(PAGE, "'none'");
        let purchase: Vec<&str> = purchase.collect::<BTreeSet<_>>().into_iter().collect();
        let purchase = match purchase.as_slice() {
            [needs] => (*needs).to_owned(),
            _ => "what the policy of its tenant says".to_owned(),
        };
        Self { https, proxied, policy, purchase }
    }

    /// Returns the scheme and host by which clients reach the server. `host` is the host of this request.
    fn reached(&self, host: &str) -> (&'static str, String) {
        match &self.proxied {
            // The request came in directly, or the proxy sent the internal host name instead of its own.
            Some(names) if !names.iter().any(|name| name.is(host)) => match names.first() {
                Some(name) => ("https", name.to_string()),
                None => ("http", host.to_owned()),
            },
            _ => (if self.https { "https" } else { "http" }, host.to_owned()),
        }
    }

    /// Returns the page in its current state. The request's host was checked before, so it is a name of this server.
    /// `at` is the path in front of the endpoints, or empty.
    pub(crate) fn answer(
        &self,
        (headers, at): (&HeaderMap, &str),
        ready: bool,
        legacy_sse: bool,
    ) -> Response<ResponseBody> {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let (scheme, host) = self.reached(host);
        let html = if legacy_sse { Cow::Borrowed(PAGE) } else { without(PAGE, "<!-- sse -->", "<!-- /sse -->") };
        let html = html
            .replace("{{url}}", &escaped(&format!("{scheme}://{host}{at}/mcp")))
            .replace("{{sse}}", &escaped(&format!("{scheme}://{host}{at}/sse")))
            .replace("{{purchase}}", &escaped(&self.purchase))
            .replace("{{version}}", env!("CARGO_PKG_VERSION"))
            .replace("{{health}}", if ready { "ready" } else { "draining" });
        page(StatusCode::OK, &self.policy, "no-referrer", html)
    }
}

fn without<'a>(text: &'a str, start: &str, end: &str) -> Cow<'a, str> {
    let cut = text.split_once(start).and_then(|(before, rest)| Some((before, rest.split_once(end)?.1)));
    cut.map_or(Cow::Borrowed(text), |(before, after)| Cow::Owned(format!("{before}{after}")))
}
