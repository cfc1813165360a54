//! An answer that counts as running until its last byte has gone out.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::mcp::wire::Body;

/// The body of such an answer.
struct Counted {
    body: Body,
    _running: TaskTrackerToken,
}

/// The same body, counted. What is known of its length stays known.
pub(super) fn counted(body: Body, running: TaskTrackerToken) -> Body {
    Counted { body, _running: running }.boxed()
}

impl http_body::Body for Counted {
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
