//! A secret as an argument of a tool: read once, refused where it is only a placeholder.

use serde_json::Value;

use crate::domain::argument::value::{Argument, kind_of};
use crate::redact::Secret;
use crate::redact::check_filled_in;

impl Argument for Secret {
    const EXPECTED: &'static str = "1 to 512 printable ASCII characters";
    const EXAMPLE: &'static str = "the key as the carrier shows it";
    const SECRET: bool = true;

    fn parse(value: &Value) -> Result<Self, String> {
        match value.as_str() {
            Some(text) => check_filled_in(text).and_then(|()| Self::new(text.to_owned())),
            None => Err(format!("it is {}, not a text", kind_of(value))),
        }
    }
}
