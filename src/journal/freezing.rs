//! Freezing: the operator stops all changes, or those of one tenant.
//!
//! A freeze is a row of the store, so every process that uses the store sees it. Transactions run one after the other. So
//! a change is either sent before the row is written, or it is not sent.

use futures::FutureExt;
use serde_json::{Value, json};

use crate::journal::freeze::{Freeze, FreezeReport};
use crate::journal::journal::Journal;
use crate::journal::operation::moment;
use crate::journal::queries::{freezes, freezing, lists};
use crate::journal::store::{Durability, StoreResult};

impl Freeze {
    /// Returns since when it lasts, in UTC.
    pub fn since(&self) -> String {
        moment(self.since)
    }

    /// Returns the freeze as a caller reads it. The reason is data.
    pub fn to_json(&self) -> Value {
        json!({ "since": self.since(), "why": self.why })
    }

    /// Returns whose changes are frozen, for operators.
    pub fn whose(&self) -> String {
        self.tenant.as_ref().map_or_else(|| "all tenants".to_owned(), |tenant| format!("tenant {tenant}"))
    }

    /// Returns the freeze in one line for operators.
    pub fn to_line(&self) -> String {
        format!("frozen since {} for {}: {}", self.since(), self.whose(), self.why)
    }
}

impl Journal {
    /// Freezes all changes, or those of one tenant. Once it returns without an error, no change begins.
    ///
    /// The time of `freeze` is not used: the store sets it.
    ///
    /// # Errors
    ///
    /// If the store cannot be written. Then it is not known whether anything is frozen.
    pub async fn freeze(&self, freeze: Freeze) -> StoreResult<FreezeReport> {
        let times = self.times();
        let written = self.decide(Durability::OnDisk, move |transaction| {
            async move { freezing::freeze(transaction, &freeze, &times).await }.boxed()
        });
        written.await.0
    }

    /// Ends the freeze of all tenants, or that of one tenant. Returns the freeze that was ended.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    pub async fn unfreeze(&self, tenant: Option<String>) -> StoreResult<Option<Freeze>> {
        let ended = self.attempt(Durability::OnDisk, move |transaction| {
            async move { freezes::unfreeze(transaction, tenant.as_deref()).await }.boxed()
        });
        ended.await.0
    }

    /// Returns the freeze that stops the changes of this tenant.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn frozen(&self) -> StoreResult<Option<Freeze>> {
        let tenant = self.tenant.clone();
        self.run(move |transaction| async move { freezes::of(transaction, &tenant).await }.boxed()).await
    }

    /// Returns all freezes: first that of all tenants.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn freezes(&self) -> StoreResult<Vec<Freeze>> {
        self.run(|transaction| freezes::all(transaction).boxed()).await
    }

    /// Returns the tenants that have operations.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn known_tenants(&self) -> StoreResult<Vec<String>> {
        self.run(|transaction| lists::tenants(transaction).boxed()).await
    }
}
