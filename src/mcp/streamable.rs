//! Streamable HTTP in every revision, on rmcp's service: without sessions, or with sessions that belong to their caller.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyExt, Full, Limited};
use rmcp::ServerHandler;
use rmcp::model::JsonRpcError;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::principal::{Owner, Principal};
use super::repair::repaired;
use super::server::name_the_method;
use super::wire::{Body, INVALID_REQUEST, busy, empty, error, keeping, refusal};
use crate::domain::Caller;

/// Sessions of one principal, unless it is set otherwise.
pub(super) const SESSIONS_EACH: usize = 16;
/// Sessions of all.
pub(super) const SESSIONS: usize = 1024;
/// How long a session may be silent.
const IDLE: Duration = Duration::from_secs(300);
/// A comment goes out this often on a stream on which nothing happens.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// When somebody who has too many sessions may try again, in seconds.
const LATER: u32 = 5;
/// The longest text of rmcp's that is read, to be told in our form.
const TEXT: usize = 4096;
/// The largest body; the edge reads no larger one, and this is rmcp's own limit behind it.
const BODY: usize = 256 * 1024;

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// The first revision without sessions. Revisions are dates, and sort as texts.
const SESSIONLESS: &str = "2026-07-28";

type Answering = dyn Fn(Request<Full<Bytes>>) -> BoxFuture<'static, Response<Body>> + Send + Sync;

/// The endpoint.
pub struct Streamable {
    answering: Box<Answering>,
    sessions: Option<Arc<Sessions>>,
}

/// Whether callers of older revisions get sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionMode {
    /// No: each request stands alone.
    Off,
    /// Yes, so that they can be asked while a call is open; at most so many for one caller.
    On {
        /// The most sessions of one caller.
        each: usize,
    },
}

impl SessionMode {
    /// As a server for many gives them.
    pub const ON: Self = Self::On { each: SESSIONS_EACH };
}

/// The sessions that there are, and whose.
struct Sessions {
    each: usize,
    manager: Arc<LocalSessionManager>,
    owners: Mutex<Owners>,
}

#[derive(Default)]
struct Owners {
    open: HashMap<String, Owner>,
    opening: HashMap<Caller, usize>,
    streams: HashMap<Caller, usize>,
}

impl Owners {
    fn of(&self, caller: &Caller) -> usize {
        let open = self.open.values().filter(|owner| owner.caller == *caller).count();
        open + self.opening.get(caller).copied().unwrap_or(0)
    }

    fn all(&self) -> usize {
        self.open.len() + self.opening.values().sum::<usize>()
    }
}

/// One less of what a caller is counted by.
fn less(counts: &mut HashMap<Caller, usize>, caller: &Caller) {
    if let Some(count) = counts.get_mut(caller) {
        *count -= 1;
        if *count == 0 {
            counts.remove(caller);
        }
    }
}

/// A stream on which nothing is asked for: it lasts as long as its client likes, and takes a connection.
struct Listening {
    sessions: Arc<Sessions>,
    caller: Caller,
}

impl Drop for Listening {
    fn drop(&mut self) {
        less(&mut self.sessions.owners.lock().unwrap_or_else(PoisonError::into_inner).streams, &self.caller);
    }
}

/// A session on its way: it counts from before it exists.
struct Opening {
    sessions: Arc<Sessions>,
    owner: Owner,
}

impl Opening {
    /// The session exists under this id.
    fn done(self, id: &str) {
        let mut owners = self.sessions.owners.lock().unwrap_or_else(PoisonError::into_inner);
        owners.open.insert(id.to_owned(), self.owner.clone());
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        less(&mut self.sessions.owners.lock().unwrap_or_else(PoisonError::into_inner).opening, &self.owner.caller);
    }
}

impl Sessions {
    /// Takes a place for one more session, or says which limit stands in the way.
    async fn open(self: &Arc<Self>, owner: Owner) -> Result<Opening, Response<Body>> {
        self.forget_ended().await;
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        if owners.of(&owner.caller) >= self.each {
            let why = format!(
                "Too many sessions: a caller has at most {}. Close one with DELETE, or let one rest for 5 minutes.",
                self.each
            );
            return Err(busy(StatusCode::TOO_MANY_REQUESTS, LATER, &why));
        }
        if owners.all() >= SESSIONS {
            return Err(busy(StatusCode::SERVICE_UNAVAILABLE, LATER, "Too many sessions are open."));
        }
        *owners.opening.entry(owner.caller.clone()).or_default() += 1;
        drop(owners);
        Ok(Opening { sessions: Arc::clone(self), owner })
    }

    /// Takes a place for one more stream of this caller, of which there may be as many as sessions.
    fn listen(self: &Arc<Self>, caller: &Caller) -> Result<Listening, Response<Body>> {
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        let count = owners.streams.entry(caller.clone()).or_default();
        if *count >= self.each {
            let why = format!("Too many streams: a caller has at most {}.", self.each);
            return Err(busy(StatusCode::TOO_MANY_REQUESTS, LATER, &why));
        }
        *count += 1;
        drop(owners);
        Ok(Listening { sessions: Arc::clone(self), caller: caller.clone() })
    }

    /// Forgets whose the sessions were that have ended. What began while this looks is not looked at: it would seem to
    /// have ended before it was.
    async fn forget_ended(&self) {
        let known: Vec<String> =
            self.owners.lock().unwrap_or_else(PoisonError::into_inner).open.keys().cloned().collect();
        let ended: Vec<String> = {
            let living = self.manager.sessions.read().await;
            known.into_iter().filter(|id| !living.contains_key(id.as_str())).collect()
        };
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        ended.iter().for_each(|id| drop(owners.open.remove(id)));
    }

    fn belongs(&self, id: &str, owner: &Owner) -> bool {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner).open.get(id) == Some(owner)
    }
}

impl Streamable {
    /// An endpoint for this server. `ended` ends what streams there are.
    pub fn new<S: ServerHandler + Clone>(server: S, sessions: SessionMode, ended: CancellationToken) -> Self {
        let mut manager = LocalSessionManager::default();
        manager.session_config.keep_alive = Some(IDLE);
        // An event without data: older clients take it for a broken message.
        manager.session_config.sse_retry = None;
        let manager = Arc::new(manager);
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(sessions != SessionMode::Off)
            .with_json_response(true)
            .with_sse_keep_alive(Some(KEEP_ALIVE))
            .with_sse_retry(None)
            .with_max_request_body_bytes(BODY)
            // The edge has checked both, more strictly.
            .disable_allowed_hosts()
            .disable_allowed_origins()
            .with_cancellation_token(ended);
        let service = StreamableHttpService::new(move || Ok(server.clone()), Arc::clone(&manager), config);
        let service = Arc::new(service);
        let answering = move |request: Request<Full<Bytes>>| -> BoxFuture<'static, Response<Body>> {
            let service = Arc::clone(&service);
            Box::pin(async move { service.handle(request).await })
        };
        let sessions = match sessions {
            SessionMode::Off => None,
            SessionMode::On { each } => Some(Arc::new(Sessions { each, manager, owners: Mutex::default() })),
        };
        Self { answering: Box::new(answering), sessions }
    }

    /// How many sessions are open.
    pub async fn sessions(&self) -> usize {
        match &self.sessions {
            Some(sessions) => sessions.manager.sessions.read().await.len(),
            None => 0,
        }
    }

    /// Answers a request of this caller. `method` and `id` are those of its message, where it has one.
    pub async fn answer(
        &self,
        mut request: Request<Full<Bytes>>,
        principal: &Principal,
        method: Option<&str>,
        id: Option<Value>,
    ) -> Response<Body> {
        request = as_meant(request).await;
        accept_all(request.headers_mut());
        let (mut opening, mut listening) = (None, None);
        // A handshake is of the older revisions whatever it calls itself: rmcp opens a session for each.
        let shakes_hands = method == Some("initialize");
        if !shakes_hands && !has_sessions(request.headers()) {
            request.headers_mut().remove(SESSION_ID);
        } else if let Some(sessions) = &self.sessions {
            match request.headers().get(SESSION_ID).map(|value| value.to_str().unwrap_or_default()) {
                // To somebody else it looks as if it did not exist.
                Some(session) if !sessions.belongs(session, &principal.owner()) => {
                    return error(StatusCode::NOT_FOUND, INVALID_REQUEST, "There is no such session.", id);
                }
                Some(_) if *request.method() == Method::GET => match sessions.listen(&principal.caller) {
                    Ok(place) => listening = Some(place),
                    Err(full) => return full,
                },
                Some(_) => {}
                None if shakes_hands => match sessions.open(principal.owner()).await {
                    Ok(place) => opening = Some(place),
                    Err(full) => return full,
                },
                None => {}
            }
        }
        let deletes = *request.method() == Method::DELETE;
        let answering = (self.answering)(request);
        let answer = match opening {
            None => answering.await,
            // Not to be dropped half way, when its client goes: the session would be there and counted for nobody.
            Some(opening) => match tokio::spawn(opened(answering, opening)).await {
                Ok(answer) => answer,
                Err(_) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal error"),
            },
        };
        let answer = tidy(answer, deletes, id).await;
        match listening {
            Some(place) => keeping(answer, place),
            None => answer,
        }
    }
}

/// Answers a handshake and counts the session that came of it.
async fn opened(answering: BoxFuture<'static, Response<Body>>, opening: Opening) -> Response<Body> {
    let answer = answering.await;
    if let Some(Ok(session)) = answer.headers().get(SESSION_ID).map(HeaderValue::to_str) {
        opening.done(session);
    }
    answer
}

/// The request with its message as the client means it.
async fn as_meant(request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await.map(http_body_util::Collected::to_bytes);
    let meant = repaired(body.clone());
    let mut head = head;
    if meant != body {
        head.headers.remove(CONTENT_LENGTH);
    }
    Request::from_parts(head, Full::new(meant))
}

/// Whether a request is of a revision that knows sessions.
fn has_sessions(headers: &HeaderMap) -> bool {
    let version = headers.get(VERSION).and_then(|value| value.to_str().ok());
    version.is_none_or(|version| version < SESSIONLESS)
}

/// Whoever accepts everything accepts both forms of answer, which rmcp wants to see named.
fn accept_all(headers: &mut HeaderMap) {
    if headers.get(ACCEPT).is_some_and(|value| value.as_bytes().trim_ascii() == b"*/*") {
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    }
}

/// A refusal of a method that is not offered says so in words.
async fn with_the_method_named(answer: Response<Body>) -> Response<Body> {
    let (mut head, body) = answer.into_parts();
    let Ok(bytes) = body.collect().await.map(http_body_util::Collected::to_bytes);
    let refused = serde_json::from_slice::<JsonRpcError>(&bytes).ok().and_then(|mut refused| {
        let before = refused.error.message.clone();
        name_the_method(&mut refused.error);
        (refused.error.message != before).then(|| serde_json::to_vec(&refused).ok()).flatten()
    });
    let bytes = match refused {
        Some(named) => {
            head.headers.remove(CONTENT_LENGTH);
            Bytes::from(named)
        }
        None => bytes,
    };
    Response::from_parts(head, Full::new(bytes).boxed())
}

/// rmcp's refusals in plain text become JSON-RPC errors, and its streams are marked as such for proxies.
async fn tidy(mut answer: Response<Body>, deletes: bool, id: Option<Value>) -> Response<Body> {
    let status = answer.status();
    if deletes && status == StatusCode::ACCEPTED {
        // Python clients take 202 for a failure.
        return empty(StatusCode::NO_CONTENT);
    }
    let content_type = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_short = answer.body().size_hint().upper().is_some_and(|length| length <= TEXT as u64);
    if content_type.starts_with("application/json") && is_short {
        return with_the_method_named(answer).await;
    }
    if content_type.starts_with("text/event-stream") {
        answer.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
        return answer;
    }
    if !(status.is_client_error() || status.is_server_error()) || content_type.starts_with("application/json") {
        return answer;
    }
    let allow = answer.headers().get(ALLOW).cloned();
    let said = Limited::new(answer.into_body(), TEXT).collect().await.map(http_body_util::Collected::to_bytes);
    let said = said.ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let mut told = match status {
        // The body was JSON, as the edge has seen; it is no message of the protocol.
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            error(StatusCode::BAD_REQUEST, INVALID_REQUEST, "Invalid Request: this is no JSON-RPC message of MCP", id)
        }
        // What went wrong inside is nobody's business outside.
        status if status.is_server_error() => refusal(status, "Internal error"),
        status => error(status, INVALID_REQUEST, &said, id),
    };
    if let Some(allow) = allow {
        told.headers_mut().insert(ALLOW, allow);
    }
    told
}
