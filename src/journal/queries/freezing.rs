//! Writes a freeze, and withdraws what has begun.

use crate::journal::freeze::{Freeze, FreezeReport};
use crate::journal::queries::clocks::JournalClocks;
use crate::journal::queries::freezes::{FREEZES, read_freeze};
use crate::journal::queries::records::never_sent;
use crate::journal::store::{SqlValue, StoreResult, Transaction, Unavailable};

/// The outcome of a change that a freeze withdrew.
const FROZEN: &str = "frozen";

/// Writes a freeze and withdraws the changes that have begun and are not sent.
///
/// A program of an older version knows no freezes. It cannot send what was withdrawn.
pub(crate) async fn freeze(
    transaction: &mut dyn Transaction,
    freeze: &Freeze,
    times: &JournalClocks,
) -> StoreResult<FreezeReport> {
    let now = times.at(transaction).await?;
    let tenant = freeze.tenant.clone().unwrap_or_default();
    let insert = "INSERT INTO freezes (tenant, why, frozen_at, frozen_by) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (tenant) DO UPDATE SET why = excluded.why, frozen_by = excluded.frozen_by";
    let values = [(&tenant).into(), (&freeze.why).into(), now.stamp().into(), (&freeze.by).into()];
    transaction.execute(insert, &values).await?;
    let (mut sent, mut withdrawn) = (0, 0);
    let running = "SELECT id, tenant, state FROM operations WHERE state IN ('begun', 'sent') AND owner >= 0";
    for row in transaction.query(running, &[]).await? {
        let text = |at: usize| row.get(at).and_then(SqlValue::text).unwrap_or_default();
        if !tenant.is_empty() && text(1) != tenant {
            continue;
        }
        if text(2) == "sent" {
            sent += 1;
        } else {
            never_sent(transaction, &text(0), FROZEN, times).await?;
            withdrawn += 1;
        }
    }
    let stored = format!("{FREEZES} WHERE tenant = $1");
    let stored = transaction.query(&stored, &[(&tenant).into()]).await?.first().map(read_freeze).transpose()?;
    let missing = || Unavailable::Failed("it does not keep what is written".to_owned());
    let processes = transaction.other_processes().await?;
    Ok(FreezeReport { freeze: stored.ok_or_else(missing)?, sent, withdrawn, processes })
}
