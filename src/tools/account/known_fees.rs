//! What numbers of the account cost a month, as far as the journal knows it.

use std::collections::{BTreeMap, HashMap};

use crate::domain::Money;
use crate::tools::contract::context::ToolContext;

/// Most numbers that one transaction of the journal looks up.
const AT_ONCE: usize = 500;

/// What numbers cost a month, by Truedy's id of the number.
#[derive(Debug, Clone, Default)]
pub(crate) struct KnownFees {
    monthly: HashMap<String, Money>,
    /// Whether a part of the journal could not be read.
    pub(crate) unread: bool,
}

impl KnownFees {
    /// Looks up what these numbers cost. Only what was bought through this server is known.
    pub(crate) async fn read(context: &ToolContext, ids: &[&str]) -> Self {
        let mut known = Self::default();
        for some in ids.chunks(AT_ONCE) {
            match context.journal.fees_of(some.iter().map(|id| (*id).to_owned()).collect()).await {
                Ok(found) => known.monthly.extend(found.into_iter().map(|(id, fees)| (id, fees.monthly))),
                Err(error) => {
                    tracing::warn!(%error, "what numbers cost could not be read");
                    known.unread = true;
                    break;
                }
            }
        }
        known
    }

    /// Returns what a number costs a month. `None` if that is not known.
    pub(crate) fn monthly(&self, id: &str) -> Option<&Money> {
        self.monthly.get(id)
    }

    /// Returns a sentence on what these numbers cost together. Each currency has its own sum.
    pub(crate) fn in_words<'a>(&self, ids: impl ExactSizeIterator<Item = &'a str>) -> String {
        let all = ids.len();
        let mut sums: BTreeMap<&str, (Money, usize)> = BTreeMap::new();
        for monthly in ids.filter_map(|id| self.monthly(id)) {
            let (sum, count) =
                sums.entry(monthly.currency()).or_insert_with(|| (Money::from_micros(0, monthly.currency()), 0));
            if let Some(more) = sum.plus(monthly) {
                (*sum, *count) = (more, *count + 1);
            }
        }
        let known: Vec<String> = sums.values().map(|(sum, count)| format!("{sum} a month for {count}")).collect();
        match known.as_slice() {
            [] => {
                format!("No price of these {all} is known: known are the prices of numbers bought through this server.")
            }
            known => format!("Known: {} of {all} numbers.", known.join(" and ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_currency_has_its_own_sum_and_an_unknown_price_is_in_none() {
        let money = |text: &str| Money::parse(text).expect(text);
        let known = [("a", "1.50 USD"), ("b", "6 USD"), ("c", "2 GBP")];
        let monthly = known.iter().map(|(id, text)| ((*id).to_owned(), money(text))).collect();
        let fees = KnownFees { monthly, unread: false };
        let words = |ids: &[&'static str]| fees.in_words(ids.iter().copied());
        assert_eq!(words(&["a", "b", "x"]), "Known: 7.50 USD a month for 2 of 3 numbers.");
        assert_eq!(words(&["a", "c", "x"]), "Known: 2.00 GBP a month for 1 and 1.50 USD a month for 1 of 3 numbers.");
        assert!(words(&["x"]).starts_with("No price of these 1 is known"));
    }

    #[test]
    fn a_sum_that_is_too_large_leaves_the_rest_out() {
        let most = Money::from_micros(i64::MAX, "USD");
        let monthly = ["a", "b"].map(|id| (id.to_owned(), most.clone())).into_iter().collect();
        let fees = KnownFees { monthly, unread: false };
        assert!(fees.in_words(["a", "b"].into_iter()).contains("for 1 of 2"));
    }
}
