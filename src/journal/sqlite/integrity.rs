//! The check of the whole file. It takes longer the larger the file is, so no call waits for it.
//!
//! It runs once in each process, in the background, some seconds after the file was opened. From the moment it finds
//! damage on, the journal refuses everything until the file has changed and is whole again. Damage in a page that a
//! transaction reads is noticed at once, without this check.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};

use crate::journal::sqlite::connection::PATIENCE;
use crate::journal::sqlite::errors::{explain, is_damage};
use crate::journal::store::{StoreResult, Unavailable};

/// How long after the first opening the check begins. A process that answers one call has ended by then.
pub(crate) const DELAY: Duration = Duration::from_secs(5);

/// What is known about damage of the file.
pub(crate) struct IntegrityWatch {
    delay: Duration,
    begun: AtomicBool,
    found: Mutex<Option<Damage>>,
}

/// Why the file cannot be used, and when it was changed last. Once it has changed, it is checked again.
struct Damage {
    why: Unavailable,
    changed: Option<(SystemTime, u64)>,
}

/// What the watch says about the file before a transaction.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FileState {
    /// No damage is known.
    Sound,
    /// There was damage, and there is none any more. Open connections must be replaced.
    Mended,
}

impl IntegrityWatch {
    /// Returns a watch whose check begins so long after the first opening.
    pub(crate) fn after(delay: Duration) -> Arc<Self> {
        Arc::new(Self { delay, begun: AtomicBool::default(), found: Mutex::default() })
    }

    /// Starts the check in the background, unless this process has started it before.
    ///
    /// Its thread is its own. The end of the process does not wait for it.
    pub(crate) fn begin(self: &Arc<Self>, file: PathBuf) {
        if self.begun.swap(true, Ordering::Relaxed) {
            return;
        }
        let (watch, delay) = (Arc::clone(self), self.delay);
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            let check = move || drop(watch.check(&file));
            if let Err(error) = std::thread::Builder::new().name("journal-check".to_owned()).spawn(check) {
                tracing::debug!(%error, "the journal is not checked");
            }
        });
    }

    /// Returns an error while the file is damaged. A file that has changed since is checked first.
    pub(crate) fn admit(&self, file: &Path) -> StoreResult<FileState> {
        let known = self.found.lock().as_ref().map(|damage| (damage.why.clone(), damage.changed));
        let Some((why, changed)) = known else { return Ok(FileState::Sound) };
        if changed == last_change(file) {
            return Err(why);
        }
        self.check(file)?;
        tracing::info!("the journal is whole again: changes are made again");
        Ok(FileState::Mended)
    }

    /// Checks the whole file now, and keeps the result.
    pub(crate) fn check(&self, file: &Path) -> StoreResult<()> {
        let changed = last_change(file);
        let checked = quick_check(file);
        let damage = match &checked {
            Ok(true) => None,
            Ok(false) => Some(Unavailable::Failed(format!("{} is damaged", file.display()))),
            Err(error) if is_damage(error) => Some(explain(error)),
            // The check itself could not run. That says nothing about the file.
            Err(error) => return Err(explain(error)),
        };
        if let Some(why) = &damage {
            tracing::error!(%why, "the journal is damaged: nothing is changed until it is mended");
        }
        *self.found.lock() = damage.clone().map(|why| Damage { why, changed });
        damage.map_or(Ok(()), Err)
    }
}

/// Reads the whole file. Returns false if its structure is damaged.
fn quick_check(file: &Path) -> rusqlite::Result<bool> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(PATIENCE)?;
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok(verdict == "ok")
}

fn last_change(file: &Path) -> Option<(SystemTime, u64)> {
    let about = fs::symlink_metadata(file).ok()?;
    Some((about.modified().ok()?, about.len()))
}
