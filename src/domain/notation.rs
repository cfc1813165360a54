//! Notations of numbers and ids. Two texts that certainly mean the same get the same key.
//!
//! The keys are used to compare entries of Truedy's lists. They are never sent.

use unicode_normalization::UnicodeNormalization;

use crate::domain::phone_digits::{PhoneDigits, is_e164};
use crate::domain::sanitize::clean;

/// Reads a complete international number in any usual notation (see [`PhoneDigits`]). `None` if it is not certain.
///
/// The text must contain exactly one `+`. Otherwise national digits could be read as a number of another country.
pub fn read_e164(text: &str) -> Option<String> {
    // Truedy writes almost every number like this. Normalising them all would take most of the time of a list.
    if is_e164(text) {
        return Some(text.to_owned());
    }
    // Ids are ASCII without a plus sign, and normalising brings none.
    if text.is_ascii() && !text.contains('+') {
        return None;
    }
    let text = clean(text);
    if text.nfkc().filter(|c| *c == '+').count() != 1 {
        return None;
    }
    let number = PhoneDigits::read(&text).filter(PhoneDigits::is_international)?;
    Some(format!("+{}", number.as_str())).filter(|number| is_e164(number))
}

/// Returns an id in the form in which ids are compared.
///
/// A UUID is written in its usual form and in lower case. Any other id is unchanged.
pub fn id_key(id: &str) -> String {
    uuid::Uuid::try_parse(id).map_or_else(|_| id.to_owned(), |uuid| uuid.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_plain_number_is_read_alike_with_and_without_normalising(digits in "[0-9]{1,17}") {
            let normalised = read_e164(&format!(" +{digits}"));
            prop_assert_eq!(read_e164(&format!("+{digits}")), normalised);
        }
    }

    #[test]
    fn a_number_is_read_in_any_notation_and_nothing_is_guessed() {
        for same in [
            "+14155550123",
            "+1 (415) 555-0123",
            "tel:+1-415-555-0123",
            "TEL:+14155550123;ext=7",
            "+1.415.555.0123 ext. 7",
            "+1 415 555 0123 x7",
            "+1\u{2011}415\u{2013}555\u{2212}0123",
            "\u{ff0b}\u{ff11}4155550123",
            "\u{202a}+14155550123\u{202c}",
        ] {
            assert_eq!(read_e164(same).as_deref(), Some("+14155550123"), "{same}");
        }
        assert_eq!(read_e164("+44 (0)20 7946 0123").as_deref(), Some("+442079460123"));
        for other in ["14155550123", "4155550123", "", "+", "n1", "+1415555O123", "+1415+5550123", "asg_17"] {
            assert_eq!(read_e164(other), None, "{other}");
        }
    }

    #[test]
    fn an_id_is_compared_without_regard_to_how_a_uuid_is_written() {
        let id = "d0845d54-d96d-4cb8-8cc3-eac55f94c2c0";
        for same in ["D0845D54-D96D-4CB8-8CC3-EAC55F94C2C0", "d0845d54d96d4cb88cc3eac55f94c2c0"] {
            assert_eq!(id_key(same), id);
        }
        assert_ne!(id_key("num_A"), id_key("num_a"), "what is no UUID may mean something by its capitals");
    }
}
