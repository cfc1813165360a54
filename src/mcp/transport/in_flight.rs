//! The requests of the client on standard input and output that have no response yet, and the limits for more.
//!
//! rmcp identifies a request by its id alone, so each request gets an internal number. A new request with
//! a cancelled id never gets the response to the first request. A request with an id still in use is refused.
//!
//! Reading stops while responses wait to be written. So a client that never reads uses only limited memory.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use rmcp::model::{ClientNotification, ClientRequest, ErrorData, JsonRpcMessage, RequestId};
use rmcp::service::{RoleServer, RxJsonRpcMessage, TxJsonRpcMessage};
use tokio::sync::Notify;

/// The number of messages waiting to be written at which reading stops.
const WRITING: usize = 64;
/// The number of open requests at which reading stops. It is larger than the number of calls that run and wait. Those
/// calls may need a message from the client.
const OPEN: usize = 1024;
/// The number of open quick requests at which reading stops. A quick request needs only this server for its response.
const QUICK: usize = 128;

/// The requests that have no response yet.
#[derive(Default)]
pub(crate) struct InFlight {
    state: Mutex<InFlightState>,
    changed: Notify,
}

#[derive(Default)]
struct InFlightState {
    /// The internal number of each request id of the client.
    numbers: HashMap<RequestId, i64>,
    open: HashMap<i64, OpenRequest>,
    quick: usize,
    last: i64,
    writing: usize,
}

/// A request that has no response yet.
struct OpenRequest {
    id: RequestId,
    quick: bool,
}

impl InFlightState {
    fn ends(&mut self, number: i64) -> Option<RequestId> {
        let open = self.open.remove(&number)?;
        self.quick -= usize::from(open.quick);
        // Another request may already use the id again.
        if self.numbers.get(&open.id) == Some(&number) {
            self.numbers.remove(&open.id);
        }
        Some(open.id)
    }
}

/// A message that is being written, until this is dropped.
pub(crate) struct Writing {
    of: Arc<InFlight>,
    answers: Option<i64>,
}

impl Writing {
    /// Checks whether the message is the response to a request.
    pub(crate) fn is_answer(&self) -> bool {
        self.answers.is_some()
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.of.change(|state| {
            state.writing -= 1;
            self.answers.map(|number| state.ends(number));
        });
    }
}

impl InFlight {
    /// Records a received message and replaces its id with the internal number. Returns `Err` with the error response
    /// if the id is in use. Returns `Ok(false)` for the cancellation of an unknown request.
    pub(crate) fn came(
        &self,
        message: &mut RxJsonRpcMessage<RoleServer>,
    ) -> Result<bool, Box<TxJsonRpcMessage<RoleServer>>> {
        match message {
            JsonRpcMessage::Request(request) => {
                let number = self.open(&request.id, is_quick(&request.request)).ok_or_else(|| {
                    let why = "Invalid Request: another request with this id is still being answered";
                    Box::new(TxJsonRpcMessage::<RoleServer>::error(
                        ErrorData::invalid_request(why, None),
                        Some(request.id.clone()),
                    ))
                })?;
                request.id = RequestId::Number(number);
            }
            JsonRpcMessage::Notification(note) => {
                if let ClientNotification::CancelledNotification(cancelled) = &mut note.notification
                    && let Some(id) = &mut cancelled.params.request_id
                {
                    let Some(number) = self.taken_back(id) else { return Ok(false) };
                    *id = RequestId::Number(number);
                }
            }
            _ => {}
        }
        Ok(true)
    }

    fn open(&self, id: &RequestId, quick: bool) -> Option<i64> {
        self.change(|state| {
            if state.numbers.contains_key(id) {
                return None;
            }
            state.last += 1;
            state.numbers.insert(id.clone(), state.last);
            state.open.insert(state.last, OpenRequest { id: id.clone(), quick });
            state.quick += usize::from(quick);
            Some(state.last)
        })
    }

    /// Removes a cancelled request, which gets no response. Returns its internal number.
    fn taken_back(&self, id: &RequestId) -> Option<i64> {
        self.change(|state| {
            let number = state.numbers.get(id).copied()?;
            state.ends(number);
            Some(number)
        })
    }

    /// Records an outgoing message and restores the client's id in a response. Returns `None` for a response to a
    /// request that is no longer open.
    pub(crate) fn goes(self: &Arc<Self>, message: &mut TxJsonRpcMessage<RoleServer>) -> Option<Writing> {
        let id = match message {
            JsonRpcMessage::Response(response) => Some(&mut response.id),
            JsonRpcMessage::Error(error) => error.id.as_mut(),
            _ => None,
        };
        let answers = self.change(|state| {
            let number = match &id {
                Some(RequestId::Number(number)) => Some(*number),
                Some(RequestId::String(_)) => return None,
                None => None,
            };
            if let (Some(number), Some(id)) = (number, id) {
                *id = state.open.get(&number)?.id.clone();
                // A client that has read the response may use the id again at once.
                state.numbers.remove(id);
            }
            state.writing += 1;
            Some(number)
        })?;
        Some(Writing { of: Arc::clone(self), answers })
    }

    /// Records an outgoing message that is not the response to an open request.
    pub(crate) fn goes_besides(self: &Arc<Self>) -> Writing {
        self.change(|state| state.writing += 1);
        Writing { of: Arc::clone(self), answers: None }
    }

    /// Resolves when reading may continue.
    pub(crate) async fn room(&self) {
        self.until(|state| state.writing < WRITING && state.quick < QUICK && state.open.len() < OPEN).await;
    }

    /// Resolves when no request is open and no message is being written.
    pub(crate) async fn all_answered(&self) {
        self.until(|state| state.open.is_empty() && state.writing == 0).await;
    }

    async fn until(&self, holds: impl Fn(&InFlightState) -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // Without this call, changes before the first poll would not be noticed.
            changed.as_mut().enable();
            if holds(&self.state.lock()) {
                return;
            }
            changed.await;
        }
    }

    fn change<T>(&self, how: impl FnOnce(&mut InFlightState) -> T) -> T {
        let done = how(&mut self.state.lock());
        self.changed.notify_waiters();
        done
    }
}

/// Checks whether the response needs only this server, and neither Truedy nor the client.
fn is_quick(request: &ClientRequest) -> bool {
    !matches!(
        request,
        ClientRequest::CallToolRequest(_)
            | ClientRequest::ReadResourceRequest(_)
            | ClientRequest::CompleteRequest(_)
            | ClientRequest::CustomRequest(_)
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;

    type ClientMessage = RxJsonRpcMessage<RoleServer>;
    type ServerMessage = TxJsonRpcMessage<RoleServer>;

    fn request(id: Value) -> ClientMessage {
        serde_json::from_value(json!({ "jsonrpc": "2.0", "id": id, "method": "ping" })).expect("a request")
    }

    fn cancelled(id: Value) -> ClientMessage {
        let params = json!({ "requestId": id });
        serde_json::from_value(json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params }))
            .expect("a notification")
    }

    fn number(message: &ClientMessage) -> i64 {
        let JsonRpcMessage::Request(request) = message else { panic!("no request") };
        let RequestId::Number(number) = request.id else { panic!("no number") };
        number
    }

    fn answer(number: i64) -> ServerMessage {
        ServerMessage::error(ErrorData::internal_error("x", None), Some(RequestId::Number(number)))
    }

    /// Sends a request. Returns its internal number, or whether it was refused with its own id.
    fn sent(flights: &InFlight, id: &Value) -> Result<i64, bool> {
        let mut message = request(id.clone());
        match flights.came(&mut message) {
            Ok(_) => Ok(number(&message)),
            Err(refused) => {
                let refused = serde_json::to_value(*refused).expect("JSON");
                Err(refused["id"] == *id && refused["error"]["code"] == json!(-32600))
            }
        }
    }

    #[test]
    fn an_id_in_use_is_refused_and_free_again_with_its_answer() {
        let flights = Arc::new(InFlight::default());
        for id in [json!(1), json!("1"), json!("")] {
            let number = sent(&flights, &id).expect("it is let in");
            assert_eq!(sent(&flights, &id), Err(true));
            let mut answer = answer(number);
            let writing = flights.goes(&mut answer).expect("it is waited for");
            assert_eq!(serde_json::to_value(&answer).expect("JSON")["id"], id);
            assert!(sent(&flights, &id).is_ok(), "it may be read already");
            drop(writing);
            assert_eq!(sent(&flights, &id), Err(true), "the second is still open");
        }
    }

    #[test]
    fn an_id_that_was_taken_back_never_gets_the_first_answer() {
        let flights = Arc::new(InFlight::default());
        let first = sent(&flights, &json!(7)).expect("it is let in");
        assert_eq!(flights.came(&mut cancelled(json!(7))).ok(), Some(true));
        assert_eq!(flights.came(&mut cancelled(json!(7))).ok(), Some(false), "once");
        let second = sent(&flights, &json!(7)).expect("it is free");
        assert!(flights.goes(&mut answer(first)).is_none());
        assert!(flights.goes(&mut answer(second)).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn reading_stops_while_answers_wait() {
        let flights = Arc::new(InFlight::default());
        let full = || async { tokio::time::timeout(Duration::from_secs(1), flights.room()).await.is_err() };
        let numbers: Vec<i64> = (0..QUICK).map(|id| sent(&flights, &json!(id)).expect("it is let in")).collect();
        assert!(full().await);
        let waiting: Vec<Writing> =
            numbers.into_iter().take(WRITING).filter_map(|number| flights.goes(&mut answer(number))).collect();
        assert!(full().await);
        drop(waiting);
        assert!(!full().await);
        let besides: Vec<Writing> = (0..WRITING).map(|_| flights.goes_besides()).collect();
        assert!(full().await);
        drop(besides);
        assert!(!full().await);
    }
}
