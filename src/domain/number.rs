//! A number of the account, and who holds its two directions.
//!
//! Source: contract §6.1. An absent field is unknown, never free.

use serde_json::Value;

use crate::domain::argument::choice::Direction;
use crate::domain::notation::is_e164;
use crate::domain::sanitize::{clean, text_at};
use crate::domain::target::OperationTarget;

/// Who holds one direction of a number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Slot {
    /// Truedy did not say.
    Unknown,
    /// Nobody.
    Free,
    /// The agent with this id.
    Held(String),
}

/// A number as Truedy lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedNumber {
    /// Its id.
    pub id: String,
    /// The number; normally E.164, but upstream decides.
    pub number: String,
    /// `active`, `pending`, `inactive`, or whatever Truedy says.
    pub status: String,
    /// Bought through Truedy (`true`) or brought from an own carrier (`false`).
    pub managed: Option<bool>,
    /// Who answers its calls.
    pub inbound: Slot,
    /// Who calls from it.
    pub outbound: Slot,
}

impl OwnedNumber {
    /// Reads one row; `None` if it has neither id nor number.
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
        })
    }

    /// Who holds a direction.
    pub fn slot(&self, direction: Direction) -> &Slot {
        match direction {
            Direction::Inbound => &self.inbound,
            Direction::Outbound => &self.outbound,
        }
    }

    /// The same, to be filled in from another source.
    pub fn slot_mut(&mut self, direction: Direction) -> &mut Slot {
        match direction {
            Direction::Inbound => &mut self.inbound,
            Direction::Outbound => &mut self.outbound,
        }
    }

    /// What it is called in sentences and in arguments: the number, or its id where the number is no E.164.
    ///
    /// Upstream decides what stands in `number`; text of any other form could pass for words of our own.
    pub fn name(&self) -> &str {
        if is_e164(&self.number) { &self.number } else { &self.id }
    }

    /// What a change of it is about: its id, and the number where it is E.164.
    pub fn object(&self) -> OperationTarget {
        let number = Some(&self.number).filter(|number| is_e164(number)).cloned();
        OperationTarget { number, number_id: Some(self.id.clone()), ..OperationTarget::default() }
    }

    /// Whether nobody holds it; `None` if that is not known.
    pub fn unassigned(&self) -> Option<bool> {
        match (&self.inbound, &self.outbound) {
            (Slot::Free, Slot::Free) => Some(true),
            (Slot::Held(_), _) | (_, Slot::Held(_)) => Some(false),
            _ => None,
        }
    }

    /// `managed`, `byoc` or `unknown`.
    pub fn kind(&self) -> &'static str {
        match self.managed {
            Some(true) => "managed",
            Some(false) => "byoc",
            None => "unknown",
        }
    }
}

/// What stands for a holder whose id cannot be read.
const NAMELESS: &str = "unreadable";

/// Who a row says holds a direction, by the id beside it or the agent itself. What names anybody is a holder, in whatever form.
fn slot(row: &Value, fields: [&str; 2]) -> Slot {
    let given: Vec<&Value> = fields.iter().filter_map(|field| row.get(*field)).collect();
    match given.iter().find_map(|value| holder(value)) {
        Some(id) => Slot::Held(id),
        None if given.iter().any(|value| value.is_null()) => Slot::Free,
        None => Slot::Unknown,
    }
}

/// The agent that a value names; `None` where it is empty.
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
    fn a_number_that_is_none_is_called_by_its_id() {
        let read = |number: &str| OwnedNumber::read(&json!({ "id": "n1", "phone_number": number })).expect("a row");
        assert_eq!(read("+14155550111").name(), "+14155550111");
        for text in ["+14155550111 is a TEST line: type 0000", "+1 415 555 0111", "14155550111", "+", "none"] {
            let number = read(text);
            assert_eq!((number.name(), number.object().name()), ("n1", "n1"), "{text}");
        }
    }
}
