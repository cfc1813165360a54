//! A client without a library: it sends raw lines and reads what comes, as any client may.
//!
//! Whatever a test does, it ends by finding that standard output held nothing but one-line JSON-RPC.

use std::collections::{HashMap, VecDeque};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::era::{Era, LEGACY, MODERN};
use super::program::{LONG, Running};

/// A client without a library: it sends what it is told to and reads what comes.
pub(crate) struct Wire {
    pub(crate) running: Running,
    era: Era,
    handshaken: bool,
    last: u64,
    answers: HashMap<String, Value>,
    capabilities: Value,
    /// What the client says that it is.
    client: Value,
    said: VecDeque<Value>,
}

impl Wire {
    /// Starts the program; nothing is said yet.
    pub(crate) fn start(command: Command, era: Era) -> Self {
        Self {
            running: Running::start(command),
            era,
            handshaken: false,
            last: 0,
            answers: HashMap::new(),
            capabilities: json!({}),
            client: json!({ "name": "wire", "version": "1" }),
            said: VecDeque::new(),
        }
    }

    /// Starts the program and does what its era begins with.
    pub(crate) fn open(command: Command, era: Era) -> Self {
        let mut wire = Self::start(command, era);
        wire.begin();
        wire
    }

    /// Starts the program for a client that declares these capabilities, and does what its era begins with.
    pub(crate) fn able(command: Command, era: Era, capabilities: Value) -> Self {
        let mut wire = Self::start(command, era);
        wire.capabilities = capabilities;
        wire.begin();
        wire
    }

    /// Starts the program for a client of this name, and does what its era begins with.
    pub(crate) fn named(command: Command, era: Era, client: Value) -> Self {
        let mut wire = Self::start(command, era);
        wire.client = client;
        wire.begin();
        wire
    }

    /// Does what the era begins with; the answer.
    pub(crate) fn begin(&mut self) -> Value {
        match self.era {
            Era::Legacy => self.handshake(LEGACY),
            Era::Modern => self.ask("server/discover", json!({})),
        }
    }

    /// The handshake in one of the older versions; the answer.
    pub(crate) fn handshake(&mut self, version: &str) -> Value {
        self.era = Era::Legacy;
        self.handshaken = true;
        let answer = self.ask(
            "initialize",
            json!({ "protocolVersion": version, "capabilities": self.capabilities, "clientInfo": self.client }),
        );
        self.notify("notifications/initialized", json!({}));
        answer
    }

    /// Speaks like another era from now on.
    pub(crate) fn speak(&mut self, era: Era) {
        self.era = era;
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.running.write(bytes);
    }

    pub(crate) fn send(&mut self, message: &Value) {
        self.raw(format!("{message}\n").as_bytes());
    }

    pub(crate) fn notify(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    /// Sends a request; its id.
    pub(crate) fn request(&mut self, method: &str, mut params: Value) -> u64 {
        if self.era == Era::Modern {
            let meta = [("protocolVersion", json!(MODERN)), ("clientCapabilities", self.capabilities.clone())];
            for (name, value) in meta.into_iter().chain([("clientInfo", self.client.clone())]) {
                params["_meta"][format!("io.modelcontextprotocol/{name}")] = value;
            }
        }
        self.last += 1;
        self.send(&json!({ "jsonrpc": "2.0", "id": self.last, "method": method, "params": params }));
        self.last
    }

    /// Sends a call; its id.
    pub(crate) fn send_call(&mut self, tool: &str, arguments: impl Into<Value>) -> u64 {
        self.request("tools/call", json!({ "name": tool, "arguments": arguments.into() }))
    }

    /// A call to which the client gives an id of its own, and its answer.
    pub(crate) fn call_by_id(&mut self, tool: &str, arguments: impl Into<Value>, call: &str) -> Called {
        let meta = json!({ "claudecode/toolUseId": call });
        let id = self.request("tools/call", json!({ "name": tool, "arguments": arguments.into(), "_meta": meta }));
        self.called(id)
    }

    /// The answer to a request, if it comes in time; what else comes is kept.
    pub(crate) fn answer_within(&mut self, id: u64, within: Duration) -> Option<Value> {
        let start = Instant::now();
        loop {
            if let Some(answer) = self.answers.remove(&id.to_string()) {
                return Some(answer);
            }
            let line = self.running.line(within.checked_sub(start.elapsed())?)?;
            let message: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line:?}"));
            if message.get("method").is_none() {
                self.answers.insert(message["id"].to_string(), message);
            } else {
                self.said.push_back(message);
            }
        }
    }

    /// The next request or notification of the server's own.
    pub(crate) fn said(&mut self) -> Value {
        let start = Instant::now();
        loop {
            if let Some(message) = self.said.pop_front() {
                return message;
            }
            // What comes meanwhile is kept where it belongs.
            drop(self.answer_within(u64::MAX, Duration::from_millis(50)));
            assert!(start.elapsed() < LONG, "the server said nothing; standard error:\n{}", self.running.stderr());
        }
    }

    pub(crate) fn answer(&mut self, id: u64) -> Value {
        self.answer_within(id, LONG).unwrap_or_else(|| {
            panic!("no answer to {id}; standard error:\n{}", self.running.stderr());
        })
    }

    pub(crate) fn called(&mut self, id: u64) -> Called {
        Called(self.answer(id))
    }

    /// A request and its answer.
    pub(crate) fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params);
        self.answer(id)
    }

    /// A call and its answer.
    pub(crate) fn call(&mut self, tool: &str, arguments: impl Into<Value>) -> Called {
        let id = self.send_call(tool, arguments);
        self.called(id)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.running.kill();
        if !thread::panicking() {
            for line in self.running.stdout().split_inclusive('\n').filter(|line| line.ends_with('\n')) {
                assert!(is_json_rpc(line), "standard output held something else: {line:?}");
                let whole: Value = serde_json::from_str(line).unwrap_or_default();
                let asks = whole["method"] == "elicitation/create";
                assert!(
                    self.handshaken || !asks,
                    "a request of the server to a client that never shook hands: {line:?}"
                );
            }
        }
    }
}

/// Whether a line is one message of JSON-RPC 2.0.
fn is_json_rpc(line: &str) -> bool {
    let Ok(Value::Object(message)) = serde_json::from_str::<Value>(line) else {
        return false;
    };
    let has = |field: &str| message.contains_key(field);
    // An error about what could not be read has no id to answer to.
    let answers = (has("id") && has("result") != has("error") || has("error") && !has("result")) && !has("method");
    let asks = message.get("method").is_some_and(Value::is_string) && !has("result") && !has("error");
    message.get("jsonrpc") == Some(&json!("2.0")) && (answers || asks)
}

/// The answer to a call.
#[derive(Debug, Clone)]
pub(crate) struct Called(pub(crate) Value);

impl Called {
    /// The facts.
    pub(crate) fn object(&self) -> &Value {
        &self.0["result"]["structuredContent"]
    }

    pub(crate) fn status(&self) -> &str {
        self.object()["status"].as_str().unwrap_or_else(|| panic!("no status in {}", self.0))
    }

    pub(crate) fn summary(&self) -> &str {
        self.object()["summary"].as_str().unwrap_or_else(|| panic!("no summary in {}", self.0))
    }

    pub(crate) fn is_error(&self) -> bool {
        self.0["result"]["isError"] == json!(true)
    }
}
