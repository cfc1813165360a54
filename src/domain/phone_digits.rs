//! The digits of a phone number in any notation, used to compare two spellings of one number.
//!
//! Source: ITU-T E.164, RFC 3966 (`tel:`), ITU-T E.123 (spaces, brackets, extensions).
//!
//! The digits are only compared. What is sent to Truedy is an [`E164`](crate::domain::phone::E164), which is never
//! normalised.

use unicode_normalization::UnicodeNormalization;

/// The most digits of a number. A text with more digits is not a number.
const MOST_DIGITS: usize = 32;
/// The fewest digits of a national number that may equal the end of an international number.
const LEAST_NATIONAL: usize = 6;
/// The code points of the digit 0 in scripts that are used in phone numbers. ASCII and full-width digits are not
/// listed.
const ZEROS: [u32; 14] =
    [0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66, 0x0e50, 0x1040];

/// The digits of a phone number.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PhoneDigits {
    /// Only ASCII digits. The country code comes first if it is known.
    digits: String,
    /// Whether the notation shows that the country code comes first: by `+`, `phone-context`, or the prefix 00 or 011.
    international: bool,
}

impl PhoneDigits {
    /// Reads a number in any notation. It accepts `tel:`, digits of other scripts, hyphens, spaces, brackets and an
    /// extension.
    ///
    /// `None` if the text has no digits, has more than 32, or has letters that belong to no known notation.
    pub fn read(text: &str) -> Option<Self> {
        // NFKC converts full-width digits, the full-width plus and no-break spaces to ASCII.
        let plain: String = text.nfkc().filter(|c| !is_invisible(*c)).map(ascii_digit).collect();
        let lower = plain.trim().to_lowercase();
        let (body, context) = without_parameters(without_scheme(&lower));
        let body = without_extension(body).trim();
        if body.chars().any(char::is_alphabetic) {
            return None;
        }
        let plus = body.trim_start_matches(|c: char| !c.is_ascii_digit() && c != '+').starts_with('+');
        // `+44 (0) 20 …` contains the trunk zero, which nobody dials after a country code.
        let body = if plus { body.replacen("(0)", "", 1) } else { body.to_owned() };
        let digits: String = body.chars().filter(char::is_ascii_digit).collect();
        if digits.is_empty() || digits.len() > MOST_DIGITS {
            return None;
        }
        if plus {
            return Some(Self { digits, international: true });
        }
        if let Some(code) = context.and_then(|context| context.strip_prefix('+')) {
            let code: String = code.chars().filter(char::is_ascii_digit).collect();
            return Some(Self { digits: code + &digits, international: true });
        }
        let dialled = digits.strip_prefix("011").or_else(|| digits.strip_prefix("00"));
        match dialled.filter(|rest| !rest.is_empty() && !rest.starts_with('0')) {
            Some(rest) => Some(Self { digits: rest.to_owned(), international: true }),
            None => Some(Self { digits, international: false }),
        }
    }

    /// Returns the ASCII digits, at least one: `14155550123`.
    pub fn as_str(&self) -> &str {
        &self.digits
    }

    /// Checks whether the notation shows that the country code comes first.
    pub fn is_international(&self) -> bool {
        self.international
    }

    /// Checks whether both may be the same number.
    ///
    /// They may be if the digits are equal. They also may be if one lacks the country code and the other ends with it.
    /// This is for guards, where a wrong match is safer than a missed one.
    pub fn may_equal(&self, other: &Self) -> bool {
        let ends_with = |whole: &Self, part: &Self| {
            let national = part.digits.trim_start_matches('0');
            !part.international && national.len() >= LEAST_NATIONAL && whole.digits.ends_with(national)
        };
        self.digits == other.digits || ends_with(self, other) || ends_with(other, self)
    }
}

/// Checks whether a text has the form of E.164: `+`, then 2 to 15 ASCII digits, the first not 0.
///
/// For numbers that Truedy lists, nothing more is checked. Whether such a number can exist is not decided here.
pub fn is_e164(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (2..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit())
}

/// Returns the digits of a number in any notation. `None` if the text is not a phone number.
///
/// The country code comes first if the notation shows it. `tel:+1-415-555-0123;ext=7` and `0014155550123` are both
/// `14155550123`.
pub fn canonical_digits(text: &str) -> Option<String> {
    // A plain number needs no normalising. Lists compare thousands of them.
    if let Some(digits) = text.strip_prefix('+').filter(|_| is_e164(text)) {
        return Some(digits.to_owned());
    }
    PhoneDigits::read(text).map(|number| number.digits)
}

/// Returns all digits of a text as ASCII, whatever stands between them. It is for guards only: the text may not be a
/// number.
pub fn digits_of(text: &str) -> String {
    text.nfkc().map(ascii_digit).filter(char::is_ascii_digit).collect()
}

fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c), 0xad | 0x61c | 0x180e | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f | 0xfeff)
}

/// Converts a decimal digit of another script to ASCII. Any other character is unchanged.
fn ascii_digit(c: char) -> char {
    let at = u32::from(c);
    let value = ZEROS.iter().find(|zero| (**zero..**zero + 10).contains(&at)).map(|zero| at - zero);
    value.and_then(|value| char::from_digit(value, 10)).unwrap_or(c)
}

/// Returns the part after `tel:` or `sip:` and before the host.
fn without_scheme(text: &str) -> &str {
    for scheme in ["tel:", "callto:", "sips:", "sip:"] {
        if let Some(rest) = text.strip_prefix(scheme) {
            return rest.trim_start_matches('/').split('@').next().unwrap_or(rest);
        }
    }
    text
}

/// Returns the number before its parameters (RFC 3966), and the value of `phone-context`.
fn without_parameters(text: &str) -> (&str, Option<&str>) {
    let mut parts = text.split(';');
    let number = parts.next().unwrap_or(text);
    (number, parts.find_map(|part| part.trim().strip_prefix("phone-context=")))
}

/// Returns the number before its extension: `x7`, `ext. 7`, `#7`, `,7`.
fn without_extension(text: &str) -> &str {
    let marks = ["ext", "x", "#", ",", "доб"];
    let first_digit = text.find(|c: char| c.is_ascii_digit()).unwrap_or(0);
    let behind = text.get(first_digit..).unwrap_or_default();
    let ends_at = |mark: &&str| {
        let at = behind.find(*mark)?;
        // An extension contains only digits and separators. Text with other letters is not an extension.
        let rest = behind.get(at + mark.len()..)?.trim_start_matches("ension");
        rest.chars().all(|c| !c.is_alphabetic()).then_some(first_digit + at)
    };
    let cut = marks.iter().filter_map(ends_at).min();
    cut.and_then(|at| text.get(..at)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_number_is_read_in_every_notation() {
        for text in [
            "+14155550123",
            "14155550123",
            "tel:+14155550123",
            "tel:+1-415-555-0123;ext=7",
            "TEL:+1 415 555 0123",
            "tel:415-555-0123;phone-context=+1",
            "sip:+14155550123@carrier.example.com;user=phone",
            "+1 (415) 555-0123",
            "+1.415.555.0123",
            "+1\u{a0}415\u{a0}555\u{a0}0123",
            "+1\u{202f}415\u{2011}555\u{2013}0123",
            "+1 415\u{2212}555\u{2014}0123",
            "\u{ff0b}\u{ff11}\u{ff14}\u{ff11}\u{ff15}\u{ff15}\u{ff15}\u{ff15}\u{ff10}\u{ff11}\u{ff12}\u{ff13}",
            "+\u{661}\u{664}\u{661}\u{665}\u{665}\u{665}\u{665}\u{660}\u{661}\u{662}\u{663}",
            "\u{202a}+14155550123\u{202c}",
            "\u{feff}+1415\u{200b}5550123",
            "0014155550123",
            "00 1 415 555 0123",
            "01114155550123",
            "(+1) 415 555 0123",
            "+1/415/555/0123",
            "+14155550123 x7",
            "+14155550123 ext. 7",
            "+14155550123 extension 7",
            "+14155550123#7",
            "+14155550123,7",
        ] {
            assert_eq!(canonical_digits(text).as_deref(), Some("14155550123"), "{text:?}");
        }
        assert_eq!(canonical_digits("+44 (0) 20 7946 0958").as_deref(), Some("442079460958"));
        assert_eq!(canonical_digits("+39 06 6982").as_deref(), Some("39066982"));
    }

    #[test]
    fn what_is_no_number_has_no_digits() {
        for text in [
            "",
            "+",
            "front desk",
            "num_12ab",
            "d0845d54-d96d-4cb8-8cc3-eac55f94c2c0",
            "+1415555 is a TEST line 0000",
            "1-800-FLOWERS",
        ] {
            assert_eq!(canonical_digits(text), None, "{text:?}");
        }
        assert_eq!(canonical_digits(&"1".repeat(MOST_DIGITS + 1)), None);
    }

    #[test]
    fn a_number_without_its_country_code_may_be_the_same() {
        let read = |text: &str| PhoneDigits::read(text).expect(text);
        let whole = read("+442079460958");
        for part in ["020 7946 0958", "2079460958", "+442079460958", "79460958"] {
            assert!(whole.may_equal(&read(part)) && read(part).may_equal(&whole), "{part}");
        }
        for other in ["+2079460958", "0958", "020 7946 0959", "+4420794609580"] {
            assert!(!whole.may_equal(&read(other)) && !read(other).may_equal(&whole), "{other}");
        }
        assert!(read("00 44 20 7946 0958").is_international() && !read("020 7946 0958").is_international());
    }

    proptest! {
        #[test]
        fn separators_change_nothing(digits in "[1-9][0-9]{6,14}", gaps in prop::collection::vec("[ ()\u{a0}\u{2010}-\u{2015}./-]{0,2}", 16)) {
            let spaced: String = digits.chars().zip(&gaps).map(|(digit, gap)| format!("{gap}{digit}")).collect();
            prop_assume!(!spaced.contains("(0)"));
            prop_assert_eq!(canonical_digits(&format!("+{spaced}")), Some(digits));
        }

        #[test]
        fn a_plain_number_is_read_alike_with_and_without_normalising(digits in "[0-9]{1,17}") {
            let normalised = PhoneDigits::read(&format!("+{digits}")).map(|number| number.digits);
            prop_assert_eq!(canonical_digits(&format!("+{digits}")), normalised);
        }

        #[test]
        fn anything_is_read_without_a_fault_and_gives_digits_alone(text in "\\PC{0,60}") {
            if let Some(digits) = canonical_digits(&text) {
                prop_assert!(!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()));
            }
        }
    }
}
