//! Explains to the caller of a purchase why a search for the price failed.

use serde_json::{Value, json};

use crate::domain::Status;
use crate::truedy::{Error, NotSent};

/// Explains why a search did not give the price. Returns a sentence, and a field with Truedy's own message.
pub(crate) fn failed_search(error: &Error) -> (String, Value) {
    let unconfigured = error.api_error().is_some_and(|api_error| api_error.mentions(&["not configured"]));
    let status = match error {
        _ if unconfigured => Status::ProviderNotConfigured,
        Error::Refused(api_error) => match api_error.status {
            401 => Status::AuthFailed,
            402 => Status::PaymentRequired,
            403 => Status::Forbidden,
            _ => Status::UpstreamRejected,
        },
        Error::Limited(..) | Error::NotSent(NotSent::Queue(_)) => Status::RateLimited,
        Error::Unreadable(..) => Status::BadUpstreamResponse,
        Error::NotSent(_) | Error::NoVerdict(..) => Status::UpstreamUnavailable,
    };
    let why = if unconfigured {
        "No telephony provider is configured for this organisation at Truedy (provider_not_configured), so the price could not be searched, and the purchase will probably be refused for the same reason.".to_owned()
    } else {
        format!("The price could not be searched ({}).", status.as_str())
    };
    let mut told = json!({ "status": status });
    if let (Some(message), Some(fields)) =
        (error.api_error().and_then(|api_error| api_error.message.as_ref()), told.as_object_mut())
    {
        fields.insert("truedy_says".to_owned(), json!(message));
    }
    (why, told)
}
