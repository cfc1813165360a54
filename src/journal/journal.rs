//! The journal as the rest of the program uses it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use uuid::Uuid;

use crate::domain::{Caller, Money, ServerTime};
use crate::journal::awaited::{AwaitedNumber, AwaitedNumbers};
use crate::journal::failpoints::{Point, reach};
use crate::journal::operation::{
    BeginConflict, Intent, Operation, OperationQuery, Outcome, Preconditions, RefusedCall,
};
use crate::journal::place::JournalPlace;
use crate::journal::postgres::store::Postgres;
use crate::journal::queries::clocks::{Clock, ClockWatch, JournalClocks, SystemClock};
use crate::journal::queries::records::DeferredWrite;
use crate::journal::queries::row::RowWriter;
use crate::journal::queries::{records, refusals};
use crate::journal::sqlite::store::Sqlite;
use crate::journal::store::{Durability, JournalStore, StoreResult, Transaction, TransactionWork, Unavailable};

/// The journal of one account.
pub struct Journal {
    pub(crate) store: Arc<dyn JournalStore>,
    tenant: String,
    account: String,
    /// Truedy's organization, once rows of the account have named it.
    organization: Mutex<Option<String>>,
    watch: Arc<ClockWatch>,
    server_time: Arc<ServerTime>,
    pub(crate) awaited: Mutex<AwaitedNumbers>,
    /// What could not be written when it was known: written first in the next transaction that anything is decided in.
    late: Mutex<Vec<DeferredWrite>>,
}

impl Journal {
    /// The journal of the one caller's account; nothing is opened yet. `account` tells Truedy's keys apart: a digest.
    pub fn new(place: JournalPlace, account: String) -> Arc<Self> {
        Self::by(Arc::new(SystemClock), place, account)
    }

    /// The same, going by these clocks.
    pub(crate) fn by(clock: Arc<dyn Clock>, place: JournalPlace, account: String) -> Arc<Self> {
        let store: Arc<dyn JournalStore> = match place {
            JournalPlace::Memory => Arc::new(Sqlite::in_memory(Arc::clone(&clock))),
            JournalPlace::Directory(directory) => Arc::new(Sqlite::in_directory(directory, Arc::clone(&clock))),
            JournalPlace::Postgres(place) => Arc::new(Postgres::new(place)),
        };
        Self::over(store, Arc::new(ClockWatch::new(clock)), (Caller::local().tenant, account))
    }

    /// The journal of a tenant's account, kept in the same place by the same connections.
    pub fn of(&self, tenant: String, account: String) -> Arc<Self> {
        Self::over(Arc::clone(&self.store), Arc::clone(&self.watch), (tenant, account))
    }

    pub(crate) fn over(
        store: Arc<dyn JournalStore>,
        watch: Arc<ClockWatch>,
        (tenant, account): (String, String),
    ) -> Arc<Self> {
        Arc::new(Self {
            store,
            tenant,
            account,
            organization: Mutex::default(),
            watch,
            server_time: Arc::default(),
            awaited: Mutex::default(),
            late: Mutex::default(),
        })
    }

    /// Where the client of this account notes what time Truedy's answers state: a clock that is believed.
    pub fn server_time(&self) -> Arc<ServerTime> {
        Arc::clone(&self.server_time)
    }

    /// Rows of the account named this organization.
    pub fn note_organization(&self, organization: &str) {
        let mut known = self.organization.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_deref() != Some(organization) {
            *known = Some(organization.to_owned());
        }
    }

    /// Whether what the account does not show proves anything about an operation: it began under the same key, or in the
    /// organization that the rows of the account name today.
    pub fn is_of_this_account(&self, operation: &Operation) -> bool {
        let known = self.organization.lock().unwrap_or_else(PoisonError::into_inner);
        operation.account == self.account || (known.is_some() && operation.organization == *known)
    }

    /// For how long the answer of an operation has been lost, as the most cautious clock says; 0 where none is believed.
    pub async fn lost_for(&self, operation: &Operation) -> Duration {
        let (times, operation) = (self.times(), operation.clone());
        let since = self.run(move |transaction| {
            async move {
                let now = times.at(transaction).await?;
                let boot = operation.lost_up.as_ref().map(|(boot, up)| (boot.as_str(), *up));
                Ok(operation.lost_at.map_or(0, |at| now.since(at, boot)))
            }
            .boxed()
        });
        Duration::from_millis(u64::try_from(since.await.unwrap_or(0)).unwrap_or(0))
    }

    pub(crate) fn times(&self) -> JournalClocks {
        self.watch.look(self.store.has_own_clock(), &self.server_time)
    }

    /// Warns when a new one is begun: what was bought earlier is not in it.
    pub fn tell_if_new(&self) {
        self.store.tell_if_new();
    }

    /// What it is kept in: `sqlite`, `postgres` or `memory`.
    pub fn kind(&self) -> &'static str {
        self.store.kind()
    }

    /// Runs a transaction; an error takes all of it back. Tells as well whether it may stand in spite of its error: only
    /// its end failed.
    pub(crate) async fn attempt<T: Send + 'static>(
        &self,
        lasting: Durability,
        work: impl for<'t> FnOnce(&'t mut dyn Transaction) -> BoxFuture<'t, StoreResult<T>> + Send + 'static,
    ) -> (StoreResult<T>, bool) {
        let kept = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&kept);
        let work: TransactionWork = Box::new(move |transaction| {
            async move {
                let value = work(transaction).await?;
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
                Ok(())
            }
            .boxed()
        });
        let done = self.store.transact(work, lasting);
        let done = done.await;
        let value = kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        let in_doubt = done.is_err() && value.is_some();
        if done.is_err() {
            metrics::counter!("journal_errors_total").increment(1);
        }
        let nothing = || Unavailable("its work gave nothing".to_owned());
        (done.and_then(|()| value.ok_or_else(nothing)), in_doubt)
    }

    /// Runs a transaction; an error takes all of it back.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl for<'t> FnOnce(&'t mut dyn Transaction) -> BoxFuture<'t, StoreResult<T>> + Send + 'static,
    ) -> StoreResult<T> {
        self.attempt(Durability::Soon, work).await.0
    }

    /// Runs a transaction in which the journal is as it should be: with what was late, and without what processes that
    /// are gone left open.
    pub(crate) async fn decide<T: Send + 'static>(
        &self,
        lasting: Durability,
        work: impl for<'t> FnOnce(&'t mut dyn Transaction) -> BoxFuture<'t, StoreResult<T>> + Send + 'static,
    ) -> (StoreResult<T>, bool) {
        let (own, late) = (self.store.owner(), self.late.lock().unwrap_or_else(PoisonError::into_inner).clone());
        let times = self.times();
        let written = late.clone();
        let decided = self.attempt(lasting, move |transaction| {
            async move {
                for one in &late {
                    records::write_late(transaction, one, &times).await?;
                }
                records::recover(transaction, own, &times).await?;
                work(transaction).await
            }
            .boxed()
        });
        let (value, in_doubt) = decided.await;
        if value.is_ok() {
            self.late.lock().unwrap_or_else(PoisonError::into_inner).retain(|one| !written.contains(one));
        }
        (value, in_doubt)
    }

    /// What stands in the way of a change, before anything is read from Truedy.
    pub async fn standing(
        &self,
        caller: &Caller,
        tool: &'static str,
        flight: Option<String>,
        nonce: Option<String>,
    ) -> StoreResult<Preconditions> {
        let (caller, times) = (caller.clone(), self.times());
        let standing = self.decide(Durability::Soon, move |transaction| {
            let standing = async move {
                records::standing(transaction, &caller, tool, flight.as_deref(), nonce.as_deref(), &times).await
            };
            standing.boxed()
        });
        standing.await.0
    }

    /// What the operations of a tool cost in 24 hours, those included of which no clock can tell that a day has passed.
    pub async fn spent(&self, caller: &Caller, tool: &'static str, currency: &str) -> StoreResult<Money> {
        let (caller, currency, times) = (caller.clone(), currency.to_owned(), self.times());
        let spent = self.decide(Durability::Soon, move |transaction| {
            async move { records::spent(transaction, &caller, tool, &currency, &times).await }.boxed()
        });
        spent.await.0
    }

    /// Begins an operation, or says what stops it.
    pub async fn begin(&self, intent: Intent) -> StoreResult<Option<BeginConflict>> {
        reach(Point::Planned);
        let (id, writer) = (intent.id.to_string(), self.writer());
        let (begun, in_doubt) = self
            .decide(Durability::Soon, move |transaction| {
                async move { records::begin(transaction, &intent, &writer.borrow()).await }.boxed()
            })
            .await;
        if begun == Ok(None) {
            reach(Point::Begun);
        }
        if in_doubt {
            // Whether it was written is not known; it certainly is not sent.
            self.remember(DeferredWrite::Withdrawn(id));
        }
        begun
    }

    /// The last step before a change leaves: after it, intent and leave are on the disk. False, or an error: it must not leave.
    pub async fn clear(&self, id: Uuid) -> StoreResult<bool> {
        self.leave(id, false).await
    }

    /// The same for one whose answer was lost, and which sets once more what it set; it stays unknown meanwhile.
    pub async fn clear_again(&self, id: Uuid) -> StoreResult<bool> {
        self.leave(id, true).await
    }

    pub(crate) async fn leave(&self, id: Uuid, again: bool) -> StoreResult<bool> {
        let own = self.store.owner();
        let cleared = self
            .attempt(Durability::OnDisk, move |transaction| {
                async move { records::clear(transaction, &id.to_string(), own, again).await }.boxed()
            })
            .await
            .0;
        if cleared == Ok(true) {
            reach(Point::Cleared);
        }
        cleared
    }

    /// The answer of an operation was lost: it is unresolved from now on. `number` is what a list would show if it happened.
    pub async fn lose(
        &self,
        id: Uuid,
        awaited: Option<(String, &str)>,
        status: Option<u16>,
        request_id: Option<String>,
    ) {
        reach(Point::AnswerLost);
        if let Some((number, tool)) = awaited {
            self.await_number(number, AwaitedNumber { id: id.to_string(), tool: tool.to_owned() });
        }
        let late = DeferredWrite::Lost { id: id.to_string(), upstream_status: status, request_id };
        let (written, times) = (late.clone(), self.times());
        let lost = self
            .run(move |transaction| async move { records::write_late(transaction, &written, &times).await }.boxed());
        if let Err(error) = lost.await {
            // Until then it stays as sent, and counts as lost when this process ends.
            tracing::error!(%error, %id, "a lost answer could not be recorded; it is tried again");
            self.remember(late);
        }
        reach(Point::Lost);
    }

    /// Writes how an operation ended; what cannot be written now is written later. True if it was open and is written.
    pub async fn settle(&self, id: &str, ending: Outcome) -> bool {
        reach(Point::Answered);
        self.no_longer_awaited(id);
        let (key, kept, times) = (id.to_owned(), ending.clone(), self.times());
        let settled = self
            .run(move |transaction| async move { records::settle(transaction, &key, &kept, &times).await }.boxed())
            .await;
        reach(Point::Settled);
        settled.unwrap_or_else(|error| {
            tracing::error!(%error, id, "an outcome could not be recorded; it is tried again");
            self.remember(DeferredWrite::Ended(id.to_owned(), ending));
            false
        })
    }

    /// Nobody waits for the answer of an operation any more. From the first poll on this process knows; when this returns true,
    /// every process does. Until it has ended, its principal begins no other of its kind.
    pub async fn abandon(&self, id: Uuid) -> bool {
        self.remember(DeferredWrite::Abandoned(id.to_string()));
        self.decide(Durability::Soon, |_| futures::future::ready(Ok(())).boxed()).await.0.is_ok()
    }

    /// Records a refusal by policy or gate. A failure is no failure of the call; a person's no is then written later.
    pub async fn refuse(&self, refused: RefusedCall) {
        let (id, writer) = (Uuid::now_v7().to_string(), self.writer());
        let (caller, nonce) = (refused.caller.clone(), refused.nonce.clone());
        let declined = nonce.map(|nonce| DeferredWrite::Declined { id: id.clone(), caller, nonce });
        let written = self.run(move |transaction| {
            async move { refusals::refuse(transaction, &refused, id, &writer.borrow()).await }.boxed()
        });
        if let Err(error) = written.await {
            tracing::warn!(%error, "a refusal could not be recorded");
            declined.into_iter().for_each(|late| self.remember(late));
        }
    }

    /// Operations, unresolved ones first.
    pub async fn find(&self, query: OperationQuery) -> StoreResult<Vec<Operation>> {
        self.decide(Durability::Soon, move |transaction| {
            async move { records::find(transaction, &query).await }.boxed()
        })
        .await
        .0
    }

    /// How many operations of the tenant are unresolved, whatever key they began under.
    pub async fn count_unresolved(&self) -> StoreResult<usize> {
        let (tenant, account) = (self.tenant.clone(), self.account.clone());
        let counted = self.decide(Durability::Soon, move |transaction| {
            async move { records::count_lost(transaction, &tenant, &account).await }.boxed()
        });
        counted.await.0
    }

    /// How many operations of anybody are unresolved.
    pub async fn count_all_unresolved(&self) -> StoreResult<usize> {
        self.decide(Durability::Soon, |transaction| records::count_all_lost(transaction).boxed()).await.0
    }

    /// Unresolved operations of the tenant, those of processes that are gone included: the first thousand. Numbers they would
    /// have made ours are looked out for from now on.
    pub async fn unresolved(&self) -> StoreResult<Vec<Operation>> {
        self.unresolved_after(0).await
    }

    /// The same, of those that were lost after a revision.
    pub async fn unresolved_after(&self, after: i64) -> StoreResult<Vec<Operation>> {
        let (tenant, account) = (self.tenant.clone(), self.account.clone());
        let before = self.awaited.lock().unwrap_or_else(PoisonError::into_inner).added;
        let lost = self
            .decide(Durability::Soon, move |transaction| {
                async move { records::lost(transaction, &tenant, &account, after).await }.boxed()
            })
            .await
            .0?;
        self.await_numbers(&lost, before, after == 0 && lost.len() < records::PAGE);
        Ok(lost)
    }

    /// What an operator found out elsewhere. `None`: there is no such operation; `false`: it was not unresolved.
    pub async fn resolve(&self, id: String, ending: Outcome, note: String) -> StoreResult<Option<(Operation, bool)>> {
        let (key, times) = (id.clone(), self.times());
        let resolved = self.decide(Durability::OnDisk, move |transaction| {
            async move { records::resolve(transaction, &key, &ending, &note, &times).await }.boxed()
        });
        let resolved = resolved.await.0?;
        if resolved.as_ref().is_some_and(|(operation, _)| !operation.is_unresolved()) {
            self.no_longer_awaited(&id);
        }
        Ok(resolved)
    }

    /// Forgets what is old and settled.
    pub async fn prune(&self) -> StoreResult<u64> {
        let times = self.times();
        self.run(move |transaction| async move { records::prune(transaction, &times).await }.boxed()).await
    }

    /// Forgets everything, what is unresolved too: only for the journal of a sandbox.
    pub async fn forget(&self) -> StoreResult<u64> {
        self.run(|transaction| records::forget(transaction).boxed()).await
    }

    /// Whether it can be written, found out by writing.
    pub async fn probe(&self) -> StoreResult<()> {
        self.run(|transaction| records::probe(transaction).boxed()).await
    }

    pub(crate) fn writer(&self) -> OwnWriter {
        OwnWriter {
            own: self.store.owner(),
            account: self.account.clone(),
            organization: self.organization.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            times: self.times(),
        }
    }

    /// How much is still to be written.
    #[cfg(test)]
    pub(crate) fn late(&self) -> usize {
        self.late.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(crate) fn remember(&self, late: DeferredWrite) {
        self.late.lock().unwrap_or_else(PoisonError::into_inner).push(late);
    }
}

/// A [`RowWriter`] that a transaction can take along.
pub(crate) struct OwnWriter {
    own: i64,
    account: String,
    organization: Option<String>,
    times: JournalClocks,
}

impl OwnWriter {
    fn borrow(&self) -> RowWriter<'_> {
        RowWriter {
            own: self.own,
            account: &self.account,
            organization: self.organization.as_deref(),
            times: &self.times,
        }
    }
}
