//! The list of all tools, and nothing else. Each tool has a file of its own in `catalog`.

use crate::tools::catalog::assign_number;
use crate::tools::catalog::diagnose_number;
use crate::tools::catalog::get_agent_numbers;
use crate::tools::catalog::get_webhook_url;
use crate::tools::catalog::import_number;
use crate::tools::catalog::list_agents;
use crate::tools::catalog::list_credentials;
use crate::tools::catalog::list_numbers;
use crate::tools::catalog::list_operations;
use crate::tools::catalog::purchase_number;
use crate::tools::catalog::release_number;
use crate::tools::catalog::search_numbers;
use crate::tools::catalog::unassign_number;

use crate::tools::contract::tool::{Change, Read};

/// Receives every tool once, in the order in which clients see them.
pub trait Visitor {
    /// Receives a tool that only reads.
    fn read<T: Read>(&mut self);
    /// Receives a tool that changes something.
    fn change<T: Change>(&mut self);
}

/// Passes every tool to a visitor.
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
