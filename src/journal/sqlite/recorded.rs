//! What tests learn of the statements that a store ran.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use rusqlite::{Statement, StatementStatus};

/// The statements of each watched directory, and the most steps that each of them took.
static RECORDED: Mutex<BTreeMap<PathBuf, BTreeMap<String, i32>>> = Mutex::new(BTreeMap::new());

/// Watches the store in a directory from now on. What was recorded before is dropped.
pub(crate) fn watch(directory: &Path) {
    RECORDED.lock().insert(directory.to_owned(), BTreeMap::new());
}

/// Returns every statement that the store ran, with the most steps of one run.
pub(crate) fn recorded(directory: &Path) -> BTreeMap<String, i32> {
    RECORDED.lock().get(directory).cloned().unwrap_or_default()
}

/// Records one run of a statement. The count of steps begins anew.
pub(crate) fn record(place: Option<&Path>, sql: &str, statement: &Statement<'_>) {
    let steps = statement.reset_status(StatementStatus::VmStep);
    let mut all = RECORDED.lock();
    if let Some(statements) = place.and_then(|place| all.get_mut(place)) {
        let most = statements.entry(sql.to_owned()).or_default();
        *most = steps.max(*most);
    }
}
