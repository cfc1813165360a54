//! The gate over the wire: what is not done without the owner's word, and what no word gets past.

mod account;
mod answers;
mod arguments;
mod asking;
mod in_use;
mod levels;
mod meanwhile;
mod money;
mod orders;
mod policy;
