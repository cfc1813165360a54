//! A sandbox that runs as a process of its own, and the record of what reached it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;
use truedy_mcp::sandbox::KEY;

use super::program::{patiently, tokio_program};

/// A request that reached Truedy.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: Value,
}

/// What reached Truedy.
#[derive(Debug)]
pub(crate) struct Ledger(pub(crate) Vec<Sent>);

impl Ledger {
    /// Nothing is written before the first request; a line may still be under way; an answer has no method.
    pub(crate) fn read(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let written = text.rsplit_once('\n').map_or("", |(written, _)| written);
        let lines = written.lines().map(|line| serde_json::from_str::<Value>(line).expect("a whole line"));
        Self(
            lines
                .filter_map(|line| {
                    let (method, path) = (line["method"].as_str()?.to_owned(), line["path"].as_str()?.to_owned());
                    Some(Sent { method, path, body: line["body"].clone() })
                })
                .collect(),
        )
    }

    /// How many requests with this method went to a path that ends so.
    pub(crate) fn count(&self, method: &str, ending: &str) -> usize {
        self.0.iter().filter(|sent| sent.method == method && sent.path.ends_with(ending)).count()
    }

    pub(crate) fn releases(&self) -> usize {
        self.count("DELETE", "")
    }

    pub(crate) fn purchases(&self) -> usize {
        self.count("POST", "/purchase")
    }

    pub(crate) fn imports(&self) -> usize {
        self.count("POST", "/import")
    }

    /// How many requests could have changed anything: all but reading and searching.
    pub(crate) fn changes(&self) -> usize {
        self.0.iter().filter(|sent| sent.method != "GET" && !sent.path.ends_with("/search")).count()
    }

    /// How many there are at all.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// A sandbox that runs on its own.
pub(crate) struct Sandbox {
    _running: Child,
    pub(crate) base_url: String,
    pub(crate) ledger: PathBuf,
    http: reqwest::Client,
    _home: TempDir,
}

impl Sandbox {
    /// Starts one, in memory, without a rate limit.
    pub(crate) async fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let ledger = home.path().join("ledger.jsonl");
        let mut command = tokio_program();
        command.args(["sandbox", "--listen", "127.0.0.1:0", "--ephemeral", "--fault", "rate_limit=0", "--ledger"]);
        command.arg(&ledger).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut running = command.spawn().unwrap();
        let mut lines = BufReader::new(running.stdout.take().unwrap()).lines();
        let base_url = patiently(async {
            loop {
                let line = lines.next_line().await.unwrap().expect("the sandbox says where it is");
                if let Some((_, url)) = line.split_once("TRUEDY_BASE_URL=") {
                    return url.to_owned();
                }
            }
        })
        .await;
        Self { _running: running, base_url, ledger, http: reqwest::Client::new(), _home: home }
    }

    /// Sends a request to its API, as any program might.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        let sent = self.http.post(format!("{}{path}", self.base_url)).bearer_auth(KEY);
        let sent = sent.header("content-type", "application/json").body(body.to_string()).send();
        let answer = patiently(sent).await.unwrap();
        let status = answer.status();
        let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert!(status.is_success(), "{path} {body}: {answer}");
        answer["data"].clone()
    }

    /// From now on it misbehaves so, and only so.
    pub(crate) async fn misbehave(&self, faults: Value) {
        let address = self.base_url.split("/api/").next().unwrap();
        let sent = self.http.put(format!("{address}/sandbox/faults")).body(faults.to_string()).send();
        assert!(patiently(sent).await.unwrap().status().is_success());
    }
}
