//! The deprecated HTTP+SSE transport of revision 2024-11-05, for clients that support nothing newer. The server sends
//! one event stream; the client posts its messages.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::channel::mpsc as outbox;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{SinkExt, Stream, StreamExt};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use parking_lot::Mutex;
use rmcp::model::{GetExtensions, JsonRpcMessage};
use rmcp::service::{RoleServer, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::{ServerHandler, ServiceExt};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::domain::{Caller, hex, unguessable};
use crate::mcp::results::name_the_method;
use crate::mcp::tenant::principal::Principal;
use crate::mcp::transport::http_response::{INVALID_REQUEST, ResponseBody, busy, empty, error};
use crate::mcp::transport::message_repair::repaired;
use crate::mcp::transport::pending::{Pending, answers};
use crate::mcp::transport::sessions::{FEWER_SCOPES, SAME_ID_WAITS, SESSIONS, SESSIONS_EACH};

/// The capacity of each queue of one client: received messages, and responses to send.
const QUEUE: usize = 32;
/// The longest time that a message waits for space in the queue.
const PATIENCE: Duration = Duration::from_secs(10);
/// The interval of keep-alive comments on a stream without events. They also reveal clients that have left.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The `Retry-After` value for a caller at a limit, in seconds.
const LATER: u32 = 5;

type SseInput = RxJsonRpcMessage<RoleServer>;
type SseOutput = TxJsonRpcMessage<RoleServer>;
type Serving = dyn Fn(outbox::Sender<SseOutput>, BoxStream<'static, SseInput>, CancellationToken) -> BoxFuture<'static, ()>
    + Send
    + Sync;

/// The two endpoints of this transport.
pub struct LegacySse {
    serving: Box<Serving>,
    clients: Arc<Mutex<HashMap<String, SseClient>>>,
    ended: CancellationToken,
}

/// One connected client.
struct SseClient {
    owner: Caller,
    inbox: mpsc::Sender<SseInput>,
    pending: Arc<Pending>,
}

/// The connection of a client. Dropping it ends the client's service and removes the client.
struct SseConnection {
    clients: Arc<Mutex<HashMap<String, SseClient>>>,
    id: String,
    _stop: DropGuard,
}

impl Drop for SseConnection {
    fn drop(&mut self) {
        self.clients.lock().remove(&self.id);
    }
}

impl LegacySse {
    /// Creates the endpoints of this server. `ended` ends all open streams.
    pub fn new<S: ServerHandler + Clone>(server: S, ended: CancellationToken) -> Self {
        let serving = move |out: outbox::Sender<SseOutput>,
                            inbox: BoxStream<'static, SseInput>,
                            stop|
              -> BoxFuture<'static, ()> {
            let server = server.clone();
            Box::pin(async move {
                let out = out.sink_map_err(std::io::Error::other);
                if let Ok(running) = server.serve_with_ct((out, inbox), stop).await {
                    drop(running.waiting().await);
                }
            })
        };
        Self { serving: Box::new(serving), clients: Arc::default(), ended }
    }

    /// Returns the number of connected clients.
    pub fn clients(&self) -> usize {
        self.clients.lock().len()
    }

    /// Resolves when no client waits for a response.
    pub async fn all_answered(&self) {
        let pending: Vec<_> = {
            let clients = self.clients.lock();
            clients.values().map(|client| Arc::clone(&client.pending)).collect()
        };
        for pending in pending {
            pending.all_answered().await;
        }
    }

    /// Opens a stream for this caller. Its first event names the address for messages. `reference` is that address,
    /// relative to the stream's address. So it stays valid behind a proxy that adds a path.
    pub fn open(&self, principal: &Principal, reference: &str) -> Response<ResponseBody> {
        let (inbox, messages) = mpsc::channel::<SseInput>(QUEUE);
        let (out, answers_out) = outbox::channel::<SseOutput>(QUEUE);
        let id = hex(&unguessable());
        let pending = Arc::new(Pending::default());
        {
            let mut clients = self.clients.lock();
            if clients.values().filter(|client| client.owner == principal.caller).count() >= SESSIONS_EACH {
                return busy(StatusCode::TOO_MANY_REQUESTS, LATER, "Too many streams: a caller has at most 16.");
            }
            if clients.len() >= SESSIONS {
                return busy(StatusCode::SERVICE_UNAVAILABLE, LATER, "Too many streams are open.");
            }
            clients.insert(
                id.clone(),
                SseClient { owner: principal.caller.clone(), inbox, pending: Arc::clone(&pending) },
            );
        }
        let stop = self.ended.child_token();
        let messages = futures::stream::unfold(messages, |mut inbox| async { Some((inbox.recv().await?, inbox)) });
        let service = (self.serving)(out, messages.boxed(), stop.clone());
        let done = stop.clone();
        tokio::spawn(async move {
            service.await;
            // The client's stream ends with its service, so that the client notices that nobody reads its messages.
            done.cancel();
        });
        let connected =
            SseConnection { clients: Arc::clone(&self.clients), id: id.clone(), _stop: stop.clone().drop_guard() };
        let events = events(format!("{reference}?sessionId={id}"), answers_out, pending);
        let events = events.take_until(stop.cancelled_owned()).map(move |event| {
            let _as_long_as_the_stream_lives = &connected;
            Ok::<_, Infallible>(Frame::data(Bytes::from(event)))
        });
        let mut answer = Response::new(BodyExt::boxed(StreamBody::new(Box::pin(events))));
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        answer
    }

    /// Accepts a message of this caller for the stream with this id. `head` carries the principal to the server.
    pub async fn message(
        &self,
        principal: &Principal,
        id: Option<&str>,
        head: Parts,
        body: &[u8],
        request: Option<Value>,
    ) -> Response<ResponseBody> {
        let sender = principal.sender();
        let client = {
            let clients = self.clients.lock();
            id.and_then(|id| clients.get(id))
                .filter(|client| client.owner == sender.caller)
                .map(|client| (client.inbox.clone(), Arc::clone(&client.pending)))
        };
        let Some((inbox, pending)) = client else {
            let why =
                "There is no such stream: open one with GET /sse and post to the path that its first event gives.";
            return error(StatusCode::NOT_FOUND, INVALID_REQUEST, why, request);
        };
        let body = repaired(Bytes::copy_from_slice(body));
        let Ok(mut message) = serde_json::from_slice::<SseInput>(&body) else {
            let why = "Invalid Request: this is no JSON-RPC message of MCP";
            return error(StatusCode::BAD_REQUEST, INVALID_REQUEST, why, request);
        };
        let is_answer = matches!(message, JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_));
        if is_answer && !pending.may_be_answered_with(&sender.scopes) {
            let code = i64::from(StatusCode::FORBIDDEN.as_u16());
            return error(StatusCode::FORBIDDEN, code, FEWER_SCOPES, request);
        }
        if let JsonRpcMessage::Request(request) = &mut message {
            request.request.extensions_mut().insert(head);
        }
        let waiting = match &message {
            JsonRpcMessage::Request(request) => Some(request.id.clone()),
            _ => None,
        };
        // rmcp matches responses by the id alone. The second of two equal ids would get the response to the first.
        if !pending.came(&message, &sender.scopes) {
            return error(StatusCode::BAD_REQUEST, INVALID_REQUEST, SAME_ID_WAITS, request);
        }
        match tokio::time::timeout(PATIENCE, inbox.send(message)).await {
            Ok(Ok(())) => empty(StatusCode::ACCEPTED),
            failed => {
                waiting.iter().for_each(|id| pending.answered(id));
                match failed {
                    Err(_) => {
                        busy(StatusCode::SERVICE_UNAVAILABLE, LATER, "The stream's messages are not read fast enough.")
                    }
                    Ok(_) => error(StatusCode::NOT_FOUND, INVALID_REQUEST, "The stream has ended.", request),
                }
            }
        }
    }
}

/// Returns the events of a stream: the address for messages, then the messages, with keep-alive comments in between.
fn events(
    endpoint: String,
    messages: outbox::Receiver<SseOutput>,
    pending: Arc<Pending>,
) -> impl Stream<Item = String> + Send {
    let first = format!("event: endpoint\ndata: {endpoint}\n\n");
    let messages = messages.map(move |mut message| {
        if let JsonRpcMessage::Error(refused) = &mut message {
            name_the_method(&mut refused.error);
        }
        if let Some(id) = answers(&message) {
            pending.answered(&id);
        }
        // JSON text contains no line break, so one line is one message.
        format!("event: message\ndata: {}\n\n", serde_json::to_string(&message).unwrap_or_default())
    });
    let ticks = futures::stream::unfold((), |()| async {
        tokio::time::sleep(KEEP_ALIVE).await;
        Some((": still here\n\n".to_owned(), ()))
    });
    futures::stream::once(std::future::ready(first)).chain(until_first_ends(messages, ticks))
}

/// Merges both streams. Ends when the first stream ends.
fn until_first_ends<T>(first: impl Stream<Item = T>, second: impl Stream<Item = T>) -> impl Stream<Item = T> {
    let first = first.map(Some).chain(futures::stream::once(std::future::ready(None)));
    futures::stream::select(first, second.map(Some))
        .take_while(|item| std::future::ready(item.is_some()))
        .filter_map(std::future::ready)
}
