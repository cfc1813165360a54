//! `truedy-mcp http`: runs the server as a service that is reached by URL.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;

use crate::cli::http::oauth_args::{OAuthArgs, Reached};
use crate::cli::http::readiness;
use crate::cli::output::{Exit, complain};
use crate::cli::{bootstrap, logging, signal};
use crate::config::{ConfigError, Settings, expanded, path_setting};
use crate::domain::Caller;
use crate::files::{private_bytes, public_bytes};
use crate::guard::Rights;
use crate::http::{
    AdminConfig, AllowedHost, AllowedOrigin, Authenticator, Certificates, FILE_LIMIT, FileReader, HttpServer, Listen,
    PublicPath, ServerConfig, ServerTls, StaticTokens, Verifiers, fresh,
};
use crate::journal::JournalPlace;
use crate::mcp::{Catalog, LegacySse, McpServer, Principal, SessionMode, Streamable, Tenant};
use crate::redact::{Redactor, Secret, shown_path};

/// Seconds that a server on an open network still serves after it was asked to end. A proxy needs this long to notice.
const DRAIN: u64 = 5;
/// The same for a server that listens on this machine alone.
const DRAIN_LOCAL: u64 = 1;
/// The bucket bounds of measured durations, in seconds.
const TIMES: [f64; 12] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 25.0];

#[derive(Debug, Args)]
pub struct HttpArgs {
    /// Where to listen: an address and port (0 takes any free one), or `unix:` and the path of a socket.
    #[arg(long, value_name = "ADDR|unix:PATH", env = "TRUEDY_MCP_LISTEN", default_value = "127.0.0.1:8080", value_parser = listen)]
    pub listen: Listen,

    /// A name by which clients reach this server, exactly, with or without a port, for example `mcp.example.com`. The names of this machine always pass where it listens on this machine alone.
    #[arg(long, value_name = "HOST,…", env = "TRUEDY_MCP_ALLOW_HOST", value_delimiter = ',', value_parser = allowed_host)]
    pub allow_host: Vec<AllowedHost>,

    /// An origin whose web pages may call and read answers (CORS), for example `https://app.example.com`. Pages of this machine may call a server that listens on this machine alone.
    #[arg(long, value_name = "ORIGIN,…", env = "TRUEDY_MCP_ALLOW_ORIGIN", value_delimiter = ',', value_parser = allowed_origin)]
    pub allow_origin: Vec<AllowedOrigin>,

    /// A proxy in front of this server speaks TLS with its clients; what it says of them in headers is not believed.
    #[arg(long, env = "TRUEDY_MCP_BEHIND_TLS_PROXY", action = ArgAction::SetTrue, value_parser = BoolishValueParser::new())]
    pub behind_tls_proxy: bool,

    /// Certificate chain in PEM; this server then speaks TLS itself. Read again when it changes.
    #[arg(long, value_name = "FILE", env = "TRUEDY_MCP_TLS_CERT", value_parser = path_setting(), requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// Private key of the certificate in PEM, mode 0600.
    #[arg(long, value_name = "FILE", env = "TRUEDY_MCP_TLS_KEY", value_parser = path_setting(), requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// File with the bearer tokens that open the door, made by `truedy-mcp token new`. Read again when it changes.
    #[arg(long, value_name = "FILE", env = "TRUEDY_MCP_TOKENS", value_parser = path_setting())]
    pub tokens: Option<PathBuf>,

    /// Let in whoever reaches this server, without a token: only where it listens on this machine alone.
    #[arg(long, env = "TRUEDY_MCP_NO_AUTH_LOOPBACK", action = ArgAction::SetTrue, value_parser = BoolishValueParser::new())]
    pub no_auth_loopback: bool,

    #[command(flatten)]
    pub oauth: OAuthArgs,

    /// Give clients of 2025-11-25 and before a session, so that their users can be asked while a call is open. Sessions live in this process: a proxy in front must send each to the same one.
    #[arg(long, env = "TRUEDY_MCP_SESSIONS", action = ArgAction::SetTrue, value_parser = BoolishValueParser::new())]
    pub sessions: bool,

    /// Seconds a session may be silent before it is closed; a stream that its client holds open is not silence.
    #[arg(long, value_name = "SECONDS", env = "TRUEDY_MCP_SESSION_IDLE_SECONDS", default_value = "3600", value_parser = clap::value_parser!(u64).range(1..=604_800))]
    pub session_idle_seconds: u64,

    /// Serve the transport of 2024-11-05 as well (GET /sse, POST /messages), for clients that know nothing newer; deprecated. Without it, on where the server listens on this machine alone, without --behind-tls-proxy and as one replica.
    #[arg(long, value_name = "on|off", env = "TRUEDY_MCP_LEGACY_SSE", num_args = 0..=1, default_missing_value = "on", value_parser = on_or_off)]
    pub legacy_sse: Option<bool>,

    /// The path in front of /mcp, /sse and /enter where clients reach this server, for example `/truedy` where a proxy serves `https://example.com/truedy/mcp`. The proxy may take it off or leave it.
    #[arg(long, value_name = "PREFIX", env = "TRUEDY_MCP_PUBLIC_PATH")]
    pub public_path: Option<PublicPath>,

    /// Seconds a connection of a known caller stays open without a request; choose more than the proxy in front keeps its own. Anybody else's is closed after 10.
    #[arg(long, value_name = "SECONDS", env = "TRUEDY_MCP_KEEP_ALIVE_SECONDS", default_value = "95", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub keep_alive_seconds: u64,

    /// Connections at a time; beyond that 503.
    #[arg(long, value_name = "N", env = "TRUEDY_MCP_MAX_CONNECTIONS", default_value = "2048", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_connections: u32,

    /// Where /livez, /readyz and /metrics are served: an address of this machine alone, for example `127.0.0.1:9464`. Off without it.
    #[arg(long, value_name = "ADDR", env = "TRUEDY_MCP_ADMIN_LISTEN", value_parser = local_address)]
    pub admin_listen: Option<SocketAddr>,

    /// How many servers share this account. More than one need `--journal postgres://…` and `--state-key-file`; while the database does not answer, each takes its share of `--upstream-rpm`.
    #[arg(long, value_name = "N", env = "TRUEDY_MCP_REPLICAS", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub replicas: u32,

    /// Seconds it still serves after it was asked to end, though not ready any more; 5 without it, 1 on this machine alone.
    #[arg(long, value_name = "SECONDS", env = "TRUEDY_MCP_DRAIN_SECONDS", value_parser = clap::value_parser!(u64).range(0..=300))]
    pub drain_seconds: Option<u64>,
}

/// Parses a switch. It accepts the same values as other switches.
fn on_or_off(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" => Ok(true),
        "off" | "false" | "no" | "0" => Ok(false),
        _ => Err("on or off".to_owned()),
    }
}

fn allowed_host(text: &str) -> Result<AllowedHost, String> {
    AllowedHost::parse(text.trim())
}

fn allowed_origin(text: &str) -> Result<AllowedOrigin, String> {
    AllowedOrigin::parse(text.trim())
}

/// Parses the address on which to listen. A path is expanded like in every other setting.
fn listen(text: &str) -> Result<Listen, String> {
    match text.strip_prefix("unix:") {
        Some(path) => format!("unix:{}", expanded(Path::new(path))?.display()).parse(),
        None => text.parse(),
    }
}

fn local_address(text: &str) -> Result<SocketAddr, String> {
    match text.parse::<Listen>() {
        Ok(Listen::Tcp(address)) if address.ip().is_loopback() => Ok(address),
        _ => Err("an address of this machine alone and a port, for example 127.0.0.1:9464".to_owned()),
    }
}

pub(crate) fn run(settings: &Settings, arguments: &HttpArgs) -> Result<Exit, ConfigError> {
    let redactor = Arc::new(Redactor::default());
    let _traced = logging::start(settings, &redactor);
    arguments.refuse_what_is_unsafe(settings)?;
    let tenants = bootstrap::tenants(settings, arguments.replicas, &redactor)?;
    let (door, shown) = arguments.door(settings, &tenants, &redactor)?;
    let issuer_line = door.issuer_line();
    let tls = arguments.tls()?;
    let metrics = arguments.admin_listen.map(|listen| Ok::<_, ConfigError>((listen, recorder()?))).transpose()?;
    let what = what(settings, &tenants);
    let runtime = bootstrap::runtime_for_many()?;
    let served = runtime.block_on(async {
        let streams = CancellationToken::new();
        let server = McpServer::shared();
        let idle = Duration::from_secs(arguments.session_idle_seconds);
        let sessions = if arguments.sessions { SessionMode::on(idle) } else { SessionMode::Off };
        let https = tls.is_some() || arguments.behind_tls_proxy;
        let setup = ServerConfig {
            listen: arguments.listen.clone(),
            tls,
            https,
            proxied: arguments.behind_tls_proxy.then(|| arguments.allow_host.clone()),
            hosts: arguments.hosts(),
            origins: arguments.origins(),
            door,
            streamable: Streamable::new(server.clone(), sessions, streams.clone()),
            legacy_sse: arguments.serves_legacy_sse().then(|| LegacySse::new(server, streams.clone())),
            streams,
            scopes: Catalog::scopes(),
            public_path: arguments.public_path.clone().unwrap_or_default(),
            max_connections: usize::try_from(arguments.max_connections).unwrap_or(usize::MAX),
            keep_alive: Duration::from_secs(arguments.keep_alive_seconds),
            drain: Duration::from_secs(arguments.drain_seconds.unwrap_or_else(|| arguments.usual_drain())),
            admin: metrics.map(|(listen, metrics)| AdminConfig {
                listen,
                metrics,
                checks: readiness::checks(&tenants),
                frozen: readiness::frozen(&tenants),
            }),
            tenants,
        };
        let server = HttpServer::bind(setup).await.map_err(ConfigError)?;
        arguments.announce(&server, shown.as_deref(), &what);
        issuer_line.iter().for_each(|line| complain(line));
        let shutdown = CancellationToken::new();
        tokio::spawn(signal::twice(shutdown.clone()));
        signal::outlive_file_limit();
        server.serve(shutdown.cancelled_owned()).await;
        Ok(Exit::Fine)
    });
    runtime.shutdown_background();
    served
}

impl HttpArgs {
    /// Refuses unsafe combinations of settings. Each error says in one sentence what is missing.
    fn refuse_what_is_unsafe(&self, settings: &Settings) -> Result<(), ConfigError> {
        let refuse = |sentence: String| Err(ConfigError(sentence));
        let (local, at) = (self.listen.is_local(), &self.listen);
        let authenticated = self.tokens.is_some() || self.oauth.oauth_issuer.is_some();
        if self.no_auth_loopback && !local {
            return refuse(format!(
                "--no-auth-loopback is for this machine alone, and {at} is reached from elsewhere: use --tokens FILE or --oauth-issuer URL."
            ));
        }
        if self.no_auth_loopback && self.behind_tls_proxy {
            return refuse(
                "--no-auth-loopback is for this machine alone, and through the proxy of --behind-tls-proxy others come in: use --tokens FILE or --oauth-issuer URL."
                    .to_owned(),
            );
        }
        if self.no_auth_loopback && authenticated {
            return refuse(
                "--no-auth-loopback lets everybody in, and --tokens and --oauth-issuer do not: set one of them only."
                    .to_owned(),
            );
        }
        if !local && !authenticated {
            return refuse(format!(
                "{at} is reached from elsewhere, and nothing tells who calls: use --tokens FILE (truedy-mcp token new makes one) or --oauth-issuer URL."
            ));
        }
        if !local && self.tls_cert.is_none() && !self.behind_tls_proxy {
            return refuse(format!(
                "{at} is reached from elsewhere, and tokens would travel in clear: use --tls-cert and --tls-key, or --behind-tls-proxy if a proxy in front speaks TLS."
            ));
        }
        if !local && self.allow_host.is_empty() {
            return refuse(format!(
                "{at} is reached from elsewhere, and no name of it is known: use --allow-host, for example --allow-host mcp.example.com."
            ));
        }
        if self.tls_cert.is_some() && self.behind_tls_proxy {
            return refuse("--behind-tls-proxy says that a proxy speaks TLS, and --tls-cert that this server does: set one of them only.".to_owned());
        }
        if self.replicas > 1 && !matches!(settings.journal_place()?, JournalPlace::Postgres(_)) {
            return refuse("More than one replica needs a journal that all of them share, or the same number could be bought twice: use --journal postgres://… (and no --sandbox).".to_owned());
        }
        if self.replicas > 1 && settings.state_key_file.is_none() {
            return refuse("More than one replica needs the same key for confirmations, or one would not know what another asked: use --state-key-file FILE.".to_owned());
        }
        if self.replicas > 1 && self.legacy_sse == Some(true) {
            return refuse("--legacy-sse keeps streams in one process, and a message may reach any replica: leave it out, or run one replica.".to_owned());
        }
        if self.replicas > 1 && self.sessions {
            return refuse("--sessions keeps sessions in one process, and a request may reach any replica: leave it out, or run one replica.".to_owned());
        }
        Ok(())
    }

    fn hosts(&self) -> Vec<AllowedHost> {
        let own = if self.listen.is_local() { AllowedHost::loopback() } else { Vec::new() };
        self.allow_host.iter().cloned().chain(own).collect()
    }

    fn origins(&self) -> Vec<AllowedOrigin> {
        let own = self.listen.is_local().then_some(AllowedOrigin::Loopback);
        self.allow_origin.iter().cloned().chain(own).collect()
    }

    /// Whether the transport of 2024-11-05 is served. By default it is served only on this machine alone.
    fn serves_legacy_sse(&self) -> bool {
        let own_machine = self.listen.is_local() && !self.behind_tls_proxy && self.replicas == 1;
        self.legacy_sse.unwrap_or(own_machine)
    }

    fn usual_drain(&self) -> u64 {
        if self.listen.is_local() { DRAIN_LOCAL } else { DRAIN }
    }

    /// Builds the authentication of callers. Also returns the token to show, if one was created for this run.
    fn door(
        &self,
        settings: &Settings,
        tenants: &[Arc<Tenant>],
        redactor: &Arc<Redactor>,
    ) -> Result<(Authenticator, Option<String>), ConfigError> {
        let by_name: BTreeMap<String, Arc<Tenant>> =
            tenants.iter().map(|tenant| (tenant.name.clone(), Arc::clone(tenant))).collect();
        if self.tokens.is_none() && self.oauth.oauth_issuer.is_none() {
            let [tenant] = tenants else {
                let sentence = "There is more than one tenant, and nothing tells whose a call is: use --tokens FILE or --oauth-issuer URL.";
                return Err(ConfigError(sentence.to_owned()));
            };
            let principal = Principal::new(Arc::clone(tenant), "local".to_owned(), Rights::default());
            if self.no_auth_loopback {
                return Ok((Authenticator::Open(principal), None));
            }
            let token = fresh();
            redactor.redact_always(&Secret::new(token.clone()).map_err(ConfigError)?);
            return Ok((Authenticator::own(&token, principal), Some(token)));
        }
        let tokens = self.tokens.as_ref().map(|file| {
            let names: BTreeSet<String> = by_name.keys().cloned().collect();
            let reader: Arc<FileReader> = Arc::new(|file| private_bytes(file, FILE_LIMIT));
            StaticTokens::open(file.clone(), names, reader).map(Arc::new).map_err(|why| {
                let make = if file.exists() { "" } else { "; truedy-mcp token new makes it" };
                ConfigError(format!("--tokens {} cannot be used: {why}{make}.", shown_path(file)))
            })
        });
        let tokens = tokens.transpose()?;
        let reached = Reached {
            https: self.tls_cert.is_some() || self.behind_tls_proxy,
            proxy: self.behind_tls_proxy,
            hosts: &self.allow_host,
            listen: &self.listen,
        };
        let oauth = self.oauth.verification(settings, &reached)?;
        let names = || by_name.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        if let Some(at) = self.oauth.oauth_tenant.iter().position(|(_, tenant)| !by_name.contains_key(tenant)) {
            let at = at + 1;
            return Err(ConfigError(format!(
                "--oauth-tenant: entry {at} names a tenant that there is not; there are: {}.",
                names()
            )));
        }
        if let (Some(_), None, false) =
            (&oauth, &self.oauth.oauth_tenant_claim, by_name.contains_key(&Caller::local().tenant))
        {
            return Err(ConfigError(format!(
                "--oauth-issuer: without --oauth-tenant-claim every token is of the tenant default, which there is not; there are: {}. Name the claim, for example --oauth-tenant-claim org.",
                names()
            )));
        }
        if tokens.as_ref().is_some_and(|tokens| tokens.is_empty()) && oauth.is_none() {
            complain("the file of tokens holds none: nobody can come in until `truedy-mcp token new` makes one");
        }
        Ok((Authenticator::Verified(Box::new(Verifiers::new(tokens, oauth, by_name.into_values()))), None))
    }

    fn tls(&self) -> Result<Option<ServerTls>, ConfigError> {
        let (Some(chain), Some(key)) = (self.tls_cert.clone(), self.tls_key.clone()) else { return Ok(None) };
        let readers: (Arc<FileReader>, Arc<FileReader>) =
            (Arc::new(|file| public_bytes(file, FILE_LIMIT)), Arc::new(|file| private_bytes(file, FILE_LIMIT)));
        let opened = ServerTls::open(Certificates { chain, key, readers });
        opened.map(Some).map_err(|why| ConfigError(format!("--tls-cert and --tls-key cannot be used: {why}.")))
    }

    /// Returns the addresses that clients use if a proxy speaks TLS with them.
    fn behind_proxy(&self) -> String {
        if let Some(url) = &self.oauth.public_url {
            return url.to_string();
        }
        let at = self.public_path.as_ref().map(ToString::to_string).unwrap_or_default();
        let names: Vec<String> = self.allow_host.iter().map(|host| format!("https://{host}{at}/mcp")).collect();
        if names.is_empty() {
            return format!("https and a name of --allow-host, for example https://mcp.example.com{at}/mcp");
        }
        names.join(", ")
    }

    /// Prints the server's address on standard error, and the token if one was created for this run.
    fn announce(&self, server: &HttpServer, token: Option<&str>, what: &[String]) {
        // The protocol at its own address. Behind a proxy this is HTTP.
        let scheme = if self.tls_cert.is_some() { "https" } else { "http" };
        // The address, and the start of a command that uses it with a token.
        let (url, begin) = match server.at() {
            Listen::Tcp(address) => {
                let url = format!("{scheme}://{address}/mcp");
                (url.clone(), format!("claude mcp add --transport http truedy {url} --header"))
            }
            Listen::Unix(path) => {
                let path = path.display();
                (format!("unix:{path}, path /mcp"), format!("curl --unix-socket {path} http://localhost/mcp --header"))
            }
        };
        complain(&format!("listening on {url}"));
        if self.behind_tls_proxy {
            let clients = self.behind_proxy();
            complain(&format!("that address speaks HTTP and is for the proxy alone; clients use {clients}"));
        }
        complain(&format!("working on {}", what.join("; ")));
        if let Some(address) = server.admin_at() {
            complain(&format!("admin endpoints on http://{address}: /livez, /readyz, /metrics"));
        }
        if self.serves_legacy_sse() {
            complain(
                "clients that know nothing newer than the transport of 2024-11-05 find it at /sse; it is deprecated",
            );
        }
        if self.no_auth_loopback {
            complain("no token is needed (--no-auth-loopback): every program on this machine can call");
            tracing::warn!("no token is needed: --no-auth-loopback");
        }
        if let Some(token) = token {
            complain(&format!(
                "the token of this run, which ends with it (--tokens makes some that last): {token}\n  {begin} 'Authorization: Bearer {token}'"
            ));
        }
    }
}

/// Describes what the server works on: which Truedy, which tenants, and whether a key is missing.
fn what(settings: &Settings, tenants: &[Arc<Tenant>]) -> Vec<String> {
    let mut what = vec![if settings.sandbox { "the sandbox".to_owned() } else { "Truedy, live".to_owned() }];
    if settings.config.is_some() {
        let names: Vec<&str> = tenants.iter().map(|tenant| tenant.name.as_str()).collect();
        what.push(format!("tenants: {}", names.join(", ")));
    }
    if !settings.sandbox && tenants.iter().any(|tenant| !tenant.service.has_key()) {
        what.push(
            "no API key is set, so every call will be refused: set TRUEDY_API_KEY, or try it with --sandbox".to_owned(),
        );
    }
    what
}

/// Starts counting metrics, which are shown at `/metrics`.
fn recorder() -> Result<PrometheusHandle, ConfigError> {
    let fault = |error: &dyn std::fmt::Display| ConfigError(format!("The metrics could not be set up: {error}."));
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("seconds".to_owned()), &TIMES)
        .map_err(|error| fault(&error))?
        .install_recorder()
        .map_err(|error| fault(&error))?;
    // Alerts look at growth, so a counter of something that never happened must be zero and not absent.
    for name in ["panics_total", "journal_errors_total", "http_connections_refused_total"] {
        metrics::counter!(name).increment(0);
    }
    Ok(recorder)
}
