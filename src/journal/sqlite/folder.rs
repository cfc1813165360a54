//! The folder and the files of the journal: for this user alone.

use std::path::Path;
use std::{fs, io};

use crate::journal::sqlite::backup::make_file;

pub(crate) const FILE: &str = "journal.sqlite";

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
pub(crate) fn make_directory(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

#[cfg(not(unix))]
pub(crate) fn make_directory(directory: &Path) -> io::Result<()> {
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
