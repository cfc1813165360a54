//! What the admin endpoint for readiness tells.

use std::sync::Arc;
use std::time::Duration;

use crate::http::ReadinessCheck;
use crate::mcp::Tenant;

/// How long the journal may take to confirm that it can be written.
const PROBE: Duration = Duration::from_secs(2);

/// Returns the checks for readiness. Changes need the journal.
pub(super) fn checks(tenants: &[Arc<Tenant>]) -> Vec<(&'static str, ReadinessCheck)> {
    // All tenants keep their journal in the same place, so one check is enough.
    let first = tenants.first().map(|tenant| Arc::clone(&tenant.service));
    first
        .into_iter()
        .map(|service| -> (&'static str, ReadinessCheck) {
            let check = move || -> futures::future::BoxFuture<'static, Option<String>> {
                let service = Arc::clone(&service);
                Box::pin(async move {
                    match tokio::time::timeout(PROBE, service.probe_journal()).await {
                        Ok(found) => found.err(),
                        Err(_) => Some("the journal does not answer in time".to_owned()),
                    }
                })
            };
            ("journal", Box::new(check))
        })
        .collect()
}

/// Returns the check that tells whether changes are frozen.
pub(super) fn frozen(tenants: &[Arc<Tenant>]) -> ReadinessCheck {
    let first = tenants.first().map(|tenant| Arc::clone(&tenant.service));
    Box::new(move || {
        let first = first.clone();
        Box::pin(async move {
            // A journal that does not answer is reported by its own check.
            tokio::time::timeout(PROBE, first?.freezes()).await.ok().flatten()
        })
    })
}
