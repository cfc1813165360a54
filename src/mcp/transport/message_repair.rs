//! Repairs messages of real clients so that they match the protocol.
//!
//! PHP writes an empty object as an empty list. Some handshakes lack fields, or use another type. A missing field is
//! read as "none", and never as an ability to ask a person. All other errors stay unchanged.

use bytes::Bytes;
use rmcp::model::{ClientCapabilities, Implementation, ProtocolVersion};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

type JsonObject = Map<String, Value>;

const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const META_CLIENT: &str = "io.modelcontextprotocol/clientInfo";
/// The name of a client that sends no name.
const NAMELESS: &str = "unknown";

/// Repairs a message. Returns whether anything was changed.
pub(crate) fn repair(message: &mut Value) -> bool {
    let mut repair = Repair { changed: false };
    if let Some(message) = message.as_object_mut() {
        repair.message(message);
    }
    repair.changed
}

/// Repairs a message in bytes. Input that is not JSON or needs no repair is returned unchanged.
pub(crate) fn repaired(body: Bytes) -> Bytes {
    let Ok(mut message) = serde_json::from_slice::<Value>(&body) else { return body };
    if repair(&mut message) { Bytes::from(message.to_string()) } else { body }
}

struct Repair {
    changed: bool,
}

impl Repair {
    fn message(&mut self, message: &mut JsonObject) {
        self.id(message);
        let shakes_hands = message.get("method").is_some_and(|method| method == "initialize");
        if shakes_hands && message.get("params").is_none_or(Value::is_null) {
            self.put(message, "params", json!({}));
        }
        if let Some(params) = self.object(message, "params") {
            self.params(params);
            if shakes_hands {
                self.handshake(params);
            }
        }
        // A response of the client, to a ping or to a question.
        if let Some(answer) = self.object(message, "result") {
            self.said(answer);
        }
    }

    /// Replaces an id such as `7.0` with the whole number `7`.
    fn id(&mut self, message: &mut JsonObject) {
        let whole = message.get("id").filter(|id| id.is_f64()).and_then(Value::as_f64).and_then(|id| {
            let text = format!("{id:.0}");
            text.parse::<i64>().ok().filter(|_| id.fract() == 0.0 && text.len() <= 15)
        });
        if let Some(whole) = whole {
            self.put(message, "id", json!(whole));
        }
    }

    fn params(&mut self, params: &mut JsonObject) {
        for name in ["arguments", "argument", "clientInfo", "ref", "notifications"] {
            self.object(params, name);
        }
        if let Some(capabilities) = self.object(params, "capabilities") {
            self.capabilities(capabilities);
        }
        if let Some(context) = self.object(params, "context") {
            self.object(context, "arguments");
        }
        if let Some(responses) = self.object(params, "inputResponses") {
            let names: Vec<String> = responses.keys().cloned().collect();
            for name in names {
                if let Some(answer) = self.object(responses, &name) {
                    self.said(answer);
                }
            }
        }
        if let Some(meta) = self.object(params, "_meta") {
            self.object(meta, META_CLIENT);
            if let Some(capabilities) = self.object(meta, META_CAPABILITIES) {
                self.capabilities(capabilities);
            }
        }
    }

    /// Repairs the answer of a person to a form without fields.
    fn said(&mut self, answer: &mut JsonObject) {
        if answer.contains_key("action") {
            self.object(answer, "content");
        }
    }

    /// Repairs the capabilities. Each part must be an object; only the settings of an extension may hold a list.
    ///
    /// An elicitation mode that is `null` is not supported. If all named modes are `null`, the capability is removed.
    /// Otherwise their absence would be read as the form mode.
    fn capabilities(&mut self, capabilities: &mut JsonObject) {
        let names: Vec<String> = capabilities.keys().cloned().collect();
        for name in names {
            let Some(parts) = self.object(capabilities, &name) else { continue };
            let inner: Vec<String> = parts.keys().cloned().collect();
            for part in inner {
                let settings = self.object(parts, &part);
                if let (Some(settings), "extensions") = (settings, name.as_str()) {
                    self.object(settings, "elicitation");
                }
            }
        }
        let named =
            |all: &JsonObject| ["form", "url"].iter().filter_map(|way| all.get(*way)).cloned().collect::<Vec<_>>();
        let ways = capabilities.get("elicitation").and_then(Value::as_object).map(named).unwrap_or_default();
        if !ways.is_empty() && ways.iter().all(Value::is_null) {
            self.take(capabilities, "elicitation");
        }
    }

    fn handshake(&mut self, params: &mut JsonObject) {
        if !params.get("protocolVersion").is_some_and(Value::is_string) {
            self.put(params, "protocolVersion", json!(ProtocolVersion::V_2025_11_25.as_str()));
        }
        if params.get("_meta").is_some_and(|meta| !meta.is_object()) {
            self.take(params, "_meta");
        }
        if !params.get("capabilities").is_some_and(Value::is_object) {
            self.put(params, "capabilities", json!({}));
        }
        if let Some(capabilities) = params.get_mut("capabilities").and_then(Value::as_object_mut) {
            self.keep_readable::<ClientCapabilities>(capabilities, &JsonObject::new());
        }
        self.client(params);
    }

    /// Repairs the client's name and version.
    fn client(&mut self, params: &mut JsonObject) {
        if !params.get("clientInfo").is_some_and(Value::is_object) {
            let name = params.get("clientInfo").and_then(Value::as_str).unwrap_or(NAMELESS).to_owned();
            self.put(params, "clientInfo", json!({ "name": name }));
        }
        let Some(client) = params.get_mut("clientInfo").and_then(Value::as_object_mut) else { return };
        for name in ["name", "version"] {
            let text = match client.get(name) {
                Some(Value::String(_)) => continue,
                Some(Value::Number(number)) => number.to_string(),
                _ => NAMELESS.to_owned(),
            };
            self.put(client, name, json!(text));
        }
        let least = json!({ "name": NAMELESS, "version": NAMELESS }).as_object().cloned().unwrap_or_default();
        self.keep_readable::<Implementation>(client, &least);
    }

    /// Removes each part that makes a value of this type unreadable. `least` holds the fields that the type requires.
    fn keep_readable<T: DeserializeOwned>(&mut self, parts: &mut JsonObject, least: &JsonObject) {
        let unreadable: Vec<String> = parts
            .iter()
            .filter(|(name, part)| {
                let mut alone = least.clone();
                alone.insert((*name).clone(), (*part).clone());
                serde_json::from_value::<T>(Value::Object(alone)).is_err()
            })
            .map(|(name, _)| name.clone())
            .collect();
        unreadable.iter().for_each(|name| self.take(parts, name));
    }

    /// Returns an object inside another object. Replaces an empty list with an empty object.
    fn object<'a>(&mut self, parent: &'a mut JsonObject, name: &str) -> Option<&'a mut JsonObject> {
        let value = parent.get_mut(name)?;
        if value.as_array().is_some_and(Vec::is_empty) {
            *value = json!({});
            self.changed = true;
        }
        value.as_object_mut()
    }

    fn put(&mut self, object: &mut JsonObject, name: &str, value: Value) {
        object.insert(name.to_owned(), value);
        self.changed = true;
    }

    fn take(&mut self, object: &mut JsonObject, name: &str) {
        self.changed |= object.remove(name).is_some();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repaired(mut message: Value) -> Value {
        repair(&mut message);
        message
    }

    #[test]
    fn an_empty_list_is_an_empty_object_where_an_object_belongs() {
        let given = json!({
            "id": 1, "method": "tools/call",
            "params": {
                "arguments": [], "capabilities": { "elicitation": [], "sampling": { "tools": [] } },
                "inputResponses": { "a": { "action": "accept", "content": [] } },
                "_meta": { META_CAPABILITIES: { "elicitation": { "form": [] }, "extensions": { "x/y": { "mimeTypes": [] } } } }
            }
        });
        let wanted = json!({
            "id": 1, "method": "tools/call",
            "params": {
                "arguments": {}, "capabilities": { "elicitation": {}, "sampling": { "tools": {} } },
                "inputResponses": { "a": { "action": "accept", "content": {} } },
                "_meta": { META_CAPABILITIES: { "elicitation": { "form": {} }, "extensions": { "x/y": { "mimeTypes": [] } } } }
            }
        });
        assert_eq!(repaired(given), wanted);
        assert_eq!(repaired(json!({ "id": 1, "result": [] })), json!({ "id": 1, "result": {} }));
        for same in [
            json!({ "id": 1, "method": "tools/call", "params": { "arguments": [1] } }),
            json!({ "id": 1, "method": "tools/call", "params": { "arguments": { "list": [] } } }),
            json!({ "id": 1, "result": { "content": [] } }),
            json!({ "id": 1, "method": "tools/call", "params": [1] }),
            json!([]),
        ] {
            assert_eq!(repaired(same.clone()), same);
        }
    }

    #[test]
    fn what_a_handshake_lacks_is_none_and_never_the_ability_to_ask() {
        let shaken = |params: Value| repaired(json!({ "id": 1, "method": "initialize", "params": params }));
        let whole = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": NAMELESS, "version": NAMELESS } });
        for params in [
            json!(null),
            json!([]),
            json!({}),
            json!({ "protocolVersion": 20_251_125, "capabilities": null, "clientInfo": [], "_meta": 5 }),
            json!({ "capabilities": { "elicitation": true, "roots": "yes", "extensions": [1] }, "clientInfo": null }),
            json!({ "capabilities": { "elicitation": { "form": true } } }),
            json!({ "capabilities": { "elicitation": { "form": null, "url": null } } }),
            json!({ "capabilities": { "elicitation": "form" }, "clientInfo": { "icons": 5, "name": null } }),
            json!({ "capabilities": [{ "elicitation": {} }] }),
        ] {
            assert_eq!(shaken(params.clone())["params"], whole, "{params}");
        }
        let mut right = whole;
        right["capabilities"] = json!({ "elicitation": { "form": {}, "url": null }, "experimental": { "x": {} } });
        assert_eq!(shaken(right.clone())["params"], right);
        let numbered = shaken(json!({ "clientInfo": { "name": "x", "version": 2 } }));
        assert_eq!(numbered["params"]["clientInfo"], json!({ "name": "x", "version": "2" }));
    }

    #[test]
    fn a_whole_number_is_an_id_however_it_is_written() {
        for (id, read) in
            [(json!(1.0), json!(1)), (json!(-3.0), json!(-3)), (json!(1.5), json!(1.5)), (json!(1e300), json!(1e300))]
        {
            assert_eq!(repaired(json!({ "id": id, "method": "ping" }))["id"], read);
        }
    }
}
