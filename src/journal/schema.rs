//! The schema of the store, in versions.
//!
//! It is only ever upgraded. A store that a newer program wrote is refused and not interpreted.

use crate::journal::store::{StoreResult, Transaction, Unavailable};

/// The statements that make each version from the one before. A released version is never changed.
pub(crate) const VERSIONS: [&[&str]; 4] = [FIRST, SECOND, THIRD, FOURTH];

/// Version 1: the table of operations.
const FIRST: &[&str] = &[
    "CREATE TABLE operations (
        id TEXT PRIMARY KEY,
        rev BIGINT NOT NULL,
        begun_rev BIGINT NOT NULL DEFAULT 0,
        owner BIGINT NOT NULL,
        tenant TEXT NOT NULL,
        account TEXT NOT NULL,
        principal TEXT NOT NULL,
        tool TEXT NOT NULL,
        number TEXT,
        number_id TEXT,
        direction TEXT,
        agent_id TEXT,
        provider TEXT,
        credentials_before TEXT,
        flight TEXT,
        digest TEXT NOT NULL,
        nonce TEXT,
        reserved BIGINT NOT NULL,
        amount_micros BIGINT,
        currency TEXT,
        state TEXT NOT NULL CHECK (state IN ('begun', 'sent', 'done', 'refused', 'unknown')),
        outcome TEXT,
        rule TEXT,
        evidence TEXT NOT NULL,
        upstream_status BIGINT,
        request_id TEXT,
        credential_id TEXT,
        known_by TEXT,
        note TEXT,
        begun_at BIGINT NOT NULL,
        sent_at BIGINT,
        lost_at BIGINT,
        ended_at BIGINT,
        acknowledged_at BIGINT
    )",
    // The last safeguard: the store itself never allows two open operations with the same key.
    "CREATE UNIQUE INDEX operations_flight ON operations (tenant, flight)
        WHERE flight IS NOT NULL AND state IN ('begun', 'sent', 'unknown')",
    "CREATE UNIQUE INDEX operations_nonce ON operations (tenant, nonce) WHERE nonce IS NOT NULL",
    // The queries before every change use these indexes. They need not scan operations that ended long ago.
    "CREATE INDEX operations_running ON operations (owner) WHERE state IN ('begun', 'sent')",
    "CREATE INDEX operations_lost ON operations (tenant, principal) WHERE state = 'unknown'",
    "CREATE INDEX operations_same ON operations (tenant, flight)",
    "CREATE INDEX operations_used ON operations (tenant, tool, begun_at)",
    "CREATE INDEX operations_rev ON operations (rev)",
    "CREATE INDEX operations_ended ON operations (ended_at)",
];

/// Version 2. It adds:
///
/// - times that a change of the wall clock cannot move
/// - nonces that are kept longer than their operations
/// - counts of equal refusals
/// - operations whose caller stopped waiting
const SECOND: &[&str] = &[
    // The id of the boot in which a time was taken, and the milliseconds since that boot.
    "ALTER TABLE operations ADD COLUMN begun_boot TEXT",
    "ALTER TABLE operations ADD COLUMN begun_up BIGINT",
    "ALTER TABLE operations ADD COLUMN lost_boot TEXT",
    "ALTER TABLE operations ADD COLUMN lost_up BIGINT",
    "ALTER TABLE operations ADD COLUMN ended_boot TEXT",
    "ALTER TABLE operations ADD COLUMN ended_up BIGINT",
    // Since when no caller waits for the response.
    "ALTER TABLE operations ADD COLUMN abandoned_at BIGINT",
    // The id of the Truedy organization that the account showed when the operation began.
    "ALTER TABLE operations ADD COLUMN organization TEXT",
    // How many equal refusals this row counts, and the digest that makes them equal.
    "ALTER TABLE operations ADD COLUMN times BIGINT NOT NULL DEFAULT 1",
    "ALTER TABLE operations ADD COLUMN fold TEXT",
    "CREATE TABLE nonces (
        tenant TEXT NOT NULL,
        nonce TEXT NOT NULL,
        operation TEXT NOT NULL,
        used_at BIGINT NOT NULL,
        used_boot TEXT,
        used_up BIGINT,
        PRIMARY KEY (tenant, nonce)
    )",
    "INSERT INTO nonces (tenant, nonce, operation, used_at) \
        SELECT tenant, nonce, id, COALESCE(ended_at, sent_at, begun_at) FROM operations WHERE nonce IS NOT NULL",
    // A running program of version 1 writes this column with every change. Without the column it can begin no change.
    "DROP INDEX operations_nonce",
    "ALTER TABLE operations DROP COLUMN nonce",
    "CREATE INDEX nonces_operation ON nonces (operation)",
    "CREATE INDEX nonces_used ON nonces (used_at)",
    "CREATE UNIQUE INDEX operations_fold ON operations (tenant, fold) WHERE fold IS NOT NULL",
    "CREATE INDEX operations_refused ON operations (tenant, principal, rev) WHERE state = 'refused' AND sent_at IS NULL",
    "CREATE INDEX operations_used_up ON operations (tenant, tool, begun_boot, begun_up)",
    "CREATE INDEX operations_left ON operations (tenant, principal)
        WHERE abandoned_at IS NOT NULL AND state IN ('begun', 'sent')",
];

/// Version 3. It adds:
///
/// - an index for each question, so that no answer costs more with more rows
/// - hints where the rows of an account were last seen
/// - the earliest creation of a row that a change can have added
/// - the places of the shared window of requests, which only PostgreSQL uses
const THIRD: &[&str] = &[
    // A running program of version 2 writes this column with every new row. Without the column it can begin no change.
    // It does not touch the column afterwards, so it can still record how its running changes end.
    "ALTER TABLE operations RENAME COLUMN digest TO arguments_digest",
    // The earliest creation of a row that a change can have added, by Truedy's clock.
    "ALTER TABLE operations ADD COLUMN created_after BIGINT",
    // The caps. Only rows that take a place count, so only they are indexed. Each index holds all that is counted.
    "DROP INDEX operations_used",
    "DROP INDEX operations_used_up",
    "CREATE INDEX operations_used ON operations (tenant, tool, begun_at) WHERE reserved = 1",
    "CREATE INDEX operations_used_up ON operations (tenant, tool, begun_boot, begun_up, begun_at) WHERE reserved = 1",
    "CREATE INDEX operations_paid ON operations
        (tenant, tool, currency, begun_boot, begun_up, begun_at, amount_micros)
        WHERE reserved = 1 AND amount_micros > 0",
    // Lists of operations, newest first. The expression is the time by which they are sorted.
    "CREATE INDEX operations_newest ON operations
        (tenant, state, (CASE WHEN times > 1 THEN ended_at ELSE begun_at END), rev)",
    "CREATE INDEX operations_of_tool ON operations
        (tenant, tool, state, (CASE WHEN times > 1 THEN ended_at ELSE begun_at END), rev)",
    "CREATE INDEX operations_of_number ON operations
        (tenant, number, state, (CASE WHEN times > 1 THEN ended_at ELSE begun_at END), rev) WHERE number IS NOT NULL",
    "CREATE INDEX operations_of_number_id ON operations
        (tenant, number_id, state, (CASE WHEN times > 1 THEN ended_at ELSE begun_at END), rev)
        WHERE number_id IS NOT NULL",
    // Operations with the same key, in the order in which they changed.
    "DROP INDEX operations_same",
    "CREATE INDEX operations_same ON operations (tenant, flight, rev)",
    // Operations that have not ended, in the order in which they are read.
    "DROP INDEX operations_running",
    "DROP INDEX operations_lost",
    "DROP INDEX operations_left",
    "CREATE INDEX operations_running ON operations (owner, rev) WHERE state IN ('begun', 'sent')",
    "CREATE INDEX operations_lost ON operations (tenant, principal, begun_at, id) WHERE state = 'unknown'",
    "CREATE INDEX operations_left ON operations (tenant, principal, begun_at, id)
        WHERE abandoned_at IS NOT NULL AND state IN ('begun', 'sent')",
    "CREATE INDEX operations_unresolved ON operations (tenant, rev) WHERE state = 'unknown'",
    "CREATE INDEX operations_all_unresolved ON operations (rev) WHERE state = 'unknown'",
    // Where the rows of an account were last seen: one row for each page.
    "CREATE TABLE page_hints (
        scope TEXT NOT NULL,
        page BIGINT NOT NULL,
        entries TEXT NOT NULL,
        PRIMARY KEY (scope, page)
    )",
    "CREATE TABLE rate_leases (account TEXT NOT NULL, id TEXT NOT NULL, share TEXT NOT NULL, principal TEXT, places BIGINT NOT NULL, leased_until BIGINT NOT NULL, counts_until BIGINT NOT NULL, PRIMARY KEY (account, id))",
];

/// Version 4. It adds:
///
/// - the price of a number, by month and once
/// - the client of a call, and its own id of that call
/// - what an assignment displaced, and which operation another one undoes
/// - stops of all changes by the operator
const FOURTH: &[&str] = &[
    // A running program of version 3 writes this column with every new row. Without the column it can begin no change.
    // It does not touch the column afterwards, so it can still record how its running changes end.
    "ALTER TABLE operations RENAME COLUMN arguments_digest TO call_digest",
    // What the number costs, in the currency of the row. `amount_micros` is what a purchase costs at once.
    "ALTER TABLE operations ADD COLUMN monthly_micros BIGINT",
    "ALTER TABLE operations ADD COLUMN setup_micros BIGINT",
    // The client's name and version, as it gave them. They are cleaned and not verified.
    "ALTER TABLE operations ADD COLUMN client TEXT",
    // The digest of the client's own id of the call, the tool and the arguments.
    "ALTER TABLE operations ADD COLUMN call_id TEXT",
    // The id of the agent that had the direction before. Empty: no agent had it. NULL: that is not known.
    "ALTER TABLE operations ADD COLUMN displaced TEXT",
    "ALTER TABLE operations ADD COLUMN undo_of TEXT",
    "CREATE INDEX operations_call ON operations (tenant, principal, call_id, begun_at) WHERE call_id IS NOT NULL",
    // Changes that Truedy refused, among the refusals of this server.
    "CREATE INDEX operations_rejected ON operations
        (tenant, state, (CASE WHEN times > 1 THEN ended_at ELSE begun_at END), rev)
        WHERE state = 'refused' AND sent_at IS NOT NULL",
    "CREATE INDEX operations_rejected_of_tool ON operations
        (tenant, tool, state, (CASE WHEN times > 1 THEN ended_at ELSE begun_at END), rev)
        WHERE state = 'refused' AND sent_at IS NOT NULL",
    "CREATE INDEX operations_undo ON operations (tenant, undo_of, rev) WHERE undo_of IS NOT NULL",
    // Totals of what was done. The index holds all that is summed.
    "CREATE INDEX operations_totals ON operations (tenant, tool, currency, begun_at, monthly_micros, setup_micros)
        WHERE state = 'done'",
    // What a bought number costs. Operations are deleted after 90 days, and a number is paid for longer.
    "CREATE TABLE number_fees (
        tenant TEXT NOT NULL,
        number_id TEXT NOT NULL,
        monthly_micros BIGINT NOT NULL,
        setup_micros BIGINT,
        currency TEXT NOT NULL,
        bought_at BIGINT NOT NULL,
        PRIMARY KEY (tenant, number_id)
    )",
    // Since when no change begins, and why. The empty tenant stands for all. No pruning deletes these rows.
    "CREATE TABLE freezes (
        tenant TEXT PRIMARY KEY,
        why TEXT NOT NULL,
        frozen_at BIGINT NOT NULL,
        frozen_by TEXT NOT NULL
    )",
];

/// The version that this program writes.
pub(crate) const NEWEST: usize = VERSIONS.len();

/// Upgrades the store to the newest version. An error says why the store cannot be used.
pub(crate) async fn migrate(transaction: &mut dyn Transaction) -> StoreResult<()> {
    migrate_to(transaction, NEWEST).await
}

/// Returns the version of the store. It is 0 if nothing has been written.
pub(crate) async fn version(transaction: &mut dyn Transaction) -> StoreResult<usize> {
    transaction.execute("CREATE TABLE IF NOT EXISTS journal_version (version BIGINT NOT NULL)", &[]).await?;
    found(transaction).await
}

/// Checks that no newer program has upgraded the store since this program opened it.
pub(crate) async fn is_known(transaction: &mut dyn Transaction) -> StoreResult<()> {
    match found(transaction).await? {
        found if found > NEWEST => Err(newer(found)),
        _ => Ok(()),
    }
}

async fn found(transaction: &mut dyn Transaction) -> StoreResult<usize> {
    let rows = transaction.query("SELECT version FROM journal_version", &[]).await?;
    let found = rows.first().and_then(|row| row.first()?.int()).unwrap_or(0);
    usize::try_from(found).map_err(|_| Unavailable::Failed("it has no version that can be read".to_owned()))
}

fn newer(found: usize) -> Unavailable {
    Unavailable::Newer { found, known: NEWEST }
}

pub(crate) async fn migrate_to(transaction: &mut dyn Transaction, wanted: usize) -> StoreResult<()> {
    let found = version(transaction).await?;
    if found > NEWEST {
        return Err(newer(found));
    }
    if found >= wanted {
        return Ok(());
    }
    for version in VERSIONS.iter().take(wanted).skip(found) {
        for step in *version {
            transaction.execute(step, &[]).await?;
        }
    }
    transaction.execute("DELETE FROM journal_version", &[]).await?;
    let version = i64::try_from(wanted).unwrap_or(i64::MAX);
    transaction.execute("INSERT INTO journal_version (version) VALUES ($1)", &[version.into()]).await?;
    Ok(())
}
