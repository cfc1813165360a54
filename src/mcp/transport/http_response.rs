//! HTTP responses that rmcp does not produce. Errors are JSON-RPC errors, because clients detect the era of a server by
//! the body of an error.

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

/// The body of a response, either complete or a stream.
pub type ResponseBody = BoxBody<Bytes, Infallible>;

/// JSON-RPC error code: the body is not JSON.
pub const PARSE_ERROR: i64 = -32700;
/// JSON-RPC error code: the body is not a request.
pub const INVALID_REQUEST: i64 = -32600;

/// Creates an error response whose JSON-RPC code is the HTTP status.
pub fn refusal(status: StatusCode, message: &str) -> Response<ResponseBody> {
    error(status, i64::from(status.as_u16()), message, None)
}

/// Creates a JSON-RPC error with an HTTP status. `id` is the id of the request, if it could be read.
pub fn error(status: StatusCode, code: i64, message: &str, id: Option<Value>) -> Response<ResponseBody> {
    let mut body = json!({ "jsonrpc": "2.0", "error": { "code": code, "message": message } });
    if let (Some(id), Some(object)) = (id, body.as_object_mut()) {
        object.insert("id".to_owned(), id);
    }
    json_answer(status, &body)
}

/// Creates a JSON response that must not be cached.
pub fn json_answer(status: StatusCode, body: &Value) -> Response<ResponseBody> {
    let mut answer = text(status, "application/json", body.to_string());
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// Creates a response with a complete text as its body.
pub fn text(status: StatusCode, content_type: &'static str, text: impl Into<Bytes>) -> Response<ResponseBody> {
    let mut answer = Response::new(Full::new(text.into()).boxed());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// Creates a response without a body.
pub fn empty(status: StatusCode) -> Response<ResponseBody> {
    let mut answer = Response::new(Empty::new().boxed());
    *answer.status_mut() = status;
    answer
}

/// Adds a header to a response. A value that is invalid in a header is left out.
pub fn with(mut answer: Response<ResponseBody>, name: HeaderName, value: &str) -> Response<ResponseBody> {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
    answer
}

/// Creates an error response for a full limit. `Retry-After` says in how many seconds to try again.
pub fn busy(status: StatusCode, seconds: u32, message: &str) -> Response<ResponseBody> {
    with(refusal(status, message), RETRY_AFTER, &seconds.to_string())
}

/// Keeps `kept` alive until the body was sent completely or was dropped.
pub fn keeping<T: Send + Sync + Unpin + 'static>(answer: Response<ResponseBody>, kept: T) -> Response<ResponseBody> {
    answer.map(|body| GuardedBody { body, _kept: kept }.boxed())
}

/// A body that keeps a value alive. The size hint of the inner body stays available.
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

/// Keeps `kept` alive until the body was read to its end, even if the client leaves earlier. The request continues
/// without its client. Its response must not be taken for the response to another request with the same id.
pub(crate) fn kept_to_the_end<T: Send + Sync + Unpin + 'static>(
    answer: Response<ResponseBody>,
    kept: T,
) -> Response<ResponseBody> {
    answer.map(|body| DrainedBody { rest: Some((body, kept)) }.boxed())
}

/// A body that is read to its end. If it is dropped earlier, a task reads the rest.
struct DrainedBody<T: Send + 'static> {
    /// The unread part of the body and the kept value; `None` after the end.
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
