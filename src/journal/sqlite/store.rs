//! The journal in a file of its own, shared safely by every process of one user on one machine.
//!
//! Each process holds a lock on a small file beside it for as long as it lives; the kernel lets go of it whatever ends the
//! process, so that the others see at once which operations nobody waits for any more.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::BoxFuture;

use crate::journal::queries::clocks::Clock;
use crate::journal::sqlite::anchor::Anchor;
use crate::journal::sqlite::connection::{PATIENCE, SqliteConnection, in_memory, open};
use crate::journal::sqlite::folder::FILE;
use crate::journal::sqlite::lease::FileLease;
use crate::journal::sqlite::transaction::in_transaction;
use crate::journal::store::{Durability, JournalStore, StoreResult, TransactionWork, Unavailable, new_owner};
use crate::redact::shown_path;

/// A journal in a directory, or in memory.
pub(crate) struct Sqlite {
    place: Option<PathBuf>,
    owner: i64,
    clock: Arc<dyn Clock>,
    /// Whether to warn, once, when the file is new.
    tells: AtomicBool,
    kept: Arc<tokio::sync::Mutex<SqliteState>>,
}

/// What is kept between transactions. The proof of life outlasts a connection: while one is opened anew, what this
/// process has under way must not look as if nobody waited for it.
#[derive(Default)]
struct SqliteState {
    life: Option<FileLease>,
    opened: Option<SqliteConnection>,
    /// The file that this process has opened first: another in its place is another journal.
    anchor: Option<Anchor>,
    /// Whether it was said that it is not there any more.
    told: bool,
}

impl Sqlite {
    /// In this directory, which is made when it is first needed.
    pub(crate) fn in_directory(directory: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self { place: Some(directory), owner: new_owner(), clock, tells: AtomicBool::default(), kept: Arc::default() }
    }

    /// Gone with the process.
    pub(crate) fn in_memory(clock: Arc<dyn Clock>) -> Self {
        Self { place: None, owner: new_owner(), clock, tells: AtomicBool::default(), kept: Arc::default() }
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
        let clock = Arc::clone(&self.clock);
        Box::pin(async move {
            // Others of this process may wait for a file that another process holds: not one after the other, each its time.
            let Ok(mut kept) = tokio::time::timeout(PATIENCE, kept.lock_owned()).await else {
                return Err(Unavailable("others are waiting for it already".to_owned()));
            };
            let tells = self.tells.swap(false, Ordering::Relaxed);
            let blocking = tokio::task::spawn_blocking(move || {
                place.as_deref().filter(|_| tells).inspect(|directory| warn_if_new(directory));
                transact(&mut kept, place.as_deref(), owner, &*clock, (work, lasting))
            });
            let outcome = blocking.await.unwrap_or_else(|_| Err(Unavailable("a fault ended its work".to_owned())));
            if lasting == Durability::OnDisk && outcome.is_ok() && self.place.is_some() {
                // Not waited for: while Truedy works, what was written moves from the file beside it into the journal itself.
                let kept = Arc::clone(&self.kept);
                tokio::spawn(async move {
                    let kept = kept.lock_owned().await;
                    drop(tokio::task::spawn_blocking(move || gather(&kept)).await);
                });
            }
            outcome
        })
    }
}

/// Moves what stands in the file beside the journal into the journal: the loss of that file loses little then.
fn gather(kept: &SqliteState) {
    if let Some(opened) = &kept.opened
        && let Err(error) = opened.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
    {
        tracing::debug!(%error, "the journal");
    }
}

fn transact(
    kept: &mut SqliteState,
    place: Option<&Path>,
    owner: i64,
    clock: &dyn Clock,
    (work, lasting): (TransactionWork, Durability),
) -> StoreResult<()> {
    still_there(kept, place)?;
    if kept.life.as_ref().is_some_and(|life| !life.shows()) {
        kept.life = None;
        kept.opened = None;
    }
    let opened = match &mut kept.opened {
        Some(opened) => opened,
        None => {
            let fresh = match place {
                Some(directory) => open(directory, owner, &mut kept.life)?,
                None => in_memory()?,
            };
            kept.anchor = kept.anchor.or_else(|| place.and_then(|directory| Anchor::at(&directory.join(FILE))));
            kept.opened.insert(fresh)
        }
    };
    let synchronous = match lasting {
        Durability::OnDisk => "PRAGMA synchronous = FULL",
        Durability::Soon => "PRAGMA synchronous = NORMAL",
    };
    let mut broken = opened.connection.execute_batch(synchronous).is_err();
    let outcome = in_transaction(&mut opened.connection, (place, clock), work, &mut broken);
    // A file that turned out damaged is looked at anew the next time, perhaps mended by then. What is in memory is all there is.
    if broken && place.is_some() {
        kept.opened = None;
    }
    outcome
}

/// Refuses where the file that this process works with is not the one that stands there now. Nothing is begun anew.
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
    held.map_err(|why| Unavailable(format!("{why}; put it back, or start the program anew")))
}

/// A live journal that is new knows nothing of what was bought before. Whoever starts in a fresh container each time must
/// hear it.
fn warn_if_new(directory: &Path) {
    if fs::symlink_metadata(directory.join(FILE)).is_err() {
        let directory = shown_path(directory);
        tracing::warn!(
            %directory,
            "there is no journal of the live account here, and a new one is begun: caps and answers that were lost earlier are not in it; in a container, mount a volume there"
        );
    }
}
