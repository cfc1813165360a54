//! The data that the steps of a change pass to each other.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::domain::{ChangeClass, ClockReading, OperationTarget, Refusal, Status, digest_of};
use crate::guard::{ChangeImpact, GateInput, RequestedChange};
use crate::journal::{CallOrigin, GateEvidence, PREVIEWED, RefusedCall};
use crate::mcp::call::context::CallContext;
use crate::mcp::call::messages::{self, Stage};
use crate::mcp::call::service::{CallResult, done, words};
use crate::mcp::consent::elicitation::ConsentSubject;
use crate::redact::RedactionGuard;
use crate::tools::{Change, Planned, Tool, ToolContext};

/// The most time that a call may spend on reads before its change.
pub(crate) const PLANNING: Duration = Duration::from_secs(9);

/// A call that asks for a change, with its arguments, its evidence and how far it has come.
pub(crate) struct ChangeRequest {
    pub(crate) call_context: CallContext,
    /// The arguments as they arrived.
    pub(crate) given: Value,
    /// SHA-256 of the arguments without secrets.
    pub(crate) digest: String,
    pub(crate) object: OperationTarget,
    pub(crate) evidence: GateEvidence,
    /// The nonce of a question that was answered with no.
    pub(crate) answered: Option<String>,
    /// Whether the journal has it as an operation.
    pub(crate) begun: bool,
    /// Guards for the secrets in the arguments. The redactor finds these secrets until every part of the call has
    /// ended.
    pub(crate) held: Arc<Vec<RedactionGuard>>,
    /// Guards for the secrets that a person entered on a page, kept for the same time.
    pub(crate) entered: Arc<Vec<RedactionGuard>>,
}

impl ChangeRequest {
    /// Creates the request of a call that has not been admitted yet.
    pub(crate) fn new<T: Change>(
        claims: &RequestedChange,
        given: Value,
        call_context: CallContext,
        held: Arc<Vec<RedactionGuard>>,
    ) -> Self {
        Self {
            digest: digest::<T>(&given),
            given,
            object: claims.about.clone(),
            evidence: GateEvidence { flag: claims.confirm, ..GateEvidence::default() },
            answered: None,
            begun: false,
            held,
            entered: Arc::default(),
            call_context,
        }
    }

    /// Returns where the call came from, as the journal keeps it.
    ///
    /// The id of the call covers the tool and the arguments: a client that uses an id twice for different calls makes
    /// two changes.
    pub(crate) fn origin(&self, tool: &str) -> CallOrigin {
        let call_id = self.call_context.call_id.as_ref();
        CallOrigin {
            client: self.call_context.client.clone(),
            call_id: call_id.map(|id| digest_of(json!([tool, id, self.digest]).to_string().as_bytes())),
            undo_of: self.call_context.undoes.as_ref().map(|undo| undo.operation.id.clone()),
        }
    }

    /// Returns what a person consents to: this call with this impact.
    pub(crate) fn consent_subject<'a, T: Change>(&'a self, impact: &'a ChangeImpact) -> ConsentSubject<'a> {
        ConsentSubject { caller: &self.call_context.caller, tool: T::NAME, arguments: &self.given, seen: &impact.seen }
    }

    pub(crate) fn refused(&self, tool: &'static str, refusal: &Refusal) -> RefusedCall {
        RefusedCall {
            caller: self.call_context.caller.clone(),
            tool,
            object: self.object.clone(),
            digest: self.digest.clone(),
            outcome: if refusal.status == Status::ConfirmationRequired { PREVIEWED } else { refusal.status.as_str() },
            rule: refusal.details.get("rule").and_then(Value::as_str).map(str::to_owned),
            client: self.call_context.client.clone(),
            evidence: self.evidence,
            nonce: self.answered.clone(),
        }
    }
}

/// Why a change ends before its request is sent: with an answer or with a refusal.
pub(crate) enum EarlyExit {
    Answered(CallResult),
    Refused(Refusal),
}

impl From<Refusal> for EarlyExit {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// A change that passed the gate, and what it relied on.
pub(crate) struct Approved<P> {
    pub(crate) plan: P,
    pub(crate) impact: Box<ChangeImpact>,
    pub(crate) nonce: Option<String>,
    /// The gate's input, kept so that the gate can be evaluated again.
    pub(crate) given: GateInput,
    /// When the reads for the plan began.
    pub(crate) read_at: ClockReading,
    /// The revision of the journal at that time.
    pub(crate) read_rev: Option<i64>,
}

/// Reads the account and plans the change. Ends early if the plan is already an answer or a read fails.
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

/// Returns whether unresolved operations block this tool. They block purchases only: a caller might otherwise
/// buy a replacement for a purchase that did happen.
pub(crate) fn stopped_by_unresolved<T: Tool>() -> bool {
    T::EFFECT.kind().is_some_and(|kind| kind.class == ChangeClass::Spends)
}

/// Adds the id of the operation to a refusal. After an unknown outcome or an internal error, `next` is the call that
/// looks it up.
pub(crate) fn with_operation(refusal: Refusal, id: Uuid) -> Refusal {
    let id = id.to_string();
    let refusal = match refusal.status {
        Status::OutcomeUnknown | Status::InternalError => refusal.with("next", messages::look_up(&id)),
        _ => refusal,
    };
    refusal.with("operation_id", id)
}

/// Returns the SHA-256 of the arguments. Secrets are left out, because a short secret could be found from its digest.
pub(crate) fn digest<T: Tool>(given: &Value) -> String {
    digest_of(without_secrets::<T>(given).to_string().as_bytes())
}

/// Returns the arguments that a response may repeat, and the names of the given secrets that it may not.
pub(crate) fn repeated<T: Tool>(given: &Value) -> (Value, Vec<&'static str>) {
    let left_out = T::secrets().into_iter().filter(|name| given.get(*name).is_some_and(|value| !value.is_null()));
    (without_secrets::<T>(given), left_out.collect())
}

/// Returns the arguments without secrets. These may be stored and repeated.
pub(crate) fn without_secrets<T: Tool>(given: &Value) -> Value {
    let mut given = given.clone();
    if let Some(fields) = given.as_object_mut() {
        T::secrets().into_iter().for_each(|name| drop(fields.remove(name)));
    }
    given
}
