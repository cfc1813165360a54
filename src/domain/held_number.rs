//! A number in the list of an agent. Source: contract §6.8, §7.1.

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

use crate::domain::json_shape::{ByShape, FieldAmong, Shape};
use crate::domain::notation::{id_key, read_e164};
use crate::domain::number::OwnedNumber;
use crate::domain::sanitize::clean;
use crate::redact::RedactionPass;

/// The fields of an entry that may name its number.
const NAMING: [&str; 10] = [
    "id",
    "number_id",
    "numberId",
    "phone_number_id",
    "phoneNumberId",
    "phone_number",
    "phoneNumber",
    "number",
    "phone",
    "e164",
];
/// How deep the fields of an entry may be nested.
const DEPTH: usize = 3;

/// A number in the list of an agent. The entry names it by its id, by the number, or by both.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeldNumber {
    /// All texts in the entry that may be an id or a number, cleaned. Empty if the entry names nothing.
    names: Vec<String>,
}

impl HeldNumber {
    /// Reads one entry, in any form.
    pub fn read(entry: &Value) -> Self {
        // Any JSON value can be read.
        Self { names: ByShape(EntryShape { redaction: None, depth: DEPTH }).deserialize(entry).unwrap_or_default() }
    }

    /// Reads a whole list. `None` if the value is not a list.
    pub fn read_all(list: &Value) -> Option<Vec<Self>> {
        Some(list.as_array()?.iter().map(Self::read).collect())
    }

    /// Returns the texts that may be an id or a number.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns the text to show: the number, or else the id. `None` if the entry names nothing.
    pub fn shown(&self) -> Option<&str> {
        let number = self.names.iter().find(|name| read_e164(name).is_some());
        number.or(self.names.first()).map(String::as_str)
    }

    /// Checks whether the entry certainly names this number.
    pub fn is(&self, number: &OwnedNumber) -> bool {
        let plain = read_e164(&number.number);
        self.names.iter().any(|name| {
            id_key(name) == id_key(&number.id)
                || *name == number.number
                || (plain.is_some() && read_e164(name) == plain)
        })
    }
}

/// A list of numbers in a row. The result is `None` if the value is not a list.
pub(crate) struct HeldShape<'r> {
    pub(crate) redaction: &'r RedactionPass<'r>,
}

impl<'de> Shape<'de> for HeldShape<'_> {
    type Read = Option<Vec<HeldNumber>>;

    fn list<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Read, A::Error> {
        let mut held = Vec::new();
        while let Some(names) =
            items.next_element_seed(ByShape(EntryShape { redaction: Some(self.redaction), depth: DEPTH }))?
        {
            held.push(HeldNumber { names });
        }
        Ok(Some(held))
    }
}

/// An entry of such a list: all texts that may be an id or a number.
#[derive(Clone, Copy)]
struct EntryShape<'r> {
    /// `None` if no text needs to be searched for secrets any more.
    redaction: Option<&'r RedactionPass<'r>>,
    /// How deep its fields may still be nested.
    depth: usize,
}

impl<'de> Shape<'de> for EntryShape<'_> {
    type Read = Vec<String>;

    fn text(self, text: &str) -> Self::Read {
        let redacted = self.redaction.and_then(|redaction| redaction.changed(text));
        let name = clean(redacted.as_deref().unwrap_or(text));
        if name.is_empty() { Vec::new() } else { vec![name] }
    }

    fn number(self, number: Number) -> Self::Read {
        vec![number.to_string()]
    }

    fn fields<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Read, A::Error> {
        let mut named: [Vec<String>; NAMING.len()] = Default::default();
        // Nested deeper, no field is read.
        let Some(depth) = self.depth.checked_sub(1) else {
            return IgnoredAny.visit_map(fields).map(|_| Vec::new());
        };
        while let Some(field) = fields.next_key_seed(FieldAmong([&NAMING, &[]]))? {
            match field.and_then(|(_, at, _)| named.get_mut(at)) {
                Some(slot) => *slot = fields.next_value_seed(ByShape(Self { depth, ..self }))?,
                None => drop(fields.next_value::<IgnoredAny>()?),
            }
        }
        // Some agents hold thousands of numbers.
        let mut names = Vec::with_capacity(named.iter().map(Vec::len).sum());
        names.extend(named.into_iter().flatten());
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// The names of an entry, found by walking through it.
    fn walked(entry: &Value, depth: usize) -> Vec<String> {
        match entry {
            Value::String(text) => Some(clean(text)).filter(|text| !text.is_empty()).into_iter().collect(),
            Value::Number(number) => vec![number.to_string()],
            Value::Object(fields) if depth > 0 => {
                NAMING.iter().filter_map(|name| fields.get(*name)).flat_map(|inner| walked(inner, depth - 1)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn entry() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\+1415555010[0-3]|\\PC{0,9}|".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 30, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                proptest::collection::vec((prop_oneof![proptest::sample::select(&NAMING[..]), Just("x")], inner), 0..6)
                    .prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_names_of_an_entry_are_those_of_its_naming_fields_in_order(entry in entry()) {
            prop_assert_eq!(HeldNumber::read(&entry).names, walked(&entry, DEPTH));
        }
    }

    #[test]
    fn an_entry_is_read_in_any_form_that_certainly_names_the_number() {
        let id = "d0845d54-d96d-4cb8-8cc3-eac55f94c2c0";
        let row = json!({ "id": id, "phone_number": "+14155550123" });
        let number = OwnedNumber::read(&row).expect("a number");
        for entry in [
            json!(id),
            json!(id.to_uppercase()),
            json!("+14155550123"),
            json!("tel:+1-415-555-0123"),
            json!({ "id": id }),
            json!({ "id": "assignment-17", "number_id": id }),
            json!({ "id": 17, "phone_number": { "number": "+1 (415) 555-0123" } }),
            json!({ "number": { "number_id": id } }),
            json!({ "phone_number": "+14155550123" }),
        ] {
            assert!(HeldNumber::read(&entry).is(&number), "{entry}");
        }
        for entry in [json!({}), json!(7), json!(null), json!({ "id": [] }), json!("4155550123"), json!({ "x": id })] {
            assert!(!HeldNumber::read(&entry).is(&number), "{entry}");
        }
        assert_eq!(HeldNumber::read(&json!({ "x": id })).shown(), None);
        assert_eq!(HeldNumber::read_all(&json!("n1")), None);
    }
}
