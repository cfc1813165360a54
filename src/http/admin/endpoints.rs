//! Admin endpoints on loopback for operators: liveness, readiness and metrics. They show no data of any caller.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;

use crate::http::connection::accept::RequestHandler;
use crate::http::connection::shutdown::Lifecycle;
use crate::http::request::host_check::{AllowedHost, check_host};
use crate::mcp::transport::http_response::{ResponseBody, json_answer, refusal, text};

/// The process counts as stuck if its watchdog has not run for this long.
const STUCK: Duration = Duration::from_secs(5);
/// The interval of the watchdog.
const TICK: Duration = Duration::from_secs(1);

/// Returns what is wrong with a required part; `None` if nothing is wrong.
pub type ReadinessCheck = Box<dyn Fn() -> BoxFuture<'static, Option<String>> + Send + Sync>;

/// The admin endpoints.
pub(crate) struct Admin {
    life: Arc<Lifecycle>,
    checks: Vec<(&'static str, ReadinessCheck)>,
    /// Says that changes are frozen, if they are. The server is ready all the same.
    frozen: ReadinessCheck,
    metrics: PrometheusHandle,
    started: Instant,
    /// The time of the watchdog's last run, in milliseconds after the start.
    moved: Arc<AtomicU64>,
    refresh: Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>,
}

impl Admin {
    /// Creates the endpoints with these checks. `refresh` updates the metrics that are measured only on request.
    pub(crate) fn new(
        life: Arc<Lifecycle>,
        (checks, frozen): (Vec<(&'static str, ReadinessCheck)>, ReadinessCheck),
        metrics: PrometheusHandle,
        refresh: Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>,
    ) -> Self {
        let (started, moved) = (Instant::now(), Arc::new(AtomicU64::new(0)));
        let own = Arc::downgrade(&moved);
        tokio::spawn(async move {
            while let Some(moved) = own.upgrade() {
                moved.store(u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
                drop(moved);
                tokio::time::sleep(TICK).await;
            }
        });
        Self { life, checks, frozen, metrics, started, moved, refresh }
    }

    fn live(&self) -> Response<ResponseBody> {
        let moved = Duration::from_millis(self.moved.load(Ordering::Relaxed));
        let stuck = self.started.elapsed().saturating_sub(moved) > STUCK;
        let status = if stuck { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        json_answer(status, &json!({ "live": !stuck }))
    }

    /// Says whether the server can take more requests. Truedy is not checked, because its outage would make every
    /// replica unready.
    async fn ready(&self) -> Response<ResponseBody> {
        let mut parts = serde_json::Map::new();
        let mut ready = self.life.is_open();
        for (name, check) in &self.checks {
            let wrong = check().await;
            ready &= wrong.is_none();
            parts.insert((*name).to_owned(), json!(if wrong.is_none() { "ok" } else { "failing" }));
            if let Some(why) = wrong {
                tracing::warn!(part = name, why, "not ready");
            }
        }
        let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let mut body = json!({ "ready": ready, "draining": !self.life.is_open(), "parts": parts });
        if let Some(frozen) = (self.frozen)().await {
            body["changes"] = json!(frozen);
        }
        json_answer(status, &body)
    }

    async fn metrics(&self) -> Response<ResponseBody> {
        (self.refresh)().await;
        text(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", self.metrics.render())
    }
}

impl RequestHandler for Admin {
    const HAS_CLIENTS: bool = false;

    async fn answer(&self, request: Request<Incoming>) -> Response<ResponseBody> {
        // With this check, a page that uses DNS rebinding cannot read anything here.
        if check_host(request.headers(), request.uri(), &AllowedHost::loopback()).is_err() {
            return refusal(StatusCode::FORBIDDEN, "This Host is not allowed.");
        }
        if request.method() != Method::GET {
            return refusal(StatusCode::METHOD_NOT_ALLOWED, "Only GET works here.");
        }
        match request.uri().path() {
            "/livez" => self.live(),
            "/readyz" => self.ready().await,
            "/metrics" => self.metrics().await,
            _ => refusal(StatusCode::NOT_FOUND, "There are /livez, /readyz and /metrics."),
        }
    }
}
