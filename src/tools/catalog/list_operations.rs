//! The journal, as a caller reads it: what was bought, imported, assigned, released, what it costs, and what is not known.

use jiff::ZonedDateTime;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::domain::{
    ArgumentProblem, ChangeKinds, ChangeName, Effect, Moment, NumberRef, OperationId, OperationSelection,
    OperationState, PageCursor, Refusal, Slot, Status,
};
use crate::guard::Scope;
use crate::journal::{ListPosition, Operation, OperationPhase, OperationQuery, Unavailable};
use crate::tools::account::agents::recent_roster;
use crate::tools::account::limits_left::limits_left;
use crate::tools::account::operation_rows::{
    RowStyle, Totals, local_moment, operation_row, totals_json, totals_of, totals_sentence, zone_name,
};
use crate::tools::account::roster::Roster;
use crate::tools::contract::arguments::arguments;
use crate::tools::contract::context::ToolContext;
use crate::tools::contract::response::{ToolFailure, ToolResponse};
use crate::tools::contract::tool::{Read, Tool};

/// How long unresolved operations are looked for before the answer.
const LOOKING: std::time::Duration = std::time::Duration::from_secs(6);
/// How many are shown.
const SHOWN: u32 = 20;

arguments! {
    /// List operations (journal, history, audit log): who bought, imported, assigned or released what, who approved it, what it costs, how to undo it, totals, limits left; and what is unresolved.
    ///
    /// Unresolved ones (unknown whether they happened) come first.
    ListOperations {
        /// An operation_id.
        id: Option<OperationId>,
        /// unknown: unresolved.
        state: Option<OperationState>,
        /// "purchase_number".
        tool: Option<ChangeName>,
        /// A number or its id.
        object: Option<NumberRef>,
        /// "today", "yesterday", "7d", "2h", "2026-11-25".
        since: Option<Moment>,
        /// A day: to its end.
        until: Option<Moment>,
        /// all: refusals, too.
        only: Option<OperationSelection>,
        /// From next.
        after: Option<PageCursor>,
    }
}

/// Operations.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Operations {
    operations: Vec<Map<String, Value>>,
    /// What was done in all that fits, by kind and currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    totals: Option<Map<String, Value>>,
    /// The first and the last moment of the period, where one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    period: Option<Map<String, Value>>,
    /// The zone of the times.
    time_zone: String,
    unresolved: usize,
    /// How many changes of each kind the operator's limits still allow, where no filter is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    limits_left: Option<Map<String, Value>>,
    /// Why and since when the operator has stopped all changes, where no filter is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    frozen: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    journal: Option<&'static str>,
}

impl Tool for ListOperations {
    const NAME: &'static str = "list_operations";
    const TITLE: &'static str = "List operations";
    const SEARCH_HINT: &'static str = "history of changes, audit log, what was bought, spend, spending, approved, undo";
    const EXAMPLE: Option<&'static str> = Some("since=7d --sandbox");
    const EFFECT: Effect = Effect::Reads;
    const SCOPE: Scope = Scope::NumbersRead;
    type Output = Operations;
}

fn unavailable(why: Unavailable) -> Refusal {
    let summary = format!("Nothing could be read. The journal of this server cannot be used: {why}.");
    Refusal::new(Status::JournalUnavailable, summary).retryable()
}

impl Read for ListOperations {
    async fn read(self, context: ToolContext) -> Result<ToolResponse<Operations>, ToolFailure> {
        let now = ZonedDateTime::now();
        let query = self.query(&context, &now)?;
        // The account may know by now what the journal does not.
        let open = context.journal.unresolved().await.map_err(unavailable)?;
        if !open.is_empty() {
            context.reconciler.reconcile(&context.with(context.call.within(LOOKING)), &open).await;
        }
        let mut found = context.journal.find(query.clone()).await.map_err(unavailable)?;
        let more = found.len() > SHOWN as usize;
        found.truncate(SHOWN as usize);
        // What is not known is told whatever was asked for: a filter that fits nothing must not read as an all-clear.
        let unresolved = context.journal.count_unresolved().await.map_err(unavailable)?;
        // A later page does not repeat the totals.
        let totals = match self.after {
            None => totals_of(&context.journal, &query).await.map_err(unavailable)?,
            Some(_) => None,
        };
        let roster = if found.iter().any(names_an_agent) { recent_roster(&context).await } else { Roster::default() };
        let (limits_left, frozen) = if self.is_about_now(&query, &now) { limits(&context).await } else { (None, None) };
        let kinds = context.journal.change_kinds();
        let style = RowStyle {
            kinds,
            zone: now.time_zone(),
            name: &|id| roster.label(id),
            undo: &|operation| context.reconciler.undo(operation),
        };
        let memory = context.journal.kind() == "memory";
        let period = period(&query, now.time_zone());
        let data = Operations {
            operations: found.iter().map(|operation| operation_row(operation, &style)).collect(),
            totals: totals.as_ref().map(totals_json).filter(|totals| !totals.is_empty()),
            period,
            time_zone: zone_name(now.time_zone()),
            unresolved,
            limits_left,
            frozen,
            journal: memory.then_some("memory"),
        };
        let summary = self.summary(&found, more, (totals.as_ref(), unresolved), kinds);
        let mut answer = ToolResponse::new(Status::Ok, summary, data);
        if let Some(last) = found.last().filter(|_| more) {
            answer = answer.next(Self::NAME, self.next(last));
        }
        if let Some(why) = self.object.as_ref().filter(|_| found.is_empty()).and_then(NumberRef::found_nothing) {
            answer.warn(why);
        }
        if totals.is_some_and(|totals| totals.iter().any(|(_, total)| total.is_partial)) {
            answer.warn("There are more operations than are added up: give a shorter period.");
        }
        if memory {
            answer.warn("The journal is in memory: what was done before this server started is not in it, and caps begin anew with each start.");
        }
        Ok(answer)
    }
}

impl ListOperations {
    fn query(&self, context: &ToolContext, now: &ZonedDateTime) -> Result<OperationQuery, ToolFailure> {
        if let Some(tool) = &self.tool {
            context.journal.change_kinds().check("tool", tool)?;
        }
        let after = match &self.after {
            None => None,
            Some(cursor) => Some(ListPosition::read(cursor.as_str()).ok_or_else(|| {
                ArgumentProblem::of::<PageCursor>("after", "it is no position of this list".to_owned(), None)
            })?),
        };
        let query = OperationQuery {
            tenant: Some(context.caller.tenant.clone()),
            id: self.id.as_ref().map(|id| id.as_str().to_ascii_lowercase()),
            state: self.state.and_then(|state| OperationPhase::read(state.as_str())),
            previews: false,
            changes: self.only != Some(OperationSelection::All),
            tool: self.tool.as_ref().map(|tool| tool.as_str().to_owned()),
            object: self.object.as_ref().map(|object| object.as_str().to_owned()),
            since: self.since.as_ref().map(|since| since.begins(now)),
            until: self.until.as_ref().map(|until| until.ends(now)),
            after,
            after_rev: None,
            limit: SHOWN + 1,
        };
        if query.has_empty_period() {
            return Err(ArgumentProblem::of::<Moment>("until", "it is not after since".to_owned(), None).into());
        }
        Ok(query)
    }

    /// Returns whether the call asks for the first page of all changes up to now.
    fn is_about_now(&self, query: &OperationQuery, now: &ZonedDateTime) -> bool {
        let names_some = self.id.is_some() || self.state.is_some() || self.tool.is_some() || self.object.is_some();
        let ended = query.until.is_some_and(|until| until <= now.timestamp().as_millisecond());
        !names_some && !ended && self.after.is_none()
    }

    /// Returns the arguments of the call that shows the next page.
    fn next(&self, last: &Operation) -> Value {
        let mut arguments = Map::new();
        let mut add =
            |name: &str, value: Option<Value>| drop(value.map(|value| arguments.insert(name.to_owned(), value)));
        add("state", self.state.map(|state| json!(state)));
        add("tool", self.tool.as_ref().map(|tool| json!(tool)));
        add("object", self.object.as_ref().map(|object| json!(object)));
        add("since", self.since.as_ref().map(|since| json!(since)));
        add("until", self.until.as_ref().map(|until| json!(until)));
        add("only", self.only.map(|only| json!(only)));
        add("after", Some(json!(last.position().to_string())));
        Value::Object(arguments)
    }

    fn summary(
        &self,
        found: &[Operation],
        more: bool,
        (totals, unresolved): (Option<&Totals>, usize),
        kinds: ChangeKinds,
    ) -> String {
        let running = |operation: &&Operation| matches!(operation.state, OperationPhase::Begun | OperationPhase::Sent);
        let running = found.iter().filter(running).count();
        let mut summary = match found {
            [] if self.only.is_none() && self.state.is_none() && self.id.is_none() => {
                "No changes fit; only: \"all\" shows previews and refusals, too.".to_owned()
            }
            [] => "No operations fit.".to_owned(),
            [only] => told(only, kinds),
            all if more => format!("{} operations; next shows more.", all.len()),
            all => format!("{} operations.", all.len()),
        };
        // Of a single operation the row says it all.
        let sentence = totals.filter(|_| found.len() != 1).map(totals_sentence).unwrap_or_default();
        if !sentence.is_empty() {
            summary.push_str(&format!(" In all: {sentence}"));
        }
        if running > 0 && found.len() > 1 {
            summary.push_str(&format!(" {running} still running: do not repeat them or do anything else instead."));
        }
        summary.push_str(&match unresolved {
            0 => " Nothing is unresolved.".to_owned(),
            1 => " Of 1 operation in all it is not known whether it happened: it may have. Do not repeat it; if it does not settle, look in Truedy's dashboard.".to_owned(),
            n => format!(
                " Of {n} operations in all it is not known whether they happened: they may have. Do not repeat them; if one does not settle, look in Truedy's dashboard."
            ),
        });
        summary
    }
}

/// Returns what is left of the operator's limits, and the freeze in force. What cannot be read is left out.
async fn limits(context: &ToolContext) -> (Option<Map<String, Value>>, Option<Map<String, Value>>) {
    let (left, frozen) = tokio::join!(limits_left(context), context.journal.frozen());
    let frozen = frozen.ok().flatten().and_then(|freeze| freeze.to_json().as_object().cloned());
    (left.filter(|left| !left.is_empty()), frozen)
}

/// Whether the row of an operation shows an agent.
fn names_an_agent(operation: &Operation) -> bool {
    operation.object.agent_id.is_some() || matches!(operation.object.displaced, Slot::Held(_))
}

/// Returns the period that a query selects. `None` if it has no bounds.
fn period(query: &OperationQuery, zone: &TimeZone) -> Option<Map<String, Value>> {
    let bounds = [("from", query.since), ("to", query.until)];
    let told = bounds.into_iter().filter_map(|(name, at)| Some((name.to_owned(), json!(local_moment(at?, zone)))));
    let period: Map<String, Value> = told.collect();
    (!period.is_empty()).then_some(period)
}

/// One operation in a sentence.
fn told(operation: &Operation, kinds: ChangeKinds) -> String {
    let name = operation.object.name();
    let done = kinds.find(&operation.tool).map_or("changed", |kind| kind.done);
    match operation.state {
        OperationPhase::Done => format!("{name} was {done}."),
        OperationPhase::Refused if operation.is_preview() => format!("{name} was not {done}: the call was a preview."),
        OperationPhase::Refused => format!("{name} was not {done}."),
        OperationPhase::Begun | OperationPhase::Sent => format!("{name} is still being {done}."),
        OperationPhase::Unknown => format!("It is not known whether {name} was {done}."),
    }
}
