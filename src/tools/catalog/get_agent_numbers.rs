//! `GET /telephony/agents/{agent_id}/numbers`: what an agent answers and calls from.
//!
//! Source: <https://docs.truedy.ai/api-reference/telephony> (Get Agent Numbers); contract §6.8.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::domain::{AgentRef, Direction, Effect, HeldNumber, OwnedNumber, Status, read_e164};
use crate::guard::Scope;
use crate::tools::account::{agent_lookup, lookup};
use crate::tools::contract::arguments::arguments;
use crate::tools::contract::context::ToolContext;
use crate::tools::contract::response::{ToolFailure, ToolResponse};
use crate::tools::contract::tool::{Read, Tool};
use crate::truedy::{ApiError, Error};

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
    inbound: Vec<Map<String, Value>>,
    outbound: Vec<Map<String, Value>>,
}

impl Tool for GetAgentNumbers {
    const NAME: &'static str = "get_agent_numbers";
    const TITLE: &'static str = "Show an agent's numbers";
    const EFFECT: Effect = Effect::Reads;
    const SCOPE: Scope = Scope::NumbersRead;
    type Output = AgentNumbers;
}

impl Read for GetAgentNumbers {
    async fn read(self, context: ToolContext) -> Result<ToolResponse<AgentNumbers>, ToolFailure> {
        let agent = agent_lookup::agent(&context, &self.agent_id).await?;
        let reply = lookup::agent_numbers(&context, &agent, false).await?;
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
        let arguments = json!({ "agent_id": agent.as_str() });
        let data = AgentNumbers { agent_id: agent.as_str().to_owned(), inbound, outbound };
        let answer = ToolResponse::new(Status::Ok, summary, data).request_id(reply.request_id);
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
