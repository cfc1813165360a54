//! Clients of an HTTP server: many connections that stay open, one request after the other on each.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{join_all, try_join_all};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Measured;
use crate::child::{call_alone, list_alone};
use crate::figures::Samples;

/// What is asked, in the words of each caller.
pub(crate) struct Ask {
    tool: Option<&'static str>,
    tokens: Vec<String>,
}

impl Ask {
    /// A call of this tool, or the list of tools. Without tokens nobody says who calls.
    pub(crate) fn new(tool: Option<&'static str>, tokens: &[String]) -> Self {
        Self { tool, tokens: tokens.to_vec() }
    }

    /// The request that this client sends.
    fn request(&self, at: SocketAddr, client: usize) -> Vec<u8> {
        let (method, body) = match self.tool {
            Some(tool) => ("tools/call", call_alone(tool, &serde_json::json!({}))),
            None => ("tools/list", list_alone()),
        };
        let name = self.tool.map(|tool| format!("mcp-name: {tool}\r\n")).unwrap_or_default();
        let token = self.tokens.get(client % self.tokens.len().max(1));
        let token = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
        let length = body.len();
        format!(
            "POST /mcp HTTP/1.1\r\nhost: {at}\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: {method}\r\n\
             {name}{token}content-length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }
}

/// One client.
pub(crate) struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Connection {
    /// The client of this number, connected.
    pub(crate) async fn open(at: SocketAddr, ask: &Ask, client: usize) -> io::Result<Self> {
        let stream = TcpStream::connect(at).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, request: ask.request(at, client), answer: Vec::new() })
    }

    /// Asks something else from now on.
    pub(crate) fn turn_to(&mut self, at: SocketAddr, ask: &Ask, client: usize) {
        self.request = ask.request(at, client);
    }

    /// Asks, and waits for the whole answer: its status and its body.
    pub(crate) async fn exchange(&mut self) -> io::Result<(u16, &[u8])> {
        self.stream.write_all(&self.request).await?;
        self.answer.clear();
        let mut whole = usize::MAX;
        let mut head = 0;
        while self.answer.len() < whole {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if head == 0
                && let Some(end) = self.answer.windows(4).position(|four| four == b"\r\n\r\n")
            {
                head = end + 4;
                whole = head + length(&self.answer[..head])?;
            }
        }
        let status = self.answer.get(9..12).and_then(|code| std::str::from_utf8(code).ok()?.parse().ok());
        Ok((status.unwrap_or(0), &self.answer[head..]))
    }

    /// Asks, and makes sure that the answer is a result.
    pub(crate) async fn result(&mut self) -> io::Result<usize> {
        let (status, body) = self.exchange().await?;
        if status == 200 && is_result(body) {
            return Ok(body.len());
        }
        let said: String = String::from_utf8_lossy(body).chars().take(500).collect();
        Err(io::Error::other(format!("not the expected answer: {status} {said}")))
    }
}

/// How long a head says that its body is.
fn length(head: &[u8]) -> io::Result<usize> {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let told = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    told.ok_or_else(|| io::Error::other("the answer does not say how long it is"))
}

fn is_result(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    text.contains("\"result\":") && !text.contains("\"isError\":true")
}

/// What a turn came to.
pub(crate) struct Turn {
    pub(crate) answers: usize,
    pub(crate) took: Duration,
    pub(crate) times: Samples,
    /// Bytes of one answer.
    pub(crate) length: usize,
}

/// So many clients at the same time, each asking again as soon as it is answered, for so long.
pub(crate) async fn turn(at: SocketAddr, ask: &Ask, clients: usize, time: Duration) -> Measured<Turn> {
    let mut opened = try_join_all((0..clients).map(|client| Connection::open(at, ask, client))).await?;
    // The first answer is looked at; those that follow must be as long.
    let length = opened.first_mut().ok_or("a turn needs a client")?.result().await?;
    let begun = Instant::now();
    let asking = opened.into_iter().map(|client| tokio::spawn(ask_on(client, length, begun + time)));
    let mut times = Vec::new();
    for taken in join_all(asking).await {
        times.extend(taken??);
    }
    let (answers, took) = (times.len(), begun.elapsed());
    let mut samples = Samples::default();
    samples.extend(times);
    Ok(Turn { answers, took, times: samples, length })
}

async fn ask_on(mut client: Connection, length: usize, end: Instant) -> io::Result<Vec<Duration>> {
    let mut times = Vec::new();
    loop {
        let begun = Instant::now();
        if begun >= end {
            return Ok(times);
        }
        let (status, body) = client.exchange().await?;
        if (status, body.len()) != (200, length) {
            let said: String = String::from_utf8_lossy(body).chars().take(500).collect();
            return Err(io::Error::other(format!("not the expected answer: {status} {said}")));
        }
        times.push(begun.elapsed());
    }
}

/// What became of calls that were all made at once.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    pub(crate) answered: usize,
    pub(crate) refused: usize,
    /// Until the last of them knew.
    pub(crate) took: Duration,
}

/// So many clients at once, each with a connection of its own and one call. An error if one of them hears nothing.
pub(crate) async fn limiter(at: SocketAddr, ask: Arc<Ask>, clients: usize, patience: Duration) -> Measured<Crowd> {
    let begun = Instant::now();
    let calls = (0..clients).map(|client| {
        let ask = Arc::clone(&ask);
        tokio::spawn(async move { tokio::time::timeout(patience, once(at, &ask, client)).await })
    });
    let mut limiter = Crowd::default();
    for answered in join_all(calls).await {
        match answered? {
            Ok(true) => limiter.answered += 1,
            Ok(false) => limiter.refused += 1,
            Err(_) => return Err(format!("one of {clients} calls at once was not answered in time").into()),
        }
    }
    limiter.took = begun.elapsed();
    Ok(limiter)
}

/// Whether a call was answered with a result. A connection that is closed is a refusal, too.
async fn once(at: SocketAddr, ask: &Ask, client: usize) -> bool {
    let asked = async { Connection::open(at, ask, client).await?.result().await };
    asked.await.is_ok()
}
