//! The signals that ask the program to end.

use tokio_util::sync::CancellationToken;

/// Waits for SIGTERM, SIGHUP (the terminal was closed) or Ctrl-C.
#[cfg(unix)]
pub(super) async fn end() {
    use tokio::signal::unix::{SignalKind, signal};
    match (signal(SignalKind::terminate()), signal(SignalKind::hangup())) {
        (Ok(mut terminate), Ok(mut hangup)) => tokio::select! {
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        },
        _ => drop(tokio::signal::ctrl_c().await),
    }
}

#[cfg(not(unix))]
pub(super) async fn end() {
    drop(tokio::signal::ctrl_c().await);
}

/// The first signal lets running work finish, the second ends at once.
pub(super) async fn twice(shutdown: CancellationToken) {
    end().await;
    shutdown.cancel();
    end().await;
    std::process::exit(1);
}

/// From now on a write beyond the limit for files fails like one to a full disk, instead of ending the program: the
/// journal says so, and reading goes on. Called in a runtime; what it sets stays for the life of the program.
#[cfg(unix)]
pub(super) fn outlive_file_limit() {
    use tokio::signal::unix::{SignalKind, signal};
    /// SIGXFSZ, the same on Linux, macOS and the BSDs.
    const BEYOND_FILE_LIMIT: i32 = 25;
    if let Err(error) = signal(SignalKind::from_raw(BEYOND_FILE_LIMIT)) {
        tracing::warn!(%error, "a limit for files may end the program");
    }
}

/// There is no such limit.
#[cfg(not(unix))]
pub(super) fn outlive_file_limit() {}
