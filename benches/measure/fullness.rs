//! What the journal costs by how much is in it. Each figure stands beside that of an empty one in the same run.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;
use truedy_mcp::journal::{Journal, JournalPlace, PrunePass};
use truedy_mcp::tools::change_kinds;

use crate::child::{Program, Server, call_alone, call_with, initialize};
use crate::figures::{Row, Samples, Target, milliseconds};
use crate::journal::{BOUGHT, Numbers, ON_DISK, Sandbox, open, rows_in, timed};
use crate::{Measured, home};

/// Operations that ended, in the two journals that are full.
const FULL: [usize; 2] = [10_000, 1_000_000];
/// How many of them are so old that they are dropped, in the journal that is pruned.
const PRUNED: usize = 20_000;
/// Starts of each server for one figure.
const STARTS: usize = 41;
/// Processes whose first purchases are timed.
const FIRSTS: usize = 21;
/// Lists that each of them is asked for.
const LISTS: usize = 10;
/// How long a process is left alone before its call is timed.
const SETTLE: Duration = Duration::from_millis(100);
const BUYING_NOTHING: &[&str] = &["stdio", "--purchases-per-day", "0"];
const LISTED: &str = "\"operations\":[{";

/// What is timed with one journal.
#[derive(Default)]
struct Times {
    starts: Samples,
    firsts: Samples,
    seconds: Samples,
    lists: Samples,
}

/// With one row, then with each of [`FULL`] more.
pub(crate) async fn measure(program: &Path, numbers: &mut Numbers) -> Measured<Vec<Row>> {
    let own = home()?;
    let sandbox = Sandbox::start(program, own.path()).await?;
    let mut homes = Vec::new();
    for full in [0].into_iter().chain(FULL) {
        let home = begun(&sandbox, numbers).await?;
        grow(home.path(), full, [2, 80])?;
        homes.push(home);
    }
    let programs: Vec<Program> = homes.iter().map(|home| sandbox.server(ON_DISK, home.path())).collect();
    let mut times: Vec<Times> = homes.iter().map(|_| Times::default()).collect();
    for turn in 0..STARTS {
        for at in in_turn(turn, programs.len()) {
            let start = Instant::now();
            let mut server = programs[at].start()?;
            timed(&mut server, &initialize(), "\"result\"").await?;
            times[at].starts.add(milliseconds(start.elapsed()));
            server.leave().await?;
        }
    }
    for turn in 0..FIRSTS {
        for at in in_turn(turn, programs.len()) {
            one_process(programs[at].start()?, numbers, &mut times[at]).await?;
        }
    }
    let mut rows = compared(&times);
    rows.push(longest_slice(&sandbox, numbers).await?);
    Ok(rows)
}

/// The order in which the journals are used: there and back.
fn in_turn(turn: usize, count: usize) -> Vec<usize> {
    if turn.is_multiple_of(2) { (0..count).collect() } else { (0..count).rev().collect() }
}

/// Two purchases, the first of them the first request of all, and then lists.
async fn one_process(mut server: Server, numbers: &mut Numbers, times: &mut Times) -> Measured<()> {
    for samples in [&mut times.firsts, &mut times.seconds] {
        tokio::time::sleep(SETTLE).await;
        let buy = call_alone("purchase_number", &numbers.purchase()?);
        samples.add(milliseconds(timed(&mut server, &buy, BOUGHT).await?));
    }
    tokio::time::sleep(SETTLE).await;
    for _ in 0..LISTS {
        let list = call_alone("list_operations", &json!({}));
        times.lists.add(milliseconds(timed(&mut server, &list, LISTED).await?));
    }
    server.leave().await
}

fn compared(times: &[Times]) -> Vec<Row> {
    let mut rows = Vec::new();
    let Some((empty, full)) = times.split_first() else { return rows };
    for (full, count) in full.iter().zip(FULL) {
        let pairs = [
            ("start to answer of initialize", &empty.starts, &full.starts, 1.0),
            ("first purchase_number of a process", &empty.firsts, &full.firsts, 5.0),
            ("second purchase_number", &empty.seconds, &full.seconds, 1.0),
            ("list_operations", &empty.lists, &full.lists, 10.0),
        ];
        for (what, floor, ours, most) in pairs {
            let what = format!("{what}, {count} old rows in the journal over none, ms");
            rows.push(Row::pair(&what, floor, ours, Target::Above(most)));
        }
    }
    rows
}

/// The longest slice of pruning in the largest journal. A call waits at most for one.
async fn longest_slice(sandbox: &Sandbox, numbers: &mut Numbers) -> Measured<Row> {
    let [_, full] = FULL;
    let home = begun(sandbox, numbers).await?;
    // The old ones first: the newest change is never dropped.
    grow(home.path(), PRUNED, [91, 100])?;
    grow(home.path(), full - PRUNED, [2, 80])?;
    let journal = Journal::new(JournalPlace::Directory(home.path().to_owned()), "measure".to_owned(), change_kinds());
    journal.probe().await.map_err(|why| why.to_string())?;
    // As after any answer of Truedy: without its clock nothing is dropped.
    journal.server_time().note(jiff::Timestamp::now().as_millisecond());
    let (mut pass, mut gone, mut slices) = (Some(PrunePass::default()), 0, Samples::default());
    while let Some(next) = pass {
        let start = Instant::now();
        let (deleted, rest) = journal.prune_slice(next).await.map_err(|why| why.to_string())?;
        slices.add(milliseconds(start.elapsed()));
        (gone, pass) = (gone + deleted, rest);
    }
    if usize::try_from(gone)? != PRUNED {
        return Err(format!("{gone} operations were dropped instead of {PRUNED}").into());
    }
    let what = format!("longest of {} slices of pruning, {full} rows in the journal, ms", slices.count());
    Ok(Row::alone(&what, slices.percentile(100), Some(20.0)))
}

/// A state directory whose journal holds one refusal.
async fn begun(sandbox: &Sandbox, numbers: &mut Numbers) -> Measured<TempDir> {
    let home = home()?;
    let mut server = sandbox.server(BUYING_NOTHING, home.path()).connect().await?;
    timed(&mut server, &call_with("purchase_number", &numbers.purchase()?), "policy_denied").await?;
    server.leave().await?;
    Ok(home)
}

/// Adds so many purchases to a journal that holds one refusal. They ended evenly between so many days ago. Those of
/// less than 90 days are kept, and those of more than one count for no limit.
fn grow(home: &Path, count: usize, [newest, oldest]: [i64; 2]) -> Measured<()> {
    if count == 0 {
        return Ok(());
    }
    let journal = open(home)?;
    let before = rows_in(&journal)?;
    // Nothing needs to outlast a crash here, and most of the file fits into the cache.
    journal.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -400000")?;
    let insert = format!(
        "WITH RECURSIVE
            one AS (SELECT owner, tenant, account, principal, call_digest, ended_at AS now
                FROM operations WHERE state = 'refused' LIMIT 1),
            old (n) AS (SELECT {before} UNION ALL SELECT n + 1 FROM old WHERE n < {before} + {count} - 1),
            purchase AS (
                SELECT *, '+1917' || format('%07d', n) AS number, '00000000-0000-7000-8000-' || format('%012x', n) AS id,
                    now - {oldest} * 86400000 + (n - {before}) * (({oldest} - {newest}) * 86400000 / {count}) AS at
                FROM old, one
            )
        INSERT INTO operations (id, rev, owner, tenant, account, principal, tool, number, number_id, flight,
            call_digest, reserved, state, outcome, evidence, upstream_status, request_id, known_by, begun_at,
            sent_at, ended_at, monthly_micros, setup_micros, currency)
        SELECT id, (SELECT MAX(rev) FROM operations) + n, owner, tenant, account, principal, 'purchase_number', number, id,
            'make:' || number, call_digest, 1, 'done', 'purchased', '', 201, id, 'answer', at, at + 300, at + 900,
            1000000, 1000000, 'USD'
        FROM purchase"
    );
    journal.execute(&insert, [])?;
    if rows_in(&journal)? != before + count {
        return Err("the old rows are not in the journal".into());
    }
    // What is measured begins with all of it in the database, and on the disk.
    journal.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(File::open(home.join("journal.sqlite"))?.sync_all()?)
}
