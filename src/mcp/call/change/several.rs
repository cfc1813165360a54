//! A call that stands for several changes, such as both directions of a number.
//!
//! Each change has its own row in the journal and its own undo. Nothing is sent if a confirmation for one of them is
//! missing. After a change that failed, the next one is not tried.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::domain::{ChangeClass, OperationTarget, Refusal, Status};
use crate::guard::{ChangeImpact, GateDecision, GateInput, TokenCheck, evaluate};
use crate::mcp::call::change::request::{ChangeRequest, EarlyExit, plan};
use crate::mcp::call::context::CallContext;
use crate::mcp::call::service::{CallResult, FinishedCall, Service, refuse};
use crate::redact::RedactionGuard;
use crate::tools::{Change, ChangeParts};

/// Facts that are the same in every part, so they stand once in the answer. `inbound` and `outbound` name who has each
/// direction of the number.
const SHARED: [&str; 8] = ["number", "id", "agent", "agent_id", "kind", "number_status", "inbound", "outbound"];
/// What stands once in the answer, for all parts together.
const GATHERED: [&str; 4] = ["summary", "warnings", "next", "code"];

/// Where the answer tells what came of each change.
const EACH: &str = "directions";

/// One of the changes.
struct ChangePart<T> {
    /// The value of the argument that differs.
    value: &'static str,
    tool: T,
    given: Value,
}

impl Service {
    /// Makes the changes one after the other, and tells of each in one answer.
    pub(crate) async fn change_several<T: Change>(
        self: Arc<Self>,
        changes: ChangeParts,
        given: &Map<String, Value>,
        call_context: CallContext,
        held: &Arc<Vec<RedactionGuard>>,
    ) -> CallResult {
        let parts = match split::<T>(&changes, given) {
            Ok(split) => split,
            Err(refusal) => return refuse(refusal),
        };
        let whole = Value::Object(given.clone());
        if needs_look(&parts) {
            match self.missing_confirmation(&parts, &whole, &call_context, held).await {
                Ok(None) => {}
                Ok(Some(refusal)) | Err(refusal) => return refuse(refusal),
            }
        }
        let mut told: Vec<(&'static str, FinishedCall)> = Vec::new();
        for ChangePart { value, tool, given } in parts {
            let part = ChangeRequest::new::<T>(&tool.claims(), given, call_context.clone(), Arc::clone(held));
            match Arc::clone(&self).change_one(tool, part).await {
                CallResult::Done(finished) => {
                    let goes_on = finished.status == T::KIND.succeeded || finished.status == Status::AlreadyAssigned;
                    told.push((value, finished));
                    if !goes_on {
                        break;
                    }
                }
                // The client puts the question and calls again. What is done by then has to be done no more.
                ask @ CallResult::Ask(_) => return ask,
            }
        }
        together::<T>(told, &changes, &whole)
    }

    /// Returns a preview of all changes if a confirmation for one of them is missing. Sends nothing.
    async fn missing_confirmation<T: Change>(
        &self,
        parts: &[ChangePart<T>],
        whole: &Value,
        call_context: &CallContext,
        held: &Arc<Vec<RedactionGuard>>,
    ) -> Result<Option<Refusal>, Refusal> {
        let mut missing: Vec<(&'static str, Refusal)> = Vec::new();
        let mut request = None;
        for ChangePart { value, tool, .. } in parts {
            let claims = tool.claims();
            call_context.rights.admit(T::NAME, T::SCOPE, false)?;
            self.policy.admit(T::NAME, T::EFFECT, &claims)?;
            let given = GateInput {
                confirm: claims.confirm,
                token: TokenCheck::Absent,
                token_needed: false,
                can_ask: call_context.elicitor.can_ask(),
            };
            let impact = match plan(tool, &self.tool_context(call_context).await?).await {
                Ok((_, impact)) => impact,
                Err(EarlyExit::Answered(_)) => continue,
                Err(EarlyExit::Refused(refusal)) => return Err(refusal),
            };
            if let GateDecision::Refuse(refusal) | GateDecision::Preview(refusal) =
                evaluate(&impact, given, &self.policy)
            {
                missing.push((value, refusal));
                let whole = ChangeRequest::new::<T>(&claims, whole.clone(), call_context.clone(), Arc::clone(held));
                request = Some(ChangeRequest { object: without_direction(&impact), ..whole });
            }
        }
        let Some(refusal) = combined(missing, T::NAME, whole) else { return Ok(None) };
        if let Some(request) = request.filter(|_| refusal.status.is_of_the_gate()) {
            self.journal.refuse(request.refused(T::NAME, &refusal)).await;
        }
        Ok(Some(refusal))
    }
}

/// Returns whether all changes are looked at before the first is made. Where the call carries the flag and nothing else
/// can be missing, each change is looked at once, when it is made.
fn needs_look<T: Change>(parts: &[ChangePart<T>]) -> bool {
    let needs_more = matches!(T::KIND.class, ChangeClass::Spends | ChangeClass::Destroys);
    needs_more || !parts.iter().all(|part| part.tool.claims().confirm)
}

/// Parses the arguments of each change.
fn split<T: Change>(parts: &ChangeParts, given: &Map<String, Value>) -> Result<Vec<ChangePart<T>>, Refusal> {
    let one = |value: &'static str| {
        let mut given = given.clone();
        given.insert(parts.argument.to_owned(), json!(value));
        Service::parse::<T>(given.clone()).map(|tool| ChangePart { value, tool, given: Value::Object(given) })
    };
    parts.values.iter().copied().map(one).collect()
}

fn without_direction(impact: &ChangeImpact) -> OperationTarget {
    OperationTarget { direction: None, ..impact.object.clone() }
}

/// Moves the facts that all parts share from a part to the whole.
fn take_shared(part: &mut Map<String, Value>, whole: &mut Map<String, Value>) {
    for name in SHARED {
        if let Some(shared) = part.remove(name) {
            whole.insert(name.to_owned(), shared);
        }
    }
}

/// Returns one refusal for all parts, or none if no part is refused. `next` is the whole call with its confirmation.
fn combined(missing: Vec<(&'static str, Refusal)>, tool: &'static str, whole: &Value) -> Option<Refusal> {
    let summaries: Vec<&str> = missing.iter().map(|(_, refusal)| refusal.summary.as_str()).collect();
    let summary = summaries.join(" ");
    let (_, first) = missing.first()?;
    let mut refusal = Refusal { summary, ..Refusal::new(first.status, String::new()) };
    refusal.is_preview = first.is_preview;
    let mut each = Map::new();
    for (value, part) in &missing {
        let mut details = part.details.clone();
        take_shared(&mut details, &mut refusal.details);
        details.remove("next");
        each.insert((*value).to_owned(), Value::Object(details));
    }
    refusal.details.insert(EACH.to_owned(), Value::Object(each));
    let mut arguments = whole.clone();
    if let Some(fields) = arguments.as_object_mut() {
        fields.insert("confirm".to_owned(), json!(true));
    }
    Some(refusal.with("next", json!({ "tool": tool, "arguments": arguments })))
}

/// Returns the one call that undoes all parts, and takes their own out of them. `None` if the calls differ in more than
/// the argument that the parts differ in, or if a part has no such call.
fn take_undo(told: &mut [(&'static str, FinishedCall)], parts: &ChangeParts, whole: &Value) -> Option<Value> {
    let mut common: Option<Value> = None;
    for (value, part) in told.iter() {
        let mut undo = part.body.get("undo")?.clone();
        let of_part = undo.get_mut("arguments")?.get_mut(parts.argument)?;
        if *of_part != json!(value) {
            return None;
        }
        *of_part = whole.get(parts.argument)?.clone();
        if common.get_or_insert_with(|| undo.clone()) != &undo {
            return None;
        }
    }
    common = common.filter(|_| told.len() == parts.values.len());
    if common.is_some() {
        for (_, part) in told {
            part.body.remove("undo");
        }
    }
    common
}

/// Joins the summaries of the parts, with each sentence once. What all begin with stays in front, the rest at the end.
fn without_repetition(summaries: &[String]) -> String {
    let sentences: Vec<&str> =
        summaries.iter().flat_map(|summary| summary.split_inclusive(". ")).map(str::trim).collect();
    let comes_again = |at: usize, sentence: &str| sentences.iter().skip(at + 1).any(|later| *later == sentence);
    let first = sentences.first();
    let kept = sentences.iter().enumerate().filter(|(at, sentence)| match first {
        Some(first) if first == *sentence => *at == 0,
        _ => !comes_again(*at, sentence),
    });
    kept.map(|(_, sentence)| *sentence).collect::<Vec<_>>().join(" ")
}

/// Puts the answers together. The answer is an error if one of them is.
fn together<T: Change>(mut told: Vec<(&'static str, FinishedCall)>, parts: &ChangeParts, whole: &Value) -> CallResult {
    let is_error = told.last().is_some_and(|(_, last)| last.is_error);
    let last = told.last().map_or(Status::InternalError, |(_, last)| last.status);
    let done = told.iter().any(|(_, part)| part.status == T::KIND.succeeded);
    let status = if done && last == Status::AlreadyAssigned { T::KIND.succeeded } else { last };
    let (mut body, mut each) = (Map::new(), Map::new());
    if let Some(undo) = take_undo(&mut told, parts, whole) {
        body.insert("undo".to_owned(), undo);
    }
    let (mut summaries, mut warnings): (Vec<String>, Vec<Value>) = (Vec::new(), Vec::new());
    for (value, FinishedCall { body: mut part, .. }) in told {
        summaries.extend(part.get("summary").and_then(Value::as_str).map(str::to_owned));
        for warning in part.get("warnings").and_then(Value::as_array).into_iter().flatten() {
            if !warnings.contains(warning) {
                warnings.push(warning.clone());
            }
        }
        if let Some(next) = part.get("next") {
            body.insert("next".to_owned(), next.clone());
        }
        part.retain(|name, _| !GATHERED.contains(&name.as_str()));
        take_shared(&mut part, &mut body);
        part.remove("direction");
        each.insert(value.to_owned(), Value::Object(part));
    }
    body.insert(EACH.to_owned(), Value::Object(each));
    body.insert("direction".to_owned(), whole.get(parts.argument).cloned().unwrap_or_default());
    body.insert("status".to_owned(), json!(status));
    body.insert("summary".to_owned(), json!(without_repetition(&summaries)));
    if !warnings.is_empty() {
        body.insert("warnings".to_owned(), Value::Array(warnings));
    }
    if is_error {
        body.insert("code".to_owned(), json!(status));
    }
    CallResult::Done(FinishedCall { status, body, is_error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_of_both_parts_is_said_once() {
        let of =
            |direction: &str| format!("Nothing was assigned. Another agent has the {direction} calls. Ask the user.");
        assert_eq!(
            without_repetition(&[of("outbound"), of("inbound")]),
            "Nothing was assigned. Another agent has the outbound calls. Another agent has the inbound calls. Ask the user."
        );
        assert_eq!(without_repetition(&["Done.".to_owned(), "Done.".to_owned()]), "Done.");
        assert_eq!(without_repetition(&[]), "");
    }
}
