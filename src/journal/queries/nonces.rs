//! The nonces of tokens and questions that were used. Each one is valid once.
//!
//! A used nonce is kept longer than its operation, and longer than the token or question is valid.

use crate::domain::Caller;
use crate::journal::queries::clocks::ClockMoment;
use crate::journal::queries::row::number;
use crate::journal::store::{StoreResult, Transaction};

/// How long a used nonce is kept, in milliseconds: 24 hours. A token is valid for 300 s, a state for 600 s.
pub(crate) const KEPT: i64 = 24 * 60 * 60 * 1000;

/// Checks whether this nonce was used.
pub(crate) async fn is_used(transaction: &mut dyn Transaction, caller: &Caller, nonce: &str) -> StoreResult<bool> {
    let count = "SELECT count(*) FROM nonces WHERE tenant = $1 AND nonce = $2";
    Ok(number(transaction, count, &[(&caller.tenant).into(), nonce.into()]).await? > 0)
}

/// Records that this operation used the nonce.
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

/// Deletes the nonces of an operation of which nothing was sent. Its token may then be used again.
pub(crate) async fn give_back(transaction: &mut dyn Transaction, operation: &str) -> StoreResult<()> {
    transaction.execute("DELETE FROM nonces WHERE operation = $1", &[operation.into()]).await.map(drop)
}
