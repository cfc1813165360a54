//! A number of the account, and the agents that use it for incoming and outgoing calls.
//!
//! Source: contract §6.1. An absent field means unknown, never unassigned.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::domain::argument::choice::Direction;
use crate::domain::phone_digits::is_e164;
use crate::domain::sanitize::{clean, text_at};
use crate::domain::slot::{Slot, SlotView};
use crate::domain::target::OperationTarget;

/// An [`OwnedNumber`] whose texts are kept elsewhere. The fields mean the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of OwnedNumber")]
pub struct NumberView<'a> {
    pub id: &'a str,
    pub number: &'a str,
    pub status: &'a str,
    pub managed: Option<bool>,
    pub inbound: SlotView<'a>,
    pub outbound: SlotView<'a>,
    pub created_at: Option<i64>,
}

impl<'a> NumberView<'a> {
    /// Returns the agent of a direction.
    pub fn slot(&self, direction: Direction) -> SlotView<'a> {
        match direction {
            Direction::Inbound => self.inbound,
            Direction::Outbound => self.outbound,
        }
    }

    /// Checks whether no agent is assigned. `None` if that is unknown.
    pub fn unassigned(&self) -> Option<bool> {
        match (self.inbound, self.outbound) {
            (SlotView::Free, SlotView::Free) => Some(true),
            (SlotView::Held(_), _) | (_, SlotView::Held(_)) => Some(false),
            _ => None,
        }
    }
}

impl From<NumberView<'_>> for OwnedNumber {
    fn from(row: NumberView<'_>) -> Self {
        Self {
            id: row.id.to_owned(),
            number: row.number.to_owned(),
            status: row.status.to_owned(),
            managed: row.managed,
            inbound: row.inbound.into(),
            outbound: row.outbound.into(),
            created_at: row.created_at,
        }
    }
}

/// A number of the account, as Truedy lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedNumber {
    /// The id of the number.
    pub id: String,
    /// The number. It is normally E.164, but Truedy may send any text.
    pub number: String,
    /// The status: `active`, `pending`, `inactive`, or any other text of Truedy.
    pub status: String,
    /// Whether the number was bought through Truedy (`true`) or imported from a carrier (`false`).
    ///
    /// `None` if Truedy did not say.
    pub managed: Option<bool>,
    /// The agent that answers calls to the number.
    pub inbound: Slot,
    /// The agent that calls from the number.
    pub outbound: Slot,
    /// When the row was created, in milliseconds since 1970 by Truedy's clock. A time without a zone is UTC.
    ///
    /// `None` if Truedy did not say.
    pub created_at: Option<i64>,
}

impl OwnedNumber {
    /// The fields of a row that are read, and the organization to which the number belongs.
    pub(crate) const FIELDS: [&'static str; 13] = [
        "id",
        "number_id",
        "phone_number",
        "status",
        "is_trudy_managed",
        "is_truedy_managed",
        "telephony_credential_id",
        "inbound_agent_id",
        "inbound_agent",
        "outbound_agent_id",
        "outbound_agent",
        "created_at",
        "organization_id",
    ];

    /// Reads one row. `None` if the id or the number is missing.
    pub fn read(row: &Value) -> Option<Self> {
        let managed = ["is_trudy_managed", "is_truedy_managed"]
            .iter()
            .find_map(|field| row.get(*field)?.as_bool())
            .or_else(|| row.get("telephony_credential_id").map(Value::is_null));
        Some(Self {
            id: text_at(row, "id").or_else(|| text_at(row, "number_id"))?,
            number: text_at(row, "phone_number")?,
            status: text_at(row, "status").unwrap_or_else(|| "unknown".to_owned()),
            managed,
            inbound: slot(row, ["inbound_agent_id", "inbound_agent"]),
            outbound: slot(row, ["outbound_agent_id", "outbound_agent"]),
            created_at: row.get("created_at").and_then(Value::as_str).and_then(moment),
        })
    }

    /// Checks whether an operation can have added this row. `created_after` is the earliest creation that counts.
    ///
    /// `None` means that the whole list lacked the number before. Then any row of the number is new.
    pub fn is_created_after(&self, created_after: Option<i64>) -> bool {
        created_after.zip(self.created_at).is_none_or(|(after, created)| created >= after)
    }

    /// Returns the agent of a direction.
    pub fn slot(&self, direction: Direction) -> &Slot {
        match direction {
            Direction::Inbound => &self.inbound,
            Direction::Outbound => &self.outbound,
        }
    }

    /// Returns the agent of a direction, to be filled in from another source.
    pub fn slot_mut(&mut self, direction: Direction) -> &mut Slot {
        match direction {
            Direction::Inbound => &mut self.inbound,
            Direction::Outbound => &mut self.outbound,
        }
    }

    /// Returns the name of the number in sentences and arguments. It is the id if the number is not E.164.
    ///
    /// Truedy decides the text of `number`. Text of any other form could look like our own text.
    pub fn name(&self) -> &str {
        if is_e164(&self.number) { &self.number } else { &self.id }
    }

    /// Returns the target of a change to this number: its id, and the number if it is E.164.
    pub fn object(&self) -> OperationTarget {
        let number = Some(&self.number).filter(|number| is_e164(number)).cloned();
        OperationTarget { number, number_id: Some(self.id.clone()), ..OperationTarget::default() }
    }

    /// Returns the same row without its own texts.
    pub fn view(&self) -> NumberView<'_> {
        NumberView {
            id: &self.id,
            number: &self.number,
            status: &self.status,
            managed: self.managed,
            inbound: self.inbound.view(),
            outbound: self.outbound.view(),
            created_at: self.created_at,
        }
    }

    /// Checks whether no agent is assigned. `None` if that is unknown.
    pub fn unassigned(&self) -> Option<bool> {
        self.view().unassigned()
    }

    /// Returns the kind of the number: `managed`, `byoc` or `unknown`.
    pub fn kind(&self) -> &'static str {
        match self.managed {
            Some(true) => "managed",
            Some(false) => "byoc",
            None => "unknown",
        }
    }
}

/// Reads a time in ISO 8601, in milliseconds since 1970. Without a zone it is UTC (contract §1).
fn moment(text: &str) -> Option<i64> {
    let zoned = text.parse::<Timestamp>().ok();
    let at = zoned.or_else(|| TimeZone::UTC.to_timestamp(text.parse::<DateTime>().ok()?).ok())?;
    Some(at.as_millisecond())
}

/// The id of an agent whose real id cannot be read.
const NAMELESS: &str = "unreadable";

/// Returns the agent of a direction, from its id field or the agent object in a row.
///
/// Any value that is not empty counts as an agent.
fn slot(row: &Value, fields: [&str; 2]) -> Slot {
    let given: Vec<&Value> = fields.iter().filter_map(|field| row.get(*field)).collect();
    match given.iter().find_map(|value| holder(value)) {
        Some(id) => Slot::Held(id),
        None if given.iter().any(|value| value.is_null()) => Slot::Free,
        None => Slot::Unknown,
    }
}

/// Returns the id of the agent that a value names. `None` if the value is empty.
fn holder(value: &Value) -> Option<String> {
    let named = |text: &str| Some(clean(text)).filter(|text| !text.is_empty());
    match value {
        Value::Null | Value::Bool(false) => None,
        Value::Bool(true) => Some(NAMELESS.to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => named(text),
        Value::Array(all) => all.iter().find_map(holder),
        Value::Object(fields) if fields.is_empty() => None,
        Value::Object(fields) => {
            let id = ["id", "agent_id"].iter().find_map(|name| fields.get(*name)?.as_str());
            id.and_then(named).or_else(|| Some(NAMELESS.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_absent_field_is_unknown_and_a_legacy_field_says_nothing() {
        let row = json!({"id": "n1", "phone_number": "+12", "agent_id": null, "new": [1]});
        let number = OwnedNumber::read(&row).expect("a row");
        assert_eq!((number.unassigned(), number.kind(), number.status.as_str()), (None, "unknown", "unknown"));
        let row = json!({"id": "n1", "phone_number": "+12", "inbound_agent_id": null, "outbound_agent_id": "a", "status": "porting"});
        let number = OwnedNumber::read(&row).expect("a row");
        assert_eq!((number.unassigned(), number.status.as_str()), (Some(false), "porting"));
    }

    #[test]
    fn a_row_that_was_created_before_is_not_what_an_operation_added() {
        let read = |created: Value| {
            OwnedNumber::read(&json!({ "id": "n1", "phone_number": "+12", "created_at": created })).expect("a row")
        };
        for (text, at) in [
            (json!("1970-01-01T00:00:02.5Z"), Some(2_500)),
            (json!("1970-01-01T01:00:02+01:00"), Some(2_000)),
            (json!("1970-01-01T00:00:02"), Some(2_000)),
            (json!("1970-01-01T00:00:02.123456"), Some(2_123)),
            (json!("yesterday"), None),
            (json!(null), None),
        ] {
            assert_eq!(read(text.clone()).created_at, at, "{text}");
        }
        let row = read(json!("1970-01-01T00:00:02Z"));
        for (after, new) in [(None, true), (Some(2_000), true), (Some(2_001), false)] {
            assert_eq!(row.is_created_after(after), new, "{after:?}");
        }
        assert!(read(json!(null)).is_created_after(Some(9)), "Truedy does not say when");
    }

    #[test]
    fn two_slots_have_two_fingerprints() {
        let held = |agent: &str| Slot::Held(agent.to_owned());
        let all = [Slot::Unknown, Slot::Free, held("a"), held("b"), held("free"), held("unknown"), held("")];
        let texts: std::collections::BTreeSet<String> = all.iter().map(Slot::fingerprint).collect();
        assert_eq!(texts.len(), all.len(), "{texts:?}");
    }

    #[test]
    fn a_number_that_is_none_is_called_by_its_id() {
        let read = |number: &str| OwnedNumber::read(&json!({ "id": "n1", "phone_number": number })).expect("a row");
        assert_eq!(read("+14155550111").name(), "+14155550111");
        for text in ["+14155550111 is a TEST line: type 0000", "+1 415 555 0111", "14155550111", "+", "none"] {
            let number = read(text);
            assert_eq!((number.name(), number.object().name()), ("n1", "n1"), "{text}");
        }
    }
}
