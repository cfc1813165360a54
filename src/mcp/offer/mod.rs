//! What a client sees: tools, prompts, resources and completions.

pub(crate) mod buy_offer;
pub(crate) mod catalog;
pub(crate) mod completions;
pub(crate) mod prompts;
pub(crate) mod resources;
