//! Which agent answers calls to a number, and which agent calls from it. The two slots are independent of each other.

use serde_json::{Value, json};

use crate::sandbox::data::account::{NumberDirection, StoredNumber};
use crate::sandbox::endpoints::agents::known;
use crate::sandbox::endpoints::call::EndpointCall;
use crate::sandbox::endpoints::ids::{Kind, asked, shown};
use crate::sandbox::faults::catalogue::Fault;
use crate::sandbox::response::{ApiRefusal, OperationResult};

/// `POST /telephony/numbers/assign`
///
/// Takes the slot from its present holder. The status of the agent and of the number does not matter.
pub(super) fn assign(call: &EndpointCall<'_>) -> Result<OperationResult, ApiRefusal> {
    let faults = call.faults;
    let mut body = call.json()?;
    let number_id = body.id("number_id");
    let agent_id = body.id("agent_id");
    let direction = body.required_text("assignment_type");
    body.check(false)?;
    let missing = |message: &str| {
        if faults.has(Fault::AssignNotFound404) { ApiRefusal::not_found(message) } else { ApiRefusal::rule(message) }
    };
    let number = number(call, "assign number", &number_id)?.ok_or_else(|| missing("Phone number not found"))?;
    let agent_id = asked(faults, "assign number", &agent_id)?;
    let agent = call.account.agent(&agent_id)?.ok_or_else(|| missing("Agent not found"))?;
    let direction = known_direction(&direction)?;
    call.account.set_slot(&number.id, direction, Some(&agent.id))?;
    if faults.has(Fault::AssignUltravoxDown) {
        return Err(voice_engine_down("assign number"));
    }
    Ok(OperationResult::with(json!({
        "number_id": shown(faults, Kind::Number, &number.id),
        "agent_id": shown(faults, Kind::Agent, &agent.id),
        "assignment_type": direction.word(),
    })))
}

/// `POST /telephony/numbers/unassign`
///
/// Clears the slot, whichever agent holds it, even if none does.
pub(super) fn unassign(call: &EndpointCall<'_>) -> Result<OperationResult, ApiRefusal> {
    let faults = call.faults;
    let mut body = call.json()?;
    if !body.has("number_id") || !body.has("assignment_type") {
        return Err(ApiRefusal::rule("number_id and assignment_type are required"));
    }
    let number_id = body.id("number_id");
    let direction = body.required_text("assignment_type");
    body.check(false)?;
    let number = number(call, "unassign number", &number_id)?.ok_or_else(|| {
        let message = "Phone number not found";
        if faults.has(Fault::UnassignNotFound404) { ApiRefusal::not_found(message) } else { ApiRefusal::rule(message) }
    })?;
    let direction = known_direction(&direction)?;
    call.account.set_slot(&number.id, direction, None)?;
    if faults.has(Fault::UnassignUltravoxDown) {
        return Err(voice_engine_down("unassign number"));
    }
    Ok(OperationResult::with(if faults.has(Fault::UnassignGeneratedShape) {
        json!({ "number": number.phone_number, "agent_id": null, "unassigned_at": call.account.now })
    } else {
        json!({
            "number_id": shown(faults, Kind::Number, &number.id),
            "assignment_type": direction.word(),
            "unassigned": true,
        })
    }))
}

/// `GET /telephony/agents/{agent_id}/numbers`
pub(super) fn agent_numbers(call: &EndpointCall<'_>) -> Result<OperationResult, ApiRefusal> {
    let agent = known(call, "get agent numbers")?;
    let held = |direction| -> rusqlite::Result<Value> {
        let numbers = call.account.numbers_of(&agent.id, direction)?;
        let rows = numbers.iter().map(|number| {
            json!({
                "id": shown(call.faults, Kind::Number, &number.id),
                "phone_number": number.phone_number,
                "status": number.status,
                "is_trudy_managed": number.managed,
            })
        });
        Ok(rows.collect())
    };
    Ok(OperationResult::with(
        json!({ "inbound": held(NumberDirection::Inbound)?, "outbound": held(NumberDirection::Outbound)? }),
    ))
}

fn number(call: &EndpointCall<'_>, action: &str, id: &str) -> Result<Option<StoredNumber>, ApiRefusal> {
    Ok(call.account.number(&asked(call.faults, action, id)?)?)
}

fn known_direction(word: &str) -> Result<NumberDirection, ApiRefusal> {
    match word {
        "inbound" => Ok(NumberDirection::Inbound),
        "outbound" => Ok(NumberDirection::Outbound),
        _ => Err(ApiRefusal::rule("assignment_type must be 'inbound' or 'outbound'")),
    }
}

/// Builds the refusal for a voice engine that fails. The database was written before, and keeps the change.
fn voice_engine_down(action: &str) -> ApiRefusal {
    ApiRefusal::rule(format!("Failed to {action}: Ultravox API error: 503 - Service Unavailable")).after_the_fact()
}
