//! The clocks of a machine, and Truedy's clock. No single clock is trusted alone.
//!
//! The wall clock can be set. The monotonic clock stops while the machine sleeps. The time since the boot of the
//! machine has neither problem, but not every system provides it. Truedy's responses also state a time.

use std::sync::{LazyLock, OnceLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::Mutex;

use crate::domain::digest::{digest_of, unguessable};

/// How long a stated time is trusted if no clock counts the machine's sleep, in milliseconds.
const BELIEVED: i64 = 10 * 60 * 1000;

/// A moment, as the time since the boot of the machine. Two moments can be compared only if they have the same boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootTime {
    /// The id of the boot. It is random and new at each boot of any machine.
    pub boot: String,
    /// Milliseconds since that boot, including sleep.
    pub up: i64,
}

impl BootTime {
    /// Returns the current moment. `None` if the system does not provide it.
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

    /// Returns the current moment. `None` if the system does not provide it.
    #[cfg(not(target_os = "linux"))]
    pub fn now() -> Option<Self> {
        None
    }
}

/// Returns the milliseconds of a clock that never goes back, from an arbitrary start.
///
/// It includes sleep if [`BootTime`] is available.
pub fn steady_ms() -> i64 {
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let elapsed = || i64::try_from(BEGIN.elapsed().as_millis()).unwrap_or(i64::MAX);
    BootTime::now().map_or_else(elapsed, |now| now.up)
}

/// Truedy's clock, as the `Date` of its last response stated it.
#[derive(Debug, Default)]
pub struct ServerTime(Mutex<Option<StatedTime>>);

/// A stated time, and when it was received.
#[derive(Debug, Clone, Copy)]
struct StatedTime {
    /// The stated time, in milliseconds since 1970.
    at: i64,
    /// When it was received, by [`steady_ms`].
    came: i64,
}

impl ServerTime {
    /// Notes the time that a response stated, in milliseconds since 1970.
    pub fn note(&self, at: i64) {
        *self.0.lock() = Some(StatedTime { at, came: steady_ms() });
    }

    /// Returns Truedy's current time, in milliseconds since 1970. `None` if no recent response has stated one.
    pub fn now(&self) -> Option<i64> {
        let stated = (*self.0.lock())?;
        let since = steady_ms().saturating_sub(stated.came).max(0);
        // If sleep is not counted, an old statement is behind by an unknown amount.
        (since < BELIEVED || BootTime::now().is_some()).then_some(stated.at.saturating_add(since))
    }
}

/// One moment, as all clocks show it. All values are in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReading {
    /// The wall clock, since 1970.
    pub wall: i64,
    /// The monotonic clock, since the start of this process.
    pub running: i64,
    /// The time since the boot of the machine, including sleep. Without such a clock, it is the same as `running`.
    pub boot: i64,
}

impl ClockReading {
    /// Reads all clocks now.
    pub fn now() -> Self {
        static START: OnceLock<Instant> = OnceLock::new();
        let running = i64::try_from(START.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(i64::MAX);
        Self { wall: Timestamp::now().as_millisecond(), running, boot: BootTime::now().map_or(running, |now| now.up) }
    }

    /// Returns the longest time that any clock shows between this moment and `now`. It is at least 0.
    ///
    /// So setting one clock back cannot make it shorter than another clock shows.
    pub fn age(&self, now: &Self) -> Duration {
        let passed = [
            now.wall.saturating_sub(self.wall),
            now.running.saturating_sub(self.running),
            now.boot.saturating_sub(self.boot),
        ];
        Duration::from_millis(passed.into_iter().max().and_then(|most| u64::try_from(most).ok()).unwrap_or(0))
    }
}

/// Returns a number for the current boot of the machine. Readings of `boot` can be compared only within the same boot.
///
/// If the system does not provide a boot id, each process has its own number.
pub fn boot_id() -> u32 {
    static ID: OnceLock<u32> = OnceLock::new();
    *ID.get_or_init(|| {
        let digest = BootTime::now().map_or_else(|| digest_of(&unguessable()), |now| digest_of(now.boot.as_bytes()));
        digest.get(..8).and_then(|hex| u32::from_str_radix(hex, 16).ok()).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEN: ClockReading = ClockReading { wall: 1_000_000, running: 5_000, boot: 90_000 };

    fn after(wall: i64, running: i64, boot: i64) -> Duration {
        let now = ClockReading { wall: THEN.wall + wall, running: THEN.running + running, boot: THEN.boot + boot };
        THEN.age(&now)
    }

    #[test]
    fn the_longest_time_counts_whichever_clock_shows_it() {
        let seconds = Duration::from_secs;
        assert_eq!(after(2_000, 2_000, 2_000), seconds(2));
        // The machine slept, so the monotonic clock stopped.
        assert_eq!(after(3_600_000, 2_000, 3_600_000), seconds(3_600));
        // The machine slept, and its wall clock was set back meanwhile.
        assert_eq!(after(-7_000, 2_000, 3_600_000), seconds(3_600));
        // Only the wall clock was set.
        assert_eq!(after(40_000, 2_000, 2_000), seconds(40));
        assert_eq!(after(-40_000, 2_000, 2_000), seconds(2));
        // The process was stopped, but the machine did not sleep.
        assert_eq!(after(31_000, 31_000, 31_000), seconds(31));
        assert_eq!(after(-1, -1, -1), Duration::ZERO);
    }

    #[test]
    fn clocks_go_on() {
        let then = ClockReading::now();
        std::thread::sleep(Duration::from_millis(30));
        let now = ClockReading::now();
        assert!(now.running > then.running && now.boot > then.boot);
        assert!(then.age(&now) >= Duration::from_millis(25));
        assert_eq!(boot_id(), boot_id());
    }

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
