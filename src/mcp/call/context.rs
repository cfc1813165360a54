//! The call context: who calls, what they may do, and how a person can be asked.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::domain::{Caller, Effect, Refusal};
use crate::guard::Rights;
use crate::journal::ConsentPlace;
use crate::mcp::apps::pages::AppsSupport;
use crate::mcp::call::change::undo_request::UndoRequest;
use crate::mcp::call::concurrency::CallTurn;
use crate::mcp::call::messages;
use crate::mcp::consent::elicitation::Elicitor;

/// The context of one call: caller, rights, how a person can be asked, and whether the call is still wanted.
#[derive(Clone)]
pub(crate) struct CallContext {
    pub(crate) caller: Caller,
    pub(crate) rights: Arc<Rights>,
    pub(crate) elicitor: Elicitor,
    pub(crate) views: AppsSupport,
    /// The name and the version of the client, cleaned.
    pub(crate) client: Option<String>,
    /// The client's own id of the call.
    pub(crate) call_id: Option<String>,
    /// The tool name to which the confirmation token must be bound, where a token is needed at every level. `None` for
    /// an ordinary call of the tool.
    pub(crate) token_for: Option<&'static str>,
    /// What the call undoes. `None` for an ordinary call of the tool.
    pub(crate) undoes: Option<Arc<UndoRequest>>,
    /// Where a person agreed to the call before it was made.
    pub(crate) agreed: Option<ConsentPlace>,
    pub(crate) stop: CancellationToken,
    /// When the call must be answered, however long it waited before.
    pub(crate) deadline: Instant,
    /// Its slot and permit among all calls. `None` where no caller made a call.
    pub(crate) turn: Option<Arc<CallTurn>>,
}

impl CallContext {
    /// Waits for a person, and holds no permit meanwhile. To continue, the call must first take a permit again with
    /// [`Self::back`]. Refuses if too many questions of this caller are open.
    pub(crate) async fn aside<T>(
        &self,
        effect: Effect,
        wait: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        match &self.turn {
            Some(turn) => turn.aside(wait).await.unwrap_or_else(|| Err(messages::on_questions(effect))),
            None => wait.await,
        }
    }

    /// Takes a permit again after the wait for a person, within this time. Refuses if there is none in time.
    pub(crate) async fn back(&self, effect: Effect, within: Duration) -> Result<(), Refusal> {
        let Some(turn) = &self.turn else { return Ok(()) };
        let there = tokio::select! {
            there = turn.again(within.min(patience(effect))) => there,
            () = self.stop.cancelled() => false,
        };
        if there { Ok(()) } else { Err(messages::on_overload(effect)) }
    }
}

/// Returns how long a call may wait for a permit. The rest of its time must be enough for its work.
pub(crate) fn patience(effect: Effect) -> Duration {
    Duration::from_secs(if effect.reads() { 18 } else { 10 })
}
