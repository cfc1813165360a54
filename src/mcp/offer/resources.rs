//! Resources: texts and data that a person may attach to a conversation. Tools never depend on them.
//!
//! Reading data of the account works like a tool call. It is offered to each caller who is offered that tool.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use rmcp::RoleServer;
use rmcp::model::{CacheScope, ErrorData, ReadResourceResult, Resource, ResourceContents, ResourceTemplate};
use rmcp::service::RequestContext;
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::domain::{AgentRef, NumberRef, clean_to};
use crate::mcp::apps::pages;
use crate::mcp::call::client_call::ClientCall;
use crate::mcp::call::metrics;
use crate::mcp::call::service::{CallResult, FinishedCall, Handler};
use crate::mcp::offer::catalog::Catalog;
use crate::mcp::offer::prompts::BYOC;
use crate::mcp::offer::skills;
use crate::mcp::tenant::principal::Principal;
use crate::tools::{AccountNumbers, CSV, GetAgentNumbers, ListNumbers, NumberSheet, OneNumber, Read, Tool};

/// The URI template of one number.
pub(crate) const NUMBER: &str = "truedy://numbers/{id}";
/// The URI template of an agent's numbers.
pub(crate) const AGENT_NUMBERS: &str = "truedy://agents/{id}/numbers";

const NUMBERS: &str = "truedy://numbers";
const NUMBERS_CSV: &str = "truedy://numbers.csv";
const POLICY: &str = "truedy://policy";
const GUIDE: &str = "truedy://guides/byoc";

const JSON: &str = "application/json";
const MARKDOWN: &str = "text/markdown";

/// The time for which a client may cache the guide, in milliseconds. The guide changes only with the program.
const FRESH_MS: u64 = 3_600_000;
/// The longest URI that is read, in bytes.
const LONGEST: usize = 512;

/// The resource that a URI names.
#[derive(Debug, PartialEq)]
enum ResourceTarget {
    Numbers,
    NumbersCsv,
    Number(String),
    AgentNumbers(String),
    Policy,
    Guide,
}

impl ResourceTarget {
    fn of(uri: &str) -> Option<Self> {
        if uri.len() > LONGEST {
            return None;
        }
        match uri {
            NUMBERS => return Some(Self::Numbers),
            NUMBERS_CSV => return Some(Self::NumbersCsv),
            POLICY => return Some(Self::Policy),
            GUIDE => return Some(Self::Guide),
            _ => {}
        }
        let inside = |(before, after): (&str, &str)| {
            decoded(uri.strip_prefix(before)?.strip_suffix(after)?).filter(|named| !named.is_empty())
        };
        let number = || Some(Self::Number(inside(NUMBER.split_once("{id}")?)?));
        let agent = || Some(Self::AgentNumbers(inside(AGENT_NUMBERS.split_once("{id}")?)?));
        number().or_else(agent)
    }

    /// Returns the tool that a caller must be offered to read this; `None` for resources without account data.
    fn tool(&self) -> Option<&'static str> {
        match self {
            Self::Numbers | Self::NumbersCsv | Self::Number(_) => Some(ListNumbers::NAME),
            Self::AgentNumbers(_) => Some(GetAgentNumbers::NAME),
            Self::Policy | Self::Guide => None,
        }
    }
}

/// Decodes one segment of a URI. `None` if it is not one segment, has a broken escape or is not UTF-8.
fn decoded(segment: &str) -> Option<String> {
    let is_escape = |after: &str| after.len() >= 2 && after.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    if segment.contains(['/', '?', '#']) || !segment.split('%').skip(1).all(is_escape) {
        return None;
    }
    percent_decode_str(segment).decode_utf8().ok().map(Cow::into_owned)
}

/// Returns the resources that this caller and client can read.
pub(crate) fn list(catalog: &Catalog, principal: &Principal, context: &RequestContext<RoleServer>) -> Vec<Resource> {
    let mut all = Vec::new();
    if catalog.offers(ListNumbers::NAME, principal) {
        all.push(
            Resource::new(NUMBERS, "numbers")
                .with_title("Phone numbers")
                .with_description("The phone numbers of the account, up to 500, and who answers and calls from each.")
                .with_mime_type(JSON),
        );
        all.push(
            Resource::new(NUMBERS_CSV, "numbers_csv")
                .with_title("Phone numbers as a table")
                .with_description("The same numbers as CSV, for a spreadsheet.")
                .with_mime_type(CSV),
        );
    }
    all.push(
        Resource::new(POLICY, "policy")
            .with_title("Policy of this server")
            .with_description(
                "What the operator allows: limits, confirmations, tools. No argument of a call changes it.",
            )
            .with_mime_type(MARKDOWN),
    );
    all.push(
        Resource::new(GUIDE, "guide_byoc")
            .with_title("Guide: bring a number from your own carrier")
            .with_description(
                "Twilio, Telnyx or a SIP trunk (BYOC), step by step, in the order that keeps live calls alive, and how to go back.",
            )
            .with_mime_type(MARKDOWN),
    );
    if pages::shows(context) {
        all.extend(pages::list());
    }
    all
}

/// Returns the URI templates of numbers and agents that this caller can read.
pub(crate) fn templates(catalog: &Catalog, principal: &Principal) -> Vec<ResourceTemplate> {
    let number = ResourceTemplate::new(NUMBER, "number")
        .with_title("A phone number")
        .with_description("One number of the account, by the number (%2B14155550123) or its id, and who holds it.")
        .with_mime_type(JSON);
    let agent = ResourceTemplate::new(AGENT_NUMBERS, "agent_numbers")
        .with_title("An agent's numbers")
        .with_description("What an agent answers and calls from, by its exact name (Front%20desk) or id.")
        .with_mime_type(JSON);
    let all = [(ListNumbers::NAME, number), (GetAgentNumbers::NAME, agent)];
    all.into_iter().filter(|(tool, _)| catalog.offers(tool, principal)).map(|(_, template)| template).collect()
}

/// Reads a resource. `unwanted` is cancelled when the caller cancels the request.
pub(crate) async fn read(
    uri: &str,
    catalog: &Catalog,
    principal: &Principal,
    unwanted: CancellationToken,
) -> Result<ReadResourceResult, ErrorData> {
    if let Some(page) = pages::read(uri, principal.tenant.sandbox) {
        return Ok(page);
    }
    if let Some(text) = skills::read(uri, catalog, principal) {
        return Ok(whole(&text, uri, MARKDOWN, FRESH_MS, CacheScope::Private));
    }
    // The response repeats the requested URI, without secrets and with limited length.
    let shown = clean_to(&principal.tenant.service.hide(uri), 128);
    let nothing =
        || ErrorData::resource_not_found(format!("There is no resource {shown}"), Some(json!({ "uri": shown })));
    let place = ResourceTarget::of(uri).ok_or_else(nothing)?;
    if place.tool().is_some_and(|tool| !catalog.offers(tool, principal)) {
        return Err(nothing());
    }
    let reply = match &place {
        ResourceTarget::Policy => {
            return Ok(whole(&policy(catalog, principal), &shown, MARKDOWN, 0, CacheScope::Private));
        }
        ResourceTarget::Guide => return Ok(whole(BYOC, &shown, MARKDOWN, FRESH_MS, CacheScope::Public)),
        ResourceTarget::Numbers | ResourceTarget::NumbersCsv => {
            look::<AccountNumbers>(Map::new(), principal, unwanted).await
        }
        ResourceTarget::Number(named) => {
            NumberRef::try_from(named.as_str()).map_err(|_| nothing())?;
            look::<OneNumber>(one("number_id", named), principal, unwanted).await
        }
        ResourceTarget::AgentNumbers(named) => {
            AgentRef::try_from(named.as_str()).map_err(|_| nothing())?;
            let entry = catalog.get(GetAgentNumbers::NAME).ok_or_else(nothing)?;
            entry.call(one("agent_id", named), principal, ClientCall::unattended(None), unwanted).await
        }
    };
    match reply {
        CallResult::Done(FinishedCall { body: object, is_error: false, .. }) if place == ResourceTarget::NumbersCsv => {
            let mut table = NumberSheet::default();
            table.add(&object);
            Ok(whole(&table.to_csv(), &shown, CSV, 0, CacheScope::Private))
        }
        CallResult::Done(FinishedCall { body: object, is_error: false, .. }) => {
            // Account data can change at any time, so clients may not cache it.
            Ok(whole(&Value::Object(object).to_string(), &shown, JSON, 0, CacheScope::Private))
        }
        CallResult::Done(FinishedCall { body: object, .. }) => Err(refused(&object, &shown)),
        CallResult::Ask(_) => Err(ErrorData::internal_error("a reading asked for a person", None)),
    }
}

/// Reads data of the account like a tool call, with the same limits. Metrics count it as a call of that tool.
pub(crate) async fn look<T: Read>(
    arguments: Map<String, Value>,
    principal: &Principal,
    unwanted: CancellationToken,
) -> CallResult {
    let Principal { tenant, caller, rights } = principal;
    let begun = Instant::now();
    let way: Handler = |service, arguments, call_context| Box::pin(service.read::<T>(arguments, call_context));
    let reply =
        tenant.service.call(T::EFFECT, way, arguments, (caller, rights), ClientCall::unattended(None), unwanted).await;
    metrics::call(T::NAME, &reply, begun.elapsed());
    reply
}

fn one(name: &str, value: &str) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), json!(value))])
}

fn whole(text: &str, uri: &str, kind: &str, fresh: u64, scope: CacheScope) -> ReadResourceResult {
    let contents = ResourceContents::text(text, uri).with_mime_type(kind);
    ReadResourceResult::new(vec![contents]).with_ttl_ms(fresh).with_cache_scope(scope)
}

/// Turns a refusal into an error, because a resource has no other form for a failed reading.
fn refused(object: &Map<String, Value>, uri: &str) -> ErrorData {
    let told = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
    let (status, summary) = (told("status"), told("summary").to_owned());
    let data = Some(json!({ "uri": uri, "status": status }));
    match status {
        "not_found" => ErrorData::resource_not_found(summary, data),
        "ambiguous" | "invalid_argument" => ErrorData::invalid_params(summary, data),
        _ => ErrorData::internal_error(summary, data),
    }
}

/// Describes the policy, and lists the tools that this caller is offered and is not offered.
fn policy(catalog: &Catalog, principal: &Principal) -> String {
    let rules: String = principal.tenant.service.policy.summary().iter().map(|rule| format!("- {rule}\n")).collect();
    let (mut offered, mut withheld) = (Vec::new(), Vec::new());
    for entry in catalog.entries() {
        let list = if entry.is_offered(principal) { &mut offered } else { &mut withheld };
        list.push(entry.name());
    }
    let names = |list: &[&str]| if list.is_empty() { "none".to_owned() } else { list.join(", ") };
    format!(
        "# Policy of this server\n\nThe operator set it; no argument of a call changes it.\n\n{rules}\nTools offered to you: {}.\nNot offered: {}.\n",
        names(&offered),
        names(&withheld)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_to_one_place_or_nowhere() {
        let number = |named: &str| Some(ResourceTarget::Number(named.to_owned()));
        let agent = |named: &str| Some(ResourceTarget::AgentNumbers(named.to_owned()));
        for (uri, place) in [
            ("truedy://numbers", Some(ResourceTarget::Numbers)),
            ("truedy://numbers.csv", Some(ResourceTarget::NumbersCsv)),
            ("truedy://numbers/+14155550123", number("+14155550123")),
            ("truedy://numbers/%2B14155550123", number("+14155550123")),
            ("truedy://numbers/%2b14155550123", number("+14155550123")),
            ("truedy://agents/Front%20desk/numbers", agent("Front desk")),
            ("truedy://agents/B%C3%BCro%2F2/numbers", agent("Büro/2")),
            ("truedy://policy", Some(ResourceTarget::Policy)),
            ("truedy://guides/byoc", Some(ResourceTarget::Guide)),
        ] {
            assert_eq!(ResourceTarget::of(uri), place, "{uri}");
        }
        let long = format!("truedy://agents/{}/numbers", "a".repeat(LONGEST));
        for uri in [
            "",
            "truedy://",
            "truedy://numbers/",
            "truedy://numbers/a/b",
            "truedy://numbers?limit=1",
            "truedy://numbers/a?b",
            "truedy://numbers/%",
            "truedy://numbers/%2",
            "truedy://numbers/%zz",
            "truedy://numbers/%ff",
            "truedy://agents//numbers",
            "truedy://agents/a",
            "truedy://agents/a/b/numbers",
            "truedy://guides/other",
            "TRUEDY://numbers",
            "file:///etc/passwd",
            &long,
        ] {
            assert_eq!(ResourceTarget::of(uri), None, "{uri}");
        }
    }
}
