//! Limits how many calls run and wait, in total and for each principal.
//!
//! One principal with many calls does not make others wait. A call that waits for a person holds no permit. It counts as
//! waiting.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::Caller;

/// Limits on the number of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLimits {
    /// Calls that run at once, of all principals together.
    pub running: usize,
    /// Calls of one principal that run at once.
    pub running_each: usize,
    /// Calls of one principal that wait, in addition to those that run.
    pub waiting_each: usize,
    /// Calls of one principal that wait for a person at once. They count among those that wait.
    pub asking_each: usize,
}

impl CallLimits {
    /// Limits for a server that one person started.
    pub const ALONE: Self = Self { running: 64, running_each: 64, waiting_each: 512, asking_each: 64 };
    /// Limits for a server that many principals share.
    pub const SHARED: Self = Self { running: 256, running_each: 8, waiting_each: 64, asking_each: 16 };
}

/// The limiter of calls, with the calls of each principal that run or wait.
pub struct ConcurrencyLimiter {
    bounds: CallLimits,
    running: Arc<Semaphore>,
    queues: Mutex<HashMap<Caller, Arc<PrincipalQueue>>>,
}

/// The calls of one principal.
struct PrincipalQueue {
    running: Arc<Semaphore>,
    inside: AtomicUsize,
    asking: Arc<Semaphore>,
}

/// The slot of one call that runs or waits. Dropping it frees the slot.
pub(crate) struct QueueSlot {
    limiter: Arc<ConcurrencyLimiter>,
    caller: Caller,
    queue: Arc<PrincipalQueue>,
}

/// The permit to run. It lasts until it is dropped.
pub(crate) struct Permit {
    _own: OwnedSemaphorePermit,
    _shared: OwnedSemaphorePermit,
}

impl ConcurrencyLimiter {
    /// Creates a limiter without calls.
    pub fn new(bounds: CallLimits) -> Arc<Self> {
        Arc::new(Self { bounds, running: Arc::new(Semaphore::new(bounds.running)), queues: Mutex::default() })
    }

    /// Takes a slot for one more call of this caller. `None` if all of its slots are taken.
    pub(crate) fn enter(self: &Arc<Self>, caller: &Caller) -> Option<QueueSlot> {
        let mut queues = self.queues.lock();
        let queue = queues.entry(caller.clone()).or_insert_with(|| {
            Arc::new(PrincipalQueue {
                running: Arc::new(Semaphore::new(self.bounds.running_each)),
                inside: AtomicUsize::new(0),
                asking: Arc::new(Semaphore::new(self.bounds.asking_each)),
            })
        });
        if queue.inside.load(Ordering::Acquire) >= self.bounds.running_each + self.bounds.waiting_each {
            return None;
        }
        queue.inside.fetch_add(1, Ordering::AcqRel);
        Some(QueueSlot { limiter: Arc::clone(self), caller: caller.clone(), queue: Arc::clone(queue) })
    }

    /// Returns whether there may be several principals.
    pub(crate) fn is_shared(&self) -> bool {
        self.bounds.running_each < self.bounds.running
    }

    /// Returns how many calls run now.
    pub fn running(&self) -> usize {
        self.bounds.running.saturating_sub(self.running.available_permits())
    }
}

impl QueueSlot {
    /// Waits for a permit, at most for `patience`. The principal's own queue comes first. A call that waits there takes
    /// no permit from other principals.
    pub(crate) async fn turn(&self, patience: Duration) -> Option<Permit> {
        let turn = async {
            let own = Arc::clone(&self.queue.running).acquire_owned().await.ok()?;
            let shared = Arc::clone(&self.limiter.running).acquire_owned().await.ok()?;
            Some(Permit { _own: own, _shared: shared })
        };
        tokio::time::timeout(patience, turn).await.ok().flatten()
    }
}

/// The slot and the permit of one call. The slot lasts until the call ends, and the permit is given back while a person
/// thinks.
pub(crate) struct CallTurn {
    place: QueueSlot,
    running: Mutex<Option<Permit>>,
}

impl CallTurn {
    /// Waits for the first permit, at most for `patience`.
    pub(crate) async fn first(place: QueueSlot, patience: Duration) -> Option<Self> {
        let running = place.turn(patience).await?;
        Some(Self { place, running: Mutex::new(Some(running)) })
    }

    /// Waits for a person. If that takes any time, the permit is given back. To continue, the call takes a new one with
    /// [`Self::again`]. `None` if too many calls of this caller wait for a person already. Then nobody was asked.
    pub(crate) async fn aside<T>(&self, wait: impl Future<Output = T>) -> Option<T> {
        let _asking = self.place.queue.asking.try_acquire().ok()?;
        let mut wait = pin!(wait);
        if let Poll::Ready(done) = futures::poll!(wait.as_mut()) {
            return Some(done);
        }
        drop(self.running.lock().take());
        Some(wait.await)
    }

    /// Waits for a permit, at most for `patience`, if it was given back. Returns whether the call has a permit now.
    pub(crate) async fn again(&self, patience: Duration) -> bool {
        if self.running.lock().is_some() {
            return true;
        }
        let running = self.place.turn(patience).await;
        let there = running.is_some();
        *self.running.lock() = running;
        there
    }
}

impl Drop for QueueSlot {
    fn drop(&mut self) {
        let mut queues = self.limiter.queues.lock();
        // The queue of a principal without calls is removed, because a server may see any number of principals.
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

    const FEW: CallLimits = CallLimits { running: 3, running_each: 2, waiting_each: 1, asking_each: 2 };
    const AT_ONCE: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn one_principal_cannot_take_the_places_of_another() {
        let limiter = ConcurrencyLimiter::new(FEW);
        let places: Vec<QueueSlot> = (0..3).map(|_| limiter.enter(&caller("a")).expect("a place")).collect();
        assert!(limiter.enter(&caller("a")).is_none(), "two run and one waits");
        let (first, second) = (places[0].turn(AT_ONCE).await, places[1].turn(AT_ONCE).await);
        assert!(first.is_some() && second.is_some() && places[2].turn(AT_ONCE).await.is_none());
        let other = limiter.enter(&caller("b")).expect("a place");
        let turn = other.turn(AT_ONCE).await;
        assert!(turn.is_some(), "b has a queue of its own");
        let third = limiter.enter(&caller("c")).expect("a place");
        assert!(third.turn(AT_ONCE).await.is_none(), "three run in all");
        drop(first);
        assert!(third.turn(AT_ONCE).await.is_some());
    }

    /// Runs a call of this caller that waits for a person until `thinks` ends.
    async fn asks(
        limiter: &Arc<ConcurrencyLimiter>,
        name: &str,
        thinks: tokio::sync::oneshot::Receiver<()>,
    ) -> Option<bool> {
        let place = limiter.enter(&caller(name)).expect("a place");
        let turn = CallTurn::first(place, AT_ONCE).await.expect("a turn");
        turn.aside(thinks).await?.expect("the person answers");
        Some(turn.again(AT_ONCE).await)
    }

    #[tokio::test(start_paused = true)]
    async fn sixty_four_principals_with_eight_questions_each_leave_every_place_free() {
        let limiter = ConcurrencyLimiter::new(CallLimits::SHARED);
        let mut persons = Vec::new();
        let mut calls = Vec::new();
        for at in 0..64 * 8 {
            let (answer, thinks) = tokio::sync::oneshot::channel();
            persons.push(answer);
            let limiter = Arc::clone(&limiter);
            calls.push(tokio::spawn(async move { asks(&limiter, &(at / 8).to_string(), thinks).await }));
            tokio::task::yield_now().await;
        }
        assert_eq!(limiter.running(), 0);
        let ninth = limiter.enter(&caller("0")).expect("a place");
        assert!(ninth.turn(AT_ONCE).await.is_some(), "nobody waits for a person of somebody else");
        persons.into_iter().for_each(|answer| answer.send(()).expect("it is waited for"));
        for call in calls {
            assert!(call.await.expect("it ends").is_some());
        }
        assert_eq!((limiter.queues.lock().len(), limiter.running()), (1, 0), "the ninth alone is left");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_comes_back_waits_for_a_place_and_may_find_none() {
        let limiter = ConcurrencyLimiter::new(FEW);
        let (answer, thinks) = tokio::sync::oneshot::channel();
        let call = tokio::spawn({
            let limiter = Arc::clone(&limiter);
            async move { asks(&limiter, "a", thinks).await }
        });
        tokio::task::yield_now().await;
        let places: Vec<QueueSlot> = (0..2).map(|_| limiter.enter(&caller("a")).expect("a place")).collect();
        let taken = (places[0].turn(AT_ONCE).await, places[1].turn(AT_ONCE).await);
        assert!(taken.0.is_some() && taken.1.is_some(), "the place was given back");
        answer.send(()).expect("it is waited for");
        assert_eq!(call.await.expect("it ends"), Some(false));
    }

    #[tokio::test(start_paused = true)]
    async fn the_questions_of_one_principal_are_bounded_and_an_answer_at_hand_gives_nothing_back() {
        let limiter = ConcurrencyLimiter::new(CallLimits { running_each: 9, running: 9, ..FEW });
        let mut persons = Vec::new();
        let mut calls = Vec::new();
        for _ in 0..2 {
            let (answer, thinks) = tokio::sync::oneshot::channel();
            persons.push(answer);
            let limiter = Arc::clone(&limiter);
            calls.push(tokio::spawn(async move { asks(&limiter, "a", thinks).await }));
            tokio::task::yield_now().await;
        }
        let (_answer, thinks) = tokio::sync::oneshot::channel();
        let third = tokio::time::timeout(Duration::from_secs(1), asks(&limiter, "a", thinks)).await;
        assert_eq!(third, Ok(None), "two are open");
        let (answer, thinks) = tokio::sync::oneshot::channel();
        answer.send(()).expect("it is waited for");
        assert_eq!(asks(&limiter, "b", thinks).await, Some(true), "b has a bound of its own");
        drop(persons.into_iter().map(|answer| answer.send(())).collect::<Vec<_>>());
        for call in calls {
            assert_eq!(call.await.expect("it ends"), Some(true));
        }
        let turn = CallTurn::first(limiter.enter(&caller("a")).expect("a place"), AT_ONCE).await.expect("a turn");
        assert_eq!(turn.aside(std::future::ready(1)).await, Some(1));
        assert_eq!(limiter.running(), 1, "it was not given back");
    }

    #[tokio::test]
    async fn whoever_has_gone_leaves_nothing_behind() {
        let limiter = ConcurrencyLimiter::new(FEW);
        for n in 0..100 {
            let place = limiter.enter(&caller(&n.to_string())).expect("a place");
            assert!(place.turn(AT_ONCE).await.is_some());
        }
        assert_eq!((limiter.queues.lock().len(), limiter.running()), (0, 0));
    }

    #[test]
    fn the_same_name_in_another_tenant_is_somebody_else() {
        let limiter =
            ConcurrencyLimiter::new(CallLimits { running: 9, running_each: 1, waiting_each: 0, asking_each: 1 });
        let _held = limiter.enter(&caller("a")).expect("a place");
        let elsewhere = Caller { tenant: "other".to_owned(), ..caller("a") };
        assert!(limiter.enter(&caller("a")).is_none() && limiter.enter(&elsewhere).is_some());
    }
}
