//! A response of Truedy: its HTTP parts, and the data in it.

use http::StatusCode;
use serde_json::Value;

use crate::domain::{ListBody, ListedRow, ListedRows};
use crate::redact::{RedactionPass, Redactor};

/// The content of a successful response of Truedy. `D` is what `data` was read as.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiReply<D = Value> {
    /// `data`, or the whole body if there is no envelope. `null` for an empty body.
    pub data: D,
    /// `pagination`, if the body has it.
    pub pagination: Option<Value>,
    /// Truedy's id of the exchange.
    pub request_id: Option<String>,
    /// The time by Truedy's clock, from its `Date` header.
    pub date: Option<String>,
}

impl<D> ApiReply<D> {
    /// Returns the reply with its data as something else.
    pub fn map<E>(self, change: impl FnOnce(D) -> E) -> ApiReply<E> {
        let Self { data, pagination, request_id, date } = self;
        ApiReply { data: change(data), pagination, request_id, date }
    }
}

/// The body of a response.
pub(crate) struct ReplyBody<D> {
    /// `data`. `None` if the body has no such field.
    pub(crate) data: Option<D>,
    /// All other fields, or a body that is no object.
    pub(crate) others: Value,
}

/// What `data` of a response can be read as.
pub(crate) trait ReplyData: Sized + Send + 'static {
    /// Reads a body, and removes every secret from it.
    fn read(text: &str, redaction: &RedactionPass<'_>) -> serde_json::Result<ReplyBody<Self>>;
    /// Whether there is no data.
    fn is_null(&self) -> bool;
    /// Returns the data of a body that has no envelope.
    fn without_envelope(body: Value) -> Self;
}

impl ReplyData for Value {
    fn read(text: &str, redaction: &RedactionPass<'_>) -> serde_json::Result<ReplyBody<Self>> {
        let mut others: Self = serde_json::from_str(text)?;
        redaction.value(&mut others);
        let data = others.as_object_mut().and_then(|fields| fields.remove("data"));
        Ok(ReplyBody { data, others })
    }

    fn is_null(&self) -> bool {
        self.is_null()
    }

    fn without_envelope(body: Value) -> Self {
        body
    }
}

/// The rows of a list. `None` if the data is not a list.
impl<T: ListedRow> ReplyData for Option<ListedRows<T>> {
    fn read(text: &str, redaction: &RedactionPass<'_>) -> serde_json::Result<ReplyBody<Self>> {
        let ListBody { rows, others } = ListBody::read(text, redaction)?;
        Ok(ReplyBody { data: Some(rows), others })
    }

    fn is_null(&self) -> bool {
        self.is_none()
    }

    fn without_envelope(_: Value) -> Self {
        None
    }
}

/// The status, the relevant headers and the body of one response.
pub(crate) struct HttpAnswer<D = Value> {
    pub(crate) status: StatusCode,
    pub(crate) location: Option<String>,
    pub(crate) date: Option<String>,
    pub(crate) retry_after: Option<String>,
    pub(crate) request_id: Option<String>,
    /// The body as JSON. `Err` says why it is no JSON.
    pub(crate) body: Result<ReplyBody<D>, String>,
    pub(crate) empty: bool,
}

/// Reads the body as JSON and removes every secret from it. The error says why it is no JSON.
pub(crate) fn read_json<D: ReplyData>(
    redactor: &Redactor,
    content_type: &str,
    bytes: &[u8],
    status: StatusCode,
) -> Result<ReplyBody<D>, String> {
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
    D::read(text, &redactor.pass()).map_err(|_| "the answer is not JSON".to_owned())
}
