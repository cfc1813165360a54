//! The entry of this program in a client's file, in the format of the client.

use serde_json::Value;

use crate::config::clients::client::ClientKind;
use crate::config::clients::splice::without_mark;
use crate::config::clients::{json, toml};

/// The name of the entry.
pub const NAME: &str = "truedy";
/// The field of VS Code's file that lists what it asks its user.
const INPUTS: &str = "inputs";

/// A value that VS Code asks its user for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputField {
    /// By this an entry names it.
    pub id: String,
    /// What it is, for the person who is asked.
    pub description: String,
}

/// The entry of this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientEntry {
    /// Its fields, in the order in which they are written.
    pub fields: Vec<(&'static str, Value)>,
    /// What the client asks for.
    pub inputs: Vec<InputField>,
}

impl ClientEntry {
    /// Returns the entry as one value.
    pub fn value(&self) -> Value {
        Value::Object(self.fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
    }

    /// Returns the text of the file with this entry in it. Everything else stays as it is.
    ///
    /// Errors: the file cannot be read as what it is, or is written in a way that cannot be changed. The error names the
    /// line, and repeats nothing of the file.
    pub(super) fn put(&self, client: ClientKind, text: &str) -> Result<String, String> {
        let (mark, body) = without_mark(text);
        let list = client.list();
        if client == ClientKind::Codex {
            let changed = toml::put(body, list, NAME, &self.fields)?;
            check(toml::content(body)?, toml::content(&changed)?, list, Some(self))?;
            return Ok(format!("{mark}{changed}"));
        }
        let mut changed = json::put(body, list, NAME, &self.fields)?;
        for input in &self.inputs {
            let fields = [
                ("type", "promptString".into()),
                ("id", input.id.as_str().into()),
                ("description", input.description.as_str().into()),
                ("password", true.into()),
            ];
            changed = json::put_input(&changed, INPUTS, &input.id, &fields)?;
        }
        check(json::content(body)?, json::content(&changed)?, list, Some(self))?;
        Ok(format!("{mark}{changed}"))
    }
}

/// Returns the entry of a file, if there is one.
pub(super) fn read(client: ClientKind, text: &str) -> Result<Option<Value>, String> {
    let (_, body) = without_mark(text);
    match client {
        ClientKind::Codex => toml::entry(body, client.list(), NAME),
        _ => json::entry(body, client.list(), NAME),
    }
}

/// Returns the text of the file without the entry. Everything else stays as it is.
pub(super) fn take(client: ClientKind, text: &str, inputs: &[InputField]) -> Result<String, String> {
    let (mark, body) = without_mark(text);
    let list = client.list();
    if client == ClientKind::Codex {
        let changed = toml::take(body, list, NAME)?;
        check(toml::content(body)?, toml::content(&changed)?, list, None)?;
        return Ok(format!("{mark}{changed}"));
    }
    let mut changed = json::take(body, list, NAME)?;
    for input in inputs {
        changed = json::take_input(&changed, INPUTS, &input.id)?;
    }
    check(json::content(body)?, json::content(&changed)?, list, None)?;
    Ok(format!("{mark}{changed}"))
}

/// Checks that the change is the wanted one and no other, by reading both texts.
fn check(before: Value, after: Value, list: &str, entry: Option<&ClientEntry>) -> Result<(), String> {
    let is_there = after.get(list).and_then(|servers| servers.get(NAME));
    let is_wanted = match entry {
        None => is_there.is_none(),
        Some(entry) => {
            is_there.is_some_and(|there| entry.fields.iter().all(|(name, value)| there.get(name) == Some(value)))
        }
    };
    if is_wanted && without_ours(before, list) == without_ours(after, list) {
        return Ok(());
    }
    Err("it is written in a way that this command does not change; edit it by hand".to_owned())
}

/// Returns the content of a file without our part of it.
fn without_ours(mut content: Value, list: &str) -> Value {
    let Some(whole) = content.as_object_mut() else { return Value::Object(serde_json::Map::new()) };
    if let Some(servers) = whole.get_mut(list).and_then(Value::as_object_mut) {
        servers.remove(NAME);
        if servers.is_empty() {
            whole.remove(list);
        }
    }
    if let Some(inputs) = whole.get_mut(INPUTS).and_then(Value::as_array_mut) {
        let is_ours = |input: &Value| input.get("password").is_some() && input.get("type").is_some();
        inputs.retain(|input| !is_ours(input));
        if inputs.is_empty() {
            whole.remove(INPUTS);
        }
    }
    content
}
