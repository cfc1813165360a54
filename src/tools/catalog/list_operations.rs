//! The journal, as a caller reads it: what was bought, imported, assigned, released, and what is not known.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::domain::{ChangeKinds, ChangeName, Effect, Moment, NumberRef, OperationId, OperationState, Refusal, Status};
use crate::guard::Scope;
use crate::journal::{Operation, OperationPhase, OperationQuery};
use crate::tools::contract::arguments::arguments;
use crate::tools::contract::context::ToolContext;
use crate::tools::contract::response::{ToolFailure, ToolResponse};
use crate::tools::contract::tool::{Read, Tool};

/// How long unresolved operations are looked for before the answer.
const LOOKING: std::time::Duration = std::time::Duration::from_secs(6);
/// How many are shown.
const SHOWN: u32 = 20;

arguments! {
    /// List operations (journal, history, audit log): what was bought, imported, assigned, released or refused, and what is unresolved.
    ///
    /// Unresolved ones (state unknown) come first: whether they happened is not known; they are
    /// looked for. Then the newest 20.
    ListOperations {
        /// One operation: its operation_id.
        id: Option<OperationId>,
        /// unknown: unresolved; sent: running.
        state: Option<OperationState>,
        /// Those of one tool, "purchase_number".
        tool: Option<ChangeName>,
        /// The number, "+14155550123", or its id.
        object: Option<NumberRef>,
        /// From then on, "2026-11-25T08:00:00Z".
        since: Option<Moment>,
    }
}

/// Operations.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Operations {
    operations: Vec<Map<String, Value>>,
    unresolved: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    journal: Option<&'static str>,
}

impl Tool for ListOperations {
    const NAME: &'static str = "list_operations";
    const TITLE: &'static str = "List operations";
    const EFFECT: Effect = Effect::Reads;
    const SCOPE: Scope = Scope::NumbersRead;
    type Output = Operations;
}

impl Read for ListOperations {
    async fn read(self, context: ToolContext) -> Result<ToolResponse<Operations>, ToolFailure> {
        let unavailable = |why: crate::journal::Unavailable| {
            let summary = format!("Nothing could be read. The journal of this server cannot be used: {why}.");
            Refusal::new(Status::JournalUnavailable, summary).retryable()
        };
        if let Some(tool) = &self.tool {
            context.journal.change_kinds().check("tool", tool)?;
        }
        // The account may know by now what the journal does not.
        let open = context.journal.unresolved().await.map_err(unavailable)?;
        if !open.is_empty() {
            context.reconciler.reconcile(&context.with(context.call.within(LOOKING)), &open).await;
        }
        let mut found = context.journal.find(self.query(&context, SHOWN + 1)).await.map_err(unavailable)?;
        let more = found.len() > SHOWN as usize;
        found.truncate(SHOWN as usize);
        // What is not known is told whatever was asked for: a filter that fits nothing must not read as an all-clear.
        let unresolved = context.journal.count_unresolved().await.map_err(unavailable)?;
        let running = found
            .iter()
            .filter(|operation| matches!(operation.state, OperationPhase::Begun | OperationPhase::Sent))
            .count();
        let mut summary = match found.len() {
            0 => "No operations fit.".to_owned(),
            1 => "1 operation.".to_owned(),
            n if more => {
                format!("The first {n} operations; narrow it with since, object, tool or state to see others.")
            }
            n => format!("{n} operations."),
        };
        if let [only] = found.as_slice() {
            summary = told(only, context.journal.change_kinds());
        } else if running > 0 {
            summary.push_str(&format!(" {running} still running: do not repeat them or do anything else instead."));
        }
        summary.push_str(&match unresolved {
            0 => " Nothing is unresolved.".to_owned(),
            1 => " Of 1 operation in all it is not known whether it happened: it may have. Do not repeat it; if it does not settle, look in Truedy's dashboard.".to_owned(),
            n => format!(
                " Of {n} operations in all it is not known whether they happened: they may have. Do not repeat them; if one does not settle, look in Truedy's dashboard."
            ),
        });
        let memory = context.journal.kind() == "memory";
        let operations = found.iter().map(Operation::to_json).collect();
        let mut answer = ToolResponse::new(
            Status::Ok,
            summary,
            Operations { operations, unresolved, journal: memory.then_some("memory") },
        );
        if memory {
            answer.warn("The journal is in memory: what was done before this server started is not in it, and caps begin anew with each start.");
        }
        Ok(answer)
    }
}

impl ListOperations {
    fn query(&self, context: &ToolContext, limit: u32) -> OperationQuery {
        OperationQuery {
            tenant: Some(context.caller.tenant.clone()),
            id: self.id.as_ref().map(|id| id.as_str().to_ascii_lowercase()),
            state: self.state.and_then(|state| OperationPhase::read(state.as_str())),
            previews: false,
            tool: self.tool.as_ref().map(|tool| tool.as_str().to_owned()),
            object: self.object.as_ref().map(|object| object.as_str().to_owned()),
            since: self.since.as_ref().map(Moment::as_millisecond),
            after_rev: None,
            limit,
        }
    }
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
