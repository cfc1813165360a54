//! Accepts connections up to a limit, sets their deadlines, and drains them at the end.
//!
//! There are deadlines for the request head, the TLS handshake and writes. `axum::serve` 0.8 sets none, so this module
//! uses hyper's own connection with a timer.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::CONNECTION;
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};
use tokio_util::task::TaskTracker;

use crate::http::connection::idle_limit::{UnusedConnection, UnusedConnections};
use crate::http::connection::keep_alive::HEAD;
use crate::http::connection::keep_alive::{ConnectionActivity, ReadDeadline};
use crate::http::connection::listener::{ClientStream, Listener};
use crate::http::connection::shutdown::{Lifecycle, LifecyclePhase};
use crate::http::connection::tls::ServerTls;
use crate::mcp::transport::http_response::ResponseBody;

/// Time limit for the first byte of a connection, where only a browser is expected.
const FIRST_BYTE: Duration = Duration::from_secs(2);
/// Time limit for a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Time limit for writing all pending data. A client that reads a little from time to time does not extend it.
const WRITE: Duration = Duration::from_secs(10);
const MAX_HEADERS: usize = 64;
/// Size of the buffer of a connection in bytes, for a request head and for pipelined requests.
const BUFFER: usize = 32 * 1024;
/// How many connections beyond the limit are read at the same time after their refusal. Further ones are closed at
/// once.
const TURNED_AWAY: usize = 512;
/// How long a refused client may continue to send before its connection is closed.
const LISTENING: Duration = Duration::from_millis(100);
/// Pause after a failed `accept`, for example because too many files are open.
const BREATH: Duration = Duration::from_millis(50);

const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-type: application/json\r\ncontent-length: 80\r\nconnection: close\r\n\r\n{\"jsonrpc\":\"2.0\",\"error\":{\"code\":503,\"message\":\"Too many connections are open\"}}";

/// Answers the requests of connections.
pub(crate) trait RequestHandler: Send + Sync + 'static {
    /// Whether the connections are counted as connections of clients.
    const HAS_CLIENTS: bool;

    fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Response<ResponseBody>> + Send;
}

/// Answers the requests of one connection, and notes that it has sent one.
struct ActivityHandler<A> {
    answers: Arc<A>,
    newcomer: Arc<UnusedConnection>,
}

impl<A: RequestHandler> RequestHandler for ActivityHandler<A> {
    const HAS_CLIENTS: bool = A::HAS_CLIENTS;

    fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Response<ResponseBody>> + Send {
        self.newcomer.asks();
        self.answers.answer(request)
    }
}

/// One address and its connections.
pub(crate) struct ConnectionServer<A> {
    pub(crate) listener: Listener,
    pub(crate) tls: Option<Arc<ServerTls>>,
    pub(crate) answers: Arc<A>,
    pub(crate) life: Arc<Lifecycle>,
    pub(crate) max_connections: usize,
    /// How long the connection of a known caller may be idle. For other callers, the limit of a request head applies if
    /// it is shorter.
    pub(crate) keep_alive: Duration,
}

impl<A: RequestHandler> ConnectionServer<A> {
    /// Serves until the lifecycle is shut and every connection has ended. The caller of this function limits that time.
    pub(crate) async fn serve(mut self) {
        let (places, away) = (Arc::new(Semaphore::new(self.max_connections)), Arc::new(Semaphore::new(TURNED_AWAY)));
        let (connections, newcomers) = (TaskTracker::new(), UnusedConnections::default());
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = self.life.reached(LifecyclePhase::Shut) => break,
            };
            let stream = match accepted {
                Ok(stream) => stream,
                Err(error) if is_of_one_connection(&error) => continue,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(BREATH).await;
                    continue;
                }
            };
            let place = match Arc::clone(&places).try_acquire_owned() {
                Err(_) if !A::HAS_CLIENTS => newcomers.give_way(&places).await,
                place => place.ok(),
            };
            let Some(place) = place else {
                turn_away(stream, self.tls.is_some(), &away);
                continue;
            };
            let (answers, life, tls) = (Arc::clone(&self.answers), Arc::clone(&self.life), self.tls.clone());
            let keep_alive = self.keep_alive;
            if !A::HAS_CLIENTS {
                let newcomer = newcomers.add();
                let answers = Arc::new(ActivityHandler { answers, newcomer: Arc::clone(&newcomer) });
                connections.spawn(async move {
                    newcomer.unless_in_the_way(promptly(stream, answers, life, keep_alive)).await;
                    drop(place);
                });
                continue;
            }
            connections.spawn(async move {
                let open = OpenConnection::count();
                match tls {
                    None => converse(stream, answers, life, keep_alive).await,
                    Some(tls) => {
                        if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, tls.acceptor().accept(stream)).await {
                            converse(stream, answers, life, keep_alive).await;
                        }
                    }
                }
                drop(open);
                drop(place);
            });
        }
        // From here on another process can use the address.
        drop(self.listener);
        connections.close();
        connections.wait().await;
    }
}

/// Whether one connection failed before it was accepted. Such an error does not affect the next connection.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Serves one connection if its first byte arrives in time. A browser opens no connection without sending a request.
async fn promptly<A: RequestHandler>(
    stream: ClientStream,
    answers: Arc<A>,
    life: Arc<Lifecycle>,
    keep_alive: Duration,
) {
    if tokio::time::timeout(FIRST_BYTE, stream.heard()).await.is_ok_and(|heard| heard.is_ok()) {
        converse(stream, answers, life, keep_alive).await;
    }
}

/// Serves one connection until it ends.
async fn converse<A: RequestHandler>(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    answers: Arc<A>,
    life: Arc<Lifecycle>,
    keep_alive: Duration,
) {
    let (heard, activity) = (Arc::clone(&life), Arc::<ConnectionActivity>::default());
    let stream = ReadDeadline::new(WriteDeadline::new(stream), Arc::clone(&activity), keep_alive);
    let service = service_fn(move |request: Request<Incoming>| {
        let (answers, life, activity) = (Arc::clone(&answers), Arc::clone(&heard), Arc::clone(&activity));
        activity.begin();
        async move {
            let mut answer = activity.end_with(answers.answer(request).await);
            if !life.is_open() {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // This is only a fallback. `ReadDeadline` sets the shorter limits and distinguishes a request head from an idle
        // connection.
        .header_read_timeout(keep_alive + HEAD)
        .max_headers(MAX_HEADERS)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        // The result of the connection does not matter to the server.
        ended = connection.as_mut() => return drop(ended),
        () = life.reached(LifecyclePhase::Shut) => connection.as_mut().graceful_shutdown(),
    }
    drop(connection.await);
}

/// Refuses a connection because there are too many. `away` limits how many refused clients are heard out.
fn turn_away(stream: ClientStream, is_tls: bool, away: &Arc<Semaphore>) {
    metrics::counter!("http_connections_refused_total").increment(1);
    // A new connection accepts so few bytes at once. Over TLS nothing can be sent before the handshake.
    let told = !is_tls && stream.try_write(FULL).is_ok();
    if let (true, Ok(listening)) = (told, Arc::clone(away).try_acquire_owned()) {
        tokio::spawn(hear_out(stream, listening));
    }
}

/// Reads for a short time what a refused client still sends. Otherwise the system would reset the connection before the
/// client has read the response.
async fn hear_out(mut stream: ClientStream, _listening: OwnedSemaphorePermit) {
    let mut rest = [0; 1024];
    let listening = async {
        if stream.shutdown().await.is_ok() {
            while matches!(stream.read(&mut rest).await, Ok(1..)) {}
        }
    };
    drop(tokio::time::timeout(LISTENING, listening).await);
}

/// Counts a connection in the metrics while it is open.
struct OpenConnection;

impl OpenConnection {
    fn count() -> Self {
        metrics::gauge!("http_connections").increment(1.0);
        Self
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        metrics::gauge!("http_connections").decrement(1.0);
    }
}

/// A stream whose writes have a deadline. A client that reads nothing must not keep a response in memory.
struct WriteDeadline<S> {
    stream: S,
    since: Option<Pin<Box<Sleep>>>,
}

impl<S> WriteDeadline<S> {
    fn new(stream: S) -> Self {
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
    use super::*;

    #[test]
    fn only_what_concerns_all_connections_pauses_the_listener() {
        for (kind, of_one) in [
            (io::ErrorKind::ConnectionAborted, true),
            (io::ErrorKind::ConnectionReset, true),
            (io::ErrorKind::Interrupted, true),
            (io::ErrorKind::OutOfMemory, false),
            (io::ErrorKind::Other, false),
        ] {
            assert_eq!(is_of_one_connection(&kind.into()), of_one, "{kind}");
        }
        // The error for too many open files.
        assert!(!is_of_one_connection(&io::Error::from_raw_os_error(24)));
    }

    #[test]
    fn the_last_word_is_as_long_as_it_says() {
        let text = std::str::from_utf8(FULL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{}", body.len());
        serde_json::from_str::<serde_json::Value>(body).unwrap();
    }

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
