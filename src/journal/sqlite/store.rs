//! The store in a file. All processes of one user on one machine can share it safely.
//!
//! Each process holds a lock on a small file next to the journal while it runs. The kernel releases the lock whatever
//! ends the process. So the other processes see at once which operations it left open.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::BoxFuture;

use crate::journal::queries::clocks::Clock;
use crate::journal::sqlite::anchor::Anchor;
use crate::journal::sqlite::connection::{FILE, PATIENCE, SqliteConnection, checkpoint, in_memory, open};
use crate::journal::sqlite::integrity::{DELAY, FileState, IntegrityWatch};
use crate::journal::sqlite::lease::FileLease;
use crate::journal::sqlite::transaction::in_transaction;
use crate::journal::store::{Durability, JournalStore, StoreResult, TransactionWork, Unavailable, new_owner};
use crate::redact::shown_path;

/// A store in a directory, or in memory.
pub(crate) struct Sqlite {
    place: Option<PathBuf>,
    owner: i64,
    clock: Arc<dyn Clock>,
    /// Whether to warn, once, if the file is new.
    tells: AtomicBool,
    kept: Arc<tokio::sync::Mutex<SqliteState>>,
    integrity: Arc<IntegrityWatch>,
}

/// The state between transactions.
///
/// The lease outlasts a connection. Otherwise this process would seem to have ended while a connection is reopened.
#[derive(Default)]
struct SqliteState {
    life: Option<FileLease>,
    opened: Option<SqliteConnection>,
    /// The file that this process opened first. Another file in its place is another journal.
    anchor: Option<Anchor>,
    /// Whether the log already says that the file is missing.
    told: bool,
    /// Whether a connection broke. Then the whole file is checked before it is used again.
    suspect: bool,
}

/// What a transaction works with.
struct Surroundings<'s> {
    place: Option<&'s Path>,
    owner: i64,
    clock: &'s dyn Clock,
    integrity: &'s Arc<IntegrityWatch>,
}

impl Sqlite {
    /// Returns a store in this directory. The directory is created at the first use.
    pub(crate) fn in_directory(directory: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self::at(Some(directory), clock, IntegrityWatch::after(DELAY))
    }

    /// Returns a store in memory. It is lost when the process ends.
    pub(crate) fn in_memory(clock: Arc<dyn Clock>) -> Self {
        Self::at(None, clock, IntegrityWatch::after(DELAY))
    }

    pub(crate) fn at(place: Option<PathBuf>, clock: Arc<dyn Clock>, integrity: Arc<IntegrityWatch>) -> Self {
        let (tells, kept) = (AtomicBool::default(), Arc::default());
        Self { place, owner: new_owner(), clock, tells, kept, integrity }
    }
}

impl JournalStore for Sqlite {
    fn kind(&self) -> &'static str {
        if self.place.is_some() { "sqlite" } else { "memory" }
    }

    fn tell_if_new(&self) {
        self.tells.store(true, Ordering::Relaxed);
    }

    fn has_own_clock(&self) -> bool {
        false
    }

    fn owner(&self) -> i64 {
        self.owner
    }

    fn transact(&self, work: TransactionWork, lasting: Durability) -> BoxFuture<'_, StoreResult<()>> {
        let (place, owner, kept) = (self.place.clone(), self.owner, Arc::clone(&self.kept));
        let (clock, integrity) = (Arc::clone(&self.clock), Arc::clone(&self.integrity));
        Box::pin(async move {
            // Other tasks of this process may wait for a file that another process holds. The limit covers the whole
            // wait, so that the waiting times do not add up.
            let Ok(mut kept) = tokio::time::timeout(PATIENCE, kept.lock_owned()).await else {
                return Err(Unavailable::Failed("others are waiting for it already".to_owned()));
            };
            let tells = self.tells.swap(false, Ordering::Relaxed);
            let blocking = tokio::task::spawn_blocking(move || {
                place.as_deref().filter(|_| tells).inspect(|directory| warn_if_new(directory));
                let (place, clock) = (place.as_deref(), &*clock);
                transact(&mut kept, &Surroundings { place, owner, clock, integrity: &integrity }, (work, lasting))
            });
            let outcome =
                blocking.await.unwrap_or_else(|_| Err(Unavailable::Failed("a fault ended its work".to_owned())));
            if lasting == Durability::OnDisk && outcome.is_ok() && self.place.is_some() {
                // This is not awaited. While Truedy works on the request, the rows move from the write-ahead log into
                // the database.
                let kept = Arc::clone(&self.kept);
                tokio::spawn(async move {
                    let kept = kept.lock_owned().await;
                    drop(tokio::task::spawn_blocking(move || gather(&kept)).await);
                });
            }
            outcome
        })
    }

    fn write_back(&self) -> BoxFuture<'_, ()> {
        let place = self.place.clone();
        Box::pin(async move {
            let Some(directory) = place else { return };
            let written = tokio::task::spawn_blocking(move || checkpoint(&directory.join(FILE))).await;
            if let Ok(Err(error)) = written {
                tracing::debug!(%error, "the journal");
            }
        })
    }

    fn check(&self) -> BoxFuture<'_, StoreResult<()>> {
        let (place, integrity) = (self.place.clone(), Arc::clone(&self.integrity));
        Box::pin(async move {
            let Some(directory) = place else { return Ok(()) };
            let checked = tokio::task::spawn_blocking(move || integrity.check(&directory.join(FILE))).await;
            checked.unwrap_or_else(|_| Err(Unavailable::Failed("a fault ended its work".to_owned())))
        })
    }
}

/// Moves the rows of the write-ahead log into the database. Then little is lost if the log is lost.
fn gather(kept: &SqliteState) {
    if let Some(opened) = &kept.opened
        && let Err(error) = opened.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
    {
        tracing::debug!(%error, "the journal");
    }
}

fn transact(
    kept: &mut SqliteState,
    around: &Surroundings<'_>,
    (work, lasting): (TransactionWork, Durability),
) -> StoreResult<()> {
    let place = around.place;
    still_there(kept, place)?;
    if let Some(directory) = place {
        let state = around.integrity.admit(&directory.join(FILE));
        if state != Ok(FileState::Sound) {
            kept.opened = None;
        }
        state?;
    }
    if kept.life.as_ref().is_some_and(|life| !life.shows()) {
        kept.life = None;
        kept.opened = None;
    }
    let opened = match kept.opened.take() {
        Some(opened) => opened,
        None => open_store(kept, around)?,
    };
    let opened = kept.opened.insert(opened);
    let synchronous = match lasting {
        Durability::OnDisk => "PRAGMA synchronous = FULL",
        Durability::Soon => "PRAGMA synchronous = NORMAL",
    };
    let mut broken = opened.connection.execute_batch(synchronous).is_err();
    let outcome = in_transaction(&mut opened.connection, (place, around.owner, around.clock), work, &mut broken);
    // A damaged file is opened again at the next transaction. It may be repaired by then. A store in memory has no
    // other copy.
    if broken && place.is_some() {
        kept.opened = None;
        kept.suspect = true;
    }
    outcome
}

/// Opens the store. The first time in a process, the check of the whole file begins in the background. After a
/// connection broke, it comes first.
fn open_store(kept: &mut SqliteState, around: &Surroundings<'_>) -> StoreResult<SqliteConnection> {
    let Some(directory) = around.place else { return in_memory() };
    let opened = open(directory, around.owner, &mut kept.life)?;
    let file = directory.join(FILE);
    if kept.suspect {
        around.integrity.check(&file)?;
        kept.suspect = false;
    }
    kept.anchor = kept.anchor.or_else(|| Anchor::at(&file));
    around.integrity.begin(file);
    Ok(opened)
}

/// Checks that the file in use is still the file in the directory. Otherwise it refuses, and no new journal is created.
fn still_there(kept: &mut SqliteState, place: Option<&Path>) -> StoreResult<()> {
    let (Some(directory), Some(anchor)) = (place, &mut kept.anchor) else { return Ok(()) };
    let beside = kept.opened.as_ref().map_or(&[][..], |opened| &opened.beside);
    let held = anchor.holds(&directory.join(FILE), beside);
    match held {
        Ok(()) if kept.told => tracing::info!("the journal is back: changes are made again"),
        Err(why) if !kept.told => {
            let directory = shown_path(directory);
            tracing::error!(%directory, why, "the journal was taken away: nothing is changed until it is back or the program is started anew");
        }
        _ => {}
    }
    kept.told = held.is_err();
    held.map_err(|why| Unavailable::Failed(format!("{why}; put it back, or start the program anew")))
}

/// Warns if the journal of a live account is new, because it does not know earlier purchases.
///
/// An operator who uses a new container for each start must know this.
fn warn_if_new(directory: &Path) {
    if fs::symlink_metadata(directory.join(FILE)).is_err() {
        let directory = shown_path(directory);
        tracing::warn!(
            %directory,
            "there is no journal of the live account here, and a new one is begun: caps and answers that were lost earlier are not in it; in a container, mount a volume there"
        );
    }
}
