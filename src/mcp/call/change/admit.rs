//! Admits a change: caps, duplicates and earlier answers are checked before the account is read.
//!
//! Every change takes the same steps: policy, journal, plan, gate, consent, intent, act, outcome. Nothing else spends
//! money or changes numbers.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::domain::Refusal;
use crate::guard::{Cap, ChangeImpact, RequestedChange};
use crate::journal::{OperationPhase, key_of_added};
use crate::mcp::call::change::request::{ChangeRequest, EarlyExit};
use crate::mcp::call::context::CallContext;
use crate::mcp::call::messages;
use crate::mcp::call::service::{CallResult, Service, refuse};
use crate::mcp::consent::elicitation::ConsentSubject;
use crate::tools::{Change, ask_the_time};

/// The least time that must be left of a call when its change begins.
pub(crate) const TO_BEGIN: Duration = Duration::from_secs(4);
/// How long before the answer is due an operation is recorded as abandoned. From then on, nobody is expected to wait
/// for its outcome.
pub(crate) const TO_ABANDON: Duration = Duration::from_millis(1_500);
/// How late the answer may be so that the journal can write this record first.
pub(crate) const OVERDUE: Duration = Duration::from_millis(300);
/// How long a purchase or an import may run from its start, even after its caller was answered. Truedy may take 165 s.
pub(crate) const BACKGROUND: Duration = Duration::from_secs(180);

/// How many times the data for a change is read again because it became too old.
pub(crate) const READ_AGAIN: u32 = 2;

impl Service {
    /// Runs a tool that makes a change, or several changes, and returns its result.
    pub(crate) async fn change<T: Change>(
        self: Arc<Self>,
        arguments: Map<String, Value>,
        call_context: CallContext,
    ) -> CallResult {
        let held = Arc::new(self.hold::<T>(&arguments));
        let service = Arc::clone(&self);
        let mut reply = match Self::parse::<T>(arguments.clone()) {
            Ok(tool) => match tool.parts() {
                Some(parts) => service.change_several::<T>(parts, &arguments, call_context, &held).await,
                None => {
                    let change = ChangeRequest::new::<T>(
                        &tool.claims(),
                        Value::Object(arguments),
                        call_context,
                        Arc::clone(&held),
                    );
                    service.change_one(tool, change).await
                }
            },
            Err(refusal) => refuse(refusal),
        };
        // The redactor knows the secrets of the call until here.
        self.cleanse(&mut reply);
        drop(held);
        reply
    }

    /// Makes one change. Refusals by policy or gate are recorded in the journal.
    pub(crate) async fn change_one<T: Change>(self: Arc<Self>, tool: T, mut change: ChangeRequest) -> CallResult {
        let claims = tool.claims();
        match self.pass_and_act(tool, &claims, &mut change).await {
            Ok(reply) | Err(EarlyExit::Answered(reply)) => reply,
            Err(EarlyExit::Refused(refusal)) => {
                if !change.begun && refusal.status.is_of_the_gate() {
                    self.journal.refuse(change.refused(T::NAME, &refusal)).await;
                }
                refuse(refusal)
            }
        }
    }

    /// Refuses a second call that carries a no. This runs before anything is read, because nothing can override
    /// that answer.
    pub(crate) fn admit_answer<T: Change>(&self, change: &mut ChangeRequest) -> Result<(), Refusal> {
        let call_context = &change.call_context;
        let subject =
            ConsentSubject { caller: &call_context.caller, tool: T::NAME, arguments: &change.given, seen: "" };
        let Some(no) = self.consent.refusal_in(&call_context.elicitor, &subject, T::EFFECT.nothing()) else {
            return Ok(());
        };
        if let Some(page) = &no.page {
            self.pages.close(page);
        }
        change.answered = Some(no.nonce);
        Err(no.refusal)
    }

    /// Returns the no that a second call carries in its typed answer, if it is refused for another reason. The refusal
    /// is then recorded as that no.
    pub(crate) fn no_before<T: Change>(&self, impact: &ChangeImpact, change: &mut ChangeRequest) -> Option<Refusal> {
        let call_context = &change.call_context;
        let subject = ConsentSubject {
            caller: &call_context.caller,
            tool: T::NAME,
            arguments: &change.given,
            seen: &impact.seen,
        };
        let about = (impact.question.as_ref(), T::EFFECT.nothing());
        let (refusal, nonce) = self.consent.admit_second_call(&call_context.elicitor, about, &subject).err()?;
        change.answered = Some(nonce?);
        Some(refusal)
    }

    /// Checks the daily cap and duplicates in the journal before anything is requested from Truedy. Returns how many
    /// changes the cap counts now.
    pub(crate) async fn room<T: Change>(
        &self,
        claims: &RequestedChange,
        change: &ChangeRequest,
    ) -> Result<u32, Refusal> {
        let cap = self.policy.caps.of(T::KIND);
        if cap.is_none() && claims.makes.is_none() {
            return Ok(0);
        }
        let key = claims.makes.as_deref().map(key_of_added);
        // Beyond the cap, no count makes a difference.
        let enough = match cap {
            Some(Cap::Most(most)) => most,
            _ => 0,
        };
        let standing = async || {
            let standing = self.journal.standing(&change.call_context.caller, T::NAME, key.clone(), None, enough).await;
            standing.map_err(|why| messages::on_journal(&why.to_string(), T::EFFECT))
        };
        let mut stands = standing().await?;
        // The wall clock may show that a day has passed, but no second clock confirms it. Truedy's clock can.
        if stands.unproven > 0
            && let Some(Cap::Most(most)) = cap
            && stands.used >= most
        {
            ask_the_time(&self.tool_context(&change.call_context).await?).await;
            stands = standing().await?;
        }
        if let Some(Cap::Most(most)) = cap
            && stands.used >= most
        {
            return Err(self.policy.cap_reached(T::KIND, stands.used));
        }
        match stands.flying {
            // The outcome of an unresolved operation may be found by reading the account.
            Some(other) if other.state != OperationPhase::Unknown => Err(messages::on_duplicate(&other, T::EFFECT)),
            _ => Ok(stands.used),
        }
    }
}
