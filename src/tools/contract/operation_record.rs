//! The record of the change that is being made: it gives leave to send, and is told when an answer is lost.

use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use uuid::Uuid;

use crate::domain::{ClockReading, may_be_id};
use crate::journal::Journal;
use crate::truedy::{Error, SendPermit};

/// For how long what was read before a change is good for sending it, by the clock that shows the longest time. Longer than any
/// call lives whose caller waits: what is older was waited for elsewhere, slept through, or is judged by a clock that was set.
const FRESH: Duration = Duration::from_secs(30);

/// The record of one change.
pub struct Record {
    journal: Arc<Journal>,
    id: Uuid,
    /// The number that would show in the account if the change made it ours, and the tool that makes it so.
    makes: Option<(String, &'static str)>,
    lost: AtomicBool,
    /// Whether it was seen in the account before Truedy answered.
    seen: AtomicBool,
    /// What Truedy said when its answer was lost.
    last_words: Mutex<Option<Error>>,
    /// 0: none so far.
    status: AtomicU16,
    /// When what the change relies on began to be read.
    read_at: Mutex<ClockReading>,
    /// Whether it was kept here since then, because that is too long ago.
    kept_stale: AtomicBool,
}

impl Record {
    /// Of an operation that has begun, and relies on what was read from then on.
    pub fn new(
        journal: Arc<Journal>,
        id: Uuid,
        makes: Option<(String, &'static str)>,
        read_at: ClockReading,
    ) -> Arc<Self> {
        Arc::new(Self {
            read_at: Mutex::new(read_at),
            kept_stale: AtomicBool::new(false),
            journal,
            id,
            makes,
            lost: AtomicBool::new(false),
            seen: AtomicBool::new(false),
            last_words: Mutex::default(),
            status: AtomicU16::new(0),
        })
    }

    /// Its answer was lost: whether it happened is not known from now on.
    pub async fn lost(&self, error: &Error) {
        if self.lost.swap(true, Ordering::AcqRel) {
            return;
        }
        *self.last_words.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
        let api_error = error.api_error();
        let request_id = api_error.and_then(|api_error| api_error.request_id.clone()).filter(|id| may_be_id(id));
        self.journal.lose(self.id, self.makes.clone(), self.status(), request_id).await;
    }

    /// What Truedy said when its answer was lost.
    pub fn last_words(&self) -> Option<Error> {
        self.last_words.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Truedy's HTTP status, if it answered.
    pub fn status(&self) -> Option<u16> {
        Some(self.status.load(Ordering::Acquire)).filter(|status| *status != 0)
    }

    /// It was seen in the account, whatever the answer says.
    pub(crate) fn seen(&self) {
        self.seen.store(true, Ordering::Release);
    }

    /// Whether its outcome is known from the account and not from Truedy's answer.
    pub fn was_looked_up(&self) -> bool {
        self.seen.load(Ordering::Acquire) || self.is_lost()
    }

    /// What the change relies on was read again, from then on.
    pub fn read_again(&self, at: ClockReading) {
        *self.read_at.lock().unwrap_or_else(PoisonError::into_inner) = at;
        self.kept_stale.store(false, Ordering::Release);
    }

    /// Whether it was kept here because what it relies on was read too long ago: nothing was sent since then.
    pub fn was_kept_stale(&self) -> bool {
        self.kept_stale.load(Ordering::Acquire)
    }

    /// Whether its answer was lost.
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }
}

impl SendPermit for Record {
    fn id(&self) -> String {
        self.id.to_string()
    }

    fn clear(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            let stale =
                || if self.is_stale() { Err("what it relies on was read too long ago".to_owned()) } else { Ok(()) };
            stale()?;
            let cleared = if self.is_lost() {
                self.journal.clear_again(self.id).await
            } else {
                self.journal.clear(self.id).await
            };
            match cleared {
                // The journal may have been waited for.
                Ok(true) => stale(),
                Ok(false) => Err("another process took over what was recorded".to_owned()),
                Err(unavailable) => Err(unavailable.0),
            }
        })
    }

    fn is_stale(&self) -> bool {
        let read_at = *self.read_at.lock().unwrap_or_else(PoisonError::into_inner);
        let stale = read_at.age(&ClockReading::now()) > FRESH;
        if stale {
            self.kept_stale.store(true, Ordering::Release);
        }
        stale
    }

    fn answered(&self, status: u16) {
        self.status.store(status, Ordering::Release);
    }
}
