//! What a caller hands back: the token of a preview, the ids of operations it knows of, a limit of its own.

use crate::domain::argument::schema::inline_schema;
use serde_json::Value;

use crate::domain::argument::text::{checked_text, within};
use crate::domain::argument::value::{Argument, kind_of};
use crate::domain::money::Money;

checked_text! {
    /// The token of a preview, opaque.
    ConfirmationToken,
    pattern r"^.{1,512}$",
    expected "the confirmation_token of a preview, unchanged: 1 to 512 characters",
    example "rs2.a1b2.c3d4.e5f6",
    |text| within(text, 512, |c| c.is_ascii_graphic())
}

checked_text! {
    /// The id of an operation.
    OperationId,
    pattern r"^.{1,64}$",
    expected "the id of an operation, from list_operations",
    example "0199d0ab-7c1e-7d4b-9a55-2f0e6b1c8d90",
    |text| within(text, 64, |c| c.is_ascii_alphanumeric() || c == '-')
}

checked_text! {
    /// A position in a list, opaque.
    PageCursor,
    pattern r"^.{5,64}$",
    expected "after of next, unchanged",
    example "2.1764057600123.42",
    |text| within(text, 64, |c| c.is_ascii_digit() || c == '.')
}

checked_text! {
    /// An amount, with or without its currency.
    Ceiling,
    pattern r"^.{1,20}$",
    expected "an amount with or without its ISO 4217 currency",
    example "1.50 USD",
    |text| {
        let (amount, currency) = text.split_once(' ').unwrap_or((text, "USD"));
        let decimals = amount.split_once('.').map_or(1, |(_, decimals)| decimals.len());
        match Money::of(amount, currency) {
            Some(_) if decimals <= 6 => Ok(()),
            _ => Err("it is no amount".to_owned()),
        }
    },
    reads |value| match value {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => as_amount(text),
        _ => None,
    }
}

/// What people write for a currency, and its ISO 4217 code.
const SIGNS: [(&str, &str); 4] = [("US$", "USD"), ("$", "USD"), ("€", "EUR"), ("£", "GBP")];

/// An amount with its currency in front, without a space, in small letters or by its sign, as `2.50 USD`.
fn as_amount(text: &str) -> Option<String> {
    let text = text.trim();
    let is_currency = |text: &str| text.len() == 3 && text.bytes().all(|b| b.is_ascii_alphabetic());
    let is_amount = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let signs = SIGNS.iter().find_map(|(sign, code)| {
        let amount = text.strip_prefix(sign).or_else(|| text.strip_suffix(sign))?;
        Some((amount.trim(), (*code).to_owned()))
    });
    let ends = || {
        let front = text.get(..3).zip(text.get(3..));
        let at = text.len().checked_sub(3)?;
        let back = text.get(at..).zip(text.get(..at));
        let (code, amount) = [back, front].into_iter().flatten().find(|(code, _)| is_currency(code))?;
        Some((amount.trim(), code.to_ascii_uppercase()))
    };
    let (amount, code) = signs.or_else(ends)?;
    is_amount(amount).then(|| format!("{amount} {code}"))
}

impl Ceiling {
    /// The amount, in its own currency or, where it names none, in this.
    pub fn money(&self, currency: &str) -> Option<Money> {
        Money::parse(self.as_str()).or_else(|| Money::of(self.as_str(), currency))
    }
}

/// Ids of operations: at most 50.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OperationIds(Vec<OperationId>);

impl OperationIds {
    /// How many there may be.
    const MOST: usize = 50;

    /// The ids.
    pub fn to_strings(&self) -> Vec<String> {
        self.0.iter().map(|id| id.as_str().to_ascii_lowercase()).collect()
    }
}

impl Argument for OperationIds {
    const EXPECTED: &'static str = "an array of at most 50 operation ids, from operation_unresolved or list_operations";
    const EXAMPLE: &'static str = "[\"0199d0ab-7c1e-7d4b-9a55-2f0e6b1c8d90\"]";
    const EMPTY_IS_ABSENT: bool = false;

    fn parse(value: &Value) -> Result<Self, String> {
        let items = value.as_array().ok_or_else(|| format!("it is {}, not an array", kind_of(value)))?;
        if items.len() > Self::MOST {
            return Err(format!("it has {} items, at most {} are allowed", items.len(), Self::MOST));
        }
        items.iter().map(OperationId::parse).collect::<Result<_, _>>().map(Self)
    }
}

inline_schema!(OperationIds, { "type": "array", "items": { "type": "string", "pattern": OperationId::PATTERN } });
