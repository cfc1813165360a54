//! `GET /telephony/credentials`: which carrier credentials are stored. Never what they are.
//!
//! Source: <https://docs.truedy.ai/api-reference/telephony> (List Credentials); contract §6.10.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::domain::{CarrierProfile, Effect, Status, text_at};
use crate::guard::Scope;
use crate::tools::account::pages;
use crate::tools::contract::arguments::arguments;
use crate::tools::contract::context::ToolContext;
use crate::tools::contract::response::{ToolFailure, ToolResponse};
use crate::tools::contract::tool::{Read, Tool};
use crate::truedy::Request;

arguments! {
    /// List the carrier credentials stored for BYOC: which provider accounts (Telnyx, Twilio, SIP) are connected. Never a key or password.
    ///
    /// Shows id, provider, name and date; local profiles are names for the argument carrier.
    ListCredentials {}
}

/// Stored credentials, without secrets.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Credentials {
    credentials: Vec<Map<String, Value>>,
    /// The operator's carrier profiles: names for the argument `carrier`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    local_profiles: Vec<Map<String, Value>>,
}

impl Tool for ListCredentials {
    const NAME: &'static str = "list_credentials";
    const TITLE: &'static str = "List carrier credentials";
    const SEARCH_HINT: &'static str = "stored carrier accounts, connected providers, Twilio, Telnyx, SIP keys";
    const EFFECT: Effect = Effect::Reads;
    const SCOPE: Scope = Scope::CredentialsRead;
    type Output = Credentials;
}

impl Read for ListCredentials {
    async fn read(self, context: ToolContext) -> Result<ToolResponse<Credentials>, ToolFailure> {
        let reply = context.truedy.send(Request::get(["telephony", "credentials"]).list(), &context.call).await?;
        let credentials: Vec<Map<String, Value>> = pages::rows(&reply)?.iter().filter_map(row).take(200).collect();
        let local_profiles: Vec<Map<String, Value>> = context.carriers.all().iter().map(profile).collect();
        let profiles = match local_profiles.len() {
            0 => String::new(),
            count => format!(", {count} carrier profiles of the operator"),
        };
        let summary = format!(
            "{} stored carrier credentials{profiles}. Their secrets are not shown by anyone.",
            credentials.len()
        );
        let data = Credentials { credentials, local_profiles };
        Ok(ToolResponse::new(Status::Ok, summary, data).request_id(reply.request_id))
    }
}

/// A profile by its name and its carrier.
fn profile(profile: &CarrierProfile) -> Map<String, Value> {
    let row = [("carrier", profile.name().as_str()), ("provider", profile.provider().as_str())];
    row.into_iter().map(|(name, text)| (name.to_owned(), json!(text))).collect()
}

/// Only these fields: whatever else Truedy may send, a secret among it, stays behind.
fn row(credential: &Value) -> Option<Map<String, Value>> {
    let mut row = Map::new();
    row.insert("id".to_owned(), json!(text_at(credential, "id")?));
    for (shown, field) in [("provider", "provider_type"), ("name", "friendly_name"), ("created", "created_at")] {
        if let Some(text) = text_at(credential, field) {
            row.insert(shown.to_owned(), json!(text));
        }
    }
    Some(row)
}
