//! Named points between the steps of an operation, at which a test can end or stop the process.
//!
//! `TRUEDY_MCP_CRASH_AT=cleared` ends a debug build when it first reaches that point. `cleared:3` ends it the third
//! time. `TRUEDY_MCP_STOP_AT=begun` stops the process at that point until a signal continues it, like a machine that
//! sleeps. A release build ignores both.

/// Does nothing in a release build.
#[cfg(not(debug_assertions))]
pub(crate) fn reach(_: Point) {}

/// Reaches a point. Ends or stops the process if a variable names that point.
#[cfg(debug_assertions)]
pub(crate) fn reach(point: Point) {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicUsize, Ordering};
    static WANTED: LazyLock<Option<(String, usize)>> = LazyLock::new(|| {
        let wanted = std::env::var("TRUEDY_MCP_CRASH_AT").ok()?;
        let (name, nth) = wanted.split_once(':').unwrap_or((&wanted, "1"));
        Some((name.to_owned(), nth.parse().ok()?))
    });
    static REACHED: AtomicUsize = AtomicUsize::new(0);
    stop_at(point);
    if let Some((name, nth)) = &*WANTED
        && name == point.name()
        && REACHED.fetch_add(1, Ordering::SeqCst) + 1 == *nth
    {
        std::process::abort();
    }
}

/// Stops this process at the point that the variable names, the first time only.
#[cfg(all(debug_assertions, unix))]
fn stop_at(point: Point) {
    use std::sync::Once;
    static STOPPED: Once = Once::new();
    if std::env::var("TRUEDY_MCP_STOP_AT").is_ok_and(|name| name == point.name()) {
        STOPPED.call_once(|| {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
            // Another thread may receive the signal first. The sleep keeps this thread from continuing before the stop.
            std::thread::sleep(std::time::Duration::from_millis(500));
        });
    }
}

#[cfg(all(debug_assertions, not(unix)))]
fn stop_at(_: Point) {}

/// The points, in the order in which an operation reaches them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// The change is checked and allowed. Nothing is recorded.
    Planned,
    /// The intent is recorded.
    Begun,
    /// It is recorded that the change may be sent.
    Cleared,
    /// The response was lost. That is not recorded yet.
    AnswerLost,
    /// It is recorded that the outcome is unknown.
    Lost,
    /// The outcome is known and not recorded yet.
    Answered,
    /// The outcome is recorded. The caller has no response yet.
    Settled,
}

#[cfg(debug_assertions)]
impl Point {
    fn name(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Begun => "begun",
            Self::Cleared => "cleared",
            Self::AnswerLost => "answer_lost",
            Self::Lost => "lost",
            Self::Answered => "answered",
            Self::Settled => "settled",
        }
    }
}
