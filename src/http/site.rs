//! What is where, and who may see it: the way of a request from its head to the protocol.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST,
    ORIGIN, TRANSFER_ENCODING, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::Full;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::batch;
use super::body::Bodies;
use super::door::Door;
use super::envelope::{Envelope, Unreadable};
use super::host::{AllowedHost, AllowedOrigin, NotLetIn, check_host, check_origin};
use super::key_page::{KeyPage, page_of, with_password_as_token};
use super::landing::Landing;
use super::life::Life;
use crate::guard::Scope;
use crate::mcp::wire::{Body, INVALID_REQUEST, PARSE_ERROR, busy, empty, error, json_answer, keeping, refusal, with};
use crate::mcp::{CameIn, Catalog, LegacySse, Principal, Streamable};

const MCP: &str = "/mcp";
const SSE: &str = "/sse";
const MESSAGES: &str = "/messages";
/// RFC 9728 §3: with the path of the endpoint behind it, or alone.
const METADATA: &str = "/.well-known/oauth-protected-resource";

/// When somebody for whose body there is no room may try again, in seconds.
const LATER: u32 = 1;

const READ_ONLY: HeaderName = HeaderName::from_static("x-mcp-readonly");
const TOOLS: HeaderName = HeaderName::from_static("x-mcp-tools");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");
const REVISION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// Headers of which a second one could be believed by somebody else than the first.
fn once() -> [HeaderName; 9] {
    [HOST, AUTHORIZATION, ORIGIN, CONTENT_TYPE, CONTENT_LENGTH, METHOD, NAME, REVISION, SESSION]
}

/// What a page of an allowed origin may send and read.
const CORS_HEADERS: &str = "authorization, content-type, accept, last-event-id, mcp-method, mcp-name, mcp-protocol-version, mcp-session-id, x-mcp-readonly, x-mcp-tools";
const CORS_EXPOSED: &str = "mcp-session-id, mcp-protocol-version, www-authenticate, retry-after";

/// Everything that is served on one address.
pub(super) struct Site {
    /// Who may come in.
    pub(super) door: Door,
    /// By which names it is reached.
    pub(super) hosts: Vec<AllowedHost>,
    /// Whose pages may call.
    pub(super) origins: Vec<AllowedOrigin>,
    /// The endpoint.
    pub(super) streamable: Streamable,
    /// The endpoints of 2024-11-05.
    pub(super) legacy_sse: Option<LegacySse>,
    /// What each tool needs of its caller.
    pub(super) scopes: HashMap<&'static str, Scope>,
    /// The page for people.
    pub(super) landing: Landing,
    /// The pages on which they enter a carrier's keys.
    pub(super) key_page: KeyPage,
    /// `https` or `http`, as browsers reach it; `None` where none can: it listens on a socket in the file system.
    pub(super) scheme: Option<&'static str>,
    /// Whether it is still open.
    pub(super) life: Arc<Life>,
    /// Reads bodies.
    pub(super) bodies: Bodies,
    /// The calls whose answer has not gone out to its last byte.
    pub(super) calls: TaskTracker,
}

impl Site {
    /// Answers a request.
    pub(super) async fn answer<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let (head, body) = request.into_parts();
        let (place, method, begun) = (place(head.uri.path()), method(&head.method), Instant::now());
        let answer = match self.check(&head) {
            Ok(origin) => {
                let origin =
                    origin.filter(|origin| origin.is_configured()).and_then(|_| head.headers.get(ORIGIN).cloned());
                let answer = self.answer_checked(head, body, origin.is_some()).await;
                match origin {
                    Some(origin) => readable_by(answer, origin),
                    None => answer,
                }
            }
            Err(answer) => answer,
        };
        tracing::debug!(method, place, status = answer.status().as_u16(), time = ?begun.elapsed(), "answered");
        metrics::counter!("http_requests_total", "place" => place, "code" => code(answer.status())).increment(1);
        answer
    }

    /// What must hold of every request, whatever it asks for.
    fn check(&self, head: &Parts) -> Result<Option<&AllowedOrigin>, Response<Body>> {
        if head.version != Version::HTTP_11 {
            let why = "HTTP/1.1 is needed; a proxy in front of this server must speak it";
            return Err(refusal(StatusCode::HTTP_VERSION_NOT_SUPPORTED, why));
        }
        let forbidden = |NotLetIn(why): NotLetIn| refusal(StatusCode::FORBIDDEN, why);
        check_host(&head.headers, &head.uri, &self.hosts).map_err(forbidden)?;
        // A page of ours is posted by itself, and looks at that more closely.
        let origin = match page_of(head.uri.path()) {
            Some(_) => None,
            None => check_origin(&head.headers, &self.origins).map_err(forbidden)?,
        };
        // hyper reads the end of the body by the last coding alone; a proxy in front may know the others, or not.
        let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
        let chunked = codings.next().is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
        if !chunked || codings.next().is_some() {
            return Err(refusal(StatusCode::NOT_IMPLEMENTED, "Transfer-Encoding must be chunked, and nothing else"));
        }
        // Two tokens open nothing, as the door says in its own words.
        let twice = |name: &HeaderName| *name != AUTHORIZATION && head.headers.get_all(name).iter().nth(1).is_some();
        if let Some(name) = once().into_iter().find(twice) {
            return Err(refusal(StatusCode::BAD_REQUEST, &format!("the header {name} came twice")));
        }
        Ok(origin)
    }

    async fn answer_checked<B>(&self, head: Parts, body: B, cors: bool) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let path = head.uri.path().to_owned();
        if cors && head.method == Method::OPTIONS {
            return preflight();
        }
        if let Some(answer) = self.open_to_all(&head, &path) {
            return answer;
        }
        // Heard: whoever asks from here on is waited for at the end, however slowly the rest of it comes.
        let heard = self.calls.token();
        if let Some(id) = page_of(&path) {
            return keeping(self.page(&head, body, id).await, heard);
        }
        let principal = match self.door.enter(&head.headers).await {
            Ok(principal) => narrowed(principal, &head.headers),
            Err(outside) => return outside,
        };
        match (path.as_str(), &self.legacy_sse) {
            (MCP, _) => self.call(head, body, principal, heard).await,
            (SSE | MESSAGES, Some(sse)) => self.legacy(sse, head, body, principal).await,
            (SSE | MESSAGES, None) => refusal(
                StatusCode::NOT_FOUND,
                "The transport of 2024-11-05 is off; use /mcp, or start the server with --legacy-sse.",
            ),
            _ => refusal(StatusCode::NOT_FOUND, "There is nothing here; the MCP endpoint is /mcp."),
        }
    }

    /// A page on which a caller enters a carrier's keys: it is shown to that caller alone, who comes by a browser.
    async fn page<B>(&self, head: &Parts, body: B, id: &str) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let Some(CameIn(origin)) = self.came_in(head) else {
            return refusal(StatusCode::NOT_FOUND, "There are no pages here.");
        };
        match self.door.enter(&with_password_as_token(&head.headers)).await {
            Ok(principal) => self.key_page.answer(head, body, (id, &origin), &principal).await,
            Err(outside) => self.key_page.stranger(&outside),
        }
    }

    /// The origin on which a request came in. Its host was checked: it is one of the server's own names.
    fn came_in(&self, head: &Parts) -> Option<CameIn> {
        let host = head.headers.get(HOST)?.to_str().ok()?;
        self.scheme.map(|scheme| CameIn(format!("{scheme}://{host}")))
    }

    /// Tells the protocol who calls, and where the server is reached.
    fn introduce(&self, head: &mut Parts, principal: &Principal) {
        if let Some(came_in) = self.came_in(head) {
            head.extensions.insert(came_in);
        }
        head.extensions.insert(principal.clone());
    }

    /// What needs no token: nothing of it is anybody's.
    fn open_to_all(&self, head: &Parts, path: &str) -> Option<Response<Body>> {
        let reads = matches!(head.method, Method::GET | Method::HEAD);
        let metadata = if path.starts_with(METADATA) { self.door.metadata() } else { None };
        let metadata = metadata.filter(|(at, _)| path == METADATA || path == *at).map(|(_, metadata)| metadata);
        match (path, metadata) {
            ("/" | "/favicon.ico", _) | (_, Some(_)) if !reads => {
                Some(with(refusal(StatusCode::METHOD_NOT_ALLOWED, "Only GET works here."), ALLOW, "GET, HEAD"))
            }
            ("/", _) => Some(self.landing.answer(&head.headers, self.life.is_open(), self.legacy_sse.is_some())),
            ("/favicon.ico", _) => Some(empty(StatusCode::NO_CONTENT)),
            (_, Some(metadata)) => Some(json_answer(StatusCode::OK, &metadata)),
            _ => None,
        }
    }

    /// A request to the endpoint.
    async fn call<B>(&self, mut head: Parts, body: B, principal: Principal, heard: TaskTrackerToken) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        if head.method != Method::POST {
            self.introduce(&mut head, &principal);
            let request = Request::from_parts(head, Full::new(Bytes::new()));
            return self.streamable.answer(request, &principal, None, None).await;
        }
        let body = match self.message(&principal, &head, body).await {
            Ok(body) => body,
            Err(answer) => return answer,
        };
        if batch::is_batch(&head.headers, &body) {
            return self.batch(&head, &body, &principal, heard).await;
        }
        let envelope = match self.admit(&body, &principal) {
            Ok(envelope) => envelope,
            Err(answer) => return answer,
        };
        let id = envelope.id();
        let method = envelope.method.as_deref().map(str::to_owned);
        self.introduce(&mut head, &principal);
        let request = Request::from_parts(head, Full::new(body));
        let answer = self.streamable.answer(request, &principal, method.as_deref(), id).await;
        keeping(answer, heard)
    }

    /// Several messages in one body. One that the caller has no right to stops them all.
    async fn batch(&self, head: &Parts, body: &[u8], principal: &Principal, heard: TaskTrackerToken) -> Response<Body> {
        let messages = match batch::messages(body) {
            Ok(messages) => messages,
            Err(answer) => return answer,
        };
        for message in &messages {
            if let Err(answer) = self.admit(message, principal) {
                return answer;
            }
        }
        let answer = batch::answer(&self.streamable, head, messages, principal).await;
        keeping(answer, heard)
    }

    /// A request to the endpoints of 2024-11-05.
    async fn legacy<B>(&self, sse: &LegacySse, mut head: Parts, body: B, principal: Principal) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let path = head.uri.path();
        let allowed = if path == SSE { Method::GET } else { Method::POST };
        if head.method != allowed {
            let answer = refusal(StatusCode::METHOD_NOT_ALLOWED, &format!("Only {allowed} works here."));
            return with(answer, ALLOW, allowed.as_str());
        }
        if path == SSE {
            return sse.open(&principal, MESSAGES);
        }
        let body = match self.message(&principal, &head, body).await {
            Ok(body) => body,
            Err(answer) => return answer,
        };
        let id = match self.admit(&body, &principal) {
            Ok(envelope) => envelope.id(),
            Err(answer) => return answer,
        };
        let query = head.uri.query().unwrap_or_default().to_owned();
        let session = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "sessionId");
        self.introduce(&mut head, &principal);
        sse.message(&principal, session.as_ref().map(|(_, id)| id.as_ref()), head, &body, id).await
    }

    /// The body of a message, which is JSON by its type.
    async fn message<B>(&self, principal: &Principal, head: &Parts, body: B) -> Result<Bytes, Response<Body>>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        // What a page may send without asking first is not among what is taken.
        if !essence.eq_ignore_ascii_case("application/json") {
            return Err(refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json"));
        }
        self.bodies.read(&principal.caller, &head.headers, body).await.map_err(|unread| match unread.status {
            StatusCode::SERVICE_UNAVAILABLE => busy(unread.status, LATER, unread.why),
            status => refusal(status, unread.why),
        })
    }

    /// Whether the caller's scopes reach for what the message asks. The body alone decides, never a header.
    fn admit<'a>(&self, body: &'a [u8], principal: &Principal) -> Result<Envelope<'a>, Response<Body>> {
        let envelope = Envelope::read(body).map_err(|unreadable| match unreadable {
            Unreadable::NotJson => {
                error(StatusCode::BAD_REQUEST, PARSE_ERROR, "Parse error: the body is not JSON", None)
            }
            Unreadable::NoMessage => {
                let why = "Invalid Request: the body must be one JSON-RPC message, an object that says each thing once";
                error(StatusCode::BAD_REQUEST, INVALID_REQUEST, why, None)
            }
        })?;
        let needed = envelope.tool().and_then(|tool| self.scopes.get(tool).copied());
        let has = &principal.rights.scopes;
        // A login for what the operator's policy refuses anyway would be in vain: that is said where the policy is.
        let is_useful = |scope: &Scope| Catalog::useful_scopes(&principal.tenant.service.policy).contains(scope);
        match needed.filter(|scope| !has.contains(scope)).filter(is_useful) {
            None => Ok(envelope),
            Some(scope) => {
                let names: Vec<&str> = has.iter().map(|scope| scope.as_str()).collect();
                let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                let why = format!(
                    "Nothing was done. This needs the scope {scope}, which the token does not have; it has {names}."
                );
                let code = i64::from(StatusCode::FORBIDDEN.as_u16());
                let all = has.iter().copied().chain([scope]).collect();
                Err(self.door.step_up(error(StatusCode::FORBIDDEN, code, &why, envelope.id()), &all))
            }
        }
    }
}

/// A request may ask for less than its caller has, never for more.
fn narrowed(mut principal: Principal, headers: &HeaderMap) -> Principal {
    let texts = |name: &HeaderName| -> Vec<String> {
        headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned()).collect()
    };
    let (read_only, tools) = (texts(&READ_ONLY), texts(&TOOLS));
    // Whatever is not a clear "no" is taken for the narrower "yes".
    let read_only =
        read_only.iter().any(|text| !matches!(text.to_ascii_lowercase().as_str(), "" | "false" | "0" | "no"));
    if !read_only && tools.is_empty() {
        return principal;
    }
    let named = tools.iter().flat_map(|text| text.split(',')).map(str::trim).filter(|name| !name.is_empty());
    let rights = Arc::make_mut(&mut principal.rights);
    // What was narrow before stays so.
    rights.read_only |= read_only;
    if !tools.is_empty() {
        let before = rights.only.take();
        let within = |name: &&str| before.as_ref().is_none_or(|before| before.contains(*name));
        rights.only = Some(named.filter(within).map(str::to_owned).collect());
    }
    principal
}

fn preflight() -> Response<Body> {
    let mut answer = empty(StatusCode::NO_CONTENT);
    let headers = answer.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, DELETE"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(CORS_HEADERS));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    answer
}

/// The answer as a page of this origin may read it. Never with credentials of the browser's own.
fn readable_by(mut answer: Response<Body>, origin: HeaderValue) -> Response<Body> {
    let headers = answer.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(CORS_EXPOSED));
    headers.append(VARY, HeaderValue::from_static("origin"));
    answer
}

/// The places there are, for counting: whatever else is asked for is one of them.
fn place(path: &str) -> &'static str {
    match path {
        MCP => "mcp",
        SSE => "sse",
        MESSAGES => "messages",
        "/" => "landing",
        _ if path.starts_with(METADATA) => "metadata",
        _ => "other",
    }
}

/// A method, for a line in the log: whatever else it is called is one of them.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// A status as a label.
fn code(status: StatusCode) -> String {
    status.as_str().to_owned()
}
