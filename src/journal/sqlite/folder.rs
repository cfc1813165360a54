//! The directory and the file of the journal. Only this user may use them.

use std::path::Path;
use std::{fs, io};

use crate::journal::sqlite::backup::make_file;

pub(crate) const FILE: &str = "journal.sqlite";

/// Creates the directory for this user only, or checks an existing one.
///
/// It is an error if the directory belongs to another user, is read-only, or can be written by others.
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
        // The superuser could write here anyway, but the permissions forbid it.
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

/// Creates the file before `SQLite` would create it, so that only this user can read it.
///
/// It is an error if an existing file belongs to another user, is read-only or is not a regular file. An existing file
/// is not opened here, because closing it would release the locks of an open connection to it.
pub(crate) fn private_file(path: &Path) -> io::Result<()> {
    let Ok(about) = fs::symlink_metadata(path) else {
        return match make_file(path) {
            // Another process created the file first.
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
