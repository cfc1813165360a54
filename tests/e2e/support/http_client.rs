//! `truedy-mcp http` as the tests see it: the built program on a free port, what it says, and a client that can send it
//! anything, byte by byte.

use std::io::Read;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::era::MODERN;
use super::fake_truedy::Upstream;
use super::program::{KEY, LONG, program};

/// A server that runs. It is killed when this value is dropped.
pub(crate) struct Served {
    child: Child,
    heard: Arc<Mutex<String>>,
    ear: Option<JoinHandle<()>>,
    listening: String,
}

impl Served {
    /// Starts `truedy-mcp http --listen 127.0.0.1:0` with these arguments and variables, and waits until it listens.
    ///
    /// Truedy is nowhere and has a key, unless `TRUEDY_BASE_URL`, `--sandbox` or `--config` says otherwise.
    pub(crate) async fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let begun = Self::begin(arguments, environment);
        begun.until_it_listens().await
    }

    /// The same on this Truedy, without a limit of its own.
    pub(crate) async fn on(upstream: &Upstream, arguments: &[&str]) -> Self {
        Self::start(arguments, &[("TRUEDY_BASE_URL", &upstream.base_url())]).await
    }

    /// A server that must not start: its exit code and all it says.
    pub(crate) async fn refused(arguments: &[&str], environment: &[(&str, &str)]) -> (i32, String) {
        let mut begun = Self::begin(arguments, environment);
        let ended = tokio::time::timeout(LONG, begun.wait()).await;
        let code = ended.unwrap_or_else(|_| panic!("it started, with {arguments:?}: {}", begun.stderr()));
        (code, begun.stderr())
    }

    fn begin(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = command(arguments, environment);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (heard, mut stderr) = (Arc::new(Mutex::new(String::new())), child.stderr.take().unwrap());
        let writes = Arc::clone(&heard);
        let ear = thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(length @ 1..) = stderr.read(&mut part) {
                let text = String::from_utf8_lossy(&part[..length]);
                writes.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
            }
        });
        Self { child, heard, ear: Some(ear), listening: String::new() }
    }

    async fn until_it_listens(mut self) -> Self {
        const SIGN: &str = "listening on ";
        let begun = Instant::now();
        loop {
            let said = self.stderr();
            // A line that is not whole yet may hold half an address; whatever belongs to the start stands behind it.
            let line = said
                .lines()
                .zip(said.split_inclusive('\n'))
                .find(|(_, whole)| whole.ends_with('\n') && whole.contains(SIGN));
            if let Some((line, _)) = line {
                self.listening = line.split_once(SIGN).unwrap().1.to_owned();
                return self;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("it ended with {status}: {}", self.stderr());
            }
            assert!(begun.elapsed() < LONG, "it does not listen: {said}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The address of the endpoint, such as `http://127.0.0.1:40123/mcp`.
    pub(crate) fn url(&self) -> &str {
        &self.listening
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        let (_, rest) = self.listening.split_once("://").expect("it listens on TCP");
        rest.trim_end_matches("/mcp").parse().unwrap()
    }

    /// What it said on standard error so far.
    pub(crate) fn stderr(&self) -> String {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it has said this.
    pub(crate) async fn until_it_says(&self, text: &str) {
        eventually(&format!("it never said {text:?}"), async || self.stderr().contains(text)).await;
    }

    /// The token that it made for this run.
    pub(crate) fn token(&self) -> String {
        const SIGN: &str = "Authorization: Bearer ";
        let begun = Instant::now();
        loop {
            let said = self.stderr();
            let token = said.split_once(SIGN).and_then(|(_, rest)| rest.split_once('\''));
            if let Some((token, _)) = token {
                return token.to_owned();
            }
            assert!(begun.elapsed() < LONG, "it shows no token: {said}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The `host:port` a client names.
    pub(crate) fn host(&self) -> String {
        self.address().to_string()
    }

    /// A connection to it.
    pub(crate) async fn connect(&self) -> Talk<TcpStream> {
        Talk::new(TcpStream::connect(self.address()).await.unwrap())
    }

    /// Posts a message to /mcp. `Host`, `Content-Type` and `Accept` are added unless they are given.
    pub(crate) async fn post(&self, headers: &[(&str, &str)], message: Value) -> Answer {
        self.send("POST", "/mcp", headers, &message.to_string()).await
    }

    /// Asks for a page.
    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("GET", path, headers, "").await
    }

    /// Sends any request, on a connection of its own.
    pub(crate) async fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let request = request(&self.host(), method, target, headers, body);
        self.connect().await.ask(method, request.as_bytes()).await
    }

    /// Sends exactly these bytes, and reads until the server closes. The last request must ask it to.
    pub(crate) async fn raw(&self, bytes: impl AsRef<[u8]>) -> Vec<u8> {
        let mut talk = self.connect().await;
        talk.send(bytes).await;
        talk.rest().await
    }

    /// A `tools/call` of 2026-07-28, which needs nothing before it; the whole HTTP answer.
    pub(crate) async fn call_with(&self, headers: &[(&str, &str)], tool: &str, arguments: Value) -> Answer {
        let mut all = vec![("mcp-protocol-version", MODERN), ("mcp-method", "tools/call"), ("mcp-name", tool)];
        all.extend(headers);
        self.post(&all, message("tools/call", json!({ "name": tool, "arguments": arguments }))).await
    }

    /// Calls a tool with this token; the structured half of its result. Without a token the text is empty.
    pub(crate) async fn call(&self, token: &str, tool: &str, arguments: Value) -> Value {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        let headers = if token.is_empty() { &[][..] } else { &headers[..] };
        let answer = self.call_with(headers, tool, arguments).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["result"]["structuredContent"].clone()
    }

    /// The names of the tools that somebody with these headers is offered, in 2026-07-28.
    pub(crate) async fn tools(&self, headers: &[(&str, &str)]) -> Vec<String> {
        let mut all = vec![("mcp-protocol-version", MODERN), ("mcp-method", "tools/list")];
        all.extend(headers);
        let answer = self.post(&all, message("tools/list", json!({}))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer = answer.json();
        let tools = answer["result"]["tools"].as_array().unwrap_or_else(|| panic!("no list of tools: {answer}"));
        tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end; its exit code, or minus the signal that ended it.
    pub(crate) async fn wait(&mut self) -> i32 {
        use std::os::unix::process::ExitStatusExt;
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < LONG + LONG, "it does not end: {}", self.stderr());
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        // What it said to the last.
        if let Some(ear) = self.ear.take() {
            drop(ear.join());
        }
        status.code().unwrap_or_else(|| -status.signal().unwrap_or(0))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The program as `http`, in an environment of its own.
fn command(arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = program();
    command.arg("http");
    if !arguments.contains(&"--listen") && !environment.iter().any(|(name, _)| *name == "TRUEDY_MCP_LISTEN") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    if !arguments.contains(&"--upstream-rpm") {
        command.args(["--upstream-rpm", "off"]);
    }
    if !arguments.iter().any(|argument| matches!(*argument, "--sandbox" | "--config")) {
        // Port 9 is nobody's: a call that should not have been made goes nowhere.
        command.env("TRUEDY_API_KEY", KEY).env("TRUEDY_BASE_URL", "http://127.0.0.1:9/api/public/v1");
    }
    command.args(arguments).envs(environment.iter().copied());
    command
}

/// A JSON-RPC request of 2026-07-28 with id 1.
pub(crate) fn message(method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { "name": "served", "version": "1" }
    });
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

/// A request as text. The usual headers are added unless they are given; the connection ends with the answer.
pub(crate) fn request(host: &str, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> String {
    let length = body.len().to_string();
    let mut usual = vec![("host", host), ("accept", "application/json, text/event-stream"), ("connection", "close")];
    if method == "POST" {
        usual.extend([("content-type", "application/json"), ("content-length", length.as_str())]);
    }
    usual.retain(|(name, _)| !headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name)));
    let mut text = format!("{method} {target} HTTP/1.1\r\n");
    for (name, value) in usual.iter().chain(headers) {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.push_str(body);
    text
}

/// An answer, its body whole.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// The header of this name, of which there must not be two.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(given, _)| given.eq_ignore_ascii_case(name));
        let first = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} came twice: {self:?}");
        first
    }

    /// Its body, which is JSON: the whole of it, or the last message of a stream.
    pub(crate) fn json(&self) -> Value {
        let event = self.body.lines().rev().find_map(|line| line.strip_prefix("data:"));
        let text = if self.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream")) {
            event.unwrap_or_default()
        } else {
            &self.body
        };
        serde_json::from_str(text).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }
}

/// A connection with a server, whatever it runs over.
pub(crate) struct Talk<S> {
    stream: S,
    read: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, read: Vec::new() }
    }

    /// Sends exactly these bytes. A server that has closed takes none, which is no failure.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok()
    }

    /// Sends a request with this method and waits for its answer.
    pub(crate) async fn ask(&mut self, method: &str, bytes: impl AsRef<[u8]>) -> Answer {
        self.send(bytes).await;
        self.answer(method).await.expect("an answer before the end of the connection")
    }

    /// The next answer, to a request with this method; `None` if the connection ends before it begins.
    pub(crate) async fn answer(&mut self, method: &str) -> Option<Answer> {
        loop {
            let Some(head) = self.until(b"\r\n\r\n").await else {
                assert!(self.read.is_empty(), "half an answer: {:?}", String::from_utf8_lossy(&self.read));
                return None;
            };
            let mut lines = head.split("\r\n");
            let status: u16 = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
            let headers = lines
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
                .collect();
            let mut answer = Answer { status, headers, body: String::new() };
            if status == 100 {
                continue;
            }
            if method != "HEAD" && !matches!(status, 204 | 304) {
                let bytes = self.body(&answer).await;
                answer.body = String::from_utf8(bytes).unwrap();
            }
            return Some(answer);
        }
    }

    async fn body(&mut self, answer: &Answer) -> Vec<u8> {
        if answer.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            let mut body = Vec::new();
            loop {
                let length = self.until(b"\r\n").await.expect("the length of a chunk");
                let length = usize::from_str_radix(length.trim(), 16).unwrap();
                let chunk = self.exactly(length + 2).await;
                if length == 0 {
                    return body;
                }
                body.extend_from_slice(&chunk[..length]);
            }
        }
        match answer.header("content-length") {
            Some(length) => self.exactly(length.parse().unwrap()).await,
            None => self.rest().await,
        }
    }

    /// What comes up to and with this mark, without it; `None` if the connection ends first.
    pub(crate) async fn until(&mut self, mark: &[u8]) -> Option<String> {
        loop {
            if let Some(at) = self.read.windows(mark.len()).position(|window| window == mark) {
                let whole: Vec<u8> = self.read.drain(..at + mark.len()).collect();
                return Some(String::from_utf8_lossy(&whole[..at]).into_owned());
            }
            if !self.more().await {
                return None;
            }
        }
    }

    async fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.read.len() < length {
            assert!(self.more().await, "the answer broke off: {:?}", String::from_utf8_lossy(&self.read));
        }
        self.read.drain(..length).collect()
    }

    /// All that still comes until the server closes.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.read)
    }

    /// Reads on; whether anything came. A reset is an end.
    async fn more(&mut self) -> bool {
        let read = tokio::time::timeout(LONG, self.stream.read_buf(&mut self.read)).await;
        matches!(read.expect("the server says something or closes"), Ok(1..))
    }

    /// The stream itself.
    pub(crate) fn into_inner(self) -> S {
        self.stream
    }
}

/// Waits until this holds, for as long as anything may take on a slow machine.
pub(crate) async fn eventually(otherwise: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < LONG, "{otherwise}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}
