//! The record of the change that is being made: it gives leave to send, and is told when an answer is lost.

use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use uuid::Uuid;

use crate::domain::may_be_id;
use crate::journal::Journal;
use crate::truedy::{Clearance, Error};

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
}

impl Record {
    /// Of an operation that has begun.
    pub fn new(journal: Arc<Journal>, id: Uuid, makes: Option<(String, &'static str)>) -> Arc<Self> {
        Arc::new(Self {
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
        let saying = error.saying();
        let request_id = saying.and_then(|saying| saying.request_id.clone()).filter(|id| may_be_id(id));
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
    pub(super) fn seen(&self) {
        self.seen.store(true, Ordering::Release);
    }

    /// Whether its outcome is known from the account and not from Truedy's answer.
    pub fn was_looked_up(&self) -> bool {
        self.seen.load(Ordering::Acquire) || self.is_lost()
    }

    /// Whether its answer was lost.
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }
}

impl Clearance for Record {
    fn id(&self) -> String {
        self.id.to_string()
    }

    fn clear(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            let cleared = if self.is_lost() {
                self.journal.clear_again(self.id).await
            } else {
                self.journal.clear(self.id).await
            };
            match cleared {
                Ok(true) => Ok(()),
                Ok(false) => Err("another process took over what was recorded".to_owned()),
                Err(unavailable) => Err(unavailable.0),
            }
        })
    }

    fn answered(&self, status: u16) {
        self.status.store(status, Ordering::Release);
    }
}
