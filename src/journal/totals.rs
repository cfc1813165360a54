//! What was done in a period, and what it costs.

use futures::FutureExt;

use crate::journal::journal::Journal;
use crate::journal::operation::OperationQuery;
use crate::journal::queries::totals;
use crate::journal::store::{Durability, StoreResult};
use crate::journal::tool_total::ToolTotal;

impl Journal {
    /// Returns what the operations of a tool amount to that a query selects: its tenant, its object and its period
    /// count. An index holds all that is added. At most 100,000 operations of a currency are added.
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
}
