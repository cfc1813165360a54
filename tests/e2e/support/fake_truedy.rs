//! A Truedy that fails in every way a network and a server can, on raw TCP, and keeps a small account beside, so that
//! "it was done although nobody was told" can be seen.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The account that it keeps.
pub(crate) use super::fake_account::{Account, FRONT_DESK, FRONT_OFFICE};

/// Where the API lies on its host.
pub(crate) const PREFIX: &str = "/api/public/v1";

pub(crate) const LIST: &str = "GET /telephony/numbers";
pub(crate) const SEARCH: &str = "POST /telephony/numbers/search";
pub(crate) const PURCHASE: &str = "POST /telephony/numbers/purchase";
pub(crate) const IMPORT: &str = "POST /telephony/numbers/import";
pub(crate) const ASSIGN: &str = "POST /telephony/numbers/assign";
pub(crate) const UNASSIGN: &str = "POST /telephony/numbers/unassign";
pub(crate) const RELEASE: &str = "DELETE /telephony/numbers/*";
pub(crate) const AGENT_NUMBERS: &str = "GET /telephony/agents/*/numbers";
pub(crate) const WEBHOOK: &str = "GET /telephony/agents/*/webhook-url";
pub(crate) const CREDENTIALS: &str = "GET /telephony/credentials";
pub(crate) const AGENTS: &str = "GET /agents";

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Without the prefix of the API.
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Seen {
    /// Whether it fits a route such as `GET /telephony/agents/*/numbers`.
    pub(crate) fn is(&self, route: &str) -> bool {
        fits(route, &self.method, &self.path)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body; `null` where there is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// What the body says in a field.
    pub(crate) fn says(&self, field: &str) -> String {
        self.json()[field].as_str().unwrap_or_default().to_owned()
    }

    pub(super) fn last_segment(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

fn fits(route: &str, method: &str, path: &str) -> bool {
    let (wanted, pattern) = route.split_once(' ').expect("a route is a method and a path");
    let (pattern, path): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
    wanted == method
        && pattern.len() == path.len()
        && pattern.iter().zip(&path).all(|(wanted, given)| *wanted == "*" || wanted == given)
}

/// An answer, to be sent in one of several ways.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::text(status, "application/json", body.to_string())
    }

    pub(crate) fn text(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: vec![("Content-Type".to_owned(), content_type.to_owned())], body: body.into() }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn redirect(status: u16, location: &str) -> Self {
        Self::empty(status).header("Location", location)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn head(&self, length: Option<usize>) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Whatever\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        match length {
            Some(length) => head.push_str(&format!("Content-Length: {length}\r\n\r\n")),
            None => head.push_str("Transfer-Encoding: chunked\r\n\r\n"),
        }
        head.into_bytes()
    }
}

/// What happens to a request once it has been read.
#[derive(Debug, Clone)]
pub(crate) enum Play {
    /// As the account answers it.
    Usual,
    /// This answer.
    Answer(Reply),
    /// Something, after a while.
    After(Duration, Box<Play>),
    /// Something, once the gate is open.
    Behind(Gate, Box<Play>),
    /// The connection is closed without a word.
    Close,
    /// The connection is reset.
    Reset,
    /// Half of the body that was announced, then the end.
    Cut(Reply),
    /// Twice the body that was announced.
    Overrun(Reply),
    /// A right answer, after which the connection is closed without notice.
    Last(Reply),
    /// A body in chunks that never ends.
    Endless,
    /// One byte of the body a second.
    Drip(Reply),
    /// Nothing, ever.
    Never,
}

impl Play {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::Answer(Reply::json(status, body))
    }
}

/// Something answers wait behind until a test opens it.
#[derive(Debug, Clone)]
pub(crate) struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }
}

type Rule = Box<dyn FnMut(&Seen, &mut Account) -> Play + Send>;

struct Book {
    account: Account,
    rules: Vec<(String, Rule)>,
    seen: Vec<Seen>,
    unread: Vec<(String, usize)>,
}

struct Shared {
    book: Mutex<Book>,
    connections: AtomicUsize,
    wordless: AtomicUsize,
    running: AtomicUsize,
    peak: AtomicUsize,
    deaf: CancellationToken,
    stop: CancellationToken,
}

/// A running one. It stops when dropped.
pub(crate) struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Upstream {
    pub(crate) fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("non-blocking");
        let address = listener.local_addr().expect("an address");
        let book = Book { account: Account::new(), rules: Vec::new(), seen: Vec::new(), unread: Vec::new() };
        let shared = Arc::new(Shared {
            book: Mutex::new(book),
            connections: AtomicUsize::new(0),
            wordless: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            deaf: CancellationToken::new(),
            stop: CancellationToken::new(),
        });
        let own = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(accept(listener, &own));
            runtime.shutdown_background();
        });
        Self { address, shared, thread: Some(thread) }
    }

    /// The address of the API on this host.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}{PREFIX}", self.address)
    }

    /// The address of the host.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on a route is answered by this; it is given the request and the account, locked.
    pub(crate) fn on(&self, route: &str, rule: impl FnMut(&Seen, &mut Account) -> Play + Send + 'static) -> &Self {
        self.shared.book.lock().unwrap().rules.push((route.to_owned(), Box::new(rule)));
        self
    }

    /// From now on a route is always answered so.
    pub(crate) fn always(&self, route: &str, play: Play) -> &Self {
        self.on(route, move |_, _| play.clone())
    }

    /// From now on the requests of a route are answered one by one so, further ones like the last.
    pub(crate) fn in_turn(&self, route: &str, plays: Vec<Play>) -> &Self {
        let mut turn = 0;
        self.on(route, move |_, _| {
            turn += 1;
            plays[(turn - 1).min(plays.len() - 1)].clone()
        })
    }

    /// So many connections with a request of this route are closed before it is read.
    pub(crate) fn unread(&self, route: &str, times: usize) -> &Self {
        self.shared.book.lock().unwrap().unread.push((route.to_owned(), times));
        self
    }

    /// Once this is cancelled, connections are refused.
    pub(crate) fn refuser(&self) -> CancellationToken {
        self.shared.deaf.clone()
    }

    pub(crate) fn account<T>(&self, look: impl FnOnce(&mut Account) -> T) -> T {
        look(&mut self.shared.book.lock().unwrap().account)
    }

    /// Every request so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen_after(0)
    }

    /// Every request after the first `count`.
    pub(crate) fn seen_after(&self, count: usize) -> Vec<Seen> {
        self.shared.book.lock().unwrap().seen[count..].to_vec()
    }

    /// How many requests came so far.
    pub(crate) fn requests(&self) -> usize {
        self.shared.book.lock().unwrap().seen.len()
    }

    /// How many requests of a route came.
    pub(crate) fn count(&self, route: &str) -> usize {
        self.shared.book.lock().unwrap().seen.iter().filter(|seen| seen.is(route)).count()
    }

    /// How many requests came that change something.
    pub(crate) fn changes(&self) -> usize {
        [PURCHASE, IMPORT, ASSIGN, UNASSIGN, RELEASE].iter().map(|route| self.count(route)).sum()
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How many of them ended without a request that was read.
    pub(crate) fn wordless(&self) -> usize {
        self.shared.wordless.load(Ordering::SeqCst)
    }

    /// How many requests are being answered now.
    pub(crate) fn running(&self) -> usize {
        self.shared.running.load(Ordering::SeqCst)
    }

    /// How many were at most.
    pub(crate) fn peak(&self) -> usize {
        self.shared.peak.load(Ordering::SeqCst)
    }

    /// Waits until so many requests of a route have come.
    pub(crate) fn wait_for(&self, route: &str, count: usize) {
        let start = Instant::now();
        while self.count(route) < count {
            assert!(start.elapsed() < super::program::LONG, "{route} was not asked {count} times");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.shared.stop.cancel();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

async fn accept(listener: std::net::TcpListener, shared: &Arc<Shared>) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.deaf.cancelled() => break,
            () = shared.stop.cancelled() => return,
        };
        if let Ok((stream, _)) = accepted {
            stream.set_nodelay(true).expect("a socket");
            shared.connections.fetch_add(1, Ordering::SeqCst);
            let shared = Arc::clone(shared);
            tokio::spawn(async move {
                let mut spoke = false;
                // A client that goes away is no matter of ours.
                drop(converse(stream, &shared, &mut spoke).await);
                if !spoke {
                    shared.wordless.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    }
    drop(listener);
    shared.stop.cancelled().await;
}

/// Answers the requests of one connection until one of them ends it.
async fn converse(mut stream: TcpStream, shared: &Shared, spoke: &mut bool) -> std::io::Result<()> {
    if leaves_unread(&stream, shared).await? {
        // What is unread makes the close a reset.
        return Ok(());
    }
    let mut buffer = Vec::new();
    while let Some(seen) = read_request(&mut stream, &mut buffer).await? {
        *spoke = true;
        let play = {
            let mut book = shared.book.lock().unwrap();
            let Book { account, rules, seen: all, .. } = &mut *book;
            all.push(seen.clone());
            let rule = rules.iter_mut().rev().find(|(route, _)| seen.is(route));
            let play = rule.map_or(Play::Usual, |(_, rule)| rule(&seen, account));
            usual_now(play, &seen, account)
        };
        let now = shared.running.fetch_add(1, Ordering::SeqCst) + 1;
        shared.peak.fetch_max(now, Ordering::SeqCst);
        let goes_on = tokio::select! {
            goes_on = act(&mut stream, play, &seen, shared) => goes_on,
            () = shared.stop.cancelled() => Ok(false),
        };
        shared.running.fetch_sub(1, Ordering::SeqCst);
        if !goes_on? {
            return Ok(());
        }
    }
    Ok(())
}

/// Puts the account's answer of this moment in its place; behind a wait it is the answer of then.
fn usual_now(play: Play, seen: &Seen, account: &mut Account) -> Play {
    match play {
        Play::Usual => Play::Answer(account.usual(seen)),
        other => other,
    }
}

/// Whether the first request of a connection is one that is not to be read.
async fn leaves_unread(stream: &TcpStream, shared: &Shared) -> std::io::Result<bool> {
    if shared.book.lock().unwrap().unread.is_empty() {
        return Ok(false);
    }
    let mut line = [0; 1024];
    let line = loop {
        let length = stream.peek(&mut line).await?;
        if length == 0 || line[..length].contains(&b'\r') {
            break String::from_utf8_lossy(&line[..length]).into_owned();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    let mut words = line.split_ascii_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split('?').next().unwrap_or_default();
    let path = path.strip_prefix(PREFIX).unwrap_or(path);
    let mut book = shared.book.lock().unwrap();
    let hit = book.unread.iter_mut().find(|(route, left)| *left > 0 && fits(route, method, path));
    Ok(hit.map(|(_, left)| *left -= 1).is_some())
}

async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> std::io::Result<Option<Seen>> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let first: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let (path, query) = first[1].split_once('?').unwrap_or((first[1], ""));
    let mut seen = Seen {
        method: first[0].to_owned(),
        path: path.strip_prefix(PREFIX).unwrap_or(path).to_owned(),
        query: query.to_owned(),
        headers,
        body: String::new(),
    };
    let length = seen.header("content-length").map_or(0, |length| length.parse().expect("a length"));
    while buffer.len() < end + length {
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
    seen.body = String::from_utf8_lossy(&buffer[end..end + length]).into_owned();
    buffer.drain(..end + length);
    Ok(Some(seen))
}

/// Plays; whether the connection goes on.
async fn act(stream: &mut TcpStream, mut play: Play, seen: &Seen, shared: &Shared) -> std::io::Result<bool> {
    loop {
        play = match play {
            Play::After(time, then) => {
                tokio::time::sleep(time).await;
                *then
            }
            Play::Behind(gate, then) => {
                // The gate lives as long as the test that may open it.
                drop(gate.0.subscribe().wait_for(|open| *open).await);
                *then
            }
            Play::Usual => Play::Answer(shared.book.lock().unwrap().account.usual(seen)),
            _ => break,
        };
    }
    match play {
        Play::Answer(reply) => {
            stream.write_all(&reply.head(Some(reply.body.len()))).await?;
            stream.write_all(&reply.body).await?;
            return Ok(true);
        }
        Play::Cut(reply) => {
            stream.write_all(&reply.head(Some(reply.body.len() + 64))).await?;
            stream.write_all(&reply.body[..reply.body.len() / 2]).await?;
        }
        Play::Overrun(reply) => {
            stream.write_all(&reply.head(Some(reply.body.len() / 2))).await?;
            stream.write_all(&reply.body).await?;
        }
        Play::Last(reply) => {
            stream.write_all(&reply.head(Some(reply.body.len()))).await?;
            stream.write_all(&reply.body).await?;
        }
        Play::Endless => {
            stream.write_all(&Reply::json(200, &json!(null)).head(None)).await?;
            stream.write_all(b"9\r\n{\"data\":[\r\n").await?;
            loop {
                stream.write_all(b"1\r\n \r\n").await?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Play::Drip(reply) => {
            stream.write_all(&reply.head(Some(reply.body.len().max(60)))).await?;
            for byte in reply.body {
                stream.write_all(&[byte]).await?;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            std::future::pending::<()>().await;
        }
        Play::Never => {
            // Until the client has had enough.
            while stream.read(&mut [0; 64]).await? > 0 {}
        }
        Play::Reset => stream.set_zero_linger()?,
        Play::Close | Play::Usual | Play::After(..) | Play::Behind(..) => {}
    }
    Ok(false)
}
