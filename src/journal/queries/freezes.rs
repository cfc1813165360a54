//! The freezes: rows that keep changes from beginning. No pruning deletes them.

use crate::domain::clean_to;
use crate::journal::freeze::Freeze;
use crate::journal::store::{SqlRow, SqlValue, StoreResult, Transaction, Unavailable};

/// The start of a query for freezes.
pub(crate) const FREEZES: &str = "SELECT tenant, why, frozen_at, frozen_by FROM freezes";
/// The condition under which no freeze stops the operation of the row.
pub(crate) const NOT_FROZEN: &str =
    "NOT EXISTS (SELECT 1 FROM freezes WHERE freezes.tenant = '' OR freezes.tenant = operations.tenant)";

/// Reads a row. It may have been written by hand, so its texts are cleaned again.
pub(crate) fn read_freeze(row: &SqlRow) -> StoreResult<Freeze> {
    let broken = || Unavailable::Failed("a freeze in it cannot be read".to_owned());
    let text = |at: usize| row.get(at).and_then(SqlValue::text).ok_or_else(broken);
    Ok(Freeze {
        tenant: Some(text(0)?).filter(|tenant| !tenant.is_empty()),
        why: clean_to(&text(1)?, Freeze::LONGEST),
        since: row.get(2).and_then(SqlValue::int).ok_or_else(broken)?,
        by: clean_to(&text(3)?, Freeze::LONGEST),
    })
}

/// Returns the freeze that stops the changes of a tenant: that of all tenants, or its own.
pub(crate) async fn of(transaction: &mut dyn Transaction, tenant: &str) -> StoreResult<Option<Freeze>> {
    let one = format!("{FREEZES} WHERE tenant = '' OR tenant = $1 ORDER BY tenant LIMIT 1");
    transaction.query(&one, &[tenant.into()]).await?.first().map(read_freeze).transpose()
}

/// Returns all freezes, that of all tenants first.
pub(crate) async fn all(transaction: &mut dyn Transaction) -> StoreResult<Vec<Freeze>> {
    transaction.query(&format!("{FREEZES} ORDER BY tenant"), &[]).await?.iter().map(read_freeze).collect()
}

/// Deletes a freeze. Returns it.
pub(crate) async fn unfreeze(transaction: &mut dyn Transaction, tenant: Option<&str>) -> StoreResult<Option<Freeze>> {
    let tenant = tenant.unwrap_or_default();
    let known = transaction.query(&format!("{FREEZES} WHERE tenant = $1"), &[tenant.into()]).await?;
    transaction.execute("DELETE FROM freezes WHERE tenant = $1", &[tenant.into()]).await?;
    known.first().map(read_freeze).transpose()
}
