//! Checks the entries of `--protect`: a number in E.164, or an id in Truedy's form. Anything else would protect
//! nothing.

use crate::domain::{E164, NumberId, canonical_digits};
use crate::redact::is_certain_key;

/// What an entry must be, for error messages.
const EXPECTED: &str = "expected a number in E.164, for example +14155550123, or its id from list_numbers, for example d0845d54-d96d-4cb8-8cc3-eac55f94c2c0";
/// Fewest characters of an id without a prefix. Shorter texts are ordinary words.
const LEAST_ID: usize = 16;

/// Checks one entry, which has no spaces around it. The error says what is wrong and what is expected.
pub(super) fn check_protected(entry: &str) -> Result<(), String> {
    if is_certain_key(entry) {
        return Err(format!("what looks like a key stands there; {EXPECTED}"));
    }
    if entry.starts_with('+') {
        let number = E164::try_from(entry).map_err(|why| match canonical_digits(entry) {
            Some(digits) if E164::try_from(format!("+{digits}").as_str()).is_ok() => format!("{why}; write +{digits}"),
            _ => format!("{why}; {EXPECTED}"),
        })?;
        return number.impossible().map_or(Ok(()), |why| Err(format!("{why}, so it protects nothing; {EXPECTED}")));
    }
    if is_id(entry) {
        return Ok(());
    }
    // A text of digits alone is a number that lost its `+`.
    let digits_alone = entry.chars().all(|c| c.is_ascii_digit() || "-. ()".contains(c));
    let why = if digits_alone { "a number begins with +" } else { "it is neither a number nor an id" };
    Err(format!("{why}, so it protects nothing; {EXPECTED}"))
}

/// Whether a text has the form of an id.
/// An id is a UUID, a prefix with a random part (`num_8f3a21`), or one long random text.
fn is_id(text: &str) -> bool {
    if NumberId::try_from(text).is_err() {
        return false;
    }
    let has_digit = |text: &str| text.bytes().any(|b| b.is_ascii_digit());
    let is_random = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric()) && has_digit(text);
    let is_uuid = uuid::Uuid::try_parse(text).is_ok();
    let has_prefix = text.split_once('_').is_some_and(|(prefix, rest)| {
        let is_prefix = (1..=12).contains(&prefix.len()) && prefix.bytes().all(|b| b.is_ascii_alphabetic());
        is_prefix && rest.len() >= 4 && has_digit(rest)
    });
    let is_long = text.len() >= LEAST_ID && is_random(text) && text.bytes().any(|b| b.is_ascii_alphabetic());
    is_uuid || has_prefix || is_long
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_can_exist_and_ids_are_entries() {
        for entry in [
            "+14155550123",
            "+442079460123",
            "+390612345678",
            "d0845d54-d96d-4cb8-8cc3-eac55f94c2c0",
            "D0845D54-D96D-4CB8-8CC3-EAC55F94C2C0",
            "11111111-1111-4111-8111-111111111111",
            "num_8f3a21",
            "pn_0001",
            "PN0123456789abcdef0123456789abcdef",
            "65f0c0ffee65f0c0ffee65f0",
            "01HZXW3J9N8QK2V7M4T5R6Y8ZA",
        ] {
            assert_eq!(check_protected(entry), Ok(()), "{entry}");
        }
    }

    #[test]
    fn what_would_protect_nothing_is_refused_with_what_is_expected() {
        for (entry, why) in [
            ("+1312555011", "digits"),
            ("+131255501100", "digits"),
            ("+1112555011", "digits"),
            ("+4402079460958", "no number begins with 0"),
            ("all", "neither a number nor an id"),
            ("*", "neither"),
            ("none", "neither"),
            ("Main-line", "neither"),
            ("main_line", "neither"),
            ("front-desk-2", "neither"),
            ("true", "neither"),
            ("14155550123", "begins with +"),
            ("1-415-555-0123", "begins with +"),
            ("(415) 555-0123", "begins with +"),
            ("num_", "neither"),
            ("https://example.com/1", "neither"),
        ] {
            let said = check_protected(entry).expect_err(entry);
            assert!(said.contains(why) && said.contains("for example +14155550123"), "{entry}: {said}");
        }
        let said = check_protected("+1 (415) 555-0123").expect_err("spaces");
        assert!(said.ends_with("write +14155550123"), "{said}");
    }
}
