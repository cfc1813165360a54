//! The spans. They hold only constant texts of this program and facts of the protocol.
//!
//! They hold no argument, no text of Truedy, no number and no secret.

use tracing::{Span, field};

use crate::telemetry::parent::Parent;

/// The target of all spans. Only spans with this target are exported.
pub const TARGET: &str = "truedy_mcp::telemetry";

/// The fixed segments of paths of Truedy's API. Any other segment is an id.
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

/// The facts of the protocol about a call.
#[derive(Debug, Default)]
pub struct Heard<'a> {
    /// The protocol revision in use.
    pub revision: Option<&'a str>,
    /// The session, in revisions that have sessions.
    pub session: Option<&'a str>,
    /// Whether the call came over a network.
    pub network: bool,
    /// The trace that the call belongs to.
    pub parent: Parent<'a>,
}

/// Creates the span of one `tools/call`. `tool` is a name of the catalog, or `None` if the client named another.
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

/// Records that a call was answered, with this status of the tool.
pub fn ended(span: &Span, status: Option<&str>, is_error: bool) {
    if let Some(status) = status {
        span.record("truedy.status", status);
    }
    if is_error {
        span.record("error.type", "tool_error").record("otel.status_code", "ERROR");
    }
}

/// Records that a call ended with a JSON-RPC error.
pub fn failed(span: &Span, code: i32) {
    span.record("rpc.response.status_code", code.to_string()).record("otel.status_code", "ERROR");
    span.record("error.type", code.to_string());
}

/// Creates the span of one request to Truedy.
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

/// Records the outcome of a request: an HTTP status, or a word for why there is none.
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

/// Returns a path in which every id is replaced.
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
