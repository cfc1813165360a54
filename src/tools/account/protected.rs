//! Warns once about entries of `--protect` that match no number of the account, because they protect nothing.

use crate::domain::NumberView;
use crate::tools::contract::context::ToolContext;

/// Compares the protected entries with the first complete list of the account's numbers. Warns of those that match
/// none.
pub(crate) fn heed_protected<'a>(context: &ToolContext, numbers: impl Iterator<Item = NumberView<'a>>) {
    let policy = &context.policy;
    if policy.protected.is_empty() || policy.protect_checked.set(()).is_err() {
        return;
    }
    let unmatched = policy.unmatched(numbers.map(|row| (row.id, row.number)));
    if !unmatched.is_empty() {
        tracing::warn!(
            tenant = context.caller.tenant,
            entries = unmatched.join(", "),
            "--protect: these match no number of the account, so they protect nothing now"
        );
    }
}
