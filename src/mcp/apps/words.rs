//! What a page says to people: why a call did not work and what to do, what was searched, and a wider search.
//!
//! The summary of a result is for a model and names tools and fields. A page shows these sentences instead.

use serde_json::{Map, Value, json};

use crate::domain::Status;
use crate::tools::{ListNumbers, SearchNumbers, Tool};

/// The arguments of a search that narrow it, the narrowest first, and what a search without one covers.
const SEARCH: [(&str, &str); 5] = [
    ("max_monthly_cost", "at any price"),
    ("area_code", "all area codes"),
    ("locality", "all cities"),
    ("phone_number_type", "all types"),
    ("administrative_area", "the whole country"),
];
/// The arguments that choose numbers of the account.
const LIST: [&str; 6] = ["status", "managed", "unassigned", "agent_id", "area_code", "place"];

/// Returns why a call did not work and what a person can do, in two sentences.
pub(crate) fn why(status: Status, body: &Map<String, Value>) -> String {
    match body.get("problems").and_then(|problems| problems.get(0)) {
        Some(problem) => wrong(problem),
        None => reason(status).to_owned(),
    }
}

/// Returns what is wrong with an argument. A reason that names a tool or a field is left out.
fn wrong(problem: &Value) -> String {
    let text = |field: &str| problem.get(field).and_then(Value::as_str).unwrap_or_default();
    let what = match text("field") {
        "country_code" => "The country",
        "area_code" => "The area code",
        "locality" => "The city",
        "administrative_area" => "The state or province",
        "phone_number_type" => "The type of number",
        "max_monthly_cost" => "The highest price",
        "agent_id" => "The agent",
        "place" => "The place",
        "status" => "The status",
        _ => "A part of it",
    };
    let reason = text("reason");
    let is_plain = !reason.is_empty() && !reason.contains(['_', '{', '"']);
    let reason = if is_plain { format!(": {reason}") } else { String::new() };
    format!("{what} is not right{reason}. Say it again in the chat.")
}

fn reason(status: Status) -> &'static str {
    match status {
        Status::AuthFailed => "The key for Truedy is missing or was refused. Whoever runs this server can set it.",
        Status::BadUpstreamResponse => "Truedy's answer cannot be read. Try again in a minute.",
        Status::CarrierUnavailable => "The carrier account cannot be used. Ask whoever runs this server.",
        Status::DuplicateInFlight => "The same is under way already. Ask in the chat how it ended.",
        Status::Forbidden => "Truedy does not allow it with this key. Ask whoever runs this server.",
        Status::Frozen => "Changes are stopped for now. Ask whoever runs this server.",
        Status::HumanDeclined => "You said no.",
        Status::HumanUnavailable => "You must be asked first, and this app cannot ask.",
        Status::JournalUnavailable => "It could not be recorded. Try again in a minute.",
        Status::NotFound => "There is no such number or agent. Ask in the chat which there are.",
        Status::OperationUnresolved => "It is not known yet how an earlier purchase ended. Ask for it in the chat.",
        Status::PaymentRequired => "Truedy asks for payment first. See the billing page of your Truedy account.",
        Status::PolicyDenied => "The rules of this server do not allow it. Ask whoever runs it.",
        Status::ProviderNotConfigured => "Truedy has no carrier for this account yet. Set one up at Truedy.",
        Status::RateLimited => "There were too many requests. Try again in a minute.",
        Status::StillReading => "The list is still being read. Try again in a few seconds.",
        Status::UpstreamRejected => "Truedy refused it. Ask in the chat why.",
        Status::UpstreamUnavailable => "Truedy cannot be reached. Try again in a minute.",
        _ => "It did not work. Ask in the chat why.",
    }
}

/// Returns what a call looked for, as a text that ends a sentence, and one wider call if there is one. `None` if the
/// tool has no page.
pub(crate) fn searched(tool: &str, arguments: &Map<String, Value>) -> Option<Value> {
    let given = |name: &str| arguments.get(name).filter(|value| !value.is_null());
    if tool == SearchNumbers::NAME {
        let narrowest = SEARCH.iter().find(|(name, _)| given(name).is_some());
        let wider = narrowest.map(|(name, covers)| {
            let kept = arguments.iter().filter(|(other, _)| other != name && *other != "page");
            let kept: Map<String, Value> = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
            json!({ "label": format!("Search {covers}"), "arguments": kept })
        });
        return Some(json!({ "said": offered(given), "wider": wider }));
    }
    if tool != ListNumbers::NAME {
        return None;
    }
    let filtered = LIST.iter().any(|name| given(name).is_some());
    let wider = filtered.then(|| json!({ "label": "Show all numbers", "arguments": {} }));
    Some(json!({ "said": owned(given), "wider": wider }))
}

fn shown(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.replace('_', "-")),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Returns the place and the type of a search for numbers for sale: ` in San Francisco, CA`.
fn offered<'a>(given: impl Fn(&str) -> Option<&'a Value>) -> String {
    let place = ["locality", "administrative_area", "country_code"].into_iter().filter_map(|name| shown(given(name)));
    let place = place.collect::<Vec<_>>().join(", ");
    let mut said = if place.is_empty() { String::new() } else { format!(" in {place}") };
    said.extend(shown(given("area_code")).map(|code| format!(", area code {code}")));
    said.extend(shown(given("phone_number_type")).map(|kind| format!(", {kind}")));
    said
}

/// Returns what chose numbers of the account: `: pending, unused`.
fn owned<'a>(given: impl Fn(&str) -> Option<&'a Value>) -> String {
    let either = |name: &str, yes: &str, no: &str| match given(name) {
        Some(Value::Bool(true)) => Some(yes.to_owned()),
        Some(Value::Bool(false)) => Some(no.to_owned()),
        _ => None,
    };
    let parts = [
        shown(given("status")),
        either("managed", "bought", "imported"),
        either("unassigned", "unused", "in use"),
        shown(given("agent_id")).map(|agent| format!("used by {agent}")),
        shown(given("area_code")).map(|code| format!("area code {code}")),
        shown(given("place")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn no_sentence_for_people_names_a_tool_or_a_field() {
        for status in Status::ALL {
            let said = why(*status, &Map::new());
            assert!(said.ends_with('.') && !said.contains(['_', '`', '{']), "{said}");
        }
        let problem = |field: &str, reason: &str| {
            why(Status::InvalidArgument, &object(json!({ "problems": [{ "field": field, "reason": reason }] })))
        };
        assert_eq!(
            problem("country_code", "no country has the code XX"),
            "The country is not right: no country has the code XX. Say it again in the chat."
        );
        assert_eq!(problem("page_size", "see search_numbers"), "A part of it is not right. Say it again in the chat.");
    }

    #[test]
    fn an_empty_search_is_told_and_widened_by_its_narrowest_argument() {
        let given = object(json!({ "locality": "Oakland", "administrative_area": "CA", "page": 2, "area_code": null }));
        let told = searched(SearchNumbers::NAME, &given).expect("a page shows it");
        assert_eq!(told["said"], " in Oakland, CA");
        let wider =
            json!({ "label": "Search all cities", "arguments": { "administrative_area": "CA", "area_code": null } });
        assert_eq!(told["wider"], wider);
        let told = searched(SearchNumbers::NAME, &object(json!({ "phone_number_type": "toll_free" })));
        assert_eq!(told.expect("told")["said"], ", toll-free");
        assert_eq!(searched(SearchNumbers::NAME, &Map::new()), Some(json!({ "said": "", "wider": null })));
    }

    #[test]
    fn an_empty_list_is_told_and_widened_to_all_numbers() {
        let given = object(json!({ "status": "pending", "managed": false, "unassigned": true, "limit": 5 }));
        let told = searched(ListNumbers::NAME, &given).expect("a page shows it");
        assert_eq!(told["said"], ": pending, imported, unused");
        assert_eq!(told["wider"]["arguments"], json!({}));
        assert_eq!(searched(ListNumbers::NAME, &object(json!({ "limit": 5 }))).expect("told")["wider"], Value::Null);
        assert_eq!(searched("list_agents", &Map::new()), None);
    }
}
