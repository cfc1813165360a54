//! What a number is found by when lists are compared.

use std::iter::{once, once_with};

use uuid::Uuid;

use crate::domain::{OwnedNumber, canonical_digits, read_e164};

/// What a number is found by. Plain ids and numbers are kept as integers, since lists compare thousands of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum NumberKey {
    /// An id that is a UUID.
    Uuid(Uuid),
    /// Any other id.
    Id(String),
    /// A number in E.164, without its `+`.
    E164(u64),
    /// A number of any other form, as it stands.
    Number(String),
    /// The digits of a number, without leading zeros.
    Digits(u64),
    /// Digits that have leading zeros or are too many for an integer.
    LongDigits(String),
}

impl NumberKey {
    fn id(text: &str) -> Self {
        Uuid::try_parse(text).map_or_else(|_| Self::Id(text.to_owned()), Self::Uuid)
    }

    /// Returns the key of a number in any usual notation. `None` if the text is not certainly a number.
    fn e164(text: &str) -> Option<Self> {
        let number = read_e164(text)?;
        Some(number.strip_prefix('+').and_then(|digits| digits.parse().ok()).map_or(Self::Number(number), Self::E164))
    }

    fn digits(text: &str) -> Option<Self> {
        let digits = canonical_digits(text)?;
        let whole = digits.parse().ok().filter(|_| !digits.starts_with('0'));
        Some(whole.map_or(Self::LongDigits(digits), Self::Digits))
    }
}

/// Returns the keys under which a text may be found.
pub(crate) fn keys(text: &str) -> impl Iterator<Item = NumberKey> {
    once(NumberKey::id(text)).chain(NumberKey::e164(text))
}

/// Returns the keys of a row: its id, its number, and the digits of its number.
/// A number that is not valid E.164 is compared as it stands. The digits join rows whose numbers differ only in what
/// stands before the country code.
pub(crate) fn keys_of(row: &OwnedNumber) -> impl Iterator<Item = NumberKey> {
    let number = || NumberKey::e164(&row.number).unwrap_or_else(|| NumberKey::Number(row.number.clone()));
    let digits = once_with(|| NumberKey::digits(&row.number)).flatten();
    once_with(|| NumberKey::id(&row.id)).chain(once_with(number)).chain(digits)
}
