//! Why a number does not ring, or an agent does not call out: what account, agents and journal know of it, side by side.
//!
//! Source: contract §6.1, §6.8, §6.9, §9 rows 8, 23, 24, 27. Four requests where one agent holds the number, eight at most; one
//! more for each further hundred numbers or agents. The carrier's side cannot be read, which is said and never guessed.

use futures::future::join_all;
use serde_json::json;

use crate::domain::{AgentRef, ArgumentProblem, Direction, Effect, NumberRef, Status};
use crate::guard::Scope;
use crate::journal::{Operation, OperationQuery};
use crate::tools::account::agents::recent_roster;
use crate::tools::account::assignments::Assignments;
use crate::tools::account::lookup;
use crate::tools::account::number_rows::rows_of;
use crate::tools::catalog::diagnose_number::agent_case;
use crate::tools::catalog::diagnose_number::case::{AgentDetails, Diagnosis, DiagnosisCase, holders};
use crate::tools::catalog::diagnose_number::findings::{Finding, JOURNAL_UNREAD, NOT_IN_ACCOUNT};
use crate::tools::catalog::diagnose_number::history::absent;
use crate::tools::contract::arguments::arguments;
use crate::tools::contract::context::ToolContext;
use crate::tools::contract::response::{ToolFailure, ToolResponse};
use crate::tools::contract::tool::{Read, Tool};

/// Operations of the number that are looked through at most.
const HISTORY: u32 = 100;

arguments! {
    /// Diagnose (check, troubleshoot) a phone number that does not ring, or an agent that cannot call out: what is wrong with status, assignments, agents, webhook or journal.
    ///
    /// Returns findings, each with evidence and the next step. The carrier's own settings cannot be seen from here.
    DiagnoseNumber {
        /// A number or its id.
        number_id: Option<NumberRef>,
        /// Or else an agent's exact name or id.
        agent_id: Option<AgentRef>,
        /// Only calls to it (inbound) or from it.
        assignment_type: Option<Direction>,
    }
}

/// What is diagnosed.
enum DiagnosisSubject<'a> {
    Number(&'a NumberRef),
    Agent(&'a AgentRef),
}

impl Tool for DiagnoseNumber {
    const NAME: &'static str = "diagnose_number";
    const TITLE: &'static str = "Diagnose a phone number";
    const SEARCH_HINT: &'static str = "troubleshoot, fix, debug, test: number not ringing, calls fail, cannot call";
    const EXAMPLE: Option<&'static str> = Some("number_id=+14155550123 --sandbox");
    const EFFECT: Effect = Effect::Reads;
    const SCOPE: Scope = Scope::NumbersRead;
    type Output = Diagnosis;

    fn contradictions(&self) -> Vec<ArgumentProblem> {
        self.subject().err().into_iter().collect()
    }
}

impl Read for DiagnoseNumber {
    async fn read(self, context: ToolContext) -> Result<ToolResponse<Diagnosis>, ToolFailure> {
        match self.subject()? {
            DiagnosisSubject::Number(named) => self.number(named, &context).await,
            DiagnosisSubject::Agent(named) => agent_case::diagnose(named, self.assignment_type, &context).await,
        }
    }
}

impl DiagnoseNumber {
    /// Returns what the call names. It must be a number or an agent, and not both.
    fn subject(&self) -> Result<DiagnosisSubject<'_>, ArgumentProblem> {
        let reason = match (&self.number_id, &self.agent_id) {
            (Some(number), None) => return Ok(DiagnosisSubject::Number(number)),
            (None, Some(agent)) => return Ok(DiagnosisSubject::Agent(agent)),
            (None, None) => "neither number_id nor agent_id is given",
            (Some(_), Some(_)) => "both number_id and agent_id are given",
        };
        Err(ArgumentProblem {
            expected: "either a number in number_id or an agent in agent_id".to_owned(),
            ..ArgumentProblem::of::<NumberRef>("number_id", reason.to_owned(), None)
        })
    }

    async fn number(&self, named: &NumberRef, context: &ToolContext) -> Result<ToolResponse<Diagnosis>, ToolFailure> {
        let name = named.as_str();
        let (listed, roster) = tokio::join!(rows_of(context, named), recent_roster(context));
        let listed = listed?;
        let number = match lookup::number_among(named, &listed) {
            Ok((number, _)) => number,
            Err(ToolFailure::Refused(refusal))
                if matches!(refusal.status, Status::NotFound | Status::BadUpstreamResponse) =>
            {
                let history = history(context, &[name]).await;
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
                let data = Diagnosis { number: Some(name.to_owned()), findings, ..Diagnosis::default() };
                return Ok(ToolResponse::new(Status::Ok, summary, data));
            }
            Err(failure) => return Err(failure),
        };
        let directions = self.assignment_type.map_or_else(|| Direction::BOTH.to_vec(), |only| vec![only]);
        let holders = holders(&number, &roster, &directions);
        let assignments = Assignments::of_part(&listed, &roster, &context.account);
        let names = [number.number.as_str(), number.id.as_str()];
        let asking = join_all(holders.iter().map(|id| AgentDetails::ask(context, id, &number)));
        let (asked, history) = tokio::join!(asking, history(context, &names));
        let evidence = Direction::BOTH.map(|direction| assignments.evidence(number.view(), direction, false));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Slot;
    use crate::domain::{Agent, OwnedNumber};
    use crate::tools::account::pages::ListResult;
    use crate::tools::account::roster::Roster;
    use crate::tools::catalog::diagnose_number::case::SyncState;
    use crate::tools::catalog::diagnose_number::findings::{FindingAction, Weight};
    use serde_json::Value;

    fn case(inbound: Value, agents: &[Value], asked: Vec<AgentDetails>) -> DiagnosisCase {
        let row = json!({ "id": "n", "phone_number": "+14155550123", "status": "active", "is_trudy_managed": true, "inbound_agent_id": inbound });
        let rows = agents.iter().filter_map(Agent::read).collect();
        let number = OwnedNumber::read(&row).expect("a number");
        let roster = Roster::of(Some(ListResult { rows, complete: true, unreadable: false }));
        let assignments =
            Assignments::new(&ListResult { rows: vec![number.clone()], complete: true, unreadable: false }, &roster);
        DiagnosisCase {
            evidence: Direction::BOTH.map(|direction| assignments.evidence(number.view(), direction, false)),
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
        AgentDetails { id: id.to_owned(), inbound, outbound: None, sync: SyncState::Unread }
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
