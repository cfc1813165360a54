//! Executes a change: writes its intent, sends the request, and writes its outcome.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use serde_json::{Map, Value, json};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;
use tokio::time::error::Elapsed;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use crate::domain::{ClockReading, Proof, Refusal, Status, may_be_id};
use crate::guard::{ChangeImpact, GateDecision, RequestedChange, evaluate};
use crate::journal::{AddedNumber, BeginConflict, Intent, Operation, Outcome, OutcomeSource};
use crate::mcp::call::change::admit::{BACKGROUND, OVERDUE, READ_AGAIN, TO_ABANDON, TO_BEGIN};
use crate::mcp::call::change::request::{
    Approved, ChangeRequest, EarlyExit, plan, repeated, stopped_by_unresolved, with_operation,
};
use crate::mcp::call::change::resend::resent;
use crate::mcp::call::messages::{self, Stage};
use crate::mcp::call::service::{CallResult, Service, finished, words};
use crate::redact::RedactionGuard;
use crate::tools::{Change, Record, ToolContext, ToolFailure, ToolResponse, said};
use crate::truedy::{ApiError, Error, NotSent};

impl Service {
    pub(crate) async fn pass_and_act<T: Change>(
        self: &Arc<Self>,
        tool: T,
        claims: &RequestedChange,
        change: &mut ChangeRequest,
    ) -> Result<CallResult, EarlyExit> {
        change.call_context.rights.admit(T::NAME, T::SCOPE, false)?;
        self.policy.admit(T::NAME, T::EFFECT, claims)?;
        if let Value::Object(given) = &change.given {
            self.admit_inline::<T>(given)?;
        }
        self.admit_answer::<T>(change)?;
        self.admit_once::<T>(change).await?;
        let caller = change.call_context.caller.clone();
        let _flight =
            claims.makes.as_ref().map(|number| self.begin_single_flight(number, &caller, T::EFFECT)).transpose()?;
        let used = self.room::<T>(claims, change).await?;
        let mut tool_context = self.tool_context(&change.call_context).await?;
        tool_context.used = used;
        let pass = self.pass(&tool, claims, change, &mut tool_context).await?;
        if tool_context.call.stop.is_cancelled() {
            let summary = format!("{} The call was cancelled before anything was sent.", T::EFFECT.nothing());
            return Err(Refusal::new(Status::Cancelled, summary).into());
        }
        if tool_context.call.left() < TO_BEGIN {
            return Err(words(Error::NotSent(NotSent::Late).into(), T::EFFECT, Stage::Before).into());
        }
        let id = match self.begin::<T>(claims, change, &pass.impact, (pass.nonce.clone(), pass.read_rev)).await? {
            Ok(id) => id,
            Err(other) => {
                // Another call made the same change after the account was read. If the account shows it by now, the new
                // plan ends the call. Otherwise only the journal knows of it.
                plan(&tool, &tool_context).await?;
                return Err(messages::on_duplicate(&other, T::EFFECT).into());
            }
        };
        tracing::info!(tool = T::NAME, object = pass.impact.object.name(), %id, "changing");
        let held = [Arc::clone(&change.held), Arc::clone(&change.entered)];
        self.act(tool, pass, claims, held, id, tool_context).await.map_err(EarlyExit::from)
    }

    /// Records the intent in the journal. Nothing is sent without it. Returns the id of the new operation, or the
    /// operation that made the same change a moment ago.
    pub(crate) async fn begin<T: Change>(
        &self,
        claims: &RequestedChange,
        change: &mut ChangeRequest,
        impact: &ChangeImpact,
        (nonce, read_rev): (Option<String>, Option<i64>),
    ) -> Result<Result<Uuid, Box<Operation>>, EarlyExit> {
        let intent = Intent {
            id: Uuid::now_v7(),
            caller: change.call_context.caller.clone(),
            kind: T::KIND,
            object: impact.object.clone(),
            read_rev,
            flight: impact.flight.clone(),
            digest: change.digest.clone(),
            nonce,
            price: impact.price.clone(),
            fees: impact.fees.clone(),
            origin: change.origin(T::NAME),
            evidence: change.evidence,
            acknowledged: claims.acknowledged.to_strings(),
            stopped_by_unresolved: stopped_by_unresolved::<T>(),
            most: self.policy.caps.of(T::KIND).and_then(|cap| cap.most()),
            spend: self.policy.caps.spend.clone(),
        };
        let id = intent.id;
        let begun =
            self.journal.begin(intent).await.map_err(|why| messages::on_journal(&why.to_string(), T::EFFECT))?;
        let refusal = match begun {
            None => {
                change.begun = true;
                return Ok(Ok(id));
            }
            Some(BeginConflict::Frozen(freeze)) => messages::on_frozen(&freeze, T::EFFECT),
            Some(BeginConflict::JustDone(other)) => return Ok(Err(other)),
            Some(BeginConflict::Stale(other)) => messages::on_stale(&other, T::EFFECT),
            Some(BeginConflict::Resent(first)) => return Err(resent(&first, T::KIND)),
            Some(BeginConflict::Flying(other)) => messages::on_duplicate(&other, T::EFFECT),
            Some(BeginConflict::NonceUsed) => messages::on_answer_used(T::EFFECT),
            Some(BeginConflict::Unresolved(open)) => {
                messages::on_unresolved(&open, repeated::<T>(&change.given), T::NAME, T::EFFECT)
            }
            Some(BeginConflict::Cap(used)) => self.policy.cap_reached(T::KIND, used),
            Some(BeginConflict::Spend(spent)) => match &impact.price {
                Some(price) => self.policy.spend_reached(&spent, price),
                None => self.policy.cap_reached(T::KIND, 0),
            },
        };
        Err(refusal.into())
    }

    /// Makes the change in a task of its own. Once the request is sent, only the task's own end stops it. The caller
    /// waits for the result until its deadline.
    pub(crate) async fn act<T: Change>(
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
        if T::KIND.proof == Proof::NumberPresent {
            tool_context.call.deadline = Instant::now() + BACKGROUND;
        }
        let (kind, created_after) = (T::KIND, object.created_after);
        let makes = claims.makes.clone().map(|number| AddedNumber { number, kind, created_after });
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

    /// Makes the change from data that is still fresh when the request is sent. The data becomes too old if the machine
    /// sleeps, the program is stopped, or the limiter delays the request. It is then read again, and only an unchanged
    /// change goes on.
    pub(crate) async fn act_on_what_is_fresh<T: Change>(
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
            // Cached prices are too old as well, so the cache starts empty.
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

    /// Waits for a change until the caller's deadline. Shortly before the deadline, or when the caller leaves, the
    /// operation is recorded as abandoned. The journal has this record before the caller gets any other answer.
    pub(crate) async fn await_answer<T>(
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
            // If the record is late, this process keeps it in memory and writes it before the next change begins.
            _ = &mut abandoned => {}
            () = tokio::time::sleep_until(answer_by + OVERDUE) => {}
        }
        tokio::time::timeout_at(answer_by, acting).await
    }

    /// Records the outcome and returns the result. `acted` is `None` after a fault. `unknown` is for a lost answer.
    pub(crate) async fn settle<T: Change>(
        &self,
        acted: Option<Result<ToolResponse<T::Output>, ToolFailure>>,
        id: Uuid,
        record: &Record,
        unknown: Refusal,
    ) -> Result<CallResult, Refusal> {
        let known_by = if record.was_looked_up() { OutcomeSource::Look } else { OutcomeSource::Answer };
        let ended = |happened, outcome: &str, facts: &Map<String, Value>| Outcome {
            upstream_status: record.status(),
            ..with_ids(Outcome::new(happened, outcome, known_by), facts)
        };
        let failure = match acted {
            Some(Ok(answer)) => {
                let mut answered = finished(&answer);
                let status = answer.status.as_str();
                tracing::info!(tool = T::NAME, %id, status, "changed");
                self.journal.settle(&id.to_string(), ended(true, status, &answered.body)).await;
                answered.body.insert("operation_id".to_owned(), json!(id.to_string()));
                return Ok(CallResult::Done(answered));
            }
            Some(Err(failure)) => failure,
            None => {
                record.lost(&Error::NoVerdict("a fault of this server".to_owned(), ApiError::default())).await;
                return Err(with_operation(messages::on_fault(T::EFFECT), id));
            }
        };
        let failure = match failure {
            // The failure of a second attempt says nothing about the first attempt, whose answer was lost.
            ToolFailure::Truedy(error) if record.is_lost() && !error.may_have_happened() => {
                said(unknown, &error).into()
            }
            failure => failure,
        };
        let sent = !record.was_kept_stale() && !matches!(&failure, ToolFailure::Truedy(Error::NotSent(_)));
        let lost = lost_answer(&failure);
        if let Some(error) = &lost {
            record.lost(error).await;
        }
        // If the permit was refused between intent and request, the recorded outcome is `cancelled`.
        let kept_here = matches!(&failure, ToolFailure::Truedy(Error::NotSent(NotSent::NotCleared(_))));
        let frozen = record.frozen().filter(|_| kept_here);
        let refusal = match &frozen {
            Some(freeze) => messages::on_frozen(freeze, T::EFFECT),
            None => words(failure, T::EFFECT, Stage::During),
        };
        // After a lost answer, that it did not happen is not final: the change may still take place. It stays unknown,
        // and counts for the cap, until the account, read long after, shows otherwise.
        let not_so_far = record.is_lost() && refusal.status.as_str() == T::KIND.not_done;
        if lost.is_none() && !not_so_far {
            let outcome = if kept_here && frozen.is_none() { Status::Cancelled } else { refusal.status };
            let ending = ended(false, outcome.as_str(), &refusal.details);
            self.journal.settle(&id.to_string(), Outcome { sent, ..ending }).await;
        }
        Err(with_operation(refusal, id))
    }
}

/// Adds the ids that an answer names. Only text that looks like an id is recorded, because Truedy could send anything in
/// these fields.
fn with_ids(outcome: Outcome, facts: &Map<String, Value>) -> Outcome {
    let text = |field: &str| facts.get(field).and_then(Value::as_str).filter(|id| may_be_id(id)).map(str::to_owned);
    Outcome { request_id: text("request_id"), number_id: text("id"), credential_id: text("credential_id"), ..outcome }
}

/// Returns the error with which the answer to the change was lost. `None` if the failure proves that nothing happened.
fn lost_answer(failure: &ToolFailure) -> Option<Error> {
    match failure {
        ToolFailure::Truedy(error) if error.may_have_happened() => Some(error.clone()),
        ToolFailure::Refused(refusal) if refusal.status == Status::OutcomeUnknown => {
            Some(Error::NoVerdict(String::new(), ApiError::default()))
        }
        _ => None,
    }
}
