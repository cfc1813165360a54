//! The clocks of a machine, read together: what one of them alone says is not believed.
//!
//! The wall clock can be set. The monotonic clock stands still while the machine sleeps. The clock since the start of the
//! machine does neither, where the system has one.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::digest::{digest_of, unguessable};

/// One moment as every clock shows it. Milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReading {
    /// Since 1970, by the wall clock.
    pub wall: i64,
    /// Since the start of this process, by the monotonic clock.
    pub running: i64,
    /// Since the start of the machine, time asleep included; where no such clock is, the same as `running`.
    pub boot: i64,
}

impl ClockReading {
    /// Now.
    pub fn now() -> Self {
        static START: OnceLock<Instant> = OnceLock::new();
        let running = i64::try_from(START.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(i64::MAX);
        Self { wall: Timestamp::now().as_millisecond(), running, boot: since_boot().unwrap_or(running) }
    }

    /// How long it is ago at most: by the clock that shows the longest time. No clock that was set back makes it shorter
    /// than another one shows.
    pub fn age(&self, now: &Self) -> Duration {
        let passed = [
            now.wall.saturating_sub(self.wall),
            now.running.saturating_sub(self.running),
            now.boot.saturating_sub(self.boot),
        ];
        Duration::from_millis(passed.into_iter().max().and_then(|most| u64::try_from(most).ok()).unwrap_or(0))
    }
}

/// Milliseconds since the start of the machine, time asleep included.
#[cfg(target_os = "linux")]
fn since_boot() -> Option<i64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Some(time.tv_sec.saturating_mul(1000).saturating_add(time.tv_nsec / 1_000_000))
}

#[cfg(not(target_os = "linux"))]
fn since_boot() -> Option<i64> {
    None
}

/// Which start of the machine this is: readings of `boot` compare only under the same. Where the system does not tell, each
/// process has its own.
pub fn boot_id() -> u32 {
    static ID: OnceLock<u32> = OnceLock::new();
    *ID.get_or_init(|| {
        let told = since_boot().and_then(|_| std::fs::read("/proc/sys/kernel/random/boot_id").ok());
        let digest = digest_of(&told.unwrap_or_else(|| unguessable().to_vec()));
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
        // The machine slept: the monotonic clock stood still.
        assert_eq!(after(3_600_000, 2_000, 3_600_000), seconds(3_600));
        // It slept, and its wall clock was set back meanwhile.
        assert_eq!(after(-7_000, 2_000, 3_600_000), seconds(3_600));
        // Only the wall clock was set.
        assert_eq!(after(40_000, 2_000, 2_000), seconds(40));
        assert_eq!(after(-40_000, 2_000, 2_000), seconds(2));
        // The process was stopped, and no clock of the machine slept.
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
}
