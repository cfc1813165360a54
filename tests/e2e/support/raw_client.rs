//! The built program on a wire: raw lines in and out, as any client may speak to it.
//!
//! Whatever a test does, it ends by finding that standard output held nothing but one-line JSON-RPC.

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// How long anything that must come may take on a slow machine.
pub(crate) const LONG: Duration = Duration::from_secs(60);
/// A key of the usual form.
pub(crate) const KEY: &str = "truedy_WireTestKey00000000000000000000x1";
/// The newest protocol.
pub(crate) const MODERN: &str = "2026-07-28";
/// The newest one that begins with a handshake.
pub(crate) const LEGACY: &str = "2025-11-25";

/// A home of one server's own: what it keeps, nobody else sees.
pub(crate) fn home() -> PathBuf {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("homes");
        drop(std::fs::remove_dir_all(&root));
        root
    });
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    ROOT.join(NEXT.fetch_add(1, Ordering::Relaxed).to_string())
}

/// The program with an environment of its own: nothing of the tester's reaches it.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_truedy-mcp"));
    command.env_clear().env("HOME", home());
    command
}

/// The server for a Truedy at this address, with a key, and no limit of its own.
pub(crate) fn server(base_url: &str) -> Command {
    server_within(base_url, "off")
}

/// The same, keeping within so many requests a minute.
pub(crate) fn server_within(base_url: &str, rpm: &str) -> Command {
    let mut command = program();
    command.args(["stdio", "--upstream-rpm", rpm]).env("TRUEDY_BASE_URL", base_url).env("TRUEDY_API_KEY", KEY);
    command
}

/// Runs the same test for several cases, eight at the same time.
pub(crate) fn at_once<T: Send>(cases: impl IntoIterator<Item = T>, test: impl Fn(T) + Sync) {
    let cases = Mutex::new(cases.into_iter().collect::<Vec<T>>().into_iter());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some(case) = { cases.lock().unwrap().next() } {
                    test(case);
                }
            });
        }
    });
}

/// An address where nobody listens, as long as the first value lives.
pub(crate) fn nobody() -> (tokio::net::TcpSocket, String) {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().unwrap()).expect("a free port");
    let address = socket.local_addr().expect("an address");
    (socket, format!("http://{address}/api/public/v1"))
}

/// A child process, all it says, and its end. It does not outlive this value.
pub(crate) struct Running {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    stdout: Arc<Mutex<Vec<u8>>>,
    stderr: Arc<Mutex<Vec<u8>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let input = child.stdin.take();
        let (stdout, stderr) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let (sender, lines) = channel();
        let (mut out, mut err) = (BufReader::new(child.stdout.take().unwrap()), child.stderr.take().unwrap());
        let (kept_out, kept_err) = (Arc::clone(&stdout), Arc::clone(&stderr));
        let readers = vec![
            thread::spawn(move || {
                let mut line = Vec::new();
                while matches!(out.read_until(b'\n', &mut line), Ok(1..)) {
                    kept_out.lock().unwrap().extend_from_slice(&line);
                    // Nobody may be waiting for it any more.
                    drop(sender.send(String::from_utf8_lossy(&line).into_owned()));
                    line.clear();
                }
            }),
            thread::spawn(move || {
                let mut part = [0; 4096];
                while let Ok(n @ 1..) = err.read(&mut part) {
                    kept_err.lock().unwrap().extend_from_slice(&part[..n]);
                }
            }),
        ];
        Self { child, input, lines, stdout, stderr, readers }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes to its standard input; a process that has ended reads nothing.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        if let Some(input) = &mut self.input {
            drop(input.write_all(bytes).and_then(|()| input.flush()));
        }
    }

    /// Ends its standard input.
    pub(crate) fn close(&mut self) {
        self.input = None;
    }

    /// The next line of its standard output.
    pub(crate) fn line(&self, within: Duration) -> Option<String> {
        self.lines.recv_timeout(within).ok()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    pub(crate) fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it can be waited for").is_some()
    }

    /// Waits for its end: the exit code, or `None` if a signal ended it. Afterwards all it said is there.
    pub(crate) fn ended(&mut self, within: Duration) -> Option<i32> {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                break status;
            }
            assert!(start.elapsed() < within, "still running after {within:?}; it said:\n{}", self.stderr());
            thread::sleep(Duration::from_millis(5));
        };
        for reader in self.readers.drain(..) {
            reader.join().expect("the reader ends");
        }
        status.code()
    }

    /// All it has written to standard output so far.
    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout.lock().unwrap()).into_owned()
    }

    /// All it has written to standard error so far.
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr.lock().unwrap()).into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a command printed, and how it ended.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a command to its end with this on its standard input.
pub(crate) fn run(command: Command, input: &str) -> Ran {
    let mut running = Running::start(command);
    running.write(input.as_bytes());
    running.close();
    let code = running.ended(LONG);
    Ran { code, stdout: running.stdout(), stderr: running.stderr() }
}

/// How a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    /// `initialize` first.
    Legacy,
    /// Everything with each request.
    Modern,
}

impl Era {
    pub(crate) const BOTH: [Self; 2] = [Self::Legacy, Self::Modern];
}

/// A client without a library: it sends what it is told to and reads what comes.
pub(crate) struct Wire {
    pub(crate) running: Running,
    era: Era,
    handshaken: bool,
    last: u64,
    answers: HashMap<String, Value>,
    capabilities: Value,
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
        let client = json!({ "name": "wire", "version": "1" });
        let answer = self.ask(
            "initialize",
            json!({ "protocolVersion": version, "capabilities": self.capabilities, "clientInfo": client }),
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
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientCapabilities": self.capabilities,
                "io.modelcontextprotocol/clientInfo": { "name": "wire", "version": "1" }
            });
        }
        self.last += 1;
        self.send(&json!({ "jsonrpc": "2.0", "id": self.last, "method": method, "params": params }));
        self.last
    }

    /// Sends a call; its id.
    pub(crate) fn send_call(&mut self, tool: &str, arguments: impl Into<Value>) -> u64 {
        self.request("tools/call", json!({ "name": tool, "arguments": arguments.into() }))
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
