//! Tests of upgrades: every older version is upgraded with all its rows, and a copy of the old file is kept.

use crate::domain::samples;
use crate::journal::schema::{NEWEST, migrate_to};
use crate::journal::tests::fixture::*;

/// Lays the store out as an older program did.
async fn lay_out(journal: &Journal, version: usize) {
    journal.probe().await.unwrap();
    for table in ["operations", "nonces", "rate_leases", "page_hints", "number_fees", "freezes", "journal_version"] {
        journal.sql(format!("DROP TABLE {table}")).await;
    }
    let older = journal.run(move |transaction| Box::pin(async move { migrate_to(transaction, version).await }));
    older.await.unwrap();
}

/// Rows of the first layout, one in every state, as a program of it wrote them; a refusal by a person as well.
async fn first_rows(journal: &Journal) {
    let now = jiff::Timestamp::now().as_millisecond();
    let columns = "id, rev, begun_rev, owner, tenant, account, principal, tool, number, flight, digest, nonce, reserved, \
        amount_micros, currency, state, outcome, known_by, evidence, begun_at, sent_at, lost_at, ended_at";
    let row = |at: i64, tool: &str, nonce: &str, reserved: i64, state: &str, ends: &str| {
        format!(
            "('{state}{at}', {at}, {at}, 1, 'default', 'account', 'local', '{tool}', '+1212555000{at}', 'make:+1212555000{at}', \
             'digest', {nonce}, {reserved}, 1150000, 'USD', '{state}', {ends})"
        )
    };
    let rows = [
        row(1, "purchase_number", "'n1'", 1, "begun", &format!("NULL, NULL, 'flag', {now}, NULL, NULL, NULL")),
        row(2, "purchase_number", "'n2'", 1, "sent", &format!("NULL, NULL, 'flag', {now}, {now}, NULL, NULL")),
        row(
            3,
            "purchase_number",
            "'n3'",
            1,
            "done",
            &format!("'purchased', 'answer', 'flag', {now}, {now}, NULL, {now}"),
        ),
        row(
            4,
            "release_number",
            "NULL",
            0,
            "refused",
            &format!("'not_released', 'answer', '', {now}, {now}, NULL, {now}"),
        ),
        row(
            5,
            "import_number",
            "NULL",
            1,
            "unknown",
            &format!("'outcome_unknown', NULL, '', {now}, {now}, {now}, NULL"),
        ),
        row(
            6,
            "release_number",
            "'n6'",
            0,
            "refused",
            &format!("'human_declined', NULL, '', {now}, NULL, NULL, {now}"),
        ),
    ];
    let made = journal.sql(format!("INSERT INTO operations ({columns}) VALUES {}", rows.join(", "))).await;
    assert_eq!(made, 6);
}

pub(crate) async fn every_older_layout_is_brought_up_to_date(fixture: Fixture) {
    for version in 0..=NEWEST {
        let journal = fixture.journal();
        lay_out(&journal, version).await;
        fixture.crash(journal).await;
        let journal = fixture.journal();
        journal.sends(purchase(&number(1))).await;
        assert_eq!(journal.all().await.len(), 1, "from version {version}");
        fixture.crash(journal).await;
    }
}

pub(crate) async fn rows_of_the_first_layout_in_every_state_are_kept(fixture: Fixture) {
    let journal = fixture.journal();
    lay_out(&journal, 1).await;
    first_rows(&journal).await;
    fixture.crash(journal).await;
    let (one, two) = (fixture.journal(), fixture.journal());
    let found = one.all().await;
    let is = |id: &str| found.iter().find(|row| row.id == id).unwrap_or_else(|| panic!("{id} is gone"));
    assert_eq!(found.len(), 6);
    // What a process that is gone had open is not sent, or not known.
    assert_eq!((is("begun1").state, is("sent2").state), (OperationPhase::Refused, OperationPhase::Unknown));
    assert_eq!((is("done3").state, is("unknown5").state), (OperationPhase::Done, OperationPhase::Unknown));
    assert_eq!(
        (is("refused4").state, is("refused6").outcome.as_deref()),
        (OperationPhase::Refused, Some("human_declined"))
    );
    assert!(found.iter().all(|row| row.times == 1 && !row.abandoned && row.organization.is_none()));
    assert_eq!((is("done3").price.clone(), one.used().await), (money("1.15 USD"), 2));
    assert!(matches!(
        two.stops(Intent { stopped_by_unresolved: false, ..purchase("+12125550003") }).await,
        BeginConflict::JustDone(_)
    ));
    assert!(matches!(
        two.stops(Intent { kind: &samples::IMPORT, ..purchase("+12125550005") }).await,
        BeginConflict::Flying(_)
    ));
    assert_eq!(two.count_unresolved().await, Ok(2));
    // Answers that were used stay used; what was not sent gives its token back.
    let free = |nonce: &str| Intent { nonce: Some(nonce.to_owned()), ..release(&number(8)) };
    for used in ["n2", "n3", "n6"] {
        assert_eq!(two.stops(free(used)).await, BeginConflict::NonceUsed, "{used}");
    }
    two.begins(free("n1")).await;
    assert_eq!(two.prune().await, Ok(0));
    if let JournalPlace::Directory(directory) = &fixture.place {
        let copy = directory.join("journal.sqlite.v1-backup");
        let kept = rusqlite::Connection::open(&copy).unwrap();
        let count = |sql: &str| kept.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!((count("SELECT count(*) FROM operations"), count("SELECT version FROM journal_version")), (6, 1));
        assert_eq!(count("SELECT count(*) FROM operations WHERE state = 'begun' AND nonce = 'n1'"), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}

/// Rows of the second layout, in the states that the first one did not have, as a program of it wrote them.
async fn second_rows(journal: &Journal) {
    let now = jiff::Timestamp::now().as_millisecond();
    let columns = "id, rev, begun_rev, owner, tenant, account, principal, tool, number, flight, digest, reserved, state, \
        outcome, evidence, begun_at, sent_at, ended_at, abandoned_at, organization, times, fold";
    let rows = format!(
        "('left7', 7, 7, 1, 'default', 'account', 'local', 'purchase_number', '+12125550007', 'make:+12125550007', 'd', 1, \
         'sent', NULL, 'flag', {now}, {now}, NULL, {now}, 'org-1', 1, NULL), \
         ('equal8', 8, 8, 1, 'default', 'account', 'local', 'purchase_number', '+12125550008', NULL, 'd', 0, 'refused', \
         'policy_denied', 'flag', {now}, NULL, {now}, NULL, 'org-1', 3, 'fold8')"
    );
    assert_eq!(journal.sql(format!("INSERT INTO operations ({columns}) VALUES {rows}")).await, 2);
    let nonce =
        format!("INSERT INTO nonces (tenant, nonce, operation, used_at) VALUES ('default', 'n7', 'left7', {now})");
    assert_eq!(journal.sql(nonce).await, 1);
}

pub(crate) async fn rows_of_the_second_layout_in_every_state_are_kept(fixture: Fixture) {
    let journal = fixture.journal();
    lay_out(&journal, 1).await;
    first_rows(&journal).await;
    let second = journal.run(|transaction| Box::pin(async move { migrate_to(transaction, 2).await }));
    second.await.unwrap();
    second_rows(&journal).await;
    fixture.crash(journal).await;
    let journal = fixture.journal();
    let found = journal.all().await;
    let is = |id: &str| found.iter().find(|row| row.id == id).unwrap_or_else(|| panic!("{id} is gone"));
    assert_eq!(found.len(), 8);
    assert_eq!((is("begun1").state, is("sent2").state), (OperationPhase::Refused, OperationPhase::Unknown));
    assert_eq!((is("done3").state, is("unknown5").state), (OperationPhase::Done, OperationPhase::Unknown));
    assert_eq!((is("refused4").state, is("left7").state), (OperationPhase::Refused, OperationPhase::Unknown));
    assert_eq!((is("left7").abandoned, is("left7").organization.as_deref()), (true, Some("org-1")));
    assert_eq!((is("equal8").state, is("equal8").times), (OperationPhase::Refused, 3));
    // Three of the purchases take a place: what was done, and what may have been.
    assert_eq!((journal.used().await, journal.count_unresolved().await), (3, Ok(3)));
    for used in ["n2", "n3", "n6", "n7"] {
        let again = Intent { nonce: Some(used.to_owned()), ..release(&number(8)) };
        assert_eq!(journal.stops(again).await, BeginConflict::NonceUsed, "{used}");
    }
    if let JournalPlace::Directory(directory) = &fixture.place {
        let kept = rusqlite::Connection::open(directory.join("journal.sqlite.v2-backup")).unwrap();
        let count = |sql: &str| kept.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!((count("SELECT count(*) FROM operations"), count("SELECT version FROM journal_version")), (8, 2));
        assert_eq!(count("SELECT count(*) FROM operations WHERE digest = 'd'"), 2);
    }
}

/// Rows of the third layout, one in every state and a count of equal refusals, as a program of it wrote them.
async fn third_rows(journal: &Journal) {
    let now = jiff::Timestamp::now().as_millisecond();
    let columns = "id, rev, begun_rev, owner, tenant, account, principal, tool, number, number_id, direction, agent_id, \
        flight, arguments_digest, reserved, amount_micros, currency, state, outcome, evidence, begun_at, sent_at, lost_at, \
        ended_at, created_after, times, fold";
    let row = |at: i64, tool: &str, agent: &str, state: &str, ends: &str| {
        format!(
            "('{state}{at}', {at}, {at}, 1, 'default', 'account', 'local', '{tool}', '+1212555000{at}', 'n{at}', {agent}, \
             'make:+1212555000{at}', 'd', {}, 1150000, 'USD', '{state}', {ends})",
            i64::from(state != "refused")
        )
    };
    let none = "NULL, NULL";
    let rows = [
        row(1, "purchase_number", none, "begun", &format!("NULL, 'flag', {now}, NULL, NULL, NULL, 5, 1, NULL")),
        row(2, "purchase_number", none, "sent", &format!("NULL, 'flag', {now}, {now}, NULL, NULL, 5, 1, NULL")),
        row(3, "purchase_number", none, "done", &format!("'purchased', 'flag', {now}, {now}, NULL, {now}, 5, 1, NULL")),
        row(
            4,
            "release_number",
            none,
            "refused",
            &format!("'not_released', 'flag,token,person', {now}, {now}, NULL, {now}, NULL, 1, NULL"),
        ),
        row(
            5,
            "import_number",
            none,
            "unknown",
            &format!("'outcome_unknown', '', {now}, {now}, {now}, NULL, 5, 1, NULL"),
        ),
        row(
            6,
            "purchase_number",
            none,
            "refused",
            &format!("'previewed', '', {now}, NULL, NULL, {now}, NULL, 4, 'fold6'"),
        ),
        row(
            7,
            "assign_number",
            "'inbound', 'a7'",
            "done",
            &format!("'assigned', '', {now}, {now}, NULL, {now}, NULL, 1, NULL"),
        ),
    ];
    let made = journal.sql(format!("INSERT INTO operations ({columns}) VALUES {}", rows.join(", "))).await;
    assert_eq!(made, 7);
}

pub(crate) async fn rows_of_the_third_layout_in_every_state_are_kept(fixture: Fixture) {
    let journal = fixture.journal();
    lay_out(&journal, 3).await;
    third_rows(&journal).await;
    fixture.crash(journal).await;
    let journal = fixture.journal();
    let found = journal.all().await;
    let is = |id: &str| found.iter().find(|row| row.id == id).unwrap_or_else(|| panic!("{id} is gone"));
    assert_eq!(found.len(), 7);
    assert_eq!((is("begun1").state, is("sent2").state), (OperationPhase::Refused, OperationPhase::Unknown));
    assert_eq!((is("done3").state, is("unknown5").state), (OperationPhase::Done, OperationPhase::Unknown));
    assert_eq!(
        (is("refused4").state, is("refused4").evidence.as_str()),
        (OperationPhase::Refused, "flag,token,person")
    );
    assert!(is("refused6").is_preview() && is("refused6").times == 4);
    assert_eq!(is("done3").object.created_after, Some(5));
    // What a purchase cost at once is known, but not how it divides. Who had the direction is not known either.
    assert_eq!((is("done3").price.clone(), is("done3").fees.clone()), (money("1.15 USD"), None));
    assert_eq!((&is("done7").object.displaced, is("done7").object.agent_id.as_deref()), (&Slot::Unknown, Some("a7")));
    assert!(found.iter().all(|row| row.origin == CallOrigin::default() && row.fees.is_none()));
    assert_eq!((journal.used().await, journal.count_unresolved().await), (2, Ok(2)));
    assert_eq!(journal.fees_of(vec!["n3".to_owned()]).await.map(|fees| fees.len()), Ok(0));
    if let JournalPlace::Directory(directory) = &fixture.place {
        let kept = rusqlite::Connection::open(directory.join("journal.sqlite.v3-backup")).unwrap();
        let count = |sql: &str| kept.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!((count("SELECT count(*) FROM operations"), count("SELECT version FROM journal_version")), (7, 3));
        assert_eq!(count("SELECT count(*) FROM operations WHERE arguments_digest = 'd'"), 7);
    }
}

/// What a program that began under an older layout still does, by the statements of that program.
pub(crate) async fn a_program_of_an_older_layout_ends_what_it_sent_and_begins_nothing(fixture: Fixture) {
    let journal = fixture.journal();
    let sent = journal.sends(purchase(&number(1))).await;
    // Each layout writes the intent in the columns that it knows.
    for (digest, nonce) in [("digest", ("nonce, ", "NULL, ")), ("digest", ("", "")), ("arguments_digest", ("", ""))] {
        let begun = format!(
            "INSERT INTO operations (id, rev, owner, tenant, account, principal, tool, {digest}, {}reserved, state, \
             evidence, begun_at) VALUES ('old', 99, 1, 'default', 'a', 'p', 'purchase_number', '', {}1, 'begun', '', 0)",
            nonce.0, nonce.1
        );
        let older = journal.run(move |transaction| Box::pin(async move { transaction.execute(&begun, &[]).await }));
        assert!(older.await.is_err(), "{digest} {nonce:?}");
    }
    let ended = format!(
        "UPDATE operations SET state = 'done', reserved = 1, outcome = 'purchased', known_by = 'answer', ended_at = 1, \
         ended_boot = NULL, ended_up = NULL, rev = (SELECT COALESCE(MAX(rev), 0) + 1 FROM operations) \
         WHERE id = '{sent}' AND state <> 'done'"
    );
    assert_eq!(journal.sql(ended).await, 1);
    assert_eq!((journal.all().await.len(), journal.state(sent).await), (1, OperationPhase::Done));
}

/// A program that opens the store reads a version that it does not know. So does one that runs, before it begins a change.
pub(crate) async fn a_newer_layout_is_refused_by_a_program_that_runs(fixture: Fixture) {
    let journal = fixture.journal();
    journal.probe().await.unwrap();
    journal.sql(format!("UPDATE journal_version SET version = {}", NEWEST + 1)).await;
    let begun = journal.begin(purchase(&number(2))).await;
    assert!(matches!(begun, Err(Unavailable::Newer { .. })), "{begun:?}");
}

/// A copy that holds more is not overwritten by one that holds less.
#[tokio::test]
async fn a_copy_is_replaced_by_no_worse_one() {
    let fixture = Fixture::sqlite();
    let JournalPlace::Directory(directory) = fixture.place.clone() else { unreachable!() };
    let held = |name: &str| {
        let copy = rusqlite::Connection::open(directory.join(name)).unwrap();
        copy.query_row("SELECT count(*) FROM operations", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    for rows in [true, false, true] {
        let journal = fixture.journal();
        lay_out(&journal, 1).await;
        if rows {
            first_rows(&journal).await;
        }
        fixture.crash(journal).await;
        let journal = fixture.journal();
        journal.probe().await.unwrap();
        fixture.crash(journal).await;
        assert_eq!(held("journal.sqlite.v1-backup"), 6);
    }
    assert_eq!(held("journal.sqlite.v1-backup-2"), 0);
    assert!(!directory.join("journal.sqlite.v1-backup.new").exists());
    // One that cannot be read is no copy.
    std::fs::write(directory.join("journal.sqlite.v1-backup"), "cut off").unwrap();
    let journal = fixture.journal();
    lay_out(&journal, 1).await;
    fixture.crash(journal).await;
    fixture.journal().probe().await.unwrap();
    assert_eq!(held("journal.sqlite.v1-backup"), 0);
}
