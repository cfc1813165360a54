//! How one value given by a caller becomes a domain type, or a problem the caller can mend.

use serde_json::{Value, json};

use crate::domain::sanitize::clean;

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

    /// The right value that a wrong text probably stands for; it is only suggested, never used.
    fn nearest(_wrong: &str) -> Option<String> {
        None
    }
}

/// One thing wrong with the arguments of a call, with what it takes to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgumentProblem {
    /// The argument.
    pub field: String,
    /// What was wrong.
    pub reason: String,
    /// The same for a person, where the reason has names of the program.
    pub for_people: Option<&'static str>,
    /// What was received, where it is short and of plain characters; else how long it is. Never of a secret.
    pub received: Option<String>,
    /// What is expected, in words.
    pub expected: String,
    /// A value that would be right, or what to do where no value is.
    pub example: String,
    /// The name or value that was probably meant, where one is near enough.
    pub did_you_mean: Option<String>,
}

impl ArgumentProblem {
    /// A problem with a value of type `T`.
    pub fn of<T: Argument>(field: &str, reason: String, value: Option<&Value>) -> Self {
        Self {
            field: field.to_owned(),
            reason,
            for_people: None,
            received: value.filter(|_| !T::SECRET).map(shown),
            expected: T::EXPECTED.to_owned(),
            example: T::EXAMPLE.to_owned(),
            did_you_mean: value.filter(|_| !T::SECRET).and_then(Value::as_str).and_then(T::nearest),
        }
    }

    /// The problem as the caller reads it.
    pub fn to_json(&self) -> Value {
        let mut object = json!({ "field": self.field, "reason": self.reason, "expected": self.expected });
        let more = [
            ("example", Some(&self.example)),
            ("received", self.received.as_ref()),
            ("did_you_mean", self.did_you_mean.as_ref()),
        ];
        if let Some(map) = object.as_object_mut() {
            map.extend(more.into_iter().filter_map(|(name, text)| Some((name.to_owned(), json!(text?)))));
        }
        object
    }

    /// Its reason, with what was probably meant.
    pub fn told(&self) -> String {
        match &self.did_you_mean {
            Some(meant) => format!("{}: {} (did you mean {meant}?)", self.field, self.reason),
            None => format!("{}: {}", self.field, self.reason),
        }
    }
}

/// The longest text that is repeated to the caller, in characters.
const REPEATED: usize = 32;

/// A value as it may be repeated to the caller: what is long, or could be markup, a path or code, is only measured.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        Value::String(text) => format!("a text of {} characters", text.chars().count()),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        other => other.to_string(),
    }
}

/// Whether a text is short and of plain characters. Brackets are plain where there are no letters, as in a phone number.
fn is_plain(text: &str) -> bool {
    let letters = text.chars().any(char::is_alphabetic);
    let plain = |c: char| match c {
        '(' | ')' => !letters,
        ' ' | '+' | '-' | '_' | '.' | ',' | ':' => true,
        // What a page would show is what the caller wrote: nothing hidden is repeated.
        _ => c.is_alphanumeric(),
    };
    text.chars().count() <= REPEATED && text.chars().all(plain) && !text.contains("..") && clean(text) == text
}

/// A name that a caller made up, as it may be repeated, since it must be told apart: short and without markup or code.
pub fn shown_name(name: &str) -> Option<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    (!name.is_empty() && name.len() <= REPEATED && name.chars().all(plain)).then_some(name)
}

/// The JSON type of a value, in words.
pub(crate) fn kind_of(value: &Value) -> &'static str {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_short_and_plain_is_repeated() {
        for plain in ["415", "+1 (415) 555-0163", "tomorrow", "Zürich", "2.50 USD", "10:30"] {
            assert_eq!(shown(&json!(plain)), plain);
        }
        for odd in [
            "<script>alert(1)</script>",
            "alert(1)",
            "../../etc/passwd",
            "a..b",
            "$(id)",
            "`id`",
            "' OR 1=1 --",
            "{{7*7}}",
            "%0d%0a",
            "https://evil.example",
            "a\nb",
            "\u{202a}+14155550163",
            " x",
        ] {
            assert_eq!(shown(&json!(odd)), format!("a text of {} characters", odd.chars().count()), "{odd}");
        }
        assert_eq!(shown(&json!("a".repeat(33))), "a text of 33 characters");
        assert_eq!((shown(&json!(1.5)), shown(&json!({ "a": 1 }))), ("1.5".to_owned(), "an object".to_owned()));
        assert_eq!((shown_name("statsu"), shown_name("<b>"), shown_name("")), (Some("statsu"), None, None));
    }
}
