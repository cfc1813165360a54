//! The way of a change: policy, journal, plan, gate, consent, intent, act, outcome. The one door to money and numbers.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::domain::Refusal;
use crate::guard::{Cap, ChangeImpact, RequestedChange};
use crate::journal::{GateEvidence, OperationPhase};
use crate::mcp::call::change::request::{ChangeRequest, EarlyExit, digest};
use crate::mcp::call::context::CallContext;
use crate::mcp::call::messages;
use crate::mcp::call::service::{CallResult, Service, refuse};
use crate::mcp::consent::elicitation::ConsentSubject;
use crate::tools::{Change, ask_the_time, flight};

/// What must be left of the time of a call when its change begins.
pub(crate) const TO_BEGIN: Duration = Duration::from_secs(4);
/// How long before the answer is due it is recorded that nobody will wait for the outcome.
pub(crate) const TO_ABANDON: Duration = Duration::from_millis(1_500);
/// How much later than due the answer may be for that.
pub(crate) const OVERDUE: Duration = Duration::from_millis(300);
/// How long a change that makes something may go on after its caller was answered: Truedy may take 165 s.
pub(crate) const BACKGROUND: Duration = Duration::from_secs(180);

/// How often what was found out before a change is found out anew because it was read too long ago.
pub(crate) const READ_AGAIN: u32 = 2;

impl Service {
    /// Answers a call that changes something. What policy and gate refuse is recorded, too.
    pub(crate) async fn change<T: Change>(
        self: Arc<Self>,
        arguments: Map<String, Value>,
        call_context: CallContext,
    ) -> CallResult {
        let held = Arc::new(self.hold::<T>(&arguments));
        let given = Value::Object(arguments.clone());
        let mut reply = match Self::parse::<T>(arguments) {
            Ok(tool) => {
                let claims = tool.claims();
                let mut change = ChangeRequest {
                    digest: digest::<T>(&given),
                    given,
                    object: claims.about.clone(),
                    evidence: GateEvidence { flag: claims.confirm, ..GateEvidence::default() },
                    answered: None,
                    begun: false,
                    held: Arc::clone(&held),
                    entered: Arc::default(),
                    call_context,
                };
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
            Err(refusal) => refuse(refusal),
        };
        self.cleanse(&mut reply);
        reply
    }

    /// Stops at the no that a second call brings, before anything else is looked at: nothing can take its place.
    pub(crate) fn admit_answer<T: Change>(&self, change: &mut ChangeRequest) -> Result<(), Refusal> {
        let call_context = &change.call_context;
        let subject =
            ConsentSubject { caller: &call_context.caller, tool: T::NAME, arguments: &change.given, seen: "" };
        let Some(no) = self.consent.refusal_in(&call_context.elicitor, &subject, messages::nothing(T::EFFECT)) else {
            return Ok(());
        };
        if let Some(page) = &no.page {
            self.pages.close(page);
        }
        change.answered = Some(no.nonce);
        Err(no.refusal)
    }

    /// The no that a second call brings by what was typed, where the call is refused for another reason: it stays a no.
    pub(crate) fn no_before<T: Change>(&self, impact: &ChangeImpact, change: &mut ChangeRequest) -> Option<Refusal> {
        let call_context = &change.call_context;
        let subject = ConsentSubject {
            caller: &call_context.caller,
            tool: T::NAME,
            arguments: &change.given,
            seen: &impact.seen,
        };
        let about = (impact.question.as_ref(), messages::nothing(T::EFFECT));
        let (refusal, nonce) = self.consent.admit_second_call(&call_context.elicitor, about, &subject).err()?;
        change.answered = Some(nonce?);
        Some(refusal)
    }

    /// Whether there is room for one more, as far as the journal knows; nothing is read from Truedy for what there is not.
    pub(crate) async fn room<T: Change>(
        &self,
        claims: &RequestedChange,
        change: &ChangeRequest,
    ) -> Result<u32, Refusal> {
        let cap = self.policy.caps.of(T::NAME);
        if cap.is_none() && claims.makes.is_none() {
            return Ok(0);
        }
        let key = claims.makes.as_deref().map(flight);
        let standing = async || {
            let standing = self.journal.standing(&change.call_context.caller, T::NAME, key.clone(), None).await;
            standing.map_err(|why| messages::on_journal(&why.0, T::EFFECT))
        };
        let mut stands = standing().await?;
        // A day may have passed, as the wall clock says, and no second clock vouches for it yet: Truedy's would.
        if stands.unproven > 0
            && let Some((_, Cap::Most(most))) = cap
            && stands.used >= most
        {
            ask_the_time(&self.tool_context(&change.call_context).await?).await;
            stands = standing().await?;
        }
        if let Some((_, Cap::Most(most))) = cap
            && stands.used >= most
        {
            return Err(self.policy.cap_reached(T::NAME, stands.used));
        }
        match stands.flying {
            // One that is not known may be found by reading the account.
            Some(other) if other.state != OperationPhase::Unknown => Err(messages::on_duplicate(&other, T::EFFECT)),
            _ => Ok(stands.used),
        }
    }
}
