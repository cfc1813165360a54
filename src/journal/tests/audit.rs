//! Who did what, and what it costs: prices, totals, pages of the list, and calls that come again.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::journal::ToolTotal;
use crate::journal::operation::{PREVIEWED, RefusedCall};
use crate::journal::tests::fixture::*;
use crate::journal::tests::refusals::denied;

pub(crate) async fn what_a_number_costs_is_kept_and_a_release_knows_it(fixture: Fixture) {
    let journal = fixture.journal();
    let fees = |monthly: &str, setup: Option<&str>| Fees::of(money(monthly), setup.and_then(money));
    let bought = |at: u32, fees: Option<Fees>| Intent {
        price: fees.as_ref().map(|fees| fees.monthly.clone()),
        fees,
        stopped_by_unresolved: false,
        ..purchase(&number(at))
    };
    let with_id = |id: &str| Outcome { number_id: Some(id.to_owned()), ..done() };
    let dear = fees("2.50 EUR", Some("1.00 EUR"));
    let one = journal.sends(bought(1, dear.clone())).await;
    journal.ends(one, with_id("n1")).await;
    let unknown = journal.sends(bought(2, None)).await;
    journal.ends(unknown, with_id("n2")).await;
    // One that was not bought costs nothing. One that was seen in the account later costs what was offered.
    let refused_one = journal.sends(bought(3, fees("3.00 USD", None))).await;
    journal.ends(refused_one, Outcome { number_id: Some("n3".to_owned()), ..refused() }).await;
    let lost = journal.loses(bought(4, fees("4.00 USD", None))).await;
    journal.ends(lost, Outcome { known_by: OutcomeSource::Look, ..with_id("n4") }).await;
    let ids = ["n1", "n2", "n3", "n4", "n5"].map(str::to_owned).to_vec();
    let known = fixture.journal().fees_of(ids.clone()).await.unwrap();
    assert_eq!(
        (known.len(), known.get("n1").cloned(), known.get("n4").cloned()),
        (2, dear.clone(), fees("4.00 USD", None))
    );
    // Another tenant knows nothing of it.
    let other = journal.of("other".to_owned(), "account".to_owned());
    assert_eq!(other.fees_of(ids).await.map(|known| known.len()), Ok(0));
    // It is known long after the purchase was pruned.
    journal.wait(100 * 24 * HOUR).await;
    while journal.prune().await != Ok(0) {}
    assert!(journal.all().await.iter().all(|row| row.id != one.to_string()));
    for (id, is) in [("n1", dear), ("n2", None)] {
        let object = OperationTarget { number_id: Some(id.to_owned()), ..OperationTarget::number(number(1)) };
        let released = journal.begins(Intent { object, flight: Some(id.to_owned()), ..release(&number(1)) }).await;
        let released = journal.one(released).await;
        assert_eq!((released.fees, released.price), (is, None), "{id}");
    }
}

/// A purchase at this price, done. Returns its id.
async fn bought(journal: &Journal, at: u32, fees: Option<Fees>) -> Uuid {
    let price = fees.as_ref().map(|fees| fees.monthly.clone());
    let id = journal.sends(Intent { price, fees, stopped_by_unresolved: false, ..purchase(&number(at)) }).await;
    journal.ends(id, Outcome { number_id: Some(format!("n{at}")), ..done() }).await;
    id
}

/// A release of this number, done.
async fn released(journal: &Journal, at: u32) {
    let object = OperationTarget { number_id: Some(format!("n{at}")), ..OperationTarget::number(number(at)) };
    let id = journal.sends(Intent { object, flight: Some(format!("release:n{at}")), ..release(&number(at)) }).await;
    journal.ends(id, Outcome::new(true, "released", OutcomeSource::Answer)).await;
}

/// The sums of a total, as texts.
fn sums(total: &ToolTotal) -> Vec<(String, String)> {
    total.sums.iter().map(|sum| (sum.monthly.to_string(), sum.setup.to_string())).collect()
}

fn texts(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(monthly, setup)| ((*monthly).to_owned(), (*setup).to_owned())).collect()
}

pub(crate) async fn totals_are_those_of_a_period_and_of_one_number(fixture: Fixture) {
    let journal = fixture.journal();
    let fees = |monthly: &str, setup: Option<&str>| Fees::of(money(monthly), setup.and_then(money));
    bought(&journal, 1, fees("1.10 USD", Some("0.000001 USD"))).await;
    bought(&journal, 2, fees("2.00 EUR", None)).await;
    bought(&journal, 3, None).await;
    journal.wait(2 * HOUR).await;
    bought(&journal, 4, fees("3.00 USD", Some("5.00 USD"))).await;
    released(&journal, 1).await;
    released(&journal, 9).await;
    // What did not happen, or may not have, is in no total.
    journal.loses(Intent { fees: fees("9.00 USD", None), ..purchase(&number(5)) }).await;
    let failed = Intent { fees: fees("9.00 USD", None), stopped_by_unresolved: false, ..purchase(&number(6)) };
    let failed = journal.sends(failed).await;
    journal.ends(failed, refused()).await;
    let now = jiff::Timestamp::now().as_millisecond();
    let one = OperationQuery { tenant: Some("default".to_owned()), limit: 1, ..OperationQuery::default() };
    let all = journal.total(one.clone(), "purchase_number").await.unwrap();
    assert_eq!((all.count, all.unpriced, all.is_partial), (4, 1, false));
    assert_eq!(sums(&all), texts(&[("2.00 EUR", "0.00 EUR"), ("4.10 USD", "5.000001 USD")]));
    let gone = journal.total(one.clone(), "release_number").await.unwrap();
    assert_eq!((gone.count, gone.unpriced, sums(&gone)), (2, 1, texts(&[("1.10 USD", "0.000001 USD")])));
    let recent = OperationQuery { since: Some(now - HOUR), ..one.clone() };
    let recent = journal.total(recent, "purchase_number").await.unwrap();
    assert_eq!((recent.count, sums(&recent)), (1, texts(&[("3.00 USD", "5.00 USD")])));
    let before = OperationQuery { until: Some(now - HOUR), ..one.clone() };
    let before = journal.total(before, "purchase_number").await.unwrap();
    assert_eq!((before.count, before.unpriced), (3, 1));
    for object in [number(4), "n4".to_owned()] {
        let about = OperationQuery { object: Some(object), ..one.clone() };
        let about = journal.total(about, "purchase_number").await.unwrap();
        assert_eq!((about.count, sums(&about)), (1, texts(&[("3.00 USD", "5.00 USD")])));
    }
    let other = OperationQuery { tenant: Some("other".to_owned()), ..one.clone() };
    assert_eq!(journal.total(other, "purchase_number").await, Ok(ToolTotal::default()));
    let everybody = OperationQuery { tenant: None, ..one };
    assert_eq!(journal.total(everybody, "purchase_number").await, Ok(all));
}

pub(crate) async fn a_list_is_read_in_pages_without_gaps(fixture: Fixture) {
    let journal = fixture.journal();
    for at in 0..7 {
        bought(&journal, at, None).await;
    }
    // All of them begin at one time: then the revision decides.
    journal.sql("UPDATE operations SET begun_at = 5".to_owned()).await;
    journal.loses(Intent { stopped_by_unresolved: false, ..purchase(&number(20)) }).await;
    journal.sends(Intent { stopped_by_unresolved: false, ..purchase(&number(21)) }).await;
    let failed = journal.sends(Intent { stopped_by_unresolved: false, ..purchase(&number(22)) }).await;
    journal.ends(failed, refused()).await;
    journal.refuse(denied("local", 1)).await;
    journal.refuse(RefusedCall { outcome: PREVIEWED, ..denied("local", 2) }).await;
    for (changes, count) in [(true, 10), (false, 12)] {
        for limit in [1, 2, 3, 20] {
            let whole = OperationQuery { changes, limit: 100, ..OperationQuery::default() };
            let whole: Vec<_> = journal.find(whole).await.unwrap();
            assert_eq!(whole.len(), count);
            let (mut after, mut pages) = (None, Vec::new());
            loop {
                let page = OperationQuery { changes, limit, after, ..OperationQuery::default() };
                let page = journal.find(page).await.unwrap();
                let Some(last) = page.last() else { break };
                after = Some(last.position());
                pages.extend(page);
            }
            assert_eq!(pages, whole, "{changes} {limit}");
        }
    }
    // Of one state, too, and of one number.
    let failed = OperationQuery { state: Some(OperationPhase::Refused), changes: true, limit: 9, ..Default::default() };
    assert_eq!(journal.find(failed).await.unwrap().len(), 3, "whoever asks for a state gets it");
    let about = OperationQuery { object: Some(number(22)), changes: true, limit: 9, ..Default::default() };
    assert_eq!(journal.find(about).await.unwrap().len(), 1, "Truedy refused it");
}

pub(crate) async fn a_call_that_comes_again_is_the_first_one(fixture: Fixture) {
    let (one, two) = (fixture.journal(), fixture.journal());
    let again = |at: u32, call_id: &str| Intent {
        origin: CallOrigin { call_id: Some(call_id.to_owned()), ..CallOrigin::default() },
        stopped_by_unresolved: false,
        ..purchase(&number(at))
    };
    let first = one.sends(again(1, "c1")).await;
    let resent = |stop: BeginConflict| match stop {
        BeginConflict::Resent(operation) => operation.id,
        other => panic!("{other:?}"),
    };
    // From another process, while it runs and when it is done.
    assert_eq!(resent(two.stops(again(1, "c1")).await), first.to_string());
    one.ends(first, done()).await;
    assert_eq!(resent(two.stops(again(1, "c1")).await), first.to_string());
    let seen = two.resent(&Caller::local(), "c1".to_owned()).await.unwrap();
    assert_eq!(seen.map(|operation| (operation.id, operation.state)), Some((first.to_string(), OperationPhase::Done)));
    // Of somebody else it is another call.
    for other in [("default", "eve"), ("other", "local")] {
        let caller = Caller { tenant: other.0.to_owned(), principal: other.1.to_owned() };
        assert_eq!(two.resent(&caller, "c1".to_owned()).await, Ok(None), "{other:?}");
    }
    // What was never sent does not count; what Truedy refused does.
    let withdrawn = one.begins(again(2, "c2")).await;
    one.ends(withdrawn, Outcome { sent: false, ..refused() }).await;
    let second = one.sends(again(2, "c2")).await;
    one.ends(second, refused()).await;
    assert_eq!(resent(two.stops(again(2, "c2")).await), second.to_string());
    // After ten minutes it is another call.
    one.wait(10 * MINUTE).await;
    assert_eq!(two.resent(&Caller::local(), "c1".to_owned()).await, Ok(None));
    two.begins(again(2, "c2")).await;
}

/// One step of a history.
#[derive(Debug, Clone)]
enum AuditStep {
    /// A purchase: its price in one of three currencies, or none; and whether it happens.
    Buy { price: Option<(usize, i64, Option<i64>)>, happens: bool },
    /// The release of one of the numbers that were bought, by its index.
    Release(prop::sample::Index),
    /// The process ends, and another one goes on.
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<AuditStep>> {
    let price =
        prop::option::weighted(0.8, (0_usize..3, 1_i64..1_000_000_000_000_000, prop::option::of(0_i64..9_000_000)));
    prop::collection::vec(
        prop_oneof![
            6 => (price, prop::bool::weighted(0.8)).prop_map(|(price, happens)| AuditStep::Buy { price, happens }),
            3 => any::<prop::sample::Index>().prop_map(AuditStep::Release),
            1 => Just(AuditStep::Restart),
        ],
        1..60,
    )
}

/// What the journal must say: by currency, the monthly amounts and those paid once; and how many have no price.
#[derive(Debug, Default, PartialEq)]
struct Expected {
    sums: BTreeMap<&'static str, (i64, i64)>,
    count: u64,
    unpriced: u64,
}

impl Expected {
    fn add(&mut self, price: Option<(&'static str, i64, i64)>) {
        self.count += 1;
        match price {
            Some((currency, monthly, setup)) => {
                let sum = self.sums.entry(currency).or_default();
                sum.0 += monthly;
                sum.1 += setup;
            }
            None => self.unpriced += 1,
        }
    }

    fn is(&self, total: &ToolTotal) -> bool {
        let sums = total.sums.iter().map(|sum| (sum.monthly.currency(), sum.monthly.micros(), sum.setup.micros()));
        let own = self.sums.iter().map(|(currency, (monthly, setup))| (*currency, *monthly, *setup));
        sums.eq(own) && (self.count, self.unpriced) == (total.count, total.unpriced)
    }
}

async fn play(steps: Vec<AuditStep>) {
    const CURRENCIES: [&str; 3] = ["EUR", "GBP", "USD"];
    let fixture = Fixture::sqlite();
    let mut journal = fixture.journal();
    let (mut added, mut removed) = (Expected::default(), Expected::default());
    let mut owned = Vec::new();
    for (at, step) in (0..).zip(steps) {
        match step {
            AuditStep::Buy { price, happens } => {
                let price = price.map(|(at, monthly, setup)| (CURRENCIES[at], monthly, setup));
                let of = |micros, currency| Money::from_micros(micros, currency);
                let fees = price.and_then(|(currency, monthly, setup)| {
                    Fees::of(Some(of(monthly, currency)), setup.map(|setup| of(setup, currency)))
                });
                if happens {
                    bought(&journal, at, fees).await;
                    let price = price.map(|(currency, monthly, setup)| (currency, monthly, setup.unwrap_or(0)));
                    added.add(price);
                    owned.push((at, price));
                } else {
                    let intent = Intent { fees, stopped_by_unresolved: false, ..purchase(&number(at)) };
                    let id = journal.sends(intent).await;
                    journal.ends(id, refused()).await;
                }
            }
            AuditStep::Release(index) if !owned.is_empty() => {
                let (at, price) = owned.remove(index.index(owned.len()));
                released(&journal, at).await;
                removed.add(price);
            }
            AuditStep::Release(_) => {}
            AuditStep::Restart => {
                fixture.crash(journal).await;
                journal = fixture.journal();
            }
        }
    }
    let query = OperationQuery { tenant: Some("default".to_owned()), limit: 1, ..OperationQuery::default() };
    for (tool, expected) in [("purchase_number", added), ("release_number", removed)] {
        let mut total = journal.total(query.clone(), tool).await.unwrap();
        if tool == "release_number" {
            // A released number shows what it cost once, but nothing is paid back.
            assert!(total.sums.len() <= CURRENCIES.len());
        }
        assert!(expected.is(&total), "{tool}: {expected:?} {total:?}");
        total.count += 1;
        assert!(!expected.is(&total));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn totals_are_what_the_history_amounts_to(steps in steps()) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(play(steps));
    }
}
