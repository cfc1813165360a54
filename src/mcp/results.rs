//! Results as the protocol has them: one page, with how long it may be kept.

use http::request::Parts;
use rmcp::RoleServer;
use rmcp::model::{
    CallToolResponse, CallToolResult, ContentBlock, ErrorCode, ErrorData, MetaObject, PaginatedRequestParams,
    ProtocolVersion,
};
use rmcp::service::RequestContext;
use serde_json::{Map, Value, json};

use crate::domain::clean_to;
use crate::telemetry::{Heard, Parent};

/// How long a client may keep the catalogue: it changes only with the program.
pub(crate) const FRESH_MS: u64 = 3_600_000;

/// The same where it depends on what the caller may do, which the operator may change.
pub(crate) const FRESH_SHARED_MS: u64 = 60_000;

/// What is said first of a method that is not offered; its name follows.
pub(crate) const NOT_FOUND: &str = "Method not found: ";

/// Methods rmcp knows: if one arrives here, its parameters could not be read.
pub(crate) const KNOWN: [&str; 11] = [
    "server/discover",
    "tools/call",
    "tools/list",
    "prompts/get",
    "prompts/list",
    "resources/read",
    "resources/list",
    "resources/templates/list",
    "completion/complete",
    "subscriptions/listen",
    "initialize",
];

/// Every list of ours has one page, so no cursor leads anywhere.
pub(crate) fn one_page(page: Option<PaginatedRequestParams>, what: &str) -> Result<(), ErrorData> {
    match page.and_then(|page| page.cursor) {
        Some(_) => Err(ErrorData::invalid_params(format!("Unknown cursor: the list of {what} has one page"), None)),
        None => Ok(()),
    }
}

/// What the protocol says of a call, for its trace.
pub(crate) fn heard(context: &RequestContext<RoleServer>) -> Heard<'_> {
    let head = context.extensions.get::<Parts>();
    let known = |version: ProtocolVersion| ProtocolVersion::KNOWN_VERSIONS.iter().find(|known| **known == version);
    Heard {
        revision: context.protocol_version().and_then(known).map(ProtocolVersion::as_str),
        session: head.and_then(|head| head.headers.get("mcp-session-id")?.to_str().ok()),
        network: head.is_some(),
        parent: Parent { traceparent: context.meta.get_traceparent(), tracestate: context.meta.get_tracestate() },
    }
}

/// Says who answered, on every result of the newer era.
pub(crate) fn sign(response: &mut CallToolResponse, context: &RequestContext<RoleServer>) {
    if !is_modern(context) {
        return;
    }
    match response {
        CallToolResponse::Complete(result) => stamp(&mut result.meta),
        CallToolResponse::InputRequired(asked) => stamp(&mut asked.meta),
        _ => {}
    }
}

/// Says of a method that it is not offered. A client shows the message, and rmcp's own is the bare name.
pub(crate) fn no_such_method(method: &str) -> ErrorData {
    ErrorData::new(ErrorCode::METHOD_NOT_FOUND, format!("{NOT_FOUND}{}", clean_to(method, 64)), None)
}

/// Rewords the refusal of a method that rmcp knows and this server does not offer.
pub(crate) fn name_the_method(error: &mut ErrorData) {
    let bare = error.message.contains('/') || error.message == "ping";
    if error.code == ErrorCode::METHOD_NOT_FOUND && bare && !error.message.starts_with(NOT_FOUND) {
        *error = no_such_method(&error.message);
    }
}

/// Text and structure each stand alone: some clients show the model only one of them.
pub(crate) fn result(object: Map<String, Value>, is_error: bool) -> CallToolResult {
    let summary = object.get("summary").and_then(Value::as_str).unwrap_or_default().to_owned();
    let structured = Value::Object(object);
    let text = format!("{summary}\n{structured}");
    let content = vec![ContentBlock::text(text)];
    let mut result = if is_error { CallToolResult::error(content) } else { CallToolResult::success(content) };
    result.structured_content = Some(structured);
    result
}

pub(crate) fn is_modern(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28)
}

/// Says who answered, as 2026-07-28 asks for on every result.
pub(crate) fn stamp(meta: &mut Option<MetaObject>) {
    let meta = meta.get_or_insert_default();
    meta.0.insert(
        "io.modelcontextprotocol/serverInfo".to_owned(),
        json!({ "name": "truedy-mcp", "version": env!("CARGO_PKG_VERSION") }),
    );
}
