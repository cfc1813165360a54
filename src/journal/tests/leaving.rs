//! Tests of purchases whose caller stopped waiting, and of operations that began under another API key.

use crate::domain::samples;
use crate::journal::tests::fixture::*;

fn knowing(ids: &[Uuid]) -> Vec<String> {
    ids.iter().map(Uuid::to_string).collect()
}

pub(crate) async fn a_purchase_that_nobody_waits_for_stops_the_others(fixture: Fixture) {
    let (one, two) = (fixture.journal(), fixture.journal());
    let first = one.sends(purchase(&number(1))).await;
    // While somebody waits for each of them, several may run.
    let second = two.sends(purchase(&number(2))).await;
    assert!(one.abandon(first).await);
    for journal in [&one, &two] {
        let stop = journal.stops(purchase(&number(3))).await;
        assert!(
            matches!(&stop, BeginConflict::Unresolved(open) if open.len() == 1 && open[0].id == first.to_string()),
            "{stop:?}"
        );
        let standing = journal.standing(&Caller::local(), "purchase_number", None, None, u32::MAX).await.unwrap();
        assert_eq!(standing.unresolved.iter().map(|one| &one.id).collect::<Vec<_>>(), [&first.to_string()]);
    }
    assert_eq!(one.state(first).await, OperationPhase::Sent, "it goes on");
    // Others are not stopped, nor are other tools.
    let other = Caller { principal: "other".to_owned(), ..Caller::local() };
    two.begins(Intent { caller: other, ..purchase(&number(4)) }).await;
    two.begins(Intent { kind: &samples::IMPORT, stopped_by_unresolved: false, ..purchase(&number(5)) }).await;
    // Until it has ended, or is named.
    let named = two.begins(Intent { acknowledged: knowing(&[first]), ..purchase(&number(6)) }).await;
    assert!(two.one(first).await.acknowledged);
    two.ends(named, refused()).await;
    assert!(two.abandon(second).await);
    assert!(matches!(one.stops(purchase(&number(7))).await, BeginConflict::Unresolved(_)));
    two.ends(second, done()).await;
    one.begins(purchase(&number(7))).await;
    // One that has ended, or never was, is left alone.
    let before = one.all().await;
    assert!(one.abandon(second).await && one.abandon(Uuid::now_v7()).await);
    assert_eq!((one.all().await, one.late()), (before, 0));
}

pub(crate) async fn what_is_not_known_is_the_tenants_under_any_key(fixture: Fixture) {
    let first = fixture.journal();
    first.note_organization("org_1");
    let lost = first.loses(release(&number(1))).await;
    let bought = first.loses(purchase(&number(2))).await;
    let (second, sandbox) =
        (first.of("default".to_owned(), "other-key".to_owned()), first.of("default".to_owned(), "sandbox".to_owned()));
    let stranger = first.of("stranger".to_owned(), "account".to_owned());
    assert_eq!((second.count_unresolved().await, second.unresolved().await.unwrap().len()), (Ok(2), 2));
    assert_eq!((stranger.count_unresolved().await, sandbox.count_unresolved().await), (Ok(0), Ok(0)));
    assert_eq!(first.count_all_unresolved().await, Ok(2));
    assert_eq!(second.awaiting(&number(2)).len(), 1, "its presence is looked out for");
    // What is not there proves something under its own key, or in the organization that was recorded.
    let released = second.one(lost).await;
    assert_eq!(released.organization.as_deref(), Some("org_1"));
    assert!(first.is_of_this_account(&released) && !second.is_of_this_account(&released));
    second.note_organization("org_2");
    assert!(!second.is_of_this_account(&released));
    second.note_organization("org_1");
    assert!(second.is_of_this_account(&released));
    // Where none was recorded, none is the same.
    let unnamed = Operation { organization: None, ..released };
    assert!(
        !second.is_of_this_account(&unnamed)
            && !stranger.of("x".to_owned(), "y".to_owned()).is_of_this_account(&unnamed)
    );
    second.ends(bought, Outcome::new(true, "purchased", OutcomeSource::Look)).await;
    assert_eq!(first.count_unresolved().await, Ok(1));
}
