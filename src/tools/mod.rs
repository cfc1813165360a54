//! What an agent can do: one file a tool. This file is the list, and nothing but the list.

mod answer;
mod arguments;
mod assign_number;
mod assignments;
mod creation;
mod diagnose_number;
mod get_agent_numbers;
mod get_webhook_url;
mod import_number;
mod list_agents;
mod list_credentials;
mod list_numbers;
mod list_operations;
mod located;
mod lookup;
mod names;
mod offered;
mod outcome;
mod own_carrier;
mod paging;
mod price_search;
mod prices;
mod protected;
mod purchase_number;
mod readings;
mod reconcile;
mod record;
mod release_number;
mod schema;
mod search_numbers;
mod tool;
mod unassign_number;

pub use answer::{Answer, Failure, Pointer, Undo};
pub use arguments::{Arguments, drop_bookkeeping};
pub use creation::flight;
pub use lookup::ask_the_time;
pub use offered::Offered;
pub use outcome::{not_configured, said};
pub use prices::{Prices, priced};
pub use readings::{AccountNumbers, AgentNames, NumberNames, OneNumber};
pub use reconcile::reconcile;
pub use record::Record;
pub use schema::{input_schema, output_schema};
pub use tool::{Change, Desk, Effect, Read, Step, Tool};

/// Something that is shown every tool, once, in the order in which clients see them.
pub trait Visitor {
    /// A tool that only reads.
    fn read<T: Read>(&mut self);
    /// A tool that changes something.
    fn change<T: Change>(&mut self);
}

/// Shows every tool to a visitor.
pub fn visit(visitor: &mut impl Visitor) {
    visitor.read::<list_numbers::ListNumbers>();
    visitor.read::<search_numbers::SearchNumbers>();
    visitor.change::<purchase_number::PurchaseNumber>();
    visitor.change::<import_number::ImportNumber>();
    visitor.change::<assign_number::AssignNumber>();
    visitor.change::<unassign_number::UnassignNumber>();
    visitor.change::<release_number::ReleaseNumber>();
    visitor.read::<get_agent_numbers::GetAgentNumbers>();
    visitor.read::<get_webhook_url::GetWebhookUrl>();
    visitor.read::<diagnose_number::DiagnoseNumber>();
    visitor.read::<list_credentials::ListCredentials>();
    visitor.read::<list_agents::ListAgents>();
    visitor.read::<list_operations::ListOperations>();
}
