//! Noticing that a file changed, by looking at it twice a second: it works on every file system and with every editor.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Changes take effect within a second.
const EVERY: Duration = Duration::from_millis(400);

/// What changes with the content of a file. A file that others replace has another inode, though its time may be the same.
#[derive(Debug, PartialEq, Eq, Clone)]
struct Look {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

fn look(file: &Path) -> Option<Look> {
    let about = fs::metadata(file).ok()?;
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(&about);
    #[cfg(not(unix))]
    let inode = 0;
    Some(Look { modified: about.modified().ok(), length: about.len(), inode })
}

/// Calls `changed` each time one of the files is not what it was, and once at first: it may have changed since it was
/// read. Never ends.
pub(super) async fn watch(files: Vec<PathBuf>, mut changed: impl FnMut()) {
    let all = || files.iter().map(|file| look(file)).collect::<Vec<_>>();
    let mut before = Vec::new();
    loop {
        tokio::time::sleep(EVERY).await;
        let now = all();
        if now != before {
            before = now;
            changed();
        }
    }
}
