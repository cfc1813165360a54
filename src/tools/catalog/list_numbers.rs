//! `GET /telephony/numbers`: the numbers of the account and who holds them.
//!
//! Source: <https://docs.truedy.ai/api-reference/telephony> (List Numbers); contract §6.1.

use std::cmp::Reverse;

use jiff::Timestamp;
use serde_json::Value;

use crate::domain::{
    AgentId, AgentRef, AreaCode, Effect, Label, Limit, NumberColumn, NumberColumns, NumberLocation, NumberSort,
    NumberView, Offset, OwnedNumber, SlotView, Status, StatusName, YesNo, area_code_of,
};
use crate::guard::Scope;
use crate::journal::moment;
use crate::tools::account::agents::{recent_roster, try_recent_roster};
use crate::tools::account::known_fees::KnownFees;
use crate::tools::account::located::fill;
use crate::tools::account::number_rows::all_numbers;
use crate::tools::account::number_table::{MoreColumns, Numbers, TABLE};
use crate::tools::account::pages::{ListResult, NumberRows, RowStore};
use crate::tools::account::roster::Roster;
use crate::tools::account::{agent_lookup, lookup};
use crate::tools::contract::arguments::arguments;
use crate::tools::contract::context::ToolContext;
use crate::tools::contract::response::{ToolFailure, ToolResponse};
use crate::tools::contract::tool::{Read, Tool};
use crate::truedy::run_blocking;

arguments! {
    /// List our phone numbers: show each number this account has, who answers the number (agent, inbound), who calls from the number (outbound), numbers nobody uses (unused).
    ///
    /// Shows id, number, status (active, pending), managed (bought) or byoc (imported).
    ListNumbers {
        /// "active".
        status: Option<StatusName>,
        /// true: bought; false: imported.
        managed: Option<YesNo>,
        /// true: unused; false: used.
        unassigned: Option<YesNo>,
        /// The agent's exact name, "Front desk", or id.
        agent_id: Option<AgentRef>,
        /// Of +1, "617".
        area_code: Option<AreaCode>,
        /// City, state, country or "toll-free".
        place: Option<Label>,
        /// Oldest or dearest first.
        sort: Option<NumberSort>,
        /// Also these; monthly: cost.
        show: Option<NumberColumns>,
        /// Default 50.
        limit: Option<Limit>,
        /// From next_offset.
        offset: Option<Offset>,
    }
}

/// What is said of a list that was not read whole.
pub(crate) const PARTLY: &str = "There may be more numbers: part of Truedy's list could not be read.";
/// How unlike a place may be that is suggested. 1000 means nothing in common.
const NEAR: usize = 450;
/// Most places that are suggested.
const PLACES: usize = 3;

impl Tool for ListNumbers {
    const NAME: &'static str = "list_numbers";
    const TITLE: &'static str = "List phone numbers";
    const SEARCH_HINT: &'static str = "show phone lines, who answers, unused numbers, monthly cost, export CSV";
    const EFFECT: Effect = Effect::Reads;
    const SCOPE: Scope = Scope::NumbersRead;
    type Output = Numbers;
}

/// A page of numbers, and what is known of the list that it is from.
#[derive(Default)]
struct ListedPage {
    rows: Vec<OwnedNumber>,
    total: Option<u64>,
    next_offset: Option<u64>,
    roster: Roster,
    request_id: Option<String>,
    /// When the list was read, where that is not now.
    as_of: Option<Timestamp>,
    /// How many numbers may fit, although Truedy did not say enough to tell.
    unclear: usize,
    /// Whether a part of the list could not be read.
    unlisted: bool,
    /// What the numbers cost, where that is asked for.
    fees: Option<KnownFees>,
    /// A sentence on what the numbers cost, or on places near the one that was asked for.
    told: Option<String>,
}

impl ListNumbers {
    fn filters(&self) -> bool {
        self.status.is_some()
            || self.managed.is_some()
            || self.unassigned.is_some()
            || self.agent_id.is_some()
            || self.area_code.is_some()
            || self.place.is_some()
    }

    /// Whether a column is shown: it is asked for, or the list is sorted or filtered by it.
    fn shows(&self, column: NumberColumn) -> bool {
        let used = match column {
            NumberColumn::Created => self.sort == Some(NumberSort::Created),
            NumberColumn::Place => self.place.is_some(),
            NumberColumn::Monthly => self.sort == Some(NumberSort::Monthly),
        };
        used || self.show.as_ref().is_some_and(|show| show.has(column))
    }

    /// Whether a number passes the filters; `None` if that cannot be told.
    fn fits(&self, number: NumberView<'_>, agent: Option<&str>) -> Option<bool> {
        let known = |slot: SlotView<'_>| slot != SlotView::Unknown;
        let by_agent = agent.map(|agent| {
            let held = [number.inbound, number.outbound].contains(&SlotView::Held(agent));
            (held || (known(number.inbound) && known(number.outbound))).then_some(held)
        });
        let mut parts = [
            self.status.as_ref().map(|status| Some(number.status == status.as_str())),
            self.managed.map(|managed| number.managed.map(|is| is == managed.is_yes())),
            self.unassigned.map(|wanted| number.unassigned().map(|is| is == wanted.is_yes())),
            self.area_code.as_ref().map(|code| Some(area_code_of(number.number) == Some(code.as_str()))),
            self.place.as_ref().map(|place| Some(NumberLocation::of(number.number)?.fits(place.as_str()))),
            by_agent,
        ]
        .into_iter()
        .flatten();
        parts.try_fold(true, |all, part| match part {
            Some(part) => Some(all && part),
            None if !all => Some(false),
            None => None,
        })
    }

    /// Sorts numbers. Equal ones keep their order. What is not known comes last.
    fn sort(&self, numbers: &mut [NumberView<'_>], fees: Option<&KnownFees>) {
        match self.sort {
            None => {}
            Some(NumberSort::Created) => {
                numbers.sort_by_key(|number| (number.created_at.is_none(), number.created_at));
            }
            Some(NumberSort::Number) => numbers.sort_by(|one, other| one.number.cmp(other.number)),
            Some(NumberSort::Monthly) => numbers.sort_by_cached_key(|number| {
                let monthly = fees.and_then(|fees| fees.monthly(number.id));
                let price = monthly.map(|monthly| (monthly.currency().to_owned(), Reverse(monthly.micros())));
                (price.is_none(), price)
            }),
        }
    }

    /// Reads the whole list, and the page of what fits.
    async fn chosen(&self, context: &ToolContext, limit: usize, offset: usize) -> Result<ListedPage, ToolFailure> {
        let ((mut listing, as_of), agents) = if context.account.reading().is_some() {
            // If the list is not read in time, the agents are not needed.
            (all_numbers(context).await?, try_recent_roster(context).await)
        } else {
            let (all, agents) = tokio::join!(all_numbers(context), try_recent_roster(context));
            (all?, agents)
        };
        let agent = self.agent_id.as_ref().map(|named| agent_lookup::agent_of(named, agents.as_ref())).transpose()?;
        let roster = agents.unwrap_or_default();
        fill(context, &mut listing, &roster).await;
        let mut unclear = 0;
        let mut fitting: Vec<NumberView<'_>> = run_blocking(listing.rows.count(), || {
            let fits = |number: &NumberView<'_>| {
                let fits = self.fits(*number, agent.as_ref().map(AgentId::as_str));
                unclear += usize::from(fits.is_none());
                fits == Some(true)
            };
            listing.rows.views().filter(fits).collect()
        });
        let mut page = ListedPage { roster, as_of, unclear, unlisted: !listing.complete, ..ListedPage::default() };
        if self.shows(NumberColumn::Monthly) {
            let ids: Vec<&str> = fitting.iter().map(|number| number.id).collect();
            let fees = KnownFees::read(context, &ids).await;
            page.told = Some(fees.in_words(ids.into_iter())).filter(|_| !fitting.is_empty());
            page.fees = Some(fees);
        }
        self.sort(&mut fitting, page.fees.as_ref());
        if let Some(place) = self.place.as_ref().filter(|_| fitting.is_empty()) {
            page.told = near_places(place.as_str(), listing.rows.views());
        }
        let total = fitting.len();
        page.rows = fitting.into_iter().skip(offset).take(limit).map(OwnedNumber::from).collect();
        page.total = (!page.unlisted).then_some(total as u64);
        let next = offset + page.rows.len();
        page.next_offset = (next < total).then_some(next as u64);
        Ok(page)
    }

    /// Reads one page of the list, in Truedy's order.
    async fn next_page(&self, context: &ToolContext, limit: usize, offset: usize) -> Result<ListedPage, ToolFailure> {
        let (reply, roster) = tokio::join!(lookup::numbers_page(context, limit, offset, false), recent_roster(context));
        let reply = reply?;
        let shown_rows = reply.data.shown;
        let told = |field: &str| reply.pagination.as_ref().and_then(|pagination| pagination.get(field)).cloned();
        let total = told("total").as_ref().and_then(Value::as_u64);
        let more = told("has_more").as_ref().and_then(Value::as_bool).unwrap_or(shown_rows >= limit);
        let next = (offset + shown_rows) as u64;
        // A Truedy that ignores the offset, or a row that cannot be read: then its total is not what is shown.
        let shown = told("offset").as_ref().and_then(Value::as_u64).is_none_or(|at| at == offset as u64);
        let (unlisted, page) = (reply.data.is_partly_read() || !shown, reply.data.read);
        let all = offset == 0 && !more && !unlisted && total.is_none_or(|total| total == page.len() as u64);
        let mut listing = ListResult { rows: page, complete: all, unreadable: false };
        fill(context, &mut listing, &roster).await;
        let mut page = ListedPage {
            rows: listing.rows,
            total: total.filter(|_| !unlisted),
            next_offset: more.then_some(next),
            roster,
            request_id: reply.request_id.clone(),
            unlisted,
            ..ListedPage::default()
        };
        if self.shows(NumberColumn::Monthly) {
            let ids: Vec<&str> = page.rows.iter().map(|number| number.id.as_str()).collect();
            let fees = KnownFees::read(context, &ids).await;
            page.told = Some(fees.in_words(ids.into_iter())).filter(|_| !page.rows.is_empty());
            page.fees = Some(fees);
        }
        Ok(page)
    }
}

impl Read for ListNumbers {
    async fn read(self, context: ToolContext) -> Result<ToolResponse<Numbers>, ToolFailure> {
        let (limit, offset) = (self.limit.unwrap_or_default().index(), self.offset.unwrap_or_default().index());
        let page = if self.filters() || self.sort.is_some() {
            self.chosen(&context, limit, offset).await?
        } else {
            self.next_page(&context, limit, offset).await?
        };
        let mut summary = summary(page.rows.len(), page.total, self.filters(), page.next_offset);
        // The total counts those that certainly fit. Nobody may take the others for none.
        let unclear = (page.unclear > 0).then(|| format!("{} more may fit; see warnings.", page.unclear));
        for more in [unclear.as_deref(), self.sort.map(order), page.told.as_deref()].into_iter().flatten() {
            summary.push(' ');
            summary.push_str(more);
        }
        let more = MoreColumns {
            created: self.shows(NumberColumn::Created),
            place: self.shows(NumberColumn::Place),
            monthly: page.fees.as_ref(),
        };
        let counts = (page.total, page.next_offset);
        let mut numbers = run_blocking(page.rows.len(), || Numbers::of(page.rows, &page.roster, more, counts));
        numbers.as_of = page.as_of.map(|at| moment(at.as_millisecond()));
        let mut answer = ToolResponse::new(Status::Ok, summary, numbers).request_id(page.request_id);
        if page.unclear > 0 {
            answer
                .warn(format!("{} more numbers may fit: Truedy did not say enough about them to tell.", page.unclear));
        }
        if page.unlisted {
            answer.warn(PARTLY);
        }
        if page.roster.agents().is_none() {
            answer.warn("Agents could not be read, so they are shown by id.");
        }
        if page.fees.as_ref().is_some_and(|fees| fees.unread) {
            answer.warn("What numbers cost could not be read from the journal of this server.");
        }
        Ok(answer)
    }
}

/// Says in which order the numbers are.
fn order(sort: NumberSort) -> &'static str {
    match sort {
        NumberSort::Created => "Oldest first.",
        NumberSort::Number => "By number.",
        NumberSort::Monthly => "Dearest first in each currency, unknown prices last.",
    }
}

/// Says which places of these numbers are like the one that was asked for. `None` if there are none.
fn near_places<'a>(wanted: &str, numbers: impl Iterator<Item = NumberView<'a>>) -> Option<String> {
    let mut near: Vec<(usize, String)> = Vec::new();
    for place in numbers.filter_map(|number| NumberLocation::of(number.number)) {
        let (unlike, shown) = (place.unlikeness(wanted), place.to_string());
        if unlike <= NEAR && near.iter().all(|(_, other)| *other != shown) {
            near.push((unlike, shown));
        }
    }
    near.sort();
    near.truncate(PLACES);
    let places: Vec<String> = near.into_iter().map(|(_, shown)| shown).collect();
    (!places.is_empty()).then(|| format!("The nearest places: {}.", places.join("; ")))
}

pub(crate) fn summary(shown: usize, total: Option<u64>, filtered: bool, next_offset: Option<u64>) -> String {
    let fitting = if filtered { "fitting " } else { "" };
    let of = total.map(|total| format!(" of {total}")).unwrap_or_default();
    let more = next_offset.map(|offset| format!(" More from offset {offset}.")).unwrap_or_default();
    let legend = if shown < TABLE {
        "A direction that is not shown has no agent."
    } else {
        "A table: columns names the cells of each row."
    };
    match shown {
        0 => format!(
            "No {fitting}numbers here{}.",
            total.filter(|total| *total > 0).map(|total| format!("; there are {total} in all")).unwrap_or_default()
        ),
        _ => format!("{shown}{of} {fitting}numbers. {legend}{more}"),
    }
}
