//! What the server offers to a client: tools, prompts, resources and completions.

pub(crate) mod buy_offer;
pub(crate) mod catalog;
pub(crate) mod completions;
pub(crate) mod page_facts;
pub(crate) mod prompts;
pub(crate) mod resources;
pub(crate) mod skills;
