//! Limits the requests to Truedy in any 60 seconds and shares them fairly between reads, changes and principals.
//!
//! The limiter counts the requests in a sliding window; it is no leaky bucket. Truedy counts whole minutes, so the
//! whole allowance may be used at once. No 60 seconds hold more than the allowance, whatever its size.
//!
//! A share is reserved for changes and for reads that find out what a change did. This keeps a burst of reads from
//! leaving a purchase unverified. Half of that share is open to the reads that a change needs before it. Where several
//! principals share an account, none may use more than three quarters of the share of reads.
//!
//! Processes that share a PostgreSQL journal count together: each leases a few places of one window from the store.
//! While the store does not answer, each counts alone again, with a smaller limit.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::domain::RateLeases;
use crate::truedy::leased_places::LeasedPlaces;
use crate::truedy::shared_window::{LeaseRequest, WINDOW, WindowCap};

/// The longest wait for a slot.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many requests of one share may wait.
const WAITING: usize = 32;
/// Two refusals by Truedy within this time, although the limit was kept, mean that other programs use the key.
const CROWDED: Duration = Duration::from_secs(300);
/// The shortest and the longest pause before the store is asked for a place again.
///
/// The longest is short, because another process may give places back at any time.
const ASKED_AGAIN: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(1));
/// The most places that one lease holds. For the usual limit a lease holds five.
const LARGEST_LEASE: u32 = 25;

/// The part of the slots of reads that reading ahead may use, in percent. With the default limit it is 40 percent of all.
const BACKGROUND: usize = 48;
/// Reading ahead begins only while less than this part of all slots is used, in percent. So it gives way.
const BACKGROUND_LEAVES: usize = 60;

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
    /// A read ahead, for which no caller waits. It gives way to all others.
    Background,
    /// A read.
    General,
    /// A read that a change needs before it.
    Planning,
    /// A change, or a read that finds out what a change did.
    Reserved,
}

/// How the processes of an account count their requests together.
#[derive(Clone)]
pub struct SharedRate {
    /// The store that they share.
    pub leases: Arc<dyn RateLeases>,
    /// The account at Truedy. It is the same for all tenants and processes that use the same key.
    pub account: String,
    /// The limit of this process while the store does not answer.
    pub alone: Rate,
}

impl Priority {
    /// The name under which the store keeps the share.
    fn name(self) -> &'static str {
        match self {
            Self::Background => "background",
            Self::General => "general",
            Self::Planning => "planning",
            Self::Reserved => "reserved",
        }
    }
}

/// The limiter of one organisation.
#[derive(Debug)]
pub struct Limiter {
    rate: Rate,
    window: Mutex<Window>,
    queues: [ShareQueue; 4],
    shared: Option<SharedLimit>,
}

/// The leases of this process, and its limit per minute while the store does not answer.
#[derive(Debug)]
struct SharedLimit {
    places: Arc<LeasedPlaces>,
    alone: u32,
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

impl Sent {
    /// Whether no change needed the request.
    fn only_reads(&self) -> bool {
        matches!(self.share, Priority::General | Priority::Background)
    }
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
        Self { rate, window: Mutex::default(), queues: Default::default(), shared: None }
    }

    /// Returns a limiter that counts together with other processes. Nothing changes without a limit.
    #[must_use]
    pub fn sharing(self, shared: SharedRate) -> Self {
        let (Rate::PerMinute(most), SharedRate { leases, account, alone }) = (self.rate, shared) else {
            return self;
        };
        let alone = if let Rate::PerMinute(alone) = alone { alone.min(most) } else { most };
        Self { shared: Some(SharedLimit { places: LeasedPlaces::new(leases, account), alone }), ..self }
    }

    /// Gives back the places that this process has leased and not used.
    pub(crate) async fn give_back(&self) {
        if let Some(shared) = &self.shared {
            shared.places.give_back().await;
        }
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
            Priority::Background => &self.queues[3],
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
            match self.own_part_used(share, whose, most) {
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
                match self.take(share, whose, most).await {
                    Ok(()) => return Ok(()),
                    Err(next) if next > give_up => return Err(until(next)),
                    // Another request may wait for a slot of its own. So a principal does not wait here for its part.
                    Err(_) if self.shared.is_some() && self.own_part_used(share, whose, most).is_some() => break,
                    Err(next) => tokio::time::sleep_until(self.try_again_at(next)).await,
                }
                if self.own_part_used(share, whose, most).is_some() {
                    break;
                }
            }
        }
    }

    /// Takes a slot now, or returns the time when one may be free.
    async fn take(&self, share: Priority, whose: Option<&Arc<str>>, most: u32) -> Result<(), Instant> {
        let Some(shared) = &self.shared else {
            return self.window.lock().take(share, whose, most, Instant::now());
        };
        let request = {
            let (mut window, now) = (self.window.lock(), Instant::now());
            if let Some(until) = window.frozen(now) {
                return Err(until);
            }
            window.lease_request(share, whose, most, now)
        };
        let leased = shared.places.take(request).await;
        let (mut window, now) = (self.window.lock(), Instant::now());
        match leased {
            Some(Ok(())) => {
                window.forget_before(now);
                window.sent.push_back(Sent { at: now, share, whose: whose.cloned() });
                Ok(())
            }
            Some(Err(next)) => Err(next),
            None => {
                window.take(share, whose, shared.alone, now)?;
                shared.places.note_unleased(share.name(), whose);
                Ok(())
            }
        }
    }

    /// Returns the time when a principal has used less than its own part. `None` if it has now, as far as is known.
    fn own_part_used(&self, share: Priority, whose: Option<&Arc<str>>, most: u32) -> Option<Instant> {
        let most = match &self.shared {
            Some(shared) if !shared.places.is_failing() => return shared.places.own_full(share.name(), whose),
            Some(shared) => shared.alone,
            None => most,
        };
        self.window.lock().own(share, whose, most, Instant::now())
    }

    /// Returns when to try again to take a slot that may be free at `next`.
    fn try_again_at(&self, next: Instant) -> Instant {
        if self.shared.is_none() {
            return next;
        }
        let now = Instant::now();
        next.clamp(now + ASKED_AGAIN.0, now + ASKED_AGAIN.1)
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
        if let Some(shared) = &self.shared {
            shared.places.freeze(wait);
        }
    }
}

/// Returns this part of the slots, at least one.
fn percent(slots: usize, percent: usize) -> usize {
    (slots * percent / 100).max(1)
}

/// How many slots are reserved for changes: 17 percent, at least one; none if there is only one slot.
fn reserved(whole: usize) -> usize {
    if whole >= 2 { (whole * 17 / 100).max(1) } else { 0 }
}

/// How many slots of a share one principal may use, where several share the account.
fn part_of(open: usize) -> usize {
    (open * 3 / 4).max(1)
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

    /// Forgets the requests that no longer count.
    fn forget_before(&mut self, now: Instant) {
        while self.sent.front().is_some_and(|sent| now.duration_since(sent.at) >= WINDOW) {
            self.sent.pop_front();
        }
    }

    /// Returns until when nothing is sent after a refusal by Truedy. `None` if something may be sent now.
    fn frozen(&mut self, now: Instant) -> Option<Instant> {
        self.frozen_until = self.frozen_until.filter(|until| *until > now);
        self.frozen_until
    }

    /// Returns what to ask the store for. The caps are those of [`Window::next`], and one more for reads.
    fn lease_request(&self, share: Priority, whose: Option<&Arc<str>>, most: u32, now: Instant) -> LeaseRequest {
        const AHEAD: &[&str] = &["background"];
        const READS: &[&str] = &["general", "background"];
        const ALL_READS: &[&str] = &["general", "background", "planning"];
        let whole = most.max(1) as usize;
        let open = self.open_to(share, whole, now);
        let mut caps = vec![WindowCap { shares: &[], own: false, most: whole }];
        match share {
            Priority::General => {
                let planning = self.open_to(Priority::Planning, whole, now);
                caps.push(WindowCap { shares: READS, own: false, most: open });
                // Otherwise reads after many planning reads would use what is reserved for changes.
                caps.push(WindowCap { shares: ALL_READS, own: false, most: planning });
            }
            Priority::Background => caps.extend([
                WindowCap { shares: AHEAD, own: false, most: open },
                WindowCap { shares: &[], own: false, most: percent(whole, BACKGROUND_LEAVES) },
            ]),
            Priority::Planning => caps.push(WindowCap { shares: ALL_READS, own: false, most: open }),
            Priority::Reserved => {}
        }
        let whose = whose.filter(|_| share != Priority::Reserved);
        if whose.is_some() {
            caps.push(WindowCap { shares: ALL_READS, own: true, most: part_of(open) });
        }
        let wanted = (most / 20).clamp(1, LARGEST_LEASE);
        LeaseRequest { share: share.name(), principal: whose.cloned(), wanted, caps }
    }

    /// Returns the time when the next slot of a share is free. `None` if one is free now.
    fn next(&mut self, share: Priority, whose: Option<&Arc<str>>, most: u32, now: Instant) -> Option<Instant> {
        self.forget_before(now);
        if let Some(until) = self.frozen(now) {
            return Some(until);
        }
        let whole = most.max(1) as usize;
        let any = self.free_at(whole, |_| true);
        let of_share = match share {
            Priority::Reserved => None,
            Priority::Planning => {
                self.free_at(self.open_to(share, whole, now), |sent| sent.share != Priority::Reserved)
            }
            Priority::General => self.free_at(self.open_to(share, whole, now), Sent::only_reads),
            Priority::Background => self
                .free_at(self.open_to(share, whole, now), |sent| sent.share == Priority::Background)
                .max(self.free_at(percent(whole, BACKGROUND_LEAVES), |_| true)),
        };
        any.max(of_share).max(self.own(share, whose, most, now))
    }

    /// Returns the time when a principal has used less than its own part of a share.
    ///
    /// `None` if that is so now, if no principal is given, or for changes.
    fn own(&self, share: Priority, whose: Option<&Arc<str>>, most: u32, now: Instant) -> Option<Instant> {
        let whose = whose.filter(|_| share != Priority::Reserved)?;
        let part = part_of(self.open_to(share, most.max(1) as usize, now));
        let within = |sent: &Sent| now.duration_since(sent.at) < WINDOW;
        self.free_at(part, |sent| {
            within(sent) && sent.share != Priority::Reserved && sent.whose.as_ref() == Some(whose)
        })
    }

    /// How many slots the requests of a share may use at most.
    fn open_to(&self, share: Priority, whole: usize, now: Instant) -> usize {
        match share {
            Priority::General => self.general(whole, now),
            Priority::Background => percent(self.general(whole, now), BACKGROUND),
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
#[path = "limiter_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "sharing_tests.rs"]
mod sharing_tests;
