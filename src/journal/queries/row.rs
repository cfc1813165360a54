//! The rows of operations: how they are read and inserted.

use crate::domain::{Caller, ChangeKinds, Fees, Money, OperationTarget, Slot};
use crate::journal::evidence::GateEvidence;
use crate::journal::operation::{CallOrigin, Operation, OperationPhase};
use crate::journal::queries::clocks::{ClockMoment, JournalClocks};
use crate::journal::store::{SqlRow, SqlValue, StoreResult, Transaction, Unavailable};

/// The condition for operations that have not ended.
pub(crate) const OPEN: &str = "state IN ('begun', 'sent', 'unknown')";
const COLUMNS: &str = "id, rev, tenant, account, principal, tool, number, number_id, direction, agent_id, provider, \
    credentials_before, state, outcome, rule, evidence, amount_micros, currency, upstream_status, request_id, \
    credential_id, known_by, note, begun_at, lost_at, ended_at, acknowledged_at, \
    times, abandoned_at, organization, lost_boot, lost_up, created_after, \
    monthly_micros, setup_micros, client, call_id, displaced, undo_of";
pub(crate) const NEXT_REV: &str = "(SELECT COALESCE(MAX(rev), 0) + 1 FROM operations)";

/// The process that writes a row, and the clocks it uses.
pub(crate) struct RowWriter<'a> {
    /// The number of the process.
    pub(crate) own: i64,
    /// A digest of the Truedy API key.
    pub(crate) account: &'a str,
    /// The changes that the program makes.
    pub(crate) kinds: ChangeKinds,
    /// The id of the Truedy organization, if the account has shown it.
    pub(crate) organization: Option<&'a str>,
    /// The readings of all clocks except the store's clock.
    pub(crate) times: &'a JournalClocks,
}

fn read(row: &SqlRow) -> StoreResult<Operation> {
    let broken = || Unavailable::Failed("a row of it cannot be read".to_owned());
    let text = |at: usize| row.get(at).and_then(SqlValue::text);
    let int = |at: usize| row.get(at).and_then(SqlValue::int);
    let needed = |at: usize| text(at).ok_or_else(broken);
    let price = int(16).zip(text(17)).map(|(micros, currency)| Money::from_micros(micros, currency));
    Ok(Operation {
        id: needed(0)?,
        rev: int(1).ok_or_else(broken)?,
        tenant: needed(2)?,
        account: needed(3)?,
        principal: needed(4)?,
        tool: needed(5)?,
        object: OperationTarget {
            number: text(6),
            number_id: text(7),
            direction: text(8),
            agent_id: text(9),
            provider: text(10),
            credentials_before: text(11)
                .map(|ids| ids.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect()),
            created_after: int(32),
            displaced: match text(37) {
                None => Slot::Unknown,
                Some(agent) if agent.is_empty() => Slot::Free,
                Some(agent) => Slot::Held(agent),
            },
        },
        state: OperationPhase::read(&needed(12)?).ok_or_else(broken)?,
        outcome: text(13),
        rule: text(14),
        evidence: needed(15)?,
        price,
        fees: read_fees(int(33), int(34), text(17)),
        origin: CallOrigin { client: text(35), call_id: text(36), undo_of: text(38) },
        upstream_status: int(18).and_then(|status| u16::try_from(status).ok()),
        request_id: text(19),
        credential_id: text(20),
        known_by: text(21),
        note: text(22),
        begun_at: int(23).ok_or_else(broken)?,
        lost_at: int(24),
        ended_at: int(25),
        acknowledged: int(26).is_some(),
        times: int(27).and_then(|times| u64::try_from(times).ok()).unwrap_or(1),
        abandoned: int(28).is_some(),
        organization: text(29),
        lost_up: text(30).zip(int(31)),
    })
}

/// Returns the fees that a row holds. `None` if it holds none.
pub(crate) fn read_fees(monthly: Option<i64>, setup: Option<i64>, currency: Option<String>) -> Option<Fees> {
    let currency = currency?;
    let monthly = Money::from_micros(monthly?, currency.clone());
    Some(Fees { monthly, setup: setup.map(|micros| Money::from_micros(micros, currency)) })
}

pub(crate) async fn select(
    transaction: &mut dyn Transaction,
    rest: &str,
    values: &[SqlValue],
) -> StoreResult<Vec<Operation>> {
    let rows = transaction.query(&format!("SELECT {COLUMNS} FROM operations WHERE {rest}"), values).await?;
    rows.iter().map(read).collect()
}

pub(crate) async fn number(transaction: &mut dyn Transaction, sql: &str, values: &[SqlValue]) -> StoreResult<i64> {
    let rows = transaction.query(sql, values).await?;
    Ok(rows.first().and_then(|row| row.first()?.int()).unwrap_or(0))
}

/// A row to be inserted.
pub(crate) struct NewRow<'a> {
    pub(crate) id: String,
    pub(crate) caller: &'a Caller,
    pub(crate) writer: &'a RowWriter<'a>,
    pub(crate) tool: &'a str,
    pub(crate) object: &'a OperationTarget,
    pub(crate) flight: Option<&'a str>,
    pub(crate) digest: &'a str,
    pub(crate) price: Option<&'a Money>,
    pub(crate) fees: Option<&'a Fees>,
    pub(crate) origin: &'a CallOrigin,
    pub(crate) evidence: GateEvidence,
    pub(crate) now: &'a ClockMoment,
    /// The digest that is the same for equal refusals. `None` for an operation.
    pub(crate) fold: Option<&'a str>,
}

impl NewRow<'_> {
    /// Returns the columns that say what the operation costs, where it came from, and what it displaced.
    fn audited(&self) -> [(&'static str, SqlValue); 8] {
        let currency = self.price.or(self.fees.map(|fees| &fees.monthly)).map(Money::currency);
        let setup = self.fees.and_then(|fees| fees.setup.as_ref());
        let displaced = match &self.object.displaced {
            Slot::Unknown => None,
            Slot::Free => Some(""),
            Slot::Held(agent) => Some(agent.as_str()),
        };
        [
            ("amount_micros", self.price.map(Money::micros).into()),
            ("monthly_micros", self.fees.map(|fees| fees.monthly.micros()).into()),
            ("setup_micros", setup.map(Money::micros).into()),
            ("currency", currency.into()),
            ("client", self.origin.client.as_ref().into()),
            ("call_id", self.origin.call_id.as_ref().into()),
            ("undo_of", self.origin.undo_of.as_ref().into()),
            ("displaced", displaced.into()),
        ]
    }

    pub(crate) async fn insert(
        self,
        transaction: &mut dyn Transaction,
        state: OperationPhase,
        outcome: Option<&str>,
        rule: Option<&str>,
    ) -> StoreResult<()> {
        let open = state == OperationPhase::Begun;
        let (object, now) = (self.object, self.now.stamp());
        let before = object.credentials_before.as_ref().map(|ids| ids.join(","));
        let [boot, up] = self.now.boot();
        let ended = |value: &SqlValue| if open { SqlValue::Null } else { value.clone() };
        let columns: [(&str, SqlValue); 27] = [
            ("id", (&self.id).into()),
            ("owner", self.writer.own.into()),
            ("tenant", (&self.caller.tenant).into()),
            ("account", self.writer.account.into()),
            ("organization", self.writer.organization.into()),
            ("principal", (&self.caller.principal).into()),
            ("tool", self.tool.into()),
            ("number", object.number.as_ref().into()),
            ("number_id", object.number_id.as_ref().into()),
            ("direction", object.direction.as_ref().into()),
            ("agent_id", object.agent_id.as_ref().into()),
            ("provider", object.provider.as_ref().into()),
            ("credentials_before", before.into()),
            ("created_after", object.created_after.into()),
            ("flight", self.flight.into()),
            ("call_digest", self.digest.into()),
            ("reserved", i64::from(open).into()),
            ("state", state.as_str().into()),
            ("outcome", outcome.into()),
            ("rule", rule.into()),
            ("evidence", self.evidence.to_text().into()),
            ("fold", self.fold.into()),
            ("ended_at", ended(&now.into())),
            ("ended_boot", ended(&boot)),
            ("ended_up", ended(&up)),
            ("begun_boot", boot),
            ("begun_up", up),
        ];
        let (mut names, mut places, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for (name, value) in columns.into_iter().chain(self.audited()).chain([("begun_at", now.into())]) {
            values.push(value);
            names.push(name);
            places.push(format!("${}", values.len()));
        }
        let insert = format!(
            "INSERT INTO operations ({}, rev, begun_rev) VALUES ({}, {NEXT_REV}, {NEXT_REV})",
            names.join(", "),
            places.join(", ")
        );
        transaction.execute(&insert, &values).await.map(drop)
    }
}
