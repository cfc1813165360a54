//! The tools: one file each.

pub(crate) mod assign_number;
pub(crate) mod diagnose_number;
pub(crate) mod get_agent_numbers;
pub(crate) mod get_webhook_url;
pub(crate) mod import_number;
pub(crate) mod list_agents;
pub(crate) mod list_credentials;
pub(crate) mod list_numbers;
pub(crate) mod list_operations;
pub(crate) mod purchase_number;
pub(crate) mod release_number;
pub(crate) mod search_numbers;
pub(crate) mod unassign_number;
