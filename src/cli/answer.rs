//! The answer of a tool for people: tables and facts, and as CSV.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::cli::call_arguments::written;
use crate::cli::repeated::command_as_given;
use crate::cli::table::{Cell, FAINT, GOOD, STRONG, Table, WARNING};
use crate::cli::wrap::wrap;
use crate::domain::numbers_for_people;
use crate::tools::CsvTable;

/// The columns that come first, in this order.
const FIRST: [&str; 20] = [
    "begun_at",
    "tool",
    "number",
    "name",
    "agent",
    "direction",
    "status",
    "state",
    "outcome",
    "type",
    "kind",
    "locality",
    "region",
    "features",
    "monthly",
    "setup",
    "currency",
    "inbound",
    "outbound",
    "what",
];
/// The fields that are not listed as facts: they have a place of their own, or are for programs.
const QUIET: [&str; 12] = [
    "status",
    "summary",
    "next",
    "undo",
    "warnings",
    "request_id",
    "code",
    "retryable",
    "total",
    "next_offset",
    "next_page",
    "confirmation_token",
];

/// The lists whose rows are sentences. A table would cut them.
const SENTENCES: [&str; 2] = ["findings", "problems"];
/// The columns of a list that say which row it is, and how it is.
const KEPT: [&str; 3] = ["NUMBER", "STATUS", "STATE"];
/// The field of an answer about both directions that has an object for each.
const DIRECTIONS: &str = "directions";

/// Returns the answer of a tool with styles, for a terminal of this width. `summary` says whether its sentence is shown.
pub(super) fn for_people(body: &Map<String, Value>, summary: bool, width: usize) -> String {
    let mut text = String::new();
    let lists: Vec<(&String, &Vec<Value>)> = lists(body).collect();
    for (name, rows) in &lists {
        if lists.len() > 1 {
            let _ = writeln!(text, "{STRONG}{}{STRONG:#}", title(name));
        }
        let list = if SENTENCES.contains(&name.as_str()) { blocks(rows, width) } else { fitted(rows, width) };
        let _ = writeln!(text, "{list}");
    }
    let sentence = body.get("summary").and_then(Value::as_str).filter(|_| summary);
    for line in sentence.iter().flat_map(|sentence| wrap(&numbers_for_people(sentence), width)) {
        let _ = writeln!(text, "{line}");
    }
    text.push_str(&facts(body, width));
    for warning in body.get("warnings").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        let _ = writeln!(text, "{WARNING}Note:{WARNING:#} {}", wrap(warning, width.saturating_sub(6)).join("\n      "));
    }
    if let Some(undo) = undo(body) {
        let _ = writeln!(text, "{FAINT}Undo: {undo}{FAINT:#}");
    }
    if let Some(next) = body.get("next").and_then(command) {
        let _ = writeln!(text, "{FAINT}Next: {next}{FAINT:#}");
    }
    text
}

/// Returns rows as a table that fits, and names the columns that found no room.
fn fitted(rows: &[Value], width: usize) -> String {
    // Numbers and names say which row it is. Ids are shown where there is room.
    let whole = table(rows, &columns(rows));
    let named: Vec<&str> = columns(rows).into_iter().filter(|name| !is_id(name)).collect();
    let shown = if whole.width() <= width { whole } else { table(rows, &named) };
    let (mut text, left_out) = shown.keeping(&KEPT).fitted(width);
    if !left_out.is_empty() {
        let told = format!("No room for {}; --csv and --json show all.", left_out.join(", ").to_lowercase());
        let _ = writeln!(text, "{FAINT}{}{FAINT:#}", wrap(&told, width).join("\n"));
    }
    text
}

/// Returns rows as paragraphs: what each is about, its sentence, and below it the rest.
fn blocks(rows: &[Value], width: usize) -> String {
    let mut text = String::new();
    for row in rows.iter().filter_map(Value::as_object) {
        let told = |name: &&str| row.get(*name).map(plain).filter(|text| !text.is_empty());
        let about: Vec<String> = ["level", "direction", "field"].iter().filter_map(told).collect();
        let sentence: Vec<String> = ["what", "reason"].iter().filter_map(told).collect();
        let whole = format!("{}: {}", about.join(", "), sentence.join(" "));
        let lines = wrap(&numbers_for_people(&whole), width.saturating_sub(2)).join("\n  ");
        let _ = writeln!(text, "{lines}");
        for (name, label) in
            [("received", "given"), ("expected", "expected"), ("example", "example"), ("did_you_mean", "did you mean")]
        {
            if let Some(value) = told(&name) {
                let line = wrap(&value, width.saturating_sub(label.len() + 4)).join("\n    ");
                let _ = writeln!(text, "  {FAINT}{label}{FAINT:#}  {line}");
            }
        }
        if let Some(next) = row.get("next").and_then(command) {
            let _ = writeln!(text, "  {FAINT}Next: {next}{FAINT:#}");
        }
    }
    text
}

/// Returns what takes a change back: the command, or why there is none.
fn undo(body: &Map<String, Value>) -> Option<String> {
    let undo = body.get("undo")?;
    let id = body.get("operation_id").and_then(Value::as_str);
    match (undo, id) {
        (Value::String(why), _) => Some(why.clone()),
        (Value::Object(_), Some(id)) => Some(command_as_given(&format!("truedy-mcp undo {id}"))),
        _ => command(undo),
    }
}

/// Returns the rows of an answer as CSV. An answer without a list is one row.
pub(super) fn csv(body: &Map<String, Value>) -> String {
    let whole = [Value::Object(scalars(body).map(|(name, value)| (name.clone(), value.clone())).collect())];
    let rows = lists(body).next().map_or(&whole[..], |(_, rows)| rows);
    let columns = columns(rows);
    let mut table = CsvTable::new(&columns);
    for row in rows {
        let cells: Vec<String> = columns.iter().map(|column| row.get(*column).map(plain).unwrap_or_default()).collect();
        table.row(&cells);
    }
    table.into_text()
}

/// Returns the lists of objects of an answer.
fn lists(body: &Map<String, Value>) -> impl Iterator<Item = (&String, &Vec<Value>)> {
    let lists = body.iter().filter_map(|(name, value)| Some((name, value.as_array()?)));
    lists.filter(|(_, rows)| rows.first().is_some_and(Value::is_object))
}

fn scalars(body: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    body.iter().filter(|(name, value)| {
        !QUIET.contains(&name.as_str())
            && !value.is_object()
            && !value.as_array().is_some_and(|rows| rows.iter().any(Value::is_object))
    })
}

/// Returns the columns of a list: the known ones first, the ids last.
fn columns(rows: &[Value]) -> Vec<&str> {
    let mut columns: Vec<&str> = Vec::new();
    for (name, _) in rows.iter().filter_map(Value::as_object).flatten() {
        if !columns.contains(&name.as_str()) && !["next", "undo"].contains(&name.as_str()) {
            columns.push(name);
        }
    }
    columns.sort_by_key(|name| {
        let known = FIRST.iter().position(|first| first == name);
        (is_id(name), known.unwrap_or(FIRST.len()))
    });
    columns
}

fn is_id(name: &str) -> bool {
    name == "id" || name.ends_with("_id")
}

fn table(rows: &[Value], columns: &[&str]) -> Table {
    let mut table = Table::new(columns.iter().map(|name| title(name)));
    for row in rows {
        table.row(columns.iter().map(|name| cell(name, row.get(*name))).collect());
    }
    table
}

fn cell(name: &str, value: Option<&Value>) -> Cell {
    let text = numbers_for_people(&value.map(plain).unwrap_or_default());
    match (name, text.as_str()) {
        (name, _) if is_id(name) => Cell::styled(text, FAINT),
        ("status" | "state", "active" | "done") => Cell::styled(text, GOOD),
        ("status" | "state", _) => Cell::styled(text, WARNING),
        _ => text.into(),
    }
}

/// Returns the single values of an answer, a line each.
fn facts(body: &Map<String, Value>, width: usize) -> String {
    let facts: Vec<(String, String)> = single_values(body)
        .into_iter()
        .map(|(name, value)| (name, numbers_for_people(&plain(value))))
        .filter(|(_, text)| !text.is_empty())
        .collect();
    let widest = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in facts {
        let lines = wrap(&value, width.saturating_sub(widest + 4)).join(&format!("\n{}", " ".repeat(widest + 4)));
        let _ = writeln!(text, "  {FAINT}{name:<widest$}{FAINT:#}  {lines}");
    }
    text
}

/// Returns the single values of an object with their names: `number status`, and of an object in it `frozen why`.
fn single_values(body: &Map<String, Value>) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    for (name, value) in body.iter().filter(|(name, _)| !QUIET.contains(&name.as_str())) {
        let words = name.replace('_', " ");
        match value {
            Value::Object(inner) => found.extend(single_values(inner).into_iter().map(|(of, value)| {
                let of = if name == DIRECTIONS { of } else { format!("{words} {of}") };
                (of, value)
            })),
            Value::Array(rows) if rows.iter().any(Value::is_object) => {}
            value => found.push((words, value)),
        }
    }
    found
}

/// Returns the name of a column: `NUMBER STATUS`.
fn title(name: &str) -> String {
    name.replace('_', " ").to_ascii_uppercase()
}

/// Returns a value as people read it.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// Returns the command that makes a suggested call.
fn command(next: &Value) -> Option<String> {
    let arguments = next.get("arguments").unwrap_or(&Value::Null);
    Some(command_as_given(&format!("truedy-mcp call {}", call_line(next.get("tool")?.as_str()?, arguments))))
}

/// Returns a call as it stands behind `truedy-mcp call`: `list_numbers limit=5`.
pub(super) fn call_line(tool: &str, arguments: &Value) -> String {
    let arguments = arguments.as_object().into_iter().flatten().map(|(name, value)| {
        let value = match value {
            Value::Bool(yes) => yes.to_string(),
            other => plain(other),
        };
        written(name, &value)
    });
    format!("{tool}{}", arguments.collect::<String>())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn shown(value: Value) -> String {
        anstream::adapter::strip_str(&for_people(&body(value), true, 60)).to_string()
    }

    #[test]
    fn a_list_is_a_table_and_a_change_is_a_card() {
        let list = json!({
            "offers": [{ "id": "x", "monthly": "1.00", "number": "+14155550100" }, { "id": "y", "number": "+14155550101" }],
            "status": "ok", "summary": "2 of 9 numbers offered.", "total": 9,
        });
        assert_eq!(
            shown(list),
            "NUMBER           MONTHLY  ID\n+1 415 555 0100  1.00     x\n+1 415 555 0101           y\n\n2 of 9 numbers offered.\n"
        );
        let change = json!({
            "number": "+14155550100", "purchased": true, "status": "purchased", "summary": "Bought +14155550100.",
            "next": { "tool": "list_numbers", "arguments": { "status": "active" } }, "warnings": ["It was found afterwards."],
        });
        assert_eq!(
            shown(change),
            "Bought +1 415 555 0100.\n  number     +1 415 555 0100\n  purchased  yes\nNote: It was found afterwards.\nNext: truedy-mcp call list_numbers status=active\n"
        );
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let long = "word ".repeat(40);
        let text = shown(
            json!({ "rows": [{ "what": long, "name": long }], "note": long, "summary": long, "warnings": [long] }),
        );
        assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
    }

    #[test]
    fn csv_has_the_rows_or_the_facts() {
        let list = body(json!({ "numbers": [{ "number": "+1", "id": "a" }, { "number": "=1" }], "status": "ok" }));
        assert_eq!(csv(&list).lines().next(), Some("number,id"));
        assert!(!csv(&list).contains("\n=1"), "a formula is no cell: {}", csv(&list));
        let one = body(json!({ "number": "+1", "released": true, "status": "ok" }));
        assert_eq!(csv(&one).lines().next(), Some("number,released"));
    }
}
