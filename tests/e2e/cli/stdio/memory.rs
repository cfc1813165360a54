//! A client of stdio that never reads: the memory stays bounded, and whoever reads in the end gets every answer.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::era::LEGACY;
use crate::support::program::{LONG, program};

/// Requests that the client would send.
const MOST: usize = 1_000_000;
/// What the program may take beyond what it takes at rest.
const BEYOND: usize = 64 * 1024 * 1024;
/// When nothing more was taken for so long, reading has stopped.
const STILL: Duration = Duration::from_secs(2);

/// The program after a handshake, of which nobody reads more than is asked for.
struct Silent {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Drop for Silent {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Silent {
    fn start(mut command: Command) -> (Self, ChildStdin) {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the program starts");
        let (mut input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut silent = Self { child, output };
        let params =
            json!({ "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": { "name": "w", "version": "1" } });
        let hello = json!({ "jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": params });
        writeln!(input, "{hello}").unwrap();
        assert_eq!(silent.answer()["result"]["protocolVersion"], json!(LEGACY));
        (silent, input)
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line");
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?}"))
    }

    /// What it takes of the memory, in bytes.
    fn memory(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
        line.trim().trim_end_matches("kB").trim().parse::<usize>().expect("a number") * 1024
    }
}

/// Sends requests until nobody takes them any more, then reads what there is.
fn never_reads(request: impl Fn(usize) -> String + Send + 'static, answers: bool) {
    let mut command = program();
    command.args(["stdio", "--sandbox", "--ephemeral"]);
    let (mut silent, mut input) = Silent::start(command);
    let idle = silent.memory();
    let (sent, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let (counted, stopped) = (Arc::clone(&sent), Arc::clone(&stop));
    let writer = thread::spawn(move || {
        for at in 0..MOST {
            if stopped.load(Ordering::SeqCst) || input.write_all(request(at).as_bytes()).is_err() {
                break;
            }
            counted.store(at + 1, Ordering::SeqCst);
        }
        input
    });
    let (begun, mut last) = (Instant::now(), (0, Instant::now()));
    let mut most = 0;
    while last.1.elapsed() < STILL && begun.elapsed() < LONG {
        most = most.max(silent.memory());
        let now = sent.load(Ordering::SeqCst);
        if now != last.0 {
            last = (now, Instant::now());
        }
        thread::sleep(Duration::from_millis(20));
    }
    assert!(most <= idle + BEYOND, "{} MiB beyond {} MiB", (most - idle) >> 20, idle >> 20);
    assert!(last.0 < MOST && last.1.elapsed() >= STILL, "it reads on: {} requests", last.0);
    stop.store(true, Ordering::SeqCst);
    if answers {
        // One more may be on its way: it is let in as soon as something is read.
        for at in 0..last.0 {
            let answer = silent.answer();
            assert!(answer["result"].is_object() || answer["error"].is_object(), "{at}: {answer}");
        }
    }
    drop(silent);
    drop(writer.join());
}

fn line(id: usize, method: &str, params: &Value) -> String {
    format!("{}\n", json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
}

#[test]
fn pings() {
    never_reads(|id| line(id, "ping", &json!({})), true);
}

#[test]
fn lists_of_tools() {
    never_reads(|id| line(id, "tools/list", &json!({})), true);
}

#[test]
fn calls() {
    never_reads(|id| line(id, "tools/call", &json!({ "name": "list_numbers", "arguments": { "limit": 100 } })), true);
}

#[test]
fn requests_that_cannot_be_read() {
    never_reads(
        |id| format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"ping\",\"params\":{{\"x\":1e999}}}}\n"),
        true,
    );
}

#[test]
fn requests_with_one_id() {
    never_reads(|_| line(7, "tools/call", &json!({ "name": "list_numbers" })), true);
}
