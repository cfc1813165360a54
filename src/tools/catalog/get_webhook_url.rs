//! `GET /telephony/agents/{agent_id}/webhook-url`: what to set at an own carrier.
//!
//! Source: <https://docs.truedy.ai/api-reference/telephony> (Get Webhook URL); contract §6.9.

use schemars::JsonSchema;
use serde::Serialize;
use url::Url;

use crate::domain::{AgentId, AgentRef, Effect, Refusal, Status};
use crate::guard::Scope;
use crate::tools::account::agent_lookup;
use crate::tools::changes::verify::said;
use crate::tools::contract::arguments::arguments;
use crate::tools::contract::context::ToolContext;
use crate::tools::contract::response::{ToolFailure, ToolResponse};
use crate::tools::contract::tool::{Read, Tool};
use crate::truedy::{ApiError, Error, Request};

arguments! {
    /// Get the webhook URL of an agent, to set at an own carrier (BYOC: Twilio, Telnyx, SIP) so that it sends its calls to the agent.
    ///
    /// Returns it and where to paste it. A draft agent has none.
    GetWebhookUrl {
        /// The agent's exact name, "Front desk", or id.
        agent_id: AgentRef,
    }
}

/// The URL and where it goes.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Webhook {
    agent_id: String,
    webhook_url: String,
    twilio: &'static str,
    telnyx: &'static str,
    custom_sip: &'static str,
    /// Truedy gave a URL on a host that is not known to be its voice engine's.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unexpected_host: bool,
}

impl Tool for GetWebhookUrl {
    const NAME: &'static str = "get_webhook_url";
    const TITLE: &'static str = "Get an agent's webhook URL";
    const SEARCH_HINT: &'static str = "callback URL to paste at Twilio, Telnyx or the carrier console";
    const EFFECT: Effect = Effect::Reads;
    const SCOPE: Scope = Scope::NumbersRead;
    type Output = Webhook;
}

impl Read for GetWebhookUrl {
    async fn read(self, context: ToolContext) -> Result<ToolResponse<Webhook>, ToolFailure> {
        let agent = agent_lookup::agent(&context, &self.agent_id).await?;
        let (hook, request_id) = match hook(&context, &agent).await {
            Ok(read) => read,
            Err(error) if is_not_synced(&error) => return Err(not_synced(&error).into()),
            Err(error) => return Err(error.into()),
        };
        let data = Webhook {
            agent_id: agent.as_str().to_owned(),
            webhook_url: hook.url.to_string(),
            twilio: "Phone Numbers > the number > Voice > A call comes in: Webhook, this URL, HTTP POST.",
            telnyx: "Voice > the number's connection. Truedy's guide speaks of a SIP connection for Telnyx; where the connection is a TeXML application, this URL is its voice URL.",
            custom_sip: "The trunk's or PBX's inbound route: the URL to fetch call instructions from, where it can; otherwise ask Truedy's support for its SIP address.",
            unexpected_host: hook.unexpected_host,
        };
        let mut answer = ToolResponse::new(
            Status::Ok,
            "The agent's webhook URL, and where to paste it. Set it at the carrier last, after import and assignment.",
            data,
        )
        .request_id(request_id);
        if hook.unexpected_host {
            answer.warn(UNEXPECTED_HOST);
        }
        Ok(answer)
    }
}

/// What an own carrier is to be pointed at.
#[derive(Debug, Clone)]
pub(crate) struct Hook {
    pub(crate) url: Url,
    /// It is on a host that is not known to be the voice engine's.
    pub(crate) unexpected_host: bool,
}

/// What is said of such a host.
pub(crate) const UNEXPECTED_HOST: &str =
    "The URL is on a host that is not known to be Truedy's voice engine. Check with Truedy before using it.";

/// Asks for the webhook URL of an agent; with it Truedy's id of the exchange.
pub(crate) async fn hook(context: &ToolContext, agent: &AgentId) -> Result<(Hook, Option<String>), Error> {
    let request = Request::get(["telephony", "agents", agent.as_str(), "webhook-url"]);
    let reply = context.truedy.send(request, &context.call).await?;
    let unreadable = || Error::Unreadable("the answer has no https webhook URL".to_owned(), ApiError::default());
    // The whole text, not a shortened one: it is to be pasted.
    let text = reply.data.get("webhook_url").and_then(serde_json::Value::as_str).ok_or_else(unreadable)?;
    let url = Url::parse(text)
        .ok()
        .filter(|url| url.scheme() == "https" && url.username().is_empty() && url.as_str().len() <= 500)
        .ok_or_else(unreadable)?;
    let host = url.host_str().unwrap_or_default();
    let unexpected_host = !["ultravox.ai", "truedy.ai"]
        .iter()
        .any(|known| host == *known || host.strip_suffix(known).is_some_and(|rest| rest.ends_with('.')));
    Ok((Hook { url, unexpected_host }, reply.request_id))
}

/// Whether an agent has no URL because the voice engine does not know it yet (contract §6.9).
pub(crate) fn is_not_synced(error: &Error) -> bool {
    matches!(error, Error::Refused(api_error) if api_error.mentions(&["not synced"]))
}

fn not_synced(error: &Error) -> Refusal {
    let summary = "The agent has no webhook URL: it is not synced to the voice engine yet, as drafts are not. Finish and activate it in Truedy's dashboard, or take another agent from list_agents.".to_owned();
    said(Refusal::new(Status::NotSynced, summary), error)
}
