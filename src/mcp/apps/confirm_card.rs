//! The confirmation card of a client that shows pages. It has the same form as the plain question, and shows the impact
//! beside it.

use rmcp::model::RequestMetaObject;
use serde_json::{Map, Value, json};

use crate::domain::{Caller, E164, Fees, Money, NumberLocation};
use crate::guard::{Cap, ChangeImpact};
use crate::mcp::apps::pages::{self, CONFIRM};

/// The entry of `_meta` in which the page finds the impact.
const FACTS: &str = "truedy/card";
/// The fields of a preview by which a person decides. Its other fields are for the caller.
const SHOWN: [&str; 5] = ["number", "number_status", "kind", "price", "agents_that_fall_silent"];

/// What the numbers of the account cost a month after a purchase, as far as that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MonthlyTotal {
    /// The sum of the known prices in the currency of the purchase, with the new number.
    known: Money,
    /// How many numbers are in the sum.
    priced: usize,
    /// How many numbers the account has then.
    numbers: usize,
}

impl MonthlyTotal {
    /// Sums what the account's numbers cost. `bought` is the new number. `others` are the known prices of the
    /// `count` numbers that the account has. `None` if the sum is too large.
    pub(crate) fn of<'a>(bought: &Fees, others: impl Iterator<Item = &'a Fees>, count: usize) -> Option<Self> {
        let mut total = Self { known: bought.monthly.clone(), priced: 1, numbers: count + 1 };
        for fees in others.filter(|fees| fees.monthly.currency() == bought.monthly.currency()) {
            total.known = total.known.plus(&fees.monthly)?;
            total.priced += 1;
        }
        Some(total)
    }
}

/// Returns the impact as the page reads it. Names of agents are separate data here, and never part of the form's text.
/// `used` is how many changes the cap counts already.
pub(crate) fn facts(
    impact: &ChangeImpact,
    (used, cap): (u32, Option<Cap>),
    caller: &Caller,
    total: Option<MonthlyTotal>,
) -> Value {
    let seen = impact.without_flag.as_ref().map(|preview| &preview.details);
    let shown = |name: &str| Some((name.to_owned(), seen?.get(name)?.clone()));
    let mut facts: Map<String, Value> = SHOWN.iter().filter_map(|name| shown(name)).collect();
    let mut add = |name: &str, value: Value| drop(facts.insert(name.to_owned(), value));
    add("releases", json!(impact.destroys));
    if let Some(number) = seen.and_then(|seen| seen.get("number")?.as_str()) {
        if let Some(place) = NumberLocation::of(number) {
            add("place", json!(place.to_string()));
        }
        if let Ok(number) = E164::try_from(number) {
            add("shown", json!(number.for_people()));
        }
    }
    if caller.tenant != Caller::local().tenant {
        add("account", json!(caller.tenant));
    }
    if let Some(MonthlyTotal { known, priced, numbers }) = total {
        add("monthly_after", json!({ "known": known.to_string(), "priced": priced, "numbers": numbers }));
    }
    if let Some(most) = cap.and_then(|cap| cap.most()) {
        add("used", json!(used));
        add("limit", json!(most));
    }
    Value::Object(facts)
}

/// Returns the `_meta` that goes with the form.
pub(crate) fn beside(facts: Value) -> RequestMetaObject {
    let mut meta = pages::meta("ui", json!({ "resourceUri": CONFIRM }));
    meta.0.insert(FACTS.to_owned(), facts);
    RequestMetaObject(meta)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_total_adds_what_is_known_in_the_currency_of_the_purchase() {
        let fees = |text: &str| Fees::of(Money::parse(text), None).expect("fees");
        let known = [fees("1.50 USD"), fees("2 GBP"), fees("0.25 USD")];
        let total = MonthlyTotal::of(&fees("1 USD"), known.iter(), 12).expect("a sum");
        assert_eq!((total.known.to_string().as_str(), total.priced, total.numbers), ("2.75 USD", 3, 13));
        let most = Fees { monthly: Money::from_micros(i64::MAX, "USD"), ..fees("1 USD") };
        assert_eq!(MonthlyTotal::of(&fees("1 USD"), [most].iter(), 1), None);
    }
}
