//! Puts the pages of a list together while the list changes.
//!
//! Pages overlap. A page is joined only if it shows a row that is known already. So a row that was in the list all the
//! time cannot be missed, although rows before it came or went (contract §6.1: newest first, the order is stable).

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::tools::account::pages::{ListResult, ListedItem, rows};
use crate::tools::account::paging::has_more;
use crate::truedy::{ApiReply, Error};

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

/// A list that is being put together from overlapping pages.
pub(crate) struct ListChain<T> {
    pub(crate) listing: ListResult<T>,
    places: HashMap<String, usize, RandomState>,
    /// How many rows Truedy told last.
    pub(crate) total: Option<u64>,
    /// How many rows Truedy told first.
    first_total: Option<u64>,
    /// Pages of one row were joined. They do not overlap.
    apart: bool,
}

/// Returns how many rows Truedy says there are in all.
pub(crate) fn told_total(reply: &ApiReply) -> Option<u64> {
    let total = reply.pagination.as_ref()?.get("total")?;
    total.as_u64().or_else(|| total.as_str()?.trim().parse().ok())
}

impl<T: ListedItem> ListChain<T> {
    pub(crate) fn new() -> Self {
        let listing = ListResult { rows: Vec::new(), complete: false, unreadable: false };
        Self { listing, places: HashMap::default(), total: None, first_total: None, apart: false }
    }

    /// Joins a page that begins at `offset`, for which `asked` rows were requested.
    pub(crate) fn join(&mut self, reply: &ApiReply, (offset, asked): (usize, usize)) -> Result<Joined, Error> {
        let shown = rows(reply)?;
        let read: Vec<T> = shown.iter().filter_map(T::read).collect();
        self.listing.unreadable |= Some(read.len()) != reply.data.as_array().map(Vec::len);
        let keys: Vec<String> = read.iter().map(T::key).collect();
        // Pages of one row cannot overlap.
        let known = asked == 1 || keys.iter().any(|key| self.places.contains_key(key));
        if !known && offset > 0 && !self.listing.rows.is_empty() {
            // The list may have become shorter. Then its end lies before this page.
            return Ok(Joined::Gap);
        }
        self.total = told_total(reply).or(self.total);
        self.first_total = self.first_total.or(self.total);
        self.apart |= asked == 1;
        let before = self.listing.rows.len();
        for (key, row) in keys.into_iter().zip(read) {
            self.add(key, row);
        }
        Ok(match (has_more(reply, offset, shown.len(), asked), self.listing.rows.len() > before) {
            (false, _) => Joined::Last,
            (true, true) => Joined::More,
            (true, false) => Joined::Nothing,
        })
    }

    /// Whether there are as many different rows as Truedy told. Where pages did not overlap, that number must not have
    /// changed, since a row may then have moved between two pages.
    pub(crate) fn has_enough(&self) -> bool {
        let steady = !self.apart || self.first_total == self.total;
        steady && self.total.is_none_or(|total| self.listing.rows.len() as u64 >= total)
    }

    fn add(&mut self, key: String, row: T) {
        match self.places.get(&key).and_then(|at| self.listing.rows.get_mut(*at)) {
            Some(known) => known.merge(row),
            None => {
                self.places.insert(key, self.listing.rows.len());
                self.listing.rows.push(row);
            }
        }
    }

    /// Ends the reading with the first page, read once more. The list is whole if nothing can have been missed: the page
    /// shows a known row, each new row stands above it, and there are as many different rows as Truedy told.
    pub(crate) fn finish(&mut self, first: &ApiReply) -> Result<(), Error> {
        let shown = rows(first)?;
        let read: Vec<T> = shown.iter().filter_map(T::read).collect();
        self.listing.unreadable |= Some(read.len()) != first.data.as_array().map(Vec::len);
        let known = |row: &T| self.places.contains_key(&row.key());
        let (newer, joined) = (read.iter().take_while(|row| !known(row)).count(), read.iter().any(known));
        let mut fresh = read;
        fresh.truncate(newer);
        self.total = told_total(first).or(self.total);
        fresh.append(&mut self.listing.rows);
        self.listing.rows = fresh;
        self.listing.complete = !self.listing.unreadable && self.has_enough() && (joined || shown.is_empty());
        Ok(())
    }
}

#[cfg(test)]
#[path = "list_chain_tests.rs"]
mod tests;
