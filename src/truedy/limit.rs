//! At most so many requests in any sixty seconds, shared fairly.
//!
//! A window of what was sent, not a leaky bucket: Truedy counts whole minutes, so the whole allowance may
//! be used at once, and any sixty seconds hold at most the allowance whatever it is. A share is kept for
//! changes and for finding out what they did, so that a flood of reads cannot leave a purchase unverified.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The window, with a little more for the way to Truedy, whose clock does the counting.
const WINDOW: Duration = Duration::from_millis(60_250);
/// The longest wait for a place.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many may wait.
const WAITING: usize = 32;
/// Two refusals within this time, though we kept within the limit, mean that others use the key.
const CROWDED: Duration = Duration::from_secs(300);

/// Requests a minute, or no limit of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// At most this many in any sixty seconds.
    PerMinute(u32),
    /// No limit of ours; Truedy's own still holds.
    Off,
}

/// Who asks for a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    /// Reads.
    General,
    /// Changes, and reads that find out what a change did.
    Reserved,
}

/// The limiter of one organisation.
#[derive(Debug)]
pub struct Limiter {
    rate: Rate,
    window: Mutex<Window>,
    // One queue a share: the async mutex hands out turns in order.
    turns: [tokio::sync::Mutex<()>; 2],
    waiting: AtomicUsize,
}

#[derive(Debug, Default)]
struct Window {
    sent: VecDeque<(Instant, Share)>,
    frozen_until: Option<Instant>,
    refusals: VecDeque<Instant>,
    crowded_since: Option<Instant>,
}

/// There was no place in time; try again after this long.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Busy(pub(super) Duration);

struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Limiter {
    /// A fresh limiter.
    pub fn new(rate: Rate) -> Self {
        Self { rate, window: Mutex::default(), turns: Default::default(), waiting: AtomicUsize::new(0) }
    }

    /// Waits for a place, at most ten seconds and not beyond `deadline`. Dropping the future gives the turn back.
    pub(super) async fn place(&self, share: Share, deadline: Instant) -> Result<(), Busy> {
        let Rate::PerMinute(most) = self.rate else {
            return Ok(());
        };
        let give_up = deadline.min(Instant::now() + PATIENCE);
        let waiting = Waiting(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::AcqRel) >= WAITING {
            drop(waiting);
            return Err(Busy(self.until(share, most)));
        }
        let turn = match share {
            Share::General => &self.turns[0],
            Share::Reserved => &self.turns[1],
        };
        let Ok(_turn) = tokio::time::timeout_at(give_up, turn.lock()).await else {
            return Err(Busy(self.until(share, most)));
        };
        loop {
            let next = self.window.lock().unwrap_or_else(PoisonError::into_inner).take(share, most, Instant::now());
            match next {
                Ok(()) => return Ok(()),
                Err(next) if next > give_up => return Err(Busy(next.saturating_duration_since(Instant::now()))),
                Err(next) => tokio::time::sleep_until(next).await,
            }
        }
    }

    fn until(&self, share: Share, most: u32) -> Duration {
        let now = Instant::now();
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.next(share, most, now).map_or(Duration::from_secs(1), |next| next.saturating_duration_since(now))
    }

    /// Truedy refused although we kept within our limit: nothing goes out until it says so.
    pub(super) fn refused(&self, wait: Duration) {
        if self.rate == Rate::Off {
            return;
        }
        let now = Instant::now();
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
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

impl Window {
    /// Takes a place now, or says when there will be one.
    fn take(&mut self, share: Share, most: u32, now: Instant) -> Result<(), Instant> {
        match self.next(share, most, now) {
            Some(next) => Err(next),
            None => {
                self.sent.push_back((now, share));
                Ok(())
            }
        }
    }

    /// When the next place of a share comes free; `None` for now.
    fn next(&mut self, share: Share, most: u32, now: Instant) -> Option<Instant> {
        while self.sent.front().is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW) {
            self.sent.pop_front();
        }
        if let Some(until) = self.frozen_until {
            if until > now {
                return Some(until);
            }
            self.frozen_until = None;
        }
        let whole = most.max(1) as usize;
        let free_at = |sent: &VecDeque<(Instant, Share)>, cap: usize, counts: &dyn Fn(Share) -> bool| {
            let held = sent.iter().filter(|(_, share)| counts(*share)).count();
            let (at, _) =
                sent.iter().filter(|(_, share)| counts(*share)).nth((held + 1).checked_sub(cap)?.checked_sub(1)?)?;
            Some(*at + WINDOW)
        };
        let any = free_at(&self.sent, whole, &|_| true);
        if share == Share::Reserved {
            return any;
        }
        let general = free_at(&self.sent, self.general(whole, now), &|share| share == Share::General);
        any.max(general)
    }

    /// How many of the places reads may take: what is not reserved, and half of that for a while when others
    /// use the key, growing back by a tenth a minute.
    fn general(&self, whole: usize, now: Instant) -> usize {
        let reserved = if whole >= 2 { (whole * 17 / 100).max(1) } else { 0 };
        let open = whole - reserved;
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

    async fn granted(limiter: &Limiter, share: Share, tries: usize) -> usize {
        let mut granted = 0;
        for _ in 0..tries {
            granted += usize::from(limiter.place(share, Instant::now()).await.is_ok());
        }
        granted
    }

    #[tokio::test(start_paused = true)]
    async fn reads_leave_the_reserved_share() {
        let limiter = Limiter::new(Rate::PerMinute(100));
        assert_eq!(granted(&limiter, Share::General, 200).await, 83);
        assert_eq!(granted(&limiter, Share::Reserved, 200).await, 17);
        tokio::time::advance(WINDOW).await;
        assert_eq!(granted(&limiter, Share::Reserved, 200).await, 100, "changes may use it all");
        assert_eq!(granted(&limiter, Share::General, 5).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_freezes_all_and_two_halve_the_reads() {
        let limiter = Limiter::new(Rate::PerMinute(100));
        limiter.refused(Duration::from_secs(5));
        assert_eq!(granted(&limiter, Share::Reserved, 1).await, 0);
        let before = Instant::now();
        assert_eq!(limiter.place(Share::Reserved, before + SOON).await, Ok(()));
        assert!(before.elapsed() >= Duration::from_secs(5));
        limiter.refused(Duration::from_secs(1));
        tokio::time::advance(WINDOW).await;
        assert_eq!(granted(&limiter, Share::General, 200).await, 41);
        tokio::time::advance(Duration::from_secs(1200)).await;
        assert_eq!(granted(&limiter, Share::General, 200).await, 83);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_ten_seconds() {
        let limiter = Limiter::new(Rate::PerMinute(1));
        assert_eq!(limiter.place(Share::General, Instant::now() + SOON).await, Ok(()));
        let before = Instant::now();
        assert!(limiter.place(Share::General, Instant::now() + SOON).await.is_err());
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
                let share = if reserved { Share::Reserved } else { Share::General };
                match window.take(share, most, now) {
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
