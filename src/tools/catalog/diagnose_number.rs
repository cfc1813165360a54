//! Why a number does not ring, or its agent does not call out: what account, agents and journal know of it, side by side.
//!
//! Source: contract §6.1, §6.8, §6.9, §9 rows 8, 23, 24, 27. Four requests where one agent holds the number, eight at most; one
//! more for each further hundred numbers or agents. The carrier's side cannot be read, which is said and never guessed.

use futures::future::join_all;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::domain::{AgentId, Direction, NumberRef, OwnedNumber, Slot, Status};
use crate::guard::Scope;
use crate::journal::{Operation, OperationPhase, OperationQuery, moment};
use crate::tools::account::assignments::{AgentAnswer, Assignments, DirectionEvidence};
use crate::tools::account::lookup;
use crate::tools::account::roster::Roster;
use crate::tools::catalog::get_webhook_url::{Hook, UNEXPECTED_HOST, hook, is_not_synced};
use crate::tools::contract::arguments::arguments;
use crate::tools::contract::response::{Pointer, ToolFailure, ToolResponse};
use crate::tools::contract::tool::{Effect, Read, Tool, ToolContext};
use crate::tools::names;
use crate::truedy::ApiReply;

/// Agents that are asked at most: two requests each.
const ASKED: usize = 3;
/// Operations of the number that are looked through at most.
const HISTORY: u32 = 100;

arguments! {
    /// Diagnose (check, troubleshoot) a phone number that does not ring or cannot call out: what is wrong with its status, assignments, agents, webhook or journal.
    ///
    /// Returns findings, each with evidence and the next step. The carrier's own settings cannot be seen from here.
    DiagnoseNumber {
        /// The number, "+14155550123", or its id.
        number_id: NumberRef,
        /// Only calls to it (inbound) or from it.
        assignment_type: Option<Direction>,
    }
}

/// What is known of the number, and what was found.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub(crate) struct Diagnosis {
    number: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number_status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inbound: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outbound: Option<String>,
    findings: Vec<Map<String, Value>>,
}

/// How much a finding says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// This stops calls.
    Fault,
    /// It could not be found out.
    Unknown,
    /// It cannot be seen from here; somebody must look.
    Check,
    /// Worth knowing.
    Info,
}

impl Weight {
    fn as_str(self) -> &'static str {
        match self {
            Self::Fault => "fault",
            Self::Unknown => "unknown",
            Self::Check => "check",
            Self::Info => "info",
        }
    }
}

/// What to do about a finding.
#[derive(Debug, Clone, PartialEq)]
enum FindingAction {
    /// This call.
    Call(Pointer),
    /// Something only a person can do, and where.
    Outside(&'static str, &'static str),
}

/// One thing that was found. Its words are our own; what came from Truedy is evidence.
#[derive(Debug, Clone, PartialEq)]
struct Finding {
    code: &'static str,
    weight: Weight,
    direction: Option<Direction>,
    what: &'static str,
    evidence: Map<String, Value>,
    next: FindingAction,
}

impl Finding {
    fn new(code: &'static str, weight: Weight, what: &'static str, next: FindingAction) -> Self {
        Self { code, weight, direction: None, what, evidence: Map::new(), next }
    }

    fn of(mut self, direction: Direction) -> Self {
        self.direction = Some(direction);
        self
    }

    fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.evidence.insert(field.to_owned(), value.into());
        self
    }

    fn to_json(&self) -> Map<String, Value> {
        let mut row = Map::new();
        row.insert("code".to_owned(), json!(self.code));
        row.insert("level".to_owned(), json!(self.weight.as_str()));
        if let Some(direction) = self.direction {
            row.insert("direction".to_owned(), json!(direction));
        }
        row.insert("what".to_owned(), json!(self.what));
        if !self.evidence.is_empty() {
            row.insert("evidence".to_owned(), json!(self.evidence));
        }
        let next = match &self.next {
            FindingAction::Call(pointer) => pointer.to_json(),
            FindingAction::Outside(place, what) => json!({ "outside": place, "do": what }),
        };
        row.insert("next".to_owned(), next);
        row
    }
}

fn call(tool: &'static str, arguments: Value) -> FindingAction {
    FindingAction::Call(Pointer { tool, arguments })
}

impl Tool for DiagnoseNumber {
    const NAME: &'static str = names::DIAGNOSE_NUMBER;
    const TITLE: &'static str = "Diagnose a phone number";
    const EFFECT: Effect = Effect::Reads;
    const SCOPE: Scope = Scope::NumbersRead;
    type Output = Diagnosis;
}

impl Read for DiagnoseNumber {
    async fn read(self, context: ToolContext) -> Result<ToolResponse<Diagnosis>, ToolFailure> {
        let name = self.number_id.as_str();
        let fits = |row: &OwnedNumber| row.id == name || row.number == name;
        let (listed, agents) = tokio::join!(lookup::numbers_until(&context, false, fits), lookup::agents(&context));
        let (listed, roster) = (listed?, Roster::of(agents.ok()));
        let number = match lookup::number_among(&self.number_id, &listed) {
            Ok((number, _)) => number,
            Err(ToolFailure::Refused(refusal))
                if matches!(refusal.status, Status::NotFound | Status::BadUpstreamResponse) =>
            {
                let history = history(&context, &[name]).await;
                let mut findings = absent(name, history.as_deref(), listed.complete);
                let explained = findings.iter().any(|finding| !matches!(finding.code, NOT_IN_ACCOUNT | JOURNAL_UNREAD));
                findings.sort_by_key(|finding| finding.weight);
                let findings: Vec<_> = findings.iter().map(Finding::to_json).collect();
                if !explained {
                    return Err(refusal.with("findings", json!(findings)).into());
                }
                let summary = if listed.complete {
                    "The number is not in this account. Why, as far as the journal knows it, is in findings."
                } else {
                    "The number could not be found in the part of the account's list that could be read. What is known is in findings."
                };
                let data = Diagnosis { number: name.to_owned(), findings, ..Diagnosis::default() };
                return Ok(ToolResponse::new(Status::Ok, summary, data));
            }
            Err(failure) => return Err(failure),
        };
        let directions = self.assignment_type.map_or_else(|| Direction::BOTH.to_vec(), |only| vec![only]);
        let holders = holders(&number, &roster, &directions);
        let assignments = Assignments::new(&listed, &roster);
        let names = [number.number.as_str(), number.id.as_str()];
        let asking = join_all(holders.iter().map(|id| AgentDetails::ask(&context, id, &number)));
        let (asked, history) = tokio::join!(asking, history(&context, &names));
        let evidence = Direction::BOTH.map(|direction| assignments.evidence(&number, direction, false));
        Ok(DiagnosisCase { number, roster, evidence, directions, asked, history }.answer())
    }
}

/// The operations that are about a number: unresolved ones first, then those that run, then the newest. `None` where the
/// journal cannot be read.
async fn history(context: &ToolContext, names: &[&str]) -> Option<Vec<Operation>> {
    let mut all: Vec<Operation> = Vec::new();
    for name in names {
        let tenant = Some(context.caller.tenant.clone());
        let query =
            OperationQuery { tenant, object: Some((*name).to_owned()), limit: HISTORY, ..OperationQuery::default() };
        let found = context.journal.find(query).await.ok()?;
        let fresh: Vec<_> = found.into_iter().filter(|one| !all.iter().any(|known| known.id == one.id)).collect();
        all.extend(fresh);
    }
    Some(all)
}

/// The agents that are said to hold the number, first by its own row, then by theirs; as many as are asked.
fn holders(number: &OwnedNumber, roster: &Roster, directions: &[Direction]) -> Vec<String> {
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
fn claimants<'a>(
    number: &'a OwnedNumber,
    roster: &'a Roster,
    direction: Direction,
) -> impl Iterator<Item = &'a str> + 'a {
    let agents = roster.0.iter().flat_map(|agents| &agents.rows);
    let holds = move |held: &[crate::domain::HeldNumber]| held.iter().any(|held| held.is(number));
    agents.filter(move |agent| agent.held(direction).is_some_and(holds)).map(|agent| agent.id.as_str())
}

/// Whether it is certain that there is no such agent.
fn is_missing(roster: &Roster, id: &str) -> bool {
    roster.0.as_ref().is_some_and(|agents| agents.complete) && roster.agent(id).is_none()
}

/// Whether the voice engine knows an agent, and by which URL.
#[derive(Debug, Clone)]
enum Sync {
    Url(Hook),
    NotSynced,
    Unread,
}

/// What an agent itself says.
#[derive(Debug, Clone)]
struct AgentDetails {
    id: String,
    inbound: Option<bool>,
    outbound: Option<bool>,
    sync: Sync,
}

impl AgentDetails {
    async fn ask(context: &ToolContext, id: &str, number: &OwnedNumber) -> Self {
        let unread = Self { id: id.to_owned(), inbound: None, outbound: None, sync: Sync::Unread };
        let Ok(agent) = AgentId::try_from(id) else {
            return unread;
        };
        let (numbers, hook) = tokio::join!(lookup::agent_numbers(context, &agent, false), hook(context, &agent));
        let holds =
            |direction| numbers.as_ref().ok().and_then(|reply: &ApiReply| lookup::holds(reply, number, direction));
        let (inbound, outbound) = (holds(Direction::Inbound), holds(Direction::Outbound));
        let sync = match hook {
            Ok((hook, _)) => Sync::Url(hook),
            Err(error) if is_not_synced(&error) => Sync::NotSynced,
            Err(_) => Sync::Unread,
        };
        Self { inbound, outbound, sync, ..unread }
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

const NOT_IN_ACCOUNT: &str = "not_in_account";
const NO_OUTBOUND: &str = "no_outbound_agent";
const JOURNAL_UNREAD: &str = "journal_unread";

/// The last operation that brought the number into the account or took it out.
fn last_move(history: &[Operation]) -> Option<&Operation> {
    let moves = [names::PURCHASE_NUMBER, names::IMPORT_NUMBER, names::RELEASE_NUMBER];
    let done = history.iter().filter(|one| one.state == OperationPhase::Done && moves.contains(&one.tool.as_str()));
    done.max_by_key(|one| one.ended_at.unwrap_or(one.begun_at))
}

fn at(operation: &Operation) -> String {
    moment(operation.ended_at.unwrap_or(operation.begun_at))
}

/// What is not settled in the journal, and where it cannot be read.
fn unsettled(history: Option<&[Operation]>) -> Vec<Finding> {
    let Some(history) = history else {
        return vec![Finding::new(
            JOURNAL_UNREAD,
            Weight::Unknown,
            "The journal could not be read: whether the number was released from here, or an operation on it is unresolved, is not known.",
            FindingAction::Outside("operator", "Find the cause with truedy-mcp doctor."),
        )];
    };
    let mut findings = Vec::new();
    for operation in history {
        let (code, what) = match operation.state {
            OperationPhase::Unknown => (
                "operation_unresolved",
                "It is not known whether an operation on the number took effect; it may have. Do not repeat it.",
            ),
            OperationPhase::Begun | OperationPhase::Sent => {
                ("operation_running", "An operation on the number is still running. Wait for its end.")
            }
            OperationPhase::Done | OperationPhase::Refused => continue,
        };
        let mut finding =
            Finding::new(code, Weight::Unknown, what, call(names::LIST_OPERATIONS, json!({ "id": operation.id })))
                .with("tool", operation.tool.as_str())
                .with("operation_id", operation.id.as_str())
                .with("begun_at", moment(operation.begun_at));
        if let Some(direction) = &operation.object.direction {
            finding = finding.with("direction", direction.as_str());
        }
        findings.push(finding);
    }
    findings
}

fn released(operation: &Operation, listed: bool) -> Finding {
    let what = if listed {
        "The journal says that the number was released from here, although the account still lists it; calls to it may have ended."
    } else {
        "The number was released from here. A bought one can usually not be had again; an imported one is still with its carrier and can be imported again."
    };
    let next = if listed {
        call(names::LIST_OPERATIONS, json!({ "id": operation.id }))
    } else {
        call(names::SEARCH_NUMBERS, json!({}))
    };
    Finding::new("released", Weight::Fault, what, next)
        .with("operation_id", operation.id.as_str())
        .with("released_at", at(operation))
}

/// Why a number is not in the account, as far as the journal knows.
fn absent(name: &str, history: Option<&[Operation]>, complete: bool) -> Vec<Finding> {
    let mut findings = unsettled(history);
    match history.and_then(last_move) {
        Some(last) if last.tool == names::RELEASE_NUMBER => findings.push(released(last, false)),
        Some(last) if complete => findings.push(
            Finding::new(
                "missing_from_account",
                Weight::Fault,
                "The journal says that the number became yours, but the account does not list it: it may not show yet, or somebody removed it elsewhere.",
                FindingAction::Outside("dashboard", "Look for the number in Truedy's dashboard, or ask its support with the request_id."),
            )
            .with("operation_id", last.id.as_str())
            .with("since", at(last))
            .with("request_id", last.request_id.clone()),
        ),
        _ if !complete => findings.push(Finding::new(
            "list_incomplete",
            Weight::Unknown,
            "The account has more numbers than could be read, and this one was not among those that were: whether it is there is not known.",
            call(names::LIST_NUMBERS, json!({})),
        )),
        // What is not settled explains it well enough.
        _ if findings.iter().any(|finding| finding.code != JOURNAL_UNREAD) => {}
        _ => findings.push(
            Finding::new(
                NOT_IN_ACCOUNT,
                Weight::Fault,
                "The account lists no number or id of exactly this form; a number is written with + and its country code.",
                call(names::LIST_NUMBERS, json!({})),
            )
            .with("number", name),
        ),
    }
    findings
}

/// A number of the account and all that was read about it.
struct DiagnosisCase {
    number: OwnedNumber,
    roster: Roster,
    /// What the lists say of its two directions.
    evidence: [DirectionEvidence; 2],
    directions: Vec<Direction>,
    asked: Vec<AgentDetails>,
    history: Option<Vec<Operation>>,
}

impl DiagnosisCase {
    fn answer(self) -> ToolResponse<Diagnosis> {
        let mut findings = Vec::new();
        self.status(&mut findings);
        findings.extend(unsettled(self.history.as_deref()));
        if let Some(last) = self.last_move().filter(|last| last.tool == names::RELEASE_NUMBER) {
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
            number: self.number.name().to_owned(),
            id: Some(self.number.id.clone()),
            number_status: Some(self.number.status.clone()),
            kind: Some(self.number.kind()),
            inbound: self.roster.slot(shown(Direction::Inbound)),
            outbound: self.roster.slot(shown(Direction::Outbound)),
            findings: findings.iter().map(Finding::to_json).collect(),
        };
        let mut answer = ToolResponse::new(Status::Ok, summary(&findings), data);
        // What a call can do about what is wrong; what only a person can do stands with its finding.
        answer.next = findings.iter().filter(|finding| finding.weight <= Weight::Unknown).find_map(|finding| {
            if let FindingAction::Call(pointer) = &finding.next { Some(pointer.clone()) } else { None }
        });
        if self.asked.iter().any(|asked| matches!(&asked.sync, Sync::Url(hook) if hook.unexpected_host)) {
            answer.warn(UNEXPECTED_HOST);
        }
        answer
    }

    fn last_move(&self) -> Option<&Operation> {
        last_move(self.history.as_deref()?)
    }

    /// How the number itself stands.
    fn status(&self, findings: &mut Vec<Finding>) {
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
        if let Some(last) = self.last_move().filter(|last| last.tool != names::RELEASE_NUMBER) {
            finding = finding.with("since", at(last));
        }
        findings.push(finding);
    }

    fn own(&self, id: &str, direction: Direction) -> Option<bool> {
        self.asked.iter().find(|asked| asked.id == id)?.holds(direction)
    }

    fn agent(&self, finding: Finding, id: &str) -> Finding {
        let label = self.roster.label(id);
        let finding = if label == id { finding } else { finding.with("agent", label) };
        finding.with("agent_id", id)
    }

    /// Who holds a direction, by the number's row, the agents' rows and the agents' own lists, of which the last is the most
    /// reliable (contract §6.8).
    fn slot(&self, direction: Direction, findings: &mut Vec<Finding>) -> Slot {
        let listed = self.number.slot(direction);
        let own_say =
            self.asked.iter().filter(|asked| asked.holds(direction) == Some(true)).map(|asked| asked.id.as_str());
        let mut claims: Vec<&str> = claimants(&self.number, &self.roster, direction).chain(own_say).collect();
        claims.retain(|id| self.own(id, direction) != Some(false));
        let number = self.number.name();
        let unassign = || call(names::UNASSIGN_NUMBER, json!({ "number_id": number, "assignment_type": direction }));
        let assign = |id: &str| {
            call(names::ASSIGN_NUMBER, json!({ "number_id": number, "agent_id": id, "assignment_type": direction }))
        };
        let unverified = |id: &str| {
            let finding = Finding::new(
                "assignment_unverified",
                Weight::Unknown,
                "The agent's own list of numbers could not be read, so whether the assignment holds there is not known.",
                call(names::GET_AGENT_NUMBERS, json!({ "agent_id": id })),
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
                        call(names::LIST_AGENTS, json!({})),
                    )
                    .of(direction),
                );
                Slot::Unknown
            }
        }
    }

    /// Nobody has a direction: the agent of the other one may be meant.
    fn nobody(&self, direction: Direction) -> Finding {
        let (code, what, other) = match direction {
            Direction::Inbound => (
                "no_inbound_agent",
                "No agent answers the number. Assign one for inbound calls, if the user wants it answered.",
                &self.number.outbound,
            ),
            Direction::Outbound => (
                NO_OUTBOUND,
                "No agent calls from the number. Assign one for outbound calls, if the user wants it to call out.",
                &self.number.inbound,
            ),
        };
        let next = match other {
            Slot::Held(id) if !is_missing(&self.roster, id) => {
                let arguments =
                    json!({ "number_id": self.number.name(), "agent_id": id, "assignment_type": direction });
                call(names::ASSIGN_NUMBER, arguments)
            }
            _ => call(names::LIST_AGENTS, json!({ "status": "active" })),
        };
        // A number that is answered need not call out; one that nobody answers leaves its callers with nothing.
        let answered = direction == Direction::Outbound && matches!(other, Slot::Held(_));
        let meant = answered && self.directions.len() > 1;
        Finding::new(code, if meant { Weight::Check } else { Weight::Fault }, what, next).of(direction)
    }

    /// Whether the agents that hold the number can take and make calls.
    fn agents(&self, slots: &[(Direction, Slot)], findings: &mut Vec<Finding>) {
        let mut seen: Vec<&str> = Vec::new();
        for (direction, slot) in slots {
            let Slot::Held(id) = slot else { continue };
            if seen.contains(&id.as_str()) {
                continue;
            }
            seen.push(id);
            let both = slots.iter().all(|(_, other)| other == slot) && slots.len() > 1;
            let found = self.readiness(id).into_iter().map(|finding| self.agent(finding, id));
            findings.extend(found.map(|finding| if both { finding } else { finding.of(*direction) }));
        }
    }

    fn readiness(&self, id: &str) -> Vec<Finding> {
        let sync = self.asked.iter().find(|asked| asked.id == id).map(|asked| &asked.sync);
        let not_synced = matches!(sync, Some(Sync::NotSynced));
        let mut findings = Vec::new();
        match self.roster.agent(id).map(|agent| agent.status.as_str()) {
            None if is_missing(&self.roster, id) => {
                return vec![Finding::new(
                    "agent_missing",
                    Weight::Fault,
                    "The agent that holds the number is not among the agents of this account; it may have been deleted. Assign another.",
                    call(names::LIST_AGENTS, json!({ "status": "active" })),
                )];
            }
            None => findings.push(Finding::new(
                "agent_unread",
                Weight::Unknown,
                "The agents could not be read, so whether the one that holds the number is active is not known.",
                call(names::LIST_AGENTS, json!({})),
            )),
            Some("active") => {}
            Some(status @ ("draft" | "creating" | "failed" | "inactive")) => {
                let mut finding = Finding::new(
                    "agent_not_active",
                    Weight::Fault,
                    "The agent that holds the number is not active; only an active one takes and makes calls.",
                    FindingAction::Outside("dashboard", "Finish, repair or activate the agent there (one that is being created becomes active by itself), or assign another."),
                )
                .with("agent_status", status);
                if not_synced {
                    finding = finding.with("synced", false);
                }
                return vec![finding];
            }
            Some(status) => findings.push(
                Finding::new(
                    "agent_status_unclear",
                    Weight::Unknown,
                    "The agent that holds the number is not said to be active; what its status means is not known here.",
                    FindingAction::Outside("dashboard", "Look at the agent."),
                )
                .with("agent_status", status),
            ),
        }
        if not_synced {
            findings.push(Finding::new(
                "agent_not_synced",
                Weight::Fault,
                "The agent that holds the number is not synced to the voice engine, so no call reaches it.",
                FindingAction::Outside(
                    "dashboard",
                    "Save and activate the agent again, or ask Truedy's support; or assign another.",
                ),
            ));
        } else if !matches!(sync, Some(Sync::Url(_))) {
            findings.push(Finding::new(
                "sync_unread",
                Weight::Unknown,
                "The agent's webhook URL could not be read, so whether the voice engine knows the agent is not known.",
                call(names::GET_WEBHOOK_URL, json!({ "agent_id": id })),
            ));
        }
        findings
    }

    /// What an own carrier must do for its number; none of it can be read.
    fn carrier(&self, slots: &[(Direction, Slot)], findings: &mut Vec<Finding>) {
        if self.number.managed == Some(true) {
            return;
        }
        let provider = self.history.iter().flatten().find_map(|one| one.object.provider.as_deref());
        for (direction, slot) in slots {
            let Slot::Held(id) = slot else { continue };
            let sync = self.asked.iter().find(|asked| asked.id == *id).map(|asked| &asked.sync);
            let mut finding = match direction {
                Direction::Inbound if matches!(sync, Some(Sync::NotSynced)) || is_missing(&self.roster, id) => continue,
                Direction::Inbound => Finding::new(
                    "carrier_webhook",
                    Weight::Check,
                    "A number with an own carrier rings only if that carrier sends its calls to this agent's webhook URL; what is set there cannot be seen from here.",
                    FindingAction::Outside(
                        "carrier",
                        "Compare the number's voice webhook for incoming calls with webhook_url and set it (Twilio: A call comes in, HTTP POST). For Telnyx, Truedy's guide speaks of a SIP connection instead. get_webhook_url says where.",
                    ),
                ),
                Direction::Outbound => Finding::new(
                    "carrier_credential",
                    Weight::Check,
                    "Calls out go through the own carrier with the credential given at import, which Truedy does not verify.",
                    FindingAction::Outside(
                        "carrier",
                        "See that the key or SIP account is valid and may call from this number.",
                    ),
                ),
            };
            if let (Direction::Inbound, Some(Sync::Url(hook))) = (direction, sync) {
                finding = finding.with("webhook_url", hook.url.as_str());
            }
            if let Some(provider) = provider {
                finding = finding.with("provider", provider);
            }
            if self.number.managed.is_none() {
                finding = finding.with("kind", self.number.kind());
            }
            findings.push(self.agent(finding.of(*direction), id));
        }
    }
}

fn summary(findings: &[Finding]) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Agent;
    use crate::tools::account::pages::ListResult;

    fn case(inbound: Value, agents: &[Value], asked: Vec<AgentDetails>) -> DiagnosisCase {
        let row = json!({ "id": "n", "phone_number": "+14155550123", "status": "active", "is_trudy_managed": true, "inbound_agent_id": inbound });
        let rows = agents.iter().filter_map(Agent::read).collect();
        let number = OwnedNumber::read(&row).expect("a number");
        let roster = Roster::of(Some(ListResult { rows, complete: true, unreadable: false }));
        let assignments =
            Assignments::new(&ListResult { rows: vec![number.clone()], complete: true, unreadable: false }, &roster);
        DiagnosisCase {
            evidence: Direction::BOTH.map(|direction| assignments.evidence(&number, direction, false)),
            number,
            roster,
            directions: vec![Direction::Inbound],
            asked,
            history: Some(Vec::new()),
        }
    }

    fn agent(id: &str, holds: bool) -> Value {
        let held = if holds { json!(["+14155550123"]) } else { json!([]) };
        json!({ "id": id, "name": id, "status": "active", "inbound_phone_numbers": held, "outbound_phone_numbers": [] })
    }

    fn says(id: &str, inbound: Option<bool>) -> AgentDetails {
        AgentDetails { id: id.to_owned(), inbound, outbound: None, sync: Sync::Unread }
    }

    /// Who is found to hold it, and what is wrong with that.
    fn judged(inbound: Value, agents: &[Value], asked: Vec<AgentDetails>) -> (Slot, Vec<&'static str>) {
        let mut findings = Vec::new();
        let slot = case(inbound, agents, asked).slot(Direction::Inbound, &mut findings);
        (slot, findings.iter().map(|finding| finding.code).collect())
    }

    #[test]
    fn the_row_and_the_lists_are_weighed_against_each_other() {
        let held = |id: &str| Slot::Held(id.to_owned());
        let (a, b) = (|holds| agent("a", holds), |holds| agent("b", holds));
        let yes = |id| says(id, Some(true));
        for (inbound, agents, asked, slot, codes) in [
            (json!("a"), vec![a(true)], vec![yes("a")], held("a"), vec![]),
            (json!("a"), vec![a(true)], vec![says("a", None)], held("a"), vec!["assignment_unverified"]),
            (json!("a"), vec![a(true)], vec![says("a", Some(false))], held("a"), vec!["lists_disagree"]),
            (json!("a"), vec![a(true), b(true)], vec![yes("a"), yes("b")], held("a"), vec!["lists_disagree"]),
            // The list of agents is behind the agent itself.
            (json!("a"), vec![a(true), b(true)], vec![yes("a"), says("b", Some(false))], held("a"), vec![]),
            (json!(null), vec![a(false)], vec![], Slot::Free, vec!["no_inbound_agent"]),
            (json!(null), vec![a(true)], vec![says("a", Some(false))], Slot::Free, vec!["no_inbound_agent"]),
            (json!(null), vec![a(true)], vec![says("a", None)], held("a"), vec!["lists_disagree"]),
            // The row does not say: the field is there, and is no text.
            (json!([]), vec![a(true)], vec![yes("a")], held("a"), vec![]),
            (json!([]), vec![a(true)], vec![says("a", None)], held("a"), vec!["assignment_unverified"]),
            (json!([]), vec![a(false)], vec![], Slot::Free, vec!["no_inbound_agent"]),
            (json!([]), vec![a(true)], vec![says("a", Some(false))], Slot::Unknown, vec!["assignment_unknown"]),
            (json!([]), vec![json!({ "id": "a" })], vec![], Slot::Unknown, vec!["assignment_unknown"]),
        ] {
            let what = format!("{inbound} {agents:?} {asked:?}");
            assert_eq!(judged(inbound, &agents, asked), (slot, codes), "{what}");
        }
    }

    #[test]
    fn no_more_than_three_agents_are_asked_and_the_one_in_the_row_first() {
        let agents: Vec<Value> = ["a", "b", "c", "d", "e"].iter().map(|id| agent(id, true)).collect();
        let asked = |inbound: Value| {
            let case = case(inbound, &agents, Vec::new());
            holders(&case.number, &case.roster, &Direction::BOTH)
        };
        assert_eq!(asked(json!("d")), ["d", "a", "b"]);
        assert_eq!(asked(json!(null)), ["a", "b", "c"]);
        assert_eq!(asked(json!("gone")), ["a", "b", "c"], "who is not there is not asked");
    }

    #[test]
    fn what_stops_calls_comes_first() {
        let step = || FindingAction::Outside("user", "Look.");
        let mut all: Vec<Finding> = [Weight::Info, Weight::Check, Weight::Fault, Weight::Unknown]
            .map(|weight| Finding::new("x", weight, "It is.", step()))
            .into();
        all.sort_by_key(|finding| finding.weight);
        let levels: Vec<&str> = all.iter().map(|finding| finding.weight.as_str()).collect();
        assert_eq!(levels, ["fault", "unknown", "check", "info"]);
    }
}
