//! Streamable HTTP in every revision, built on rmcp's service. It works without sessions, or with sessions that belong
//! to one caller.

use std::sync::Arc;
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

use crate::mcp::results::name_the_method;
use crate::mcp::tenant::principal::Principal;
use crate::mcp::transport::accept::Accepts;
use crate::mcp::transport::http_response::{
    INVALID_REQUEST, ResponseBody, empty, error, keeping, kept_to_the_end, refusal,
};
use crate::mcp::transport::message_repair::repaired;
use crate::mcp::transport::sessions::{PendingSession, SESSIONS_EACH, SessionInput, Sessions};

/// The interval of keep-alive comments on a stream without events.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The longest plain-text error of rmcp that is read and rewritten as JSON-RPC, in bytes.
const TEXT: usize = 4096;
/// The largest body that rmcp accepts, in bytes. The HTTP server in front of it already reads no larger body.
const BODY: usize = 256 * 1024;

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// The first revision without sessions. Revisions are dates, so text order is time order.
const SESSIONLESS: &str = "2026-07-28";

type Answering = dyn Fn(Request<Full<Bytes>>) -> BoxFuture<'static, Response<ResponseBody>> + Send + Sync;

/// The Streamable HTTP endpoint.
pub struct Streamable {
    answering: Box<Answering>,
    sessions: Option<Arc<Sessions>>,
}

/// Says whether callers of older revisions get sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionMode {
    /// No sessions. Each request stands alone.
    Off,
    /// Sessions, so that the client can be asked a question during a call.
    On {
        /// The maximum number of sessions of one caller.
        each: usize,
        /// The longest time without a message before a session ends. An open
        /// stream of the client does not count as silence.
        idle: Duration,
    },
}

impl SessionMode {
    /// Sessions with the default number for each caller. A session may be silent for `idle`.
    pub const fn on(idle: Duration) -> Self {
        Self::On { each: SESSIONS_EACH, idle }
    }
}

impl Streamable {
    /// Creates an endpoint for this server. `ended` ends all open streams.
    pub fn new<S: ServerHandler + Clone>(server: S, sessions: SessionMode, ended: CancellationToken) -> Self {
        let mut manager = LocalSessionManager::default();
        // `Sessions` measures how long a session is silent.
        manager.session_config.keep_alive = None;
        // The retry event has no data, and older clients treat it as a broken message.
        manager.session_config.sse_retry = None;
        let manager = Arc::new(manager);
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(sessions != SessionMode::Off)
            .with_json_response(true)
            .with_sse_keep_alive(Some(KEEP_ALIVE))
            .with_sse_retry(None)
            .with_max_request_body_bytes(BODY)
            // The HTTP server has already made both checks, more strictly.
            .disable_allowed_hosts()
            .disable_allowed_origins()
            .with_cancellation_token(ended);
        let service = StreamableHttpService::new(move || Ok(server.clone()), Arc::clone(&manager), config);
        let service = Arc::new(service);
        let answering = move |request: Request<Full<Bytes>>| -> BoxFuture<'static, Response<ResponseBody>> {
            let service = Arc::clone(&service);
            Box::pin(async move { service.handle(request).await })
        };
        let sessions = match sessions {
            SessionMode::Off => None,
            SessionMode::On { each, idle } => Some(Sessions::new(each, idle, manager)),
        };
        Self { answering: Box::new(answering), sessions }
    }

    /// Returns the number of open sessions.
    pub async fn sessions(&self) -> usize {
        match &self.sessions {
            Some(sessions) => sessions.count().await,
            None => 0,
        }
    }

    /// Responds to a request of this caller. `method` and `id` come from its message, if it has them.
    pub async fn answer(
        &self,
        mut request: Request<Full<Bytes>>,
        principal: &Principal,
        method: Option<&str>,
        id: Option<Value>,
    ) -> Response<ResponseBody> {
        // rmcp opens a session for every handshake, so each handshake belongs to an older revision.
        let shakes_hands = method == Some("initialize");
        // Requests of the newer revision are not repaired, so that the client learns what they lack.
        if !shakes_hands || has_sessions(request.headers()) {
            request = as_meant(request).await;
        }
        self.accept(&mut request);
        let (mut opening, mut place) = (None, None);
        if !shakes_hands && !has_sessions(request.headers()) {
            request.headers_mut().remove(SESSION_ID);
        } else if let Some(sessions) = &self.sessions {
            let mut named = request.headers().get(SESSION_ID).map(|id| id.to_str().unwrap_or_default().to_owned());
            // A client that starts again may still send the id of its ended session.
            if shakes_hands
                && let Some(before) = &named
                && !sessions.lives(before, &principal.caller).await
            {
                request.headers_mut().remove(SESSION_ID);
                named = None;
            }
            let comes = session_input(&request, method, id.as_ref());
            match named {
                Some(named) => match sessions.enter(&named, &principal.sender(), comes).await {
                    Ok(entered) => place = Some(entered),
                    Err(outside) => return outside,
                },
                None if shakes_hands => match sessions.open(principal.caller.clone()).await {
                    Ok(made) => opening = Some(made),
                    Err(full) => return full,
                },
                None => {}
            }
        }
        let listens = *request.method() == Method::GET;
        let deletes = *request.method() == Method::DELETE;
        let answering = (self.answering)(request);
        let answer = match opening {
            None => answering.await,
            // This runs on its own task. If its future were dropped, the session would exist and not be counted.
            Some(opening) => match tokio::spawn(opened(answering, opening)).await {
                Ok(answer) => answer,
                Err(_) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal error"),
            },
        };
        let answer = tidy(answer, deletes, id).await;
        match place {
            Some(place) if listens => keeping(answer, place),
            Some(place) => kept_to_the_end(answer, place),
            None => answer,
        }
    }

    /// Sets the `Accept` header that rmcp requires, with both response forms. The HTTP server chooses the form that is
    /// sent.
    fn accept(&self, request: &mut Request<Full<Bytes>>) {
        let takes = match *request.method() {
            Method::POST => "application/json, text/event-stream",
            // Without sessions no stream is offered, whatever `Accept` says.
            Method::GET if self.sessions.is_none() || Accepts::of(request.headers()).events => "text/event-stream",
            _ => return,
        };
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static(takes));
    }
}

/// Returns what a request is for its session. `method` and `id` come from its message.
fn session_input<'a>(request: &Request<Full<Bytes>>, method: Option<&str>, id: Option<&'a Value>) -> SessionInput<'a> {
    match (request.method(), method, id) {
        (&Method::GET, ..) if request.headers().contains_key(LAST_EVENT_ID) => SessionInput::Resumer,
        (&Method::GET, ..) => SessionInput::Listener,
        (_, Some(_), Some(id)) => SessionInput::Request(id),
        (_, None, Some(_)) => SessionInput::Answer,
        _ => SessionInput::Other,
    }
}

/// Responds to a handshake and registers the session that it created.
async fn opened(
    answering: BoxFuture<'static, Response<ResponseBody>>,
    opening: PendingSession,
) -> Response<ResponseBody> {
    let answer = answering.await;
    if let Some(Ok(session)) = answer.headers().get(SESSION_ID).map(HeaderValue::to_str) {
        opening.done(session);
    }
    answer
}

/// Returns the request with its message repaired.
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

/// Checks whether a request belongs to a revision that has sessions.
fn has_sessions(headers: &HeaderMap) -> bool {
    let version = headers.get(VERSION).and_then(|value| value.to_str().ok());
    version.is_none_or(|version| version < SESSIONLESS)
}

/// Rewrites a "method not found" error so that its message names the method.
async fn with_the_method_named(answer: Response<ResponseBody>) -> Response<ResponseBody> {
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

/// Turns rmcp's plain-text errors into JSON-RPC errors. Adds headers to streams so that proxies do not buffer or change
/// them.
async fn tidy(mut answer: Response<ResponseBody>, deletes: bool, id: Option<Value>) -> Response<ResponseBody> {
    let status = answer.status();
    if deletes && status == StatusCode::ACCEPTED {
        // Python clients treat 202 as a failure.
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
        // The HTTP server has checked that the body is JSON. So it is JSON, but no message of MCP.
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            error(StatusCode::BAD_REQUEST, INVALID_REQUEST, "Invalid Request: this is no JSON-RPC message of MCP", id)
        }
        // Details of an internal error are not sent to clients.
        status if status.is_server_error() => refusal(status, "Internal error"),
        status => error(status, INVALID_REQUEST, &said, id),
    };
    if let Some(allow) = allow {
        told.headers_mut().insert(ALLOW, allow);
    }
    told
}
