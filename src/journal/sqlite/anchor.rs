//! A check that the open journal file is still the same file.
//!
//! A file may be deleted, moved, replaced or truncated while the program runs. A new journal in its place would
//! silently lose the caps and the unknown outcomes. So a process keeps to the files it opened first, and continues when
//! they are back.

use std::fs;
use std::path::{Path, PathBuf};

/// What distinguishes one file from another: its device number and its inode number.
type FileId = (u64, u64);

/// A file that `SQLite` keeps next to the journal while a connection is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Beside {
    path: PathBuf,
    id: FileId,
}

/// The file that this process opened first, and its largest size so far, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Anchor {
    id: FileId,
    length: u64,
}

impl Anchor {
    /// Returns the anchor for this file. `None` if the file does not exist.
    pub(crate) fn at(file: &Path) -> Option<Self> {
        look(file).map(|(id, length)| Self { id, length })
    }

    /// Checks that the file is the same and not truncated. `SQLite`'s files next to it must be the same too.
    ///
    /// An error says what is wrong.
    pub(crate) fn holds(&mut self, file: &Path, beside: &[Beside]) -> Result<(), &'static str> {
        match look(file) {
            None => return Err("its file was deleted or moved away while this program had it open"),
            Some((id, _)) if id != self.id => return Err("its file was replaced while this program had it open"),
            Some((_, length)) if length < self.length => {
                return Err("its file was cut off while this program had it open");
            }
            Some((_, length)) => self.length = length,
        }
        let is_there = |one: &Beside| look(&one.path).is_some_and(|(id, _)| id == one.id);
        if beside.iter().all(is_there) {
            Ok(())
        } else {
            Err("a file beside it (-wal or -shm) was deleted or replaced while this program had it open")
        }
    }
}

/// Returns the files that `SQLite` keeps next to an open journal.
pub(crate) fn beside(file: &Path) -> Vec<Beside> {
    let named = |ending: &str| {
        let mut name = file.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    let there = ["-wal", "-shm"].into_iter().map(named);
    there.filter_map(|path| look(&path).map(|(id, _)| Beside { path, id })).collect()
}

#[cfg(unix)]
fn look(file: &Path) -> Option<(FileId, u64)> {
    use std::os::unix::fs::MetadataExt;
    fs::symlink_metadata(file).ok().map(|about| ((about.dev(), about.ino()), about.len()))
}

#[cfg(not(unix))]
fn look(file: &Path) -> Option<(FileId, u64)> {
    fs::symlink_metadata(file).ok().map(|about| ((0, 0), about.len()))
}
