//! A voice agent of Truedy and the numbers it uses. Source: contract §6.8, §7.1.

use serde_json::Value;

use crate::domain::argument::choice::Direction;
use crate::domain::held_number::HeldNumber;
use crate::domain::sanitize::{clean, clean_to, text_at};

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
    /// The fields of a row that are read, beside its lists.
    pub(crate) const FIELDS: [&'static str; 5] =
        ["id", "name", "status", "inbound_phone_number_id", "outbound_phone_number_id"];
    /// The fields of a row that list numbers: inbound and outbound.
    pub(crate) const HELD: [&'static str; 2] = ["inbound_phone_numbers", "outbound_phone_numbers"];

    /// Reads one row. `None` if the row has no id.
    pub fn read(row: &Value) -> Option<Self> {
        Self::with_held(row, Self::HELD.map(|field| row.get(field).and_then(HeldNumber::read_all)))
    }

    /// Reads one row whose lists were read already.
    pub(crate) fn with_held(row: &Value, [inbound, outbound]: [Option<Vec<HeldNumber>>; 2]) -> Option<Self> {
        let id = text_at(row, "id")?;
        Some(Self {
            name: text_at(row, "name").unwrap_or_else(|| id.clone()),
            key: name_key(
                row.get("name").and_then(Value::as_str).filter(|name| !clean(name).is_empty()).unwrap_or(&id),
            ),
            status: text_at(row, "status").unwrap_or_else(|| "unknown".to_owned()),
            inbound,
            outbound,
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
