//! What the owner does in the middle of a campaign: stops all changes, lets them begin again, and undoes one.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use truedy_mcp::sandbox::KEY;

use super::scene::read;
use super::store::Store;
use super::truedy::{Request, Truedy};
use crate::support::program::{Running, program, run};
use crate::support::terminal::run_at_terminal;

/// A time in which all changes are stopped.
pub(super) struct Frozen {
    /// The operations that may still send something: they were sent before.
    sent: BTreeSet<String>,
    /// How many requests had arrived.
    arrived: usize,
}

/// The operations of the journal.
fn operations(store: &Store) -> Vec<Value> {
    let mut command = program();
    command.args(["operations", "--json", "--limit", "10000"]);
    store.give(&mut command);
    read(command)
}

impl Frozen {
    /// Stops all changes. What had been sent by then is read before the requests are counted.
    pub(super) fn begin(store: &Store, truedy: &Truedy) -> Self {
        let mut command = program();
        command.args(["freeze", "--why", "campaign"]);
        store.give(&mut command);
        let ran = run(command, "");
        assert_eq!(ran.code, Some(0), "{} {}", ran.stdout, ran.stderr);
        let under_way = |row: &Value| row["state"] == json!("sent") || row["state"] == json!("unknown");
        let sent =
            operations(store).into_iter().filter(under_way).filter_map(|row| row["id"].as_str().map(str::to_owned));
        Self { sent: sent.collect(), arrived: truedy.changes().len() }
    }

    /// Lets changes begin again, and fails if one began meanwhile.
    pub(super) fn end(self, store: &Store, truedy: &Truedy, name: &str) {
        let changes = truedy.changes();
        let known = |request: &&Request| request.operation.as_ref().is_some_and(|id| self.sent.contains(id));
        let late: Vec<&Request> = changes[self.arrived..].iter().filter(|request| !known(request)).collect();
        assert!(late.is_empty(), "{name}: sent while all changes were stopped: {late:?}");
        let mut command = program();
        command.arg("unfreeze");
        store.give(&mut command);
        let ran = run_at_terminal(command, "type unfreeze", "unfreeze\n");
        assert_eq!(ran.code, Some(0), "{name}: {}", ran.stderr);
    }
}

/// Begins the command that undoes an operation. Nobody waits for it.
pub(super) fn undo(store: &Store, truedy: &Truedy, id: &str) -> Running {
    let mut command = program();
    command.args(["undo", id, "--yes", "--upstream-rpm", "off"]);
    command.env("TRUEDY_BASE_URL", &truedy.base_url).env("TRUEDY_API_KEY", KEY);
    store.give(&mut command);
    Running::start(command)
}
