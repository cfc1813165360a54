//! A server with the fixtures that the official conformance suite asks for; no part of the product.
//!
//! `conformance ADDRESS` serves them at `http://ADDRESS/mcp`, at the product's own edge and through its own transport;
//! `.ci/conformance` runs it.

#![expect(deprecated, reason = "the suite also tests sampling, roots and logging, which 2026-07-28 deprecates")]

mod rounds;
mod server;
mod table;

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use truedy_mcp::domain::CarrierProfiles;
use truedy_mcp::guard::Policy;
use truedy_mcp::http::{AllowedHost, AllowedOrigin, Authenticator, HttpServer, PublicPath, ServerConfig};
use truedy_mcp::journal::{Journal, JournalPlace};
use truedy_mcp::mcp::{
    CallLimits, ConcurrencyLimiter, CredentialForms, Principal, SealingKeys, Service, ServiceConfig, SessionMode,
    Streamable, Upstream,
};
use truedy_mcp::redact::Redactor;
use truedy_mcp::tools::change_kinds;

use server::Server;
use table::Table;

/// The suite opens more than a server for many gives to one caller.
const SESSIONS: SessionMode = SessionMode::On { each: 64, idle: Duration::from_secs(3600) };
const CONNECTIONS: usize = 256;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8931".to_owned());
    let keys = SealingKeys::of_this_process();
    let handler = Server::new(Table::read()?, &keys)?;
    let streams = CancellationToken::new();
    let setup = ServerConfig {
        listen: address.parse()?,
        tls: None,
        https: false,
        proxied: None,
        hosts: AllowedHost::loopback(),
        origins: vec![AllowedOrigin::Loopback],
        door: Authenticator::Open(somebody(keys)),
        streamable: Streamable::new(handler, SESSIONS, streams.clone()),
        legacy_sse: None,
        streams,
        scopes: HashMap::new(),
        tenants: Vec::new(),
        public_path: PublicPath::default(),
        max_connections: CONNECTIONS,
        keep_alive: Duration::from_secs(95),
        drain: Duration::ZERO,
        admin: None,
    };
    HttpServer::bind(setup).await?.serve(std::future::pending()).await;
    Ok(())
}

/// Whoever calls: the edge lets nobody in who is nobody, though no fixture asks who it is.
fn somebody(keys: SealingKeys) -> Principal {
    Principal::local(
        Service::new(ServiceConfig {
            policy: Policy::default(),
            upstream: Upstream::NoKey,
            journal: Journal::new(JournalPlace::Memory, "conformance".to_owned(), change_kinds()),
            keys,
            redactor: Arc::new(Redactor::default()),
            limiter: ConcurrencyLimiter::new(CallLimits::ALONE),
            carriers: CarrierProfiles::default(),
            pages: CredentialForms::nowhere(),
        }),
        "conformance",
    )
}
