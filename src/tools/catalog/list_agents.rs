//! `GET /agents`: the agents numbers can be given to.
//!
//! Source: contract §7.1.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::domain::{Agent, AgentRef, Direction, Effect, HeldNumber, Limit, Offset, Status, StatusName};
use crate::guard::Scope;
use crate::tools::account::agents::{agents, agents_page};
use crate::tools::contract::arguments::arguments;
use crate::tools::contract::context::ToolContext;
use crate::tools::contract::response::{ToolFailure, ToolResponse};
use crate::tools::contract::tool::{Read, Tool};

arguments! {
    /// List the voice agents (assistants, bots) with status and numbers. Look one up by its name, or part of it.
    /// Only active agents take calls.
    ListAgents {
        /// Only names that contain this, "desk".
        name: Option<AgentRef>,
        /// Only this status: active, draft, creating or failed.
        status: Option<StatusName>,
        /// Default 50.
        limit: Option<Limit>,
        /// 0 to 1000000, from next_offset.
        offset: Option<Offset>,
    }
}

/// Numbers of each direction of an agent that are shown at most.
const SHOWN: usize = 100;

/// A page of agents.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Agents {
    agents: Vec<Map<String, Value>>,
    /// How many there are in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    /// The offset of the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<u64>,
}

impl Tool for ListAgents {
    const NAME: &'static str = "list_agents";
    const TITLE: &'static str = "List agents";
    const SEARCH_HINT: &'static str = "find bots, voice assistants by name; agent status";
    const EFFECT: Effect = Effect::Reads;
    const SCOPE: Scope = Scope::NumbersRead;
    type Output = Agents;
}

impl Read for ListAgents {
    async fn read(self, context: ToolContext) -> Result<ToolResponse<Agents>, ToolFailure> {
        let (limit, offset) = (self.limit.unwrap_or_default(), self.offset.unwrap_or_default());
        let filters = [
            ("name", self.name.as_ref().map(ToString::to_string)),
            ("status", self.status.as_ref().map(ToString::to_string)),
        ];
        let given: Vec<_> = filters.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
        let reply = agents_page(&context, limit.index(), offset.index(), &given).await?;
        let (shown, partly) = (reply.data.shown, reply.data.is_partly_read());
        // Truedy compares names with all that cannot be seen in them, which a name that is shown does not have.
        if shown == 0 && self.name.as_ref().is_some_and(|name| !name.as_str().is_ascii()) {
            return self.read_all(&context).await;
        }
        // An older API ignores the filters and returns everything: filtering again costs nothing.
        let read = reply.data.read;
        let agents: Vec<Map<String, Value>> =
            read.iter().filter(|agent| self.fits(agent)).take(limit.index()).map(row).collect();
        let told = |field: &str| reply.pagination.as_ref().and_then(|pagination| pagination.get(field)).cloned();
        // From a part of a list no total follows, and no absence.
        let offset_kept = told("offset").as_ref().and_then(Value::as_u64).is_none_or(|at| at == offset.index() as u64);
        let more = told("has_more").as_ref().and_then(Value::as_bool).unwrap_or(false);
        let total = told("total").as_ref().and_then(Value::as_u64);
        // Only the total says that there are more: the answer contradicts itself.
        let at_the_end = shown > 0 || offset.index() == 0;
        let read_to = (offset.index() + shown) as u64;
        let contradicted = !more && at_the_end && total.is_some_and(|total| total > read_to);
        let unread = partly || !offset_kept || contradicted;
        // A total of agents that do not fit is no total of what was asked for.
        let total = total.filter(|_| !unread && read.iter().all(|agent| self.fits(agent)));
        let next_offset = more.then_some((offset.index() + shown) as u64);
        let of = total.map(|total| format!(" of {total}")).unwrap_or_default();
        let summary = if agents.is_empty() && (more || unread) {
            "No agents fit in the part of the list that was read.".to_owned()
        } else if agents.is_empty() {
            "No agents fit.".to_owned()
        } else {
            format!("{}{of} agents. An agent without an outbound number cannot make calls.", agents.len())
        };
        let mut answer = ToolResponse::new(Status::Ok, summary, Agents { agents, total, next_offset });
        if unread {
            answer.warn("There may be more agents: part of Truedy's list could not be read.");
        }
        Ok(answer.request_id(reply.request_id))
    }
}

impl ListAgents {
    /// Answers from the whole list of agents.
    async fn read_all(&self, context: &ToolContext) -> Result<ToolResponse<Agents>, ToolFailure> {
        let (limit, offset) = (self.limit.unwrap_or_default().index(), self.offset.unwrap_or_default().index());
        let listing = agents(context).await?;
        let fitting: Vec<&Agent> = listing.rows.iter().filter(|agent| self.fits(agent)).collect();
        let agents: Vec<Map<String, Value>> = fitting.iter().skip(offset).take(limit).map(|agent| row(agent)).collect();
        let read_to = offset + agents.len();
        let next_offset = (read_to < fitting.len()).then_some(read_to as u64);
        let summary = match (agents.len(), listing.complete) {
            (0, true) => "No agents fit.".to_owned(),
            (0, false) => "No agents fit in the part of the list that was read.".to_owned(),
            (shown, _) => format!("{shown} agents. An agent without an outbound number cannot make calls."),
        };
        let total = listing.complete.then_some(fitting.len() as u64);
        let mut answer = ToolResponse::new(Status::Ok, summary, Agents { agents, total, next_offset });
        if !listing.complete {
            answer.warn("There may be more agents: part of Truedy's list could not be read.");
        }
        Ok(answer)
    }

    /// Whether it is among those that are asked for.
    fn fits(&self, agent: &Agent) -> bool {
        self.name.as_ref().is_none_or(|name| agent.name_has(name.as_str()))
            && self.status.as_ref().is_none_or(|status| agent.status == status.as_str())
    }
}

fn row(agent: &Agent) -> Map<String, Value> {
    let mut row = Map::new();
    row.insert("id".to_owned(), json!(agent.id));
    row.insert("name".to_owned(), json!(agent.name));
    row.insert("status".to_owned(), json!(agent.status));
    for direction in Direction::BOTH {
        // One entry that names nothing leaves the whole direction unknown.
        let numbers = agent
            .held(direction)
            .and_then(|held| held.iter().take(SHOWN).map(HeldNumber::shown).collect::<Option<Vec<_>>>());
        row.insert(direction.as_str().to_owned(), numbers.map_or_else(|| json!("unknown"), |numbers| json!(numbers)));
    }
    row
}
