//! Tests that the work of a statement does not grow with the rows of the journal.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::domain::{BootTime, samples};
use crate::journal::operation::{PREVIEWED, RefusedCall};
use crate::journal::sqlite::recorded::{recorded, watch};
use crate::journal::tests::fixture::*;
use crate::journal::tests::refusals::denied;
use crate::journal::{ListPosition, PrunePass};

/// How many operations that ended each of six kinds has in a full journal.
const OF_EACH: i64 = 4_000;
/// The most steps of one statement. One that looks at every row takes several steps for each of 24,000.
const STEPS: i32 = 18_000;
/// Indexes of operations that have not ended. They may be read from end to end.
const OPEN_ONLY: [&str; 2] = ["INDEX operations_running", "INDEX operations_all_unresolved"];

fn directory(fixture: &Fixture) -> PathBuf {
    match &fixture.place {
        JournalPlace::Directory(directory) => directory.clone(),
        other => panic!("{other:?}"),
    }
}

/// Adds operations that ended: of other boots, of this one, of no known boot; old enough to be pruned; and refusals.
async fn fill(journal: &Journal, of_each: i64) {
    let now = jiff::Timestamp::now().as_millisecond();
    let boot = BootTime::now().map_or_else(|| "none".to_owned(), |now| now.boot);
    // The last ones were never sent: this server refused them.
    let kinds = [
        ("purchase_number", "done", 1, "'a boot before'", 2),
        ("purchase_number", "done", 1, "'zz boot before'", 30),
        ("purchase_number", "refused", 0, &format!("'{boot}'"), 40),
        ("purchase_number", "done", 1, "NULL", 60),
        ("release_number", "done", 1, "'a boot before'", 100),
        ("purchase_number", "refused", 0, "'a boot before'", 1),
    ];
    for (at, (tool, state, reserved, boot, days)) in kinds.into_iter().enumerate() {
        let sent = if days == 1 { "NULL" } else { "at" };
        let at = i64::try_from(at).unwrap();
        let sql = format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {of_each}), \
             row AS (SELECT {at} * {of_each} + i AS i, {now} - {days} * 86400000 - i AS at FROM n) \
             INSERT INTO operations (id, rev, begun_rev, owner, tenant, account, principal, tool, number, number_id, flight, \
             call_digest, reserved, amount_micros, currency, state, outcome, evidence, begun_at, sent_at, ended_at, \
             begun_boot, begun_up, ended_boot, ended_up, known_by) \
             SELECT 'o' || i, i, i, 1, 'default', 'account', 'local', '{tool}', '+1415' || i, 'id' || i, 'make:+1415' || i, \
             'd', {reserved}, 1150000, 'USD', '{state}', 'purchased', 'flag', at, {sent}, at, {boot}, i, {boot}, i, 'answer' \
             FROM row"
        );
        assert_eq!(journal.sql(sql).await, u64::try_from(of_each).unwrap());
    }
    journal
        .sql(format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {of_each}) \
             INSERT INTO nonces (tenant, nonce, operation, used_at) SELECT 'default', 'n' || i, 'o' || i, {now} - 172800000 - i FROM n"
        ))
        .await;
}

/// Does everything that calls and the work beside them do.
async fn use_it(fixture: &Fixture) {
    let gone = fixture.journal();
    gone.begins(purchase(&number(900))).await;
    gone.sends(purchase(&number(901))).await;
    fixture.crash(gone).await;
    let journal = fixture.journal();
    let caller = Caller::local();
    let limit = Money::parse("500.00 USD").unwrap();
    let flight = Some("make:+14155".to_owned());
    let nonce = Some("x".to_owned());
    journal.standing(&caller, "purchase_number", flight, nonce.clone(), 20).await.unwrap();
    journal.spent(&caller, "purchase_number", &limit).await.unwrap();
    let acknowledged = journal.unresolved().await.unwrap().into_iter().map(|one| one.id).collect();
    let origin = CallOrigin { call_id: Some("call".to_owned()), ..CallOrigin::default() };
    journal.resent(&caller, "call".to_owned()).await.unwrap();
    let fees = Fees::of(money("1.00 USD"), None);
    let whole = Intent { nonce, price: money("1.00 USD"), fees, origin, acknowledged, ..purchase(&number(1)) };
    // What is too much where there are many rows is allowed where there are few.
    for limited in [
        Intent { most: Some(500), ..release(&number(4)) },
        Intent { spend: money("500.00 USD"), price: money("500.00 USD"), ..release(&number(5)) },
    ] {
        journal.begin(Intent { kind: &samples::PURCHASE, ..limited }).await.unwrap();
    }
    let done_one = journal.sends(whole).await;
    journal.ends(done_one, done()).await;
    journal.stops(purchase(&number(1))).await;
    let released = journal.sends(release(&number(1))).await;
    journal.clear_again(released).await.unwrap();
    journal.abandon(released).await;
    journal.ends(released, Outcome { known_by: OutcomeSource::Look, ..done() }).await;
    let lost = journal.loses(release(&number(2))).await;
    journal.sends(release(&number(2))).await;
    journal.lost_for(&journal.one(lost).await).await;
    journal.resolve(lost.to_string(), refused(), "looked".to_owned()).await.unwrap();
    let withdrawn = journal.begins(release(&number(3))).await;
    journal.ends(withdrawn, Outcome { sent: false, ..refused() }).await;
    for _ in 0..2 {
        journal.refuse(denied("local", 1)).await;
    }
    journal.refuse(RefusedCall { outcome: PREVIEWED, ..denied("local", 2) }).await;
    journal.count_unresolved().await.unwrap();
    journal.count_all_unresolved().await.unwrap();
    journal.unresolved_after(5).await.unwrap();
    journal.keep_page_hints(vec![(0, Some("x".to_owned())), (1, None)]).await.unwrap();
    journal.page_hints().await.unwrap();
    journal.begins(release(&number(6))).await;
    journal.freeze(freeze(Some("other"))).await.unwrap();
    journal.frozen().await.unwrap();
    journal.freezes().await.unwrap();
    journal.known_tenants().await.unwrap();
    journal.unfreeze(Some("other".to_owned())).await.unwrap();
    journal.probe().await.unwrap();
    ask_all(&journal).await;
    let mut pass = Some(PrunePass::default());
    while let Some(next) = pass {
        pass = journal.prune_slice(next).await.unwrap().1;
    }
}

/// Asks for operations with every filter, alone and together with a state.
async fn ask_all(journal: &Journal) {
    let text = |text: &str| Some(text.to_owned());
    let one = OperationQuery { limit: 21, ..OperationQuery::default() };
    for tenant in [None, text("default")] {
        for state in [None].into_iter().chain(OperationPhase::ALL.map(Some)) {
            let one = OperationQuery { tenant: tenant.clone(), state, ..one.clone() };
            let queries = [
                OperationQuery { id: text("o7"), ..one.clone() },
                OperationQuery { tool: text("assign_number"), ..one.clone() },
                OperationQuery { tool: text("purchase_number"), ..one.clone() },
                OperationQuery { object: text("+14157"), ..one.clone() },
                OperationQuery { object: text("id7"), tool: text("release_number"), ..one.clone() },
                OperationQuery { since: Some(i64::MAX), ..one.clone() },
                OperationQuery { since: Some(0), tool: text("release_number"), ..one.clone() },
                OperationQuery { after_rev: Some(100_000), ..one.clone() },
                OperationQuery { changes: true, ..one.clone() },
                OperationQuery { changes: true, tool: text("purchase_number"), until: Some(i64::MAX), ..one.clone() },
                OperationQuery { changes: true, after_rev: Some(100_000), ..one.clone() },
                OperationQuery { after: ListPosition::read("2.5.1"), changes: true, ..one.clone() },
                OperationQuery { after: ListPosition::read("0.9000000000000.1"), ..one.clone() },
                one,
            ];
            for query in queries {
                journal.find(query).await.unwrap();
            }
        }
    }
    // A period bounds what totals cost.
    let hour = OperationQuery { since: Some(jiff::Timestamp::now().as_millisecond() - HOUR), ..one.clone() };
    for object in [None, text("+14157")] {
        journal.total(OperationQuery { object, ..hour.clone() }, "purchase_number").await.unwrap();
    }
    journal.fees_of(vec!["id7".to_owned()]).await.unwrap();
    // What `doctor` reads.
    let state = Some(OperationPhase::Unknown);
    journal.find(OperationQuery { state, after_rev: Some(0), limit: 1_000, ..one }).await.unwrap();
}

async fn statements(of_each: i64) -> (Fixture, BTreeMap<String, i32>) {
    let fixture = Fixture::sqlite();
    let journal = fixture.journal();
    journal.probe().await.unwrap();
    fill(&journal, of_each).await;
    drop(journal);
    watch(&directory(&fixture));
    use_it(&fixture).await;
    let statements = recorded(&directory(&fixture));
    (fixture, statements)
}

#[tokio::test]
async fn no_statement_takes_more_steps_where_there_are_more_rows() {
    let (_, few) = statements(1).await;
    let (_, many) = statements(OF_EACH).await;
    assert!(many.len() > 90, "{}", many.len());
    for (sql, steps) in &many {
        assert!(*steps < STEPS, "{steps} steps, with few rows {:?}: {sql}", few.get(sql));
    }
}

#[tokio::test]
async fn every_statement_finds_its_rows_by_an_index() {
    let (fixture, statements) = statements(1).await;
    let connection = rusqlite::Connection::open(directory(&fixture).join("journal.sqlite")).unwrap();
    let mut seen = 0;
    for sql in statements.keys() {
        let plan = format!("EXPLAIN QUERY PLAN {}", sql.replace('$', "?"));
        let mut statement = connection.prepare(&plan).unwrap();
        let lines = statement.raw_query().mapped(|row| row.get::<_, String>(3)).collect::<Result<Vec<_>, _>>().unwrap();
        for line in &lines {
            let open_only = OPEN_ONLY.iter().any(|index| line.ends_with(index));
            assert!(!line.starts_with("SCAN operations") || open_only, "{line}: {sql}");
            assert!(!line.starts_with("SCAN nonces") && !line.starts_with("SCAN page_hints"), "{line}: {sql}");
            assert!(!line.contains("TEMP B-TREE"), "{line}: {sql}");
            seen += usize::from(line.starts_with("SEARCH"));
        }
    }
    assert!(seen > 90, "{seen}");
}
