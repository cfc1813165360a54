//! Operations with the same number: which of them may not run at once, or a short time after each other.

use crate::domain::{Caller, ChangeKinds, Proof};
use crate::journal::operation::{BeginConflict, Intent, Operation, OperationPhase, key_of_added};
use crate::journal::queries::caps::DAY;
use crate::journal::queries::clocks::{AgeUse, ClockMoment};
use crate::journal::queries::row::{OPEN, number, select};
use crate::journal::store::{SqlValue, StoreResult, Transaction};

/// Returns the open operation with this key.
pub(crate) async fn flying(
    transaction: &mut dyn Transaction,
    caller: &Caller,
    flight: &str,
    kinds: ChangeKinds,
) -> StoreResult<Option<Operation>> {
    // A lost release does not block another one. The number is read again before the next release.
    let removing = quoted(kinds.proven_by(Proof::NumberAbsent));
    let open = format!("tenant = $1 AND flight = $2 AND {OPEN} AND NOT (state = 'unknown' AND tool IN ({removing}))");
    Ok(select(transaction, &open, &[(&caller.tenant).into(), flight.into()]).await?.pop())
}

/// Lets another release begin beside one whose response was lost.
///
/// The number still exists, so the earlier release has not happened so far. Releasing a number twice has the same
/// result as releasing it once.
pub(crate) async fn set_aside(transaction: &mut dyn Transaction, caller: &Caller, flight: &str) -> StoreResult<()> {
    // The repeated conditions let the database use the index over open operations.
    let aside = format!(
        "UPDATE operations SET flight = NULL \
         WHERE tenant = $1 AND flight = $2 AND {OPEN} AND flight IS NOT NULL AND state = 'unknown'"
    );
    transaction.execute(&aside, &[(&caller.tenant).into(), flight.into()]).await.map(drop)
}

/// Returns the operation that added the same number a short time ago, unless the number was released since.
pub(crate) async fn just_done(
    transaction: &mut dyn Transaction,
    intent: &Intent,
    flight: &str,
    kinds: ChangeKinds,
    now: &ClockMoment,
) -> StoreResult<Option<Operation>> {
    if intent.kind.repeat_window.is_zero() {
        return Ok(None);
    }
    let window = i64::try_from(intent.kind.repeat_window.as_millis()).unwrap_or(DAY);
    let tenant = SqlValue::from(&intent.caller.tenant);
    let mut values = vec![tenant.clone(), flight.into()];
    let past = now.past("ended", window, AgeUse::Frees, &mut values);
    let adding = quoted(kinds.proven_by(Proof::NumberPresent));
    let done = format!(
        "tenant = $1 AND flight = $2 AND state = 'done' AND NOT {past} AND tool IN ({adding}) \
         ORDER BY rev DESC LIMIT 1"
    );
    let Some(done) = select(transaction, &done, &values).await?.pop() else { return Ok(None) };
    let removing = quoted(kinds.proven_by(Proof::NumberAbsent));
    let given_up = format!(
        "SELECT count(*) FROM operations WHERE tenant = $1 AND tool IN ({removing}) AND number = $2 \
         AND state = 'done' AND begun_rev > $3"
    );
    let values = [tenant, done.object.number.clone().into(), done.rev.into()];
    Ok((number(transaction, &given_up, &values).await? == 0).then_some(done))
}

/// Returns the revision of the journal. What changes later has a greater one.
pub(crate) async fn revision(transaction: &mut dyn Transaction) -> StoreResult<i64> {
    number(transaction, "SELECT COALESCE(MAX(rev), 0) FROM operations", &[]).await
}

/// Returns what stops a change of a number of the account: another change of it that runs, or one that ended after the
/// number was read. Changes of different directions do not stop each other.
pub(crate) async fn meanwhile(
    transaction: &mut dyn Transaction,
    intent: &Intent,
    kinds: ChangeKinds,
) -> StoreResult<Option<BeginConflict>> {
    let Some(id) = &intent.object.number_id else { return Ok(None) };
    let (tenant, id) = (SqlValue::from(&intent.caller.tenant), SqlValue::from(id));
    let own = &intent.object.direction;
    let touches =
        |other: &Operation| own.is_none() || other.object.direction.is_none() || other.object.direction == *own;
    // `LOWER` keeps the database from using an index over the number, which also has what ended long ago.
    let running = "LOWER(number_id) = LOWER($2) AND tenant = $1 AND state IN ('begun', 'sent')";
    let found = select(transaction, running, &[tenant.clone(), id.clone()]).await?.into_iter().find(touches);
    if let Some(other) = found {
        return Ok(Some(BeginConflict::Flying(Box::new(other))));
    }
    // A purchase or import that still runs does not know the id of its number.
    if let (Proof::NumberAbsent, Some(number)) = (intent.kind.proof, &intent.object.number) {
        let adding = flying(transaction, &intent.caller, &key_of_added(number), kinds).await?;
        if let Some(other) = adding.filter(|other| other.state != OperationPhase::Unknown) {
            return Ok(Some(BeginConflict::Flying(Box::new(other))));
        }
    }
    let Some(read_rev) = intent.read_rev else { return Ok(None) };
    let since = "rev > $3 AND LOWER(number_id) = LOWER($2) AND tenant = $1 AND state IN ('done', 'unknown')";
    let found = select(transaction, since, &[tenant, id, read_rev.into()]).await?.into_iter().find(touches);
    Ok(found.map(|other| BeginConflict::Stale(Box::new(other))))
}

/// Returns the names of tools for a list in SQL: `'purchase_number', 'import_number'`. Names are constants of this
/// program. A list without names matches nothing.
fn quoted(names: impl Iterator<Item = &'static str>) -> String {
    let names: Vec<String> = names.map(|name| format!("'{name}'")).collect();
    if names.is_empty() { "''".to_owned() } else { names.join(", ") }
}
