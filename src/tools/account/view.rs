//! The present state of the account, from which the outcome of a lost operation is found.

use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::domain::{ChangeKind, Direction, OwnedNumber, Slot};
use crate::journal::{Operation, Outcome, OutcomeSource};
use crate::tools::account::agents::roster;
use crate::tools::account::assignments::Assignments;
use crate::tools::account::compact_numbers::CompactNumbers;
use crate::tools::account::lookup;
use crate::tools::account::memory::KEPT;
use crate::tools::account::near_rows::{Near, NearRows, near};
use crate::tools::account::pages::{ListResult, NumberRows};
use crate::tools::account::roster::Roster;
use crate::tools::account::whole_reading::start_after_answer;
use crate::tools::contract::context::ToolContext;
use crate::truedy::Error;

/// Age of a lost operation after which no request is under way and no call still looks for its outcome.
const LATE: Duration = Duration::from_secs(200);

/// The account as lost operations are compared with it. It is read as far as they need it.
///
/// In a list of several pages, the newest page is read, and the pages where the index expects a number. The whole list
/// is read once, in the background.
pub struct AccountView<'a> {
    context: &'a ToolContext,
    newest: Near,
    roster: OnceCell<Roster>,
}

impl<'a> AccountView<'a> {
    /// Reads the newest numbers.
    pub(crate) async fn read(context: &'a ToolContext) -> Result<Self, Error> {
        let mut reading = NearRows::new(context, true);
        reading.page(0).await?;
        Ok(Self { context, newest: reading.end(""), roster: OnceCell::new() })
    }

    /// Returns the rows that may be about a number. `None` if they cannot be read.
    async fn rows_of(&self, name: &str) -> Option<ListResult<OwnedNumber>> {
        if self.newest.whole {
            return Some(self.newest.listing.clone());
        }
        let mut rows = near(self.context, name, true).await.ok()?.listing;
        rows.rows.extend(self.newest.listing.rows.iter().cloned());
        Some(rows)
    }

    /// Returns the whole list, read since the response of the operation was lost. `None` if it is not read yet.
    /// Then it is read in the background, for a later look.
    async fn whole(&self, operation: &Operation) -> Option<CompactNumbers> {
        if self.newest.whole {
            let listing = &self.newest.listing;
            return listing.complete.then(|| listing.rows.iter().cloned().collect());
        }
        let lost_at = Instant::now().checked_sub(self.context.journal.lost_for(operation).await)?;
        let readings = &self.context.account.readings;
        let reading = readings.latest(KEPT).filter(|reading| reading.begun >= lost_at && reading.is_complete());
        if reading.is_none() {
            start_after_answer(self.context);
        }
        reading.map(|reading| reading.listing().rows)
    }

    /// Whether no request of the operation can be under way any more.
    pub(crate) async fn is_late(&self, operation: &Operation) -> bool {
        self.context.journal.lost_for(operation).await > LATE
    }

    /// Whether a list of this account proves what became of the operation.
    /// A list read with another API key proves what exists. It does not prove that something is absent.
    fn is_of(&self, operation: &Operation) -> bool {
        self.context.journal.is_of_this_account(operation)
    }

    /// Returns the outcome of an operation that adds a number, if the list shows that number.
    ///
    /// A row that was created before the operation proves nothing.
    pub(crate) async fn added(&self, operation: &Operation, kind: &ChangeKind) -> Option<Outcome> {
        let number = operation.object.number.as_deref()?;
        let is_it = |row: &&OwnedNumber| row.number == number && row.is_created_after(operation.object.created_after);
        let id = match self.newest.listing.rows.iter().find(is_it) {
            Some(row) => row.id.clone(),
            None if self.newest.whole => return None,
            None => {
                // The reading itself resolves the operation when it comes across the number.
                self.whole(operation).await;
                self.rows_of(number).await?.rows.iter().find(is_it)?.id.clone()
            }
        };
        Some(Outcome { number_id: Some(id), ..looked(true, kind.succeeded.as_str()) })
    }

    /// Returns the outcome of an import that stored only a credential.
    /// The number is not in the list, and exactly one new credential can belong to the import.
    pub(crate) async fn credential_only(&self, operation: &Operation) -> Option<Outcome> {
        if !self.is_of(operation) || !self.is_late(operation).await {
            return None;
        }
        let number = operation.object.number.as_deref()?;
        if self.whole(operation).await?.views().any(|row| row.number == number) {
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
        if self.rows_of(id).await?.rows.iter().any(|row| row.id == id) {
            return self.is_late(operation).await.then(|| looked(false, kind.not_done));
        }
        let whole = self.whole(operation).await?;
        (self.is_of(operation) && !whole.views().any(|row| row.id == id)).then(|| looked(true, kind.succeeded.as_str()))
    }

    /// Returns the outcome of an operation that gives a direction of a number to an agent, or to nobody.
    pub(crate) async fn assigned(&self, operation: &Operation, kind: &ChangeKind) -> Option<Outcome> {
        let object = &operation.object;
        let direction = Direction::BOTH.into_iter().find(|way| Some(way.as_str()) == object.direction.as_deref())?;
        let id = object.number_id.as_deref()?;
        let numbers = self.rows_of(id).await?;
        let row = numbers.rows.iter().find(|row| row.id == id)?;
        let roster = self.roster.get_or_init(|| roster(self.context)).await;
        let evidence =
            Assignments::of_part(&numbers, roster, &self.context.account).evidence(row.view(), direction, true);
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
