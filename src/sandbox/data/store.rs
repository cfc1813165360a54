//! The database file of the account. It is opened once and shared with other processes. A damaged file is refused.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::sandbox::data::seed;

pub(crate) const FILE: &str = "sandbox.sqlite";

/// How long a process waits for another one that is writing.
const PATIENCE: Duration = Duration::from_secs(5);

/// The version of the layout below. A file with a higher version was written by a newer program.
const VERSION: i64 = 1;

const LAYOUT: &str = "
    CREATE TABLE organizations (
        id TEXT PRIMARY KEY,
        subscription_state TEXT NOT NULL,
        provider_configured INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE api_keys (
        sha256 TEXT PRIMARY KEY,
        organization_id TEXT NOT NULL REFERENCES organizations(id),
        revoked INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE agents (
        id TEXT PRIMARY KEY,
        organization_id TEXT NOT NULL REFERENCES organizations(id),
        name TEXT NOT NULL,
        description TEXT,
        status TEXT NOT NULL,
        ultravox_agent_id TEXT,
        voice_id TEXT,
        system_prompt TEXT,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    ) STRICT;
    CREATE TABLE credentials (
        id TEXT PRIMARY KEY,
        organization_id TEXT NOT NULL REFERENCES organizations(id),
        provider_type TEXT NOT NULL,
        friendly_name TEXT,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    ) STRICT;
    CREATE TABLE numbers (
        id TEXT PRIMARY KEY,
        organization_id TEXT NOT NULL REFERENCES organizations(id),
        phone_number TEXT NOT NULL UNIQUE,
        provider_id TEXT,
        managed INTEGER NOT NULL,
        credential_id TEXT REFERENCES credentials(id) ON DELETE SET NULL,
        inbound_agent_id TEXT REFERENCES agents(id) ON DELETE SET NULL,
        outbound_agent_id TEXT REFERENCES agents(id) ON DELETE SET NULL,
        outbound_since TEXT,
        status TEXT NOT NULL CHECK (status IN ('active', 'inactive', 'pending')),
        settles_at TEXT,
        settles_as TEXT CHECK (settles_as IN ('active', 'inactive')),
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    ) STRICT;
    CREATE INDEX numbers_newest ON numbers (organization_id, created_at);
    CREATE TABLE gone (
        phone_number TEXT PRIMARY KEY,
        until TEXT
    ) STRICT;
    CREATE TABLE calls (
        id TEXT PRIMARY KEY,
        organization_id TEXT NOT NULL REFERENCES organizations(id),
        agent_id TEXT NOT NULL,
        to_number TEXT NOT NULL,
        from_number TEXT NOT NULL,
        created_at TEXT NOT NULL
    ) STRICT;
    CREATE TABLE replays (
        organization_id TEXT NOT NULL REFERENCES organizations(id),
        idempotency_key TEXT NOT NULL,
        request_sha256 TEXT NOT NULL,
        data TEXT NOT NULL,
        created_at TEXT NOT NULL,
        PRIMARY KEY (organization_id, idempotency_key, request_sha256)
    ) STRICT;
";

/// Why the account could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// Memory or the file could not be read or written.
    #[error("the sandbox cannot keep its account in {}: {why}", file.display())]
    Unusable { file: PathBuf, why: String },
    /// The file is not one of the sandbox, is damaged, or was written by a newer program.
    #[error("the sandbox cannot use {}: {why}. `truedy-mcp sandbox reset` removes it and begins afresh", file.display())]
    Unreadable { file: PathBuf, why: String },
}

/// Opens an account that is lost when the process ends.
pub(crate) fn in_memory() -> Result<Connection, StoreError> {
    let file = PathBuf::from(":memory:");
    let mut connection = Connection::open_in_memory().map_err(|error| explain(&file, &error))?;
    prepare(&mut connection).map_err(|error| explain(&file, &error))?;
    Ok(connection)
}

/// Opens the account in a directory. Creates the directory if it is missing.
pub(crate) fn in_directory(directory: &Path) -> Result<Connection, StoreError> {
    let file = directory.join(FILE);
    let unusable = |error: io::Error| StoreError::Unusable { file: file.clone(), why: error.to_string() };
    make_directory(directory).map_err(unusable)?;
    make_file(&file).map_err(unusable)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(&file, flags).map_err(|error| explain(&file, &error))?;
    connection.busy_timeout(PATIENCE).map_err(|error| explain(&file, &error))?;

    let found = version(&connection).map_err(|error| explain(&file, &error))?;
    if found < 0 || is_strange(&connection).map_err(|error| explain(&file, &error))? {
        return Err(StoreError::Unreadable { file, why: "it is not a file of the sandbox".to_owned() });
    }
    if found > VERSION {
        let why = format!("it was written by a newer version (layout {found}, known is {VERSION})");
        return Err(StoreError::Unreadable { file, why });
    }
    write_ahead(&connection).map_err(|error| explain(&file, &error))?;
    if found == VERSION {
        let verdict: String = connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(|error| explain(&file, &error))?;
        if verdict != "ok" {
            return Err(StoreError::Unreadable { file, why: format!("it is damaged ({verdict})") });
        }
    }
    prepare(&mut connection).map_err(|error| explain(&file, &error))?;
    Ok(connection)
}

/// Resets the account. Returns true if there was one.
/// A usable file is filled with the seed in place, because a running sandbox may have it open. Any other file is
/// removed.
pub(crate) fn forget(directory: &Path) -> io::Result<bool> {
    if !directory.join(FILE).exists() {
        return remove(directory);
    }
    match in_directory(directory) {
        Ok(mut connection) => sow_anew(&mut connection).map(|()| true).map_err(io::Error::other),
        Err(_) => remove(directory),
    }
}

/// Empties every table and fills in the seed again, in one transaction.
fn sow_anew(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.execute_batch("PRAGMA foreign_keys = OFF")?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let tables: Vec<String> = transaction
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for table in tables {
        transaction.execute(&format!("DELETE FROM \"{table}\""), [])?;
    }
    seed::sow(&transaction)?;
    transaction.commit()
}

/// Removes the database file and the files that belong to it. Returns true if there was one.
fn remove(directory: &Path) -> io::Result<bool> {
    let mut found = false;
    for name in [FILE, "sandbox.sqlite-wal", "sandbox.sqlite-shm"] {
        match fs::remove_file(directory.join(name)) {
            Ok(()) => found = true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Configures the connection. Creates and fills an empty database, once, even if several processes do this together.
fn prepare(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")?;
    if version(connection)? == VERSION {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if version(&transaction)? == 0 {
        transaction.execute_batch(LAYOUT)?;
        seed::sow(&transaction)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()
}

/// Turns on write-ahead logging. It retries while the database is busy, because `SQLite` does not wait here by itself.
fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    let begun = Instant::now();
    loop {
        let outcome = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0));
        match outcome {
            Err(error) if is_busy(&error) && begun.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(5));
            }
            other => return other.map(|_| ()),
        }
    }
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Whether the database has tables, but none of the sandbox.
fn is_strange(connection: &Connection) -> rusqlite::Result<bool> {
    // One statement, because a layout that another process commits in between must not look like a foreign file.
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema) AND (SELECT user_version FROM pragma_user_version) = 0",
        [],
        |row| row.get(0),
    )
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn explain(file: &Path, error: &rusqlite::Error) -> StoreError {
    let file = file.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            StoreError::Unreadable { file, why: format!("it is damaged or no file of the sandbox ({error})") }
        }
        _ => StoreError::Unusable { file, why: error.to_string() },
    }
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

/// Creates the file before `SQLite` would, because `SQLite` would make it readable for others.
fn make_file(file: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(file).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_and_its_directory_are_private() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("state/deep");
        let connection = in_directory(&directory).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&directory), 0o700);
            assert_eq!(mode(&directory.join(FILE)), 0o600);
            assert_eq!(mode(&directory.join("sandbox.sqlite-wal")), 0o600);
        }
        let journal: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
        let synchronous: i64 = connection.query_row("PRAGMA synchronous", [], |row| row.get(0)).unwrap();
        assert_eq!((journal.as_str(), synchronous), ("wal", 2));
    }

    #[test]
    fn a_damaged_a_newer_and_a_foreign_file_are_named_and_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join(FILE);
        let refused = || in_directory(home.path()).unwrap_err().to_string();

        fs::write(&file, vec![b'x'; 4096]).unwrap();
        let words = refused();
        assert!(words.contains("sandbox.sqlite") && words.contains("truedy-mcp sandbox reset"), "{words}");
        assert_eq!(fs::read(&file).unwrap().len(), 4096);

        assert!(remove(home.path()).unwrap());
        drop(in_directory(home.path()).unwrap());
        let connection = Connection::open(&file).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        drop(connection);
        assert!(refused().contains("newer version"), "{}", refused());

        assert!(remove(home.path()).unwrap());
        let connection = Connection::open(&file).unwrap();
        connection.execute_batch("CREATE TABLE diary (entry TEXT)").unwrap();
        drop(connection);
        assert!(refused().contains("not a file of the sandbox"), "{}", refused());
        assert!(remove(home.path()).unwrap());
        assert!(!remove(home.path()).unwrap());
    }

    #[test]
    fn many_may_begin_at_once_and_the_seed_is_sown_once() {
        let home = tempfile::tempdir().unwrap();
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let directory = home.path().to_owned();
                std::thread::spawn(move || in_directory(&directory).map(drop).map_err(|error| error.to_string()))
            })
            .collect();
        for thread in threads {
            thread.join().unwrap().unwrap();
        }
        let connection = in_directory(home.path()).unwrap();
        let organizations: i64 =
            connection.query_row("SELECT count(*) FROM organizations", [], |row| row.get(0)).unwrap();
        assert_eq!(organizations, 2);
    }

    #[test]
    fn an_unusable_place_is_named() {
        let words = in_directory(Path::new("/proc/nowhere")).unwrap_err().to_string();
        assert!(words.contains("/proc/nowhere/sandbox.sqlite"), "{words}");
    }
}
