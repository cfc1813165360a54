//! The landing page for people who open the address in a browser. It says what the server is, how to connect, and
//! whether it is ready.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::HOST;
use http::{HeaderMap, Response, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::http::pages::html::{escaped, page, rules};
use crate::http::request::host_check::AllowedHost;
use crate::mcp::Tenant;
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
    /// Whether each tenant's account is a sandbox.
    sandbox: bool,
}

impl Landing {
    /// Creates the page. `https` and `proxied` say how clients reach the server.
    pub(crate) fn new((https, proxied): (bool, Option<Vec<AllowedHost>>), tenants: &[Arc<Tenant>]) -> Self {
        let policy = rules(PAGE, "'none'");
        let sandbox = tenants.iter().all(|tenant| tenant.sandbox);
        let purchase = tenants.iter().map(|tenant| tenant.purchase_needs()).collect::<BTreeSet<_>>();
        let purchase: Vec<&str> = purchase.into_iter().collect();
        let purchase = match purchase.as_slice() {
            [needs] => (*needs).to_owned(),
            _ => "what the policy of its tenant says".to_owned(),
        };
        Self { https, proxied, policy, purchase, sandbox }
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
        let endpoint = format!("{scheme}://{host}{at}/mcp");
        let (mode, in_words) = if self.sandbox { ("sandbox", "Sandbox") } else { ("live", "Live") };
        let html = if legacy_sse { Cow::Borrowed(PAGE) } else { without(PAGE, "<!-- sse -->", "<!-- /sse -->") };
        let html = html
            .replace("{{url}}", &escaped(&endpoint))
            .replace("{{vscode}}", &escaped(&vscode_link(&endpoint)))
            .replace("{{cursor}}", &escaped(&cursor_link(&endpoint)))
            .replace("{{mode}}", mode)
            .replace("{{mode_in_words}}", in_words)
            .replace("{{sse}}", &escaped(&format!("{scheme}://{host}{at}/sse")))
            .replace("{{purchase}}", &escaped(&self.purchase))
            .replace("{{version}}", env!("CARGO_PKG_VERSION"))
            .replace("{{health}}", if ready { "ready" } else { "draining" });
        page(StatusCode::OK, &self.policy, "no-referrer", html)
    }
}

/// Returns the address that opens VS Code and adds the server there. VS Code asks for the token and keeps it.
///
/// Source: VS Code, MCP developer guide, "Create an MCP installation URL".
fn vscode_link(endpoint: &str) -> String {
    let server = json!({
        "name": "truedy", "type": "http", "url": endpoint,
        "headers": { "Authorization": "Bearer ${input:truedy-token}" },
        "inputs": [{ "type": "promptString", "id": "truedy-token", "description": "Truedy MCP token", "password": true }],
    });
    format!("vscode:mcp/install?{}", utf8_percent_encode(&server.to_string(), NON_ALPHANUMERIC))
}

/// Returns the address that opens Cursor and adds the server there. Cursor puts the variable in.
///
/// Source: Cursor's documentation, "MCP install links".
fn cursor_link(endpoint: &str) -> String {
    let server = json!({ "url": endpoint, "headers": { "Authorization": "Bearer ${env:TRUEDY_MCP_TOKEN}" } });
    let config = STANDARD.encode(server.to_string());
    let config = utf8_percent_encode(&config, NON_ALPHANUMERIC);
    format!("cursor://anysphere.cursor-deeplink/mcp/install?name=truedy&config={config}")
}

fn without<'a>(text: &'a str, start: &str, end: &str) -> Cow<'a, str> {
    let cut = text.split_once(start).and_then(|(before, rest)| Some((before, rest.split_once(end)?.1)));
    cut.map_or(Cow::Borrowed(text), |(before, after)| Cow::Owned(format!("{before}{after}")))
}
