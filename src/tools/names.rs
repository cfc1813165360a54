//! The names of the tools, so that one can point to another without knowing it.

pub(super) const LIST_NUMBERS: &str = "list_numbers";
pub(super) const SEARCH_NUMBERS: &str = "search_numbers";
pub(super) const PURCHASE_NUMBER: &str = "purchase_number";
pub(super) const IMPORT_NUMBER: &str = "import_number";
pub(super) const ASSIGN_NUMBER: &str = "assign_number";
pub(super) const UNASSIGN_NUMBER: &str = "unassign_number";
pub(super) const RELEASE_NUMBER: &str = "release_number";
pub(super) const GET_AGENT_NUMBERS: &str = "get_agent_numbers";
pub(super) const GET_WEBHOOK_URL: &str = "get_webhook_url";
pub(super) const DIAGNOSE_NUMBER: &str = "diagnose_number";
pub(super) const LIST_CREDENTIALS: &str = "list_credentials";
pub(super) const LIST_AGENTS: &str = "list_agents";
pub(super) const LIST_OPERATIONS: &str = "list_operations";
