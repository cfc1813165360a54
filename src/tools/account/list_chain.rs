//! Puts the pages of a list together while the list changes.
//!
//! Pages overlap. A page is joined only if it shows a row that is known already. So a row that was in the list all the
//! time cannot be missed, although rows before it came or went (contract §6.1: newest first, the order is stable).

use std::marker::PhantomData;

use serde_json::Value;

use crate::domain::ListedRows;
use crate::tools::account::pages::{ListedItem, RowList, RowPlaces, RowStore};
use crate::tools::account::paging::has_more;
use crate::truedy::ApiReply;

/// Most rows for which there is room before they come. Truedy may announce any number.
const RESERVED: usize = 50_000;

/// What became of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Joined {
    /// It continues the list, and more rows may follow.
    More,
    /// It continues the list, and it is the last page.
    Last,
    /// It continues the list, but brings nothing new.
    Nothing,
    /// Rows may be missing between the list and this page.
    Gap,
}

/// A page of a list.
pub(crate) struct ListPage<T> {
    offset: usize,
    asked: usize,
    rows: Vec<T>,
    /// How many rows the response has, of those that are read.
    pub(crate) shown: usize,
    unreadable: bool,
    total: Option<u64>,
    more: bool,
}

impl<T: ListedItem> ListPage<T> {
    /// Takes a page that begins at `offset`, for which `asked` rows were requested.
    pub(crate) fn of(reply: ApiReply<ListedRows<T>>, (offset, asked): (usize, usize)) -> Self {
        let (told, shown) = (reply.pagination.as_ref(), reply.data.shown);
        Self {
            offset,
            asked,
            unreadable: reply.data.is_partly_read(),
            shown,
            total: told_total(told),
            more: has_more(told, offset, shown, asked),
            rows: reply.data.read,
        }
    }
}

/// A list that is being put together from overlapping pages. `R` is how its rows are kept.
pub(crate) struct ListChain<T, R = Vec<T>> {
    pub(crate) listing: RowList<R>,
    places: RowPlaces,
    item: PhantomData<T>,
    /// How many rows Truedy told last.
    pub(crate) total: Option<u64>,
    /// How many rows Truedy told first.
    first_total: Option<u64>,
    /// Pages of one row were joined. They do not overlap.
    apart: bool,
}

/// Returns how many rows Truedy says there are in all.
pub(crate) fn told_total(pagination: Option<&Value>) -> Option<u64> {
    let total = pagination?.get("total")?;
    total.as_u64().or_else(|| total.as_str()?.trim().parse().ok())
}

impl<T: ListedItem, R: RowStore<T>> ListChain<T, R> {
    pub(crate) fn new() -> Self {
        let listing = RowList { rows: R::default(), complete: false, unreadable: false };
        let places = RowPlaces::default();
        Self { listing, places, item: PhantomData, total: None, first_total: None, apart: false }
    }

    fn knows(&self, row: &T) -> bool {
        self.places.find(&self.listing.rows, row.key()).is_some()
    }

    /// Joins a page.
    pub(crate) fn join(&mut self, page: ListPage<T>) -> Joined {
        let ListPage { offset, asked, rows: read, unreadable, total, more, .. } = page;
        self.listing.unreadable |= unreadable;
        // Pages of one row cannot overlap.
        let known = asked == 1 || read.iter().any(|row| self.knows(row));
        if !known && offset > 0 && self.listing.rows.count() > 0 {
            // The list may have become shorter. Then its end lies before this page.
            return Joined::Gap;
        }
        self.total = total.or(self.total);
        self.first_total = self.first_total.or(self.total);
        self.apart |= asked == 1;
        let before = self.listing.rows.count();
        if before == 0 {
            // A list that grows step by step leaves unused memory behind at each step.
            let announced = self.total.and_then(|total| usize::try_from(total).ok()).unwrap_or(0);
            self.listing.rows.reserve(announced.min(RESERVED));
        }
        for row in read {
            self.places.add(&mut self.listing.rows, row);
        }
        match (more, self.listing.rows.count() > before) {
            (false, _) => Joined::Last,
            (true, true) => Joined::More,
            (true, false) => Joined::Nothing,
        }
    }

    /// Whether there are as many different rows as Truedy told. Where pages did not overlap, that number must not have
    /// changed, since a row may then have moved between two pages.
    pub(crate) fn has_enough(&self) -> bool {
        let steady = !self.apart || self.first_total == self.total;
        steady && self.total.is_none_or(|total| self.listing.rows.count() as u64 >= total)
    }

    /// Whether the list changed while it was read, as far as Truedy's totals tell.
    pub(crate) fn has_moved(&self) -> bool {
        self.first_total != self.total
    }

    /// Whether one of the newest rows is known. Then no row can stand between them and this list.
    pub(crate) fn meets(&self, newest: &ListChain<T>) -> bool {
        newest.listing.rows.iter().any(|row| self.knows(row))
    }

    /// Ends the reading with the newest rows, read once more. The list is whole if nothing can have been missed: one of
    /// them is known, each new row stands above it, and there are as many different rows as Truedy told.
    pub(crate) fn finish(&mut self, newest: ListChain<T>) {
        let joined = self.meets(&newest) || newest.listing.rows.is_empty();
        // What was added after their first page is not part of this reading.
        self.total = newest.first_total.or(self.total);
        self.listing.unreadable |= newest.listing.unreadable;
        let mut fresh = newest.listing.rows;
        fresh.truncate(fresh.iter().take_while(|row| !self.knows(row)).count());
        self.listing.rows.put_first(fresh);
        self.listing.complete = !self.listing.unreadable && self.has_enough() && joined;
    }
}

#[cfg(test)]
#[path = "list_chain_tests.rs"]
mod tests;
