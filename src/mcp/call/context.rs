//! Who calls, what they may do, and how a person can be asked.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::domain::{Caller, Refusal};
use crate::guard::Rights;
use crate::mcp::apps::pages::AppsSupport;
use crate::mcp::call::concurrency::CallTurn;
use crate::mcp::call::messages;
use crate::mcp::consent::elicitation::Elicitor;
use crate::tools::Effect;

/// Who calls and what they may do, how a person can be asked, and whether the call is still wanted.
pub(crate) struct CallContext {
    pub(crate) caller: Caller,
    pub(crate) rights: Arc<Rights>,
    pub(crate) elicitor: Elicitor,
    pub(crate) views: AppsSupport,
    /// What the token of a way that needs one at every level is good for; `None` for the tool's own way.
    pub(crate) token_for: Option<&'static str>,
    pub(crate) stop: CancellationToken,
    /// When there must be an answer, whatever was waited for before.
    pub(crate) deadline: Instant,
    /// Its place among all calls; `None` where nobody called.
    pub(crate) turn: Option<Arc<CallTurn>>,
}

impl CallContext {
    /// Waits for a person, and for nobody's place meanwhile. Whoever goes on afterwards comes [`Self::back`] first.
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

    /// Takes its place anew after a person was waited for, within this time.
    pub(crate) async fn back(&self, effect: Effect, within: Duration) -> Result<(), Refusal> {
        let Some(turn) = &self.turn else { return Ok(()) };
        let there = tokio::select! {
            there = turn.again(within.min(patience(effect))) => there,
            () = self.stop.cancelled() => false,
        };
        if there { Ok(()) } else { Err(messages::on_overload(effect)) }
    }
}

/// How long a call may wait for a place: what is left of its time must do for its work.
pub(crate) fn patience(effect: Effect) -> Duration {
    Duration::from_secs(if effect.reads() { 18 } else { 10 })
}
