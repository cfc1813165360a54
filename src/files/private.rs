//! Reads files that hold secrets, and files that decide what is run. Refuses them if the wrong users can read or change
//! them. Makes files and folders for this user alone.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path};

/// Reads a file that holds secrets, at most `limit` bytes. Refused if others can read it, or if it is no regular file.
///
/// Kubernetes mounts secrets as links into `..data`. The files belong to root, and the pod's group can read them. These
/// are accepted.
pub fn private_bytes(file: &Path, limit: u64) -> Result<Vec<u8>, String> {
    let link = fs::symlink_metadata(file).map_err(|error| error.to_string())?;
    if !link.is_file() && !is_mounted(file) {
        return Err("it is not a regular file".to_owned());
    }
    bytes(file, limit, &|about| {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let (own, root) = (is_own(about), about.uid() == 0);
            let open_to = about.mode() & 0o077;
            // A group that root gave read permission has it on purpose. A file of this user must be accessible to this
            // user alone.
            if open_to & 0o007 != 0 || (open_to != 0 && !(root && !own && open_to == 0o040)) {
                return Err(READABLE);
            }
            if !own && !root {
                return Err(FOREIGN);
            }
        }
        Ok(())
    })
    .map_err(|error| error.to_string())
}

/// Reads a file that holds secrets by the rule of PostgreSQL's clients: links are followed, and the owner is not
/// checked. Refused if group or others can read it, or if it is no regular file.
///
/// A missing file has the error kind `NotFound`, a file over `limit` bytes `FileTooLarge`.
pub(crate) fn linked_private_bytes(file: &Path, limit: u64) -> io::Result<Vec<u8>> {
    bytes(file, limit, &|about| {
        #[cfg(unix)]
        if std::os::unix::fs::MetadataExt::mode(about) & 0o077 != 0 {
            return Err(READABLE);
        }
        Ok(())
    })
}

/// Reads a file without secrets, at most `limit` bytes. Refused if others could change it, since it decides what is
/// done.
pub fn public_bytes(file: &Path, limit: u64) -> Result<Vec<u8>, String> {
    bytes(file, limit, &|about| {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            if about.mode() & 0o022 != 0 {
                return Err("others can change it; chmod go-w mends that");
            }
            if !is_own(about) && about.uid() != 0 {
                return Err(FOREIGN);
            }
        }
        Ok(())
    })
    .map_err(|error| error.to_string())
}

const READABLE: &str = "others can read it; chmod 600 mends that";
const FOREIGN: &str = "it belongs to another user";

/// Whether a file or folder belongs to the user of this process.
#[cfg(unix)]
fn is_own(about: &fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::uid(about) == rustix::process::geteuid().as_raw()
}

/// Reads a regular file of at most `limit` bytes that passes a check of its metadata.
///
/// Metadata and content belong to the same file, even if another file replaces it meanwhile.
fn bytes(file: &Path, limit: u64, check: &dyn Fn(&fs::Metadata) -> Result<(), &'static str>) -> io::Result<Vec<u8>> {
    let mut options = fs::OpenOptions::new();
    options.read(true);
    // A pipe in place of the file must not block the reader.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    let open = options.open(file)?;
    let about = open.metadata()?;
    if !about.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    check(&about).map_err(io::Error::other)?;
    let mut bytes = Vec::new();
    let read = open.take(limit + 1).read_to_end(&mut bytes);
    if about.len() > limit || u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        let why = format!("it is larger than {} KiB", limit / 1024);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    read.map(|_| bytes)
}

/// Whether it is a link of the kind that Kubernetes creates in a mounted volume.
fn is_mounted(file: &Path) -> bool {
    let inside = |target: &Path| target.components().all(|part| matches!(part, Component::Normal(_)));
    fs::read_link(file).is_ok_and(|target| target.starts_with("..data") && inside(&target))
}

/// Creates a new file that only this user can read and write. It is an error if the file exists.
pub(crate) fn new_private_file(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.create_new(true).read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Creates a folder, and those above it, for this user alone. Existing folders stay as they are.
pub(crate) fn make_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Creates the folder for this user only, or checks an existing one.
///
/// It is an error if the folder belongs to another user, is read-only, or can be written by others.
pub(crate) fn private_folder(folder: &Path) -> io::Result<()> {
    make_private_folder(folder)?;
    let about = fs::metadata(folder)?;
    if !about.is_dir() {
        return Err(io::Error::other("it is no directory"));
    }
    #[cfg(unix)]
    {
        check_own_and_writable(&about)?;
        if std::os::unix::fs::MetadataExt::mode(&about) & 0o022 != 0 {
            return Err(io::Error::other("others can write to it; chmod 700 mends that"));
        }
    }
    Ok(())
}

/// Creates the file for this user only, or takes all rights of others from an existing one.
///
/// It is an error if an existing file belongs to another user, is read-only or is not a regular file. An existing file
/// is not opened here, because closing it would release the locks that this process has on it.
pub(crate) fn private_file(path: &Path) -> io::Result<()> {
    let Ok(about) = fs::symlink_metadata(path) else {
        return match new_private_file(path) {
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
        check_own_and_writable(&about)?;
        if about.mode() & 0o077 != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        }
    }
    Ok(())
}

#[cfg(unix)]
fn check_own_and_writable(about: &fs::Metadata) -> io::Result<()> {
    if !is_own(about) {
        return Err(io::Error::other(FOREIGN));
    }
    // The superuser could write here anyway, but the permissions forbid it.
    if std::os::unix::fs::MetadataExt::mode(about) & 0o200 == 0 {
        return Err(io::Error::other("it is read-only"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_file_of_secrets_that_others_can_read_is_refused() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("key");
        let mode = |mode| fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("mode");
        fs::write(&file, "truedy_0123456789\n").expect("written");
        for wrong in [0o644, 0o640, 0o660, 0o604, 0o610] {
            mode(wrong);
            assert!(private_bytes(&file, 100).is_err(), "{wrong:o}");
        }
        mode(0o600);
        let link = dir.path().join("link");
        symlink(&file, &link).expect("a link");
        assert!(private_bytes(&link, 100).is_err());
        assert_eq!(private_bytes(&file, 100), Ok(b"truedy_0123456789\n".to_vec()));
        assert!(private_bytes(dir.path(), 100).is_err());
        assert!(private_bytes(&file, 17).is_err() && private_bytes(&file, 18).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn what_kubernetes_mounts_is_read() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let dir = tempfile::tempdir().expect("a directory");
        let real = dir.path().join("..2026_11_26");
        fs::create_dir(&real).expect("a directory");
        fs::write(real.join("key"), "secret").expect("written");
        fs::set_permissions(real.join("key"), fs::Permissions::from_mode(0o400)).expect("mode");
        symlink("..2026_11_26", dir.path().join("..data")).expect("a link");
        symlink("..data/key", dir.path().join("key")).expect("a link");
        assert_eq!(private_bytes(&dir.path().join("key"), 100), Ok(b"secret".to_vec()));
        symlink("..data/../..data/key", dir.path().join("elsewhere")).expect("a link");
        assert!(private_bytes(&dir.path().join("elsewhere"), 100).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_in_place_of_a_file_is_refused_and_not_waited_for() {
        let dir = tempfile::tempdir().expect("a directory");
        let pipe = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg("-m600").arg(&pipe).status().expect("mkfifo");
        assert!(made.success());
        assert!(public_bytes(&pipe, 100).is_err() && private_bytes(&pipe, 100).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_configuration_that_others_can_change_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("config");
        fs::write(&file, "x").expect("written");
        for (mode, passes) in [(0o644, true), (0o600, true), (0o664, false), (0o646, false)] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("mode");
            assert_eq!(public_bytes(&file, 100).is_ok(), passes, "{mode:o}");
        }
    }
}
