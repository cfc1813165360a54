//! A voice agent of Truedy and the numbers it uses. Source: contract §6.8, §7.1.

use serde_json::Value;

use crate::domain::argument::choice::Direction;
use crate::domain::notation::{id_key, read_e164};
use crate::domain::number::OwnedNumber;
use crate::domain::sanitize::{clean, clean_to, text_at};

/// The fields of an entry that may name its number.
const NAMING: [&str; 10] = [
    "id",
    "number_id",
    "numberId",
    "phone_number_id",
    "phoneNumberId",
    "phone_number",
    "phoneNumber",
    "number",
    "phone",
    "e164",
];
/// How deep the fields of an entry may be nested.
const DEPTH: usize = 3;

/// A number in the list of an agent. The entry names it by its id, by the number, or by both.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeldNumber {
    /// All texts in the entry that may be an id or a number, cleaned. Empty if the entry names nothing.
    names: Vec<String>,
}

impl HeldNumber {
    /// Reads one entry, in any form.
    pub fn read(entry: &Value) -> Self {
        let mut names = Vec::new();
        collect(entry, DEPTH, &mut names);
        Self { names }
    }

    /// Reads a whole list. `None` if the value is not a list.
    pub fn read_all(list: &Value) -> Option<Vec<Self>> {
        Some(list.as_array()?.iter().map(Self::read).collect())
    }

    /// Returns the texts that may be an id or a number.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns the text to show: the number, or else the id. `None` if the entry names nothing.
    pub fn shown(&self) -> Option<&str> {
        let number = self.names.iter().find(|name| read_e164(name).is_some());
        number.or(self.names.first()).map(String::as_str)
    }

    /// Checks whether the entry certainly names this number.
    pub fn is(&self, number: &OwnedNumber) -> bool {
        let plain = read_e164(&number.number);
        self.names.iter().any(|name| {
            id_key(name) == id_key(&number.id)
                || *name == number.number
                || (plain.is_some() && read_e164(name) == plain)
        })
    }
}

fn collect(entry: &Value, depth: usize, names: &mut Vec<String>) {
    match entry {
        Value::String(text) => names.extend(Some(clean(text)).filter(|text| !text.is_empty())),
        Value::Number(number) => names.push(number.to_string()),
        Value::Object(fields) if depth > 0 => {
            // An entry has few fields, so they are looked up among the names, and not the other way round.
            let mut naming = [None; NAMING.len()];
            for (field, inner) in fields {
                if let Some(slot) = NAMING.iter().position(|name| name == field).and_then(|at| naming.get_mut(at)) {
                    *slot = Some(inner);
                }
            }
            // Some agents hold thousands of numbers.
            names.reserve_exact(naming.iter().flatten().count());
            naming.into_iter().flatten().for_each(|inner| collect(inner, depth - 1, names));
        }
        _ => {}
    }
}

/// An agent and the numbers it uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// The id of the agent.
    pub id: String,
    /// The name of the agent. It is not unique.
    pub name: String,
    /// The status: `active`, `draft`, `creating`, `failed`, or any other text of Truedy.
    pub status: String,
    /// The numbers whose calls it answers. `None` if Truedy sent no list.
    pub inbound: Option<Vec<HeldNumber>>,
    /// The numbers it calls from. `None` if Truedy sent no list.
    pub outbound: Option<Vec<HeldNumber>>,
    /// The single numbers that the row names in addition to its lists: inbound and outbound (contract §7.1, raw rows).
    pub beside: [Option<HeldNumber>; 2],
    /// The whole name, in the form in which names are compared. It may be longer than `name`.
    key: String,
}

/// The longest part of a name that is compared, in characters.
const NAME: usize = 1_000;

/// Returns a name in the form in which names are compared.
///
/// It is cleaned like shown names, in lower case, and cut at 1,000 characters only.
pub fn name_key(name: &str) -> String {
    clean_to(name, NAME).to_lowercase()
}

impl Agent {
    /// Reads one row. `None` if the row has no id.
    pub fn read(row: &Value) -> Option<Self> {
        let id = text_at(row, "id")?;
        Some(Self {
            name: text_at(row, "name").unwrap_or_else(|| id.clone()),
            key: name_key(
                row.get("name").and_then(Value::as_str).filter(|name| !clean(name).is_empty()).unwrap_or(&id),
            ),
            status: text_at(row, "status").unwrap_or_else(|| "unknown".to_owned()),
            inbound: row.get("inbound_phone_numbers").and_then(HeldNumber::read_all),
            outbound: row.get("outbound_phone_numbers").and_then(HeldNumber::read_all),
            beside: ["inbound_phone_number_id", "outbound_phone_number_id"]
                .map(|field| row.get(field).map(HeldNumber::read).filter(|held| !held.names().is_empty())),
            id,
        })
    }

    /// Checks whether the agent has this name, either the whole name or its shown form.
    ///
    /// Case and invisible characters are ignored.
    pub fn is_called(&self, name: &str) -> bool {
        let wanted = name_key(name);
        wanted == self.key || (self.name.ends_with('…') && wanted == self.name.to_lowercase())
    }

    /// Checks whether the name contains this part. Case and invisible characters are ignored.
    pub fn name_has(&self, part: &str) -> bool {
        self.key.contains(&name_key(part))
    }

    /// Returns the name in the form in which names are compared.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Returns the numbers of a direction, to be changed.
    pub fn held_mut(&mut self, direction: Direction) -> &mut Option<Vec<HeldNumber>> {
        match direction {
            Direction::Inbound => &mut self.inbound,
            Direction::Outbound => &mut self.outbound,
        }
    }

    /// Returns the single number that the row names in addition to the list of a direction.
    pub fn beside(&self, direction: Direction) -> Option<&HeldNumber> {
        direction.of(self.beside.each_ref()).as_ref()
    }

    /// Returns the numbers of a direction. `None` if Truedy sent no list.
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
    fn an_entry_is_read_in_any_form_that_certainly_names_the_number() {
        let id = "d0845d54-d96d-4cb8-8cc3-eac55f94c2c0";
        let row = json!({ "id": id, "phone_number": "+14155550123" });
        let number = OwnedNumber::read(&row).expect("a number");
        for entry in [
            json!(id),
            json!(id.to_uppercase()),
            json!("+14155550123"),
            json!("tel:+1-415-555-0123"),
            json!({ "id": id }),
            json!({ "id": "assignment-17", "number_id": id }),
            json!({ "id": 17, "phone_number": { "number": "+1 (415) 555-0123" } }),
            json!({ "number": { "number_id": id } }),
            json!({ "phone_number": "+14155550123" }),
        ] {
            assert!(HeldNumber::read(&entry).is(&number), "{entry}");
        }
        for entry in [json!({}), json!(7), json!(null), json!({ "id": [] }), json!("4155550123"), json!({ "x": id })] {
            assert!(!HeldNumber::read(&entry).is(&number), "{entry}");
        }
        assert_eq!(HeldNumber::read(&json!({ "x": id })).shown(), None);
        assert_eq!(HeldNumber::read_all(&json!("n1")), None);
    }
}
