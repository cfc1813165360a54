//! Converts a response to a form that the client accepts: one JSON object, or one event. Reads a stream itself if the
//! client accepts none.

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};

use crate::mcp::Accepts;
use crate::mcp::transport::http_response::{ResponseBody, json_answer};

/// The largest response that is read here, in bytes.
const ANSWER: usize = 4 * 1024 * 1024;
/// JSON-RPC error code: internal error.
const INTERNAL_ERROR: i64 = -32603;

/// Converts the response to the request with this id. If the client accepts no stream, `asked` is called for each
/// question of the server on it. Its argument is the question's id.
pub(crate) async fn in_form<'a>(
    answer: Response<ResponseBody>,
    accepts: Accepts,
    id: Option<Value>,
    asked: impl Fn(Value) -> BoxFuture<'a, ()>,
) -> Response<ResponseBody> {
    match (is_stream(&answer), accepts.json, accepts.events) {
        (true, _, false) => match message_of(answer, id, asked).await {
            Some(message) => json_answer(StatusCode::OK, &message),
            None => json_answer(StatusCode::OK, &failure(None, "the answer broke off")),
        },
        (false, false, true) => one_event(answer).await,
        _ => answer,
    }
}

/// Converts a complete JSON response to one event. An error stays unchanged, because its status is sufficient.
async fn one_event(answer: Response<ResponseBody>) -> Response<ResponseBody> {
    let is_json = content_type(&answer).starts_with("application/json");
    if !is_json || !answer.status().is_success() {
        return answer;
    }
    let (mut head, mut body) = answer.into_parts();
    let mut event = BytesMut::from(&b"event: message\ndata: "[..]);
    while let Some(Ok(frame)) = body.frame().await {
        // The JSON here contains no line break, so one line is one message.
        frame.into_data().iter().for_each(|data| event.extend_from_slice(data));
    }
    event.extend_from_slice(b"\n\n");
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    head.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    Response::from_parts(head, Full::new(event.freeze()).boxed())
}

/// Returns the message with the response to the request with this id, from a JSON body or a stream. Every request gets
/// one. It is an error if the response breaks off or is larger than 4 MiB.
pub(crate) async fn message_of<'a>(
    answer: Response<ResponseBody>,
    id: Option<Value>,
    asked: impl Fn(Value) -> BoxFuture<'a, ()>,
) -> Option<Value> {
    let streams = is_stream(&answer);
    let mut body = answer.into_body();
    let mut unread = BytesMut::new();
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        if unread.len() + data.len() > ANSWER {
            return id.map(|id| failure(Some(id), "the answer is larger than 4 MiB"));
        }
        let looked_at = unread.len();
        unread.extend_from_slice(&data);
        if !streams {
            continue;
        }
        for message in messages_in(&mut unread, looked_at) {
            match (message.get("id"), message.get("method")) {
                (Some(question), Some(_)) => asked(question.clone()).await,
                (answered, None) if answered == id.as_ref() => return Some(message),
                _ => {}
            }
        }
    }
    let alone = (!streams).then(|| serde_json::from_slice(&unread).ok()).flatten();
    alone.or_else(|| id.map(|id| failure(Some(id), "the answer broke off")))
}

/// Removes the complete lines from the text and returns their messages. No line ends before `looked_at`.
fn messages_in(unread: &mut BytesMut, looked_at: usize) -> Vec<Value> {
    let mut messages = Vec::new();
    let mut from = looked_at;
    while let Some(end) = unread.get(from..).and_then(|rest| rest.iter().position(|byte| *byte == b'\n')) {
        let line = unread.split_to(from + end + 1);
        from = 0;
        messages.extend(line.strip_prefix(b"data:").and_then(|data| serde_json::from_slice::<Value>(data).ok()));
    }
    messages
}

fn failure(id: Option<Value>, why: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": INTERNAL_ERROR, "message": format!("Internal error: {why}") } })
}

/// Does nothing with a question. It is used where no client can be asked.
pub(crate) fn nobody(_: Value) -> BoxFuture<'static, ()> {
    Box::pin(std::future::ready(()))
}

/// Builds the message that says to the server: the client accepts no stream, so it cannot be asked.
pub(crate) fn cannot_be_asked(question: &Value) -> Bytes {
    let error = json!({ "code": -32601, "message": "The client takes no stream, so it cannot be asked" });
    Bytes::from(json!({ "jsonrpc": "2.0", "id": question, "error": error }).to_string())
}

fn is_stream(answer: &Response<ResponseBody>) -> bool {
    content_type(answer).starts_with("text/event-stream")
}

fn content_type(answer: &Response<ResponseBody>) -> &str {
    answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;
    use std::convert::Infallible;

    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;
    use crate::mcp::transport::http_response::text;

    /// Returns a stream of these parts.
    fn stream(parts: Vec<String>) -> Response<ResponseBody> {
        let frames = parts.into_iter().map(|part| Ok::<_, Infallible>(Frame::data(Bytes::from(part))));
        let mut answer = Response::new(BodyExt::boxed(StreamBody::new(futures::stream::iter(frames))));
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        answer
    }

    const TOLD: &str = "data: {\"method\":\"notifications/progress\"}\n\n";

    async fn answered(answer: Response<ResponseBody>) -> (Option<Value>, Vec<Value>) {
        let questions = Mutex::new(Vec::new());
        let asked = |id| -> BoxFuture<'_, ()> {
            questions.lock().push(id);
            Box::pin(std::future::ready(()))
        };
        let message = message_of(answer, Some(json!(7)), asked).await;
        (message, questions.into_inner())
    }

    #[tokio::test]
    async fn the_answer_is_found_on_a_stream_however_it_is_cut() {
        let whole = format!("{TOLD}: still here\n\ndata: {{\"id\":7,\"result\":{{\"a\":1}}}}\n\n");
        for cut in 0..whole.len() {
            let (first, second) = whole.split_at(cut);
            let (message, questions) = answered(stream(vec![first.to_owned(), second.to_owned()])).await;
            assert_eq!((message.unwrap()["result"]["a"].clone(), questions.len()), (json!(1), 0), "{cut}");
        }
        let asks = "data: {\"id\":0,\"method\":\"elicitation/create\"}\n\n".to_owned();
        let (message, questions) = answered(stream(vec![asks, whole])).await;
        assert_eq!((message.unwrap()["id"].clone(), questions), (json!(7), vec![json!(0)]));
    }

    #[tokio::test]
    async fn a_request_is_answered_whatever_becomes_of_its_answer() {
        let large = format!("data: {{\"id\":7,\"result\":\"{}\"}}\n\n", "x".repeat(ANSWER));
        let alone = |body: String| text(StatusCode::OK, "application/json", body);
        for (answer, why) in [
            (stream(vec![TOLD.to_owned()]), "broke off"),
            (stream(vec!["data: {\"id\":7,".to_owned()]), "broke off"),
            (stream(vec![large]), "4 MiB"),
            (alone("x".repeat(ANSWER + 1)), "4 MiB"),
            (alone("{\"id\":7,".to_owned()), "broke off"),
            (alone(String::new()), "broke off"),
        ] {
            let message = answered(answer).await.0.unwrap();
            assert_eq!((&message["id"], &message["error"]["code"]), (&json!(7), &json!(-32603)));
            assert!(message["error"]["message"].as_str().unwrap().contains(why), "{message}");
        }
        // Earlier messages on a long stream do not count towards the limit.
        let many = vec![": still here\n\n".repeat(100); ANSWER / 1000].into_iter();
        let done = many.chain(["data: {\"id\":7,\"result\":{}}\n\n".to_owned()]).collect();
        assert!(answered(stream(done)).await.0.unwrap().get("result").is_some());
        // A notification gets no response.
        assert_eq!(message_of(text(StatusCode::ACCEPTED, "text/plain", ""), None, nobody).await, None);
    }

    #[tokio::test]
    async fn each_takes_the_form_that_it_takes() {
        let json = || text(StatusCode::OK, "application/json", "{\"id\":7}");
        let events = || stream(vec![TOLD.to_owned(), "data: {\"id\":7}\n\n".to_owned()]);
        for (answer, json, events, kind) in [
            (json(), true, true, "application/json"),
            (json(), true, false, "application/json"),
            (json(), false, true, "text/event-stream"),
            (events(), true, true, "text/event-stream"),
            (events(), true, false, "application/json"),
            (events(), false, true, "text/event-stream"),
        ] {
            let accepts = Accepts { json, events };
            let answer = in_form(answer, accepts, Some(json!(7)), nobody).await;
            assert_eq!(content_type(&answer), kind, "{accepts:?}");
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            let body = String::from_utf8(body.to_vec()).unwrap();
            let line = body.lines().rev().find(|line| line.contains('7')).unwrap();
            let line = line.strip_prefix("data:").unwrap_or(line);
            assert_eq!(serde_json::from_str::<Value>(line).unwrap()["id"], 7, "{accepts:?}: {body}");
        }
        let refused = text(StatusCode::NOT_FOUND, "application/json", "{}");
        let accepts = Accepts { json: false, events: true };
        let refused = in_form(refused, accepts, None, nobody).await;
        assert_eq!(content_type(&refused), "application/json");
    }
}
