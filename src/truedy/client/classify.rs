//! Decides what a response means: data, a refusal, or an unknown outcome.

use http::StatusCode;
use jiff::Timestamp;
use serde_json::Value;

use crate::truedy::client::answer::{ApiReply, HttpAnswer, ReplyBody, ReplyData};
use crate::truedy::client::send::Client;
use crate::truedy::error::{ApiError, Error, request_id};
use crate::truedy::rate_limit_reset;
use crate::truedy::request::RequestKind;

impl Client {
    /// Decides whether the request was carried out. The body counts, not the status alone.
    pub(crate) fn judge<D: ReplyData>(&self, kind: RequestKind, answer: HttpAnswer<D>) -> Result<ApiReply<D>, Error> {
        let status = answer.status;
        let api_error = |body: Option<&Value>| ApiError::read(status.as_u16(), body, answer.request_id.as_deref());
        if status.is_success() {
            return match answer.body {
                // A success status with an error in the body cannot be relied on.
                Ok(body)
                    if body.data.as_ref().is_none_or(D::is_null)
                        && body.others.get("error").is_some_and(|error| !error.is_null()) =>
                {
                    let said = api_error(Some(&body.others));
                    Err(Error::Unreadable("the answer says yes and holds an error".to_owned(), said))
                }
                Ok(body) => Ok(unwrap_envelope(body, answer.request_id, answer.date)),
                // A release may return 204 or an empty 200. Both mean success.
                Err(_) if answer.empty && kind == RequestKind::Delete => Ok(ApiReply {
                    data: D::without_envelope(Value::Null),
                    pagination: None,
                    request_id: answer.request_id,
                    date: answer.date,
                }),
                Err(why) => Err(Error::Unreadable(why, api_error(None))),
            };
        }
        let json = answer.body.is_ok();
        let said = api_error(answer.body.as_ref().ok().map(|body| &body.others));
        let certain = matches!(kind, RequestKind::Create | RequestKind::Delete);
        if said.is_rate_limit(certain) || (status == StatusCode::TOO_MANY_REQUESTS && !certain) {
            let wait = rate_limit_reset::wait(
                said.reset_at.as_ref(),
                answer.retry_after.as_deref(),
                answer.date.as_deref(),
                Timestamp::now(),
            );
            return Err(Error::Limited(wait, said));
        }
        let definite = match status.as_u16() {
            400 | 401 | 402 | 403 | 404 | 405 | 409 | 413 | 415 => json || !kind.changes(),
            // Truedy returns 422 for every error while it creates something, even after the order (contract §3.4). Only
            // the framework's own list of fields proves that no code ran.
            422 if kind == RequestKind::Create => said.unprocessed,
            422 => json || !kind.changes(),
            _ => false,
        };
        if definite {
            return Err(Error::Refused(said));
        }
        let why = match status.as_u16() {
            300..=399 => "Truedy answered with a redirect, which is not followed".to_owned(),
            code => format!("Truedy answered with status {code}"),
        };
        // If a read gets a redirect or an unexpected status, a repeat would not change that.
        if !kind.changes() && !status.is_server_error() && !matches!(status.as_u16(), 408 | 425) {
            return Err(Error::Unreadable(why, said));
        }
        Err(Error::NoVerdict(why, said))
    }

    /// Describes a failed exchange: the innermost cause, without address and secrets.
    pub(crate) fn words(&self, error: &reqwest::Error) -> String {
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        let text = if std::ptr::addr_eq(cause, error) { "the exchange failed".to_owned() } else { cause.to_string() };
        crate::domain::clean(&self.redactor.text(&text))
    }
}

fn unwrap_envelope<D: ReplyData>(body: ReplyBody<D>, header_id: Option<String>, date: Option<String>) -> ApiReply<D> {
    let ReplyBody { data, others } = body;
    let request_id = request_id(&others).or(header_id);
    let pagination = others.get("pagination").cloned();
    ApiReply { data: data.unwrap_or_else(|| D::without_envelope(others)), pagination, request_id, date }
}
