//! Lists read page by page, and whether all of it was read.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde_json::Value;

use crate::tools::account::paging::has_more;
use crate::truedy::{ApiError, ApiReply, Error};

/// What a list held, and whether that was all of it. From a part of a list nothing follows about what it does not show.
#[derive(Debug, Clone)]
pub(crate) struct ListResult<T> {
    pub(crate) rows: Vec<T>,
    pub(crate) complete: bool,
    /// Some row of it could not be read.
    pub(crate) unreadable: bool,
}

/// A list that is being read, page by page.
pub(crate) struct PagedRead<T> {
    pub(crate) listing: ListResult<T>,
    /// Where each thing stands, by what makes it one.
    places: HashMap<String, usize>,
}

/// What is listed, each once.
pub(crate) trait ListedItem: Sized {
    fn read(row: &Value) -> Option<Self>;
    /// What makes it one and the same.
    fn key(&self) -> String;
    /// Takes over what another row says of the same.
    fn merge(&mut self, other: Self);
}

impl<T: ListedItem> PagedRead<T> {
    pub(crate) fn new() -> Self {
        Self { listing: ListResult { rows: Vec::new(), complete: true, unreadable: false }, places: HashMap::new() }
    }

    /// Adds a page, each thing once. Says whether another page is worth asking for.
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
        listing.complete &= reply.data.as_array().map(Vec::len) == Some(shown.len());
        let more = has_more(reply, offset, shown.len());
        // A page that brings nothing new would repeat for ever.
        let stuck = more && listing.rows.len() == before;
        listing.complete &= !stuck;
        Ok(more && !stuck)
    }
}

/// The rows of a list answer; an answer of another shape is not readable.
pub(crate) fn rows(reply: &ApiReply) -> Result<&[Value], Error> {
    let rows = reply
        .data
        .as_array()
        .ok_or_else(|| Error::Unreadable("the list is not an array".to_owned(), ApiError::default()))?;
    Ok(rows.get(..ROWS).unwrap_or(rows))
}

/// Rows of one answer that are looked at at most: an older API answers with all agents at once.
pub(crate) const ROWS: usize = 5_000;
