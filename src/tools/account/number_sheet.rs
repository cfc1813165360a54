//! The numbers of a list as a table of texts, for people and for spreadsheets.

use serde_json::{Map, Value};

use crate::tools::contract::csv::CsvTable;

/// The columns that come first. Others follow in the order in which they are found.
const FIRST: [&str; 6] = ["number", "id", "status", "kind", "inbound", "outbound"];

/// The numbers of one or more pages of a list, as texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberSheet {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The cells of each number. Later columns may be missing.
    pub rows: Vec<Vec<String>>,
}

impl Default for NumberSheet {
    fn default() -> Self {
        Self { columns: FIRST.map(str::to_owned).to_vec(), rows: Vec::new() }
    }
}

impl NumberSheet {
    /// Adds the numbers of an answer: objects, or rows with the names of their columns.
    pub fn add(&mut self, answer: &Map<String, Value>) {
        let list = |name: &str| answer.get(name).and_then(Value::as_array).into_iter().flatten();
        for number in list("numbers").filter_map(Value::as_object) {
            self.add_row(number.iter().map(|(name, cell)| (name.as_str(), cell)));
        }
        let columns: Vec<&str> = list("columns").filter_map(Value::as_str).collect();
        for row in list("rows").filter_map(Value::as_array) {
            self.add_row(columns.iter().copied().zip(row));
        }
    }

    fn add_row<'a>(&mut self, cells: impl Iterator<Item = (&'a str, &'a Value)>) {
        let mut row = vec![String::new(); self.columns.len()];
        for (name, cell) in cells {
            let text = match cell {
                Value::String(text) => text.clone(),
                Value::Null => String::new(),
                other => other.to_string(),
            };
            match self.columns.iter().position(|column| column == name) {
                Some(at) => {
                    if let Some(cell) = row.get_mut(at) {
                        *cell = text;
                    }
                }
                None => {
                    self.columns.push(name.to_owned());
                    row.push(text);
                }
            }
        }
        self.rows.push(row);
    }

    /// Returns the table as CSV.
    pub fn to_csv(&self) -> String {
        let header: Vec<&str> = self.columns.iter().map(String::as_str).collect();
        let mut table = CsvTable::new(&header);
        self.rows.iter().for_each(|row| table.row(row));
        table.into_text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_and_rows_give_one_table() {
        let mut table = NumberSheet::default();
        let objects = json!({ "numbers": [
            { "id": "n1", "number": "+14155550123", "status": "active", "kind": "managed", "inbound": "=Front, desk" },
        ] });
        let rows = json!({
            "columns": ["id", "number", "status", "kind", "inbound", "outbound", "monthly"],
            "rows": [["n2", "+14155550124", "pending", "byoc", "none", "none", "1.50"]],
        });
        for page in [objects, rows] {
            table.add(page.as_object().unwrap());
        }
        assert_eq!(
            table.to_csv(),
            "number,id,status,kind,inbound,outbound,monthly\r\n\
             +14155550123,n1,active,managed,\"'=Front, desk\",,\r\n\
             +14155550124,n2,pending,byoc,none,none,1.50\r\n"
        );
    }
}
