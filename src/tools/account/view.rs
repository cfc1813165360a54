//! The present state of the account, from which the outcome of a lost operation is found.

use std::time::Duration;

use tokio::sync::OnceCell;

use crate::domain::{ChangeKind, Direction, OwnedNumber, Slot};
use crate::journal::{Operation, Outcome, OutcomeSource};
use crate::tools::account::assignments::Assignments;
use crate::tools::account::lookup;
use crate::tools::account::pages::ListResult;
use crate::tools::account::roster::Roster;
use crate::tools::contract::context::ToolContext;
use crate::truedy::Error;

/// Age of a lost operation after which no request is under way and no call still looks for its outcome.
const LATE: Duration = Duration::from_secs(200);

/// The numbers of the account as just read. The agents are read when they are first needed.
pub struct AccountView<'a> {
    context: &'a ToolContext,
    numbers: ListResult<OwnedNumber>,
    roster: OnceCell<Roster>,
}

impl<'a> AccountView<'a> {
    /// Reads the numbers.
    pub(crate) async fn read(context: &'a ToolContext) -> Result<Self, Error> {
        Ok(Self { context, numbers: lookup::numbers(context, true).await?, roster: OnceCell::new() })
    }

    /// Whether no request of the operation can be under way any more.
    pub(crate) async fn is_late(&self, operation: &Operation) -> bool {
        self.context.journal.lost_for(operation).await > LATE
    }

    /// Whether a number that the list lacks is certainly not in the account of the operation.
    /// A list read with another API key proves what exists. It does not prove that something is absent.
    pub(crate) fn proves_absence(&self, operation: &Operation) -> bool {
        self.numbers.complete && self.context.journal.is_of_this_account(operation)
    }

    /// Returns the outcome of an operation that adds a number, if the list shows that number.
    pub(crate) fn added(&self, operation: &Operation, kind: &ChangeKind) -> Option<Outcome> {
        let number = operation.object.number.as_deref()?;
        let row = self.numbers.rows.iter().find(|row| row.number == number)?;
        Some(Outcome { number_id: Some(row.id.clone()), ..looked(true, kind.succeeded.as_str()) })
    }

    /// Returns the outcome of an import that stored only a credential.
    /// The number is not in the list, and exactly one new credential can belong to the import.
    pub(crate) async fn credential_only(&self, operation: &Operation) -> Option<Outcome> {
        if !self.proves_absence(operation) || !self.is_late(operation).await {
            return None;
        }
        let provider = operation.object.provider.as_deref()?;
        let before = operation.object.credentials_before.as_deref()?;
        let id = lookup::new_credential(self.context, before, provider).await?;
        Some(Outcome { credential_id: Some(id), ..looked(false, "credential_only") })
    }

    /// Returns the outcome of an operation that removes a number.
    pub(crate) async fn removed(&self, operation: &Operation, kind: &ChangeKind) -> Option<Outcome> {
        let id = operation.object.number_id.as_deref()?;
        if self.numbers.rows.iter().any(|row| row.id == id) {
            return self.is_late(operation).await.then(|| looked(false, kind.not_done));
        }
        self.proves_absence(operation).then(|| looked(true, kind.succeeded.as_str()))
    }

    /// Returns the outcome of an operation that gives a direction of a number to an agent, or to nobody.
    pub(crate) async fn assigned(&self, operation: &Operation, kind: &ChangeKind) -> Option<Outcome> {
        let object = &operation.object;
        let direction = Direction::BOTH.into_iter().find(|way| Some(way.as_str()) == object.direction.as_deref())?;
        let row = self.numbers.rows.iter().find(|row| Some(row.id.as_str()) == object.number_id.as_deref())?;
        let roster = self.roster.get_or_init(|| Roster::read(self.context)).await;
        let evidence = Assignments::new(&self.numbers, roster).evidence(row, direction, true);
        if evidence.disputed() {
            return None;
        }
        let happened = match (object.agent_id.as_deref(), evidence.slot()) {
            (_, Slot::Unknown) => return None,
            (Some(agent), Slot::Held(holder)) => holder == agent,
            (Some(_), Slot::Free) => false,
            (None, slot) => slot == Slot::Free,
        };
        match happened {
            true => Some(looked(true, kind.succeeded.as_str())),
            false => self.is_late(operation).await.then(|| looked(false, kind.not_done)),
        }
    }
}

/// Returns an outcome that the account shows.
fn looked(happened: bool, outcome: &'static str) -> Outcome {
    Outcome::new(happened, outcome, OutcomeSource::Look)
}
