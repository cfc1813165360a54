//! Totals: how often something was done, and what it costs, by currency.

use crate::domain::{Fees, Money};

/// What the operations of one tool amount to. Only those that happened are counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ToolTotal {
    /// How many happened.
    pub count: u64,
    /// How many of them have no known price.
    pub unpriced: u64,
    /// The sums, one for each currency, in the order of their codes. Amounts of different currencies are never added.
    pub sums: Vec<CurrencySum>,
    /// Whether there were more operations than are added up.
    pub is_partial: bool,
}

/// Sums of amounts in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrencySum {
    /// The monthly amounts.
    pub monthly: Money,
    /// The amounts that are paid once.
    pub setup: Money,
}

impl ToolTotal {
    /// Adds operations of which these many have no known price.
    pub(crate) fn count(&mut self, count: u64, unpriced: u64) {
        self.count = self.count.saturating_add(count);
        self.unpriced = self.unpriced.saturating_add(unpriced);
    }

    /// Adds amounts in one currency. A sum that is too large stays at the largest one.
    pub(crate) fn add(&mut self, more: &Fees) {
        let currency = more.monthly.currency();
        let at = match self.sums.binary_search_by(|sum| sum.monthly.currency().cmp(currency)) {
            Ok(at) => at,
            Err(at) => {
                let none = || Money::from_micros(0, currency);
                self.sums.insert(at, CurrencySum { monthly: none(), setup: none() });
                at
            }
        };
        let plus = |sum: &mut Money, more: &Money| {
            *sum = Money::from_micros(sum.micros().saturating_add(more.micros()), sum.currency());
        };
        if let Some(sum) = self.sums.get_mut(at) {
            plus(&mut sum.monthly, &more.monthly);
            more.setup.iter().for_each(|setup| plus(&mut sum.setup, setup));
        }
    }
}
