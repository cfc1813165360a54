//! Numbers that Truedy's own search offered although no numbering plan has them. They may still be bought.

use std::collections::BTreeSet;

use parking_lot::Mutex;
use serde_json::json;

use crate::domain::{ArgumentProblem, E164};

/// Most such numbers that are kept. The plans know nearly every number that is for sale.
const MOST: usize = 10_000;

/// Builds the problem for an argument that names an impossible number.
pub(crate) fn impossible_number(field: &str, number: &E164, why: String) -> ArgumentProblem {
    ArgumentProblem {
        expected: "a number that can exist: the country code, then as many digits as numbers of that country have"
            .to_owned(),
        ..ArgumentProblem::of::<E164>(field, why, Some(&json!(number)))
    }
}

/// The offered numbers that are impossible according to the numbering plans.
#[derive(Debug, Default)]
pub struct Offered(Mutex<BTreeSet<String>>);

impl Offered {
    /// Records an offered number, if the plans call it impossible.
    pub(crate) fn note(&self, number: &str) {
        if E164::try_from(number).is_ok_and(|number| number.impossible().is_some()) {
            let mut odd = self.0.lock();
            if odd.len() < MOST {
                odd.insert(number.to_owned());
            }
        }
    }

    /// Returns why no such number can exist. `None` if it is possible, or if it was offered in this process.
    pub(crate) fn impossible(&self, number: &E164) -> Option<String> {
        let why = number.impossible()?;
        let odd = self.0.lock();
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
        assert_eq!(offered.0.lock().len(), 0, "what the plans know need not be kept");
        offered.note(odd.as_str());
        assert_eq!(offered.impossible(&odd), None);
    }
}
