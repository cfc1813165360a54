//! An operation: one change, from its intent to its outcome. It is one row of the journal.

use std::fmt;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::domain::{Caller, ChangeKind, Fees, Money, OperationTarget, Status};
use crate::journal::evidence::{GateEvidence, approved_by};
use crate::journal::freeze::Freeze;
use crate::journal::position::{self, ListPosition};

/// The state of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperationPhase {
    /// Its intent is recorded. Nothing has been sent.
    Begun,
    /// Its request may have been sent. Its response is awaited.
    Sent,
    /// It happened.
    Done,
    /// It did not happen.
    Refused,
    /// Its response was lost, so it is unknown whether the change happened. Such an operation is *unresolved*.
    Unknown,
}

impl OperationPhase {
    /// All states.
    pub const ALL: [Self; 5] = [Self::Begun, Self::Sent, Self::Done, Self::Refused, Self::Unknown];

    /// Returns the name of the state, as the store and responses write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Sent => "sent",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }

    /// Parses the name of a state.
    pub fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// The states in the order of a list. Those of one group are listed together, the newest first.
pub(crate) const GROUPS: [&[OperationPhase]; position::GROUPS] = [
    &[OperationPhase::Unknown],
    &[OperationPhase::Begun, OperationPhase::Sent],
    &[OperationPhase::Done, OperationPhase::Refused],
];

impl fmt::Display for OperationPhase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// Returns the key of the operations that add this number. Only one of them may be open at a time.
pub fn key_of_added(number: &str) -> String {
    format!("make:{number}")
}

/// Where a call came from, as its client says. Nothing of it is verified.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallOrigin {
    /// The name and the version of the client, cleaned. `None` if it gave none.
    pub client: Option<String>,
    /// The SHA-256 of the client's own id of the call and of what was called. `None` if the client gives no ids.
    pub call_id: Option<String>,
    /// The id of the operation that this one undoes.
    pub undo_of: Option<String>,
}

/// The intent of a change: what is recorded before it is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Intent {
    /// The id of the operation, UUIDv7.
    pub id: Uuid,
    /// The caller that makes the change.
    pub caller: Caller,
    /// The kind of change.
    pub kind: &'static ChangeKind,
    /// The number, agent or carrier that the change is about.
    pub object: OperationTarget,
    /// The revision of the journal when the reads for the change began. `None` if it is not needed or not known.
    ///
    /// What this journal changed about the number since then makes the reads stale.
    pub read_rev: Option<i64>,
    /// The key of the operation. While an operation with this key is open, no other one may begin.
    ///
    /// `None` means that several may run at once.
    pub flight: Option<String>,
    /// The SHA-256 of the arguments, in hexadecimal digits.
    pub digest: String,
    /// The nonce of the token that was given. It is valid for one operation.
    pub nonce: Option<String>,
    /// The price. It is reserved from the spending limit.
    pub price: Option<Money>,
    /// What the number costs. `None` if it is not known.
    pub fees: Option<Fees>,
    /// Where the call came from.
    pub origin: CallOrigin,
    /// The confirmations that the call gave.
    pub evidence: GateEvidence,
    /// The ids of unresolved operations that the caller has acknowledged.
    pub acknowledged: Vec<String>,
    /// Whether an unresolved operation of this tool stops the change.
    pub stopped_by_unresolved: bool,
    /// How many operations of the tool may be made in 24 hours. `None` means no limit.
    pub most: Option<u32>,
    /// What the operations of the tool may cost in 24 hours. `None` means no limit.
    pub spend: Option<Money>,
}

/// Why an operation did not begin.
#[derive(Debug, Clone, PartialEq)]
pub enum BeginConflict {
    /// The operator has stopped all changes.
    Frozen(Freeze),
    /// Another operation with the same key is open.
    Flying(Box<Operation>),
    /// Another operation changed the same number after it was read for this one.
    Stale(Box<Operation>),
    /// Another operation with the same key succeeded a short time ago.
    JustDone(Box<Operation>),
    /// The client has sent the same call before.
    Resent(Box<Operation>),
    /// The token was used before.
    NonceUsed,
    /// Operations of the same principal stop it, because they are not acknowledged.
    ///
    /// They are unresolved, or they still run although no caller waits for them.
    Unresolved(Vec<Operation>),
    /// The daily cap is reached. The value is the number of operations that count.
    Cap(u32),
    /// The daily spending limit would be passed. The value is the amount already spent.
    Spend(Money),
}

/// The outcome of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Whether the change happened.
    pub happened: bool,
    /// The status that the caller received.
    pub outcome: String,
    /// Whether anything was sent. If not, the token may be used again.
    pub sent: bool,
    /// How the outcome is known.
    pub known_by: OutcomeSource,
    /// The HTTP status of Truedy's response.
    pub upstream_status: Option<u16>,
    /// Truedy's id of the request.
    pub request_id: Option<String>,
    /// Truedy's id of the number.
    pub number_id: Option<String>,
    /// The id of the credential that an import stored.
    pub credential_id: Option<String>,
}

impl Outcome {
    /// Returns an outcome without details from Truedy. It counts as sent.
    pub fn new(happened: bool, outcome: impl Into<String>, known_by: OutcomeSource) -> Self {
        Self {
            happened,
            outcome: outcome.into(),
            sent: true,
            known_by,
            upstream_status: None,
            request_id: None,
            number_id: None,
            credential_id: None,
        }
    }
}

/// The source of an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeSource {
    /// Truedy's response, or the fact that nothing was sent.
    Answer,
    /// A later reading of the account.
    Look,
    /// An operator.
    Operator,
}

impl OutcomeSource {
    /// Returns the name of the source, as the store writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Look => "look",
            Self::Operator => "operator",
        }
    }
}

/// The outcome of a call that was only a preview.
pub const PREVIEWED: &str = "previewed";

/// A call that the policy or the gate refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedCall {
    /// The caller.
    pub caller: Caller,
    /// The tool's name.
    pub tool: &'static str,
    /// The number, agent or carrier that the call was about, as far as it is known.
    pub object: OperationTarget,
    /// The SHA-256 of the arguments, in hexadecimal digits.
    pub digest: String,
    /// The status of the refusal.
    pub outcome: &'static str,
    /// The rule of the policy, if one refused the call.
    pub rule: Option<String>,
    /// The name and the version of the client, cleaned. `None` if it gave none.
    pub client: Option<String>,
    /// The confirmations that the call gave.
    pub evidence: GateEvidence,
    /// The nonce of a question that a person declined. No other answer to that question is accepted.
    pub nonce: Option<String>,
}

/// An operation as the journal stores it.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// The id of the operation, UUIDv7.
    pub id: String,
    /// The revision of the row. It grows with every change of any operation.
    pub rev: i64,
    /// The tenant whose account it changed.
    pub tenant: String,
    /// A digest of the Truedy API key.
    pub account: String,
    /// The principal that made the change.
    pub principal: String,
    /// The tool's name.
    pub tool: String,
    /// The number, agent or carrier that the change is about.
    pub object: OperationTarget,
    /// Its state.
    pub state: OperationPhase,
    /// The status that the caller received, or would have received.
    pub outcome: Option<String>,
    /// The rule of the policy that refused it, if one did.
    pub rule: Option<String>,
    /// The confirmations that the call gave, as [`GateEvidence`] writes them.
    pub evidence: String,
    /// The price. It is reserved from the spending limit.
    pub price: Option<Money>,
    /// What the number costs: of a purchase as it was offered, of a release as it was bought. `None` if not known.
    pub fees: Option<Fees>,
    /// Where the call came from.
    pub origin: CallOrigin,
    /// The HTTP status of Truedy's response.
    pub upstream_status: Option<u16>,
    /// Truedy's id of the request.
    pub request_id: Option<String>,
    /// The id of the credential that an import stored.
    pub credential_id: Option<String>,
    /// The source of the outcome: `answer`, `look` or `operator`.
    pub known_by: Option<String>,
    /// The note of the operator that resolved it.
    pub note: Option<String>,
    /// When it began, in milliseconds since 1970.
    pub begun_at: i64,
    /// When its response was lost, in milliseconds since 1970.
    pub lost_at: Option<i64>,
    /// When its outcome became known, in milliseconds since 1970.
    pub ended_at: Option<i64>,
    /// Whether its principal has acknowledged that it is unresolved.
    pub acknowledged: bool,
    /// How many equal refusals the row counts. `ended_at` is the time of the last one.
    pub times: u64,
    /// Whether its caller stopped waiting for its response.
    pub abandoned: bool,
    /// The id of the Truedy organization that the account showed when the operation began.
    pub organization: Option<String>,
    /// When its response was lost, by the machine's own clock: the id of the boot and milliseconds since that boot.
    pub(crate) lost_up: Option<(String, i64)>,
}

impl Operation {
    /// Checks whether it is unknown if the change happened.
    pub fn is_unresolved(&self) -> bool {
        self.state == OperationPhase::Unknown
    }

    /// Checks whether the call was only a preview.
    ///
    /// Rows of earlier versions have the status of the response as their outcome instead.
    pub fn is_preview(&self) -> bool {
        let shown = matches!(self.outcome.as_deref(), Some(PREVIEWED | "confirmation_required"));
        self.state == OperationPhase::Refused && shown
    }

    /// Returns who approved the operation, by the strongest confirmation: `person (form)`, `click`, `token`, `flag` or
    /// `nobody`. If a person said no, nobody did.
    pub fn approved_by(&self) -> String {
        let declined = self.outcome.as_deref() == Some(Status::HumanDeclined.as_str());
        approved_by(if declined { "" } else { &self.evidence })
    }

    /// Returns the time by which the operation is listed. Of equal refusals, the time of the last one counts.
    pub(crate) fn listed_at(&self) -> i64 {
        let last = self.ended_at.filter(|_| self.times > 1);
        last.unwrap_or(self.begun_at)
    }

    /// Returns the position of the operation in a list, behind which the next page begins.
    pub fn position(&self) -> ListPosition {
        let group = GROUPS.iter().position(|group| group.contains(&self.state)).unwrap_or_default();
        ListPosition { group, at: self.listed_at(), rev: self.rev }
    }

    /// Returns the name of the state, as people read it.
    pub fn shown_state(&self) -> &'static str {
        if self.is_preview() { PREVIEWED } else { self.state.as_str() }
    }

    /// Returns the operation as a caller reads it: only identifiers, fixed terms, prices and times.
    pub fn to_json(&self) -> Map<String, Value> {
        let mut row = Map::new();
        row.insert("id".to_owned(), json!(self.id));
        row.insert("tool".to_owned(), json!(self.tool));
        if self.times > 1 {
            row.insert("times".to_owned(), json!(self.times));
        }
        let mut add =
            |name: &str, value: Option<String>| drop(value.map(|value| row.insert(name.to_owned(), json!(value))));
        add("number", self.object.number.clone());
        add("number_id", self.object.number_id.clone());
        add("direction", self.object.direction.clone());
        add("agent_id", self.object.agent_id.clone());
        add("credential_id", self.credential_id.clone());
        add("state", Some(self.state.as_str().to_owned()));
        add("outcome", if self.is_preview() { Some(PREVIEWED.to_owned()) } else { self.outcome.clone() });
        add("rule", self.rule.clone());
        add("known_by", self.known_by.clone());
        add("price", self.price.as_ref().map(Money::to_string));
        add("request_id", self.request_id.clone());
        add("begun_at", Some(moment(self.begun_at)));
        add("ended_at", self.ended_at.map(moment));
        if self.abandoned && matches!(self.state, OperationPhase::Begun | OperationPhase::Sent) {
            row.insert("waited_for".to_owned(), json!(false));
        }
        row
    }
}

/// Formats a time in milliseconds since 1970 as UTC, to the second.
pub fn moment(ms: i64) -> String {
    let at = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A query for operations. All conditions must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OperationQuery {
    /// Only operations of this tenant. `None` means all tenants.
    pub tenant: Option<String>,
    /// Only the operation with this id.
    pub id: Option<String>,
    /// Only operations in this state.
    pub state: Option<OperationPhase>,
    /// Only previews. They are stored as refused calls.
    pub previews: bool,
    /// Only operations that were sent or may yet be, not the refusals and previews of this server. It does not count
    /// where `state`, `id` or `previews` is given.
    pub changes: bool,
    /// Only operations of this tool.
    pub tool: Option<String>,
    /// Only operations about this number, given in E.164 or as an id.
    pub object: Option<String>,
    /// Only operations that began at or after this time, in milliseconds since 1970.
    pub since: Option<i64>,
    /// Only operations that began before this time, in milliseconds since 1970.
    pub until: Option<i64>,
    /// Only operations behind this position of the list.
    pub after: Option<ListPosition>,
    /// Only operations changed after this revision. The result is then in the order of revisions.
    pub after_rev: Option<i64>,
    /// The largest number of operations to return.
    pub limit: u32,
}

impl OperationQuery {
    /// Whether the period ends before it begins, so that no operation can be in it.
    pub fn has_empty_period(&self) -> bool {
        self.since.zip(self.until).is_some_and(|(since, until)| since >= until)
    }

    /// Whether the refusals and previews of this server are left out.
    pub(crate) fn is_of_changes(&self) -> bool {
        self.changes && self.state.is_none() && self.id.is_none() && !self.previews
    }
}

/// What the journal knows that may stop a change, before anything is read or sent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Preconditions {
    /// How many operations of the tool count for the last 24 hours. Those whose age no clock can prove are included.
    pub used: u32,
    /// How many of `used` count only because no second clock confirms the wall clock yet.
    ///
    /// A `Date` in a response of Truedy would confirm it.
    pub unproven: u32,
    /// An open operation with the same key.
    pub flying: Option<Box<Operation>>,
    /// Operations of the tool by the same principal that are not acknowledged.
    ///
    /// They are unresolved, or they still run although no caller waits for them.
    pub unresolved: Vec<Operation>,
    /// Whether the token was used before.
    pub nonce_used: bool,
}
