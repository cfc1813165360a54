//! The queries and statements about operations. Each runs in one transaction and is the same for every store.

use crate::domain::{Caller, ChangeKinds, Money, Proof};
use crate::journal::operation::{
    BeginConflict, Intent, Operation, OperationPhase, Outcome, OutcomeSource, Preconditions,
};
use crate::journal::queries::caps::{self, small};
use crate::journal::queries::clocks::{ClockMoment, JournalClocks};
use crate::journal::queries::freezes::{self, NOT_FROZEN};
use crate::journal::queries::row::{NEXT_REV, NewRow, OPEN, RowWriter, select};
use crate::journal::queries::{fees, nonces, resent, same_number};
use crate::journal::schema;
use crate::journal::store::{SqlValue, StoreResult, Transaction};

/// How many unresolved operations a response shows at most.
const SHOWN: usize = 50;
/// The outcome of an operation that was not sent.
const CANCELLED: &str = "cancelled";

/// A record that could not be written when it was due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DeferredWrite {
    /// The operation was not sent. It may have been recorded as begun, but its caller does not know that.
    Withdrawn(String),
    /// The response to the operation was lost.
    Lost { id: String, upstream_status: Option<u16>, request_id: Option<String> },
    /// The operation ended.
    Ended(String, Outcome),
    /// The caller stopped waiting for the response.
    Abandoned(String),
    /// A person declined a question: the id of the refused operation, the caller, and the nonce of the question.
    Declined { id: String, caller: Caller, nonce: String },
}

/// Writes a deferred record. Writing it twice changes nothing the second time.
pub(crate) async fn write_late(
    transaction: &mut dyn Transaction,
    late: &DeferredWrite,
    times: &JournalClocks,
) -> StoreResult<()> {
    match late {
        DeferredWrite::Withdrawn(id) => never_sent(transaction, id, CANCELLED, times).await,
        DeferredWrite::Lost { id, upstream_status, request_id } => {
            lose(transaction, id, *upstream_status, request_id.as_deref(), times).await
        }
        DeferredWrite::Ended(id, ending) => settle(transaction, id, ending, times).await.map(drop),
        DeferredWrite::Abandoned(id) => abandon(transaction, id, times).await,
        DeferredWrite::Declined { id, caller, nonce } => {
            let now = times.at(transaction).await?;
            if nonces::is_used(transaction, caller, nonce).await? {
                return Ok(());
            }
            nonces::keep(transaction, caller, nonce, id, &now).await
        }
    }
}

/// Closes operations of ended processes. What was not sent did not happen. What was sent has an unknown outcome.
pub(crate) async fn recover(transaction: &mut dyn Transaction, own: i64, times: &JournalClocks) -> StoreResult<()> {
    let owners = "SELECT DISTINCT owner FROM operations WHERE state IN ('begun', 'sent') AND owner <> $1";
    for row in transaction.query(owners, &[own.into()]).await? {
        let Some(owner) = row.first().and_then(SqlValue::int) else { continue };
        if transaction.lives(owner).await? {
            continue;
        }
        // Each gets its own revision. Otherwise a page of changes could end between two with the same revision.
        let left = "SELECT id, state FROM operations WHERE owner = $1 AND state IN ('begun', 'sent') ORDER BY rev";
        for row in transaction.query(left, &[owner.into()]).await? {
            let text = |at: usize| row.get(at).and_then(SqlValue::text).unwrap_or_default();
            match OperationPhase::read(&text(1)) {
                Some(OperationPhase::Begun) => never_sent(transaction, &text(0), CANCELLED, times).await?,
                _ => lose(transaction, &text(0), None, None, times).await?,
            }
        }
    }
    Ok(())
}

/// Withdraws an operation that has begun and will not be sent.
pub(crate) async fn never_sent(
    transaction: &mut dyn Transaction,
    id: &str,
    outcome: &str,
    times: &JournalClocks,
) -> StoreResult<()> {
    let now = times.at(transaction).await?;
    let withdrawn = format!(
        "UPDATE operations SET state = 'refused', outcome = $5, known_by = 'answer', reserved = 0, \
         ended_at = $1, ended_boot = $2, ended_up = $3, rev = {NEXT_REV} WHERE id = $4 AND state = 'begun'"
    );
    let [boot, up] = now.boot();
    if transaction.execute(&withdrawn, &[now.stamp().into(), boot, up, id.into(), outcome.into()]).await? > 0 {
        nonces::give_back(transaction, id).await?;
    }
    Ok(())
}

/// Records that no caller waits for the response to an operation any more. Until it has ended, its principal cannot
/// begin another operation with the same tool.
pub(crate) async fn abandon(transaction: &mut dyn Transaction, id: &str, times: &JournalClocks) -> StoreResult<()> {
    let now = times.at(transaction).await?;
    let left = format!(
        "UPDATE operations SET abandoned_at = $1, rev = {NEXT_REV} \
         WHERE id = $2 AND abandoned_at IS NULL AND state IN ('begun', 'sent')"
    );
    transaction.execute(&left, &[now.stamp().into(), id.into()]).await.map(drop)
}

/// Returns what the journal knows that may stop a change, before anything is read from Truedy.
pub(crate) async fn standing(
    transaction: &mut dyn Transaction,
    caller: &Caller,
    tool: &str,
    flight: Option<&str>,
    nonce: Option<&str>,
    enough: u32,
    (kinds, times): (ChangeKinds, &JournalClocks),
) -> StoreResult<Preconditions> {
    let now = times.at(transaction).await?;
    let flying = match flight {
        Some(flight) => same_number::flying(transaction, caller, flight, kinds).await?,
        None => None,
    };
    let used = caps::used(transaction, caller, tool, enough, &now).await?;
    Ok(Preconditions {
        used: small(used.all),
        unproven: small(used.unproven),
        flying: flying.map(Box::new),
        unresolved: shown(unresolved(transaction, caller, tool).await?),
        nonce_used: match nonce {
            Some(nonce) => nonces::is_used(transaction, caller, nonce).await?,
            None => false,
        },
    })
}

/// Returns what the operations of this tool that count for the last 24 hours cost. It stops once the limit is exceeded.
pub(crate) async fn spent(
    transaction: &mut dyn Transaction,
    caller: &Caller,
    tool: &str,
    limit: &Money,
    times: &JournalClocks,
) -> StoreResult<Money> {
    let now = times.at(transaction).await?;
    caps::spent(transaction, caller, tool, limit, &now).await
}

/// Returns operations of this tool and principal that are unresolved or were abandoned, and not acknowledged.
async fn unresolved(transaction: &mut dyn Transaction, caller: &Caller, tool: &str) -> StoreResult<Vec<Operation>> {
    let mut open = Vec::new();
    for state in ["state = 'unknown'", "state IN ('begun', 'sent') AND abandoned_at IS NOT NULL"] {
        // `LOWER(tool)` keeps the database from using an index over the tool. Another index has only the open ones.
        let one = format!(
            "tenant = $1 AND principal = $2 AND LOWER(tool) = $3 AND {state} AND acknowledged_at IS NULL \
             ORDER BY begun_at, id"
        );
        let values = [(&caller.tenant).into(), (&caller.principal).into(), tool.into()];
        open.extend(select(transaction, &one, &values).await?);
    }
    Ok(open)
}

fn shown(mut operations: Vec<Operation>) -> Vec<Operation> {
    operations.truncate(SHOWN);
    operations
}

/// Records that the caller knows of these unresolved operations.
async fn acknowledge(
    transaction: &mut dyn Transaction,
    operations: Vec<Operation>,
    now: &ClockMoment,
) -> StoreResult<()> {
    for one in operations {
        let known = format!("UPDATE operations SET acknowledged_at = $1, rev = {NEXT_REV} WHERE id = $2");
        transaction.execute(&known, &[now.stamp().into(), one.id.into()]).await?;
    }
    Ok(())
}

/// Begins an operation, or returns what stops it. A freeze, key, token, unresolved operations and caps are checked together.
pub(crate) async fn begin(
    transaction: &mut dyn Transaction,
    intent: &Intent,
    writer: &RowWriter<'_>,
) -> StoreResult<Option<BeginConflict>> {
    schema::is_known(transaction).await?;
    if let Some(freeze) = freezes::of(transaction, &intent.caller.tenant).await? {
        return Ok(Some(BeginConflict::Frozen(freeze)));
    }
    let now = writer.times.at(transaction).await?;
    if let Some(conflict) = conflict(transaction, intent, writer, &now).await? {
        return Ok(Some(conflict));
    }
    record(transaction, intent, writer, &now).await?;
    Ok(None)
}

/// Returns what stops an operation from beginning. Acknowledges the unresolved operations that the intent names.
async fn conflict(
    transaction: &mut dyn Transaction,
    intent: &Intent,
    writer: &RowWriter<'_>,
    now: &ClockMoment,
) -> StoreResult<Option<BeginConflict>> {
    if let Some(call_id) = &intent.origin.call_id
        && let Some(first) = resent::first(transaction, &intent.caller, call_id, now).await?
    {
        return Ok(Some(BeginConflict::Resent(Box::new(first))));
    }
    if let Some(flight) = &intent.flight {
        if intent.kind.proof == Proof::NumberAbsent {
            same_number::set_aside(transaction, &intent.caller, flight).await?;
        }
        if let Some(open) = same_number::flying(transaction, &intent.caller, flight, writer.kinds).await? {
            return Ok(Some(BeginConflict::Flying(Box::new(open))));
        }
        if let Some(done) = same_number::just_done(transaction, intent, flight, writer.kinds, now).await? {
            return Ok(Some(BeginConflict::JustDone(Box::new(done))));
        }
    }
    if let Some(conflict) = same_number::meanwhile(transaction, intent, writer.kinds).await? {
        return Ok(Some(conflict));
    }
    if let Some(nonce) = &intent.nonce
        && nonces::is_used(transaction, &intent.caller, nonce).await?
    {
        return Ok(Some(BeginConflict::NonceUsed));
    }
    if intent.stopped_by_unresolved {
        let open = unresolved(transaction, &intent.caller, intent.kind.name).await?;
        let (known, left): (Vec<_>, Vec<_>) = open.into_iter().partition(|one| intent.acknowledged.contains(&one.id));
        if !left.is_empty() {
            return Ok(Some(BeginConflict::Unresolved(shown(left))));
        }
        acknowledge(transaction, known, now).await?;
    }
    caps::reached(transaction, intent, now).await
}

/// Writes the row of an operation that begins.
async fn record(
    transaction: &mut dyn Transaction,
    intent: &Intent,
    writer: &RowWriter<'_>,
    now: &ClockMoment,
) -> StoreResult<()> {
    let id = intent.id.to_string();
    if let Some(nonce) = &intent.nonce {
        nonces::keep(transaction, &intent.caller, nonce, &id, now).await?;
    }
    // What a removed number cost is known from its purchase.
    let fees = match (intent.kind.proof, &intent.object.number_id) {
        (Proof::NumberAbsent, Some(id)) => fees::of(transaction, &intent.caller.tenant, id).await?,
        _ => intent.fees.clone(),
    };
    let row = NewRow {
        id,
        caller: &intent.caller,
        writer,
        tool: intent.kind.name,
        object: &intent.object,
        flight: intent.flight.as_deref(),
        digest: &intent.digest,
        price: intent.price.as_ref(),
        fees: fees.as_ref(),
        origin: &intent.origin,
        evidence: intent.evidence,
        now,
        fold: None,
    };
    row.insert(transaction, OperationPhase::Begun, None, None).await
}

/// Records that a change may be sent. False means that it must not be sent: the operation has
/// changed meanwhile, or a freeze stops it.
/// `again`: the response was lost and the same values are sent again. The operation stays unknown meanwhile.
pub(crate) async fn clear(transaction: &mut dyn Transaction, id: &str, own: i64, again: bool) -> StoreResult<bool> {
    let now = transaction.now().await?;
    // If it is unknown but this process did not lose its response, another process has marked it as lost.
    let states = if again { "('sent', 'unknown')" } else { "('begun', 'sent')" };
    let sent = format!(
        "UPDATE operations SET state = CASE state WHEN 'unknown' THEN 'unknown' ELSE 'sent' END, sent_at = $1, \
         rev = {NEXT_REV} WHERE id = $2 AND owner = $3 AND state IN {states} AND {NOT_FROZEN}"
    );
    Ok(transaction.execute(&sent, &[now.into(), id.into(), own.into()]).await? == 1)
}

/// Records that the response was lost. From now on the operation is unresolved.
pub(crate) async fn lose(
    transaction: &mut dyn Transaction,
    id: &str,
    upstream_status: Option<u16>,
    request_id: Option<&str>,
    times: &JournalClocks,
) -> StoreResult<()> {
    let now = times.at(transaction).await?;
    // Another process may have marked it as lost already. Then only the details of Truedy's response are added.
    let lost = format!(
        "UPDATE operations SET state = 'unknown', outcome = 'outcome_unknown', lost_at = COALESCE(lost_at, $1), \
         lost_boot = CASE WHEN lost_at IS NULL THEN $5 ELSE lost_boot END, \
         lost_up = CASE WHEN lost_at IS NULL THEN $6 ELSE lost_up END, \
         upstream_status = COALESCE($2, upstream_status), request_id = COALESCE($3, request_id), rev = {NEXT_REV} \
         WHERE id = $4 AND {OPEN}"
    );
    let [boot, up] = now.boot();
    let status = upstream_status.map(i64::from).into();
    let values = [now.stamp().into(), status, request_id.into(), id.into(), boot, up];
    transaction.execute(&lost, &values).await.map(drop)
}

/// Records how an operation ended. True: the row was changed. That it happened is written even over a refusal. But a
/// later operation may have added a number that is only seen in the account. Then an older refusal stays.
pub(crate) async fn settle(
    transaction: &mut dyn Transaction,
    id: &str,
    ending: &Outcome,
    times: &JournalClocks,
) -> StoreResult<bool> {
    let now = times.at(transaction).await?;
    let no_later = "NOT EXISTS (SELECT 1 FROM operations AS later WHERE later.tenant = operations.tenant \
        AND later.flight = operations.flight AND later.rev > operations.rev AND later.state <> 'refused')";
    let (state, from) = match (ending.happened, ending.known_by) {
        (false, _) => ("refused", OPEN.to_owned()),
        (true, OutcomeSource::Look) => ("done", format!("({OPEN} OR (state = 'refused' AND {no_later}))")),
        (true, _) => ("done", "state <> 'done'".to_owned()),
    };
    let given_back = if ending.happened { "reserved = 1" } else { "reserved = 0" };
    let settled = format!(
        "UPDATE operations SET state = '{state}', {given_back}, outcome = $1, known_by = $2, \
         upstream_status = COALESCE($3, upstream_status), request_id = COALESCE($4, request_id), \
         number_id = COALESCE($5, number_id), credential_id = COALESCE($6, credential_id), ended_at = $7, \
         ended_boot = $9, ended_up = $10, rev = {NEXT_REV} WHERE id = $8 AND {from}"
    );
    let [boot, up] = now.boot();
    let values = [
        (&ending.outcome).into(),
        ending.known_by.as_str().into(),
        ending.upstream_status.map(i64::from).into(),
        ending.request_id.as_ref().into(),
        ending.number_id.as_ref().into(),
        ending.credential_id.as_ref().into(),
        now.stamp().into(),
        id.into(),
        boot,
        up,
    ];
    let changed = transaction.execute(&settled, &values).await? == 1;
    if changed && !ending.sent {
        nonces::give_back(transaction, id).await?;
    }
    if changed && ending.happened {
        fees::keep(transaction, id).await?;
    }
    Ok(changed)
}

/// Records an outcome that an operator found out elsewhere. Only an unresolved operation is changed. `None` means that
/// there is no such operation. The flag is true if the operation was changed.
pub(crate) async fn resolve(
    transaction: &mut dyn Transaction,
    id: &str,
    ending: &Outcome,
    note: &str,
    times: &JournalClocks,
) -> StoreResult<Option<(Operation, bool)>> {
    let Some(operation) = select(transaction, "id = $1", &[id.into()]).await?.pop() else {
        return Ok(None);
    };
    if operation.state != OperationPhase::Unknown {
        return Ok(Some((operation, false)));
    }
    settle(transaction, id, &Outcome { known_by: OutcomeSource::Operator, ..ending.clone() }, times).await?;
    transaction.execute("UPDATE operations SET note = $1 WHERE id = $2", &[note.into(), id.into()]).await?;
    let resolved = select(transaction, "id = $1", &[id.into()]).await?.pop();
    Ok(resolved.map(|operation| (operation, true)))
}

/// Writes to the store without changing a value.
pub(crate) async fn probe(transaction: &mut dyn Transaction) -> StoreResult<()> {
    transaction.execute("UPDATE journal_version SET version = version", &[]).await.map(drop)
}

/// Deletes all operations, including unresolved ones, and all hints. Only the journal of a sandbox uses it.
pub(crate) async fn forget(transaction: &mut dyn Transaction) -> StoreResult<u64> {
    transaction.execute("DELETE FROM nonces", &[]).await?;
    transaction.execute("DELETE FROM page_hints", &[]).await?;
    transaction.execute("DELETE FROM number_fees", &[]).await?;
    transaction.execute("DELETE FROM operations", &[]).await
}
