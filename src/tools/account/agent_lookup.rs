//! Finds agents by id or name, and suggests the nearest names if none matches.

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::domain::{Agent, AgentId, AgentRef, Direction, OwnedNumber, Refusal, Status, name_key, unlikeness};
use crate::tools::account::agents::{agents_called, try_recent_roster, try_roster};
use crate::tools::account::lookup::{CANDIDATES, unread};
use crate::tools::account::pages::ListResult;
use crate::tools::account::roster::Roster;
use crate::tools::contract::context::ToolContext;
use crate::tools::contract::response::ToolFailure;
use crate::truedy::{ApiError, Error};

/// Returns the id of the agent that the caller named. Reads the list of agents unless the text is certainly an id.
///
/// If there are many agents, Truedy's filter by name is asked first.
pub(crate) async fn agent(context: &ToolContext, named: &AgentRef) -> Result<AgentId, ToolFailure> {
    if let Some(id) = named.certain_id() {
        return Ok(id);
    }
    if context.account.agents().is_some()
        && let Some((id, _)) = by_filter(context, named).await?
    {
        return Ok(id);
    }
    match try_roster(context).await {
        Ok(roster) => agent_of(named, Ok(&roster)),
        Err(error) => agent_of(named, Err(&error)),
    }
}

/// Returns the id of the agent that the caller named, and its status. The status is `None` if the agents cannot be read.
pub(crate) async fn agent_and_status(
    context: &ToolContext,
    named: &AgentRef,
) -> Result<(AgentId, Option<String>), ToolFailure> {
    let status = |agents: &[Agent], id: &AgentId| {
        agents.iter().find(|agent| agent.id == id.as_str()).map(|agent| agent.status.clone())
    };
    if named.certain_id().is_none()
        && context.account.agents().is_some()
        && let Some((id, rows)) = by_filter(context, named).await?
    {
        let status = status(&rows, &id);
        return Ok((id, status));
    }
    let roster = match named.certain_id() {
        Some(_) => try_recent_roster(context).await,
        None => try_roster(context).await,
    };
    let id = agent_of(named, roster.as_ref())?;
    let status = roster.ok().and_then(|roster| status(&roster.agents()?.rows, &id));
    Ok((id, status))
}

/// Returns the agent that the caller named. `roster` was read at or after `begun`, or else Truedy is asked again.
pub(crate) async fn agent_beside(
    context: &ToolContext,
    named: &AgentRef,
    roster: &Roster,
    begun: Instant,
) -> Result<AgentId, ToolFailure> {
    if roster.is_since(begun) { agent_of(named, Ok(roster)) } else { agent(context, named).await }
}

/// Finds the agent with Truedy's filter. `None` if the filter does not tell, or if no agent has exactly this name.
async fn by_filter(context: &ToolContext, named: &AgentRef) -> Result<Option<(AgentId, Vec<Agent>)>, ToolFailure> {
    let Some(rows) = agents_called(context, named.as_str().trim()).await? else { return Ok(None) };
    if !rows.iter().any(|agent| agent.is_called(named.as_str().trim())) {
        return Ok(None);
    }
    let found = ListResult { rows, complete: true, unreadable: false };
    Ok(Some((agent_among(named, Ok(&found))?, found.rows)))
}

/// Picks the agent that the caller named from the roster, or from what reading it gave.
pub(crate) fn agent_of(named: &AgentRef, roster: Result<&Roster, &Error>) -> Result<AgentId, ToolFailure> {
    let nothing = || Error::Unreadable("the list of agents could not be read".to_owned(), ApiError::default());
    let listed = roster.map_err(Clone::clone).and_then(|roster| roster.agents().ok_or_else(nothing));
    agent_among(named, listed)
}

/// Picks the agent that the caller named from the listed ones.
pub(crate) fn agent_among(named: &AgentRef, listed: Result<&ListResult<Agent>, Error>) -> Result<AgentId, ToolFailure> {
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
    // The number itself was read just now.
    if let Some(seconds) = roster.seconds_ago() {
        facts.insert("agents_read_seconds_ago".to_owned(), json!(seconds));
    }
    facts
}
