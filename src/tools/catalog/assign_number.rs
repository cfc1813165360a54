//! `POST /telephony/numbers/assign`: give one direction of a number to an agent.
//!
//! Source: <https://docs.truedy.ai/api-reference/telephony> (Assign Number); contract §6.5.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;

use crate::domain::{
    AgentId, AgentRef, ChangeClass, ChangeKind, Direction, Directions, Effect, NumberRef, OperationTarget, Proof,
    Refusal, Slot, Status,
};
use crate::guard::{ChangeImpact, RequestedChange, Scope};
use crate::journal::{Operation, Outcome};
use crate::tools::account::agent_lookup;
use crate::tools::account::located::{Located, Purpose, locate};
use crate::tools::account::view::AccountView;
use crate::tools::catalog::get_webhook_url::hook;
use crate::tools::changes::verify::said;
use crate::tools::contract::arguments::arguments;
use crate::tools::contract::context::ToolContext;
use crate::tools::contract::direction_results::DirectionResults;
use crate::tools::contract::response::{Pointer, ToolFailure, ToolResponse, Undo};
use crate::tools::contract::tool::{Change, ChangeParts, Planned, Tool};
use crate::truedy::{Error, Request, RequestKind};

/// What is kept back of the call's time for reading back.
const AFTERWARDS: Duration = Duration::from_secs(6);

/// Why there is no undo where the journal does not know the holder before.
const NOT_KNOWN: &str = "no undo; who had it before is not known";

arguments! {
    /// Assign (attach, give) a phone number to an agent: inbound, let it answer calls; outbound, let it call from there (caller ID); or both.
    ///
    /// If another agent (bot) has a direction, nothing changes and the
    /// result names it; confirm: true then moves the calls. Returns what was read back.
    AssignNumber {
        /// The number, "+14155550123", or its id.
        number_id: NumberRef,
        /// The agent's exact name, "Front desk", or id.
        agent_id: AgentRef,
        /// inbound: calls to it.
        assignment_type: Directions,
        /// true: take it from another agent, once the user agreed.
        confirm: Option<bool>,
    }
}

/// An assignment.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Assigned {
    number: String,
    id: String,
    agent: String,
    agent_id: String,
    direction: String,
    /// Whether reading back showed it; absent where nothing had to be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<bool>,
    /// The agent that no longer has the direction.
    #[serde(skip_serializing_if = "Option::is_none")]
    displaced: Option<String>,
    /// What came of each direction, where direction is both.
    #[serde(skip_serializing_if = "Option::is_none")]
    directions: Option<DirectionResults>,
}

/// What was found before assigning.
#[derive(Debug)]
pub(crate) struct AssignPlan {
    located: Located,
    agent_id: AgentId,
}

/// The facts about an assignment that policy, journal and messages need.
const KIND: ChangeKind = ChangeKind {
    name: "assign_number",
    class: ChangeClass::Reassigns,
    done: "assigned",
    nothing: "Nothing was changed.",
    happened: "the change was made",
    succeeded: Status::Assigned,
    not_done: Status::NotAssigned.as_str(),
    cap: None,
    proof: Proof::Assignment,
    repeat_window: Duration::ZERO,
};

impl Tool for AssignNumber {
    const NAME: &'static str = KIND.name;
    const TITLE: &'static str = "Assign a number to an agent";
    const SEARCH_HINT: &'static str =
        "attach, connect, move, reassign, route, forward calls to agent or bot; caller ID";
    const EFFECT: Effect = Effect::Changes(&KIND);
    const SCOPE: Scope = Scope::NumbersAssign;
    type Output = Assigned;
}

impl Change for AssignNumber {
    const KIND: &'static ChangeKind = &KIND;
    type Plan = AssignPlan;

    fn parts(&self) -> Option<ChangeParts> {
        // Outbound first: then the inbound one knows that outgoing calls are taken care of.
        ChangeParts::of_directions(self.assignment_type, &[Direction::Outbound, Direction::Inbound])
    }

    fn claims(&self) -> RequestedChange {
        let direction = Some(self.assignment_type.as_str().to_owned());
        let about = OperationTarget { direction, ..self.number_id.object() };
        RequestedChange { confirm: self.confirm == Some(true), about, ..RequestedChange::default() }
    }

    async fn plan(&self, context: &ToolContext) -> Result<Planned<AssignPlan, Assigned>, ToolFailure> {
        let begun = Instant::now();
        let mut located = locate(context, &self.number_id, Purpose::Look).await?;
        let agent_id = agent_lookup::agent_beside(context, &self.agent_id, &located.roster, begun).await?;
        let direction = self.assignment_type.first();
        // Where several agents are said to have it, another one decides: it is who would lose it.
        let evidence = located.evidence(direction);
        let settled = !evidence.disputed() || evidence.said_so(agent_id.as_str());
        if let Some(other) = evidence.holders().into_iter().find(|holder| holder != agent_id.as_str()) {
            *located.number.slot_mut(direction) = Slot::Held(other);
        }
        let slot = located.number.slot(direction).clone();
        let plan = AssignPlan { located, agent_id };
        let facts = agent_lookup::facts(&plan.located.number, &plan.located.roster);
        let name = plan.located.number.name();
        let confirm = json!({ "tool": Self::NAME, "arguments": { "number_id": name, "agent_id": self.agent_id, "assignment_type": direction, "confirm": true } });
        let mut without_flag = match &slot {
            Slot::Free => None,
            // Not all sources know of it: it is assigned again.
            Slot::Held(holder) if holder == plan.agent_id.as_str() && !settled => None,
            Slot::Held(holder) if holder == plan.agent_id.as_str() => {
                let summary = format!("Nothing had to be changed: {name} is assigned to this agent for {direction} calls already.");
                return Ok(Planned::Done(ToolResponse::new(Status::AlreadyAssigned, summary, self.assigned(&plan, None, None))));
            }
            Slot::Held(holder) => Some(
                Refusal::new(
                    Status::WouldReassign,
                    format!("Nothing was assigned. Another agent, named in holder, has the {direction} calls of {name} and would lose them. Ask the user, then call {} again with confirm: true.", Self::NAME),
                )
                .with("holder", plan.located.roster.label(holder)),
            ),
            Slot::Unknown => Some(Refusal::new(
                Status::AssignmentUnknown,
                format!("Nothing was assigned. Truedy did not say whether an agent has the {direction} calls of {name} already; it would lose them. Ask the user, then call {} again with confirm: true.", Self::NAME),
            )),
        };
        if let Some(refusal) = &mut without_flag {
            refusal.details.extend(facts);
            refusal.details.insert("next".to_owned(), confirm);
            if let (Slot::Held(holder), Direction::Inbound, None | Some(false)) = (&slot, direction, self.confirm) {
                warn_of_carrier(context, refusal, &plan, holder).await;
            }
        }
        let object = OperationTarget {
            direction: Some(direction.as_str().to_owned()),
            agent_id: Some(plan.agent_id.as_str().to_owned()),
            displaced: slot.clone(),
            ..plan.located.number.object()
        };
        let seen = slot.fingerprint();
        let agent_is_gone = plan.located.roster.lacks(plan.agent_id.as_str());
        Ok(Planned::Ready(
            plan,
            Box::new(ChangeImpact { object, without_flag, seen, agent_is_gone, ..ChangeImpact::default() }),
        ))
    }

    async fn act(self, plan: AssignPlan, context: ToolContext) -> Result<ToolResponse<Assigned>, ToolFailure> {
        let mut settled = self.post(&plan, &context, AFTERWARDS).await;
        let was_lost = matches!(&settled, Err(error) if error.may_have_happened());
        if let (true, Err(error)) = (was_lost, &settled) {
            context.lost(error).await;
            match self.holder(&plan, &context).await {
                Some(Slot::Held(holder)) if holder == plan.agent_id.as_str() => {
                    plan.located.changed(&context, self.assignment_type.first(), Some(Slot::Held(holder)));
                    return Ok(self.done(&plan, Some(true), None));
                }
                // Still as before: it was not applied, and once more cannot do harm.
                Some(holder)
                    if holder == *plan.located.number.slot(self.assignment_type.first())
                        && context.call.left() > AFTERWARDS =>
                {
                    settled = self.post_again(&plan, &context, settled).await;
                }
                Some(_) => return Err(self.not_with_the_agent(plan.located.number.name()).into()),
                None => {}
            }
        }
        let verified = self.verify(&plan, &context).await;
        let now = (verified == Some(true)).then(|| Slot::Held(plan.agent_id.as_str().to_owned()));
        plan.located.changed(&context, self.assignment_type.first(), now);
        match settled {
            Ok(id) => {
                let mut answer = self.done(&plan, Some(verified == Some(true)), id);
                if verified == Some(false) {
                    answer.warn("Truedy confirmed the assignment, but reading back does not show it yet.");
                }
                Ok(answer)
            }
            // The engine may fail after the assignment was stored (contract §6.5).
            Err(error) if verified == Some(true) => {
                let mut answer =
                    self.done(&plan, verified, error.api_error().and_then(|api_error| api_error.request_id.clone()));
                answer.warn("Truedy stored the assignment but reported a failure, so calls may not be routed yet. Make a test call.");
                Ok(answer)
            }
            Err(Error::Refused(api_error)) if api_error.status == 422 && !was_lost => {
                let summary = format!(
                    "{} was not assigned: Truedy refused, in the words of truedy_says. Check number and agent, and try again.",
                    plan.located.number.name()
                );
                Err(said(Refusal::new(Status::NotAssigned, summary), &Error::Refused(api_error)).into())
            }
            // That a second attempt is refused says nothing about the first, whose answer was lost.
            Err(error) if (was_lost || error.may_have_happened()) && verified == Some(false) => {
                let summary = format!(
                    "{} was not assigned so far: Truedy gave no clear answer, and reading back does not show it. It may still happen: look again with get_agent_numbers before trying once more.",
                    plan.located.number.name()
                );
                Err(said(Refusal::new(Status::NotAssigned, summary).retryable(), &error).into())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn reconcile(operation: &Operation, account: &AccountView<'_>) -> Option<Outcome> {
        account.assigned(operation, Self::KIND).await
    }

    fn undo(operation: &Operation) -> Undo {
        let (Some(direction), Some(agent)) = (&operation.object.direction, &operation.object.agent_id) else {
            return Undo::No(NOT_KNOWN);
        };
        let number = operation.object.name();
        match &operation.object.displaced {
            Slot::Held(before) if before == agent => Undo::No("no undo; the agent had it before"),
            Slot::Held(before) => Undo::Call(Pointer {
                tool: Self::NAME,
                arguments: json!({ "number_id": number, "agent_id": before, "assignment_type": direction, "confirm": true }),
            }),
            Slot::Free => Undo::Call(Pointer {
                tool: "unassign_number",
                arguments: json!({ "number_id": number, "assignment_type": direction }),
            }),
            Slot::Unknown => Undo::No(NOT_KNOWN),
        }
    }

    fn unknown(&self) -> Refusal {
        let name = &self.number_id;
        let summary = format!(
            "It is not known whether {name} was assigned. Look with get_agent_numbers or list_operations before trying again."
        );
        Refusal::new(Status::OutcomeUnknown, summary).with("number", name.as_str())
    }
}

/// Warns before an imported number moves: its carrier sends calls to the old agent until the webhook there is changed.
async fn warn_of_carrier(context: &ToolContext, refusal: &mut Refusal, plan: &AssignPlan, holder: &str) {
    if plan.located.number.managed != Some(false) {
        return;
    }
    let now = async {
        let holder = AgentId::try_from(holder).ok()?;
        hook(context, &holder).await.ok()
    };
    let (now, then) = tokio::join!(now, hook(context, &plan.agent_id));
    for (field, hook) in [("webhook_now", now), ("webhook_then", then.ok())] {
        let url = hook.map_or_else(|| json!("unknown"), |(hook, _)| json!(hook.url.as_str()));
        refusal.details.insert(field.to_owned(), url);
    }
    refusal.summary.push_str(
        " The number is with an own carrier: calls go on to the agent that has them now until the webhook there is changed from webhook_now to webhook_then.",
    );
}

impl AssignNumber {
    async fn post(&self, plan: &AssignPlan, context: &ToolContext, leaving: Duration) -> Result<Option<String>, Error> {
        let body = json!({ "number_id": plan.located.id, "agent_id": plan.agent_id, "assignment_type": self.assignment_type.first() });
        let request = Request::post(["telephony", "numbers", "assign"], RequestKind::Set, body);
        Ok(context.truedy.send(request, &context.call.leaving(leaving)).await?.request_id)
    }

    /// Sends the assignment once more. If a freeze or the limiter keeps it back, the first answer is lost all the same.
    async fn post_again(
        &self,
        plan: &AssignPlan,
        context: &ToolContext,
        first: Result<Option<String>, Error>,
    ) -> Result<Option<String>, Error> {
        match self.post(plan, &context.with(context.call.unstoppable()), Duration::from_secs(3)).await {
            Err(Error::NotSent(_)) => first,
            again => again,
        }
    }

    /// Whether the agent holds it now; `None` if that cannot be read.
    async fn verify(&self, plan: &AssignPlan, context: &ToolContext) -> Option<bool> {
        let context = context.with(context.call.unstoppable());
        plan.located.is_with(&context, &plan.agent_id, self.assignment_type.first()).await
    }

    /// Who holds it now, as far as the new and the old agent can tell.
    async fn holder(&self, plan: &AssignPlan, context: &ToolContext) -> Option<Slot> {
        if self.verify(plan, context).await? {
            return Some(Slot::Held(plan.agent_id.as_str().to_owned()));
        }
        plan.located.slot_now(&context.with(context.call.unstoppable()), self.assignment_type.first()).await
    }

    /// The answer to an assignment was lost, and another agent or nobody has the direction now.
    fn not_with_the_agent(&self, number: &str) -> Refusal {
        let summary = format!(
            "The {} calls of {number} are not with this agent: the assignment has not taken effect so far, or somebody else changed it meanwhile. Look with get_agent_numbers before trying again.",
            self.assignment_type.first()
        );
        Refusal::new(Status::NotAssigned, summary).with("number", number)
    }

    fn assigned(&self, plan: &AssignPlan, verified: Option<bool>, displaced: Option<String>) -> Assigned {
        Assigned {
            number: plan.located.number.name().to_owned(),
            id: plan.located.number.id.clone(),
            agent: plan.located.roster.label(plan.agent_id.as_str()),
            agent_id: plan.agent_id.as_str().to_owned(),
            direction: self.assignment_type.first().as_str().to_owned(),
            verified,
            displaced,
            directions: None,
        }
    }

    fn done(&self, plan: &AssignPlan, verified: Option<bool>, request_id: Option<String>) -> ToolResponse<Assigned> {
        let (number, direction) = (plan.located.number.name(), self.assignment_type.first());
        let other = match plan.located.number.slot(direction) {
            Slot::Held(holder) if holder != plan.agent_id.as_str() => Some(holder),
            _ => None,
        };
        let displaced = other.map(|holder| plan.located.roster.label(holder));
        let lost = if displaced.is_some() {
            format!(" The agent named in displaced no longer has its {direction} calls.")
        } else {
            String::new()
        };
        let read_back = if verified == Some(true) { ", and read back" } else { "" };
        let summary = format!("Assigned {number} to the agent for {direction} calls{read_back}.{lost}");
        let before = match other {
            Some(holder) => Pointer {
                tool: Self::NAME,
                arguments: json!({ "number_id": number, "agent_id": holder, "assignment_type": direction, "confirm": true }),
            },
            None => Pointer {
                tool: "unassign_number",
                arguments: json!({ "number_id": number, "assignment_type": direction }),
            },
        };
        let mut answer = ToolResponse::new(Status::Assigned, summary, self.assigned(plan, verified, displaced))
            .undo(Undo::Call(before))
            .request_id(request_id);
        if plan.located.number.status != "active" {
            answer.warn("The number is not active yet (status in list_numbers); calls start when it is.");
        }
        if plan.located.roster.agent(plan.agent_id.as_str()).is_some_and(|agent| agent.status != "active") {
            answer.warn("The agent is not active, so it takes and makes no calls until it is.");
        }
        if direction == Direction::Inbound && plan.located.number.outbound == Slot::Free {
            answer.warn("For outbound calls from this number, assign it for outbound too.");
        }
        if direction == Direction::Inbound && plan.located.number.managed == Some(false) {
            answer.warn("The number is with an own carrier: point that carrier at this agent's webhook URL.");
            answer = answer.next("get_webhook_url", json!({ "agent_id": plan.agent_id }));
        }
        answer
    }
}
