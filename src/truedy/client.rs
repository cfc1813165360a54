//! The client: base URL, key, deadline, the one send loop, the envelope.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, LOCATION, RETRY_AFTER};
use http::{HeaderValue, Method, StatusCode};
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::OnceCell;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use url::Url;

use crate::domain::ServerTime;
use crate::redact::{Redactor, Secret};
use crate::telemetry;
use crate::truedy::blocking::run_blocking;
use crate::truedy::error::{ApiError, Error, NotSent, request_id};
use crate::truedy::limiter::{Busy, Limiter, Priority, Rate};
use crate::truedy::request::{Request, RequestKind};
use crate::truedy::sent_body::{SentFlag, WatchedBody, unless_stale};
use crate::truedy::{rate_limit_reset, retry};

const CONNECT: Duration = Duration::from_secs(5);
/// How long a rate limit may last to be waited out.
const WAITED_OUT: Duration = Duration::from_secs(16);
/// Connections that are kept for reads. With fewer than there are requests at a time, each request beyond them begins with
/// a handshake; what is not used is closed after [`IDLE`].
const KEPT: usize = 256;
const IDLE: Duration = Duration::from_secs(20);
/// What repeats may cost before each success earns some back.
const BUDGET: f64 = 50.0;

/// Leave for one change to go out. Without it none does: the client itself sees to that.
pub trait SendPermit: Send + Sync {
    /// The id under which the change is recorded.
    fn id(&self) -> String;

    /// Asked right before the first byte, each time one is about to leave. An error keeps it here and says why.
    fn clear(&self) -> BoxFuture<'_, Result<(), String>>;

    /// Whether it is too late for the first byte, although leave was given: too much time has gone by, by any clock, since
    /// what the change relies on was read. Asked again until something has left.
    fn is_stale(&self) -> bool;

    /// Truedy answered the change with this status.
    fn answered(&self, status: u16);
}

/// How much time a call has, whether it is still wanted, and whether it may change anything.
#[derive(Clone)]
pub struct CallBudget {
    /// When the caller must have an answer.
    pub deadline: Instant,
    /// Cancelled when the caller no longer wants it. What was sent runs to its end all the same.
    pub stop: CancellationToken,
    /// Leave for the change that the call is for; a call without it can only read.
    pub permit: Option<Arc<dyn SendPermit>>,
    /// The principal, where several share the account: none of them reads so much that nothing is left for others.
    pub whose: Option<Arc<str>>,
    /// Whether it reads what a change needs before it.
    pub plans: bool,
}

impl fmt::Debug for CallBudget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Call").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl CallBudget {
    /// A call that can only read.
    pub fn reading(deadline: Instant, stop: CancellationToken) -> Self {
        Self { deadline, stop, permit: None, whose: None, plans: false }
    }

    /// The same call for this principal, one of several.
    #[must_use]
    pub fn of(self, whose: Option<Arc<str>>) -> Self {
        Self { whose, ..self }
    }

    /// The same call, for what a change needs before it.
    #[must_use]
    pub fn planning(self) -> Self {
        Self { plans: true, ..self }
    }

    /// The same call with at most this much time.
    #[must_use]
    pub fn within(&self, time: Duration) -> Self {
        Self { deadline: self.deadline.min(Instant::now() + time), ..self.clone() }
    }

    /// The same call, leaving this much of its time unused.
    #[must_use]
    pub fn leaving(&self, time: Duration) -> Self {
        Self { deadline: self.deadline.checked_sub(time).unwrap_or(self.deadline), ..self.clone() }
    }

    /// The same call, which nothing stops any more: something was sent.
    #[must_use]
    pub fn unstoppable(&self) -> Self {
        Self { stop: CancellationToken::new(), ..self.clone() }
    }

    /// Time left.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// What Truedy answered.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiReply {
    /// `data`, or the whole body where there is no envelope. `null` for an empty one.
    pub data: Value,
    /// `pagination`, if there was any.
    pub pagination: Option<Value>,
    /// Truedy's id of the exchange.
    pub request_id: Option<String>,
    /// Truedy's clock, as its `Date` header says.
    pub date: Option<String>,
}

/// What a client is made of.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Where the API is; https, or http on a literal loopback host.
    pub base_url: Url,
    /// The key of the organisation.
    pub key: Secret,
    /// How many requests a minute.
    pub rate: Rate,
    /// `None` for a direct connection, whatever the environment says.
    pub proxy: Option<Proxy>,
    /// A further root certificate, PEM.
    pub ca_pem: Option<Vec<u8>>,
}

/// By which way requests go out. It may hold a password, and therefore does not print.
#[derive(Clone, PartialEq, Eq)]
pub enum Proxy {
    /// As the environment says (`HTTPS_PROXY`, `NO_PROXY` …).
    Environment,
    /// Through this one.
    Url(Url),
}

impl fmt::Debug for Proxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Environment => "Environment",
            Self::Url(_) => "[a proxy]",
        })
    }
}

/// Why no client could be made.
#[derive(Debug)]
pub struct SetupError(String);

impl fmt::Display for SetupError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for SetupError {}

/// A client of one organisation.
pub struct Client {
    setup: ClientConfig,
    authorization: HeaderValue,
    redactor: Arc<Redactor>,
    limiter: Limiter,
    budget: Mutex<f64>,
    server_time: Arc<ServerTime>,
    // Made at the first request: loading the root certificates must not delay the start.
    reads: OnceCell<Result<reqwest::Client, String>>,
    changes: OnceCell<Result<reqwest::Client, String>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").field("base_url", &self.setup.base_url.as_str()).finish_non_exhaustive()
    }
}

/// The status line, headers of interest and body of one answer.
struct HttpAnswer {
    status: StatusCode,
    location: Option<String>,
    date: Option<String>,
    retry_after: Option<String>,
    request_id: Option<String>,
    /// `Err` says why the body is no JSON.
    body: Result<Value, String>,
    empty: bool,
}

impl Client {
    /// A client; nothing is connected yet.
    pub fn new(setup: ClientConfig, redactor: Arc<Redactor>) -> Result<Self, SetupError> {
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", setup.key.expose()))
            .map_err(|_| SetupError("the API key has characters that no header can carry".to_owned()))?;
        authorization.set_sensitive(true);
        let limiter = Limiter::new(setup.rate);
        Ok(Self {
            setup,
            authorization,
            redactor,
            limiter,
            budget: Mutex::new(BUDGET),
            server_time: Arc::default(),
            reads: OnceCell::new(),
            changes: OnceCell::new(),
        })
    }

    /// Where the API is.
    pub fn base_url(&self) -> &Url {
        &self.setup.base_url
    }

    /// The same client, which notes here what time Truedy's answers state.
    #[must_use]
    pub fn telling(self, server_time: Arc<ServerTime>) -> Self {
        Self { server_time, ..self }
    }

    /// What time it is by Truedy's own clock, in milliseconds since 1970; `None` if no answer has stated one.
    pub fn server_time(&self) -> Option<i64> {
        self.server_time.now()
    }

    /// Sends a request until it is settled: done, refused, not known, or out of time.
    pub async fn send(&self, request: Request, call: &CallBudget) -> Result<ApiReply, Error> {
        let call = call.within(request.kind.timeout());
        let begun = Instant::now();
        let mut sent = 0;
        loop {
            let at = Instant::now();
            let outcome = self.attempt(&request, &call).await;
            sent += 1;
            tally(request.kind, &outcome, at.elapsed());
            let error = match outcome {
                Ok(reply) => {
                    self.earn();
                    return Ok(reply);
                }
                Err(error) => error,
            };
            if let Error::Limited(wait, _) = &error {
                self.limiter.refused(*wait);
            }
            tracing::debug!(%error, sent, "a request to Truedy failed");
            // A change may await its answer for long, but nobody is kept waiting for a rate limit to end.
            let left = match &error {
                Error::Limited(..) => call.left().min(WAITED_OUT.saturating_sub(begun.elapsed())),
                _ => call.left(),
            };
            let Some(wait) = retry::wait(request.kind, &error, sent, left, random()) else {
                return Err(error);
            };
            if !self.spend(retry::cost(&error)) {
                return Err(error);
            }
            tracing::warn!(%error, sent, ?wait, "sending again");
            if stopped(&call, tokio::time::sleep(wait)).await.is_none() {
                return Err(Error::NotSent(NotSent::Cancelled));
            }
        }
    }

    fn spend(&self, cost: f64) -> bool {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        let enough = *budget >= cost;
        if enough {
            *budget -= cost;
        }
        enough
    }

    fn earn(&self) {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        *budget = BUDGET.min(*budget + 1.0);
    }

    /// One attempt, a redirect to the same path with a slash included.
    async fn attempt(&self, request: &Request, call: &CallBudget) -> Result<ApiReply, Error> {
        let url = self.address(request)?;
        let share = match () {
            () if request.kind.changes() || request.verifies => Priority::Reserved,
            () if call.plans => Priority::Planning,
            () => Priority::General,
        };
        let answer = self.exchange(request, &url, share, call).await?;
        if request.method == Method::GET && is_same_with_slash(&url, &answer) {
            let mut with_slash = url.clone();
            with_slash.set_path(&format!("{}/", url.path()));
            let answer = self.exchange(request, &with_slash, share, call).await?;
            return self.judge(request.kind, answer);
        }
        self.judge(request.kind, answer)
    }

    /// The address, checked to be what was meant: ids are safe by type, and this makes sure.
    fn address(&self, request: &Request) -> Result<Url, Error> {
        let bad = || Error::NotSent(NotSent::BadAddress);
        let mut url = self.setup.base_url.clone();
        url.path_segments_mut().map_err(|()| bad())?.pop_if_empty().extend(&request.path);
        let expected = format!("{}/{}", self.setup.base_url.path().trim_end_matches('/'), request.path.join("/"));
        if url.path() != expected
            || url.host() != self.setup.base_url.host()
            || request.path.iter().any(String::is_empty)
        {
            return Err(bad());
        }
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(request.query.iter().map(|(name, value)| (*name, value.as_str())));
        }
        Ok(url)
    }

    async fn exchange(
        &self,
        request: &Request,
        url: &Url,
        share: Priority,
        call: &CallBudget,
    ) -> Result<HttpAnswer, Error> {
        let asked = Instant::now();
        let place = stopped(call, self.limiter.acquire(share, call.whose.as_ref(), call.deadline)).await;
        metrics::histogram!("upstream_queue_seconds").record(asked.elapsed().as_secs_f64());
        match place {
            None => return Err(Error::NotSent(NotSent::Cancelled)),
            Some(Err(Busy(wait))) => return Err(Error::NotSent(NotSent::Queue(wait))),
            Some(Ok(())) => {}
        }
        let changes = request.kind.changes();
        let line = self.http_client(changes).await?;
        if changes {
            if call.stop.is_cancelled() {
                return Err(Error::NotSent(NotSent::Cancelled));
            }
            let permit = call.permit.as_ref().ok_or(Error::NotSent(NotSent::NotCleared(String::new())))?;
            permit.clear().await.map_err(|why| Error::NotSent(NotSent::NotCleared(why)))?;
        }
        let sent_flag = SentFlag::default();
        let mut builder = line
            .request(request.method.clone(), url.clone())
            .header(AUTHORIZATION, self.authorization.clone())
            .header(ACCEPT, "application/json");
        if let Some(permit) = call.permit.as_ref().filter(|_| changes) {
            // Truedy ignores these today; nothing relies on them.
            let id = permit.id();
            builder = builder.header("X-Request-Id", &id).header("Idempotency-Key", &id);
        }
        if let Some(body) = &request.body {
            let bytes = Bytes::from(body.to_string());
            builder = builder
                .header(CONTENT_TYPE, "application/json")
                .body(reqwest::Body::wrap(WatchedBody::new(bytes, sent_flag.clone())));
        }
        let left = call.left().min(request.kind.attempt_timeout());
        if left.is_zero() {
            return Err(Error::NotSent(NotSent::Late));
        }
        let span = telemetry::request(request.method.as_str(), &request.path);
        let exchange = tokio::time::timeout(left, self.receive(builder, request.body_limit)).instrument(span.clone());
        // Once a change may be on its way, nothing stops it.
        let without_body = request.body.is_none();
        let outcome = if changes {
            let is_stale = || call.permit.as_ref().is_some_and(|permit| permit.is_stale());
            unless_stale(exchange, &sent_flag, is_stale).await.ok_or_else(|| {
                telemetry::received(&span, Err("stale"));
                let why = "what it relies on was read too long ago".to_owned();
                // Only a body tells that nothing has left.
                if without_body {
                    Error::NoVerdict(why, ApiError::default())
                } else {
                    Error::NotSent(NotSent::NotCleared(why))
                }
            })?
        } else {
            stopped(call, exchange).await.ok_or_else(|| {
                telemetry::received(&span, Err("cancelled"));
                Error::NotSent(NotSent::Cancelled)
            })?
        };
        telemetry::received(
            &span,
            match &outcome {
                Ok(Ok(answer)) => Ok(answer.status.as_u16()),
                Ok(Err(error)) if error.is_connect() => Err("connect"),
                Ok(Err(_)) => Err("broken"),
                Err(_) => Err("timeout"),
            },
        );
        match outcome {
            Ok(Ok(answer)) => {
                if let Some(permit) = call.permit.as_ref().filter(|_| changes) {
                    permit.answered(answer.status.as_u16());
                }
                Ok(answer)
            }
            Ok(Err(error)) if error.is_connect() || (!without_body && !sent_flag.happened()) => {
                Err(Error::NotSent(NotSent::NoConnection(self.words(&error))))
            }
            Ok(Err(error)) => Err(Error::NoVerdict(self.words(&error), ApiError::default())),
            Err(_) if !without_body && !sent_flag.happened() => Err(Error::NotSent(NotSent::Late)),
            Err(_) => Err(Error::NoVerdict(format!("no answer within {} s", left.as_secs()), ApiError::default())),
        }
    }

    async fn receive(&self, builder: reqwest::RequestBuilder, limit: usize) -> Result<HttpAnswer, reqwest::Error> {
        let mut response = builder.send().await?;
        let header = |name: http::HeaderName| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).map(|text| self.redactor.text(text))
        };
        let mut answer = HttpAnswer {
            status: response.status(),
            location: header(LOCATION),
            date: header(DATE),
            retry_after: header(RETRY_AFTER),
            request_id: header(http::HeaderName::from_static("x-request-id")),
            body: Ok(Value::Null),
            empty: false,
        };
        if let Some(stated) = answer.date.as_deref().and_then(rate_limit_reset::http_date) {
            self.server_time.note(stated.as_millisecond());
        }
        let content_type = header(CONTENT_TYPE).unwrap_or_default();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if bytes.len() + chunk.len() > limit {
                answer.body = Err(format!("the answer is larger than {} KiB", limit / 1024));
                return Ok(answer);
            }
            bytes.extend_from_slice(&chunk);
        }
        answer.empty = bytes.is_empty();
        answer.body = run_blocking(bytes.len() / 1024, || self.read_json(&content_type, &bytes, answer.status));
        Ok(answer)
    }

    /// The body as JSON without any secret in it; the error says why it is none.
    fn read_json(&self, content_type: &str, bytes: &[u8], status: StatusCode) -> Result<Value, String> {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let is_json =
            essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
        // A proxy's JSON under a wrong type is still read where it can only be an error.
        if !is_json && status.is_success() {
            return Err(if bytes.is_empty() {
                "the answer is empty".to_owned()
            } else {
                "the answer is not JSON by its type".to_owned()
            });
        }
        let mut value: Value = serde_json::from_slice(bytes).map_err(|_| "the answer is not JSON".to_owned())?;
        self.redactor.value(&mut value);
        Ok(value)
    }

    /// Did it happen? The answer decides, not the status alone.
    fn judge(&self, kind: RequestKind, answer: HttpAnswer) -> Result<ApiReply, Error> {
        let status = answer.status;
        let api_error = |body: Option<&Value>| ApiError::read(status.as_u16(), body, answer.request_id.as_deref());
        if status.is_success() {
            return match answer.body {
                // A yes with an error inside is no yes to rely on.
                Ok(body)
                    if body.get("data").is_none_or(Value::is_null)
                        && body.get("error").is_some_and(|error| !error.is_null()) =>
                {
                    let said = api_error(Some(&body));
                    Err(Error::Unreadable("the answer says yes and holds an error".to_owned(), said))
                }
                Ok(body) => Ok(unwrap_envelope(body, answer.request_id, answer.date)),
                // A release may answer 204 or an empty 200: that is a yes.
                Err(_) if answer.empty && kind == RequestKind::Delete => Ok(ApiReply {
                    data: Value::Null,
                    pagination: None,
                    request_id: answer.request_id,
                    date: answer.date,
                }),
                Err(why) => Err(Error::Unreadable(why, api_error(None))),
            };
        }
        let json = answer.body.is_ok();
        let said = api_error(answer.body.as_ref().ok());
        let certain = matches!(kind, RequestKind::Create | RequestKind::Delete);
        if said.is_rate_limit(certain) || (status == StatusCode::TOO_MANY_REQUESTS && !certain) {
            let wait = rate_limit_reset::wait(
                said.reset_at.as_ref(),
                answer.retry_after.as_deref(),
                answer.date.as_deref(),
                Timestamp::now(),
            );
            return Err(Error::Limited(wait, said));
        }
        let definite = match status.as_u16() {
            400 | 401 | 402 | 403 | 404 | 405 | 409 | 413 | 415 => json || !kind.changes(),
            // Truedy turns everything that goes wrong while it makes something into 422, even after the order (contract §3.4);
            // only the framework's own list of fields proves that no code ran.
            422 if kind == RequestKind::Create => said.unprocessed,
            422 => json || !kind.changes(),
            _ => false,
        };
        if definite {
            return Err(Error::Refused(said));
        }
        let why = match status.as_u16() {
            300..=399 => "Truedy answered with a redirect, which is not followed".to_owned(),
            code => format!("Truedy answered with status {code}"),
        };
        // A redirect or an odd status to a read says nothing that a repeat would change.
        if !kind.changes() && !status.is_server_error() && !matches!(status.as_u16(), 408 | 425) {
            return Err(Error::Unreadable(why, said));
        }
        Err(Error::NoVerdict(why, said))
    }

    /// The way out, made when it is first needed. A change gets a fresh connection, so that a dead kept one cannot leave its
    /// outcome unknown; reads keep theirs.
    ///
    /// Its root certificates are files: they are read off the runtime.
    async fn http_client(&self, changes: bool) -> Result<&reqwest::Client, Error> {
        let (line, idle) = if changes { (&self.changes, 0) } else { (&self.reads, KEPT) };
        let line = line.get_or_init(async || {
            let setup = self.setup.clone();
            let opened = tokio::task::spawn_blocking(move || open(&setup, idle)).await;
            let opened = opened.map_err(|_| "a fault ended its making".to_owned());
            opened.and_then(|opened| opened.map_err(|error| self.words(&error)))
        });
        let line = line.await;
        line.as_ref().map_err(|why| Error::NotSent(NotSent::NoConnection(why.clone())))
    }

    /// What went wrong with an exchange: the innermost cause, without address and secrets.
    fn words(&self, error: &reqwest::Error) -> String {
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        let text = if std::ptr::addr_eq(cause, error) { "the exchange failed".to_owned() } else { cause.to_string() };
        crate::domain::clean(&self.redactor.text(&text))
    }
}

fn open(setup: &ClientConfig, idle: usize) -> Result<reqwest::Client, reqwest::Error> {
    let mut builder = reqwest::Client::builder()
        .https_only(setup.base_url.scheme() == "https")
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(CONNECT)
        .tcp_keepalive(Duration::from_secs(30))
        .pool_idle_timeout(IDLE)
        .user_agent(concat!("truedy-mcp/", env!("CARGO_PKG_VERSION")));
    match &setup.proxy {
        None => builder = builder.no_proxy(),
        Some(Proxy::Environment) => {}
        Some(Proxy::Url(url)) => builder = builder.no_proxy().proxy(reqwest::Proxy::all(url.clone())?),
    }
    // Plain http goes to a loopback host only: it needs no root certificates, which take time to load.
    builder = match &setup.ca_pem {
        _ if setup.base_url.scheme() == "http" => builder.tls_certs_only([]),
        Some(pem) => builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(pem)?),
        None => builder,
    };
    builder.pool_max_idle_per_host(idle).build()
}

/// Runs a future unless the call is no longer wanted; `None` if it is not.
async fn stopped<F: Future>(call: &CallBudget, future: F) -> Option<F::Output> {
    tokio::select! {
        biased;
        () = call.stop.cancelled() => None,
        output = future => Some(output),
    }
}

/// A number from 0 to 1, for jitter only.
fn random() -> f64 {
    let (high, _) = uuid::Uuid::new_v4().as_u64_pair();
    f64::from(u32::try_from(high >> 40).unwrap_or_default()) / f64::from(1_u32 << 24)
}

/// `/agents` → `/agents/`: the one redirect that is followed, by us, and only for reads (contract §1).
fn is_same_with_slash(url: &Url, answer: &HttpAnswer) -> bool {
    let moved = matches!(answer.status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
    let target = answer.location.as_deref().and_then(|location| url.join(location).ok());
    moved
        && target.is_some_and(|target| {
            target.origin() == url.origin()
                && target.username().is_empty()
                && target.password().is_none()
                && target.path().strip_suffix('/') == Some(url.path())
                && (target.query().is_none() || target.query() == url.query())
        })
}

fn unwrap_envelope(mut body: Value, header_id: Option<String>, date: Option<String>) -> ApiReply {
    let request_id = request_id(&body).or(header_id);
    let fields = body.as_object_mut();
    let pagination = fields.as_ref().and_then(|fields| fields.get("pagination")).cloned();
    let data = fields.and_then(|fields| fields.remove("data")).unwrap_or(body);
    ApiReply { data, pagination, request_id, date }
}

/// Counts an exchange by what it does and how it came out: closed sets, no path and no text.
fn tally(kind: RequestKind, outcome: &Result<ApiReply, Error>, time: Duration) {
    let (request, class) = (kind.name(), outcome.as_ref().map_or_else(Error::class, |_| "done"));
    metrics::counter!("upstream_requests_total", "request" => request, "class" => class).increment(1);
    metrics::histogram!("upstream_seconds", "request" => request).record(time.as_secs_f64());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AgentId, NumberId};
    use proptest::prelude::*;

    fn client(base: &str) -> Client {
        let setup = ClientConfig {
            base_url: Url::parse(base).expect("a URL"),
            key: Secret::new("truedy_0123456789abcdef".to_owned()).expect("a key"),
            rate: Rate::Off,
            proxy: None,
            ca_pem: None,
        };
        Client::new(setup, Arc::default()).expect("a client")
    }

    proptest! {
        #[test]
        fn an_address_is_the_template_or_nothing(part in "\\PC{0,70}") {
            let client = client("https://api.truedy.ai/api/public/v1");
            let request = Request::delete(["telephony", "numbers", &part]);
            if let Ok(url) = client.address(&request) {
                prop_assert_eq!(url.path(), format!("/api/public/v1/telephony/numbers/{part}"));
                prop_assert_eq!(url.host_str(), Some("api.truedy.ai"));
                prop_assert!(!part.contains('/') || url.path_segments().is_some());
            }
        }

        #[test]
        fn every_id_gives_exactly_its_own_address(id in "[A-Za-z0-9_-]{1,64}") {
            let client = client("http://127.0.0.1:1/api/public/v1/");
            let (number, agent) = (NumberId::try_from(id.as_str()).expect("an id"), AgentId::try_from(id.as_str()).expect("an id"));
            let url = client.address(&Request::delete(["telephony", "numbers", number.as_str()])).expect("an address");
            prop_assert_eq!(url.as_str(), format!("http://127.0.0.1:1/api/public/v1/telephony/numbers/{id}"));
            let url = client.address(&Request::get(["telephony", "agents", agent.as_str(), "numbers"]).query("limit", 1)).expect("an address");
            prop_assert_eq!(url.as_str(), format!("http://127.0.0.1:1/api/public/v1/telephony/agents/{id}/numbers?limit=1"));
        }
    }

    #[test]
    fn climbing_and_splitting_give_no_address() {
        let client = client("https://api.truedy.ai/v1");
        for part in ["..", ".", "../x", "a/b", "%2e%2e", "a?b", "a#b", "", "a b", "é"] {
            let address = client.address(&Request::delete(["telephony", "numbers", part]));
            assert!(address.is_err(), "{part:?} gives {address:?}");
        }
    }

    #[test]
    fn only_the_same_address_with_a_slash_is_followed() {
        let url = Url::parse("https://api.truedy.ai/v1/agents?limit=1").expect("a URL");
        let moved = |status: u16, location: &str| {
            let answer = HttpAnswer {
                status: StatusCode::from_u16(status).expect("a status"),
                location: Some(location.to_owned()),
                date: None,
                retry_after: None,
                request_id: None,
                body: Ok(Value::Null),
                empty: true,
            };
            is_same_with_slash(&url, &answer)
        };
        for location in ["/v1/agents/", "/v1/agents/?limit=1", "https://api.truedy.ai/v1/agents/"] {
            assert!(moved(307, location) && moved(308, location), "{location}");
        }
        for location in [
            "https://evil.example/v1/agents/",
            "http://api.truedy.ai/v1/agents/",
            "//evil.example/v1/agents/",
            "/v1/agents",
            "/v1/agents//",
            "/agents/",
            "https://x@api.truedy.ai/v1/agents/",
            "https://api.truedy.ai:444/v1/agents/",
            "/v1/agents/?limit=2",
            "",
        ] {
            assert!(!moved(307, location), "{location}");
        }
        assert!(!moved(302, "/v1/agents/"));
    }

    #[test]
    fn the_key_does_not_print() {
        let client = client("https://api.truedy.ai/v1");
        assert!(!format!("{client:?} {:?}", client.setup).contains("0123456789abcdef"));
    }
}
