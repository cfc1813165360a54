//! The work of a service beside calls: it looks for lost outcomes, removes old rows, and shuts down.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::Caller;
use crate::journal::{Freeze, Operation, OperationQuery, Unavailable};
use crate::mcp::apps::pages::AppsSupport;
use crate::mcp::call::context::CallContext;
use crate::mcp::call::service::{SOUGHT_MS, SWEEP, SWEEPS, Service, TIME, Upstream};
use crate::mcp::consent::elicitation::Elicitor;

impl Service {
    /// Repeatedly looks for the outcome of operations whose answer was lost, and removes old rows. It covers operations
    /// of this process and of processes that have ended. Returns when the service ends.
    pub async fn tend(&self) {
        let tending = async {
            let start = Instant::now();
            for at in SWEEPS {
                tokio::time::sleep_until(start + Duration::from_secs(at)).await;
                if self.sweep().await == 0 {
                    break;
                }
            }
            self.prune().await;
            loop {
                tokio::time::sleep(SWEEP).await;
                self.sweep().await;
                self.prune().await;
            }
        };
        tokio::select! {
            () = tending => {}
            () = self.ending.cancelled() => {}
        }
    }

    pub(crate) async fn prune(&self) {
        if let Err(error) = self.journal.prune().await {
            tracing::debug!(%error, "what is old could not be taken out of the journal");
        }
    }

    /// Looks once for the outcome of operations that were lost less than an hour ago. Returns how many they were. If
    /// there were any, another look soon is worthwhile.
    pub(crate) async fn sweep(&self) -> usize {
        let (mut open, mut after) = (Vec::new(), 0);
        // Reads every page of unresolved operations.
        while let Ok(page) = self.journal.unresolved_after(after).await
            && let Some(last) = page.last()
        {
            after = last.rev;
            open.extend(page);
        }
        let now = jiff::Timestamp::now().as_millisecond();
        open.retain(|operation| now.saturating_sub(operation.lost_at.unwrap_or(now)) < SOUGHT_MS);
        if open.is_empty() {
            return 0;
        }
        let call_context = CallContext {
            caller: Caller::local(),
            rights: Arc::default(),
            elicitor: Elicitor::nobody(),
            views: AppsSupport::default(),
            client: None,
            call_id: None,
            token_for: None,
            undoes: None,
            agreed: None,
            stop: self.ending.child_token(),
            deadline: Instant::now() + TIME,
            turn: None,
        };
        if let Ok(tool_context) = self.tool_context(&call_context).await {
            tool_context.reconciler.reconcile(&tool_context, &open).await;
        }
        open.len()
    }

    /// Returns whether a key for Truedy is set.
    pub fn has_key(&self) -> bool {
        !matches!(self.upstream, Upstream::NoKey)
    }

    /// Returns how many operations of this tenant are unresolved. `None` if the journal cannot be read.
    pub async fn unresolved(&self) -> Option<usize> {
        self.journal.count_unresolved().await.ok()
    }

    /// Checks by a write whether the journal can be written. The error says why not.
    pub async fn probe_journal(&self) -> Result<(), String> {
        self.journal.probe().await.map_err(|unavailable| unavailable.to_string())
    }

    /// Returns all freezes of changes in one line. `None` if there are none, or if the journal cannot be read.
    pub async fn freezes(&self) -> Option<String> {
        let freezes = self.journal.freezes().await.ok()?;
        let lines: Vec<String> = freezes.iter().map(Freeze::to_line).collect();
        (!lines.is_empty()).then(|| lines.join("; "))
    }

    /// Returns an operation as the journal has it now. `None` if it is not there or cannot be read.
    pub async fn operation(&self, id: &str) -> Option<Operation> {
        let query = OperationQuery { id: Some(id.to_owned()), limit: 1, ..OperationQuery::default() };
        self.journal.find(query).await.ok()?.pop()
    }

    /// Returns an operation of this service's tenant. `None` if the tenant has none with this id.
    ///
    /// # Errors
    ///
    /// If the journal cannot be used.
    pub async fn operation_of_tenant(&self, id: &str) -> Result<Option<Operation>, Unavailable> {
        let tenant = Some(self.journal.tenant().to_owned());
        let query = OperationQuery { id: Some(id.to_owned()), tenant, limit: 1, ..OperationQuery::default() };
        Ok(self.journal.find(query).await?.pop())
    }

    /// Stops every call that has sent nothing. Such a call is answered at once.
    pub fn stop(&self) {
        self.ending.cancel();
    }

    /// Records that the only client has gone. An answer may still reach it in time, but perhaps nobody reads it. So
    /// every running change is recorded as abandoned. A running purchase then blocks the next one in every process.
    pub fn client_left(&self) {
        self.left.cancel();
    }

    /// Waits until every call is answered. `reads` is the time for reads. After it, every call that has sent nothing is
    /// stopped. Changes get up to `all`, counted from the start. `answered` resolves when nobody waits for an answer.
    pub async fn finish(&self, answered: impl Future<Output = ()>, reads: Duration, all: Duration) {
        self.tasks.close();
        let start = Instant::now();
        let finished = async {
            answered.await;
            self.tasks.wait().await;
        };
        tokio::pin!(finished);
        if tokio::time::timeout(reads, &mut finished).await.is_err() {
            self.stop();
            let _ = tokio::time::timeout_at(start + all, finished).await;
        }
        // Otherwise other processes would miss these places for a minute.
        if let Some(client) = self.upstream.made() {
            client.give_back().await;
        }
    }
}
