//! Opening and preparing the database.

use std::path::Path;
use std::time::{Duration, Instant};
use std::{fs, io};

use futures::FutureExt;
use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};

use crate::files::{private_file, private_folder};
use crate::journal::queries::clocks::SystemClock;
use crate::journal::schema;
use crate::journal::sqlite::anchor::Beside;
use crate::journal::sqlite::errors::{explain, is_busy};
use crate::journal::sqlite::lease::{FileLease, tidy};
use crate::journal::sqlite::transaction::in_transaction;
use crate::journal::sqlite::{anchor, backup};
use crate::journal::store::{StoreResult, TransactionWork, Unavailable};
use crate::redact::shown_path;

/// The name of the file in the directory of the journal.
pub(crate) const FILE: &str = "journal.sqlite";

/// How long one process waits for another that is writing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// A lock that is held while a connection is opened.
///
/// Closing any descriptor of a file releases all locks that this process holds on that file. So one journal must not
/// create and close the file while another journal of the same process has it open.
pub(crate) static OPENING: Mutex<()> = Mutex::new(());

pub(crate) struct SqliteConnection {
    pub(crate) connection: Connection,
    /// The files that `SQLite` keeps next to the database while this connection is open.
    pub(crate) beside: Vec<Beside>,
}

pub(crate) fn in_memory() -> StoreResult<SqliteConnection> {
    let connection = Connection::open_in_memory().map_err(|error| explain(&error))?;
    prepare(SqliteConnection { connection, beside: Vec::new() }, None)
}

pub(crate) fn open(directory: &Path, owner: i64, life: &mut Option<FileLease>) -> StoreResult<SqliteConnection> {
    let unusable = |error: io::Error| Unavailable::Failed(format!("{} cannot be used: {error}", shown_path(directory)));
    private_folder(directory).map_err(unusable)?;
    // The flag `NOFOLLOW` makes `SQLite` refuse a symbolic link anywhere in the path. Links above the directory are the
    // user's choice, so they are resolved here.
    let directory = fs::canonicalize(directory).map_err(unusable)?;
    let file = directory.join(FILE);
    let _alone = OPENING.lock();
    if fs::symlink_metadata(&file).is_err() {
        tracing::info!(directory = %directory.display(), "there is no journal yet: a new one is begun");
    }
    private_file(&file).map_err(|error| Unavailable::Failed(format!("{} cannot be used: {error}", file.display())))?;
    if life.is_none() {
        tidy(&directory);
        *life = Some(FileLease::show(&directory, owner).map_err(unusable)?);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(&file, flags).map_err(|error| explain(&error))?;
    connection.busy_timeout(PATIENCE).map_err(|error| explain(&error))?;
    write_ahead(&connection).map_err(|error| explain(&error))?;
    let opened = prepare(SqliteConnection { connection, beside: Vec::new() }, Some(&file))?;
    // `SQLite` has created these files by the first transaction.
    Ok(SqliteConnection { beside: anchor::beside(&file), ..opened })
}

/// Sets the durability of commits and upgrades the schema. A file of an older version is copied first.
///
/// Every commit reaches the disk before it counts. The first process that opens the file does the upgrade.
pub(crate) fn prepare(mut opened: SqliteConnection, file: Option<&Path>) -> StoreResult<SqliteConnection> {
    // The second setting is for macOS, where a plain sync only reaches the cache of the drive.
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
                backup::keep(&file, version).map_err(|why| {
                    Unavailable::Failed(format!("it could not be copied before its layout changes: {why}"))
                })?;
            }
            schema::migrate(transaction).await
        }
        .boxed()
    });
    in_transaction(&mut opened.connection, (None, 0, &SystemClock), work, &mut false)?;
    Ok(opened)
}

/// Moves the rows of the write-ahead log into the database, by a connection of its own. Others read and write meanwhile.
pub(crate) fn checkpoint(file: &Path) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.execute_batch("PRAGMA fullfsync = ON")?;
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}

/// Turns write-ahead logging on. `SQLite` does not wait for other processes here, so this function retries.
pub(crate) fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
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
