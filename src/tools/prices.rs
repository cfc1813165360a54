//! What numbers cost, as seen in searches of the last quarter of an hour.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::domain::{Money, text_at};

const FRESH: Duration = Duration::from_secs(15 * 60);
const MOST: usize = 2_000;

/// A price as Truedy gives it: amounts are texts, never floats.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Price {
    pub(super) monthly: Option<String>,
    pub(super) upfront: Option<String>,
    pub(super) currency: Option<String>,
}

impl Price {
    /// Reads `cost_information` (contract §6.2).
    pub(super) fn read(offer: &Value) -> Self {
        let cost = offer.get("cost_information").unwrap_or(&Value::Null);
        let amount = |field| text_at(cost, field).filter(|text| is_amount(text));
        let upfront = amount("upfront_cost");
        // What is paid once and cannot be read is not nothing: then the whole price is not known.
        let readable = upfront.is_some() || cost.get("upfront_cost").is_none_or(Value::is_null);
        Self {
            monthly: amount("monthly_cost").filter(|_| readable),
            upfront,
            currency: text_at(cost, "currency")
                .filter(|text| text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase())),
        }
    }

    /// What it costs a month; `None` if amount or currency is not known.
    pub(super) fn monthly_money(&self) -> Option<Money> {
        Money::of(self.monthly.as_deref()?, self.currency.as_deref()?)
    }

    /// What is paid once; `None` if amount or currency is not known.
    pub(super) fn upfront_money(&self) -> Option<Money> {
        Money::of(self.upfront.as_deref()?, self.currency.as_deref()?)
    }

    /// In words made of digits and a currency only, fit for a question to a person.
    pub(super) fn words(&self) -> String {
        let currency = self.currency.as_deref().unwrap_or("(currency unknown)");
        match (self.monthly.as_deref().map(to_cents), self.upfront.as_deref().map(to_cents)) {
            (Some(monthly), Some(upfront)) => format!("{monthly} {currency} a month and {upfront} {currency} once"),
            (Some(monthly), None) => format!("{monthly} {currency} a month"),
            (None, Some(upfront)) => format!("{upfront} {currency} once and an unknown amount a month"),
            (None, None) => "a price that is not known".to_owned(),
        }
    }
}

/// The number of an offer as a search shows it, and its price in words.
pub fn priced(offer: &Value) -> Option<(&str, String)> {
    let text = |field: &str| offer.get(field).and_then(Value::as_str).map(str::to_owned);
    let monthly = text("monthly").filter(|text| is_amount(text));
    let price = Price { monthly, upfront: text("upfront"), currency: text("currency") };
    Some((offer.get("number")?.as_str()?, price.words()))
}

/// Digits, with a point between them where there are decimals.
fn is_amount(text: &str) -> bool {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| (1..=12).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    digits(whole) && digits(decimals)
}

/// The amount without zeros beyond two decimals: `1.00000` is `1.00`.
fn to_cents(amount: &str) -> &str {
    let Some((_, decimals)) = amount.split_once('.') else {
        return amount;
    };
    let kept = decimals.trim_end_matches('0').len().max(decimals.len().min(2));
    amount.get(..amount.len() - (decimals.len() - kept)).unwrap_or(amount)
}

/// Prices seen in searches of this process.
#[derive(Debug, Default)]
pub struct Prices(Mutex<HashMap<String, (Price, Instant)>>);

impl Prices {
    pub(super) fn remember(&self, number: &str, price: Price) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if seen.len() >= MOST {
            seen.retain(|_, (_, at)| now.duration_since(*at) < FRESH);
        }
        if seen.len() < MOST {
            seen.insert(number.to_owned(), (price, now));
        }
    }

    pub(super) fn forget(&self, number: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(number);
    }

    pub(super) fn recall(&self, number: &str) -> Option<Price> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(number).filter(|(_, at)| at.elapsed() < FRESH).map(|(price, _)| price.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_shown_as_people_write_them() {
        for (given, shown) in [("1.00000", "1.00"), ("1.5", "1.5"), ("2", "2"), ("0.12500", "0.125"), ("1.10", "1.10")]
        {
            assert_eq!(to_cents(given), shown);
        }
        for odd in [".", "1.", ".5", "1.2.3", "-1", "1e5", "", "free"] {
            assert!(!is_amount(odd), "{odd}");
        }
    }
}
