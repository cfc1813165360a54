//! Reads the key for confirmations that is stored beside the journal.
//!
//! What one process seals with it, the next process of the same user can open.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::config::error::KEY_LIMIT;
use crate::domain::{hex, unguessable};
use crate::files::{TemporaryFile, private_bytes, private_folder};

/// The name of the file in the directory of the journal.
pub(crate) const FILE: &str = "state.key";

/// Returns the path of the key file in a directory.
pub fn state_key_in(directory: &Path) -> PathBuf {
    directory.join(FILE)
}

/// Returns the keys in this directory, and creates a key if there is none. An error names the file and the problem.
///
/// A file that others could have read or changed is refused and never replaced. A new key of this process would
/// silently make every token of another process invalid.
pub fn kept_keys(directory: &Path) -> Result<Vec<Vec<u8>>, String> {
    let file = state_key_in(directory);
    let wrong = |why: String| format!("{} cannot be used: {why}", file.display());
    private_folder(directory).map_err(|error| wrong(error.to_string()))?;
    if fs::symlink_metadata(&file).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        make(&file).map_err(|error| wrong(error.to_string()))?;
    }
    let bytes = private_bytes(&file, KEY_LIMIT).map_err(wrong)?;
    keys_in(bytes).map_err(|why| wrong(why.to_owned()))
}

/// Creates the key file. It is complete from the moment it has its name.
/// If several processes do this at once, one of them creates the file and all read that file. Without hard links the
/// last one does, and later reads get its key.
fn make(file: &Path) -> io::Result<()> {
    TemporaryFile::beside(file, format!("{}\n", hex(&unguessable())).as_bytes())?.create()
}

/// Parses the bytes of a key file: one or two keys of at least 32 bytes each.
/// In a text, each line is a key, and the first one seals. Bytes that are not text are one key.
pub(super) fn keys_in(bytes: Vec<u8>) -> Result<Vec<Vec<u8>>, &'static str> {
    let keys: Vec<Vec<u8>> = match std::str::from_utf8(&bytes) {
        Ok(text) => {
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            lines.map(|line| line.as_bytes().to_vec()).collect()
        }
        Err(_) => vec![bytes],
    };
    match keys.len() {
        1 | 2 if keys.iter().all(|key| key.len() >= 32) => Ok(keys),
        0..=2 => Err("a key has at least 32 bytes, for example from `openssl rand -hex 32`"),
        _ => Err("it holds one key, or two on two lines, for example from `openssl rand -hex 32`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_at_once_end_with_one_key() {
        for _ in 0..20 {
            let home = tempfile::tempdir().expect("a directory");
            let state = home.path().join("state");
            let barrier = std::sync::Barrier::new(8);
            let keys: Vec<_> = std::thread::scope(|scope| {
                let one = || {
                    barrier.wait();
                    kept_keys(&state).expect("a key")
                };
                let threads: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
                threads.into_iter().map(|thread| thread.join().expect("it ends")).collect()
            });
            assert!(keys.iter().all(|key| *key == keys[0]) && keys[0][0].len() == 64);
            assert_eq!(fs::read_dir(&state).expect("a directory").count(), 1, "nothing else is left");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_others_could_know_or_change_is_refused_and_left_alone() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let home = tempfile::tempdir().expect("a directory");
        let (state, file) = (home.path().join("state"), home.path().join("state").join(FILE));
        let keys = kept_keys(&state).expect("a key");
        assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&state).expect("a directory").permissions().mode() & 0o777, 0o700);
        assert_eq!(kept_keys(&state), Ok(keys.clone()));
        let why = |part: &str| {
            let error = kept_keys(&state).expect_err(part);
            assert!(error.contains(part) && error.contains(FILE), "{error}");
        };
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("mode");
        mode(&file, 0o640);
        why("chmod 600");
        mode(&file, 0o600);
        mode(&state, 0o770);
        why("chmod 700");
        mode(&state, 0o700);
        assert_eq!(kept_keys(&state), Ok(keys));
        fs::rename(&file, home.path().join("key")).expect("moved");
        symlink(home.path().join("key"), &file).expect("a link");
        why("not a regular file");
        // A link without a target does not count as a missing file.
        fs::remove_file(home.path().join("key")).expect("removed");
        why("not a regular file");
        fs::remove_file(&file).expect("removed");
        for (text, part) in [("short", "at least 32 bytes"), ("", "at least 32 bytes")] {
            fs::write(&file, text).expect("written");
            mode(&file, 0o600);
            why(part);
            assert_eq!(fs::read_to_string(&file).expect("a file"), text, "it is left alone");
        }
        let line = "0123456789abcdef0123456789abcdef\n";
        fs::write(&file, line.repeat(3)).expect("written");
        why("one key, or two");
        fs::write(&file, line.repeat(2)).expect("written");
        assert_eq!(kept_keys(&state).map(|keys| keys.len()), Ok(2));
    }
}
