//! The requests of one connection that still await an answer: its end waits for them.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use rmcp::model::{ClientNotification, JsonRpcMessage, RequestId};
use rmcp::service::{RoleServer, RxJsonRpcMessage, TxJsonRpcMessage};
use tokio::sync::Notify;

use crate::guard::Scope;

/// The requests that still await an answer.
#[derive(Default)]
pub(crate) struct Pending {
    /// Each with the scopes of its token.
    ids: Mutex<HashMap<RequestId, BTreeSet<Scope>>>,
    emptied: Notify,
}

impl Pending {
    /// A message came: a request awaits an answer, one that is cancelled no longer does. Whether it is no second request under
    /// an id that still awaits one.
    pub(crate) fn came(&self, message: &RxJsonRpcMessage<RoleServer>, scopes: &BTreeSet<Scope>) -> bool {
        match message {
            JsonRpcMessage::Request(request) => {
                let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
                if ids.contains_key(&request.id) {
                    return false;
                }
                ids.insert(request.id.clone(), scopes.clone());
            }
            JsonRpcMessage::Notification(note) => {
                if let ClientNotification::CancelledNotification(cancelled) = &note.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    self.answered(id);
                }
            }
            _ => {}
        }
        true
    }

    /// Whether a token with these scopes may answer a question: a call that waits was made with none that it lacks.
    pub(crate) fn may_be_answered_with(&self, scopes: &BTreeSet<Scope>) -> bool {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).values().all(|asked| asked.is_subset(scopes))
    }

    /// Nobody waits for this any more.
    pub(crate) fn answered(&self, id: &RequestId) {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        ids.remove(id);
        if ids.is_empty() {
            self.emptied.notify_waiters();
        }
    }

    /// Resolves when nothing awaits an answer.
    pub(crate) async fn all_answered(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.ids.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
                return;
            }
            emptied.await;
        }
    }
}

/// The request that a message answers.
pub(crate) fn answers(message: &TxJsonRpcMessage<RoleServer>) -> Option<RequestId> {
    match message {
        JsonRpcMessage::Response(response) => Some(response.id.clone()),
        JsonRpcMessage::Error(error) => error.id.clone(),
        _ => None,
    }
}
