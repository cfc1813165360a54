//! Imports numbers of the owner's own carrier with credentials, and lists the credentials without their secrets.

use serde_json::json;

use crate::sandbox::data::account::NewNumber;
use crate::sandbox::endpoints::call::EndpointCall;
use crate::sandbox::endpoints::ids::{self, Kind, shown};
use crate::sandbox::faults::catalogue::Fault;
use crate::sandbox::response::{ApiRefusal, OperationResult};
use crate::sandbox::time;

/// `POST /telephony/numbers/import`
///
/// The secrets are checked, but never stored, and never tried at the carrier.
pub(super) fn import(call: &EndpointCall<'_>) -> Result<OperationResult, ApiRefusal> {
    let (account, faults) = (&call.account, call.faults);
    let mut body = call.json()?;
    let number = body.phone("phone_number");
    let provider = body.choice("provider_type", &["telnyx", "twilio", "custom_sip"]);
    let name = body.text("friendly_name");
    let [api_key, account_sid, _, sip_username, sip_password, sip_server] =
        ["api_key", "account_sid", "auth_token", "sip_username", "sip_password", "sip_server"]
            .map(|field| body.text(field).filter(|text| !text.is_empty()));
    body.check(faults.has(Fault::ImportEchoBody))?;

    let unconfigured = faults.has(Fault::ProviderNotConfigured) || !account.provider_configured()?;
    if unconfigured && faults.has(Fault::ImportNeedsProvider) {
        return Err(ApiRefusal::rule("Failed to import number: Provider is not configured"));
    }
    if provider == "custom_sip" {
        if sip_username.is_none() || sip_password.is_none() || sip_server.is_none() {
            return Err(ApiRefusal::rule("SIP username, password, and server are required for custom_sip"));
        }
    } else if api_key.is_none() {
        return Err(ApiRefusal::rule(format!("API key is required for {provider}")));
    } else if provider == "twilio" && account_sid.is_none() && !faults.has(Fault::ImportAccountSidOptional) {
        return Err(ApiRefusal::rule("Account SID is required for Twilio"));
    }
    if faults.has(Fault::ImportRejectBadCredentials) {
        return Err(ApiRefusal::rule(format!("Failed to import number: {provider} refused the credentials: 401")));
    }

    // The credential is stored first and stays if a later step fails, because Truedy uses no transaction here.
    let credential = ids::fresh();
    account.add_credential(&credential, &provider, name.as_deref())?;
    if provider == "custom_sip" && faults.has(Fault::ImportSipRefused) {
        let message = "Failed to import number: Ultravox API error: 400 - SIP registration was refused";
        return Err(ApiRefusal::rule(message).after_the_fact());
    }
    let id = ids::fresh();
    let new = NewNumber {
        id: &id,
        phone_number: &number,
        provider_id: None,
        credential_id: Some(&credential),
        status: "active",
        settles: None,
    };
    if faults.has(Fault::ImportDuplicateForeign) || !account.add_number(&new)? {
        return Err(duplicate_number(&number).after_the_fact());
    }
    let data = json!({
        "number_id": shown(faults, Kind::Number, &id),
        "credential_id": shown(faults, Kind::Credential, &credential),
        "phone_number": number,
    });
    Ok(OperationResult::made(data, faults))
}

/// The refusal of a number that somebody has already. It repeats the error of Truedy's database.
fn duplicate_number(number: &str) -> ApiRefusal {
    ApiRefusal::rule(format!(
        "Failed to import number: {{'code': '23505', 'details': 'Key (phone_number)=({number}) already exists.', \
         'hint': None, 'message': 'duplicate key value violates unique constraint \
         \"phone_numbers_phone_number_key\"'}}"
    ))
}

/// `GET /telephony/credentials`
pub(super) fn credentials(call: &EndpointCall<'_>) -> Result<OperationResult, ApiRefusal> {
    let credentials = call.account.credentials()?;
    let rows = credentials.iter().map(|credential| {
        json!({
            "id": shown(call.faults, Kind::Credential, &credential.id),
            "organization_id": call.account.organization,
            "provider_type": credential.provider_type,
            "friendly_name": credential.friendly_name,
            "created_at": time::with_offset(&credential.created_at),
            "updated_at": time::with_offset(&credential.updated_at),
        })
    });
    Ok(OperationResult::with(rows.collect()))
}
