//! Limits the requests to Truedy in any 60 seconds and shares them fairly between reads, changes and principals.
//!
//! The limiter counts the requests in a sliding window; it is no leaky bucket. Truedy counts whole minutes, so the
//! whole allowance may be used at once. No 60 seconds hold more than the allowance, whatever its size.
//!
//! A share is reserved for changes and for reads that find out what a change did. This keeps a burst of reads from
//! leaving a purchase unverified. Half of that share is open to the reads that a change needs before it. Where several
//! principals share an account, none may use more than three quarters of the share of reads.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// The window. 250 ms are added for the transmission to Truedy, whose clock counts.
const WINDOW: Duration = Duration::from_millis(60_250);
/// The longest wait for a slot.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many requests of one share may wait.
const WAITING: usize = 32;
/// Two refusals by Truedy within this time, although the limit was kept, mean that other programs use the key.
const CROWDED: Duration = Duration::from_secs(300);

/// A limit of requests per minute, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// At most this many in any 60 seconds.
    PerMinute(u32),
    /// This server sets no limit. Truedy's own limit still holds.
    Off,
}

/// The share that a request belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Priority {
    /// A read.
    General,
    /// A read that a change needs before it.
    Planning,
    /// A change, or a read that finds out what a change did.
    Reserved,
}

/// The limiter of one organisation.
#[derive(Debug)]
pub struct Limiter {
    rate: Rate,
    window: Mutex<Window>,
    queues: [ShareQueue; 3],
}

/// The requests that wait for a slot of one share.
#[derive(Debug, Default)]
struct ShareQueue {
    /// The async mutex serves waiting requests in order.
    turn: tokio::sync::Mutex<()>,
    waiting: AtomicUsize,
}

/// One sent request: its time, its share and its principal.
#[derive(Debug)]
struct Sent {
    at: Instant,
    share: Priority,
    whose: Option<Arc<str>>,
}

#[derive(Debug, Default)]
struct Window {
    sent: VecDeque<Sent>,
    frozen_until: Option<Instant>,
    refusals: VecDeque<Instant>,
    crowded_since: Option<Instant>,
}

/// No slot was free in time. Holds how long to wait before trying again.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Busy(pub(crate) Duration);

struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Limiter {
    /// Creates a limiter that has counted no request yet.
    pub fn new(rate: Rate) -> Self {
        Self { rate, window: Mutex::default(), queues: Default::default() }
    }

    /// Waits for a slot, at most ten seconds and not beyond `deadline`. If the future is dropped, its turn is released.
    ///
    /// `whose` is the principal, where several share the account.
    pub(crate) async fn acquire(
        &self,
        share: Priority,
        whose: Option<&Arc<str>>,
        deadline: Instant,
    ) -> Result<(), Busy> {
        let Rate::PerMinute(most) = self.rate else {
            return Ok(());
        };
        let give_up = deadline.min(Instant::now() + PATIENCE);
        let queue = match share {
            Priority::General => &self.queues[0],
            Priority::Planning => &self.queues[1],
            Priority::Reserved => &self.queues[2],
        };
        let window = || self.window.lock();
        let until = |next: Instant| Busy(next.saturating_duration_since(Instant::now()));
        let waiting = Waiting(&queue.waiting);
        if queue.waiting.fetch_add(1, Ordering::AcqRel) >= WAITING {
            drop(waiting);
            return Err(window().next(share, whose, most, Instant::now()).map_or(Busy(Duration::from_secs(1)), until));
        }
        loop {
            // A principal that has used its own part waits outside the queue. Principals behind it in the queue may
            // still have slots.
            let own = window().own(share, whose, most, Instant::now());
            match own {
                Some(next) if next > give_up => return Err(until(next)),
                Some(next) => {
                    tokio::time::sleep_until(next).await;
                    continue;
                }
                None => {}
            }
            let Ok(_turn) = tokio::time::timeout_at(give_up, queue.turn.lock()).await else {
                return Err(window()
                    .next(share, whose, most, Instant::now())
                    .map_or(Busy(Duration::from_secs(1)), until));
            };
            loop {
                let next = window().take(share, whose, most, Instant::now());
                match next {
                    Ok(()) => return Ok(()),
                    Err(next) if next > give_up => return Err(until(next)),
                    Err(next) => tokio::time::sleep_until(next).await,
                }
                if window().own(share, whose, most, Instant::now()).is_some() {
                    break;
                }
            }
        }
    }

    /// Notes that Truedy refused a request although the limit was kept. No request is sent for the time `wait`.
    pub(crate) fn refused(&self, wait: Duration) {
        if self.rate == Rate::Off {
            return;
        }
        let now = Instant::now();
        let mut window = self.window.lock();
        let until = now + wait;
        window.frozen_until = Some(window.frozen_until.map_or(until, |before| before.max(until)));
        window.refusals.push_back(now);
        while window.refusals.front().is_some_and(|first| now.duration_since(*first) > CROWDED) {
            window.refusals.pop_front();
        }
        if window.refusals.len() >= 2 {
            window.crowded_since = Some(now);
        }
    }
}

/// How many slots are reserved for changes: 17 percent, at least one; none if there is only one slot.
fn reserved(whole: usize) -> usize {
    if whole >= 2 { (whole * 17 / 100).max(1) } else { 0 }
}

impl Window {
    /// Takes a slot now, or returns the time when one will be free.
    fn take(&mut self, share: Priority, whose: Option<&Arc<str>>, most: u32, now: Instant) -> Result<(), Instant> {
        match self.next(share, whose, most, now) {
            Some(next) => Err(next),
            None => {
                self.sent.push_back(Sent { at: now, share, whose: whose.cloned() });
                Ok(())
            }
        }
    }

    /// Returns the time when fewer than `cap` of the counted requests remain in the window. `None` if that is so now.
    fn free_at(&self, cap: usize, counts: impl Fn(&Sent) -> bool) -> Option<Instant> {
        let held = self.sent.iter().filter(|sent| counts(sent)).count();
        let last = (held + 1).checked_sub(cap)?.checked_sub(1)?;
        self.sent.iter().filter(|sent| counts(sent)).nth(last).map(|sent| sent.at + WINDOW)
    }

    /// Returns the time when the next slot of a share is free. `None` if one is free now.
    fn next(&mut self, share: Priority, whose: Option<&Arc<str>>, most: u32, now: Instant) -> Option<Instant> {
        while self.sent.front().is_some_and(|sent| now.duration_since(sent.at) >= WINDOW) {
            self.sent.pop_front();
        }
        if let Some(until) = self.frozen_until {
            if until > now {
                return Some(until);
            }
            self.frozen_until = None;
        }
        let whole = most.max(1) as usize;
        let any = self.free_at(whole, |_| true);
        let of_share = match share {
            Priority::Reserved => None,
            Priority::Planning => {
                self.free_at(self.open_to(share, whole, now), |sent| sent.share != Priority::Reserved)
            }
            Priority::General => self.free_at(self.open_to(share, whole, now), |sent| sent.share == Priority::General),
        };
        any.max(of_share).max(self.own(share, whose, most, now))
    }

    /// Returns the time when a principal has used less than its own part of a share.
    ///
    /// `None` if that is so now, if no principal is given, or for changes.
    fn own(&self, share: Priority, whose: Option<&Arc<str>>, most: u32, now: Instant) -> Option<Instant> {
        let whose = whose.filter(|_| share != Priority::Reserved)?;
        let part = (self.open_to(share, most.max(1) as usize, now) * 3 / 4).max(1);
        let within = |sent: &Sent| now.duration_since(sent.at) < WINDOW;
        self.free_at(part, |sent| {
            within(sent) && sent.share != Priority::Reserved && sent.whose.as_ref() == Some(whose)
        })
    }

    /// How many slots the requests of a share may use at most.
    fn open_to(&self, share: Priority, whole: usize, now: Instant) -> usize {
        match share {
            Priority::General => self.general(whole, now),
            // The remaining slots are for changes, and for reads that find out what a change did.
            Priority::Planning => whole - reserved(whole).div_ceil(2),
            Priority::Reserved => whole,
        }
    }

    /// How many slots reads may use: all that are not reserved.
    ///
    /// If other programs use the key, it is half of them. After five minutes this grows by a tenth per minute.
    fn general(&self, whole: usize, now: Instant) -> usize {
        let open = whole - reserved(whole);
        let Some(since) = self.crowded_since.map(|since| now.duration_since(since)) else {
            return open;
        };
        let minutes = since.saturating_sub(CROWDED).as_secs() / 60;
        let percent = usize::try_from(minutes).unwrap_or(10).saturating_mul(10).saturating_add(50).min(100);
        (open * percent / 100).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SOON: Duration = Duration::from_secs(3600);

    async fn granted(limiter: &Limiter, share: Priority, tries: usize) -> usize {
        let mut granted = 0;
        for _ in 0..tries {
            granted += usize::from(limiter.acquire(share, None, Instant::now()).await.is_ok());
        }
        granted
    }

    #[tokio::test(start_paused = true)]
    async fn reads_leave_the_reserved_share() {
        let limiter = Limiter::new(Rate::PerMinute(100));
        assert_eq!(granted(&limiter, Priority::General, 200).await, 83);
        assert_eq!(granted(&limiter, Priority::Reserved, 200).await, 17);
        tokio::time::advance(WINDOW).await;
        assert_eq!(granted(&limiter, Priority::Reserved, 200).await, 100, "changes may use it all");
        assert_eq!(granted(&limiter, Priority::General, 5).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_change_needs_before_it_leaves_room_for_the_change() {
        let limiter = Limiter::new(Rate::PerMinute(100));
        assert_eq!(granted(&limiter, Priority::General, 200).await, 83);
        assert_eq!(granted(&limiter, Priority::Planning, 200).await, 8);
        assert_eq!(granted(&limiter, Priority::Reserved, 200).await, 9);
    }

    #[tokio::test(start_paused = true)]
    async fn one_principal_leaves_room_for_others_and_does_not_hold_up_their_queue() {
        let limiter = Limiter::new(Rate::PerMinute(100));
        let (ana, ben): (Arc<str>, Arc<str>) = ("ana".into(), "ben".into());
        let now = || Instant::now();
        let mut granted = 0;
        for _ in 0..200 {
            granted += usize::from(limiter.acquire(Priority::General, Some(&ana), now()).await.is_ok());
        }
        assert_eq!(granted, 62, "three quarters of 83");
        // Ana waits for a slot of her own part. Ben, who comes later, does not wait behind her.
        tokio::time::advance(WINDOW - Duration::from_secs(5)).await;
        let begun = now();
        let (anas, bens) = tokio::join!(
            async { limiter.acquire(Priority::General, Some(&ana), now() + SOON).await.map(|()| begun.elapsed()) },
            async { limiter.acquire(Priority::General, Some(&ben), now() + SOON).await.map(|()| begun.elapsed()) }
        );
        assert_eq!((anas, bens), (Ok(Duration::from_secs(5)), Ok(Duration::ZERO)));
        for share in [Priority::Planning, Priority::Reserved] {
            assert_eq!(limiter.acquire(share, Some(&ben), now()).await, Ok(()), "{share:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_to_read_takes_no_place_in_the_queue_of_changes() {
        let limiter = Arc::new(Limiter::new(Rate::PerMinute(100)));
        granted(&limiter, Priority::General, 200).await;
        let reads = (0..2 * WAITING).map(|_| {
            let limiter = Arc::clone(&limiter);
            tokio::spawn(async move { limiter.acquire(Priority::General, None, Instant::now() + SOON).await })
        });
        let reads: Vec<_> = reads.collect();
        tokio::task::yield_now().await;
        assert_eq!(limiter.acquire(Priority::Reserved, None, Instant::now()).await, Ok(()));
        reads.iter().for_each(tokio::task::JoinHandle::abort);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_freezes_all_and_two_halve_the_reads() {
        let limiter = Limiter::new(Rate::PerMinute(100));
        limiter.refused(Duration::from_secs(5));
        assert_eq!(granted(&limiter, Priority::Reserved, 1).await, 0);
        let before = Instant::now();
        assert_eq!(limiter.acquire(Priority::Reserved, None, before + SOON).await, Ok(()));
        assert!(before.elapsed() >= Duration::from_secs(5));
        limiter.refused(Duration::from_secs(1));
        tokio::time::advance(WINDOW).await;
        assert_eq!(granted(&limiter, Priority::General, 200).await, 41);
        tokio::time::advance(Duration::from_secs(1200)).await;
        assert_eq!(granted(&limiter, Priority::General, 200).await, 83);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_ten_seconds() {
        let limiter = Limiter::new(Rate::PerMinute(1));
        assert_eq!(limiter.acquire(Priority::General, None, Instant::now() + SOON).await, Ok(()));
        let before = Instant::now();
        assert!(limiter.acquire(Priority::General, None, Instant::now() + SOON).await.is_err());
        assert!(before.elapsed() <= PATIENCE);
    }

    proptest! {
        #[test]
        fn no_window_holds_more_than_the_limit(most in 1_u32..20, steps in proptest::collection::vec((0_u64..20_000, any::<bool>()), 1..200)) {
            let mut window = Window::default();
            let mut now = Instant::now();
            let mut sent = Vec::new();
            for (pause, reserved) in steps {
                now += Duration::from_millis(pause);
                let share = if reserved { Priority::Reserved } else { Priority::General };
                match window.take(share, None, most, now) {
                    Ok(()) => sent.push(now),
                    Err(next) => prop_assert!(next > now),
                }
            }
            for (index, first) in sent.iter().enumerate() {
                let within = sent[index..].iter().filter(|at| at.duration_since(*first) < Duration::from_secs(60)).count();
                prop_assert!(within <= most as usize, "{within} in a minute");
            }
        }
    }
}
