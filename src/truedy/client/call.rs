//! The time budget of a call, and the permit that a change needs before it is sent.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The permission to send one change. The client refuses to send a change without it.
pub trait SendPermit: Send + Sync {
    /// The id under which the change is recorded.
    fn id(&self) -> String;

    /// Checks, directly before each sending, that the change may be sent. An error prevents the sending and says why.
    fn clear(&self) -> BoxFuture<'_, Result<(), String>>;

    /// Whether the permission has become too old before the first byte was sent.
    ///
    /// That is so if too much time has passed, by any clock, since what the change relies on was read. The client asks
    /// again until something was sent.
    fn is_stale(&self) -> bool;

    /// Notes that Truedy answered the change with this status.
    fn answered(&self, status: u16);
}

/// How much time a call has, whether the caller still wants it, and whether it may change anything.
#[derive(Clone)]
pub struct CallBudget {
    /// When the caller must have a response.
    pub deadline: Instant,
    /// Cancelled when the caller no longer wants the call. A change that was sent runs to its end all the same.
    pub stop: CancellationToken,
    /// Permit for the change that the call is for. A call without it can only read.
    pub permit: Option<Arc<dyn SendPermit>>,
    /// The principal, where several share the account. The limiter prevents one of them from using all reads.
    pub whose: Option<Arc<str>>,
    /// Whether the call reads what a change needs before it.
    pub plans: bool,
    /// Whether the call reads ahead in the background. It then gives way to all others.
    pub background: bool,
}

impl fmt::Debug for CallBudget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Call").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl CallBudget {
    /// Creates the budget of a call that can only read.
    pub fn reading(deadline: Instant, stop: CancellationToken) -> Self {
        Self { deadline, stop, permit: None, whose: None, plans: false, background: false }
    }

    /// Returns the same call for this principal, one of several.
    #[must_use]
    pub fn of(self, whose: Option<Arc<str>>) -> Self {
        Self { whose, ..self }
    }

    /// Returns the same call, marked as reading what a change needs before it.
    #[must_use]
    pub fn planning(self) -> Self {
        Self { plans: true, ..self }
    }

    /// Returns the same call, marked as reading ahead in the background.
    #[must_use]
    pub fn in_background(self) -> Self {
        Self { background: true, ..self }
    }

    /// Returns the same call with at most this much time.
    #[must_use]
    pub fn within(&self, time: Duration) -> Self {
        Self { deadline: self.deadline.min(Instant::now() + time), ..self.clone() }
    }

    /// Returns the same call with a deadline that is earlier by this time.
    #[must_use]
    pub fn leaving(&self, time: Duration) -> Self {
        Self { deadline: self.deadline.checked_sub(time).unwrap_or(self.deadline), ..self.clone() }
    }

    /// Returns the same call without cancellation, for use once something was sent.
    #[must_use]
    pub fn unstoppable(&self) -> Self {
        Self { stop: CancellationToken::new(), ..self.clone() }
    }

    /// Returns the time left, zero after the deadline.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}
