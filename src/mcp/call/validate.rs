//! Checks arguments before they are parsed: size, depth, duplicate names, and keys in the wrong place.

use serde_json::{Map, Value, json};

use crate::domain::{ArgumentProblem, Refusal, Status, shown_name};
use crate::mcp::call::duplicate_names::GIVEN_TWICE;
use crate::mcp::call::service::Service;
use crate::mcp::call::{duplicate_names, messages};
use crate::redact::looks_like_key;
use crate::tools::Tool;

/// The deepest nesting that arguments may have.
pub(crate) const NESTING: usize = 32;

/// The most fields that arguments may have.
pub(crate) const FIELDS: usize = 256;

/// Returns the problem for a name that stood twice in the arguments. Neither value is used, because it is not known
/// which was meant.
pub(crate) fn twice(name: &Value) -> ArgumentProblem {
    ArgumentProblem {
        field: duplicate_names::shown(name.as_str().unwrap_or_default()),
        reason: "it is given twice, and it is not known which value was meant".to_owned(),
        for_people: None,
        received: None,
        expected: "each name once in one object".to_owned(),
        example: "the call again, with this name once".to_owned(),
        did_you_mean: None,
    }
}

/// Finds secret keys in arguments that take none. A model may put a key anywhere. The problems do not repeat what was
/// found.
pub(crate) fn misplaced_keys(arguments: &Map<String, Value>, secrets: &[&str]) -> Vec<ArgumentProblem> {
    // A confirmation token is random, so it may look like a key.
    let is_checked = |name: &str| name != "confirmation_token" && !secrets.contains(&name);
    let problem = |name: &String| ArgumentProblem {
        // The name itself may be the key. It is then not repeated.
        field: shown_name(name).filter(|name| !looks_like_key(name)).unwrap_or("an argument").to_owned(),
        reason: "it looks like a secret key, which is not taken here and should not pass through a conversation"
            .to_owned(),
        for_people: None,
        received: None,
        expected: "no key; a carrier account is named in carrier, and Truedy's own key is set by the operator"
            .to_owned(),
        example: "carrier: \"main\"".to_owned(),
        did_you_mean: None,
    };
    let found = arguments
        .iter()
        .filter(|(name, value)| looks_like_key(name) || (is_checked(name) && holds_key(value, name.ends_with("_id"))));
    found.map(|(name, _)| problem(name)).collect()
}

/// Returns whether a key stands anywhere in a value. An id may be 32 hexadecimal digits. Twilio's tokens look the same,
/// so in an id they do not count as a key.
pub(crate) fn holds_key(value: &Value, is_id: bool) -> bool {
    match value {
        Value::String(text) => {
            let bare_hex = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
            looks_like_key(text) && !(is_id && bare_hex)
        }
        Value::Array(items) => items.iter().any(|item| holds_key(item, is_id)),
        Value::Object(fields) => fields.iter().any(|(name, field)| looks_like_key(name) || holds_key(field, false)),
        _ => false,
    }
}

pub(crate) fn too_deep(value: &Value, left: usize) -> bool {
    match value {
        _ if left == 0 => true,
        Value::Array(items) => items.iter().any(|item| too_deep(item, left - 1)),
        Value::Object(fields) => fields.values().any(|field| too_deep(field, left - 1)),
        _ => false,
    }
}

impl Service {
    /// Refuses a carrier's keys among the arguments if the operator does not allow them there.
    pub(crate) fn admit_inline<T: Tool>(&self, given: &Map<String, Value>) -> Result<(), Refusal> {
        let is_given = |name: &&str| given.get(*name).is_some_and(|value| !value.is_null() && *value != json!(""));
        let inline: Vec<&str> = T::inline().into_iter().filter(is_given).collect();
        self.policy.admit_inline(&inline)
    }

    /// Parses the arguments. The refusal names every problem at once.
    pub(crate) fn parse<T: Tool>(arguments: Map<String, Value>) -> Result<T, Refusal> {
        if arguments.len() > FIELDS || arguments.values().any(|value| too_deep(value, NESTING)) {
            let summary =
                format!("{} The arguments have too many fields or are nested too deeply.", T::EFFECT.nothing());
            return Err(Refusal::new(Status::InvalidArgument, summary));
        }
        if let Some(name) = arguments.get(GIVEN_TWICE) {
            return Err(messages::on_problems(&[twice(name)], T::EFFECT));
        }
        let misplaced = misplaced_keys(&arguments, &T::secrets());
        if !misplaced.is_empty() {
            return Err(messages::on_problems(&misplaced, T::EFFECT));
        }
        let tool = T::read(arguments).map_err(|problems| messages::on_problems(&problems, T::EFFECT))?;
        let contradictions = tool.contradictions();
        if contradictions.is_empty() { Ok(tool) } else { Err(messages::on_problems(&contradictions, T::EFFECT)) }
    }
}
