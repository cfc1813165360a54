//! Handles the signals that ask the program to end.

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

/// Returns a token that the first signal cancels. Must be called in a runtime.
pub(super) fn cancelled_at_end() -> CancellationToken {
    let unwanted = CancellationToken::new();
    let stop = unwanted.clone();
    tokio::spawn(async move {
        end().await;
        stop.cancel();
    });
    unwanted
}

/// Cancels `shutdown` at the first signal, so that running work can finish. Ends the program at the second signal.
pub(super) async fn twice(shutdown: CancellationToken) {
    end().await;
    shutdown.cancel();
    end().await;
    std::process::exit(1);
}

/// Makes a write beyond the file size limit fail like a write to a full disk. Without this, it ends the program. The
/// journal then reports the error, and reading still works. Must be called in a runtime; the effect lasts until the
/// program ends.
#[cfg(unix)]
pub(super) fn outlive_file_limit() {
    use tokio::signal::unix::{SignalKind, signal};
    /// SIGXFSZ, which has the same number on Linux, macOS and the BSDs.
    const BEYOND_FILE_LIMIT: i32 = 25;
    if let Err(error) = signal(SignalKind::from_raw(BEYOND_FILE_LIMIT)) {
        tracing::warn!(%error, "a limit for files may end the program");
    }
}

/// Does nothing, because there is no such limit.
#[cfg(not(unix))]
pub(super) fn outlive_file_limit() {}
