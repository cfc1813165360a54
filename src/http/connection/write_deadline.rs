//! Limits how long a client may take to read a response.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Time limit for writing all pending data. A client that reads a little from time to time does not extend it.
const WRITE: Duration = Duration::from_secs(10);

/// A stream whose writes have a deadline. A client that reads nothing must not keep a response in memory.
pub(crate) struct WriteDeadline<S> {
    stream: S,
    since: Option<Pin<Box<Sleep>>>,
}

impl<S> WriteDeadline<S> {
    /// Wraps a stream.
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, since: None }
    }

    /// Returns the result of a write, or `TimedOut` if the deadline has passed.
    ///
    /// The deadline restarts once everything is written, which is when hyper flushes. Single parts do not restart it.
    fn judge<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            return written;
        }
        let since = self.since.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + WRITE)));
        match since.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteDeadline<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteDeadline<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.judge(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if flushed.is_ready() {
            self.since = None;
        }
        self.judge(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.judge(context, shut)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_reads_nothing_is_given_up() {
        let (ours, theirs) = tokio::io::duplex(16);
        let mut patient = WriteDeadline::new(ours);
        let begun = Instant::now();
        let error = patient.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!((error.kind(), begun.elapsed()), (io::ErrorKind::TimedOut, WRITE));
        drop(theirs);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_reads_a_byte_a_second_is_given_up_and_one_that_reads_all_is_not() {
        let (ours, mut theirs) = tokio::io::duplex(16);
        let mut patient = WriteDeadline::new(ours);
        let reader = tokio::spawn(async move {
            for _ in 0..16 + 64 {
                tokio::time::sleep(Duration::from_secs(1)).await;
                theirs.read_exact(&mut [0]).await.unwrap();
            }
        });
        for _ in 0..8 {
            tokio::time::sleep(Duration::from_secs(4)).await;
            // Each write waits four seconds, which makes thirty-two in total.
            patient.write_all(&[0; 4]).await.unwrap();
            patient.flush().await.unwrap();
        }
        let begun = Instant::now();
        let error = patient.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!((error.kind(), begun.elapsed()), (io::ErrorKind::TimedOut, WRITE));
        reader.abort();
    }
}
