//! A response of Truedy: its HTTP parts, and the data in it.

use http::StatusCode;
use serde_json::Value;

use crate::redact::Redactor;

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

/// Reads the body as JSON and removes every secret from it. The error says why it is no JSON.
pub(crate) fn read_json(
    redactor: &Redactor,
    content_type: &str,
    bytes: &[u8],
    status: StatusCode,
) -> Result<Value, String> {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    // A proxy may send JSON under a wrong type. It is still read where the status is an error.
    if !is_json && status.is_success() {
        return Err(if bytes.is_empty() {
            "the answer is empty".to_owned()
        } else {
            "the answer is not JSON by its type".to_owned()
        });
    }
    // Checking the whole text once is faster than checking each string in it.
    let text = std::str::from_utf8(bytes).map_err(|_| "the answer is not JSON".to_owned())?;
    let mut value: Value = serde_json::from_str(text).map_err(|_| "the answer is not JSON".to_owned())?;
    redactor.value(&mut value);
    Ok(value)
}
