//! The floor over HTTP: our catalogue, and one tool that asks and answers as much as ours, with nothing in between.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{RoleServer, ServerHandler};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;
use truedy_mcp::domain::CarrierProfiles;
use truedy_mcp::guard::Policy;
use truedy_mcp::http::{AllowedHost, Authenticator, HttpServer, Listen, PublicPath, ServerConfig as HttpServerConfig};
use truedy_mcp::journal::{Journal, JournalPlace};
use truedy_mcp::mcp::{
    CallLimits, Catalog, ConcurrencyLimiter, CredentialForms, Principal, SealingKeys, Service, ServiceConfig,
    SessionMode, Streamable, Upstream,
};
use truedy_mcp::tools::change_kinds;

type Served<T> = Result<T, Box<dyn Error>>;

/// Where any free port is taken.
const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// As many connections as a measurement may want.
const CONNECTIONS: usize = 20_000;

/// The server; cloned for each request, as rmcp wants it.
#[derive(Clone)]
struct Bare(Arc<Inside>);

struct Inside {
    cards: Vec<Tool>,
    client: reqwest::Client,
    base_url: String,
    key: String,
}

impl Bare {
    fn new() -> Served<Self> {
        let cards = Catalog::new().entries().iter().map(|entry| entry.card.clone()).collect();
        let client = reqwest::Client::builder().no_proxy().build()?;
        let (base_url, key) = (std::env::var("TRUEDY_BASE_URL")?, std::env::var("TRUEDY_API_KEY")?);
        Ok(Self(Arc::new(Inside { cards, client, base_url, key })))
    }

    /// The rows of one list of Truedy's.
    async fn rows(&self, path: &str) -> reqwest::Result<Vec<Value>> {
        let request = self.0.client.get(format!("{}{path}", self.0.base_url)).bearer_auth(&self.0.key);
        let bytes = request.header("accept", "application/json").send().await?.error_for_status()?.bytes().await?;
        let mut body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        Ok(body.get_mut("data").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default())
    }

    /// Numbers and who holds them: what ours shows, made in the most direct way.
    async fn list_numbers(&self) -> reqwest::Result<Map<String, Value>> {
        let both = tokio::try_join!(
            self.rows("/telephony/numbers?limit=50&offset=0"),
            self.rows("/agents?limit=100&offset=0")
        );
        let (numbers, agents) = both?;
        let text = |value: &Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
        let holder = |number: &Value, field: &str| {
            let agent = agents.iter().find(|agent| agent["id"] == number[field]);
            agent.map_or_else(|| "none".to_owned(), |agent| text(agent, "name"))
        };
        let rows: Vec<[String; 6]> = numbers
            .iter()
            .map(|number| {
                let kind = if number["is_trudy_managed"] == true { "managed" } else { "byoc" };
                [
                    text(number, "id"),
                    text(number, "phone_number"),
                    text(number, "status"),
                    kind.to_owned(),
                    holder(number, "inbound_agent_id"),
                    holder(number, "outbound_agent_id"),
                ]
            })
            .collect();
        let object = json!({
            "status": "ok", "summary": format!("{} numbers.", rows.len()), "total": rows.len(), "rows": rows,
            "columns": ["id", "number", "status", "kind", "inbound", "outbound"],
        });
        Ok(object.as_object().cloned().unwrap_or_default())
    }
}

impl ServerHandler for Bare {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.0.cards.clone()))
    }

    async fn call_tool(
        &self,
        _: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let object = self.list_numbers().await.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        let structured = Value::Object(object);
        let mut result = CallToolResult::success(vec![ContentBlock::text(structured.to_string())]);
        result.structured_content = Some(structured);
        Ok(result.into())
    }
}

/// On the edge of the product, which lets everybody in.
pub(crate) async fn on_our_edge() -> Served<()> {
    let streams = CancellationToken::new();
    let service = Service::new(ServiceConfig {
        policy: Policy::default(),
        upstream: Upstream::NoKey,
        journal: Journal::new(JournalPlace::Memory, String::new(), change_kinds()),
        keys: SealingKeys::of_this_process(),
        redactor: Arc::default(),
        limiter: ConcurrencyLimiter::new(CallLimits::ALONE),
        carriers: CarrierProfiles::default(),
        pages: CredentialForms::nowhere(),
    });
    let setup = HttpServerConfig {
        listen: Listen::Tcp(ANYWHERE),
        tls: None,
        https: false,
        proxied: None,
        hosts: AllowedHost::loopback(),
        origins: Vec::new(),
        door: Authenticator::Open(Principal::local(service, "bare")),
        streamable: Streamable::new(Bare::new()?, SessionMode::Off, streams.clone()),
        legacy_sse: None,
        streams,
        scopes: Default::default(),
        tenants: Vec::new(),
        public_path: PublicPath::default(),
        max_connections: CONNECTIONS,
        keep_alive: Duration::from_secs(95),
        drain: Duration::ZERO,
        admin: None,
    };
    let server = HttpServer::bind(setup).await?;
    if let Listen::Tcp(address) = server.at() {
        announce(*address);
    }
    server.serve(std::future::pending()).await;
    Ok(())
}

/// On axum alone: what the edge itself costs is the difference.
pub(crate) async fn on_axum() -> Served<()> {
    let bare = Bare::new()?;
    let config = StreamableHttpServerConfig::default().with_legacy_session_mode(false).with_json_response(true);
    let sessions = Arc::new(LocalSessionManager::default());
    let service = Arc::new(StreamableHttpService::new(move || Ok(bare.clone()), sessions, config));
    let answer = move |request: Request<axum::body::Body>| {
        let service = Arc::clone(&service);
        async move { service.handle(request).await }
    };
    let listener = tokio::net::TcpListener::bind(ANYWHERE).await?;
    announce(listener.local_addr()?);
    Ok(axum::serve(listener, axum::Router::new().fallback(answer)).await?)
}

/// As the product says it.
fn announce(address: SocketAddr) {
    eprintln!("listening on http://{address}/mcp");
}
