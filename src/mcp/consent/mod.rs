//! The consent of a person: how a question is put, and how its answer is matched to it.

pub(crate) mod credential_elicitation;
pub(crate) mod credential_forms;
pub(crate) mod elicitation;
pub(crate) mod signed_state;
