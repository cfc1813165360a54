//! A request body that records whether its first byte may have been sent. It can be held back until then.
//!
//! This is the evidence for "nothing was sent".

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

/// Records whether any byte of a request body may have been sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct SentFlag(Arc<AtomicU8>);

/// Nothing was sent yet. Sending is allowed.
const OPEN: u8 = 0;
/// Something may have been sent.
const LEFT: u8 = 1;
/// Nothing was sent, and nothing will be sent.
const HELD: u8 = 2;

impl SentFlag {
    /// Whether something may have been sent. `false` means that certainly nothing was sent.
    pub(crate) fn happened(&self) -> bool {
        self.0.load(Ordering::Acquire) == LEFT
    }

    /// Forbids sending. Returns whether this was in time, that is, before anything was sent.
    fn hold(&self) -> bool {
        !matches!(self.0.compare_exchange(OPEN, HELD, Ordering::AcqRel, Ordering::Acquire), Err(LEFT))
    }

    /// Records that sending begins. Returns whether it is allowed.
    fn leave(&self) -> bool {
        !matches!(self.0.compare_exchange(OPEN, LEFT, Ordering::AcqRel, Ordering::Acquire), Err(HELD))
    }
}

/// Runs an exchange, but stops it if it becomes stale before its body was sent.
///
/// Staleness is checked each time the exchange is polled, so also after the machine was suspended. `None` means that
/// the exchange became stale. The body is then never sent.
pub(crate) async fn unless_stale<F: Future>(
    exchange: F,
    sent_flag: &SentFlag,
    is_stale: impl Fn() -> bool,
) -> Option<F::Output> {
    let mut exchange = pin!(exchange);
    poll_fn(|context| {
        if !sent_flag.happened() && is_stale() && sent_flag.hold() {
            return Poll::Ready(None);
        }
        exchange.as_mut().poll(context).map(Some)
    })
    .await
}

/// A JSON body of known length. hyper polls it once the connection is established.
pub(crate) struct WatchedBody {
    bytes: Option<Bytes>,
    sent_flag: SentFlag,
}

impl WatchedBody {
    pub(crate) fn new(bytes: Bytes, sent_flag: SentFlag) -> Self {
        Self { bytes: Some(bytes), sent_flag }
    }
}

impl http_body::Body for WatchedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if !self.sent_flag.leave() {
            return Poll::Ready(Some(Err(io::Error::other("it was held back"))));
        }
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    use http_body::Body;

    use super::*;

    /// Polls a body once. Returns whether it yielded data.
    async fn leaves(sent_flag: &SentFlag) -> bool {
        let mut body = WatchedBody::new(Bytes::from_static(b"x"), sent_flag.clone());
        matches!(poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await, Some(Ok(_)))
    }

    #[tokio::test]
    async fn what_is_held_back_never_leaves_and_what_has_left_is_not_held_back() {
        let sent_flag = SentFlag::default();
        assert!(sent_flag.hold() && !leaves(&sent_flag).await && !sent_flag.happened() && sent_flag.hold());
        let sent_flag = SentFlag::default();
        assert!(leaves(&sent_flag).await && sent_flag.happened() && !sent_flag.hold());
    }

    #[tokio::test(start_paused = true)]
    async fn an_exchange_that_turns_stale_while_it_connects_is_held_back() {
        let (sent_flag, stale) = (SentFlag::default(), AtomicBool::new(false));
        // Simulates a machine that is suspended while the connection is made.
        let exchange = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            stale.store(true, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_secs(1)).await;
            leaves(&sent_flag).await
        };
        assert_eq!(unless_stale(exchange, &sent_flag, || stale.load(Ordering::Relaxed)).await, None);
        assert!(!leaves(&sent_flag).await && !sent_flag.happened());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_awaited_however_long_it_takes() {
        let (sent_flag, stale) = (SentFlag::default(), AtomicBool::new(false));
        let exchange = async {
            let left = leaves(&sent_flag).await;
            stale.store(true, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_secs(100)).await;
            left
        };
        assert_eq!(unless_stale(exchange, &sent_flag, || stale.load(Ordering::Relaxed)).await, Some(true));
    }
}
