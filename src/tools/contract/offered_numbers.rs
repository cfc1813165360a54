//! Numbers that Truedy's own search offered although no plan has them: they may be bought all the same.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde_json::json;

use crate::domain::{ArgumentProblem, E164};

/// So many are kept at most; the plans know nearly every number that is for sale.
const MOST: usize = 10_000;

/// What is wrong with an argument that names a number which cannot exist.
pub(crate) fn impossible_number(field: &str, number: &E164, why: String) -> ArgumentProblem {
    ArgumentProblem {
        expected: "a number that can exist: the country code, then as many digits as numbers of that country have"
            .to_owned(),
        ..ArgumentProblem::of::<E164>(field, why, Some(&json!(number)))
    }
}

/// The offered numbers that cannot exist according to the plans.
#[derive(Debug, Default)]
pub struct Offered(Mutex<BTreeSet<String>>);

impl Offered {
    /// Takes note of an offer.
    pub(crate) fn note(&self, number: &str) {
        if E164::try_from(number).is_ok_and(|number| number.impossible().is_some()) {
            let mut odd = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if odd.len() < MOST {
                odd.insert(number.to_owned());
            }
        }
    }

    /// Why no such number can exist; `None` for a possible number and for one that was offered in this process.
    pub(crate) fn impossible(&self, number: &E164) -> Option<String> {
        let why = number.impossible()?;
        let odd = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (!odd.contains(number.as_str())).then_some(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_offered_is_not_refused() {
        let (offered, odd) = (Offered::default(), E164::try_from("+1415555016").expect("a form"));
        assert!(offered.impossible(&odd).is_some());
        offered.note("+14155550123");
        assert_eq!(offered.0.lock().expect("a set").len(), 0, "what the plans know need not be kept");
        offered.note(odd.as_str());
        assert_eq!(offered.impossible(&odd), None);
    }
}
