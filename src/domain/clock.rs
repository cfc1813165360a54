//! Clocks that nobody sets: the time since the machine started, and the time that Truedy's answers state.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Instant;

/// How long a stated time is believed where no clock counts through the machine's sleep, in milliseconds.
const BELIEVED: i64 = 10 * 60 * 1000;

/// A moment as the running machine counts it. Two of them compare only if they are of the same start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootTime {
    /// Which start of which machine: random, made anew at each start.
    pub boot: String,
    /// Milliseconds since that start, sleep included.
    pub up: i64,
}

impl BootTime {
    /// The moment now; `None` where the system does not tell.
    #[cfg(target_os = "linux")]
    pub fn now() -> Option<Self> {
        static BOOT: LazyLock<Option<String>> = LazyLock::new(|| {
            let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
            let boot = text.trim().to_owned();
            let is_plain = boot.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
            (is_plain && (16..=64).contains(&boot.len())).then_some(boot)
        });
        let boot = BOOT.clone()?;
        let up = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Some(Self { boot, up: up.tv_sec.saturating_mul(1000).saturating_add(up.tv_nsec / 1_000_000) })
    }

    /// The moment now; `None` where the system does not tell.
    #[cfg(not(target_os = "linux"))]
    pub fn now() -> Option<Self> {
        None
    }
}

/// Milliseconds that only grow, from any beginning. Counts through sleep where [`BootTime`] does.
pub fn steady_ms() -> i64 {
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let elapsed = || i64::try_from(BEGIN.elapsed().as_millis()).unwrap_or(i64::MAX);
    BootTime::now().map_or_else(elapsed, |now| now.up)
}

/// What Truedy's clock says, as the `Date` of its last answer stated it.
#[derive(Debug, Default)]
pub struct ServerTime(Mutex<Option<Stated>>);

/// A stated time, and when it came.
#[derive(Debug, Clone, Copy)]
struct Stated {
    /// Milliseconds since 1970.
    at: i64,
    /// By [`steady_ms`].
    came: i64,
}

impl ServerTime {
    /// An answer stated this time, in milliseconds since 1970.
    pub fn note(&self, at: i64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Stated { at, came: steady_ms() });
    }

    /// The time there now, in milliseconds since 1970; `None` if no answer has stated one.
    pub fn now(&self) -> Option<i64> {
        let stated = (*self.0.lock().unwrap_or_else(PoisonError::into_inner))?;
        let since = steady_ms().saturating_sub(stated.came).max(0);
        // Where sleep is not counted, an old statement lags behind by an unknown amount.
        (since < BELIEVED || BootTime::now().is_some()).then_some(stated.at.saturating_add(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stated_time_goes_on_and_the_latest_counts() {
        let server = ServerTime::default();
        assert_eq!(server.now(), None);
        server.note(5_000);
        assert!((5_000..65_000).contains(&server.now().expect("a time")));
        server.note(1_000_000);
        assert!((1_000_000..1_060_000).contains(&server.now().expect("a time")));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_machine_counts_since_its_start() {
        let (one, two) = (BootTime::now().expect("a clock"), BootTime::now().expect("a clock"));
        assert!(one.boot == two.boot && one.up > 0 && two.up >= one.up && steady_ms() >= two.up);
    }
}
