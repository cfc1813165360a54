//! Writes a file as a whole: readers find the old content or the new, never a part.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::domain::{hex, unguessable};
use crate::files::private::new_private_file;

/// A complete file beside the place that it is written for. It is removed if it does not get there.
pub(crate) struct TemporaryFile {
    path: PathBuf,
    place: PathBuf,
}

impl TemporaryFile {
    /// Writes the bytes to the disk. The file is for this user alone, or has group and permissions of the file at its
    /// place.
    pub(crate) fn beside(place: &Path, bytes: &[u8]) -> io::Result<Self> {
        let name = place.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
        let random = hex(unguessable().get(..8).unwrap_or_default());
        let fresh = Self { path: place.with_file_name(format!(".{name}.{random}")), place: place.to_owned() };
        let mut file = new_private_file(&fresh.path)?;
        file.write_all(bytes)?;
        if let Ok(about) = fs::metadata(place) {
            #[cfg(unix)]
            {
                use std::os::unix::fs::{MetadataExt, fchown};
                if file.metadata()?.gid() != about.gid() {
                    fchown(&file, None, Some(about.gid()))?;
                }
            }
            file.set_permissions(about.permissions())?;
        }
        file.sync_all()?;
        Ok(fresh)
    }

    /// Returns where the bytes are until they get to their place.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts the file at its place. A file that is there is replaced.
    pub(crate) fn replace(self) -> io::Result<()> {
        fs::rename(&self.path, &self.place)?;
        // The rename holds in any case. Some file systems cannot sync a folder.
        drop(sync_folder_of(&self.place));
        Ok(())
    }

    /// Puts the file at its place. A file that is there stays, and is no error.
    pub(crate) fn create(self) -> io::Result<()> {
        match fs::hard_link(&self.path, &self.place) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            // Not every file system has hard links. There the last process replaces the file.
            Err(_) => fs::rename(&self.path, &self.place),
            Ok(()) => Ok(()),
        }
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        // After a rename there is no file of this name, and removing it fails without effect.
        drop(fs::remove_file(&self.path));
    }
}

/// Syncs the folder of a file to the disk. Only then does a new name of the file survive a crash of the machine.
pub(crate) fn sync_folder_of(file: &Path) -> io::Result<()> {
    match file.parent() {
        Some(folder) if cfg!(unix) => {
            File::open(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })?.sync_all()
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_or_left_and_nothing_else_remains() {
        let dir = tempfile::tempdir().expect("a directory");
        let place = dir.path().join("file");
        let fresh = |text: &str| TemporaryFile::beside(&place, text.as_bytes()).expect("written");
        let now = || fs::read_to_string(&place).ok();
        drop(fresh("dropped"));
        assert_eq!(now(), None);
        fresh("first").create().expect("created");
        fresh("second").create().expect("left");
        assert_eq!(now().as_deref(), Some("first"));
        fresh("third").replace().expect("replaced");
        assert_eq!(now().as_deref(), Some("third"));
        assert_eq!(fs::read_dir(dir.path()).expect("a directory").count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_new_file_is_private_and_a_replaced_one_keeps_its_permissions() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a directory");
        let place = dir.path().join("file");
        let mode = || fs::metadata(&place).expect("a file").permissions().mode() & 0o777;
        TemporaryFile::beside(&place, b"x").and_then(TemporaryFile::replace).expect("written");
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&place, fs::Permissions::from_mode(0o644)).expect("mode");
        TemporaryFile::beside(&place, b"y").and_then(TemporaryFile::replace).expect("written");
        assert_eq!(mode(), 0o644);
    }
}
