//! The case of one agent: whether it can take and make calls, and on which numbers.

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::domain::{AgentId, AgentRef, Direction, HeldNumber, OwnedNumber, Status};
use crate::tools::account::agents::recent_roster;
use crate::tools::account::roster::Roster;
use crate::tools::account::{agent_lookup, lookup};
use crate::tools::catalog::diagnose_number::case::{DiagnosedAgent, Diagnosis, SyncState, summary};
use crate::tools::catalog::diagnose_number::findings::{Finding, FindingAction, Weight, call};
use crate::tools::catalog::diagnose_number::readiness::readiness;
use crate::tools::catalog::get_webhook_url::{UNEXPECTED_HOST, hook};
use crate::tools::contract::context::ToolContext;
use crate::tools::contract::response::{ToolFailure, ToolResponse};

/// Most numbers that are shown of each direction.
const SHOWN: usize = 20;

/// One direction of the agent's own list.
struct AgentSide {
    direction: Direction,
    /// `None` if it could not be read.
    entries: Option<Vec<Value>>,
}

impl AgentSide {
    fn names(&self) -> Option<Vec<String>> {
        let entries = self.entries.as_ref()?;
        Some(
            entries.iter().take(SHOWN).filter_map(|entry| HeldNumber::read(entry).shown().map(str::to_owned)).collect(),
        )
    }

    /// What this direction lacks.
    fn findings(&self, agent: &str) -> Vec<Finding> {
        let Some(entries) = &self.entries else {
            let what = "The agent's own list of numbers could not be read, so which numbers it uses is not known.";
            let again = call("get_agent_numbers", json!({ "agent_id": agent }));
            return vec![Finding::new("agent_numbers_unread", Weight::Unknown, what, again).of(self.direction)];
        };
        if entries.is_empty() {
            return vec![self.without_number()];
        }
        let waiting: Vec<OwnedNumber> =
            entries.iter().filter_map(OwnedNumber::read).filter(|number| number.status != "active").collect();
        let about = |number: OwnedNumber| {
            let next = call("diagnose_number", json!({ "number_id": number.name() }));
            let what = "A number of the agent is not active, so it carries no calls.";
            let all = waiting.len() == entries.len();
            let weight = if all { Weight::Fault } else { Weight::Check };
            Finding::new("number_not_active", weight, what, next)
                .of(self.direction)
                .with("number", number.name())
                .with("number_status", number.status.as_str())
        };
        waiting.first().cloned().map(about).into_iter().collect()
    }

    fn without_number(&self) -> Finding {
        let unused = call("list_numbers", json!({ "unassigned": true }));
        match self.direction {
            Direction::Inbound => Finding::new(
                "answers_no_number",
                Weight::Check,
                "The agent answers no number. Assign one for inbound calls, if the user wants it to answer.",
                unused,
            ),
            Direction::Outbound => Finding::new(
                "calls_from_no_number",
                Weight::Fault,
                "The agent has no number to call from, so it cannot call out. Assign one for outbound calls.",
                unused,
            ),
        }
        .of(self.direction)
    }
}

/// Diagnoses an agent. Three requests: the agents, its own list of numbers, and its webhook URL.
pub(crate) async fn diagnose(
    named: &AgentRef,
    only: Option<Direction>,
    context: &ToolContext,
) -> Result<ToolResponse<Diagnosis>, ToolFailure> {
    let begun = Instant::now();
    let roster = recent_roster(context).await;
    let agent = agent_lookup::agent_beside(context, named, &roster, begun).await?;
    let (numbers, hook) = tokio::join!(lookup::agent_numbers(context, &agent, false), hook(context, &agent));
    let side = |direction: Direction| {
        let entries = numbers.as_ref().ok().and_then(|reply| reply.data.get(direction.as_str())?.as_array().cloned());
        AgentSide { direction, entries }
    };
    let sides = Direction::BOTH.map(side);
    Ok(answer(&agent, &roster, &sides, &SyncState::of(hook), only))
}

fn answer(
    agent: &AgentId,
    roster: &Roster,
    sides: &[AgentSide; 2],
    sync: &SyncState,
    only: Option<Direction>,
) -> ToolResponse<Diagnosis> {
    let id = agent.as_str();
    let mut findings = readiness(roster, id, Some(sync));
    let asked = sides.iter().filter(|side| only.is_none_or(|only| only == side.direction));
    findings.extend(asked.flat_map(|side| side.findings(id)));
    if !findings.iter().any(|finding| finding.weight == Weight::Fault) {
        let next =
            FindingAction::Outside("phone", "Make a test call. If it fails, diagnose the number with number_id.");
        let what = "An active agent with numbers is no proof that calls are routed.";
        findings.push(Finding::new("test_call", Weight::Check, what, next));
    }
    findings.sort_by_key(|finding| finding.weight);
    let [inbound, outbound] = sides;
    let diagnosed = DiagnosedAgent {
        agent: roster.label(id),
        agent_id: id.to_owned(),
        agent_status: roster.agent(id).map(|agent| agent.status.clone()),
        answers: inbound.names(),
        calls_from: outbound.names(),
    };
    let rows = findings.iter().map(Finding::to_json).collect();
    let data = Diagnosis { agent: Some(diagnosed), findings: rows, ..Diagnosis::default() };
    let mut answer = ToolResponse::new(Status::Ok, summary(&findings), data);
    answer.next = findings.iter().filter(|finding| finding.weight <= Weight::Unknown).find_map(|finding| {
        if let FindingAction::Call(pointer) = &finding.next { Some(pointer.clone()) } else { None }
    });
    if matches!(sync, SyncState::Url(hook) if hook.unexpected_host) {
        answer.warn(UNEXPECTED_HOST);
    }
    answer
}
