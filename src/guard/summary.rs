//! The policy as text. It is the same text for the agents that work under it and for the operator who set it.

use std::collections::BTreeSet;

use crate::guard::policy::{AskMode, Cap, Level, Policy};

/// How many members of a list are named. The rest are counted.
const NAMED: usize = 4;

impl Policy {
    /// Returns the rules in force, one text for each rule.
    ///
    /// The level and the caps are always included. Long lists are shortened.
    pub fn summary(&self) -> Vec<String> {
        let mut rules = vec![level(self.level, self.ask).to_owned(), self.caps_in_words()];
        let mut add = |rule: Option<String>| rules.extend(rule);
        add(self.caps.spend.as_ref().map(|most| format!("at most {most} for purchases in 24 hours")));
        add(self.max_monthly.as_ref().map(|most| format!("at most {most} a month for a number")));
        add(self.countries.as_ref().map(|countries| match few(countries) {
            none if none.is_empty() => "numbers of no country may be bought".to_owned(),
            some => format!("numbers of {some} only"),
        }));
        add(self.number_types.as_ref().map(|types| match few(types) {
            none if none.is_empty() => "numbers of no type may be bought".to_owned(),
            some => format!("{some} numbers only"),
        }));
        add(self.read_only.then(|| "read-only".to_owned()));
        add(self.only.as_ref().map(|only| match few(only) {
            none if none.is_empty() => "all tools are switched off".to_owned(),
            some => format!("the tools {some} only, others are switched off"),
        }));
        add((!self.except.is_empty()).then(|| format!("switched off: {}", few(&self.except))));
        add((!self.protected.is_empty()).then(|| format!("protected against release: {}", self.protected.len())));
        add(self.release_in_use.then(|| "numbers in use may be released".to_owned()));
        add(self.sip_hosts.as_ref().map(|hosts| {
            let from = if hosts.is_empty() {
                "no SIP imports: no host is allowed"
            } else {
                "SIP imports from listed hosts only"
            };
            from.to_owned()
        }));
        add(self.no_inline_secrets.then(|| "carrier keys from profiles or the user's page only".to_owned()));
        add((self.ask == AskMode::Off).then(|| "the user is not asked by form".to_owned()));
        rules
    }

    /// Returns what a purchase needs under this policy. The text completes the sentence "A purchase needs".
    pub fn purchase_needs(&self) -> &'static str {
        let never = !self.offers("purchase_number", false) || self.caps.purchases == Cap::Most(0);
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

    fn caps_in_words(&self) -> String {
        let most = |cap: Cap| cap.most().map_or_else(|| "unlimited".to_owned(), |most| most.to_string());
        let caps = &self.caps;
        let (purchases, releases, imports) = (most(caps.purchases), most(caps.releases), most(caps.imports));
        format!("at most {purchases} purchases, {releases} releases and {imports} imports in 24 hours")
    }
}

fn level(level: Level, ask: AskMode) -> &'static str {
    match level {
        Level::Flag if ask == AskMode::Off => {
            "gate flag: a purchase or release needs confirm: true, without which it is a preview"
        }
        Level::Flag => {
            "gate flag: a purchase needs the user's yes or, where the client cannot ask, confirm: true, without which it is a preview; a release needs confirm: true"
        }
        Level::Token => "gate token: a purchase or release needs confirm: true and the token of its preview",
        Level::Human => {
            "gate human: a purchase or release needs confirm: true, the token of its preview and a person who agrees"
        }
    }
}

/// Names the first members of a list, and counts the rest.
fn few<T: ToString>(members: &BTreeSet<T>) -> String {
    let named = members.iter().take(NAMED).map(T::to_string).collect::<Vec<_>>().join(", ");
    match members.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CountryCode, Money, NumberType};
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
        let told = |level, ask| Policy { level, ask, ..Policy::default() }.purchase_needs();
        assert!(told(Level::Flag, AskMode::Auto).contains("the user's yes or"));
        assert_eq!(told(Level::Flag, AskMode::Off), "confirm: true, without which it is a preview");
        assert!(
            told(Level::Token, AskMode::Auto).contains("token") && told(Level::Human, AskMode::Auto).contains("person")
        );
        let read_only = Policy { read_only: true, ..Policy::default() };
        let caps = Caps { purchases: Cap::Most(0), ..Caps::default() };
        for none in [read_only, Policy { caps, ..Policy::default() }] {
            assert!(none.purchase_needs().contains("none are allowed"));
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
