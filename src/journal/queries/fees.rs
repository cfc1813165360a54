//! What bought numbers cost, kept for as long as they may be paid for.

use std::collections::HashMap;

use crate::domain::Fees;
use crate::journal::queries::row::read_fees;
use crate::journal::store::{SqlValue, StoreResult, Transaction};

/// Returns what a number cost when it was bought through this journal. `None` if that is not known.
pub(crate) async fn of(transaction: &mut dyn Transaction, tenant: &str, number_id: &str) -> StoreResult<Option<Fees>> {
    let of = "SELECT monthly_micros, setup_micros, currency FROM number_fees WHERE tenant = $1 AND number_id = $2";
    let rows = transaction.query(of, &[tenant.into(), number_id.into()]).await?;
    let read = |row: &Vec<SqlValue>| read_fees(row.first()?.int(), row.get(1)?.int(), row.get(2)?.text());
    Ok(rows.first().and_then(read))
}

/// Returns what each of these numbers cost, if it is known.
pub(crate) async fn all_of(
    transaction: &mut dyn Transaction,
    tenant: &str,
    number_ids: Vec<String>,
) -> StoreResult<HashMap<String, Fees>> {
    let mut known = HashMap::new();
    for id in number_ids {
        if let Some(found) = of(transaction, tenant, &id).await? {
            known.insert(id, found);
        }
    }
    Ok(known)
}

/// Keeps what a number costs that this operation bought. Only a purchase has a price that was reserved.
pub(crate) async fn keep(transaction: &mut dyn Transaction, operation: &str) -> StoreResult<()> {
    let keep = "INSERT INTO number_fees (tenant, number_id, monthly_micros, setup_micros, currency, bought_at) \
        SELECT tenant, number_id, monthly_micros, setup_micros, currency, begun_at FROM operations \
        WHERE id = $1 AND amount_micros IS NOT NULL AND monthly_micros IS NOT NULL AND number_id IS NOT NULL \
        ON CONFLICT (tenant, number_id) DO UPDATE SET monthly_micros = excluded.monthly_micros, \
        setup_micros = excluded.setup_micros, currency = excluded.currency, bought_at = excluded.bought_at";
    transaction.execute(keep, &[operation.into()]).await.map(drop)
}
