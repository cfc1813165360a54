//! The state of the whole readings of one account, and what they found.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::domain::OwnedNumber;
use crate::tools::account::compact_numbers::CompactNumbers;
use crate::tools::account::list_chain::ListChain;
use crate::tools::account::pages::{NumberRows, RowList, RowStore};
use crate::tools::account::paging::PAGE;
use crate::truedy::Error;

/// Most requests of a reading at the same time.
const AT_ONCE: usize = 4;
/// Most changes of this process that are remembered for a reading under way.
const CHANGES: usize = 1_000;
/// How long a reading that failed can be continued. Then it begins anew.
const RESUMABLE: Duration = Duration::from_secs(600);

/// The list of numbers, read as a whole.
#[derive(Debug)]
pub(crate) struct WholeReading {
    /// When its first page was requested. It shows every number that was in the account from then to its end.
    pub(crate) begun: Instant,
    pub(crate) as_of: Timestamp,
    pub(crate) ended: Instant,
    listing: RowList<CompactNumbers>,
    /// What this process has changed since: the row by its id, or `None` for a number that has left the account.
    amended: Mutex<HashMap<String, Option<OwnedNumber>>>,
}

impl WholeReading {
    /// Takes what was read. The reading has not ended before [`Readings::end`].
    pub(crate) fn of(part: PartialReading) -> Self {
        let PartialReading { begun, as_of, chain, .. } = part;
        Self { begun, as_of, ended: Instant::now(), listing: chain.listing, amended: Mutex::default() }
    }

    /// Returns the rows as they were read.
    pub(crate) fn rows(&self) -> &CompactNumbers {
        &self.listing.rows
    }

    /// Whether the whole list was read.
    pub(crate) fn is_complete(&self) -> bool {
        self.listing.complete
    }

    /// Returns the list, with what this process has changed since.
    pub(crate) fn listing(&self) -> RowList<CompactNumbers> {
        let RowList { rows, complete, unreadable } = &self.listing;
        RowList { rows: rows.amended(self.amended.lock().clone()), complete: *complete, unreadable: *unreadable }
    }

    /// Returns the first row with this id, with what this process has changed since.
    pub(crate) fn row(&self, id: &str) -> Option<OwnedNumber> {
        let change = self.amended.lock().get(id).cloned();
        match change {
            Some(Some(row)) => Some(row),
            // The first row with this id has left the account.
            gone => {
                let mut rows = self.rows().views().filter(|row| row.id == id).skip(usize::from(gone.is_some()));
                rows.next().map(OwnedNumber::from)
            }
        }
    }
}

/// How far the present reading is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) read: usize,
    pub(crate) total: Option<u64>,
}

/// The state of the readings of one account.
#[derive(Debug, Clone, Default)]
pub(crate) enum ReadingState {
    #[default]
    None,
    Running(Progress),
    Ended(Arc<WholeReading>),
    Failed(Instant, Error),
}

/// The readings of one account: at most one at a time.
#[derive(Default)]
pub(crate) struct Readings {
    /// The last reading that ended.
    last: Mutex<Option<Arc<WholeReading>>>,
    /// What this process has changed lately. A reading under way may have read these rows before.
    changes: Mutex<VecDeque<(Instant, String, Option<OwnedNumber>)>>,
    state: watch::Sender<ReadingState>,
    /// A reading that failed, to be continued.
    part: Mutex<Option<PartialReading>>,
    /// Until when the rate limit lets the reading wait.
    waits_until: Mutex<Option<Instant>>,
}

impl std::fmt::Debug for Readings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Readings").finish_non_exhaustive()
    }
}

impl Readings {
    /// Returns the last reading, if it ended at most `age` ago.
    pub(crate) fn latest(&self, age: Duration) -> Option<Arc<WholeReading>> {
        self.last.lock().clone().filter(|reading| reading.ended.elapsed() <= age)
    }

    /// Forgets the last reading, because this process may have changed the account since in an unknown way.
    pub(crate) fn forget(&self) {
        *self.last.lock() = None;
    }

    /// Notes what this process has changed: the number as it is now, or that it has left the account.
    pub(crate) fn amend(&self, id: &str, row: Option<&OwnedNumber>) {
        let mut changes = self.changes.lock();
        changes.push_back((Instant::now(), id.to_owned(), row.cloned()));
        if changes.len() > CHANGES {
            changes.pop_front();
        }
        if let Some(reading) = &*self.last.lock() {
            reading.amended.lock().insert(id.to_owned(), row.cloned());
        }
    }

    /// Marks a reading as begun. Returns false if one runs.
    pub(crate) fn begin(&self) -> bool {
        self.state.send_if_modified(|state| {
            let idle = !matches!(state, ReadingState::Running(_));
            if idle {
                *state = ReadingState::Running(Progress::default());
            }
            idle
        })
    }

    /// Sets the state, and tells everyone who waits.
    pub(crate) fn set(&self, state: ReadingState) {
        self.state.send_replace(state);
    }

    /// Ends a reading now. So whoever has begun to wait until now takes it, and begins no other one.
    pub(crate) fn end(&self, reading: WholeReading) {
        let reading = Arc::new(WholeReading { ended: Instant::now(), ..reading });
        {
            let changes = self.changes.lock();
            let since = changes.iter().filter(|(at, ..)| *at >= reading.begun);
            reading.amended.lock().extend(since.map(|(_, id, row)| (id.clone(), row.clone())));
            *self.last.lock() = Some(Arc::clone(&reading));
        }
        self.set(ReadingState::Ended(reading));
    }

    /// Returns a receiver of the states.
    pub(crate) fn subscribe(&self) -> watch::Receiver<ReadingState> {
        self.state.subscribe()
    }

    /// Returns how far the present reading is. `None` if none runs.
    pub(crate) fn progress(&self) -> Option<Progress> {
        match &*self.state.borrow() {
            ReadingState::Running(progress) => Some(*progress),
            _ => None,
        }
    }

    /// Notes that the rate limit lets the reading wait until then.
    pub(crate) fn wait_until(&self, moment: Instant) {
        *self.waits_until.lock() = Some(moment);
    }

    /// Returns for how long the rate limit still lets the reading wait.
    pub(crate) fn waits_for(&self) -> Duration {
        self.waits_until.lock().map_or(Duration::ZERO, |moment| moment.saturating_duration_since(Instant::now()))
    }

    /// Takes a reading that failed, to continue it.
    pub(crate) fn take_part(&self) -> Option<PartialReading> {
        self.part.lock().take().filter(|part| part.begun.elapsed() < RESUMABLE)
    }

    /// Keeps a reading that failed.
    pub(crate) fn keep_part(&self, part: PartialReading) {
        *self.part.lock() = Some(part);
    }
}

/// A reading under way.
pub(crate) struct PartialReading {
    pub(crate) begun: Instant,
    pub(crate) as_of: Timestamp,
    pub(crate) chain: ListChain<OwnedNumber, CompactNumbers>,
    /// The offset of the next page.
    pub(crate) offset: usize,
    pub(crate) again: usize,
    pub(crate) pages: usize,
}

impl PartialReading {
    pub(crate) fn new() -> Self {
        let chain = ListChain::new();
        Self { begun: Instant::now(), as_of: Timestamp::now(), chain, offset: 0, again: 0, pages: 0 }
    }

    /// How far apart the pages of a reading begin: by one row less than the first page had, so that they overlap.
    pub(crate) fn stride(&self) -> usize {
        let first = if self.pages == 0 { PAGE } else { self.chain.listing.rows.count().min(PAGE) };
        first.saturating_sub(1).max(1)
    }

    /// How many pages are requested at once: one, until it is known how many rows there are.
    pub(crate) fn at_once(&self) -> usize {
        let left =
            self.chain.total.map_or(0, |total| usize::try_from(total).unwrap_or(PAGE).saturating_sub(self.offset));
        if self.pages == 0 { 1 } else { left.div_ceil(self.stride()).clamp(1, AT_ONCE) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_begins_to_wait_while_the_index_is_replaced_takes_the_reading() {
        let readings = Readings::default();
        assert!(readings.begin());
        let reading = WholeReading::of(PartialReading::new());
        // Meanwhile the index is replaced, and somebody begins to wait.
        tokio::time::advance(Duration::from_millis(200)).await;
        let begun = Instant::now();
        assert!(readings.latest(RESUMABLE).is_none());
        tokio::time::advance(Duration::from_millis(200)).await;
        readings.end(reading);
        assert!(readings.latest(RESUMABLE).is_some_and(|reading| reading.ended >= begun && reading.begun < begun));
    }
}
