//! The prices of numbers that searches showed in the last 15 minutes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::domain::{CarrierName, Money, digest_of, text_at};
use crate::redact::Secret;

/// How long a seen price may be shown.
const FRESH: Duration = Duration::from_secs(15 * 60);
/// Most prices that are kept. The oldest is dropped first.
const MOST: usize = 2_000;

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

/// A price as Truedy gives it. Amounts are texts, never floats.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Price {
    pub(crate) monthly: Option<String>,
    pub(crate) upfront: Option<String>,
    pub(crate) currency: Option<String>,
}

impl Price {
    /// Reads `cost_information` (contract §6.2).
    pub(crate) fn read(offer: &Value) -> Self {
        let cost = offer.get("cost_information").unwrap_or(&Value::Null);
        let amount = |field| text_at(cost, field).filter(|text| is_amount(text));
        let upfront = amount("upfront_cost");
        // A one-time cost that cannot be read is not zero. Then the whole price counts as unknown.
        let readable = upfront.is_some() || cost.get("upfront_cost").is_none_or(Value::is_null);
        Self {
            monthly: amount("monthly_cost").filter(|_| readable),
            upfront,
            currency: text_at(cost, "currency")
                .filter(|text| text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase())),
        }
    }

    /// Returns the monthly amount without needless zeros.
    pub(crate) fn monthly(&self) -> Option<String> {
        self.monthly.as_deref().map(|amount| to_cents(amount).to_owned())
    }

    /// Returns the one-time amount without needless zeros.
    pub(crate) fn upfront(&self) -> Option<String> {
        self.upfront.as_deref().map(|amount| to_cents(amount).to_owned())
    }

    /// Returns the monthly cost. `None` if the amount or the currency is not known.
    pub(crate) fn monthly_money(&self) -> Option<Money> {
        Money::of(self.monthly.as_deref()?, self.currency.as_deref()?)
    }

    /// Returns the one-time cost. `None` if the amount or the currency is not known.
    pub(crate) fn upfront_money(&self) -> Option<Money> {
        Money::of(self.upfront.as_deref()?, self.currency.as_deref()?)
    }

    /// Combines two prices of one number: each part at its higher amount. Returns an unknown price if they cannot be
    /// compared.
    fn higher(self, other: Self) -> Self {
        if self == other {
            return self;
        }
        let (Some(mine), Some(theirs)) = (self.monthly_money(), other.monthly_money()) else {
            return Self::default();
        };
        if mine.currency() != theirs.currency() {
            return Self::default();
        }
        let upfront = match (self.upfront_money(), other.upfront_money()) {
            (Some(mine), Some(theirs)) if theirs.micros() > mine.micros() => other.upfront,
            (None, Some(_)) => other.upfront,
            _ => self.upfront,
        };
        let monthly = if theirs.micros() > mine.micros() { other.monthly } else { self.monthly };
        Self { monthly, upfront, currency: self.currency }
    }

    /// Returns the text that a confirmation is bound to. Two different prices give two different texts, and so do two
    /// accounts.
    ///
    /// Needless zeros are no difference, nor is the currency of no amount.
    pub(crate) fn fingerprint(&self, account: &PriceAccount) -> String {
        let currency = self.currency.as_ref().filter(|_| self.monthly.is_some() || self.upfront.is_some());
        json!({
            "monthly": self.monthly(),
            "upfront": self.upfront(),
            "currency": currency,
            "account": account.fingerprint(),
        })
        .to_string()
    }

    /// Returns the price as a text of digits, a currency and fixed phrases. It is safe in a question to a person.
    pub(crate) fn words(&self) -> String {
        let currency = self.currency.as_deref().unwrap_or("(currency unknown)");
        match (self.monthly.as_deref().map(to_cents), self.upfront.as_deref().map(to_cents)) {
            (Some(monthly), Some(upfront)) => format!("{monthly} {currency} a month and {upfront} {currency} once"),
            (Some(monthly), None) => format!("{monthly} {currency} a month"),
            (None, Some(upfront)) => format!("{upfront} {currency} once and an unknown amount a month"),
            (None, None) => "a price that is not known".to_owned(),
        }
    }
}

/// Returns the number of an offer as a search of Truedy's own account shows it, and the text that a confirmation of its
/// price is bound to.
pub fn priced(offer: &Value) -> Option<(&str, String)> {
    let text = |field: &str| offer.get(field).and_then(Value::as_str).map(str::to_owned);
    let monthly = text("monthly").filter(|text| is_amount(text));
    let price = Price { monthly, upfront: text("upfront"), currency: text("currency") };
    Some((offer.get("number")?.as_str()?, price.fingerprint(&PriceAccount::Truedy)))
}

/// Whether the text is an amount: digits, with a point before the decimals if there are any.
fn is_amount(text: &str) -> bool {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| (1..=12).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    digits(whole) && digits(decimals)
}

/// Removes trailing zeros beyond two decimals: `1.00000` becomes `1.00`.
fn to_cents(amount: &str) -> &str {
    let Some((_, decimals)) = amount.split_once('.') else {
        return amount;
    };
    let kept = decimals.trim_end_matches('0').len().max(decimals.len().min(2));
    amount.get(..amount.len() - (decimals.len() - kept)).unwrap_or(amount)
}

/// The prices seen in searches of one tenant in this process.
#[derive(Debug, Default)]
pub struct Prices(Mutex<KeptPrices>);

/// The kept prices, and the order in which they were added.
#[derive(Debug, Default)]
struct KeptPrices {
    seen: HashMap<(PriceAccount, String), SeenPrice>,
    order: BTreeMap<u64, (PriceAccount, String)>,
    last: u64,
}

/// The newest offer of a number.
#[derive(Debug, Clone)]
pub(crate) struct SeenPrice {
    pub(crate) price: Price,
    /// The search that showed the number, without a key. The same search finds it again.
    pub(crate) search: Arc<Value>,
    at: Instant,
    turn: u64,
}

impl Prices {
    /// Keeps the prices in one response to a search. They replace earlier ones. The oldest are dropped if there are too
    /// many.
    pub(crate) fn remember(&self, account: &PriceAccount, found: &HashMap<String, Price>, search: &Arc<Value>) {
        let mut kept = self.0.lock();
        for (number, price) in found {
            let key = (account.clone(), number.clone());
            kept.last += 1;
            let turn = kept.last;
            let seen = SeenPrice { price: price.clone(), search: Arc::clone(search), at: Instant::now(), turn };
            if let Some(before) = kept.seen.insert(key.clone(), seen) {
                kept.order.remove(&before.turn);
            }
            kept.order.insert(turn, key);
            if kept.seen.len() > MOST
                && let Some((_, oldest)) = kept.order.pop_first()
            {
                kept.seen.remove(&oldest);
            }
        }
    }

    /// Drops the price of a number, because a newer search did not show the number.
    pub(crate) fn forget(&self, account: &PriceAccount, number: &str) {
        let mut kept = self.0.lock();
        if let Some(seen) = kept.seen.remove(&(account.clone(), number.to_owned())) {
            kept.order.remove(&seen.turn);
        }
    }

    /// Returns the newest offer of the last 15 minutes.
    pub(crate) fn recall(&self, account: &PriceAccount, number: &str) -> Option<SeenPrice> {
        let kept = self.0.lock();
        kept.seen.get(&(account.clone(), number.to_owned())).filter(|seen| seen.at.elapsed() < FRESH).cloned()
    }
}

/// Returns the prices in one response to a search. If a number appears more than once, its higher price counts.
pub(crate) fn prices_in(rows: &[Value]) -> HashMap<String, Price> {
    let mut found: HashMap<String, Price> = HashMap::new();
    for row in rows {
        let Some(number) = text_at(row, "phone_number") else { continue };
        let price = Price::read(row);
        let price = match found.remove(&number) {
            Some(before) => before.higher(price),
            None => price,
        };
        found.insert(number, price);
    }
    found
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

    fn price(monthly: &str, upfront: Option<&str>, currency: &str) -> Price {
        let text = |text: &str| Some(text.to_owned());
        Price { monthly: text(monthly), upfront: upfront.map(str::to_owned), currency: text(currency) }
    }

    fn row(number: &str, monthly: &str, upfront: &str, currency: &str) -> Value {
        serde_json::json!({ "phone_number": number, "cost_information": { "monthly_cost": monthly, "upfront_cost": upfront, "currency": currency } })
    }

    fn remember(prices: &Prices, account: &PriceAccount, number: &str, monthly: &str) {
        let found = [(number.to_owned(), price(monthly, None, "USD"))].into();
        prices.remember(account, &found, &Arc::new(Value::Null));
    }

    #[test]
    fn a_price_is_good_for_its_account_alone() {
        let key = |text: &str| Secret::new(text.to_owned()).expect("a key");
        let name = CarrierName::try_from("main").expect("a name");
        let accounts = [
            PriceAccount::of(None, None),
            PriceAccount::of(Some(&name), None),
            PriceAccount::of(None, Some(&key("KEY-one-0123456789"))),
            PriceAccount::of(None, Some(&key("KEY-two-0123456789"))),
        ];
        for mine in &accounts {
            let prices = Prices::default();
            remember(&prices, mine, "+14155550123", "0.10");
            for other in &accounts {
                let found = prices.recall(other, "+14155550123").is_some();
                assert_eq!(found, mine == other, "{mine:?} {other:?}");
            }
            assert!(!format!("{prices:?}").contains("0123456789\"") && !format!("{prices:?}").contains("KEY-"));
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
            Price { currency: None, ..usual.clone() }.fingerprint(&own),
            Price::default().fingerprint(&own),
        ];
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len(), "{all:?}");
        assert_eq!(price("1.000", Some("2.00"), "USD").fingerprint(&own), usual.fingerprint(&own));
        // The search that offers a number shows the same price.
        let offer = json!({ "number": "+14155550123", "monthly": "1.00", "upfront": "2.00", "currency": "USD" });
        assert_eq!(priced(&offer).map(|(_, text)| text), Some(usual.fingerprint(&own)));
        let unknown = Price { currency: Some("USD".to_owned()), ..Price::default() };
        assert_eq!(unknown.fingerprint(&own), Price::default().fingerprint(&own));
    }

    #[test]
    fn the_newest_stays_and_the_oldest_goes() {
        let prices = Prices::default();
        let number = |n: usize| format!("+1415{n:07}");
        for n in 0..MOST {
            remember(&prices, &PriceAccount::Truedy, &number(n), "1.00");
        }
        // A known number gets its newest price even if the cache is full. It then counts as the newest.
        remember(&prices, &PriceAccount::Truedy, &number(0), "99.00");
        remember(&prices, &PriceAccount::Truedy, &number(MOST), "2.00");
        let monthly = |n| prices.recall(&PriceAccount::Truedy, &number(n)).and_then(|seen| seen.price.monthly);
        assert_eq!(monthly(0).as_deref(), Some("99.00"));
        assert_eq!(monthly(MOST).as_deref(), Some("2.00"));
        assert_eq!(monthly(1), None, "the oldest went");
        assert_eq!(monthly(2).as_deref(), Some("1.00"));
        prices.forget(&PriceAccount::Truedy, &number(0));
        assert_eq!(monthly(0), None);
        let kept = prices.0.lock();
        assert_eq!((kept.seen.len(), kept.order.len()), (MOST - 1, MOST - 1));
    }

    #[test]
    fn of_two_prices_in_one_answer_the_higher_counts() {
        let cheap = row("+14155550123", "1.00", "5.00", "USD");
        let dear = row("+14155550123", "25.00", "1.00", "USD");
        for rows in [[cheap.clone(), dear.clone()], [dear.clone(), cheap.clone()]] {
            assert_eq!(prices_in(&rows)["+14155550123"], price("25.00", Some("5.00"), "USD"));
        }
        // Prices that cannot be compared count as unknown.
        let euros = row("+14155550123", "1.00", "1.00", "EUR");
        let free = row("+14155550123", "free", "1.00", "USD");
        for other in [euros, free] {
            assert_eq!(prices_in(&[dear.clone(), other.clone()])["+14155550123"].monthly_money(), None);
            assert_eq!(prices_in(&[other, dear.clone(), cheap.clone()])["+14155550123"].monthly_money(), None);
        }
    }
}
