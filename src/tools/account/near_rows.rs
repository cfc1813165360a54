//! Reads the few pages of the list that show one number.
//!
//! The API has no request for one number (contract §6.1). The index tells where to look, and the page tells what is
//! true. A list of one page is read as a whole.

use jiff::Timestamp;

use crate::domain::{OwnedNumber, Refusal, id_key};
use crate::tools::account::list_chain::told_total;
use crate::tools::account::lookup::{numbers_page, unread};
use crate::tools::account::number_index::NumberPlace;
use crate::tools::account::pages::{ListResult, PagedRead};
use crate::tools::account::paging::{PAGE, has_more};
use crate::tools::contract::context::ToolContext;
use crate::truedy::Error;

/// Rows that are read above the place where a number is expected, because others may have left the account.
const ABOVE: usize = 40;
/// Rows that two pages have in common.
const OVERLAP: usize = 10;
/// The longest list that two overlapping pages show.
const TWO_PAGES: u64 = 190;
/// How far Truedy's clocks may be apart, in milliseconds.
const GRACE: i64 = 120_000;
/// Most pages that are read for rows with given ids. For more, the whole list is read.
const MOST: usize = 8;
/// Most places of one number that are looked at. More than one is possible only if it has several rows.
const PLACES: usize = 4;

/// Returns where the page begins on which a row is expected.
fn start_of(offset: usize) -> usize {
    if offset < PAGE - ABOVE { 0 } else { offset - ABOVE }
}

/// Pages of the list that were read for one number.
pub(crate) struct NearRows<'a> {
    context: &'a ToolContext,
    verifying: bool,
    gathering: PagedRead<OwnedNumber>,
    /// The offset of each page that was read.
    read: Vec<usize>,
    /// The rows of the first page, if it was read.
    top: Option<Vec<OwnedNumber>>,
    /// The pages are the whole list.
    whole: bool,
    total: Option<u64>,
}

/// What the pages show about one number.
pub(crate) struct Near {
    /// The rows that were read. They are complete only if the pages are the whole list.
    pub(crate) listing: ListResult<OwnedNumber>,
    /// Whether one of them fits the name.
    pub(crate) here: bool,
    /// The pages are the whole list.
    pub(crate) whole: bool,
    /// The rows of the first page, if it was read.
    pub(crate) top: Option<Vec<OwnedNumber>>,
    /// How many numbers there are, as Truedy told last.
    pub(crate) total: Option<u64>,
}

impl Near {
    /// Returns the same with the whole list.
    pub(crate) fn with_whole(self, listing: ListResult<OwnedNumber>, name: &str) -> Self {
        let fits = fits(name);
        Self { here: listing.rows.iter().any(fits), whole: true, listing, ..self }
    }

    /// Returns the earliest creation of a row that a change after this reading can add. `None` if the whole list was
    /// read: then any row of the number is new.
    pub(crate) fn created_after(&self, context: &ToolContext) -> Option<i64> {
        let now = || context.truedy.server_time().unwrap_or_else(|| Timestamp::now().as_millisecond());
        (!self.listing.complete).then(|| now().saturating_sub(GRACE))
    }
}

/// Whether a row has this id or number.
pub(crate) fn fits(name: &str) -> impl Fn(&OwnedNumber) -> bool {
    let key = id_key(name);
    move |row| id_key(&row.id) == key || row.number == name
}

impl<'a> NearRows<'a> {
    pub(crate) fn new(context: &'a ToolContext, verifying: bool) -> Self {
        Self { context, verifying, gathering: PagedRead::new(), read: Vec::new(), top: None, whole: false, total: None }
    }

    /// Reads the page that begins at `offset`, unless its rows were read.
    pub(crate) async fn page(&mut self, offset: usize) -> Result<(), Error> {
        if self.whole || self.read.contains(&offset) {
            return Ok(());
        }
        let reply = numbers_page(self.context, PAGE, offset, self.verifying).await?;
        self.total = told_total(reply.pagination.as_ref()).or(self.total);
        let goes_on = has_more(reply.pagination.as_ref(), offset, reply.data.shown, PAGE);
        let top = (offset == 0).then(|| reply.data.read.clone());
        let (alone, more) = (self.read.is_empty(), self.gathering.add(reply, offset));
        self.read.push(offset);
        if offset == 0 {
            // Rows that other pages have shown already do not end the list.
            self.whole = if alone { !more } else { !goes_on };
            self.top = top;
        }
        Ok(())
    }

    /// Reads the page on which a row is expected, and its neighbours if the row is not on it.
    async fn around(&mut self, place: &NumberPlace) -> Result<bool, Error> {
        self.page(start_of(place.offset)).await?;
        // The page told how many numbers there are now, and so how far the row may have moved.
        let start = start_of(self.context.account.estimate(place));
        for offset in [start, start + PAGE, start.saturating_sub(PAGE)] {
            if self.shows(place) {
                return Ok(true);
            }
            self.page(offset).await?;
        }
        Ok(self.shows(place))
    }

    /// Whether the pages show the row of a place, or are the whole list.
    fn shows(&self, place: &NumberPlace) -> bool {
        self.whole || self.gathering.listing.rows.iter().any(|row| place.is(row))
    }

    /// Reads the second page of a list of two pages. The two overlap, so together they are the whole list.
    async fn second_page(&mut self) -> Result<(), Error> {
        let Some(total) = self.total.filter(|total| !self.whole && *total <= TWO_PAGES) else { return Ok(()) };
        self.page(PAGE - OVERLAP).await?;
        let listing = &mut self.gathering.listing;
        self.whole = listing.rows.len() as u64 >= total;
        listing.complete = self.whole && !listing.unreadable;
        Ok(())
    }

    /// Reads the last page if the list is not sorted newest first, because numbers are added there.
    async fn other_end(&mut self) -> Result<(), Error> {
        let mut rows = self.top.iter().flatten().filter_map(|row| row.created_at);
        let (first, last) = (rows.next(), rows.next_back());
        match self.total.and_then(|total| usize::try_from(total).ok()) {
            Some(total) if !self.whole && first < last => self.page(total.saturating_sub(PAGE - OVERLAP)).await,
            _ => Ok(()),
        }
    }

    /// Reads the pages that show the rows of `name`. Without a known place it reads the first page.
    pub(crate) async fn named(&mut self, name: &str) -> Result<(), Error> {
        let (places, mut found) = (self.context.account.places(&self.context.journal, name).await, false);
        for place in places.iter().take(PLACES) {
            let here = self.around(place).await?;
            if !here {
                self.context.account.lose(place);
            }
            found |= here;
        }
        if !found {
            self.page(0).await?;
            // The page may have shown a row that has a second one elsewhere.
            let places = self.context.account.places(&self.context.journal, name).await;
            for place in places.iter().take(PLACES).filter(|place| place.offset >= PAGE) {
                self.around(place).await?;
            }
        }
        Ok(())
    }

    /// Reads the pages on which the index expects the rows of `name`. Returns false if it knows no place of it, or if
    /// the rows are not there.
    async fn expected(&mut self, name: &str) -> Result<bool, Error> {
        let places = self.context.account.places(&self.context.journal, name).await;
        for place in places.iter().take(PLACES) {
            if !self.shows(place) && !self.around(place).await? {
                return Ok(false);
            }
        }
        Ok(!places.is_empty())
    }

    /// Ends the reading.
    pub(crate) fn end(self, name: &str) -> Near {
        let mut listing = self.gathering.listing;
        listing.complete &= self.whole;
        if !self.whole {
            self.context.account.store(&self.context.journal);
        }
        let fits = fits(name);
        Near { here: listing.rows.iter().any(fits), listing, whole: self.whole, top: self.top, total: self.total }
    }
}

/// Reads the pages that show the rows of `name`, and nothing else.
pub(crate) async fn near(context: &ToolContext, name: &str, verifying: bool) -> Result<Near, Error> {
    let mut reading = NearRows::new(context, verifying);
    reading.named(name).await?;
    Ok(reading.end(name))
}

/// Returns the rows with these ids, if the index knows where they stand and they do. So the whole list is not needed for
/// them. Returns what was found until an id was not there, or until [`MOST`] pages were read.
pub(crate) async fn rows_with_ids(context: &ToolContext, ids: &[String]) -> Result<ListResult<OwnedNumber>, Error> {
    let mut reading = NearRows::new(context, false);
    for id in ids {
        if reading.read.len() >= MOST || !reading.expected(id).await? {
            break;
        }
    }
    let mut listing = reading.end("").listing;
    listing.rows.retain(|row| ids.iter().any(|id| id_key(id) == id_key(&row.id)));
    Ok(listing)
}

/// Reads what shows whether a number that is to be added is in the account already: the newest page, and the pages on
/// which the index expects it. A list of two pages is read as a whole.
pub(crate) async fn near_and_newest(context: &ToolContext, number: &str, verifying: bool) -> Result<Near, Error> {
    let mut reading = NearRows::new(context, verifying);
    reading.page(0).await?;
    reading.second_page().await?;
    reading.other_end().await?;
    reading.named(number).await?;
    Ok(reading.end(number))
}

/// Reads the page on which a number stood and both neighbours, to see whether the number has left the account.
pub(crate) async fn leaving(context: &ToolContext, id: &str) -> Result<Near, Error> {
    let mut reading = NearRows::new(context, true);
    let places = context.account.places(&context.journal, id).await;
    for place in places.iter().filter(|place| place.is_id(id)).take(PLACES) {
        reading.around(place).await?;
    }
    if places.is_empty() {
        reading.page(0).await?;
    }
    Ok(reading.end(id))
}

/// Refuses to add a number if the newest page of the list cannot be read as a whole. The number may stand there.
pub(crate) fn must_be_readable(near: &Near) -> Result<(), Refusal> {
    if near.listing.unreadable || (near.whole && !near.listing.complete) {
        return Err(unread(
            "Whether the number belongs to this account already could not be found in the part of its list that could be read.",
        ));
    }
    Ok(())
}
