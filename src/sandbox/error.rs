//! One problem of a request with the schema, written for both kinds of error body.

use serde_json::{Map, Value, json};

/// The fields whose values are secrets or lead to secrets.
pub(crate) const SECRET: &[&str] = &["api_key", "account_sid", "auth_token", "sip_username", "sip_password"];

/// One problem of a request with the schema.
#[derive(Debug)]
pub(crate) struct FieldError {
    place: &'static str,
    pub(crate) field: Option<String>,
    kind: &'static str,
    message: String,
    /// The value that was sent. It is never that of a secret field, unless the whole body is to be echoed.
    pub(crate) input: Option<Value>,
}

impl FieldError {
    pub(crate) fn new(
        place: &'static str,
        field: Option<&str>,
        kind: &'static str,
        message: impl Into<String>,
    ) -> FieldError {
        FieldError { place, field: field.map(str::to_owned), kind, message: message.into(), input: None }
    }

    pub(crate) fn showing(self, input: &Value) -> FieldError {
        let secret = self.field.as_deref().is_some_and(|field| SECRET.contains(&field));
        FieldError { input: (!secret).then(|| input.clone()), ..self }
    }

    /// Returns the problem for the `details` of the documented envelope.
    pub(crate) fn details(&self) -> Value {
        json!({ "field": self.field.as_deref().unwrap_or(self.place), "reason": self.message })
    }

    /// Returns the problem as an item of the framework's list.
    pub(crate) fn listed(&self, instead: Option<&str>) -> Value {
        let mut item = Map::new();
        let location: Vec<&str> = std::iter::once(self.place).chain(self.field.as_deref()).collect();
        item.insert("type".to_owned(), json!(self.kind));
        item.insert("loc".to_owned(), json!(location));
        item.insert("msg".to_owned(), json!(instead.unwrap_or(&self.message)));
        if let Some(input) = &self.input {
            item.insert("input".to_owned(), input.clone());
        }
        Value::Object(item)
    }
}
