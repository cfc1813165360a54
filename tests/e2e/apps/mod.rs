//! Pages that a person sees: cards in the chat, and the form for keys of a carrier.

pub(crate) mod cards;
mod credential_forms;
