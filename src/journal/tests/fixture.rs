//! Helpers that the tests of the journal share.

pub(crate) use crate::journal::tests::server;

pub(crate) use std::sync::Arc;

pub(crate) use tempfile::TempDir;
pub(crate) use uuid::Uuid;

pub(crate) use crate::domain::{Caller, Fees, Money, OperationTarget, Slot};
pub(crate) use crate::journal::evidence::{ConsentPlace, GateEvidence};
pub(crate) use crate::journal::journal::Journal;
pub(crate) use crate::journal::operation::{
    BeginConflict, CallOrigin, Intent, Operation, OperationPhase, OperationQuery, Outcome, OutcomeSource,
};
pub(crate) use crate::journal::place::JournalPlace;
pub(crate) use crate::journal::postgres::address::PostgresPlace;
pub(crate) use crate::journal::store::JournalStore;
pub(crate) use crate::journal::store::Unavailable;

pub(crate) const MINUTE: i64 = 60_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;

use crate::domain::samples;
use crate::journal::AddedNumber;
pub(crate) use crate::journal::Freeze;
/// A place for journals: each of them is another process.
pub(crate) struct Fixture {
    pub(crate) place: JournalPlace,
    pub(crate) home: Option<TempDir>,
}

impl Fixture {
    pub(crate) fn sqlite() -> Self {
        let home = tempfile::tempdir().unwrap();
        Self { place: JournalPlace::Directory(home.path().join("state")), home: Some(home) }
    }

    pub(crate) fn journal(&self) -> Arc<Journal> {
        Journal::new(self.place.clone(), "account".to_owned(), samples::KINDS)
    }

    /// Ends a process, and comes back when the others can see it.
    pub(crate) async fn crash(&self, journal: Arc<Journal>) {
        let owner = journal.store.owner();
        drop(Arc::into_inner(journal).expect("nobody else has it"));
        match &self.place {
            JournalPlace::Postgres(place) => server::until_gone(place, owner).await,
            // What it still had to do behind its last transaction ends first.
            JournalPlace::Directory(directory) => {
                while directory.join(format!("journal.owner-{owner:016x}")).exists() {
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                }
            }
            JournalPlace::Memory => {}
        }
    }
}

pub(crate) fn number(last: u32) -> String {
    format!("+1212555{last:04}")
}

/// A purchase of this number that nothing limits.
pub(crate) fn purchase(number: &str) -> Intent {
    Intent {
        id: Uuid::now_v7(),
        caller: Caller::local(),
        kind: &samples::PURCHASE,
        object: OperationTarget { number: Some(number.to_owned()), ..OperationTarget::default() },
        flight: Some(format!("make:{number}")),
        digest: "digest".to_owned(),
        nonce: None,
        price: None,
        fees: None,
        origin: CallOrigin::default(),
        evidence: GateEvidence { flag: true, ..GateEvidence::default() },
        acknowledged: Vec::new(),
        stopped_by_unresolved: true,
        read_rev: None,
        most: None,
        spend: None,
    }
}

pub(crate) fn release(number: &str) -> Intent {
    let flight = Some(format!("release:{number}"));
    Intent { kind: &samples::RELEASE, flight, stopped_by_unresolved: false, ..purchase(number) }
}

/// A freeze of this tenant. `None` stands for all.
pub(crate) fn freeze(tenant: Option<&str>) -> Freeze {
    let (why, by) = ("a wrong number was bought".to_owned(), "ana".to_owned());
    Freeze { tenant: tenant.map(str::to_owned), why, since: 0, by }
}

pub(crate) fn done() -> Outcome {
    Outcome::new(true, "purchased", OutcomeSource::Answer)
}

pub(crate) fn refused() -> Outcome {
    Outcome::new(false, "upstream_rejected", OutcomeSource::Answer)
}

pub(crate) fn money(text: &str) -> Option<Money> {
    Some(Money::parse(text).unwrap())
}

/// Steps that must go well.
impl Journal {
    pub(crate) async fn begins(&self, intent: Intent) -> Uuid {
        let id = intent.id;
        assert_eq!(self.begin(intent).await, Ok(None));
        id
    }

    pub(crate) async fn stops(&self, intent: Intent) -> BeginConflict {
        self.begin(intent).await.unwrap().expect("it is stopped")
    }

    pub(crate) async fn sends(&self, intent: Intent) -> Uuid {
        let id = self.begins(intent).await;
        assert_eq!(self.clear(id).await, Ok(true));
        id
    }

    pub(crate) async fn ends(&self, id: Uuid, ending: Outcome) {
        assert!(self.settle(&id.to_string(), ending).await, "{id} was open");
    }

    pub(crate) async fn loses(&self, intent: Intent) -> Uuid {
        let (number, kind) = (intent.object.number.clone().unwrap(), intent.kind);
        let id = self.sends(intent).await;
        self.lose(id, Some(AddedNumber { number, kind, created_after: None }), Some(502), Some("req_1".to_owned()))
            .await;
        id
    }

    pub(crate) async fn all(&self) -> Vec<Operation> {
        self.find(OperationQuery { limit: 100_000, ..OperationQuery::default() }).await.unwrap()
    }

    pub(crate) async fn one(&self, id: Uuid) -> Operation {
        let id = Some(id.to_string());
        self.find(OperationQuery { id, limit: 2, ..OperationQuery::default() })
            .await
            .unwrap()
            .pop()
            .expect("it is there")
    }

    pub(crate) async fn state(&self, id: Uuid) -> OperationPhase {
        self.one(id).await.state
    }

    pub(crate) async fn used(&self) -> u32 {
        self.standing(&Caller::local(), "purchase_number", None, None, u32::MAX).await.unwrap().used
    }

    /// Runs one statement behind the journal's back.
    pub(crate) async fn sql(&self, sql: String) -> u64 {
        self.run(move |transaction| Box::pin(async move { transaction.execute(&sql, &[]).await })).await.unwrap()
    }

    /// Sets the wall clock, as all that is kept sees it.
    pub(crate) async fn jump(&self, ms: i64) {
        let columns = ["begun_at", "sent_at", "lost_at", "ended_at", "acknowledged_at"];
        let set: Vec<String> = columns.iter().map(|column| format!("{column} = {column} - {ms}")).collect();
        self.sql(format!("UPDATE operations SET {}", set.join(", "))).await;
        self.sql(format!("UPDATE nonces SET used_at = used_at - {ms}")).await;
    }

    /// Lets time pass for all that is kept.
    pub(crate) async fn wait(&self, ms: i64) {
        let set = |columns: &[&str]| {
            let set: Vec<String> = columns.iter().map(|column| format!("{column} = {column} - {ms}")).collect();
            set.join(", ")
        };
        let columns =
            ["begun_at", "sent_at", "lost_at", "ended_at", "acknowledged_at", "begun_up", "lost_up", "ended_up"];
        self.sql(format!("UPDATE operations SET {}", set(&columns))).await;
        self.sql(format!("UPDATE nonces SET {}", set(&["used_at", "used_up"]))).await;
    }
}
