//! HTTP answers that are no protocol's: JSON-RPC errors, since clients tell the era of a server by the body of a refusal.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use http_body::{Frame, SizeHint};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use serde_json::{Value, json};

/// What an answer's body is, whether it is whole or a stream.
pub type ResponseBody = BoxBody<Bytes, Infallible>;

/// JSON-RPC: what came is no JSON.
pub const PARSE_ERROR: i64 = -32700;
/// JSON-RPC: what came is no request.
pub const INVALID_REQUEST: i64 = -32600;

/// A refusal; the code of one that JSON-RPC has no code for is its status.
pub fn refusal(status: StatusCode, message: &str) -> Response<ResponseBody> {
    error(status, i64::from(status.as_u16()), message, None)
}

/// A JSON-RPC error under an HTTP status. `id` is that of the request, where it could be read.
pub fn error(status: StatusCode, code: i64, message: &str, id: Option<Value>) -> Response<ResponseBody> {
    let mut body = json!({ "jsonrpc": "2.0", "error": { "code": code, "message": message } });
    if let (Some(id), Some(object)) = (id, body.as_object_mut()) {
        object.insert("id".to_owned(), id);
    }
    json_answer(status, &body)
}

/// JSON that nobody keeps.
pub fn json_answer(status: StatusCode, body: &Value) -> Response<ResponseBody> {
    let mut answer = text(status, "application/json", body.to_string());
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// A whole text.
pub fn text(status: StatusCode, content_type: &'static str, text: impl Into<Bytes>) -> Response<ResponseBody> {
    let mut answer = Response::new(Full::new(text.into()).boxed());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// Nothing but a status.
pub fn empty(status: StatusCode) -> Response<ResponseBody> {
    let mut answer = Response::new(Empty::new().boxed());
    *answer.status_mut() = status;
    answer
}

/// The same answer with a header; a value that no header can carry is left out.
pub fn with(mut answer: Response<ResponseBody>, name: HeaderName, value: &str) -> Response<ResponseBody> {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
    answer
}

/// There is no room now: when to come again.
pub fn busy(status: StatusCode, seconds: u32, message: &str) -> Response<ResponseBody> {
    with(refusal(status, message), RETRY_AFTER, &seconds.to_string())
}

/// The same answer, which keeps something until its last byte has gone out or nobody wants it any more.
pub fn keeping<T: Send + Sync + Unpin + 'static>(answer: Response<ResponseBody>, kept: T) -> Response<ResponseBody> {
    answer.map(|body| GuardedBody { body, _kept: kept }.boxed())
}

/// A body that keeps something. What is known of its length stays known.
struct GuardedBody<T> {
    body: ResponseBody,
    _kept: T,
}

impl<T: Unpin> http_body::Body for GuardedBody<T> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The same answer, which keeps something until its last byte was made, even if its client goes before: the request runs on, and
/// its answer must not be taken for that of another with the same id.
pub(crate) fn kept_to_the_end<T: Send + Sync + Unpin + 'static>(
    answer: Response<ResponseBody>,
    kept: T,
) -> Response<ResponseBody> {
    answer.map(|body| DrainedBody { rest: Some((body, kept)) }.boxed())
}

/// A body that is read to its end, if need be by itself.
struct DrainedBody<T: Send + 'static> {
    /// What has not been read yet, with what is kept; `None` after its end.
    rest: Option<(ResponseBody, T)>,
}

impl<T: Send + Unpin + 'static> http_body::Body for DrainedBody<T> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Some((body, _)) = &mut self.rest else { return Poll::Ready(None) };
        let frame = Pin::new(body).poll_frame(context);
        if matches!(frame, Poll::Ready(None)) {
            self.rest = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.rest.as_ref().is_none_or(|(body, _)| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), |(body, _)| body.size_hint())
    }
}

impl<T: Send + 'static> Drop for DrainedBody<T> {
    fn drop(&mut self) {
        let rest = self.rest.take().filter(|(body, _)| !http_body::Body::is_end_stream(body));
        if let (Some((mut body, kept)), Ok(runtime)) = (rest, tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move {
                while body.frame().await.is_some() {}
                drop(kept);
            });
        }
    }
}
