//! The server: does what the table says, in both eras of the protocol.

use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities, CompleteRequestParams, CompleteResult,
    CompletionInfo, ErrorData, GetPromptRequestParams, GetPromptResponse, GetPromptResult, Implementation,
    InputRequest, InputResponses, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
    LoggingLevel, LoggingMessageNotificationParam, PaginatedRequestParams, ProgressNotificationParam, PromptMessage,
    ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Reference, RequestStateCodec,
    ResourceContents, Role, ServerCapabilities, ServerConfig, SetLevelRequestParams, SubscribeRequestParams,
    SubscriptionFilter, Tool, UnsubscribeRequestParams,
};
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::{RoleServer, ServerHandler};
use serde_json::{Map, Value, json};
use tokio::sync::broadcast;
use truedy_mcp::mcp::SealingKeys;

use crate::rounds::{Call, ask_now, lacks};
use crate::table::{Change, Table, ToolFixture, Words, blocks, failure, filled};

/// Between two messages of a fixture, so that they cannot arrive as one.
const PAUSE: Duration = Duration::from_millis(50);

/// A server with all fixtures; every clone hears of the same changes.
#[derive(Clone)]
pub(crate) struct Server {
    table: Arc<Table>,
    codec: Arc<RequestStateCodec>,
    changes: broadcast::Sender<Change>,
}

impl Server {
    /// The states of questions are sealed as the product seals its own. An error says why nothing can be sealed.
    pub(crate) fn new(table: Table, keys: &SealingKeys) -> Result<Self, String> {
        let codec = Arc::new(keys.codec("truedy-mcp conformance fixtures")?);
        Ok(Self { table: Arc::new(table), codec, changes: broadcast::channel(16).0 })
    }

    /// What happens in a tool before it answers, message by message.
    async fn act(&self, tool: &ToolFixture, context: &RequestContext<RoleServer>) -> Result<(), ErrorData> {
        // Since 2026-07-28 a request says by itself whether it wants messages, and how grave they must be.
        let wanted = context
            .meta
            .log_level()
            .map_or(!is_modern(context), |least| matches!(least, LoggingLevel::Debug | LoggingLevel::Info));
        for message in tool.logs.iter().filter(|_| wanted) {
            let message = LoggingMessageNotificationParam::new(LoggingLevel::Info, json!(message));
            context.peer.notify_logging_message(message).await.map_err(unsent)?;
            tokio::time::sleep(PAUSE).await;
        }
        if let Some(token) = context.meta.get_progress_token() {
            for done in &tool.progress {
                let progress = ProgressNotificationParam::new(token.clone(), *done).with_total(100.0);
                context.peer.notify_progress(progress).await.map_err(unsent)?;
                tokio::time::sleep(PAUSE).await;
            }
        }
        if let Some(change) = tool.changes {
            // An error means that nobody listens.
            _ = self.changes.send(change);
        }
        Ok(())
    }

    fn call<'a>(
        &'a self,
        bound_to: String,
        state: &'a Option<String>,
        responses: &'a Option<InputResponses>,
        client: ClientCapabilities,
    ) -> Call<'a> {
        let (state, responses) = (state.as_deref(), responses.as_ref());
        Call { table: &self.table, codec: &self.codec, bound_to, state, responses, client }
    }

    fn known(&self, uri: &str) -> Result<(), ErrorData> {
        let known = self.table.resources.iter().any(|resource| resource.card.uri == uri);
        known.then_some(()).ok_or_else(|| not_found(uri))
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_completions()
            .enable_logging();
        ServerConfig::new(capabilities.build())
            .with_server_info(Implementation::new("truedy-mcp-conformance", env!("CARGO_PKG_VERSION")))
    }

    async fn list_tools(
        &self,
        page: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        first(page)?;
        Ok(ListToolsResult::with_all_items(self.table.tools.iter().map(ToolFixture::card).collect()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.table.tool(name).map(ToolFixture::card)
    }

    async fn call_tool(
        &self,
        params: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let tool = self.table.tool(&params.name).ok_or_else(|| unknown("tool", &params.name))?;
        let client = context.client_capabilities().unwrap_or_default();
        if tool.needs_sampling && client.sampling.is_none() {
            let needed = ClientCapabilities::builder().enable_sampling().build();
            return Err(ErrorData::missing_required_client_capability(needed));
        }
        let mut words = self.table.words(params.arguments.as_ref());
        if let Some(incomplete) = tool.incomplete(&words) {
            return Ok(incomplete.into());
        }
        self.act(tool, &context).await?;
        if let Some(asked) = &tool.asks {
            let request: InputRequest = filled(asked, &words)?;
            if lacks(&request, &client).is_some() {
                return Ok(failure("Your client cannot be asked.".to_owned()).into());
            }
            match ask_now(&context.peer, request).await {
                Ok(answer) => _ = words.insert("answer".to_owned(), answer),
                Err(why) => return Ok(failure(why).into()),
            }
        }
        let bound_to = format!("tools/call:{}", params.name);
        let call = self.call(bound_to, &params.request_state, &params.input_responses, client);
        if let Some(asked) = tool.rounds.step(&call, &mut words)? {
            return Ok(asked.into());
        }
        let content = blocks(&tool.content, &words)?;
        Ok(if tool.fails { CallToolResult::error(content) } else { CallToolResult::success(content) }.into())
    }

    async fn list_prompts(
        &self,
        page: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        first(page)?;
        Ok(ListPromptsResult::with_all_items(self.table.prompts.iter().map(|prompt| prompt.card.clone()).collect()))
    }

    async fn get_prompt(
        &self,
        params: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let prompt = self.table.prompt(&params.name).ok_or_else(|| unknown("prompt", &params.name))?;
        let mut words = self.table.words(params.arguments.as_ref());
        let mut arguments = prompt.card.arguments.iter().flatten();
        if let Some(missing) = arguments.find(|one| one.required == Some(true) && !words.contains_key(&one.name)) {
            return Err(ErrorData::invalid_params(format!("{} is required", missing.name), None));
        }
        let bound_to = format!("prompts/get:{}", params.name);
        let client = context.client_capabilities().unwrap_or_default();
        let call = self.call(bound_to, &params.request_state, &params.input_responses, client);
        if let Some(asked) = prompt.rounds.step(&call, &mut words)? {
            return Ok(asked.into());
        }
        let messages = blocks(&prompt.content, &words)?.into_iter().map(|block| PromptMessage::new(Role::User, block));
        Ok(GetPromptResult::new(messages.collect()).into())
    }

    async fn complete(
        &self,
        params: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let Reference::Prompt(reference) = &params.r#ref else {
            return Err(ErrorData::invalid_params("Only arguments of prompts are completed", None));
        };
        let prompt = self.table.prompt(&reference.name).ok_or_else(|| unknown("prompt", &reference.name))?;
        let all = prompt.completions.get(&params.argument.name).into_iter().flatten();
        let fitting = all.filter(|value| value.starts_with(&params.argument.value)).cloned().collect();
        let values =
            CompletionInfo::with_all_values(fitting).map_err(|error| ErrorData::internal_error(error, None))?;
        Ok(CompleteResult::new(values))
    }

    async fn list_resources(
        &self,
        page: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        first(page)?;
        let cards = self.table.resources.iter().map(|resource| resource.card.clone());
        Ok(ListResourcesResult::with_all_items(cards.collect()))
    }

    async fn list_resource_templates(
        &self,
        page: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        first(page)?;
        let cards = self.table.templates.iter().map(|template| template.card.clone());
        Ok(ListResourceTemplatesResult::with_all_items(cards.collect()))
    }

    async fn read_resource(
        &self,
        params: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let (uri, mut words) = (params.uri.as_str(), self.table.words(None));
        if let Some(found) = self.table.resources.iter().find(|resource| resource.card.uri == uri) {
            return contents(uri, found.card.mime_type.as_deref(), &found.contents, &words);
        }
        for template in &self.table.templates {
            let id = template.card.uri_template.split_once("{id}").and_then(|(before, after)| {
                uri.strip_prefix(before)?.strip_suffix(after).filter(|id| !id.is_empty() && !id.contains('/'))
            });
            if let Some(id) = id {
                words.insert("id".to_owned(), id.to_owned());
                return contents(uri, template.card.mime_type.as_deref(), &template.contents, &words);
            }
        }
        Err(not_found(uri))
    }

    // No fixture changes a resource, so there is nothing to keep of a subscription.
    async fn subscribe(&self, params: SubscribeRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.known(&params.uri)
    }

    async fn unsubscribe(
        &self,
        params: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.known(&params.uri)
    }

    // Every fixture logs at one level, so there is nothing to keep of the choice.
    async fn set_level(&self, _: SetLevelRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let (mut changes, accepted) = (self.changes.subscribe(), context.accepted());
        loop {
            let change = tokio::select! {
                () = context.cancelled() => return Ok(()),
                change = changes.recv() => change,
            };
            let sent = match change {
                Ok(Change::Tools) if accepted.tools_list_changed == Some(true) => {
                    context.sink().notify_tool_list_changed().await
                }
                Ok(Change::Prompts) if accepted.prompts_list_changed == Some(true) => {
                    context.sink().notify_prompt_list_changed().await
                }
                _ => Ok(()),
            };
            sent.map_err(unsent)?;
        }
    }
}

fn contents(
    uri: &str,
    mime_type: Option<&str>,
    stated: &Map<String, Value>,
    words: &Words,
) -> Result<ReadResourceResponse, ErrorData> {
    let mut stated = stated.clone();
    stated.insert("uri".to_owned(), json!(uri));
    stated.insert("mimeType".to_owned(), json!(mime_type));
    let contents: ResourceContents = filled(&Value::Object(stated), words)?;
    Ok(ReadResourceResult::new(vec![contents]).into())
}

/// Every list has one page.
fn first(page: Option<PaginatedRequestParams>) -> Result<(), ErrorData> {
    match page.and_then(|page| page.cursor) {
        Some(_) => Err(ErrorData::invalid_params("Unknown cursor: the list has one page", None)),
        None => Ok(()),
    }
}

fn is_modern(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28)
}

fn unknown(what: &str, name: &str) -> ErrorData {
    ErrorData::invalid_params(format!("Unknown {what}: {name}"), None)
}

fn not_found(uri: &str) -> ErrorData {
    ErrorData::resource_not_found("Resource not found", Some(json!({ "uri": uri })))
}

fn unsent(error: impl ToString) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}
