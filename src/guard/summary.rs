//! What the policy says about purchases, and how lists are shortened in its texts.

use std::collections::BTreeSet;

use crate::domain::ChangeKinds;
use crate::guard::policy::{AskMode, Cap, Level, Policy};

/// How many members of a list are named. The rest are counted.
const NAMED: usize = 4;

impl Policy {
    /// Returns what a purchase with one of these tools needs under this policy. The text completes the sentence "A purchase needs".
    pub fn purchase_needs(&self, kinds: ChangeKinds) -> &'static str {
        let never = kinds.spending().all(|tool| !self.offers(tool, false)) || self.caps.purchases == Cap::Most(0);
        match self.level {
            _ if never => "an operator who allows purchases; here none are allowed",
            Level::Flag if self.ask == AskMode::Off => "confirm: true, without which it is a preview",
            Level::Flag => {
                "the user's yes or, where the client cannot ask, confirm: true, without which it is a preview"
            }
            Level::Token => "confirm: true and the token of its preview",
            Level::Human => "confirm: true, the token of its preview and a person who agrees",
        }
    }
}

/// Names the first members of a list, and counts the rest.
pub(super) fn few<T: ToString>(members: &BTreeSet<T>) -> String {
    let named = members.iter().take(NAMED).map(T::to_string).collect::<Vec<_>>().join(", ");
    match members.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CountryCode, Money, NumberType, samples};
    use crate::guard::policy::Caps;

    #[test]
    fn the_level_and_the_caps_are_always_told() {
        assert_eq!(
            Policy::default().summary(),
            [
                "gate flag: a purchase needs the user's yes or, where the client cannot ask, confirm: true, without which it is a preview; a release needs confirm: true",
                "at most 10 purchases, 10 releases and 50 imports in 24 hours"
            ]
        );
        let caps = Caps {
            purchases: Cap::Most(0),
            releases: Cap::Unlimited,
            imports: Cap::Most(1),
            spend: Money::parse("50 USD"),
        };
        let policy = Policy { level: Level::Human, caps, max_monthly: Money::parse("2 USD"), ..Policy::default() };
        let told = policy.summary().join("; ");
        for part in [
            "gate human",
            "at most 0 purchases, unlimited releases and 1 imports in 24 hours",
            "50.00 USD for purchases",
            "2.00 USD a month",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }

    #[test]
    fn what_a_purchase_needs_is_told_of_each_configuration() {
        let told = |level, ask| Policy { level, ask, ..Policy::default() }.purchase_needs(samples::KINDS);
        assert!(told(Level::Flag, AskMode::Auto).contains("the user's yes or"));
        assert_eq!(told(Level::Flag, AskMode::Off), "confirm: true, without which it is a preview");
        assert!(
            told(Level::Token, AskMode::Auto).contains("token") && told(Level::Human, AskMode::Auto).contains("person")
        );
        let read_only = Policy { read_only: true, ..Policy::default() };
        let caps = Caps { purchases: Cap::Most(0), ..Caps::default() };
        for none in [read_only, Policy { caps, ..Policy::default() }] {
            assert!(none.purchase_needs(samples::KINDS).contains("none are allowed"));
        }
    }

    #[test]
    fn long_lists_are_counted() {
        let country = |code: &str| CountryCode::try_from(code).expect("a country");
        let many: BTreeSet<_> = ('A'..='Z').map(|c| country(&format!("A{c}"))).collect();
        let policy = Policy {
            countries: Some(many),
            number_types: Some([NumberType::Local, NumberType::TollFree].into()),
            ..Policy::default()
        };
        let told = policy.summary();
        assert!(told.contains(&"numbers of AA, AB, AC, AD and 22 more only".to_owned()), "{told:?}");
        assert!(told.contains(&"local, toll_free numbers only".to_owned()), "{told:?}");
    }
}
