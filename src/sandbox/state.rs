//! Everything a running sandbox holds, and how a request is carried out on it.

use std::sync::{Arc, Mutex, PoisonError};

use http::request::Parts;
use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior};

use crate::sandbox::auth;
use crate::sandbox::auth::Door;
use crate::sandbox::data::account::Account;
use crate::sandbox::endpoints::call::Call;
use crate::sandbox::endpoints::dispatch;
use crate::sandbox::faults::active::Faults;
use crate::sandbox::faults::catalogue::{Amount, Fault, Moment};
use crate::sandbox::request_log::Ledger;
use crate::sandbox::response::{Done, Refusal};
use crate::sandbox::routes::Operation;
use crate::sandbox::time;

/// Everything a running sandbox holds.
#[derive(Debug)]
pub(crate) struct World {
    database: Mutex<Connection>,
    pub(crate) door: Door,
    pub(crate) ledger: Ledger,
    temper: Mutex<Temper>,
}

/// How it misbehaves now, and how often it has done so.
#[derive(Debug)]
struct Temper {
    faults: Arc<Faults>,
    struck: u64,
}

impl World {
    pub(crate) fn new(database: Connection, faults: Faults, ledger: Ledger) -> rusqlite::Result<World> {
        let door = Door::load(&database)?;
        let temper = Mutex::new(Temper { faults: Arc::new(faults), struck: 0 });
        Ok(World { database: Mutex::new(database), door, ledger, temper })
    }

    pub(crate) fn faults(&self) -> Arc<Faults> {
        Arc::clone(&self.temper.lock().unwrap_or_else(PoisonError::into_inner).faults)
    }

    pub(crate) fn set_faults(&self, faults: Faults) {
        let mut temper = self.temper.lock().unwrap_or_else(PoisonError::into_inner);
        *temper = Temper { faults: Arc::new(faults), struck: 0 };
    }

    /// Whether a fault that was switched on is still to be felt; counts if so.
    fn strike(&self) -> bool {
        let mut temper = self.temper.lock().unwrap_or_else(PoisonError::into_inner);
        let most = temper.faults.amount(Amount::Times).unwrap_or(0);
        let strikes = most == 0 || temper.struck < most;
        if strikes {
            temper.struck += 1;
        }
        strikes
    }

    pub(crate) fn strikes(&self, faults: &Faults, moment: Moment, operation: Operation) -> bool {
        faults.strikes(moment, operation) && self.strike()
    }

    /// Lets a request in and carries it out, all in one transaction.
    pub(crate) fn carry_out(
        &self,
        operation: Operation,
        id: &str,
        parts: &Parts,
        body: &[u8],
        faults: &Faults,
    ) -> Result<Done, Refusal> {
        let organization = self.door.authenticate(faults, &parts.headers)?;
        self.door.admit(faults, organization, Timestamp::now(), || self.strike())?;

        let behavior = if operation.changes() || faults.has(Fault::SearchRace) {
            TransactionBehavior::Immediate
        } else {
            TransactionBehavior::Deferred
        };
        let mut database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = database.transaction_with_behavior(behavior)?;
        // Told only now: whoever waited for another writer comes after it in time as well.
        let now = time::now();
        let account = Account { database: &transaction, organization, now: &now };
        auth::pay(faults, operation, &account.subscription_state()?)?;
        let outcome = dispatch::answer(operation, &Call { account, faults, id, parts, body });
        if outcome.as_ref().map_or_else(|refusal| refusal.keeps, |_| true) {
            transaction.commit()?;
        }
        outcome
    }
}
