//! The daily caps: how many operations count, and what they cost.

use crate::domain::{Caller, Money};
use crate::journal::operation::{BeginConflict, Intent};
use crate::journal::queries::clocks::{AgeUse, ClockMoment};
use crate::journal::store::{SqlValue, StoreResult, Transaction};

/// The sliding window of the caps, in milliseconds: 24 hours.
pub(crate) const DAY: i64 = 24 * 60 * 60 * 1000;

/// How many operations count against a cap.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counted {
    pub(crate) all: i64,
    /// How many of them count only because no clock proves that they are a day old.
    pub(crate) unproven: i64,
}

/// Counts the operations of the tool in the last 24 hours. Those whose age no clock can prove are included.
///
/// It stops at `enough` and at least 1,000, so the work does not grow with the journal.
pub(crate) async fn used(
    transaction: &mut dyn Transaction,
    caller: &Caller,
    tool: &str,
    enough: u32,
    now: &ClockMoment,
) -> StoreResult<Counted> {
    counted(transaction, caller, tool, &Wanted { currency: None, enough: enough.into() }, now).await
}

/// Returns what the operations of the tool in the last 24 hours cost, in the currency of the limit.
///
/// It stops after the first 1,000 rows once the limit is exceeded.
pub(crate) async fn spent(
    transaction: &mut dyn Transaction,
    caller: &Caller,
    tool: &str,
    limit: &Money,
    now: &ClockMoment,
) -> StoreResult<Money> {
    let wanted = Wanted { currency: Some(limit.currency()), enough: limit.micros().saturating_add(1) };
    let sum = counted(transaction, caller, tool, &wanted, now).await?;
    Ok(Money::from_micros(sum.all, limit.currency()))
}

/// Returns the cap or the spending limit that one more operation would exceed.
pub(crate) async fn reached(
    transaction: &mut dyn Transaction,
    intent: &Intent,
    now: &ClockMoment,
) -> StoreResult<Option<BeginConflict>> {
    if let Some(most) = intent.most {
        let used = small(used(transaction, &intent.caller, intent.kind.name, most, now).await?.all);
        if used >= most {
            return Ok(Some(BeginConflict::Cap(used)));
        }
    }
    if let (Some(limit), Some(price)) = (&intent.spend, &intent.price) {
        let spent = spent(transaction, &intent.caller, intent.kind.name, limit, now).await?;
        if spent.plus(price).is_none_or(|sum| sum.micros() > limit.micros()) {
            return Ok(Some(BeginConflict::Spend(spent)));
        }
    }
    Ok(None)
}

/// Returns a count of rows in the size in which caps are given.
pub(crate) fn small(count: i64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// What is counted, and how far.
struct Wanted<'a> {
    /// The currency of the amounts that are summed. `None` counts operations.
    currency: Option<&'a str>,
    /// The result at which counting stops.
    enough: i64,
}

/// How many rows of a range are read at first, so that a usual count is exact even beyond a cap.
///
/// A sum of amounts reads four times as many again and again, until the limit is exceeded.
const FIRST_ROWS: i64 = 1_000;

/// Counts or sums operations in ranges that do not overlap. An index serves each of them.
async fn counted(
    transaction: &mut dyn Transaction,
    caller: &Caller,
    tool: &str,
    wanted: &Wanted<'_>,
    now: &ClockMoment,
) -> StoreResult<Counted> {
    let mut counted = Counted::default();
    let (oldest, [boot, young]) = (SqlValue::from(now.oldest(DAY)), now.young(DAY));
    let mut of = async |condition: &str, own: &[SqlValue], so_far: i64| {
        let values = [&[(&caller.tenant).into(), tool.into(), oldest.clone()][..], own].concat();
        within(transaction, condition, values, wanted, so_far).await
    };
    counted.all = of("begun_at > $3", &[], 0).await?;
    // The wall clock says that a day has passed. The machine has not run for that long since then. The sum keeps the
    // database from using the index over the time, which contains all past operations.
    let contradicted = "begun_at + 0 <= $3 AND begun_boot = $4 AND begun_up > $5";
    counted.all = counted.all.saturating_add(of(contradicted, &[boot.clone(), young], counted.all).await?);
    if now.is_proven(AgeUse::Frees) {
        return Ok(counted);
    }
    // Rows of other boots, whose age no clock proves. Three conditions are three ranges of one index.
    for (other, own) in [("begun_boot < $4", true), ("begun_boot > $4", true), ("begun_boot IS NULL", false)] {
        let own = if own { std::slice::from_ref(&boot) } else { &[] };
        let more = of(&format!("begun_at + 0 <= $3 AND {other}"), own, counted.all).await?;
        counted.all = counted.all.saturating_add(more);
        counted.unproven = counted.unproven.saturating_add(more);
    }
    Ok(counted)
}

/// Counts or sums the operations that fulfil a condition, until there are enough with those counted so far.
async fn within(
    transaction: &mut dyn Transaction,
    condition: &str,
    mut values: Vec<SqlValue>,
    wanted: &Wanted<'_>,
    so_far: i64,
) -> StoreResult<i64> {
    let left = wanted.enough.saturating_sub(so_far);
    let (mut rows, mut what, mut paid) = (left.max(FIRST_ROWS), "0", String::new());
    if let Some(currency) = wanted.currency {
        values.push(currency.into());
        (rows, what) = (FIRST_ROWS, "amount_micros");
        paid = format!(" AND currency = ${} AND amount_micros > 0", values.len());
    }
    let sql = format!(
        "SELECT count(*), CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM (SELECT {what} AS amount FROM operations \
         WHERE tenant = $1 AND tool = $2 AND reserved = 1 AND {condition}{paid} LIMIT ${}) AS counted",
        values.len() + 1
    );
    loop {
        let read = transaction.query(&sql, &[&values[..], &[rows.into()]].concat()).await?;
        let int = |at: usize| read.first().and_then(|row| row.get(at)?.int()).unwrap_or(0);
        let (count, sum) = (int(0), int(1));
        let found = if wanted.currency.is_some() { sum } else { count };
        if count < rows || found >= left {
            return Ok(found);
        }
        rows = rows.saturating_mul(4);
    }
}
