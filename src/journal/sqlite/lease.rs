//! Leases: locked files next to the journal that show which processes run.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::files::new_private_file;

pub(crate) const LIFE: &str = "journal.owner-";

/// The lease of this process: a locked file. It shows the other processes that this one runs.
pub(crate) struct FileLease {
    path: PathBuf,
    locked: File,
}

impl FileLease {
    /// Creates the lease of this process.
    ///
    /// The file is locked before it gets its final name. Otherwise another process could find it unlocked and assume
    /// that this process has ended.
    pub(crate) fn show(directory: &Path, owner: i64) -> io::Result<Self> {
        let path = life_of(directory, owner);
        let fresh = directory.join(format!("{LIFE}{owner:016x}.new"));
        drop(fs::remove_file(&fresh));
        let locked = new_private_file(&fresh)?;
        locked.try_lock().map_err(io::Error::other)?;
        fs::rename(&fresh, &path)?;
        Ok(Self { path, locked })
    }

    /// Checks whether other processes still see the lease.
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

/// Checks whether a process runs: then its lease cannot be locked. If that is unknown, the process counts as running.
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

/// Returns how many other processes than this one show a lease.
pub(crate) fn others(directory: &Path, own: i64) -> usize {
    let owner = |entry: fs::DirEntry| {
        let name = entry.file_name();
        i64::from_str_radix(name.to_str()?.strip_prefix(LIFE)?, 16).ok()
    };
    let owners = fs::read_dir(directory).into_iter().flatten().flatten().filter_map(owner);
    owners.filter(|owner| *owner != own && lives(directory, *owner)).count()
}

/// Removes the leases of processes that were killed. No other process may ever check them.
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

/// How old a lease must be before another process may remove it.
pub(crate) const LEFT: Duration = Duration::from_secs(60);

#[cfg(unix)]
fn is_same(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same(_: &fs::Metadata, _: &fs::Metadata) -> bool {
    true
}
