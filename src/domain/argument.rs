//! How one value given by a caller becomes a domain type, or a problem the caller can mend.

use serde_json::{Value, json};

use super::clean_to;

/// A type that can be read from one argument of a tool call.
///
/// The schema says the same to a model that [`Argument::parse`] enforces; a test compares both.
pub trait Argument: Sized {
    /// What a right value is, in words.
    const EXPECTED: &'static str;
    /// A right value.
    const EXAMPLE: &'static str;
    /// Whether the value must never be repeated, not even in a refusal.
    const SECRET: bool = false;
    /// Whether an empty text stands for "not given" where the argument is optional.
    const EMPTY_IS_ABSENT: bool = true;

    /// Reads the value; the error says what was wrong with it.
    fn parse(value: &Value) -> Result<Self, String>;
}

/// One thing wrong with the arguments of a call, with what it takes to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The argument.
    pub field: String,
    /// What was wrong.
    pub reason: String,
    /// What was received: cleaned, at most 32 characters, never of a secret.
    pub received: Option<String>,
    /// What is expected, in words.
    pub expected: String,
    /// A value that would be right.
    pub example: String,
}

impl Problem {
    /// A problem with a value of type `T`.
    pub fn of<T: Argument>(field: &str, reason: String, value: Option<&Value>) -> Self {
        Self {
            field: field.to_owned(),
            reason,
            received: value.filter(|_| !T::SECRET).map(shown),
            expected: T::EXPECTED.to_owned(),
            example: T::EXAMPLE.to_owned(),
        }
    }

    /// The problem as the caller reads it.
    pub fn to_json(&self) -> Value {
        let mut object =
            json!({ "field": self.field, "reason": self.reason, "expected": self.expected, "example": self.example });
        if let (Some(received), Some(map)) = (&self.received, object.as_object_mut()) {
            map.insert("received".to_owned(), Value::String(received.clone()));
        }
        object
    }
}

/// A value as it may be repeated to the caller.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => clean_to(text, 32),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        other => clean_to(&other.to_string(), 32),
    }
}

/// The JSON type of a value, in words.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

impl Argument for bool {
    const EXPECTED: &'static str = "true or false, without quotes";
    const EXAMPLE: &'static str = "true";
    // A flag decides about numbers and money: nothing is read into it.
    const EMPTY_IS_ABSENT: bool = false;

    fn parse(value: &Value) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| format!("it is {}, not a boolean", kind_of(value)))
    }
}
