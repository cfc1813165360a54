//! The store in a PostgreSQL database. The processes of any number of machines can share it.
//!
//! Every transaction first takes one lock of the database, so that no two transactions run at once on any machine.
//!
//! Each process also holds a lock under its own number, on a session that does nothing else. The database releases this
//! lock when the session ends, whatever ended it. So the other processes see at once which operations it left open.
//!
//! Both locks need sessions of their own. A pooler that shares sessions between transactions does not work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::{Connect, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, Error, NoTls, SimpleQueryMessage};

use crate::journal::postgres::address::{Encryption, PostgresPlace};
use crate::journal::postgres::errors::{PostgresFailure, explain, explain_pool, late};
use crate::journal::postgres::passfile::{self, PasswordLookup};
use crate::journal::postgres::tls::ClientTls;
use crate::journal::postgres::transaction::PostgresTransaction;
use crate::journal::schema;
use crate::journal::store::{
    Durability, JournalStore, StoreResult, Transaction, TransactionWork, Unavailable, new_owner,
};

/// How long making a connection, or waiting for one, may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a transaction may take, including the wait for a connection.
const WHOLE: Duration = Duration::from_secs(10);
/// How long an upgrade of the layout may take. It makes an index of every row, and happens once.
const UPGRADE: Duration = Duration::from_secs(15 * 60);
/// How long this process waits for its own lock.
///
/// A broken session of this process may hold the lock a little longer. The wait continues in the background. So one of
/// the two sessions always holds the lock.
const SHOWING: Duration = Duration::from_secs(1);
/// The number of connections. Transactions run one after the other, so more connections would only wait.
const CONNECTIONS: usize = 3;

/// The start of a transaction, which does not depend on the defaults of the server:
///
/// - Each statement sees everything that was committed before it. So what is read under the lock is current.
/// - A commit is on the disk before it counts.
/// - No wait is endless, and the lock does not outlast a machine that disappeared.
///
/// The transaction lock has two keys and the lock of a process has one key. Locks of different kinds never conflict.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; \
    SET LOCAL statement_timeout = 5000; SET LOCAL lock_timeout = 4500; \
    SET LOCAL idle_in_transaction_session_timeout = 10000; \
    SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') IN ('off', 'local'); \
    SELECT pg_advisory_xact_lock(1953658469, 1785688684)";

/// The settings of the session that holds the lease. If its machine disappears, the server notices within half a
/// minute.
const SHOW: &str = "SET statement_timeout = 0; SET lock_timeout = 0; SET idle_session_timeout = 0; \
    SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; \
    SET tcp_user_timeout = 25000";

/// A store in a PostgreSQL database.
pub(crate) struct Postgres(Arc<PostgresShared>);

struct PostgresShared {
    place: PostgresPlace,
    owner: i64,
    migrated: AtomicBool,
    opened: Mutex<Option<Arc<PostgresPool>>>,
    /// The lease. It outlasts the connections of the pool. Otherwise this process would seem to have ended while the
    /// pool is made again.
    life: Mutex<Option<ConnectionLease>>,
}

/// The pool and its settings. After an error they are made again, since the password file or a certificate may have
/// changed.
struct PostgresPool {
    pool: Pool,
    dialer: Connector,
    config: Config,
}

/// The session whose lock shows the other processes that this one runs.
struct ConnectionLease {
    client: Client,
    task: JoinHandle<()>,
}

impl Drop for ConnectionLease {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Postgres {
    /// Returns a store in this database. Nothing is connected yet.
    pub(crate) fn new(place: PostgresPlace) -> Self {
        let owner = new_owner();
        Self(Arc::new(PostgresShared {
            place,
            owner,
            migrated: AtomicBool::new(false),
            opened: Mutex::default(),
            life: Mutex::default(),
        }))
    }
}

impl JournalStore for Postgres {
    fn kind(&self) -> &'static str {
        "postgres"
    }

    fn has_own_clock(&self) -> bool {
        true
    }

    fn owner(&self) -> i64 {
        self.0.owner
    }

    fn transact(&self, work: TransactionWork, _: Durability) -> BoxFuture<'_, StoreResult<()>> {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            // A separate task runs the transaction. It runs to its end even if the caller stops waiting for it.
            let whole = tokio::spawn(async move { shared.transact(work).await });
            whole.await.unwrap_or_else(|_| Err(Unavailable::Failed("a fault ended its work".to_owned())))
        })
    }
}

impl PostgresShared {
    async fn transact(&self, work: TransactionWork) -> StoreResult<()> {
        let due = Instant::now() + WHOLE;
        let mut held = timeout_at(due, self.begun()).await.map_err(|_| late())??;
        let mut transaction = PostgresTransaction { object: held.get()?, failed: false };
        let fresh = !self.migrated.load(Ordering::Acquire);
        let (mut outcome, mut upgrading) = (Ok(()), Duration::ZERO);
        if fresh {
            let start = Instant::now();
            outcome = upgrade(&mut transaction).await;
            upgrading = start.elapsed();
        }
        if outcome.is_ok() {
            outcome = timeout_at(due + upgrading, work(&mut transaction)).await.unwrap_or_else(|_| Err(late()));
        }
        if transaction.failed {
            // The tables may be missing. The database reports success for the commit of a failed transaction, so none
            // is sent.
            self.migrated.store(false, Ordering::Release);
            outcome = outcome.and(Err(Unavailable::Failed("the database reported a fault".to_owned())));
        }
        outcome?;
        let committed = timeout_at(due + upgrading, held.get()?.batch_execute("COMMIT")).await;
        committed.map_err(|_| late())?.map_err(|error| explain(&error))?;
        if fresh {
            self.migrated.store(true, Ordering::Release);
        }
        held.give_back();
        Ok(())
    }

    /// Begins a transaction. After an error the pool is made again at the next one.
    async fn begun(&self) -> StoreResult<TransactionConnection> {
        let opened = self.opened().await?;
        let begun = self.begin(&opened).await;
        if begun.is_err() {
            *self.opened.lock().await = None;
        }
        begun
    }

    async fn opened(&self) -> StoreResult<Arc<PostgresPool>> {
        let mut opened = self.opened.lock().await;
        if let Some(opened) = &*opened {
            return Ok(Arc::clone(opened));
        }
        let place = self.place.clone();
        // This reads files: the password file and the root certificates of the machine.
        let prepared = tokio::task::spawn_blocking(move || prepare(&place)).await;
        let (config, dialer) =
            prepared.unwrap_or_else(|_| Err(Unavailable::Failed("a fault ended its work".to_owned())))?;
        let pool = pool_of(CONNECTIONS, config.clone(), dialer.clone())?;
        Ok(Arc::clone(opened.insert(Arc::new(PostgresPool { pool, dialer, config }))))
    }

    /// Begins a transaction that runs alone. The database confirms that it still holds the lease of this process.
    async fn begin(&self, opened: &PostgresPool) -> StoreResult<TransactionConnection> {
        self.show_life(opened).await?;
        let mut held = TransactionConnection::new(opened.pool.get().await.map_err(|error| explain_pool(&error))?);
        let seen = format!("{BEGIN}; SELECT pg_try_advisory_xact_lock({})", self.owner);
        if is_taken(held.get()?, &seen).await? {
            return Ok(held);
        }
        // The lease was not held, so its session broke without an error.
        held.get()?.batch_execute("ROLLBACK").await.map_err(|error| explain(&error))?;
        *self.life.lock().await = None;
        self.show_life(opened).await?;
        if is_taken(held.get()?, &seen).await? {
            return Ok(held);
        }
        Err(Unavailable::Failed(
            "the database does not keep our locks; a pooler that shares sessions will not do".to_owned(),
        ))
    }

    /// Makes sure that the session that holds the lease is open.
    async fn show_life(&self, opened: &PostgresPool) -> StoreResult<()> {
        let mut life = self.life.lock().await;
        if life.as_ref().is_some_and(|life| !life.client.is_closed()) {
            return Ok(());
        }
        *life = None;
        let dialled = timeout(CONNECT, opened.dialer.connect(&opened.config)).await.map_err(|_| late())?;
        let (client, task) = dialled.map_err(|error| explain(&error))?;
        let shown = ConnectionLease { client, task };
        // An older server does not know some of these settings. They are optional.
        for setting in SHOW.split("; ") {
            match timeout(CONNECT, shown.client.batch_execute(setting)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) if error.code().is_some() => {
                    tracing::debug!(setting, "the database does not know a setting");
                }
                Ok(Err(error)) => return Err(explain(&error)),
                Err(_) => return Err(late()),
            }
        }
        let lock = format!("SELECT pg_advisory_lock({})", self.owner);
        // The server continues to wait for the lock even after this timeout.
        if let Ok(Err(error)) = timeout(SHOWING, shown.client.batch_execute(&lock)).await {
            return Err(explain(&error));
        }
        *life = Some(shown);
        Ok(())
    }
}

/// Upgrades the layout within the transaction. Only this may take long, so only here no limit of a statement holds.
async fn upgrade(transaction: &mut PostgresTransaction<'_>) -> StoreResult<()> {
    if timeout(WHOLE, schema::version(transaction)).await.map_err(|_| late())?? == schema::NEWEST {
        return Ok(());
    }
    transaction.execute("SET LOCAL statement_timeout = 0", &[]).await?;
    timeout(UPGRADE, schema::migrate(transaction)).await.map_err(|_| late())??;
    transaction.execute("SET LOCAL statement_timeout = 5000", &[]).await.map(drop)
}

/// Runs statements. Returns true if the last one failed to take a lock because another session holds it.
async fn is_taken(client: &Client, sql: &str) -> StoreResult<bool> {
    let messages = client.simple_query(sql).await.map_err(|error| explain(&error))?;
    let last = messages.iter().rev().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.try_get(0).ok().flatten(),
        _ => None,
    });
    Ok(last == Some("f"))
}

/// Returns the settings of a connection, including the password, and the connector.
pub(crate) fn prepare(place: &PostgresPlace) -> StoreResult<(Config, Connector)> {
    let mut config = Config::clone(&place.config);
    if let (None, Some(file)) = (config.get_password(), &place.password_file) {
        let unusable = |error: std::io::Error| {
            Unavailable::Failed(format!("the password file {} cannot be used: {error}", file.path.display()))
        };
        let text = match passfile::read(&file.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !file.named => String::new(),
            read => read.map_err(unusable)?,
        };
        let host = place.host();
        let wanted = PasswordLookup {
            // Other readers of the file do the same: a socket in a usual directory counts as `localhost`.
            host: if ["/tmp", "/var/run/postgresql", "/run/postgresql"].contains(&host.as_str()) {
                "localhost"
            } else {
                &host
            },
            port: place.port(),
            database: config.get_dbname().unwrap_or_default(),
            user: config.get_user().unwrap_or_default(),
        };
        if let Some(password) = passfile::find(&text, wanted) {
            config.password(password);
        }
    }
    let tls = match place.secured {
        Encryption::Never => None,
        Encryption::Perhaps | Encryption::Always => Some(ClientTls::new(&place.roots).map_err(|error| {
            tracing::debug!(%error, "the journal");
            Unavailable::Failed("the root certificates of this machine cannot be used".to_owned())
        })?),
    };
    Ok((config, Connector { tls, must: place.secured == Encryption::Always }))
}

/// Returns a pool of at most this many connections. Nothing is connected yet.
pub(crate) fn pool_of(size: usize, config: Config, dialer: Connector) -> StoreResult<Pool> {
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Verified };
    let manager = Manager::from_connect(config, dialer, recycling);
    let timeouts = Timeouts { wait: Some(CONNECT), create: Some(CONNECT), recycle: Some(CONNECT) };
    let pool = Pool::builder(manager).max_size(size).timeouts(timeouts).runtime(Runtime::Tokio1).build();
    pool.map_err(|_| Unavailable::Failed("its connections could not be set up".to_owned()))
}

/// Makes connections.
#[derive(Clone)]
pub(crate) struct Connector {
    tls: Option<ClientTls>,
    must: bool,
}

impl Connect for Connector {
    fn connect(&self, config: &Config) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), Error>> {
        let mut config = config.clone();
        async move {
            let Some(tls) = &self.tls else { return plain(&config).await };
            config.ssl_mode(if self.must { SslMode::Require } else { SslMode::Prefer });
            match config.connect(tls.clone()).await {
                Ok((client, connection)) => Ok((client, tokio::spawn(run(connection)))),
                // Nobody can listen to a connection inside one machine, and few servers have a certificate for it.
                Err(error) if !self.must && PostgresFailure::of(&error) == PostgresFailure::Tls => {
                    config.ssl_mode(SslMode::Disable);
                    plain(&config).await
                }
                Err(error) => Err(error),
            }
        }
        .boxed()
    }
}

async fn plain(config: &Config) -> Result<(Client, JoinHandle<()>), Error> {
    let (client, connection) = config.connect(NoTls).await?;
    Ok((client, tokio::spawn(run(connection))))
}

async fn run(connection: impl Future<Output = Result<(), Error>>) {
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection of the journal ended");
    }
}

/// A connection with an open transaction. If it is dropped before the transaction ends, it is closed and never reused.
pub(crate) struct TransactionConnection(Option<Object>);

impl TransactionConnection {
    pub(crate) fn new(object: Object) -> Self {
        Self(Some(object))
    }

    pub(crate) fn get(&mut self) -> StoreResult<&mut Object> {
        self.0.as_mut().ok_or_else(late)
    }

    pub(crate) fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for TransactionConnection {
    fn drop(&mut self) {
        drop(self.0.take().map(Object::take));
    }
}
