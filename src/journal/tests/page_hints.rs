//! Tests of the hints where the rows of an account were last seen.

use crate::domain::samples;
use crate::journal::tests::fixture::*;

fn hint(page: u64, text: &str) -> (u64, Option<String>) {
    (page, Some(text.to_owned()))
}

fn kept(page: u64, text: &str) -> (u64, String) {
    (page, text.to_owned())
}

pub(crate) async fn hints_are_kept_for_the_next_process(fixture: Fixture) {
    let one = fixture.journal();
    assert_eq!(one.page_hints().await, Ok(Vec::new()));
    one.keep_page_hints(vec![hint(10, "ten"), hint(2, "two"), hint(0, "zero")]).await.unwrap();
    // What is learned about the organization later changes nothing.
    one.note_organization("org-1");
    one.keep_page_hints(vec![hint(2, "newer"), (0, None), (7, None)]).await.unwrap();
    let wanted = Ok(vec![kept(2, "newer"), kept(10, "ten")]);
    assert_eq!(one.page_hints().await, wanted);
    fixture.crash(one).await;
    assert_eq!(fixture.journal().page_hints().await, wanted);
}

pub(crate) async fn hints_never_cross_tenants_or_accounts(fixture: Fixture) {
    let own = fixture.journal();
    own.keep_page_hints(vec![hint(0, "own")]).await.unwrap();
    let others = [("other", "account"), ("default", "another"), ("default\" account:\"account", ""), ("", "")];
    for (tenant, account) in others {
        let other = own.of(tenant.to_owned(), account.to_owned());
        // The same organization makes no difference.
        own.note_organization("org-1");
        other.note_organization("org-1");
        assert_eq!(other.page_hints().await, Ok(Vec::new()), "{tenant:?} {account:?}");
        other.keep_page_hints(vec![hint(0, "theirs"), hint(1, "theirs")]).await.unwrap();
    }
    assert_eq!(own.page_hints().await, Ok(vec![kept(0, "own")]));
    own.keep_page_hints(vec![(0, None)]).await.unwrap();
    let other = own.of("other".to_owned(), "account".to_owned());
    assert_eq!(other.page_hints().await.unwrap().len(), 2);
    assert!(own.forget().await.is_ok());
    assert_eq!(other.page_hints().await, Ok(Vec::new()), "a sandbox that is emptied has none");
}

pub(crate) async fn hints_are_bounded(fixture: Fixture) {
    let journal = fixture.journal();
    let large = "x".repeat(64 * 1024);
    let refused = journal.keep_page_hints(vec![hint(0, "small"), hint(1, &format!("{large}x"))]).await;
    assert!(refused.unwrap_err().to_string().contains("65536 bytes"));
    assert_eq!(journal.page_hints().await, Ok(Vec::new()), "all or nothing");
    journal.keep_page_hints(vec![hint(3, &large)]).await.unwrap();
    assert_eq!(journal.page_hints().await, Ok(vec![kept(3, &large)]));
    journal.keep_page_hints((0..4_100).map(|page| hint(page, "x")).collect()).await.unwrap();
    let pages: Vec<u64> = journal.page_hints().await.unwrap().into_iter().map(|(page, _)| page).collect();
    assert_eq!(pages, (0..4_000).collect::<Vec<_>>());
}

/// Hints are no decision: reading them neither writes what was deferred nor closes what others left open.
#[tokio::test]
async fn hints_touch_no_operation() {
    let fixture = Fixture::sqlite();
    let gone = fixture.journal();
    let id = gone.sends(purchase(&number(1))).await;
    fixture.crash(gone).await;
    let journal = Journal::new(fixture.place.clone(), "account".to_owned(), samples::KINDS);
    journal.keep_page_hints(vec![hint(0, "x")]).await.unwrap();
    journal.page_hints().await.unwrap();
    let state = format!("UPDATE operations SET note = 'seen' WHERE id = '{id}' AND state = 'sent'");
    assert_eq!(journal.sql(state).await, 1);
    assert_eq!(journal.state(id).await, OperationPhase::Unknown);
}
