//! The record of the change that is being made. It permits sending, and records that a response was lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use uuid::Uuid;

use crate::domain::{ClockReading, may_be_id};
use crate::journal::{AddedNumber, Freeze, Journal};
use crate::truedy::{Error, SendPermit};

/// How long a reading before a change may be used for sending the change.
/// The age is taken from the clock that shows the longest time. No call with a waiting caller takes this long. An older
/// reading means that the process waited elsewhere or slept, or that a clock was set.
const FRESH: Duration = Duration::from_secs(30);

/// The record of one change.
pub struct Record {
    journal: Arc<Journal>,
    id: Uuid,
    /// The number that appears in the account if the change adds it.
    makes: Option<AddedNumber>,
    lost: AtomicBool,
    /// Whether the number was seen in the account before Truedy responded.
    seen: AtomicBool,
    /// The error with which the response was lost.
    last_words: Mutex<Option<Error>>,
    /// The HTTP status of Truedy's response. 0 means that there is none so far.
    status: AtomicU16,
    /// When reading what the change relies on began.
    read_at: Mutex<ClockReading>,
    /// Whether sending was refused since then because the reading was too old.
    kept_stale: AtomicBool,
    /// The freeze for which sending was refused.
    frozen: Mutex<Option<Freeze>>,
}

impl Record {
    /// Returns the record of an operation that has begun. The change relies on what was read from `read_at` on.
    pub fn new(journal: Arc<Journal>, id: Uuid, makes: Option<AddedNumber>, read_at: ClockReading) -> Arc<Self> {
        Arc::new(Self {
            read_at: Mutex::new(read_at),
            kept_stale: AtomicBool::new(false),
            frozen: Mutex::default(),
            journal,
            id,
            makes,
            lost: AtomicBool::new(false),
            seen: AtomicBool::new(false),
            last_words: Mutex::default(),
            status: AtomicU16::new(0),
        })
    }

    /// Records that the response was lost. From now on the outcome is not known.
    pub async fn lost(&self, error: &Error) {
        if self.lost.swap(true, Ordering::AcqRel) {
            return;
        }
        *self.last_words.lock() = Some(error.clone());
        let api_error = error.api_error();
        let request_id = api_error.and_then(|api_error| api_error.request_id.clone()).filter(|id| may_be_id(id));
        self.journal.lose(self.id, self.makes.clone(), self.status(), request_id).await;
    }

    /// Returns the error with which the response was lost.
    pub fn last_words(&self) -> Option<Error> {
        self.last_words.lock().clone()
    }

    /// Returns Truedy's HTTP status, if it responded.
    pub fn status(&self) -> Option<u16> {
        Some(self.status.load(Ordering::Acquire)).filter(|status| *status != 0)
    }

    /// Records that the number was seen in the account, whatever the response says.
    pub(crate) fn seen(&self) {
        self.seen.store(true, Ordering::Release);
    }

    /// Whether the outcome is known from the account and not from Truedy's response.
    pub fn was_looked_up(&self) -> bool {
        self.seen.load(Ordering::Acquire) || self.is_lost()
    }

    /// Records that what the change relies on was read again, beginning at `at`.
    pub fn read_again(&self, at: ClockReading) {
        *self.read_at.lock() = at;
        self.kept_stale.store(false, Ordering::Release);
    }

    /// Whether sending was refused because the reading was too old. Nothing was sent since then.
    pub fn was_kept_stale(&self) -> bool {
        self.kept_stale.load(Ordering::Acquire)
    }

    /// Returns the freeze for which sending was refused.
    pub fn frozen(&self) -> Option<Freeze> {
        self.frozen.lock().clone()
    }

    /// Returns why the journal does not permit sending.
    async fn refused(&self) -> String {
        // If the journal cannot be read now, the change is not sent all the same.
        let freeze = self.journal.frozen().await.ok().flatten();
        let why =
            if freeze.is_some() { "all changes are frozen" } else { "another process took over what was recorded" };
        *self.frozen.lock() = freeze;
        why.to_owned()
    }

    /// Whether the response was lost.
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
                // Waiting for the journal may have taken long, so the age is checked again.
                Ok(true) => stale(),
                Ok(false) => Err(self.refused().await),
                Err(unavailable) => Err(unavailable.to_string()),
            }
        })
    }

    fn is_stale(&self) -> bool {
        let read_at = *self.read_at.lock();
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
