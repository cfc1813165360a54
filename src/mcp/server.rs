//! The MCP server: its name and capabilities, its tools, prompts and resources, and the calls. It serves both eras of
//! the protocol.

use std::sync::{Arc, LazyLock};

use http::request::Parts;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult, CustomRequest,
    CustomResult, DiscoverResult, ErrorData, GetPromptRequestParams, GetPromptResponse, GetSkillRequestParams,
    GetSkillResult, InitializeRequestParams, InitializeResult, ListPromptsResult, ListResourceTemplatesResult,
    ListResourcesResult, ListSkillsResult, ListToolsResult, PaginatedRequestParams, ReadResourceRequestParams,
    ReadResourceResponse, ServerCapabilities, ServerConfig, SubscribeRequestParams, Tool as ToolCard,
    UnsubscribeRequestParams,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};
use serde_json::Value;
use tracing::Instrument;

use crate::domain::{clean_to, did_you_mean};
use crate::mcp::apps::pages::{self, AppsSupport};
use crate::mcp::call::client_call::ClientCall;
use crate::mcp::call::progress::reporting;
use crate::mcp::call::service::{CallResult, FinishedCall};
use crate::mcp::consent::elicitation::Elicitor;
use crate::mcp::offer::catalog::{Catalog, CatalogEntry};
use crate::mcp::offer::completions::Completions;
use crate::mcp::offer::{page_facts, prompts, resources, skills};
use crate::mcp::results::{
    FRESH_MS, FRESH_SHARED_MS, KNOWN, client_call_id, client_name, heard, implementation, is_modern, no_such_method,
    not_an_object, one_page, result, sign, stamp, with_read_arguments,
};
use crate::mcp::tenant::principal::Principal;
use crate::telemetry;
use crate::truedy::run_blocking;

/// Adds to a response about the server how long it may be cached and by whom, and the server's name. Older clients know
/// neither. The types of the responses have these methods in common, and no trait.
macro_rules! fresh_and_stamped {
    ($server:expr, $context:expr, $result:expr) => {{
        let mut result = $result;
        if is_modern(&$context) {
            let (fresh, scope) = $server.freshness();
            result = result.with_ttl_ms(fresh).with_cache_scope(scope);
            stamp(&mut result.meta);
        }
        result
    }};
}

/// The MCP server.
#[derive(Clone)]
pub struct McpServer {
    /// Built at its first use: the answer to `initialize` does not need it.
    catalog: Arc<LazyLock<Catalog>>,
    completions: Arc<Completions>,
    /// The principal of all requests if the transport has only one caller; `None` if each request carries its
    /// principal.
    alone: Option<Principal>,
}

impl McpServer {
    /// Creates a server whose only caller is the principal that started it.
    pub fn new(local: Principal) -> Self {
        Self { catalog: Arc::new(LazyLock::new(Catalog::new)), completions: Arc::default(), alone: Some(local) }
    }

    /// Creates a shared server. Each request must carry its verified [`Principal`], or it is not served.
    pub fn shared() -> Self {
        let server = Self { catalog: Arc::new(LazyLock::new(Catalog::new)), completions: Arc::default(), alone: None };
        server.build_catalog();
        server
    }

    /// Builds the catalog, unless it is built already. A call meanwhile waits for it.
    pub fn build_catalog(&self) {
        LazyLock::force(&self.catalog);
    }

    /// Returns the principal of a request. A request without one is an internal error, and never gets any rights.
    fn principal<'a>(&'a self, context: &'a RequestContext<RoleServer>) -> Result<&'a Principal, ErrorData> {
        let carried = || context.extensions.get::<Parts>()?.extensions.get::<Principal>();
        let nobody = || ErrorData::internal_error("the request came without a caller", None);
        self.alone.as_ref().or_else(carried).ok_or_else(nobody)
    }

    /// Returns how long a client may cache a response about the server, in milliseconds, and the cache scope. On a
    /// shared server the response depends on the caller, so its scope is private.
    fn freshness(&self) -> (u64, CacheScope) {
        if self.alone.is_some() { (FRESH_MS, CacheScope::Public) } else { (FRESH_SHARED_MS, CacheScope::Private) }
    }

    /// Handles a tool call and records it as a trace span.
    async fn run(
        &self,
        params: CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let views = AppsSupport::of(context);
        let entry = self.entry(&params.name, views);
        let span = telemetry::tool_call(entry.map(CatalogEntry::name), &heard(context));
        let answer = self.answer(entry, params, views, context).instrument(span.clone()).await;
        match &answer {
            Ok(CallToolResponse::Complete(result)) => {
                // The status is one of this server's own fixed values, so the trace shows no caller data.
                let status = result.structured_content.as_ref().and_then(|object| object.get("status")?.as_str());
                telemetry::ended(&span, status, result.is_error == Some(true));
            }
            Ok(_) => {}
            Err(error) => telemetry::failed(&span, error.code.0),
        }
        answer
    }

    async fn answer(
        &self,
        entry: Option<&CatalogEntry>,
        params: CallToolRequestParams,
        views: AppsSupport,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let principal = self.principal(context)?;
        let Some(entry) = entry else {
            let name = clean_to(&principal.tenant.service.hide(&params.name), 64);
            let meant = did_you_mean(&params.name, self.catalog.entries().iter().map(CatalogEntry::name));
            let meant = meant.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
            return Err(ErrorData::invalid_params(format!("Unknown tool: {name}{meant}"), None));
        };
        let from = ClientCall {
            elicitor: Elicitor::of(context, &params),
            views,
            client: client_name(context).map(|name| principal.tenant.service.hide(&name)),
            call_id: client_call_id(context),
            undoes: None,
            agreed: None,
        };
        let mut arguments = params.arguments.unwrap_or_default();
        entry.drop_bookkeeping(&mut arguments);
        let query = views.pages.then(|| pages::query(entry.name(), &arguments, &entry.secrets)).flatten();
        let call = entry.call(arguments, principal, from, context.ct.clone());
        let reply = reporting(call, context, || principal.tenant.service.reading()).await;
        let mut response = match reply {
            CallResult::Done(FinishedCall { status, mut body, is_error }) => {
                // A refusal carries no query. The page does not repeat it, and it may contain a secret.
                let query = query.filter(|_| !is_error);
                let mut meta = page_facts::of(entry.name(), &self.catalog, query, &mut body, principal);
                if views.pages && !status.is_success() {
                    meta = page_facts::with_reason(meta, entry.name(), status, &body);
                }
                let rows = body.values().filter_map(Value::as_array).map(Vec::len).max().unwrap_or(0);
                let mut result = run_blocking(rows, || result(body, is_error));
                result.meta = meta;
                CallToolResponse::from(result)
            }
            CallResult::Ask(asked) => CallToolResponse::InputRequired(*asked),
        };
        sign(&mut response, context);
        Ok(response)
    }
}

impl McpServer {
    /// Returns a tool that a client may call. Tools for pages are included if the client shows pages.
    fn entry(&self, name: &str, views: AppsSupport) -> Option<&CatalogEntry> {
        self.catalog.get(name).or_else(|| self.catalog.of_pages(name).filter(|_| views.pages))
    }
}

impl ServerHandler for McpServer {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_completions()
            .enable_extensions_with(pages::extension())
            .enable_prompts()
            .enable_resources()
            .enable_skills()
            .enable_tools()
            .build();
        let info = ServerConfig::new(capabilities).with_server_info(implementation());
        match &self.alone {
            Some(local) => info.with_instructions(local.tenant.instructions.to_string()),
            None => info,
        }
    }

    async fn discover(&self, context: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        let info = self.get_info().with_instructions(self.principal(&context)?.tenant.instructions.to_string());
        let (fresh, scope) = self.freshness();
        Ok(DiscoverResult::from_server_info(self.supported_protocol_versions().into_owned(), info)
            .with_ttl_ms(fresh)
            .with_cache_scope(scope))
    }

    async fn initialize(
        &self,
        params: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        let instructions = self.principal(&context)?.tenant.instructions.to_string();
        // rmcp's own handler does the same: later calls then know what the client declared.
        context.peer.set_peer_info(params.clone());
        let mut answer = self.negotiate_initialize(&params)?;
        answer.instructions = Some(instructions);
        Ok(answer)
    }

    async fn list_tools(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        one_page(page, "tools")?;
        let principal = self.principal(&context)?;
        let of_pages = if pages::shows(&context) { self.catalog.entries_of_pages() } else { &[] };
        let offered = self.catalog.entries().iter().chain(of_pages).filter(|entry| entry.is_offered(principal));
        let mut result = ListToolsResult::with_all_items(
            offered.map(|entry| entry.shown(&principal.tenant.service.policy).clone()).collect(),
        );
        if is_modern(&context) {
            let (fresh, scope) = self.freshness();
            // With tools for pages in the list, no other client may use the cached list.
            let scope = if of_pages.is_empty() { scope } else { CacheScope::Private };
            result = result.with_ttl_ms(fresh).with_cache_scope(scope);
            stamp(&mut result.meta);
        }
        Ok(result)
    }

    async fn list_prompts(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        one_page(page, "prompts")?;
        let offered = prompts::list(&self.catalog, self.principal(&context)?);
        let result = ListPromptsResult::with_all_items(offered);
        Ok(fresh_and_stamped!(self, context, result))
    }

    async fn get_prompt(
        &self,
        params: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let mut result = prompts::get(&params, &self.catalog, self.principal(&context)?)?;
        if is_modern(&context) {
            stamp(&mut result.meta);
        }
        Ok(result.into())
    }

    async fn list_resources(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        one_page(page, "resources")?;
        let offered = resources::list(&self.catalog, self.principal(&context)?, &context);
        let mut result = ListResourcesResult::with_all_items(offered);
        if is_modern(&context) {
            // Pages are listed only to a client that shows them, so no other client may use the cached list.
            result = result.with_ttl_ms(self.freshness().0).with_cache_scope(CacheScope::Private);
            stamp(&mut result.meta);
        }
        Ok(result)
    }

    async fn list_resource_templates(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        one_page(page, "resource templates")?;
        let offered = resources::templates(&self.catalog, self.principal(&context)?);
        let result = ListResourceTemplatesResult::with_all_items(offered);
        Ok(fresh_and_stamped!(self, context, result))
    }

    async fn read_resource(
        &self,
        params: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let principal = self.principal(&context)?;
        let mut result = resources::read(&params.uri, &self.catalog, principal, context.ct.clone()).await?;
        if is_modern(&context) {
            stamp(&mut result.meta);
        } else {
            (result.ttl_ms, result.cache_scope) = (None, None);
        }
        Ok(result.into())
    }

    async fn list_skills(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListSkillsResult, ErrorData> {
        one_page(page, "skills")?;
        let offered = skills::list(&self.catalog, self.principal(&context)?);
        let result = ListSkillsResult::with_all_items(offered);
        Ok(fresh_and_stamped!(self, context, result))
    }

    async fn get_skill(
        &self,
        params: GetSkillRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetSkillResult, ErrorData> {
        let result = skills::get(&params.uri, &self.catalog, self.principal(&context)?)?;
        Ok(fresh_and_stamped!(self, context, result))
    }

    async fn complete(
        &self,
        params: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let principal = self.principal(&context)?;
        let mut result = self.completions.complete(&params, &self.catalog, principal, &context.ct).await?;
        if is_modern(&context) {
            stamp(&mut result.meta);
        }
        Ok(result)
    }

    fn get_tool(&self, name: &str) -> Option<ToolCard> {
        self.entry(name, AppsSupport { pages: true, ..AppsSupport::default() }).map(|entry| entry.card.clone())
    }

    async fn call_tool(
        &self,
        params: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.run(params, &context).await
    }

    #[expect(deprecated, reason = "clients of the older revisions ask for it")]
    async fn set_level(
        &self,
        _: rmcp::model::SetLevelRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Err(no_such_method("logging/setLevel"))
    }

    async fn subscribe(&self, _: SubscribeRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Err(no_such_method("resources/subscribe"))
    }

    async fn unsubscribe(&self, _: UnsubscribeRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Err(no_such_method("resources/unsubscribe"))
    }

    /// Handles a known method whose parameters rmcp could not read. Some clients send `arguments` as a JSON text; that
    /// text is parsed.
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let method = request.method.as_str();
        let removed = is_modern(&context) && method == "initialize";
        if removed || !KNOWN.contains(&method) {
            return Err(no_such_method(method));
        }
        let params = request.params.unwrap_or_default();
        let malformed = || ErrorData::invalid_params(format!("Malformed parameters for {method}"), None);
        let named = params.get("name").is_some_and(Value::is_string);
        let odd_arguments = params.get("arguments").is_some_and(|given| !given.is_object() && !given.is_null());
        if method != "tools/call" || !named || !odd_arguments {
            return Err(malformed());
        }
        let response = match with_read_arguments(params) {
            Some(call) => self.run(call, &context).await?,
            None => {
                let mut response = result(not_an_object(), true).into();
                sign(&mut response, &context);
                response
            }
        };
        let written = match response {
            CallToolResponse::Complete(mut result) => {
                // Older clients do not know the result type. rmcp removes it only from results that it writes itself.
                result.result_type = result.result_type.filter(|_| is_modern(&context));
                serde_json::to_value(result)
            }
            CallToolResponse::InputRequired(asked) => serde_json::to_value(asked),
            _ => return Err(malformed()),
        };
        written.map(CustomResult::new).map_err(|_| ErrorData::internal_error("the result could not be written", None))
    }
}

#[cfg(test)]
mod tests {

    use crate::tools::change_kinds;

    #[test]
    fn every_tool_that_is_counted_is_there() {
        let counted: Vec<&str> = change_kinds()
            .names()
            .filter(|tool| change_kinds().find(tool).is_some_and(|kind| kind.cap.is_some()))
            .collect();
        assert_eq!(counted, ["purchase_number", "import_number", "release_number"]);
    }
}
