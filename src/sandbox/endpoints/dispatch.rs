//! The answers of the API, one file for what belongs together.

use crate::sandbox::endpoints::call::Call;
use crate::sandbox::endpoints::{agents, assignments, calls, imports, numbers, purchase, search};
use crate::sandbox::response::{Done, Refusal};
use crate::sandbox::routes::Operation;

/// Carries out an operation.
pub(crate) fn answer(operation: Operation, call: &Call<'_>) -> Result<Done, Refusal> {
    match operation {
        Operation::List => numbers::list(call),
        Operation::Search => search::search(call),
        Operation::Purchase => purchase::purchase(call),
        Operation::Import => imports::import(call),
        Operation::Assign => assignments::assign(call),
        Operation::Unassign => assignments::unassign(call),
        Operation::Release => numbers::release(call),
        Operation::AgentNumbers => assignments::agent_numbers(call),
        Operation::WebhookUrl => agents::webhook_url(call),
        Operation::Credentials => imports::credentials(call),
        Operation::Agents => agents::list(call),
        Operation::Agent => agents::get(call),
        Operation::Call => calls::create(call),
    }
}
