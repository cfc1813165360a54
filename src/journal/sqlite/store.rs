//! The journal in a file of its own, shared safely by every process of one user on one machine.
//!
//! Each process holds a lock on a small file beside it for as long as it lives; the kernel lets go of it whatever ends the
//! process, so that the others see at once which operations nobody waits for any more.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, params_from_iter};

use crate::journal::queries::clocks::Clock;
use crate::journal::sqlite::anchor::Anchor;
use crate::journal::sqlite::backup::make_file;
use crate::journal::sqlite::connection::{PATIENCE, SqliteConnection, explain, in_memory, is_broken, open};
use crate::journal::sqlite::lease::{FileLease, lives};
use crate::journal::store::{
    Durability, JournalStore, SqlRow, SqlValue, StoreResult, Transaction, TransactionWork, Unavailable, new_owner,
};
use crate::redact::shown_path;

pub(crate) const FILE: &str = "journal.sqlite";

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

pub(crate) fn in_transaction(
    connection: &mut Connection,
    (place, clock): (Option<&Path>, &dyn Clock),
    work: TransactionWork,
    broken: &mut bool,
) -> StoreResult<()> {
    // Left open by a fault in the work before.
    if !connection.is_autocommit() {
        drop(connection.execute_batch("ROLLBACK"));
    }
    let mut failed = |error: &rusqlite::Error| {
        *broken |= is_broken(error);
        explain(error)
    };
    // Read anew from the file, not from what is remembered of it: damage shows before anything is sent.
    connection.execute_batch("PRAGMA shrink_memory; BEGIN IMMEDIATE").map_err(|error| failed(&error))?;
    let mut transaction = SqliteTransaction { connection, place, clock, failed: &mut failed };
    // Everything is at hand when it is asked for: the future never waits.
    let done = work(&mut transaction).now_or_never();
    let outcome = match done.unwrap_or_else(|| Err(Unavailable("its work did not end".to_owned()))) {
        Ok(()) => connection.execute_batch("COMMIT").map_err(|error| failed(&error)),
        Err(error) => Err(error),
    };
    if outcome.is_err() && !connection.is_autocommit() && connection.execute_batch("ROLLBACK").is_err() {
        *broken = true;
    }
    outcome
}

struct SqliteTransaction<'c> {
    connection: &'c mut Connection,
    place: Option<&'c Path>,
    clock: &'c dyn Clock,
    /// Puts a failure into words, and remembers it.
    failed: &'c mut (dyn FnMut(&rusqlite::Error) -> Unavailable + Send),
}

impl SqliteTransaction<'_> {
    fn rows(&mut self, sql: &str, values: &[SqlValue]) -> rusqlite::Result<Vec<SqlRow>> {
        let mut statement = self.connection.prepare_cached(&sql.replace('$', "?"))?;
        let width = statement.column_count();
        let mut rows = statement.query(params_from_iter(values))?;
        let mut read = Vec::new();
        while let Some(row) = rows.next()? {
            let cell = |at| {
                Ok(match row.get_ref(at)? {
                    ValueRef::Integer(value) => SqlValue::Int(value),
                    ValueRef::Text(text) => SqlValue::Text(String::from_utf8_lossy(text).into_owned()),
                    _ => SqlValue::Null,
                })
            };
            read.push((0..width).map(cell).collect::<rusqlite::Result<SqlRow>>()?);
        }
        Ok(read)
    }

    fn change(&mut self, sql: &str, values: &[SqlValue]) -> rusqlite::Result<u64> {
        let changed = self.connection.prepare_cached(&sql.replace('$', "?"))?.execute(params_from_iter(values))?;
        Ok(changed as u64)
    }
}

impl rusqlite::ToSql for SqlValue {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => rusqlite::types::Null.into(),
            Self::Int(value) => (*value).into(),
            Self::Text(text) => text.as_str().into(),
        })
    }
}

impl Transaction for SqliteTransaction<'_> {
    fn query<'a>(&'a mut self, sql: &'a str, values: &'a [SqlValue]) -> BoxFuture<'a, StoreResult<Vec<SqlRow>>> {
        ready(self.rows(sql, values).map_err(|error| (self.failed)(&error))).boxed()
    }

    fn execute<'a>(&'a mut self, sql: &'a str, values: &'a [SqlValue]) -> BoxFuture<'a, StoreResult<u64>> {
        ready(self.change(sql, values).map_err(|error| (self.failed)(&error))).boxed()
    }

    fn now(&mut self) -> BoxFuture<'_, StoreResult<i64>> {
        ready(Ok(self.clock.wall())).boxed()
    }

    fn lives(&mut self, owner: i64) -> BoxFuture<'_, StoreResult<bool>> {
        ready(Ok(self.place.is_some_and(|place| lives(place, owner)))).boxed()
    }
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

/// Makes the directory for us alone, or makes sure that nobody else writes to it.
pub fn private_directory(directory: &Path) -> io::Result<()> {
    make_directory(directory)?;
    let about = fs::metadata(directory)?;
    if !about.is_dir() {
        return Err(io::Error::other("it is no directory"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if about.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::Error::other("it belongs to another user"));
        }
        // The superuser could write all the same, but was told not to.
        if about.mode() & 0o200 == 0 {
            return Err(io::Error::other("it is read-only"));
        }
        if about.mode() & 0o022 != 0 {
            return Err(io::Error::other("others can write to it; chmod 700 mends that"));
        }
    }
    Ok(())
}

#[cfg(unix)]
fn make_directory(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

#[cfg(not(unix))]
fn make_directory(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)
}

/// Makes the file before `SQLite` would, for us alone; refuses one that is not ours or no plain file. An existing one is
/// not opened here: to close it again would let go of the locks of a connection to it.
pub(crate) fn private_file(path: &Path) -> io::Result<()> {
    let Ok(about) = fs::symlink_metadata(path) else {
        return match make_file(path) {
            // Another process was quicker.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => private_file(path),
            made => made.map(drop),
        };
    };
    if !about.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        if about.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::Error::other("it belongs to another user"));
        }
        if about.mode() & 0o200 == 0 {
            return Err(io::Error::other("it is read-only"));
        }
        if about.mode() & 0o077 != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        }
    }
    Ok(())
}

#[cfg(unix)]
pub(crate) fn is_same(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
pub(crate) fn is_same(_: &fs::Metadata, _: &fs::Metadata) -> bool {
    true
}
