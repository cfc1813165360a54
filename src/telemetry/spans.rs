//! The spans themselves. They hold words of this program's own and what the protocol says of itself: no argument, no text of
//! Truedy's, no number and no secret.

use tracing::{Span, field};

use crate::telemetry::parent::Parent;

/// What all of them are marked with; nothing else is exported.
pub const TARGET: &str = "truedy_mcp::telemetry";

/// Words that paths of Truedy's API are made of. Whatever else stands in one is an id.
const WORDS: [&str; 10] = [
    "telephony",
    "numbers",
    "agents",
    "credentials",
    "webhook-url",
    "search",
    "purchase",
    "import",
    "assign",
    "unassign",
];

/// What the protocol says of a call.
#[derive(Debug, Default)]
pub struct Heard<'a> {
    /// The revision that is spoken.
    pub revision: Option<&'a str>,
    /// The session, in revisions that have them.
    pub session: Option<&'a str>,
    /// Whether it came over a network.
    pub network: bool,
    /// The trace that it belongs to.
    pub parent: Parent<'a>,
}

/// One `tools/call`. `tool` is a name of the catalogue; `None` if the client named another.
pub fn tool_call(tool: Option<&str>, heard: &Heard<'_>) -> Span {
    let span = tracing::info_span!(
        target: TARGET,
        "tools/call",
        otel.name = field::Empty,
        otel.kind = "server",
        otel.status_code = field::Empty,
        mcp.method.name = "tools/call",
        gen_ai.operation.name = "execute_tool",
        gen_ai.tool.name = tool,
        mcp.protocol.version = heard.revision,
        mcp.session.id = heard.session,
        network.transport = if heard.network { "tcp" } else { "pipe" },
        error.type = field::Empty,
        rpc.response.status_code = field::Empty,
        truedy.status = field::Empty,
    );
    if !span.is_disabled() {
        if let Some(tool) = tool {
            span.record("otel.name", format!("tools/call {tool}"));
        }
        heard.parent.adopt(&span);
    }
    span
}

/// A call was answered, with this status of ours.
pub fn ended(span: &Span, status: Option<&str>, is_error: bool) {
    if let Some(status) = status {
        span.record("truedy.status", status);
    }
    if is_error {
        span.record("error.type", "tool_error").record("otel.status_code", "ERROR");
    }
}

/// A call ended with an error of JSON-RPC.
pub fn failed(span: &Span, code: i32) {
    span.record("rpc.response.status_code", code.to_string()).record("otel.status_code", "ERROR");
    span.record("error.type", code.to_string());
}

/// One request to Truedy.
pub fn request(method: &str, path: &[String]) -> Span {
    let span = tracing::info_span!(
        target: TARGET,
        "request",
        otel.name = field::Empty,
        otel.kind = "client",
        otel.status_code = field::Empty,
        http.request.method = method,
        url.template = field::Empty,
        http.response.status_code = field::Empty,
        error.type = field::Empty,
    );
    if !span.is_disabled() {
        let template = template(path);
        span.record("otel.name", format!("{method} {template}")).record("url.template", template);
    }
    span
}

/// What a request came to: a status, or the word for why there is none.
pub fn received(span: &Span, outcome: Result<u16, &'static str>) {
    match outcome {
        Ok(status) => {
            span.record("http.response.status_code", status);
            if status >= 400 {
                span.record("error.type", status.to_string()).record("otel.status_code", "ERROR");
            }
        }
        Err(why) => drop(span.record("error.type", why).record("otel.status_code", "ERROR")),
    }
}

/// A path without the ids in it.
fn template(path: &[String]) -> String {
    let known = |part: &str| WORDS.iter().find(|word| **word == part).copied();
    path.iter().flat_map(|part| ["/", known(part).unwrap_or("{id}")]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_holds_no_id() {
        let path = |parts: &[&str]| template(&parts.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(path(&["telephony", "numbers", "+14155550123"]), "/telephony/numbers/{id}");
        assert_eq!(path(&["telephony", "agents", "Front desk", "webhook-url"]), "/telephony/agents/{id}/webhook-url");
    }
}
