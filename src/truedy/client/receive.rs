//! Receives one response: its headers, and its body within a bound.

use std::sync::Arc;

use http::header::{CONTENT_TYPE, DATE, LOCATION, RETRY_AFTER};

use crate::truedy::client::answer::{HttpAnswer, ReplyData, read_json};
use crate::truedy::client::send::Client;
use crate::truedy::error::TOO_LARGE;
use crate::truedy::rate_limit_reset;

/// The largest part of a body for which memory is reserved before it comes, in bytes.
const RESERVED: usize = 64 * 1024;
/// A longer body is not read on the thread that received it, in bytes.
const LONG_BODY: usize = 128 * 1024;

impl Client {
    /// Sends a request and receives its response. A body longer than `limit` bytes is not read.
    pub(crate) async fn receive<D: ReplyData>(
        &self,
        builder: reqwest::RequestBuilder,
        limit: usize,
    ) -> Result<HttpAnswer<D>, reqwest::Error> {
        let mut response = builder.send().await?;
        let header = |name: http::HeaderName| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).map(|text| self.redactor.text(text))
        };
        let mut answer = HttpAnswer {
            status: response.status(),
            location: header(LOCATION),
            date: header(DATE),
            retry_after: header(RETRY_AFTER),
            request_id: header(http::HeaderName::from_static("x-request-id")),
            body: Err(String::new()),
            empty: false,
        };
        if let Some(stated) = answer.date.as_deref().and_then(rate_limit_reset::http_date) {
            self.server_time.note(stated.as_millisecond());
        }
        let content_type = header(CONTENT_TYPE).unwrap_or_default();
        // What is announced is reserved at once, up to a bound, since it may be announced wrongly.
        let announced = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
        let mut bytes = Vec::with_capacity(announced.min(RESERVED));
        while let Some(chunk) = response.chunk().await? {
            if bytes.len() + chunk.len() > limit {
                answer.body = Err(format!("{TOO_LARGE} {} KiB", limit / 1024));
                return Ok(answer);
            }
            bytes.extend_from_slice(&chunk);
        }
        answer.empty = bytes.is_empty();
        answer.body = if bytes.len() <= LONG_BODY {
            read_json(&self.redactor, &content_type, &bytes, answer.status)
        } else {
            // Each thread keeps memory of its own. So long bodies are read on few threads, and not on every worker.
            let (redactor, status) = (Arc::clone(&self.redactor), answer.status);
            let reading = move || read_json(&redactor, &content_type, &bytes, status);
            tokio::task::spawn_blocking(reading)
                .await
                .unwrap_or_else(|_| Err("the answer could not be read".to_owned()))
        };
        Ok(answer)
    }
}
