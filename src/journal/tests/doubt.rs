//! Tests with a store that fails at critical moments. Nothing may be bought twice, and no unknown outcome may be lost.

use parking_lot::Mutex;

use futures::future::BoxFuture;

use crate::domain::samples;
use crate::journal::AddedNumber;
use crate::journal::queries::clocks::{ClockWatch, SystemClock};
use crate::journal::sqlite::store::Sqlite;
use crate::journal::store::{Durability, StoreResult, TransactionWork};
use crate::journal::tests::fixture::*;
use crate::journal::tests::refusals;

/// When the next transactions fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fails {
    Never,
    /// Before anything is done.
    Before,
    /// Everything stands, and only the word of it is lost.
    After,
}

struct Flaky {
    store: Sqlite,
    fails: Arc<Mutex<Fails>>,
}

impl JournalStore for Flaky {
    fn kind(&self) -> &'static str {
        self.store.kind()
    }

    fn has_own_clock(&self) -> bool {
        self.store.has_own_clock()
    }

    fn owner(&self) -> i64 {
        self.store.owner()
    }

    fn transact(&self, work: TransactionWork, lasting: Durability) -> BoxFuture<'_, StoreResult<()>> {
        let fails = *self.fails.lock();
        Box::pin(async move {
            if fails != Fails::Before {
                self.store.transact(work, lasting).await?;
            }
            if fails == Fails::Never { Ok(()) } else { Err(Unavailable::Failed("a trial".to_owned())) }
        })
    }
}

fn flaky() -> (Arc<Journal>, impl Fn(Fails)) {
    let fails = Arc::new(Mutex::new(Fails::Never));
    let store = Flaky { store: Sqlite::in_memory(Arc::new(SystemClock)), fails: Arc::clone(&fails) };
    let set = move |now| *fails.lock() = now;
    let watch = Arc::new(ClockWatch::new(Arc::new(SystemClock)));
    (Journal::over(Arc::new(store), watch, ("default".to_owned(), "account".to_owned()), samples::KINDS), set)
}

#[tokio::test]
async fn what_may_have_begun_is_withdrawn_before_anything_else_is_decided() {
    for fails in [Fails::Before, Fails::After] {
        let (journal, set) = flaky();
        journal.used().await;
        set(fails);
        let with = || Intent { nonce: Some("n".to_owned()), most: Some(1), ..purchase(&number(1)) };
        assert!(journal.begin(with()).await.is_err());
        set(Fails::Never);
        // The very next operation finds number, token and cap free.
        let id = journal.sends(with()).await;
        assert_eq!((journal.state(id).await, journal.used().await), (OperationPhase::Sent, 1), "{fails:?}");
        assert_eq!(journal.all().await.len(), if fails == Fails::After { 2 } else { 1 });
    }
}

#[tokio::test]
async fn one_that_was_tried_again_under_its_own_id_is_not_withdrawn_while_it_runs() {
    let (journal, set) = flaky();
    journal.used().await;
    set(Fails::After);
    let intent = purchase(&number(1));
    let id = intent.id;
    assert!(journal.begin(intent.clone()).await.is_err());
    set(Fails::Never);
    // Its row stands in the way of another with the same id, until it is withdrawn.
    assert!(journal.begin(intent).await.is_err());
    journal.used().await;
    assert_eq!((journal.state(id).await, journal.clear(id).await), (OperationPhase::Refused, Ok(false)));
    let (journal, set) = flaky();
    set(Fails::Before);
    let intent = purchase(&number(1));
    assert!(journal.begin(intent.clone()).await.is_err());
    set(Fails::Never);
    let id = journal.sends(intent).await;
    assert_eq!(journal.state(id).await, OperationPhase::Sent);
}

#[tokio::test]
async fn leave_that_was_not_heard_is_no_leave_and_ends_nothing() {
    for fails in [Fails::Before, Fails::After] {
        let (journal, set) = flaky();
        let id = journal.begins(purchase(&number(1))).await;
        set(fails);
        assert!(journal.clear(id).await.is_err());
        assert!(!journal.settle(&id.to_string(), Outcome { sent: false, ..refused() }).await);
        set(Fails::Never);
        let id = journal.sends(purchase(&number(1))).await;
        assert_eq!(journal.state(id).await, OperationPhase::Sent, "{fails:?}");
    }
}

#[tokio::test]
async fn an_answer_that_was_lost_stops_others_even_if_that_could_not_be_written() {
    for fails in [Fails::Before, Fails::After] {
        let (journal, set) = flaky();
        let id = journal.sends(purchase(&number(1))).await;
        set(fails);
        journal
            .lose(
                id,
                Some(AddedNumber { number: number(1), kind: &samples::PURCHASE, created_after: None }),
                Some(502),
                Some("req_1".to_owned()),
            )
            .await;
        assert!(journal.begin(purchase(&number(2))).await.is_err());
        set(Fails::Never);
        let stop = journal.stops(purchase(&number(2))).await;
        assert!(matches!(stop, BeginConflict::Unresolved(left) if left[0].id == id.to_string()), "{fails:?}");
        assert_eq!(journal.one(id).await.request_id.as_deref(), Some("req_1"));
        assert_eq!(journal.awaiting(&number(1)).len(), 1);
    }
}

#[tokio::test]
async fn a_no_that_could_not_be_written_is_written_first() {
    for fails in [Fails::Before, Fails::After] {
        let (journal, set) = flaky();
        journal.used().await;
        set(fails);
        let no = crate::journal::operation::RefusedCall {
            outcome: "human_declined",
            nonce: Some("n".to_owned()),
            ..refusals::denied("local", 1)
        };
        journal.refuse(no).await;
        set(Fails::Never);
        let again = Intent { nonce: Some("n".to_owned()), ..purchase(&number(1)) };
        assert!(matches!(journal.stops(again).await, BeginConflict::NonceUsed), "{fails:?}");
        // Only the question is answered, no number is taken.
        assert_eq!(journal.used().await, 0);
        journal.begins(purchase(&number(1))).await;
        assert_eq!(journal.late(), 0);
    }
}

#[tokio::test]
async fn an_outcome_that_could_not_be_written_is_written_first() {
    for fails in [Fails::Before, Fails::After] {
        for (ending, state) in [(done(), OperationPhase::Done), (refused(), OperationPhase::Refused)] {
            let (journal, set) = flaky();
            let id = journal.loses(purchase(&number(1))).await;
            set(fails);
            assert!(!journal.settle(&id.to_string(), ending).await);
            assert!(journal.unresolved().await.is_err());
            set(Fails::Never);
            let stop = journal.begin(purchase(&number(1))).await.unwrap();
            assert_eq!(stop.is_none(), state == OperationPhase::Refused, "{fails:?}: {stop:?}");
            assert_eq!(journal.state(id).await, state);
            // It is not written once more, over what became of it later.
            assert!(journal.unresolved().await.unwrap().is_empty());
        }
    }
}

#[tokio::test]
async fn many_failures_leave_nothing_to_catch_up_with() {
    let (journal, set) = flaky();
    set(Fails::Before);
    for at in 0..1000 {
        assert!(journal.begin(purchase(&number(at))).await.is_err());
    }
    set(Fails::Never);
    journal.begins(purchase(&number(1))).await;
    assert_eq!(journal.all().await.len(), 1);
    assert_eq!(journal.late(), 0);
}
