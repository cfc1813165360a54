//! The undo of an operation: an ordinary change that goes on only if nobody else changed the direction since then.

use serde_json::{Value, json};

use crate::domain::{Refusal, Slot, Status};
use crate::guard::ChangeImpact;
use crate::journal::Operation;
use crate::mcp::call::change::request::ChangeRequest;
use crate::mcp::call::change::undo_request::UndoConsent;

impl ChangeRequest {
    /// Refuses an undo whose direction is no longer as the operation left it, and one that nobody has agreed to yet.
    ///
    /// Both refusals show what was read. A call that undoes nothing passes. If a person agreed, the evidence says so.
    pub(crate) fn admit_undo(&mut self, impact: &ChangeImpact, nothing: &str) -> Result<(), Refusal> {
        let Some(undo) = &self.call_context.undoes else { return Ok(()) };
        let operation = &undo.operation;
        let left = left_by(operation);
        let facts = |mut refusal: Refusal| {
            for (name, value) in impact.without_flag.iter().flat_map(|other| &other.details) {
                if name != "next" {
                    refusal.details.insert(name.clone(), value.clone());
                }
            }
            refusal
                .with("number", operation.object.name())
                .with("undo_of", operation.id.as_str())
                .with("left_then", shown(&left))
                .with("now", shown(&impact.object.displaced))
        };
        let is_same_number = impact.object.number_id == operation.object.number_id;
        let changed = match () {
            () if !is_same_number => Some("the number was given up and added again since then"),
            () if impact.object.displaced != left => {
                Some("another agent, or none, has the direction now; left_then and now say which")
            }
            () if impact.agent_is_gone => Some("the agent that had it before is no longer in the account"),
            () => None,
        };
        if let Some(what) = changed {
            let summary = format!("{nothing} The account is no longer as this operation left it: {what}.");
            return Err(facts(Refusal::new(Status::StateChanged, summary)).preview());
        }
        if undo.consent == UndoConsent::Absent {
            let summary = format!(
                "{nothing} This is a preview: the direction is as this operation left it, and can be put back."
            );
            return Err(facts(Refusal::new(Status::ConfirmationRequired, summary)).preview());
        }
        if let UndoConsent::Person(place) = undo.consent {
            self.evidence.person = Some(place);
        }
        Ok(())
    }
}

/// Returns who had the direction after an operation. An operation that names no agent left it free.
fn left_by(operation: &Operation) -> Slot {
    operation.object.agent_id.clone().map_or(Slot::Free, Slot::Held)
}

fn shown(slot: &Slot) -> Value {
    match slot {
        Slot::Unknown => json!("unknown"),
        Slot::Free => json!("no agent"),
        Slot::Held(agent) => json!(agent),
    }
}
