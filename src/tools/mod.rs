//! What an agent can do: one file a tool.

mod account;
mod catalog;
mod changes;
mod contract;

pub use account::lookup::ask_the_time;
pub use account::memory::AccountMemory;
pub use account::number_sheet::NumberSheet;
pub use account::operation_rows::{
    RowStyle, Totals, displaced, local_moment, operation_row, prices, totals_json, totals_of, totals_sentence,
    zone_name,
};
pub use account::readings::{AccountNumbers, AgentNames, NumberNames, OneNumber};
pub(crate) use catalog::assign_number::AssignNumber;
pub(crate) use catalog::get_agent_numbers::GetAgentNumbers;
pub(crate) use catalog::get_webhook_url::GetWebhookUrl;
pub(crate) use catalog::import_number::ImportNumber;
pub(crate) use catalog::list_agents::ListAgents;
pub(crate) use catalog::list_credentials::ListCredentials;
pub(crate) use catalog::list_numbers::ListNumbers;
pub(crate) use catalog::list_operations::ListOperations;
pub(crate) use catalog::purchase_number::PurchaseNumber;
pub(crate) use catalog::release_number::ReleaseNumber;
pub(crate) use catalog::search_numbers::SearchNumbers;
pub(crate) use catalog::unassign_number::UnassignNumber;
pub use catalog::{change_kinds, visit};
pub use changes::reconcile::Reconciler;
pub use changes::undo::undo_of;
pub use changes::verify::{not_configured, said};
pub use contract::arguments::{Arguments, drop_bookkeeping};
pub use contract::context::{Reconcile, ToolContext};
pub use contract::csv::{CSV, CsvTable};
pub use contract::offered_numbers::Offered;
pub use contract::operation_record::Record;
pub use contract::price::priced;
pub use contract::price_cache::Prices;
pub use contract::response::{Pointer, ToolFailure, ToolResponse, Undo};
pub use contract::schema::{input_schema, output_schema};
pub use contract::tool::{Change, ChangeParts, Planned, Read, Tool};
pub use contract::visitor::Visitor;
