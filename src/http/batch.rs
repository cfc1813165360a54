//! Handles several messages in one body, which only revision 2025-03-26 allows. Each message is handled separately; the
//! responses are sent together.

use bytes::Bytes;
use futures::future::{BoxFuture, join_all};
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::Full;
use serde_json::Value;

use crate::http::request::jsonrpc::Envelope;
use crate::http::request::negotiate::{cannot_be_asked, message_of};
use crate::mcp::transport::http_response::{INVALID_REQUEST, PARSE_ERROR, ResponseBody, empty, error, json_answer};
use crate::mcp::{Principal, Streamable};

/// The only revision with batches. A request without a revision header counts as this revision.
const WITH_BATCHES: &str = "2025-03-26";
/// The maximum number of messages in one body.
const MOST: usize = 32;

/// Checks whether a body is a batch and its revision allows batches. In other revisions a batch is refused like any
/// body that is no message.
pub(super) fn is_batch(headers: &HeaderMap, body: &[u8]) -> bool {
    let revision = headers.get("mcp-protocol-version");
    revision.is_none_or(|revision| revision == WITH_BATCHES)
        && body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[')
}

/// Splits a batch into one body for each message. From here on, no message has a duplicate name.
pub(super) fn messages(body: &[u8]) -> Result<Vec<Bytes>, Response<ResponseBody>> {
    let refuse = |code, why: &str| error(StatusCode::BAD_REQUEST, code, why, None);
    let all: Vec<Value> =
        serde_json::from_slice(body).map_err(|_| refuse(PARSE_ERROR, "Parse error: the body is not JSON"))?;
    if all.is_empty() || all.len() > MOST {
        return Err(refuse(INVALID_REQUEST, &format!("Invalid Request: a batch holds 1 to {MOST} messages")));
    }
    if all.iter().any(|message| message.get("method").is_some_and(|method| method == "initialize")) {
        return Err(refuse(INVALID_REQUEST, "Invalid Request: initialize must not be part of a batch"));
    }
    Ok(all.iter().map(|message| Bytes::from(message.to_string())).collect())
}

/// Handles each message separately and collects the responses.
pub(super) async fn answer(
    streamable: &Streamable,
    head: &Parts,
    messages: Vec<Bytes>,
    principal: &Principal,
) -> Response<ResponseBody> {
    let answering = messages.into_iter().map(|message| async move {
        let envelope = Envelope::read(&message).unwrap_or_default();
        let (id, method) = (envelope.id(), envelope.method.as_deref().map(str::to_owned));
        let mut head = head.clone();
        head.extensions.insert(principal.clone());
        let request = Request::from_parts(head.clone(), Full::new(message.clone()));
        let answer = streamable.answer(request, principal, method.as_deref(), id.clone()).await;
        let asked = |question: Value| -> BoxFuture<'_, ()> {
            let cannot = Request::from_parts(head.clone(), Full::new(cannot_be_asked(&question)));
            Box::pin(async move { drop(streamable.answer(cannot, principal, None, None).await) })
        };
        // A message without a method is itself a response, and gets none.
        message_of(answer, id.filter(|_| method.is_some()), asked).await
    });
    let answers: Vec<Value> = join_all(answering).await.into_iter().flatten().collect();
    // A batch of notifications alone gets no response body.
    if answers.is_empty() { empty(StatusCode::ACCEPTED) } else { json_answer(StatusCode::OK, &Value::Array(answers)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_revision_that_has_batches_has_them() {
        let revision = |text: Option<&str>| {
            let mut headers = HeaderMap::new();
            text.map(|text| headers.insert("mcp-protocol-version", text.parse().unwrap()));
            is_batch(&headers, b" [1]") && !is_batch(&headers, b"{}")
        };
        assert!(revision(None) && revision(Some("2025-03-26")));
        assert!(!revision(Some("2025-06-18")) && !revision(Some("2025-11-25")) && !revision(Some("2026-07-28")));
    }

    #[test]
    fn a_batch_has_bounds() {
        let list =
            |count: usize| Value::Array(vec![serde_json::json!({ "method": "ping", "id": 1 }); count]).to_string();
        assert_eq!(messages(list(32).as_bytes()).map_err(|_| ()).unwrap().len(), 32);
        for wrong in ["[]", &list(33), "[", r#"[{"method":"initialize","id":1}]"#] {
            assert!(messages(wrong.as_bytes()).is_err(), "{wrong}");
        }
        let twice = r#"[{"method":"tools/list","method":"tools/call","params":{"name":"a","name":"b"}}]"#;
        let message = messages(twice.as_bytes()).map_err(|_| ()).unwrap().remove(0);
        assert_eq!(Envelope::read(&message).unwrap().tool(), Some("b"), "what is judged is what is passed on");
    }
}
