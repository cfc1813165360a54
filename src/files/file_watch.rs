//! Noticing that a file changed, by looking at it twice a second: it works on every file system and with every editor.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Changes take effect within a second.
const EVERY: Duration = Duration::from_millis(400);

/// What changes with a file: its content, or who may read it. A file that others replace has another inode, though its time
/// may be the same; whoever sets back the time of a change, or changes rights alone, cannot set back the system's own.
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

/// Calls `changed` each time one of the files is not what it was, and once at first: it may have changed since it was
/// read. Never ends. All of it is done beside the runtime: a file system may take its time, and nobody else shall wait for it.
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
        // After a fault they count as changed.
        before = looked.await.unwrap_or_default();
    }
}
