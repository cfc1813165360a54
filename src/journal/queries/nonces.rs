//! Answers that were given: each counts once. A used nonce outlives its operation, and the state or token that it came with.

use crate::domain::Caller;
use crate::journal::queries::clocks::{AgeUse, ClockMoment};
use crate::journal::queries::row::number;
use crate::journal::store::{StoreResult, Transaction};

/// How long a used nonce is kept, in milliseconds: far longer than a token (300 s) or a state (600 s) is good for.
const KEPT: i64 = 24 * 60 * 60 * 1000;

/// Whether an answer with this nonce was given.
pub(crate) async fn is_used(transaction: &mut dyn Transaction, caller: &Caller, nonce: &str) -> StoreResult<bool> {
    let count = "SELECT count(*) FROM nonces WHERE tenant = $1 AND nonce = $2";
    Ok(number(transaction, count, &[(&caller.tenant).into(), nonce.into()]).await? > 0)
}

/// This answer was given, to this operation.
pub(crate) async fn keep(
    transaction: &mut dyn Transaction,
    caller: &Caller,
    nonce: &str,
    operation: &str,
    now: &ClockMoment,
) -> StoreResult<()> {
    let kept =
        "INSERT INTO nonces (tenant, nonce, operation, used_at, used_boot, used_up) VALUES ($1, $2, $3, $4, $5, $6)";
    let [boot, up] = now.boot();
    let values = [(&caller.tenant).into(), nonce.into(), operation.into(), now.stamp().into(), boot, up];
    transaction.execute(kept, &values).await.map(drop)
}

/// Nothing of this operation was sent: its token may be used again.
pub(crate) async fn give_back(transaction: &mut dyn Transaction, operation: &str) -> StoreResult<()> {
    transaction.execute("DELETE FROM nonces WHERE operation = $1", &[operation.into()]).await.map(drop)
}

/// Forgets those that nothing can come with any more.
pub(crate) async fn prune(transaction: &mut dyn Transaction, now: &ClockMoment) -> StoreResult<()> {
    let mut values = Vec::new();
    let past = now.past("used", KEPT, AgeUse::Erases, &mut values);
    transaction.execute(&format!("DELETE FROM nonces WHERE {past}"), &values).await.map(drop)
}
