//! A server with the fixtures that the official conformance suite asks for; no part of the product.
//!
//! `conformance ADDRESS` serves them at `http://ADDRESS/mcp`; `.ci/conformance` runs it.

#![expect(deprecated, reason = "the suite also tests sampling, roots and logging, which 2026-07-28 deprecates")]

mod rounds;
mod server;
mod table;

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use axum::serve::ListenerExt;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;

use server::Server;
use table::Table;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8931".to_owned());
    serve(Server::new(Table::read()?)?, &address).await
}

/// Serves a handler over Streamable HTTP, old clients with sessions and new ones without.
async fn serve(handler: Server, address: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut sessions = LocalSessionManager::default();
    // No priming event, in neither place: clients of the first revisions cannot read an event without data.
    sessions.session_config.sse_retry = None;
    let config = StreamableHttpServerConfig::default()
        .with_sse_retry(None)
        .with_json_response(true)
        .with_allowed_origins(["http://localhost:*", "http://127.0.0.1:*"]);
    let service = StreamableHttpService::new(move || Ok(handler.clone()), Arc::new(sessions), config);
    let listener = TcpListener::bind(address).await?.tap_io(|stream| {
        // Without it, every event waits for the acknowledgement of the one before.
        _ = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, Router::new().nest_service("/mcp", service)).await?)
}
