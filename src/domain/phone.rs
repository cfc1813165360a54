//! Phone numbers, and the area codes and countries by which they are searched.
//!
//! Source: ITU-T E.164 §6; the pattern of the contract, with ASCII digits only.

use crate::domain::argument::text::{checked_text, digits_of_number};
use crate::domain::phone_digits::PhoneDigits;
use crate::domain::sanitize::clean_to;

checked_text! {
    /// A phone number in E.164: `+`, then 2 to 15 ASCII digits, the first not 0. Never normalised.
    E164,
    pattern r"^\+[1-9][0-9]{1,14}$",
    expected "a phone number in E.164: + and 2 to 15 digits, no spaces, brackets or dashes",
    example "+14155550123",
    |text| {
        form(text).map_err(|why| match meant(text) {
            Some(number) => format!("{why}; write {number}"),
            None => why,
        })
    },
    nearest meant
}

/// Checks that a text has the form of E.164. The error says why not.
fn form(text: &str) -> Result<(), String> {
    let is_invisible = |c: &char| !c.is_whitespace() && clean_to(c.encode_utf8(&mut [0; 4]), 1).is_empty();
    if let Some(c) = text.chars().find(is_invisible) {
        let place = if text.starts_with(c) { "begins with" } else { "has" };
        return Err(format!("it {place} the invisible character U+{:04X}", u32::from(c)));
    }
    let Some(digits) = text.strip_prefix('+') else {
        return Err("it does not start with +".to_owned());
    };
    if let Some(c) = digits.chars().find(|c| !c.is_ascii_digit()) {
        return Err(format!("it has {c:?} where only the digits 0 to 9 may stand"));
    }
    if digits.starts_with('0') {
        return Err("no country code starts with 0".to_owned());
    }
    match digits.len() {
        2..=15 => Ok(()),
        n => Err(format!("it has {n} digits")),
    }
}

/// Returns the E.164 number that a text in another notation certainly means.
///
/// The text must contain the country code, and such a number must be able to exist.
fn meant(text: &str) -> Option<String> {
    let read = PhoneDigits::read(text).filter(PhoneDigits::is_international)?;
    let number = E164(format!("+{}", read.as_str()));
    form(number.as_str()).ok()?;
    (number.impossible().is_none() && number.as_str() != text).then_some(number.0)
}

/// Checks whether a text is meant as a phone number, in any notation. It must have at least 7 digits.
pub(super) fn is_number_in_any_notation(text: &str) -> bool {
    PhoneDigits::read(text).is_some_and(|read| read.as_str().len() >= 7)
}

impl E164 {
    /// Returns the last four digits. A person types them to approve a release.
    pub fn last4(&self) -> &str {
        let text = self.as_str();
        text.get(text.len().saturating_sub(4)..).unwrap_or(text)
    }
}

checked_text! {
    /// An area code, as used in the United States and Canada.
    AreaCode,
    pattern r"^[0-9]{2,6}$",
    expected "an area code: 2 to 6 digits, without the country code",
    example "415",
    |text| match text.len() {
        2..=6 if text.bytes().all(|b| b.is_ascii_digit()) => Ok(()),
        _ => Err("it is not 2 to 6 digits".to_owned()),
    },
    reads digits_of_number
}

checked_text! {
    /// A country as two capital letters, ISO 3166-1 alpha-2.
    CountryCode,
    pattern r"^[A-Z]{2}$",
    expected "a country as two capital letters (ISO 3166-1 alpha-2; the United Kingdom is GB)",
    example "US",
    |text| {
        if text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase()) { Ok(()) } else { Err("it is not two capital letters A to Z".to_owned()) }
    },
    nearest |text| {
        let letters = text.chars().filter(char::is_ascii_alphabetic).take(20).collect::<String>().to_uppercase();
        let named = MISTAKEN.iter().find(|(wrong, _)| *wrong == letters).map(|(_, code)| (*code).to_owned());
        named.or_else(|| CountryCode::try_from(letters.as_str()).ok().filter(CountryCode::has_numbers).map(|code| code.0))
    }
}

/// Frequent wrong names of countries, and the right codes.
const MISTAKEN: [(&str, &str); 12] = [
    ("UK", "GB"),
    ("EN", "GB"),
    ("GBR", "GB"),
    ("ENGLAND", "GB"),
    ("GREATBRITAIN", "GB"),
    ("UNITEDKINGDOM", "GB"),
    ("EL", "GR"),
    ("USA", "US"),
    ("UNITEDSTATES", "US"),
    ("AMERICA", "US"),
    ("CAN", "CA"),
    ("CANADA", "CA"),
];

impl Default for CountryCode {
    fn default() -> Self {
        Self("US".to_owned())
    }
}
