//! What a service does beside calls: it looks for lost outcomes, removes old rows, and ends.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::Caller;
use crate::journal::{Operation, OperationQuery};
use crate::mcp::apps::pages::AppsSupport;
use crate::mcp::call::context::CallContext;
use crate::mcp::call::service::{SOUGHT_MS, SWEEP, SWEEPS, Service, TIME, Upstream};
use crate::mcp::consent::elicitation::Elicitor;
use crate::tools::reconcile;

impl Service {
    /// Finds out, again and again, what became of operations whose answer was lost: those of processes that are gone, and
    /// those of this one. Ends with the service.
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

    /// Looks once for what is not known; says of how much that is worth another look soon.
    pub(crate) async fn sweep(&self) -> usize {
        let (mut open, mut after) = (Vec::new(), 0);
        // A page at a time, to the end.
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
            token_for: None,
            stop: self.ending.child_token(),
            deadline: Instant::now() + TIME,
            turn: None,
        };
        if let Ok(tool_context) = self.tool_context(&call_context).await {
            reconcile(&tool_context, &open).await;
        }
        open.len()
    }

    /// Whether it has a key for Truedy.
    pub fn has_key(&self) -> bool {
        !matches!(self.upstream, Upstream::NoKey)
    }

    /// How many operations of this tenant are not known; `None` if that cannot be told now.
    pub async fn unresolved(&self) -> Option<usize> {
        self.journal.count_unresolved().await.ok()
    }

    /// Whether the journal can be written, found out by writing.
    pub async fn probe_journal(&self) -> Result<(), String> {
        self.journal.probe().await.map_err(|unavailable| unavailable.0)
    }

    /// An operation as the journal knows it now.
    pub async fn operation(&self, id: &str) -> Option<Operation> {
        let query = OperationQuery { id: Some(id.to_owned()), limit: 1, ..OperationQuery::default() };
        self.journal.find(query).await.ok()?.pop()
    }

    /// Stops all that has sent nothing; it is answered at once.
    pub fn stop(&self) {
        self.ending.cancel();
    }

    /// The only client went away: an answer still reaches it if it comes in time, but nobody can be counted on to read it. So a
    /// purchase that is under way stops the next one, in every process, from now on.
    pub fn client_left(&self) {
        self.left.cancel();
    }

    /// Waits until every call is answered: reads get `reads`, then all that has sent nothing is stopped, and changes get up
    /// to `all`. `answered` resolves when nobody waits for an answer.
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
    }
}
