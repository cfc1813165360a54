//! The case of one number: all that was read about it, and what follows.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::domain::{AgentId, Direction, OwnedNumber, Slot, Status};
use crate::journal::Operation;
use crate::tools::account::evidence::{AgentAnswer, DirectionEvidence};
use crate::tools::account::lookup;
use crate::tools::account::roster::Roster;
use crate::tools::catalog::diagnose_number::findings::{Finding, FindingAction, NO_OUTBOUND, Weight, call};
use crate::tools::catalog::diagnose_number::history::{at, last_move, released, unsettled};
use crate::tools::catalog::get_webhook_url::{Hook, UNEXPECTED_HOST, hook, is_not_synced};
use crate::tools::contract::context::ToolContext;
use crate::tools::contract::response::ToolResponse;
use crate::truedy::{ApiReply, Error};

/// The agents that are said to hold the number, first by its own row, then by theirs; as many as are asked.
pub(crate) fn holders(number: &OwnedNumber, roster: &Roster, directions: &[Direction]) -> Vec<String> {
    let by_row = directions.iter().filter_map(|direction| match number.slot(*direction) {
        Slot::Held(id) => Some(id.as_str()),
        Slot::Free | Slot::Unknown => None,
    });
    let by_theirs = directions.iter().flat_map(|direction| claimants(number, roster, *direction));
    let mut ids: Vec<String> = Vec::new();
    for id in by_row.chain(by_theirs).filter(|id| !is_missing(roster, id)) {
        if ids.len() < ASKED && !ids.iter().any(|known| known == id) {
            ids.push(id.to_owned());
        }
    }
    ids
}

/// The agents in whose row of the list of agents the number stands.
pub(crate) fn claimants<'a>(
    number: &'a OwnedNumber,
    roster: &'a Roster,
    direction: Direction,
) -> impl Iterator<Item = &'a str> + 'a {
    let agents = roster.agents().into_iter().flat_map(|agents| &agents.rows);
    let holds = move |held: &[crate::domain::HeldNumber]| held.iter().any(|held| held.is(number));
    agents.filter(move |agent| agent.held(direction).is_some_and(holds)).map(|agent| agent.id.as_str())
}

/// Whether it is certain that there is no such agent.
pub(crate) fn is_missing(roster: &Roster, id: &str) -> bool {
    roster.agents().is_some_and(|agents| agents.complete) && roster.agent(id).is_none()
}

/// Whether the voice engine knows an agent, and by which URL.
#[derive(Debug, Clone)]
pub(crate) enum SyncState {
    Url(Hook),
    NotSynced,
    Unread,
}

impl SyncState {
    /// Reads it from the answer about an agent's webhook URL.
    pub(crate) fn of(hook: Result<(Hook, Option<String>), Error>) -> Self {
        match hook {
            Ok((hook, _)) => Self::Url(hook),
            Err(error) if is_not_synced(&error) => Self::NotSynced,
            Err(_) => Self::Unread,
        }
    }
}

/// What an agent itself says.
#[derive(Debug, Clone)]
pub(crate) struct AgentDetails {
    pub(crate) id: String,
    pub(crate) inbound: Option<bool>,
    pub(crate) outbound: Option<bool>,
    pub(crate) sync: SyncState,
}

impl AgentDetails {
    pub(crate) async fn ask(context: &ToolContext, id: &str, number: &OwnedNumber) -> Self {
        let unread = Self { id: id.to_owned(), inbound: None, outbound: None, sync: SyncState::Unread };
        let Ok(agent) = AgentId::try_from(id) else {
            return unread;
        };
        let (numbers, hook) = tokio::join!(lookup::agent_numbers(context, &agent, false), hook(context, &agent));
        let holds =
            |direction| numbers.as_ref().ok().and_then(|reply: &ApiReply| lookup::holds(reply, number, direction));
        let (inbound, outbound) = (holds(Direction::Inbound), holds(Direction::Outbound));
        Self { inbound, outbound, sync: SyncState::of(hook), ..unread }
    }

    /// The same, as evidence; `None` where it could not be read.
    fn told(&self, direction: Direction) -> Option<(String, AgentAnswer)> {
        Some((self.id.clone(), if self.holds(direction)? { AgentAnswer::Yes } else { AgentAnswer::No }))
    }

    /// Whether its own list shows the number.
    fn holds(&self, direction: Direction) -> Option<bool> {
        match direction {
            Direction::Inbound => self.inbound,
            Direction::Outbound => self.outbound,
        }
    }
}

/// A number of the account and all that was read about it.
pub(crate) struct DiagnosisCase {
    pub(crate) number: OwnedNumber,
    pub(crate) roster: Roster,
    /// What the lists say of its two directions.
    pub(crate) evidence: [DirectionEvidence; 2],
    pub(crate) directions: Vec<Direction>,
    pub(crate) asked: Vec<AgentDetails>,
    pub(crate) history: Option<Vec<Operation>>,
}

impl DiagnosisCase {
    pub(crate) fn answer(self) -> ToolResponse<Diagnosis> {
        let mut findings = Vec::new();
        self.status(&mut findings);
        findings.extend(unsettled(self.history.as_deref()));
        if let Some(last) = self.last_move().filter(|last| last.tool == "release_number") {
            findings.push(released(last, true));
        }
        let slots: Vec<(Direction, Slot)> =
            self.directions.iter().map(|direction| (*direction, self.slot(*direction, &mut findings))).collect();
        self.agents(&slots, &mut findings);
        self.carrier(&slots, &mut findings);
        if let [(_, Slot::Held(inbound)), (_, Slot::Held(outbound))] = slots.as_slice()
            && inbound != outbound
        {
            findings.push(
                Finding::new(
                    "agents_differ",
                    Weight::Info,
                    "One agent answers the number and another calls from it.",
                    FindingAction::Outside("user", "Ask whether that is meant."),
                )
                .with("inbound", self.roster.label(inbound))
                .with("outbound", self.roster.label(outbound)),
            );
        }
        if !findings.iter().any(|finding| finding.weight == Weight::Fault) {
            findings.push(Finding::new(
                "test_call",
                Weight::Check,
                "An active number and an assignment are no proof that calls are routed: where setting up the routing failed, Truedy does not say so.",
                FindingAction::Outside("phone", "Make a test call. If it fails, ask Truedy's support, naming the number."),
            ));
        }
        // Stable: what was found first stays first among its like.
        findings.sort_by_key(|finding| finding.weight);
        let shown = |wanted: Direction| {
            let slot = slots.iter().find(|(direction, _)| *direction == wanted);
            slot.map_or_else(|| self.number.slot(wanted), |(_, slot)| slot)
        };
        let data = Diagnosis {
            number: Some(self.number.name().to_owned()),
            id: Some(self.number.id.clone()),
            number_status: Some(self.number.status.clone()),
            kind: Some(self.number.kind()),
            inbound: self.roster.slot(shown(Direction::Inbound)),
            outbound: self.roster.slot(shown(Direction::Outbound)),
            agent: None,
            findings: findings.iter().map(Finding::to_json).collect(),
        };
        let mut answer = ToolResponse::new(Status::Ok, summary(&findings), data);
        // What a call can do about what is wrong; what only a person can do stands with its finding.
        answer.next = findings.iter().filter(|finding| finding.weight <= Weight::Unknown).find_map(|finding| {
            if let FindingAction::Call(pointer) = &finding.next { Some(pointer.clone()) } else { None }
        });
        if self.asked.iter().any(|asked| matches!(&asked.sync, SyncState::Url(hook) if hook.unexpected_host)) {
            answer.warn(UNEXPECTED_HOST);
        }
        answer
    }

    pub(crate) fn last_move(&self) -> Option<&Operation> {
        last_move(self.history.as_deref()?)
    }

    /// How the number itself stands.
    pub(crate) fn status(&self, findings: &mut Vec<Finding>) {
        let dashboard = |what| FindingAction::Outside("dashboard", what);
        let finding = match self.number.status.as_str() {
            "active" => return,
            "pending" => Finding::new(
                "number_pending",
                Weight::Fault,
                "The carrier is still setting the number up; until it is active it carries no calls. Since when, if the journal knows it, is in evidence.",
                dashboard("Wait and diagnose again; if it stays pending, look whether the carrier asks for documents."),
            ),
            "inactive" => Finding::new(
                "number_inactive",
                Weight::Fault,
                "The number is not in service.",
                dashboard("Find out why, or ask Truedy's support; a carrier may have switched it off."),
            ),
            _ => Finding::new(
                "number_status_unclear",
                Weight::Unknown,
                "The number is not said to be active; what its status means is not known here.",
                dashboard("Look at the number."),
            ),
        };
        let mut finding = finding.with("number_status", self.number.status.as_str());
        if let Some(last) = self.last_move().filter(|last| last.tool != "release_number") {
            finding = finding.with("since", at(last));
        }
        findings.push(finding);
    }

    pub(crate) fn own(&self, id: &str, direction: Direction) -> Option<bool> {
        self.asked.iter().find(|asked| asked.id == id)?.holds(direction)
    }

    pub(crate) fn agent(&self, finding: Finding, id: &str) -> Finding {
        let label = self.roster.label(id);
        let finding = if label == id { finding } else { finding.with("agent", label) };
        finding.with("agent_id", id)
    }

    /// Who holds a direction, by the number's row, the agents' rows and the agents' own lists, of which the last is the most
    /// reliable (contract §6.8).
    pub(crate) fn slot(&self, direction: Direction, findings: &mut Vec<Finding>) -> Slot {
        let listed = self.number.slot(direction);
        let own_say =
            self.asked.iter().filter(|asked| asked.holds(direction) == Some(true)).map(|asked| asked.id.as_str());
        let mut claims: Vec<&str> = claimants(&self.number, &self.roster, direction).chain(own_say).collect();
        claims.retain(|id| self.own(id, direction) != Some(false));
        let number = self.number.name();
        let unassign = || call("unassign_number", json!({ "number_id": number, "assignment_type": direction }));
        let assign = |id: &str| {
            call("assign_number", json!({ "number_id": number, "agent_id": id, "assignment_type": direction }))
        };
        let unverified = |id: &str| {
            let finding = Finding::new(
                "assignment_unverified",
                Weight::Unknown,
                "The agent's own list of numbers could not be read, so whether the assignment holds there is not known.",
                call("get_agent_numbers", json!({ "agent_id": id })),
            );
            self.agent(finding.of(direction), id)
        };
        match listed {
            Slot::Held(id) => {
                let other = claims.iter().find(|claim| *claim != id);
                if self.own(id, direction) == Some(false) || other.is_some() {
                    let finding = Finding::new(
                        "lists_disagree",
                        Weight::Fault,
                        "The number's row and the agents' own lists name different holders; the agents' lists are the more reliable. Unassign this direction and assign it again.",
                        unassign(),
                    );
                    let mut finding =
                        self.agent(finding.of(direction), id).with("agent_lists_it", self.own(id, direction));
                    if let Some(other) = other {
                        finding = finding.with("also_listed_by", self.roster.label(other));
                    }
                    findings.push(finding);
                } else if self.own(id, direction).is_none() && !is_missing(&self.roster, id) {
                    findings.push(unverified(id));
                }
                listed.clone()
            }
            Slot::Free if !claims.is_empty() => {
                let id = claims.first().copied().unwrap_or_default();
                let finding = Finding::new(
                    "lists_disagree",
                    Weight::Fault,
                    "The number's row names no agent, but an agent lists the number as its own; the agent's list is the more reliable. Assign it again to set both right.",
                    assign(id),
                );
                findings.push(self.agent(finding.of(direction), id).with("agent_lists_it", self.own(id, direction)));
                Slot::Held(id.to_owned())
            }
            Slot::Unknown if !claims.is_empty() => {
                let id = claims.first().copied().unwrap_or_default();
                if self.own(id, direction).is_none() {
                    findings.push(unverified(id));
                }
                Slot::Held(id.to_owned())
            }
            Slot::Free | Slot::Unknown => {
                let mut evidence = direction.of(self.evidence.each_ref()).clone();
                evidence.asked = self.asked.iter().filter_map(|asked| asked.told(direction)).collect();
                if evidence.slot() == Slot::Free {
                    findings.push(self.nobody(direction));
                    return Slot::Free;
                }
                findings.push(
                    Finding::new(
                        "assignment_unknown",
                        Weight::Unknown,
                        "Truedy did not say whether an agent has this direction; that is not the same as nobody.",
                        call("list_agents", json!({})),
                    )
                    .of(direction),
                );
                Slot::Unknown
            }
        }
    }
}

pub(crate) fn summary(findings: &[Finding]) -> String {
    let codes = |weight: Weight| -> Vec<&str> {
        findings.iter().filter(|finding| finding.weight == weight).map(|finding| finding.code).collect()
    };
    let (faults, unknown) = (codes(Weight::Fault), codes(Weight::Unknown));
    let open = if unknown.is_empty() { String::new() } else { format!(" Not known: {}.", unknown.join(", ")) };
    if faults.is_empty() {
        let silent = findings.iter().any(|finding| finding.code == NO_OUTBOUND);
        let silent = if silent { " It cannot call out: no_outbound_agent, unless that is meant." } else { "" };
        format!(
            "Nothing wrong was found from here.{silent}{open} Make a test call: active is no proof that calls are routed."
        )
    } else {
        format!("Wrong: {}.{open} The next step stands with each finding.", faults.join(", "))
    }
}

/// Agents that are asked at most: two requests each.
pub(crate) const ASKED: usize = 3;

/// What is known of the number, and what was found.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub(crate) struct Diagnosis {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) number_status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) inbound: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) outbound: Option<String>,
    /// What was found of an agent, where one was diagnosed.
    #[serde(flatten)]
    pub(crate) agent: Option<DiagnosedAgent>,
    pub(crate) findings: Vec<Map<String, Value>>,
}

/// An agent, with the numbers that it answers and calls from: at most 20 of each.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct DiagnosedAgent {
    pub(crate) agent: String,
    pub(crate) agent_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) agent_status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) answers: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) calls_from: Option<Vec<String>>,
}
