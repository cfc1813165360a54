//! The requests of one connection that have no response yet. The end of the connection waits for them.

use std::collections::{BTreeSet, HashMap};

use parking_lot::Mutex;
use rmcp::model::{ClientNotification, JsonRpcMessage, RequestId};
use rmcp::service::{RoleServer, RxJsonRpcMessage, TxJsonRpcMessage};
use tokio::sync::Notify;

use crate::guard::Scope;

/// The requests that have no response yet.
#[derive(Default)]
pub(crate) struct Pending {
    /// The request ids, each with the scopes of the token that sent it.
    ids: Mutex<HashMap<RequestId, BTreeSet<Scope>>>,
    emptied: Notify,
}

impl Pending {
    /// Records a received message: a request starts to wait, and a cancelled request stops. Returns false for a request
    /// whose id already waits.
    pub(crate) fn came(&self, message: &RxJsonRpcMessage<RoleServer>, scopes: &BTreeSet<Scope>) -> bool {
        match message {
            JsonRpcMessage::Request(request) => {
                let mut ids = self.ids.lock();
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

    /// Checks whether a token with these scopes may respond to a question. The token must have all scopes of every
    /// waiting request.
    pub(crate) fn may_be_answered_with(&self, scopes: &BTreeSet<Scope>) -> bool {
        self.ids.lock().values().all(|asked| asked.is_subset(scopes))
    }

    /// Removes a request that has its response or is cancelled.
    pub(crate) fn answered(&self, id: &RequestId) {
        let mut ids = self.ids.lock();
        ids.remove(id);
        if ids.is_empty() {
            self.emptied.notify_waiters();
        }
    }

    /// Resolves when no request waits for a response.
    pub(crate) async fn all_answered(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.ids.lock().is_empty() {
                return;
            }
            emptied.await;
        }
    }
}

/// Returns the id of the request to which a message is the response.
pub(crate) fn answers(message: &TxJsonRpcMessage<RoleServer>) -> Option<RequestId> {
    match message {
        JsonRpcMessage::Response(response) => Some(response.id.clone()),
        JsonRpcMessage::Error(error) => error.id.clone(),
        _ => None,
    }
}
