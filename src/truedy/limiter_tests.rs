//! Tests of `limiter.rs` for one process, beside it since both together are long.

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
async fn reading_ahead_uses_forty_percent_and_gives_way() {
    let limiter = Limiter::new(Rate::PerMinute(100));
    assert_eq!(granted(&limiter, Priority::Background, 200).await, 39);
    assert_eq!(granted(&limiter, Priority::General, 200).await, 44, "reads of both kinds leave the reserved share");
    assert_eq!(granted(&limiter, Priority::Reserved, 200).await, 17);
    tokio::time::advance(WINDOW).await;
    assert_eq!(granted(&limiter, Priority::Planning, 50).await, 50);
    assert_eq!(granted(&limiter, Priority::Background, 200).await, 10, "60 slots are used");
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
