//! Cards in the chat: pages that a client shows, and what they may call.

pub(crate) mod confirm_card;
pub(crate) mod pages;
pub(crate) mod words;
