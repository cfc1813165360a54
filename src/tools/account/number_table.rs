//! Numbers as an answer shows them: a few as objects, many as a table.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::{NumberLocation, OwnedNumber, Slot};
use crate::tools::account::known_fees::KnownFees;
use crate::tools::account::roster::Roster;
use crate::tools::contract::schema::any_object;

/// From this many rows on they are a table: names of columns once instead of in every row save a quarter of the tokens.
pub(crate) const TABLE: usize = 21;

/// The columns that every table has.
const COLUMNS: [&str; 6] = ["id", "number", "status", "kind", "inbound", "outbound"];
/// What stands in the place of a fact that is not known.
const UNKNOWN: &str = "unknown";

/// A page of numbers: a few as objects, many as a table.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub(crate) struct Numbers {
    #[serde(skip_serializing_if = "Option::is_none")]
    numbers: Option<Vec<NumberRow>>,
    /// Names of the columns of `rows`.
    #[serde(skip_serializing_if = "Option::is_none")]
    columns: Option<Vec<&'static str>>,
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
    pub(crate) as_of: Option<String>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    monthly: Option<String>,
}

/// What is shown of each number beside the usual facts.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct MoreColumns<'a> {
    /// The day on which the number was added, in UTC.
    pub(crate) created: bool,
    /// Where the number is from.
    pub(crate) place: bool,
    /// What it costs a month.
    pub(crate) monthly: Option<&'a KnownFees>,
}

impl MoreColumns<'_> {
    fn names(&self) -> impl Iterator<Item = &'static str> {
        let shown = [("created", self.created), ("place", self.place), ("monthly", self.monthly.is_some())];
        shown.into_iter().filter(|(_, shown)| *shown).map(|(name, _)| name)
    }

    fn created(&self, number: &OwnedNumber) -> Option<String> {
        let day = || number.created_at.and_then(day_of).unwrap_or_else(|| UNKNOWN.to_owned());
        self.created.then(day)
    }

    fn place(&self, number: &OwnedNumber) -> Option<String> {
        let place = || NumberLocation::of(&number.number).map_or_else(|| UNKNOWN.to_owned(), |place| place.to_string());
        self.place.then(place)
    }

    fn monthly(&self, number: &OwnedNumber) -> Option<String> {
        let monthly =
            |known: &KnownFees| known.monthly(&number.id).map_or_else(|| UNKNOWN.to_owned(), ToString::to_string);
        self.monthly.map(monthly)
    }
}

/// Returns the day of a time in milliseconds since 1970, in UTC.
fn day_of(ms: i64) -> Option<String> {
    Some(jiff::Timestamp::from_millisecond(ms).ok()?.strftime("%Y-%m-%d").to_string())
}

impl Numbers {
    /// These numbers, with the agents that hold them.
    pub(crate) fn of(
        page: Vec<OwnedNumber>,
        roster: &Roster,
        more: MoreColumns<'_>,
        (total, next_offset): (Option<u64>, Option<u64>),
    ) -> Self {
        // An agent may hold every number of a page: what it is called is found out once.
        let mut known: HashMap<Slot, Option<String>> = HashMap::new();
        let mut shown = |slot| known.entry(slot).or_insert_with_key(|slot| roster.slot(slot)).clone();
        let rows: Vec<NumberRow> = page
            .into_iter()
            .map(|number| NumberRow {
                kind: number.kind(),
                created: more.created(&number),
                place: more.place(&number),
                monthly: more.monthly(&number),
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
        Self {
            columns: Some(COLUMNS.into_iter().chain(more.names()).collect()),
            rows: Some(rows.into_iter().map(NumberRow::cells).collect()),
            total,
            next_offset,
            ..Self::default()
        }
    }
}

impl NumberRow {
    /// Returns the cells of the row, in the order of the columns.
    fn cells(self) -> Vec<String> {
        let none = || "none".to_owned();
        let usual = [
            self.id,
            self.number,
            self.status,
            self.kind.to_owned(),
            self.inbound.unwrap_or_else(none),
            self.outbound.unwrap_or_else(none),
        ];
        usual.into_iter().chain([self.created, self.place, self.monthly].into_iter().flatten()).collect()
    }
}

any_object!(NumberRow);
