//! Reads JSON by the shape of each value, from text or from a value, without an error for a shape that is not expected.

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

/// Reads the name of a field. The result is which of the two lists has it, its position there, and the name.
pub(crate) struct FieldAmong(pub(crate) [&'static [&'static str]; 2]);

impl<'de> DeserializeSeed<'de> for FieldAmong {
    type Value = Option<(usize, usize, &'static str)>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for FieldAmong {
    type Value = Option<(usize, usize, &'static str)>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the name of a field")
    }

    fn visit_str<E: Error>(self, field: &str) -> Result<Self::Value, E> {
        let places = self.0.into_iter().enumerate();
        let mut found = places.filter_map(|(list, names)| {
            let at = names.iter().position(|name| *name == field)?;
            Some((list, at, *names.get(at)?))
        });
        Ok(found.next())
    }
}

/// What is read from a JSON value by its shape. A value of any other shape is passed over, and gives the default.
pub(crate) trait Shape<'de>: Sized {
    type Read: Default;

    fn text(self, _text: &str) -> Self::Read {
        Self::Read::default()
    }

    fn number(self, _number: Number) -> Self::Read {
        Self::Read::default()
    }

    fn list<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Read, A::Error> {
        IgnoredAny.visit_seq(items).map(|_| Self::Read::default())
    }

    fn fields<A: MapAccess<'de>>(self, fields: A) -> Result<Self::Read, A::Error> {
        IgnoredAny.visit_map(fields).map(|_| Self::Read::default())
    }
}

/// Reads a value of any shape.
pub(crate) struct ByShape<S>(pub(crate) S);

impl<'de, S: Shape<'de>> DeserializeSeed<'de> for ByShape<S> {
    type Value = S::Read;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de, S: Shape<'de>> Visitor<'de> for ByShape<S> {
    type Value = S::Read;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("any JSON value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(self.0.text(text))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(self.0.number(number.into()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(self.0.number(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Number::from_f64(number).map_or_else(S::Read::default, |number| self.0.number(number)))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(S::Read::default())
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(S::Read::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        self.0.list(items)
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Self::Value, A::Error> {
        self.0.fields(fields)
    }
}
