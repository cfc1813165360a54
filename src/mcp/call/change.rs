//! The way of a change: policy, journal, plan, gate, consent, intent, act, outcome. The one door to money and numbers.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use rmcp::model::RequestMetaObject;
use serde_json::{Map, Value, json};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;
use tokio::time::error::Elapsed;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use crate::domain::{ClockReading, OperationTarget, Refusal, Status, digest_of, may_be_id};
use crate::guard::{Cap, ChangeImpact, GateDecision, GateInput, Level, RequestedChange, TokenCheck, evaluate};
use crate::journal::{
    BeginConflict, GateEvidence, Intent, Operation, OperationPhase, Outcome, OutcomeSource, PREVIEWED, RefusedCall,
};
use crate::mcp::apps::confirm_card;
use crate::mcp::apps::pages::AppsSupport;
use crate::mcp::call::messages;
use crate::mcp::call::messages::Stage;
use crate::mcp::call::service::{CallContext, CallResult, Service, done, refuse, words};
use crate::mcp::consent::credential_elicitation::Entered;
use crate::mcp::consent::elicitation::{ConsentOutcome, ConsentSubject, same};
use crate::mcp::consent::signed_state::Binding;
use crate::redact::RedactionGuard;
use crate::tools::{
    Change, Effect, Planned, Record, Tool, ToolContext, ToolFailure, ToolResponse, ask_the_time, flight, said,
};
use crate::truedy::{ApiError, Error, NotSent};

/// How much of the time of a call may be spent on reading before a change.
const PLANNING: Duration = Duration::from_secs(9);
/// What must be left of the time of a call when its change begins.
const TO_BEGIN: Duration = Duration::from_secs(4);
/// How long before the answer is due it is recorded that nobody will wait for the outcome.
const TO_ABANDON: Duration = Duration::from_millis(1_500);
/// How much later than due the answer may be for that.
const OVERDUE: Duration = Duration::from_millis(300);
/// How long a change that makes something may go on after its caller was answered: Truedy may take 165 s.
const BACKGROUND: Duration = Duration::from_secs(180);

/// A call on its way through the gate.
struct ChangeRequest {
    call_context: CallContext,
    /// The arguments as they came.
    given: Value,
    /// SHA-256 of the arguments that are no secrets.
    digest: String,
    object: OperationTarget,
    evidence: GateEvidence,
    /// The nonce of a question that was answered with no.
    answered: Option<String>,
    /// Whether it is in the journal as an operation.
    begun: bool,
    /// The secrets among the arguments, and what a person entered, are looked for as long as any of the call goes on.
    held: Arc<Vec<RedactionGuard>>,
    entered: Arc<Vec<RedactionGuard>>,
}

impl ChangeRequest {
    fn refused(&self, tool: &'static str, refusal: &Refusal) -> RefusedCall {
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
enum EarlyExit {
    Answered(CallResult),
    Refused(Refusal),
}

impl From<Refusal> for EarlyExit {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// What let a change pass.
struct Approved<P> {
    plan: P,
    impact: Box<ChangeImpact>,
    nonce: Option<String>,
    /// What the call brought to the gate, for weighing it once more.
    given: GateInput,
    /// When the reading began from which the plan was made.
    read_at: ClockReading,
}

/// How often what was found out before a change is found out anew because it was read too long ago.
const READ_AGAIN: u32 = 2;

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

    async fn pass_and_act<T: Change>(
        self: &Arc<Self>,
        tool: T,
        claims: &RequestedChange,
        change: &mut ChangeRequest,
    ) -> Result<CallResult, EarlyExit> {
        change.call_context.rights.admit(T::NAME, T::SCOPE, false)?;
        self.policy.admit(T::NAME, false, claims)?;
        if let Value::Object(given) = &change.given {
            self.admit_inline::<T>(given)?;
        }
        self.admit_answer::<T>(change)?;
        let caller = change.call_context.caller.clone();
        let _flight =
            claims.makes.as_ref().map(|number| self.begin_single_flight(number, &caller, T::EFFECT)).transpose()?;
        let used = self.room::<T>(claims, change).await?;
        let mut tool_context = self.tool_context(&change.call_context).await?;
        tool_context.used = used;
        let pass = self.pass(&tool, claims, change, &mut tool_context).await?;
        if tool_context.call.stop.is_cancelled() {
            let summary = format!("{} The call was cancelled before anything was sent.", messages::nothing(T::EFFECT));
            return Err(Refusal::new(Status::Cancelled, summary).into());
        }
        if tool_context.call.left() < TO_BEGIN {
            return Err(words(Error::NotSent(NotSent::Late).into(), T::EFFECT, Stage::Before).into());
        }
        let id = match self.begin::<T>(claims, change, &pass.impact, pass.nonce.clone()).await? {
            Ok(id) => id,
            Err(other) => {
                // Done by somebody else since the account was read: by now it shows there, or the journal alone knows it.
                plan(&tool, &tool_context).await?;
                return Err(messages::on_duplicate(&other, T::EFFECT).into());
            }
        };
        tracing::info!(tool = T::NAME, object = pass.impact.object.name(), %id, "changing");
        let held = [Arc::clone(&change.held), Arc::clone(&change.entered)];
        self.act(tool, pass, claims, held, id, tool_context).await.map_err(EarlyExit::from)
    }

    /// Stops at the no that a second call brings, before anything else is looked at: nothing can take its place.
    fn admit_answer<T: Change>(&self, change: &mut ChangeRequest) -> Result<(), Refusal> {
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
    fn no_before<T: Change>(&self, impact: &ChangeImpact, change: &mut ChangeRequest) -> Option<Refusal> {
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
    async fn room<T: Change>(&self, claims: &RequestedChange, change: &ChangeRequest) -> Result<u32, Refusal> {
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

    /// Reads what there is to know and asks all who must agree.
    async fn pass<T: Change>(
        &self,
        tool: &T,
        claims: &RequestedChange,
        change: &mut ChangeRequest,
        tool_context: &mut ToolContext,
    ) -> Result<Approved<T::Plan>, EarlyExit> {
        let mut read_at = ClockReading::now();
        let (mut found, mut impact) = plan(tool, tool_context).await?;
        change.object = impact.object.clone();
        let can_ask = change.call_context.elicitor.can_ask();
        let mut nonce = None;
        let mut token = TokenCheck::Absent;
        if let Some(given) = claims.token.as_ref().filter(|_| impact.grave) {
            let caller = &change.call_context.caller;
            let binding =
                Binding { caller, tool: change.call_context.token_for.unwrap_or(T::NAME), object: &impact.object };
            let subject = ConsentSubject { caller, tool: T::NAME, arguments: &change.given, seen: &impact.seen };
            let thinking = self.consent.is_answered(&change.call_context.elicitor, &subject);
            token = match self.tokens.check(given.as_str(), &binding, &impact.seen, thinking) {
                Ok(held) => {
                    change.evidence.token = true;
                    nonce = Some(held);
                    TokenCheck::Holds
                }
                Err(status) => TokenCheck::Fails(status),
            };
        }
        if nonce.is_some() || stopped_by_unresolved::<T>() {
            let standing =
                self.journal.standing(&change.call_context.caller, T::NAME, impact.flight.clone(), nonce.clone());
            let standing = standing.await.map_err(|why| messages::on_journal(&why.0, T::EFFECT))?;
            if let Some(other) = standing.flying {
                return Err(messages::on_duplicate(&other, T::EFFECT).into());
            }
            let known = claims.acknowledged.to_strings();
            let left: Vec<_> = standing.unresolved.into_iter().filter(|one| !known.contains(&one.id)).collect();
            if stopped_by_unresolved::<T>() && !left.is_empty() {
                return Err(messages::on_unresolved(&left, repeated::<T>(&change.given), T::NAME, T::EFFECT).into());
            }
            if standing.nonce_used {
                (token, change.evidence.token) = (TokenCheck::Fails(Status::ConfirmationUsed), false);
            }
        }
        let token_needed = change.call_context.token_for.is_some();
        let given = GateInput { confirm: claims.confirm, token, token_needed, can_ask };
        match evaluate(&impact, given, &self.policy) {
            GateDecision::Refuse(refusal) => {
                return Err(self.no_before::<T>(&impact, change).unwrap_or(refusal).into());
            }
            GateDecision::Preview(shown) => {
                return Err(self.with_token::<T>(shown.preview(), &impact, change).into());
            }
            GateDecision::Go if impact.wanted.is_none() => {
                let call_context = &change.call_context;
                let subject = ConsentSubject {
                    caller: &call_context.caller,
                    tool: T::NAME,
                    arguments: &change.given,
                    seen: &impact.seen,
                };
                let about = (impact.question.as_ref(), messages::nothing(T::EFFECT));
                self.consent.admit_second_call(&call_context.elicitor, about, &subject).map_err(
                    |(refusal, nonce)| {
                        change.answered = nonce;
                        refusal
                    },
                )?;
            }
            asks @ (GateDecision::Go | GateDecision::Ask(_)) => {
                let left = tool_context.call.left();
                let call_context = &change.call_context;
                let subject = ConsentSubject {
                    caller: &call_context.caller,
                    tool: T::NAME,
                    arguments: &change.given,
                    seen: &impact.seen,
                };
                let then = match (&impact.wanted, &asks) {
                    (Some(wanted), _) => {
                        let nothing = messages::nothing(T::EFFECT);
                        let shown = (&call_context.elicitor, &self.pages);
                        let collected = self.consent.collect(shown, &call_context.stop, (wanted, nothing), &subject);
                        match call_context.aside(T::EFFECT, collected).await? {
                            Entered::Pending(asked) => return Err(EarlyExit::Answered(CallResult::Ask(asked))),
                            Entered::No { refusal, nonce } => {
                                change.answered = Some(nonce);
                                return Err(refusal.into());
                            }
                            Entered::Yes(access, held, then) => {
                                tool_context.entered = Some(access);
                                change.entered = Arc::new(held);
                                then
                            }
                        }
                    }
                    (None, GateDecision::Ask(question)) => {
                        let card = self.card::<T>(&impact, tool_context.used, call_context.views);
                        let asked =
                            self.consent.ask(&call_context.elicitor, &call_context.stop, (question, card), &subject);
                        match call_context.aside(T::EFFECT, asked).await? {
                            ConsentOutcome::Pending(asked) => return Err(EarlyExit::Answered(CallResult::Ask(asked))),
                            ConsentOutcome::No { refusal, nonce } => {
                                change.answered = Some(nonce);
                                return Err(refusal.into());
                            }
                            ConsentOutcome::Yes { then } => then,
                        }
                    }
                    (None, _) => None,
                };
                // A person's thinking does not count against the time of the call; waiting for a place afterwards does.
                tool_context.call.deadline = Instant::now() + left;
                call_context.back(T::EFFECT, left).await?;
                if let Some(then) = &then {
                    // This process knows which answers it has seen; the journal knows those that others saw.
                    let nonce = Some(then.nonce.clone());
                    let standing = self.journal.standing(&change.call_context.caller, T::NAME, None, nonce).await;
                    if standing.map_err(|why| messages::on_journal(&why.0, T::EFFECT))?.nonce_used {
                        return Err(messages::on_answer_used(T::EFFECT).into());
                    }
                }
                change.evidence.person = true;
                let unchanged = match then {
                    Some(then) => {
                        nonce = nonce.or(Some(then.nonce));
                        same(&then.seen, &impact.seen)
                    }
                    None => {
                        read_at = ClockReading::now();
                        let (again, now) = plan(tool, tool_context).await?;
                        // What became forbidden while the person thought stays forbidden.
                        if let GateDecision::Refuse(refusal) | GateDecision::Preview(refusal) =
                            evaluate(&now, given, &self.policy)
                        {
                            return Err(refusal.into());
                        }
                        let unchanged = now.seen == impact.seen;
                        (found, impact) = (again, now);
                        unchanged
                    }
                };
                if !unchanged {
                    let summary = format!(
                        "{} What the user was asked about has changed meanwhile. Look again, then ask again.",
                        messages::nothing(T::EFFECT)
                    );
                    return Err(Refusal::new(Status::StateChanged, summary).retryable().into());
                }
            }
        }
        Ok(Approved { plan: found, impact, nonce, given, read_at })
    }

    /// What goes with a question for a client that shows it on a page of ours: of the grave changes alone.
    fn card<T: Change>(&self, impact: &ChangeImpact, used: u32, views: AppsSupport) -> Option<RequestMetaObject> {
        if !views.cards || !impact.grave {
            return None;
        }
        let mut facts = confirm_card::facts(impact, used, self.policy.caps.of(T::NAME).map(|(_, cap)| cap));
        self.hide_in(&mut facts);
        Some(confirm_card::beside(facts))
    }

    /// A preview, with the token that shows it was seen where a token is needed.
    fn with_token<T: Change>(&self, mut shown: Refusal, impact: &ChangeImpact, change: &ChangeRequest) -> Refusal {
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
        // The call that comes next is whole where it would be refused without the token.
        if self.policy.level >= Level::Token
            && let Some(Value::Object(arguments)) =
                shown.details.get_mut("next").and_then(|next| next.get_mut("arguments"))
            && arguments.get("confirm") == Some(&Value::Bool(true))
        {
            arguments.insert("confirmation_token".to_owned(), json!(token));
        }
        shown.with("confirmation_token", token)
    }

    /// Records the intent; nothing is sent without it. The operation that did the same a moment ago, if there is one.
    async fn begin<T: Change>(
        &self,
        claims: &RequestedChange,
        change: &mut ChangeRequest,
        impact: &ChangeImpact,
        nonce: Option<String>,
    ) -> Result<Result<Uuid, Box<Operation>>, EarlyExit> {
        let intent = Intent {
            id: Uuid::now_v7(),
            caller: change.call_context.caller.clone(),
            tool: T::NAME,
            object: impact.object.clone(),
            flight: impact.flight.clone(),
            digest: change.digest.clone(),
            nonce,
            price: impact.price.clone(),
            evidence: change.evidence,
            acknowledged: claims.acknowledged.to_strings(),
            stopped_by_unresolved: stopped_by_unresolved::<T>(),
            most: self.policy.caps.of(T::NAME).and_then(|(_, cap)| cap.most()),
            spend: self.policy.caps.spend.clone(),
        };
        let id = intent.id;
        let begun = self.journal.begin(intent).await.map_err(|why| messages::on_journal(&why.0, T::EFFECT))?;
        let refusal = match begun {
            None => {
                change.begun = true;
                return Ok(Ok(id));
            }
            Some(BeginConflict::JustDone(other)) => return Ok(Err(other)),
            Some(BeginConflict::Flying(other)) => messages::on_duplicate(&other, T::EFFECT),
            Some(BeginConflict::NonceUsed) => messages::on_answer_used(T::EFFECT),
            Some(BeginConflict::Unresolved(open)) => {
                messages::on_unresolved(&open, repeated::<T>(&change.given), T::NAME, T::EFFECT)
            }
            Some(BeginConflict::Cap(used)) => self.policy.cap_reached(T::NAME, used),
            Some(BeginConflict::Spend(spent)) => match &impact.price {
                Some(price) => self.policy.spend_reached(&spent, price),
                None => self.policy.cap_reached(T::NAME, 0),
            },
        };
        Err(refusal.into())
    }

    /// Makes the change in a task of its own, which nothing but its end stops once it was sent. The caller waits for it as
    /// long as a caller may.
    async fn act<T: Change>(
        self: &Arc<Self>,
        tool: T,
        pass: Approved<T::Plan>,
        claims: &RequestedChange,
        held: [Arc<Vec<RedactionGuard>>; 2],
        id: Uuid,
        mut tool_context: ToolContext,
    ) -> Result<CallResult, Refusal> {
        let object = pass.impact.object.clone();
        let (answer_by, stop) = (tool_context.call.deadline, tool_context.call.stop.clone());
        if matches!(T::EFFECT, Effect::Spends | Effect::Registers) {
            tool_context.call.deadline = Instant::now() + BACKGROUND;
        }
        let makes = claims.makes.clone().map(|number| (number, T::NAME));
        let record = Record::new(Arc::clone(&self.journal), id, makes, pass.read_at);
        tool_context.call.permit = Some(Arc::clone(&record) as _);
        tool_context.record = Some(Arc::clone(&record));
        let unknown = tool.unknown();
        let (service, kept, if_lost) = (Arc::clone(self), Arc::clone(&record), unknown.clone());
        let acting = async move {
            let acted =
                AssertUnwindSafe(service.act_on_what_is_fresh(tool, pass, tool_context, &kept)).catch_unwind().await;
            let answered = service.settle::<T>(acted.ok(), id, &kept, if_lost).await;
            drop(held);
            answered
        };
        let acting = self.tasks.spawn(acting.in_current_span());
        match self.await_answer(acting, id, answer_by, &stop).await {
            Ok(Ok(answered)) => answered,
            Ok(Err(_)) => Err(with_operation(messages::on_fault(T::EFFECT), id)),
            Err(_) if record.is_lost() => {
                let unknown = record.last_words().map_or(unknown.clone(), |error| said(unknown, &error));
                Err(with_operation(unknown, id))
            }
            Err(_) => Err(with_operation(messages::in_progress(T::EFFECT, &object, &id.to_string()), id)),
        }
    }

    /// Acts. Where what the plan was made from turns out to be too old before anything is sent, because the machine slept, the
    /// program was stopped or the limiter was waited for, it is read again, and only what has not changed goes on.
    async fn act_on_what_is_fresh<T: Change>(
        &self,
        tool: T,
        pass: Approved<T::Plan>,
        tool_context: ToolContext,
        record: &Record,
    ) -> Result<ToolResponse<T::Output>, ToolFailure> {
        let Approved { plan: mut found, impact, given, .. } = pass;
        let mut again = 0;
        loop {
            let acted = tool.clone().act(found, tool_context.clone()).await;
            let kept = matches!(&acted, Err(ToolFailure::Truedy(Error::NotSent(NotSent::NotCleared(_)))));
            if !kept || !record.was_kept_stale() || record.is_lost() {
                return acted;
            }
            if again == READ_AGAIN {
                return Err(messages::on_overslept(T::EFFECT).into());
            }
            again += 1;
            tracing::warn!(tool = T::NAME, "what was read before a change is too old: it is read again");
            let read_at = ClockReading::now();
            // Prices that were remembered are of before, too.
            let anew = ToolContext { prices: Arc::default(), ..tool_context.clone() };
            found = match plan(&tool, &anew).await {
                Ok((found, now)) if now.seen == impact.seen => match evaluate(&now, given, &self.policy) {
                    GateDecision::Go | GateDecision::Ask(_) => found,
                    GateDecision::Refuse(refusal) | GateDecision::Preview(refusal) => return Err(refusal.into()),
                },
                Err(EarlyExit::Refused(refusal)) => return Err(refusal.into()),
                Ok(_) | Err(EarlyExit::Answered(_)) => return Err(messages::on_overslept(T::EFFECT).into()),
            };
            record.read_again(read_at);
        }
    }

    /// Waits for a change as long as its caller does. Nobody waits any more soon after this gives up, or once the caller went
    /// away: that is in the journal before anything else is told.
    async fn await_answer<T>(
        &self,
        mut acting: JoinHandle<T>,
        id: Uuid,
        answer_by: Instant,
        stop: &CancellationToken,
    ) -> Result<Result<T, JoinError>, Elapsed> {
        let soon = answer_by.checked_sub(TO_ABANDON).unwrap_or(answer_by);
        tokio::select! {
            finished = &mut acting => return Ok(finished),
            () = tokio::time::sleep_until(soon) => {}
            () = stop.cancelled() => {}
            () = self.left.cancelled() => {}
        }
        let abandoned = self.journal.abandon(id);
        tokio::pin!(abandoned);
        tokio::select! {
            finished = &mut acting => return Ok(finished),
            // One that cannot be written in time is known to this process, and written before the next change begins.
            _ = &mut abandoned => {}
            () = tokio::time::sleep_until(answer_by + OVERDUE) => {}
        }
        tokio::time::timeout_at(answer_by, acting).await
    }

    /// Records what became of a change, and says it. `None`: a fault ended it. `unknown` is what is said if that is not known.
    async fn settle<T: Change>(
        &self,
        acted: Option<Result<ToolResponse<T::Output>, ToolFailure>>,
        id: Uuid,
        record: &Record,
        unknown: Refusal,
    ) -> Result<CallResult, Refusal> {
        let known_by = if record.was_looked_up() { OutcomeSource::Look } else { OutcomeSource::Answer };
        let ended = |happened, outcome: &str, facts: &Map<String, Value>| {
            // Only what looks like an id: Truedy could send anything in its place.
            let text =
                |field: &str| facts.get(field).and_then(Value::as_str).filter(|id| may_be_id(id)).map(str::to_owned);
            Outcome {
                upstream_status: record.status(),
                request_id: text("request_id"),
                number_id: text("id"),
                credential_id: text("credential_id"),
                ..Outcome::new(happened, outcome, known_by)
            }
        };
        let failure = match acted {
            Some(Ok(answer)) => {
                let CallResult::Done(mut object, is_error) = done(&answer) else {
                    return Err(messages::on_fault(T::EFFECT));
                };
                let status = answer.status.as_str();
                tracing::info!(tool = T::NAME, %id, status, "changed");
                self.journal.settle(&id.to_string(), ended(true, status, &object)).await;
                object.insert("operation_id".to_owned(), json!(id.to_string()));
                return Ok(CallResult::Done(object, is_error));
            }
            Some(Err(failure)) => failure,
            None => {
                record.lost(&Error::NoVerdict("a fault of this server".to_owned(), ApiError::default())).await;
                return Err(with_operation(messages::on_fault(T::EFFECT), id));
            }
        };
        let failure = match failure {
            // What became of a second attempt says nothing of the first, whose answer was lost.
            ToolFailure::Truedy(error) if record.is_lost() && !error.may_have_happened() => {
                said(unknown, &error).into()
            }
            failure => failure,
        };
        let sent = !record.was_kept_stale() && !matches!(&failure, ToolFailure::Truedy(Error::NotSent(_)));
        let lost = match &failure {
            ToolFailure::Truedy(error) if error.may_have_happened() => Some(error.clone()),
            ToolFailure::Refused(refusal) if refusal.status == Status::OutcomeUnknown => {
                Some(Error::NoVerdict(String::new(), ApiError::default()))
            }
            _ => None,
        };
        if let Some(error) = &lost {
            record.lost(error).await;
        }
        // A journal that fails between intent and sending has a word of its own.
        let kept_here = matches!(&failure, ToolFailure::Truedy(Error::NotSent(NotSent::NotCleared(_))));
        let refusal = words(failure, T::EFFECT, Stage::During);
        // "Not so far" is no "no": a release that was lost may still take place, and keeps its place in the cap until the
        // account says otherwise long after.
        let not_so_far = record.is_lost() && refusal.status == Status::NotReleased;
        if lost.is_none() && !not_so_far {
            let outcome = if kept_here { Status::Cancelled } else { refusal.status };
            let ending = ended(false, outcome.as_str(), &refusal.details);
            self.journal.settle(&id.to_string(), Outcome { sent, ..ending }).await;
        }
        Err(with_operation(refusal, id))
    }
}

/// Reads what there is to know.
async fn plan<T: Change>(tool: &T, tool_context: &ToolContext) -> Result<(T::Plan, Box<ChangeImpact>), EarlyExit> {
    match tool.plan(&tool_context.with(tool_context.call.within(PLANNING).planning())).await {
        Ok(Planned::Ready(plan, impact)) => Ok((plan, impact)),
        Ok(Planned::Done(answer)) => Err(EarlyExit::Answered(done(&answer))),
        Err(failure) => Err(words(failure, T::EFFECT, Stage::Before).into()),
    }
}

/// Whether "the first one failed, I buy another" must be ruled out.
fn stopped_by_unresolved<T: Tool>() -> bool {
    T::EFFECT == Effect::Spends
}

/// Says under which id it is found, and how to look it up where that is what comes next.
fn with_operation(refusal: Refusal, id: Uuid) -> Refusal {
    let id = id.to_string();
    let refusal = match refusal.status {
        Status::OutcomeUnknown | Status::InternalError => refusal.with("next", messages::look_up(&id)),
        _ => refusal,
    };
    refusal.with("operation_id", id)
}

/// SHA-256 of the arguments; secrets are left out, since a short one could be found from its digest.
fn digest<T: Tool>(given: &Value) -> String {
    digest_of(without_secrets::<T>(given).to_string().as_bytes())
}

/// The arguments that may be repeated, and the names of the secrets that were given too and may not.
fn repeated<T: Tool>(given: &Value) -> (Value, Vec<&'static str>) {
    let left_out = T::secrets().into_iter().filter(|name| given.get(*name).is_some_and(|value| !value.is_null()));
    (without_secrets::<T>(given), left_out.collect())
}

/// The arguments that may be kept and repeated.
fn without_secrets<T: Tool>(given: &Value) -> Value {
    let mut given = given.clone();
    if let Some(fields) = given.as_object_mut() {
        T::secrets().into_iter().for_each(|name| drop(fields.remove(name)));
    }
    given
}
