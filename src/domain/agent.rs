//! A voice agent, as far as numbers go. Source: contract §7.1.

use serde_json::Value;

use super::{Direction, text_at};

/// An agent and the numbers it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// Its id.
    pub id: String,
    /// Its name; not unique.
    pub name: String,
    /// `active`, `draft`, `creating`, `failed`, or whatever Truedy says.
    pub status: String,
    /// Ids and numbers it answers; `None` if Truedy did not say.
    pub inbound: Option<Vec<(String, String)>>,
    /// Ids and numbers it calls from; `None` if Truedy did not say.
    pub outbound: Option<Vec<(String, String)>>,
}

impl Agent {
    /// Reads one row; `None` if it has no id.
    pub fn read(row: &Value) -> Option<Self> {
        let id = text_at(row, "id")?;
        Some(Self {
            name: text_at(row, "name").unwrap_or_else(|| id.clone()),
            status: text_at(row, "status").unwrap_or_else(|| "unknown".to_owned()),
            inbound: held(row, "inbound_phone_numbers"),
            outbound: held(row, "outbound_phone_numbers"),
            id,
        })
    }

    /// The numbers of a direction.
    pub fn held(&self, direction: Direction) -> Option<&[(String, String)]> {
        match direction {
            Direction::Inbound => self.inbound.as_deref(),
            Direction::Outbound => self.outbound.as_deref(),
        }
    }
}

fn held(row: &Value, field: &str) -> Option<Vec<(String, String)>> {
    let rows = row.get(field)?.as_array()?;
    Some(
        rows.iter()
            .filter_map(|row| Some((text_at(row, "id")?, text_at(row, "phone_number").unwrap_or_default())))
            .collect(),
    )
}
