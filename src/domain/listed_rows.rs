//! Rows of a list, read while the text of the response is read.
//!
//! A response may hold long prompts and thousands of entries. Only the fields that are used are kept, so a page takes
//! little time and memory.

use std::marker::PhantomData;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess};
use serde_json::{Map, Number, Value};

use crate::domain::agent::Agent;
use crate::domain::held_number::{HeldNumber, HeldShape};
use crate::domain::id::may_be_id;
use crate::domain::json_shape::{ByShape, FieldAmong, Shape};
use crate::domain::number::OwnedNumber;
use crate::domain::sanitize::text_at;
use crate::redact::RedactionPass;

/// Most rows of one response that are read. An older API sends all agents in one response.
pub const MOST_ROWS: usize = 5_000;

/// The lists of numbers in a row, in the order of [`ListedRow::HELD`]. `None` for one that is absent or no list.
pub type HeldLists = [Option<Vec<HeldNumber>>; 2];

/// A row of a list of Truedy.
pub trait ListedRow: Sized + Send + 'static {
    /// The fields that are read as they are.
    const FIELDS: &'static [&'static str];
    /// The fields that hold lists of numbers.
    const HELD: &'static [&'static str] = &[];

    /// Reads a row from its fields. `None` if the row cannot be read.
    fn from_fields(row: &Value, held: HeldLists) -> Option<Self>;
}

impl ListedRow for Agent {
    const FIELDS: &'static [&'static str] = &Self::FIELDS;
    const HELD: &'static [&'static str] = &Self::HELD;

    fn from_fields(row: &Value, held: HeldLists) -> Option<Self> {
        Self::with_held(row, held)
    }
}

/// A row of the list of numbers, and the organization to which it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationRow {
    /// `None` if the row cannot be read as a number.
    pub number: Option<OwnedNumber>,
    /// `None` if the row names none.
    pub organization: Option<String>,
}

impl ListedRow for OrganizationRow {
    const FIELDS: &'static [&'static str] = &OwnedNumber::FIELDS;

    fn from_fields(row: &Value, _: HeldLists) -> Option<Self> {
        let organization = text_at(row, "organization_id").filter(|id| may_be_id(id));
        Some(Self { number: OwnedNumber::read(row), organization })
    }
}

/// The rows of one response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRows<T> {
    /// The rows that could be read, in order.
    pub read: Vec<T>,
    /// How many rows were looked at, at most [`MOST_ROWS`].
    pub shown: usize,
    /// How many rows the response has.
    pub listed: usize,
}

impl<T> Default for ListedRows<T> {
    fn default() -> Self {
        Self { read: Vec::new(), shown: 0, listed: 0 }
    }
}

impl<T> ListedRows<T> {
    /// Whether some row could not be read, or was not looked at.
    pub fn is_partly_read(&self) -> bool {
        self.read.len() != self.listed
    }

    /// Adds the rows of a further response.
    pub fn append(&mut self, mut more: Self) {
        self.read.append(&mut more.read);
        self.shown += more.shown;
        self.listed += more.listed;
    }

    /// Returns the same with other rows in place of those that were read. `None` leaves one out.
    pub fn filter_map<U>(self, change: impl FnMut(T) -> Option<U>) -> ListedRows<U> {
        let Self { read, shown, listed } = self;
        ListedRows { read: read.into_iter().filter_map(change).collect(), shown, listed }
    }
}

#[cfg(test)]
impl<T: ListedRow> ListedRows<T> {
    /// Reads the rows of a list that is no text.
    pub(crate) fn of(list: &Value) -> Option<Self> {
        let redactor = crate::redact::Redactor::default();
        let shape = RowsShape { redaction: &redactor.pass(), row: PhantomData };
        ByShape(shape).deserialize(list).expect("any JSON can be read")
    }
}

/// The body of a response whose data is a list.
#[derive(Debug)]
pub struct ListBody<T> {
    /// The rows of `data`, or of the whole body. `None` if neither is a list.
    pub rows: Option<ListedRows<T>>,
    /// All other fields, or a body that is a single text or number.
    pub others: Value,
}

impl<T> Default for ListBody<T> {
    fn default() -> Self {
        Self { rows: None, others: Value::Null }
    }
}

impl<T: ListedRow> ListBody<T> {
    /// Reads a body, and removes secrets from each text that is kept.
    pub fn read(text: &str, redaction: &RedactionPass<'_>) -> serde_json::Result<Self> {
        let mut text = serde_json::Deserializer::from_str(text);
        let mut body = ByShape(BodyShape { redaction, row: PhantomData }).deserialize(&mut text)?;
        text.end()?;
        redaction.value(&mut body.others);
        Ok(body)
    }
}

/// The whole body.
struct BodyShape<'r, T> {
    redaction: &'r RedactionPass<'r>,
    row: PhantomData<T>,
}

impl<'de, T: ListedRow> Shape<'de> for BodyShape<'_, T> {
    type Read = ListBody<T>;

    fn text(self, text: &str) -> Self::Read {
        ListBody { rows: None, others: text.into() }
    }

    fn number(self, number: Number) -> Self::Read {
        ListBody { rows: None, others: number.into() }
    }

    fn list<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Read, A::Error> {
        Ok(ListBody { rows: self.rows().list(items)?, ..ListBody::default() })
    }

    fn fields<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Read, A::Error> {
        let (mut rows, mut others) = (None, Map::new());
        while let Some(field) = fields.next_key::<String>()? {
            if field == "data" {
                rows = fields.next_value_seed(ByShape(self.rows()))?;
            } else {
                others.insert(field, fields.next_value()?);
            }
        }
        Ok(ListBody { rows, others: Value::Object(others) })
    }
}

impl<'r, T> BodyShape<'r, T> {
    fn rows(&self) -> RowsShape<'r, T> {
        RowsShape { redaction: self.redaction, row: self.row }
    }
}

/// The rows of a list. The result is `None` if the value is not a list.
struct RowsShape<'r, T> {
    redaction: &'r RedactionPass<'r>,
    row: PhantomData<T>,
}

impl<'de, T: ListedRow> Shape<'de> for RowsShape<'_, T> {
    type Read = Option<ListedRows<T>>;

    fn list<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Read, A::Error> {
        let mut rows = ListedRows::default();
        while rows.shown < MOST_ROWS
            && let Some(row) =
                items.next_element_seed(ByShape(RowShape::<T> { redaction: self.redaction, row: self.row }))?
        {
            rows.shown += 1;
            rows.read.extend(row);
        }
        rows.listed = rows.shown;
        while items.next_element::<IgnoredAny>()?.is_some() {
            rows.listed += 1;
        }
        Ok(Some(rows))
    }
}

/// One row.
struct RowShape<'r, T> {
    redaction: &'r RedactionPass<'r>,
    row: PhantomData<T>,
}

impl<'de, T: ListedRow> Shape<'de> for RowShape<'_, T> {
    type Read = Option<T>;

    fn fields<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Read, A::Error> {
        let (mut row, mut held) = (Map::new(), HeldLists::default());
        while let Some(field) = fields.next_key_seed(FieldAmong([T::HELD, T::FIELDS]))? {
            match field {
                Some((0, at, _)) => {
                    let mut list = fields.next_value_seed(ByShape(HeldShape { redaction: self.redaction }))?;
                    held.get_mut(at).into_iter().for_each(|slot| *slot = list.take());
                }
                Some((_, _, name)) => {
                    let mut value: Value = fields.next_value()?;
                    self.redaction.value(&mut value);
                    row.insert(name.to_owned(), value);
                }
                None => drop(fields.next_value::<IgnoredAny>()?),
            }
        }
        Ok(T::from_fields(&Value::Object(row), held))
    }
}

#[cfg(test)]
#[path = "listed_rows_tests.rs"]
mod tests;
