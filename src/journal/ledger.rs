//! What is asked of the journal, each in one transaction, the same over every store.

use super::operation::{Ending, Evidence, Intent, KnownBy, Operation, Query, Refused, Standing, State, Stop};
use super::store::{Outcome, Row, Transaction, Unavailable, Value};
use crate::domain::{Caller, Money, Object};

/// The sliding day of the caps, in milliseconds.
const DAY: i64 = 24 * 60 * 60 * 1000;
/// For so long a number that was just made ours is not made ours again, whatever a list that lags behind shows.
const JUST_IMPORTED: i64 = 15 * 60 * 1000;
/// A purchase costs money each time: the same for a day.
const JUST_BOUGHT: i64 = DAY;
/// How long what is settled is kept.
const KEPT: i64 = 90 * DAY;
/// How many refusals by policy and gate are kept: a looping caller must not fill the disk.
const REFUSALS: i64 = 5_000;

const RELEASE: &str = "release_number";
const COLUMNS: &str = "id, rev, tenant, account, principal, tool, number, number_id, direction, agent_id, provider, \
    credentials_before, state, outcome, rule, evidence, amount_micros, currency, upstream_status, request_id, \
    credential_id, known_by, note, begun_at, lost_at, ended_at, acknowledged_at";
const NEXT_REV: &str = "(SELECT COALESCE(MAX(rev), 0) + 1 FROM operations)";
const OPEN: &str = "state IN ('begun', 'sent', 'unknown')";
/// How many unresolved operations are shown at once.
const SHOWN: usize = 50;

/// What could not be written when it was known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Late {
    /// An operation may have begun without its caller learning of it: it was not sent.
    Withdrawn(String),
    /// Its answer was lost.
    Lost { id: String, upstream_status: Option<u16>, request_id: Option<String> },
    /// It ended.
    Ended(String, Ending),
}

/// Writes what is late. Done twice, it does nothing the second time.
pub(super) async fn write_late(transaction: &mut dyn Transaction, late: &Late) -> Outcome<()> {
    match late {
        Late::Withdrawn(id) => never_sent(transaction, id).await,
        Late::Lost { id, upstream_status, request_id } => {
            lose(transaction, id, *upstream_status, request_id.as_deref()).await
        }
        Late::Ended(id, ending) => settle(transaction, id, ending).await.map(drop),
    }
}

fn read(row: &Row) -> Outcome<Operation> {
    let broken = || Unavailable("a row of it cannot be read".to_owned());
    let text = |at: usize| row.get(at).and_then(Value::text);
    let int = |at: usize| row.get(at).and_then(Value::int);
    let needed = |at: usize| text(at).ok_or_else(broken);
    let price = int(16).zip(text(17)).map(|(micros, currency)| Money::from_micros(micros, currency));
    Ok(Operation {
        id: needed(0)?,
        rev: int(1).ok_or_else(broken)?,
        tenant: needed(2)?,
        account: needed(3)?,
        principal: needed(4)?,
        tool: needed(5)?,
        object: Object {
            number: text(6),
            number_id: text(7),
            direction: text(8),
            agent_id: text(9),
            provider: text(10),
            credentials_before: text(11)
                .map(|ids| ids.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect()),
        },
        state: State::read(&needed(12)?).ok_or_else(broken)?,
        outcome: text(13),
        rule: text(14),
        evidence: needed(15)?,
        price,
        upstream_status: int(18).and_then(|status| u16::try_from(status).ok()),
        request_id: text(19),
        credential_id: text(20),
        known_by: text(21),
        note: text(22),
        begun_at: int(23).ok_or_else(broken)?,
        lost_at: int(24),
        ended_at: int(25),
        acknowledged: int(26).is_some(),
    })
}

async fn select(transaction: &mut dyn Transaction, rest: &str, values: &[Value]) -> Outcome<Vec<Operation>> {
    let rows = transaction.query(&format!("SELECT {COLUMNS} FROM operations WHERE {rest}"), values).await?;
    rows.iter().map(read).collect()
}

async fn number(transaction: &mut dyn Transaction, sql: &str, values: &[Value]) -> Outcome<i64> {
    let rows = transaction.query(sql, values).await?;
    Ok(rows.first().and_then(|row| row.first()?.int()).unwrap_or(0))
}

/// What processes that are gone left open: what they had not sent did not happen, what they had sent is not known.
pub(super) async fn recover(transaction: &mut dyn Transaction, own: i64) -> Outcome<()> {
    let owners = "SELECT DISTINCT owner FROM operations WHERE state IN ('begun', 'sent') AND owner <> $1";
    for row in transaction.query(owners, &[own.into()]).await? {
        let Some(owner) = row.first().and_then(Value::int) else { continue };
        if transaction.lives(owner).await? {
            continue;
        }
        // One at a time: each has a revision of its own, so that no page of changes ends between two with the same.
        let left = "SELECT id, state FROM operations WHERE owner = $1 AND state IN ('begun', 'sent') ORDER BY rev";
        for row in transaction.query(left, &[owner.into()]).await? {
            let text = |at: usize| row.get(at).and_then(Value::text).unwrap_or_default();
            match State::read(&text(1)) {
                Some(State::Begun) => never_sent(transaction, &text(0)).await?,
                _ => lose(transaction, &text(0), None, None).await?,
            }
        }
    }
    Ok(())
}

/// An operation that had begun and will not be sent any more.
async fn never_sent(transaction: &mut dyn Transaction, id: &str) -> Outcome<()> {
    let now = transaction.now().await?;
    let withdrawn = format!(
        "UPDATE operations SET state = 'refused', outcome = 'cancelled', known_by = 'answer', reserved = 0, nonce = NULL, \
         ended_at = $1, rev = {NEXT_REV} WHERE id = $2 AND state = 'begun'"
    );
    transaction.execute(&withdrawn, &[now.into(), id.into()]).await.map(drop)
}

/// What stands in the way of a change, as far as the journal knows before anything is read.
pub(super) async fn standing(
    transaction: &mut dyn Transaction,
    caller: &Caller,
    tool: &str,
    flight: Option<&str>,
    nonce: Option<&str>,
) -> Outcome<Standing> {
    let now = transaction.now().await?;
    let flying = match flight {
        Some(flight) => flying(transaction, caller, flight).await?,
        None => None,
    };
    Ok(Standing {
        used: used(transaction, caller, tool, now).await?,
        flying: flying.map(Box::new),
        unresolved: shown(unresolved(transaction, caller, tool).await?),
        nonce_used: match nonce {
            Some(nonce) => nonce_used(transaction, caller, nonce).await?,
            None => false,
        },
    })
}

async fn flying(transaction: &mut dyn Transaction, caller: &Caller, flight: &str) -> Outcome<Option<Operation>> {
    // A release that was lost is no longer running: its number is read anew before another.
    let open = format!("tenant = $1 AND flight = $2 AND {OPEN} AND NOT (state = 'unknown' AND tool = '{RELEASE}')");
    Ok(select(transaction, &open, &[(&caller.tenant).into(), flight.into()]).await?.pop())
}

fn just_done_for(tool: &str) -> i64 {
    if tool == "purchase_number" { JUST_BOUGHT } else { JUST_IMPORTED }
}

/// The same number made ours a moment ago, and not given up since.
async fn just_done(
    transaction: &mut dyn Transaction,
    intent: &Intent,
    flight: &str,
    now: i64,
) -> Outcome<Option<Operation>> {
    let tenant = Value::from(&intent.caller.tenant);
    let done = "tenant = $1 AND flight = $2 AND state = 'done' AND ended_at > $3 \
        AND tool IN ('purchase_number', 'import_number') ORDER BY ended_at DESC LIMIT 1";
    let done = select(transaction, done, &[tenant.clone(), flight.into(), (now - just_done_for(intent.tool)).into()])
        .await?
        .pop();
    let Some(done) = done else { return Ok(None) };
    let given_up = "SELECT count(*) FROM operations WHERE tenant = $1 AND tool = 'release_number' AND number = $2 \
        AND state = 'done' AND begun_rev > $3";
    let values = [tenant, done.object.number.clone().into(), done.rev.into()];
    Ok((number(transaction, given_up, &values).await? == 0).then_some(done))
}

async fn used(transaction: &mut dyn Transaction, caller: &Caller, tool: &str, now: i64) -> Outcome<u32> {
    let count = "SELECT count(*) FROM operations WHERE tenant = $1 AND tool = $2 AND begun_at > $3 AND reserved = 1";
    let used = number(transaction, count, &[(&caller.tenant).into(), tool.into(), (now - DAY).into()]).await?;
    Ok(u32::try_from(used).unwrap_or(u32::MAX))
}

async fn unresolved(transaction: &mut dyn Transaction, caller: &Caller, tool: &str) -> Outcome<Vec<Operation>> {
    // Written so that no index over the tool is chosen: that one holds all that was ever done.
    let open = "tenant = $1 AND principal = $2 AND LOWER(tool) = $3 AND state = 'unknown' AND acknowledged_at IS NULL \
        ORDER BY begun_at, id";
    select(transaction, open, &[(&caller.tenant).into(), (&caller.principal).into(), tool.into()]).await
}

fn shown(mut operations: Vec<Operation>) -> Vec<Operation> {
    operations.truncate(SHOWN);
    operations
}

async fn nonce_used(transaction: &mut dyn Transaction, caller: &Caller, nonce: &str) -> Outcome<bool> {
    let count = "SELECT count(*) FROM operations WHERE tenant = $1 AND nonce = $2";
    Ok(number(transaction, count, &[(&caller.tenant).into(), nonce.into()]).await? > 0)
}

/// Begins an operation, or says what stops it: single flight, token, unresolved ones and caps in one transaction.
pub(super) async fn begin(
    transaction: &mut dyn Transaction,
    intent: &Intent,
    account: &str,
    own: i64,
) -> Outcome<Option<Stop>> {
    let now = transaction.now().await?;
    if let Some(flight) = &intent.flight {
        if intent.tool == RELEASE {
            // Its number was read a moment ago and is still there: an earlier release whose answer was lost did not happen
            // so far, and to give a number up twice ends the same.
            let aside = "UPDATE operations SET flight = NULL WHERE tenant = $1 AND flight = $2 AND state = 'unknown'";
            transaction.execute(aside, &[(&intent.caller.tenant).into(), flight.into()]).await?;
        }
        if let Some(open) = flying(transaction, &intent.caller, flight).await? {
            return Ok(Some(Stop::Flying(Box::new(open))));
        }
        if let Some(done) = just_done(transaction, intent, flight, now).await? {
            return Ok(Some(Stop::JustDone(Box::new(done))));
        }
    }
    if let Some(nonce) = &intent.nonce
        && nonce_used(transaction, &intent.caller, nonce).await?
    {
        return Ok(Some(Stop::NonceUsed));
    }
    if intent.stopped_by_unresolved {
        let open = unresolved(transaction, &intent.caller, intent.tool).await?;
        let (known, left): (Vec<_>, Vec<_>) = open.into_iter().partition(|one| intent.acknowledged.contains(&one.id));
        if !left.is_empty() {
            return Ok(Some(Stop::Unresolved(shown(left))));
        }
        for one in known {
            let known = format!("UPDATE operations SET acknowledged_at = $1, rev = {NEXT_REV} WHERE id = $2");
            transaction.execute(&known, &[now.into(), one.id.into()]).await?;
        }
    }
    if let Some(most) = intent.most {
        let used = used(transaction, &intent.caller, intent.tool, now).await?;
        if used >= most {
            return Ok(Some(Stop::Cap(used)));
        }
    }
    if let (Some(limit), Some(price)) = (&intent.spend, &intent.price) {
        let sum = "SELECT CAST(COALESCE(SUM(amount_micros), 0) AS BIGINT) FROM operations \
            WHERE tenant = $1 AND tool = $2 AND begun_at > $3 AND reserved = 1 AND currency = $4";
        let values = [(&intent.caller.tenant).into(), intent.tool.into(), (now - DAY).into(), limit.currency().into()];
        let spent = Money::from_micros(number(transaction, sum, &values).await?, limit.currency());
        if spent.plus(price).is_none_or(|sum| sum.micros() > limit.micros()) {
            return Ok(Some(Stop::Spend(spent)));
        }
    }
    let row = NewRow {
        id: intent.id.to_string(),
        caller: &intent.caller,
        account,
        own,
        tool: intent.tool,
        object: &intent.object,
        flight: intent.flight.as_deref(),
        digest: &intent.digest,
        nonce: intent.nonce.as_deref(),
        price: intent.price.as_ref(),
        evidence: intent.evidence,
        now,
    };
    row.insert(transaction, State::Begun, None, None).await?;
    Ok(None)
}

struct NewRow<'a> {
    id: String,
    caller: &'a Caller,
    account: &'a str,
    own: i64,
    tool: &'a str,
    object: &'a Object,
    flight: Option<&'a str>,
    digest: &'a str,
    nonce: Option<&'a str>,
    price: Option<&'a Money>,
    evidence: Evidence,
    now: i64,
}

impl NewRow<'_> {
    async fn insert(
        self,
        transaction: &mut dyn Transaction,
        state: State,
        outcome: Option<&str>,
        rule: Option<&str>,
    ) -> Outcome<()> {
        let open = state == State::Begun;
        let insert = format!(
            "INSERT INTO operations (id, owner, tenant, account, principal, tool, number, number_id, direction, agent_id, \
             provider, credentials_before, flight, digest, nonce, reserved, amount_micros, currency, state, outcome, rule, \
             evidence, begun_at, ended_at, rev, begun_rev) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, \
             $16, $17, $18, $19, $20, $21, $22, $23, $24, {NEXT_REV}, {NEXT_REV})"
        );
        let object = self.object;
        let before = object.credentials_before.as_ref().map(|ids| ids.join(","));
        let values = [
            self.id.into(),
            self.own.into(),
            (&self.caller.tenant).into(),
            self.account.into(),
            (&self.caller.principal).into(),
            self.tool.into(),
            object.number.as_ref().into(),
            object.number_id.as_ref().into(),
            object.direction.as_ref().into(),
            object.agent_id.as_ref().into(),
            object.provider.as_ref().into(),
            before.into(),
            self.flight.into(),
            self.digest.into(),
            self.nonce.into(),
            i64::from(open).into(),
            self.price.map(Money::micros).into(),
            self.price.map(Money::currency).into(),
            state.as_str().into(),
            outcome.into(),
            rule.into(),
            self.evidence.to_text().into(),
            self.now.into(),
            (!open).then_some(self.now).into(),
        ];
        transaction.execute(&insert, &values).await.map(drop)
    }
}

/// Records a refusal by policy or gate.
pub(super) async fn refuse(
    transaction: &mut dyn Transaction,
    refused: &Refused,
    id: String,
    account: &str,
    own: i64,
) -> Outcome<()> {
    let now = transaction.now().await?;
    // One row holds a nonce; a second no to the same question is recorded without it.
    let nonce = match &refused.nonce {
        Some(nonce) if !nonce_used(transaction, &refused.caller, nonce).await? => Some(nonce.as_str()),
        _ => None,
    };
    let row = NewRow {
        id,
        caller: &refused.caller,
        account,
        own,
        tool: refused.tool,
        object: &refused.object,
        flight: None,
        digest: &refused.digest,
        nonce,
        price: None,
        evidence: refused.evidence,
        now,
    };
    row.insert(transaction, State::Refused, Some(refused.outcome), refused.rule.as_deref()).await
}

/// The last step before a change leaves. False if it may not: it is not as it was begun. `again`: its answer was lost, and
/// what it sets is set once more; it stays unknown meanwhile.
pub(super) async fn clear(transaction: &mut dyn Transaction, id: &str, own: i64, again: bool) -> Outcome<bool> {
    let now = transaction.now().await?;
    // What was not lost by its own process and is unknown all the same, another process has taken for lost.
    let states = if again { "('sent', 'unknown')" } else { "('begun', 'sent')" };
    let sent = format!(
        "UPDATE operations SET state = CASE state WHEN 'unknown' THEN 'unknown' ELSE 'sent' END, sent_at = $1, \
         rev = {NEXT_REV} WHERE id = $2 AND owner = $3 AND state IN {states}"
    );
    Ok(transaction.execute(&sent, &[now.into(), id.into(), own.into()]).await? == 1)
}

/// Its answer was lost: from now on it is unresolved.
pub(super) async fn lose(
    transaction: &mut dyn Transaction,
    id: &str,
    upstream_status: Option<u16>,
    request_id: Option<&str>,
) -> Outcome<()> {
    let now = transaction.now().await?;
    // One that others took for lost already, because its process seemed to be gone, only learns what Truedy said.
    let lost = format!(
        "UPDATE operations SET state = 'unknown', outcome = 'outcome_unknown', lost_at = COALESCE(lost_at, $1), \
         upstream_status = COALESCE($2, upstream_status), request_id = COALESCE($3, request_id), rev = {NEXT_REV} \
         WHERE id = $4 AND {OPEN}"
    );
    let values = [now.into(), upstream_status.map(i64::from).into(), request_id.into(), id.into()];
    transaction.execute(&lost, &values).await.map(drop)
}

/// Writes how it ended. That it happened is written even over a "no": the truth wins, whoever finds it. But a number that
/// is only seen in the account says nothing of an older "no" once a later operation may have brought it there.
pub(super) async fn settle(transaction: &mut dyn Transaction, id: &str, ending: &Ending) -> Outcome<bool> {
    let now = transaction.now().await?;
    let no_later = "NOT EXISTS (SELECT 1 FROM operations AS later WHERE later.tenant = operations.tenant \
        AND later.flight = operations.flight AND later.rev > operations.rev AND later.state <> 'refused')";
    let (state, from) = match (ending.happened, ending.known_by) {
        (false, _) => ("refused", OPEN.to_owned()),
        (true, KnownBy::Look) => ("done", format!("({OPEN} OR (state = 'refused' AND {no_later}))")),
        (true, _) => ("done", "state <> 'done'".to_owned()),
    };
    let given_back = if ending.happened { "reserved = 1" } else { "reserved = 0" };
    let nonce = if ending.sent { "" } else { "nonce = NULL, " };
    let settled = format!(
        "UPDATE operations SET state = '{state}', {given_back}, {nonce}outcome = $1, known_by = $2, \
         upstream_status = COALESCE($3, upstream_status), request_id = COALESCE($4, request_id), \
         number_id = COALESCE($5, number_id), credential_id = COALESCE($6, credential_id), ended_at = $7, \
         rev = {NEXT_REV} WHERE id = $8 AND {from}"
    );
    let values = [
        (&ending.outcome).into(),
        ending.known_by.as_str().into(),
        ending.upstream_status.map(i64::from).into(),
        ending.request_id.as_ref().into(),
        ending.number_id.as_ref().into(),
        ending.credential_id.as_ref().into(),
        now.into(),
        id.into(),
    ];
    Ok(transaction.execute(&settled, &values).await? == 1)
}

/// Operations, unresolved ones first, then those that run, then the newest; after a revision, in the order of changes.
pub(super) async fn find(transaction: &mut dyn Transaction, query: &Query) -> Outcome<Vec<Operation>> {
    let mut conditions = vec!["1 = 1".to_owned()];
    let mut values: Vec<Value> = Vec::new();
    let mut add = |condition: &str, value: Value| {
        values.push(value);
        conditions.push(condition.replace('?', &format!("${}", values.len())));
    };
    if let Some(tenant) = &query.tenant {
        add("tenant = ?", tenant.into());
    }
    if let Some(id) = &query.id {
        add("id = ?", id.into());
    }
    if let Some(state) = query.state {
        add("state = ?", state.as_str().into());
    }
    if let Some(tool) = &query.tool {
        add("tool = ?", tool.into());
    }
    if let Some(object) = &query.object {
        add("(number = ? OR number_id = ?)", object.into());
    }
    if let Some(since) = query.since {
        add("begun_at >= ?", since.into());
    }
    let order = if let Some(rev) = query.after_rev {
        add("rev > ?", rev.into());
        "rev"
    } else {
        "CASE state WHEN 'unknown' THEN 0 WHEN 'begun' THEN 1 WHEN 'sent' THEN 1 ELSE 2 END, begun_at DESC, id DESC"
    };
    let rest = format!("{} ORDER BY {order} LIMIT {}", conditions.join(" AND "), query.limit.max(1));
    select(transaction, &rest, &values).await
}

/// All unresolved operations of one account, the oldest first.
pub(super) async fn lost(transaction: &mut dyn Transaction, account: &str) -> Outcome<Vec<Operation>> {
    let lost = "account = $1 AND state = 'unknown' ORDER BY begun_at LIMIT 1000";
    select(transaction, lost, &[account.into()]).await
}

/// What an operator found out elsewhere. `None` if there is no such operation; it is changed only if it is unresolved.
pub(super) async fn resolve(
    transaction: &mut dyn Transaction,
    id: &str,
    ending: &Ending,
    note: &str,
) -> Outcome<Option<(Operation, bool)>> {
    let Some(operation) = select(transaction, "id = $1", &[id.into()]).await?.pop() else {
        return Ok(None);
    };
    if operation.state != State::Unknown {
        return Ok(Some((operation, false)));
    }
    settle(transaction, id, &Ending { known_by: KnownBy::Operator, ..ending.clone() }).await?;
    transaction.execute("UPDATE operations SET note = $1 WHERE id = $2", &[note.into(), id.into()]).await?;
    let resolved = select(transaction, "id = $1", &[id.into()]).await?.pop();
    Ok(resolved.map(|operation| (operation, true)))
}

/// Forgets what is old, and refusals beyond a number; never what is unresolved, nor the newest change: revisions only grow.
pub(super) async fn prune(transaction: &mut dyn Transaction) -> Outcome<u64> {
    let now = transaction.now().await?;
    let old = "DELETE FROM operations WHERE ended_at < $1 AND state IN ('done', 'refused') \
        AND rev < (SELECT MAX(rev) FROM operations)";
    let mut gone = transaction.execute(old, &[(now - KEPT).into()]).await?;
    let many = "DELETE FROM operations WHERE state = 'refused' AND sent_at IS NULL AND rev <= (SELECT COALESCE(MIN(rev), 0) \
        FROM (SELECT rev FROM operations WHERE state = 'refused' AND sent_at IS NULL ORDER BY rev DESC LIMIT $1) AS newest) - 1";
    gone += transaction.execute(many, &[REFUSALS.into()]).await?;
    Ok(gone)
}

/// Writes something, and changes nothing by it.
pub(super) async fn probe(transaction: &mut dyn Transaction) -> Outcome<()> {
    transaction.execute("UPDATE journal_version SET version = version", &[]).await.map(drop)
}

/// Forgets everything, what is unresolved too: only for play.
pub(super) async fn forget(transaction: &mut dyn Transaction) -> Outcome<u64> {
    transaction.execute("DELETE FROM operations", &[]).await
}
