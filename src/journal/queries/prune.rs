//! Deletes old operations, old nonces and excess refusals, in slices.
//!
//! A slice is one short transaction, so that changes never wait long for the store. A pass is a sequence of slices. Its
//! position is kept in memory alone. After a crash the next pass starts anew, and finds less to delete.

use std::cmp::Reverse;

use crate::journal::queries::caps::DAY;
use crate::journal::queries::clocks::{AgeUse, ClockMoment, JournalClocks};
use crate::journal::queries::nonces;
use crate::journal::queries::row::number;
use crate::journal::store::{SqlValue, StoreResult, Transaction};

/// How long operations that have ended are kept: 90 days, in milliseconds.
const KEPT: i64 = 90 * DAY;
/// How many rows a slice looks at, or deletes. Each of them changes a page of every index.
pub(crate) const SLICE: usize = 40;
/// How many principals a slice counts. The refusals of each are counted up to `EACH`.
const PRINCIPALS: usize = 10;
/// How many different refusals of one principal are kept. A caller in a loop must not fill the disk.
pub(crate) const EACH: usize = 1_000;
/// How many refusals of one tenant are kept.
///
/// Beyond that, the oldest are deleted, first those of the principals with the most refusals.
pub(crate) const TENANT: usize = 20_000;
/// The condition for a refusal that was never sent.
const REFUSED: &str = "state = 'refused' AND sent_at IS NULL";
/// The condition that keeps the newest change, so that revisions only grow.
const NOT_NEWEST: &str = "rev < (SELECT MAX(rev) FROM operations)";

/// The position of a pass: what the next slice deletes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrunePass(Step);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// Operations that ended after this time.
    Operations(i64),
    /// Nonces that were used after this time.
    Nonces(i64),
    /// Refusals of the principals behind the last one that was counted.
    Counting(Vec<Refusals>),
    /// Refusals beyond what a principal may keep.
    Excess(Vec<(String, usize)>),
}

/// How many refusals a principal has, at most `EACH`, and the revision of its newest one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Refusals {
    principal: String,
    count: usize,
    newest: i64,
}

impl Default for PrunePass {
    fn default() -> Self {
        Self(Step::Operations(i64::MIN))
    }
}

/// Runs the next slice. Returns how many rows it deleted, and the rest of the pass. `None` means that the pass is over.
pub(crate) async fn slice(
    transaction: &mut dyn Transaction,
    tenant: &str,
    pass: PrunePass,
    times: &JournalClocks,
) -> StoreResult<(u64, Option<PrunePass>)> {
    let now = times.at(transaction).await?;
    let (gone, next) = match pass.0 {
        Step::Operations(after) => {
            let (gone, end) = operations(transaction, after, &now).await?;
            (gone, Some(end.map_or(Step::Nonces(i64::MIN), Step::Operations)))
        }
        Step::Nonces(after) => {
            let end = used_nonces(transaction, after, &now).await?;
            (0, Some(end.map_or(Step::Counting(Vec::new()), Step::Nonces)))
        }
        Step::Counting(counted) => count(transaction, tenant, counted).await?,
        Step::Excess(excess) => trim(transaction, tenant, excess).await?,
    };
    Ok((gone, next.map(PrunePass)))
}

/// Deletes operations that ended long ago, of the next `SLICE` ones. Never deletes one that is open or that a cap may
/// still count. Returns the end of the slice, unless it was the last one.
async fn operations(
    transaction: &mut dyn Transaction,
    after: i64,
    now: &ClockMoment,
) -> StoreResult<(u64, Option<i64>)> {
    let end = slice_end(transaction, "operations", "ended_at", after, now.oldest(KEPT)).await?;
    let mut values = vec![after.into(), end.unwrap_or(now.oldest(KEPT)).into()];
    let past = now.past("ended", KEPT, AgeUse::Erases, &mut values);
    let begun = now.past("begun", DAY, AgeUse::Erases, &mut values);
    let old = format!(
        "DELETE FROM operations WHERE ended_at > $1 AND ended_at <= $2 AND {past} AND {begun} \
         AND state IN ('done', 'refused') AND {NOT_NEWEST}"
    );
    Ok((transaction.execute(&old, &values).await?, end))
}

/// Deletes the nonces that are too old to appear in any valid token or question, of the next `SLICE` ones.
async fn used_nonces(transaction: &mut dyn Transaction, after: i64, now: &ClockMoment) -> StoreResult<Option<i64>> {
    let end = slice_end(transaction, "nonces", "used_at", after, now.oldest(nonces::KEPT)).await?;
    let mut values = vec![after.into(), end.unwrap_or(now.oldest(nonces::KEPT)).into()];
    let past = now.past("used", nonces::KEPT, AgeUse::Erases, &mut values);
    let old = format!("DELETE FROM nonces WHERE used_at > $1 AND used_at <= $2 AND {past}");
    transaction.execute(&old, &values).await?;
    Ok(end)
}

/// Returns the time of the last row of the next slice. `None` if fewer rows are left.
async fn slice_end(
    transaction: &mut dyn Transaction,
    table: &str,
    time: &str,
    after: i64,
    oldest: i64,
) -> StoreResult<Option<i64>> {
    let end = format!(
        "SELECT {time} FROM {table} WHERE {time} > $1 AND {time} <= $2 ORDER BY {time} LIMIT 1 OFFSET {}",
        SLICE - 1
    );
    let rows = transaction.query(&end, &[after.into(), oldest.into()]).await?;
    Ok(rows.first().and_then(|row| row.first()?.int()))
}

/// Counts the refusals of the next principals. After the last one, decides what each of them may keep.
async fn count(
    transaction: &mut dyn Transaction,
    tenant: &str,
    mut counted: Vec<Refusals>,
) -> StoreResult<(u64, Option<Step>)> {
    for _ in 0..PRINCIPALS {
        let after = counted.last().map(|last| last.principal.clone());
        let Some(principal) = next_principal(transaction, tenant, after).await? else {
            let excess = excess(&counted);
            return Ok((0, (!excess.is_empty()).then_some(Step::Excess(excess))));
        };
        let newest = format!(
            "SELECT count(*), MAX(rev) FROM (SELECT rev FROM operations \
             WHERE tenant = $1 AND principal = $2 AND {REFUSED} ORDER BY rev DESC LIMIT {}) AS newest",
            EACH + 1
        );
        let rows = transaction.query(&newest, &[tenant.into(), (&principal).into()]).await?;
        let int = |at: usize| rows.first().and_then(|row| row.get(at)?.int()).unwrap_or(0);
        counted.push(Refusals { principal, count: usize::try_from(int(0)).unwrap_or(0), newest: int(1) });
    }
    Ok((0, Some(Step::Counting(counted))))
}

/// Returns the next principal of a tenant that has refusals, in one step of an index.
async fn next_principal(
    transaction: &mut dyn Transaction,
    tenant: &str,
    after: Option<String>,
) -> StoreResult<Option<String>> {
    let mut values: Vec<SqlValue> = vec![tenant.into()];
    let mut behind = "";
    if let Some(after) = after {
        values.push(after.into());
        behind = " AND principal > $2";
    }
    let next =
        format!("SELECT principal FROM operations WHERE tenant = $1{behind} AND {REFUSED} ORDER BY principal LIMIT 1");
    let rows = transaction.query(&next, &values).await?;
    Ok(rows.first().and_then(|row| row.first()?.text()))
}

/// Returns the principals that have more refusals than they may keep, and how many those are.
///
/// Each keeps at most `EACH`. The places of the tenant are given to its principals in turn.
/// Of the last turn, those with the newest refusals get the places.
fn excess(counted: &[Refusals]) -> Vec<(String, usize)> {
    let level = |turns: usize| counted.iter().map(|one| one.count.min(turns)).sum::<usize>();
    let all_turns: Vec<usize> = (1..=EACH).collect();
    let turns = all_turns.partition_point(|turns| level(*turns) <= TENANT);
    let mut places = TENANT - level(turns).min(TENANT);
    let mut more: Vec<&Refusals> = counted.iter().filter(|one| one.count > turns).collect();
    more.sort_by_key(|one| Reverse(one.newest));
    let mut excess = Vec::new();
    for one in more {
        let has_place = turns < EACH && places > 0;
        places -= usize::from(has_place);
        let keep = turns + usize::from(has_place);
        if one.count > keep {
            excess.push((one.principal.clone(), keep));
        }
    }
    excess
}

/// Deletes the oldest refusals of the last principal beyond what it keeps, at most `SLICE`.
async fn trim(
    transaction: &mut dyn Transaction,
    tenant: &str,
    mut excess: Vec<(String, usize)>,
) -> StoreResult<(u64, Option<Step>)> {
    let mut gone = 0;
    while let Some((principal, keep)) = excess.last() {
        let whose = format!("tenant = $1 AND principal = $2 AND {REFUSED}");
        let values: Vec<SqlValue> = vec![tenant.into(), principal.into()];
        // The newest one that goes, and the last one of this slice.
        let newest = format!("SELECT rev FROM operations WHERE {whose} ORDER BY rev DESC LIMIT 1 OFFSET {keep}");
        let newest = number(transaction, &newest, &values).await?;
        let left = SLICE - usize::try_from(gone).unwrap_or(SLICE).min(SLICE - 1);
        let last = format!("SELECT rev FROM operations WHERE {whose} ORDER BY rev LIMIT 1 OFFSET {}", left - 1);
        let last = transaction.query(&last, &values).await?.first().and_then(|row| row.first()?.int());
        let until = last.map_or(newest, |last| last.min(newest));
        let old = format!("DELETE FROM operations WHERE {whose} AND rev <= $3 AND {NOT_NEWEST}");
        gone += transaction.execute(&old, &[values, vec![until.into()]].concat()).await?;
        if until == newest {
            excess.pop();
        }
        if gone >= SLICE as u64 || until != newest {
            break;
        }
    }
    Ok((gone, (!excess.is_empty()).then_some(Step::Excess(excess))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusals(principal: usize, count: usize) -> Refusals {
        Refusals { principal: format!("p{principal:05}"), count, newest: i64::try_from(principal).unwrap() }
    }

    fn kept(counted: &[Refusals]) -> Vec<usize> {
        let excess = excess(counted);
        let keep = |one: &Refusals| excess.iter().find(|(other, _)| *other == one.principal).map(|(_, keep)| *keep);
        counted.iter().map(|one| keep(one).unwrap_or(one.count)).collect()
    }

    #[test]
    fn places_are_given_in_turn_and_the_newest_get_the_last_ones() {
        assert_eq!(kept(&[]), Vec::<usize>::new());
        assert_eq!(kept(&[refusals(0, EACH), refusals(1, EACH + 1), refusals(2, 3)]), [EACH, EACH, 3]);
        // 20 principals fill the places of a tenant. One of few refusals keeps them all.
        let mut many: Vec<_> = (0..20).map(|at| refusals(at, EACH + 1)).collect();
        assert_eq!(kept(&many).iter().sum::<usize>(), TENANT);
        many.push(refusals(20, 5));
        let left = kept(&many);
        assert_eq!((left[20], left.iter().sum::<usize>()), (5, TENANT));
        assert!(left[..20].iter().all(|count| (EACH - 1..=EACH).contains(count)), "{left:?}");
        // More principals than places: the newest refusals stay.
        let crowd: Vec<_> = (0..TENANT + 10).map(|at| refusals(at, 2)).collect();
        let left = kept(&crowd);
        assert!(left[..10].iter().all(|count| *count == 0) && left[10..].iter().all(|count| *count == 1));
    }
}
