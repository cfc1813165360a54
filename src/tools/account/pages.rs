//! Reads lists page by page, and records whether the whole list was read.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use serde_json::Value;

use crate::domain::{Direction, ListedRows, MOST_ROWS, NumberView, OwnedNumber, Slot};
use crate::tools::account::paging::{PAGE, has_more};
use crate::truedy::{ApiReply, Error};

/// What a list held, and whether it was read completely. An incomplete list does not prove that something is absent.
/// `R` is how its rows are kept.
#[derive(Debug, Clone)]
pub(crate) struct RowList<R> {
    pub(crate) rows: R,
    pub(crate) complete: bool,
    /// Some row of the list could not be read.
    pub(crate) unreadable: bool,
}

/// A list whose rows are separate values.
pub(crate) type ListResult<T> = RowList<Vec<T>>;

/// An item of a list. Each item is kept once.
pub(crate) trait ListedItem: Sized {
    /// Returns what identifies the item.
    fn key(&self) -> (&str, &str);
    /// Adds what another row says about the same item.
    fn merge(&mut self, other: Self);
}

/// Keeps the rows of a list, in order.
pub(crate) trait RowStore<T>: Default {
    fn count(&self) -> usize;
    /// Returns what identifies the row at a position.
    fn key(&self, at: usize) -> Option<(&str, &str)>;
    /// Adds a row at the end.
    fn add(&mut self, row: T);
    /// Makes room for this many further rows.
    fn reserve(&mut self, rows: usize);
    /// Adds to a row what another row says about the same item.
    fn merge(&mut self, at: usize, row: T);
    /// Puts rows before all others.
    fn put_first(&mut self, rows: Vec<T>);
}

impl<T: ListedItem> RowStore<T> for Vec<T> {
    fn count(&self) -> usize {
        self.len()
    }

    fn key(&self, at: usize) -> Option<(&str, &str)> {
        self.get(at).map(T::key)
    }

    fn add(&mut self, row: T) {
        self.push(row);
    }

    fn reserve(&mut self, rows: usize) {
        self.reserve_exact(rows);
    }

    fn merge(&mut self, at: usize, row: T) {
        if let Some(known) = self.get_mut(at) {
            known.merge(row);
        }
    }

    fn put_first(&mut self, mut rows: Vec<T>) {
        rows.append(self);
        *self = rows;
    }
}

/// Numbers that are judged where they are kept.
pub(crate) trait NumberRows: RowStore<OwnedNumber> {
    fn view(&self, at: usize) -> Option<NumberView<'_>>;
    /// Sets the agent of a direction of the row at a position.
    fn set_slot(&mut self, at: usize, direction: Direction, slot: Slot);

    /// Returns all rows in order.
    fn views(&self) -> impl Iterator<Item = NumberView<'_>> {
        (0..self.count()).filter_map(|at| self.view(at))
    }
}

impl NumberRows for Vec<OwnedNumber> {
    fn view(&self, at: usize) -> Option<NumberView<'_>> {
        self.get(at).map(OwnedNumber::view)
    }

    fn set_slot(&mut self, at: usize, direction: Direction, slot: Slot) {
        if let Some(row) = self.get_mut(at) {
            *row.slot_mut(direction) = slot;
        }
    }
}

/// The position of each row of a list, by what identifies it. It keeps no text of its own.
#[derive(Default)]
pub(crate) struct RowPlaces {
    table: HashTable<usize>,
    hasher: RandomState,
}

impl RowPlaces {
    /// Returns the position of the row with this key.
    pub(crate) fn find<T>(&self, rows: &impl RowStore<T>, key: (&str, &str)) -> Option<usize> {
        self.table.find(self.hasher.hash_one(key), |at| rows.key(*at) == Some(key)).copied()
    }

    /// Adds a row at the end of the list. If the list has a row with the same key, that row is merged with it.
    pub(crate) fn add<T: ListedItem>(&mut self, rows: &mut impl RowStore<T>, row: T) {
        if let Some(at) = self.find(rows, row.key()) {
            return rows.merge(at, row);
        }
        let hash = |key: Option<(&str, &str)>| self.hasher.hash_one(key.unwrap_or_default());
        self.table.insert_unique(hash(Some(row.key())), rows.count(), |at| hash(rows.key(*at)));
        rows.add(row);
    }
}

/// A list that is being read page by page.
pub(crate) struct PagedRead<T> {
    pub(crate) listing: ListResult<T>,
    places: RowPlaces,
}

impl<T: ListedItem> PagedRead<T> {
    pub(crate) fn new() -> Self {
        Self {
            listing: ListResult { rows: Vec::new(), complete: true, unreadable: false },
            places: RowPlaces::default(),
        }
    }

    /// Adds the rows of a page, each item once. Returns whether another page should be requested.
    pub(crate) fn add(&mut self, reply: ApiReply<ListedRows<T>>, offset: usize) -> bool {
        let more = has_more(reply.pagination.as_ref(), offset, reply.data.shown, PAGE);
        let listing = &mut self.listing;
        let (before, partly) = (listing.rows.len(), reply.data.is_partly_read());
        for row in reply.data.read {
            self.places.add(&mut listing.rows, row);
        }
        listing.unreadable |= partly;
        // If a page brings nothing new, reading on would never end.
        let stuck = more && listing.rows.len() == before;
        listing.complete &= !partly && !stuck;
        more && !stuck
    }
}

/// Returns the rows of a list response, at most 5,000. It is an error if the response is not an array.
pub(crate) fn rows(reply: &ApiReply) -> Result<&[Value], Error> {
    let rows = reply.data.as_array().ok_or_else(Error::no_list)?;
    Ok(rows.get(..MOST_ROWS).unwrap_or(rows))
}
