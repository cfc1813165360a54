//! Clients that take their time, six hundred of them: each is closed when its time is over, and nobody else waits for them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::support::http_client::{Served, Talk, message, request};

/// After this long every slow one is closed: its deadline is ten seconds, and machines are noisy.
const CLOSED: Duration = Duration::from_secs(20);
/// Longer than whoever is served waits among them.
const SERVED: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy)]
enum Slow {
    /// Says nothing.
    Silent,
    /// Sends half a head, then nothing.
    HalfHead,
    /// Sends a head that never ends.
    DripsHead,
    /// Has a token and announces the longest body that there may be; a little of it comes.
    HalfBody,
    /// Has a token, and sends a body that never ends.
    DripsBody,
    /// The same in chunks.
    DripsChunks,
    /// Was answered, and does not go.
    Stays,
    /// Asks for much, and reads nothing of it.
    ReadsNothing,
    /// Asks for much, and reads a little of it now and then.
    ReadsLittle,
}

/// How many of each.
const CROWD: [(Slow, usize); 9] = [
    (Slow::Silent, 60),
    (Slow::HalfHead, 60),
    (Slow::DripsHead, 60),
    (Slow::HalfBody, 280),
    (Slow::DripsBody, 30),
    (Slow::DripsChunks, 30),
    (Slow::Stays, 60),
    (Slow::ReadsNothing, 10),
    (Slow::ReadsLittle, 10),
];

impl Slow {
    /// Behaves so until the server closes.
    async fn until_closed(self, address: SocketAddr, bearer: String, all_closed: CancellationToken) {
        let host = address.to_string();
        let post = |length: &str| {
            let headers =
                [("authorization", bearer.as_str()), ("content-length", length), ("connection", "keep-alive")];
            request(&host, "POST", "/mcp", &headers, "")
        };
        match self {
            Self::Silent => until_end(connect(address).await).await,
            Self::HalfHead => {
                let mut stream = connect(address).await;
                drop(stream.write_all(post("9").trim_end().as_bytes()).await);
                until_end(stream).await;
            }
            Self::DripsHead => {
                drip(connect(address).await, &format!("GET / HTTP/1.1\r\nhost: {host}\r\nx: "), "y").await
            }
            Self::HalfBody => {
                let mut stream = connect(address).await;
                drop(stream.write_all(format!("{}{{\"jsonrpc\"", post("262144")).as_bytes()).await);
                until_end(stream).await;
            }
            Self::DripsBody => drip(connect(address).await, &post("262144"), " ").await,
            Self::DripsChunks => {
                let head = post("").replace("content-length: ", "transfer-encoding: chunked");
                drip(connect(address).await, &head, "1\r\n \r\n").await;
            }
            Self::Stays => {
                let mut talk = Talk::new(connect(address).await);
                let asks = request(&host, "GET", "/favicon.ico", &[("connection", "keep-alive")], "");
                assert_eq!(talk.ask("GET", asks).await.status, 204);
                until_end(talk.into_inner()).await;
            }
            Self::ReadsNothing | Self::ReadsLittle => {
                let socket = TcpSocket::new_v4().unwrap();
                // Little fits into what the system reads for a program that does not.
                socket.set_recv_buffer_size(4096).unwrap();
                let stream = socket.connect(address).await.unwrap();
                let (mut read, mut write) = stream.into_split();
                let asks = request(&host, "GET", "/", &[("connection", "keep-alive")], "").repeat(2000);
                let asking = tokio::spawn(async move {
                    drop(write.write_all(asks.as_bytes()).await);
                    write
                });
                let mut little = [0; 100];
                let reading = async {
                    while matches!(self, Self::ReadsLittle) && matches!(read.read(&mut little).await, Ok(1..)) {
                        tokio::time::sleep(Duration::from_millis(500)).await;
                    }
                    // Whether it was closed is not seen without reading all: the server's own count tells it.
                    std::future::pending::<()>().await;
                };
                tokio::select! { () = reading => {}, () = all_closed.cancelled() => {} }
                asking.abort();
            }
        }
    }
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// Reads what may come until the server closes.
async fn until_end(mut stream: TcpStream) {
    while matches!(stream.read(&mut [0; 4096]).await, Ok(1..)) {}
}

/// Sends the head, then the drop again and again, until the server closes.
async fn drip(stream: TcpStream, head: &str, drop: &str) {
    let (mut read, mut write) = stream.into_split();
    let ended = async { while matches!(read.read(&mut [0; 4096]).await, Ok(1..)) {} };
    let dripping = async {
        let mut alive = write.write_all(head.as_bytes()).await.is_ok();
        while alive {
            tokio::time::sleep(Duration::from_millis(700)).await;
            alive = write.write_all(drop.as_bytes()).await.is_ok();
        }
    };
    tokio::select! { () = ended => {}, () = dripping => {} }
}

/// How many connections are open, as the server counts them.
async fn open(admin: SocketAddr) -> usize {
    let asks = request(&admin.to_string(), "GET", "/metrics", &[], "");
    let metrics = Talk::new(connect(admin).await).ask("GET", asks).await.body;
    let line = metrics.lines().find_map(|line| line.strip_prefix("http_connections "));
    line.unwrap_or_else(|| panic!("not counted: {metrics}")).trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_hundred_slow_clients_are_closed_in_time_and_keep_nobody_waiting() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < 4096) {
        let most = Rlimit { current: limit.maximum.map(|most| most.min(4096)), ..limit };
        setrlimit(Resource::Nofile, most).unwrap();
    }
    let server = Served::start(&["--sandbox", "--ephemeral", "--admin-listen", "127.0.0.1:0"], &[]).await;
    server.until_it_says("/metrics").await;
    let (said, address) = (server.stderr(), server.address());
    let admin =
        said.split_once("admin endpoints on http://").and_then(|(_, rest)| rest.split_once(": /livez")).unwrap();
    let admin: SocketAddr = admin.0.parse().unwrap();
    let bearer = format!("Bearer {}", server.token());

    let begun = Instant::now();
    let (mut crowd, all_closed) = (JoinSet::new(), CancellationToken::new());
    for (slow, count) in CROWD {
        for _ in 0..count {
            let (bearer, all_closed) = (bearer.clone(), all_closed.clone());
            crowd.spawn(async move {
                let closed = tokio::time::timeout(CLOSED * 2, slow.until_closed(address, bearer, all_closed)).await;
                closed.unwrap_or_else(|_| panic!("{slow:?} is never closed"));
                slow
            });
        }
    }
    let most: usize = CROWD.iter().map(|(_, count)| count).sum();
    let mut peak = 0;
    let mut answered = Vec::new();
    let body = message("tools/call", json!({ "name": "list_operations", "arguments": {} })).to_string();
    let headers = [
        ("authorization", bearer.as_str()),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "list_operations"),
    ];
    let good = request(&address.to_string(), "POST", "/mcp", &headers, &body);
    loop {
        let asked = Instant::now();
        let answer = tokio::time::timeout(SERVED, async { Talk::new(connect(address).await).ask("POST", &good).await });
        let answer =
            answer.await.unwrap_or_else(|_| panic!("a good client waits, {:?} after the start", begun.elapsed()));
        assert_eq!(answer.status, 200, "{answer:?}");
        answered.push(asked.elapsed());
        let now = open(admin).await;
        peak = peak.max(now);
        if peak > most / 2 && now == 0 {
            break;
        }
        if begun.elapsed() > CLOSED {
            let mut closed = Vec::new();
            while let Some(one) = crowd.try_join_next() {
                closed.push(format!("{:?}", one.unwrap()));
            }
            let left = CROWD.map(|(slow, count)| {
                let slow = format!("{slow:?}");
                format!("{slow}: {}", count - closed.iter().filter(|one| **one == slow).count())
            });
            panic!("{now} are still open after {CLOSED:?}: {left:?}");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(peak > most * 9 / 10, "they were not all there at the same time: {peak}");
    assert!(answered.len() >= 20, "{answered:?}");
    all_closed.cancel();
    while let Some(closed) = crowd.join_next().await {
        closed.unwrap();
    }
}
