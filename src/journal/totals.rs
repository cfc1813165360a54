//! What was done in a period, what it costs, and what counts against the caps.

use futures::FutureExt;

use crate::domain::Caller;

use crate::journal::journal::Journal;
use crate::journal::operation::OperationQuery;
use crate::journal::queries::{caps, totals};
use crate::journal::store::{Durability, StoreResult};
use crate::journal::tool_total::ToolTotal;

impl Journal {
    /// Returns what the operations of a tool amount to that a query selects: its tenant, its object and its period
    /// count. An index holds all that is added. At most 20,000 operations of a currency are added.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn total(&self, query: OperationQuery, tool: &'static str) -> StoreResult<ToolTotal> {
        let total = self.decide(Durability::Soon, move |transaction| {
            async move { totals::of(transaction, &query, tool).await }.boxed()
        });
        total.await.0
    }

    /// Returns how many operations of each of these tools count in the last 24 hours. Each is counted up to its number,
    /// usually the cap. Operations whose age no clock can prove are included.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn used_of_caps(&self, caller: &Caller, tools: Vec<(&'static str, u32)>) -> StoreResult<Vec<u32>> {
        let (caller, times) = (caller.clone(), self.times());
        let used = self.decide(Durability::Soon, move |transaction| {
            let counting = async move {
                let now = times.at(transaction).await?;
                let mut counts = Vec::new();
                for (tool, enough) in tools {
                    let used = caps::used(transaction, &caller, tool, enough, &now).await?;
                    counts.push(caps::small(used.all));
                }
                Ok(counts)
            };
            counting.boxed()
        });
        used.await.0
    }
}
