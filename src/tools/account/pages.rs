//! Reads lists page by page, and records whether the whole list was read.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde_json::Value;

use crate::tools::account::paging::{PAGE, has_more};
use crate::truedy::{ApiError, ApiReply, Error};

/// What a list held, and whether it was read completely. An incomplete list does not prove that something is absent.
#[derive(Debug, Clone)]
pub(crate) struct ListResult<T> {
    pub(crate) rows: Vec<T>,
    pub(crate) complete: bool,
    /// Some row of the list could not be read.
    pub(crate) unreadable: bool,
}

/// A list that is being read page by page.
pub(crate) struct PagedRead<T> {
    pub(crate) listing: ListResult<T>,
    /// The position of each item in `listing.rows`, by its key.
    places: HashMap<String, usize>,
}

/// An item of a list. Each item is kept once.
pub(crate) trait ListedItem: Sized {
    fn read(row: &Value) -> Option<Self>;
    /// Returns the key that identifies the item.
    fn key(&self) -> String;
    /// Adds what another row says about the same item.
    fn merge(&mut self, other: Self);
}

impl<T: ListedItem> PagedRead<T> {
    pub(crate) fn new() -> Self {
        Self { listing: ListResult { rows: Vec::new(), complete: true, unreadable: false }, places: HashMap::new() }
    }

    /// Adds the rows of a page, each item once. Returns whether another page should be requested.
    pub(crate) fn add(&mut self, reply: &ApiReply, offset: usize) -> Result<bool, Error> {
        let shown = rows(reply)?;
        let listing = &mut self.listing;
        let before = listing.rows.len();
        for row in shown {
            let Some(thing) = T::read(row) else {
                (listing.complete, listing.unreadable) = (false, true);
                continue;
            };
            match self.places.entry(thing.key()) {
                Entry::Vacant(place) => {
                    place.insert(listing.rows.len());
                    listing.rows.push(thing);
                }
                Entry::Occupied(place) => {
                    if let Some(known) = listing.rows.get_mut(*place.get()) {
                        known.merge(thing);
                    }
                }
            }
        }
        // Rows beyond the bound were not read.
        let cut = reply.data.as_array().map(Vec::len) != Some(shown.len());
        listing.complete &= !cut;
        listing.unreadable |= cut;
        let more = has_more(reply, offset, shown.len(), PAGE);
        // If a page brings nothing new, reading on would never end.
        let stuck = more && listing.rows.len() == before;
        listing.complete &= !stuck;
        Ok(more && !stuck)
    }
}

/// Returns the rows of a list response, at most 5,000. It is an error if the response is not an array.
pub(crate) fn rows(reply: &ApiReply) -> Result<&[Value], Error> {
    let rows = reply
        .data
        .as_array()
        .ok_or_else(|| Error::Unreadable("the list is not an array".to_owned(), ApiError::default()))?;
    Ok(rows.get(..ROWS).unwrap_or(rows))
}

/// Most rows of one response that are read. An older API sends all agents in one response.
pub(crate) const ROWS: usize = 5_000;
