//! Amounts of money, in whole millionths of a currency. Floating-point numbers are never used.

use std::fmt;

/// How many decimals are stored. Truedy's prices have five.
const DECIMALS: usize = 6;
const ONE: i64 = 1_000_000;

/// An amount in one currency, in millionths. It is never negative.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Money {
    micros: i64,
    currency: String,
}

impl Money {
    /// Parses an amount as Truedy writes it (`1.00000`) and an ISO 4217 code (`USD`). `None` if either is malformed.
    ///
    /// A part smaller than a millionth is rounded up, so that rounding never passes a limit.
    pub fn of(amount: &str, currency: &str) -> Option<Self> {
        if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_uppercase()) {
            return None;
        }
        let (whole, decimals) = match amount.split_once('.') {
            Some((whole, decimals)) if !decimals.is_empty() => (whole, decimals),
            Some(_) => return None,
            None => (amount, ""),
        };
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || whole.len() > 9 || decimals.len() > 12 || !digits(whole) || !digits(decimals) {
            return None;
        }
        let (kept, rest) = decimals.split_at(decimals.len().min(DECIMALS));
        let mut micros = whole.parse::<i64>().ok()? * ONE + format!("{kept:0<DECIMALS$}").parse::<i64>().ok()?;
        if rest.bytes().any(|b| b != b'0') {
            micros += 1;
        }
        Some(Self { micros, currency: currency.to_owned() })
    }

    /// Parses an amount with its currency, as a person writes it: `2.50 USD`.
    pub fn parse(text: &str) -> Option<Self> {
        let (amount, currency) = text.trim().split_once(' ')?;
        Self::of(amount, currency.trim())
    }

    /// Returns an amount from stored millionths. A negative value becomes 0.
    pub fn from_micros(micros: i64, currency: impl Into<String>) -> Self {
        Self { micros: micros.max(0), currency: currency.into() }
    }

    /// Returns the amount in millionths.
    pub fn micros(&self) -> i64 {
        self.micros
    }

    /// Returns the ISO 4217 code of the currency.
    pub fn currency(&self) -> &str {
        &self.currency
    }

    /// Returns the amount without its currency, with two decimals, or more if they are not zero: `2.50`.
    pub fn amount(&self) -> String {
        let decimals = format!("{:06}", self.micros % ONE);
        let kept = decimals.trim_end_matches('0').len().max(2);
        format!("{}.{}", self.micros / ONE, decimals.get(..kept).unwrap_or(&decimals))
    }

    /// Returns the sum. `None` if the currencies differ or the sum is too large.
    pub fn plus(&self, other: &Self) -> Option<Self> {
        let micros = self.micros.checked_add(other.micros)?;
        (self.currency == other.currency).then(|| Self { micros, currency: self.currency.clone() })
    }
}

/// What a number costs: an amount each month, and an amount once. Both are in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fees {
    /// What it costs a month.
    pub monthly: Money,
    /// What it costs once. `None` if the offer names no such amount.
    pub setup: Option<Money>,
}

impl Fees {
    /// Returns the fees. `None` if the monthly amount is not known, or the currencies differ.
    pub fn of(monthly: Option<Money>, setup: Option<Money>) -> Option<Self> {
        let monthly = monthly?;
        setup.as_ref().is_none_or(|setup| setup.currency == monthly.currency).then_some(Self { monthly, setup })
    }
}

/// The amount as people read it: `2.50 USD`. It has two decimals, or more if they are not zero.
impl fmt::Display for Money {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.amount(), self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_exactly_and_rounded_up_only() {
        for (given, micros, shown) in [
            ("1.00000 USD", 1_000_000, "1.00 USD"),
            ("2 EUR", 2_000_000, "2.00 EUR"),
            ("0.125 USD", 125_000, "0.125 USD"),
            ("0.0000001 USD", 1, "0.000001 USD"),
            ("999999999.999999 USD", 999_999_999_999_999, "999999999.999999 USD"),
        ] {
            let money = Money::parse(given).expect(given);
            assert_eq!((money.micros(), money.to_string().as_str()), (micros, shown));
        }
        for odd in
            ["1", "USD", "1 usd", "1 US", "-1 USD", "1. USD", ".5 USD", "1e3 USD", "1,5 USD", "1000000000 USD", ""]
        {
            assert_eq!(Money::parse(odd), None, "{odd}");
        }
    }

    #[test]
    fn only_one_currency_adds_up() {
        let one = Money::parse("1.10 USD").expect("money");
        assert_eq!(one.plus(&one).map(|sum| sum.to_string()).as_deref(), Some("2.20 USD"));
        assert_eq!(one.plus(&Money::parse("1 EUR").expect("money")), None);
    }
}
