//! An operation: one change, from its intent to its outcome. One operation is one row.

use std::fmt;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::domain::{Caller, Money, OperationTarget};

/// How far an operation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperationPhase {
    /// Recorded; nothing has been sent.
    Begun,
    /// It may have left; its answer is awaited.
    Sent,
    /// It happened.
    Done,
    /// It did not happen.
    Refused,
    /// Its answer was lost: whether it happened is not known. This is what *unresolved* means.
    Unknown,
}

impl OperationPhase {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Begun, Self::Sent, Self::Done, Self::Refused, Self::Unknown];

    /// The word in the store and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Sent => "sent",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }

    /// Reads the word.
    pub fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

impl fmt::Display for OperationPhase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// What let a change pass the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GateEvidence {
    /// `confirm: true` was given.
    pub flag: bool,
    /// A token of a preview was given and held.
    pub token: bool,
    /// The client reported that a person accepted.
    pub person: bool,
}

impl GateEvidence {
    pub(crate) fn to_text(self) -> String {
        let given = [("flag", self.flag), ("token", self.token), ("person", self.person)];
        given.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect::<Vec<_>>().join(",")
    }
}

/// A change about to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct Intent {
    /// Its id, UUIDv7.
    pub id: Uuid,
    /// Who makes it.
    pub caller: Caller,
    /// The tool's name.
    pub tool: &'static str,
    /// What it is about.
    pub object: OperationTarget,
    /// While an operation with this key is open, no other may begin; `None` where several may.
    pub flight: Option<String>,
    /// SHA-256 of the arguments, in hex.
    pub digest: String,
    /// The nonce of the token that was given: good for one operation.
    pub nonce: Option<String>,
    /// What is reserved of the spending limit.
    pub price: Option<Money>,
    /// What let it pass.
    pub evidence: GateEvidence,
    /// Unresolved operations that the caller knows of.
    pub acknowledged: Vec<String>,
    /// Whether an unresolved operation of this tool stops it.
    pub stopped_by_unresolved: bool,
    /// How many of its tool may be made in 24 hours.
    pub most: Option<u32>,
    /// What those of its tool may cost in 24 hours.
    pub spend: Option<Money>,
}

/// Why an operation did not begin.
#[derive(Debug, Clone, PartialEq)]
pub enum BeginConflict {
    /// Another with the same key is open.
    Flying(Box<Operation>),
    /// Another with the same key was done a moment ago.
    JustDone(Box<Operation>),
    /// The token was used.
    NonceUsed,
    /// Operations of the same principal are unresolved, or go on while nobody waits for them, and are not acknowledged.
    Unresolved(Vec<Operation>),
    /// So many of its tool were made in 24 hours.
    Cap(u32),
    /// So much was spent in 24 hours.
    Spend(Money),
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it happened.
    pub happened: bool,
    /// In one word, as the caller was told.
    pub outcome: String,
    /// Whether any of it was sent; if not, a token may be used again.
    pub sent: bool,
    /// How it is known.
    pub known_by: OutcomeSource,
    /// Truedy's HTTP status.
    pub upstream_status: Option<u16>,
    /// Truedy's id of the exchange.
    pub request_id: Option<String>,
    /// Truedy's id of the number.
    pub number_id: Option<String>,
    /// The credential that an import stored.
    pub credential_id: Option<String>,
}

impl Outcome {
    /// An ending of which no more is known.
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

/// How an outcome is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeSource {
    /// By Truedy's answer, or because nothing was sent.
    Answer,
    /// By looking at the account afterwards.
    Look,
    /// An operator said so.
    Operator,
}

impl OutcomeSource {
    /// The word in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Look => "look",
            Self::Operator => "operator",
        }
    }
}

/// The outcome of a call that only showed what it would do.
pub const PREVIEWED: &str = "previewed";

/// A call that policy or gate refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedCall {
    /// Who called.
    pub caller: Caller,
    /// The tool's name.
    pub tool: &'static str,
    /// What it was about, as far as it is known.
    pub object: OperationTarget,
    /// SHA-256 of the arguments, in hex.
    pub digest: String,
    /// The status of the refusal.
    pub outcome: &'static str,
    /// The rule of the policy, where one refused.
    pub rule: Option<String>,
    /// What had been given.
    pub evidence: GateEvidence,
    /// The nonce of a question that a person answered with no: no other answer to it counts.
    pub nonce: Option<String>,
}

/// An operation as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// Its id, UUIDv7.
    pub id: String,
    /// Grows with every change of any operation.
    pub rev: i64,
    /// Whose account.
    pub tenant: String,
    /// Which key of Truedy's, as a digest.
    pub account: String,
    /// Who made it.
    pub principal: String,
    /// The tool's name.
    pub tool: String,
    /// What it is about.
    pub object: OperationTarget,
    /// How far it has come.
    pub state: OperationPhase,
    /// The status the caller was told, or would have been.
    pub outcome: Option<String>,
    /// The rule of the policy that refused it.
    pub rule: Option<String>,
    /// What let it pass: `flag`, `token`, `person`, separated by commas.
    pub evidence: String,
    /// What is reserved of the spending limit.
    pub price: Option<Money>,
    /// Truedy's HTTP status.
    pub upstream_status: Option<u16>,
    /// Truedy's id of the exchange.
    pub request_id: Option<String>,
    /// The credential that an import stored.
    pub credential_id: Option<String>,
    /// How the outcome is known: `answer`, `look`, `operator`.
    pub known_by: Option<String>,
    /// What the operator noted when resolving it.
    pub note: Option<String>,
    /// Begun, in milliseconds since 1970.
    pub begun_at: i64,
    /// When its answer was lost.
    pub lost_at: Option<i64>,
    /// When its outcome was known.
    pub ended_at: Option<i64>,
    /// Whether its principal was told, and said so.
    pub acknowledged: bool,
    /// How many equal refusals it stands for; `ended_at` is the last of them.
    pub times: u64,
    /// Whether nobody waits for its answer any more.
    pub abandoned: bool,
    /// Truedy's organization, as the rows of the account named it when the operation began.
    pub organization: Option<String>,
    /// Which start of the machine its answer was lost in, and the milliseconds since that start.
    pub(crate) lost_up: Option<(String, i64)>,
}

impl Operation {
    /// Whether it is not known if it happened.
    pub fn is_unresolved(&self) -> bool {
        self.state == OperationPhase::Unknown
    }

    /// Whether the call only showed what it would do. Rows of earlier versions say it with the status of the answer.
    pub fn is_preview(&self) -> bool {
        let shown = matches!(self.outcome.as_deref(), Some(PREVIEWED | "confirmation_required"));
        self.state == OperationPhase::Refused && shown
    }

    /// The word that people read for how far it has come.
    pub fn shown_state(&self) -> &'static str {
        if self.is_preview() { PREVIEWED } else { self.state.as_str() }
    }

    /// As a caller reads it: identifiers, words of our own and times, nothing else.
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

/// A moment in UTC, to the second.
pub fn moment(ms: i64) -> String {
    let at = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Which operations are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OperationQuery {
    /// Of this tenant; `None` for all.
    pub tenant: Option<String>,
    /// With this id.
    pub id: Option<String>,
    /// In this state.
    pub state: Option<OperationPhase>,
    /// Only calls that were previews; they are refused ones.
    pub previews: bool,
    /// Of this tool.
    pub tool: Option<String>,
    /// About this number, in E.164 or by id.
    pub object: Option<String>,
    /// Begun at or after this moment, in milliseconds since 1970.
    pub since: Option<i64>,
    /// Changed after this revision; then in the order of their changes.
    pub after_rev: Option<i64>,
    /// At most so many.
    pub limit: u32,
}

/// What stands when a change is asked for, before anything is read or sent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Preconditions {
    /// How many of its tool were made in 24 hours, those included of which no clock can tell.
    pub used: u32,
    /// How many of these count only because no second clock vouches for the wall clock yet: a `Date` of Truedy's would.
    pub unproven: u32,
    /// An open operation with the same key.
    pub flying: Option<Box<Operation>>,
    /// Operations of its tool by the same principal that were not acknowledged: unresolved ones, and those that go on while
    /// nobody waits for their answer.
    pub unresolved: Vec<Operation>,
    /// Whether the token was used.
    pub nonce_used: bool,
}
