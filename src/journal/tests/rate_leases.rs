//! The leases of the rate limiter in PostgreSQL.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::domain::{LeaseChanges, LeaseRow, RateLeases};
use crate::journal::place::JournalPlace;
use crate::journal::postgres::address::PostgresPlace;
use crate::journal::postgres::rate_leases::PostgresLeases;
use crate::journal::tests::fixture::Fixture;
use crate::journal::tests::server::{TestDatabaseServer, connect};

fn place_of(fixture: &Fixture) -> &PostgresPlace {
    let JournalPlace::Postgres(place) = &fixture.place else { panic!("it is another store") };
    place
}

/// The leases of a process of its own.
fn leases(fixture: &Fixture) -> PostgresLeases {
    PostgresLeases::new(place_of(fixture).clone(), fixture.journal())
}

fn row(id: &str, counts_until: i64) -> LeaseRow {
    LeaseRow {
        id: id.to_owned(),
        share: "general".to_owned(),
        principal: Some("ana's \"own\"".to_owned()),
        places: 5,
        leased_until: 7,
        counts_until,
    }
}

/// The time of the store and the rows of an account.
async fn found(leases: &PostgresLeases, account: &str) -> (i64, Vec<LeaseRow>) {
    changes(leases, account, LeaseChanges::default()).await
}

/// Makes these changes. Returns the time and the rows before them.
async fn changes(leases: &PostgresLeases, account: &str, changes: LeaseChanges) -> (i64, Vec<LeaseRow>) {
    let kept = Arc::new(Mutex::new(None));
    let slot = Arc::clone(&kept);
    let work = Box::new(move |now, mut rows: Vec<LeaseRow>| {
        rows.sort_by(|one, other| one.id.cmp(&other.id));
        *slot.lock() = Some((now, rows));
        changes
    });
    leases.update(account, work).await.unwrap();
    kept.lock().take().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_kept_by_account_and_seen_by_every_process() {
    let Some(server) = TestDatabaseServer::find() else { return };
    let fixture = server.fixture().await;
    let (one, two) = (leases(&fixture), leases(&fixture));
    // Nothing has made the tables yet.
    let (now, rows) = found(&one, "a").await;
    assert!(rows.is_empty() && (now - jiff::Timestamp::now().as_millisecond()).abs() < 60_000, "{now}");
    let far = now + 60_000;
    let unnamed = LeaseRow { principal: None, ..row("2", far) };
    let written = vec![row("1", far), unnamed.clone(), row("3", far)];
    changes(&one, "a", LeaseChanges { removed: Vec::new(), written: written.clone() }).await;
    assert_eq!(found(&two, "a").await.1, written);
    assert!(found(&two, "b").await.1.is_empty());
    let used = LeaseRow { places: 2, leased_until: 0, ..row("1", far - 1) };
    let next = LeaseChanges { removed: vec!["3".to_owned(), "none".to_owned()], written: vec![used.clone()] };
    changes(&two, "a", next).await;
    assert_eq!(found(&one, "a").await.1, [used, unnamed]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_two_updates_of_an_account_run_at_once() {
    let Some(server) = TestDatabaseServer::find() else { return };
    let fixture = server.fixture().await;
    let processes = [leases(&fixture), leases(&fixture), leases(&fixture)];
    for process in &processes {
        found(process, "a").await;
    }
    let asks = (0..200).map(|nth| {
        let leases = processes[nth % processes.len()].clone();
        tokio::spawn(async move {
            let work = Box::new(move |now, rows: Vec<LeaseRow>| {
                let free = rows.len() < 20;
                let written = free.then(|| row(&nth.to_string(), now + 60_000)).into_iter().collect();
                LeaseChanges { removed: Vec::new(), written }
            });
            leases.update("a", work).await
        })
    });
    for ended in futures::future::join_all(asks).await {
        ended.unwrap().unwrap();
    }
    assert_eq!(found(&processes[0], "a").await.1.len(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_waits_for_no_transaction_of_the_journal_and_for_no_other_account() {
    let Some(server) = TestDatabaseServer::find() else { return };
    let fixture = server.fixture().await;
    let leases = leases(&fixture);
    found(&leases, "a").await;
    // A transaction of the journal that does not end.
    let busy = connect(place_of(&fixture)).await;
    busy.batch_execute("BEGIN; SELECT pg_advisory_xact_lock(1953658469, 1785688684)").await.unwrap();
    found(&leases, "a").await;
    busy.batch_execute("ROLLBACK").await.unwrap();
    // Connected beforehand, since the server soon ends the session of an update that does nothing.
    let other = PostgresLeases::new(place_of(&fixture).clone(), fixture.journal());
    found(&other, "b").await;
    // An update of the account that does not end: the next one fails soon, and does not wait for it.
    let (begun, end) = (tokio::sync::oneshot::channel::<()>(), std::sync::mpsc::channel::<()>());
    let (tell, wait) = (begun.0, end.1);
    let stuck = leases.update(
        "a",
        Box::new(move |_, _| {
            tell.send(()).unwrap();
            let _ = tokio::task::block_in_place(|| wait.recv());
            LeaseChanges::default()
        }),
    );
    let stuck = tokio::spawn(stuck);
    begun.1.await.unwrap();
    assert!(other.update("a", Box::new(|_, _| LeaseChanges::default())).await.is_err());
    found(&other, "b").await;
    // The server ends a session that does nothing in the middle of an update. Then the account is free.
    let free = async { while other.update("a", Box::new(|_, _| LeaseChanges::default())).await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(20), free).await.unwrap();
    end.0.send(()).unwrap();
    assert!(stuck.await.unwrap().is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_removes_once_what_other_accounts_have_left() {
    let Some(server) = TestDatabaseServer::find() else { return };
    let fixture = server.fixture().await;
    let first = leases(&fixture);
    let (now, _) = found(&first, "gone").await;
    let written = vec![row("old", now - 1), row("new", now + 60_000)];
    changes(&first, "gone", LeaseChanges { removed: Vec::new(), written }).await;
    found(&leases(&fixture), "a").await;
    assert_eq!(found(&first, "gone").await.1, [row("new", now + 60_000)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_ended_are_made_anew() {
    let Some(server) = TestDatabaseServer::find() else { return };
    let fixture = server.fixture().await;
    let leases = leases(&fixture);
    found(&leases, "a").await;
    let client = connect(place_of(&fixture)).await;
    let ended = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    client.batch_execute(ended).await.unwrap();
    // The client may not have noticed yet. Then one update fails.
    if leases.update("a", Box::new(|_, _| LeaseChanges::default())).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    found(&leases, "a").await;
}
