//! Several messages in one body, which 2025-03-26 and no later revision allows: each goes its own way, the answers come together.

use bytes::Bytes;
use futures::future::join_all;
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use serde_json::Value;

use super::envelope::Envelope;
use crate::mcp::wire::{Body, INVALID_REQUEST, PARSE_ERROR, empty, error, json_answer};
use crate::mcp::{Principal, Streamable};

/// The revision that has batches; a request that names none is of it.
const WITH_BATCHES: &str = "2025-03-26";
/// The most messages of one body.
const MOST: usize = 32;
/// The largest answer to one of them.
const ANSWER: usize = 4 * 1024 * 1024;

/// Whether a body holds several messages and may: of any other revision it is refused like whatever else is no message.
pub(super) fn is_batch(headers: &HeaderMap, body: &[u8]) -> bool {
    let revision = headers.get("mcp-protocol-version");
    revision.is_none_or(|revision| revision == WITH_BATCHES)
        && body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[')
}

/// The messages, each as a body of its own. What stood there twice stands there once from here on.
pub(super) fn messages(body: &[u8]) -> Result<Vec<Bytes>, Response<Body>> {
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

/// Sends each message its way and collects the answers.
pub(super) async fn answer(
    streamable: &Streamable,
    head: &Parts,
    messages: Vec<Bytes>,
    principal: &Principal,
) -> Response<Body> {
    let answering = messages.into_iter().map(|message| async move {
        let envelope = Envelope::read(&message).unwrap_or_default();
        let (id, method) = (envelope.id(), envelope.method.as_deref().map(str::to_owned));
        let mut head = head.clone();
        head.extensions.insert(principal.clone());
        let request = Request::from_parts(head, Full::new(message.clone()));
        let answer = streamable.answer(request, principal, method.as_deref(), id.clone()).await;
        message_of(answer, id).await
    });
    let answers: Vec<Value> = join_all(answering).await.into_iter().flatten().collect();
    // Notifications alone are not answered.
    if answers.is_empty() { empty(StatusCode::ACCEPTED) } else { json_answer(StatusCode::OK, &Value::Array(answers)) }
}

/// The one message that answers a request, whether it came alone or at the end of a stream.
async fn message_of(answer: Response<Body>, id: Option<Value>) -> Option<Value> {
    let bytes = Limited::new(answer.into_body(), ANSWER).collect().await.ok()?.to_bytes();
    let alone = serde_json::from_slice::<Value>(&bytes).ok();
    alone.or_else(|| {
        let text = std::str::from_utf8(&bytes).ok()?;
        let events = text.lines().filter_map(|line| line.strip_prefix("data:"));
        let mut messages = events.filter_map(|data| serde_json::from_str::<Value>(data.trim()).ok());
        messages.find(|message| message.get("id") == id.as_ref())
    })
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
