//! `DELETE /telephony/numbers/{number_id}`: give a number up for good.
//!
//! Source: <https://docs.truedy.ai/api-reference/telephony> (Delete (Release) Number); contract §6.7.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::{
    CapRule, ChangeClass, ChangeKind, ConfirmationToken, Direction, E164, Effect, NumberId, NumberRef, OwnedNumber,
    Proof, Refusal, Status,
};
use crate::guard::{ChangeImpact, Level, Question, QuestionForm, RequestedChange, Scope};
use crate::journal::{Operation, Outcome};
use crate::tools::account::agent_lookup;
use crate::tools::account::evidence::Usage;
use crate::tools::account::located::{Located, Purpose, locate};
use crate::tools::account::view::AccountView;
use crate::tools::account::whole_reading::start_after_answer;
use crate::tools::changes::verify::{Found, said, vanishes};
use crate::tools::contract::arguments::arguments;
use crate::tools::contract::context::ToolContext;
use crate::tools::contract::response::{ToolFailure, ToolResponse, Undo};
use crate::tools::contract::tool::{Change, Planned, Tool};
use crate::truedy::{Error, Request};

/// What is kept back of the call's time for finding out what became of it.
const AFTERWARDS: Duration = Duration::from_secs(8);

arguments! {
    /// Release (cancel, delete, get rid of) a phone number for good. A bought number goes back to the carrier and is usually lost; billing ends.
    ///
    /// Without confirm: true a preview: releases nothing, returns what is lost and which agents fall silent. A number in use is refused:
    /// unassign_number first. An imported (BYOC) number only leaves Truedy. Cannot be undone.
    ReleaseNumber {
        /// The number, "+14155550123", or its id.
        number_id: NumberRef,
        /// true only after the user agreed to lose this number.
        confirm: Option<bool>,
        /// The number again, "+14155550123", to check the id.
        phone_number: Option<E164>,
        /// From the preview.
        confirmation_token: Option<ConfirmationToken>,
    }
}

/// A released number.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Released {
    number: String,
    id: String,
    kind: String,
    /// Whether the list no longer shows it.
    verified: bool,
    /// What was read to verify it: the whole list, or the page where it stood and its neighbours.
    #[serde(skip_serializing_if = "Option::is_none")]
    verified_by: Option<&'static str>,
}

/// What was found before.
#[derive(Debug)]
pub(crate) struct ReleasePlan {
    number: OwnedNumber,
    number_id: NumberId,
}

/// The facts about a release that policy, journal and messages need.
const KIND: ChangeKind = ChangeKind {
    name: "release_number",
    class: ChangeClass::Destroys,
    done: "released",
    nothing: "Nothing was released.",
    happened: "the number was released",
    succeeded: Status::Released,
    not_done: Status::NotReleased.as_str(),
    cap: Some(CapRule::Releases),
    proof: Proof::NumberAbsent,
    repeat_window: Duration::ZERO,
};

impl Tool for ReleaseNumber {
    const NAME: &'static str = KIND.name;
    const TITLE: &'static str = "Release a phone number for good";
    const SEARCH_HINT: &'static str = "cancel, delete, remove, drop, get rid of or give up a phone number";
    const EXAMPLE: Option<&'static str> = Some("number_id=+442079460123 --sandbox");
    const EFFECT: Effect = Effect::Changes(&KIND);
    const SCOPE: Scope = Scope::NumbersRelease;
    type Output = Released;
}

impl Change for ReleaseNumber {
    const KIND: &'static ChangeKind = &KIND;
    type Plan = ReleasePlan;

    fn claims(&self) -> RequestedChange {
        RequestedChange {
            confirm: self.confirm == Some(true),
            about: self.number_id.object(),
            token: self.confirmation_token.clone(),
            ..RequestedChange::default()
        }
    }

    async fn plan(&self, context: &ToolContext) -> Result<Planned<ReleasePlan, Released>, ToolFailure> {
        let purpose = if self.confirm == Some(true) { Purpose::Release } else { Purpose::Preview };
        let located = locate(context, &self.number_id, purpose).await?;
        let number = located.number.clone();
        let name = number.name().to_owned();
        if self.phone_number.as_ref().is_some_and(|given| given.as_str() != name) {
            let summary = format!(
                "Nothing was released. number_id means {name}, phone_number names another number. Make sure which one is meant."
            );
            return Err(Refusal::new(Status::NumberMismatch, summary)
                .with("number", name)
                .with("id", number.id)
                .into());
        }
        let holders = holders(&located);
        let in_use = self.interlock(&located, &holders);
        let facts = agent_lookup::facts(&number, &located.roster);
        let in_use = in_use.map(|mut refusal| {
            refusal.details.extend(facts.clone());
            refusal
        });
        // What stands in the way now, and will when the flag is given.
        let hurdle = in_use.as_ref().filter(|_| !context.policy.release_in_use && !located.is_askable());
        let next = hurdle.and_then(|refusal| refusal.details.get("next").cloned());
        let next = next.unwrap_or_else(|| self.releasing(&name, self.phone_number.is_some()));
        let shows = self.preview(&located, &holders, hurdle.is_none(), context.policy.level);
        let mut preview = Refusal::new(Status::ConfirmationRequired, format!("Nothing was released; {shows}"));
        preview.details.extend(facts);
        preview = preview
            .with("agents_that_fall_silent", holders.clone())
            .with("undo", "cannot be undone")
            .with("next", next);
        let impact = ChangeImpact {
            object: number.object(),
            destroys: true,
            also_known_as: located.all_names(),
            grave: true,
            flight: Some(format!("release:{}", number.id)),
            without_flag: Some(preview),
            shows,
            in_use,
            question: Some(question(&number, holders.len())),
            seen: located.fingerprint(),
            ..ChangeImpact::default()
        };
        Ok(Planned::Ready(ReleasePlan { number, number_id: located.id }, Box::new(impact)))
    }

    async fn act(self, plan: ReleasePlan, context: ToolContext) -> Result<ToolResponse<Released>, ToolFailure> {
        let name = plan.number.name();
        let request = Request::delete(["telephony", "numbers", plan.number_id.as_str()]);
        match context.truedy.send(request, &context.call.leaving(AFTERWARDS)).await {
            Ok(reply) => {
                let (found, whole) = vanishes(&context, &plan.number.id, true, false).await;
                if !whole {
                    // The whole list follows in the background, for whoever asks next.
                    start_after_answer(&context);
                }
                let mut answer = plan.done((found == Found::Absent).then_some(whole)).request_id(reply.request_id);
                if matches!(found, Found::Here(_)) {
                    answer.warn("Truedy confirmed the release, but list_numbers still shows the number. Look again in a minute.");
                }
                Ok(answer)
            }
            // Truedy turns whatever goes wrong into 422, also after the deed: a refusal is looked at like a lost answer.
            Err(error) if error.may_have_happened() => plan.look(&error, true, &context).await,
            Err(Error::Refused(api_error)) if matches!(api_error.status, 409 | 422) => {
                plan.look(&Error::Refused(api_error), false, &context).await
            }
            Err(Error::Refused(api_error)) if api_error.status == 404 => {
                let summary = format!("This call released nothing: {name} is gone already, by somebody else's hand.");
                Err(said(Refusal::new(Status::NotFound, summary).with("number", name), &Error::Refused(api_error))
                    .into())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn reconcile(operation: &Operation, account: &AccountView<'_>) -> Option<Outcome> {
        account.removed(operation, Self::KIND).await
    }

    fn undo(_: &Operation) -> Undo {
        Undo::No("no undo; to buy it again, it must still be for sale")
    }

    fn unknown(&self) -> Refusal {
        let name = &self.number_id;
        Refusal::new(Status::OutcomeUnknown, unknown(name.as_str())).with("number", name.as_str())
    }
}

fn unknown(name: &str) -> String {
    format!(
        "It is not known whether {name} was released. Do not repeat the call: look for it with list_numbers or list_operations first."
    )
}

impl ReleaseNumber {
    /// What stands in the way whatever the flag says: it is in use, or that is not known.
    fn interlock(&self, located: &Located, holders: &[Value]) -> Option<Refusal> {
        let name = located.number.name();
        let (status, summary) = match located.usage() {
            Usage::Free => return None,
            // Nobody could be heard at all, and id and number agree in the caller's own words: the owner knows which it is.
            Usage::Unknown { silent: true } if self.phone_number.is_some() => return None,
            Usage::InUse => {
                let disputed = if located.disputed() {
                    " Truedy's lists disagree about that; if they still do afterwards, only the operator of this server can let the number go."
                } else {
                    ""
                };
                let summary = format!(
                    "Nothing was released. {name} is in use by the agents in in_use_by, who would fall silent. First unassign it with unassign_number, then release it.{disputed}"
                );
                (Status::NumberInUse, summary)
            }
            Usage::Unknown { silent: true } => {
                let sure = if name == located.number.number {
                    format!(
                        " If the user is sure, call {} with phone_number: \"{name}\" beside confirm: true.",
                        Self::NAME
                    )
                } else {
                    String::new()
                };
                let summary = format!("Nothing was released. Truedy did not say whether an agent uses {name}.{sure}");
                (Status::AssignmentUnknown, summary)
            }
            Usage::Unknown { silent: false } => {
                let summary = format!(
                    "Nothing was released. Whether an agent uses {name} is not known: not every agent could be heard, or an agent's list has an entry that fits no number. Look with diagnose_number, and try again later."
                );
                (Status::AssignmentUnknown, summary)
            }
        };
        let refusal = Refusal::new(status, summary);
        let first = Direction::BOTH.into_iter().find(|direction| !located.evidence(*direction).named().is_empty());
        let next = match (status, first) {
            (Status::NumberInUse, Some(first)) => {
                json!({ "tool": "unassign_number", "arguments": { "number_id": name, "assignment_type": first } })
            }
            _ if located.usage() == (Usage::Unknown { silent: true }) && name == located.number.number => {
                self.releasing(name, true)
            }
            _ => json!({ "tool": "diagnose_number", "arguments": { "number_id": name } }),
        };
        let refusal = if status == Status::NumberInUse { refusal.with("in_use_by", holders.to_vec()) } else { refusal };
        Some(refusal.with("next", next))
    }

    /// The call that releases. The number again, where that is what lifts the doubt.
    fn releasing(&self, name: &str, named_twice: bool) -> Value {
        let mut arguments = json!({ "number_id": name, "confirm": true });
        if named_twice {
            arguments["phone_number"] = json!(name);
        }
        json!({ "tool": Self::NAME, "arguments": arguments })
    }

    /// What the caller reads where nothing was released for want of a word. `open`: with the word it would be.
    fn preview(&self, located: &Located, holders: &[Value], open: bool, level: Level) -> String {
        let number = &located.number;
        let name = number.name();
        let use_now = match (located.usage(), holders.len()) {
            (Usage::Free, _) => "No agent uses it.".to_owned(),
            (Usage::InUse, n) if open => {
                format!("{n} assignment(s) of agents end with it: the agents in agents_that_fall_silent fall silent.")
            }
            (Usage::InUse, n) => format!("{n} assignment(s) of agents, in agents_that_fall_silent, stand in the way."),
            (Usage::Unknown { .. }, _) if located.is_askable() => {
                "No list names an agent that uses it; each agent is asked before it is released.".to_owned()
            }
            (Usage::Unknown { .. }, _) => "Whether an agent uses it is not known.".to_owned(),
        };
        let token = if level >= Level::Token { " and this confirmation_token, within five minutes" } else { "" };
        let silent = located.usage() == (Usage::Unknown { silent: true }) && name == number.number;
        let twice = if silent && !located.is_askable() { format!(", phone_number: \"{name}\"") } else { String::new() };
        let then = match located.usage() {
            Usage::InUse if !open => "First unassign it with unassign_number, then release it.".to_owned(),
            _ if open || silent => {
                format!("If the user agrees, call {} again with confirm: true{twice}{token}.", Self::NAME)
            }
            _ => "It is not released until that is known: look with diagnose_number, and try again later.".to_owned(),
        };
        format!("this is a preview for {name}. {} {use_now} {then}", fate(number))
    }
}

impl ReleasePlan {
    /// Finds out in the list what a DELETE did whose answer was lost, or was a no that proves nothing.
    async fn look(
        &self,
        error: &Error,
        lost: bool,
        context: &ToolContext,
    ) -> Result<ToolResponse<Released>, ToolFailure> {
        let name = self.number.name();
        if lost {
            context.lost(error).await;
        }
        let no = |status, summary: String| Err(said(Refusal::new(status, summary).with("number", name), error).into());
        // A refusal or a lost response proves nothing, so only the whole list shows that the number is gone.
        let (found, _) = vanishes(context, &self.number.id, false, lost).await;
        match found {
            Found::Absent => {
                let mut answer = self.done(Some(true));
                answer.warn("Truedy's answer was lost or a refusal, but the number is no longer in the account.");
                Ok(answer)
            }
            Found::Here(_) if lost => no(
                Status::NotReleased,
                format!(
                    "{name} was not released so far: Truedy gave no clear answer, and the number is still in the account. It may still go: look again with list_numbers before trying once more."
                ),
            ),
            Found::Here(_) => no(
                Status::NotReleased,
                format!(
                    "{name} was not released: Truedy refused, in the words of truedy_says. The number is still in the account."
                ),
            ),
            Found::Unreadable => no(Status::OutcomeUnknown, unknown(name)),
        }
    }

    /// `absent`: the list does not show the number any more. It is true if the whole list was read.
    fn done(&self, absent: Option<bool>) -> ToolResponse<Released> {
        let number = &self.number;
        let summary = format!("Released {}. {}", number.name(), fate(number));
        ToolResponse::new(
            Status::Released,
            summary,
            Released {
                number: number.name().to_owned(),
                id: number.id.clone(),
                kind: number.kind().to_owned(),
                verified: absent.is_some(),
                verified_by: absent.map(|whole| if whole { "list" } else { "page" }),
            },
        )
        .undo(Undo::Never)
    }
}

/// What a person is asked. `holders`: how many assignments of agents end with the number.
fn question(number: &OwnedNumber, holders: usize) -> Question {
    let (name, fate) = (number.name(), fate(number));
    let silent = match holders {
        0 => String::new(),
        n => format!(" {n} assignment(s) of agents end with it."),
    };
    Question {
        message: format!("Release {name} for good? {fate}{silent} This cannot be undone."),
        form: QuestionForm::Last4 { field: "release", digits: last4(name).to_owned(), of_id: name != number.number },
        declined: "Nothing was released.".to_owned(),
    }
}

/// What releasing means for a number of this kind.
fn fate(number: &OwnedNumber) -> &'static str {
    match number.managed {
        Some(true) => "It goes back to the carrier, its billing ends, and it can usually not be had again.",
        Some(false) => {
            "It is removed from Truedy only; its own carrier keeps it, bills it, and must be pointed elsewhere."
        }
        None => "Whether it was bought from Truedy or imported is not known; a bought number is usually lost for good.",
    }
}

/// Every agent that any source names, with its direction.
fn holders(located: &Located) -> Vec<Value> {
    let of = |direction: Direction| {
        let named = located.evidence(direction).named();
        named.into_iter().map(move |id| json!({ "agent": located.roster.label(&id), "direction": direction }))
    };
    Direction::BOTH.into_iter().flat_map(of).collect()
}

/// The last four characters: digits of the number, or what there is of its id.
fn last4(number: &str) -> &str {
    number.get(number.len().saturating_sub(4)..).unwrap_or(number)
}
