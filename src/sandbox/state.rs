//! The state of a running sandbox, and how a request is carried out on it.

use std::sync::Arc;

use http::request::Parts;
use jiff::Timestamp;
use parking_lot::Mutex;
use rusqlite::{Connection, TransactionBehavior};

use crate::sandbox::auth::{self, KeyAuthenticator};
use crate::sandbox::data::account::AccountRows;
use crate::sandbox::endpoints::call::EndpointCall;
use crate::sandbox::endpoints::dispatch;
use crate::sandbox::faults::active::Faults;
use crate::sandbox::faults::catalogue::{Amount, Fault, Moment};
use crate::sandbox::request_log::RequestLog;
use crate::sandbox::response::{ApiRefusal, OperationResult};
use crate::sandbox::routes::ApiOperation;
use crate::sandbox::time;

/// The state of a running sandbox.
#[derive(Debug)]
pub(crate) struct SandboxState {
    database: Mutex<Connection>,
    pub(crate) door: KeyAuthenticator,
    pub(crate) ledger: RequestLog,
    fault_state: Mutex<FaultState>,
}

/// The present faults, and how often limited ones have been shown.
#[derive(Debug)]
struct FaultState {
    faults: Arc<Faults>,
    struck: u64,
}

impl SandboxState {
    pub(crate) fn new(database: Connection, faults: Faults, ledger: RequestLog) -> rusqlite::Result<SandboxState> {
        let door = KeyAuthenticator::load(&database)?;
        let fault_state = Mutex::new(FaultState { faults: Arc::new(faults), struck: 0 });
        Ok(SandboxState { database: Mutex::new(database), door, ledger, fault_state })
    }

    pub(crate) fn faults(&self) -> Arc<Faults> {
        Arc::clone(&self.fault_state.lock().faults)
    }

    pub(crate) fn set_faults(&self, faults: Faults) {
        let mut fault_state = self.fault_state.lock();
        *fault_state = FaultState { faults: Arc::new(faults), struck: 0 };
    }

    /// Whether a fault that was switched on still applies. If so, it is counted.
    fn strike(&self) -> bool {
        let mut fault_state = self.fault_state.lock();
        let most = fault_state.faults.amount(Amount::Times).unwrap_or(0);
        let strikes = most == 0 || fault_state.struck < most;
        if strikes {
            fault_state.struck += 1;
        }
        strikes
    }

    pub(crate) fn strikes(&self, faults: &Faults, moment: Moment, operation: ApiOperation) -> bool {
        faults.strikes(moment, operation) && self.strike()
    }

    /// Admits a request and carries it out, in one transaction.
    pub(crate) fn carry_out(
        &self,
        operation: ApiOperation,
        id: &str,
        parts: &Parts,
        body: &[u8],
        faults: &Faults,
    ) -> Result<OperationResult, ApiRefusal> {
        let organization = self.door.authenticate(faults, &parts.headers)?;
        self.door.admit(faults, organization, Timestamp::now(), || self.strike())?;

        let behavior = if operation.changes() || faults.has(Fault::SearchRace) {
            TransactionBehavior::Immediate
        } else {
            TransactionBehavior::Deferred
        };
        let mut database = self.database.lock();
        let transaction = database.transaction_with_behavior(behavior)?;
        // The time is read only now. So a request that waited for another writer also gets a later time.
        let now = time::now();
        let account = AccountRows { database: &transaction, organization, now: &now };
        auth::pay(faults, operation, &account.subscription_state()?)?;
        let outcome = dispatch::answer(operation, &EndpointCall { account, faults, id, parts, body });
        if outcome.as_ref().map_or_else(|refusal| refusal.keeps, |_| true) {
            transaction.commit()?;
        }
        outcome
    }
}
