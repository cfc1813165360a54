//! May it be done? The operator's policy is the wall, the gate asks for the owner's word. Knows no protocol.

mod gate;
mod policy;
mod scopes;
mod summary;

pub use gate::{
    ChangeImpact, CredentialRequest, GateDecision, GateInput, Question, QuestionForm, TokenCheck, evaluate,
};
pub use policy::{AskMode, Cap, Caps, Level, Policy, RequestedChange};
pub use scopes::{Rights, Scope};
