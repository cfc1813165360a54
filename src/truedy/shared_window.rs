//! The rules of the window that several processes share through a store.
//!
//! Each row of the store counts for some places. A lease counts from the time when it is granted. It counts until the
//! last moment at which its holder may use it, and a window longer. A report replaces this by what was really used, so
//! that unused places are free at once. A process that ends without a report keeps its places until they expire.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::{LeaseChanges, LeaseRow};

/// The window. 250 ms are added for the transmission to Truedy, whose clock counts.
pub(crate) const WINDOW: Duration = Duration::from_millis(60_250);
/// How long the holder of a lease may use its places.
///
/// Without a report a place is blocked for that much longer than the window. So this is short.
pub(crate) const LEASE: Duration = Duration::from_secs(2);
/// How long after its end a lease is reported at the latest, if its holder runs.
const REPORTED_WITHIN: Duration = Duration::from_millis(100);
/// The longest time that a row may count. A row beyond it was written before the clock of the store was set back.
const LONGEST: Duration = Duration::from_secs(70);
/// The row that stops all requests of the account after a refusal by Truedy.
const FREEZE: &str = "freeze";

/// A limit of the places that certain rows may count for together.
#[derive(Debug, Clone)]
pub(crate) struct WindowCap {
    /// The shares whose rows count. Empty if all count.
    pub(crate) shares: &'static [&'static str],
    /// Whether only the rows of the asking principal count.
    pub(crate) own: bool,
    /// The limit.
    pub(crate) most: usize,
}

/// A request for a lease.
#[derive(Debug, Clone)]
pub(crate) struct LeaseRequest {
    pub(crate) share: &'static str,
    pub(crate) principal: Option<Arc<str>>,
    /// How many places to lease at most.
    pub(crate) wanted: u32,
    pub(crate) caps: Vec<WindowCap>,
}

/// What was used of a lease that ended.
#[derive(Debug, Clone)]
pub(crate) struct LeaseReport {
    pub(crate) id: String,
    pub(crate) share: &'static str,
    pub(crate) principal: Option<Arc<str>>,
    pub(crate) used: u32,
    /// The time since the last use, measured before the store was asked.
    pub(crate) ago: Duration,
}

/// The answer to a request for a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeaseAnswer {
    /// This many places, at least one. 0 if no lease was asked for.
    Granted(u32),
    /// No place is free.
    Full {
        /// When one may be free.
        wait: Duration,
        /// When the principal may have used less than its own part. `None` if that is so now.
        own: Option<Duration>,
    },
}

/// One exchange with the store: reports first, then a request.
#[derive(Debug, Default)]
pub(crate) struct WindowExchange {
    pub(crate) reports: Vec<LeaseReport>,
    /// How long no process may send anything, after a refusal by Truedy.
    pub(crate) freeze: Option<Duration>,
    /// The id of the new lease, and the request for it.
    pub(crate) request: Option<(String, LeaseRequest)>,
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

impl WindowExchange {
    /// Returns what to change in the rows of the account, and the answer.
    pub(crate) fn apply(self, now: i64, rows: Vec<LeaseRow>) -> (LeaseChanges, LeaseAnswer) {
        let mut changes = LeaseChanges::default();
        let mut counted = BTreeMap::new();
        for mut row in rows {
            if row.counts_until <= now {
                changes.removed.push(row.id);
                continue;
            }
            let latest = now.saturating_add(millis(LONGEST));
            if row.counts_until > latest {
                (row.counts_until, row.leased_until) = (latest, row.leased_until.min(latest));
                changes.written.push(row.clone());
            }
            counted.insert(row.id.clone(), row);
        }
        for report in self.reports {
            counted.remove(&report.id);
            changes.written.retain(|row| row.id != report.id);
            let row = report.row(now);
            if row.places > 0 && row.counts_until > now {
                changes.written.push(row.clone());
                counted.insert(row.id.clone(), row);
            } else {
                changes.removed.push(row.id);
            }
        }
        if let Some(wait) = self.freeze {
            let until = now.saturating_add(millis(wait));
            let until = counted.get(FREEZE).map_or(until, |row| row.counts_until.max(until));
            let row = row(FREEZE, (FREEZE, None), 0, (0, until));
            changes.written.retain(|row| row.id != FREEZE);
            changes.written.push(row.clone());
            counted.insert(row.id.clone(), row);
        }
        let Some((id, request)) = self.request else {
            return (changes, LeaseAnswer::Granted(0));
        };
        let counted: Vec<LeaseRow> = counted.into_values().collect();
        let answer = request.answer(now, &counted);
        if let LeaseAnswer::Granted(places) = answer {
            let until = now.saturating_add(millis(LEASE));
            let times = (until, until.saturating_add(millis(WINDOW)));
            changes.written.push(row(&id, (request.share, request.principal.as_deref()), places, times));
        }
        (changes, answer)
    }
}

fn row(
    id: &str,
    (share, principal): (&str, Option<&str>),
    places: u32,
    (leased_until, counts_until): (i64, i64),
) -> LeaseRow {
    LeaseRow {
        id: id.to_owned(),
        share: share.to_owned(),
        principal: principal.map(str::to_owned),
        places: places.into(),
        leased_until,
        counts_until,
    }
}

impl LeaseReport {
    /// The places that were used count from their last use on.
    fn row(&self, now: i64) -> LeaseRow {
        let until = now.saturating_sub(millis(self.ago)).saturating_add(millis(WINDOW));
        row(&self.id, (self.share, self.principal.as_deref()), self.used, (0, until))
    }
}

impl LeaseRequest {
    fn answer(&self, now: i64, rows: &[LeaseRow]) -> LeaseAnswer {
        let free = self.caps.iter().map(|cap| cap.free(self, rows)).min().unwrap_or(self.wanted.into());
        let frozen = rows.iter().find(|row| row.id == FREEZE).map(|row| row.counts_until);
        let granted = free.min(self.wanted.into());
        if frozen.is_none() && granted > 0 {
            return LeaseAnswer::Granted(u32::try_from(granted).unwrap_or(self.wanted));
        }
        let next = |own: bool| {
            let caps = self.caps.iter().filter(|cap| cap.own || !own);
            caps.filter_map(|cap| cap.next(self, now, rows)).max()
        };
        let wait = |until: i64| Duration::from_millis(until.saturating_sub(now).max(1).unsigned_abs());
        let all = next(false).max(frozen).unwrap_or(now);
        LeaseAnswer::Full { wait: wait(all), own: next(true).map(wait) }
    }
}

impl WindowCap {
    fn counts(&self, request: &LeaseRequest, row: &LeaseRow) -> bool {
        let of_share = self.shares.is_empty() || self.shares.contains(&row.share.as_str());
        of_share && (!self.own || row.principal.as_deref() == request.principal.as_deref())
    }

    fn most(&self) -> i64 {
        i64::try_from(self.most).unwrap_or(i64::MAX)
    }

    /// How many more places the cap allows, possibly less than 0.
    fn free(&self, request: &LeaseRequest, rows: &[LeaseRow]) -> i64 {
        let used: i64 = rows.iter().filter(|row| self.counts(request, row)).map(|row| row.places).sum();
        self.most().saturating_sub(used)
    }

    /// Returns the time when the cap may allow one more place. `None` if it does now.
    ///
    /// A running lease may be given back when it ends. That it was used shows only then.
    fn next(&self, request: &LeaseRequest, now: i64, rows: &[LeaseRow]) -> Option<i64> {
        let mut needed = 1_i64.saturating_sub(self.free(request, rows));
        if needed <= 0 {
            return None;
        }
        let free_at = |row: &LeaseRow| {
            let reported = row.leased_until.saturating_add(millis(REPORTED_WITHIN));
            if row.leased_until > 0 && reported > now { reported } else { row.counts_until }
        };
        let mut ends: Vec<(i64, i64)> =
            rows.iter().filter(|row| self.counts(request, row)).map(|row| (free_at(row), row.places)).collect();
        ends.sort_unstable();
        for (end, places) in ends {
            needed = needed.saturating_sub(places);
            if needed <= 0 {
                return Some(end);
            }
        }
        Some(now.saturating_add(millis(WINDOW)))
    }
}
