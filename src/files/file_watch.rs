//! Notices that a file changed, by checking its metadata every 400 ms. This works on every file system and with every
//! editor.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The time between two checks. A change takes effect within a second.
const EVERY: Duration = Duration::from_millis(400);

/// The metadata that changes with the content or the permissions of a file.
///
/// If a file is replaced, its inode changes, even if its modification time does not. The change time of the system
/// (`touched`) cannot be set back. It changes even if the modification time is set back or if only permissions change.
#[derive(Debug, PartialEq, Eq, Clone)]
struct FileVersion {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
    touched: (i64, i64),
}

fn look(file: &Path) -> Option<FileVersion> {
    let about = fs::metadata(file).ok()?;
    #[cfg(unix)]
    let (inode, touched) = {
        use std::os::unix::fs::MetadataExt;
        (about.ino(), (about.ctime(), about.ctime_nsec()))
    };
    #[cfg(not(unix))]
    let (inode, touched) = (0, (0, 0));
    Some(FileVersion { modified: about.modified().ok(), length: about.len(), inode, touched })
}

/// Calls `changed` each time one of the files has changed, and once at the start. Never returns.
///
/// The first call covers changes since the files were read. The checks run on a blocking thread. A slow file system
/// must not delay other tasks.
pub async fn watch(files: Vec<PathBuf>, changed: impl Fn() + Send + Sync + 'static) {
    let (changed, mut before) = (Arc::new(changed), Vec::new());
    loop {
        tokio::time::sleep(EVERY).await;
        let (files, changed, known) = (files.clone(), Arc::clone(&changed), std::mem::take(&mut before));
        let looked = tokio::task::spawn_blocking(move || {
            let now: Vec<_> = files.iter().map(|file| look(file)).collect();
            if now != known {
                changed();
            }
            now
        });
        // If the task failed, the files count as changed.
        before = looked.await.unwrap_or_default();
    }
}
