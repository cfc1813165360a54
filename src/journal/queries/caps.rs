//! The daily caps: how many operations count, and what they cost.

use crate::domain::{Caller, Money};
use crate::journal::operation::{BeginConflict, Intent};
use crate::journal::queries::clocks::{AgeUse, ClockMoment};
use crate::journal::queries::row::number;
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
pub(crate) async fn used(
    transaction: &mut dyn Transaction,
    caller: &Caller,
    tool: &str,
    now: &ClockMoment,
) -> StoreResult<Counted> {
    counted(transaction, "count(*)", caller, tool, None, now).await
}

/// Returns what the operations of the tool in the last 24 hours cost, in this currency.
pub(crate) async fn spent(
    transaction: &mut dyn Transaction,
    caller: &Caller,
    tool: &str,
    currency: &str,
    now: &ClockMoment,
) -> StoreResult<Money> {
    let sum = "CAST(COALESCE(SUM(amount_micros), 0) AS BIGINT)";
    let sum = counted(transaction, sum, caller, tool, Some(currency), now).await?;
    Ok(Money::from_micros(sum.all, currency))
}

/// Returns the cap or the spending limit that one more operation would exceed.
pub(crate) async fn reached(
    transaction: &mut dyn Transaction,
    intent: &Intent,
    now: &ClockMoment,
) -> StoreResult<Option<BeginConflict>> {
    if let Some(most) = intent.most {
        let used = small(used(transaction, &intent.caller, intent.kind.name, now).await?.all);
        if used >= most {
            return Ok(Some(BeginConflict::Cap(used)));
        }
    }
    if let (Some(limit), Some(price)) = (&intent.spend, &intent.price) {
        let spent = spent(transaction, &intent.caller, intent.kind.name, limit.currency(), now).await?;
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

/// Counts or sums operations in three ranges that do not overlap. An index serves each of them.
///
/// Only the third range scans old operations. It is skipped once a second clock is known.
async fn counted(
    transaction: &mut dyn Transaction,
    what: &str,
    caller: &Caller,
    tool: &str,
    currency: Option<&str>,
    now: &ClockMoment,
) -> StoreResult<Counted> {
    let mut of = async |condition: &str, own: Vec<SqlValue>| {
        let mut values = vec![(&caller.tenant).into(), tool.into(), now.oldest(DAY).into()];
        values.extend(own);
        let mut sql =
            format!("SELECT {what} FROM operations WHERE tenant = $1 AND tool = $2 AND reserved = 1 AND {condition}");
        if let Some(currency) = currency {
            values.push(currency.into());
            sql.push_str(&format!(" AND currency = ${}", values.len()));
        }
        number(transaction, &sql, &values).await
    };
    let recent = of("begun_at > $3", Vec::new()).await?;
    let [boot, young] = now.young(DAY);
    // The wall clock says that a day has passed. The machine has not run for that long since then.
    let contradicted = of("begun_at <= $3 AND begun_boot = $4 AND begun_up > $5", vec![boot.clone(), young]).await?;
    let unproven = if now.is_proven(AgeUse::Frees) {
        0
    } else {
        of("begun_at <= $3 AND COALESCE(begun_boot, '') <> $4", vec![boot]).await?
    };
    Ok(Counted { all: recent.saturating_add(contradicted).saturating_add(unproven), unproven })
}
