//! What an agent can do: one file a tool.

mod account;
mod catalog;
mod changes;
mod contract;
mod list;
mod names;

pub use account::lookup::ask_the_time;
pub use account::readings::{AccountNumbers, AgentNames, NumberNames, OneNumber};
pub use changes::create_once::flight;
pub use changes::reconcile::reconcile;
pub use changes::verify::{not_configured, said};
pub use contract::arguments::{Arguments, drop_bookkeeping};
pub use contract::offered_numbers::Offered;
pub use contract::operation_record::Record;
pub use contract::price_cache::{Prices, priced};
pub use contract::response::{Pointer, ToolFailure, ToolResponse, Undo};
pub use contract::schema::{input_schema, output_schema};
pub use contract::tool::{Change, Effect, Planned, Read, Tool, ToolContext};
pub use list::{Visitor, visit};
