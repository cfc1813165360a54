//! A response of Truedy: its HTTP parts, and the data in it.

use http::StatusCode;
use serde_json::Value;

/// The content of a successful response of Truedy.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiReply {
    /// `data`, or the whole body if there is no envelope. `null` for an empty body.
    pub data: Value,
    /// `pagination`, if the body has it.
    pub pagination: Option<Value>,
    /// Truedy's id of the exchange.
    pub request_id: Option<String>,
    /// The time by Truedy's clock, from its `Date` header.
    pub date: Option<String>,
}

/// The status, the relevant headers and the body of one response.
pub(crate) struct HttpAnswer {
    pub(crate) status: StatusCode,
    pub(crate) location: Option<String>,
    pub(crate) date: Option<String>,
    pub(crate) retry_after: Option<String>,
    pub(crate) request_id: Option<String>,
    /// The body as JSON. `Err` says why it is no JSON.
    pub(crate) body: Result<Value, String>,
    pub(crate) empty: bool,
}
