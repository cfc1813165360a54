//! Reads the whole list of numbers in the background.
//!
//! A call waits for it only for a short time. The reading goes on without the call, and the next call finds it.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::domain::{ListedRows, OwnedNumber, Refusal, Status};
use crate::tools::account::list_chain::{Joined, ListChain, ListPage};
use crate::tools::account::lookup::numbers_page;
use crate::tools::account::pages::{NumberRows, RowStore};
use crate::tools::account::paging::PAGE;
use crate::tools::account::protected::heed_protected;
use crate::tools::account::reading_state::{PartialReading, Progress, ReadingState, WholeReading};
use crate::tools::contract::context::ToolContext;
use crate::tools::contract::response::ToolFailure;
use crate::truedy::{ApiReply, CallBudget, Error, NotSent, run_blocking};

/// Most pages of a reading: 200,000 numbers.
const PAGES: usize = 2_000;
/// Most pages that are read again at the end, for what was added meanwhile: 1,000 numbers.
const NEWEST_PAGES: usize = 10;
/// How often the list is read from its beginning if it moved so much that a reading is not whole.
const READINGS: usize = 2;
/// How often pages may be requested again one after the other, because they did not continue the list.
const AGAIN: usize = 100;
/// How much a page that brings nothing new counts of [`AGAIN`].
const NOTHING: usize = 20;
/// Up to this much of [`AGAIN`], a page that brings nothing new is requested once more.
const PATIENT: usize = 60;
/// How long a call waits for a reading.
const PATIENCE: Duration = Duration::from_millis(2_500);
/// How long one request of a reading may take.
const REQUEST: Duration = Duration::from_secs(60);
/// How long a reading is held back that no call waits for.
const AFTER_ANSWER: Duration = Duration::from_millis(20);
/// After how many seconds the caller should call again, at least.
const RETRY: u64 = 3;

/// Begins a reading in the background, unless one runs. `wait` is for how long its first request is held back.
fn start(context: &ToolContext, wait: Duration) {
    if context.account.readings.begin() {
        let context = context.clone();
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            run(&context).await;
        });
    }
}

/// Begins a reading for whoever asks next. The answer of the present call goes first.
pub(crate) fn start_after_answer(context: &ToolContext) {
    start(context, AFTER_ANSWER);
}

/// Returns a reading that `fits`, and begins one if the last does not fit. Waits for it for a short time, or until
/// `found` holds.
///
/// `Ok(None)` means that `found` holds. The refusal `still_reading` says how far the reading is.
pub(crate) async fn wait(
    context: &ToolContext,
    fits: impl Fn(&WholeReading) -> bool,
    found: impl Fn() -> bool,
) -> Result<Option<Arc<WholeReading>>, ToolFailure> {
    let since = Instant::now();
    let give_up = context.call.deadline.min(Instant::now() + PATIENCE);
    let mut changes = context.account.readings.subscribe();
    loop {
        let state = changes.borrow_and_update().clone();
        match state {
            ReadingState::Ended(reading) if fits(&reading) => return Ok(Some(reading)),
            ReadingState::Failed(at, error) if at >= since => return Err(error.into()),
            ReadingState::Running(_) => {}
            _ => start(context, Duration::ZERO),
        }
        if found() {
            return Ok(None);
        }
        let next = tokio::select! {
            next = tokio::time::timeout_at(give_up, changes.changed()) => next,
            () = context.call.stop.cancelled() => return Err(Error::NotSent(NotSent::Cancelled).into()),
        };
        if next.is_err() {
            let readings = &context.account.readings;
            return Err(still_reading(readings.progress().unwrap_or_default(), readings.waits_for()).into());
        }
    }
}

/// Builds the refusal for a call that needs the whole list. `waits` is for how long the rate limit lets the reading wait.
fn still_reading(Progress { read, total }: Progress, waits: Duration) -> Refusal {
    let seconds = waits.as_secs().saturating_add(RETRY);
    let of = total.map(|total| format!(" of {total}")).unwrap_or_default();
    let summary = format!(
        "Nothing was done yet: this needs the whole list of numbers. It is being read in the background, {read}{of} so far. Call again in {seconds} s."
    );
    let refusal = Refusal::new(Status::StillReading, summary).retryable().with("numbers_read", read);
    let refusal = if let Some(total) = total { refusal.with("numbers_total", total) } else { refusal };
    refusal.with("retry_after_seconds", seconds)
}

/// Reads the whole list, and tells everyone who waits.
async fn run(context: &ToolContext) {
    let memory = &context.account;
    let mut part = memory.readings.take_part().unwrap_or_else(PartialReading::new);
    match read_again_if_moved(context, &mut part).await {
        Ok(()) => {
            let reading = WholeReading::of(part);
            if reading.is_complete() {
                run_blocking(reading.rows().count(), || memory.replace(reading.rows()));
                memory.store(&context.journal);
                heed_protected(context, reading.rows().views());
            }
            memory.readings.end(reading);
        }
        Err(error) => {
            tracing::debug!(%error, "the list of numbers could not be read to its end");
            memory.readings.keep_part(part);
            memory.readings.set(ReadingState::Failed(Instant::now(), error));
        }
    }
}

/// Reads the whole list, and once more if it moved so much that the reading is not whole.
///
/// A list that did not move would be read in the same way again, so it is read once. One that is too long, too.
async fn read_again_if_moved(context: &ToolContext, part: &mut PartialReading) -> Result<(), Error> {
    for _ in 1..READINGS {
        read(context, part).await?;
        let listing = &part.chain.listing;
        if listing.complete || listing.unreadable || !part.chain.has_moved() || part.pages >= PAGES {
            return Ok(());
        }
        tracing::debug!("the list of numbers moved too much to be read as a whole; it is read once more");
        *part = PartialReading::new();
    }
    read(context, part).await
}

/// Reads page after page, several at once, and the newest ones once more at the end.
async fn read(context: &ToolContext, part: &mut PartialReading) -> Result<(), Error> {
    loop {
        let step = part.stride();
        let starts: Vec<usize> = (0..part.at_once()).map(|ahead| part.offset + ahead * step).collect();
        let pages = join_all(starts.iter().map(|start| list_page(context, *start))).await;
        for (start, page) in starts.into_iter().zip(pages) {
            let page = page?;
            let (rows, before) = (page.shown, part.chain.total);
            let joined = run_blocking(rows, || part.chain.join(page));
            let added = part.chain.total.zip(before).map_or(0, |(now, before)| now.saturating_sub(before));
            part.pages += 1;
            let progress = Progress { read: part.chain.listing.rows.count(), total: part.chain.total };
            context.account.readings.set(ReadingState::Running(progress));
            // The last row of a page is the first of the next one.
            let next = start.saturating_add(rows.saturating_sub(1).max(1));
            match joined {
                Joined::Last => return finish(context, part).await,
                Joined::Gap | Joined::Nothing if part.again >= AGAIN => return Ok(()),
                Joined::More => (part.offset, part.again) = (next, 0),
                // The list moved down by what was added. Or Truedy sent another page than it was asked for.
                Joined::Nothing => {
                    part.offset = match usize::try_from(added).unwrap_or(0) {
                        0 if part.again < PATIENT => start,
                        0 => next,
                        added => start.saturating_add(added),
                    };
                    part.again += NOTHING;
                    break;
                }
                Joined::Gap => {
                    (part.offset, part.again) = (start.saturating_sub(PAGE / 2), part.again + 1);
                    break;
                }
            }
            if part.pages >= PAGES {
                return Ok(());
            }
        }
    }
}

/// Reads the newest pages once more, until one shows a known row. They show what was added meanwhile.
async fn finish(context: &ToolContext, part: &mut PartialReading) -> Result<(), Error> {
    let (mut newest, mut offset) = (ListChain::new(), 0);
    for _ in 0..NEWEST_PAGES {
        let page = list_page(context, offset).await?;
        let rows = page.shown;
        match newest.join(page) {
            Joined::Gap => offset = offset.saturating_sub(PAGE / 2),
            Joined::Last => break,
            Joined::More | Joined::Nothing => offset += rows.saturating_sub(1),
        }
        if part.chain.meets(&newest) {
            break;
        }
    }
    part.chain.finish(newest);
    Ok(())
}

/// Reads the rows of one page.
async fn list_page(context: &ToolContext, offset: usize) -> Result<ListPage<OwnedNumber>, Error> {
    Ok(ListPage::of(page(context, offset).await?, (offset, PAGE)))
}

/// Reads one page with the share of the background. Waits as long as the rate limit asks.
async fn page(context: &ToolContext, offset: usize) -> Result<ApiReply<ListedRows<OwnedNumber>>, Error> {
    loop {
        let call = CallBudget::reading(Instant::now() + REQUEST, CancellationToken::new()).in_background();
        match numbers_page(&context.with(call), PAGE, offset, false).await {
            Err(Error::Limited(wait, _) | Error::NotSent(NotSent::Queue(wait))) => {
                let wait = wait.max(Duration::from_millis(100));
                context.account.readings.wait_until(Instant::now() + wait);
                tokio::time::sleep(wait).await;
            }
            other => return other,
        }
    }
}
