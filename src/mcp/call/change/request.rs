//! What the steps of a change hand to each other.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use crate::domain::{ClockReading, OperationTarget, Refusal, Status, digest_of};
use crate::guard::{ChangeImpact, GateInput};
use crate::journal::{GateEvidence, PREVIEWED, RefusedCall};
use crate::mcp::call::context::CallContext;
use crate::mcp::call::messages;
use crate::mcp::call::messages::Stage;
use crate::mcp::call::service::{CallResult, done, words};
use crate::redact::RedactionGuard;
use crate::tools::{Change, Effect, Planned, Tool, ToolContext};

/// How much of the time of a call may be spent on reading before a change.
pub(crate) const PLANNING: Duration = Duration::from_secs(9);

/// A call on its way through the gate.
pub(crate) struct ChangeRequest {
    pub(crate) call_context: CallContext,
    /// The arguments as they came.
    pub(crate) given: Value,
    /// SHA-256 of the arguments that are no secrets.
    pub(crate) digest: String,
    pub(crate) object: OperationTarget,
    pub(crate) evidence: GateEvidence,
    /// The nonce of a question that was answered with no.
    pub(crate) answered: Option<String>,
    /// Whether it is in the journal as an operation.
    pub(crate) begun: bool,
    /// The secrets among the arguments, and what a person entered, are looked for as long as any of the call goes on.
    pub(crate) held: Arc<Vec<RedactionGuard>>,
    pub(crate) entered: Arc<Vec<RedactionGuard>>,
}

impl ChangeRequest {
    pub(crate) fn refused(&self, tool: &'static str, refusal: &Refusal) -> RefusedCall {
        RefusedCall {
            caller: self.call_context.caller.clone(),
            tool,
            object: self.object.clone(),
            digest: self.digest.clone(),
            outcome: if refusal.status == Status::ConfirmationRequired { PREVIEWED } else { refusal.status.as_str() },
            rule: refusal.details.get("rule").and_then(Value::as_str).map(str::to_owned),
            evidence: self.evidence,
            nonce: self.answered.clone(),
        }
    }
}

/// What a plan came to: an answer, or the reason why there is none.
pub(crate) enum EarlyExit {
    Answered(CallResult),
    Refused(Refusal),
}

impl From<Refusal> for EarlyExit {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// What let a change pass.
pub(crate) struct Approved<P> {
    pub(crate) plan: P,
    pub(crate) impact: Box<ChangeImpact>,
    pub(crate) nonce: Option<String>,
    /// What the call brought to the gate, for weighing it once more.
    pub(crate) given: GateInput,
    /// When the reading began from which the plan was made.
    pub(crate) read_at: ClockReading,
}

/// Reads what there is to know.
pub(crate) async fn plan<T: Change>(
    tool: &T,
    tool_context: &ToolContext,
) -> Result<(T::Plan, Box<ChangeImpact>), EarlyExit> {
    match tool.plan(&tool_context.with(tool_context.call.within(PLANNING).planning())).await {
        Ok(Planned::Ready(plan, impact)) => Ok((plan, impact)),
        Ok(Planned::Done(answer)) => Err(EarlyExit::Answered(done(&answer))),
        Err(failure) => Err(words(failure, T::EFFECT, Stage::Before).into()),
    }
}

/// Whether "the first one failed, I buy another" must be ruled out.
pub(crate) fn stopped_by_unresolved<T: Tool>() -> bool {
    T::EFFECT == Effect::Spends
}

/// Says under which id it is found, and how to look it up where that is what comes next.
pub(crate) fn with_operation(refusal: Refusal, id: Uuid) -> Refusal {
    let id = id.to_string();
    let refusal = match refusal.status {
        Status::OutcomeUnknown | Status::InternalError => refusal.with("next", messages::look_up(&id)),
        _ => refusal,
    };
    refusal.with("operation_id", id)
}

/// SHA-256 of the arguments; secrets are left out, since a short one could be found from its digest.
pub(crate) fn digest<T: Tool>(given: &Value) -> String {
    digest_of(without_secrets::<T>(given).to_string().as_bytes())
}

/// The arguments that may be repeated, and the names of the secrets that were given too and may not.
pub(crate) fn repeated<T: Tool>(given: &Value) -> (Value, Vec<&'static str>) {
    let left_out = T::secrets().into_iter().filter(|name| given.get(*name).is_some_and(|value| !value.is_null()));
    (without_secrets::<T>(given), left_out.collect())
}

/// The arguments that may be kept and repeated.
pub(crate) fn without_secrets<T: Tool>(given: &Value) -> Value {
    let mut given = given.clone();
    if let Some(fields) = given.as_object_mut() {
        T::secrets().into_iter().for_each(|name| drop(fields.remove(name)));
    }
    given
}
