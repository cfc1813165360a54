//! A stream of events as it comes, read one by one while it is open.

use serde_json::Value;
use tokio::net::TcpStream;

use super::http_client::{Served, Talk, request};

/// A stream that the server has opened.
pub(crate) struct Events {
    talk: Talk<TcpStream>,
    unread: String,
    /// Of its head.
    pub(crate) status: u16,
    head: String,
}

impl Events {
    /// Sends a request that is answered by a stream, and reads the head of its answer.
    pub(crate) async fn open(mut talk: Talk<TcpStream>, request: &str) -> Self {
        talk.send(request).await;
        let head = talk.until(b"\r\n\r\n").await.expect("an answer");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { talk, unread: String::new(), status, head: head.to_ascii_lowercase() }
    }

    /// Asks for a stream with these headers; it must be given.
    pub(crate) async fn get(server: &Served, target: &str, headers: &[(&str, &str)]) -> Self {
        let headers = [&[("accept", "text/event-stream")], headers].concat();
        let request = request(&server.host(), "GET", target, &headers, "");
        let events = Self::open(server.connect().await, &request).await;
        assert_eq!(events.status, 200, "{}", events.head);
        events
    }

    /// A header of its head.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }

    /// The next event: its name and its data; `None` at the end of the stream. Comments are passed over.
    pub(crate) async fn next(&mut self) -> Option<(String, String)> {
        loop {
            while let Some((event, rest)) = self.unread.split_once("\n\n") {
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                let found =
                    field("data:").map(|data| (field("event:").unwrap_or("message").to_owned(), data.to_owned()));
                self.unread = rest.to_owned();
                if found.is_some() {
                    return found;
                }
            }
            // Events hold no carriage return, so a chunk ends at the first.
            let length = self.talk.until(b"\r\n").await?;
            let chunk = self.talk.until(b"\r\n").await?;
            if length.trim() == "0" {
                return None;
            }
            self.unread.push_str(&chunk);
        }
    }

    /// The data of the next event.
    pub(crate) async fn data(&mut self) -> String {
        self.next().await.expect("an event before the end of the stream").1
    }

    /// The next message.
    pub(crate) async fn message(&mut self) -> Value {
        let data = self.data().await;
        serde_json::from_str(&data).unwrap_or_else(|_| panic!("no JSON: {data}"))
    }
}
