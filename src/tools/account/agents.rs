//! Reads the agents of the account, in pages that are small enough to be read.
//!
//! Source: contract §7.1. An agent's row holds its whole prompt, so a page of 100 agents may be larger than a response
//! may be. Then fewer agents are asked for at once, and this is remembered.

use futures::future::join_all;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::domain::{Agent, Direction, HeldNumber, ListedRows};
use crate::tools::account::list_chain::{Joined, ListChain, ListPage, told_total};
use crate::tools::account::pages::{ListResult, ListedItem};
use crate::tools::account::paging::PAGE;
use crate::tools::account::roster::Roster;
use crate::tools::contract::context::ToolContext;
use crate::truedy::{ApiReply, Error, Request, run_blocking};

/// How many agents are asked for at once, from the most to the fewest.
const SIZES: [usize; 5] = [PAGE, 50, 25, 10, 1];
/// Most pages of agents that are read.
const PAGES: usize = 1_000;
/// Most requests for pages at the same time.
const AT_ONCE: usize = 4;
/// How often pages may be requested again, because they did not continue the list.
const AGAIN: usize = 20;

impl ListedItem for Agent {
    fn key(&self) -> (&str, &str) {
        (&self.id, "")
    }

    fn merge(&mut self, other: Self) {
        // Pages overlap, so the same row comes twice.
        if *self == other {
            return;
        }
        for direction in Direction::BOTH {
            let all = match (self.held(direction), other.held(direction)) {
                (Some(held), Some(more)) => Some(held.iter().chain(more).cloned().collect()),
                // Keeps what one row names, and adds an unreadable entry for the other row.
                (Some(held), None) | (None, Some(held)) => {
                    Some(held.iter().cloned().chain([HeldNumber::default()]).collect())
                }
                (None, None) => None,
            };
            *self.held_mut(direction) = all;
        }
    }
}

/// Requests agents with these filters, in one request.
async fn request(
    context: &ToolContext,
    (limit, offset): (usize, usize),
    filters: &[(&'static str, &str)],
) -> Result<ApiReply<ListedRows<Agent>>, Error> {
    let mut request = Request::get(["agents"]).query("limit", limit).query("offset", offset).list();
    for (name, value) in filters {
        request = request.query(name, value);
    }
    context.truedy.list(request, &context.call).await
}

/// Asks for fewer agents at once from now on. Returns false if it is one agent already.
fn shrink(context: &ToolContext, tried: usize) -> bool {
    let smaller = SIZES.into_iter().find(|size| *size < tried);
    if let Some(smaller) = smaller {
        tracing::debug!(agents = smaller, "a page of agents was too large: fewer are asked for at once");
        context.account.set_agents_per_page(smaller);
    }
    smaller.is_some()
}

/// Reads one page of agents. It takes several requests if the page is too large for one response.
pub(crate) async fn agents_page(
    context: &ToolContext,
    limit: usize,
    offset: usize,
    filters: &[(&'static str, &str)],
) -> Result<ApiReply<ListedRows<Agent>>, Error> {
    let mut all = ListedRows::default();
    loop {
        let size = context.account.agents_per_page().min(limit - all.listed);
        let reply = match request(context, (size, offset + all.listed), filters).await {
            Err(error) if error.is_too_large() && shrink(context, size) => continue,
            other => other?,
        };
        let shown = reply.data.shown;
        if all.listed == 0 && (shown != size || size == limit) {
            return Ok(reply);
        }
        let ApiReply { data, pagination, request_id, date } = reply;
        all.append(data);
        let goes_on = pagination.as_ref().and_then(|told| told.get("has_more")).and_then(Value::as_bool);
        if shown == 0 || goes_on == Some(false) || all.listed >= limit {
            let told = |field: &str| pagination.as_ref().and_then(|told| told.get(field)).cloned();
            let pagination = json!({ "total": told("total"), "limit": limit, "offset": offset, "has_more": goes_on });
            return Ok(ApiReply { data: all, pagination: Some(pagination), request_id, date });
        }
    }
}

/// Reads all agents of the account, each once. The list is complete only if nothing can have been missed although
/// agents came or went meanwhile.
pub(crate) async fn agents(context: &ToolContext) -> Result<ListResult<Agent>, Error> {
    let mut chain = ListChain::<Agent>::new();
    let (mut offset, mut again) = (0, 0);
    for _ in 0..PAGES {
        let size = context.account.agents_per_page();
        let step = size.saturating_sub(usize::from(size > 1));
        let starts: Vec<usize> = (0..at_once(&chain, offset, step)).map(|ahead| offset + ahead * step).collect();
        let pages = join_all(starts.iter().map(|start| list_page(context, size, *start))).await;
        for (start, page) in starts.into_iter().zip(pages) {
            let page = match page {
                Err(error) if error.is_too_large() && shrink(context, size) => break,
                other => other?,
            };
            let shown = page.shown;
            match run_blocking(shown, || chain.join(page)) {
                Joined::Last => return Ok(ended(chain)),
                Joined::More => offset = start + shown.saturating_sub(usize::from(size > 1)).max(1),
                Joined::Gap if again < AGAIN && size > 1 => {
                    again += 1;
                    offset = start.saturating_sub(size / 2);
                    break;
                }
                Joined::Gap | Joined::Nothing => return Ok(chain.listing),
            }
        }
    }
    Ok(chain.listing)
}

/// Reads the agents of one page.
async fn list_page(context: &ToolContext, size: usize, offset: usize) -> Result<ListPage<Agent>, Error> {
    Ok(ListPage::of(request(context, (size, offset), &[]).await?, (offset, size)))
}

/// How many pages are requested at once: one, until it is known how many agents there are.
fn at_once(chain: &ListChain<Agent>, offset: usize, step: usize) -> usize {
    let total = chain.total.and_then(|total| usize::try_from(total).ok());
    total.map_or(1, |total| total.saturating_sub(offset).div_ceil(step.max(1)).clamp(1, AT_ONCE))
}

fn ended(chain: ListChain<Agent>) -> ListResult<Agent> {
    ListResult { complete: chain.has_enough() && !chain.listing.unreadable, ..chain.listing }
}

/// Returns the agents whose name contains this text, as Truedy's own filter finds them. `None` if the filter does not
/// tell: it was ignored, it found nothing, or it found more than one page.
pub(crate) async fn agents_called(context: &ToolContext, name: &str) -> Result<Option<Vec<Agent>>, Error> {
    let reply = agents_page(context, PAGE, 0, &[("name", name)]).await?;
    let (total, shown, read) = (told_total(reply.pagination.as_ref()), reply.data.shown, reply.data.read);
    let whole = read.len() == shown && total.is_none_or(|total| total == read.len() as u64);
    let heeded = read.iter().all(|agent| agent.name_has(name));
    Ok(Some(read).filter(|read| !read.is_empty() && whole && heeded))
}

/// Reads the agents.
pub(crate) async fn try_roster(context: &ToolContext) -> Result<Roster, Error> {
    let begun = Instant::now();
    let listed = agents(context).await?;
    let kept = listed.complete && listed.rows.len() > PAGE;
    let roster = Roster::read_at(begun, listed);
    if kept {
        context.account.remember_agents(&roster);
    }
    Ok(roster)
}

/// Reads the agents. A failure gives an empty roster and does not fail the call.
pub(crate) async fn roster(context: &ToolContext) -> Roster {
    try_roster(context).await.unwrap_or_default()
}

/// Returns the agents as they were at most a minute ago. Agents that fit one page are always read.
pub(crate) async fn try_recent_roster(context: &ToolContext) -> Result<Roster, Error> {
    match context.account.agents() {
        Some(roster) => Ok(roster),
        None => try_roster(context).await,
    }
}

/// Does the same. A failure gives an empty roster and does not fail the call.
pub(crate) async fn recent_roster(context: &ToolContext) -> Roster {
    try_recent_roster(context).await.unwrap_or_default()
}
