//! Refusals by the policy and the gate. Equal ones are counted in one row. No principal's refusals displace those of
//! another.

use crate::domain::digest_of;
use crate::journal::operation::{CallOrigin, OperationPhase, RefusedCall};
use crate::journal::queries::nonces;
use crate::journal::queries::row::{NEXT_REV, NewRow, RowWriter};
use crate::journal::store::{StoreResult, Transaction};

/// Records a refusal. If an equal one exists, its count and its last time are updated.
pub(crate) async fn refuse(
    transaction: &mut dyn Transaction,
    refused: &RefusedCall,
    id: String,
    writer: &RowWriter<'_>,
) -> StoreResult<()> {
    let now = writer.times.at(transaction).await?;
    if let Some(nonce) = &refused.nonce
        && !nonces::is_used(transaction, &refused.caller, nonce).await?
    {
        nonces::keep(transaction, &refused.caller, nonce, &id, &now).await?;
    }
    let fold = fold(refused, writer.account);
    let [boot, up] = now.boot();
    let again = format!(
        "UPDATE operations SET times = times + 1, ended_at = $1, ended_boot = $2, ended_up = $3, rev = {NEXT_REV} \
         WHERE tenant = $4 AND fold = $5"
    );
    let values = [now.stamp().into(), boot, up, (&refused.caller.tenant).into(), (&fold).into()];
    if transaction.execute(&again, &values).await? > 0 {
        return Ok(());
    }
    let origin = CallOrigin { client: refused.client.clone(), ..CallOrigin::default() };
    let row = NewRow {
        id,
        caller: &refused.caller,
        writer,
        tool: refused.tool,
        object: &refused.object,
        flight: None,
        digest: &refused.digest,
        price: None,
        fees: None,
        origin: &origin,
        evidence: refused.evidence,
        now: &now,
        fold: Some(&fold),
    };
    row.insert(transaction, OperationPhase::Refused, Some(refused.outcome), refused.rule.as_deref()).await
}

/// Returns the digest that is the same for equal refusals. It covers everything about a refusal except its time.
fn fold(refused: &RefusedCall, account: &str) -> String {
    let object = &refused.object;
    let parts = [
        Some(account),
        Some(&refused.caller.principal),
        Some(refused.tool),
        object.number.as_deref(),
        object.number_id.as_deref(),
        object.direction.as_deref(),
        object.agent_id.as_deref(),
        object.provider.as_deref(),
        Some(&refused.digest),
        Some(refused.outcome),
        refused.rule.as_deref(),
        Some(&refused.evidence.to_text()),
        refused.client.as_deref(),
    ];
    // The debug format quotes each part. So two different lists never give the same text.
    digest_of(format!("{parts:?}").as_bytes())
}
