//! The HTTP server: its public address, its admin address, its watched files, and its shutdown.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use http::{Request, Response};
use hyper::body::Incoming;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::files::watch;
use crate::guard::Scope;
use crate::http::admin::endpoints::{Admin, ReadinessCheck};
use crate::http::auth::authenticator::Authenticator;
use crate::http::auth::static_tokens::StaticTokens;
use crate::http::connection::accept::{ConnectionServer, LAST_REQUEST, RequestHandler};
use crate::http::connection::keep_alive::HEAD;
use crate::http::connection::listener::{Listen, Listener};
use crate::http::connection::shutdown::{Lifecycle, LifecyclePhase};
use crate::http::connection::tls::ServerTls;
use crate::http::pages::landing::Landing;
use crate::http::request::host_check::{AllowedHost, AllowedOrigin};
use crate::http::request::public_path::PublicPath;
use crate::http::router::Router;
use crate::mcp::transport::http_response::ResponseBody;
use crate::mcp::{LegacySse, Streamable, Tenant};

/// The time at shutdown to respond to running requests. A call takes at most 25 s.
const ANSWERS: Duration = Duration::from_secs(30);
/// The time after that for changes that continue without a caller. An unfinished change stays in the journal.
const CHANGES: Duration = Duration::from_secs(30);
/// The time for idle connections to close.
const GOODBYE: Duration = Duration::from_secs(2);
/// The maximum number of connections to the admin endpoints. Health checks are frequent but few at a time.
const ADMIN_CONNECTIONS: usize = 32;
/// The longest time that a metrics request waits for the journal.
const JOURNAL: Duration = Duration::from_secs(1);
/// The interval of the maintenance of metrics histograms.
const UPKEEP: Duration = Duration::from_secs(5);

/// The parts and settings of a server.
pub struct ServerConfig {
    /// The address on which it listens.
    pub listen: Listen,
    /// The certificate that it uses. Without one it serves HTTP.
    pub tls: Option<ServerTls>,
    /// Whether clients reach it by HTTPS, with its own certificate or a proxy's.
    pub https: bool,
    /// The names under which clients reach a proxy that terminates TLS. The server's own address then serves HTTP.
    pub proxied: Option<Vec<AllowedHost>>,
    /// The hosts that requests may name.
    pub hosts: Vec<AllowedHost>,
    /// The origins whose pages may call.
    pub origins: Vec<AllowedOrigin>,
    /// Authenticates callers.
    pub door: Authenticator,
    /// The Streamable HTTP endpoint.
    pub streamable: Streamable,
    /// The endpoints of revision 2024-11-05, if they are on.
    pub legacy_sse: Option<LegacySse>,
    /// Ends the streams of both kinds of endpoint.
    pub streams: CancellationToken,
    /// The scope that each tool needs, by tool name.
    pub scopes: HashMap<&'static str, Scope>,
    /// All tenants of this server.
    pub tenants: Vec<Arc<Tenant>>,
    /// The path that clients use in front of the server's own paths.
    pub public_path: PublicPath,
    /// The maximum number of open connections.
    pub max_connections: usize,
    /// The time that a connection of an authenticated caller stays open without a request.
    pub keep_alive: Duration,
    /// The time for which the server still serves after a shutdown signal. A load balancer can notice the change
    /// meanwhile.
    pub drain: Duration,
    /// The admin endpoints, if they are on.
    pub admin: Option<AdminConfig>,
}

/// The parts and settings of the admin endpoints.
pub struct AdminConfig {
    /// The address on which they listen, on loopback.
    pub listen: SocketAddr,
    /// The recorded metrics.
    pub metrics: PrometheusHandle,
    /// The readiness checks, by name. All must succeed for the server to be ready.
    pub checks: Vec<(&'static str, ReadinessCheck)>,
    /// Returns that changes are frozen, if they are. That does not make the server unready.
    pub frozen: ReadinessCheck,
}

/// A server that listens but does not serve yet.
pub struct HttpServer {
    at: Listen,
    admin_at: Option<SocketAddr>,
    edge: ConnectionServer<Router>,
    admin: Option<ConnectionServer<Admin>>,
    site: Arc<Router>,
    life: Arc<Lifecycle>,
    tls: Option<Arc<ServerTls>>,
    tenants: Vec<Arc<Tenant>>,
    streams: CancellationToken,
    drain: Duration,
    metrics: Option<PrometheusHandle>,
}

impl HttpServer {
    /// Binds the addresses. An error names the address.
    pub async fn bind(setup: ServerConfig) -> Result<Self, String> {
        raise_file_limit(setup.max_connections);
        let told =
            |address: &dyn std::fmt::Display, error: io::Error| format!("{address} cannot be listened on: {error}.");
        let listener = Listener::bind(&setup.listen).await.map_err(|error| told(&setup.listen, error))?;
        let at = listener.at(&setup.listen);
        let life = Arc::new(Lifecycle::default());
        let site = Arc::new(Router {
            door: setup.door,
            hosts: setup.hosts,
            origins: setup.origins,
            streamable: setup.streamable,
            legacy_sse: setup.legacy_sse,
            scopes: setup.scopes,
            landing: Landing::new((setup.https, setup.proxied), &setup.tenants),
            key_page: Default::default(),
            scheme: match (setup.https, &setup.listen) {
                (true, _) => Some("https"),
                (false, Listen::Tcp(_)) => Some("http"),
                (false, Listen::Unix(_)) => None,
            },
            public_path: setup.public_path,
            life: Arc::clone(&life),
            bodies: Default::default(),
            calls: Default::default(),
            cors: Default::default(),
            said_http_1_0: Default::default(),
        });
        let (mut admin, mut admin_at, mut metrics) = (None, None, None);
        if let Some(wanted) = setup.admin {
            let listen = Listen::Tcp(wanted.listen);
            let listener = Listener::bind(&listen).await.map_err(|error| told(&listen, error))?;
            if let Listen::Tcp(address) = listener.at(&listen) {
                admin_at = Some(address);
            }
            metrics = Some(wanted.metrics.clone());
            let mut checks = wanted.checks;
            checks.extend(site.door.tokens().cloned().map(tokens_check));
            let answers = Admin::new(
                Arc::clone(&life),
                (checks, wanted.frozen),
                wanted.metrics,
                measured(Arc::clone(&site), setup.tenants.clone()),
            );
            admin = Some(ConnectionServer {
                listener,
                tls: None,
                answers: Arc::new(answers),
                // The admin endpoints respond until the process ends, so that health checks can see the shutdown.
                life: Arc::default(),
                max_connections: ADMIN_CONNECTIONS,
                keep_alive: HEAD,
            });
        }
        let tls = setup.tls.map(Arc::new);
        let edge = ConnectionServer {
            listener,
            tls: tls.clone(),
            answers: Arc::clone(&site),
            life: Arc::clone(&life),
            max_connections: setup.max_connections,
            keep_alive: setup.keep_alive,
        };
        let (tenants, streams, drain) = (setup.tenants, setup.streams, setup.drain);
        Ok(Self { at, admin_at, edge, admin, site, life, tls, tenants, streams, drain, metrics })
    }

    /// Returns the address on which it listens, with the assigned port.
    pub fn at(&self) -> &Listen {
        &self.at
    }

    /// Returns the address of the admin endpoints, if they are on.
    pub fn admin_at(&self) -> Option<SocketAddr> {
        self.admin_at
    }

    /// Serves until `shutdown` resolves, then drains. At first the server is not ready but still serves. Then running
    /// requests get their responses, and running changes finish.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let Self { edge, admin, site, life, tls, tenants, streams, drain, metrics, .. } = self;
        let mut edge = tokio::spawn(edge.serve());
        let background = [
            admin.map(|admin| tokio::spawn(admin.serve())),
            Some(tokio::spawn(watched(site.door.tokens().cloned(), tls))),
            metrics.map(|metrics| tokio::spawn(upkeep(metrics))),
        ];
        let tending = tenants.iter().map(|tenant| {
            let service = Arc::clone(&tenant.service);
            tokio::spawn(async move { service.tend().await })
        });
        let tending: Vec<_> = tending.collect();
        shutdown.await;
        tracing::info!("ending: no longer ready");
        life.go_on_to(LifecyclePhase::Draining);
        tokio::time::sleep(drain).await;
        life.go_on_to(LifecyclePhase::Shut);
        // A request that was on its way must arrive before running requests are counted.
        let ended = tokio::time::timeout(LAST_REQUEST, &mut edge).await.is_ok();
        let answered = async || {
            site.calls.close();
            site.calls.wait().await;
            if let Some(sse) = &site.legacy_sse {
                sse.all_answered().await;
            }
        };
        if tokio::time::timeout(ANSWERS, answered()).await.is_err() {
            tracing::warn!("not everybody was answered in time");
            // A call that still waits for a person gets a response, which says that nothing was done.
            tenants.iter().for_each(|tenant| tenant.service.stop());
            drop(tokio::time::timeout(GOODBYE, answered()).await);
        }
        // The remaining streams have no more events.
        streams.cancel();
        if !ended && tokio::time::timeout(GOODBYE, &mut edge).await.is_err() {
            edge.abort();
        }
        let until = Instant::now() + CHANGES;
        let finishing = tenants.iter().map(|tenant| {
            let left = until.saturating_duration_since(Instant::now());
            tenant.service.finish(std::future::ready(()), Duration::ZERO, left)
        });
        join_all(finishing).await;
        tending.iter().for_each(tokio::task::JoinHandle::abort);
        background.iter().flatten().for_each(tokio::task::JoinHandle::abort);
    }
}

impl RequestHandler for Router {
    const HAS_CLIENTS: bool = true;

    async fn answer(&self, request: Request<Incoming>) -> Response<ResponseBody> {
        Self::answer(self, request).await
    }
}

/// Returns a readiness check that fails while the token file cannot be used.
fn tokens_check(tokens: Arc<StaticTokens>) -> (&'static str, ReadinessCheck) {
    let check = move || -> BoxFuture<'static, Option<String>> {
        let wrong = (!tokens.is_readable()).then(|| "the file of tokens cannot be used".to_owned());
        Box::pin(std::future::ready(wrong))
    };
    ("tokens", Box::new(check))
}

/// Reloads the token file and the certificate when they change.
async fn watched(tokens: Option<Arc<StaticTokens>>, tls: Option<Arc<ServerTls>>) {
    let reload_tokens = async {
        let Some(tokens) = tokens else { return };
        watch(vec![tokens.file().to_owned()], move || match tokens.reload() {
            Ok(count) => tracing::info!(count, "the tokens were read"),
            Err(why) => tracing::error!(why, "the file of tokens cannot be used: nobody comes in until it can"),
        })
        .await;
    };
    let reload_certificates = async {
        let Some(tls) = tls else { return };
        watch(tls.files(), move || match tls.reload() {
            Ok(()) => tracing::info!("the certificate was read"),
            Err(why) => tracing::error!(why, "the new certificate cannot be used: the one before stays"),
        })
        .await;
    };
    tokio::join!(reload_tokens, reload_certificates);
}

async fn upkeep(metrics: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP).await;
        metrics.run_upkeep();
    }
}

/// Returns a function that updates the metrics which are measured only on request.
fn measured(site: Arc<Router>, tenants: Vec<Arc<Tenant>>) -> Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync> {
    #[expect(clippy::cast_precision_loss, reason = "these counts are far below 2^52")]
    let number = |count: u64| count as f64;
    Box::new(move || {
        let (site, tenants) = (Arc::clone(&site), tenants.clone());
        Box::pin(async move {
            let unresolved = join_all(tenants.iter().map(|tenant| tenant.service.unresolved()));
            // If the journal does not respond, the metric keeps its earlier value.
            if let Ok(counts) = tokio::time::timeout(JOURNAL, unresolved).await
                && let Some(all) = counts.into_iter().sum::<Option<usize>>()
            {
                metrics::gauge!("operations_unresolved").set(number(u64::try_from(all).unwrap_or(0)));
            }
            let sessions = site.streamable.sessions().await + site.legacy_sse.as_ref().map_or(0, LegacySse::clients);
            metrics::gauge!("http_sessions").set(number(u64::try_from(sessions).unwrap_or(0)));
            if let Some(bytes) = resident() {
                metrics::gauge!("process_resident_memory_bytes").set(number(bytes));
            }
            if let Some(open) = descriptors() {
                metrics::gauge!("process_open_fds").set(number(open));
            }
        })
    })
}

/// Returns the resident memory in bytes, where the system provides it.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

fn descriptors() -> Option<u64> {
    u64::try_from(std::fs::read_dir(PathBuf::from("/proc/self/fd")).ok()?.count()).ok()
}

/// Raises the limit of open files. Each connection is an open file, and many systems allow only 1,024 by default.
fn raise_file_limit(connections: usize) {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        // More files are needed for refused connections, connections to Truedy, the journal, and other files.
        let wanted = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(1024);
        let now = getrlimit(Resource::Nofile);
        if now.current.is_some_and(|current| current < wanted) {
            let most = now.maximum.map_or(wanted, |maximum| maximum.min(wanted));
            if setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: now.maximum }).is_err()
                || most < wanted
            {
                tracing::warn!(most, wanted, "fewer files may be open than connections are allowed");
            }
        }
    }
    #[cfg(not(unix))]
    let _ = connections;
}
