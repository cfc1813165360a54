//! `GET /telephony/agents/{agent_id}/numbers`: what an agent answers and calls from.
//!
//! Source: <https://docs.truedy.ai/api-reference/telephony> (Get Agent Numbers); contract §6.8.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::domain::{AgentId, AgentRef, Direction, Effect, HeldNumber, OwnedNumber, Status, read_e164};
use crate::guard::Scope;
use crate::tools::account::{agent_lookup, lookup};
use crate::tools::contract::arguments::arguments;
use crate::tools::contract::context::ToolContext;
use crate::tools::contract::response::{ToolFailure, ToolResponse};
use crate::tools::contract::tool::{Read, Tool};
use crate::truedy::{ApiError, ApiReply, Error};

arguments! {
    /// Show (returns) one agent's phone numbers: which it answers (inbound) and which it calls from (outbound), fresh from Truedy.
    ///
    /// The surest check of an assignment. Without an outbound one it cannot call.
    GetAgentNumbers {
        /// The agent's exact name, "Front desk", or id.
        agent_id: AgentRef,
    }
}

/// Numbers that are shown of each direction.
const SHOWN: usize = 100;

/// The numbers of an agent.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct AgentNumbers {
    agent_id: String,
    /// The status of the agent: active, draft, creating or failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_status: Option<String>,
    inbound: Vec<Map<String, Value>>,
    outbound: Vec<Map<String, Value>>,
}

impl Tool for GetAgentNumbers {
    const NAME: &'static str = "get_agent_numbers";
    const TITLE: &'static str = "Show an agent's numbers";
    const SEARCH_HINT: &'static str = "numbers an agent answers or calls from, check assignment";
    const EFFECT: Effect = Effect::Reads;
    const SCOPE: Scope = Scope::NumbersRead;
    type Output = AgentNumbers;
}

impl GetAgentNumbers {
    /// Reads the agent, its status and its numbers. For an id, both are read at the same time.
    async fn agent(&self, context: &ToolContext) -> Result<(AgentId, Option<String>, ApiReply), ToolFailure> {
        match self.agent_id.certain_id() {
            Some(id) => {
                let found = agent_lookup::agent_and_status(context, &self.agent_id);
                let (reply, found) = tokio::join!(lookup::agent_numbers(context, &id, false), found);
                // The numbers are the answer. Without the list of agents only the status is missing.
                Ok((id, found.ok().and_then(|(_, status)| status), reply?))
            }
            None => {
                let (id, status) = agent_lookup::agent_and_status(context, &self.agent_id).await?;
                let reply = lookup::agent_numbers(context, &id, false).await?;
                Ok((id, status, reply))
            }
        }
    }
}

impl Read for GetAgentNumbers {
    async fn read(self, context: ToolContext) -> Result<ToolResponse<AgentNumbers>, ToolFailure> {
        let (agent, status, reply) = self.agent(&context).await?;
        let rows = |direction: Direction| -> Result<(Vec<Map<String, Value>>, usize), Error> {
            let rows = reply.data.get(direction.as_str()).and_then(Value::as_array);
            let rows = rows.ok_or_else(|| {
                Error::Unreadable(format!("the answer has no list of {direction} numbers"), ApiError::default())
            })?;
            let shown = rows.iter().take(SHOWN).filter_map(row);
            Ok((shown.collect(), rows.len()))
        };
        let ((inbound, answered), (outbound, called)) = (rows(Direction::Inbound)?, rows(Direction::Outbound)?);
        let calls = if called == 0 {
            " It cannot make calls: assign_number one for outbound first.".to_owned()
        } else {
            String::new()
        };
        let answers = if answered == 0 { " It answers no number." } else { "" };
        let whole = (inbound.len(), outbound.len()) == (answered, called);
        let unread = inbound.len() < answered.min(SHOWN) || outbound.len() < called.min(SHOWN);
        let cut = match (inbound.len(), outbound.len()) {
            _ if whole => String::new(),
            (inbound, outbound) => {
                format!(" Shown are {inbound} and {outbound} of them; list_numbers has all.")
            }
        };
        let summary = if unread {
            // Nothing can be counted that cannot be read.
            format!("Part of the agent's list could not be read: it has more numbers than are shown.{answers}{calls}")
        } else {
            format!("The agent has {answered} inbound and {called} outbound numbers.{answers}{calls}{cut}")
        };
        let carries = match status.as_deref() {
            None | Some("active") => "",
            Some(_) => " It is not active, and only an active agent carries calls.",
        };
        let arguments = json!({ "agent_id": agent.as_str() });
        let agent_id = agent.as_str().to_owned();
        let data = AgentNumbers { agent_id, agent_status: status, inbound, outbound };
        let answer = ToolResponse::new(Status::Ok, summary + carries, data).request_id(reply.request_id);
        Ok(if whole { answer } else { answer.next("list_numbers", arguments) })
    }
}

/// An entry: a whole row, or what it names in any other form.
fn row(entry: &Value) -> Option<Map<String, Value>> {
    let mut row = Map::new();
    let Some(number) = OwnedNumber::read(entry) else {
        let held = HeldNumber::read(entry);
        let name = held.shown()?;
        let number = read_e164(name);
        row.insert(if number.is_some() { "number" } else { "id" }.to_owned(), json!(number.as_deref().unwrap_or(name)));
        return Some(row);
    };
    row.insert("id".to_owned(), json!(number.id));
    row.insert("number".to_owned(), json!(number.number));
    row.insert("status".to_owned(), json!(number.status));
    row.insert("kind".to_owned(), json!(number.kind()));
    Some(row)
}
