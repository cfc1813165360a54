//! An MCP client for the tour. It starts this server as a child process, and simulates a person who answers questions.

use std::ffi::OsStr;
use std::sync::Arc;

use parking_lot::Mutex;
use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult, ElicitationAction,
    ErrorData, Implementation, ProtocolVersion,
};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt, RequestContext, RunningService};
use rmcp::transport::TokioChildProcess;
use rmcp::{ClientHandler, RoleClient};
use serde_json::{Map, Value, json};
use tokio::process::Command;

/// A question to the person, and the person's answer.
#[derive(Debug, Clone)]
pub struct AnsweredQuestion {
    /// The text of the question.
    pub question: String,
    /// The answer, by field name.
    pub answer: Value,
}

/// A simulated person who agrees to every question and records it.
#[derive(Clone, Default)]
struct TourPerson(Arc<Mutex<Vec<AnsweredQuestion>>>);

impl ClientHandler for TourPerson {
    fn get_info(&self) -> ClientConfig {
        ClientConfig::new(
            ClientCapabilities::builder().enable_elicitation().build(),
            Implementation::new("truedy-mcp-tour", env!("CARGO_PKG_VERSION")),
        )
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let ElicitRequestParams::FormElicitationParams { message, requested_schema, .. } = request else {
            return Ok(ElicitResult::new(ElicitationAction::Decline));
        };
        let schema = serde_json::to_value(&requested_schema).unwrap_or_default();
        let fields = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        // The simulated person ticks each box, and types the digits that the question shows.
        let answer: Map<String, Value> = fields
            .map(|(name, field)| {
                (
                    name.clone(),
                    if field.get("type") == Some(&json!("boolean")) { json!(true) } else { json!(last4(&message)) },
                )
            })
            .collect();
        let answer = Value::Object(answer);
        self.0.lock().push(AnsweredQuestion { question: message, answer: answer.clone() });
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(answer))
    }
}

/// Returns the last four digits of the first number in a text.
fn last4(text: &str) -> String {
    let number = text.split('+').nth(1).unwrap_or_default().chars().take_while(|c| c.is_ascii_digit() || *c == ' ');
    let digits: String = number.filter(char::is_ascii_digit).collect();
    digits.get(digits.len().saturating_sub(4)..).unwrap_or_default().to_owned()
}

/// A connection to a server process that was started for it.
pub struct TourClient {
    connection: RunningService<RoleClient, TourPerson>,
    person: TourPerson,
}

impl TourClient {
    /// Starts the program with these arguments and connects in the newest revision.
    pub async fn start(program: impl AsRef<OsStr>, arguments: &[&str]) -> Result<Self, String> {
        let mut command = Command::new(program);
        command.args(arguments);
        for name in
            std::env::vars_os().map(|(name, _)| name).filter(|name| name.to_string_lossy().starts_with("TRUEDY_"))
        {
            command.env_remove(name);
        }
        let child = TokioChildProcess::new(command).map_err(|error| error.to_string())?;
        let person = TourPerson::default();
        let lifecycle = ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] };
        let connection =
            person.clone().serve_with_lifecycle(child, lifecycle).await.map_err(|error| error.to_string())?;
        Ok(Self { connection, person })
    }

    /// Returns the names of the offered tools.
    pub async fn tools(&self) -> Result<Vec<String>, String> {
        let tools = self.connection.list_all_tools().await.map_err(|error| error.to_string())?;
        Ok(tools.into_iter().map(|tool| tool.name.into_owned()).collect())
    }

    /// Calls a tool. Returns its structured result, and whether that is a refusal.
    pub async fn call(&self, tool: &'static str, arguments: Value) -> Result<(Value, bool), String> {
        let params =
            CallToolRequestParams::new(tool).with_arguments(arguments.as_object().cloned().unwrap_or_default());
        let result = self.connection.call_tool(params).await.map_err(|error| error.to_string())?;
        Ok((result.structured_content.unwrap_or_default(), result.is_error == Some(true)))
    }

    /// Returns the questions since the last call of this function.
    pub fn asked(&self) -> Vec<AnsweredQuestion> {
        std::mem::take(&mut *self.person.0.lock())
    }

    /// Closes the connection. The server process then ends by itself.
    pub async fn leave(self) {
        drop(self.connection.cancel().await);
    }
}
