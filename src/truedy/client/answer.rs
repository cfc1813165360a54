//! What came back: one answer as it was received, and what it says.

use http::StatusCode;
use serde_json::Value;

/// What Truedy answered.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiReply {
    /// `data`, or the whole body where there is no envelope. `null` for an empty one.
    pub data: Value,
    /// `pagination`, if there was any.
    pub pagination: Option<Value>,
    /// Truedy's id of the exchange.
    pub request_id: Option<String>,
    /// Truedy's clock, as its `Date` header says.
    pub date: Option<String>,
}

/// The status line, headers of interest and body of one answer.
pub(crate) struct HttpAnswer {
    pub(crate) status: StatusCode,
    pub(crate) location: Option<String>,
    pub(crate) date: Option<String>,
    pub(crate) retry_after: Option<String>,
    pub(crate) request_id: Option<String>,
    /// `Err` says why the body is no JSON.
    pub(crate) body: Result<Value, String>,
    pub(crate) empty: bool,
}
