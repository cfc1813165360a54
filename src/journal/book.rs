//! The journal as the rest of the program uses it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use uuid::Uuid;

use super::ledger;
use super::operation::{Ending, Intent, KnownBy, Operation, Query, Refused, Standing, Stop};
use super::point::{Point, reach};
use super::sqlite::Sqlite;
use super::store::{Outcome, Store, Transaction};
use crate::domain::Caller;

/// Where a journal is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In memory: gone with the process.
    Memory,
    /// In a directory of this machine.
    Directory(PathBuf),
}

/// The journal of one account.
pub struct Journal {
    store: Box<dyn Store>,
    account: String,
    /// Numbers that unresolved operations of this account would have made ours, with the ids of the operations.
    awaited: Mutex<BTreeMap<String, Vec<Awaited>>>,
    /// Outcomes that could not be written when they were known.
    unwritten: Mutex<Vec<(String, Ending)>>,
}

/// An unresolved operation that a number in the account would resolve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awaited {
    /// The operation.
    pub id: String,
    /// Its tool.
    pub tool: String,
}

impl Journal {
    /// A journal; nothing is opened yet. `account` tells Truedy accounts apart: a digest of the key.
    pub fn new(place: Place, account: String) -> Arc<Self> {
        let store: Box<dyn Store> = match place {
            Place::Memory => Box::new(Sqlite::in_memory()),
            Place::Directory(directory) => Box::new(Sqlite::in_directory(directory)),
        };
        Arc::new(Self { store, account, awaited: Mutex::default(), unwritten: Mutex::default() })
    }

    /// What it is kept in: `sqlite`, `postgres` or `memory`.
    pub fn kind(&self) -> &'static str {
        self.store.kind()
    }

    /// Runs a transaction; an error takes all of it back.
    async fn run<T: Send + 'static>(
        &self,
        work: impl for<'t> FnOnce(&'t mut dyn Transaction) -> BoxFuture<'t, Outcome<T>> + Send + 'static,
    ) -> Outcome<T> {
        let kept = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&kept);
        let done = self.store.transact(Box::new(move |transaction| {
            async move {
                let value = work(transaction).await?;
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
                Ok(())
            }
            .boxed()
        }));
        done.await?;
        let value = kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        value.ok_or_else(|| super::store::Unavailable("its work gave nothing".to_owned()))
    }

    /// What stands in the way of a change, before anything is read from Truedy.
    pub async fn standing(
        &self,
        caller: &Caller,
        tool: &'static str,
        flight: Option<String>,
        nonce: Option<String>,
    ) -> Outcome<Standing> {
        self.write_late().await;
        let (caller, own) = (caller.clone(), self.store.owner());
        self.run(move |transaction| {
            async move {
                ledger::recover(transaction, own).await?;
                ledger::standing(transaction, &caller, tool, flight.as_deref(), nonce.as_deref()).await
            }
            .boxed()
        })
        .await
    }

    /// Begins an operation, or says what stops it.
    pub async fn begin(&self, intent: Intent) -> Outcome<Option<Stop>> {
        reach(Point::Planned);
        let (account, own, id) = (self.account.clone(), self.store.owner(), intent.id.to_string());
        let begun = self
            .run(move |transaction| {
                async move {
                    ledger::recover(transaction, own).await?;
                    ledger::begin(transaction, &intent, &account, own).await
                }
                .boxed()
            })
            .await;
        match begun {
            Ok(None) => reach(Point::Begun),
            Ok(Some(_)) => {}
            // Whether it was written is not known; it certainly is not sent.
            Err(_) => self.remember(id, Ending { sent: false, ..Ending::new(false, "cancelled", KnownBy::Answer) }),
        }
        begun
    }

    /// The last step before a change leaves. False, or an error: it must not leave. `again`: its answer was lost before.
    pub async fn clear(&self, id: Uuid, again: bool) -> Outcome<bool> {
        let own = self.store.owner();
        let cleared = self
            .run(move |transaction| {
                async move { ledger::clear(transaction, &id.to_string(), own, again).await }.boxed()
            })
            .await;
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
            self.await_number(number, Awaited { id: id.to_string(), tool: tool.to_owned() });
        }
        let lost = self.run(move |transaction| {
            async move { ledger::lose(transaction, &id.to_string(), status, request_id.as_deref()).await }.boxed()
        });
        if let Err(error) = lost.await {
            // It stays as sent, and counts as lost when this process ends.
            tracing::error!(%error, %id, "a lost answer could not be recorded");
        }
        reach(Point::Lost);
    }

    /// Writes how an operation ended; what cannot be written now is written later. True if it was open and is written.
    pub async fn settle(&self, id: &str, ending: Ending) -> bool {
        reach(Point::Answered);
        self.no_longer_awaited(id);
        let (key, kept) = (id.to_owned(), ending.clone());
        let settled =
            self.run(move |transaction| async move { ledger::settle(transaction, &key, &kept).await }.boxed()).await;
        reach(Point::Settled);
        settled.unwrap_or_else(|error| {
            tracing::error!(%error, id, "an outcome could not be recorded; it is tried again");
            self.remember(id.to_owned(), ending);
            false
        })
    }

    /// Records a refusal by policy or gate. A failure is no failure of the call.
    pub async fn refuse(&self, refused: Refused) {
        let (account, own, id) = (self.account.clone(), self.store.owner(), Uuid::now_v7().to_string());
        let written = self.run(move |transaction| {
            async move { ledger::refuse(transaction, &refused, id, &account, own).await }.boxed()
        });
        if let Err(error) = written.await {
            tracing::warn!(%error, "a refusal could not be recorded");
        }
    }

    /// Operations, unresolved ones first.
    pub async fn find(&self, query: Query) -> Outcome<Vec<Operation>> {
        self.write_late().await;
        let own = self.store.owner();
        self.run(move |transaction| {
            async move {
                ledger::recover(transaction, own).await?;
                ledger::find(transaction, &query).await
            }
            .boxed()
        })
        .await
    }

    /// The unresolved operations of this account, those of processes that are gone included. Numbers they would have made
    /// ours are looked out for from now on.
    pub async fn unresolved(&self) -> Outcome<Vec<Operation>> {
        self.write_late().await;
        let (account, own) = (self.account.clone(), self.store.owner());
        let lost = self
            .run(move |transaction| {
                async move {
                    ledger::recover(transaction, own).await?;
                    ledger::lost(transaction, &account).await
                }
                .boxed()
            })
            .await?;
        let mut awaited: BTreeMap<String, Vec<Awaited>> = BTreeMap::new();
        for operation in lost.iter().filter(|operation| makes_ours(&operation.tool)) {
            if let Some(number) = &operation.object.number {
                let one = Awaited { id: operation.id.clone(), tool: operation.tool.clone() };
                awaited.entry(number.clone()).or_default().push(one);
            }
        }
        *self.awaited.lock().unwrap_or_else(PoisonError::into_inner) = awaited;
        Ok(lost)
    }

    /// What an operator found out elsewhere. `None`: there is no such operation; `false`: it was not unresolved.
    pub async fn resolve(&self, id: String, ending: Ending, note: String) -> Outcome<Option<(Operation, bool)>> {
        let own = self.store.owner();
        self.run(move |transaction| {
            async move {
                ledger::recover(transaction, own).await?;
                ledger::resolve(transaction, &id, &ending, &note).await
            }
            .boxed()
        })
        .await
    }

    /// Forgets what is old and settled.
    pub async fn prune(&self) -> Outcome<u64> {
        self.run(|transaction| ledger::prune(transaction).boxed()).await
    }

    /// Whether any number that is seen in the account could resolve something.
    pub fn awaits_any(&self) -> bool {
        !self.awaited.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// The unresolved operations that this number, seen in the account, resolves.
    pub fn awaiting(&self, number: &str) -> Vec<Awaited> {
        let awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        awaited.get(number).cloned().unwrap_or_default()
    }

    fn await_number(&self, number: String, one: Awaited) {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner).entry(number).or_default().push(one);
    }

    fn no_longer_awaited(&self, id: &str) {
        let mut awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        awaited.retain(|_, all| {
            all.retain(|one| one.id != id);
            !all.is_empty()
        });
    }

    fn remember(&self, id: String, ending: Ending) {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).push((id, ending));
    }

    /// Writes what could not be written when it was known.
    async fn write_late(&self) {
        let late = std::mem::take(&mut *self.unwritten.lock().unwrap_or_else(PoisonError::into_inner));
        for (id, ending) in late {
            let (key, kept) = (id.clone(), ending.clone());
            let written = self
                .run(move |transaction| async move { ledger::settle(transaction, &key, &kept).await }.boxed())
                .await;
            if written.is_err() {
                self.remember(id, ending);
            }
        }
    }
}

/// Whether a number in the account shows that an operation of this tool happened.
fn makes_ours(tool: &str) -> bool {
    matches!(tool, "purchase_number" | "import_number")
}
