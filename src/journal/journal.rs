//! `Journal`: the interface of the journal for the rest of the program.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use uuid::Uuid;

use crate::domain::{Caller, ChangeKinds, Money, ServerTime};
use crate::journal::awaited::{AddedNumber, AwaitedNumber, AwaitedNumbers};
use crate::journal::failpoints::{Point, reach};
use crate::journal::operation::{
    BeginConflict, Intent, Operation, OperationQuery, Outcome, Preconditions, RefusedCall,
};
use crate::journal::place::JournalPlace;
use crate::journal::postgres::store::Postgres;
use crate::journal::queries::clocks::{Clock, ClockWatch, JournalClocks, SystemClock};
use crate::journal::queries::records::DeferredWrite;
use crate::journal::queries::row::RowWriter;
use crate::journal::queries::{lists, records, refusals, resent};
use crate::journal::sqlite::store::Sqlite;
use crate::journal::store::{Durability, JournalStore, StoreResult, Transaction, TransactionWork, Unavailable};

/// The journal of one tenant's Truedy account.
pub struct Journal {
    pub(crate) store: Arc<dyn JournalStore>,
    pub(crate) tenant: String,
    pub(crate) account: String,
    pub(crate) kinds: ChangeKinds,
    /// The id of the Truedy organization, once numbers or other rows of the account have shown it.
    pub(crate) organization: Mutex<Option<String>>,
    watch: Arc<ClockWatch>,
    server_time: Arc<ServerTime>,
    pub(crate) awaited: Mutex<AwaitedNumbers>,
    /// Records that could not be written when they were due. Each is written first in the next transaction that decides
    /// something.
    late: Mutex<Vec<DeferredWrite>>,
}

impl Journal {
    /// Returns the journal of the local caller's account. Nothing is opened yet. `account` is a digest that tells
    /// different Truedy API keys apart.
    ///
    /// `kinds` are the changes that the program makes.
    pub fn new(place: JournalPlace, account: String, kinds: ChangeKinds) -> Arc<Self> {
        Self::by(Arc::new(SystemClock), place, account, kinds)
    }

    /// Does the same with the given clock.
    pub(crate) fn by(clock: Arc<dyn Clock>, place: JournalPlace, account: String, kinds: ChangeKinds) -> Arc<Self> {
        let store: Arc<dyn JournalStore> = match place {
            JournalPlace::Memory => Arc::new(Sqlite::in_memory(Arc::clone(&clock))),
            JournalPlace::Directory(directory) => Arc::new(Sqlite::in_directory(directory, Arc::clone(&clock))),
            JournalPlace::Postgres(place) => Arc::new(Postgres::new(place)),
        };
        Self::over(store, Arc::new(ClockWatch::new(clock)), (Caller::local().tenant, account), kinds)
    }

    /// Returns the journal of another tenant and account. It uses the same store and the same connections.
    pub fn of(&self, tenant: String, account: String) -> Arc<Self> {
        Self::over(Arc::clone(&self.store), Arc::clone(&self.watch), (tenant, account), self.kinds)
    }

    pub(crate) fn over(
        store: Arc<dyn JournalStore>,
        watch: Arc<ClockWatch>,
        (tenant, account): (String, String),
        kinds: ChangeKinds,
    ) -> Arc<Self> {
        Arc::new(Self {
            store,
            tenant,
            account,
            kinds,
            organization: Mutex::default(),
            watch,
            server_time: Arc::default(),
            awaited: Mutex::default(),
            late: Mutex::default(),
        })
    }

    /// Returns the clock in which the client of this account notes the `Date` of Truedy's responses. The journal trusts
    /// that clock.
    pub fn server_time(&self) -> Arc<ServerTime> {
        Arc::clone(&self.server_time)
    }

    /// Notes the organization that a row of the account showed.
    pub fn note_organization(&self, organization: &str) {
        let mut known = self.organization.lock();
        if known.as_deref() != Some(organization) {
            *known = Some(organization.to_owned());
        }
    }

    pub(crate) fn times(&self) -> JournalClocks {
        self.watch.look(self.store.has_own_clock(), &self.server_time)
    }

    /// Makes the store warn if it creates a new journal. A new journal does not know earlier purchases.
    pub fn tell_if_new(&self) {
        self.store.tell_if_new();
    }

    /// Returns the kind of the store: `sqlite`, `postgres` or `memory`.
    pub fn kind(&self) -> &'static str {
        self.store.kind()
    }

    /// Returns the tenant whose account it is.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// Returns the changes that the program makes.
    pub fn change_kinds(&self) -> ChangeKinds {
        self.kinds
    }

    /// Runs a transaction. An error rolls all of it back. The flag is true if the work succeeded but the commit
    /// reported an error. Then the transaction may have been committed.
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
                *slot.lock() = Some(value);
                Ok(())
            }
            .boxed()
        });
        let done = self.store.transact(work, lasting);
        let done = done.await;
        let value = kept.lock().take();
        let in_doubt = done.is_err() && value.is_some();
        if done.is_err() {
            metrics::counter!("journal_errors_total").increment(1);
        }
        let nothing = || Unavailable::Failed("its work gave nothing".to_owned());
        (done.and_then(|()| value.ok_or_else(nothing)), in_doubt)
    }

    /// Runs a transaction. An error rolls all of it back.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl for<'t> FnOnce(&'t mut dyn Transaction) -> BoxFuture<'t, StoreResult<T>> + Send + 'static,
    ) -> StoreResult<T> {
        self.attempt(Durability::Soon, work).await.0
    }

    /// Runs a transaction on an up-to-date journal. It first writes the deferred records. Then it closes the operations
    /// that ended processes left open.
    pub(crate) async fn decide<T: Send + 'static>(
        &self,
        lasting: Durability,
        work: impl for<'t> FnOnce(&'t mut dyn Transaction) -> BoxFuture<'t, StoreResult<T>> + Send + 'static,
    ) -> (StoreResult<T>, bool) {
        let (own, late) = (self.store.owner(), self.late.lock().clone());
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
            self.late.lock().retain(|one| !written.contains(one));
        }
        (value, in_doubt)
    }

    /// Returns what may stop a change, before anything is read from Truedy.
    ///
    /// The operations of the last 24 hours are counted up to `enough`, usually the cap.
    pub async fn standing(
        &self,
        caller: &Caller,
        tool: &'static str,
        flight: Option<String>,
        nonce: Option<String>,
        enough: u32,
    ) -> StoreResult<Preconditions> {
        let (caller, about) = (caller.clone(), (self.kinds, self.times()));
        let standing = self.decide(Durability::Soon, move |transaction| {
            let standing = async move {
                let (flight, nonce, about) = (flight.as_deref(), nonce.as_deref(), (about.0, &about.1));
                records::standing(transaction, &caller, tool, flight, nonce, enough, about).await
            };
            standing.boxed()
        });
        standing.await.0
    }

    /// Returns what the operations of a tool cost in the last 24 hours, in the currency of the limit. Operations whose
    /// age no clock can prove are included. Once the sum exceeds the limit, no further ones are added.
    pub async fn spent(&self, caller: &Caller, tool: &'static str, limit: &Money) -> StoreResult<Money> {
        let (caller, limit, times) = (caller.clone(), limit.clone(), self.times());
        let spent = self.decide(Durability::Soon, move |transaction| {
            async move { records::spent(transaction, &caller, tool, &limit, &times).await }.boxed()
        });
        spent.await.0
    }

    /// Returns the operation that the same call of the client began in the last ten minutes. `call_id` is the digest of
    /// the call, as the origin of an operation holds it.
    pub async fn resent(&self, caller: &Caller, call_id: String) -> StoreResult<Option<Operation>> {
        let (caller, times) = (caller.clone(), self.times());
        let first = self.decide(Durability::Soon, move |transaction| {
            async move {
                let now = times.at(transaction).await?;
                resent::first(transaction, &caller, &call_id, &now).await
            }
            .boxed()
        });
        first.await.0
    }

    /// Begins an operation. Returns the conflict if one stops it.
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
            // It is unknown whether the intent was written. The change is certainly not sent.
            self.remember(DeferredWrite::Withdrawn(id));
        }
        begun
    }

    /// Records that a change may be sent. This is the last step before sending. After `Ok(true)`, the intent and this
    /// record are on the disk. After `Ok(false)` or an error, the change must not be sent.
    pub async fn clear(&self, id: Uuid) -> StoreResult<bool> {
        self.leave(id, false).await
    }

    /// Does the same for an operation whose response was lost and which sends the same values again. The operation
    /// stays unknown meanwhile.
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

    /// Records that the response to an operation was lost. From now on the operation is unresolved. `awaited` holds a
    /// number and the kind of change. If that number appears in the account, the operation happened.
    pub async fn lose(&self, id: Uuid, awaited: Option<AddedNumber>, status: Option<u16>, request_id: Option<String>) {
        reach(Point::AnswerLost);
        if let Some(AddedNumber { number, kind, created_after }) = awaited {
            self.await_number(number, AwaitedNumber { id: id.to_string(), kind, created_after });
        }
        let late = DeferredWrite::Lost { id: id.to_string(), upstream_status: status, request_id };
        let (written, times) = (late.clone(), self.times());
        let lost = self
            .run(move |transaction| async move { records::write_late(transaction, &written, &times).await }.boxed());
        if let Err(error) = lost.await {
            // Until it is written, the operation stays in state `sent`. It counts as lost when this process ends.
            tracing::error!(%error, %id, "a lost answer could not be recorded; it is tried again");
            self.remember(late);
        }
        reach(Point::Lost);
    }

    /// Records how an operation ended. If the store fails, the outcome is written later. Returns true if the operation
    /// was open and the outcome is written.
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

    /// Records that no caller waits for the response to an operation any more. This process knows it from the first
    /// poll on. All processes know it once this returns true. Until the operation has ended, its principal cannot begin
    /// another one with the same tool.
    pub async fn abandon(&self, id: Uuid) -> bool {
        self.remember(DeferredWrite::Abandoned(id.to_string()));
        self.decide(Durability::Soon, |_| futures::future::ready(Ok(())).boxed()).await.0.is_ok()
    }

    /// Records a refusal by the policy or the gate. If the store fails, the call goes on. The refusal of a person is
    /// then written later.
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

    /// Returns the operations that a query selects, unresolved ones first.
    pub async fn find(&self, query: OperationQuery) -> StoreResult<Vec<Operation>> {
        self.decide(Durability::Soon, move |transaction| async move { lists::find(transaction, &query).await }.boxed())
            .await
            .0
    }

    /// Returns how many operations of the tenant are unresolved, whatever API key they began under.
    pub async fn count_unresolved(&self) -> StoreResult<usize> {
        let (tenant, account) = (self.tenant.clone(), self.account.clone());
        let counted = self.decide(Durability::Soon, move |transaction| {
            async move { lists::count_lost(transaction, &tenant, &account).await }.boxed()
        });
        counted.await.0
    }

    /// Returns how many operations of all tenants are unresolved.
    pub async fn count_all_unresolved(&self) -> StoreResult<usize> {
        self.decide(Durability::Soon, |transaction| lists::count_all_lost(transaction).boxed()).await.0
    }

    /// Returns the unresolved operations of the tenant, at most 1,000. Operations of ended processes are included. From
    /// now on the journal watches for the numbers that they would have added.
    pub async fn unresolved(&self) -> StoreResult<Vec<Operation>> {
        self.unresolved_after(0).await
    }

    /// Does the same for operations that were lost after the revision `after`.
    pub async fn unresolved_after(&self, after: i64) -> StoreResult<Vec<Operation>> {
        let (tenant, account) = (self.tenant.clone(), self.account.clone());
        let before = self.awaited.lock().added;
        let lost = self
            .decide(Durability::Soon, move |transaction| {
                async move { lists::lost(transaction, &tenant, &account, after).await }.boxed()
            })
            .await
            .0?;
        self.await_numbers(&lost, before, after == 0 && lost.len() < lists::PAGE);
        Ok(lost)
    }

    /// Records an outcome that an operator found out elsewhere. `None` means that there is no such operation. `false`
    /// means that the operation was not unresolved and is unchanged.
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

    /// Deletes all operations, including unresolved ones. Only the journal of a sandbox uses it.
    pub async fn forget(&self) -> StoreResult<u64> {
        self.run(|transaction| records::forget(transaction).boxed()).await
    }

    /// Checks that the store can be written, by writing to it.
    pub async fn probe(&self) -> StoreResult<()> {
        self.run(|transaction| records::probe(transaction).boxed()).await
    }

    /// Checks the whole store for damage. It takes about a second for a million operations.
    ///
    /// # Errors
    ///
    /// If it is damaged. Then nothing is changed until it is mended.
    pub async fn check(&self) -> StoreResult<()> {
        self.store.check().await
    }

    pub(crate) fn writer(&self) -> OwnWriter {
        OwnWriter {
            own: self.store.owner(),
            account: self.account.clone(),
            kinds: self.kinds,
            organization: self.organization.lock().clone(),
            times: self.times(),
        }
    }

    /// Returns how many deferred records are not written yet.
    #[cfg(test)]
    pub(crate) fn late(&self) -> usize {
        self.late.lock().len()
    }

    pub(crate) fn remember(&self, late: DeferredWrite) {
        self.late.lock().push(late);
    }
}

/// An owned form of [`RowWriter`], which can be moved into a transaction.
pub(crate) struct OwnWriter {
    own: i64,
    account: String,
    kinds: ChangeKinds,
    organization: Option<String>,
    times: JournalClocks,
}

impl OwnWriter {
    fn borrow(&self) -> RowWriter<'_> {
        RowWriter {
            own: self.own,
            account: &self.account,
            kinds: self.kinds,
            organization: self.organization.as_deref(),
            times: &self.times,
        }
    }
}
