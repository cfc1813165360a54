//! What numbers cost, as seen in searches of the last quarter of an hour.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::domain::text_at;

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
        let amount = |field| text_at(cost, field).filter(|text| text.bytes().all(|b| b.is_ascii_digit() || b == b'.'));
        Self {
            monthly: amount("monthly_cost"),
            upfront: amount("upfront_cost"),
            currency: text_at(cost, "currency")
                .filter(|text| text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase())),
        }
    }

    /// In words made of digits and a currency only, fit for a question to a person.
    pub(super) fn words(&self) -> String {
        let currency = self.currency.as_deref().unwrap_or("(currency unknown)");
        match (&self.monthly, &self.upfront) {
            (Some(monthly), Some(upfront)) => format!("{monthly} {currency} a month and {upfront} {currency} once"),
            (Some(monthly), None) => format!("{monthly} {currency} a month"),
            (None, Some(upfront)) => format!("{upfront} {currency} once and an unknown amount a month"),
            (None, None) => "a price that is not known".to_owned(),
        }
    }
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

    pub(super) fn recall(&self, number: &str) -> Option<Price> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(number).filter(|(_, at)| at.elapsed() < FRESH).map(|(price, _)| price.clone())
    }
}
