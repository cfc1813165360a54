//! Helpers for protocol results: single-page lists, cache times, errors and server metadata.

use http::request::Parts;
use rmcp::RoleServer;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorCode, ErrorData, Icon, Implementation,
    MetaObject, PaginatedRequestParams, ProtocolVersion,
};
use rmcp::service::RequestContext;
use serde_json::{Map, Value, json};

use crate::domain::{Status, clean_to};
use crate::mcp::call::duplicate_names::arguments_of;
use crate::telemetry::{Heard, Parent};

/// The time for which a client may cache the catalog, in milliseconds. The catalog changes only with the program.
pub(crate) const FRESH_MS: u64 = 3_600_000;

/// The cache time where the catalog depends on the caller's rights, in milliseconds. The operator may change those
/// rights.
pub(crate) const FRESH_SHARED_MS: u64 = 60_000;

/// The mark of the server: a handset and two waves, in a picture that needs no request.
const ICON: &str = concat!(
    "data:image/svg+xml,%3Csvg%20xmlns='http://www.w3.org/2000/svg'%20viewBox='0%200%2024%2024'%3E",
    "%3Crect%20width='24'%20height='24'%20rx='5'%20fill='%230b6b4f'/%3E",
    "%3Cg%20fill='none'%20stroke='white'%20stroke-width='1.8'%20stroke-linecap='round'%20stroke-linejoin='round'%3E",
    "%3Cpath%20d='M7%204.5l2.6.3.9%203.2-1.6%201.3a10%2010%200%200%200%204.8%204.8l1.3-1.6%203.2.9.3%202.6c0%201.4-1.1%202.5-2.5%202.5",
    "A13%2013%200%200%201%204.5%207C4.5%205.6%205.6%204.5%207%204.5z'/%3E",
    "%3Cpath%20d='M14%205a5%205%200%200%201%205%205M14%208.2a1.8%201.8%200%200%201%201.8%201.8'/%3E%3C/g%3E%3C/svg%3E"
);

/// The start of the error message for a method that is not offered. The method's name follows.
pub(crate) const NOT_FOUND: &str = "Method not found: ";

/// The methods that rmcp knows. One of them arrives as a custom request only if its parameters could not be read.
pub(crate) const KNOWN: [&str; 13] = [
    "server/discover",
    "tools/call",
    "tools/list",
    "prompts/get",
    "prompts/list",
    "resources/read",
    "resources/list",
    "resources/templates/list",
    "skills/get",
    "skills/list",
    "completion/complete",
    "subscriptions/listen",
    "initialize",
];

/// Returns an error if a cursor is given, because every list has one page.
pub(crate) fn one_page(page: Option<PaginatedRequestParams>, what: &str) -> Result<(), ErrorData> {
    match page.and_then(|page| page.cursor) {
        Some(_) => Err(ErrorData::invalid_params(format!("Unknown cursor: the list of {what} has one page"), None)),
        None => Ok(()),
    }
}

/// Returns the protocol facts of a call for its trace span.
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

/// The longest name of a client that is kept, in characters.
const CLIENT_NAME: usize = 64;
/// The longest version of a client that is kept, in characters.
const CLIENT_VERSION: usize = 32;
/// The metadata key under which a client gives its own id of a call.
const CALL_ID: &str = "claudecode/toolUseId";
/// The longest such id that counts, in bytes.
const CALL_ID_BYTES: usize = 256;

/// Returns the name and the version that the client gives itself, in one line of visible characters. Nothing proves
/// them. `None` if it gave no name.
pub(crate) fn client_name(context: &RequestContext<RoleServer>) -> Option<String> {
    let client = context.client_info()?;
    let name = clean_to(&client.name, CLIENT_NAME);
    let version = clean_to(&client.version, CLIENT_VERSION);
    let both = format!("{name} {version}").trim().to_owned();
    (!both.is_empty()).then_some(both)
}

/// Returns the client's own id of the call. A call that the client sends again has the same id.
pub(crate) fn client_call_id(context: &RequestContext<RoleServer>) -> Option<String> {
    let id = context.meta.get(CALL_ID)?.as_str()?;
    (1..=CALL_ID_BYTES).contains(&id.len()).then(|| id.to_owned())
}

/// Adds the server's name to a response of the newer era.
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

/// Returns the error for a method that is not offered. Clients show its message, and rmcp's own is only the name.
pub(crate) fn no_such_method(method: &str) -> ErrorData {
    ErrorData::new(ErrorCode::METHOD_NOT_FOUND, format!("{NOT_FOUND}{}", clean_to(method, 64)), None)
}

/// Rewrites rmcp's error for a known method that this server does not offer.
pub(crate) fn name_the_method(error: &mut ErrorData) {
    let bare = error.message.contains('/') || error.message == "ping";
    if error.code == ErrorCode::METHOD_NOT_FOUND && bare && !error.message.starts_with(NOT_FOUND) {
        *error = no_such_method(&error.message);
    }
}

/// Builds a tool result. Text and structure are each complete, because some clients show the model only one of them.
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

/// Adds the server's name and version, which revision 2026-07-28 asks for on every result.
pub(crate) fn stamp(meta: &mut Option<MetaObject>) {
    let meta = meta.get_or_insert_default();
    meta.0.insert(
        "io.modelcontextprotocol/serverInfo".to_owned(),
        json!({ "name": "truedy-mcp", "version": env!("CARGO_PKG_VERSION") }),
    );
}

/// Returns a call whose arguments came as a JSON text; `None` if the text is not an object.
pub(crate) fn with_read_arguments(mut params: Value) -> Option<CallToolRequestParams> {
    let text = params.get("arguments")?.as_str()?;
    let arguments = arguments_of(text).ok()?;
    params.as_object_mut()?.insert("arguments".to_owned(), Value::Object(arguments));
    serde_json::from_value(params).ok()
}

/// Builds the refusal of arguments that are no object.
pub(crate) fn not_an_object() -> Map<String, Value> {
    let summary = "Nothing was done. arguments must be an object, for example {\"limit\": 5}.";
    let status = Status::InvalidArgument;
    let object = json!({ "status": status, "code": status, "summary": summary, "retryable": false });
    object.as_object().cloned().unwrap_or_default()
}

/// Returns what the server says of itself: its name and version, and for people a title, a line and a mark.
pub(crate) fn implementation() -> Implementation {
    described(env!("CARGO_PKG_HOMEPAGE"))
}

/// The same with this address. Cargo.toml names none until the project has one, and `websiteUrl` is left out then.
fn described(homepage: &str) -> Implementation {
    let server = Implementation::new("truedy-mcp", env!("CARGO_PKG_VERSION"))
        .with_title("Truedy telephony")
        .with_description("Find, buy, import, assign and release the phone numbers of Truedy's voice agents.")
        .with_icons(vec![Icon::new(ICON).with_mime_type("image/svg+xml").with_sizes(vec!["any".to_owned()])]);
    if homepage.is_empty() { server } else { server.with_website_url(homepage) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_only_if_there_is_one() {
        assert_eq!(described("").website_url, None);
        assert_eq!(described("https://example.com").website_url.as_deref(), Some("https://example.com"));
    }
}
