//! What the stories share: servers that keep a journal, and the journal as its operator reads it.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::era::Era;
use crate::support::fake_truedy::Upstream;
use crate::support::program::{LONG, program, run, server};
use crate::support::raw_client::Wire;

pub(super) const NUMBER: &str = "+14155550160";
pub(super) const OTHER: &str = "+14155550161";
pub(super) const THIRD: &str = "+14155550162";

/// A server on this upstream that keeps its journal here.
pub(super) fn keeper(upstream: &Upstream, state: &Path) -> Command {
    let mut command = server(&upstream.base_url());
    command.arg("--state-dir").arg(state);
    command
}

/// The same with further arguments, started and greeted.
pub(super) fn open(upstream: &Upstream, state: &Path, arguments: &[&str]) -> Wire {
    let mut command = keeper(upstream, state);
    command.args(arguments);
    Wire::open(command, Era::Modern)
}

/// Ends a server in order: its input ends, and it goes by itself.
pub(super) fn leave(mut wire: Wire) {
    wire.running.close();
    assert_eq!(wire.running.ended(LONG), Some(0));
}

pub(super) fn buy(number: &str) -> Value {
    json!({ "phone_number": number, "confirm": true })
}

/// A purchase of somebody who knows what is not known.
pub(super) fn buy_knowing(number: &str, ids: &[&str]) -> Value {
    json!({ "phone_number": number, "confirm": true, "acknowledge_unresolved": ids })
}

/// The command an operator looks at the journal with.
pub(super) fn operations(state: &Path, arguments: &[&str]) -> Command {
    let mut command = program();
    command.arg("operations").args(arguments).arg("--state-dir").arg(state);
    command
}

/// The whole journal, unresolved operations first, then the newest.
pub(super) fn journal(state: &Path) -> Vec<Value> {
    read(operations(state, &["--json", "--only", "all", "--limit", "10000"]))
}

/// What a command that prints the journal printed.
pub(super) fn read(command: Command) -> Vec<Value> {
    let ran = run(command, "");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("no JSON: {}", ran.stdout))
}

/// The operations that were begun: without calls that were refused before.
pub(super) fn begun(state: &Path) -> Vec<Value> {
    let was_begun = |operation: &Value| operation["state"] != json!("refused") || operation.get("known_by").is_some();
    journal(state).into_iter().filter(was_begun).collect()
}

/// The one operation that was begun.
pub(super) fn only(state: &Path) -> Value {
    let mut all = begun(state);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

/// State, outcome and how it is known, which must be so.
pub(super) fn is(operation: &Value, state: &str, outcome: &str, known_by: Option<&str>) {
    let known = operation.get("known_by").and_then(Value::as_str);
    assert_eq!((&operation["state"], &operation["outcome"]), (&json!(state), &json!(outcome)), "{operation}");
    assert_eq!(known, known_by, "{operation}");
}

/// Waits until something holds.
pub(super) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < 2 * LONG, "still not so: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}
