//! How an entry is shown to a person. The values of variables are not: an older entry may have a key in it.

use serde_json::{Map, Value};

use crate::redact::without_keys;

/// The fields of an entry that hold variables or headers.
const VALUES: [&str; 4] = ["env", "environment", "headers", "http_headers"];

/// Returns the lines of an entry that is in a file, with a mark before each.
pub(super) fn old_entry(name: &str, entry: &Value) -> String {
    let masked = serde_json::to_string_pretty(&masked(entry)).unwrap_or_default();
    marked("-", &format!("\"{name}\": {masked}"))
}

/// Returns the text with a mark before each line.
pub(super) fn marked(mark: &str, text: &str) -> String {
    text.lines().map(|line| format!("{mark} {line}\n")).collect()
}

fn masked(entry: &Value) -> Value {
    let Value::Object(fields) = entry else { return plain(entry) };
    let fields = fields.iter().map(|(name, value)| {
        let value = match value {
            Value::Object(values) if VALUES.contains(&name.as_str()) => {
                Value::Object(values.iter().map(|(name, value)| (name.clone(), hidden(value))).collect::<Map<_, _>>())
            }
            other => plain(other),
        };
        (name.clone(), value)
    });
    Value::Object(fields.collect())
}

/// Returns a reference to a variable as it is, and a mark in the place of anything else.
fn hidden(value: &Value) -> Value {
    let is_reference = value.as_str().is_some_and(|text| {
        let inner =
            text.strip_prefix("${").or_else(|| text.strip_prefix("{env:")).and_then(|rest| rest.strip_suffix('}'));
        let name = inner.or_else(|| text.strip_prefix('$')).unwrap_or_default();
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_:-".contains(&b)) && !is_long(name)
    });
    if is_reference { value.clone() } else { Value::from("…") }
}

/// Whether a name is longer than names of variables are.
fn is_long(name: &str) -> bool {
    name.len() > 60
}

fn plain(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(without_keys(text)),
        Value::Array(items) => Value::Array(items.iter().map(plain).collect()),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_an_older_entry_holds_is_shown_without_its_values() {
        let entry = json!({
            "command": "npx", "args": ["-y", "truedy", "truedy_0123456789abcdefghijABCDEFGHIJ01"],
            "env": { "TRUEDY_API_KEY": "hunter2", "A": "${A}", "B": "$B", "C": "${env:C}", "D": "{env:D}" },
            "headers": { "Authorization": "Bearer hunter2" }
        });
        let shown = old_entry("truedy", &entry);
        assert!(!shown.contains("hunter2") && !shown.contains("truedy_0123"), "{shown}");
        for kept in
            ["- \"truedy\": {", "\"npx\"", "TRUEDY_API_KEY", "\"${A}\"", "\"$B\"", "\"${env:C}\"", "\"{env:D}\""]
        {
            assert!(shown.contains(kept), "{kept}: {shown}");
        }
    }
}
