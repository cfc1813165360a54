//! Tests of limiters that count together through a store, which is in memory here. Each limiter is another process.

use std::collections::BTreeMap;

use futures::FutureExt;
use futures::future::BoxFuture;
use proptest::prelude::*;
use tokio::time::{advance, sleep};

use super::*;
use crate::domain::{LeaseRow, LeaseWork};
use crate::truedy::shared_window::LEASE;

const SOON: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

/// What the store in memory does with an update.
#[derive(Debug, Clone, Copy, PartialEq)]
enum StoreFault {
    None,
    Refuses,
    Hangs,
}

struct MemoryState {
    origin: Instant,
    rows: BTreeMap<(String, String), LeaseRow>,
    updates: usize,
    latency: Duration,
    fault: StoreFault,
}

#[derive(Clone)]
struct MemoryLeases(Arc<Mutex<MemoryState>>);

impl MemoryLeases {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(MemoryState {
            origin: Instant::now(),
            rows: BTreeMap::new(),
            updates: 0,
            latency: Duration::from_millis(2),
            fault: StoreFault::None,
        })))
    }

    /// A process with this limit, and with another one while the store does not answer.
    fn process(&self, most: u32, alone: u32) -> Limiter {
        Limiter::new(Rate::PerMinute(most)).sharing(SharedRate {
            leases: Arc::new(self.clone()),
            account: "account".to_owned(),
            alone: Rate::PerMinute(alone),
        })
    }

    fn fails(&self, fault: StoreFault) {
        self.0.lock().fault = fault;
    }
}

impl MemoryState {
    fn update(&mut self, account: &str, work: LeaseWork) {
        self.updates += 1;
        let now = 1_700_000_000_000 + i64::try_from(self.origin.elapsed().as_millis()).unwrap();
        let rows = self.rows.iter().filter(|((of, _), _)| of == account).map(|(_, row)| row.clone()).collect();
        let changes = work(now, rows);
        for id in changes.removed {
            self.rows.remove(&(account.to_owned(), id));
        }
        for row in changes.written {
            self.rows.insert((account.to_owned(), row.id.clone()), row);
        }
    }
}

impl RateLeases for MemoryLeases {
    fn update(&self, account: &str, work: LeaseWork) -> BoxFuture<'static, Result<(), String>> {
        let (state, account) = (Arc::clone(&self.0), account.to_owned());
        async move {
            let (latency, fault) = {
                let state = state.lock();
                (state.latency, state.fault)
            };
            sleep(latency).await;
            match fault {
                StoreFault::Refuses => return Err("the database cannot be reached".to_owned()),
                StoreFault::Hangs => {
                    sleep(Duration::from_secs(10)).await;
                    return Err("the database did not answer in time".to_owned());
                }
                StoreFault::None => state.lock().update(&account, work),
            }
            sleep(latency).await;
            Ok(())
        }
        .boxed()
    }
}

/// How many of these requests get a slot without waiting for one.
async fn granted(limiter: &Limiter, share: Priority, whose: Option<&Arc<str>>, tries: usize) -> usize {
    let mut granted = 0;
    for _ in 0..tries {
        granted += usize::from(limiter.acquire(share, whose, Instant::now()).await.is_ok());
    }
    granted
}

/// The most that any 60 seconds hold.
fn fullest(sent: &[Instant]) -> usize {
    let mut sent = sent.to_vec();
    sent.sort_unstable();
    let within =
        |first: &Instant| sent.iter().filter(|at| **at >= *first && at.duration_since(*first) < MINUTE).count();
    sent.iter().map(within).max().unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn a_busy_process_beside_an_idle_one_uses_nearly_the_whole_limit() {
    let store = MemoryLeases::new();
    let (busy, idle) = (store.process(100, 40), store.process(100, 40));
    let (begun, mut sent, mut of_busy) = (Instant::now(), Vec::new(), Vec::new());
    let idles = async {
        let mut sent = Vec::new();
        while begun.elapsed() < 4 * MINUTE {
            if idle.acquire(Priority::General, None, Instant::now() + SOON).await.is_ok() {
                sent.push(Instant::now());
            }
            sleep(Duration::from_secs(30)).await;
        }
        sent
    };
    let works = async {
        while begun.elapsed() < 4 * MINUTE {
            match busy.acquire(Priority::Reserved, None, Instant::now() + SOON).await {
                Ok(()) => of_busy.push(Instant::now()),
                Err(Busy(wait)) => sleep(wait).await,
            }
            // A request takes a while.
            sleep(Duration::from_millis(30)).await;
        }
    };
    let (of_idle, ()) = tokio::join!(idles, works);
    for minute in 0..4 {
        let within = of_busy.iter().filter(|at| at.duration_since(begun).as_secs() / 60 == minute).count();
        assert!(within >= 90, "{within} in minute {minute}");
    }
    assert!(!of_idle.is_empty());
    sent.extend(of_idle.iter().chain(&of_busy));
    assert!(fullest(&sent) <= 100, "{}", fullest(&sent));
    let updates = store.0.lock().updates;
    assert!(updates * 2 < sent.len(), "{updates} updates for {} requests", sent.len());
}

#[tokio::test(start_paused = true)]
async fn a_burst_asks_the_store_once_for_five_requests() {
    let store = MemoryLeases::new();
    let process = store.process(100, 40);
    assert_eq!(granted(&process, Priority::General, None, 80).await, 80);
    assert_eq!(store.0.lock().updates, 16);
    let unlimited = Limiter::new(Rate::Off).sharing(SharedRate {
        leases: Arc::new(store.clone()),
        account: "account".to_owned(),
        alone: Rate::Off,
    });
    assert_eq!(granted(&unlimited, Priority::General, None, 300).await, 300);
    assert_eq!(store.0.lock().updates, 16, "without a limit nothing is counted");
}

#[tokio::test(start_paused = true)]
async fn reads_of_one_process_leave_what_is_reserved_for_changes_of_another() {
    let store = MemoryLeases::new();
    let (one, two) = (store.process(100, 40), store.process(100, 40));
    assert_eq!(granted(&one, Priority::General, None, 50).await, 50);
    assert_eq!(granted(&two, Priority::General, None, 200).await, 33);
    assert_eq!(granted(&one, Priority::General, None, 10).await, 0);
    assert_eq!(granted(&two, Priority::Planning, None, 200).await, 8);
    assert_eq!(granted(&one, Priority::Planning, None, 1).await, 0);
    assert_eq!(granted(&one, Priority::Reserved, None, 200).await, 9);
}

#[tokio::test(start_paused = true)]
async fn a_principal_has_one_part_however_many_processes_it_uses() {
    let store = MemoryLeases::new();
    let (one, two) = (store.process(100, 40), store.process(100, 40));
    let (ana, ben): (Arc<str>, Arc<str>) = ("ana".into(), "ben".into());
    let anas = granted(&one, Priority::General, Some(&ana), 40).await
        + granted(&two, Priority::General, Some(&ana), 200).await;
    assert_eq!(anas, 62, "three quarters of 83");
    // Ana waits for her part. Ben, who comes later, does not wait behind her.
    let waits = two.acquire(Priority::General, Some(&ana), Instant::now() + SOON);
    let bens = granted(&two, Priority::General, Some(&ben), 200);
    let (anas, bens) = tokio::join!(waits, bens);
    assert!(anas.is_err());
    assert_eq!(bens, 21);
    assert_eq!(granted(&one, Priority::Reserved, Some(&ana), 1).await, 1);
}

#[tokio::test(start_paused = true)]
async fn two_accounts_and_two_limits_of_one_account() {
    let store = MemoryLeases::new();
    let (large, small) = (store.process(100, 40), store.process(10, 4));
    assert_eq!(granted(&small, Priority::Reserved, None, 20).await, 10);
    assert_eq!(granted(&large, Priority::Reserved, None, 200).await, 90);
    let other = Limiter::new(Rate::PerMinute(10)).sharing(SharedRate {
        leases: Arc::new(store.clone()),
        account: "another".to_owned(),
        alone: Rate::PerMinute(4),
    });
    assert_eq!(granted(&other, Priority::Reserved, None, 20).await, 10);
}

#[tokio::test(start_paused = true)]
async fn unused_places_are_given_back() {
    let store = MemoryLeases::new();
    let (one, two) = (store.process(100, 40), store.process(100, 40));
    assert_eq!(granted(&one, Priority::Reserved, None, 1).await, 1);
    assert_eq!(granted(&two, Priority::Reserved, None, 200).await, 95);
    let begun = Instant::now();
    // It knows that the other process may give back soon, and waits.
    assert_eq!(two.acquire(Priority::Reserved, None, begun + SOON).await, Ok(()));
    assert!(begun.elapsed() <= LEASE + Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(granted(&two, Priority::Reserved, None, 10).await, 3);
    // At the end of a process it gives back at once.
    advance(2 * MINUTE).await;
    assert_eq!(granted(&one, Priority::Reserved, None, 1).await, 1);
    one.give_back().await;
    assert_eq!(granted(&two, Priority::Reserved, None, 200).await, 99);
}

#[tokio::test(start_paused = true)]
async fn places_of_a_crashed_process_expire() {
    for (after, most) in [(Duration::from_secs(5), 95), (MINUTE, 95), (MINUTE + Duration::from_secs(3), 100)] {
        let store = MemoryLeases::new();
        let (crashes, other) = (store.process(100, 40), store.process(100, 40));
        assert_eq!(granted(&crashes, Priority::Reserved, None, 1).await, 1);
        drop(crashes);
        sleep(after).await;
        assert_eq!(granted(&other, Priority::Reserved, None, 200).await, most, "after {after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_process_sends_just_before_it_crashes_counts_for_a_whole_minute() {
    let store = MemoryLeases::new();
    let (crashes, other) = (store.process(100, 40), store.process(100, 40));
    let mut sent = Vec::new();
    assert_eq!(granted(&crashes, Priority::Reserved, None, 1).await, 1);
    sent.push(Instant::now());
    sleep(LEASE - Duration::from_millis(100)).await;
    // The rest of its lease, which it no longer reports.
    assert_eq!(granted(&crashes, Priority::Reserved, None, 4).await, 4);
    sent.extend([Instant::now(); 4]);
    drop(crashes);
    let begun = Instant::now();
    while begun.elapsed() < 2 * MINUTE {
        if other.acquire(Priority::Reserved, None, Instant::now()).await.is_ok() {
            sent.push(Instant::now());
        } else {
            sleep(Duration::from_millis(100)).await;
        }
    }
    assert_eq!(fullest(&sent), 100);
}

#[tokio::test(start_paused = true)]
async fn while_the_store_fails_each_takes_its_fixed_share_and_no_request_waits_long() {
    for fault in [StoreFault::Refuses, StoreFault::Hangs] {
        let store = MemoryLeases::new();
        let (one, two) = (store.process(100, 40), store.process(100, 40));
        store.fails(fault);
        let begun = Instant::now();
        assert_eq!(granted(&one, Priority::Reserved, None, 200).await, 40, "{fault:?}");
        assert!(begun.elapsed() <= Duration::from_millis(500), "{fault:?}: {:?}", begun.elapsed());
        assert_eq!(granted(&one, Priority::General, None, 1).await, 0);
        // It is asked again, but nobody waits for it.
        advance(Duration::from_secs(5)).await;
        let begun = Instant::now();
        assert_eq!(granted(&one, Priority::Reserved, None, 5).await, 0);
        assert_eq!(begun.elapsed(), Duration::ZERO, "{fault:?}");
        sleep(Duration::from_millis(100)).await;
        // When it answers, what was sent meanwhile counts.
        store.fails(StoreFault::None);
        sleep(Duration::from_secs(20)).await;
        assert_eq!(granted(&one, Priority::Reserved, None, 1).await, 0);
        sleep(Duration::from_secs(1)).await;
        let all =
            granted(&one, Priority::Reserved, None, 30).await + granted(&two, Priority::Reserved, None, 200).await;
        assert_eq!(all, 60, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_store_is_asked_again_even_if_the_only_principal_has_used_its_part() {
    let store = MemoryLeases::new();
    let (process, ana) = (store.process(100, 40), Arc::<str>::from("ana"));
    store.fails(StoreFault::Refuses);
    assert_eq!(granted(&process, Priority::General, Some(&ana), 50).await, 25);
    store.fails(StoreFault::None);
    sleep(Duration::from_secs(3)).await;
    assert_eq!(granted(&process, Priority::General, Some(&ana), 1).await, 0);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(granted(&process, Priority::General, Some(&ana), 50).await, 62 - 25);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_answers_late_is_not_waited_for_and_its_places_are_given_back() {
    let store = MemoryLeases::new();
    store.0.lock().latency = Duration::from_millis(400);
    let (slow, other) = (store.process(100, 40), store.process(100, 40));
    assert_eq!(granted(&slow, Priority::Reserved, None, 1).await, 1, "from its own share");
    store.0.lock().latency = Duration::from_millis(2);
    sleep(Duration::from_secs(3)).await;
    // This starts the question whether it answers again, which reports all of it.
    assert_eq!(granted(&slow, Priority::Reserved, None, 1).await, 1);
    sleep(Duration::from_secs(1)).await;
    let counted: i64 = store.0.lock().rows.values().map(|row| row.places).sum();
    assert_eq!(counted, 2);
    assert_eq!(granted(&other, Priority::Reserved, None, 200).await, 98);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_by_truedy_stops_all_processes() {
    let store = MemoryLeases::new();
    let (one, two) = (store.process(100, 40), store.process(100, 40));
    one.refused(Duration::from_secs(5));
    sleep(Duration::from_millis(10)).await;
    let begun = Instant::now();
    assert_eq!(granted(&two, Priority::Reserved, None, 5).await, 0);
    assert_eq!(two.acquire(Priority::Reserved, None, begun + SOON).await, Ok(()));
    let waited = begun.elapsed();
    assert!(waited >= Duration::from_millis(4_900) && waited < Duration::from_secs(7), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_clock_of_the_store_that_was_set_back_blocks_nobody_for_long() {
    let store = MemoryLeases::new();
    let process = store.process(10, 4);
    assert_eq!(granted(&process, Priority::Reserved, None, 20).await, 10);
    for row in store.0.lock().rows.values_mut() {
        row.counts_until += 3_600_000;
    }
    sleep(Duration::from_secs(5)).await;
    assert_eq!(granted(&process, Priority::Reserved, None, 1).await, 0);
    sleep(Duration::from_secs(71)).await;
    assert_eq!(granted(&process, Priority::Reserved, None, 20).await, 10);
}

/// A step of a process: a pause in milliseconds, the share, and whether the process ends and another takes its place.
type ProcessStep = (u64, u8, bool);

async fn plays(store: MemoryLeases, most: u32, steps: Vec<ProcessStep>) -> Vec<(Instant, Priority)> {
    let mut sent = Vec::new();
    let mut process = store.process(most, 1);
    for (pause, share, crashes) in steps {
        sleep(Duration::from_millis(pause)).await;
        if crashes {
            process = store.process(most, 1);
        }
        let share = [Priority::General, Priority::Planning, Priority::Reserved][usize::from(share)];
        if process.acquire(share, None, Instant::now() + Duration::from_millis(pause)).await.is_ok() {
            sent.push((Instant::now(), share));
        }
    }
    sent
}

/// Mostly one share in bursts, so that leases are used to their end; few crashes, whose places are missing for a minute.
fn process_steps() -> impl Strategy<Value = Vec<ProcessStep>> {
    let pause = prop_oneof![6 => 0_u64..60, 1 => 900_u64..1_900];
    let share = prop_oneof![1 => Just(0_u8), 1 => Just(1), 6 => Just(2)];
    proptest::collection::vec((pause, share, proptest::bool::weighted(0.005)), 1..900)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn no_minute_over_all_processes_holds_more_than_the_limit(
        most in prop_oneof![2_u32..40, 80_u32..160],
        latency in 0_u64..240,
        scripts in proptest::collection::vec(process_steps(), 2..4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let sent = runtime.block_on(async {
            let store = MemoryLeases::new();
            store.0.lock().latency = Duration::from_millis(latency);
            let all = scripts.into_iter().map(|steps| tokio::spawn(plays(store.clone(), most, steps)));
            futures::future::join_all(all).await.into_iter().flat_map(Result::unwrap).collect::<Vec<_>>()
        });
        let of = |counts: fn(Priority) -> bool| {
            fullest(&sent.iter().filter(|(_, share)| counts(*share)).map(|(at, _)| *at).collect::<Vec<_>>())
        };
        let (whole, kept) = (most as usize, reserved(most as usize));
        prop_assert!(of(|_| true) <= whole, "{} in a minute", of(|_| true));
        prop_assert!(of(|share| share == Priority::General) <= whole - kept);
        prop_assert!(of(|share| share != Priority::Reserved) <= whole - kept.div_ceil(2));
    }
}
