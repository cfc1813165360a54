//! What a tool is: its arguments, its effect, and how it reads or changes.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::{ArgumentProblem, Caller, CarrierAccess, CarrierProfiles, Money, OwnedNumber, Refusal, Status};
use crate::guard::{Cap, ChangeImpact, Policy, RequestedChange, Scope};
use crate::journal::{Journal, Outcome, OutcomeSource};
use crate::tools::contract::arguments::Arguments;
use crate::tools::contract::offered_numbers::Offered;
use crate::tools::contract::operation_record::Record;
use crate::tools::contract::price_cache::{Price, Prices};
use crate::tools::contract::response::{ToolFailure, ToolResponse};
use crate::tools::names;
use crate::truedy::{CallBudget, Client, Error};

/// How long a reading waits for what it found out to be recorded.
const SETTLING: Duration = Duration::from_secs(1);

/// What calling a tool does, which decides its hints and its words when it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Only reads.
    Reads,
    /// Spends money.
    Spends,
    /// Registers something with secrets; live calls may move.
    Registers,
    /// Changes who gets calls; can be changed back.
    Changes,
    /// Destroys; cannot be undone.
    Destroys,
}

impl Effect {
    /// Whether it changes nothing.
    pub fn reads(self) -> bool {
        self == Self::Reads
    }

    /// Whether calling it again with the same arguments changes nothing more.
    pub fn idempotent(self) -> bool {
        !matches!(self, Self::Spends | Self::Registers)
    }

    /// Whether a client should always involve its user, whatever the user has waved through.
    pub fn grave(self) -> bool {
        matches!(self, Self::Spends | Self::Destroys)
    }
}

/// What a tool works with.
#[derive(Clone)]
pub struct ToolContext {
    /// The API, as the caller's organisation.
    pub truedy: Arc<Client>,
    /// Time, and whether the call is still wanted.
    pub call: CallBudget,
    /// Whether a person can be asked by form before the change is made.
    pub asks: bool,
    /// Prices seen lately.
    pub prices: Arc<Prices>,
    /// Numbers that were offered although no plan has them.
    pub offered: Arc<Offered>,
    /// What the operator allows.
    pub policy: Arc<Policy>,
    /// How many changes of this tool were made in 24 hours.
    pub used: u32,
    /// What was done, by whom, and what is not known.
    pub journal: Arc<Journal>,
    /// Whose operations are read.
    pub caller: Caller,
    /// The record of the change that is being made.
    pub record: Option<Arc<Record>>,
    /// The operator's carrier profiles.
    pub carriers: Arc<CarrierProfiles>,
    /// Whether a person can be shown a page to enter a carrier's keys on.
    pub collects: bool,
    /// What a person entered there.
    pub entered: Option<CarrierAccess>,
}

impl ToolContext {
    /// The same context with another part of the time.
    pub fn with(&self, call: CallBudget) -> Self {
        Self { call, ..self.clone() }
    }

    /// Holds the price of a purchase against the operator's limits, the money of the day included. The journal decides again
    /// when the purchase begins.
    pub(crate) async fn admit_price(&self, tool: &'static str, price: &Price) -> Result<MoneyLimits, Refusal> {
        let (monthly, upfront) = (price.monthly_money(), price.upfront_money());
        let reserved = self.policy.admit_price(monthly.as_ref(), upfront.as_ref())?;
        let Some(limit) = &self.policy.caps.spend else { return Ok(MoneyLimits { reserved, day: None }) };
        let spent = self.journal.spent(&self.caller, tool, limit.currency()).await.map_err(|why| {
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

    /// How much of a cap is used up, for a person who decides.
    pub(crate) fn counted(&self, done: &str) -> String {
        match self.policy.caps.purchases {
            Cap::Most(most) => format!(" {done} in 24 hours: {} of {most}.", self.used),
            Cap::Unlimited => String::new(),
        }
    }

    /// The answer to the change was lost.
    pub(crate) async fn lost(&self, error: &Error) {
        if let Some(record) = &self.record {
            record.lost(error).await;
        }
    }

    /// Numbers were seen in the account: what was not known of them is known now. A journal that is slow to take it does not
    /// hold up the reading.
    pub(crate) async fn sighted(&self, rows: impl Iterator<Item = OwnedNumber>) {
        let mut found = Vec::new();
        for row in rows {
            for awaited in self.journal.awaiting(&row.number) {
                let outcome = if awaited.tool == names::IMPORT_NUMBER { Status::Imported } else { Status::Purchased };
                let ending = Outcome::new(true, outcome.as_str(), OutcomeSource::Look);
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

/// What a purchase takes of the operator's limits of money.
#[derive(Debug, Clone, Default)]
pub(crate) struct MoneyLimits {
    /// What it costs now: the first month and what is paid once; `None` where that is not known.
    pub(crate) reserved: Option<Money>,
    /// What was spent in 24 hours, and the limit of that; `None` where there is no such limit.
    day: Option<(Money, Money)>,
}

impl MoneyLimits {
    /// What may still be spent in 24 hours.
    pub(crate) fn left(&self) -> Option<Money> {
        let (spent, limit) = self.day.as_ref()?;
        Some(Money::from_micros(limit.micros().saturating_sub(spent.micros()), limit.currency()))
    }

    /// How much of the limit is used up, for a person who decides.
    pub(crate) fn counted(&self) -> String {
        self.day.as_ref().map(|(spent, limit)| format!(" Spent in 24 hours: {spent} of {limit}.")).unwrap_or_default()
    }
}

/// A tool. Its type is the arguments, its rustdoc the description.
pub trait Tool: Arguments + Clone + Send + Sync + 'static {
    /// As clients call it.
    const NAME: &'static str;
    /// As people read it.
    const TITLE: &'static str;
    /// What calling it does.
    const EFFECT: Effect;
    /// What a caller must have been given to call it.
    const SCOPE: Scope;
    /// The facts of its answer.
    type Output: Serialize + JsonSchema + Send + 'static;

    /// The names of its arguments that are there for a carrier's keys: none of them is offered where keys may not be arguments.
    fn inline() -> Vec<&'static str> {
        Self::secrets()
    }

    /// What is wrong between arguments that are each right.
    fn contradictions(&self) -> Vec<ArgumentProblem> {
        Vec::new()
    }
}

/// A tool that only reads.
pub trait Read: Tool {
    /// Answers the call.
    fn read(self, context: ToolContext)
    -> impl Future<Output = Result<ToolResponse<Self::Output>, ToolFailure>> + Send;
}

/// What reading before a change found.
#[derive(Debug)]
pub enum Planned<P, T> {
    /// Nothing to change.
    Done(ToolResponse<T>),
    /// This would be changed, with this at stake.
    Ready(P, Box<ChangeImpact>),
}

/// A tool that changes something: it reads and plans first, and acts only when the gate lets it.
pub trait Change: Tool {
    /// What was found out, for acting.
    type Plan: Send + 'static;

    /// What the call says of itself before anything is read.
    fn claims(&self) -> RequestedChange {
        RequestedChange::default()
    }

    /// Reads what there is to know. Changes nothing.
    fn plan(
        &self,
        context: &ToolContext,
    ) -> impl Future<Output = Result<Planned<Self::Plan, Self::Output>, ToolFailure>> + Send;

    /// What is said of an answer that was lost; of a change that is not known, told as it is known so far.
    fn unknown(&self) -> Refusal;

    /// Makes the one change and finds out what became of it.
    fn act(
        self,
        plan: Self::Plan,
        context: ToolContext,
    ) -> impl Future<Output = Result<ToolResponse<Self::Output>, ToolFailure>> + Send;
}
