//! The client: base URL, key, deadlines, the loop that sends a request, and the response envelope.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method};
use parking_lot::Mutex;
use tokio::sync::OnceCell;
use tokio::time::Instant;
use tracing::Instrument;
use url::Url;

use crate::domain::{ListedRow, ListedRows, ServerTime};
use crate::redact::Redactor;
use crate::telemetry;
use crate::truedy::client::answer::{ApiReply, HttpAnswer, ReplyData};
use crate::truedy::client::call::CallBudget;
use crate::truedy::client::settings::{ClientConfig, SetupError};
use crate::truedy::client::transport::{KEPT, is_same_with_slash, open, random, stopped, tally};
use crate::truedy::error::{ApiError, Error, NotSent};
use crate::truedy::limiter::{Busy, Limiter, Priority, SharedRate};
use crate::truedy::request::Request;
use crate::truedy::retry;
use crate::truedy::sent_body::{SentFlag, WatchedBody, unless_stale};

/// A rate limit is waited for only within this time from the start of the request.
const WAITED_OUT: Duration = Duration::from_secs(16);
/// The budget for repeats. Each repeat costs a part of it, and each success restores 1.
const BUDGET: f64 = 50.0;

/// A client of one organisation.
pub struct Client {
    setup: ClientConfig,
    authorization: HeaderValue,
    pub(crate) redactor: Arc<Redactor>,
    limiter: Limiter,
    budget: Mutex<f64>,
    pub(crate) server_time: Arc<ServerTime>,
    // Built at the first request, so that loading the root certificates does not delay the start.
    reads: OnceCell<Result<reqwest::Client, String>>,
    changes: OnceCell<Result<reqwest::Client, String>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Client")
            .field("base_url", &self.setup.base_url.as_url().as_str())
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Creates a client. It does not connect yet.
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

    /// Returns the same client, which stores in `server_time` the times that Truedy's responses state.
    #[must_use]
    pub fn telling(self, server_time: Arc<ServerTime>) -> Self {
        Self { server_time, ..self }
    }

    /// Returns the same client, which counts its requests together with other processes.
    #[must_use]
    pub fn sharing(self, shared: SharedRate) -> Self {
        Self { limiter: self.limiter.sharing(shared), ..self }
    }

    /// Gives back what the client has leased from the shared window and not used, at the end of the process. It waits
    /// at most half a second.
    pub async fn give_back(&self) {
        self.limiter.give_back().await;
    }

    /// Returns the time by Truedy's own clock, in milliseconds since 1970. `None` if no response has stated one.
    pub fn server_time(&self) -> Option<i64> {
        self.server_time.now()
    }

    /// Sends a request, with repeats where they are safe.
    ///
    /// Returns the reply, or an error: refused, outcome not known, or out of time.
    pub async fn send(&self, request: Request, call: &CallBudget) -> Result<ApiReply, Error> {
        self.send_as(request, call).await
    }

    /// Requests a list. Only the fields that its rows use are kept of the response.
    ///
    /// It is an error if the data of the response is not an array.
    pub async fn list<T: ListedRow>(
        &self,
        request: Request,
        call: &CallBudget,
    ) -> Result<ApiReply<ListedRows<T>>, Error> {
        let reply: ApiReply<Option<ListedRows<T>>> = self.send_as(request, call).await?;
        if reply.data.is_none() {
            return Err(Error::no_list());
        }
        Ok(reply.map(Option::unwrap_or_default))
    }

    async fn send_as<D: ReplyData>(&self, request: Request, call: &CallBudget) -> Result<ApiReply<D>, Error> {
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
            // A change may wait long for its response. The wait for a rate limit to end is limited for every request.
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

    pub(crate) fn spend(&self, cost: f64) -> bool {
        let mut budget = self.budget.lock();
        let enough = *budget >= cost;
        if enough {
            *budget -= cost;
        }
        enough
    }

    pub(crate) fn earn(&self) {
        let mut budget = self.budget.lock();
        *budget = BUDGET.min(*budget + 1.0);
    }

    /// Makes one attempt. It follows a redirect to the same path with a slash.
    pub(crate) async fn attempt<D: ReplyData>(
        &self,
        request: &Request,
        call: &CallBudget,
    ) -> Result<ApiReply<D>, Error> {
        let url = self.address(request)?;
        let share = match () {
            () if request.kind.changes() || request.verifies => Priority::Reserved,
            () if call.background => Priority::Background,
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

    /// Builds the address and checks that it is the intended one. Ids are safe by their types; this check confirms it.
    pub(crate) fn address(&self, request: &Request) -> Result<Url, Error> {
        let bad = || Error::NotSent(NotSent::BadAddress);
        let base = self.setup.base_url.as_url();
        let mut url = base.clone();
        url.path_segments_mut().map_err(|()| bad())?.pop_if_empty().extend(&request.path);
        let expected = format!("{}/{}", base.path().trim_end_matches('/'), request.path.join("/"));
        if url.path() != expected || url.host() != base.host() || request.path.iter().any(String::is_empty) {
            return Err(bad());
        }
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(request.query.iter().map(|(name, value)| (*name, value.as_str())));
        }
        Ok(url)
    }

    pub(crate) async fn exchange<D: ReplyData>(
        &self,
        request: &Request,
        url: &Url,
        share: Priority,
        call: &CallBudget,
    ) -> Result<HttpAnswer<D>, Error> {
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
            // Truedy ignores these headers today, and nothing relies on them.
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
        // Nothing stops a change once it may have been sent.
        let without_body = request.body.is_none();
        let outcome = if changes {
            let is_stale = || call.permit.as_ref().is_some_and(|permit| permit.is_stale());
            unless_stale(exchange, &sent_flag, is_stale).await.ok_or_else(|| {
                telemetry::received(&span, Err("stale"));
                let why = "what it relies on was read too long ago".to_owned();
                // Only a request with a body shows that nothing was sent.
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

    /// Returns the HTTP client, built on first use.
    ///
    /// A change gets a fresh connection: a kept connection that is dead could leave its outcome unknown. Reads keep
    /// their connections.
    ///
    /// The root certificates are files, so they are read on a blocking thread.
    pub(crate) async fn http_client(&self, changes: bool) -> Result<&reqwest::Client, Error> {
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AgentId, NumberId, SecureUrl};
    use crate::redact::Secret;
    use crate::truedy::limiter::Rate;
    use proptest::prelude::*;
    use reqwest::StatusCode;

    fn client(base: &str) -> Client {
        let setup = ClientConfig {
            base_url: SecureUrl::new(Url::parse(base).expect("a URL")).expect("a secure URL"),
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
            let answer: HttpAnswer = HttpAnswer {
                status: StatusCode::from_u16(status).expect("a status"),
                location: Some(location.to_owned()),
                date: None,
                retry_after: None,
                request_id: None,
                body: Err(String::new()),
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
