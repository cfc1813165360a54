//! The Truedy of a campaign: a sandbox in a process of its own, its account, and its record of every request.

use std::collections::HashMap;
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use truedy_mcp::sandbox::KEY;

use crate::support::program::{LONG, Running, program};

/// A running sandbox whose account is kept in a directory.
pub(super) struct Truedy {
    _running: Running,
    pub(super) base_url: String,
    ledger: PathBuf,
    runtime: Runtime,
    http: reqwest::Client,
    _home: TempDir,
}

/// A request that changes something, as it arrived.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) body: Value,
    /// The operation that sent it, as the sender says.
    pub(super) operation: Option<String>,
    /// The status it was answered with, if it was.
    pub(super) status: Option<u64>,
}

impl Truedy {
    pub(super) fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let ledger = home.path().join("ledger.jsonl");
        let mut command = program();
        command.args(["sandbox", "--listen", "127.0.0.1:0", "--fault", "rate_limit=0", "--state-dir"]);
        command.arg(home.path().join("account")).arg("--ledger").arg(&ledger);
        let running = Running::start(command);
        let base_url = loop {
            let line = running.line(LONG).expect("the sandbox says where it is");
            if let Some((_, url)) = line.split_once("TRUEDY_BASE_URL=") {
                break url.trim().to_owned();
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { _running: running, base_url, ledger, runtime, http: reqwest::Client::new(), _home: home }
    }

    /// From now on it misbehaves so, and only so.
    pub(super) fn misbehave(&self, faults: &Value) {
        let mut faults = faults.clone();
        faults["rate_limit"] = json!(0);
        let address = self.base_url.split("/api/").next().unwrap();
        let sent = self.http.put(format!("{address}/sandbox/faults")).body(faults.to_string()).send();
        let answer = self.runtime.block_on(sent).unwrap();
        assert!(answer.status().is_success(), "{faults}");
    }

    /// The numbers of the account.
    pub(super) fn numbers(&self) -> Vec<Value> {
        let mut rows = Vec::new();
        loop {
            let url = format!("{}/telephony/numbers?limit=100&offset={}", self.base_url, rows.len());
            let text = self.runtime.block_on(async {
                let answer = self.http.get(url).bearer_auth(KEY).send().await.unwrap();
                assert!(answer.status().is_success(), "{}", answer.status());
                answer.text().await.unwrap()
            });
            let page: Value = serde_json::from_str(&text).unwrap();
            let page = page["data"].as_array().expect("a list").clone();
            let last = page.len() < 100;
            rows.extend(page);
            if last {
                return rows;
            }
        }
    }

    /// The numbers for sale that fit.
    pub(super) fn search(&self, wish: &Value) -> Vec<Value> {
        let url = format!("{}/telephony/numbers/search", self.base_url);
        let text = self.runtime.block_on(async {
            let sent = self.http.post(url).bearer_auth(KEY).header("content-type", "application/json");
            let answer = sent.body(wish.to_string()).send().await.unwrap();
            assert!(answer.status().is_success(), "{wish}: {}", answer.status());
            answer.text().await.unwrap()
        });
        let page: Value = serde_json::from_str(&text).unwrap();
        page["data"].as_array().expect("a list").clone()
    }

    /// Every request so far that changes something, in the order in which they arrived.
    pub(super) fn changes(&self) -> Vec<Request> {
        let text = std::fs::read_to_string(&self.ledger).unwrap_or_default();
        let written = text.rsplit_once('\n').map_or("", |(written, _)| written);
        let lines: Vec<Value> = written.lines().map(|line| serde_json::from_str(line).expect("a whole line")).collect();
        let status = |line: &Value| Some((line["seq"].as_u64()?, line["status"].as_u64()?));
        let statuses: HashMap<u64, u64> = lines.iter().filter_map(status).collect();
        let text = |line: &Value, field: &str| line[field].as_str().map(str::to_owned);
        let requests = lines.iter().filter_map(|line| {
            let (method, path) = (text(line, "method")?, text(line, "path")?);
            (method != "GET" && !path.ends_with("/search")).then(|| Request {
                method,
                path,
                body: line["body"].clone(),
                operation: text(line, "idempotency_key"),
                status: line["seq"].as_u64().and_then(|seq| statuses.get(&seq).copied()),
            })
        });
        requests.collect()
    }
}
