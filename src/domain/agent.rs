//! A voice agent, as far as numbers go. Source: contract §6.8, §7.1.

use serde_json::Value;

use super::{Direction, OwnedNumber, text_at};

/// A number as an agent's own list names it: by id, by the number, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldNumber {
    /// Its id.
    pub id: Option<String>,
    /// The number.
    pub number: Option<String>,
}

impl HeldNumber {
    /// Reads one entry in any form; `None` if it names no number.
    pub fn read(entry: &Value) -> Option<Self> {
        let (id, number) = match entry {
            Value::String(text) if text.starts_with('+') => (None, Some(super::clean(text))),
            Value::String(text) => (Some(super::clean(text)), None),
            _ => (text_at(entry, "id").or_else(|| text_at(entry, "number_id")), text_at(entry, "phone_number")),
        };
        (id.is_some() || number.is_some()).then_some(Self { id, number })
    }

    /// Reads a whole list; `None` if any entry cannot be read: what it names might be what is looked for.
    pub fn read_all(list: &Value) -> Option<Vec<Self>> {
        list.as_array()?.iter().map(Self::read).collect()
    }

    /// Whether this is that number.
    pub fn is(&self, number: &OwnedNumber) -> bool {
        self.id.as_ref() == Some(&number.id) || self.number.as_ref() == Some(&number.number)
    }
}

/// An agent and the numbers it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// Its id.
    pub id: String,
    /// Its name; not unique.
    pub name: String,
    /// `active`, `draft`, `creating`, `failed`, or whatever Truedy says.
    pub status: String,
    /// What it answers; `None` if Truedy did not say, or not in a form that can be read.
    pub inbound: Option<Vec<HeldNumber>>,
    /// What it calls from; `None` if Truedy did not say, or not in a form that can be read.
    pub outbound: Option<Vec<HeldNumber>>,
}

impl Agent {
    /// Reads one row; `None` if it has no id.
    pub fn read(row: &Value) -> Option<Self> {
        let id = text_at(row, "id")?;
        Some(Self {
            name: text_at(row, "name").unwrap_or_else(|| id.clone()),
            status: text_at(row, "status").unwrap_or_else(|| "unknown".to_owned()),
            inbound: row.get("inbound_phone_numbers").and_then(HeldNumber::read_all),
            outbound: row.get("outbound_phone_numbers").and_then(HeldNumber::read_all),
            id,
        })
    }

    /// The numbers of a direction.
    pub fn held(&self, direction: Direction) -> Option<&[HeldNumber]> {
        match direction {
            Direction::Inbound => self.inbound.as_deref(),
            Direction::Outbound => self.outbound.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_entry_that_cannot_be_read_makes_the_whole_list_unknown() {
        let row = json!({"id": "n1", "phone_number": "+12"});
        let number = OwnedNumber::read(&row).expect("a number");
        for entry in
            [json!("n1"), json!("+12"), json!({"id": "n1"}), json!({"number_id": "n1"}), json!({"phone_number": "+12"})]
        {
            let held = HeldNumber::read_all(&json!([{"id": "other"}, entry])).expect("readable");
            assert!(held.iter().any(|held| held.is(&number)), "{entry}");
        }
        for entry in [json!({}), json!(7), json!(null), json!({"id": []})] {
            assert_eq!(HeldNumber::read_all(&json!([{"id": "other"}, entry])), None, "{entry}");
        }
        assert_eq!(HeldNumber::read_all(&json!("n1")), None);
    }
}
