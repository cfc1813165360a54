//! The organization's numbers: their list, and their release.

use std::time::Duration;

use serde_json::{Value, json};

use crate::sandbox::data::account::StoredNumber;
use crate::sandbox::endpoints::call::{EndpointCall, offset_pagination, window};
use crate::sandbox::endpoints::ids::{Kind, asked, shown, shown_or_null};
use crate::sandbox::faults::active::Faults;
use crate::sandbox::faults::catalogue::{Amount, Fault};
use crate::sandbox::response::{ApiRefusal, OperationResult};
use crate::sandbox::time;

/// How long a released number is withheld by default, if it becomes available again at all.
const AGING: Duration = Duration::from_secs(5);

/// `GET /telephony/numbers`
pub(super) fn list(call: &EndpointCall<'_>) -> Result<OperationResult, ApiRefusal> {
    let mut query = call.query();
    let (limit, offset) = window(&mut query);
    query.check()?;
    let (numbers, total) = call.account.numbers(limit, offset)?;
    let data = numbers.iter().map(|number| row(call, number)).collect();
    Ok(OperationResult::page(data, offset_pagination(total, limit, offset)))
}

fn row(call: &EndpointCall<'_>, number: &StoredNumber) -> Value {
    let faults = call.faults;
    let agent = |id: &Option<String>| shown_or_null(faults, Kind::Agent, id.as_deref());
    let inbound = agent(&number.inbound_agent_id);
    let outbound = agent(&number.outbound_agent_id);
    let legacy = if inbound.is_null() { &outbound } else { &inbound };
    let mut row = json!({
        "id": shown(faults, Kind::Number, &number.id),
        "organization_id": call.account.organization,
        "agent_id": if faults.has(Fault::ListLegacyAgentId) { legacy.clone() } else { Value::Null },
        "inbound_agent_id": inbound,
        "outbound_agent_id": outbound,
        "phone_number": number.phone_number,
        "provider_id": number.provider_id,
        "status": number.status,
        "is_trudy_managed": number.managed,
        "telephony_credential_id": shown_or_null(faults, Kind::Credential, number.credential_id.as_deref()),
        "created_at": time::with_offset(&number.created_at),
        "updated_at": time::with_offset(&number.updated_at),
    });
    if let Value::Object(row) = &mut row {
        if faults.has(Fault::ListOmitAssignmentFields) {
            row.remove("inbound_agent_id");
            row.remove("outbound_agent_id");
        }
        if faults.has(Fault::ListTruedySpelling) {
            row.remove("is_trudy_managed");
            row.insert("is_truedy_managed".to_owned(), json!(number.managed));
        }
    }
    row
}

/// Returns a number as it is shown inside an agent.
pub(super) fn reference(faults: &Faults, number: &StoredNumber) -> Value {
    json!({ "id": shown(faults, Kind::Number, &number.id), "phone_number": number.phone_number })
}

/// `DELETE /telephony/numbers/{number_id}`
pub(super) fn release(call: &EndpointCall<'_>) -> Result<OperationResult, ApiRefusal> {
    let faults = call.faults;
    let id = asked(faults, "release number", call.id)?;
    let Some(number) = call.account.number(&id)? else {
        let message = "Phone number not found";
        return Err(if faults.has(Fault::ReleaseNotFound422) {
            ApiRefusal::rule(message)
        } else {
            ApiRefusal::not_found(message)
        });
    };
    let assigned = number.inbound_agent_id.is_some() || number.outbound_agent_id.is_some();
    if assigned && faults.has(Fault::ReleaseRefuseAssigned) {
        return Err(ApiRefusal::rule("Failed to release number: the number is still assigned to an agent"));
    }
    if number.managed && faults.has(Fault::ReleaseCarrierRefuses) {
        return Err(ApiRefusal::rule(
            "Failed to release number: Telnyx API error: 422 - The phone number cannot be deleted at this time.",
        ));
    }
    call.account.remove_number(&id)?;
    // An imported number stays with the owner's carrier, so it does not change what this carrier offers.
    if number.managed {
        let back = faults
            .has(Fault::ReleaseBackToFree)
            .then(|| time::after(faults.amount(Amount::AgingMs).map_or(AGING, Duration::from_millis)));
        call.account.take_from_shelf(&number.phone_number, back.as_deref())?;
    }
    if faults.has(Fault::Release204) {
        return Ok(OperationResult::Empty);
    }
    Ok(OperationResult::with(json!({ "id": shown(faults, Kind::Number, &id), "deleted": true })))
}
