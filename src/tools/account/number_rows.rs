//! Reads the rows of one number, or the whole list where only that is an answer.

use jiff::Timestamp;
use tokio::time::Instant;

use crate::domain::{MOST_ROWS, NumberRef, OwnedNumber};
use crate::tools::account::compact_numbers::CompactNumbers;
use crate::tools::account::memory::{FRESH, KEPT};
use crate::tools::account::near_rows::{Near, NearRows, near, near_and_newest};
use crate::tools::account::pages::{ListResult, NumberRows, RowList, RowStore};
use crate::tools::account::protected::heed_protected;
use crate::tools::account::reading_state::WholeReading;
use crate::tools::account::whole_reading::wait;
use crate::tools::contract::context::ToolContext;
use crate::tools::contract::response::ToolFailure;

/// Most numbers that this process adds between a reading and its use.
const ADDED: usize = 200;

/// Reads all numbers of the account. A list of more than one page may be a minute old, and then has its time.
///
/// Refuses with `still_reading` if the list is being read and this takes long.
pub(crate) async fn all_numbers(
    context: &ToolContext,
) -> Result<(RowList<CompactNumbers>, Option<Timestamp>), ToolFailure> {
    let readings = &context.account.readings;
    let latest = readings.latest(FRESH);
    if let Some(reading) = latest {
        return Ok((reading.listing(), Some(reading.as_of)));
    }
    let (begun, mut reading) = (Instant::now(), NearRows::new(context, false));
    reading.page(0).await?;
    let first = reading.end("");
    // A response of this size is not read to its end, and no later one would be.
    if first.whole || first.listing.rows.len() >= MOST_ROWS {
        if first.listing.complete {
            heed_protected(context, first.listing.rows.views());
        }
        return Ok((compact(&first.listing), None));
    }
    match wait(context, |reading| reading.ended >= begun, || false).await? {
        Some(reading) => Ok((reading.listing(), Some(reading.as_of))),
        None => Ok((compact(&first.listing), None)),
    }
}

/// Returns the same list in less memory.
fn compact(list: &ListResult<OwnedNumber>) -> RowList<CompactNumbers> {
    let rows = list.rows.iter().cloned().collect();
    RowList { rows, complete: list.complete, unreadable: list.unreadable }
}

/// Returns the same list with each row as a value of its own.
fn separate(list: &RowList<CompactNumbers>) -> ListResult<OwnedNumber> {
    let rows = list.rows.views().map(OwnedNumber::from).collect();
    ListResult { rows, complete: list.complete, unreadable: list.unreadable }
}

/// Reads what shows whether a number that is to be added is in the account already: the newest page, and the pages on
/// which the index expects it.
///
/// The whole list is read if Truedy does not say how long it is.
pub(crate) async fn before_adding(context: &ToolContext, number: &str) -> Result<Near, ToolFailure> {
    let begun = Instant::now();
    let near = near_and_newest(context, number, false).await?;
    if near.here || near.whole || near.listing.unreadable || near.total.is_some() {
        return Ok(near);
    }
    // Under a rate limit, a reading ends between two calls. If only a later one counted, none ever would.
    if let Some(listing) = known_absent(context, near.top.as_deref(), None) {
        return Ok(near.with_whole(listing, number));
    }
    match wait(context, |reading| reading.ended >= begun, || false).await? {
        Some(reading) => Ok(near.with_whole(separate(&reading.listing()), number)),
        None => Ok(near),
    }
}

/// Returns the rows of `name`, or the whole list if no page shows it. Only a whole list proves that it is not there.
///
/// Refuses with `still_reading` if the whole list is being read.
pub(crate) async fn rows_of(context: &ToolContext, named: &NumberRef) -> Result<ListResult<OwnedNumber>, ToolFailure> {
    let (name, begun, mut extends) = (named.as_str(), Instant::now(), true);
    loop {
        let near = near(context, name, false).await?;
        if near.here || near.whole || near.listing.rows.len() >= MOST_ROWS {
            return Ok(near.listing);
        }
        if let Some(listing) = known_absent(context, near.top.as_deref(), near.total) {
            return Ok(listing);
        }
        let (memory, known) = (&context.account, context.account.known(name));
        let fits = |reading: &WholeReading| reading.begun >= begun || (extends && reading.ended >= begun);
        // Only a place that was not known before can show what the pages did not.
        let reading = wait(context, fits, || memory.known(name) > known).await?;
        // A reading that could not be extended to now is not taken again: the next one begins after this call.
        extends &= reading.is_none();
        // A reading that began before proves an absence only together with the newest page as it is now.
        if let Some(reading) = reading.filter(|reading| reading.begun >= begun || !reading.is_complete()) {
            return Ok(separate(&reading.listing()));
        }
    }
}

/// Returns the whole list as it is now, if an earlier reading and the newest page show it together.
///
/// Numbers are listed newest first. So what was added since stands above the newest number of the reading. They do not
/// show it if Truedy tells more rows than both have, in all, or if the list has another order.
fn known_absent(
    context: &ToolContext,
    top: Option<&[OwnedNumber]>,
    total: Option<u64>,
) -> Option<ListResult<OwnedNumber>> {
    let reading = context.account.readings.latest(KEPT).filter(|reading| reading.is_complete())?;
    let added = added_since(&reading, top?)?;
    // Compared first, because the list is long and is copied below.
    let count = reading.rows().count() + added.len();
    if total.is_some_and(|total| total > count as u64) {
        return None;
    }
    let mut listing = separate(&reading.listing());
    listing.rows.splice(0..0, added);
    Some(listing)
}

/// Returns the rows that were added since a whole reading. `None` if the newest page does not reach down to it, or if the
/// list has another order.
fn added_since(reading: &WholeReading, top: &[OwnedNumber]) -> Option<Vec<OwnedNumber>> {
    let created = |at: usize| reading.rows().view(at).and_then(|row| row.created_at);
    if created(0) < created(reading.rows().count().saturating_sub(1)) {
        return None;
    }
    let newest = reading.rows().view(0)?;
    let above = top.iter().position(|row| row.id == newest.id)?;
    let known: Vec<&str> = reading.rows().views().take(above + ADDED).map(|row| row.id).collect();
    Some(top.iter().take(above).filter(|row| !known.contains(&row.id.as_str())).cloned().collect())
}
