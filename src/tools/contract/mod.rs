//! What every tool has: its traits, its tool context, its arguments, its response and its schema.

pub(crate) mod arguments;
pub(crate) mod context;
pub(crate) mod csv;
pub(crate) mod direction_results;
pub(crate) mod offered_numbers;
pub(crate) mod operation_record;
pub(crate) mod price;
pub(crate) mod price_cache;
pub(crate) mod response;
pub(crate) mod schema;
pub(crate) mod tool;
pub(crate) mod visitor;
