//! A PostgreSQL server for tests, and the tests that only this store must pass.

use std::io::Write as _;
use std::time::{Duration, Instant};

use deadpool_postgres::Connect as _;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_postgres::Client;

use crate::domain::samples;
use crate::journal::postgres::store::prepare;
use crate::journal::tests::cases;
use crate::journal::tests::files;
use crate::journal::tests::fixture::*;

/// A server on which databases may be made; each fixture has one of its own.
pub(crate) struct TestDatabaseServer {
    url: String,
    ca: Option<Vec<u8>>,
}

impl TestDatabaseServer {
    /// The server that `TRUEDY_TEST_POSTGRES` names, with the certificate in `TRUEDY_TEST_POSTGRES_CA`.
    pub(crate) fn find() -> Option<Self> {
        let Ok(url) = std::env::var("TRUEDY_TEST_POSTGRES") else {
            // Past the harness, which shows nothing of a test that passes.
            let words = "LEFT OUT: the journal over PostgreSQL, because TRUEDY_TEST_POSTGRES names no server\n";
            std::io::stderr().lock().write_all(words.as_bytes()).unwrap();
            return None;
        };
        let ca = std::env::var_os("TRUEDY_TEST_POSTGRES_CA").map(|file| std::fs::read(file).unwrap());
        Some(Self { url, ca })
    }

    /// The URL of another database, host or query.
    pub(crate) fn url(&self, database: &str) -> String {
        let (base, query) = self.url.split_once('?').unwrap_or((&self.url, ""));
        let (base, _) = base.rsplit_once('/').unwrap();
        format!("{base}/{database}?{query}")
    }

    pub(crate) fn place(&self, url: &str) -> PostgresPlace {
        let place = PostgresPlace::parse(url).unwrap();
        self.ca.as_ref().map_or(place.clone(), |pem| place.trusting(pem).unwrap())
    }

    pub(crate) async fn database(&self) -> String {
        let name = format!("trial_{}", Uuid::new_v4().simple());
        let admin = connect(&self.place(&self.url)).await;
        admin.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0")).await.unwrap();
        name
    }

    pub(crate) async fn fixture(&self) -> Fixture {
        let url = self.url(&self.database().await);
        Fixture { place: JournalPlace::Postgres(self.place(&url)), home: None }
    }
}

pub(crate) async fn connect(place: &PostgresPlace) -> Client {
    let (config, dialer) = prepare(place).unwrap();
    dialer.connect(&config).await.unwrap().0
}

/// Waits until the server has noticed that a process ended.
pub(crate) async fn until_gone(place: &PostgresPlace, owner: i64) {
    let client = connect(place).await;
    let held = format!(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 \
         AND (classid::bigint << 32) + objid::bigint = {owner}"
    );
    let begun = Instant::now();
    loop {
        let row = client.query_one(&held, &[]).await.unwrap();
        if row.get::<_, i64>(0) == 0 {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "the server does not notice");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Ends sessions of a database, as a restart of the server would.
async fn end_sessions(client: &Client, which: &str) -> i64 {
    let ended = format!(
        "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND {which}"
    );
    client.query_one(&ended, &[]).await.unwrap().get(0)
}

fn place_of(fixture: &Fixture) -> &PostgresPlace {
    match &fixture.place {
        JournalPlace::Postgres(place) => place,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_sessions_are_made_anew_and_life_shows_on() {
    let Some(server) = TestDatabaseServer::find() else { return };
    let fixture = server.fixture().await;
    let (one, two) = (fixture.journal(), fixture.journal());
    let id = one.sends(purchase(&number(1))).await;
    two.used().await;
    let client = connect(place_of(&fixture)).await;
    // The session that shows life, behind the back of its process: it did nothing but to take the lock.
    assert_eq!(end_sessions(&client, "query LIKE 'SELECT pg_advisory_lock(%'").await, 2);
    one.begins(release(&number(9))).await;
    assert_eq!(two.state(id).await, OperationPhase::Sent);
    // All of them.
    assert!(end_sessions(&client, "true").await >= 4);
    let mut shows = one.begin(release(&number(8))).await;
    if shows.is_err() {
        // The connection was dead; the next is fresh.
        shows = one.begin(release(&number(8))).await;
    }
    assert_eq!(shows, Ok(None));
    // Between the break and that, the other may have taken it for dead: then it is not known, and never free.
    assert!([OperationPhase::Sent, OperationPhase::Unknown].contains(&two.state(id).await));
    assert!(matches!(two.stops(purchase(&number(1))).await, BeginConflict::Flying(_)));
    one.ends(id, done()).await;
    assert_eq!(two.state(id).await, OperationPhase::Done);
}

/// Goes between: the first connection through it can be made to go dead, with neither end being told.
async fn go_between(port: u16) -> (u16, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    let (dead, is_dead) = watch::channel(false);
    tokio::spawn(async move {
        let mut first = Some(is_dead);
        while let Ok((mut near, _)) = listener.accept().await {
            let mut far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let first = first.take();
            tokio::spawn(async move {
                let dies = async {
                    match first {
                        Some(mut is_dead) => drop(is_dead.wait_for(|dead| *dead).await),
                        None => std::future::pending().await,
                    }
                };
                let ended = tokio::select! {
                    _ = copy_bidirectional(&mut near, &mut far) => true,
                    () = dies => false,
                };
                if !ended {
                    std::future::pending::<()>().await;
                }
            });
        }
    });
    (own, dead)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_died_without_a_word_is_noticed_before_anything_is_done() {
    let Some(server) = TestDatabaseServer::find() else { return };
    let fixture = server.fixture().await;
    let direct = place_of(&fixture);
    let (port, dead) = go_between(direct.port()).await;
    let url = server.url(direct.config.get_dbname().unwrap());
    let (credentials, _) = url.rsplit_once('@').unwrap();
    let through = format!("{credentials}@127.0.0.1:{port}/{}?sslmode=disable", direct.config.get_dbname().unwrap());
    let (one, two) = (
        Journal::new(JournalPlace::Postgres(server.place(&through)), "account".to_owned(), samples::KINDS),
        fixture.journal(),
    );
    let id = one.sends(purchase(&number(1))).await;
    dead.send(true).unwrap();
    let ended = format!("query = 'SELECT pg_advisory_lock({})'", one.store.owner());
    assert_eq!(end_sessions(&connect(direct).await, &ended).await, 1);
    let begun = one.begins(release(&number(2))).await;
    assert_eq!((two.state(id).await, two.state(begun).await), (OperationPhase::Sent, OperationPhase::Begun));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_holds_the_lock_for_too_long_is_not_waited_for() {
    let Some(server) = TestDatabaseServer::find() else { return };
    let fixture = server.fixture().await;
    let journal = fixture.journal();
    let id = journal.begins(purchase(&number(1))).await;
    let client = connect(place_of(&fixture)).await;
    client.batch_execute("BEGIN; SELECT pg_advisory_xact_lock(1953658469, 1785688684)").await.unwrap();
    let begun = Instant::now();
    assert_eq!(journal.clear(id).await, Err(Unavailable::Failed("another program holds it".to_owned())));
    let waited = begun.elapsed();
    assert!((Duration::from_secs(4)..Duration::from_secs(7)).contains(&waited), "{waited:?}");
    client.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(journal.clear(id).await, Ok(true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defaults_of_the_server_do_not_weaken_it() {
    let Some(server) = TestDatabaseServer::find() else { return };
    let database = server.database().await;
    let place = server.place(&server.url(&database));
    let client = connect(&place).await;
    for setting in [
        "default_transaction_isolation = 'serializable'",
        "default_transaction_read_only = on",
        "synchronous_commit = off",
        "statement_timeout = '1min'",
    ] {
        client.batch_execute(&format!("ALTER DATABASE {database} SET {setting}")).await.unwrap();
    }
    let fixture = Fixture { place: JournalPlace::Postgres(place), home: None };
    let journal = fixture.journal();
    for (setting, wanted) in [
        ("transaction_isolation", "read committed"),
        ("synchronous_commit", "on"),
        ("statement_timeout", "5s"),
        ("lock_timeout", "4500ms"),
        ("idle_in_transaction_session_timeout", "10s"),
    ] {
        let shown = journal
            .run(move |transaction| Box::pin(async move { transaction.query(&format!("SHOW {setting}"), &[]).await }));
        assert_eq!(shown.await.unwrap()[0][0].text().as_deref(), Some(wanted), "{setting}");
    }
    cases::a_cap_is_reached_and_never_passed(fixture).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_that_nobody_looks_at_is_no_success() {
    let Some(server) = TestDatabaseServer::find() else { return };
    let journal = server.fixture().await.journal();
    journal.begins(purchase(&number(1))).await;
    let careless = journal.run(|transaction| {
        Box::pin(async move {
            transaction.execute("DELETE FROM operations", &[]).await?;
            drop(transaction.execute("DELETE FROM nowhere", &[]).await);
            Ok(())
        })
    });
    assert!(careless.await.is_err(), "the server says yes to the commit of a failed transaction");
    assert_eq!(journal.all().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_is_not_waited_for_ends_all_the_same() {
    let Some(server) = TestDatabaseServer::find() else { return };
    let fixture = server.fixture().await;
    let journal = fixture.journal();
    journal.used().await;
    let intent = purchase(&number(1));
    let id = intent.id;
    let left = tokio::time::timeout(Duration::from_micros(50), journal.begin(intent)).await;
    assert!(left.is_err(), "it was quicker than its caller's patience");
    let begun = Instant::now();
    while journal.all().await.is_empty() && begun.elapsed() < Duration::from_secs(5) {}
    assert_eq!(journal.state(id).await, OperationPhase::Begun);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_is_told_in_words_of_our_own() {
    let Some(server) = TestDatabaseServer::find() else { return };
    let database = server.database().await;
    let url = server.url(&database);
    let why = async |url: &str, place: Option<PostgresPlace>| {
        let place = place.unwrap_or_else(|| server.place(url));
        let begun = Instant::now();
        let Err(why) = Journal::new(JournalPlace::Postgres(place), String::new(), samples::KINDS).probe().await else {
            panic!("{url} works")
        };
        let why = why.to_string();
        assert!(begun.elapsed() < Duration::from_secs(11), "{:?}", begun.elapsed());
        assert!(!why.contains("hunter2") && !why.contains("postgres://") && !why.contains(&database), "{why}");
        why
    };
    let place = server.place(&url);
    let user = place.to_string().split('@').next().unwrap().to_owned();
    let with_password = |password: &str| {
        let (before, host) = url.rsplit_once('@').unwrap();
        let scheme = before.split_once("//").unwrap().0;
        format!("{scheme}//{user}{password}@{host}")
    };
    assert_eq!(why(&with_password(":hunter2"), None).await, "the database refused the login");
    assert_eq!(why(&with_password(""), None).await, "the database wants a password, and there is none");
    assert_eq!(why(&url.replace(&database, "nowhere"), None).await, "there is no such database");
    assert_eq!(why("postgres://u@127.0.0.1:1/d", None).await, "the database cannot be reached");
    assert_eq!(why("postgres://u@nowhere.invalid/d?sslmode=disable", None).await, "the database cannot be reached");
    // Nobody answers at all: TEST-NET-1.
    assert!(why("postgres://u@192.0.2.1/d?sslmode=disable", None).await.starts_with("the database"));

    // The file of passwords does what the URL does.
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("pgpass");
    let password = place.password().unwrap();
    std::fs::write(&file, format!("*:*:{database}:{user}:{password}\n")).unwrap();
    let bare = || server.place(&with_password("")).with_password_file(file.clone(), true);
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(why("", Some(bare())).await.contains("chmod 600"));
        let journal = Journal::new(JournalPlace::Postgres(bare()), String::new(), samples::KINDS);
        assert!(journal.probe().await.is_err());
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(journal.probe().await, Ok(()), "it is read anew");
    }
    let nowhere = |named| server.place(&with_password("")).with_password_file(home.path().join("none"), named);
    assert!(why("", Some(nowhere(true))).await.contains("password file"));
    assert_eq!(why("", Some(nowhere(false))).await, "the database wants a password, and there is none");

    // A user who may not make tables.
    let admin = connect(&place).await;
    let role = format!("weak_{}", Uuid::new_v4().simple());
    admin.batch_execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'hunter2'")).await.unwrap();
    let weak = url.replace(
        &format!("//{}@", url.rsplit_once('@').unwrap().0.split_once("//").unwrap().1),
        &format!("//{role}:hunter2@"),
    );
    assert_eq!(why(&weak, None).await, "this user of the database may not do what the journal needs");
    // Another program's tables are left alone.
    admin.batch_execute("DROP TABLE operations, journal_version; CREATE TABLE operations (id INT)").await.unwrap();
    assert!(why(&url, None).await.contains("tables of another program"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_must_be_secured_is() {
    let Some(server) = TestDatabaseServer::find() else { return };
    if server.ca.is_none() {
        std::io::stderr()
            .lock()
            .write_all(b"LEFT OUT: TLS, because TRUEDY_TEST_POSTGRES_CA names no certificate\n")
            .unwrap();
        return;
    }
    let database = server.database().await;
    let base = server.url(&database).split('?').next().unwrap().to_owned();
    let is_encrypted = async |place: PostgresPlace| {
        let client = connect(&place).await;
        let row = client.query_one("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[]).await.unwrap();
        assert_eq!(Journal::new(JournalPlace::Postgres(place), String::new(), samples::KINDS).probe().await, Ok(()));
        row.get::<_, bool>(0)
    };
    let parse = |mode: &str| PostgresPlace::parse(&format!("{base}?sslmode={mode}")).unwrap();
    assert!(is_encrypted(server.place(&format!("{base}?sslmode=verify-full"))).await);
    assert!(is_encrypted(server.place(&base)).await, "prefer, and the certificate holds");
    // Not trusted: on this very machine it goes on in clear unless told otherwise.
    assert!(!is_encrypted(parse("prefer")).await);
    assert!(!is_encrypted(parse("disable")).await);
    let refused = Journal::new(JournalPlace::Postgres(parse("require")), String::new(), samples::KINDS).probe().await;
    assert!(refused.unwrap_err().to_string().starts_with("the certificate of the database does not hold"));
    // Trusted, but for another name.
    if base.contains("@localhost") {
        let elsewhere = format!("{}?sslmode=require", base.replace("@localhost", "@127.0.0.2"));
        let refused =
            Journal::new(JournalPlace::Postgres(server.place(&elsewhere)), String::new(), samples::KINDS).probe().await;
        assert!(refused.unwrap_err().to_string().starts_with("the certificate of the database does not hold"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_quick_enough() {
    let Some(server) = TestDatabaseServer::find() else { return };
    let fixture = server.fixture().await;
    files::measure("PostgreSQL", &fixture).await;
}
