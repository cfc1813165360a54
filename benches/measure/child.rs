//! A server as a child process, spoken to line by line.

use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::Measured;

/// The longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How to start a server.
#[derive(Clone)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) arguments: &'static [&'static str],
    pub(crate) environment: Vec<(&'static str, OsString)>,
    /// Whether nobody reads its standard error.
    pub(crate) quiet: bool,
}

impl Program {
    /// With these arguments, and no settings from the environment.
    pub(crate) fn new(path: &Path, arguments: &'static [&'static str]) -> Self {
        Self { path: path.to_owned(), arguments, environment: Vec::new(), quiet: false }
    }

    /// With this variable set besides.
    pub(crate) fn with(mut self, name: &'static str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name, value.as_ref().to_owned()));
        self
    }

    /// With its arguments and variables, and nothing of whoever runs this.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TRUEDY_") || name == "RUST_LOG" {
                command.env_remove(name);
            }
        }
        command.args(self.arguments).envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.kill_on_drop(true);
        command
    }

    /// Starts it as a server on a network, and waits until it says where it listens.
    pub(crate) async fn listen(&self) -> Measured<Listening> {
        let mut child = self.command().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(child.stderr.take().ok_or("the server has no standard error")?).lines();
        let told = async {
            while let Some(line) = lines.next_line().await? {
                if let Some(at) = line.split("listening on http://").nth(1).and_then(|url| url.strip_suffix("/mcp")) {
                    return Ok(at.parse()?);
                }
            }
            Err("the server ended before it listened".into())
        };
        let at: Measured<SocketAddr> = tokio::time::timeout(PATIENCE, told).await.map_err(|_| "nothing listens")?;
        // Nobody may have to wait until what it says is read.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Listening { at: at?, child })
    }

    /// Starts it; nothing is said yet.
    pub(crate) fn start(&self) -> Measured<Server> {
        let mut command = self.command();
        if self.quiet {
            command.stderr(Stdio::null());
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().ok_or("the server has no standard input")?;
        let output = child.stdout.take().ok_or("the server has no standard output")?;
        Ok(Server { child, input, output: BufReader::new(output), line: String::new() })
    }

    /// Starts it and shakes hands.
    pub(crate) async fn connect(&self) -> Measured<Server> {
        let mut server = self.start()?;
        server.ask(&initialize()).await?;
        server.tell(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string()).await?;
        Ok(server)
    }
}

/// A server on a network; dropping it kills it.
pub(crate) struct Listening {
    pub(crate) at: SocketAddr,
    child: Child,
}

impl Listening {
    /// Its process id.
    pub(crate) fn id(&self) -> Measured<u32> {
        self.child.id().ok_or_else(|| "the server ended".into())
    }
}

/// A running server; dropping it kills it.
pub(crate) struct Server {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    line: String,
}

impl Server {
    /// Sends one line.
    pub(crate) async fn tell(&mut self, line: &str) -> Measured<()> {
        Ok(self.input.write_all(format!("{line}\n").as_bytes()).await?)
    }

    /// Sends one line and waits for the next.
    pub(crate) async fn ask(&mut self, line: &str) -> Measured<&str> {
        self.tell(line).await?;
        self.hear().await
    }

    /// Waits for the next line.
    pub(crate) async fn hear(&mut self) -> Measured<&str> {
        self.line.clear();
        let read = tokio::time::timeout(PATIENCE, self.output.read_line(&mut self.line));
        if read.await.map_err(|_| "the server does not answer")?? == 0 {
            return Err("the server ended".into());
        }
        Ok(&self.line)
    }

    /// Sends one request and reads its result, which must be one.
    pub(crate) async fn result(&mut self, line: &str) -> Measured<Value> {
        let answer = self.ask(line).await?;
        let mut message: Value = serde_json::from_str(answer)?;
        match message.pointer_mut("/result").map(Value::take) {
            Some(result) if result.get("isError") != Some(&Value::Bool(true)) => Ok(result),
            _ => Err(format!("not the expected result: {answer}").into()),
        }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> Measured<u32> {
        self.child.id().ok_or_else(|| "the server ended".into())
    }

    /// Ends its input, and waits until it is gone by itself.
    pub(crate) async fn leave(self) -> Measured<()> {
        let Self { mut child, input, output: _output, .. } = self;
        drop(input);
        let ended = tokio::time::timeout(PATIENCE, child.wait()).await.map_err(|_| "the server does not end")??;
        if ended.success() { Ok(()) } else { Err(format!("the server failed: {ended}").into()) }
    }

    /// Ends it, and waits until it is gone.
    pub(crate) async fn end(mut self) -> Measured<()> {
        Ok(self.child.kill().await?)
    }
}

/// A request in the dialect of the handshake.
pub(crate) fn request(method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string()
}

/// A call without arguments.
pub(crate) fn call(tool: &str) -> String {
    call_with(tool, &json!({}))
}

/// A call with arguments.
pub(crate) fn call_with(tool: &str, arguments: &Value) -> String {
    request("tools/call", &json!({ "name": tool, "arguments": arguments }))
}

/// The same in the dialect of 2026-07-28, which needs nothing to come before it.
pub(crate) fn call_alone(tool: &str, arguments: &Value) -> String {
    request("tools/call", &json!({ "name": tool, "arguments": arguments, "_meta": metadata() }))
}

/// The list of tools in it.
pub(crate) fn list_alone() -> String {
    request("tools/list", &json!({ "_meta": metadata() }))
}

/// The handshake of 2025-11-25.
pub(crate) fn initialize() -> String {
    let client = json!({ "name": "measure", "version": "0" });
    request("initialize", &json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client }))
}

/// The first request of 2026-07-28.
pub(crate) fn discover() -> String {
    request("server/discover", &json!({ "_meta": metadata() }))
}

/// What every request of 2026-07-28 says of its client.
fn metadata() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "measure", "version": "0" },
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}
