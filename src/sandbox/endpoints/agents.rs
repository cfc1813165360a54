//! The agents to which numbers are assigned: their list, their numbers, and the URL for their carrier.

use serde_json::{Value, json};

use crate::sandbox::data::account::{NumberDirection, StoredAgent};
use crate::sandbox::endpoints::call::{EndpointCall, offset_pagination, window};
use crate::sandbox::endpoints::ids::{Kind, asked, shown, shown_or_null};
use crate::sandbox::endpoints::numbers::reference;
use crate::sandbox::faults::catalogue::Fault;
use crate::sandbox::response::{ApiRefusal, OperationResult};

/// `GET /agents/`
pub(super) fn list(call: &EndpointCall<'_>) -> Result<OperationResult, ApiRefusal> {
    let mut query = call.query();
    let (limit, offset) = window(&mut query);
    query.check()?;
    let (agents, total) = call.account.agents(query.text("status"), query.text("name"), limit, offset)?;
    let data = agents.iter().map(|agent| row(call, agent)).collect::<rusqlite::Result<_>>()?;
    Ok(OperationResult::page(data, offset_pagination(total, limit, offset)))
}

/// `GET /agents/{agent_id}`
pub(super) fn get(call: &EndpointCall<'_>) -> Result<OperationResult, ApiRefusal> {
    let agent = asked(call.faults, "get agent", call.id)?;
    let agent = call.account.agent(&agent)?;
    let agent = agent.ok_or_else(|| ApiRefusal::not_found(format!("agent not found: {}", call.id)))?;
    Ok(OperationResult::with(row(call, &agent)?))
}

/// `GET /telephony/agents/{agent_id}/webhook-url`
pub(super) fn webhook_url(call: &EndpointCall<'_>) -> Result<OperationResult, ApiRefusal> {
    let agent = known(call, "get webhook URL")?;
    let ultravox = agent.ultravox_agent_id.ok_or_else(|| ApiRefusal::rule("Agent is not synced to Ultravox yet"))?;
    Ok(OperationResult::with(json!({
        "webhook_url": format!("https://api.ultravox.ai/api/agents/{ultravox}/telephony_xml"),
        "agent_id": shown(call.faults, Kind::Agent, &agent.id),
        "ultravox_agent_id": ultravox,
    })))
}

/// Returns the agent in the path of a telephony operation. These operations have a peculiar message for an unknown
/// agent.
pub(super) fn known(call: &EndpointCall<'_>, action: &str) -> Result<StoredAgent, ApiRefusal> {
    let agent = asked(call.faults, action, call.id)?;
    call.account.agent(&agent)?.ok_or_else(|| ApiRefusal::not_found("Agent not found not found"))
}

fn row(call: &EndpointCall<'_>, agent: &StoredAgent) -> rusqlite::Result<Value> {
    let faults = call.faults;
    let inbound = call.account.numbers_of(&agent.id, NumberDirection::Inbound)?;
    let outbound = call.account.numbers_of(&agent.id, NumberDirection::Outbound)?;
    let references = |numbers: &[_]| numbers.iter().map(|number| reference(faults, number)).collect::<Value>();
    let mut row = json!({
        "id": shown(faults, Kind::Agent, &agent.id),
        "name": agent.name,
        "description": agent.description,
        "voice_id": agent.voice_id,
        "system_prompt": agent.system_prompt,
        "model": "ultravox-v0.7",
        "status": agent.status,
        "ultravox_agent_id": agent.ultravox_agent_id,
        "created_at": agent.created_at,
        "updated_at": agent.updated_at,
    });
    if let (Value::Object(row), false) = (&mut row, faults.has(Fault::AgentsOmitNumbers)) {
        row.insert("inbound_phone_numbers".to_owned(), references(&inbound));
        row.insert("outbound_phone_numbers".to_owned(), references(&outbound));
        for (direction, numbers) in [("inbound", &inbound), ("outbound", &outbound)] {
            // Each direction has one field for a number, so the last assigned number is shown.
            let current = shown_or_null(faults, Kind::Number, numbers.last().map(|number| number.id.as_str()));
            row.insert(format!("{direction}_phone_number_id"), current);
        }
    }
    Ok(row)
}
