//! A call that the client sends again, because it lost the answer to the first one.
//!
//! Some clients give each call an id of their own. If the same id comes with the same arguments again, the answer is the
//! operation that the first call made.

use serde_json::{Map, json};

use crate::domain::{ChangeKind, Effect, Refusal, Status};
use crate::journal::{Operation, OperationPhase};
use crate::mcp::call::change::request::{ChangeRequest, EarlyExit};
use crate::mcp::call::messages;
use crate::mcp::call::service::{CallResult, FinishedCall, Service};
use crate::tools::Change;

impl Service {
    /// Ends a call that the client has sent before, with the operation of the first one. A second call that carries the
    /// answer of a person is no such call.
    pub(crate) async fn admit_once<T: Change>(&self, change: &ChangeRequest) -> Result<(), EarlyExit> {
        let Some(call_id) = change.origin(T::NAME).call_id else { return Ok(()) };
        if change.call_context.elicitor.is_second_call() {
            return Ok(());
        }
        let first = self.journal.resent(&change.call_context.caller, call_id).await;
        match first.map_err(|why| messages::on_journal(&why.to_string(), T::EFFECT))? {
            Some(first) => Err(resent(&first, T::KIND)),
            None => Ok(()),
        }
    }
}

/// Returns the answer to a call that came before: what became of the first one.
pub(crate) fn resent(first: &Operation, kind: &'static ChangeKind) -> EarlyExit {
    let (name, effect) = (first.object.name(), Effect::Changes(kind));
    match first.state {
        OperationPhase::Done => EarlyExit::Answered(CallResult::Done(done(first, kind))),
        OperationPhase::Begun | OperationPhase::Sent => {
            let refusal = messages::in_progress(effect, &first.object, &first.id);
            refusal.with("operation_id", first.id.as_str()).into()
        }
        OperationPhase::Unknown => {
            let summary = format!(
                "{} The same call came before, and its answer was lost. Do not repeat it: list_operations tells when it is known.",
                effect.unknown()
            );
            let refusal = Refusal::new(Status::OutcomeUnknown, summary).with("number", name);
            refusal.with("operation_id", first.id.as_str()).with("next", messages::look_up(&first.id)).into()
        }
        OperationPhase::Refused => {
            let outcome = first.outcome.as_deref().and_then(Status::parse).unwrap_or(Status::UpstreamRejected);
            let summary = format!("{} The same call came before and was refused.", kind.nothing);
            Refusal::new(outcome, summary).with("number", name).with("operation_id", first.id.as_str()).into()
        }
    }
}

/// Returns the answer of a first call that made the change.
fn done(first: &Operation, kind: &'static ChangeKind) -> FinishedCall {
    let name = first.object.name();
    let summary = format!("{name} was {} once. The same call came before, so nothing more was sent.", kind.done);
    let mut body = Map::new();
    let mut add = |field: &str, text: Option<&str>| drop(text.map(|text| body.insert(field.to_owned(), json!(text))));
    add("status", Some(kind.succeeded.as_str()));
    add("summary", Some(&summary));
    add("number", Some(name));
    add("id", first.object.number_id.as_deref());
    add("direction", first.object.direction.as_deref());
    add("agent_id", first.object.agent_id.as_deref());
    add("operation_id", Some(&first.id));
    if let Some(fees) = &first.fees {
        add("monthly", Some(&fees.monthly.amount()));
        add("setup", fees.setup.as_ref().map(|setup| setup.amount()).as_deref());
        add("currency", Some(fees.monthly.currency()));
    }
    FinishedCall { status: kind.succeeded, body, is_error: false }
}
