//! The gate of a change: the impact is read, and a person is asked for consent where that is needed.

use std::sync::Arc;

use rmcp::model::RequestMetaObject;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::domain::{Caller, ClockReading, Proof, Refusal, Status};
use crate::guard::{
    ChangeImpact, CredentialRequest, GateDecision, GateInput, Level, Question, RequestedChange, TokenCheck, evaluate,
};
use crate::journal::ConsentPlace;
use crate::mcp::apps::confirm_card::{self, MonthlyTotal};
use crate::mcp::apps::pages::AppsSupport;
use crate::mcp::call::change::request::{Approved, ChangeRequest, EarlyExit, plan, repeated, stopped_by_unresolved};
use crate::mcp::call::messages;
use crate::mcp::call::service::{CallResult, Service};
use crate::mcp::consent::credential_elicitation::Entered;
use crate::mcp::consent::elicitation::{ConsentOutcome, PriorRequest, same};
use crate::mcp::consent::signed_state::Binding;
use crate::tools::{Change, ToolContext};

/// The token of the call, as far as it was checked.
struct CheckedToken {
    check: TokenCheck,
    /// The nonce of a valid token.
    nonce: Option<String>,
}

/// A plan, the impact that was read for it, and when these reads began.
struct PlannedChange<P> {
    plan: P,
    impact: Box<ChangeImpact>,
    read_at: ClockReading,
    read_rev: Option<i64>,
}

/// What a person is asked for.
enum PersonRequest<'a> {
    /// The keys of a carrier. Whoever enters them consents to the change.
    Keys(&'a CredentialRequest),
    /// The answer to a question.
    Answer(Question),
}

impl Service {
    /// Reads the impact of a change, evaluates the gate, and asks a person where that is needed.
    pub(crate) async fn pass<T: Change>(
        &self,
        tool: &T,
        claims: &RequestedChange,
        change: &mut ChangeRequest,
        tool_context: &mut ToolContext,
    ) -> Result<Approved<T::Plan>, EarlyExit> {
        let planned = read_plan(tool, tool_context).await?;
        let impact = &planned.impact;
        change.object = impact.object.clone();
        if let Err(refusal) = change.admit_undo(impact, T::EFFECT.nothing()) {
            return Err(self.with_freeze(refusal).await.into());
        }
        let mut token = self.check_token::<T>(claims, impact, change);
        self.check_journal::<T>(claims, impact, change, &mut token).await?;
        let given = GateInput {
            confirm: claims.confirm,
            token: token.check,
            token_needed: change.call_context.token_for.is_some(),
            can_ask: change.call_context.elicitor.can_ask(),
        };
        let nonce = token.nonce;
        let request = match (evaluate(impact, given, &self.policy), &impact.wanted) {
            (GateDecision::Refuse(refusal), _) => {
                let refusal = self.no_before::<T>(impact, change).unwrap_or(refusal);
                // Without its flag, a change is told which call goes on, as by a preview.
                let goes_on = impact.without_flag.as_ref() == Some(&refusal);
                return Err(if goes_on { self.with_freeze(refusal).await } else { refusal }.into());
            }
            (GateDecision::Preview(shown), _) => {
                let shown = self.with_token::<T>(shown.preview(), impact, change);
                return Err(self.with_freeze(shown).await.into());
            }
            (GateDecision::Go, None) => {
                self.check_answer_of_second_call::<T>(impact, change)?;
                change.evidence.person = change.evidence.person.or(change.call_context.agreed);
                return Ok(planned.approved(nonce, given));
            }
            (GateDecision::Go | GateDecision::Ask(_), Some(wanted)) => PersonRequest::Keys(wanted),
            (GateDecision::Ask(question), None) => PersonRequest::Answer(question),
        };
        self.admit_unfrozen(T::EFFECT).await?;
        match self.ask_person::<T>(request, impact, change, tool_context).await? {
            Some(then) if same(&then.seen, &impact.seen) => Ok(planned.approved(nonce.or(Some(then.nonce)), given)),
            Some(_) => Err(state_changed::<T>().into()),
            None => {
                let again = self.read_plan_again(tool, impact, given, tool_context).await?;
                Ok(again.approved(nonce, given))
            }
        }
    }

    /// Checks the confirmation token of the call. The token counts only for a grave change.
    fn check_token<T: Change>(
        &self,
        claims: &RequestedChange,
        impact: &ChangeImpact,
        change: &mut ChangeRequest,
    ) -> CheckedToken {
        let Some(given) = claims.token.as_ref().filter(|_| impact.grave) else {
            return CheckedToken { check: TokenCheck::Absent, nonce: None };
        };
        let caller = &change.call_context.caller;
        let binding =
            Binding { caller, tool: change.call_context.token_for.unwrap_or(T::NAME), object: &impact.object };
        let thinking = self.consent.is_answered(&change.call_context.elicitor, &change.consent_subject::<T>(impact));
        match self.tokens.check(given.as_str(), &binding, &impact.seen, thinking) {
            Ok(nonce) => {
                change.evidence.token = true;
                change.evidence.click = change.call_context.token_for.is_some();
                CheckedToken { check: TokenCheck::Holds, nonce: Some(nonce) }
            }
            Err(status) => CheckedToken { check: TokenCheck::Fails(status), nonce: None },
        }
    }

    /// Refuses if the journal has the same change in progress, or unresolved operations that were not acknowledged. Marks
    /// the token as invalid if it was used before.
    async fn check_journal<T: Change>(
        &self,
        claims: &RequestedChange,
        impact: &ChangeImpact,
        change: &mut ChangeRequest,
        token: &mut CheckedToken,
    ) -> Result<(), Refusal> {
        if token.nonce.is_none() && !stopped_by_unresolved::<T>() {
            return Ok(());
        }
        let (flight, nonce) = (impact.flight.clone(), token.nonce.clone());
        let standing = self.journal.standing(&change.call_context.caller, T::NAME, flight, nonce, 0);
        let standing = standing.await.map_err(|why| messages::on_journal(&why.to_string(), T::EFFECT))?;
        if let Some(other) = standing.flying {
            return Err(messages::on_duplicate(&other, T::EFFECT));
        }
        let known = claims.acknowledged.to_strings();
        let left: Vec<_> = standing.unresolved.into_iter().filter(|one| !known.contains(&one.id)).collect();
        if stopped_by_unresolved::<T>() && !left.is_empty() {
            return Err(messages::on_unresolved(&left, repeated::<T>(&change.given), T::NAME, T::EFFECT));
        }
        if standing.nonce_used {
            token.check = TokenCheck::Fails(Status::ConfirmationUsed);
            (change.evidence.token, change.evidence.click) = (false, false);
        }
        Ok(())
    }

    /// Checks the answer that a second call carries although this call would ask nobody.
    fn check_answer_of_second_call<T: Change>(
        &self,
        impact: &ChangeImpact,
        change: &mut ChangeRequest,
    ) -> Result<(), Refusal> {
        let about = (impact.question.as_ref(), T::EFFECT.nothing());
        let subject = change.consent_subject::<T>(impact);
        let admitted = self.consent.admit_second_call(&change.call_context.elicitor, about, &subject);
        admitted.map_err(|(refusal, nonce)| {
            change.answered = nonce;
            refusal
        })
    }

    /// Asks a person, and returns when the person has consented. Returns the earlier call that the person answered.
    /// `None` if the person answered while this call was open.
    async fn ask_person<T: Change>(
        &self,
        request: PersonRequest<'_>,
        impact: &ChangeImpact,
        change: &mut ChangeRequest,
        tool_context: &mut ToolContext,
    ) -> Result<Option<PriorRequest>, EarlyExit> {
        let left = tool_context.call.left();
        let place = match &request {
            PersonRequest::Keys(_) => ConsentPlace::Page,
            PersonRequest::Answer(_) if change.call_context.views.cards && impact.grave => ConsentPlace::Card,
            PersonRequest::Answer(_) => ConsentPlace::Form,
        };
        let then = match request {
            PersonRequest::Keys(wanted) => self.collect_keys::<T>(wanted, impact, change, tool_context).await?,
            PersonRequest::Answer(question) => {
                self.put_question::<T>(&question, impact, change, tool_context.used).await?
            }
        };
        // The time that a person takes does not count for the call. The later wait for a permit does count.
        tool_context.call.deadline = Instant::now() + left;
        change.call_context.back(T::EFFECT, left).await?;
        if let Some(then) = &then {
            // This process knows the answers that it has used. The journal also knows those that other replicas have
            // used.
            let nonce = Some(then.nonce.clone());
            let standing = self.journal.standing(&change.call_context.caller, T::NAME, None, nonce, 0).await;
            if standing.map_err(|why| messages::on_journal(&why.to_string(), T::EFFECT))?.nonce_used {
                return Err(messages::on_answer_used(T::EFFECT).into());
            }
        }
        change.evidence.person = Some(place);
        Ok(then)
    }

    /// Lets a person enter the keys of a carrier on a page.
    async fn collect_keys<T: Change>(
        &self,
        wanted: &CredentialRequest,
        impact: &ChangeImpact,
        change: &mut ChangeRequest,
        tool_context: &mut ToolContext,
    ) -> Result<Option<PriorRequest>, EarlyExit> {
        let call_context = &change.call_context;
        let subject = change.consent_subject::<T>(impact);
        let shown = (&call_context.elicitor, &self.pages);
        let wanted = (wanted, T::EFFECT.nothing());
        let collected = self.consent.collect(shown, &call_context.stop, wanted, &subject);
        match call_context.aside(T::EFFECT, collected).await? {
            Entered::Pending(asked) => Err(EarlyExit::Answered(CallResult::Ask(asked))),
            Entered::No { refusal, nonce } => {
                change.answered = Some(nonce);
                Err(refusal.into())
            }
            Entered::Yes(access, held, then) => {
                tool_context.entered = Some(access);
                change.entered = Arc::new(held);
                Ok(then)
            }
        }
    }

    /// Asks a person a question. `used` is how many changes the cap counts, for the confirmation card.
    async fn put_question<T: Change>(
        &self,
        question: &Question,
        impact: &ChangeImpact,
        change: &mut ChangeRequest,
        used: u32,
    ) -> Result<Option<PriorRequest>, EarlyExit> {
        let call_context = &change.call_context;
        let subject = change.consent_subject::<T>(impact);
        let card = self.card::<T>(impact, used, (&call_context.caller, call_context.views)).await;
        let asked = self.consent.ask(&call_context.elicitor, &call_context.stop, (question, card), &subject);
        match call_context.aside(T::EFFECT, asked).await? {
            ConsentOutcome::Pending(asked) => Err(EarlyExit::Answered(CallResult::Ask(asked))),
            ConsentOutcome::No { refusal, nonce } => {
                change.answered = Some(nonce);
                Err(refusal.into())
            }
            ConsentOutcome::Yes { then } => Ok(then),
        }
    }

    /// Plans the change again after a person has consented. Only an unchanged change goes on.
    async fn read_plan_again<T: Change>(
        &self,
        tool: &T,
        before: &ChangeImpact,
        given: GateInput,
        tool_context: &ToolContext,
    ) -> Result<PlannedChange<T::Plan>, EarlyExit> {
        let again = read_plan(tool, tool_context).await?;
        // The change may have become forbidden while the person was thinking. Then it stays forbidden.
        match evaluate(&again.impact, given, &self.policy) {
            GateDecision::Refuse(refusal) | GateDecision::Preview(refusal) => Err(refusal.into()),
            GateDecision::Go | GateDecision::Ask(_) if again.impact.seen == before.seen => Ok(again),
            GateDecision::Go | GateDecision::Ask(_) => Err(state_changed::<T>().into()),
        }
    }

    /// Returns the facts for the confirmation card. `None` if the client shows no cards, or the change is neither a
    /// purchase nor a release.
    async fn card<T: Change>(
        &self,
        impact: &ChangeImpact,
        used: u32,
        (caller, views): (&Caller, AppsSupport),
    ) -> Option<RequestMetaObject> {
        if !views.cards || !impact.grave {
            return None;
        }
        let total = self.monthly_after(impact).await;
        let mut facts = confirm_card::facts(impact, (used, self.policy.caps.of(T::KIND)), caller, total);
        self.hide_in(&mut facts);
        Some(confirm_card::beside(facts))
    }

    /// Returns what the account costs a month after a purchase. `None` if the change is none, or if the numbers of the
    /// account or their prices cannot be read.
    async fn monthly_after(&self, impact: &ChangeImpact) -> Option<MonthlyTotal> {
        let (bought, ids) = (impact.fees.as_ref()?, impact.account_ids.as_ref()?);
        let known = self.journal.fees_of(ids.clone()).await.ok()?;
        MonthlyTotal::of(bought, known.values(), ids.len())
    }

    /// Adds a confirmation token to a preview, where a token is needed. The token proves that the caller saw the
    /// preview.
    pub(crate) fn with_token<T: Change>(
        &self,
        mut shown: Refusal,
        impact: &ChangeImpact,
        change: &ChangeRequest,
    ) -> Refusal {
        let page = change.call_context.token_for;
        if self.policy.level < Level::Token && page.is_none() {
            return shown;
        }
        let binding =
            Binding { caller: &change.call_context.caller, tool: page.unwrap_or(T::NAME), object: &impact.object };
        let token = match self.tokens.issue(&binding, &impact.seen) {
            Ok(token) => token,
            Err(why) => return messages::on_sealing(&why, T::EFFECT),
        };
        // At a level that needs the token, the call in `next` contains it and can be sent as it is.
        if self.policy.level >= Level::Token
            && let Some(Value::Object(arguments)) =
                shown.details.get_mut("next").and_then(|next| next.get_mut("arguments"))
            && arguments.get("confirm") == Some(&Value::Bool(true))
        {
            arguments.insert("confirmation_token".to_owned(), json!(token));
        }
        shown.with("confirmation_token", token)
    }
}

impl<P> PlannedChange<P> {
    fn approved(self, nonce: Option<String>, given: GateInput) -> Approved<P> {
        let Self { plan, impact, read_at, read_rev } = self;
        Approved { plan, impact, nonce, given, read_at, read_rev }
    }
}

/// Plans a change, and notes when the reads for the plan began.
async fn read_plan<T: Change>(tool: &T, tool_context: &ToolContext) -> Result<PlannedChange<T::Plan>, EarlyExit> {
    let read_at = ClockReading::now();
    let read_rev = match T::KIND.proof {
        // A key of its own protects what adds a number.
        Proof::NumberPresent => None,
        // Without the journal, the change does not begin anyway.
        _ => tool_context.journal.revision().await.ok(),
    };
    let (plan, impact) = plan(tool, tool_context).await?;
    Ok(PlannedChange { plan, impact, read_at, read_rev })
}

/// Returns the refusal when the account is no longer as the person saw it.
fn state_changed<T: Change>() -> Refusal {
    let summary = format!(
        "{} What the user was asked about has changed meanwhile. Look again, then ask again.",
        T::EFFECT.nothing()
    );
    Refusal::new(Status::StateChanged, summary).retryable()
}
