//! Phone numbers and the parts they are searched by.
//!
//! Source: ITU-T E.164 §6; the contract's own pattern, with ASCII digits only.

use super::text::checked_text;

checked_text! {
    /// A phone number in E.164: `+`, then 2 to 15 ASCII digits, the first not 0. Never normalised.
    E164,
    pattern r"^\+[1-9][0-9]{1,14}$",
    expected "a phone number in E.164: + and 2 to 15 digits, no spaces, brackets or dashes",
    example "+14155550123",
    |text| {
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
}

impl E164 {
    /// The last four digits, which a person types to approve a release.
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
    }
}

checked_text! {
    /// A country as two capital letters, ISO 3166-1 alpha-2.
    CountryCode,
    pattern r"^[A-Z]{2}$",
    expected "a country as two capital letters (ISO 3166-1 alpha-2; the United Kingdom is GB)",
    example "US",
    |text| {
        if text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase()) { Ok(()) } else { Err("it is not two capital letters A to Z".to_owned()) }
    }
}

impl Default for CountryCode {
    fn default() -> Self {
        Self("US".to_owned())
    }
}
