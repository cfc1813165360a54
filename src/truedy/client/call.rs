//! What a call may spend, and the leave of a change to go out.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Leave for one change to go out. Without it none does: the client itself sees to that.
pub trait SendPermit: Send + Sync {
    /// The id under which the change is recorded.
    fn id(&self) -> String;

    /// Asked right before the first byte, each time one is about to leave. An error keeps it here and says why.
    fn clear(&self) -> BoxFuture<'_, Result<(), String>>;

    /// Whether it is too late for the first byte, although leave was given: too much time has gone by, by any clock, since
    /// what the change relies on was read. Asked again until something has left.
    fn is_stale(&self) -> bool;

    /// Truedy answered the change with this status.
    fn answered(&self, status: u16);
}

/// How much time a call has, whether it is still wanted, and whether it may change anything.
#[derive(Clone)]
pub struct CallBudget {
    /// When the caller must have an answer.
    pub deadline: Instant,
    /// Cancelled when the caller no longer wants it. What was sent runs to its end all the same.
    pub stop: CancellationToken,
    /// Leave for the change that the call is for; a call without it can only read.
    pub permit: Option<Arc<dyn SendPermit>>,
    /// The principal, where several share the account: none of them reads so much that nothing is left for others.
    pub whose: Option<Arc<str>>,
    /// Whether it reads what a change needs before it.
    pub plans: bool,
}

impl fmt::Debug for CallBudget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Call").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl CallBudget {
    /// A call that can only read.
    pub fn reading(deadline: Instant, stop: CancellationToken) -> Self {
        Self { deadline, stop, permit: None, whose: None, plans: false }
    }

    /// The same call for this principal, one of several.
    #[must_use]
    pub fn of(self, whose: Option<Arc<str>>) -> Self {
        Self { whose, ..self }
    }

    /// The same call, for what a change needs before it.
    #[must_use]
    pub fn planning(self) -> Self {
        Self { plans: true, ..self }
    }

    /// The same call with at most this much time.
    #[must_use]
    pub fn within(&self, time: Duration) -> Self {
        Self { deadline: self.deadline.min(Instant::now() + time), ..self.clone() }
    }

    /// The same call, leaving this much of its time unused.
    #[must_use]
    pub fn leaving(&self, time: Duration) -> Self {
        Self { deadline: self.deadline.checked_sub(time).unwrap_or(self.deadline), ..self.clone() }
    }

    /// The same call, which nothing stops any more: something was sent.
    #[must_use]
    pub fn unstoppable(&self) -> Self {
        Self { stop: CancellationToken::new(), ..self.clone() }
    }

    /// Time left.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}
