//! The prices of numbers that searches showed in the last 15 minutes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::time::Instant;

use crate::domain::text_at;
use crate::tools::contract::price::{Price, PriceAccount};

/// How long a seen price may be shown.
const FRESH: Duration = Duration::from_secs(15 * 60);
/// Most prices that are kept. The oldest is dropped first.
const MOST: usize = 2_000;

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
    use crate::domain::{CarrierName, Money};
    use crate::redact::Secret;

    fn price(monthly: &str, setup: Option<&str>, currency: &str) -> Price {
        let money = |amount| Money::of(amount, currency);
        Price { monthly: money(monthly), setup: setup.and_then(money) }
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
    fn the_newest_stays_and_the_oldest_goes() {
        let prices = Prices::default();
        let number = |n: usize| format!("+1415{n:07}");
        for n in 0..MOST {
            remember(&prices, &PriceAccount::Truedy, &number(n), "1.00");
        }
        // A known number gets its newest price even if the cache is full. It then counts as the newest.
        remember(&prices, &PriceAccount::Truedy, &number(0), "99.00");
        remember(&prices, &PriceAccount::Truedy, &number(MOST), "2.00");
        let monthly = |n| prices.recall(&PriceAccount::Truedy, &number(n)).and_then(|seen| seen.price.monthly_money());
        let money = |amount| Money::of(amount, "USD");
        assert_eq!(monthly(0), money("99.00"));
        assert_eq!(monthly(MOST), money("2.00"));
        assert_eq!(monthly(1), None, "the oldest went");
        assert_eq!(monthly(2), money("1.00"));
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
