//! What a number costs, as preview, question, card and answer tell it.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::{CarrierName, Money, digest_of, text_at};
use crate::redact::Secret;

/// What stands in the place of a price that is not known.
const UNKNOWN: &str = "unknown";

/// The account for which a price was quoted. The same number may cost something else with another account.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum PriceAccount {
    /// Truedy's own account, which is used if no carrier is given.
    Truedy,
    /// The account of a carrier profile, by the profile's name.
    Profile(String),
    /// The account of a key in the call, by the SHA-256 of the key.
    Key(String),
}

impl PriceAccount {
    /// Returns the account that a call with these arguments uses.
    pub(crate) fn of(carrier: Option<&CarrierName>, key: Option<&Secret>) -> Self {
        match (carrier, key) {
            (Some(name), _) => Self::Profile(name.as_str().to_owned()),
            (None, Some(key)) => Self::Key(digest_of(key.expose().as_bytes())),
            (None, None) => Self::Truedy,
        }
    }

    /// Returns a text of its own for each account, without a secret.
    fn fingerprint(&self) -> String {
        match self {
            Self::Truedy => "Truedy".to_owned(),
            Self::Profile(name) => format!("profile {name}"),
            Self::Key(digest) => format!("key {digest}"),
        }
    }
}

/// The price of a number. An amount whose currency is not known is not known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Price {
    /// What it costs a month. `None` if that is not known. Then the whole price counts as unknown.
    pub(crate) monthly: Option<Money>,
    /// What is paid once. `None` if the offer names no such amount, or it is not known.
    pub(crate) setup: Option<Money>,
}

/// A price as the fields of an answer. Amounts are texts with at least two decimals.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, JsonSchema)]
pub(crate) struct PriceFacts {
    /// What it costs a month, "1.00".
    #[serde(skip_serializing_if = "Option::is_none")]
    monthly: Option<String>,
    /// What is paid once.
    #[serde(skip_serializing_if = "Option::is_none")]
    setup: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<String>,
    /// `unknown` where the monthly amount is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<&'static str>,
}

impl Price {
    /// Reads `cost_information` (contract §6.2).
    pub(crate) fn read(offer: &Value) -> Self {
        let cost = offer.get("cost_information").unwrap_or(&Value::Null);
        let currency = text_at(cost, "currency").unwrap_or_default();
        let amount = |field| text_at(cost, field).and_then(|amount| Money::of(&amount, &currency));
        let setup = amount("upfront_cost");
        // A one-time cost that cannot be read is not zero. Then the whole price counts as unknown.
        let readable = setup.is_some() || cost.get("upfront_cost").is_none_or(Value::is_null);
        Self { monthly: amount("monthly_cost").filter(|_| readable), setup }
    }

    /// Returns the monthly cost. `None` if it is not known.
    pub(crate) fn monthly_money(&self) -> Option<Money> {
        self.monthly.clone()
    }

    /// Returns the one-time cost. `None` if it is not known or the offer names none.
    pub(crate) fn upfront_money(&self) -> Option<Money> {
        self.setup.clone()
    }

    /// Combines two prices of one number: each part at its higher amount. Returns an unknown price if they cannot be
    /// compared.
    pub(crate) fn higher(self, other: Self) -> Self {
        if self == other {
            return self;
        }
        match (self.monthly, other.monthly) {
            (Some(mine), Some(theirs)) if mine.currency() == theirs.currency() => Self {
                monthly: Some(dearer(mine, theirs)),
                setup: match (self.setup, other.setup) {
                    (Some(mine), Some(theirs)) => Some(dearer(mine, theirs)),
                    (mine, theirs) => mine.or(theirs),
                },
            },
            _ => Self::default(),
        }
    }

    /// Returns the text that a confirmation is bound to. Two different prices give two different texts, and so do two
    /// accounts. Needless zeros are no difference.
    pub(crate) fn fingerprint(&self, account: &PriceAccount) -> String {
        json!({
            "monthly": self.monthly.as_ref().map(amount),
            "upfront": self.setup.as_ref().map(amount),
            "currency": self.currency(),
            "account": account.fingerprint(),
        })
        .to_string()
    }

    fn currency(&self) -> Option<&str> {
        self.monthly.as_ref().or(self.setup.as_ref()).map(Money::currency)
    }

    /// Returns the price as a text of digits, a currency and fixed phrases. It is safe in a question to a person.
    pub(crate) fn words(&self) -> String {
        match (&self.monthly, &self.setup) {
            (Some(monthly), Some(setup)) => format!("{monthly} a month and {setup} once"),
            (Some(monthly), None) => format!("{monthly} a month"),
            (None, Some(setup)) => format!("{setup} once and an unknown amount a month"),
            (None, None) => "a price that is not known".to_owned(),
        }
    }

    /// Returns the price in one field: its words, or `unknown` if the monthly amount is not known.
    pub(crate) fn in_one_field(&self) -> String {
        if self.monthly.is_some() { self.words() } else { UNKNOWN.to_owned() }
    }

    /// Returns the price in separate fields.
    pub(crate) fn facts(&self) -> PriceFacts {
        PriceFacts {
            monthly: self.monthly.as_ref().map(amount),
            setup: self.setup.as_ref().map(amount),
            currency: self.currency().map(str::to_owned),
            price: self.monthly.is_none().then_some(UNKNOWN),
        }
    }
}

impl PriceFacts {
    /// Returns the fields by name.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&'static str, String)> {
        let all = [
            ("monthly", self.monthly.clone()),
            ("setup", self.setup.clone()),
            ("currency", self.currency.clone()),
            ("price", self.price.map(str::to_owned)),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }
}

fn dearer(one: Money, other: Money) -> Money {
    if other.micros() > one.micros() { other } else { one }
}

/// Returns an amount without its currency: `1.00`.
fn amount(money: &Money) -> String {
    let shown = money.to_string();
    shown.split_once(' ').map_or_else(|| shown.clone(), |(amount, _)| amount.to_owned())
}

/// Returns the number of an offer as a search of Truedy's own account shows it, and the text that a confirmation of its
/// price is bound to.
pub fn priced(offer: &Value) -> Option<(&str, String)> {
    let text = |field: &str| offer.get(field).and_then(Value::as_str);
    let money = |field: &str| Money::of(text(field)?, text("currency")?);
    let price = Price { monthly: money("monthly"), setup: money("setup") };
    Some((offer.get("number")?.as_str()?, price.fingerprint(&PriceAccount::Truedy)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(monthly: &str, setup: Option<&str>, currency: &str) -> Price {
        let cost = json!({ "monthly_cost": monthly, "upfront_cost": setup, "currency": currency });
        Price::read(&json!({ "cost_information": cost }))
    }

    #[test]
    fn a_price_is_told_the_same_in_words_and_in_fields() {
        for (given, words, fields) in [
            (
                price("1.00000", Some("1.5"), "USD"),
                "1.00 USD a month and 1.50 USD once",
                json!({ "monthly": "1.00", "setup": "1.50", "currency": "USD" }),
            ),
            (price("0.12500", None, "GBP"), "0.125 GBP a month", json!({ "monthly": "0.125", "currency": "GBP" })),
            (
                price("free", Some("2"), "USD"),
                "2.00 USD once and an unknown amount a month",
                json!({ "setup": "2.00", "currency": "USD", "price": "unknown" }),
            ),
            (price("1.00", Some("free"), "USD"), "a price that is not known", json!({ "price": "unknown" })),
            (price("1.00", Some("1.00"), "dollars"), "a price that is not known", json!({ "price": "unknown" })),
            (Price::default(), "a price that is not known", json!({ "price": "unknown" })),
        ] {
            assert_eq!(given.words(), words);
            assert_eq!(json!(given.facts()), fields, "{words}");
            let by_name: serde_json::Map<String, Value> =
                given.facts().fields().map(|(name, value)| (name.to_owned(), json!(value))).collect();
            assert_eq!(Value::Object(by_name), fields, "{words}");
            assert_eq!(given.in_one_field() == "unknown", fields["price"] == "unknown", "{words}");
        }
    }

    #[test]
    fn two_prices_or_accounts_have_two_fingerprints() {
        let own = PriceAccount::Truedy;
        let (profile, key) = (PriceAccount::Profile("a".to_owned()), PriceAccount::Key("a".to_owned()));
        let usual = price("1.00", Some("2.00"), "USD");
        let all = [
            usual.fingerprint(&own),
            usual.fingerprint(&profile),
            usual.fingerprint(&key),
            usual.fingerprint(&PriceAccount::Profile("b".to_owned())),
            price("1.01", Some("2.00"), "USD").fingerprint(&own),
            price("1.00", Some("2.01"), "USD").fingerprint(&own),
            price("1.00", Some("2.00"), "EUR").fingerprint(&own),
            price("1.00", None, "USD").fingerprint(&own),
            Price { monthly: None, ..usual.clone() }.fingerprint(&own),
            Price::default().fingerprint(&own),
        ];
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len(), "{all:?}");
        assert_eq!(price("1.000", Some("2.00"), "USD").fingerprint(&own), usual.fingerprint(&own));
    }

    #[test]
    fn the_search_that_offers_a_number_shows_the_price_that_a_confirmation_is_bound_to() {
        for one in [price("1.00000", Some("2.5"), "USD"), price("free", Some("2"), "USD"), Price::default()] {
            let mut offer = json!(one.facts());
            offer["number"] = json!("+14155550123");
            let bound = one.fingerprint(&PriceAccount::Truedy);
            assert_eq!(priced(&offer), Some(("+14155550123", bound)), "{offer}");
        }
    }
}
