//! Reads files that hold secrets, and files that decide what is run. Refuses them if the wrong users can read or change
//! them.

use std::fs::{self, File};
use std::io::Read;
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
    let (open, about) = open(file)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let (own, root) = (about.uid() == rustix::process::geteuid().as_raw(), about.uid() == 0);
        let open_to = about.mode() & 0o077;
        // A group that root gave read permission has it on purpose. A file of this user must be accessible to this user
        // alone.
        if open_to & 0o007 != 0 || (open_to != 0 && !(root && !own && open_to == 0o040)) {
            return Err("others can read it; chmod 600 mends that".to_owned());
        }
        if !own && !root {
            return Err("it belongs to another user".to_owned());
        }
    }
    read(open, &about, limit)
}

/// Reads a file without secrets, at most `limit` bytes. Refused if others could change it, since it decides what is
/// done.
pub fn public_bytes(file: &Path, limit: u64) -> Result<Vec<u8>, String> {
    let (open, about) = open(file)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if about.mode() & 0o022 != 0 {
            return Err("others can change it; chmod go-w mends that".to_owned());
        }
        if about.uid() != rustix::process::geteuid().as_raw() && about.uid() != 0 {
            return Err("it belongs to another user".to_owned());
        }
    }
    read(open, &about, limit)
}

/// Opens a file and returns its metadata.
///
/// Both belong to the same file, even if another file replaces it meanwhile.
fn open(file: &Path) -> Result<(File, fs::Metadata), String> {
    let mut options = fs::OpenOptions::new();
    options.read(true);
    // A pipe in place of the file must not block the reader.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    let open = options.open(file).map_err(|error| error.to_string())?;
    let about = open.metadata().map_err(|error| error.to_string())?;
    if about.is_file() { Ok((open, about)) } else { Err("it is not a regular file".to_owned()) }
}

fn read(open: File, about: &fs::Metadata, limit: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = open.take(limit + 1).read_to_end(&mut bytes);
    if about.len() > limit || u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        return Err(format!("it is larger than {} KiB", limit / 1024));
    }
    read.map(|_| bytes).map_err(|error| error.to_string())
}

/// Whether it is a link of the kind that Kubernetes creates in a mounted volume.
fn is_mounted(file: &Path) -> bool {
    let inside = |target: &Path| target.components().all(|part| matches!(part, Component::Normal(_)));
    fs::read_link(file).is_ok_and(|target| target.starts_with("..data") && inside(&target))
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
