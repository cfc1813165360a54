//! Chooses the endpoint for an operation.

use crate::sandbox::endpoints::call::EndpointCall;
use crate::sandbox::endpoints::{agents, assignments, calls, imports, numbers, purchase, search};
use crate::sandbox::response::{ApiRefusal, OperationResult};
use crate::sandbox::routes::ApiOperation;

/// Carries out an operation.
pub(crate) fn answer(operation: ApiOperation, call: &EndpointCall<'_>) -> Result<OperationResult, ApiRefusal> {
    match operation {
        ApiOperation::List => numbers::list(call),
        ApiOperation::Search => search::search(call),
        ApiOperation::Purchase => purchase::purchase(call),
        ApiOperation::Import => imports::import(call),
        ApiOperation::Assign => assignments::assign(call),
        ApiOperation::Unassign => assignments::unassign(call),
        ApiOperation::Release => numbers::release(call),
        ApiOperation::AgentNumbers => assignments::agent_numbers(call),
        ApiOperation::WebhookUrl => agents::webhook_url(call),
        ApiOperation::Credentials => imports::credentials(call),
        ApiOperation::Agents => agents::list(call),
        ApiOperation::Agent => agents::get(call),
        ApiOperation::Call => calls::create(call),
    }
}
