//! `GET /telephony/numbers`: the numbers of the account and who holds them.
//!
//! Source: <https://docs.truedy.ai/api-reference/telephony> (List Numbers); contract §6.1.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::domain::{AgentRef, Effect, Limit, Offset, OwnedNumber, Slot, Status, StatusName, YesNo};
use crate::guard::Scope;
use crate::journal::moment;
use crate::tools::account::agents::{recent_roster, try_recent_roster};
use crate::tools::account::located::fill;
use crate::tools::account::number_rows::all_numbers;
use crate::tools::account::pages::ListResult;
use crate::tools::account::roster::Roster;
use crate::tools::account::{agent_lookup, lookup, pages};
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
        /// Only this status: active, pending or inactive.
        status: Option<StatusName>,
        /// true: only bought; false: only imported.
        managed: Option<YesNo>,
        /// true: only unused; false: only used.
        unassigned: Option<YesNo>,
        /// The agent's exact name, "Front desk", or id.
        agent_id: Option<AgentRef>,
        /// 1 to 100, default 50.
        limit: Option<Limit>,
        /// 0 to 1000000, from next_offset.
        offset: Option<Offset>,
    }
}

/// From this many rows on they are a table: names of columns once instead of in every row save a quarter of the tokens.
const TABLE: usize = 21;

/// What is said of a list that was not read whole.
pub(crate) const PARTLY: &str = "There may be more numbers: part of Truedy's list could not be read.";

/// The columns of the table.
const COLUMNS: [&str; 6] = ["id", "number", "status", "kind", "inbound", "outbound"];

/// A page of numbers: a few as objects, many as a table.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub(crate) struct Numbers {
    #[serde(skip_serializing_if = "Option::is_none")]
    numbers: Option<Vec<NumberRow>>,
    /// Names of the columns of `rows`.
    #[serde(skip_serializing_if = "Option::is_none")]
    columns: Option<[&'static str; 6]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<Vec<Vec<String>>>,
    /// How many there are in all, after filtering.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    /// The offset of the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<u64>,
    /// When the list was read, where that is not now: at most a minute ago.
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<String>,
}

/// One number; a direction that is absent has no agent.
#[derive(Debug, Clone, Serialize)]
struct NumberRow {
    id: String,
    number: String,
    status: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    inbound: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outbound: Option<String>,
}

impl Numbers {
    /// These numbers, with the agents that hold them.
    pub(crate) fn of(page: Vec<OwnedNumber>, roster: &Roster, total: Option<u64>, next_offset: Option<u64>) -> Self {
        // An agent may hold every number of a page: what it is called is found out once.
        let mut known: HashMap<Slot, Option<String>> = HashMap::new();
        let mut shown = |slot| known.entry(slot).or_insert_with_key(|slot| roster.slot(slot)).clone();
        let rows: Vec<NumberRow> = page
            .into_iter()
            .map(|number| NumberRow {
                kind: number.kind(),
                id: number.id,
                number: number.number,
                status: number.status,
                inbound: shown(number.inbound),
                outbound: shown(number.outbound),
            })
            .collect();
        if rows.len() < TABLE {
            return Self { numbers: Some(rows), total, next_offset, ..Self::default() };
        }
        let none = || "none".to_owned();
        let cells = |row: NumberRow| {
            let kind = row.kind.to_owned();
            vec![
                row.id,
                row.number,
                row.status,
                kind,
                row.inbound.unwrap_or_else(none),
                row.outbound.unwrap_or_else(none),
            ]
        };
        Self {
            columns: Some(COLUMNS),
            rows: Some(rows.into_iter().map(cells).collect()),
            total,
            next_offset,
            ..Self::default()
        }
    }
}

/// The rows explain themselves; a long schema would cost every conversation.
impl JsonSchema for NumberRow {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "NumberRow".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "object" })
    }
}

impl Tool for ListNumbers {
    const NAME: &'static str = "list_numbers";
    const TITLE: &'static str = "List phone numbers";
    const EFFECT: Effect = Effect::Reads;
    const SCOPE: Scope = Scope::NumbersRead;
    type Output = Numbers;
}

impl ListNumbers {
    fn filters(&self) -> bool {
        self.status.is_some() || self.managed.is_some() || self.unassigned.is_some() || self.agent_id.is_some()
    }

    /// Whether a number passes the filters; `None` if that cannot be told.
    fn fits(&self, number: &OwnedNumber, agent: Option<&str>) -> Option<bool> {
        let known = |slot: &Slot| *slot != Slot::Unknown;
        let by_agent = agent.map(|agent| {
            let held = [&number.inbound, &number.outbound]
                .into_iter()
                .any(|slot| matches!(slot, Slot::Held(id) if id == agent));
            (held || (known(&number.inbound) && known(&number.outbound))).then_some(held)
        });
        let mut parts = [
            self.status.as_ref().map(|status| Some(number.status == status.as_str())),
            self.managed.map(|managed| number.managed.map(|is| is == managed.is_yes())),
            self.unassigned.map(|wanted| number.unassigned().map(|is| is == wanted.is_yes())),
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
}

impl Read for ListNumbers {
    async fn read(self, context: ToolContext) -> Result<ToolResponse<Numbers>, ToolFailure> {
        let (limit, offset) = (self.limit.unwrap_or_default().index(), self.offset.unwrap_or_default().index());
        let mut unclear = 0;
        let unlisted;
        let mut as_of = None;
        let (page, total, next_offset, roster, request_id) = if self.filters() {
            let (all, agents) = tokio::join!(all_numbers(&context), try_recent_roster(&context));
            let (mut listing, read_at) = all?;
            as_of = read_at;
            let agent =
                self.agent_id.as_ref().map(|named| agent_lookup::agent_of(named, agents.as_ref())).transpose()?;
            let roster = agents.unwrap_or_default();
            fill(&context, &mut listing, &roster).await;
            unlisted = !listing.complete;
            let mut all = listing.rows;
            all.retain(|number| {
                let fits = self.fits(number, agent.as_ref().map(crate::domain::AgentId::as_str));
                unclear += usize::from(fits.is_none());
                fits == Some(true)
            });
            let total = all.len();
            let page: Vec<OwnedNumber> = all.into_iter().skip(offset).take(limit).collect();
            let next = offset + page.len();
            (page, (!unlisted).then_some(total as u64), (next < total).then_some(next as u64), roster, None)
        } else {
            let (reply, roster) =
                tokio::join!(lookup::numbers_page(&context, limit, offset, false), recent_roster(&context));
            let reply = reply?;
            let rows = pages::rows(&reply)?;
            let told = |field: &str| reply.pagination.as_ref().and_then(|pagination| pagination.get(field)).cloned();
            let total = told("total").as_ref().and_then(Value::as_u64);
            let more = told("has_more").as_ref().and_then(Value::as_bool).unwrap_or(rows.len() >= limit);
            let next = (offset + rows.len()) as u64;
            // A Truedy that ignores the offset, or a row that cannot be read: then its total is not what is shown.
            let shown = told("offset").as_ref().and_then(Value::as_u64).is_none_or(|at| at == offset as u64);
            let page: Vec<OwnedNumber> = rows.iter().filter_map(OwnedNumber::read).collect();
            unlisted = Some(page.len()) != reply.data.as_array().map(Vec::len) || !shown;
            let all = offset == 0 && !more && !unlisted && total.is_none_or(|total| total == page.len() as u64);
            let mut listing = ListResult { rows: page, complete: all, unreadable: false };
            fill(&context, &mut listing, &roster).await;
            let total = total.filter(|_| !unlisted);
            (listing.rows, total, more.then_some(next), roster, reply.request_id.clone())
        };
        let summary = summary(page.len(), total, self.filters(), next_offset);
        let mut numbers = run_blocking(page.len(), || Numbers::of(page, &roster, total, next_offset));
        numbers.as_of = as_of.map(|at| moment(at.as_millisecond()));
        let mut answer = ToolResponse::new(Status::Ok, summary, numbers).request_id(request_id);
        if unclear > 0 {
            answer.warn(format!("{unclear} more numbers may fit: Truedy did not say enough about them to tell."));
        }
        if unlisted {
            answer.warn(PARTLY);
        }
        if roster.agents().is_none() {
            answer.warn("Agents could not be read, so they are shown by id.");
        }
        Ok(answer)
    }
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
