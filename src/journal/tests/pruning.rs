//! Tests of pruning: in slices, beside calls, and never what is open or what a cap counts.

use crate::journal::PrunePass;
use crate::journal::queries::prune::SLICE;
use crate::journal::tests::fixture::*;

const DAY: i64 = 24 * HOUR;

/// Adds purchases in a state, one for each millisecond before `ended` and `begun` days ago.
async fn add(journal: &Journal, state: &str, count: usize, ended: i64, begun: i64) {
    let now = jiff::Timestamp::now().as_millisecond();
    let (began, end) = (now - begun * DAY, now - ended * DAY);
    let sql = format!(
        "INSERT INTO operations (id, rev, begun_rev, owner, tenant, account, principal, tool, call_digest, reserved, \
         state, evidence, begun_at, sent_at, ended_at) \
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) \
         SELECT '{state}-{ended}-{begun}-' || i, {ended} * 1000 + i, 1, {}, 'default', 'account', 'local', \
         'purchase_number', '', 1, '{state}', '', {began} - i, {began} - i, {end} - i FROM n",
        journal.store.owner()
    );
    assert_eq!(journal.sql(sql).await, count as u64);
}

async fn left(journal: &Journal, state: &str) -> usize {
    journal.all().await.iter().filter(|one| one.id.starts_with(state)).count()
}

pub(crate) async fn old_rows_go_in_slices_beside_calls(fixture: Fixture) {
    let now = || jiff::Timestamp::now().as_millisecond();
    let one = fixture.journal();
    one.server_time().note(now());
    let many = 3 * SLICE + SLICE / 2;
    add(&one, "done", many, 91, 91).await;
    add(&one, "unknown", 2, 92, 92).await;
    add(&one, "sent", 2, 93, 93).await;
    // A wrong clock wrote one of these times. A cap counts them as of today.
    add(&one, "done", 2, 200, 0).await;
    let free = |at: u32| Intent { stopped_by_unresolved: false, ..purchase(&number(at)) };
    let newest = one.sends(free(1)).await;
    let mut pass = PrunePass::default();
    for at in 0..2 {
        let (gone, next) = one.prune_slice(pass).await.unwrap();
        assert!((1..=SLICE as u64).contains(&gone), "{gone}");
        pass = next.expect("it is not over");
        // Between two slices everything else goes on.
        let id = one.begins(release(&number(10 + at))).await;
        one.ends(id, refused()).await;
    }
    let after_two = left(&one, "done").await;
    assert!((many + 2 - 2 * SLICE..many).contains(&after_two), "{after_two}");
    // The process ends in the middle. Another one goes on, and both together deleted each row once.
    one.ends(newest, done()).await;
    let id = one.sends(free(2)).await;
    let used = one.used().await;
    assert_eq!(used, 4, "the two of today, and two that were just made");
    let two = fixture.journal();
    two.server_time().note(now());
    assert_eq!(two.prune().await, Ok((after_two - 2) as u64));
    assert_eq!((left(&two, "done").await, left(&two, "unknown").await, left(&two, "sent").await), (2, 2, 2));
    assert_eq!((two.used().await, two.prune().await), (used, Ok(0)));
    assert_eq!((one.state(id).await, one.state(newest).await), (OperationPhase::Sent, OperationPhase::Done));
}
