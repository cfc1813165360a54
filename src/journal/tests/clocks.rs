//! Tests with wrong clocks: off by a day or by years, ahead or behind, for a moment or always.

use parking_lot::Mutex;

use crate::domain::{BootTime, samples};
use crate::journal::queries::clocks::Clock;
use crate::journal::tests::fixture::*;

const DAY: i64 = 24 * HOUR;

/// Clocks that a test sets.
struct Set(Mutex<Reading>);

#[derive(Clone)]
struct Reading {
    wall: i64,
    boot: Option<BootTime>,
    steady: i64,
}

impl Set {
    fn right() -> Arc<Self> {
        let boot = Some(BootTime { boot: "first".to_owned(), up: HOUR });
        Arc::new(Self(Mutex::new(Reading { wall: jiff::Timestamp::now().as_millisecond(), boot, steady: 0 })))
    }

    fn without_boot() -> Arc<Self> {
        let set = Self::right();
        set.change(|now| now.boot = None);
        set
    }

    fn change<T>(&self, how: impl FnOnce(&mut Reading) -> T) -> T {
        how(&mut self.0.lock())
    }

    /// Time passes.
    fn pass(&self, ms: i64) {
        self.change(|now| {
            (now.wall, now.steady) = (now.wall + ms, now.steady + ms);
            now.boot.iter_mut().for_each(|boot| boot.up += ms);
        });
    }

    /// Somebody sets the wall clock.
    fn jump(&self, ms: i64) {
        self.change(|now| now.wall += ms);
    }

    /// The machine is off for a while.
    fn off(&self, ms: i64) {
        self.change(|now| {
            (now.wall, now.steady) = (now.wall + ms, now.steady + MINUTE);
            now.boot = now.boot.take().map(|boot| BootTime { boot: format!("{}+", boot.boot), up: MINUTE });
        });
    }

    fn wall(&self) -> i64 {
        self.change(|now| now.wall)
    }
}

impl Clock for Set {
    fn wall(&self) -> i64 {
        self.wall()
    }

    fn boot(&self) -> Option<BootTime> {
        self.change(|now| now.boot.clone())
    }

    fn steady(&self) -> i64 {
        self.change(|now| now.steady)
    }
}

/// A process that goes by these clocks.
fn process(fixture: &Fixture, clock: &Arc<Set>) -> Arc<Journal> {
    Journal::by(Arc::clone(clock) as _, fixture.place.clone(), "account".to_owned(), samples::KINDS)
}

fn capped(at: u32) -> Intent {
    Intent { most: Some(1), ..purchase(&number(at)) }
}

async fn bought(journal: &Journal, at: u32) -> Uuid {
    let id = journal.sends(Intent { price: money("1.00 USD"), ..purchase(&number(at)) }).await;
    journal.ends(id, done()).await;
    id
}

/// Nothing is free, nothing is gone, and the number is not bought again.
async fn holds(journal: &Journal, id: Uuid, at: u32) {
    for _ in 0..2 {
        assert_eq!(journal.stops(capped(900)).await, BeginConflict::Cap(1));
        let spend = Intent { price: money("0.01 USD"), spend: money("1.00 USD"), ..purchase(&number(900)) };
        assert!(matches!(journal.stops(spend).await, BeginConflict::Spend(_)));
        let again = journal.stops(purchase(&number(at))).await;
        assert!(matches!(&again, BeginConflict::JustDone(one) if one.id == id.to_string()), "{again:?}");
        journal.prune().await.unwrap();
        assert_eq!(journal.state(id).await, OperationPhase::Done);
    }
}

/// On both stores: what is stored says that time passed, and the machine has not run for so long.
pub(crate) async fn a_wall_clock_alone_frees_and_erases_nothing(fixture: Fixture) {
    let (one, two) = (fixture.journal(), fixture.journal());
    let id = bought(&one, 1).await;
    let lost = one.loses(release(&number(2))).await;
    for (hours, back) in [(25, false), (91 * 24, false), (25, true), (2 * 365 * 24, true)] {
        let by = if back { -hours * HOUR } else { hours * HOUR };
        one.sql(format!(
            "UPDATE operations SET begun_at = begun_at - {by}, ended_at = ended_at - {by}, lost_at = lost_at - {by}"
        ))
        .await;
        holds(&one, id, 1).await;
        holds(&two, id, 1).await;
        let lost = two.one(lost).await;
        assert!(two.lost_for(&lost).await < std::time::Duration::from_secs(60), "{hours} {back}");
        one.sql(format!(
            "UPDATE operations SET begun_at = begun_at + {by}, ended_at = ended_at + {by}, lost_at = lost_at + {by}"
        ))
        .await;
    }
    // Once both say so, it is.
    one.wait(25 * HOUR).await;
    two.begins(capped(3)).await;
}

pub(crate) async fn a_number_is_not_bought_again_because_a_clock_says_so(fixture: Fixture) {
    let journal = fixture.journal();
    let id = bought(&journal, 1).await;
    journal.wait(10 * MINUTE).await;
    // An import is held up for a quarter of an hour, a purchase for a day.
    journal.sql(format!("UPDATE operations SET ended_at = ended_at - {}", 20 * MINUTE)).await;
    let import = || Intent { kind: &samples::IMPORT, ..purchase(&number(1)) };
    assert!(matches!(journal.stops(import()).await, BeginConflict::JustDone(one) if one.id == id.to_string()));
    journal.wait(10 * MINUTE).await;
    journal.begins(import()).await;
}

#[tokio::test]
async fn a_clock_that_jumps_frees_nothing_in_any_process_of_the_same_start() {
    for jump in [25 * HOUR, 91 * DAY, -25 * HOUR, -730 * DAY] {
        let fixture = Fixture::sqlite();
        let (right, wrong) = (Set::right(), Set::right());
        wrong.jump(jump);
        let (one, two) = (process(&fixture, &right), process(&fixture, &wrong));
        let id = bought(&one, 1).await;
        for clock in [&right, &wrong] {
            clock.pass(2_000);
        }
        holds(&two, id, 1).await;
        holds(&one, id, 1).await;
        // However often it is looked at, and however long it lasts.
        for _ in 0..5 {
            for clock in [&right, &wrong] {
                clock.pass(4 * HOUR);
            }
            holds(&two, id, 1).await;
            holds(&one, id, 1).await;
        }
        // After a day of the machine's own the right clock frees it, whatever the other says.
        right.pass(5 * HOUR);
        one.begins(capped(2)).await;
    }
}

#[tokio::test]
async fn what_was_bought_while_the_clock_was_wrong_counts_for_a_day() {
    for jump in [25 * HOUR, 91 * DAY, -25 * HOUR, -730 * DAY] {
        let fixture = Fixture::sqlite();
        let (right, wrong) = (Set::right(), Set::right());
        wrong.jump(jump);
        let (one, two) = (process(&fixture, &right), process(&fixture, &wrong));
        // A purchase follows a reading of the account, whose answer states the time.
        two.server_time().note(right.wall());
        let id = bought(&two, 1).await;
        assert!((two.one(id).await.begun_at - right.wall()).abs() < MINUTE, "{jump}: written with the right time");
        holds(&one, id, 1).await;
        // The machine starts anew, with a clock that is right.
        right.off(8 * HOUR);
        let three = process(&fixture, &right);
        holds(&three, id, 1).await;
        three.server_time().note(right.wall());
        holds(&three, id, 1).await;
        right.off(17 * HOUR);
        three.server_time().note(right.wall());
        three.begins(capped(2)).await;
    }
}

#[tokio::test]
async fn a_machine_that_was_off_overnight_asks_truedy_what_day_it_is() {
    let fixture = Fixture::sqlite();
    let clock = Set::right();
    let one = process(&fixture, &clock);
    let id = bought(&one, 1).await;
    clock.off(25 * HOUR);
    let two = process(&fixture, &clock);
    holds(&two, id, 1).await;
    let standing = two.standing(&Caller::local(), "purchase_number", None, None, u32::MAX).await.unwrap();
    assert_eq!((standing.used, standing.unproven), (1, 1));
    // It says that only an hour has passed: then it is so.
    two.server_time().note(clock.wall() - 24 * HOUR);
    holds(&two, id, 1).await;
    let standing = two.standing(&Caller::local(), "purchase_number", None, None, u32::MAX).await.unwrap();
    assert_eq!((standing.used, standing.unproven), (1, 0), "another look at Truedy's clock would not help");
    two.server_time().note(clock.wall());
    assert_eq!(two.used().await, 0);
    two.begins(capped(2)).await;
}

#[tokio::test]
async fn without_a_second_clock_two_looks_free_a_place_and_erase_nothing() {
    let fixture = Fixture::sqlite();
    let clock = Set::without_boot();
    let journal = process(&fixture, &clock);
    let id = bought(&journal, 1).await;
    clock.pass(12 * MINUTE);
    journal.used().await;
    clock.jump(91 * DAY);
    holds(&journal, id, 1).await;
    clock.pass(9 * MINUTE);
    holds(&journal, id, 1).await;
    // A clock that was set between two looks begins anew.
    clock.jump(-HOUR);
    holds(&journal, id, 1).await;
    clock.pass(9 * MINUTE);
    holds(&journal, id, 1).await;
    clock.pass(2 * MINUTE);
    assert_eq!(journal.used().await, 0);
    journal.begins(capped(2)).await;
    journal.begins(purchase(&number(1))).await;
    assert_eq!(journal.prune().await, Ok(0), "it frees, and never erases");
    // Once Truedy's clock says otherwise, no number of looks counts.
    journal.server_time().note(clock.wall() - 90 * DAY);
    assert!(matches!(
        journal.stops(Intent { most: Some(1), stopped_by_unresolved: false, ..purchase(&number(3)) }).await,
        BeginConflict::Cap(_)
    ));
    assert_eq!(journal.prune().await, Ok(0));
}

#[tokio::test]
async fn what_is_old_is_erased_only_where_a_second_clock_agrees() {
    let fixture = Fixture::sqlite();
    let clock = Set::right();
    let one = process(&fixture, &clock);
    let id = bought(&one, 1).await;
    bought(&one, 2).await;
    clock.off(91 * DAY);
    let two = process(&fixture, &clock);
    for _ in 0..3 {
        assert_eq!(two.prune().await, Ok(0));
        clock.pass(20 * MINUTE);
    }
    two.server_time().note(clock.wall() - 2 * DAY);
    assert_eq!((two.prune().await, two.state(id).await), (Ok(0), OperationPhase::Done));
    two.server_time().note(clock.wall());
    assert_eq!(two.prune().await, Ok(1), "the newest stays");
    // A row of this start of the machine is as old as the machine says.
    let here = bought(&two, 3).await;
    clock.pass(91 * DAY);
    two.server_time().note(clock.wall());
    assert_eq!(two.prune().await, Ok(1));
    bought(&two, 4).await;
    assert_eq!((two.prune().await, two.all().await.iter().any(|row| row.id == here.to_string())), (Ok(1), false));
}
