//! Tests of refusals by the policy and the gate, and of the nonces that were used with them.

use std::collections::BTreeMap;

use crate::journal::operation::RefusedCall;
use crate::journal::queries::prune::{EACH, TENANT};
use crate::journal::tests::fixture::*;

pub(crate) fn denied(principal: &str, at: u32) -> RefusedCall {
    RefusedCall {
        caller: Caller { principal: principal.to_owned(), ..Caller::local() },
        tool: "purchase_number",
        object: OperationTarget::number(number(at)),
        digest: "digest".to_owned(),
        outcome: "policy_denied",
        rule: Some("countries".to_owned()),
        client: None,
        evidence: GateEvidence::default(),
        nonce: None,
    }
}

/// Writes refusals behind the journal's back: too many to call for one by one.
async fn flood(journal: &Journal, tenant: &str, principal: &str, from: i64, count: i64) {
    let columns =
        "id, rev, owner, tenant, account, principal, tool, call_digest, reserved, state, evidence, begun_at, ended_at";
    let rows =
        format!("WITH RECURSIVE n(i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i < {})", from + count - 1);
    let now = jiff::Timestamp::now().as_millisecond();
    let values = format!(
        "'r' || i, i, 1, '{tenant}', 'account', {principal}, 'purchase_number', '', 0, 'refused', '', {now}, {now}"
    );
    let made = journal.sql(format!("INSERT INTO operations ({columns}) {rows} SELECT {values} FROM n")).await;
    assert_eq!(made, u64::try_from(count).unwrap());
}

async fn by_principal(journal: &Journal) -> BTreeMap<(String, String), usize> {
    let mut found = BTreeMap::new();
    for row in journal.all().await.into_iter().filter(|row| row.state == OperationPhase::Refused) {
        *found.entry((row.tenant, row.principal)).or_insert(0) += 1;
    }
    found
}

pub(crate) async fn equal_refusals_are_one_row_with_a_count(fixture: Fixture) {
    let one = fixture.journal();
    let two = if fixture.place == JournalPlace::Memory { Arc::clone(&one) } else { fixture.journal() };
    for journal in [&one, &two, &one] {
        journal.refuse(denied("ana", 1)).await;
        one.wait(HOUR).await;
    }
    let rows = one.all().await;
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((row.times, row.ended_at.unwrap() - row.begun_at >= 2 * HOUR), (3, true), "{row:?}");
    assert_eq!(row.to_json()["times"], serde_json::json!(3));
    // Everything that is told of a refusal makes it another one.
    let other = |change: fn(&mut RefusedCall)| {
        let mut other = denied("ana", 1);
        change(&mut other);
        other
    };
    let others = [
        denied("ana", 2),
        denied("bob", 1),
        other(|one| one.tool = "release_number"),
        other(|one| one.digest = "other".to_owned()),
        other(|one| one.outcome = "human_declined"),
        other(|one| one.rule = None),
        other(|one| one.object.direction = Some("inbound".to_owned())),
        other(|one| one.evidence.flag = true),
        other(|one| one.caller.tenant = "other".to_owned()),
    ];
    let wanted = others.len() + 1;
    for other in others {
        one.refuse(other).await;
    }
    assert_eq!(two.all().await.len(), wanted);
    // Whoever follows the changes sees the count grow, and the newest comes first.
    let rev = two.all().await.iter().map(|row| row.rev).max().unwrap();
    two.refuse(denied("ana", 1)).await;
    let changed =
        two.find(OperationQuery { after_rev: Some(rev), limit: 9, ..OperationQuery::default() }).await.unwrap();
    assert_eq!(changed.iter().map(|row| row.times).collect::<Vec<_>>(), [4]);
    assert_eq!(two.all().await[0].times, 4);
    // What was begun and withdrawn is no refusal by us.
    let begun = one.begins(purchase(&number(7))).await;
    one.ends(begun, Outcome { sent: false, ..refused() }).await;
    assert_eq!(one.one(begun).await.to_json().get("times"), None);
}

pub(crate) async fn nobodys_refusals_push_out_anothers(fixture: Fixture) {
    let journal = fixture.journal();
    journal.refuse(denied("ana", 1)).await;
    let other = Caller { tenant: "other".to_owned(), principal: "local".to_owned() };
    journal.refuse(RefusedCall { caller: other, ..denied("x", 1) }).await;
    flood(&journal, "default", "'loop'", 100, 5_400).await;
    assert_eq!(journal.prune().await, Ok(u64::try_from(5_400 - EACH).unwrap()));
    assert_eq!(journal.prune().await, Ok(0));
    let left = by_principal(&journal).await;
    let of = |tenant: &str, principal: &str| left[&(tenant.to_owned(), principal.to_owned())];
    assert_eq!((of("default", "ana"), of("other", "local")), (1, 1));
    assert_eq!(of("default", "loop"), EACH);
}

pub(crate) async fn refusals_are_kept_by_principal_and_by_tenant(fixture: Fixture) {
    let journal = fixture.journal();
    let sent = journal.sends(purchase(&number(1))).await;
    journal.ends(sent, refused()).await;
    let lost = journal.loses(purchase(&number(2))).await;
    // Of so many principals that all of theirs is too much: each keeps its newest.
    flood(&journal, "default", "'p' || (i % 2500)", 1_000, 25_000).await;
    flood(&journal, "other", "'q'", 100_000, 10).await;
    assert_eq!(journal.prune().await, Ok(u64::try_from(25_000 - TENANT).unwrap()));
    let left = by_principal(&journal).await;
    let many = left.iter().filter(|((tenant, principal), _)| tenant == "default" && principal != "local");
    assert!(many.clone().count() == 2_500 && many.clone().all(|(_, count)| *count == 8), "each by turns");
    assert_eq!(left[&("other".to_owned(), "q".to_owned())], 10);
    let states = (journal.state(sent).await, journal.state(lost).await);
    assert_eq!(states, (OperationPhase::Refused, OperationPhase::Unknown), "what was sent is no refusal by us");
}

pub(crate) async fn a_used_nonce_outlives_the_row_it_came_with(fixture: Fixture) {
    let (one, two) = (fixture.journal(), fixture.journal());
    let no = RefusedCall { outcome: "human_declined", nonce: Some("no".to_owned()), ..denied("local", 1) };
    one.refuse(no).await;
    let nonce = |text: &str| Some(text.to_owned());
    let yes = one.sends(Intent { nonce: nonce("yes"), ..purchase(&number(2)) }).await;
    one.ends(yes, done()).await;
    flood(&one, "default", "'local'", 100, 5_200).await;
    one.prune().await.unwrap();
    two.prune().await.unwrap();
    let rows = two.all().await;
    assert!(rows.iter().all(|row| row.outcome.as_deref() != Some("human_declined")), "its row is gone");
    two.sql(format!("DELETE FROM operations WHERE id = '{yes}'")).await;
    for used in ["no", "yes"] {
        let standing = two.standing(&Caller::local(), "purchase_number", None, nonce(used), u32::MAX).await.unwrap();
        assert!(standing.nonce_used, "{used}");
        assert_eq!(
            two.stops(Intent { nonce: nonce(used), ..purchase(&number(3)) }).await,
            BeginConflict::NonceUsed,
            "{used}"
        );
    }
    // Longer than anything lives that could bring it again.
    one.wait(23 * HOUR).await;
    one.prune().await.unwrap();
    assert_eq!(two.stops(Intent { nonce: nonce("no"), ..purchase(&number(3)) }).await, BeginConflict::NonceUsed);
    one.wait(2 * HOUR).await;
    one.prune().await.unwrap();
    two.begins(Intent { nonce: nonce("no"), ..purchase(&number(3)) }).await;
}
