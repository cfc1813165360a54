//! Resources: what a person may attach to a conversation. Tools never depend on them.

use rmcp::RoleServer;
use rmcp::model::{ErrorData, ReadResourceResult, Resource};
use rmcp::service::RequestContext;
use serde_json::json;

use super::apps;
use super::principal::Principal;
use crate::domain::clean_to;

/// What there is to read, for this client.
pub(super) fn list(context: &RequestContext<RoleServer>) -> Vec<Resource> {
    if apps::shows(context) { apps::list() } else { Vec::new() }
}

/// Reads one.
pub(super) async fn read(uri: &str, principal: &Principal) -> Result<ReadResourceResult, ErrorData> {
    apps::read(uri).ok_or_else(|| {
        let shown = clean_to(&principal.tenant.service.hide(uri), 128);
        ErrorData::resource_not_found(format!("There is no resource {shown}"), Some(json!({ "uri": shown })))
    })
}
