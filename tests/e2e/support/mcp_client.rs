//! An AI agent as the tests see it: a real MCP client of the built program over stdio, with a person behind it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmcp::RoleClient;
use rmcp::model::{
    ArgumentInfo, CallToolRequest, CallToolRequestParams, CallToolResponse, CallToolResult, ClientRequest,
    CompleteRequestParams, CompletionInfo, ErrorData, GetPromptRequestParams, InputResponses, ProtocolVersion,
    ReadResourceRequestParams, Reference, Tool,
};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt, PeerRequestOptions, RequestHandle};
use rmcp::service::{RunningService, ServiceError};
use rmcp::transport::TokioChildProcess;
use serde_json::{Value, json};
use tempfile::TempDir;
use truedy_mcp::sandbox::KEY;

use super::era::Era;
use super::people::{Human, Person, Question};
use super::program::{patiently, tokio_program};
use super::sandbox::{Ledger, Sandbox};

/// Where the numbers are.
#[derive(Clone)]
enum Truedy {
    /// On a sandbox of the agent's own, in memory.
    Alone,
    /// On a sandbox whose account is kept here, beside others who use it.
    Kept(PathBuf),
    /// On a sandbox that runs on its own, reached like the real one.
    Elsewhere { base_url: String, ledger: PathBuf },
}

/// An agent that has not started yet.
#[derive(Clone)]
pub(crate) struct Setup {
    human: Human,
    shows: Option<Value>,
    version: ProtocolVersion,
    flags: Vec<String>,
    zone: Option<String>,
    truedy: Truedy,
}

impl Setup {
    /// Speaks the protocol of this era.
    pub(crate) fn in_era(self, era: Era) -> Self {
        self.speaking(era.version())
    }

    /// Speaks this version of the protocol.
    pub(crate) fn speaking(mut self, version: ProtocolVersion) -> Self {
        self.version = version;
        self
    }

    /// Its client shows pages, and declares this of it.
    pub(crate) fn showing(mut self, declared: Value) -> Self {
        self.shows = Some(declared);
        self
    }

    /// The operator starts the server with these flags.
    pub(crate) fn flags(mut self, flags: &[&str]) -> Self {
        self.flags.extend(flags.iter().map(|flag| (*flag).to_owned()));
        self
    }

    /// The machine of the server is in this time zone.
    pub(crate) fn in_zone(mut self, zone: &str) -> Self {
        self.zone = Some(zone.to_owned());
        self
    }

    /// The agent's own sandbox misbehaves.
    pub(crate) fn fault(self, fault: &str) -> Self {
        self.flags(&["--fault", fault])
    }

    /// On the account that is kept in this directory.
    pub(crate) fn kept_in(mut self, home: &Path) -> Self {
        self.truedy = Truedy::Kept(home.to_owned());
        self
    }

    /// On a sandbox that runs on its own.
    pub(crate) fn on(mut self, sandbox: &Sandbox) -> Self {
        self.truedy = Truedy::Elsewhere { base_url: sandbox.base_url.clone(), ledger: sandbox.ledger.clone() };
        self
    }

    /// Starts the server and connects to it.
    pub(crate) async fn start(self) -> Agent {
        let home = tempfile::tempdir().unwrap();
        let mut ledger = home.path().join("ledger.jsonl");
        let mut command = tokio_program();
        command.args(["stdio", "--upstream-rpm", "off"]);
        match &self.truedy {
            Truedy::Alone => drop(command.args(["--sandbox", "--ephemeral"])),
            Truedy::Kept(state) => drop(command.args(["--sandbox", "--state-dir"]).arg(state)),
            Truedy::Elsewhere { base_url, ledger: theirs } => {
                command.env("TRUEDY_BASE_URL", base_url).env("TRUEDY_API_KEY", KEY);
                ledger.clone_from(theirs);
            }
        }
        if !matches!(self.truedy, Truedy::Elsewhere { .. }) {
            command.args(["--fault", "rate_limit=0", "--ledger"]).arg(&ledger);
        }
        command.args(&self.flags).envs(self.zone.map(|zone| ("TZ", zone)));
        let (transport, _) = TokioChildProcess::builder(command).stderr(Stdio::null()).spawn().unwrap();
        let modern = self.version >= ProtocolVersion::V_2026_07_28;
        let lifecycle = if modern {
            ClientLifecycleMode::Discover { preferred_versions: vec![self.version.clone()] }
        } else {
            ClientLifecycleMode::Initialize
        };
        let person =
            Person { human: self.human, shows: self.shows, version: self.version.clone(), asked: Arc::default() };
        let connected = person.clone().serve_with_lifecycle(transport, lifecycle);
        let connection = patiently(connected).await.expect("the server answers the handshake");
        let agreed = connection.peer_info().expect("the server says who it is").protocol_version.clone();
        assert_eq!(agreed, self.version, "another version was agreed on than the test is about");
        let tools = patiently(connection.list_all_tools()).await.expect("the tools are listed");
        Agent { connection, tools, asked: person.asked, ledger, _home: home }
    }
}

/// A connected agent.
pub(crate) struct Agent {
    connection: RunningService<RoleClient, Person>,
    tools: Vec<Tool>,
    asked: Arc<Mutex<Vec<Question>>>,
    ledger: PathBuf,
    _home: TempDir,
}

/// Numbers as they were listed: each an object, in which a direction that nobody has is absent.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) rows: Vec<Value>,
    pub(crate) total: Value,
    pub(crate) next_offset: Value,
}

impl Listed {
    /// Few numbers come as objects, many as a table.
    pub(crate) fn of(answer: &Value) -> Self {
        let table = |row: &Value| {
            let cells = answer["columns"].as_array().unwrap().iter().zip(row.as_array().unwrap());
            let given = cells.filter(|(_, cell)| **cell != "none");
            Value::Object(given.map(|(name, cell)| (name.as_str().unwrap().to_owned(), cell.clone())).collect())
        };
        let rows = match (answer["numbers"].as_array(), answer["rows"].as_array()) {
            (Some(rows), None) => rows.clone(),
            (None, Some(rows)) => rows.iter().map(table).collect(),
            _ => panic!("neither numbers nor a table: {answer}"),
        };
        Self { rows, total: answer["total"].clone(), next_offset: answer["next_offset"].clone() }
    }

    /// The numbers alone.
    pub(crate) fn numbers(&self) -> Vec<&str> {
        self.rows.iter().map(|row| row["number"].as_str().unwrap()).collect()
    }

    /// The row of a number.
    pub(crate) fn row(&self, number: &str) -> &Value {
        self.rows.iter().find(|row| row["number"] == number).unwrap_or_else(|| panic!("{number} is not listed"))
    }
}

/// A call that was not carried out, as the agent reads it.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: String,
    pub(crate) summary: String,
    pub(crate) body: Value,
}

impl Refusal {
    /// The arguments that are complained about, in the order in which they are.
    pub(crate) fn fields(&self) -> Vec<&str> {
        self.problems().iter().filter_map(|problem| problem["field"].as_str()).collect()
    }

    /// What is wrong with the arguments.
    pub(crate) fn problems(&self) -> &[Value] {
        self.body["problems"].as_array().map_or(&[], Vec::as_slice)
    }
}

/// What one message of a call is answered with.
pub(crate) enum Word {
    /// An answer or a refusal.
    Final(Result<Value, Refusal>),
    /// A person must be asked first (2026-07-28).
    Asked { question: Question, state: String },
}

impl Word {
    /// The refusal it is.
    pub(crate) fn refusal(self) -> Refusal {
        match self {
            Self::Final(Err(refusal)) => refusal,
            Self::Final(Ok(answer)) => panic!("it was done: {answer}"),
            Self::Asked { question, .. } => panic!("a person is asked: {question:?}"),
        }
    }

    /// The state of the question it is.
    pub(crate) fn state(self) -> String {
        match self {
            Self::Asked { state, .. } => state,
            Self::Final(word) => panic!("nobody is asked: {word:?}"),
        }
    }
}

impl Agent {
    /// An agent with this person behind it, in the newest protocol on a sandbox of its own.
    pub(crate) fn with(human: Human) -> Setup {
        Setup {
            human,
            shows: None,
            version: Era::Modern.version(),
            flags: Vec::new(),
            zone: None,
            truedy: Truedy::Alone,
        }
    }

    /// An agent whose client cannot ask anybody.
    pub(crate) fn alone(era: Era) -> Setup {
        Self::with(Human::Absent).in_era(era)
    }

    /// The tools it is offered.
    pub(crate) fn tools(&self) -> &[Tool] {
        &self.tools
    }

    /// What the server says of itself.
    pub(crate) fn instructions(&self) -> String {
        self.connection.peer_info().and_then(|info| info.instructions.clone()).expect("the server gives instructions")
    }

    /// Calls a tool; the person answers whatever is asked.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Result<Value, Refusal> {
        let result = patiently(self.connection.call_tool(params(tool, arguments))).await;
        match result {
            Ok(result) => self.read(tool, &result),
            // From 2026-07-28 on it is the client that asks: where it cannot, the call is not made again.
            Err(ServiceError::McpError(error)) if error.message.contains("no window") => Err(Refusal {
                status: "client_failed".to_owned(),
                summary: error.message.to_string(),
                body: Value::Null,
            }),
            Err(error) => panic!("{tool} was not answered: {error}"),
        }
    }

    /// Calls a tool as a page does, which is passed on the whole result.
    pub(crate) async fn result(&self, tool: &str, arguments: Value) -> Value {
        let result = patiently(self.connection.call_tool(params(tool, arguments))).await;
        serde_json::to_value(result.unwrap_or_else(|error| panic!("{tool} was not answered: {error}"))).unwrap()
    }

    /// Calls what is no tool for this client; what the protocol says of it.
    pub(crate) async fn unknown(&self, tool: &str, arguments: Value) -> String {
        match patiently(self.connection.call_tool(params(tool, arguments))).await {
            Err(ServiceError::McpError(error)) => error.message.to_string(),
            other => panic!("{tool} is there: {other:?}"),
        }
    }

    /// Reads a resource.
    pub(crate) async fn resource(&self, uri: &str) -> Value {
        let read = self.connection.read_resource(ReadResourceRequestParams::new(uri));
        serde_json::to_value(patiently(read).await.unwrap()).unwrap()
    }

    /// The numbers of the account, or those that fit.
    pub(crate) async fn numbers(&self, filters: Value) -> Listed {
        Listed::of(&self.call("list_numbers", filters).await.unwrap_or_else(|refusal| panic!("{refusal:?}")))
    }

    /// Calls a tool that only reads; both halves of its answer, as a model may be shown one of them: structure and text.
    pub(crate) async fn halves(&self, tool: &str, arguments: Value) -> (String, String) {
        let result = patiently(self.connection.call_tool(params(tool, arguments))).await.unwrap();
        self.read(tool, &result).unwrap();
        let text = serde_json::to_value(&result).unwrap()["content"][0]["text"].as_str().unwrap().to_owned();
        (result.structured_content.unwrap().to_string(), text)
    }

    /// Sends one message of a call, with whatever answer and state.
    pub(crate) async fn say(
        &self,
        tool: &str,
        arguments: Value,
        responses: Option<Value>,
        state: Option<&str>,
    ) -> Word {
        let mut params = params(tool, arguments);
        params.input_responses = responses.map(|all| serde_json::from_value::<InputResponses>(all).unwrap());
        params.request_state = state.map(str::to_owned);
        match patiently(self.connection.call_tool_once(params)).await.expect("an answer") {
            CallToolResponse::Complete(result) => Word::Final(self.read(tool, &result)),
            CallToolResponse::InputRequired(asked) => {
                let asked = serde_json::to_value(asked).unwrap();
                let requests = asked["inputRequests"].as_object().expect("a question");
                assert_eq!(requests.keys().collect::<Vec<_>>(), ["confirm"], "one question");
                let asks = &requests["confirm"]["params"];
                let message = asks["message"].as_str().expect("a message").to_owned();
                let question = Question { message, form: asks["requestedSchema"].clone(), meta: asks["_meta"].clone() };
                Word::Asked { question, state: asked["requestState"].as_str().expect("a state").to_owned() }
            }
            other => panic!("{other:?}"),
        }
    }

    /// The prompts it is offered.
    pub(crate) async fn prompts(&self) -> Value {
        json!(patiently(self.connection.list_all_prompts()).await.unwrap())
    }

    /// The resources it is offered.
    pub(crate) async fn resources(&self) -> Value {
        json!(patiently(self.connection.list_all_resources()).await.unwrap())
    }

    /// The templates of resources it is offered.
    pub(crate) async fn templates(&self) -> Value {
        json!(patiently(self.connection.list_all_resource_templates()).await.unwrap())
    }

    /// Picks a prompt; the text that goes to the model, or the error.
    pub(crate) async fn get_prompt(&self, name: &str, arguments: Value) -> Result<String, ErrorData> {
        let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
        let params = GetPromptRequestParams::new(name).with_arguments(arguments);
        let result = json!(protocol(patiently(self.connection.get_prompt(params)).await)?);
        assert_eq!(result["messages"].as_array().map(Vec::len), Some(1), "{result}");
        assert_eq!(result["messages"][0]["role"], "user", "{result}");
        Ok(result["messages"][0]["content"]["text"].as_str().expect("a text").to_owned())
    }

    /// Attaches a resource; its type and text, or the error.
    pub(crate) async fn read_resource(&self, uri: &str) -> Result<(String, String), ErrorData> {
        let params = ReadResourceRequestParams::new(uri);
        let result = json!(protocol(patiently(self.connection.read_resource(params)).await)?);
        assert_eq!(result["contents"].as_array().map(Vec::len), Some(1), "{result}");
        let content = &result["contents"][0];
        assert_eq!(content["uri"], uri, "{result}");
        let text = |field: &str| content[field].as_str().unwrap_or_else(|| panic!("no {field}: {result}")).to_owned();
        Ok((text("mimeType"), text("text")))
    }

    /// Attaches a resource of the account; its facts.
    pub(crate) async fn read_facts(&self, uri: &str) -> Value {
        let (kind, text) = self.read_resource(uri).await.unwrap_or_else(|error| panic!("{uri}: {error:?}"));
        assert_eq!(kind, "application/json", "{uri}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{uri}: {error}: {text}"))
    }

    /// Types a value of a prompt's argument or a template's variable; what is offered for it, or the error.
    pub(crate) async fn complete(
        &self,
        reference: Reference,
        argument: &str,
        typed: &str,
    ) -> Result<CompletionInfo, ErrorData> {
        let params = CompleteRequestParams::new(reference, ArgumentInfo::new(argument, typed));
        Ok(protocol(patiently(self.connection.complete(params)).await)?.completion)
    }

    /// Begins a call that may be taken back.
    pub(crate) async fn begin(&self, tool: &str, arguments: Value) -> RequestHandle<RoleClient> {
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(params(tool, arguments)));
        self.connection.send_cancellable_request(request, PeerRequestOptions::no_options()).await.unwrap()
    }

    /// Waits until the person has been asked.
    pub(crate) async fn until_asked(&self) {
        patiently(async {
            while self.asked.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }

    /// What the person was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<Question> {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What reached Truedy so far.
    pub(crate) fn sent(&self) -> Ledger {
        Ledger::read(&self.ledger)
    }

    /// Closes the connection, waits for the server to end, and says what reached Truedy in all.
    pub(crate) async fn leave(self) -> Ledger {
        patiently(self.connection.cancel()).await.unwrap();
        Ledger::read(&self.ledger)
    }

    /// Reads a result, which must be whole whichever half of it a client shows.
    fn read(&self, tool: &str, result: &CallToolResult) -> Result<Value, Refusal> {
        let body = result.structured_content.clone().expect("every result is structured");
        let result = serde_json::to_value(result).unwrap();
        let text = result["content"][0]["text"].as_str().expect("every result is a text too");
        let summary = body["summary"].as_str().expect("every result has a summary").to_owned();
        let (sentence, rest) = text.split_once('\n').expect("a sentence, then the facts");
        assert_eq!((sentence, &serde_json::from_str::<Value>(rest).unwrap()), (summary.as_str(), &body));
        assert_eq!(result["content"].as_array().map(Vec::len), Some(1));
        let status = body["status"].as_str().expect("every result has a status").to_owned();
        if let Some(schema) = self.tools.iter().find(|known| known.name == tool) {
            let schema = Value::Object(schema.output_schema.as_deref().expect("an output schema").clone());
            conforms(&body, &schema);
        }
        // What a model must read to go on is no error, though nothing was done.
        let shows = body.get("next").is_some() || body.get("confirmation_token").is_some();
        let goes_on = match status.as_str() {
            "confirmation_required" | "would_reassign" | "in_progress" => true,
            "confirmation_invalid" | "confirmation_expired" | "confirmation_used" | "state_changed" => shows,
            _ => false,
        };
        if goes_on {
            assert_eq!(result["isError"], false, "{body}");
            assert!(body.get("code").is_none() && body["retryable"].is_boolean(), "{body}");
            return Err(Refusal { status, summary, body });
        }
        if result["isError"] != true {
            assert!(body.get("code").is_none() && body.get("problems").is_none(), "a success with an error: {body}");
            return Ok(body);
        }
        assert_eq!(body["code"], json!(status), "{body}");
        assert!(body["retryable"].is_boolean(), "{body}");
        Err(Refusal { status, summary, body })
    }
}

/// Checks what clients check: required fields, and the type of each that is there.
fn conforms(body: &Value, schema: &Value) {
    for required in schema["required"].as_array().expect("required") {
        assert!(body.get(required.as_str().unwrap()).is_some(), "{required} is missing in {body}");
    }
    for (name, value) in body.as_object().expect("an object") {
        let Some(kind) = schema["properties"].get(name).and_then(|property| property["type"].as_str()) else {
            continue;
        };
        let right = match kind {
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_u64() || value.is_i64(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            other => panic!("{name} has the type {other}"),
        };
        assert!(right, "{name} is not {kind}: {body}");
    }
}

/// An answer, or the error that the protocol has for it.
fn protocol<T>(answer: Result<T, ServiceError>) -> Result<T, ErrorData> {
    match answer {
        Ok(answer) => Ok(answer),
        Err(ServiceError::McpError(error)) => Err(error),
        Err(error) => panic!("no answer: {error}"),
    }
}

fn params(tool: &str, arguments: Value) -> CallToolRequestParams {
    let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
    CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments)
}
