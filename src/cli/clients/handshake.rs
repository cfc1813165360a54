//! Starts the command of an entry as a client does, and exchanges the first message of MCP with it.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use crate::redact::without_keys;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long it may take to end once its input has ended.
const ENDING: Duration = Duration::from_secs(5);
/// How much of what it says on standard error is read, in bytes.
const SAID: u64 = 64 * 1024;

/// What a server says that has no key.
const NO_KEY: &str = "no API key is set";
/// What is noted of it.
const WITHOUT_KEY: &str =
    "note: it has no API key here, so every call is refused: run `truedy-mcp init`, or set TRUEDY_API_KEY in the entry";

/// A command with its arguments and the variables of its entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EntryCommand {
    pub(super) program: String,
    pub(super) arguments: Vec<String>,
    pub(super) variables: Vec<(String, String)>,
}

impl EntryCommand {
    /// Starts the command, and returns name and version of the server.
    /// Errors: why it does not start, or what it answers instead.
    pub(super) async fn handshake(&self) -> Result<String, String> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).envs(self.variables.iter().cloned()).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => "its command does not exist; install the entry again".to_owned(),
            _ => format!("its command cannot be started: {error}"),
        })?;
        let answer = tokio::time::timeout(PATIENCE, greet(&mut child)).await;
        match answer {
            Ok(Some(name)) => {
                // With its input at its end, the server ends by itself.
                drop(child.stdin.take());
                drop(tokio::time::timeout(ENDING, child.wait()).await);
                let is_without_key = said(&mut child).await.contains(NO_KEY);
                Ok(if is_without_key { format!("{name}; {WITHOUT_KEY}") } else { name })
            }
            Ok(None) => Err(format!("it ends without an answer: {}", complaint(&mut child).await)),
            Err(_) => Err(format!("it gives no answer within {} s", PATIENCE.as_secs())),
        }
    }
}

/// Sends the first message, and returns what the server calls itself. `None` if it ends without an answer.
async fn greet(child: &mut Child) -> Option<String> {
    let client = json!({ "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") });
    let request = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": { "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client }
    });
    let input = child.stdin.as_mut()?;
    // A server that has ended already does not read; its end is noticed below.
    drop(input.write_all(format!("{request}\n").as_bytes()).await);
    drop(input.flush().await);
    let mut lines = BufReader::new(child.stdout.take()?).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let message: Value = serde_json::from_str(&line).unwrap_or_default();
        if message.get("id") == Some(&json!(1)) {
            let server = message.pointer("/result/serverInfo")?;
            let part = |name: &str| server.get(name).and_then(Value::as_str).unwrap_or("?");
            return Some(without_keys(&format!("{} {}", part("name"), part("version"))));
        }
    }
    None
}

/// Returns what the program said on standard error.
async fn said(child: &mut Child) -> String {
    let mut said = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        let read = stderr.take(SAID);
        drop(tokio::time::timeout(ENDING, BufReader::new(read).read_to_end(&mut said)).await);
    }
    String::from_utf8_lossy(&said).into_owned()
}

/// Returns the first line that the program said on standard error.
async fn complaint(child: &mut Child) -> String {
    let said = said(child).await;
    let line = said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it says nothing");
    without_keys(line.trim_start_matches("truedy-mcp: ").trim_end_matches('.'))
}
