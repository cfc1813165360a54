//! Copies of the journal file, made before an upgrade of its schema. An operator can go back to them.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use crate::files::{new_private_file, sync_folder_of};

/// How many copies of one version are kept at most. Each may contain rows that the others lack.
const MOST: usize = 9;

/// Copies the file. The caller must hold the write lock, so that nothing is written between the copy and the upgrade.
pub(crate) fn keep(file: &Path, version: usize) -> Result<(), String> {
    let path = |suffix: &str| {
        let mut path = file.as_os_str().to_owned();
        path.push(format!(".v{version}-backup{suffix}"));
        PathBuf::from(path)
    };
    let fresh = path(".new");
    drop(fs::remove_file(&fresh));
    // The file is created before `SQLite` would create it, so that only this user can read it.
    drop(new_private_file(&fresh).map_err(|error| error.to_string())?);
    let kept = copy(file, &fresh).and_then(|held| place(&fresh, held, &path));
    if kept.is_err() {
        drop(fs::remove_file(&fresh));
    }
    let copy = kept?;
    tracing::warn!(
        copy = %copy.display(),
        "the journal takes on a newer layout; a copy of it as it was is kept, and an older version of this program refuses it from now on"
    );
    Ok(())
}

/// How much a journal contains: its newest revision and its number of rows. A larger value means more.
type JournalExtent = (i64, i64);

fn copy(file: &Path, fresh: &Path) -> Result<JournalExtent, String> {
    let said = |error: rusqlite::Error| error.to_string();
    let source = open(file).map_err(said)?;
    source.execute("VACUUM INTO ?1", [fresh.to_string_lossy()]).map_err(said)?;
    drop(source);
    let held = held(fresh).map_err(said)?;
    let synced = File::open(fresh).and_then(|copy| copy.sync_all());
    synced.map_err(|error| error.to_string())?;
    Ok(held)
}

/// Renames the copy to the first possible name. Returns that name.
///
/// An existing copy that contains more keeps its name. The new copy then gets the next name.
fn place(fresh: &Path, now: JournalExtent, path: &dyn Fn(&str) -> PathBuf) -> Result<PathBuf, String> {
    let names = (1..=MOST).map(|nth| if nth == 1 { path("") } else { path(&format!("-{nth}")) });
    for name in names {
        let free = fs::symlink_metadata(&name).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        // A file that cannot be read does not count as a copy.
        if free || held(&name).map_or(true, |then| then <= now) {
            fs::rename(fresh, &name).map_err(|error| error.to_string())?;
            sync_folder_of(&name).map_err(|error| error.to_string())?;
            return Ok(name);
        }
    }
    Err(format!("there are {MOST} copies already, and each holds more"))
}

fn open(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    Connection::open_with_flags(file, flags)
}

fn held(file: &Path) -> rusqlite::Result<JournalExtent> {
    let sql = "SELECT COALESCE(MAX(rev), 0), count(*) FROM operations";
    open(file)?.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
}
