//! The one macro that makes a checked text type: pattern, check and words in one place.

/// Makes a text type that can only hold what its check allows.
///
/// `pattern` is what a model is told, as short as can be; `check` is what is enforced, and may be stricter where a model
/// would hardly err (control characters). A test holds both together. `reads` makes a text of another JSON value that can mean
/// only one; `nearest` suggests what a wrong text probably stands for.
macro_rules! checked_text {
    (
        $(#[$meta:meta])*
        $name:ident, pattern $pattern:literal, expected $expected:literal, example $example:literal, $check:expr
        $(, reads $reads:expr)? $(, nearest $nearest:expr)? $(,)?
    ) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// The pattern a model is told.
            pub const PATTERN: &'static str = $pattern;

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<&str> for $name {
            /// What is wrong with the text.
            type Error = String;

            fn try_from(text: &str) -> Result<Self, String> {
                let check: fn(&str) -> Result<(), String> = $check;
                check(text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(&self.0, formatter)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        $crate::domain::argument::schema::inline_schema!($name, { "type": "string", "pattern": $pattern });

        impl $crate::domain::argument::value::Argument for $name {
            const EXPECTED: &'static str = $expected;
            const EXAMPLE: &'static str = $example;

            fn parse(value: &serde_json::Value) -> Result<Self, String> {
                $(
                    let reads: fn(&serde_json::Value) -> Option<String> = $reads;
                    if let Some(text) = reads(value) {
                        return Self::try_from(text.as_str());
                    }
                )?
                match value.as_str() {
                    Some(text) => Self::try_from(text),
                    None => Err(format!("it is {}, not a text", $crate::domain::argument::value::kind_of(value))),
                }
            }

            $(
                fn nearest(wrong: &str) -> Option<String> {
                    let nearest: fn(&str) -> Option<String> = $nearest;
                    nearest(wrong)
                }
            )?
        }
    };
}
pub(crate) use checked_text;

/// A whole number as the digits that it is written with: some clients send digits without quotes.
pub(crate) fn digits_of_number(value: &serde_json::Value) -> Option<String> {
    let whole = value.as_u64().or_else(|| {
        let number = value.as_f64().filter(|number| number.fract() == 0.0 && (0.0..1e15).contains(number))?;
        format!("{number:.0}").parse().ok()
    });
    whole.map(|number| number.to_string())
}

/// Checks length in characters and that every character is allowed.
pub(crate) fn within(text: &str, most: usize, allowed: impl Fn(char) -> bool) -> Result<(), String> {
    let length = text.chars().count();
    if length == 0 {
        return Err("it is empty".to_owned());
    }
    if length > most {
        return Err(format!("it has {length} characters, at most {most} are allowed"));
    }
    match text.chars().find(|c| !allowed(*c)) {
        Some(c) if c.is_control() => Err(format!("it has a control character (U+{:04X})", u32::from(c))),
        Some(c) => Err(format!("the character {c:?} is not allowed")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::*;
    use proptest::prelude::*;

    fn told(pattern: &str, text: &str) -> bool {
        regex_lite::Regex::new(pattern).expect("own pattern").is_match(text)
    }

    /// Pattern and check of a type say the same of a text.
    fn agree<T: for<'a> TryFrom<&'a str>>(pattern: &str, text: &str) {
        assert_eq!(told(pattern, text), T::try_from(text).is_ok(), "{pattern} and the check disagree on {text:?}");
    }

    /// The check lets nothing through that the pattern does not, and is stricter only for a reason.
    fn within_pattern<T: for<'a> TryFrom<&'a str>>(pattern: &str, text: &str, stricter: impl Fn(&str) -> bool) {
        let (told, accepted) = (told(pattern, text), T::try_from(text).is_ok());
        assert!(told || !accepted, "{pattern} is stricter than the check on {text:?}");
        assert!(accepted || !told || stricter(text), "the check refuses {text:?} although {pattern} allows it");
    }

    fn all_agree(text: &str) {
        agree::<E164>(E164::PATTERN, text);
        agree::<AreaCode>(AreaCode::PATTERN, text);
        agree::<CountryCode>(CountryCode::PATTERN, text);
        agree::<StatusName>(StatusName::PATTERN, text);
        agree::<NumberId>(NumberId::PATTERN, text);
        agree::<AgentId>(AgentId::PATTERN, text);
        let control = |text: &str| text.chars().any(char::is_control);
        within_pattern::<Label>(Label::PATTERN, text, control);
        within_pattern::<AgentRef>(AgentRef::PATTERN, text, control);
        within_pattern::<SipUsername>(SipUsername::PATTERN, text, |text| !text.is_ascii() || control(text));
        within_pattern::<SipServer>(SipServer::PATTERN, text, |_| true);
        within_pattern::<NumberRef>(NumberRef::PATTERN, text, |_| true);
        within_pattern::<AccountSid>(AccountSid::PATTERN, text, |_| true);
        within_pattern::<ConfirmationToken>(ConfirmationToken::PATTERN, text, |_| true);
        within_pattern::<OperationId>(OperationId::PATTERN, text, |_| true);
        within_pattern::<Moment>(Moment::PATTERN, text, |_| true);
        within_pattern::<Ceiling>(Ceiling::PATTERN, text, |_| true);
        within_pattern::<ChangeName>(ChangeName::PATTERN, text, |_| true);
    }

    #[test]
    fn pattern_and_check_agree_at_every_edge() {
        for text in [
            "",
            "+",
            "+1",
            "+12",
            "+0123",
            "+123456789012345",
            "+1234567890123456",
            "12",
            "+1٤",
            "+14155550123\n",
            " +14155550123",
            "US",
            "us",
            "USA",
            "U5",
            "212",
            "2",
            "12",
            "123456",
            "1234567",
            "٢١٢",
            "..",
            "../x",
            "a/b",
            "a%2fb",
            "a b",
            "é",
            "a\u{0}",
            "a\u{7f}",
            "a\u{80}",
            "a\u{202e}b",
            "pending",
            "in_use",
            "-",
            "_",
        ] {
            all_agree(text);
        }
        for length in [63, 64, 65, 119, 120, 121, 128, 129] {
            all_agree(&"a".repeat(length));
            all_agree(&"é".repeat(length));
        }
    }

    proptest! {
        #[test]
        fn pattern_and_check_agree_on_anything(text in "\\PC{0,70}") {
            all_agree(&text);
        }

        #[test]
        fn pattern_and_check_agree_on_near_numbers(text in "[+0-9٠-٩ ()-]{0,17}") {
            all_agree(&text);
        }

        #[test]
        fn what_is_accepted_as_an_id_is_safe_in_a_path(text in ".{0,70}") {
            if let Ok(id) = NumberId::try_from(text.as_str()) {
                prop_assert!(id.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            }
        }
    }
}
