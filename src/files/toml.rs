//! Reads TOML files that people write, and says where one is wrong. Its content is never repeated, since it may be a
//! secret.

use serde::Deserialize;
use serde::de::value::Error as Plain;
use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use toml::de::{DeArray, DeTable, DeValue};

use crate::domain::did_you_mean;
use crate::redact::{is_certain_key, without_keys};

/// Reads a file. The error names the line, the field, what is wrong there and what is expected.
pub fn read_toml<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is no text".to_owned())?;
    let line = |at: usize| 1 + text.get(..at).unwrap_or_default().matches('\n').count();
    // The messages of the parser name what it expected, and nothing of the text.
    let table = DeTable::parse(text).map_err(|error| {
        format!("line {}: it is no TOML: {}", line(error.span().map_or(0, |span| span.start)), error.message())
    })?;
    let places = ValueSpans::of(table.get_ref());
    if let Some(place) = places.0.iter().find(|place| place.holds_key) {
        return Err(format!(
            "line {}, {}: what looks like a key stands there, and no key belongs into this file; name the variable, the file or the command that has it",
            line(place.start),
            place.name()
        ));
    }
    toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let why = expectation(error.message());
        match places.at(at) {
            Some(place) if !why.starts_with("unknown field") => format!("line {}, {}: {why}", line(at), place.name()),
            _ => format!("line {}: {why}", line(at)),
        }
    })
}

/// The position of a value: its byte range and its path of names.
struct ValueSpan {
    start: usize,
    end: usize,
    path: Vec<String>,
    holds_key: bool,
}

impl ValueSpan {
    /// Returns the path for people. A name that may be a misplaced secret is replaced, since the line number is
    /// sufficient.
    fn name(&self) -> String {
        let shown = |name: &String| if is_word(name) { name.clone() } else { "…".to_owned() };
        self.path.iter().map(shown).collect::<Vec<_>>().join(".")
    }
}

/// The positions of all values of a file.
struct ValueSpans(Vec<ValueSpan>);

impl ValueSpans {
    fn of(table: &DeTable<'_>) -> Self {
        let mut places = Self(Vec::new());
        places.add_table(table, &[]);
        places
    }

    fn add_table(&mut self, table: &DeTable<'_>, above: &[String]) {
        for (name, value) in table.iter() {
            let path: Vec<String> = above.iter().cloned().chain([name.get_ref().to_string()]).collect();
            // An error in a table is reported at the table's name.
            if is_certain_key(name.get_ref()) {
                let span = name.span();
                self.0.push(ValueSpan { start: span.start, end: span.end, path: above.to_vec(), holds_key: true });
            }
            self.add(value.get_ref(), &value.span(), path);
        }
    }

    fn add_array(&mut self, array: &DeArray<'_>, path: &[String]) {
        for value in array.iter() {
            self.add(value.get_ref(), &value.span(), path.to_vec());
        }
    }

    fn add(&mut self, value: &DeValue<'_>, span: &std::ops::Range<usize>, path: Vec<String>) {
        // The words of a command may be anything, and they are never shown.
        let is_command = path.last().is_some_and(|name| name.ends_with("command"));
        let holds_key = matches!(value, DeValue::String(text) if !is_command && is_certain_key(text));
        match value {
            DeValue::Table(table) => self.add_table(table, &path),
            DeValue::Array(array) => self.add_array(array, &path),
            _ => {}
        }
        self.0.push(ValueSpan { start: span.start, end: span.end, path, holds_key });
    }

    /// Returns the smallest value that contains this byte.
    fn at(&self, at: usize) -> Option<&ValueSpan> {
        let holding = self.0.iter().filter(|place| place.start <= at && at < place.end.max(place.start + 1));
        holding.min_by_key(|place| place.end - place.start)
    }
}

/// Extracts what is expected from serde's message, which repeats the value before that.
fn expectation(message: &str) -> String {
    let quoted = |text: &str| text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let (name, known) = rest.rsplit_once(", ").unwrap_or((rest, ""));
        let known = if rest.contains(", expected ") { quoted(rest).split_off(1) } else { quoted(known) };
        return unknown_field(quoted(name).first().map_or("", String::as_str), &known);
    }
    if message.starts_with("missing field ") || message.starts_with("duplicate ") {
        return quoted(message).first().map_or_else(
            || "a field is missing, or there twice".to_owned(),
            |name| {
                let word = if message.starts_with("missing") { "missing field" } else { "twice there: field" };
                format!("{word} `{}`", without_keys(name))
            },
        );
    }
    let expected = match message.rsplit_once("expected ").map(|(_, expected)| expected) {
        Some("a sequence") => "a list, for example [\"one\", \"two\"]",
        Some("a string" | "string" | "path string") => "a text in quotes",
        Some("a map") => "a section or a table, for example [name] or { field = \"value\" }",
        Some("a boolean") => "true or false, without quotes",
        Some(expected) if expected.starts_with("struct ") => {
            "a section or a table, for example [name] or { field = \"value\" }"
        }
        Some(expected) if message.starts_with("invalid ") => expected,
        _ => "another value: a whole number, or a word in quotes",
    };
    format!("expected {expected}")
}

/// Whether a name cannot be a secret: it has only small letters, `_` and `-`, at most 30 characters.
fn is_word(name: &str) -> bool {
    (1..=30).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b"_-".contains(&b))
}

/// Reports an unknown field. Its name is repeated only if it cannot be a secret.
fn unknown_field(name: &str, known: &[String]) -> String {
    let shown = if is_word(name) { format!("unknown field `{name}`") } else { "unknown field".to_owned() };
    let meant = did_you_mean(name, known.iter().map(String::as_str));
    let meant = meant.map(|meant| format!(" (did you mean `{meant}`?)")).unwrap_or_default();
    let known = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    format!("{shown}{meant}; known here: {known}")
}

/// Returns the field names of a struct, as its `Deserialize` states them. No other names may occur in such a file.
pub fn field_names<T: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    // Nothing is read. The deserializer only records the field names and then returns an error.
    drop(T::deserialize(FieldNames(&mut names)));
    names
}

struct FieldNames<'n>(&'n mut &'static [&'static str]);

impl<'de> Deserializer<'de> for FieldNames<'_> {
    type Error = Plain;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Plain> {
        Err(Plain::custom("only a struct has fields"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Plain> {
        *self.0 = fields;
        Err(Plain::custom("nothing is read"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "read, never looked at")]
    struct Outer {
        inner: Option<BTreeMap<String, Inner>>,
        list: Option<Vec<Inner>>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "read, never looked at")]
    struct Inner {
        words: Vec<String>,
        flag: Option<bool>,
        number: Option<u8>,
        run_command: Option<Vec<String>>,
    }

    #[test]
    fn the_line_the_field_and_what_is_expected_are_told_and_the_value_is_not() {
        for (text, told) in [
            (
                "[inner.a]\nwords = \"hunter2, expected hunter2\"\n",
                "line 2, inner.a.words: expected a list, for example [\"one\", \"two\"]",
            ),
            ("[inner.a]\nwords = [\"a\", 7]\n", "line 2, inner.a.words: expected a text in quotes"),
            (
                "[inner.a]\nwords = []\nflag = \"hunter2\"\n",
                "line 3, inner.a.flag: expected true or false, without quotes",
            ),
            ("[inner.a]\nwords = []\nnumber = \"hunter2\"\n", "line 3, inner.a.number: expected u8"),
            (
                "[inner]\na = \"hunter2\"\n",
                "line 2, inner.a: expected a section or a table, for example [name] or { field = \"value\" }",
            ),
            ("list = \"hunter2\"\n", "line 1, list: expected a list, for example [\"one\", \"two\"]"),
            ("[inner.a]\nflag = true\n", "line 1, inner.a: missing field `words`"),
            (
                "[inner.a]\nwords = []\nwrods = 1\n",
                "line 3: unknown field `wrods` (did you mean `words`?); known here: `words`, `flag`, `number`, `run_command`",
            ),
            (
                "[inner.a]\nwords = []\nhunter2 = 1\n",
                "line 3: unknown field; known here: `words`, `flag`, `number`, `run_command`",
            ),
            ("iner = 1\n", "line 1: unknown field `iner` (did you mean `inner`?); known here: `inner`, `list`"),
        ] {
            let said = read_toml::<Outer>(text.as_bytes()).map(drop).expect_err(text);
            assert_eq!(said, told);
        }
        for text in [
            "hunter2",
            "a = hunter2",
            "[hunter2",
            "a = \"hunter2",
            "a = 1\na = 2\n",
            "a = [\"hunter2\" \"hunter2\"]",
            "a = \"\\hunter2\"",
            "a = 0xhunter2",
        ] {
            let said = read_toml::<Outer>(text.as_bytes()).map(drop).expect_err(text);
            assert!(said.starts_with("line ") && !said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn a_key_is_found_wherever_it_stands() {
        const KEY: &str = "tmcp_q1w2e3r4t5y6u7i8o9p0a1s2d3f4g5h6j7k8l9z0x1c";
        for (text, told) in [
            (format!("[inner.a]\nwords = [\"{KEY}\"]\n"), "line 2, inner.a.words: "),
            (format!("[inner.a]\nwords = []\nnumber = \"{KEY}\"\n"), "line 3, inner.a.number: "),
            (format!("[inner.{KEY}]\nwords = []\n"), "line 1, inner: "),
            (format!("[inner.a]\nwords = []\n\"{KEY}\" = 1\n"), "line 3, inner.a: "),
        ] {
            let said = read_toml::<Outer>(text.as_bytes()).map(drop).expect_err(&text);
            assert!(
                said.starts_with(told) && said.contains("what looks like a key") && !said.contains("tmcp_"),
                "{said}"
            );
        }
        let command = format!("[inner.a]\nwords = []\nrun_command = [\"printf\", \"{KEY}\"]\n");
        assert!(read_toml::<Outer>(command.as_bytes()).is_ok());
    }

    #[test]
    fn the_names_of_fields_are_those_of_the_reader() {
        assert_eq!(field_names::<Outer>(), ["inner", "list"]);
        assert_eq!(field_names::<Inner>(), ["words", "flag", "number", "run_command"]);
        assert!(field_names::<String>().is_empty());
    }
}
