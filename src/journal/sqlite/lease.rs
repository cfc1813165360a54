//! The proof that a process lives: a locked file beside the journal.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::journal::sqlite::backup::make_file;
use crate::journal::sqlite::folder::is_same;

pub(crate) const LIFE: &str = "journal.owner-";

/// The proof that this process lives: a locked file.
pub(crate) struct FileLease {
    path: PathBuf,
    locked: File,
}

impl FileLease {
    /// Shows the others that this process lives. The file is locked before it has its name: whoever finds one unlocked
    /// may take its process for dead.
    pub(crate) fn show(directory: &Path, owner: i64) -> io::Result<Self> {
        let path = life_of(directory, owner);
        let fresh = directory.join(format!("{LIFE}{owner:016x}.new"));
        drop(fs::remove_file(&fresh));
        let locked = make_file(&fresh)?;
        locked.try_lock().map_err(io::Error::other)?;
        fs::rename(&fresh, &path)?;
        Ok(Self { path, locked })
    }

    /// Whether the others still see it.
    pub(crate) fn shows(&self) -> bool {
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

pub(crate) fn life_of(directory: &Path, owner: i64) -> PathBuf {
    directory.join(format!("{LIFE}{owner:016x}"))
}

/// Whether a process lives: its lock cannot be had. What cannot be told is taken for life.
pub(crate) fn lives(directory: &Path, owner: i64) -> bool {
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
pub(crate) fn tidy(directory: &Path) {
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

/// How old the mark of a process must be before anybody else tidies it away.
pub(crate) const LEFT: Duration = Duration::from_secs(60);
