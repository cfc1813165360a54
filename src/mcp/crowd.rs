//! How many calls run and wait, in all and of each principal, so that nobody's flood is another's wait.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::Caller;

/// Bounds on calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Calls that run at once, of all principals together.
    pub running: usize,
    /// Calls of one principal that run at once.
    pub running_each: usize,
    /// Calls of one principal that wait beside those that run.
    pub waiting_each: usize,
}

impl Bounds {
    /// For a server that one person started.
    pub const ALONE: Self = Self { running: 64, running_each: 64, waiting_each: 512 };
    /// For a server that many share.
    pub const SHARED: Self = Self { running: 256, running_each: 8, waiting_each: 64 };
}

/// Everybody whose calls run or wait.
pub struct Crowd {
    bounds: Bounds,
    running: Arc<Semaphore>,
    queues: Mutex<HashMap<Caller, Arc<Queue>>>,
}

/// The calls of one principal.
struct Queue {
    running: Arc<Semaphore>,
    inside: AtomicUsize,
}

/// One of the places for calls that run or wait; dropping it gives it back.
pub(super) struct Place {
    crowd: Arc<Crowd>,
    caller: Caller,
    queue: Arc<Queue>,
}

/// Leave to run, until it is dropped.
pub(super) struct Running {
    _own: OwnedSemaphorePermit,
    _shared: OwnedSemaphorePermit,
}

impl Crowd {
    /// Nobody yet.
    pub fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self { bounds, running: Arc::new(Semaphore::new(bounds.running)), queues: Mutex::default() })
    }

    /// A place for one more call of this caller, if there is one.
    pub(super) fn enter(self: &Arc<Self>, caller: &Caller) -> Option<Place> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = queues.entry(caller.clone()).or_insert_with(|| {
            Arc::new(Queue { running: Arc::new(Semaphore::new(self.bounds.running_each)), inside: AtomicUsize::new(0) })
        });
        if queue.inside.load(Ordering::Acquire) >= self.bounds.running_each + self.bounds.waiting_each {
            return None;
        }
        queue.inside.fetch_add(1, Ordering::AcqRel);
        Some(Place { crowd: Arc::clone(self), caller: caller.clone(), queue: Arc::clone(queue) })
    }

    /// Whether there may be several principals.
    pub(super) fn is_shared(&self) -> bool {
        self.bounds.running_each < self.bounds.running
    }

    /// How many calls run now.
    pub fn running(&self) -> usize {
        self.bounds.running.saturating_sub(self.running.available_permits())
    }
}

impl Place {
    /// Waits for its turn, at most so long. Its own queue comes first: who waits there takes nothing from others.
    pub(super) async fn turn(&self, patience: Duration) -> Option<Running> {
        let turn = async {
            let own = Arc::clone(&self.queue.running).acquire_owned().await.ok()?;
            let shared = Arc::clone(&self.crowd.running).acquire_owned().await.ok()?;
            Some(Running { _own: own, _shared: shared })
        };
        tokio::time::timeout(patience, turn).await.ok().flatten()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut queues = self.crowd.queues.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever is gone leaves nothing behind: there may be any number of principals in a server's life.
        if self.queue.inside.fetch_sub(1, Ordering::AcqRel) == 1 {
            queues.remove(&self.caller);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(name: &str) -> Caller {
        Caller { principal: name.to_owned(), ..Caller::local() }
    }

    const FEW: Bounds = Bounds { running: 3, running_each: 2, waiting_each: 1 };
    const AT_ONCE: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn one_principal_cannot_take_the_places_of_another() {
        let crowd = Crowd::new(FEW);
        let places: Vec<Place> = (0..3).map(|_| crowd.enter(&caller("a")).expect("a place")).collect();
        assert!(crowd.enter(&caller("a")).is_none(), "two run and one waits");
        let (first, second) = (places[0].turn(AT_ONCE).await, places[1].turn(AT_ONCE).await);
        assert!(first.is_some() && second.is_some() && places[2].turn(AT_ONCE).await.is_none());
        let other = crowd.enter(&caller("b")).expect("a place");
        let turn = other.turn(AT_ONCE).await;
        assert!(turn.is_some(), "b has a queue of its own");
        let third = crowd.enter(&caller("c")).expect("a place");
        assert!(third.turn(AT_ONCE).await.is_none(), "three run in all");
        drop(first);
        assert!(third.turn(AT_ONCE).await.is_some());
    }

    #[tokio::test]
    async fn whoever_has_gone_leaves_nothing_behind() {
        let crowd = Crowd::new(FEW);
        for n in 0..100 {
            let place = crowd.enter(&caller(&n.to_string())).expect("a place");
            assert!(place.turn(AT_ONCE).await.is_some());
        }
        assert_eq!((crowd.queues.lock().unwrap().len(), crowd.running()), (0, 0));
    }

    #[test]
    fn the_same_name_in_another_tenant_is_somebody_else() {
        let crowd = Crowd::new(Bounds { running: 9, running_each: 1, waiting_each: 0 });
        let _held = crowd.enter(&caller("a")).expect("a place");
        let elsewhere = Caller { tenant: "other".to_owned(), ..caller("a") };
        assert!(crowd.enter(&caller("a")).is_none() && crowd.enter(&elsewhere).is_some());
    }
}
