//! The shapes of responses: the documented envelope, and every shape of error that was seen or is possible.
//!
//! Source: <https://docs.truedy.ai/guides/error-handling> for the documented envelope. The other shapes are those of
//! the backend, its framework and the proxy before it.

use serde_json::{Map, Value, json};

use crate::sandbox::error::FieldError;
use crate::sandbox::faults::active::Faults;
use crate::sandbox::faults::catalogue::Fault;
use crate::sandbox::time;

pub(crate) const JSON: &str = "application/json";

/// A response that is sent back.
#[derive(Debug)]
pub(crate) struct HttpReply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) content_type: Option<&'static str>,
    pub(crate) body: Vec<u8>,
}

impl HttpReply {
    pub(crate) fn json(status: u16, body: &Value) -> HttpReply {
        HttpReply { status, headers: Vec::new(), content_type: Some(JSON), body: body.to_string().into_bytes() }
    }

    pub(crate) fn empty(status: u16) -> HttpReply {
        HttpReply { status, headers: Vec::new(), content_type: None, body: Vec::new() }
    }
}

/// The result of an operation.
#[derive(Debug)]
pub(crate) enum OperationResult {
    /// The operation returns data.
    Data { status: u16, data: Value, pagination: Option<Value> },
    /// The response has no body.
    Empty,
    /// The operation is done, but there will be no response.
    Silence,
}

impl OperationResult {
    pub(crate) fn with(data: Value) -> OperationResult {
        OperationResult::Data { status: 200, data, pagination: None }
    }

    pub(crate) fn page(data: Vec<Value>, pagination: Value) -> OperationResult {
        OperationResult::Data { status: 200, data: Value::Array(data), pagination: Some(pagination) }
    }

    /// Returns the result for something that was created, with the API's status for that.
    pub(crate) fn made(data: Value, faults: &Faults) -> OperationResult {
        let status = if faults.has(Fault::SuccessStatus201) { 201 } else { 200 };
        OperationResult::Data { status, data, pagination: None }
    }
}

/// The component that writes an error. It decides the shape of the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ErrorShape {
    /// The application, in the documented envelope.
    Application,
    /// The framework, about a path or method.
    Framework,
    /// The proxy in front.
    Proxy,
    /// The last handler, for errors that nothing else caught.
    LastResort,
}

/// Why an operation did not return data.
#[derive(Debug)]
pub(crate) struct ApiRefusal {
    pub(crate) status: u16,
    /// Whether changes that were written before the refusal are kept.
    pub(crate) keeps: bool,
    pub(crate) headers: Vec<(&'static str, String)>,
    author: ErrorShape,
    code: &'static str,
    message: String,
    /// Boxed, so that the type is small enough to be returned everywhere.
    details: Box<Value>,
    problems: Vec<FieldError>,
    /// Whether it is shown in the framework's own list, regardless of the fault `errors`.
    listed: bool,
}

impl ApiRefusal {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> ApiRefusal {
        ApiRefusal {
            status,
            keeps: false,
            headers: Vec::new(),
            author: ErrorShape::Application,
            code,
            message: message.into(),
            details: Box::new(json!({})),
            problems: Vec::new(),
            listed: false,
        }
    }

    /// Builds the 422 for a broken business rule or a refusal by the carrier.
    pub(crate) fn rule(message: impl Into<String>) -> ApiRefusal {
        ApiRefusal::new(422, "validation_error", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> ApiRefusal {
        ApiRefusal::new(404, "not_found", message)
    }

    /// Builds the refusal for a request that does not fit the schema.
    pub(crate) fn schema(problems: Vec<FieldError>, listed: bool) -> ApiRefusal {
        let details = problems.first().map_or_else(|| json!({}), FieldError::details);
        ApiRefusal { details: Box::new(details), problems, listed, ..ApiRefusal::rule("Invalid request") }
    }

    /// Builds the refusal for a body that is not JSON.
    pub(crate) fn malformed(problem: FieldError) -> ApiRefusal {
        ApiRefusal {
            details: Box::new(problem.details()),
            problems: vec![problem],
            ..ApiRefusal::new(400, "bad_request", "Malformed JSON")
        }
    }

    pub(crate) fn no_such_path() -> ApiRefusal {
        ApiRefusal { author: ErrorShape::Framework, ..ApiRefusal::new(404, "not_found", "Not Found") }
    }

    pub(crate) fn method_not_allowed(allow: String) -> ApiRefusal {
        ApiRefusal {
            author: ErrorShape::Framework,
            headers: vec![("allow", allow)],
            ..ApiRefusal::new(405, "method_not_allowed", "Method Not Allowed")
        }
    }

    pub(crate) fn too_large() -> ApiRefusal {
        ApiRefusal {
            author: ErrorShape::Proxy,
            headers: vec![("connection", "close".to_owned())],
            ..ApiRefusal::new(413, "payload_too_large", "Request body is too large")
        }
    }

    /// Builds the error of a proxy that lost the backend. The outcome of the operation is not known.
    pub(crate) fn proxy() -> ApiRefusal {
        let message = "Backend server is currently unreachable or failed.";
        ApiRefusal { author: ErrorShape::Proxy, ..ApiRefusal::new(500, "server_error", message) }
    }

    pub(crate) fn internal() -> ApiRefusal {
        let message = "An internal error occurred";
        ApiRefusal { author: ErrorShape::LastResort, ..ApiRefusal::new(500, "internal_error", message) }
    }

    /// Returns the same refusal, but keeps the changes that were written before it.
    pub(crate) fn after_the_fact(self) -> ApiRefusal {
        ApiRefusal { keeps: true, ..self }
    }

    pub(crate) fn with_details(self, details: Value) -> ApiRefusal {
        ApiRefusal { details: Box::new(details), ..self }
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: String) -> ApiRefusal {
        self.headers.push((name, value));
        self
    }
}

impl From<rusqlite::Error> for ApiRefusal {
    fn from(error: rusqlite::Error) -> ApiRefusal {
        tracing::error!(%error, "the sandbox could not read or write its account");
        ApiRefusal::internal()
    }
}

/// Writes one response.
#[derive(Debug)]
pub(crate) struct ResponseWriter<'a> {
    pub(crate) faults: &'a Faults,
    pub(crate) request_id: &'a str,
    /// Every secret in the request, for the fault that repeats them.
    pub(crate) secrets: &'a [String],
}

impl ResponseWriter<'_> {
    /// Writes the result of an operation. `None` if there is to be no response.
    pub(crate) fn success(&self, done: OperationResult) -> Option<HttpReply> {
        let (status, data, pagination) = match done {
            OperationResult::Data { status, data, pagination } => (status, data, pagination),
            OperationResult::Empty => return Some(HttpReply::empty(204)),
            OperationResult::Silence => return None,
        };
        let mut body = Map::new();
        body.insert("data".to_owned(), data);
        // In a successful response, the id in meta differs from the id in the header.
        body.insert("meta".to_owned(), self.meta(&uuid::Uuid::new_v4().to_string()));
        if let Some(pagination) = pagination {
            body.insert("pagination".to_owned(), pagination);
        }
        let mut body = Value::Object(body);
        if self.faults.has(Fault::ExtraUnknownFields) {
            add_unknown_fields(&mut body);
        }
        if self.faults.has(Fault::UnenvelopedBody) {
            body = body.get_mut("data").map(Value::take).unwrap_or_default();
        }
        Some(HttpReply::json(status, &body))
    }

    /// Writes the reason for a refusal.
    pub(crate) fn refusal(&self, refusal: ApiRefusal) -> HttpReply {
        let mut message = refusal.message;
        if self.faults.has(Fault::EchoKey) {
            for secret in self.secrets {
                message.push_str(&format!(" {secret} {}", base64(secret.as_bytes())));
            }
        }
        let error = json!({ "code": refusal.code, "message": message });
        let mut reply = match refusal.author {
            ErrorShape::Framework => HttpReply::json(refusal.status, &json!({ "detail": message })),
            ErrorShape::Proxy => {
                let mut reply = HttpReply::json(refusal.status, &json!({ "error": error }));
                if refusal.status >= 500 {
                    reply.content_type = Some("text/plain");
                }
                reply
            }
            ErrorShape::LastResort => {
                let error = merged(error, json!({ "request_id": self.request_id, "ts": null }));
                HttpReply::json(refusal.status, &json!({ "error": error }))
            }
            ErrorShape::Application => {
                let framework = refusal.listed || self.faults.has(Fault::ErrorsC);
                if framework && !refusal.problems.is_empty() {
                    let echoed = if self.faults.has(Fault::EchoKey) { Some(message.as_str()) } else { None };
                    let list: Vec<Value> = refusal.problems.iter().map(|problem| problem.listed(echoed)).collect();
                    HttpReply::json(422, &json!({ "detail": list }))
                } else {
                    self.enveloped(refusal.status, merged(error, json!({ "details": refusal.details })))
                }
            }
        };
        reply.headers.extend(refusal.headers);
        reply
    }

    fn enveloped(&self, status: u16, error: Value) -> HttpReply {
        if self.faults.has(Fault::ErrorsEmpty) {
            return HttpReply::empty(status);
        }
        if self.faults.has(Fault::ErrorsHtml) {
            let page = format!("<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>\n");
            let body = page.into_bytes();
            return HttpReply { status, headers: Vec::new(), content_type: Some("text/html"), body };
        }
        if self.faults.has(Fault::ErrorsB) {
            let now = time::now();
            let inside = json!({ "request_id": self.request_id, "ts": time::naive(&now) });
            return HttpReply::json(status, &json!({ "error": merged(error, inside) }));
        }
        if self.faults.has(Fault::ErrorsD) {
            return HttpReply::json(status, &json!({ "detail": error.get("message") }));
        }
        if self.faults.has(Fault::ErrorsE) {
            return HttpReply::json(status, &json!({ "detail": { "error": error } }));
        }
        HttpReply::json(status, &json!({ "error": error, "meta": self.meta(self.request_id) }))
    }

    fn meta(&self, request_id: &str) -> Value {
        let time = if self.faults.has(Fault::MetaTimestampKey) { "timestamp" } else { "ts" };
        json!({ "request_id": request_id, time: time::now() })
    }
}

/// Adds undocumented members to the objects at the top levels of a response.
fn add_unknown_fields(body: &mut Value) {
    let unknown = || json!({ "added_later": [1, "two", null], "beta": true });
    let add = |value: Option<&mut Value>| {
        if let Some(Value::Object(object)) = value {
            object.insert("x_unknown".to_owned(), unknown());
        }
    };
    if let Some(Value::Array(items)) = body.get_mut("data") {
        for item in items {
            add(Some(item));
        }
    }
    for part in ["data", "meta", "pagination"] {
        add(body.get_mut(part));
    }
    add(Some(body));
}

fn merged(mut one: Value, other: Value) -> Value {
    if let (Value::Object(one), Value::Object(other)) = (&mut one, other) {
        one.extend(other);
    }
    one
}

/// Encodes bytes in base64, with the standard alphabet and padding (RFC 4648 §4).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letter = |six: u32| char::from(ALPHABET[(six & 63) as usize]);
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = (0..3).fold(0_u32, |group, nth| group << 8 | u32::from(chunk.get(nth).copied().unwrap_or(0)));
        for nth in 0..4 {
            text.push(if nth <= chunk.len() { letter(group >> (18 - 6 * nth)) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(faults: &[&str], refusal: ApiRefusal) -> (u16, String) {
        let faults = Faults::parse(faults).unwrap();
        let writer = ResponseWriter { faults: &faults, request_id: "r", secrets: &["Geheim".to_owned()] };
        let reply = writer.refusal(refusal);
        (reply.status, String::from_utf8(reply.body).unwrap())
    }

    fn body(faults: &[&str], refusal: ApiRefusal) -> Value {
        serde_json::from_str(&written(faults, refusal).1).unwrap()
    }

    #[test]
    fn the_documented_envelope_is_the_rule() {
        let body = body(&[], ApiRefusal::rule("No"));
        assert_eq!(body["error"], json!({ "code": "validation_error", "message": "No", "details": {} }));
        assert_eq!(body["meta"]["request_id"], "r");
    }

    #[test]
    fn every_other_shape_can_be_had() {
        assert_eq!(body(&["errors=B"], ApiRefusal::rule("No"))["error"]["request_id"], "r");
        assert_eq!(body(&["errors=D"], ApiRefusal::rule("No")), json!({ "detail": "No" }));
        assert_eq!(body(&["errors=E"], ApiRefusal::rule("No"))["detail"]["error"]["message"], "No");
        assert_eq!(body(&["errors=C"], ApiRefusal::rule("No"))["error"]["message"], "No");
        assert!(written(&["errors=html"], ApiRefusal::rule("No")).1.starts_with("<html>"));
        assert_eq!(written(&["errors=empty"], ApiRefusal::rule("No")), (422, String::new()));
        assert_eq!(body(&["errors=E"], ApiRefusal::no_such_path()), json!({ "detail": "Not Found" }));
        assert_eq!(body(&[], ApiRefusal::internal())["error"]["ts"], Value::Null);
    }

    #[test]
    fn secrets_are_echoed_only_on_request() {
        assert!(!written(&[], ApiRefusal::rule("No")).1.contains("Geheim"));
        let (_, body) = written(&["echo_key"], ApiRefusal::rule("No"));
        assert!(body.contains("No Geheim R2VoZWlt"), "{body}");
        assert!(written(&["echo_key"], ApiRefusal::proxy()).1.contains("R2VoZWlt"));
    }

    #[test]
    fn base64_pads() {
        assert_eq!([&b""[..], b"f", b"fo", b"foo", b"foob"].map(base64), ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]);
    }

    #[test]
    fn a_success_can_be_dressed_differently() {
        let dressed = |faults: &[&str]| -> Value {
            let faults = Faults::parse(faults).unwrap();
            let writer = ResponseWriter { faults: &faults, request_id: "r", secrets: &[] };
            let reply = writer.success(OperationResult::page(vec![json!({ "id": 1 })], json!({ "total": 1 }))).unwrap();
            serde_json::from_slice(&reply.body).unwrap()
        };
        let plain = dressed(&[]);
        assert_eq!(plain["pagination"], json!({ "total": 1 }));
        assert_ne!(plain["meta"]["request_id"], "r");
        assert_eq!(dressed(&["unenveloped_body"]), json!([{ "id": 1 }]));
        assert!(dressed(&["meta_timestamp_key"])["meta"]["timestamp"].is_string());
        assert!(dressed(&["extra_unknown_fields"])["data"][0]["x_unknown"].is_object());
    }
}
