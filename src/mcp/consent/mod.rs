//! The owner's word: how it is asked for, and how the question is recognised when its answer comes.

pub(crate) mod credential_elicitation;
pub(crate) mod credential_forms;
pub(crate) mod elicitation;
pub(crate) mod signed_state;
