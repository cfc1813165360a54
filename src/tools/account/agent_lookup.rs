//! Finds agents by id or name, and suggests the nearest names if none matches.

use serde_json::{Map, Value, json};

use crate::domain::{Agent, AgentId, AgentRef, Direction, OwnedNumber, Refusal, Status, name_key, unlikeness};
use crate::tools::account::lookup::{CANDIDATES, agents, unread};
use crate::tools::account::pages::ListResult;
use crate::tools::account::roster::Roster;
use crate::tools::contract::context::ToolContext;
use crate::tools::contract::response::ToolFailure;
use crate::truedy::{ApiError, Error};

/// Returns the id of the agent that the caller named. Reads the list of agents unless the text is certainly an id.
pub(crate) async fn agent(context: &ToolContext, named: &AgentRef) -> Result<AgentId, ToolFailure> {
    if let Some(id) = named.certain_id() {
        return Ok(id);
    }
    agent_among(named, agents(context).await)
}

/// Picks the agent that the caller named from the listed ones.
pub(crate) fn agent_among(named: &AgentRef, listed: Result<ListResult<Agent>, Error>) -> Result<AgentId, ToolFailure> {
    if let Some(id) = named.certain_id() {
        return Ok(id);
    }
    let name = named.as_str().trim();
    let ListResult { rows: agents, complete, .. } = match (listed, AgentId::try_from(name)) {
        (Ok(listing), _) => listing,
        // If the key may not read agents, a text that may be an id is used as one.
        (Err(Error::Refused(api_error)), Ok(id)) if api_error.status == 403 => return Ok(id),
        (Err(error), _) => return Err(error.into()),
    };
    let wanted = name_key(name);
    let fitting: Vec<&Agent> = match agents.iter().find(|agent| agent.id == name) {
        Some(agent) => vec![agent],
        None => agents.iter().filter(|agent| agent.is_called(name)).collect(),
    };
    if let [agent] = fitting.as_slice() {
        return AgentId::try_from(agent.id.as_str()).map_err(|_| {
            Error::Unreadable("the agent's id is none that can be used".to_owned(), ApiError::default()).into()
        });
    }
    let several = !fitting.is_empty();
    let mut near: Vec<&Agent> = if several { fitting } else { agents.iter().collect() };
    near.sort_by_cached_key(|agent| unlikeness(&wanted, agent.key()));
    let candidates: Vec<Value> = near
        .iter()
        .take(CANDIDATES)
        .map(|agent| json!({ "id": agent.id, "name": agent.name, "status": agent.status }))
        .collect();
    let refusal = if several {
        Refusal::new(
            Status::Ambiguous,
            "Nothing was done. Several agents have this name; call again with the id of the one that is meant, from candidates.",
        )
    } else if !complete {
        unread("No agent of this name or id could be found in the part of the list of agents that could be read.")
            .with("next", json!({ "tool": "list_agents", "arguments": {} }))
    } else {
        Refusal::new(
            Status::NotFound,
            format!("Nothing was done. No agent has this name or id. {}", shown_agents(agents.len())),
        )
        .with("next", json!({ "tool": "list_agents", "arguments": {} }))
    };
    Err(refusal.with("candidates", candidates).into())
}

/// Returns a sentence that says where the caller finds the agents of the account.
pub(crate) fn shown_agents(count: usize) -> String {
    match count {
        0 => "There are no agents yet.".to_owned(),
        1 => "The 1 agent of the account is in candidates.".to_owned(),
        2..=CANDIDATES => format!("The {count} agents of the account are in candidates, the nearest first."),
        _ => format!("The nearest of {count} agents are in candidates; list_agents shows them all."),
    }
}

/// Returns the facts about a number and its holders, in the form that every response uses.
pub(crate) fn facts(number: &OwnedNumber, roster: &Roster) -> Map<String, Value> {
    let mut facts = Map::new();
    facts.insert("id".to_owned(), json!(number.id));
    facts.insert("number".to_owned(), json!(number.name()));
    if number.name() != number.number {
        facts.insert("number_text".to_owned(), json!(number.number));
    }
    facts.insert("number_status".to_owned(), json!(number.status));
    facts.insert("kind".to_owned(), json!(number.kind()));
    for direction in Direction::BOTH {
        facts.insert(direction.as_str().to_owned(), json!(roster.slot(number.slot(direction))));
    }
    facts
}
