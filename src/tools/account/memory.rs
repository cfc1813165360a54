//! What is remembered of one account: where its numbers stand in Truedy's list, and what was read as a whole lately.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::domain::{NumberView, OwnedNumber};
use crate::journal::Journal;
use crate::tools::account::compact_numbers::CompactNumbers;
use crate::tools::account::number_index::{NumberIndex, NumberPlace};
use crate::tools::account::paging::PAGE;
use crate::tools::account::reading_state::Readings;
use crate::tools::account::roster::Roster;

/// How long a whole reading may be used for answers that need no later one.
pub(crate) const FRESH: Duration = Duration::from_secs(60);

/// How long a whole reading can prove, together with the newest page, what the account lacks.
pub(crate) const KEPT: Duration = Duration::from_secs(3_600);

/// How many pages of hints are stored at once. All pages of a large account would take much memory.
const STORED_AT_ONCE: usize = 20;

/// What is remembered of one account. All calls of one tenant share it.
#[derive(Debug)]
pub struct AccountMemory {
    index: Mutex<NumberIndex>,
    stored: OnceCell<()>,
    writing: AtomicBool,
    pub(crate) readings: Readings,
    agents: Mutex<Option<(Instant, Roster)>>,
    /// How many agents are asked for at once. It becomes smaller when a page is too large to be read.
    agents_per_page: AtomicUsize,
}

impl Default for AccountMemory {
    fn default() -> Self {
        Self {
            index: Mutex::default(),
            stored: OnceCell::new(),
            writing: AtomicBool::new(false),
            readings: Readings::default(),
            agents: Mutex::default(),
            agents_per_page: AtomicUsize::new(PAGE),
        }
    }
}

impl AccountMemory {
    /// Returns where the rows stand that `name` may mean. At its first use the hints of earlier processes are read.
    pub(crate) async fn places(&self, journal: &Journal, name: &str) -> Vec<NumberPlace> {
        self.stored.get_or_init(|| self.add_stored(journal)).await;
        self.index.lock().places(name)
    }

    /// A failure costs only requests, so it is not reported to the caller.
    async fn add_stored(&self, journal: &Journal) {
        match journal.page_hints().await {
            Ok(pages) => {
                let mut index = self.index.lock();
                pages.iter().for_each(|(_, entries)| index.add_stored(entries));
            }
            Err(error) => tracing::debug!(%error, "the hints on where numbers stand could not be read"),
        }
    }

    /// Notes the rows of a page that was just read.
    pub(crate) fn observe<'a>(&self, rows: impl Iterator<Item = NumberView<'a>>, offset: usize, total: Option<u64>) {
        self.index.lock().observe(rows, offset, total);
    }

    /// Replaces the index by the rows of a whole reading.
    pub(crate) fn replace(&self, rows: &CompactNumbers) {
        self.index.lock().replace(rows);
    }

    /// Forgets a number that has left the account.
    pub(crate) fn forget(&self, id: &str) {
        self.index.lock().forget(id);
        self.readings.amend(id, None);
    }

    /// Notes a number as this process has just changed it.
    pub(crate) fn changed(&self, row: &OwnedNumber) {
        self.readings.amend(&row.id, Some(row));
    }

    /// Returns the offset at which the row of a place is expected now.
    pub(crate) fn estimate(&self, place: &NumberPlace) -> usize {
        self.index.lock().estimate_of(place)
    }

    /// Forgets a place at which the row was not found.
    pub(crate) fn lose(&self, place: &NumberPlace) {
        self.index.lock().lose(place);
    }

    /// How many rows were seen that `name` may mean, and not lost since.
    pub(crate) fn known(&self, name: &str) -> usize {
        self.index.lock().places(name).len()
    }

    /// Whether this process saw the id at another row. An id stands for one number for good.
    pub(crate) fn is_elsewhere(&self, id: &str) -> bool {
        self.index.lock().saw(id)
    }

    /// Returns how many numbers the present reading has read, and how many there are. `None` if no reading runs.
    pub fn reading(&self) -> Option<(usize, Option<u64>)> {
        self.readings.progress().map(|progress| (progress.read, progress.total))
    }

    /// Whether any row of the account ever named a holder, for each direction. Then the list carries that direction.
    pub(crate) fn rows_name(&self) -> [bool; 2] {
        self.index.lock().names()
    }

    /// Stores hints that are out of date in the background, for processes that start later.
    pub(crate) fn store(self: &Arc<Self>, journal: &Arc<Journal>) {
        if self.writing.swap(true, Ordering::AcqRel) {
            return;
        }
        let (memory, journal) = (Arc::clone(self), Arc::clone(journal));
        tokio::spawn(async move {
            loop {
                let pages = memory.index.lock().take_stale(STORED_AT_ONCE);
                if pages.is_empty() {
                    break;
                }
                if let Err(error) = journal.keep_page_hints(pages).await {
                    tracing::debug!(%error, "the hints on where numbers stand could not be stored");
                    break;
                }
            }
            memory.writing.store(false, Ordering::Release);
        });
    }

    /// Returns the agents as they were read lately, at most a minute ago.
    pub(crate) fn agents(&self) -> Option<Roster> {
        let agents = self.agents.lock();
        agents.as_ref().filter(|(read, _)| read.elapsed() <= FRESH).map(|(_, roster)| roster.clone())
    }

    /// Remembers the agents as they were just read.
    pub(crate) fn remember_agents(&self, roster: &Roster) {
        *self.agents.lock() = Some((Instant::now(), roster.clone()));
    }

    pub(crate) fn agents_per_page(&self) -> usize {
        self.agents_per_page.load(Ordering::Acquire)
    }

    pub(crate) fn set_agents_per_page(&self, rows: usize) {
        self.agents_per_page.store(rows, Ordering::Release);
    }
}
