//! What is kept of an entry that was put into a client's file: enough to give back the file as it was.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::domain::hex;
use crate::files::{TemporaryFile, make_private_folder};

/// What is known of one file. Kept in the state directory, one file for each.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct InstallRecord {
    /// The client's file.
    pub(super) file: PathBuf,
    /// The digest of the file with the entry in it.
    pub(super) after: String,
    /// The copy of the file as it was before, with its digest. `None` if there was no file.
    pub(super) before: Option<(PathBuf, String)>,
    /// The folders that were made for it, the innermost first.
    pub(super) folders: Vec<PathBuf>,
    /// The digest of the entry. Records of older versions have none.
    #[serde(default)]
    pub(super) entry: Option<String>,
}

impl InstallRecord {
    /// Returns what is known of a file, if the file is still as this program left it.
    pub(super) fn matching(state: &Path, file: &Path, now: &[u8]) -> Option<Self> {
        Self::of(state, file).filter(|record| record.after == digest(now))
    }

    /// Returns what is known of a file, even if the file changed since.
    pub(super) fn of(state: &Path, file: &Path) -> Option<Self> {
        let bytes = fs::read(place(state, file)).ok()?;
        let record: Self = serde_json::from_slice(&bytes).ok()?;
        (record.file == file).then_some(record)
    }

    pub(super) fn keep(&self, state: &Path) -> io::Result<()> {
        let place = place(state, &self.file);
        make_private_folder(&folder(state))?;
        TemporaryFile::beside(&place, &serde_json::to_vec(self)?)?.replace()
    }
}

/// Forgets what is known of a file.
pub(super) fn forget(state: &Path, file: &Path) {
    // If nothing is known of it, there is nothing to remove.
    drop(fs::remove_file(place(state, file)));
}

fn folder(state: &Path) -> PathBuf {
    state.join("clients")
}

fn place(state: &Path, file: &Path) -> PathBuf {
    let name = digest(file.as_os_str().as_encoded_bytes());
    folder(state).join(format!("{}.json", name.get(..16).unwrap_or_default()))
}

pub(super) fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
