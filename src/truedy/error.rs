//! The outcome of a request: whether it was carried out, was not, or is not known.
//!
//! Source: contract §3 (every shape of an error body) and the outcome classes of the reliability design.

use std::time::Duration;

use serde_json::Value;

use crate::domain::{clean, clean_to, text_at};

/// The longest message of Truedy that is passed on, in characters.
const MESSAGE: usize = 300;

/// How the reason begins if a response is too large to be read.
pub(super) const TOO_LARGE: &str = "the answer is larger than";

/// An error as Truedy describes it. Its texts are cleaned, hold no secrets, and are never treated as instructions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// Machine-readable code, if the response has one.
    pub code: Option<String>,
    /// The message, at most 300 characters.
    pub message: Option<String>,
    /// Fields that the framework found wrong, each with its reason. The value is never included, since it may be a
    /// secret.
    pub fields: Vec<(String, String)>,
    /// Whether the framework refused the request before any of Truedy's own code ran (shape C).
    pub(super) unprocessed: bool,
    /// Truedy's id of the exchange, for its support.
    pub request_id: Option<String>,
    /// When a rate limit ends, in one of the forms that `rate_limit_reset` reads.
    pub(super) reset_at: Option<Value>,
}

impl ApiError {
    /// Reads an error body of any known shape (contract §3.2 A to I).
    pub(super) fn read(status: u16, body: Option<&Value>, header_id: Option<&str>) -> Self {
        let nothing = Value::Null;
        let body = body.unwrap_or(&nothing);
        let detail = body.get("detail");
        let error = body
            .get("error")
            .or_else(|| detail.and_then(|detail| detail.get("error")))
            .or_else(|| detail.filter(|detail| detail.is_object()))
            .unwrap_or(body);
        let details = error.get("details");
        let message = text_long(error, "message")
            .or_else(|| error.as_str().map(|text| clean_to(text, MESSAGE)))
            .or_else(|| detail.and_then(Value::as_str).map(|text| clean_to(text, MESSAGE)));
        let mut fields: Vec<(String, String)> = detail
            .and_then(Value::as_array)
            .map(|problems| problems.iter().take(20).map(framework_problem).collect())
            .unwrap_or_default();
        if let Some(field) = details.and_then(|details| text_at(details, "field")) {
            let reason = details.and_then(|details| text_at(details, "reason")).unwrap_or_default();
            fields.push((field, reason));
        }
        if let Some(listed) = details.and_then(|details| details.get("fields")).and_then(Value::as_object) {
            fields.extend(
                listed
                    .iter()
                    .take(20)
                    .map(|(field, reason)| (clean(field), clean(reason.as_str().unwrap_or_default()))),
            );
        }
        Self {
            status,
            code: text_at(error, "code"),
            message,
            unprocessed: detail.and_then(Value::as_array).is_some_and(|problems| framework_spoke(problems)),
            fields,
            request_id: request_id(body).or_else(|| text_at(error, "request_id")).or_else(|| header_id.map(clean)),
            reset_at: details.and_then(|details| details.get("reset_at")).or_else(|| error.get("reset_at")).cloned(),
        }
    }

    /// Whether the rate limiter refused the request. It does so before anything is done (contract §4).
    ///
    /// If `certain` is set, the status must be 429. Under another status its code is not enough, since its author is
    /// not known.
    pub(super) fn is_rate_limit(&self, certain: bool) -> bool {
        let coded = self.code.as_deref() == Some("rate_limit_exceeded");
        (coded && !certain) || (self.status == 429 && (coded || self.reset_at.is_some()))
    }

    /// Whether the message contains one of these words, ignoring case. The words must be in lower case.
    pub fn mentions(&self, words: &[&str]) -> bool {
        let message = self.message.as_deref().unwrap_or_default().to_lowercase();
        words.iter().any(|word| message.contains(word))
    }
}

fn text_long(object: &Value, field: &str) -> Option<String> {
    object.get(field)?.as_str().map(|text| clean_to(text, MESSAGE)).filter(|text| !text.is_empty())
}

/// Whether these are the framework's own findings about a request. They are made before any of Truedy's code runs.
fn framework_spoke(problems: &[Value]) -> bool {
    let about_the_request = |problem: &Value| {
        let place = problem.get("loc").and_then(|loc| loc.get(0)).and_then(Value::as_str);
        place.is_some_and(|place| matches!(place, "body" | "query" | "path" | "header"))
    };
    !problems.is_empty() && problems.iter().all(about_the_request)
}

/// Returns the field and the reason. Leaves out `input` and `ctx`: they repeat what was sent, with secrets (contract
/// §3.2).
fn framework_problem(problem: &Value) -> (String, String) {
    let place = problem.get("loc").and_then(Value::as_array).map_or_else(String::new, |parts| {
        let parts: Vec<String> = parts
            .iter()
            .filter_map(|part| part.as_str().map(clean))
            .filter(|part| part != "body" && part != "query")
            .collect();
        parts.join(".")
    });
    (place, text_at(problem, "msg").unwrap_or_default())
}

/// Returns the id of an exchange from an enveloped body.
pub(super) fn request_id(body: &Value) -> Option<String> {
    text_at(body.get("meta")?, "request_id")
}

/// Why a request was certainly not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotSent {
    /// No connection: it was refused, the name was not found, TLS failed, or nothing answered within five seconds.
    NoConnection(String),
    /// The caller cancelled the request, or the program is ending.
    Cancelled,
    /// This server's own rate limit had no free slot in time. Holds how long to wait.
    Queue(Duration),
    /// The time for the call was used up before the request could be sent.
    Late,
    /// The permit did not allow sending, for this reason.
    NotCleared(String),
    /// The address could not be built. This is a fault of this server.
    BadAddress,
}

/// The outcome of a request that did not simply succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Truedy refused the request. It was not carried out.
    #[error("refused with status {}", .0.status)]
    Refused(ApiError),
    /// The rate limit refused the request. It was not carried out. Holds how long to wait.
    #[error("rate limited for {} s", .0.as_secs())]
    Limited(Duration, ApiError),
    /// The request was never sent. It was not carried out.
    #[error("not sent: {0:?}")]
    NotSent(NotSent),
    /// The request was sent, and its outcome is not known. It may have been carried out.
    #[error("no verdict: {0}")]
    NoVerdict(String, ApiError),
    /// Truedy reported success in a form that cannot be read. If the request was a change, it was carried out.
    #[error("unreadable answer: {0}")]
    Unreadable(String, ApiError),
}

impl Error {
    /// Returns Truedy's description of the error, if it gave one.
    pub fn api_error(&self) -> Option<&ApiError> {
        match self {
            Self::Refused(api_error)
            | Self::Limited(_, api_error)
            | Self::NoVerdict(_, api_error)
            | Self::Unreadable(_, api_error) => Some(api_error),
            Self::NotSent(_) => None,
        }
    }

    /// Name of the variant, as a label of metrics.
    pub(super) fn class(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Limited(..) => "rate_limited",
            Self::NotSent(_) => "not_sent",
            Self::NoVerdict(..) => "no_verdict",
            Self::Unreadable(..) => "unreadable",
        }
    }

    /// Returns the error for a list that is not an array.
    pub fn no_list() -> Self {
        Self::Unreadable("the list is not an array".to_owned(), ApiError::default())
    }

    /// Whether the response was not read because it is too large. Fewer rows may fit.
    pub fn is_too_large(&self) -> bool {
        matches!(self, Self::Unreadable(why, _) if why.starts_with(TOO_LARGE))
    }

    /// Whether a change may have been carried out despite the error.
    pub fn may_have_happened(&self) -> bool {
        matches!(self, Self::NoVerdict(..) | Self::Unreadable(..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_known_shape_is_read() {
        let a = json!({"error": {"code": "validation_error", "message": "Invalid", "details": {"field": "phone_number", "reason": "E.164"}}, "meta": {"request_id": "r1"}});
        let api_error = ApiError::read(422, Some(&a), None);
        assert_eq!(
            (api_error.code.as_deref(), api_error.request_id.as_deref(), api_error.fields.len()),
            (Some("validation_error"), Some("r1"), 1)
        );
        let b = json!({"error": {"code": "x", "message": "m", "details": {}, "request_id": "r2", "ts": null}});
        assert_eq!(ApiError::read(422, Some(&b), None).request_id.as_deref(), Some("r2"));
        let c = json!({"detail": [{"type": "missing", "loc": ["body", "phone_number"], "msg": "Field required", "input": {"api_key": "s3cret"}}]});
        let api_error = ApiError::read(422, Some(&c), Some("h"));
        assert_eq!(api_error.fields, [("phone_number".to_owned(), "Field required".to_owned())]);
        assert!(!format!("{api_error:?}").contains("s3cret"));
        assert_eq!(
            ApiError::read(404, Some(&json!({"detail": "Not Found"})), None).message.as_deref(),
            Some("Not Found")
        );
        let e = json!({"detail": {"error": {"code": "rate_limit_exceeded", "message": "slow", "details": {"reset_at": "2026-03-03T12:01:00"}}}});
        assert!(ApiError::read(429, Some(&e), None).is_rate_limit(true));
        assert!(ApiError::read(500, Some(&e), None).is_rate_limit(false));
        assert!(!ApiError::read(500, Some(&e), None).is_rate_limit(true));
        let g = json!({"error": {"code": "server_error", "message": "unreachable"}});
        assert_eq!(ApiError::read(500, Some(&g), None).code.as_deref(), Some("server_error"));
        assert_eq!(ApiError::read(502, None, Some("h")).request_id.as_deref(), Some("h"));
        assert_eq!(ApiError::read(500, Some(&json!({"error": "plain"})), None).message.as_deref(), Some("plain"));
    }
}
