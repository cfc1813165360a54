//! A finding: what is wrong, how much it weighs, and the call that mends it.

use serde_json::{Map, Value, json};

use crate::domain::Direction;
use crate::tools::contract::response::Pointer;

/// How much a finding says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    /// This stops calls.
    Fault,
    /// It could not be found out.
    Unknown,
    /// It cannot be seen from here; somebody must look.
    Check,
    /// Worth knowing.
    Info,
}

impl Weight {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Fault => "fault",
            Self::Unknown => "unknown",
            Self::Check => "check",
            Self::Info => "info",
        }
    }
}

/// What to do about a finding.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum FindingAction {
    /// This call.
    Call(Pointer),
    /// Something only a person can do, and where.
    Outside(&'static str, &'static str),
}

/// One thing that was found. Its words are our own; what came from Truedy is evidence.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Finding {
    pub(crate) code: &'static str,
    pub(crate) weight: Weight,
    direction: Option<Direction>,
    what: &'static str,
    evidence: Map<String, Value>,
    pub(crate) next: FindingAction,
}

impl Finding {
    pub(crate) fn new(code: &'static str, weight: Weight, what: &'static str, next: FindingAction) -> Self {
        Self { code, weight, direction: None, what, evidence: Map::new(), next }
    }

    pub(crate) fn of(mut self, direction: Direction) -> Self {
        self.direction = Some(direction);
        self
    }

    pub(crate) fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.evidence.insert(field.to_owned(), value.into());
        self
    }

    pub(crate) fn to_json(&self) -> Map<String, Value> {
        let mut row = Map::new();
        row.insert("code".to_owned(), json!(self.code));
        row.insert("level".to_owned(), json!(self.weight.as_str()));
        if let Some(direction) = self.direction {
            row.insert("direction".to_owned(), json!(direction));
        }
        row.insert("what".to_owned(), json!(self.what));
        if !self.evidence.is_empty() {
            row.insert("evidence".to_owned(), json!(self.evidence));
        }
        let next = match &self.next {
            FindingAction::Call(pointer) => pointer.to_json(),
            FindingAction::Outside(place, what) => json!({ "outside": place, "do": what }),
        };
        row.insert("next".to_owned(), next);
        row
    }
}

pub(crate) fn call(tool: &'static str, arguments: Value) -> FindingAction {
    FindingAction::Call(Pointer { tool, arguments })
}

pub(crate) const NOT_IN_ACCOUNT: &str = "not_in_account";

pub(crate) const NO_OUTBOUND: &str = "no_outbound_agent";

pub(crate) const JOURNAL_UNREAD: &str = "journal_unread";
