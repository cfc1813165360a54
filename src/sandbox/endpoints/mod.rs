//! The answers of the API, one file for what belongs together.

mod agents;
mod assignments;
mod calls;
mod ids;
mod imports;
mod numbers;
mod purchase;
mod search;

use http::header::CONTENT_TYPE;
use http::request::Parts;
use serde_json::{Value, json};

use super::account::Account;
use super::answer::{Done, Refusal};
use super::faults::Faults;
use super::fields::{Body, Query};
use super::route::Operation;

/// A request that was let in.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) account: Account<'a>,
    pub(super) faults: &'a Faults,
    /// The id in the path, if the operation has one there.
    pub(super) id: &'a str,
    pub(super) parts: &'a Parts,
    pub(super) body: &'a [u8],
}

impl Call<'_> {
    fn query(&self) -> Query {
        Query::parse(self.parts.uri.query())
    }

    fn json(&self) -> Result<Body, Refusal> {
        let content_type = self.parts.headers.get(CONTENT_TYPE);
        // A content type that is no text is no JSON either.
        Body::parse(content_type.map(|content_type| content_type.to_str().unwrap_or("?")), self.body)
    }
}

/// Carries out an operation.
pub(super) fn answer(operation: Operation, call: &Call<'_>) -> Result<Done, Refusal> {
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

/// The `limit` and `offset` of a list.
fn window(query: &mut Query) -> (u64, u64) {
    (query.whole("limit", 50, 1, 100), query.whole("offset", 0, 0, u64::MAX))
}

fn offset_pagination(total: u64, limit: u64, offset: u64) -> Value {
    let has_more = offset.saturating_add(limit) < total;
    json!({ "total": total, "limit": limit, "offset": offset, "has_more": has_more })
}
