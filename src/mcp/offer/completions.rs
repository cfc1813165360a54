//! Completions: the values that an argument can have, offered while a person types. Only values that the caller may
//! read are offered. A failure gives an empty list.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rmcp::model::{CompleteRequestParams, CompleteResult, CompletionInfo, ErrorData, Reference};
use serde_json::{Map, Value};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::domain::{Caller, CountryCode, ProviderType, clean_to};
use crate::mcp::call::service::{CallResult, FinishedCall};
use crate::mcp::offer::catalog::Catalog;
use crate::mcp::offer::prompts::{Choices, Prompt};
use crate::mcp::offer::resources::{AGENT_NUMBERS, NUMBER, look};
use crate::mcp::tenant::principal::Principal;
use crate::tools::{AgentNames, ImportNumber, ListAgents, ListCredentials, ListNumbers, NumberNames, Tool};

/// The time for which names read from an account are reused.
const GOOD: Duration = Duration::from_secs(15);
/// The longest time that a person who types waits for names.
const PATIENCE: Duration = Duration::from_secs(5);
/// The number of kept lists, one for each caller and kind of value. At this number, older lists are dropped.
const KEPT: usize = 256;
/// The number of typed characters that are used.
const TYPED: usize = 120;

/// Numbers or agents of an account, by name and id.
struct CompletionNames {
    all: Vec<CompletionName>,
    complete: bool,
}

struct CompletionName {
    name: Option<String>,
    id: String,
}

/// The names read last, and the time of reading. Each entry has its own lock, so that fast typing reads only once.
type LastRead = Arc<tokio::sync::Mutex<Option<(Instant, Arc<CompletionNames>)>>>;

/// The names read recently, for each caller and kind of value.
#[derive(Default)]
pub(crate) struct Completions(Mutex<HashMap<(Caller, Choices), LastRead>>);

impl Completions {
    /// Returns the values that an argument can have. Errors on an unknown reference or argument.
    pub(crate) async fn complete(
        &self,
        params: &CompleteRequestParams,
        catalog: &Catalog,
        principal: &Principal,
        unwanted: &CancellationToken,
    ) -> Result<CompleteResult, ErrorData> {
        let shown = |text: &str| clean_to(&principal.tenant.service.hide(text), 128);
        let (named, known) = match &params.r#ref {
            Reference::Prompt(prompt) => {
                let found = Prompt::find(&prompt.name);
                (&prompt.name, found.map(|prompt| prompt.arguments.iter().map(|one| (one.name, one.choices)).collect()))
            }
            Reference::Resource(template) => {
                let choices = match template.uri.as_str() {
                    NUMBER => Some(Choices::Numbers),
                    AGENT_NUMBERS => Some(Choices::Agents),
                    _ => None,
                };
                (&template.uri, choices.map(|choices| vec![("id", choices)]))
            }
            _ => return Err(ErrorData::invalid_params("Unknown kind of reference", None)),
        };
        let Some(known): Option<Vec<(&str, Choices)>> = known else {
            return Err(ErrorData::invalid_params(format!("Unknown reference: {}", shown(named)), None));
        };
        let Some((_, choices)) = known.iter().find(|(name, _)| *name == params.argument.name) else {
            let why = format!("Unknown argument of {}: {}", shown(named), shown(&params.argument.name));
            return Err(ErrorData::invalid_params(why, None));
        };
        let typed: String = params.argument.value.trim().chars().take(TYPED).collect();
        let (values, complete) = self.values(*choices, &typed, catalog, principal, unwanted).await;
        Ok(CompleteResult::new(cut(values, complete)))
    }

    /// Returns all values that match the typed text, and whether the list is complete.
    async fn values(
        &self,
        choices: Choices,
        typed: &str,
        catalog: &Catalog,
        principal: &Principal,
        unwanted: &CancellationToken,
    ) -> (Vec<String>, bool) {
        let allowed = |country: &&str| {
            let countries = principal.tenant.service.policy.countries.as_ref();
            countries.is_none_or(|countries| countries.iter().any(|one| one.as_str() == *country))
        };
        match choices {
            Choices::Anything => (Vec::new(), true),
            Choices::Countries => {
                let all = CountryCode::all().into_iter().filter(allowed).map(str::to_owned);
                (fitting(all, typed), true)
            }
            Choices::Providers => (fitting(ProviderType::ALL.iter().map(|one| one.as_str().to_owned()), typed), true),
            Choices::Carriers if names_carriers(catalog, principal) => {
                (fitting(carriers(principal).into_iter(), typed), true)
            }
            Choices::Numbers if catalog.offers(ListNumbers::NAME, principal) => {
                let names = self.names(choices, principal, unwanted).await;
                (numbers(&names, typed), names.complete)
            }
            Choices::Agents if catalog.offers(ListAgents::NAME, principal) => {
                let names = self.names(choices, principal, unwanted).await;
                let all = names.all.iter().map(|one| one.name.as_ref().unwrap_or(&one.id).clone());
                (fitting(all, typed), names.complete)
            }
            Choices::Numbers | Choices::Agents | Choices::Carriers => (Vec::new(), true),
        }
    }

    /// Returns the names, read at most [`GOOD`] ago. A failed reading is kept as an empty list for the same time. The
    /// result of a cancelled request is not kept.
    async fn names(
        &self,
        choices: Choices,
        principal: &Principal,
        unwanted: &CancellationToken,
    ) -> Arc<CompletionNames> {
        let read = self.kept(choices, &principal.caller);
        let mut last = tokio::select! {
            last = read.lock() => last,
            () = unwanted.cancelled() => return Arc::new(CompletionNames::none()),
        };
        if let Some((_, names)) = last.as_ref().filter(|(at, _)| at.elapsed() < GOOD) {
            return Arc::clone(names);
        }
        let stop = unwanted.child_token();
        let reading = async {
            match choices {
                Choices::Numbers => look::<NumberNames>(Map::new(), principal, stop.clone()).await,
                _ => look::<AgentNames>(Map::new(), principal, stop.clone()).await,
            }
        };
        tokio::pin!(reading);
        let reply = tokio::select! {
            reply = &mut reading => reply,
            () = tokio::time::sleep(PATIENCE) => {
                stop.cancel();
                reading.await
            }
        };
        let names = Arc::new(CompletionNames::read(&reply).unwrap_or_else(CompletionNames::none));
        if !unwanted.is_cancelled() {
            *last = Some((Instant::now(), Arc::clone(&names)));
        }
        names
    }

    fn kept(&self, choices: Choices, caller: &Caller) -> LastRead {
        let mut kept = self.0.lock();
        let key = (caller.clone(), choices);
        if kept.len() >= KEPT && !kept.contains_key(&key) {
            // A reading in progress keeps its own reference to the list. Other callers can read again.
            kept.retain(|_, read| {
                read.try_lock().map_or(true, |last| last.as_ref().is_some_and(|(at, _)| at.elapsed() < GOOD))
            });
            if kept.len() >= KEPT {
                kept.clear();
            }
        }
        Arc::clone(kept.entry(key).or_default())
    }
}

impl CompletionNames {
    fn none() -> Self {
        Self { all: Vec::new(), complete: true }
    }

    fn read(reply: &CallResult) -> Option<Self> {
        let CallResult::Done(FinishedCall { body: object, is_error: false, .. }) = reply else { return None };
        let text = |row: &Value, field: &str| row.get(field).and_then(Value::as_str).map(str::to_owned);
        let rows = object.get("names")?.as_array()?.iter();
        let all =
            rows.filter_map(|row| Some(CompletionName { name: text(row, "name"), id: text(row, "id")? })).collect();
        Some(Self { all, complete: object.get("complete")?.as_bool()? })
    }
}

/// Checks whether the caller may see the names of carrier profiles. It needs a tool that lists them or imports by them.
fn names_carriers(catalog: &Catalog, principal: &Principal) -> bool {
    [ListCredentials::NAME, ImportNumber::NAME].into_iter().any(|tool| catalog.offers(tool, principal))
}

/// Returns the names of the carrier profiles that this caller may use for an import.
fn carriers(principal: &Principal) -> Vec<String> {
    principal.tenant.service.carriers.all().iter().map(|profile| profile.name().as_str().to_owned()).collect()
}

/// Returns the values that contain the typed text, in any letter case. Values that begin with it come first.
fn fitting(all: impl Iterator<Item = String>, typed: &str) -> Vec<String> {
    let typed = typed.to_lowercase();
    let mut found: Vec<(Option<usize>, String)> = all
        .filter_map(|value| value.to_lowercase().find(&typed).map(|at| (Some(at).filter(|at| *at > 0), value)))
        .collect();
    found.sort_by(|(at, value), (other_at, other)| {
        (at.is_some(), value.to_lowercase()).cmp(&(other_at.is_some(), other.to_lowercase()))
    });
    found.into_iter().map(|(_, value)| value).collect()
}

/// Returns the numbers that contain the typed digits, then the ids that begin with the typed text. After a typed +, the
/// digits must be at the start of the number.
fn numbers(names: &CompletionNames, typed: &str) -> Vec<String> {
    let digits: String = typed.chars().filter(char::is_ascii_digit).collect();
    // A person may type a number with spaces and punctuation. With any other character, the text is an id.
    let writes_number = typed.chars().all(|c| c.is_ascii_digit() || "+-(). /".contains(c));
    let has = |number: &str| {
        let all: String = number.chars().filter(char::is_ascii_digit).collect();
        // A + only occurs at the start of a number.
        if typed.starts_with('+') { all.starts_with(&digits) } else { all.contains(&digits) }
    };
    let numbers = names.all.iter().filter_map(|one| one.name.clone()).filter(|number| writes_number && has(number));
    let begins = |id: &&String| !typed.is_empty() && id.to_lowercase().starts_with(&typed.to_lowercase());
    let ids = names.all.iter().map(|one| &one.id).filter(begins);
    let mut found: Vec<String> = numbers.collect();
    found.sort_by_key(|number| !number.trim_start_matches('+').starts_with(&digits));
    found.extend(ids.cloned());
    found
}

/// Limits the values to the maximum of the protocol, and adds the total count.
fn cut(mut values: Vec<String>, complete: bool) -> CompletionInfo {
    let total = values.len();
    values.truncate(CompletionInfo::MAX_VALUES);
    let more = total > values.len() || !complete;
    let total = u32::try_from(total).ok().filter(|_| complete);
    CompletionInfo::with_pagination(values, total, more).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(all: &[(&str, &str)]) -> CompletionNames {
        let name = |(name, id): &(&str, &str)| CompletionName { name: Some((*name).to_owned()), id: (*id).to_owned() };
        CompletionNames { all: all.iter().map(name).collect(), complete: true }
    }

    #[test]
    fn numbers_fit_by_their_digits_however_they_are_typed() {
        let all = names(&[("+14155550123", "n-1"), ("+442079460123", "n-442"), ("+15550199000", "d4")]);
        for (typed, found) in [
            ("", vec!["+14155550123", "+442079460123", "+15550199000"]),
            ("+1", vec!["+14155550123", "+15550199000"]),
            ("0123", vec!["+14155550123", "+442079460123"]),
            ("(415) 555-01", vec!["+14155550123"]),
            ("44", vec!["+442079460123"]),
            ("N-4", vec!["n-442"]),
            ("d", vec!["d4"]),
            ("x", vec![]),
        ] {
            assert_eq!(numbers(&all, typed), found, "{typed:?}");
        }
    }

    #[test]
    fn names_fit_anywhere_and_beginnings_come_first() {
        let all = || ["Night desk", "front desk", "Desk two"].map(str::to_owned).into_iter();
        assert_eq!(fitting(all(), "DESK"), ["Desk two", "front desk", "Night desk"]);
        assert_eq!(fitting(all(), "front"), ["front desk"]);
        assert_eq!(fitting(all(), ""), ["Desk two", "front desk", "Night desk"]);
    }

    #[test]
    fn at_most_a_hundred_are_shown_and_the_rest_is_told() {
        let many = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
        for (count, complete, shown, total, more) in [
            (0, true, 0, Some(0), false),
            (100, true, 100, Some(100), false),
            (101, true, 100, Some(101), true),
            (7, false, 7, None, true),
        ] {
            let info = cut(many(count), complete);
            assert_eq!((info.values.len(), info.total, info.has_more), (shown, total, Some(more)), "{count}");
        }
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded() {
        let completions = Completions::default();
        for n in 0..KEPT * 2 {
            let caller = Caller { principal: n.to_string(), ..Caller::local() };
            completions.kept(Choices::Agents, &caller);
        }
        assert!(completions.0.lock().len() <= KEPT);
    }
}
