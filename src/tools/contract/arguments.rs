//! Reads the arguments of a call field by field, so that all problems are reported at once.

use serde_json::{Map, Value};

use crate::domain::{Argument, ArgumentProblem, did_you_mean, shown_name};

/// Arguments that clients add to calls for themselves. n8n does, and Cursor does for tools without arguments.
const BOOKKEEPING: [&str; 6] = ["sessionId", "action", "chatInput", "tool", "toolCallId", "random_string"];

/// Removes a client's own arguments before a call is read or recorded. Names that the tool itself has are kept.
pub fn drop_bookkeeping(object: &mut Map<String, Value>, fields: &[&str]) {
    object.retain(|name, _| fields.contains(&name.as_str()) || !BOOKKEEPING.contains(&name.as_str()));
}

/// The arguments of a tool. Their schema comes from schemars; [`Arguments::read`] reads them.
pub trait Arguments: schemars::JsonSchema + Sized {
    /// The names of the arguments.
    const FIELDS: &'static [&'static str];

    /// Returns the names of the arguments that are secrets.
    fn secrets() -> Vec<&'static str>;

    /// Reads the arguments, or returns every problem with them.
    fn read(object: Map<String, Value>) -> Result<Self, Vec<ArgumentProblem>>;
}

/// Defines the argument type of a tool. Models read its rustdoc. Its fields give both the schema and the checks.
/// Types that are read like a tool, but are not in the list of tools, are `pub`.
macro_rules! arguments {
    ( $(#[$meta:meta])* pub $name:ident { $($fields:tt)* } ) => {
        arguments! { @ (pub) $(#[$meta])* $name { $($fields)* } }
    };
    ( $(#[$meta:meta])* $name:ident { $($fields:tt)* } ) => {
        arguments! { @ (pub(crate)) $(#[$meta])* $name { $($fields)* } }
    };
    (
        @ ($visibility:vis) $(#[$meta:meta])*
        $name:ident { $( $(#[$field_meta:meta])* $field:ident: $type:ty ),* $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, schemars::JsonSchema)]
        $visibility struct $name {
            $( $(#[$field_meta])* $field: $type, )*
        }

        impl $crate::tools::contract::arguments::Arguments for $name {
            const FIELDS: &'static [&'static str] = &[$(stringify!($field)),*];

            fn secrets() -> Vec<&'static str> {
                let all: &[(&'static str, bool)] =
                    &[$((stringify!($field), <$type as $crate::tools::contract::arguments::ArgumentField>::SECRET)),*];
                all.iter().filter(|(_, secret)| *secret).map(|(name, _)| *name).collect()
            }

            #[allow(irrefutable_let_patterns, unused_mut, unused_variables, reason = "a tool may have no arguments")]
            fn read(mut object: serde_json::Map<String, serde_json::Value>) -> Result<Self, Vec<$crate::domain::ArgumentProblem>> {
                let mut problems = $crate::tools::contract::arguments::unknown(&object, Self::FIELDS);
                $( let $field = <$type as $crate::tools::contract::arguments::ArgumentField>::take(stringify!($field), object.remove(stringify!($field)), &mut problems); )*
                if let ($(Some($field),)*) = ($($field,)*) {
                    if problems.is_empty() {
                        return Ok(Self { $($field),* });
                    }
                }
                Err(problems)
            }
        }
    };
}
pub(crate) use arguments;

/// One field of an argument type.
pub(crate) trait ArgumentField: Sized {
    /// Whether the value is a secret.
    const SECRET: bool;

    /// Reads the value. Returns `None` after adding a problem.
    fn take(name: &str, value: Option<Value>, problems: &mut Vec<ArgumentProblem>) -> Option<Self>;
}

impl<T: Argument> ArgumentField for T {
    const SECRET: bool = <T as Argument>::SECRET;

    fn take(name: &str, value: Option<Value>, problems: &mut Vec<ArgumentProblem>) -> Option<Self> {
        let Some(value) = value.filter(|value| !value.is_null()) else {
            problems.push(ArgumentProblem::of::<T>(name, "it is missing".to_owned(), None));
            return None;
        };
        T::parse(&value).map_err(|reason| problems.push(ArgumentProblem::of::<T>(name, reason, Some(&value)))).ok()
    }
}

impl<T: Argument> ArgumentField for Option<T> {
    const SECRET: bool = <T as Argument>::SECRET;

    fn take(name: &str, value: Option<Value>, problems: &mut Vec<ArgumentProblem>) -> Option<Self> {
        let absent = match &value {
            None | Some(Value::Null) => true,
            Some(Value::String(text)) => text.is_empty() && T::EMPTY_IS_ABSENT,
            Some(_) => false,
        };
        if absent { Some(None) } else { T::take(name, value, problems).map(Some) }
    }
}

/// Returns a problem for each argument that does not exist, with the argument that was probably meant.
pub(crate) fn unknown(object: &Map<String, Value>, fields: &[&'static str]) -> Vec<ArgumentProblem> {
    let none = if fields.is_empty() { "no arguments at all".to_owned() } else { format!("only {}", fields.join(", ")) };
    object
        .keys()
        .filter(|name| !fields.contains(&name.as_str()))
        .take(32)
        .map(|name| {
            let synonym = SYNONYMS.iter().find(|(said, known)| said == name && fields.contains(known));
            let meant = synonym.map(|(_, known)| *known).or_else(|| did_you_mean(name, fields.iter().copied()));
            ArgumentProblem {
                field: shown_name(name).unwrap_or("an argument").to_owned(),
                reason: "there is no argument of this name".to_owned(),
                for_people: None,
                received: None,
                expected: none.clone(),
                example: meant.unwrap_or("leave it out").to_owned(),
                did_you_mean: meant.map(str::to_owned),
            }
        })
        .collect()
}

/// Names that models use for arguments, each with the name it has here.
const SYNONYMS: [(&str, &str); 19] = [
    ("city", "locality"),
    ("town", "locality"),
    ("state", "administrative_area"),
    ("province", "administrative_area"),
    ("region", "administrative_area"),
    ("city", "place"),
    ("state", "place"),
    ("country", "place"),
    ("location", "place"),
    ("columns", "show"),
    ("fields", "show"),
    ("order_by", "sort"),
    ("direction", "assignment_type"),
    ("limit", "page_size"),
    ("count", "limit"),
    ("page_size", "limit"),
    ("host", "sip_server"),
    ("budget", "max_monthly_cost"),
    ("max_price", "max_monthly_cost"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{E164, Limit};
    use crate::redact::Secret;
    use serde_json::json;

    arguments! {
        /// Arguments for these tests.
        Sample {
            /// A number.
            number: E164,
            /// A limit.
            limit: Option<Limit>,
            /// A key.
            api_key: Option<Secret>,
            /// A flag.
            confirm: Option<bool>,
        }
    }

    fn read(value: Value) -> Result<Sample, Vec<ArgumentProblem>> {
        Sample::read(value.as_object().cloned().unwrap_or_default())
    }

    #[test]
    fn everything_wrong_is_told_at_once_and_no_secret_is_repeated() {
        let problems = read(json!({"limit": 101, "api_key": ["s3cret-s3cret"], "confirm": "true", "nubmer": "+1"}))
            .expect_err("all wrong");
        let fields: Vec<&str> = problems.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(fields, ["nubmer", "number", "limit", "api_key", "confirm"]);
        assert_eq!(problems.first().and_then(|problem| problem.did_you_mean.as_deref()), Some("number"));
        assert!(!format!("{problems:?}").contains("s3cret"));
    }

    #[test]
    fn null_and_empty_mean_absent_and_a_flag_is_taken_literally() {
        let sample = read(json!({"number": "+12", "limit": null, "api_key": "", "confirm": true})).expect("fine");
        assert_eq!(
            (sample.number.as_str(), sample.limit, sample.api_key.is_none(), sample.confirm),
            ("+12", None, true, Some(true))
        );
        for confirm in [json!("true"), json!(1), json!([])] {
            assert!(read(json!({"number": "+12", "confirm": confirm})).is_err());
        }
        assert!(read(json!({"number": ""})).is_err() && read(json!({"number": null})).is_err());
    }

    #[test]
    fn notes_of_a_client_are_dropped_unread_and_no_other_name_is() {
        let mut given = json!({
            "sessionId": "a", "action": { "x": 1 }, "chatInput": "b", "tool": "c", "toolCallId": 5, "random_string": "",
            "sessionid": 1, "statsu": 2, "dry_run": true, "Action": 3, "confirm": true
        });
        let object = given.as_object_mut().expect("an object");
        drop_bookkeeping(object, &["tool", "confirm"]);
        assert_eq!(
            given,
            json!({ "tool": "c", "sessionid": 1, "statsu": 2, "dry_run": true, "Action": 3, "confirm": true })
        );
    }
}
