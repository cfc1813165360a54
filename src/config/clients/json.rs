//! Puts an entry into a JSON file with comments, and takes it out. Every other byte stays as it is, by construction:
//! the parser says where things are, and only those places are replaced.

use std::ops::Range;

use jsonc_parser::ast::{Object, ObjectProp, Value as Node};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use serde_json::{Map, Value};

use crate::config::clients::splice::{Splice, line_end, place_in, spliced};

/// The fields of an object in the order in which they are written.
pub(super) type Fields = [(&'static str, Value)];

/// Comments and a last comma are read, since several clients write them. Nothing else is that JSON does not have.
const DIALECT: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// Returns the object of the file. `None` if the file is empty or has only comments.
fn root(text: &str) -> Result<Option<Object<'_>>, String> {
    let parsed = parse_to_ast(text, &CollectOptions::default(), &DIALECT).map_err(|error| {
        format!(
            "line {}, column {}: {}",
            error.line_display(),
            error.column_display(),
            lower_first(&error.kind().to_string())
        )
    })?;
    match parsed.value {
        None => Ok(None),
        Some(Node::Object(object)) => Ok(Some(object)),
        Some(other) => Err(format!("{}: expected an object in {{ }}", place_in(text, other.start()))),
    }
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// Returns the property of this name. A name that stands twice is an error, since clients differ in which one they take.
fn only<'o, 't>(text: &str, object: &'o Object<'t>, name: &str) -> Result<Option<&'o ObjectProp<'t>>, String> {
    let mut found = object.properties.iter().filter(|property| property.name.as_str() == name);
    match (found.next(), found.next()) {
        (_, Some(second)) => Err(format!(
            "{}: {name} stands there a second time; take one of the two out",
            place_in(text, second.start())
        )),
        (found, None) => Ok(found),
    }
}

/// Returns the object that lists the servers.
fn list_of<'o, 't>(text: &str, root: &'o Object<'t>, list: &str) -> Result<Option<&'o Object<'t>>, String> {
    only(text, root, list)?
        .map(|property| {
            property.value.as_object().ok_or_else(|| {
                format!(
                    "{}: {list} is no object; expected {{ }} with the servers",
                    place_in(text, property.value.start())
                )
            })
        })
        .transpose()
}

/// Returns the entry of this name. `None` if there is none.
pub(super) fn entry(text: &str, list: &str, name: &str) -> Result<Option<Value>, String> {
    let Some(root) = root(text)? else { return Ok(None) };
    let Some(servers) = list_of(text, &root, list)? else { return Ok(None) };
    Ok(only(text, servers, name)?.map(|property| value_of(&property.value)))
}

/// Puts the entry into the list. An entry of this name is replaced.
pub(super) fn put(text: &str, list: &str, name: &str, fields: &Fields) -> Result<String, String> {
    let Some(root) = root(text)? else { return Ok(begun(text, list, name, fields)) };
    let style = Style::of(text);
    let splices = match list_of(text, &root, list)? {
        None => insert(text, Container::of(&root), &style, |level| {
            let inside = style.deeper(level);
            style.object(level, &[format!("\"{name}\": {}", style.fields(&inside, fields))], list)
        }),
        Some(servers) => match only(text, servers, name)? {
            Some(there) => {
                let level = style.level_at(text, there.start());
                vec![Splice::replace(range(&there.value), style.fields(&level, fields))]
            }
            None => insert(text, Container::of(servers), &style, |level| {
                format!("\"{name}\": {}", style.fields(level, fields))
            }),
        },
    };
    Ok(spliced(text, splices))
}

/// Returns the text with a first object after what it has.
fn begun(text: &str, list: &str, name: &str, fields: &Fields) -> String {
    let style = Style::of(text);
    let level = Some(String::new());
    let (one, two) = (style.deeper(&level), style.deeper(&style.deeper(&level)));
    let entry = format!("\"{name}\": {}", style.fields(&two, fields));
    let whole = style.braces(&level, &[style.object(&one, &[entry], list)]);
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { style.line };
    format!("{text}{gap}{whole}{}", style.line)
}

/// Takes the entry out of the list. The text is as before if there is none.
pub(super) fn take(text: &str, list: &str, name: &str) -> Result<String, String> {
    let Some(root) = root(text)? else { return Ok(text.to_owned()) };
    let Some(servers) = list_of(text, &root, list)? else { return Ok(text.to_owned()) };
    let Some(_) = only(text, servers, name)? else { return Ok(text.to_owned()) };
    let at = servers.properties.iter().position(|property| property.name.as_str() == name).unwrap_or_default();
    Ok(spliced(text, removal(text, &Container::of(servers), at)))
}

/// Puts an object with this `id` at the end of a list of objects. One that is there stays as it is.
pub(super) fn put_input(text: &str, list: &str, id: &str, fields: &Fields) -> Result<String, String> {
    let Some(root) = root(text)? else { return Ok(text.to_owned()) };
    let style = Style::of(text);
    let splices = match only(text, &root, list)?.map(|property| &property.value) {
        None => insert(text, Container::of(&root), &style, |level| {
            let inside = style.deeper(level);
            let item = style.fields(&inside, fields);
            match level {
                Some(level) => format!("\"{list}\": [{0}{1}{item}{0}{level}]", style.line, inside.unwrap_or_default()),
                None => format!("\"{list}\": [{item}]"),
            }
        }),
        Some(Node::Array(array)) => {
            if array.elements.iter().any(|element| has_id(element, id)) {
                return Ok(text.to_owned());
            }
            let members = array.elements.iter().map(range).collect();
            let container = Container { range: range(array), members };
            insert(text, container, &style, |level| style.fields(level, fields))
        }
        Some(other) => return Err(format!("{}: {list} is no list; expected [ ]", place_in(text, other.start()))),
    };
    Ok(spliced(text, splices))
}

/// Takes the object with this `id` out of a list of objects, unless the rest of the file still names it.
pub(super) fn take_input(text: &str, list: &str, id: &str) -> Result<String, String> {
    let Some(root) = root(text)? else { return Ok(text.to_owned()) };
    if text.contains(&format!("${{input:{id}}}")) {
        return Ok(text.to_owned());
    }
    let Some(Node::Array(array)) = only(text, &root, list)?.map(|property| &property.value) else {
        return Ok(text.to_owned());
    };
    let Some(at) = array.elements.iter().position(|element| has_id(element, id)) else { return Ok(text.to_owned()) };
    let container = Container { range: range(array), members: array.elements.iter().map(range).collect() };
    Ok(spliced(text, removal(text, &container, at)))
}

fn has_id(node: &Node<'_>, id: &str) -> bool {
    node.as_object().and_then(|object| object.get_string("id")).is_some_and(|found| found.value == id)
}

/// Returns the whole content of the file, for comparisons.
pub(super) fn content(text: &str) -> Result<Value, String> {
    Ok(root(text)?.map_or(Value::Null, |object| object_of(&object)))
}

fn object_of(object: &Object<'_>) -> Value {
    let fields = object.properties.iter().map(|one| (one.name.as_str().to_owned(), value_of(&one.value)));
    Value::Object(fields.collect::<Map<String, Value>>())
}

fn value_of(node: &Node<'_>) -> Value {
    match node {
        Node::StringLit(text) => Value::String(text.value.to_string()),
        Node::NumberLit(number) => {
            serde_json::from_str(number.value).unwrap_or_else(|_| Value::String(number.value.to_owned()))
        }
        Node::BooleanLit(truth) => Value::Bool(truth.value),
        Node::Object(object) => object_of(object),
        Node::Array(array) => Value::Array(array.elements.iter().map(value_of).collect()),
        Node::NullKeyword(_) => Value::Null,
    }
}

fn range(node: &impl Ranged) -> Range<usize> {
    node.start()..node.end()
}

/// An object or a list, and its members.
struct Container {
    range: Range<usize>,
    members: Vec<Range<usize>>,
}

impl Container {
    fn of(object: &Object<'_>) -> Self {
        Self { range: range(object), members: object.properties.iter().map(range).collect() }
    }
}

/// How the file is written: its line ends and its indentation.
struct Style {
    line: &'static str,
    unit: String,
    is_one_line: bool,
}

/// The indentation of a line. `None` if everything stands on one line.
type LineIndent = Option<String>;

impl Style {
    fn of(text: &str) -> Self {
        let indented = text.lines().find(|line| line.starts_with([' ', '\t']) && line.trim_start().starts_with('"'));
        let unit = indented.map_or("  ", |line| line.get(..line.len() - line.trim_start().len()).unwrap_or("  "));
        let body = text.trim();
        Self { line: line_end(text), unit: unit.to_owned(), is_one_line: !body.contains('\n') && body.contains('"') }
    }

    fn deeper(&self, level: &LineIndent) -> LineIndent {
        level.as_ref().map(|level| format!("{level}{}", self.unit))
    }

    /// Returns the indentation of a member that stands here. `None` if it does not begin its line.
    fn level_at(&self, text: &str, at: usize) -> LineIndent {
        let line = line_before(text, at);
        line.trim_matches([' ', '\t']).is_empty().then(|| line.to_owned()).filter(|_| !self.is_one_line)
    }

    fn braces(&self, level: &LineIndent, members: &[String]) -> String {
        let inside = self.deeper(level);
        match (level, inside) {
            (Some(level), Some(inside)) => {
                let between = format!(",{}{inside}", self.line);
                format!("{{{0}{inside}{1}{0}{level}}}", self.line, members.join(&between))
            }
            _ => format!("{{{}}}", members.join(", ")),
        }
    }

    fn object(&self, level: &LineIndent, members: &[String], name: &str) -> String {
        format!("\"{name}\": {}", self.braces(level, members))
    }

    fn fields(&self, level: &LineIndent, fields: &Fields) -> String {
        let written = |(name, value): &(&str, Value)| format!("\"{name}\": {}", self.value(&self.deeper(level), value));
        self.braces(level, &fields.iter().map(written).collect::<Vec<_>>())
    }

    /// Returns a value as text: a list on one line, an object on lines of its own.
    fn value(&self, level: &LineIndent, value: &Value) -> String {
        match value {
            Value::Array(items) => {
                format!("[{}]", items.iter().map(|item| self.value(&None, item)).collect::<Vec<_>>().join(", "))
            }
            Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
            Value::Object(fields) => {
                let inside = self.deeper(level);
                let written = |(name, value): (&String, &Value)| {
                    format!("{}: {}", Value::from(name.as_str()), self.value(&inside, value))
                };
                self.braces(level, &fields.iter().map(written).collect::<Vec<_>>())
            }
            plain => plain.to_string(),
        }
    }
}

/// Returns the part of the line before this byte.
fn line_before(text: &str, at: usize) -> &str {
    let before = text.get(..at).unwrap_or_default();
    before.rsplit('\n').next().unwrap_or_default()
}

/// Returns where the comma after a member stands. Comments before it are skipped.
fn comma_after(text: &str, at: usize) -> Option<usize> {
    let mut at = at;
    loop {
        let rest = text.get(at..)?;
        let blank = rest.len() - rest.trim_start().len();
        let rest = rest.trim_start();
        at += blank;
        if rest.starts_with(',') {
            return Some(at);
        }
        at += match rest.get(..2) {
            Some("//") => rest.find('\n')?,
            Some("/*") => rest.find("*/")? + 2,
            _ => return None,
        };
    }
}

/// Puts a member at the end of an object or a list. `written` gives its text for a level of indentation.
fn insert(text: &str, container: Container, style: &Style, written: impl Fn(&LineIndent) -> String) -> Vec<Splice> {
    let Container { range, members } = container;
    let (open, close) = (range.start + 1, range.end - 1);
    let inner = text.get(open..close).unwrap_or_default();
    let end = open + inner.trim_end().len();
    let last = members.last();
    let comma = last.and_then(|last| comma_after(text, last.end));
    let mut splices = Vec::new();
    if let (Some(last), None) = (last, comma) {
        splices.push(Splice::insert(last.end, ","));
    }
    let kept_comma = if comma.is_some() { "," } else { "" };
    let is_broken = inner.contains('\n') || (last.is_none() && !style.is_one_line);
    if !is_broken {
        let gap = if last.is_some() { " " } else { "" };
        splices.push(Splice::insert(end, format!("{gap}{}{kept_comma}", written(&None))));
        return splices;
    }
    let line = line_before(text, range.start);
    let outer: String = line.chars().take_while(|c| matches!(c, ' ' | '\t')).collect();
    let level =
        last.and_then(|last| style.level_at(text, last.start)).unwrap_or_else(|| format!("{outer}{}", style.unit));
    let closing = if text.get(end..close).unwrap_or_default().contains('\n') {
        String::new()
    } else {
        format!("{}{outer}", style.line)
    };
    let member = written(&Some(level.clone()));
    splices.push(Splice::insert(end, format!("{}{level}{member}{kept_comma}{closing}", style.line)));
    splices
}

/// Takes a member out of an object or a list, with its comma and its line.
fn removal(text: &str, container: &Container, at: usize) -> Vec<Splice> {
    let Some(member) = container.members.get(at) else { return Vec::new() };
    let before = text.get(container.range.start + 1..member.start).unwrap_or_default();
    let blanks = before.len() - before.trim_end().len();
    let begins_line = before.get(before.len() - blanks..).unwrap_or_default().contains('\n');
    let rest_of_line = |at: usize| text.get(at..).unwrap_or_default().split('\n').next().unwrap_or_default();
    let ends_line = |at: usize| rest_of_line(at).trim().is_empty();
    if let Some(comma) = comma_after(text, member.end) {
        let end = comma + 1;
        if begins_line && ends_line(end) {
            let blank = line_before(text, member.start);
            let start = member.start - blank.len();
            let newline = if text.get(..start).unwrap_or_default().ends_with("\r\n") { 2 } else { 1 };
            return vec![Splice::remove(start - newline..end)];
        }
        let gap = rest_of_line(end);
        let gap = gap.len() - gap.trim_start().len();
        return vec![Splice::remove(member.start..end + gap)];
    }
    let mut splices = Vec::new();
    if let Some(comma) = at.checked_sub(1).and_then(|previous| comma_after(text, container.members.get(previous)?.end))
    {
        splices.push(Splice::remove(comma..comma + 1));
    }
    // A line comment before the member needs the end of its line.
    let start = if begins_line && !ends_line(member.end) { member.start } else { member.start - blanks };
    splices.push(Splice::remove(start..member.end));
    splices
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
