//! The sandbox on its own, as other programs find it: nothing that is sent without a key stays, and no page plays with it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use tokio::net::TcpStream;

use crate::support::http_client::{Answer, Talk, request};
use crate::support::program::program;

/// A sandbox that runs. It is killed when this value is dropped.
struct Sandbox {
    child: Child,
    host: String,
}

impl Sandbox {
    fn start(ledger: &str) -> Self {
        let mut command = program();
        command.args(["sandbox", "--listen", "127.0.0.1:0", "--ephemeral", "--ledger", ledger]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url =
            lines.find_map(|line| line.unwrap().strip_prefix("export TRUEDY_BASE_URL=http://").map(str::to_owned));
        let host = url.unwrap().split('/').next().unwrap().to_owned();
        // What it says later is read by nobody, and must not stop it.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, host }
    }

    async fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut talk = Talk::new(TcpStream::connect(&self.host).await.unwrap());
        talk.ask(method, request(&self.host, method, target, headers, body)).await
    }

    /// What it takes of the memory, in MiB.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

const IMPORT: &str = "/api/public/v1/telephony/numbers/import";

#[tokio::test]
async fn what_is_sent_without_a_key_is_not_kept() {
    let home = tempfile::tempdir().unwrap();
    let ledger = home.path().join("ledger.jsonl");
    let sandbox = Sandbox::start(ledger.to_str().unwrap());
    let body = format!("[{}0]", "0,".repeat(365_000));
    assert_eq!(sandbox.send("POST", IMPORT, &[], "{}").await.status, 401);
    let before = sandbox.memory();
    for at in 0..60 {
        let key = ["", "Bearer nobody", "Bearer truedy_nobody"][at % 3];
        assert_eq!(sandbox.send("POST", IMPORT, &[("authorization", key)], &body).await.status, 401);
    }
    let after = sandbox.memory();
    assert!(after < before + 40, "{before} MiB, and {after} MiB after 44 MB that nobody had a key for");
    assert_eq!(std::fs::read_to_string(&ledger).unwrap(), "");
    let known = format!("Bearer {}", truedy_mcp::sandbox::KEY);
    for _ in 0..30 {
        assert_eq!(sandbox.send("POST", IMPORT, &[("authorization", &known)], &body).await.status, 422);
    }
    let after = sandbox.memory();
    assert!(after < before + 100, "{before} MiB, and {after} MiB after 22 MB with a key");
    let kept = std::fs::read_to_string(&ledger).unwrap();
    assert!(kept.len() < 30_000 && kept.matches("[too long]").count() == 30, "{} bytes", kept.len());
}

#[tokio::test]
async fn a_page_that_rebinds_its_name_does_not_reach_it() {
    let home = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::start(home.path().join("ledger.jsonl").to_str().unwrap());
    let known = format!("Bearer {}", truedy_mcp::sandbox::KEY);
    for target in ["/sandbox/faults", "/sandbox/ledger", "/api/public/v1/telephony/numbers"] {
        let own = [("authorization", known.as_str())];
        assert_eq!(sandbox.send("GET", target, &own, "").await.status, 200, "{target}");
        for (header, value) in [
            ("host", "evil.example"),
            ("host", "127.0.0.1.nip.io:8787"),
            ("host", "evil@127.0.0.1"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
        ] {
            let answer = sandbox.send("GET", target, &[own[0], (header, value)], "").await;
            assert_eq!(answer.status, 403, "{target} {header}: {value}: {answer:?}");
        }
        assert_eq!(sandbox.send("GET", target, &[own[0], ("origin", "http://localhost:3000")], "").await.status, 200);
    }
}
