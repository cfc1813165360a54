//! What the stories share: people with tokens, the files of a server, connections that stay open, and questions.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::support::era::MODERN;
use crate::support::expected::SCOPES;
use crate::support::fake_truedy::Upstream;
use crate::support::http_client::{Answer, Served, Talk, message, request};
use crate::support::program::{program, run};

/// The files of one server: tokens, tenants, its journal.
pub(super) struct Files {
    dir: TempDir,
    tokens: String,
    made: usize,
}

impl Files {
    pub(super) fn new() -> Self {
        let files = Self { dir: tempfile::tempdir().unwrap(), tokens: String::new(), made: 0 };
        files.write("tokens.toml", "");
        files
    }

    /// A token for somebody of a tenant.
    pub(super) fn token(&mut self, principal: &str, tenant: &str, scopes: &[&str]) -> String {
        self.made += 1;
        let token = format!("tmcp_{principal}_{tenant}_{}", self.made);
        let digest: String = Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        let scopes: Vec<String> = scopes.iter().map(|scope| format!("{scope:?}")).collect();
        self.tokens.push_str(&format!(
            "[[token]]\nsha256 = \"{digest}\"\nprincipal = \"{principal}\"\ntenant = \"{tenant}\"\nscopes = [{}]\n",
            scopes.join(", ")
        ));
        self.write("tokens.toml", &self.tokens);
        token
    }

    /// A token for somebody who may do everything, of the one tenant that there is without a configuration.
    pub(super) fn person(&mut self, principal: &str) -> String {
        self.token(principal, "default", &SCOPES)
    }

    /// Writes a file that nobody else may read; its path.
    pub(super) fn write(&self, name: &str, text: &str) -> String {
        let file = self.dir.path().join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        file.display().to_string()
    }

    /// Where the tokens are.
    pub(super) fn tokens(&self) -> String {
        self.dir.path().join("tokens.toml").display().to_string()
    }

    /// Where a server keeps its journal.
    pub(super) fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// Starts a server on this Truedy, with these tokens and a journal here.
    pub(super) async fn serve(&self, upstream: &Upstream, arguments: &[&str]) -> Served {
        let (tokens, state) = (self.tokens(), self.state().display().to_string());
        let all = [&["--tokens", &tokens, "--state-dir", &state], arguments].concat();
        Served::on(upstream, &all).await
    }

    /// The same with these tenants, each of which says where its Truedy is.
    pub(super) async fn serve_tenants(&self, tenants: &str, arguments: &[&str], keys: &[(&str, &str)]) -> Served {
        let (tokens, state) = (self.tokens(), self.state().display().to_string());
        let config = self.write("config.toml", tenants);
        let own = ["--tokens", &tokens, "--state-dir", &state, "--config", &config];
        Served::start(&[&own, arguments].concat(), keys).await
    }
}

/// The journal as its operator reads it, without what was refused before it began.
pub(super) fn begun(state: &Path) -> Vec<Value> {
    let mut command = program();
    command.args(["operations", "--json", "--only", "all", "--limit", "10000", "--state-dir"]).arg(state);
    let ran = run(command, "");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let all: Vec<Value> = serde_json::from_str(&ran.stdout).unwrap();
    let was_begun = |operation: &Value| operation["state"] != json!("refused") || operation.get("known_by").is_some();
    all.into_iter().filter(was_begun).collect()
}

/// The header that carries a token.
pub(super) fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// A connection that somebody keeps open.
pub(super) struct Line {
    talk: Talk<TcpStream>,
    host: String,
    bearer: String,
}

impl Line {
    pub(super) async fn open(served: &Served, token: &str) -> Self {
        Self { talk: served.connect().await, host: served.host(), bearer: bearer(token) }
    }

    /// A request as it goes out.
    pub(super) fn written(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> String {
        let own = [("authorization", self.bearer.as_str()), ("connection", "keep-alive")];
        request(&self.host, method, target, &[&own, headers].concat(), body)
    }

    /// Sends these bytes, whatever becomes of them.
    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.talk.send(bytes).await
    }

    /// The next answer; `None` if the connection ends before it.
    pub(super) async fn answer(&mut self) -> Option<Answer> {
        self.talk.answer("POST").await
    }

    /// A request and its answer.
    pub(super) async fn ask(&mut self, headers: &[(&str, &str)], message: &Value) -> Answer {
        let written = self.written("POST", "/mcp", headers, &message.to_string());
        self.talk.ask("POST", written).await
    }

    /// A call in 2026-07-28 as it goes out.
    pub(super) fn written_call(&self, tool: &str, arguments: &Value) -> String {
        let call = message("tools/call", json!({ "name": tool, "arguments": arguments }));
        self.written("POST", "/mcp", &modern(tool), &call.to_string())
    }

    /// A call in 2026-07-28; the whole answer.
    pub(super) async fn call(&mut self, tool: &str, arguments: &Value) -> Answer {
        let written = self.written_call(tool, arguments);
        self.talk.ask("POST", written).await
    }

    /// The connection itself.
    pub(super) fn into_talk(self) -> Talk<TcpStream> {
        self.talk
    }
}

/// The headers of a call in 2026-07-28.
pub(super) fn modern(tool: &str) -> [(&'static str, &str); 3] {
    [("mcp-protocol-version", MODERN), ("mcp-method", "tools/call"), ("mcp-name", tool)]
}

/// A call of a client that can ask its user, in 2026-07-28, with the state and the answer of an earlier question where
/// there are any; the `result` that came back.
pub(super) async fn say(
    served: &Served,
    token: &str,
    (tool, arguments): (&str, &Value),
    answer: Option<(&str, Value)>,
) -> Value {
    let mut call = message("tools/call", json!({ "name": tool, "arguments": arguments }));
    call["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({ "elicitation": {} });
    if let Some((state, answer)) = answer {
        call["params"]["requestState"] = json!(state);
        call["params"]["inputResponses"] = json!({ "confirm": answer });
    }
    let bearer = bearer(token);
    let headers = [&modern(tool)[..], &[("authorization", &bearer)]].concat();
    let answer = served.post(&headers, call).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["result"].clone()
}

/// The state of a question that was put.
pub(super) fn state(result: &Value) -> String {
    assert_eq!(result["resultType"], "input_required", "nobody is asked: {result}");
    result["requestState"].as_str().expect("a state").to_owned()
}

/// The status of a call that was answered.
pub(super) fn status(result: &Value) -> &str {
    result["structuredContent"]["status"].as_str().unwrap_or_else(|| panic!("no status: {result}"))
}

/// What a person answers who agrees to release a number.
pub(super) fn release_it(number: &str) -> Value {
    json!({ "action": "accept", "content": { "release": true, "last4": number[number.len() - 4..] } })
}

/// What a person answers who agrees to buy a number.
pub(super) fn buy_it() -> Value {
    json!({ "action": "accept", "content": { "buy": true } })
}

/// The number with these last digits, of those that nobody has.
pub(super) fn number(last: usize) -> String {
    format!("+1415555{last:04}")
}

/// Asks an address other than the one that is served, such as that of the admin endpoints.
pub(super) async fn look(served: &Served, path: &str) -> Answer {
    const SIGN: &str = "admin endpoints on http://";
    served.until_it_says(SIGN).await;
    let said = served.stderr();
    let address = said.split_once(SIGN).unwrap().1.split_once(": ").unwrap().0.to_owned();
    let mut talk = Talk::new(TcpStream::connect(&address).await.unwrap());
    talk.ask("GET", request(&address, "GET", path, &[], "")).await
}

/// A value that is measured.
pub(super) async fn measured(served: &Served, name: &str) -> f64 {
    let page = look(served, "/metrics").await.body;
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is not measured: {page}")).parse().unwrap()
}

/// How many clients are connected: without the one that asks.
pub(super) async fn connected(served: &Served) -> f64 {
    measured(served, "http_connections").await - 1.0
}

/// The number that a variable tells.
pub(super) fn told(variable: &str, otherwise: usize) -> usize {
    let text = std::env::var(variable).ok().filter(|text| !text.is_empty());
    text.map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{variable}: {text:?} is no whole number")))
}

/// The most memory that a server has used so far, in MiB.
pub(super) fn memory(served: &Served) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", served.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells");
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() / 1024
}
