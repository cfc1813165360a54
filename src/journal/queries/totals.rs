//! Sums over the operations that happened. The index `operations_totals` holds everything that is added.

use crate::domain::{Fees, Money};
use crate::journal::operation::{OperationPhase, OperationQuery};
use crate::journal::queries::lists;
use crate::journal::store::{SqlValue, StoreResult, Transaction};
use crate::journal::tool_total::ToolTotal;

/// The most operations of one tool and currency that are added up. It bounds the cost of a period without an end: so many
/// rows of the index take 10 ms. `cargo bench -- journal` measures it.
const MOST: i64 = 20_000;
/// The most currencies that are added up. There are 180 in use.
const CURRENCIES: usize = 200;
/// The most operations about one number that are added up.
const ABOUT_ONE: u32 = 1_000;
/// The whole and the millionths of an amount are added apart: no sum of 20,000 of either is too large.
const SUMS: &str = "count(*), count(monthly_micros), \
    CAST(COALESCE(SUM(monthly_micros / 1000000), 0) AS BIGINT), CAST(COALESCE(SUM(monthly_micros % 1000000), 0) AS BIGINT), \
    CAST(COALESCE(SUM(setup_micros / 1000000), 0) AS BIGINT), CAST(COALESCE(SUM(setup_micros % 1000000), 0) AS BIGINT)";

/// Returns what the operations of a tool amount to.
pub(crate) async fn of(
    transaction: &mut dyn Transaction,
    query: &OperationQuery,
    tool: &str,
) -> StoreResult<ToolTotal> {
    if query.object.is_some() {
        return about_one(transaction, query, tool).await;
    }
    let tenants = match &query.tenant {
        Some(tenant) => vec![tenant.clone()],
        None => lists::tenants(transaction).await?,
    };
    let mut total = ToolTotal::default();
    for tenant in tenants {
        let whose = [(&tenant).into(), tool.into()];
        add_priceless(transaction, query, &whose, &mut total).await?;
        let mut last = String::new();
        for _ in 0..CURRENCIES {
            let Some(currency) = next_currency(transaction, &whose, &last).await? else { break };
            add(transaction, query, &whose, &currency, &mut total).await?;
            last = currency;
        }
    }
    Ok(total)
}

/// Returns the next currency of the tool's operations, in one step of the index.
async fn next_currency(
    transaction: &mut dyn Transaction,
    whose: &[SqlValue; 2],
    last: &str,
) -> StoreResult<Option<String>> {
    let next =
        "SELECT MIN(currency) FROM operations WHERE tenant = $1 AND tool = $2 AND state = 'done' AND currency > $3";
    let rows = transaction.query(next, &[whose.as_slice(), &[last.into()]].concat()).await?;
    Ok(rows.first().and_then(|row| row.first()?.text()))
}

/// Returns the bounds of the period.
fn period(query: &OperationQuery) -> [SqlValue; 2] {
    [query.since.unwrap_or(i64::MIN).into(), query.until.unwrap_or(i64::MAX).into()]
}

/// Counts the operations that have no currency, and so no price.
async fn add_priceless(
    transaction: &mut dyn Transaction,
    query: &OperationQuery,
    whose: &[SqlValue; 2],
    total: &mut ToolTotal,
) -> StoreResult<()> {
    let sql = format!(
        "SELECT count(*) FROM (SELECT 1 FROM operations WHERE tenant = $1 AND tool = $2 AND state = 'done' \
         AND currency IS NULL AND begun_at >= $3 AND begun_at < $4 LIMIT {MOST}) AS counted"
    );
    let rows = transaction.query(&sql, &[whose.as_slice(), &period(query)].concat()).await?;
    let count = rows.first().and_then(|row| row.first()?.int()).unwrap_or(0);
    total.is_partial |= count >= MOST;
    let count = u64::try_from(count).unwrap_or(0);
    total.count(count, count);
    Ok(())
}

/// Adds the operations with prices in one currency.
async fn add(
    transaction: &mut dyn Transaction,
    query: &OperationQuery,
    whose: &[SqlValue; 2],
    currency: &str,
    total: &mut ToolTotal,
) -> StoreResult<()> {
    let [since, until] = period(query);
    let sql = format!(
        "SELECT {SUMS} FROM (SELECT monthly_micros, setup_micros FROM operations WHERE tenant = $1 AND tool = $2 \
         AND state = 'done' AND currency = $3 AND begun_at >= $4 AND begun_at < $5 LIMIT {MOST}) AS counted"
    );
    let values = [whose.as_slice(), &[currency.into(), since, until]].concat();
    let rows = transaction.query(&sql, &values).await?;
    let int = |at: usize| rows.first().and_then(|row| row.get(at)?.int()).unwrap_or(0);
    let (count, priced) = (int(0), int(1));
    total.is_partial |= count >= MOST;
    total.count(u64::try_from(count).unwrap_or(0), u64::try_from(count - priced).unwrap_or(0));
    if priced > 0 {
        let sum = |at: usize| {
            let micros = int(at).saturating_mul(1_000_000).saturating_add(int(at + 1));
            Money::from_micros(micros, currency)
        };
        total.add(&Fees { monthly: sum(2), setup: Some(sum(4)) });
    }
    Ok(())
}

/// Adds the operations about one number, by the indexes of that list.
async fn about_one(transaction: &mut dyn Transaction, query: &OperationQuery, tool: &str) -> StoreResult<ToolTotal> {
    let done = OperationQuery {
        state: Some(OperationPhase::Done),
        tool: Some(tool.to_owned()),
        limit: ABOUT_ONE,
        after: None,
        ..query.clone()
    };
    let found = lists::find(transaction, &done).await?;
    let mut total = ToolTotal { is_partial: found.len() >= ABOUT_ONE as usize, ..ToolTotal::default() };
    for operation in found {
        total.count(1, u64::from(operation.fees.is_none()));
        operation.fees.iter().for_each(|fees| total.add(fees));
    }
    Ok(total)
}
