//! Changes of files that other programs may change as well: where a file really is, and a lock on its folder.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Returns the real path of the file. If the path is a link, its target is changed and not the link.
pub(crate) fn real_place(file: &Path) -> io::Result<PathBuf> {
    match fs::symlink_metadata(file) {
        Ok(_) => fs::canonicalize(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(file.to_owned()),
        Err(error) => Err(error),
    }
}

/// A lock that lets only one process at a time change files in a folder.
/// Folders cannot be locked on every system. There, a change by another process is detected before the file is
/// replaced.
pub(crate) struct FolderLock(#[expect(dead_code, reason = "the lock lasts as long as the open folder")] Option<File>);

impl FolderLock {
    pub(crate) fn on(folder: &Path) -> io::Result<Self> {
        if !cfg!(unix) {
            return Ok(Self(None));
        }
        let folder = File::open(folder)?;
        folder.lock()?;
        Ok(Self(Some(folder)))
    }
}
