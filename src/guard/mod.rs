//! The policy of the operator, the gate that asks for confirmations, and the scopes of a caller.
//!
//! The policy refuses what the operator does not allow. The gate asks for the owner's consent. This module knows no
//! protocol.

mod gate;
mod policy;
mod rules;
mod scopes;
mod summary;

pub use gate::{
    ChangeImpact, CredentialRequest, GateDecision, GateInput, Question, QuestionForm, TokenCheck, evaluate,
};
pub use policy::{AskMode, Cap, Caps, FINAL, Level, Policy, RequestedChange};
pub use rules::{PolicyRule, RULES};
pub use scopes::{Rights, Scope};
