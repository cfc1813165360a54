//! Finds the outcome of operations whose response was lost, from the present state of the account.
//!
//! What the account shows has happened. What it does not show stays unknown, because Truedy may have bought a number
//! that it does not list. "Did not happen" is recorded only where the account shows the opposite of the change, long
//! after it.

use std::time::Duration;

use crate::domain::{Direction, OwnedNumber, Slot, Status};
use crate::journal::{Operation, Outcome, OutcomeSource};
use crate::tools::account::assignments::Assignments;
use crate::tools::account::lookup;
use crate::tools::account::pages::ListResult;
use crate::tools::account::roster::Roster;
use crate::tools::contract::tool::ToolContext;
use crate::tools::names;

/// Age of a lost operation after which no request is under way and no call still looks for its outcome.
const LATE: Duration = Duration::from_secs(200);

/// Looks once for the outcomes of these operations and records those that it finds.
pub async fn reconcile(context: &ToolContext, operations: &[Operation]) {
    let context = context.with(context.call.unstoppable());
    let numbers = match lookup::numbers(&context, true).await {
        Ok(numbers) => numbers,
        Err(error) => {
            tracing::debug!(%error, "what was lost could not be looked for");
            return;
        }
    };
    let mut roster = None;
    for operation in operations {
        let late = operation.tool != names::PURCHASE_NUMBER && context.journal.lost_for(operation).await > LATE;
        // A list read with another API key proves what exists. It does not prove that something is absent.
        let absence = numbers.complete && context.journal.is_of_this_account(operation);
        let ending = match operation.tool.as_str() {
            names::PURCHASE_NUMBER => made(operation, &numbers, Status::Purchased),
            names::IMPORT_NUMBER => match made(operation, &numbers, Status::Imported) {
                None if absence && late => credential_only(&context, operation).await,
                ending => ending,
            },
            names::RELEASE_NUMBER => released(operation, &numbers, (late, absence)),
            names::ASSIGN_NUMBER | names::UNASSIGN_NUMBER => {
                if roster.is_none() {
                    roster = Some(Roster::read(&context).await);
                }
                roster.as_ref().and_then(|roster| assigned(operation, &numbers, roster, late))
            }
            _ => None,
        };
        if let Some(ending) = ending
            && context.journal.settle(&operation.id, ending.clone()).await
        {
            tracing::info!(id = operation.id, tool = operation.tool, outcome = ending.outcome, "resolved");
        }
    }
}

fn looked(happened: bool, status: Status) -> Outcome {
    Outcome::new(happened, status.as_str(), OutcomeSource::Look)
}

/// Returns the outcome of a purchase or import, if the list shows its number.
fn made(operation: &Operation, numbers: &ListResult<OwnedNumber>, status: Status) -> Option<Outcome> {
    let number = operation.object.number.as_deref()?;
    let row = numbers.rows.iter().find(|row| row.number == number)?;
    Some(Outcome { number_id: Some(row.id.clone()), ..looked(true, status) })
}

/// Returns the outcome of an import that stored only a credential.
/// The number is not in the list, and exactly one new credential can belong to the import.
async fn credential_only(context: &ToolContext, operation: &Operation) -> Option<Outcome> {
    let provider = operation.object.provider.as_deref()?;
    let before = operation.object.credentials_before.as_deref()?;
    let id = lookup::new_credential(context, before, provider).await?;
    Some(Outcome { credential_id: Some(id), ..Outcome::new(false, "credential_only", OutcomeSource::Look) })
}

fn released(
    operation: &Operation,
    numbers: &ListResult<OwnedNumber>,
    (late, absence): (bool, bool),
) -> Option<Outcome> {
    let id = operation.object.number_id.as_deref()?;
    if numbers.rows.iter().any(|row| row.id == id) {
        return late.then(|| looked(false, Status::NotReleased));
    }
    absence.then(|| looked(true, Status::Released))
}

fn assigned(operation: &Operation, numbers: &ListResult<OwnedNumber>, roster: &Roster, late: bool) -> Option<Outcome> {
    let object = &operation.object;
    let direction = Direction::BOTH.into_iter().find(|way| Some(way.as_str()) == object.direction.as_deref())?;
    let row = numbers.rows.iter().find(|row| Some(row.id.as_str()) == object.number_id.as_deref())?;
    let evidence = Assignments::new(numbers, roster).evidence(row, direction, true);
    if evidence.disputed() {
        return None;
    }
    let (happened, yes, no) = match (object.agent_id.as_deref(), evidence.slot()) {
        (_, Slot::Unknown) => return None,
        (Some(agent), Slot::Held(holder)) => (holder == agent, Status::Assigned, Status::NotAssigned),
        (Some(_), Slot::Free) => (false, Status::Assigned, Status::NotAssigned),
        (None, slot) => (slot == Slot::Free, Status::Unassigned, Status::NotUnassigned),
    };
    match happened {
        true => Some(looked(true, yes)),
        false => late.then(|| looked(false, no)),
    }
}
