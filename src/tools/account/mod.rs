//! What tools read of the account: numbers, agents, and who holds what.

pub(crate) mod agent_lookup;
pub(crate) mod assignments;
pub(crate) mod carrier;
pub(crate) mod located;
pub(crate) mod lookup;
pub(crate) mod pages;
pub(crate) mod paging;
pub(crate) mod price_search;
pub(crate) mod protected;
pub(crate) mod readings;
pub(crate) mod roster;
