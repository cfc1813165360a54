//! What a number is found by when lists are compared.
//!
//! Lists compare thousands of ids and numbers. So plain ones become integers, and no text is copied for a lookup.

use std::borrow::Cow;
use std::iter::{once, once_with};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::domain::{NumberView, canonical_digits, is_e164, read_e164};

/// A key of a number. Two texts that certainly mean the same have the same key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum NumberKey<'a> {
    /// An id that is a UUID.
    Uuid(Uuid),
    /// Any other id.
    Id(Cow<'a, str>),
    /// A number in E.164, without its `+`.
    E164(u64),
    /// A number of any other form, as it stands.
    Number(Cow<'a, str>),
    /// The digits of a number, without leading zeros.
    Digits(u64),
    /// Digits that have leading zeros or are too many for an integer.
    LongDigits(String),
}

impl<'a> NumberKey<'a> {
    fn id(text: &'a str) -> Self {
        Uuid::try_parse(text).map_or(Self::Id(Cow::Borrowed(text)), Self::Uuid)
    }

    /// Returns the key of a number in any usual notation. `None` if the text is not certainly a number.
    fn e164(text: &'a str) -> Option<Self> {
        plain(text).or_else(|| plain(&read_e164(text)?)).map(Self::E164)
    }

    fn digits(text: &str) -> Option<Self> {
        if let Some(number) = plain(text) {
            return Some(Self::Digits(number));
        }
        let digits = canonical_digits(text)?;
        let whole = digits.parse().ok().filter(|_| !digits.starts_with('0'));
        Some(whole.map_or(Self::LongDigits(digits), Self::Digits))
    }

    /// Returns the key of a text that is compared exactly as it stands.
    pub(crate) fn as_it_stands(text: &'a str) -> Self {
        Self::Number(Cow::Borrowed(text))
    }

    /// Returns a key that keeps its own text.
    pub(crate) fn into_owned(self) -> NumberKey<'static> {
        match self {
            Self::Uuid(id) => NumberKey::Uuid(id),
            Self::Id(text) => NumberKey::Id(Cow::Owned(text.into_owned())),
            Self::E164(number) => NumberKey::E164(number),
            Self::Number(text) => NumberKey::Number(Cow::Owned(text.into_owned())),
            Self::Digits(digits) => NumberKey::Digits(digits),
            Self::LongDigits(digits) => NumberKey::LongDigits(digits),
        }
    }
}

/// Returns a stable hash of an id, by which a row can be found again. Two spellings of a UUID have the same hash.
pub(crate) fn hint_of_id(id: &str) -> u64 {
    match NumberKey::id(id) {
        NumberKey::Uuid(uuid) => hash(b'i', uuid.as_bytes()),
        _ => hash(b'i', id.as_bytes()),
    }
}

/// Returns a stable hash of a number. Numbers that differ only in what stands before the country code share it.
pub(crate) fn hint_of_number(number: &str) -> u64 {
    match NumberKey::digits(number) {
        Some(NumberKey::Digits(digits)) => hash(b'd', &digits.to_be_bytes()),
        Some(NumberKey::LongDigits(digits)) => hash(b'd', digits.as_bytes()),
        _ => hash(b'n', number.as_bytes()),
    }
}

/// The result is stored, so it is the same in every version of the program. 0 means nothing, so it is never returned.
fn hash(kind: u8, bytes: &[u8]) -> u64 {
    let digest = Sha256::new().chain_update([kind]).chain_update(bytes).finalize();
    let (first, _) = digest.split_at(8);
    first.iter().fold(0, |hash, byte| hash << 8 | u64::from(*byte)).max(1)
}

/// Returns the digits of a number that is written in E.164: at most 15, the first not 0.
fn plain(text: &str) -> Option<u64> {
    text.strip_prefix('+').filter(|_| is_e164(text))?.parse().ok()
}

/// Returns the keys under which a text may be found.
pub(crate) fn keys(text: &str) -> impl Iterator<Item = NumberKey<'_>> {
    once(NumberKey::id(text)).chain(NumberKey::e164(text))
}

/// Returns the keys of a row: its id, its number, and the digits of its number, in this order.
/// A number that is not valid E.164 is compared as it stands. The digits join rows whose numbers differ only in what
/// stands before the country code.
pub(crate) fn keys_of(row: NumberView<'_>) -> impl Iterator<Item = NumberKey<'_>> {
    let number = move || NumberKey::e164(row.number).unwrap_or_else(|| NumberKey::as_it_stands(row.number));
    let digits = once_with(move || NumberKey::digits(row.number)).flatten();
    once_with(move || NumberKey::id(row.id)).chain(once_with(number)).chain(digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings_of_one_number_have_one_key() {
        let key = |text: &'static str| NumberKey::e164(text);
        assert_eq!(key("+14155550123"), Some(NumberKey::E164(14_155_550_123)));
        assert_eq!(key("tel:+1-415-555-0123"), key("+14155550123"));
        assert_eq!(key("\u{ff0b}14155550123"), key("+14155550123"), "a full-width plus");
        assert_eq!(key("14155550123"), None, "national digits may be another country's");
        assert_eq!(NumberKey::digits("0014155550123"), Some(NumberKey::Digits(14_155_550_123)));
        assert_ne!(NumberKey::digits("0123"), NumberKey::digits("123"));
    }

    proptest! {
        #[test]
        fn the_key_of_a_number_is_what_reading_it_gives(text in "[+0-9 ()-]{0,20}|\\PC{0,20}") {
            let read = read_e164(&text).and_then(|number| number[1..].parse().ok()).map(NumberKey::E164);
            prop_assert_eq!(NumberKey::e164(&text), read);
            let digits = canonical_digits(&text);
            prop_assert_eq!(NumberKey::digits(&text).is_some(), digits.is_some());
        }
    }
}
