//! Limits how long a connection may be silent.
//!
//! A request head must arrive quickly, but a known caller's connection may be idle between requests. hyper has one
//! limit for both. Clients and proxies keep connections for a minute or more. If they send a request while the server
//! closes, it is lost.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Response;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::mcp::transport::http_response::{ResponseBody, keeping};

/// Time limit for a request head. It also limits how long the connection of an unknown caller may be idle.
pub(crate) const HEAD: Duration = Duration::from_secs(10);

/// Extension of a response that marks its request as one of a known caller.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KnownCaller;

/// The phase of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConnectionPhase {
    /// A request head is awaited or arriving.
    Head,
    /// A request is being answered. Its body has a deadline of its own.
    Answering,
    /// An unknown caller was answered.
    Idle,
    /// A known caller was answered.
    KnownIdle,
}

/// The phase of a connection, shared by the code that answers and by `ReadDeadline`.
///
/// The lowest two bits are the phase. The others count the changes, so that a new phase of the same kind is noticed.
#[derive(Debug, Default)]
pub(crate) struct ConnectionActivity(AtomicU64);

impl ConnectionActivity {
    fn is(&self) -> (u64, ConnectionPhase) {
        let state = self.0.load(Ordering::Acquire);
        let doing = match state & 3 {
            0 => ConnectionPhase::Head,
            1 => ConnectionPhase::Answering,
            2 => ConnectionPhase::Idle,
            _ => ConnectionPhase::KnownIdle,
        };
        (state, doing)
    }

    fn becomes(&self, doing: ConnectionPhase) {
        let code = match doing {
            ConnectionPhase::Head => 0,
            ConnectionPhase::Answering => 1,
            ConnectionPhase::Idle => 2,
            ConnectionPhase::KnownIdle => 3,
        };
        // One task alone serves a connection and reads from it, so no update can be lost.
        let changes = (self.0.load(Ordering::Acquire) >> 2).wrapping_add(1);
        self.0.store((changes << 2) | code, Ordering::Release);
    }

    /// Notes that a request head has arrived.
    pub(crate) fn begin(&self) {
        self.becomes(ConnectionPhase::Answering);
    }

    /// Returns the response, which ends the phase of answering once it was sent.
    pub(crate) fn end_with(self: &Arc<Self>, answer: Response<ResponseBody>) -> Response<ResponseBody> {
        let then = if answer.extensions().get::<KnownCaller>().is_some() {
            ConnectionPhase::KnownIdle
        } else {
            ConnectionPhase::Idle
        };
        keeping(answer, AnswerEnd { activity: Arc::clone(self), then })
    }
}

/// Sets the next phase when it is dropped, which is with the last part of a response.
struct AnswerEnd {
    activity: Arc<ConnectionActivity>,
    then: ConnectionPhase,
}

impl Drop for AnswerEnd {
    fn drop(&mut self) {
        self.activity.becomes(self.then);
    }
}

/// A stream whose reads have a deadline.
pub(crate) struct ReadDeadline<S> {
    stream: S,
    activity: Arc<ConnectionActivity>,
    keep_alive: Duration,
    /// The state in which the timer was started, and the timer.
    waits: Option<(u64, Pin<Box<Sleep>>)>,
    /// Whether data waits to be written. A client that has not read the response is not idle. Writes have their own
    /// deadline.
    writing: bool,
}

impl<S> ReadDeadline<S> {
    /// Wraps a stream. `keep_alive` is how long the connection of a known caller may be idle.
    pub(crate) fn new(stream: S, activity: Arc<ConnectionActivity>, keep_alive: Duration) -> Self {
        Self { stream, activity, keep_alive, waits: None, writing: false }
    }

    /// Returns the phase whose deadline has passed, if one has.
    fn is_over(&mut self, context: &mut Context<'_>) -> Option<ConnectionPhase> {
        let (state, doing) = self.activity.is();
        let time = match doing {
            ConnectionPhase::Answering => return None,
            ConnectionPhase::Head => HEAD,
            ConnectionPhase::Idle | ConnectionPhase::KnownIdle if self.writing => return None,
            ConnectionPhase::Idle => self.keep_alive.min(HEAD),
            ConnectionPhase::KnownIdle => self.keep_alive,
        };
        if self.waits.as_ref().is_none_or(|(since, _)| *since != state) {
            self.waits = Some((state, Box::pin(tokio::time::sleep(time))));
        }
        let (_, end) = self.waits.as_mut()?;
        end.as_mut().poll(context).is_ready().then_some(doing)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadDeadline<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            if buffer.filled().len() > before
                && matches!(self.activity.is().1, ConnectionPhase::Idle | ConnectionPhase::KnownIdle)
            {
                // This is the first byte of a request head. The rest must arrive quickly.
                self.activity.becomes(ConnectionPhase::Head);
            }
            return read;
        }
        match self.is_over(context) {
            None => Poll::Pending,
            Some(ConnectionPhase::Head) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            // Report the end of the stream, as if the client had closed it. Then hyper closes the connection in an
            // orderly manner.
            Some(_) => Poll::Ready(Ok(())),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReadDeadline<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.writing = true;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.writing = true;
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.writing &= flushed.is_pending();
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    use tokio::time::Instant;

    use super::*;
    use crate::mcp::transport::http_response::empty;

    const KEEP: Duration = Duration::from_secs(95);

    fn connection() -> (ReadDeadline<DuplexStream>, DuplexStream, Arc<ConnectionActivity>) {
        let (ours, theirs) = tokio::io::duplex(64);
        let activity = Arc::<ConnectionActivity>::default();
        (ReadDeadline::new(ours, Arc::clone(&activity), KEEP), theirs, activity)
    }

    /// Answers what has arrived. The response was sent when this returns.
    fn answer(activity: &Arc<ConnectionActivity>, known: bool) {
        activity.begin();
        let mut answer = empty(StatusCode::NO_CONTENT);
        if known {
            answer.extensions_mut().insert(KnownCaller);
        }
        drop(activity.end_with(answer));
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_must_come_quickly_however_it_drips() {
        let (mut ours, mut theirs, activity) = connection();
        let begun = Instant::now();
        let dripping = tokio::spawn(async move {
            while theirs.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(700)).await;
            }
        });
        let error = loop {
            if let Err(error) = ours.read_u8().await {
                break error;
            }
        };
        assert_eq!((error.kind(), begun.elapsed()), (io::ErrorKind::TimedOut, HEAD));
        dripping.abort();
        assert_eq!(activity.is().1, ConnectionPhase::Head);
    }

    #[tokio::test(start_paused = true)]
    async fn a_known_caller_may_rest_and_anybody_else_may_not() {
        for (known, rests) in [(true, KEEP), (false, HEAD)] {
            let (mut ours, mut theirs, activity) = connection();
            for _ in 0..3 {
                theirs.write_all(b"head").await.unwrap();
                ours.read_exact(&mut [0; 4]).await.unwrap();
                answer(&activity, known);
                let begun = Instant::now();
                let waits = tokio::time::timeout(rests - Duration::from_secs(1), ours.read_u8()).await;
                assert!(waits.is_err() && begun.elapsed() == rests - Duration::from_secs(1), "{known}");
            }
            let begun = Instant::now();
            assert_eq!(ours.read(&mut [0; 4]).await.unwrap(), 0, "closed in good order");
            assert_eq!(begun.elapsed(), Duration::from_secs(1), "{known}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_rest_a_head_must_come_quickly_and_an_answer_takes_its_time() {
        let (mut ours, mut theirs, activity) = connection();
        answer(&activity, true);
        assert!(tokio::time::timeout(KEEP / 2, ours.read_u8()).await.is_err());
        theirs.write_all(b"h").await.unwrap();
        ours.read_u8().await.unwrap();
        let begun = Instant::now();
        assert_eq!(ours.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed(), HEAD);
        activity.begin();
        assert!(tokio::time::timeout(KEEP * 10, ours.read_u8()).await.is_err(), "it is being answered");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_idle_who_has_not_read_the_answer() {
        let (mut ours, mut theirs, activity) = connection();
        answer(&activity, false);
        let waker = futures::task::noop_waker();
        let mut context = Context::from_waker(&waker);
        while Pin::new(&mut ours).poll_write(&mut context, &[0; 64]).is_ready() {}
        assert!(tokio::time::timeout(HEAD * 2, ours.read_u8()).await.is_err());
        theirs.read_exact(&mut [0; 64]).await.unwrap();
        ours.flush().await.unwrap();
        let begun = Instant::now();
        assert_eq!(ours.read(&mut [0; 4]).await.unwrap(), 0);
        assert_eq!(begun.elapsed(), HEAD);
    }
}
