//! Lists of operations, and counts of unresolved ones. An index serves each list in its order.

use std::cmp::Reverse;

use crate::journal::operation::{GROUPS, Operation, OperationPhase, OperationQuery, PREVIEWED};
use crate::journal::queries::row::{number, select};
use crate::journal::store::{SqlValue, StoreResult, Transaction};

/// How many unresolved operations are read at once.
pub(crate) const PAGE: usize = 1_000;
/// The start of the account of a sandbox. A live account is a digest in hexadecimal digits.
const SANDBOX: &str = "sandbox";
/// The time by which operations are listed. Of equal refusals, the time of the last one counts.
///
/// The indexes of the schema contain the same expression.
const LISTED_AT: &str = "(CASE WHEN times > 1 THEN ended_at ELSE begun_at END)";
/// The condition for a refused operation that Truedy refused, and not this server.
const SENT: &str = "sent_at IS NOT NULL";

/// Conditions of a query, with their values.
#[derive(Clone, Default)]
struct Conditions {
    all: Vec<String>,
    values: Vec<SqlValue>,
}

impl Conditions {
    /// Adds a condition. `?` stands for the value.
    fn add(&mut self, condition: &str, value: impl Into<SqlValue>) {
        self.values.push(value.into());
        self.all.push(condition.replace('?', &format!("${}", self.values.len())));
    }

    /// Adds a condition on the state. It is no parameter, since some indexes cover certain states only.
    fn in_state(&mut self, state: OperationPhase) {
        self.all.push(format!("state = '{state}'"));
    }

    async fn select(&self, transaction: &mut dyn Transaction, order: &str) -> StoreResult<Vec<Operation>> {
        select(transaction, &format!("{} {order}", self.all.join(" AND ")), &self.values).await
    }
}

/// Returns the selected operations: unresolved, then running, then newest ones. With `after_rev`, by revision.
pub(crate) async fn find(transaction: &mut dyn Transaction, query: &OperationQuery) -> StoreResult<Vec<Operation>> {
    let limit = query.limit.max(1) as usize;
    if query.id.is_some() || query.after_rev.is_some() {
        return by_identity_or_revision(transaction, query, limit).await;
    }
    let tenants = match &query.tenant {
        Some(tenant) => vec![tenant.clone()],
        None => tenants(transaction).await?,
    };
    let mut found: Vec<Operation> = Vec::new();
    for (at, group) in GROUPS.into_iter().enumerate() {
        if query.after.is_some_and(|after| after.group > at) {
            continue;
        }
        let left = limit - found.len();
        if left == 0 {
            break;
        }
        let mut some = Vec::new();
        for state in group.iter().filter(|state| is_asked(query, **state)) {
            for tenant in &tenants {
                some.extend(of_one_state(transaction, query, tenant, *state, left).await?);
            }
        }
        some.sort_by_key(|one| Reverse((one.listed_at(), one.rev)));
        // A row may hold the value both as its number and as its id.
        some.dedup_by(|one, other| one.id == other.id);
        some.truncate(left);
        found.extend(some);
    }
    Ok(found)
}

fn is_asked(query: &OperationQuery, state: OperationPhase) -> bool {
    query.state.is_none_or(|asked| asked == state) && (!query.previews || state == OperationPhase::Refused)
}

/// Returns every tenant that has operations, in one step of an index for each.
pub(crate) async fn tenants(transaction: &mut dyn Transaction) -> StoreResult<Vec<String>> {
    let mut tenants: Vec<String> = Vec::new();
    loop {
        let next = match tenants.last() {
            None => transaction.query("SELECT MIN(tenant) FROM operations", &[]).await?,
            Some(last) => {
                transaction.query("SELECT MIN(tenant) FROM operations WHERE tenant > $1", &[last.into()]).await?
            }
        };
        match next.first().and_then(|row| row.first()?.text()) {
            Some(tenant) => tenants.push(tenant),
            None => return Ok(tenants),
        }
    }
}

/// Returns the newest operations of one tenant in one state.
async fn of_one_state(
    transaction: &mut dyn Transaction,
    query: &OperationQuery,
    tenant: &str,
    state: OperationPhase,
    limit: usize,
) -> StoreResult<Vec<Operation>> {
    let mut conditions = Conditions::default();
    conditions.add("tenant = ?", tenant);
    conditions.in_state(state);
    if query.is_of_changes() && state == OperationPhase::Refused {
        conditions.all.push(SENT.to_owned());
    }
    narrow(&mut conditions, query);
    if let Some(after) = query.after.filter(|after| GROUPS.get(after.group).is_some_and(|group| group.contains(&state)))
    {
        // The first condition is a range of the index. The second one leaves out what has the same time.
        conditions.add(&format!("{LISTED_AT} <= ?"), after.at);
        conditions.add(&format!("({LISTED_AT} < ? OR rev < {})", after.rev), after.at);
    }
    let order = format!("ORDER BY {LISTED_AT} DESC, rev DESC LIMIT {limit}");
    let Some(object) = &query.object else { return conditions.select(transaction, &order).await };
    // Each column has its index. Together in one condition, none of them would be used.
    let mut found = Vec::new();
    for column in ["number = ?", "number_id = ?"] {
        let mut of_column = conditions.clone();
        of_column.add(column, object);
        found.extend(of_column.select(transaction, &order).await?);
    }
    Ok(found)
}

/// Adds the conditions that hold for every list, except for tenant, state and number.
fn narrow(conditions: &mut Conditions, query: &OperationQuery) {
    if query.previews {
        // Rows of earlier versions have the status of the response as their outcome.
        conditions.add("outcome IN (?, 'confirmation_required')", PREVIEWED);
    }
    if let Some(tool) = &query.tool {
        conditions.add("tool = ?", tool);
    }
    if let Some(since) = query.since {
        conditions.add(&format!("{LISTED_AT} >= ?"), since);
    }
    if let Some(until) = query.until {
        conditions.add(&format!("{LISTED_AT} < ?"), until);
    }
}

/// Returns one operation, or the operations that changed after a revision.
async fn by_identity_or_revision(
    transaction: &mut dyn Transaction,
    query: &OperationQuery,
    limit: usize,
) -> StoreResult<Vec<Operation>> {
    let mut conditions = Conditions::default();
    if let Some(id) = &query.id {
        conditions.add("id = ?", id);
    }
    if let Some(tenant) = &query.tenant {
        // The concatenation keeps the database from using an index over the tenant, which is not in this order.
        conditions.add("tenant || '' = ?", tenant);
    }
    if let Some(state) = query.state {
        conditions.in_state(state);
    }
    if query.previews {
        conditions.in_state(OperationPhase::Refused);
    }
    if query.is_of_changes() {
        conditions.all.push(format!("(state <> 'refused' OR {SENT})"));
    }
    narrow(&mut conditions, query);
    if let Some(object) = &query.object {
        conditions.add("(number = ? OR number_id = ?)", object);
    }
    if let Some(rev) = query.after_rev {
        conditions.add("rev > ?", rev);
    }
    conditions.select(transaction, &format!("ORDER BY rev LIMIT {limit}")).await
}

/// Returns the condition for unresolved operations of a tenant, for all API keys. A sandbox sees only its own.
fn lost_of(tenant: &str, account: &str) -> (&'static str, [SqlValue; 3]) {
    let live = i64::from(!account.starts_with(SANDBOX));
    let whose = "tenant = $1 AND state = 'unknown' \
        AND (account = $2 OR (CAST($3 AS BIGINT) = 1 AND account NOT LIKE 'sandbox%'))";
    (whose, [tenant.into(), account.into(), live.into()])
}

/// Returns a page of the unresolved operations of a tenant, in the order of revisions.
pub(crate) async fn lost(
    transaction: &mut dyn Transaction,
    tenant: &str,
    account: &str,
    after: i64,
) -> StoreResult<Vec<Operation>> {
    let (whose, values) = lost_of(tenant, account);
    let page = format!("{whose} AND rev > $4 ORDER BY rev LIMIT {PAGE}");
    select(transaction, &page, &[values.to_vec(), vec![after.into()]].concat()).await
}

/// Returns how many operations of a tenant are unresolved.
pub(crate) async fn count_lost(transaction: &mut dyn Transaction, tenant: &str, account: &str) -> StoreResult<usize> {
    let (whose, values) = lost_of(tenant, account);
    let count = number(transaction, &format!("SELECT count(*) FROM operations WHERE {whose}"), &values).await?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// Returns how many operations of all tenants are unresolved.
pub(crate) async fn count_all_lost(transaction: &mut dyn Transaction) -> StoreResult<usize> {
    let count = number(transaction, "SELECT count(*) FROM operations WHERE state = 'unknown'", &[]).await?;
    Ok(usize::try_from(count).unwrap_or(0))
}
