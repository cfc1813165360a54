//! The leases of the rate limiter in a PostgreSQL database.
//!
//! An update takes a lock of its account alone, and not the lock that all transactions of the journal take. So a
//! request to Truedy never waits for a change of somebody else, and accounts never wait for each other. A lock is needed
//! all the same: two updates that read the same rows at once could both grant the last places. The lock is a statement
//! of its own before the rows are read, because a statement does not see what is committed after its start.
//!
//! The commit does not wait for the disk. A crash of the server can lose the leases of its last moment. Their holders
//! then exceed the limit for one window at most, which happens with every crash of the server anyway.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::Pool;
use futures::FutureExt;
use futures::future::BoxFuture;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Error, Row};

use crate::domain::{LeaseChanges, LeaseRow, LeaseWork, RateLeases};
use crate::journal::journal::Journal;
use crate::journal::postgres::address::PostgresPlace;
use crate::journal::postgres::errors::{explain, explain_pool, late};
use crate::journal::postgres::store::{TransactionConnection, pool_of, prepare};
use crate::journal::store::{StoreResult, Unavailable};

/// How long an update may take, including a new connection and new tables.
const WHOLE: Duration = Duration::from_secs(10);
/// The number of connections. An update takes a few milliseconds, and a process makes few of them.
const CONNECTIONS: usize = 2;

/// The start of an update. Its lock has two keys and a first key of its own, so it never conflicts with a lock of the
/// journal. No wait is long: a request to Truedy waits for the update.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; \
    SET LOCAL statement_timeout = 1000; SET LOCAL lock_timeout = 450; \
    SET LOCAL idle_in_transaction_session_timeout = 1000; SET LOCAL synchronous_commit = off";

const READ: &str = "SELECT clock.now, l.id, l.share, l.principal, l.places, l.leased_until, l.counts_until \
    FROM (SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS now) AS clock \
    LEFT JOIN rate_leases l ON l.account = $1";

const REMOVE: &str = "DELETE FROM rate_leases WHERE account = $1 AND id = ANY($2)";

const WRITE: &str = "INSERT INTO rate_leases (account, id, share, principal, places, leased_until, counts_until) \
    SELECT CAST($1 AS TEXT), * FROM unnest(CAST($2 AS TEXT[]), CAST($3 AS TEXT[]), CAST($4 AS TEXT[]), \
        CAST($5 AS BIGINT[]), CAST($6 AS BIGINT[]), CAST($7 AS BIGINT[])) \
    ON CONFLICT (account, id) DO UPDATE SET share = EXCLUDED.share, principal = EXCLUDED.principal, \
        places = EXCLUDED.places, leased_until = EXCLUDED.leased_until, counts_until = EXCLUDED.counts_until";

/// Removes what accounts have left that nobody uses any more. It waits for no lock.
const SWEEP: &str = "DELETE FROM rate_leases WHERE (account, id) IN (SELECT account, id FROM rate_leases \
    WHERE counts_until < CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) FOR UPDATE SKIP LOCKED)";

/// The leases in a database.
#[derive(Clone)]
pub struct PostgresLeases(Arc<LeaseDatabase>);

struct LeaseDatabase {
    place: PostgresPlace,
    /// The journal in the same database, which makes the tables.
    journal: Arc<Journal>,
    /// Made at the first use, and made again after an error. These connections are not those of the journal, whose
    /// transactions wait for each other.
    pool: Mutex<Option<Pool>>,
    swept: AtomicBool,
}

impl PostgresLeases {
    /// Returns the leases in this database. Nothing is connected yet. `journal` is a journal in the same database.
    pub fn new(place: PostgresPlace, journal: Arc<Journal>) -> Self {
        Self(Arc::new(LeaseDatabase { place, journal, pool: Mutex::default(), swept: AtomicBool::new(false) }))
    }
}

impl RateLeases for PostgresLeases {
    fn update(&self, account: &str, work: LeaseWork) -> BoxFuture<'static, Result<(), String>> {
        let (database, account) = (Arc::clone(&self.0), account.to_owned());
        async move {
            let updated = timeout(WHOLE, database.update(&account, work)).await.unwrap_or_else(|_| Err(late()));
            if updated.is_err() {
                *database.pool.lock().await = None;
            }
            updated.map_err(|error| error.to_string())
        }
        .boxed()
    }
}

impl LeaseDatabase {
    async fn update(&self, account: &str, work: LeaseWork) -> StoreResult<()> {
        let pool = self.pool().await?;
        let mut held = TransactionConnection::new(pool.get().await.map_err(|error| explain_pool(&error))?);
        lock(&mut held, account).await?;
        let rows = match read(&mut held, account).await? {
            Ok(rows) => rows,
            // The first transaction of the journal makes the tables.
            Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => {
                held.get()?.batch_execute("ROLLBACK").await.map_err(|error| explain(&error))?;
                self.journal.run(|_| futures::future::ready(Ok(())).boxed()).await?;
                lock(&mut held, account).await?;
                read(&mut held, account).await?.map_err(|error| explain(&error))?
            }
            Err(error) => return Err(explain(&error)),
        };
        let no_time = || Unavailable::Failed("the database gave no answer".to_owned());
        let now: i64 = rows.first().ok_or_else(no_time)?.try_get(0).map_err(|error| explain(&error))?;
        let leases: Result<Vec<Option<LeaseRow>>, Error> = rows.iter().map(lease).collect();
        let leases = leases.map_err(|error| explain(&error))?;
        let changes = work(now, leases.into_iter().flatten().collect());
        let written = write(&mut held, account, &changes).await?;
        written.map_err(|error| explain(&error))?;
        if !self.swept.swap(true, Ordering::AcqRel) {
            held.get()?.execute(SWEEP, &[]).await.map_err(|error| explain(&error))?;
        }
        held.get()?.batch_execute("COMMIT").await.map_err(|error| explain(&error))?;
        held.give_back();
        Ok(())
    }

    async fn pool(&self) -> StoreResult<Pool> {
        let mut pool = self.pool.lock().await;
        if let Some(pool) = &*pool {
            return Ok(pool.clone());
        }
        let place = self.place.clone();
        // This reads files: the password file and the root certificates of the machine.
        let prepared = tokio::task::spawn_blocking(move || prepare(&place)).await;
        let (config, dialer) =
            prepared.unwrap_or_else(|_| Err(Unavailable::Failed("a fault ended its work".to_owned())))?;
        Ok(pool.insert(pool_of(CONNECTIONS, config, dialer)?).clone())
    }
}

/// Begins an update, which no other of the account runs beside.
async fn lock(held: &mut TransactionConnection, account: &str) -> StoreResult<()> {
    let digest = Sha256::digest(account.as_bytes());
    // Two accounts with the same digest would only wait for each other.
    let key = digest.first_chunk().copied().map_or(0, i32::from_be_bytes);
    let begin = format!("{BEGIN}; SELECT pg_advisory_xact_lock(1953658470, {key})");
    held.get()?.batch_execute(&begin).await.map_err(|error| explain(&error))
}

/// Reads the time of the database and the rows of the account. Without rows, the answer is one row with the time alone.
async fn read(held: &mut TransactionConnection, account: &str) -> StoreResult<Result<Vec<Row>, Error>> {
    let connection = held.get()?;
    let rows = async {
        let statement = connection.prepare_cached(READ).await?;
        connection.query(&statement, &[&account]).await
    };
    Ok(rows.await)
}

fn lease(row: &Row) -> Result<Option<LeaseRow>, Error> {
    let Some(id) = row.try_get(1)? else { return Ok(None) };
    Ok(Some(LeaseRow {
        id,
        share: row.try_get(2)?,
        principal: row.try_get(3)?,
        places: row.try_get(4)?,
        leased_until: row.try_get(5)?,
        counts_until: row.try_get(6)?,
    }))
}

async fn write(
    held: &mut TransactionConnection,
    account: &str,
    changes: &LeaseChanges,
) -> StoreResult<Result<(), Error>> {
    let connection = held.get()?;
    let written = async {
        if !changes.removed.is_empty() {
            let statement = connection.prepare_cached(REMOVE).await?;
            connection.execute(&statement, &[&account, &changes.removed]).await?;
        }
        if !changes.written.is_empty() {
            let rows = &changes.written;
            let texts = |of: fn(&LeaseRow) -> &str| rows.iter().map(of).collect::<Vec<&str>>();
            let numbers = |of: fn(&LeaseRow) -> i64| rows.iter().map(of).collect::<Vec<i64>>();
            let principals: Vec<Option<&str>> = rows.iter().map(|row| row.principal.as_deref()).collect();
            let (ids, shares) = (texts(|row| &row.id), texts(|row| &row.share));
            let places = numbers(|row| row.places);
            let (leased, counted) = (numbers(|row| row.leased_until), numbers(|row| row.counts_until));
            let statement = connection.prepare_cached(WRITE).await?;
            connection.execute(&statement, &[&account, &ids, &shares, &principals, &places, &leased, &counted]).await?;
        }
        Ok(())
    };
    Ok(written.await)
}
