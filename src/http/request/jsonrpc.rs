//! Reads the method, the tool and the id of a message. The checks before the MCP server need them.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// The outer fields of a JSON-RPC message.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Envelope<'a> {
    /// The id, if the message is a request or a response.
    #[serde(default)]
    pub(crate) id: Option<Value>,
    /// The method. A response has none.
    #[serde(default, borrow)]
    pub(crate) method: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    params: Params<'a>,
    /// Present in a response: either `result` or `error`. A request has neither.
    #[serde(default)]
    result: Option<IgnoredAny>,
    #[serde(default)]
    error: Option<IgnoredAny>,
}

/// The part of the parameters that is read, whatever their JSON type.
#[derive(Debug, Default)]
struct Params<'a> {
    name: Option<Cow<'a, str>>,
}

/// Why a message is not passed on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It is not JSON.
    NotJson,
    /// It is JSON but not a message, has a duplicate field, or is both a request and a response.
    NoMessage,
}

impl<'a> Envelope<'a> {
    /// Reads the outer fields of a message.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let envelope: Self = serde_json::from_slice(bytes).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => Unreadable::NoMessage,
            _ => Unreadable::NotJson,
        })?;
        // Two readers could otherwise disagree: one sees a request, the other a response.
        if envelope.method.is_some() && (envelope.result.is_some() || envelope.error.is_some()) {
            return Err(Unreadable::NoMessage);
        }
        // serde also reads a list as a struct, with the fields in their order. A list is not a message.
        let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
        if first == Some(&b'{') { Ok(envelope) } else { Err(Unreadable::NoMessage) }
    }

    /// Returns the name of the tool that the message calls.
    pub(crate) fn tool(&self) -> Option<&str> {
        self.params.name.as_deref().filter(|_| self.method.as_deref() == Some("tools/call"))
    }

    /// Returns the id, if it is a string or an integer.
    pub(crate) fn id(&self) -> Option<Value> {
        self.id.clone().filter(|id| id.is_string() || id.is_i64() || id.is_u64())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Params<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameVisitor)
    }
}

/// Finds `name` among the parameters. A duplicate is refused, because two readers could otherwise see two tools.
struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = Params<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("parameters")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut found = Params::default();
        while let Some(key) = fields.next_key::<Text<'de>>()? {
            if key.0 == Some(Cow::Borrowed("name")) {
                if found.name.is_some() {
                    return Err(serde::de::Error::duplicate_field("name"));
                }
                found.name = fields.next_value::<Text<'de>>()?.0.or(Some(Cow::Borrowed("")));
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Params::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Params::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Params::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Params::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Params::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Params::default())
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Params::default())
    }
}

/// A text; `None` for any other value, which is ignored.
struct Text<'a>(Option<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum MemberVisitor<'b> {
            Text(#[serde(borrow)] Cow<'b, str>),
            Other(IgnoredAny),
        }
        Ok(match MemberVisitor::deserialize(deserializer)? {
            MemberVisitor::Text(text) => Self(Some(text)),
            MemberVisitor::Other(_) => Self(None),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tool(text: &str) -> Option<String> {
        Envelope::read(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error:?}")).tool().map(str::to_owned)
    }

    #[test]
    fn the_tool_is_read_from_the_body_alone() {
        for (text, expected) in [
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_numbers","arguments":{}}}"#,
                Some("list_numbers"),
            ),
            (
                r#"{"method":"tools/call","params":{"arguments":{"name":"x"},"_meta":{"a":[{}]},"name":"release_number"}}"#,
                Some("release_number"),
            ),
            (
                r#"{"params":{"n\u0061me":"release_\u006eumber"},"method":"tools\/call","id":"a"}"#,
                Some("release_number"),
            ),
            (r#"{"method":"tools/call","params":{"name":7}}"#, Some("")),
            (r#"{"method":"tools/list","params":{"name":"release_number"}}"#, None),
            (r#"{"method":"tools/call","params":["release_number"]}"#, None),
            (r#"{"method":"tools/call","params":null}"#, None),
            (r#"{"method":"tools/call","params":"release_number"}"#, None),
            (r#"{"method":"tools/call","params":1.5}"#, None),
            (r#"{"method":"tools/call"}"#, None),
            (r#"{"jsonrpc":"2.0","id":1,"result":{"action":"accept"}}"#, None),
        ] {
            assert_eq!(tool(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_told_twice_is_not_passed_on() {
        for text in [
            r#"{"jsonrpc":"2.0","id":0,"method":"x","result":{"action":"accept"}}"#,
            r#"{"jsonrpc":"2.0","id":0,"method":"notifications/x","error":{"code":1,"message":"x"}}"#,
            r#"{"method":"tools/list","method":"tools/call","params":{"name":"release_number"}}"#,
            r#"{"method":"tools/call","params":{"name":"list_numbers","name":"release_number"}}"#,
            r#"{"method":"tools/call","params":{},"params":{"name":"release_number"}}"#,
            r#"{"id":1,"id":2,"method":"ping"}"#,
            r#"{"method":7}"#,
            r#"[]"#,
            r#""text""#,
        ] {
            assert_eq!(Envelope::read(text.as_bytes()).map(|_| ()), Err(Unreadable::NoMessage), "{text}");
        }
        for text in ["", "{", "nonsense", "{} x", "{\"method\":\"\u{1}\"}"] {
            assert_eq!(Envelope::read(text.as_bytes()).map(|_| ()), Err(Unreadable::NotJson), "{text}");
        }
        assert_eq!(Envelope::read(b"{\"method\":\"\xff\"}").map(|_| ()), Err(Unreadable::NotJson));
    }

    #[test]
    fn only_ids_come_back() {
        let id = |text: &str| Envelope::read(text.as_bytes()).unwrap().id();
        assert_eq!(id(r#"{"id":"a"}"#), Some(json!("a")));
        assert_eq!(id(r#"{"id":7}"#), Some(json!(7)));
        for other in [r#"{"id":null}"#, r#"{"id":{"a":1}}"#, r#"{"id":1.5}"#, "{}"] {
            assert_eq!(id(other), None, "{other}");
        }
    }
}
