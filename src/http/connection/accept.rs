//! Accepts connections up to a limit, sets their deadlines, and drains them at the end.
//!
//! There are deadlines for the request head, the TLS handshake and writes. `axum::serve` 0.8 sets none, so this module
//! uses hyper's own connection with a timer.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::header::CONNECTION;
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

use crate::http::connection::idle_limit::{UnusedConnection, UnusedConnections};
use crate::http::connection::keep_alive::HEAD;
use crate::http::connection::keep_alive::{ConnectionActivity, ReadDeadline};
use crate::http::connection::listener::{ClientStream, Listener};
use crate::http::connection::shutdown::{Lifecycle, LifecyclePhase};
use crate::http::connection::tls::ServerTls;
use crate::http::connection::write_deadline::WriteDeadline;
use crate::mcp::transport::http_response::ResponseBody;

/// Time limit for the first byte of a connection, where only a browser is expected.
const FIRST_BYTE: Duration = Duration::from_secs(2);
/// Time limit for a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
const MAX_HEADERS: usize = 64;
/// Size of the buffer of a connection in bytes, for a request head and for pipelined requests.
const BUFFER: usize = 32 * 1024;
/// How many connections beyond the limit are read at the same time after their refusal. Further ones are closed at
/// once.
const TURNED_AWAY: usize = 512;
/// How long a refused client may continue to send before its connection is closed.
const LISTENING: Duration = Duration::from_millis(100);
/// How long an idle connection stays open after the server is shut. A proxy may have sent a request on it already, and
/// must not repeat a POST whose connection was closed.
pub(crate) const LAST_REQUEST: Duration = Duration::from_millis(250);
/// How long handshakes that are under way at the end may take.
const HANDSHAKES: Duration = Duration::from_millis(50);
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
    pub(crate) async fn serve(self) {
        let Self { mut listener, tls, answers, life, max_connections, keep_alive } = self;
        let connections = Connections {
            tls,
            answers,
            life,
            keep_alive,
            places: Arc::new(Semaphore::new(max_connections)),
            turned_away: Arc::new(Semaphore::new(TURNED_AWAY)),
            open: TaskTracker::new(),
            unused: UnusedConnections::default(),
        };
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = connections.life.reached(LifecyclePhase::Shut) => break,
            };
            match accepted {
                Ok(stream) => connections.admit(stream).await,
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
        listener.stop_handshakes();
        tokio::time::sleep(HANDSHAKES).await;
        // From here on another process can use the address. Whoever has connected may have sent a request already.
        for stream in listener.close() {
            connections.admit(stream).await;
        }
        connections.open.close();
        connections.open.wait().await;
    }
}

/// The connections of one server, the room for more, and what each needs.
struct Connections<A> {
    tls: Option<Arc<ServerTls>>,
    answers: Arc<A>,
    life: Arc<Lifecycle>,
    keep_alive: Duration,
    places: Arc<Semaphore>,
    turned_away: Arc<Semaphore>,
    open: TaskTracker,
    unused: UnusedConnections,
}

impl<A: RequestHandler> Connections<A> {
    /// Serves a new connection in a task of its own, or refuses it if there are too many.
    async fn admit(&self, stream: ClientStream) {
        let place = match Arc::clone(&self.places).try_acquire_owned() {
            Err(_) if !A::HAS_CLIENTS => self.unused.give_way(&self.places).await,
            place => place.ok(),
        };
        let Some(place) = place else {
            return turn_away(stream, self.tls.is_some(), &self.turned_away);
        };
        let (answers, life, tls) = (Arc::clone(&self.answers), Arc::clone(&self.life), self.tls.clone());
        let keep_alive = self.keep_alive;
        if !A::HAS_CLIENTS {
            let newcomer = self.unused.add();
            let answers = Arc::new(ActivityHandler { answers, newcomer: Arc::clone(&newcomer) });
            self.open.spawn(async move {
                newcomer.unless_in_the_way(promptly(stream, answers, life, keep_alive)).await;
                drop(place);
            });
            return;
        }
        self.open.spawn(async move {
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
    let shut = async {
        life.reached(LifecyclePhase::Shut).await;
        tokio::time::sleep(LAST_REQUEST).await;
    };
    tokio::select! {
        // The result of the connection does not matter to the server.
        ended = connection.as_mut() => return drop(ended),
        () = shut => connection.as_mut().graceful_shutdown(),
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

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

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

    /// Answers every request with nothing.
    struct Empty;

    impl RequestHandler for Empty {
        const HAS_CLIENTS: bool = true;

        async fn answer(&self, _request: Request<Incoming>) -> Response<ResponseBody> {
            crate::mcp::transport::http_response::empty(http::StatusCode::NO_CONTENT)
        }
    }

    const REQUEST: &[u8] = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n";
    const KEPT: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_request_that_was_on_its_way_at_the_end_is_answered() {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        let life = Arc::<Lifecycle>::default();
        let serving = tokio::spawn(converse(ours, Arc::new(Empty), Arc::clone(&life), KEPT));
        theirs.write_all(REQUEST).await.unwrap();
        let mut answer = [0; 512];
        let length = theirs.read(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 204 ") && !answer[..length].windows(5).any(|word| word == b"close"));
        life.go_on_to(LifecyclePhase::Shut);
        tokio::time::sleep(LAST_REQUEST / 2).await;
        theirs.write_all(REQUEST).await.unwrap();
        let mut last = Vec::new();
        theirs.read_to_end(&mut last).await.unwrap();
        assert!(last.starts_with(b"HTTP/1.1 204 ") && last.windows(17).any(|word| word == b"connection: close"));
        serving.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_closed_soon_after_the_end() {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        let life = Arc::<Lifecycle>::default();
        let serving = tokio::spawn(converse(ours, Arc::new(Empty), Arc::clone(&life), KEPT));
        theirs.write_all(REQUEST).await.unwrap();
        assert!(theirs.read(&mut [0; 512]).await.unwrap() > 0);
        let shut = Instant::now();
        life.go_on_to(LifecyclePhase::Shut);
        serving.await.unwrap();
        assert_eq!(shut.elapsed(), LAST_REQUEST);
    }

    #[tokio::test]
    async fn who_connected_before_the_end_is_served() {
        let listen = "127.0.0.1:0".parse().unwrap();
        let listener = Listener::bind(&listen).await.unwrap();
        let address = listener.at(&listen).to_string();
        let mut clients = Vec::new();
        for _ in 0..16 {
            let mut client = tokio::net::TcpStream::connect(&address).await.unwrap();
            client.write_all(REQUEST).await.unwrap();
            clients.push(client);
        }
        let life = Arc::<Lifecycle>::default();
        life.go_on_to(LifecyclePhase::Shut);
        let server = ConnectionServer {
            listener,
            tls: None,
            answers: Arc::new(Empty),
            life,
            max_connections: clients.len(),
            keep_alive: KEPT,
        };
        server.serve().await;
        for mut client in clients {
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.unwrap();
            assert!(answer.starts_with(b"HTTP/1.1 204 "), "{answer:?}");
        }
    }
}
