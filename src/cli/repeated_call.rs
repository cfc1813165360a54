//! Calls a tool again while its answer says that it comes later.

use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::cli::output::complain;
use crate::cli::progress::ProgressLine;
use crate::domain::Status;
use crate::mcp::{CallResult, FinishedCall};

/// How long the program reads the whole list of numbers for a call that needs it.
const READING: Duration = Duration::from_secs(20 * 60);
/// How long a call that only reads waits for the rate limit.
const LIMITED: Duration = Duration::from_secs(3 * 60);
/// The longest wait between two calls, whatever the answer says, in seconds.
const LONGEST: u64 = 60;
/// For how many seconds a call itself waits for the reading. Each call costs requests that the reading could make.
const ITSELF: u64 = 3;

/// Calls again while the whole list of numbers is being read, because the reading ends with this process. A call that
/// only `reads` waits for the rate limit, too: a script could do nothing else.
pub(super) async fn until_answered<F: Future<Output = CallResult>>(
    waiting: &ProgressLine,
    stop: &CancellationToken,
    reads: bool,
    call: impl Fn() -> F,
) -> CallResult {
    let (start, mut told) = (Instant::now(), String::new());
    loop {
        let reply = call().await;
        let CallResult::Done(FinishedCall { status, body, .. }) = &reply else { return reply };
        let seconds = number(body, "retry_after_seconds").unwrap_or(1).clamp(1, LONGEST);
        let (text, pause) = match status {
            Status::StillReading if start.elapsed() < READING => (how_far(body), seconds.saturating_sub(ITSELF)),
            Status::RateLimited if reads && start.elapsed() < LIMITED => {
                (format!("waiting {seconds} s for the rate limit"), seconds)
            }
            _ => return reply,
        };
        if told != text {
            if waiting.is_shown() {
                waiting.say(text.clone());
            } else {
                complain(&format!("{text}."));
            }
            told = text;
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(pause)) => {}
            () = stop.cancelled() => return reply,
        }
    }
}

fn number(body: &Map<String, Value>, field: &str) -> Option<u64> {
    body.get(field).and_then(Value::as_u64)
}

fn how_far(body: &Map<String, Value>) -> String {
    let of = number(body, "numbers_total").map(|total| format!(" of {total}")).unwrap_or_default();
    format!("{}{of} numbers are read", number(body, "numbers_read").unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use serde_json::json;

    use super::*;

    fn reply(status: Status, seconds: u64) -> CallResult {
        let body = Map::from_iter([("retry_after_seconds".to_owned(), json!(seconds))]);
        CallResult::Done(FinishedCall { status, body, is_error: status != Status::Ok })
    }

    /// Calls until it is answered, where the calls after the first `later` succeed. Returns the status, how many calls
    /// were made, and how many seconds it took.
    async fn called(status: Status, later: usize, reads: bool) -> (Option<Status>, usize, u64) {
        let (calls, start) = (Cell::new(0), Instant::now());
        let (waiting, stop) = (ProgressLine::begin("x"), CancellationToken::new());
        let call = async || {
            calls.set(calls.get() + 1);
            tokio::time::sleep(Duration::from_secs(2)).await;
            if calls.get() > later { reply(Status::Ok, 0) } else { reply(status, 40) }
        };
        let answered = until_answered(&waiting, &stop, reads, call).await;
        (answered.status(), calls.get(), start.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn it_waits_for_the_list_and_where_it_reads_for_the_rate_limit() {
        assert_eq!(called(Status::StillReading, 5, false).await, (Some(Status::Ok), 6, 12 + 5 * 37));
        assert_eq!(called(Status::RateLimited, 2, true).await, (Some(Status::Ok), 3, 86));
        assert_eq!(called(Status::RateLimited, 2, false).await, (Some(Status::RateLimited), 1, 2), "a change");
        assert_eq!(called(Status::UpstreamUnavailable, 2, true).await, (Some(Status::UpstreamUnavailable), 1, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn it_does_not_wait_for_ever() {
        let (status, calls, seconds) = called(Status::RateLimited, usize::MAX, true).await;
        assert_eq!((status, calls), (Some(Status::RateLimited), 6), "{seconds} s");
        let (status, _, seconds) = called(Status::StillReading, usize::MAX, true).await;
        assert!(status == Some(Status::StillReading) && (1_200..1_240).contains(&seconds), "{seconds} s");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_no_longer_wanted_ends_at_once() {
        let (waiting, stop, start) = (ProgressLine::begin("x"), CancellationToken::new(), Instant::now());
        stop.cancel();
        let call = async || reply(Status::RateLimited, 40);
        assert_eq!(until_answered(&waiting, &stop, true, call).await.status(), Some(Status::RateLimited));
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
