//! Routes an HTTP request: checks it, authenticates its caller, and passes it to the endpoint of its path.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::{
    ACCEPT_ENCODING, ALLOW, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, ORIGIN, TRANSFER_ENCODING,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::Full;
use serde_json::Value;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::guard::Scope;
use crate::http::auth::authenticator::Authenticator;
use crate::http::batch;
use crate::http::connection::keep_alive::KnownCaller;
use crate::http::connection::shutdown::Lifecycle;
use crate::http::cors::{Cors, readable_by};
use crate::http::pages::credential_form::{CredentialForm, page_of, with_password_as_token};
use crate::http::pages::landing::Landing;
use crate::http::request::body_limit::{Bodies, is_packed, plain};
use crate::http::request::host_check::{AllowedHost, AllowedOrigin, NotLetIn, check_host, check_origin};
use crate::http::request::jsonrpc::{Envelope, Unreadable};
use crate::http::request::labels::{code, method, place};
use crate::http::request::negotiate::{cannot_be_asked, in_form, nobody};
use crate::http::request::paths::{MCP, MESSAGES, METADATA, SSE};
use crate::http::request::public_path::PublicPath;
use crate::mcp::transport::http_response::{
    INVALID_REQUEST, PARSE_ERROR, ResponseBody, busy, empty, error, json_answer, keeping, refusal, with,
};
use crate::mcp::{Accepts, Catalog, LegacySse, Principal, RequestOrigin, Streamable, said_once};

/// The `Retry-After` value when the memory for request bodies is full, in seconds.
const LATER: u32 = 1;

const READ_ONLY: HeaderName = HeaderName::from_static("x-mcp-readonly");
const TOOLS: HeaderName = HeaderName::from_static("x-mcp-tools");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");
const REVISION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// The headers that may occur only once. A proxy and this server could otherwise each use a different value.
fn once() -> [HeaderName; 9] {
    [HOST, AUTHORIZATION, ORIGIN, CONTENT_TYPE, CONTENT_LENGTH, METHOD, NAME, REVISION, SESSION]
}

/// All endpoints and pages of one server.
pub(crate) struct Router {
    /// Authenticates callers.
    pub(crate) door: Authenticator,
    /// The hosts that requests may name.
    pub(crate) hosts: Vec<AllowedHost>,
    /// The origins whose pages may call.
    pub(crate) origins: Vec<AllowedOrigin>,
    /// The Streamable HTTP endpoint.
    pub(crate) streamable: Streamable,
    /// The endpoints of revision 2024-11-05, if they are on.
    pub(crate) legacy_sse: Option<LegacySse>,
    /// The scope that each tool needs, by tool name.
    pub(crate) scopes: HashMap<&'static str, Scope>,
    /// The landing page for people.
    pub(crate) landing: Landing,
    /// The pages on which people enter the keys of a carrier.
    pub(crate) key_page: CredentialForm,
    /// The scheme with which browsers reach the server; `None` on a Unix socket without HTTPS, out of their reach.
    pub(crate) scheme: Option<&'static str>,
    /// The path that clients use in front of the server's own paths.
    pub(crate) public_path: PublicPath,
    /// The phase of the server: open, draining or shut.
    pub(crate) life: Arc<Lifecycle>,
    /// Reads request bodies within the limits.
    pub(crate) bodies: Bodies,
    /// Counts the calls whose response was not sent completely yet.
    pub(crate) calls: TaskTracker,
    /// Handles CORS for pages of other origins.
    pub(crate) cors: Cors,
    /// Whether the log already has the warning about HTTP/1.0.
    pub(crate) said_http_1_0: AtomicBool,
}

impl Router {
    /// Responds to a request, and records its metrics.
    pub(crate) async fn answer<B>(&self, request: Request<B>) -> Response<ResponseBody>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let (head, body) = request.into_parts();
        let path = endpoint(self.public_path.below(head.uri.path())).to_owned();
        let (place, method, begun) = (place(&path), method(&head.method), Instant::now());
        let old = head.version == Version::HTTP_10;
        let mut answer = match self.check(&head, &path) {
            Ok(Some(origin)) if head.method == Method::OPTIONS => self.cors.preflight(&head.headers, origin),
            Ok(origin) => {
                let origin =
                    origin.filter(|origin| origin.is_configured()).and_then(|_| head.headers.get(ORIGIN).cloned());
                let answer = self.answer_checked(head, body, path).await;
                match origin {
                    Some(origin) => readable_by(answer, origin),
                    None => answer,
                }
            }
            Err(answer) => answer,
        };
        if old {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        tracing::debug!(method, place, status = answer.status().as_u16(), time = ?begun.elapsed(), "answered");
        metrics::counter!("http_requests_total", "place" => place, "code" => code(answer.status())).increment(1);
        answer
    }

    /// Makes the checks that every request must pass, whatever its path. Returns the allowed origin, if the request has
    /// one.
    fn check(&self, head: &Parts, path: &str) -> Result<Option<&AllowedOrigin>, Response<ResponseBody>> {
        // Some proxies use HTTP/1.0, which does not support a stream that stays open.
        let streams = matches!(path, MCP | SSE) && head.method == Method::GET;
        if head.version != Version::HTTP_11 && (head.version != Version::HTTP_10 || streams) {
            if !self.said_http_1_0.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    "a stream was asked for by HTTP/1.0 and refused: a proxy in front of this server must speak HTTP/1.1, for nginx `proxy_http_version 1.1;`"
                );
            }
            let why = "HTTP/1.1 is needed for this; a proxy in front of this server must speak it";
            return Err(refusal(StatusCode::HTTP_VERSION_NOT_SUPPORTED, why));
        }
        let forbidden = |NotLetIn(why): NotLetIn| refusal(StatusCode::FORBIDDEN, why);
        check_host(&head.headers, &head.uri, &self.hosts).map_err(forbidden)?;
        // The credential page checks the origin of its form itself, and more strictly.
        let origin = match page_of(path) {
            Some(_) => None,
            None => check_origin(&head.headers, &self.origins).map_err(forbidden)?,
        };
        // hyper finds the end of the body by the last transfer coding alone. A proxy may interpret several codings
        // differently.
        let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
        let chunked = codings.next().is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
        if !chunked || codings.next().is_some() {
            return Err(refusal(StatusCode::NOT_IMPLEMENTED, "Transfer-Encoding must be chunked, and nothing else"));
        }
        // The authenticator itself refuses a second `Authorization` header, with its own error.
        let twice = |name: &HeaderName| *name != AUTHORIZATION && head.headers.get_all(name).iter().nth(1).is_some();
        if let Some(name) = once().into_iter().find(twice) {
            return Err(refusal(StatusCode::BAD_REQUEST, &format!("the header {name} came twice")));
        }
        Ok(origin)
    }

    async fn answer_checked<B>(&self, head: Parts, body: B, path: String) -> Response<ResponseBody>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        if let Some(answer) = self.open_to_all(&head, &path) {
            return answer;
        }
        // From here on, shutdown waits for this request, however slowly its body arrives.
        let heard = self.calls.token();
        if let Some(id) = page_of(&path) {
            return keeping(self.page(&head, body, id).await, heard);
        }
        // An unknown path gives 404 without a token. Clients look for an authorization server at several paths.
        match (path.as_str(), &self.legacy_sse) {
            (MCP, _) | (SSE | MESSAGES, Some(_)) => {}
            (SSE | MESSAGES, None) => {
                let why = "The transport of 2024-11-05 is off; use /mcp, or start the server with --legacy-sse on.";
                return refusal(StatusCode::NOT_FOUND, why);
            }
            _ => return refusal(StatusCode::NOT_FOUND, "There is nothing here; the MCP endpoint is /mcp."),
        }
        let principal = match self.door.enter(&head.headers).await {
            Ok(principal) => narrowed(principal, &head.headers),
            Err(outside) => return outside,
        };
        let mut answer = match &self.legacy_sse {
            Some(sse) if path != MCP => self.legacy(sse, head, body, (&path, principal)).await,
            _ => self.call(head, body, principal, heard).await,
        };
        answer.extensions_mut().insert(KnownCaller);
        answer
    }

    /// Serves the page on which a caller enters the keys of a carrier. Only the same caller sees it, in a browser.
    async fn page<B>(&self, head: &Parts, body: B, id: &str) -> Response<ResponseBody>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let Some(origin) = self.origin(head) else {
            return refusal(StatusCode::NOT_FOUND, "There are no pages here.");
        };
        match self.door.enter(&with_password_as_token(&head.headers)).await {
            Ok(principal) => self.key_page.answer(head, body, (id, &origin), &principal).await,
            Err(outside) => self.key_page.stranger(&outside),
        }
    }

    /// Returns the origin that a request came in on. Its host was checked before, so it is a name of this server.
    fn origin(&self, head: &Parts) -> Option<String> {
        let host = head.headers.get(HOST)?.to_str().ok()?;
        self.scheme.map(|scheme| format!("{scheme}://{host}"))
    }

    /// Adds the principal and the server's address to a request, for the MCP server.
    fn introduce(&self, head: &mut Parts, principal: &Principal) {
        if let Some(origin) = self.origin(head) {
            head.extensions.insert(RequestOrigin(format!("{origin}{}", self.public_path)));
        }
        head.extensions.insert(principal.clone());
    }

    /// Serves what needs no token, because it contains no data of any caller.
    fn open_to_all(&self, head: &Parts, path: &str) -> Option<Response<ResponseBody>> {
        let reads = matches!(head.method, Method::GET | Method::HEAD);
        let metadata = if path.starts_with(METADATA) { self.door.metadata() } else { None };
        let known = |at: &str| path == METADATA || path == at.trim_end_matches('/');
        let metadata = metadata.filter(|(at, _)| known(at)).map(|(_, metadata)| metadata);
        match (path, metadata) {
            ("/" | "/favicon.ico", _) | (_, Some(_)) if !reads => {
                Some(with(refusal(StatusCode::METHOD_NOT_ALLOWED, "Only GET works here."), ALLOW, "GET, HEAD"))
            }
            ("/", _) => {
                let at = self.public_path.to_string();
                Some(self.landing.answer((&head.headers, &at), self.life.is_open(), self.legacy_sse.is_some()))
            }
            ("/favicon.ico", _) => Some(empty(StatusCode::NO_CONTENT)),
            (_, Some(metadata)) => Some(json_answer(StatusCode::OK, &metadata)),
            _ => None,
        }
    }

    /// Handles a request to the Streamable HTTP endpoint.
    async fn call<B>(
        &self,
        mut head: Parts,
        body: B,
        principal: Principal,
        heard: TaskTrackerToken,
    ) -> Response<ResponseBody>
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
        let mut accepts = Accepts::of(&head.headers);
        // In HTTP/1.0 a stream ends only with its connection, and no event would arrive before that.
        accepts.events &= head.version != Version::HTTP_10 || !accepts.json;
        if batch::is_batch(&head.headers, &body) {
            let answer = match accepts.nothing() {
                true => not_acceptable(None),
                false => self.batch(&head, &body, &principal).await,
            };
            return keeping(in_form(answer, accepts, None, nobody).await, heard);
        }
        let envelope = match self.admit(&body, &principal) {
            Ok(envelope) => envelope,
            Err(answer) => return answer,
        };
        let id = envelope.id();
        if accepts.nothing() {
            return not_acceptable(id);
        }
        let method = envelope.method.as_deref().map(str::to_owned);
        self.introduce(&mut head, &principal);
        let request = Request::from_parts(head.clone(), Full::new(body));
        let answer = self.streamable.answer(request, &principal, method.as_deref(), id.clone()).await;
        let (streamable, caller) = (&self.streamable, &principal);
        let asked = |question| -> BoxFuture<'_, ()> {
            let cannot = Request::from_parts(head.clone(), Full::new(cannot_be_asked(&question)));
            Box::pin(async move { drop(streamable.answer(cannot, caller, None, None).await) })
        };
        keeping(in_form(answer, accepts, id, asked).await, heard)
    }

    /// Handles several messages in one body. If the caller may not send one of them, none is handled.
    async fn batch(&self, head: &Parts, body: &[u8], principal: &Principal) -> Response<ResponseBody> {
        let messages = match batch::messages(body) {
            Ok(messages) => messages,
            Err(answer) => return answer,
        };
        for message in &messages {
            if let Err(answer) = self.admit(message, principal) {
                return answer;
            }
        }
        batch::answer(&self.streamable, head, messages, principal).await
    }

    /// Handles a request to the endpoints of revision 2024-11-05.
    async fn legacy<B>(
        &self,
        sse: &LegacySse,
        mut head: Parts,
        body: B,
        (path, principal): (&str, Principal),
    ) -> Response<ResponseBody>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let allowed = if path == SSE { Method::GET } else { Method::POST };
        if head.method != allowed {
            let answer = refusal(StatusCode::METHOD_NOT_ALLOWED, &format!("Only {allowed} works here."));
            return with(answer, ALLOW, allowed.as_str());
        }
        if path == SSE {
            // The path is relative to the requested URL, which may end with a slash.
            let up = if head.uri.path().ends_with('/') { "../" } else { "" };
            return sse.open(&principal, &format!("{up}{}", MESSAGES.trim_start_matches('/')));
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

    /// Reads the body of a message. Its content type must be JSON.
    async fn message<B>(&self, principal: &Principal, head: &Parts, body: B) -> Result<Bytes, Response<ResponseBody>>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        // Browsers can send some content types without a preflight request. None of those types is accepted.
        if !essence.eq_ignore_ascii_case("application/json") {
            return Err(refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json"));
        }
        if let Some(why) = is_packed(&head.headers) {
            let answer = refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, &why);
            return Err(with(answer, ACCEPT_ENCODING, "identity"));
        }
        let read = self.bodies.read(&principal.caller, &head.headers, body).await;
        let read = read.map_err(|unread| match unread.status {
            StatusCode::SERVICE_UNAVAILABLE => busy(unread.status, LATER, unread.why),
            status => refusal(status, unread.why),
        })?;
        let plain = plain(read)
            .map_err(|why| error(StatusCode::BAD_REQUEST, PARSE_ERROR, &format!("Parse error: {why}"), None))?;
        said_once(plain).map_err(|(why, id)| error(StatusCode::BAD_REQUEST, INVALID_REQUEST, &why, id))
    }

    /// Checks whether the caller's scopes allow the message. Only the body decides, never a header.
    fn admit<'a>(&self, body: &'a [u8], principal: &Principal) -> Result<Envelope<'a>, Response<ResponseBody>> {
        let envelope = Envelope::read(body).map_err(|unreadable| match unreadable {
            Unreadable::NotJson => {
                error(StatusCode::BAD_REQUEST, PARSE_ERROR, "Parse error: the body is not JSON", None)
            }
            Unreadable::NoMessage => {
                let why = "Invalid Request: the body must be one JSON-RPC message, an object that says each thing once and is a request or an answer";
                error(StatusCode::BAD_REQUEST, INVALID_REQUEST, why, None)
            }
        })?;
        let needed = envelope.tool().and_then(|tool| self.scopes.get(tool).copied());
        let has = &principal.rights.scopes;
        // A new login would not help if the policy refuses the tool anyway. The policy check then gives the reason.
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

/// Returns the error for an `Accept` header with neither response form.
fn not_acceptable(id: Option<Value>) -> Response<ResponseBody> {
    let why = "Not Acceptable: Accept must name application/json or text/event-stream, or both";
    error(StatusCode::NOT_ACCEPTABLE, INVALID_REQUEST, why, id)
}

/// Returns a path without the trailing slash that some clients add to an endpoint.
fn endpoint(path: &str) -> &str {
    match path.strip_suffix('/') {
        Some(bare) if matches!(bare, MCP | SSE | MESSAGES) || bare.starts_with(METADATA) => bare,
        _ => path,
    }
}

/// Narrows the caller's rights as the request's headers ask. Headers can never add rights.
fn narrowed(mut principal: Principal, headers: &HeaderMap) -> Principal {
    let texts = |name: &HeaderName| -> Vec<String> {
        headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned()).collect()
    };
    let (read_only, tools) = (texts(&READ_ONLY), texts(&TOOLS));
    // Any value that is not a clear "no" counts as "yes", because "yes" gives fewer rights.
    let read_only =
        read_only.iter().any(|text| !matches!(text.to_ascii_lowercase().as_str(), "" | "false" | "0" | "no"));
    if !read_only && tools.is_empty() {
        return principal;
    }
    let named = tools.iter().flat_map(|text| text.split(',')).map(str::trim).filter(|name| !name.is_empty());
    let rights = Arc::make_mut(&mut principal.rights);
    // Earlier restrictions stay.
    rights.read_only |= read_only;
    if !tools.is_empty() {
        let before = rights.only.take();
        let within = |name: &&str| before.as_ref().is_none_or(|before| before.contains(*name));
        rights.only = Some(named.filter(within).map(str::to_owned).collect());
    }
    principal
}
