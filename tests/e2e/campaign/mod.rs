//! The journal under fire: processes that are killed at any moment and at each named point, crowds, locks and long waits.
//! Whatever happens, nothing is bought twice and nothing is lost track of.
//!
//! `TRUEDY_CAMPAIGN_SEED` repeats the choices of a campaign, `TRUEDY_CAMPAIGN_KILLS` says how many kills it has. With
//! `TRUEDY_TEST_POSTGRES`, the address of a server on which databases may be made, it is also led on a shared journal; `TRUEDY_TEST_POSTGRES_CA` names the certificate it is trusted by.

mod across;
mod again;
mod chance;
mod crowds;
mod fight;
mod operator;
mod owner;
mod points;
mod scene;
mod slow;
mod store;
mod totals;
mod truedy;
mod unusable;
mod verdict;

use std::env;
use std::sync::Mutex;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use fight::{Fight, PART, POINTS, Tally};
use store::Store;

use crate::support::database::Database;

/// How many kills a campaign has unless it is told.
const KILLS: usize = 15;
/// How many kills a campaign has that surely undoes something.
const LONG_ENOUGH: usize = 1_000;
/// How many parts run at the same time.
const AT_ONCE: usize = 2;

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}: {text:?} is no whole number")))
}

/// A seed that is another one each time.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64 % 1_000_000_007
}

/// Leads a campaign over stores of this kind.
fn campaign(name: &str, store: impl Fn() -> Store + Sync) {
    let seed = number("TRUEDY_CAMPAIGN_SEED").unwrap_or_else(now);
    let kills = number("TRUEDY_CAMPAIGN_KILLS").map_or(KILLS, |kills| usize::try_from(kills).unwrap());
    println!("{name}: TRUEDY_CAMPAIGN_SEED={seed} TRUEDY_CAMPAIGN_KILLS={kills}");
    let parts: Vec<(usize, usize)> = (0..kills).step_by(PART).map(|first| (first, PART.min(kills - first))).collect();
    let (left, total) = (Mutex::new(parts.into_iter()), Mutex::new(Tally::default()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((first, kills)) = { left.lock().unwrap().next() } {
                    let fought = Fight::new(seed, first, store()).until(kills);
                    total.lock().unwrap().add(&fought);
                }
            });
        }
    });
    let total = total.into_inner().unwrap();
    println!("{name}: {total}");
    assert_eq!(total.kills, kills, "a part of it was not fought");
    if kills >= 100 {
        let missed: Vec<&str> = POINTS.into_iter().filter(|point| !total.points.contains_key(point)).collect();
        assert!(missed.is_empty(), "no process ended at {missed:?}");
        assert!(total.freezes > 0, "nothing was frozen");
        // Few undos find the direction as it was left: in a short campaign that may be none.
        assert!(kills < LONG_ENOUGH || total.undone > 0, "nothing was undone");
    }
}

#[test]
fn whatever_ends_a_process_and_whenever_nothing_is_bought_twice_or_lost_track_of() {
    campaign("campaign", Store::directory);
}

#[test]
fn the_same_holds_for_processes_that_share_a_database() {
    match Database::server() {
        Some(url) => campaign("campaign on PostgreSQL", || Store::postgres(&url)),
        None => println!("TRUEDY_TEST_POSTGRES is not set: the campaign on PostgreSQL is left out"),
    }
}
