//! The clocks that the journal trusts. A wall clock may be wrong by years, so one reading alone never erases or frees
//! anything.
//!
//! A row has passed an age only if the wall clock says so and a second clock agrees. No clock may contradict. The
//! second clock is one of these:
//!
//! - the time since the boot of the machine, for a row written since that boot
//! - the clock of PostgreSQL
//! - the `Date` of Truedy's responses
//!
//! Without any of them, two readings of the wall clock, ten minutes apart, can free a place in a cap.
//! They never erase a row.

use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;

use crate::domain::{BootTime, ServerTime, steady_ms};
use crate::journal::store::{SqlValue, StoreResult, Transaction};

const MINUTE: i64 = 60 * 1000;
/// The least time between two readings of the wall clock that confirm each other, in milliseconds.
const BETWEEN_LOOKS: i64 = 10 * MINUTE;
/// The largest drift of the wall clock between two such readings, in milliseconds.
const DRIFT: i64 = MINUTE;
/// How far the wall clock may be behind Truedy's clock, in milliseconds. Beyond that, rows get Truedy's time.
const BEHIND: i64 = 10 * MINUTE;
/// How far the wall clock may be ahead of Truedy's clock, in milliseconds. Beyond that, rows get Truedy's time.
///
/// It is larger than `BEHIND` because the `Date` of a cached response is a little old.
const AHEAD: i64 = 60 * MINUTE;
/// The boot id for a machine whose boots cannot be distinguished. No row has it.
const NO_BOOT: &str = "-";

/// The clocks of a machine.
pub(crate) trait Clock: Send + Sync {
    /// Returns the wall clock, in milliseconds since 1970. It can be set to any value.
    fn wall(&self) -> i64;

    /// Returns the time since the boot of the machine. `None` if the system does not provide it.
    fn boot(&self) -> Option<BootTime>;

    /// Returns the milliseconds of a clock that never goes back.
    fn steady(&self) -> i64;
}

/// The clocks of the operating system.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn wall(&self) -> i64 {
        Timestamp::now().as_millisecond()
    }

    fn boot(&self) -> Option<BootTime> {
        BootTime::now()
    }

    fn steady(&self) -> i64 {
        steady_ms()
    }
}

/// Reads the clocks of this machine.
///
/// It keeps the first reading of the wall clock that later readings agree with.
pub(crate) struct ClockWatch {
    clock: Arc<dyn Clock>,
    first: Mutex<Option<ClockLook>>,
}

#[derive(Clone, Copy)]
struct ClockLook {
    wall: i64,
    steady: i64,
}

impl ClockWatch {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, first: Mutex::default() }
    }

    /// Reads the clocks now. `shared` says that the store has a clock of its own, which all its processes use.
    pub(crate) fn look(&self, shared: bool, server: &ServerTime) -> JournalClocks {
        let look = ClockLook { wall: self.clock.wall(), steady: self.clock.steady() };
        let mut first = self.first.lock();
        let agreed = match *first {
            Some(first) if (look.wall - first.wall).abs_diff(look.steady - first.steady) <= DRIFT.unsigned_abs() => {
                look.steady - first.steady >= BETWEEN_LOOKS
            }
            _ => {
                *first = Some(look);
                false
            }
        };
        JournalClocks { boot: self.clock.boot(), date: server.now(), agreed, shared }
    }
}

/// The readings of all clocks except the store's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JournalClocks {
    boot: Option<BootTime>,
    /// Truedy's clock, in milliseconds since 1970.
    date: Option<i64>,
    /// Whether two readings of the wall clock agree.
    agreed: bool,
    /// Whether the store's clock is PostgreSQL's.
    shared: bool,
}

/// The effect when a row passes an age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AgeUse {
    /// A place in a cap is free again, or a number may be added to the account again.
    Frees,
    /// The row is erased.
    Erases,
}

impl JournalClocks {
    /// Adds the reading of the store's clock, taken in the transaction.
    pub(crate) async fn at(&self, transaction: &mut dyn Transaction) -> StoreResult<ClockMoment> {
        let wall = transaction.now().await?;
        Ok(ClockMoment { wall, times: self.clone() })
    }
}

/// One moment, as all available clocks show it.
pub(crate) struct ClockMoment {
    wall: i64,
    times: JournalClocks,
}

impl ClockMoment {
    /// Returns the time for a row that is written now, in milliseconds since 1970.
    ///
    /// It is the store's time. If the wall clock is far from Truedy's clock, it is Truedy's time.
    pub(crate) fn stamp(&self) -> i64 {
        match self.times.date {
            Some(date) if !self.times.shared && (date - self.wall > BEHIND || self.wall - date > AHEAD) => date,
            _ => self.wall,
        }
    }

    /// Returns the boot id and the milliseconds since that boot, for a row that is written now.
    pub(crate) fn boot(&self) -> [SqlValue; 2] {
        match &self.times.boot {
            Some(now) => [(&now.boot).into(), now.up.into()],
            None => [SqlValue::Null, SqlValue::Null],
        }
    }

    /// Returns the latest time of a row that may be older than `age`, in milliseconds since 1970.
    ///
    /// It is based on the wall clock or Truedy's clock, whichever is earlier.
    pub(crate) fn oldest(&self, age: i64) -> i64 {
        self.wall.min(self.times.date.unwrap_or(i64::MAX)).saturating_sub(age)
    }

    /// Returns this boot's id and a time in milliseconds since that boot.
    ///
    /// A row of this boot with a later time is younger than `age`.
    pub(crate) fn young(&self, age: i64) -> [SqlValue; 2] {
        match &self.times.boot {
            Some(now) => [(&now.boot).into(), now.up.saturating_sub(age).into()],
            None => [NO_BOOT.into(), i64::MAX.into()],
        }
    }

    /// Checks whether another clock than the wall clock confirms the age of rows from any boot.
    pub(crate) fn is_proven(&self, purpose: AgeUse) -> bool {
        self.times.shared || self.times.date.is_some() || (purpose == AgeUse::Frees && self.times.agreed)
    }

    /// Returns an SQL condition for rows that are older than `age`.
    ///
    /// It uses the columns `{what}_at`, `{what}_boot` and `{what}_up`. Its four values are appended to `values`.
    pub(crate) fn past(&self, what: &str, age: i64, purpose: AgeUse, values: &mut Vec<SqlValue>) -> String {
        let at = values.len();
        let [boot, young] = self.young(age);
        values.extend([self.oldest(age).into(), boot, young, i64::from(self.is_proven(purpose)).into()]);
        let [oldest, boot, young, proven] = [at + 1, at + 2, at + 3, at + 4];
        format!(
            "({what}_at <= ${oldest} AND (COALESCE({what}_boot, '') <> ${boot} OR {what}_up <= ${young}) \
             AND (CAST(${proven} AS BIGINT) = 1 OR COALESCE({what}_boot, '') = ${boot}))"
        )
    }

    /// Returns how long ago a moment was, in milliseconds.
    ///
    /// The most cautious clock counts. The result is 0 if no clock is trusted.
    pub(crate) fn since(&self, at: i64, boot: Option<(&str, i64)>) -> i64 {
        let by_wall = self.wall.min(self.times.date.unwrap_or(i64::MAX)).saturating_sub(at);
        let same = self.times.boot.as_ref().zip(boot).filter(|(now, (boot, _))| now.boot == *boot);
        match same {
            Some((now, (_, up))) => by_wall.min(now.up.saturating_sub(up)),
            None if self.is_proven(AgeUse::Frees) => by_wall,
            None => 0,
        }
        .max(0)
    }
}
