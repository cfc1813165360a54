//! `POST /calls`: queues a call that is never dialled.

use http::HeaderName;
use http::header::{AUTHORIZATION, HOST, USER_AGENT};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::sandbox::data::account::NumberDirection;
use crate::sandbox::data::seed;
use crate::sandbox::endpoints::call::EndpointCall;
use crate::sandbox::endpoints::ids::{self, Kind, asked, shown};
use crate::sandbox::faults::catalogue::Fault;
use crate::sandbox::response::{ApiRefusal, OperationResult};
use crate::sandbox::time;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("x-idempotency-key");

/// How many days a response is repeated for the same key.
const REPLAY_DAYS: i64 = 7;

pub(super) fn create(call: &EndpointCall<'_>) -> Result<OperationResult, ApiRefusal> {
    let (account, faults) = (&call.account, call.faults);
    let mut body = call.json()?;
    let agent_id = body.id("agent_id");
    let to = body.phone("phone_number");
    let from = body.phone_or_none("from_number");
    body.object_or_none("variables");
    body.object_or_none("call_settings");
    body.check(false)?;

    // An empty key counts as no key.
    let key = call.parts.headers.get(IDEMPOTENCY_KEY).filter(|key| !key.is_empty());
    let key = key.map(|key| String::from_utf8_lossy(key.as_bytes()).into_owned());
    let request = key.as_ref().map(|_| fingerprint(call)).unwrap_or_default();
    if let Some(key) = &key
        && let Some(kept) = account.replay(key, &request, &time::days_ago(REPLAY_DAYS))?
        && let Ok(data) = serde_json::from_str(&kept)
    {
        // A replay has status 201, although the first response had 200.
        return Ok(OperationResult::Data { status: 201, data, pagination: None });
    }

    let agent = account.agent(&asked(faults, "create call", &agent_id)?)?;
    let agent = agent.ok_or_else(|| ApiRefusal::not_found(format!("agent not found: {agent_id}")))?;
    if agent.status != "active" {
        return Err(ApiRefusal::rule(format!("Agent is not active (status: {})", agent.status)));
    }
    let from = caller_id(call, &agent.id, from)?;
    let id = ids::fresh();
    account.add_call(&id, &agent.id, &to, &from)?;
    let mut data = json!({
        "id": shown(faults, Kind::Call, &id),
        "agent_id": shown(faults, Kind::Agent, &agent.id),
        "direction": "outbound",
        "status": "queued",
        "from_number": from,
        "created_at": account.now,
    });
    if let Value::Object(data) = &mut data {
        let destination = if faults.has(Fault::CallsOlderShape) { "to_number" } else { "phone_number" };
        data.insert(destination.to_owned(), json!(to));
    }
    if let Some(key) = &key {
        account.keep_replay(key, &request, &data.to_string())?;
    }
    Ok(OperationResult::made(data, faults))
}

/// Returns the number from which an agent calls: the wanted one, or else the one that was assigned to it first.
fn caller_id(call: &EndpointCall<'_>, agent: &str, wanted: Option<String>) -> Result<String, ApiRefusal> {
    let held = call.account.numbers_of(agent, NumberDirection::Outbound)?;
    if let Some(wanted) = wanted {
        let is_held = held.iter().any(|number| number.phone_number == wanted);
        let refusal = || ApiRefusal::rule("from_number is not assigned to this agent for outbound calls");
        return is_held.then_some(wanted).ok_or_else(refusal);
    }
    let oldest = held.into_iter().next();
    oldest.map(|oldest| oldest.phone_number).ok_or_else(|| {
        let status = if call.faults.has(Fault::CallsNoNumber400) { 400 } else { 422 };
        let message = "No outbound phone number is assigned to this agent";
        ApiRefusal::new(status, "no_phone_number_configured", message)
    })
}

/// Returns a digest of what makes two requests the same: method, path, query, body, and nearly every header.
fn fingerprint(call: &EndpointCall<'_>) -> String {
    let ignored = [
        IDEMPOTENCY_KEY,
        AUTHORIZATION,
        USER_AGENT,
        HOST,
        HeaderName::from_static("x-request-id"),
        HeaderName::from_static("x-forwarded-for"),
    ];
    let mut headers: Vec<(&str, &[u8])> = call
        .parts
        .headers
        .iter()
        .filter(|(name, _)| !ignored.contains(name))
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    headers.sort_unstable();
    let mut hash = Sha256::new();
    hash.update(format!("{} {}\n", call.parts.method, call.parts.uri));
    for (name, value) in headers {
        hash.update(name);
        hash.update(b"\0");
        hash.update(value);
        hash.update(b"\n");
    }
    hash.update(b"\n");
    hash.update(call.body);
    seed::hexadecimal(&hash.finalize())
}
