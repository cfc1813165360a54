//! Finds names that stand twice in one object of a message.
//!
//! JSON allows that, and two parsers may take two different values. A parsed [`Value`] keeps only the last one. So this
//! module reads the text itself, in one pass.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use bytes::Bytes;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, json};

use crate::domain::shown_name;
use crate::redact::looks_like_key;

/// The marker that replaces arguments with a duplicate name. It is their only field, and its value is the duplicate
/// name.
pub(crate) const GIVEN_TWICE: &str = "truedy-mcp/given-twice";
/// Up to this many names of an object are compared one by one. Further names are hashed.
const FEW: usize = 16;

/// A name that stands twice in one object.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DuplicateName {
    /// The name as it may be repeated.
    name: String,
    /// Whether the object is part of the arguments of a request.
    in_arguments: bool,
}

impl DuplicateName {
    /// Returns the first duplicate name in a message or a list of messages. Text that is not JSON has none.
    pub(crate) fn find(message: &[u8]) -> Option<Self> {
        look(message, ObjectPlace::Message)
    }

    /// Replaces the arguments of a tool call with the marker, so that it is refused as a call. Returns `false` if the
    /// message itself must be refused.
    pub(crate) fn mark(&self, message: &mut Value) -> bool {
        let calls = self.in_arguments && message.get("method").is_some_and(|method| method == "tools/call");
        match message.pointer_mut("/params/arguments").filter(|_| calls) {
            Some(arguments) => {
                *arguments = Value::Object(marked(&self.name));
                true
            }
            None => false,
        }
    }

    /// Returns the text that says what is wrong with the message.
    pub(crate) fn told(&self) -> String {
        format!("Invalid Request: {} stands twice in one object; each name stands there once", self.name)
    }
}

/// Checks the body of a request for names that stand twice in one object.
///
/// A body without them is returned unchanged. If the arguments of a tool call have one, they are replaced with the
/// marker. The call is then refused later, as a call. For any other message, the error is the text for the client and
/// the request's id, if it is known.
pub fn said_once(body: Bytes) -> Result<Bytes, (String, Option<Value>)> {
    let Some(twice) = DuplicateName::find(&body) else { return Ok(body) };
    let mut message: Value = serde_json::from_slice(&body).unwrap_or_default();
    if twice.mark(&mut message) {
        return Ok(Bytes::from(message.to_string()));
    }
    let id = message.get("id").filter(|id| twice.name != "id" && (id.is_i64() || id.is_u64() || id.is_string()));
    Err((twice.told(), id.cloned()))
}

/// Parses arguments from JSON text. If a name stands twice, returns the marker alone. An error means that the text is
/// not a JSON object.
pub fn arguments_of(text: &str) -> Result<Map<String, Value>, serde_json::Error> {
    let arguments = serde_json::from_str(text)?;
    Ok(look(text.as_bytes(), ObjectPlace::Arguments).map_or(arguments, |twice| marked(&twice.name)))
}

/// Returns the marker for arguments that have this name twice.
pub fn given_twice(name: &str) -> Map<String, Value> {
    marked(&shown(name))
}

fn marked(name: &str) -> Map<String, Value> {
    Map::from_iter([(GIVEN_TWICE.to_owned(), json!(name))])
}

/// Returns a name as it may be repeated. A name that looks like a key is replaced, because it may be one.
pub(crate) fn shown(name: &str) -> String {
    shown_name(name).filter(|name| !looks_like_key(name)).unwrap_or("a name").to_owned()
}

fn look(text: &[u8], place: ObjectPlace) -> Option<DuplicateName> {
    let mut found = None;
    let mut reader = serde_json::Deserializer::from_slice(text);
    // The result is ignored. It is an error at the first duplicate name, and where the text is not JSON.
    drop(DuplicateFinder { place, found: &mut found }.deserialize(&mut reader));
    found
}

/// The part of a message to which an object belongs.
#[derive(Clone, Copy)]
enum ObjectPlace {
    Message,
    Params,
    Arguments,
    Elsewhere,
}

impl ObjectPlace {
    /// Returns the part to which the value under a name belongs.
    fn under(self, name: &str) -> Self {
        match (self, name) {
            (Self::Message, "params") => Self::Params,
            (Self::Params, "arguments") | (Self::Arguments, _) => Self::Arguments,
            _ => Self::Elsewhere,
        }
    }
}

/// Searches a value for a name that stands twice. It keeps only names, never values.
struct DuplicateFinder<'f> {
    place: ObjectPlace,
    found: &'f mut Option<DuplicateName>,
}

impl<'de> DeserializeSeed<'de> for DuplicateFinder<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for DuplicateFinder<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let mut names = MemberNames::default();
        while let Some(MemberName(name)) = fields.next_key::<MemberName<'de>>()? {
            let within = self.place.under(&name);
            if let Err(name) = names.add(name) {
                let in_arguments = matches!(self.place, ObjectPlace::Arguments);
                *self.found = Some(DuplicateName { name: shown(&name), in_arguments });
                return Err(A::Error::custom("a name stands twice"));
            }
            fields.next_value_seed(DuplicateFinder { place: within, found: &mut *self.found })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(DuplicateFinder { place: self.place, found: &mut *self.found })?.is_some() {}
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// The names of one object that were read so far.
#[derive(Default)]
struct MemberNames<'de> {
    few: Vec<Cow<'de, str>>,
    many: HashSet<Cow<'de, str>>,
}

impl<'de> MemberNames<'de> {
    /// Adds a name. If it is there already, returns it as the error.
    fn add(&mut self, name: Cow<'de, str>) -> Result<(), Cow<'de, str>> {
        if self.few.contains(&name) || self.many.contains(&name) {
            return Err(name);
        }
        if self.few.len() < FEW {
            self.few.push(name);
        } else {
            self.many.insert(name);
        }
        Ok(())
    }
}

/// A name after its escapes were decoded, so that equal names compare as equal.
struct MemberName<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for MemberName<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MessageReader;

        impl<'de> Visitor<'de> for MessageReader {
            type Value = MemberName<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(MemberName(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(MemberName(Cow::Owned(name.to_owned())))
            }
        }

        deserializer.deserialize_str(MessageReader)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn found(text: &str) -> Option<(String, bool)> {
        DuplicateName::find(text.as_bytes()).map(|twice| (twice.name, twice.in_arguments))
    }

    #[test]
    fn a_name_that_stands_twice_is_found_however_it_is_spelt_and_wherever_it_stands() {
        for (text, name, in_arguments) in [
            (r#"{"method":"ping","method":"tools/call"}"#, "method", false),
            (r#"{"params":{},"params":{}}"#, "params", false),
            (r#"{"params":{"name":"a","n\u0061me":"b"}}"#, "name", false),
            (r#"{"params":{"arguments":{},"arguments":{"a":1}}}"#, "arguments", false),
            (r#"{"params":{"arguments":{"confirm":false,"\u0063onfirm":true}}}"#, "confirm", true),
            (r#"{"params":{"arguments":{"a":[{"b":{"c":1,"c":1}}]}}}"#, "c", true),
            (r#"{"params":{"_meta":{"a":1,"a":2},"arguments":{"b":1,"b":1}}}"#, "a", false),
            (r#"{"id":1,"result":{"action":"decline","action":"accept"}}"#, "action", false),
            (r#"[{"a":1},{"params":{"arguments":{"a":1,"a":2}}}]"#, "a", true),
            (r#"{"<b>":1,"<b>":2}"#, "a name", false),
            (
                r#"{"truedy_SandboxFirstKey00000000000000001":1,"truedy_SandboxFirstKey00000000000000001":2}"#,
                "a name",
                false,
            ),
        ] {
            assert_eq!(found(text), Some((name.to_owned(), in_arguments)), "{text}");
        }
        for text in [
            r#"{"a":{"x":1},"b":{"x":1},"x":[{"x":1},{"x":2}],"A":0}"#,
            r#"{"params":{"arguments":{"text":"{\"a\":1,\"a\":2}"}}}"#,
            r#"{"a":1.5e3,"b":-1,"c":null,"d":true,"e":"\ud83d\ude00"}"#,
            "",
            "null",
            "{",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn many_names_and_deep_nesting_take_no_longer() {
        let mut text = "{\"params\":{\"arguments\":{".to_owned();
        (0..50_000).for_each(|at| write!(text, "\"n{at}\":0,").expect("memory"));
        let begun = std::time::Instant::now();
        assert_eq!(found(&format!("{text}\"n49999\":1}}}}}}")), Some(("n49999".to_owned(), true)));
        assert_eq!(found(&format!("{text}\"n16\":1}}}}}}")), Some(("n16".to_owned(), true)));
        assert_eq!(found(&"{\"a\":".repeat(200_000)), None);
        assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    }

    #[test]
    fn only_a_call_goes_on_to_be_refused_as_one() {
        let call =
            r#"{"id":1,"method":"tools/call","params":{"name":"x","arguments":{"key":"s3cret","key":"s3cret"}}}"#;
        let on: Value = serde_json::from_slice(&said_once(Bytes::from(call)).unwrap()).unwrap();
        assert_eq!(on["params"], json!({ "name": "x", "arguments": { GIVEN_TWICE: "key" } }));
        for (other, known) in [
            (r#"{"id":1,"method":"prompts/get","params":{"name":"x","arguments":{"a":1,"a":1}}}"#, Some(json!(1))),
            (r#"{"id":"b","method":"tools/call","params":{"name":"x","name":"y","arguments":{}}}"#, Some(json!("b"))),
            (r#"{"id":1,"id":2,"method":"tools/call","params":{"name":"x","arguments":{}}}"#, None),
            (r#"[{"id":1,"method":"tools/call","params":{"name":"x","arguments":{"a":1,"a":1}}}]"#, None),
        ] {
            assert_eq!(said_once(Bytes::from(other)).unwrap_err().1, known, "{other}");
        }
        let once = Bytes::from(r#"{"id":1,"method":"tools/call","params":{"name":"x","arguments":{"a":1}}}"#);
        assert_eq!(said_once(once.clone()), Ok(once));
    }

    #[test]
    fn arguments_of_a_text_are_looked_at_alike() {
        assert_eq!(arguments_of(r#"{"a":1}"#).unwrap(), Map::from_iter([("a".to_owned(), json!(1))]));
        assert_eq!(arguments_of(r#"{"a":1,"\u0061":2}"#).unwrap(), given_twice("a"));
        assert!(arguments_of("[1]").is_err() && arguments_of("{").is_err());
    }
}
