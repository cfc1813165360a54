//! What a tool works with during one call.

use crate::domain::{Caller, CarrierAccess, CarrierProfiles, Money, OwnedNumber, Refusal, Status};
use crate::guard::{Cap, Policy};
use crate::journal::{Journal, Operation, Outcome, OutcomeSource};
use crate::tools::account::memory::AccountMemory;
use crate::tools::contract::offered_numbers::Offered;
use crate::tools::contract::operation_record::Record;
use crate::tools::contract::price::Price;
use crate::tools::contract::price_cache::Prices;
use crate::tools::contract::response::Undo;
use crate::truedy::{CallBudget, Client, Error};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

/// How long a reading waits until the outcomes that it found are recorded.
pub(crate) const SETTLING: Duration = Duration::from_secs(1);

/// What is known of operations only by the tools that made them: their outcomes, and how they are undone.
pub trait Reconcile: Send + Sync {
    /// Looks once for the outcomes of these operations and records those that it finds.
    fn reconcile<'a>(&'a self, context: &'a ToolContext, operations: &'a [Operation]) -> BoxFuture<'a, ()>;

    /// Returns how an operation is undone. `None` if it did not happen.
    fn undo(&self, operation: &Operation) -> Option<Undo>;
}

/// What a tool works with.
#[derive(Clone)]
pub struct ToolContext {
    /// The client for Truedy's API, for the caller's organisation.
    pub truedy: Arc<Client>,
    /// The time that the call has left, and whether it is still wanted.
    pub call: CallBudget,
    /// Whether a person can be asked in a form before the change is made.
    pub asks: bool,
    /// What is remembered of the account: where numbers stand in its list, and what was read lately.
    pub account: Arc<AccountMemory>,
    /// Prices that were seen lately.
    pub prices: Arc<Prices>,
    /// Numbers that were offered although no numbering plan has them.
    pub offered: Arc<Offered>,
    /// What the operator allows.
    pub policy: Arc<Policy>,
    /// The number of changes by this tool in the last 24 hours.
    pub used: u32,
    /// The journal: operations, their callers, and outcomes that are not known.
    pub journal: Arc<Journal>,
    /// Finds the outcomes of lost operations, by asking the tools that made them.
    pub reconciler: Arc<dyn Reconcile>,
    /// The caller whose operations are read.
    pub caller: Caller,
    /// The record of the change that is being made.
    pub record: Option<Arc<Record>>,
    /// The operator's carrier profiles.
    pub carriers: Arc<CarrierProfiles>,
    /// Whether a person can be shown a page on which to enter a carrier's keys.
    pub collects: bool,
    /// The carrier keys that a person entered on that page.
    pub entered: Option<CarrierAccess>,
}

impl ToolContext {
    /// Returns the same tool context with another call budget.
    pub fn with(&self, call: CallBudget) -> Self {
        Self { call, ..self.clone() }
    }

    /// Checks the price of a purchase against the operator's limits, including the limit for 24 hours.
    /// The journal checks again when the purchase begins.
    pub(crate) async fn admit_price(&self, tool: &'static str, price: &Price) -> Result<MoneyLimits, Refusal> {
        let (monthly, upfront) = (price.monthly_money(), price.upfront_money());
        let reserved = self.policy.admit_price(monthly.as_ref(), upfront.as_ref())?;
        let Some(limit) = &self.policy.caps.spend else { return Ok(MoneyLimits { reserved, day: None }) };
        let spent = self.journal.spent(&self.caller, tool, limit).await.map_err(|why| {
            let summary = format!(
                "Nothing was bought. What was spent in 24 hours is not known: the journal of this server cannot be used: {why}."
            );
            Refusal::new(Status::JournalUnavailable, summary).retryable()
        })?;
        if let Some(price) = &reserved
            && spent.plus(price).is_none_or(|sum| sum.micros() > limit.micros())
        {
            return Err(self.policy.spend_reached(&spent, price));
        }
        Ok(MoneyLimits { reserved, day: Some((spent, limit.clone())) })
    }

    /// Returns a sentence on how much of a cap is used, for a person who decides.
    pub(crate) fn counted(&self, done: &str) -> String {
        match self.policy.caps.purchases {
            Cap::Most(most) => format!(" {done} in 24 hours: {} of {most}.", self.used),
            Cap::Unlimited => String::new(),
        }
    }

    /// Records that the response to the change was lost.
    pub(crate) async fn lost(&self, error: &Error) {
        if let Some(record) = &self.record {
            record.lost(error).await;
        }
    }

    /// Records in the journal that open operations succeeded, because their numbers were seen in the account.
    /// Waits for the journal at most one second, so a slow journal does not hold up the reading.
    pub(crate) async fn sighted(&self, rows: &[OwnedNumber]) {
        let mut found = Vec::new();
        for row in rows {
            let awaiting = self.journal.awaiting(&row.number).into_iter();
            for awaited in awaiting.filter(|awaited| row.is_created_after(awaited.created_after)) {
                let ending = Outcome::new(true, awaited.kind.succeeded.as_str(), OutcomeSource::Look);
                found.push((awaited.id, Outcome { number_id: Some(row.id.clone()), ..ending }));
            }
        }
        if found.is_empty() {
            return;
        }
        let journal = Arc::clone(&self.journal);
        let settling = tokio::spawn(async move {
            for (id, ending) in found {
                journal.settle(&id, ending).await;
            }
        });
        drop(tokio::time::timeout(SETTLING, settling).await);
    }
}

/// What a purchase uses of the operator's money limits.
#[derive(Debug, Clone, Default)]
pub(crate) struct MoneyLimits {
    /// The cost due at once: the first month and the one-time cost. `None` if it is not known.
    pub(crate) reserved: Option<Money>,
    /// The amount spent in 24 hours, and its limit. `None` if there is no such limit.
    day: Option<(Money, Money)>,
}

impl MoneyLimits {
    /// Returns the amount that may still be spent in 24 hours.
    pub(crate) fn left(&self) -> Option<Money> {
        let (spent, limit) = self.day.as_ref()?;
        Some(Money::from_micros(limit.micros().saturating_sub(spent.micros()), limit.currency()))
    }

    /// Returns a sentence on how much of the limit is used, for a person who decides.
    pub(crate) fn counted(&self) -> String {
        self.day.as_ref().map(|(spent, limit)| format!(" Spent in 24 hours: {spent} of {limit}.")).unwrap_or_default()
    }
}
