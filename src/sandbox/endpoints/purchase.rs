//! `POST /telephony/numbers/purchase`: the only operation that spends money.
//! Its faults leave the buyer in doubt about the outcome in many ways.

use std::time::Duration;

use serde_json::{Value, json};

use crate::sandbox::data::account::NewNumber;
use crate::sandbox::data::inventory::{self, Magic};
use crate::sandbox::endpoints::call::EndpointCall;
use crate::sandbox::endpoints::ids::{self, Kind, shown};
use crate::sandbox::endpoints::search::carrier;
use crate::sandbox::faults::active::Faults;
use crate::sandbox::faults::catalogue::{Amount, Fault};
use crate::sandbox::response::{ApiRefusal, OperationResult};
use crate::sandbox::time;

/// How long an order takes by default.
const PENDING: Duration = Duration::from_secs(2);

pub(super) fn purchase(call: &EndpointCall<'_>) -> Result<OperationResult, ApiRefusal> {
    let (account, faults) = (&call.account, call.faults);
    let mut body = call.json()?;
    let number = body.phone("phone_number");
    let key = body.text("api_key");
    body.check(false)?;
    carrier(call, "purchase number", key.as_deref())?;

    let unavailable = "The requested phone number is no longer available.";
    let unavailable = || ApiRefusal::rule(format!("Failed to purchase number: Telnyx API error: 422 - {unavailable}"));
    let magic = Magic::of(&number);
    let area = inventory::area_of(&number).ok_or_else(unavailable)?;
    if magic == Some(Magic::Taken) || faults.has(Fault::PurchaseUnavailable) || account.is_gone(&number)? {
        return Err(unavailable());
    }

    account.take_from_shelf(&number, None)?;
    let lost =
        || ApiRefusal::rule("Failed to purchase number: Telnyx API request failed: ReadTimeout").after_the_fact();
    if faults.has(Fault::PurchaseChargedThen422) {
        return Err(lost());
    }
    let (id, order) = (ids::fresh(), ids::fresh());
    let regulatory = faults.has(Fault::PurchaseRegulatoryPending);
    let delay = faults.amount(Amount::PendingMs).map_or(PENDING, Duration::from_millis);
    let settles_at = time::after(delay);
    let (status, later) = statuses(faults);
    account.add_number(&NewNumber {
        id: &id,
        phone_number: &number,
        provider_id: Some(&order),
        credential_id: None,
        status,
        settles: later.map(|later| (settles_at.as_str(), later)),
    })?;

    if magic == Some(Magic::BoughtThenError) || faults.has(Fault::Purchase500AfterCommit) {
        return Err(ApiRefusal::proxy().after_the_fact());
    }
    if magic == Some(Magic::BoughtThenSilence) || faults.has(Fault::PurchaseTimeoutAfterCommit) {
        return Ok(OperationResult::Silence);
    }
    if faults.has(Fault::PurchaseCommitThen422) {
        return Err(lost());
    }
    let id = shown(faults, Kind::Number, &id);
    let data = if faults.has(Fault::PurchaseNumberBody) {
        let at = time::with_offset(account.now);
        json!({
            "id": id, "phone_number": number, "provider_id": order, "status": status, "is_trudy_managed": true,
            "organization_id": account.organization, "created_at": at, "updated_at": at,
        })
    } else {
        let order = carrier_order(&order, &number, area, !regulatory, account.now);
        json!({ "number_id": id, "phone_number": number, "purchase_response": { "data": order } })
    };
    Ok(OperationResult::made(data, faults))
}

/// Returns the status of a number that was just bought, and the status that it gets later, if it changes.
fn statuses(faults: &Faults) -> (&'static str, Option<&'static str>) {
    if faults.has(Fault::PurchaseRegulatoryPending) || faults.has(Fault::PendingStuck) {
        ("pending", None)
    } else if faults.has(Fault::PendingInstant) {
        ("active", None)
    } else if faults.has(Fault::PendingFails) {
        ("pending", Some("inactive"))
    } else {
        ("pending", Some("active"))
    }
}

fn carrier_order(id: &str, number: &str, area: &crate::sandbox::data::areas::Area, met: bool, now: &str) -> Value {
    let requirements = if met {
        json!([])
    } else {
        json!([{ "record_type": "phone_number_regulatory_requirement", "field_type": "address", "status": "missing" }])
    };
    let at = time::with_offset(now);
    json!({
        "id": id,
        "record_type": "number_order",
        "status": "pending",
        "phone_numbers_count": 1,
        "phone_numbers": [{
            "id": ids::fresh(),
            "record_type": "number_order_phone_number",
            "phone_number": number,
            "country_code": area.country,
            "phone_number_type": area.kind,
            "status": "pending",
            "requirements_met": met,
            "regulatory_requirements": requirements,
        }],
        "connection_id": null,
        "messaging_profile_id": null,
        "billing_group_id": null,
        "customer_reference": null,
        "requirements_met": met,
        "created_at": at,
        "updated_at": at,
    })
}
