//! Bounds of pages. Source: the Telephony reference (limit, offset, page, page_size).

use serde_json::Value;

use crate::domain::argument::value::Argument;
use crate::domain::argument::value::kind_of;

/// Makes a whole number with bounds and a default, the same in schema and check.
macro_rules! bounded {
    ($(#[$meta:meta])* $name:ident, $least:literal to $most:literal, default $default:literal, expected $expected:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(u32);

        impl $name {
            /// The number itself.
            pub fn get(self) -> u32 {
                self.0
            }

            /// The number as a length or position.
            pub fn index(self) -> usize {
                usize::try_from(self.0).unwrap_or(usize::MAX)
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self($default)
            }
        }

        $crate::domain::argument::schema::inline_schema!($name, { "type": "integer", "minimum": $least, "maximum": $most });

        impl Argument for $name {
            const EXPECTED: &'static str = $expected;
            const EXAMPLE: &'static str = stringify!($default);

            fn parse(value: &Value) -> Result<Self, String> {
                let number = whole(value)?;
                u32::try_from(number)
                    .ok()
                    .filter(|n| ($least..=$most).contains(n))
                    .map(Self)
                    .ok_or_else(|| format!("it is outside {} to {}", $least, $most))
            }
        }
    };
}

/// A whole number, also as `5.0` or `"5"`, which some clients send.
fn whole(value: &Value) -> Result<i64, String> {
    if let Some(number) = value.as_i64() {
        return Ok(number);
    }
    if let Some(number) = value.as_f64() {
        #[expect(clippy::cast_possible_truncation, reason = "bounded to what an f64 holds exactly")]
        return if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 {
            Ok(number as i64)
        } else {
            Err("it is not a whole number in range".to_owned())
        };
    }
    match value.as_str() {
        Some(digits) if !digits.is_empty() && digits.len() <= 10 && digits.bytes().all(|b| b.is_ascii_digit()) => {
            digits.parse().map_err(|_| "it is not a whole number".to_owned())
        }
        Some(_) => Err("it is not a whole number".to_owned()),
        None => Err(format!("it is {}, not a whole number", kind_of(value))),
    }
}

bounded! {
    /// How many rows to return.
    Limit, 1 to 100, default 50, expected "a whole number from 1 to 100"
}
bounded! {
    /// How many rows to skip.
    Offset, 0 to 1_000_000, default 0, expected "a whole number from 0 to 1000000"
}
bounded! {
    /// Which page of a search.
    Page, 1 to 10_000, default 1, expected "a whole number from 1 to 10000"
}
bounded! {
    /// How many offers a page of a search has.
    PageSize, 1 to 100, default 20, expected "a whole number from 1 to 100"
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bounds_are_enforced_on_both_sides() {
        for (value, right) in [
            (json!(0), false),
            (json!(1), true),
            (json!(100), true),
            (json!(101), false),
            (json!(-1), false),
            (json!(5.0), true),
            (json!(5.5), false),
            (json!("5"), true),
            (json!("٥"), false),
            (json!("-5"), false),
            (json!(1e300), false),
            (json!(true), false),
            (json!([]), false),
            (json!(""), false),
            (json!(u64::MAX), false),
        ] {
            assert_eq!(Limit::parse(&value).is_ok(), right, "{value}");
        }
    }
}
