//! Named points between the steps of an operation, at which a test can end the process.
//!
//! `TRUEDY_MCP_CRASH_AT=cleared` ends a debug build the first time it comes there, `cleared:3` the third time.
//! `TRUEDY_MCP_STOP_AT=begun` stops it there until somebody lets it go on, as a machine that sleeps would. A release build has
//! none of this.

/// Comes to a point.
#[cfg(not(debug_assertions))]
pub(crate) fn reach(_: Point) {}

/// Comes to a point.
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

/// Stops this process once at the point that the variable names.
#[cfg(all(debug_assertions, unix))]
fn stop_at(point: Point) {
    use std::sync::Once;
    static STOPPED: Once = Once::new();
    if std::env::var("TRUEDY_MCP_STOP_AT").is_ok_and(|name| name == point.name()) {
        STOPPED.call_once(|| {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
            // The signal reaches another thread first: this one must not run on meanwhile.
            std::thread::sleep(std::time::Duration::from_millis(500));
        });
    }
}

#[cfg(all(debug_assertions, not(unix)))]
fn stop_at(_: Point) {}

/// The points, in the order in which an operation comes to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// Everything is known and allowed; nothing is recorded.
    Planned,
    /// The intent is recorded.
    Begun,
    /// It is recorded that the change may leave.
    Cleared,
    /// The answer was lost, which is not recorded yet.
    AnswerLost,
    /// It is recorded that the outcome is not known.
    Lost,
    /// The outcome is known and not recorded.
    Answered,
    /// The outcome is recorded; the caller has not been told.
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
