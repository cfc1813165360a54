//! What tools read from the account: numbers, agents, and which agent holds which number.

pub(crate) mod agent_lookup;
pub(crate) mod agents;
pub(crate) mod assignments;
pub(crate) mod carrier;
pub(crate) mod evidence;
pub(crate) mod known_fees;
pub(crate) mod list_chain;
pub(crate) mod located;
pub(crate) mod lookup;
pub(crate) mod memory;
pub(crate) mod near_rows;
pub(crate) mod number_index;
pub(crate) mod number_key;
pub(crate) mod number_rows;
pub(crate) mod number_table;
pub(crate) mod pages;
pub(crate) mod paging;
pub(crate) mod price_search;
pub(crate) mod protected;
pub(crate) mod reading_state;
pub(crate) mod readings;
pub(crate) mod roster;
pub(crate) mod view;
pub(crate) mod whole_reading;
