//! Opening the database, and what its errors mean.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, io};

use futures::FutureExt;
use rusqlite::{Connection, OpenFlags};

use crate::journal::queries::clocks::SystemClock;
use crate::journal::schema;
use crate::journal::sqlite::anchor::Beside;
use crate::journal::sqlite::errors::{explain, is_busy};
use crate::journal::sqlite::folder::{FILE, private_directory, private_file};
use crate::journal::sqlite::lease::{FileLease, tidy};
use crate::journal::sqlite::transaction::in_transaction;
use crate::journal::sqlite::{anchor, backup};
use crate::journal::store::{StoreResult, TransactionWork, Unavailable};
use crate::redact::shown_path;

/// How long one process waits for another that is writing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// Held while a connection is opened. To close any descriptor of a file lets go of all locks this process holds on it:
/// one journal must not make the file and close it while another of the same process has it open already.
pub(crate) static OPENING: Mutex<()> = Mutex::new(());

pub(crate) struct SqliteConnection {
    pub(crate) connection: Connection,
    /// What stands beside the file as long as this connection is open.
    pub(crate) beside: Vec<Beside>,
}

pub(crate) fn in_memory() -> StoreResult<SqliteConnection> {
    let connection = Connection::open_in_memory().map_err(|error| explain(&error))?;
    prepare(SqliteConnection { connection, beside: Vec::new() }, None)
}

pub(crate) fn open(directory: &Path, owner: i64, life: &mut Option<FileLease>) -> StoreResult<SqliteConnection> {
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
pub(crate) fn prepare(mut opened: SqliteConnection, file: Option<&Path>) -> StoreResult<SqliteConnection> {
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
