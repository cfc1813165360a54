//! The journal in a file of its own, shared safely by every process of one user on one machine.
//!
//! Each process holds a lock on a small file beside it for as long as it lives; the kernel lets go of it whatever ends the
//! process, so that the others see at once which operations nobody waits for any more.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags, params_from_iter};

use crate::journal::queries::clocks::{Clock, SystemClock};
use crate::journal::schema;
use crate::journal::sqlite::anchor;
use crate::journal::sqlite::anchor::{Anchor, Beside};
use crate::journal::sqlite::backup;
use crate::journal::sqlite::backup::make_file;
use crate::journal::store::{
    Durability, JournalStore, SqlRow, SqlValue, StoreResult, Transaction, TransactionWork, Unavailable, new_owner,
};
use crate::redact::shown_path;

const FILE: &str = "journal.sqlite";
const LIFE: &str = "journal.owner-";
/// How long one process waits for another that is writing.
const PATIENCE: Duration = Duration::from_secs(5);
/// How old the mark of a process must be before anybody else tidies it away.
const LEFT: Duration = Duration::from_secs(60);

/// Held while a connection is opened. To close any descriptor of a file lets go of all locks this process holds on it:
/// one journal must not make the file and close it while another of the same process has it open already.
static OPENING: Mutex<()> = Mutex::new(());

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

struct SqliteConnection {
    connection: Connection,
    /// What stands beside the file as long as this connection is open.
    beside: Vec<Beside>,
}

/// The proof that this process lives: a locked file.
struct FileLease {
    path: PathBuf,
    locked: File,
}

impl FileLease {
    /// Shows the others that this process lives. The file is locked before it has its name: whoever finds one unlocked
    /// may take its process for dead.
    fn show(directory: &Path, owner: i64) -> io::Result<Self> {
        let path = life_of(directory, owner);
        let fresh = directory.join(format!("{LIFE}{owner:016x}.new"));
        drop(fs::remove_file(&fresh));
        let locked = make_file(&fresh)?;
        locked.try_lock().map_err(io::Error::other)?;
        fs::rename(&fresh, &path)?;
        Ok(Self { path, locked })
    }

    /// Whether the others still see it.
    fn shows(&self) -> bool {
        let (held, seen) = (self.locked.metadata(), fs::symlink_metadata(&self.path));
        held.is_ok_and(|held| seen.is_ok_and(|seen| is_same(&held, &seen)))
    }
}

impl Drop for FileLease {
    fn drop(&mut self) {
        if self.shows() {
            drop(fs::remove_file(&self.path));
        }
    }
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

fn in_transaction(
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

fn in_memory() -> StoreResult<SqliteConnection> {
    let connection = Connection::open_in_memory().map_err(|error| explain(&error))?;
    prepare(SqliteConnection { connection, beside: Vec::new() }, None)
}

fn open(directory: &Path, owner: i64, life: &mut Option<FileLease>) -> StoreResult<SqliteConnection> {
    let unusable = |error: io::Error| Unavailable(format!("{} cannot be used: {error}", shown_path(directory)));
    private_directory(directory).map_err(unusable)?;
    // SQLite follows no link in the whole path when told so; a link above the directory is the user's own affair.
    let directory = fs::canonicalize(directory).map_err(unusable)?;
    let file = directory.join(FILE);
    let _alone = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
    if fs::symlink_metadata(&file).is_err() {
        tracing::info!(directory = %directory.display(), "there is no journal yet: a new one is begun");
    }
    private_file(&file).map_err(|error| Unavailable(format!("{} cannot be used: {error}", file.display())))?;
    if life.is_none() {
        tidy(&directory);
        *life = Some(FileLease::show(&directory, owner).map_err(unusable)?);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(&file, flags).map_err(|error| explain(&error))?;
    connection.busy_timeout(PATIENCE).map_err(|error| explain(&error))?;
    write_ahead(&connection).map_err(|error| explain(&error))?;
    let verdict: String =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(|error| explain(&error))?;
    if verdict != "ok" {
        return Err(Unavailable(format!("{} is damaged", file.display())));
    }
    let opened = prepare(SqliteConnection { connection, beside: Vec::new() }, Some(&file))?;
    // They are there from the first transaction on.
    Ok(SqliteConnection { beside: anchor::beside(&file), ..opened })
}

/// Every commit reaches the disk before it counts; the layout is brought up to date, once, whoever comes first. A file of an
/// older layout is copied before that.
fn prepare(mut opened: SqliteConnection, file: Option<&Path>) -> StoreResult<SqliteConnection> {
    // The second is for macOS, where a plain sync stops at the drive's cache.
    let durable = "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON";
    opened.connection.execute_batch(durable).map_err(|error| explain(&error))?;
    opened.connection.set_prepared_statement_cache_capacity(64);
    let file = file.map(Path::to_path_buf);
    let work: TransactionWork = Box::new(|transaction| {
        async move {
            let version = schema::version(transaction).await?;
            if let Some(file) = file
                && (1..schema::NEWEST).contains(&version)
            {
                backup::keep(&file, version)
                    .map_err(|why| Unavailable(format!("it could not be copied before its layout changes: {why}")))?;
            }
            schema::migrate(transaction).await
        }
        .boxed()
    });
    in_transaction(&mut opened.connection, (None, &SystemClock), work, &mut false)?;
    Ok(opened)
}

/// Turns write-ahead logging on. `SQLite` does not wait for others here by itself.
fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    let begun = Instant::now();
    loop {
        match connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0)) {
            Err(error) if is_busy(&error) && begun.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(5));
            }
            other => return other.map(drop),
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Whether another connection may fare better. Not where the file is only busy or the disk full, nor where a row broke
/// a rule.
fn is_broken(error: &rusqlite::Error) -> bool {
    let passing = Some(ErrorCode::DiskFull) == error.sqlite_error_code()
        || Some(ErrorCode::ConstraintViolation) == error.sqlite_error_code();
    !passing && !is_busy(error)
}

fn explain(error: &rusqlite::Error) -> Unavailable {
    let why = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk is full",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "another program holds it",
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => "its file is damaged or is none of ours",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => "it cannot be written",
        Some(ErrorCode::CannotOpen) => "its file cannot be opened",
        Some(ErrorCode::SystemIoFailure) => "its file cannot be read or written",
        _ => "the store reported a fault",
    };
    tracing::debug!(%error, "the journal");
    Unavailable(why.to_owned())
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
fn private_file(path: &Path) -> io::Result<()> {
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
fn is_same(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same(_: &fs::Metadata, _: &fs::Metadata) -> bool {
    true
}

fn life_of(directory: &Path, owner: i64) -> PathBuf {
    directory.join(format!("{LIFE}{owner:016x}"))
}

/// Whether a process lives: its lock cannot be had. What cannot be told is taken for life.
fn lives(directory: &Path, owner: i64) -> bool {
    let path = life_of(directory, owner);
    match File::open(&path) {
        Err(error) => error.kind() != io::ErrorKind::NotFound,
        Ok(file) => match file.try_lock() {
            Ok(()) => {
                drop(fs::remove_file(&path));
                false
            }
            Err(_) => true,
        },
    }
}

/// Removes the marks of processes that were ended by force; nobody may ever ask for them.
fn tidy(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let is_old = || {
            entry.metadata().and_then(|about| about.modified()).is_ok_and(|at| at.elapsed().is_ok_and(|age| age > LEFT))
        };
        if entry.file_name().to_string_lossy().starts_with(LIFE)
            && is_old()
            && File::open(entry.path())
                .is_ok_and(|file| file.try_lock().is_ok() && fs::remove_file(entry.path()).is_ok())
        {
            tracing::debug!("the mark of a process that is gone was removed");
        }
    }
}
