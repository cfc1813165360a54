//! Streamable HTTP in every revision, on rmcp's service: without sessions, or with sessions that belong to their caller.

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

/// A comment goes out this often on a stream on which nothing happens.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The longest text of rmcp's that is read, to be told in our form.
const TEXT: usize = 4096;
/// The largest body; the edge reads no larger one, and this is rmcp's own limit behind it.
const BODY: usize = 256 * 1024;

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// The first revision without sessions. Revisions are dates, and sort as texts.
const SESSIONLESS: &str = "2026-07-28";

type Answering = dyn Fn(Request<Full<Bytes>>) -> BoxFuture<'static, Response<ResponseBody>> + Send + Sync;

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
        /// How long a session may be silent. A stream that its client holds open is not silence.
        idle: Duration,
    },
}

impl SessionMode {
    /// As a server for many gives them; each may be silent for so long.
    pub const fn on(idle: Duration) -> Self {
        Self::On { each: SESSIONS_EACH, idle }
    }
}

impl Streamable {
    /// An endpoint for this server. `ended` ends what streams there are.
    pub fn new<S: ServerHandler + Clone>(server: S, sessions: SessionMode, ended: CancellationToken) -> Self {
        let mut manager = LocalSessionManager::default();
        // How long a session is silent is counted in `Sessions`.
        manager.session_config.keep_alive = None;
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

    /// How many sessions are open.
    pub async fn sessions(&self) -> usize {
        match &self.sessions {
            Some(sessions) => sessions.count().await,
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
    ) -> Response<ResponseBody> {
        // A handshake is of the older revisions whatever it calls itself: rmcp opens a session for each.
        let shakes_hands = method == Some("initialize");
        // The newer revision has none: what is missing in one is not filled in, so that it is told so.
        if !shakes_hands || has_sessions(request.headers()) {
            request = as_meant(request).await;
        }
        self.accept(&mut request);
        let (mut opening, mut place) = (None, None);
        if !shakes_hands && !has_sessions(request.headers()) {
            request.headers_mut().remove(SESSION_ID);
        } else if let Some(sessions) = &self.sessions {
            let mut named = request.headers().get(SESSION_ID).map(|id| id.to_str().unwrap_or_default().to_owned());
            // A client that begins anew may still name the session that has ended.
            if shakes_hands
                && let Some(before) = &named
                && !sessions.lives(before, &principal.caller).await
            {
                request.headers_mut().remove(SESSION_ID);
                named = None;
            }
            let comes = match (request.method(), method, &id) {
                (&Method::GET, ..) if request.headers().contains_key(LAST_EVENT_ID) => SessionInput::Resumer,
                (&Method::GET, ..) => SessionInput::Listener,
                (_, Some(_), Some(id)) => SessionInput::Request(id),
                (_, None, Some(_)) => SessionInput::Answer,
                _ => SessionInput::Other,
            };
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
            // Not to be dropped half way, when its client goes: the session would be there and counted for nobody.
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

    /// rmcp wants to see both forms of answer named. Which of them goes out is the edge's affair.
    fn accept(&self, request: &mut Request<Full<Bytes>>) {
        let takes = match *request.method() {
            Method::POST => "application/json, text/event-stream",
            // Without sessions there is no stream, whatever is accepted.
            Method::GET if self.sessions.is_none() || Accepts::of(request.headers()).events => "text/event-stream",
            _ => return,
        };
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static(takes));
    }
}

/// Answers a handshake and counts the session that came of it.
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

/// A refusal of a method that is not offered says so in words.
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

/// rmcp's refusals in plain text become JSON-RPC errors, and its streams are marked as such for proxies.
async fn tidy(mut answer: Response<ResponseBody>, deletes: bool, id: Option<Value>) -> Response<ResponseBody> {
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
