//! The layout of the store, in versions. Forward only: a file of a newer program is refused, never guessed at.

use super::store::{Outcome, Transaction, Unavailable};

/// What makes each version out of the one before. A version that was released is never changed.
pub(super) const VERSIONS: [&[&str]; 1] = [&[
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
    // The last line of defence: whatever the program believes, two open operations cannot share a key.
    "CREATE UNIQUE INDEX operations_flight ON operations (tenant, flight)
        WHERE flight IS NOT NULL AND state IN ('begun', 'sent', 'unknown')",
    "CREATE UNIQUE INDEX operations_nonce ON operations (tenant, nonce) WHERE nonce IS NOT NULL",
    // What is asked before every change is found without looking through what is long settled.
    "CREATE INDEX operations_running ON operations (owner) WHERE state IN ('begun', 'sent')",
    "CREATE INDEX operations_lost ON operations (tenant, principal) WHERE state = 'unknown'",
    "CREATE INDEX operations_same ON operations (tenant, flight)",
    "CREATE INDEX operations_used ON operations (tenant, tool, begun_at)",
    "CREATE INDEX operations_rev ON operations (rev)",
    "CREATE INDEX operations_ended ON operations (ended_at)",
]];

/// Brings the store to the newest version, or says why it cannot be used.
pub(super) async fn migrate(transaction: &mut dyn Transaction) -> Outcome<()> {
    migrate_to(transaction, VERSIONS.len()).await
}

pub(super) async fn migrate_to(transaction: &mut dyn Transaction, wanted: usize) -> Outcome<()> {
    transaction.execute("CREATE TABLE IF NOT EXISTS journal_version (version BIGINT NOT NULL)", &[]).await?;
    let rows = transaction.query("SELECT version FROM journal_version", &[]).await?;
    let found = rows.first().and_then(|row| row.first()?.int()).unwrap_or(0);
    let found = usize::try_from(found).map_err(|_| Unavailable("it has no version that can be read".to_owned()))?;
    if found > VERSIONS.len() {
        let newest = VERSIONS.len();
        return Err(Unavailable(format!(
            "a newer version of this program wrote it (layout {found}, known is {newest})"
        )));
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
