//! The leased places of one process: what it may send without asking the store again.
//!
//! A lease is a few places of one share and one principal. It is used from the moment of its request on by the
//! monotonic clock of this process, so it ends here before it ends in the store.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};
use uuid::Uuid;

use crate::domain::RateLeases;
use crate::truedy::shared_window::{LEASE, LeaseAnswer, LeaseReport, LeaseRequest, WINDOW, WindowExchange};

/// The longest wait for the store.
const BOUND: Duration = Duration::from_millis(500);
/// How long the store is left alone after it failed.
const RETRY: Duration = Duration::from_secs(2);
/// A report that is older changes nothing, since its row has expired.
const REPORTABLE: Duration = WINDOW.saturating_add(LEASE);

type LeaseKey = (&'static str, Option<Arc<str>>);

/// The leases of one process for one account.
pub(crate) struct LeasedPlaces {
    store: Arc<dyn RateLeases>,
    account: String,
    state: Mutex<LeaseState>,
}

#[derive(Default)]
struct LeaseState {
    /// The leases that may be used.
    open: HashMap<LeaseKey, OpenLease>,
    /// The requests that were sent without a lease since the last exchange with the store.
    unleased: HashMap<LeaseKey, OpenLease>,
    /// The leases that ended and are not reported yet.
    ended: Vec<(LeaseKey, OpenLease)>,
    /// When a principal may have used less than its own part.
    own_full: HashMap<LeaseKey, Instant>,
    /// Set while the store fails: when it is tried again.
    failing: Option<Instant>,
    probing: bool,
}

/// A lease: how many places are left, and what was used.
#[derive(Clone)]
struct OpenLease {
    id: String,
    left: u32,
    used: u32,
    begun: Instant,
    last_use: Instant,
}

impl OpenLease {
    fn new(id: String, left: u32, begun: Instant) -> Self {
        Self { id, left, used: 0, begun, last_use: begun }
    }

    /// When its places may no longer be used.
    fn until(&self) -> Instant {
        self.begun + LEASE
    }

    fn count(&mut self, now: Instant) {
        (self.used, self.last_use) = (self.used.saturating_add(1), now);
    }
}

impl fmt::Debug for LeasedPlaces {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("LeasedPlaces").finish_non_exhaustive()
    }
}

impl LeaseState {
    /// Uses a place of an open lease, if there is one. A lease without places ends.
    fn take(&mut self, key: &LeaseKey, now: Instant) -> bool {
        let Some(lease) = self.open.get_mut(key) else { return false };
        if lease.left > 0 && now < lease.until() {
            lease.left -= 1;
            lease.count(now);
            return true;
        }
        self.end(key);
        false
    }

    fn end(&mut self, key: &LeaseKey) {
        self.ended.extend(self.open.remove(key).map(|lease| (key.clone(), lease)));
    }

    /// Returns a report of each lease that ended.
    fn reports(&mut self, now: Instant) -> Vec<LeaseReport> {
        self.ended.extend(self.unleased.drain());
        self.ended.retain(|(_, lease)| now.duration_since(lease.last_use) < REPORTABLE);
        let report = |(key, lease): &(LeaseKey, OpenLease)| LeaseReport {
            id: lease.id.clone(),
            share: key.0,
            principal: key.1.clone(),
            used: lease.used,
            ago: now.duration_since(lease.last_use),
        };
        self.ended.iter().map(report).collect()
    }
}

impl LeasedPlaces {
    /// Creates the places of an account. The store is not asked yet.
    pub(crate) fn new(store: Arc<dyn RateLeases>, account: String) -> Arc<Self> {
        Arc::new(Self { store, account, state: Mutex::default() })
    }

    /// Takes a place. `Some(Err)` is the time when one may be free. `None` means that the store does not answer.
    ///
    /// Two requests of the same share must not call this at the same time.
    pub(crate) async fn take(self: &Arc<Self>, request: LeaseRequest) -> Option<Result<(), Instant>> {
        let key = (request.share, request.principal.clone());
        loop {
            {
                let (mut state, now) = (self.state.lock(), Instant::now());
                if state.take(&key, now) {
                    return Some(Ok(()));
                }
                if state.failing.is_some() {
                    return None;
                }
            }
            // A separate task asks. It reports correctly even if the caller stops waiting for it.
            let asked = tokio::spawn(Arc::clone(self).exchange(Some(request.clone()), None));
            let answer = match timeout(BOUND, asked).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Err("a fault ended its work".to_owned()),
                Err(_) => Err(format!("it did not answer within {} ms", BOUND.as_millis())),
            };
            match answer {
                Ok(LeaseAnswer::Granted(_)) => {}
                Ok(LeaseAnswer::Full { wait, own }) => {
                    let now = Instant::now();
                    if let Some(own) = own {
                        self.state.lock().own_full.insert(key, now + own);
                    }
                    return Some(Err(now + wait));
                }
                Err(error) => {
                    self.fails(&error);
                    return None;
                }
            }
        }
    }

    /// Returns the time when a principal may have used less than its own part, if the store said that it has not.
    pub(crate) fn own_full(&self, share: &'static str, principal: Option<&Arc<str>>) -> Option<Instant> {
        let (mut state, now) = (self.state.lock(), Instant::now());
        state.own_full.retain(|_, until| *until > now);
        state.own_full.get(&(share, principal.cloned())).copied()
    }

    /// Whether the store does not answer. If it is time, this starts a task that asks it again.
    pub(crate) fn is_failing(self: &Arc<Self>) -> bool {
        let mut state = self.state.lock();
        let Some(retry_at) = state.failing else { return false };
        if Instant::now() >= retry_at && !std::mem::replace(&mut state.probing, true) {
            tokio::spawn(Arc::clone(self).probe());
        }
        true
    }

    /// Notes a request that was sent without a lease. The store learns of it when it answers again.
    pub(crate) fn note_unleased(&self, share: &'static str, principal: Option<&Arc<str>>) {
        let now = Instant::now();
        let mut state = self.state.lock();
        let lease = state.unleased.entry((share, principal.cloned()));
        lease.or_insert_with(|| OpenLease::new(Uuid::new_v4().to_string(), 0, now)).count(now);
    }

    /// Stops the requests of all processes for this time, after a refusal by Truedy.
    pub(crate) fn freeze(self: &Arc<Self>, wait: Duration) {
        if !self.is_failing() {
            tokio::spawn(Arc::clone(self).exchange(None, Some(wait)));
        }
    }

    /// Gives back all places that were not used. Waits for the store, but not longer than for a lease.
    pub(crate) async fn give_back(self: &Arc<Self>) {
        let unused = {
            let mut state = self.state.lock();
            let keys: Vec<LeaseKey> = state.open.keys().cloned().collect();
            keys.iter().for_each(|key| state.end(key));
            state.failing.is_none() && state.ended.iter().any(|(_, lease)| lease.left > 0)
        };
        if unused {
            let _ = timeout(BOUND, tokio::spawn(Arc::clone(self).exchange(None, None))).await;
        }
    }

    /// Reports the leases that ended, and asks for a new one.
    fn exchange(
        self: Arc<Self>,
        request: Option<LeaseRequest>,
        freeze: Option<Duration>,
    ) -> BoxFuture<'static, Result<LeaseAnswer, String>> {
        let exchanged = async move {
            let begun = Instant::now();
            let key = request.as_ref().map(|request| (request.share, request.principal.clone()));
            let id = Uuid::new_v4().to_string();
            let request = request.map(|request| (id.clone(), request));
            let exchange = WindowExchange { reports: self.state.lock().reports(begun), freeze, request };
            let reported: Vec<String> = exchange.reports.iter().map(|report| report.id.clone()).collect();
            let (tell, told) = oneshot::channel();
            let work = Box::new(move |now, rows| {
                let (changes, answer) = exchange.apply(now, rows);
                // The receiver lives until the update has ended.
                let _ = tell.send(answer);
                changes
            });
            self.store.update(&self.account, work).await?;
            let answer = told.await.map_err(|_| "its work gave nothing".to_owned())?;
            self.state.lock().ended.retain(|(_, lease)| !reported.contains(&lease.id));
            if let (Some(key), LeaseAnswer::Granted(places)) = (key, answer) {
                self.opens(key, OpenLease::new(id, places, begun));
            }
            Ok(answer)
        };
        // The type is named because the exchange starts a task that makes another exchange.
        exchanged.boxed()
    }

    /// Makes a lease usable that the store has granted.
    fn opens(self: &Arc<Self>, key: LeaseKey, lease: OpenLease) {
        let mut state = self.state.lock();
        state.end(&key);
        if lease.begun.elapsed() < BOUND {
            tokio::spawn(end_later(Arc::downgrade(self), key.clone(), lease.clone()));
            state.open.insert(key, lease);
        } else {
            // Nobody waits for it any more, so it is reported as not used.
            state.ended.push((key, lease));
        }
    }

    /// Notes that the store failed. Logs it once.
    fn fails(&self, error: &str) {
        let again = self.state.lock().failing.replace(Instant::now() + RETRY);
        if again.is_none() {
            tracing::warn!(
                error,
                "the database of the journal did not answer the rate limiter: until it does, this server counts its requests to Truedy alone"
            );
        }
    }

    /// Asks the store whether it answers again. No request to Truedy waits for this.
    async fn probe(self: Arc<Self>) {
        let begun = Instant::now();
        let answers = Arc::clone(&self).exchange(None, None).await.is_ok() && begun.elapsed() < BOUND;
        let mut state = self.state.lock();
        state.probing = false;
        state.failing = (!answers).then(|| Instant::now() + RETRY);
        drop(state);
        if answers {
            // At the level of the first line, so that whoever saw that one sees this one.
            tracing::warn!("the database of the journal answers the rate limiter again");
        }
    }
}

/// Gives back the unused places of a lease when it ends. A lease without any is reported with the next exchange.
async fn end_later(places: Weak<LeasedPlaces>, key: LeaseKey, lease: OpenLease) {
    sleep_until(lease.until()).await;
    let Some(places) = places.upgrade() else { return };
    let unused = {
        let mut state = places.state.lock();
        let open = state.open.get(&key).filter(|open| open.id == lease.id).map(|open| open.left);
        if open.is_some() {
            state.end(&key);
        }
        open.is_some_and(|left| left > 0) && state.failing.is_none()
    };
    if unused {
        // If this fails, the next exchange reports it. Or the places expire in the store.
        let _ = places.exchange(None, None).await;
    }
}
