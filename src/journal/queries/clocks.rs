//! Which clock is believed. A wall clock may be wrong by years, and one look at it never erases or frees anything.
//!
//! A row is past an age only if the wall clock says so, a second clock agrees, and none contradicts. The second clock is one
//! of: the time since the machine started, for a row written since then; the clock of PostgreSQL; the `Date` of Truedy's
//! answers. Where none of them is to be had, two looks at the wall clock, ten minutes apart, free a place. They never erase.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use crate::domain::{BootTime, ServerTime, steady_ms};
use crate::journal::store::{SqlValue, StoreResult, Transaction};

const MINUTE: i64 = 60 * 1000;
/// How far apart two looks at the wall clock must be before they count as agreement.
const BETWEEN_LOOKS: i64 = 10 * MINUTE;
/// How much the wall clock may drift between two looks.
const DRIFT: i64 = MINUTE;
/// How far the wall clock may lag behind Truedy's before a row is written with Truedy's time instead.
const BEHIND: i64 = 10 * MINUTE;
/// The same for a wall clock that is ahead. Larger, since the `Date` of a cached answer is a little old.
const AHEAD: i64 = 60 * MINUTE;
/// Stands for a machine whose starts cannot be told apart. No row has it.
const NO_BOOT: &str = "-";

/// The clocks of this machine.
pub(crate) trait Clock: Send + Sync {
    /// The wall clock, in milliseconds since 1970. Anybody may set it.
    fn wall(&self) -> i64;

    /// The time since the machine started.
    fn boot(&self) -> Option<BootTime>;

    /// Milliseconds that only grow.
    fn steady(&self) -> i64;
}

/// The clocks that the system has.
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

/// Looks at the clocks of this machine, and remembers the first look at the wall clock that still fits.
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

    /// What the clocks say now. `shared`: the store has a clock of its own, by which all who share it go.
    pub(crate) fn look(&self, shared: bool, server: &ServerTime) -> JournalClocks {
        let look = ClockLook { wall: self.clock.wall(), steady: self.clock.steady() };
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
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

/// What is known of the time beside the clock of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JournalClocks {
    boot: Option<BootTime>,
    /// By Truedy's clock.
    date: Option<i64>,
    /// Two looks at the wall clock agree.
    agreed: bool,
    /// The store's clock is PostgreSQL's.
    shared: bool,
}

/// What a row being past an age brings about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AgeUse {
    /// A place in a cap is free again, or a number may be made ours again.
    Frees,
    /// The row is erased.
    Erases,
}

impl JournalClocks {
    /// With the clock of the store, read in the transaction.
    pub(crate) async fn at(&self, transaction: &mut dyn Transaction) -> StoreResult<ClockMoment> {
        let wall = transaction.now().await?;
        Ok(ClockMoment { wall, times: self.clone() })
    }
}

/// One moment by every clock there is.
pub(crate) struct ClockMoment {
    wall: i64,
    times: JournalClocks,
}

impl ClockMoment {
    /// The time a row is written with, in milliseconds since 1970. Truedy's, where the wall clock is far from it.
    pub(crate) fn stamp(&self) -> i64 {
        match self.times.date {
            Some(date) if !self.times.shared && (date - self.wall > BEHIND || self.wall - date > AHEAD) => date,
            _ => self.wall,
        }
    }

    /// The start of the machine and the time since, for a row that is written now.
    pub(crate) fn boot(&self) -> [SqlValue; 2] {
        match &self.times.boot {
            Some(now) => [(&now.boot).into(), now.up.into()],
            None => [SqlValue::Null, SqlValue::Null],
        }
    }

    /// A row whose time is at most this may be older than `age`: what the wall clock says, unless Truedy's says less.
    pub(crate) fn oldest(&self, age: i64) -> i64 {
        self.wall.min(self.times.date.unwrap_or(i64::MAX)).saturating_sub(age)
    }

    /// This start of the machine, and from when on a row of it is younger than `age`.
    pub(crate) fn young(&self, age: i64) -> [SqlValue; 2] {
        match &self.times.boot {
            Some(now) => [(&now.boot).into(), now.up.saturating_sub(age).into()],
            None => [NO_BOOT.into(), i64::MAX.into()],
        }
    }

    /// Whether a clock other than the wall clock vouches for rows of any start of the machine.
    pub(crate) fn is_proven(&self, purpose: AgeUse) -> bool {
        self.times.shared || self.times.date.is_some() || (purpose == AgeUse::Frees && self.times.agreed)
    }

    /// A condition on rows that are past an age, by the columns `{what}_at`, `{what}_boot` and `{what}_up`. Its four values
    /// are added to `values`.
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

    /// How long a moment is past, in milliseconds: what the most cautious clock says, and 0 where none is believed.
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
