//! Puts an entry into the TOML file of Codex, and takes it out. Every other byte stays as it is, by construction: the
//! parser says where things are, and only those places are replaced.

use std::ops::Range;

use serde_json::{Map, Value};
use toml_edit::{Document, Item, Table};

use crate::config::clients::json::Fields;
use crate::config::clients::splice::{Splice, line_end, place_in, spliced};

/// What no edit of this program can change.
const BY_HAND: &str = "is written in a way that this command does not change; edit it by hand";

fn parsed(text: &str) -> Result<Document<&str>, String> {
    Document::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        format!("{}: {}", place_in(text, at), error.message().lines().next().unwrap_or("it is no TOML"))
    })
}

/// The parts of the file that belong to an entry.
#[derive(Default)]
struct EntrySections {
    /// The section of the entry itself.
    main: Option<Range<usize>>,
    /// The section of its variables.
    variables: Option<Range<usize>>,
    /// Its other sections, which Codex or its user wrote.
    others: Vec<Range<usize>>,
}

impl EntrySections {
    fn of(text: &str, document: &Document<&str>, list: &str, name: &str) -> Result<Self, String> {
        let mut sections = Self::default();
        let by_hand = |item: &Item| match item.span() {
            Some(span) => format!("{}: {list} {BY_HAND}", place_in(text, span.start)),
            None => format!("{list} {BY_HAND}"),
        };
        let Some(servers) = document.as_table().get(list) else { return Ok(sections) };
        let Some(servers) = servers.as_table().filter(|table| !table.is_dotted()) else { return Err(by_hand(servers)) };
        let Some(entry) = servers.get(name) else { return Ok(sections) };
        let Some(table) = entry.as_table().filter(|table| !table.is_dotted()) else { return Err(by_hand(entry)) };
        if !table.is_implicit() {
            sections.main = Some(lines(text, table).ok_or_else(|| by_hand(entry))?);
        }
        for (key, below) in table.iter() {
            for table in tables_in(below) {
                let range = lines(text, table).ok_or_else(|| by_hand(below))?;
                if key == "env" { sections.variables = Some(range) } else { sections.others.push(range) }
            }
        }
        Ok(sections)
    }

    fn all(&self) -> Vec<Range<usize>> {
        self.main.iter().chain(&self.variables).chain(&self.others).cloned().collect()
    }
}

/// Returns all tables at and below an item that have a header of their own.
fn tables_in(item: &Item) -> Vec<&Table> {
    let tables: Vec<&Table> = match item {
        Item::Table(table) => vec![table],
        Item::ArrayOfTables(tables) => tables.iter().collect(),
        _ => Vec::new(),
    };
    tables
        .into_iter()
        .flat_map(|table| {
            let own = (!table.is_implicit() && !table.is_dotted()).then_some(table);
            own.into_iter().chain(table.iter().flat_map(|(_, below)| tables_in(below)))
        })
        .collect()
}

/// Returns the lines from the header of a table to its last value.
fn lines(text: &str, table: &Table) -> Option<Range<usize>> {
    let header = table.span()?;
    let end = last_value(table).unwrap_or(header.end).max(header.end);
    let start = text.get(..header.start)?.rfind('\n').map_or(0, |at| at + 1);
    let end = text.get(end..)?.find('\n').map_or(text.len(), |at| end + at + 1);
    Some(start..end)
}

/// Returns where the last value of a table ends. Tables with a header of their own do not count.
fn last_value(table: &Table) -> Option<usize> {
    let ends = table.iter().filter_map(|(_, item)| match item {
        Item::Value(value) => value.span().map(|span| span.end),
        Item::Table(below) if below.is_dotted() => last_value(below),
        _ => None,
    });
    ends.max()
}

/// Returns the entry of this name. `None` if there is none.
pub(super) fn entry(text: &str, list: &str, name: &str) -> Result<Option<Value>, String> {
    let document = parsed(text)?;
    EntrySections::of(text, &document, list, name)?;
    Ok(content(text)?.get(list).and_then(|servers| servers.get(name)).cloned())
}

/// Puts the entry into the file. Of an entry that is there, the settings are replaced. The sections below it, such as
/// the approvals of its tools, stay.
pub(super) fn put(text: &str, list: &str, name: &str, fields: &Fields) -> Result<String, String> {
    let document = parsed(text)?;
    let sections = EntrySections::of(text, &document, list, name)?;
    let line = line_end(text);
    let written: String =
        fields.iter().map(|(field, value)| format!("{field} = {}{line}", value_text(value))).collect();
    let section = format!("[{list}.{name}]{line}{written}");
    let mut splices: Vec<Splice> = sections.variables.iter().cloned().map(Splice::remove).collect();
    match sections.main {
        Some(range) => {
            let is_whole = text.get(range.clone()).is_some_and(|old| old.ends_with('\n'));
            let section = if is_whole { section } else { section.trim_end().to_owned() };
            splices.push(Splice::replace(range, section));
        }
        None => {
            let end = if text.is_empty() || text.ends_with('\n') { "" } else { line };
            let blank = if text.trim().is_empty() { "" } else { line };
            splices.push(Splice::insert(text.len(), format!("{end}{blank}{section}")));
        }
    }
    Ok(spliced(text, splices))
}

/// Takes the entry out of the file, with all its sections. The text is as before if there is none.
pub(super) fn take(text: &str, list: &str, name: &str) -> Result<String, String> {
    let document = parsed(text)?;
    let removed = EntrySections::of(text, &document, list, name)?.all().into_iter().map(|range| {
        let before = text.get(..range.start).unwrap_or_default();
        let blank = ["\r\n\r\n", "\n\n"].into_iter().find(|blank| before.ends_with(blank));
        Splice::remove(range.start - blank.map_or(0, |blank| blank.len() / 2)..range.end)
    });
    Ok(spliced(text, removed.collect()))
}

/// Returns the whole content of the file, for comparisons.
pub(super) fn content(text: &str) -> Result<Value, String> {
    Ok(table_of(parsed(text)?.as_table().iter()))
}

fn table_of<'t>(fields: impl Iterator<Item = (&'t str, &'t Item)>) -> Value {
    Value::Object(fields.map(|(name, item)| (name.to_owned(), item_of(item))).collect::<Map<String, Value>>())
}

fn item_of(item: &Item) -> Value {
    match item {
        Item::None => Value::Null,
        Item::Value(value) => value_of(value),
        Item::Table(table) => table_of(table.iter()),
        Item::ArrayOfTables(tables) => Value::Array(tables.iter().map(|table| table_of(table.iter())).collect()),
    }
}

fn value_of(value: &toml_edit::Value) -> Value {
    match value {
        toml_edit::Value::String(text) => Value::from(text.value().as_str()),
        toml_edit::Value::Integer(number) => Value::from(*number.value()),
        toml_edit::Value::Float(number) => Value::from(number.value().to_string()),
        toml_edit::Value::Boolean(truth) => Value::from(*truth.value()),
        toml_edit::Value::Datetime(time) => Value::from(time.value().to_string()),
        toml_edit::Value::Array(items) => Value::Array(items.iter().map(value_of).collect()),
        toml_edit::Value::InlineTable(table) => {
            Value::Object(table.iter().map(|(name, value)| (name.to_owned(), value_of(value))).collect())
        }
    }
}

/// Returns a value as text, with the quotes that it needs.
fn value_text(value: &Value) -> String {
    match value {
        Value::String(text) => toml_edit::Value::from(text.as_str()).to_string().trim().to_owned(),
        Value::Array(items) => format!("[{}]", items.iter().map(value_text).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

#[cfg(test)]
#[path = "toml_tests.rs"]
mod tests;
