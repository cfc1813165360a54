//! Tests of the freeze, with every store.

use futures::future::join_all;

use crate::journal::tests::fixture::*;

/// The caller of another tenant.
fn other() -> Caller {
    Caller { tenant: "other".to_owned(), ..Caller::local() }
}

pub(crate) async fn a_frozen_journal_begins_nothing_and_sends_nothing(fixture: Fixture) {
    let (one, two) = (fixture.journal(), fixture.journal());
    let begun = one.begins(Intent { nonce: Some("n".to_owned()), ..purchase(&number(1)) }).await;
    let limited = one.sends(purchase(&number(2))).await;
    let lost = one.loses(release(&number(3))).await;
    let report = two.freeze(freeze(None)).await.unwrap();
    assert_eq!((report.sent, report.withdrawn, report.freeze.tenant.as_deref()), (1, 1, None));
    assert_eq!((report.freeze.why.as_str(), report.freeze.by.as_str()), ("a wrong number was bought", "ana"));
    for journal in [&one, &two] {
        let stop = journal.stops(purchase(&number(4))).await;
        assert_eq!(stop, BeginConflict::Frozen(report.freeze.clone()));
        assert_eq!(journal.frozen().await, Ok(Some(report.freeze.clone())));
    }
    // Neither what had begun, nor what Truedy put off, nor what would be sent once more after a lost response.
    assert_eq!((one.clear(begun).await, one.clear(limited).await), (Ok(false), Ok(false)));
    assert_eq!(one.clear_again(lost).await, Ok(false));
    let withdrawn = one.one(begun).await;
    assert_eq!((withdrawn.state, withdrawn.outcome.as_deref()), (OperationPhase::Refused, Some("frozen")));
    assert_eq!(one.used().await, 1, "what was withdrawn takes no place in a cap");
    // Nothing was sent for the token, so it is good afterwards.
    assert_eq!(two.unfreeze(None).await, Ok(Some(report.freeze)));
    assert_eq!((two.unfreeze(None).await, two.frozen().await), (Ok(None), Ok(None)));
    one.sends(Intent { nonce: Some("n".to_owned()), stopped_by_unresolved: false, ..purchase(&number(1)) }).await;
    assert_eq!(one.clear(limited).await, Ok(true));
}

pub(crate) async fn what_was_sent_before_a_freeze_is_settled(fixture: Fixture) {
    let (one, two) = (fixture.journal(), fixture.journal());
    let bought = one.sends(purchase(&number(1))).await;
    let lost = one.sends(purchase(&number(2))).await;
    assert_eq!(two.freeze(freeze(None)).await.map(|report| report.sent), Ok(2));
    one.ends(bought, done()).await;
    one.lose(lost, None, None, None).await;
    assert_eq!((one.state(bought).await, one.state(lost).await), (OperationPhase::Done, OperationPhase::Unknown));
    one.ends(lost, Outcome::new(true, "purchased", OutcomeSource::Look)).await;
    assert_eq!(two.freeze(freeze(None)).await.map(|report| report.sent), Ok(0));
}

pub(crate) async fn a_freeze_of_one_tenant_stops_no_other(fixture: Fixture) {
    let journal = fixture.journal();
    let theirs = journal.of("other".to_owned(), "account".to_owned());
    let begun = theirs.begins(Intent { caller: other(), ..purchase(&number(1)) }).await;
    let ours = journal.begins(purchase(&number(1))).await;
    assert_eq!(journal.freeze(freeze(Some("other"))).await.map(|report| report.withdrawn), Ok(1));
    assert_eq!((theirs.clear(begun).await, journal.clear(ours).await), (Ok(false), Ok(true)));
    assert!(matches!(theirs.stops(Intent { caller: other(), ..purchase(&number(2)) }).await, BeginConflict::Frozen(_)));
    assert_eq!((journal.frozen().await, theirs.frozen().await.map(|it| it.is_some())), (Ok(None), Ok(true)));
    journal.ends(ours, done()).await;
    journal.begins(purchase(&number(3))).await;
    // The freeze of all goes first, and ending one does not end the other.
    journal.freeze(freeze(None)).await.unwrap();
    let tenants = |all: Vec<Freeze>| all.into_iter().map(|one| one.tenant).collect::<Vec<_>>();
    assert_eq!(journal.freezes().await.map(tenants), Ok(vec![None, Some("other".to_owned())]));
    assert!(journal.unfreeze(Some("other".to_owned())).await.unwrap().is_some());
    assert!(theirs.frozen().await.unwrap().is_some_and(|freeze| freeze.tenant.is_none()));
    assert_eq!(journal.known_tenants().await, Ok(vec!["default".to_owned(), "other".to_owned()]));
}

pub(crate) async fn a_freeze_lasts_and_no_pruning_ends_it(fixture: Fixture) {
    let journal = fixture.journal();
    let first = journal.freeze(freeze(None)).await.unwrap().freeze;
    journal.sql("UPDATE freezes SET frozen_at = 1".to_owned()).await;
    journal.prune().await.unwrap();
    let again = Freeze { why: "still\u{7} wrong".to_owned(), ..freeze(None) };
    let again = journal.freeze(again).await.unwrap().freeze;
    // It lasts since the first time, and a text in the row is never trusted.
    assert_eq!((again.since, again.why.as_str(), first.since > 1), (1, "still wrong", true));
    fixture.crash(journal).await;
    assert!(matches!(fixture.journal().stops(purchase(&number(1))).await, BeginConflict::Frozen(_)));
}

pub(crate) async fn a_freeze_says_who_has_the_journal_open(fixture: Fixture) {
    let operator = fixture.journal();
    assert_eq!(operator.freeze(freeze(None)).await.map(|report| report.processes), Ok(0));
    let (one, two) = (fixture.journal(), fixture.journal());
    one.probe().await.unwrap();
    two.probe().await.unwrap();
    assert_eq!(operator.freeze(freeze(None)).await.map(|report| report.processes), Ok(2));
    fixture.crash(two).await;
    assert_eq!(operator.freeze(freeze(None)).await.map(|report| report.processes), Ok(1));
}

/// Many begin and send at once, in two processes. What the store lets through after the freeze has returned is wrong.
pub(crate) async fn while_many_begin_a_freeze_lets_none_through(fixture: Fixture) {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
    let journals = [fixture.journal(), fixture.journal()];
    let (frozen, through, late) = (AtomicBool::new(false), AtomicU32::new(0), AtomicU32::new(0));
    let changes = (0..20).map(|at: usize| {
        let (journals, frozen, through, late) = (&journals, &frozen, &through, &late);
        async move {
            let journal = &journals[at % 2];
            for turn in 0..20 {
                let intent = purchase(&number(u32::try_from(at * 100 + turn).unwrap()));
                let (id, was_frozen) = (intent.id, frozen.load(SeqCst));
                let begun = journal.begin(intent).await.unwrap().is_none();
                late.fetch_add(u32::from(was_frozen && begun), SeqCst);
                let was_frozen = frozen.load(SeqCst);
                let cleared = begun && journal.clear(id).await.unwrap();
                late.fetch_add(u32::from(was_frozen && cleared), SeqCst);
                through.fetch_add(u32::from(cleared), SeqCst);
                if !begun {
                    return;
                }
            }
        }
    });
    let operator = fixture.journal();
    let freezing = async {
        while through.load(SeqCst) < 20 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        let report = operator.freeze(freeze(None)).await.unwrap();
        frozen.store(true, SeqCst);
        report
    };
    let (report, _) = futures::future::join(freezing, join_all(changes)).await;
    assert_eq!(late.load(SeqCst), 0);
    let sent = operator.all().await.iter().filter(|one| one.state == OperationPhase::Sent).count();
    assert_eq!((report.sent, u32::try_from(sent).unwrap()), (sent, through.load(SeqCst)));
    assert!((20..400).contains(&sent), "{sent}");
}
