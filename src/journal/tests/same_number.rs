//! Changes of one number: which of them stop each other.

use crate::domain::{OperationTarget, samples};
use crate::journal::operation::{BeginConflict, Intent};
use crate::journal::tests::fixture::{Fixture, done, number, purchase, refused, release};

/// A change of the number with the id `n1`, whose reads began at this revision.
fn change(of: Intent, direction: Option<&str>, read_rev: Option<i64>) -> Intent {
    let object = OperationTarget {
        number: Some(number(1)),
        number_id: Some("n1".to_owned()),
        direction: direction.map(str::to_owned),
        ..OperationTarget::default()
    };
    Intent { object, read_rev, ..of }
}

fn assign(direction: &str, read_rev: Option<i64>) -> Intent {
    let of = Intent { kind: &samples::ASSIGN, flight: None, stopped_by_unresolved: false, ..purchase(&number(1)) };
    change(of, Some(direction), read_rev)
}

fn gives_up(read_rev: Option<i64>) -> Intent {
    change(release(&number(1)), None, read_rev)
}

pub(crate) async fn changes_of_one_number_do_not_run_at_once(fixture: Fixture) {
    let (one, two) = (fixture.journal(), fixture.journal());
    let id = one.sends(assign("inbound", None)).await;
    for intent in [assign("inbound", None), gives_up(None)] {
        assert!(matches!(two.stops(intent).await, BeginConflict::Flying(open) if open.id == id.to_string()));
    }
    // The other direction is another matter, and so is another number.
    let outbound = two.begins(assign("outbound", None)).await;
    let mut other = assign("inbound", None);
    other.object.number_id = Some("n2".to_owned());
    let other = two.begins(other).await;
    for (journal, id) in [(&one, id), (&two, outbound), (&two, other)] {
        journal.ends(id, done()).await;
    }
    let gone = two.begins(gives_up(None)).await;
    assert!(
        matches!(one.stops(assign("outbound", None)).await, BeginConflict::Flying(open) if open.id == gone.to_string())
    );
}

pub(crate) async fn a_number_is_not_released_while_it_is_still_bought(fixture: Fixture) {
    let (one, two) = (fixture.journal(), fixture.journal());
    let id = one.sends(purchase(&number(1))).await;
    assert!(matches!(two.stops(gives_up(None)).await, BeginConflict::Flying(open) if open.id == id.to_string()));
    // It may be assigned: that can be undone.
    two.begins(assign("inbound", None)).await;
}

pub(crate) async fn what_was_read_before_another_change_is_stale(fixture: Fixture) {
    let (one, two) = (fixture.journal(), fixture.journal());
    let before = two.revision().await.unwrap();
    let id = one.sends(assign("inbound", Some(before))).await;
    one.ends(id, done()).await;
    for intent in [assign("inbound", Some(before)), gives_up(Some(before))] {
        assert!(matches!(two.stops(intent).await, BeginConflict::Stale(other) if other.id == id.to_string()));
    }
    two.begins(assign("outbound", Some(before))).await;
    // Whoever has read since then may go on, and a change that did not happen makes nothing stale.
    let after = two.revision().await.unwrap();
    let id = one.sends(assign("inbound", Some(after))).await;
    one.ends(id, refused()).await;
    two.begins(assign("inbound", Some(after))).await;
}
