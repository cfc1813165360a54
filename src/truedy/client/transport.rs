//! The HTTP connection to Truedy, built from the settings, and helpers for one exchange.

use std::future::Future;
use std::time::Duration;

use http::StatusCode;
use url::Url;

use crate::truedy::client::answer::{ApiReply, HttpAnswer};
use crate::truedy::client::call::CallBudget;
use crate::truedy::client::settings::{ClientConfig, Proxy};
use crate::truedy::error::Error;
use crate::truedy::request::RequestKind;

/// The longest time to establish a connection.
pub(crate) const CONNECT: Duration = Duration::from_secs(5);

/// Idle connections that are kept for reads.
///
/// If more requests than this run at a time, each further one begins with a handshake. A connection that is not used is
/// closed after [`IDLE`].
pub(crate) const KEPT: usize = 256;

/// How long a connection that is not used is kept.
pub(crate) const IDLE: Duration = Duration::from_secs(20);

pub(crate) fn open(setup: &ClientConfig, idle: usize) -> Result<reqwest::Client, reqwest::Error> {
    let mut builder = reqwest::Client::builder()
        .https_only(setup.base_url.is_https())
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
    // Plain http goes only to a loopback host. It needs no root certificates, which take time to load.
    builder = match &setup.ca_pem {
        _ if !setup.base_url.is_https() => builder.tls_certs_only([]),
        Some(pem) => builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(pem)?),
        None => builder,
    };
    builder.pool_max_idle_per_host(idle).build()
}

/// Runs a future until the call is cancelled. Returns `None` if it is cancelled.
pub(crate) async fn stopped<F: Future>(call: &CallBudget, future: F) -> Option<F::Output> {
    tokio::select! {
        biased;
        () = call.stop.cancelled() => None,
        output = future => Some(output),
    }
}

/// Returns a random number from 0 to below 1, for jitter only.
pub(crate) fn random() -> f64 {
    let (high, _) = uuid::Uuid::new_v4().as_u64_pair();
    f64::from(u32::try_from(high >> 40).unwrap_or_default()) / f64::from(1_u32 << 24)
}

/// Whether a response redirects `/agents` to `/agents/`. Only this redirect is followed, and only for reads (contract
/// §1).
pub(crate) fn is_same_with_slash<D>(url: &Url, answer: &HttpAnswer<D>) -> bool {
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

/// Counts an exchange by kind and outcome. The labels are closed sets, without paths and texts.
pub(crate) fn tally<D>(kind: RequestKind, outcome: &Result<ApiReply<D>, Error>, time: Duration) {
    let (request, class) = (kind.name(), outcome.as_ref().map_or_else(Error::class, |_| "done"));
    metrics::counter!("upstream_requests_total", "request" => request, "class" => class).increment(1);
    metrics::histogram!("upstream_seconds", "request" => request).record(time.as_secs_f64());
}
