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
    /// An amount a month, with or without its currency, and after a plus what it may cost once: `1.50 + 3.00 USD once`.
    Ceiling,
    pattern r"^.{1,48}$",
    expected "an amount a month with or without its ISO 4217 currency, then + and an amount once if that is higher",
    example "1.50 USD",
    |text| {
        let (monthly, once) = Ceiling::parts(text);
        let is_amount = |text: &str| {
            let (amount, currency) = text.split_once(' ').unwrap_or((text, "USD"));
            let decimals = amount.split_once('.').map_or(1, |(_, decimals)| decimals.len());
            Money::of(amount, currency).is_some() && decimals <= 6
        };
        if is_amount(monthly) && once.is_none_or(is_amount) { Ok(()) } else { Err("it is no amount".to_owned()) }
    },
    reads |value| match value {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => {
            let read = |text: &str| as_amount(text).unwrap_or_else(|| text.trim().to_owned());
            match Ceiling::parts(text) {
                (_, None) => as_amount(text),
                (monthly, Some(once)) => Some(format!("{} + {} once", read(monthly), read(once))),
            }
        }
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
    /// The limit that lets through exactly this price. `None` if the monthly price is not known.
    pub fn exactly(monthly: Option<&Money>, once: Option<&Money>) -> Option<String> {
        let monthly = monthly?;
        Some(match once {
            Some(once) if once != monthly => format!("{monthly} + {once} once"),
            _ => monthly.to_string(),
        })
    }

    /// The most that it may cost a month, in its own currency or, where it names none, in this.
    pub fn monthly(&self, currency: &str) -> Option<Money> {
        amount(Self::parts(self.as_str()).0, currency)
    }

    /// The most that it may cost once. Where that is not said, it is as much as a month.
    pub fn once(&self, currency: &str) -> Option<Money> {
        let (monthly, once) = Self::parts(self.as_str());
        amount(once.unwrap_or(monthly), currency)
    }

    fn parts(text: &str) -> (&str, Option<&str>) {
        match text.split_once('+') {
            Some((monthly, once)) => (monthly.trim(), Some(once.trim().trim_end_matches("once").trim())),
            None => (text, None),
        }
    }
}

fn amount(text: &str, currency: &str) -> Option<Money> {
    Money::parse(text).or_else(|| Money::of(text, currency))
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> (Option<String>, Option<String>) {
        let ceiling = Ceiling::parse(&json!(text)).unwrap();
        let shown = |money: Option<Money>| money.map(|money| money.to_string());
        (shown(ceiling.monthly("USD")), shown(ceiling.once("USD")))
    }

    #[test]
    fn a_limit_has_a_monthly_part_and_one_that_is_paid_once() {
        let both = |monthly: &str, once: &str| (Some(monthly.to_owned()), Some(once.to_owned()));
        assert_eq!(read("1.50"), both("1.50 USD", "1.50 USD"));
        assert_eq!(read("1.50 EUR"), both("1.50 EUR", "1.50 EUR"));
        for text in ["1.50 USD + 3.00 USD once", "1.50+3 once", "$1.50 + $3", "1.5 usd + usd 3 once"] {
            assert_eq!(read(text), both("1.50 USD", "3.00 USD"), "{text}");
        }
        assert_eq!(read("1 + 0 once"), both("1.00 USD", "0.00 USD"));
        for text in ["1 +", "+ 1", "1 + once", "1 + 2 + 3", "1 + 2 twice", "1 + -2", "1 - 2 once", "once"] {
            assert!(Ceiling::parse(&json!(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn the_exact_limit_lets_through_its_price_and_no_other() {
        let money = |text: &str| Money::parse(text).unwrap();
        let (one, two) = (money("1.00 USD"), money("2.00 USD"));
        assert_eq!(Ceiling::exactly(None, Some(&one)), None);
        assert_eq!(Ceiling::exactly(Some(&one), None).as_deref(), Some("1.00 USD"));
        assert_eq!(Ceiling::exactly(Some(&one), Some(&one)).as_deref(), Some("1.00 USD"));
        let limit = Ceiling::exactly(Some(&one), Some(&two)).unwrap();
        assert_eq!(read(&limit), (Some("1.00 USD".to_owned()), Some("2.00 USD".to_owned())));
    }
}
