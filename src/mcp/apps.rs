//! MCP Apps: pages that a client may show in the chat beside what a tool answers. None has a fact or an ability that the
//! tools lack.
//!
//! Source: specification `2026-01-26` of `io.modelcontextprotocol/ui` (modelcontextprotocol/ext-apps).

use rmcp::RoleServer;
use rmcp::model::{ExtensionCapabilities, JsonObject, ReadResourceResult, Resource};
use rmcp::service::RequestContext;
use serde_json::json;

/// The name of the extension.
const EXTENSION: &str = "io.modelcontextprotocol/ui";
/// What a page is, by its type.
const PAGE: &str = "text/html;profile=mcp-app";

/// What the server declares of it.
pub(super) fn extension() -> ExtensionCapabilities {
    ExtensionCapabilities::from([(EXTENSION.to_owned(), JsonObject::new())])
}

/// Whether the client of this request shows pages of ours.
pub(super) fn shows(context: &RequestContext<RoleServer>) -> bool {
    let declared = context.client_capabilities().and_then(|capabilities| capabilities.extensions);
    let types = declared.as_ref().and_then(|all| all.get(EXTENSION)?.get("mimeTypes")?.as_array());
    types.is_some_and(|types| types.contains(&json!(PAGE)))
}

/// The pages, for a client that shows them.
pub(super) fn list() -> Vec<Resource> {
    Vec::new()
}

/// A page by its address.
pub(super) fn read(_uri: &str) -> Option<ReadResourceResult> {
    None
}
