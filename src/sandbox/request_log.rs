//! Records every request before it is handled, and every response. Tests count purchases in this record.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::sandbox::error::SECRET;
use crate::sandbox::time;

/// Most entries that can be read over HTTP. The file keeps all entries.
const REMEMBERED: usize = 20_000;
/// Most bytes of JSON that these entries may take together.
const BYTES: usize = 8 * 1024 * 1024;
/// Longest body that is kept, in bytes. No sensible body is nearly as long.
const BODY: usize = 16 * 1024;

const HIDDEN: &str = "[secret]";

/// What is known about a request when it arrives.
#[derive(Debug)]
pub(crate) struct Arrival<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) organization: &'a str,
    /// The sender's idempotency key for the requested change.
    pub(crate) idempotency_key: Option<&'a str>,
    pub(crate) body: &'a [u8],
}

/// The record of one sandbox.
#[derive(Debug)]
pub(crate) struct RequestLog {
    pages: Mutex<LogPages>,
}

#[derive(Debug)]
struct LogPages {
    next: u64,
    file: Option<File>,
    /// The entries, each as it is written in the file.
    entries: VecDeque<String>,
    /// The size of all entries, in bytes.
    bytes: usize,
}

impl RequestLog {
    /// Opens the record. If a file is named, entries are appended to it.
    pub(crate) fn open(file: Option<&Path>) -> io::Result<RequestLog> {
        let file = file.map(append).transpose()?;
        Ok(RequestLog { pages: Mutex::new(LogPages { next: 1, file, entries: VecDeque::new(), bytes: 0 }) })
    }

    /// Records a request and returns its sequence number.
    pub(crate) fn received(&self, arrival: &Arrival<'_>) -> u64 {
        let body = match arrival.body {
            [] => Value::Null,
            long if long.len() > BODY => json!("[too long]"),
            bytes => serde_json::from_slice(bytes).map_or_else(|_| json!("[unreadable]"), hide),
        };
        let mut pages = self.pages.lock();
        let seq = pages.next;
        pages.next += 1;
        pages.write(json!({
            "seq": seq,
            "ts": time::now(),
            "method": arrival.method,
            "path": arrival.path,
            "query": arrival.query,
            "organization": arrival.organization,
            "idempotency_key": arrival.idempotency_key,
            "body": body,
        }));
        seq
    }

    /// Records the response to a request. A missing status means that there was no response.
    pub(crate) fn answered(&self, seq: u64, status: Option<u16>) {
        let mut pages = self.pages.lock();
        pages.write(json!({ "seq": seq, "status": status }));
    }

    /// Returns all remembered entries, oldest first.
    pub(crate) fn entries(&self) -> Value {
        let pages = self.pages.lock();
        Value::Array(pages.entries.iter().filter_map(|entry| serde_json::from_str(entry).ok()).collect())
    }
}

impl LogPages {
    fn write(&mut self, entry: Value) {
        let line = format!("{entry}\n");
        if let Some(file) = &mut self.file {
            // Each line is written at once, so that lines of several processes do not mix.
            if let Err(error) = file.write_all(line.as_bytes()) {
                tracing::error!(%error, "the sandbox could not write its ledger");
            }
        }
        self.bytes += line.len();
        self.entries.push_back(line);
        while self.entries.len() > REMEMBERED || self.bytes > BYTES {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.bytes -= oldest.len();
        }
    }
}

fn append(file: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Opening a pipe would otherwise block until another process reads it.
        options.mode(0o600).custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    }
    let open = options.open(file)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let kind = open.metadata()?.file_type();
        if kind.is_fifo() || kind.is_socket() || kind.is_block_device() {
            return Err(io::Error::other("it is not a regular file"));
        }
    }
    Ok(open)
}

/// Replaces the values of secret fields in a body, at any depth.
fn hide(mut body: Value) -> Value {
    match &mut body {
        Value::Object(fields) => {
            for (name, value) in fields {
                *value = if SECRET.contains(&name.as_str()) { json!(HIDDEN) } else { hide(value.take()) };
            }
        }
        Value::Array(items) => {
            for item in items {
                *item = hide(item.take());
            }
        }
        _ => {}
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_written_at_once_and_without_secrets() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("ledger.jsonl");
        let ledger = RequestLog::open(Some(&file)).unwrap();
        let seq = ledger.received(&Arrival {
            method: "POST",
            path: "/x",
            query: None,
            organization: "org",
            idempotency_key: Some("op-1"),
            body: br#"{"api_key":"Geheim","deep":[{"sip_password":1}],"phone_number":"+12"}"#,
        });
        ledger.answered(seq, Some(200));
        ledger.answered(seq, None);
        let text = std::fs::read_to_string(&file).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(ledger.entries(), Value::Array(lines.clone()));
        assert_eq!(
            lines[0]["body"],
            json!({ "api_key": "[secret]", "deep": [{ "sip_password": "[secret]" }], "phone_number": "+12" })
        );
        assert_eq!(lines[0]["idempotency_key"], "op-1");
        assert_eq!(lines[1], json!({ "seq": 1, "status": 200 }));
        assert_eq!(lines[2]["status"], Value::Null);
        assert!(!text.contains("Geheim"));
    }

    #[test]
    fn what_is_remembered_is_bounded_in_number_and_in_bytes() {
        let ledger = RequestLog::open(None).unwrap();
        let body = json!({ "x": "y".repeat(BODY - 100) }).to_string().into_bytes();
        let arrival = |body| Arrival {
            method: "POST",
            path: "/x",
            query: None,
            organization: "org",
            idempotency_key: None,
            body,
        };
        for _ in 0..BYTES / BODY + 200 {
            ledger.received(&arrival(&body));
        }
        let last = ledger.received(&arrival(&vec![b' '; BODY + 1]));
        let pages = ledger.pages.lock();
        let held: usize = pages.entries.iter().map(String::len).sum();
        assert!(held == pages.bytes && held <= BYTES && held > BYTES - 2 * BODY, "{held}");
        drop(pages);
        let told = ledger.entries();
        let told = told.as_array().unwrap().last().unwrap();
        assert_eq!((&told["seq"], &told["body"]), (&json!(last), &json!("[too long]")));
        for _ in 0..REMEMBERED + 1 {
            ledger.answered(last, Some(200));
        }
        assert_eq!(ledger.pages.lock().entries.len(), REMEMBERED);
    }

    #[test]
    fn a_body_that_is_no_json_is_not_kept() {
        let ledger = RequestLog::open(None).unwrap();
        let arrival = Arrival {
            method: "POST",
            path: "/",
            query: None,
            organization: "org",
            idempotency_key: None,
            body: b"{secret",
        };
        ledger.received(&arrival);
        assert_eq!(ledger.entries()[0]["body"], "[unreadable]");
    }
}
