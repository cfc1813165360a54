//! `POST /telephony/numbers/unassign`: take one direction of a number from whichever agent holds it.
//!
//! Source: <https://docs.truedy.ai/api-reference/telephony> (Unassign Number); contract §6.6.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::domain::{
    ChangeClass, ChangeKind, Direction, Directions, Effect, NumberRef, OperationTarget, Proof, Refusal, Slot, Status,
};
use crate::guard::{ChangeImpact, RequestedChange, Scope};
use crate::journal::{Operation, Outcome};
use crate::tools::account::located::{Located, Purpose, locate};
use crate::tools::account::view::AccountView;
use crate::tools::changes::verify::said;
use crate::tools::contract::arguments::arguments;
use crate::tools::contract::context::ToolContext;
use crate::tools::contract::direction_results::DirectionResults;
use crate::tools::contract::response::{Pointer, ToolFailure, ToolResponse, Undo};
use crate::tools::contract::tool::{Change, ChangeParts, Planned, Tool};
use crate::truedy::{Error, Request, RequestKind};

/// What is kept back of the call's time for reading back.
const AFTERWARDS: Duration = Duration::from_secs(6);

arguments! {
    /// Unassign (detach, disconnect) a phone number from its agent for one direction or both: that agent stops getting or making its calls at once.
    ///
    /// The account keeps it and pays for it; returns which agent lost it. To give it up for good use release_number.
    UnassignNumber {
        /// The number, "+14155550123", or its id.
        number_id: NumberRef,
        /// inbound: calls to it.
        assignment_type: Directions,
    }
}

/// What was taken away.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Unassigned {
    number: String,
    id: String,
    direction: String,
    /// The agent that no longer has the direction.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<String>,
    /// Whether reading back showed it; absent where nothing had to be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<bool>,
    /// What came of each direction, where direction is both.
    #[serde(skip_serializing_if = "Option::is_none")]
    directions: Option<DirectionResults>,
}

/// What was found before.
#[derive(Debug)]
pub(crate) struct UnassignPlan {
    located: Located,
}

/// The facts about the end of an assignment that policy, journal and messages need.
const KIND: ChangeKind = ChangeKind {
    name: "unassign_number",
    class: ChangeClass::Reassigns,
    done: "unassigned",
    nothing: "Nothing was changed.",
    happened: "the change was made",
    succeeded: Status::Unassigned,
    not_done: Status::NotUnassigned.as_str(),
    cap: None,
    proof: Proof::Assignment,
    repeat_window: Duration::ZERO,
};

impl Tool for UnassignNumber {
    const NAME: &'static str = KIND.name;
    const TITLE: &'static str = "Unassign a number from its agent";
    const SEARCH_HINT: &'static str = "detach, unlink, disconnect, remove from agent, stop calls";
    const EFFECT: Effect = Effect::Changes(&KIND);
    const SCOPE: Scope = Scope::NumbersAssign;
    type Output = Unassigned;
}

impl Change for UnassignNumber {
    const KIND: &'static ChangeKind = &KIND;
    type Plan = UnassignPlan;

    fn parts(&self) -> Option<ChangeParts> {
        ChangeParts::of_directions(self.assignment_type, &Direction::BOTH)
    }

    fn claims(&self) -> RequestedChange {
        let direction = Some(self.assignment_type.as_str().to_owned());
        RequestedChange {
            about: OperationTarget { direction, ..self.number_id.object() },
            ..RequestedChange::default()
        }
    }

    async fn plan(&self, context: &ToolContext) -> Result<Planned<UnassignPlan, Unassigned>, ToolFailure> {
        let plan = UnassignPlan { located: locate(context, &self.number_id, Purpose::Look).await? };
        let number = &plan.located.number;
        // Where one source still names an agent, taking it away sets that source right, too.
        let named = !plan.located.evidence(self.assignment_type.first()).named().is_empty();
        if *number.slot(self.assignment_type.first()) == Slot::Free && !named {
            let summary = format!(
                "Nothing had to be changed: no agent has the {} calls of {}.",
                self.assignment_type.first(),
                number.name()
            );
            return Ok(Planned::Done(ToolResponse::new(Status::Unassigned, summary, self.unassigned(&plan, None))));
        }
        let displaced = number.slot(self.assignment_type.first()).clone();
        // What is recorded as removed must be what the request removes.
        let seen = displaced.fingerprint();
        let direction = Some(self.assignment_type.first().as_str().to_owned());
        let object = OperationTarget { direction, displaced, ..number.object() };
        Ok(Planned::Ready(plan, Box::new(ChangeImpact { object, seen, ..ChangeImpact::default() })))
    }

    async fn act(self, plan: UnassignPlan, context: ToolContext) -> Result<ToolResponse<Unassigned>, ToolFailure> {
        let body = json!({ "number_id": plan.located.id, "assignment_type": self.assignment_type.first() });
        let request = Request::post(["telephony", "numbers", "unassign"], RequestKind::Set, body);
        let settled = context.truedy.send(request, &context.call.leaving(AFTERWARDS)).await;
        if matches!(&settled, Err(error) if !error.may_have_happened() && !matches!(error, Error::Refused(api_error) if api_error.status == 422))
        {
            return settled.map(|_| self.done(&plan, false, None)).map_err(ToolFailure::from);
        }
        if let Err(error) = &settled
            && error.may_have_happened()
        {
            context.lost(error).await;
        }
        let after =
            plan.located.slot_now(&context.with(context.call.unstoppable()), self.assignment_type.first()).await;
        let free = after.as_ref() == Some(&Slot::Free);
        plan.located.changed(&context, self.assignment_type.first(), after.clone());
        match settled {
            Ok(reply) => {
                let mut answer = self.done(&plan, free, reply.request_id);
                if matches!(after, Some(Slot::Held(_))) {
                    answer.warn("Truedy confirmed it, but reading back still shows an agent.");
                }
                Ok(answer)
            }
            Err(error) if free => {
                let mut answer =
                    self.done(&plan, true, error.api_error().and_then(|api_error| api_error.request_id.clone()));
                answer.warn("Truedy reported a failure, but reading back shows that no agent has it now.");
                Ok(answer)
            }
            Err(error) if after.is_some() || !error.may_have_happened() => {
                let refusal = Refusal::new(Status::NotUnassigned, self.not_so_far(&plan, error.may_have_happened()));
                Err(said(refusal.retryable(), &error).into())
            }
            Err(error) => Err(said(self.unknown(), &error).into()),
        }
    }

    async fn reconcile(operation: &Operation, account: &AccountView<'_>) -> Option<Outcome> {
        account.assigned(operation, Self::KIND).await
    }

    fn undo(operation: &Operation) -> Undo {
        match (&operation.object.displaced, &operation.object.direction) {
            (Slot::Held(before), Some(direction)) => Undo::Call(Pointer {
                tool: "assign_number",
                arguments: json!({ "number_id": operation.object.name(), "agent_id": before, "assignment_type": direction }),
            }),
            (Slot::Free, _) => Undo::No("no undo; no agent was named as its holder"),
            _ => Undo::No("no undo; who had it before is not known"),
        }
    }

    fn unknown(&self) -> Refusal {
        let name = &self.number_id;
        let summary = format!(
            "It is not known whether {name} was unassigned. Do not repeat the call: look at it with list_numbers or list_operations first."
        );
        Refusal::new(Status::OutcomeUnknown, summary).with("number", name.as_str())
    }
}

impl UnassignNumber {
    /// Says that an agent still has the direction. If the answer was lost, Truedy may still carry the change out.
    fn not_so_far(&self, plan: &UnassignPlan, lost: bool) -> String {
        let (name, direction) = (plan.located.number.name(), self.assignment_type.first());
        if lost {
            format!(
                "{name} was not unassigned so far: Truedy gave no clear answer, and reading back still shows an agent for its {direction} calls. It may still happen: look again with list_numbers before trying once more."
            )
        } else {
            format!("{name} was not unassigned: Truedy did not carry it out. It may be tried again.")
        }
    }

    fn unassigned(&self, plan: &UnassignPlan, verified: Option<bool>) -> Unassigned {
        let located = &plan.located;
        Unassigned {
            number: located.number.name().to_owned(),
            id: located.number.id.clone(),
            direction: self.assignment_type.first().as_str().to_owned(),
            stopped: located.roster.slot(located.number.slot(self.assignment_type.first())),
            verified,
            directions: None,
        }
    }

    fn done(&self, plan: &UnassignPlan, verified: bool, request_id: Option<String>) -> ToolResponse<Unassigned> {
        let number = &plan.located.number;
        let (name, direction) = (number.name(), self.assignment_type.first());
        let what = match direction {
            Direction::Inbound => "it no longer answers calls to this number",
            Direction::Outbound => "it no longer calls from this number",
        };
        let read_back = if verified { ", and read back" } else { "" };
        let lost = match number.slot(direction) {
            Slot::Free => "Truedy's lists disagreed about who had it.".to_owned(),
            Slot::Held(_) | Slot::Unknown => format!("The agent named in stopped: {what}."),
        };
        let summary = format!("Unassigned {name} for {direction} calls{read_back}. {lost}");
        let mut answer = ToolResponse::new(Status::Unassigned, summary, self.unassigned(plan, Some(verified)))
            .request_id(request_id);
        if let Slot::Held(holder) = number.slot(direction) {
            answer = answer.undo(Undo::Call(Pointer {
                tool: "assign_number",
                arguments: json!({ "number_id": name, "agent_id": holder, "assignment_type": direction }),
            }));
        }
        if number.managed == Some(false) && direction == Direction::Inbound {
            answer.warn("The number is with an own carrier, which still sends its calls to the webhook URL set there.");
        }
        answer
    }
}
