//! Reads the arguments of `call`: as `name=value`, or as one JSON object.

use std::io::Read;

use serde_json::{Map, Value};

use crate::config::ConfigError;
use crate::mcp::{CatalogEntry, arguments_of, given_twice};

/// Returns the arguments of a call. `json` is the value of `--json`: empty if only JSON output is wanted.
pub(super) fn read(
    pairs: &[String],
    json: Option<&str>,
    entry: &CatalogEntry,
) -> Result<Map<String, Value>, ConfigError> {
    match json.filter(|text| !text.is_empty()) {
        None => from_pairs(pairs.iter(), entry),
        // `--json limit=5` means JSON output and an argument.
        Some(text) if is_pair(text) => from_pairs(pairs.iter().chain([&text.to_owned()]), entry),
        Some(_) if !pairs.is_empty() => {
            Err(ConfigError("Arguments are either name=value, or one JSON object after --json, not both.".to_owned()))
        }
        Some(text) => from_json(text, entry),
    }
}

/// Returns an argument as it is written in a shell, with a space before it: ` agent_id="Front desk"`.
pub(crate) fn written(name: &str, value: &str) -> String {
    if value.contains(' ') { format!(" {name}=\"{value}\"") } else { format!(" {name}={value}") }
}

fn is_pair(text: &str) -> bool {
    let name = text.split_once('=').map(|(name, _)| name);
    name.is_some_and(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
}

fn from_json(text: &str, entry: &CatalogEntry) -> Result<Map<String, Value>, ConfigError> {
    let given = if text == "-" {
        let mut read = Vec::new();
        std::io::stdin()
            .lock()
            .take(1024 * 1024)
            .read_to_end(&mut read)
            .map_err(|error| ConfigError(format!("Standard input could not be read: {error}.")))?;
        String::from_utf8(read).map_err(|_| ConfigError("What stands on standard input is not UTF-8.".to_owned()))?
    } else {
        text.to_owned()
    };
    // Some editors and shells put a byte order mark at the front.
    let given = given.strip_prefix('\u{feff}').unwrap_or(&given);
    let object = arguments_of(given)
        .map_err(|_| ConfigError("--json takes one JSON object, for example '{\"limit\": 5}'.".to_owned()))?;
    if text != "-" {
        refuse_secrets(object.keys().map(String::as_str), entry)?;
    }
    Ok(object)
}

fn from_pairs<'a>(
    pairs: impl Iterator<Item = &'a String>,
    entry: &CatalogEntry,
) -> Result<Map<String, Value>, ConfigError> {
    let (mut object, mut twice) = (Map::new(), None);
    for pair in pairs {
        let Some((name, text)) = pair.split_once('=') else {
            return Err(ConfigError("Arguments are name=value, for example area_code=415.".to_owned()));
        };
        let kind = entry
            .card
            .input_schema
            .get("properties")
            .and_then(|properties| properties.get(name)?.get("type")?.as_str());
        let value = match (kind, text) {
            (Some("boolean"), "true") => Value::Bool(true),
            (Some("boolean"), "false") => Value::Bool(false),
            (Some("integer"), digits) => {
                digits.parse::<i64>().map_or_else(|_| Value::String(digits.to_owned()), Value::from)
            }
            (Some("array"), several) => several.split(',').map(str::trim).collect(),
            _ => Value::String(text.to_owned()),
        };
        if object.insert(name.to_owned(), value).is_some() {
            twice = Some(given_twice(name));
        }
    }
    refuse_secrets(object.keys().map(String::as_str), entry)?;
    Ok(twice.unwrap_or(object))
}

/// Refuses secrets in the arguments, because every process can read the arguments of another.
fn refuse_secrets<'a>(mut names: impl Iterator<Item = &'a str>, entry: &CatalogEntry) -> Result<(), ConfigError> {
    match names.find(|name| entry.secrets.contains(name)) {
        Some(name) => Err(ConfigError(format!(
            "{name} is a secret and must not stand on the command line: give all arguments as JSON on standard input, with --json -."
        ))),
        None => Ok(()),
    }
}
