//! Decides when a request is sent again: only if that certainly cannot do anything twice.

use std::time::Duration;

use crate::truedy::error::{Error, NotSent};
use crate::truedy::request::RequestKind;

/// The longest backoff after the first attempt. It doubles with each further attempt.
const BASE: Duration = Duration::from_millis(250);
/// The longest backoff of all.
const CAP: Duration = Duration::from_secs(4);
/// With less time left, another attempt is not worthwhile.
const WORTHWHILE: Duration = Duration::from_millis(1500);
/// Time that must be left for the request after a wait for the rate limit.
const AFTER_LIMIT: Duration = Duration::from_secs(1);

/// Returns how long to wait before sending again, or `None` to stop.
///
/// `sent` counts the attempts, with the failed one. `random` is between 0 and 1.
pub(super) fn wait(kind: RequestKind, error: &Error, sent: u32, left: Duration, random: f64) -> Option<Duration> {
    if let Error::Limited(wait, _) = error {
        // The rate limiter refused before anything was done. So even a purchase may be sent again, once.
        let wait = *wait + Duration::from_secs_f64(random);
        let most = if kind == RequestKind::Create { 1 } else { kind.attempts() };
        return (sent <= most && wait + AFTER_LIMIT <= left).then_some(wait);
    }
    let again = match (kind, error) {
        (RequestKind::Delete, _) => false,
        (_, Error::NotSent(NotSent::NoConnection(_))) => true,
        // A plain 500 for a search is more often a refusal of the carrier than an accident, and is not repeated.
        (RequestKind::Search, Error::NoVerdict(_, api_error)) => api_error.status != 500,
        (RequestKind::Read, Error::NoVerdict(..)) => true,
        _ => false,
    };
    let backoff = CAP.min(BASE * 2_u32.saturating_pow(sent.saturating_sub(1))).mul_f64(random);
    (again && sent < kind.attempts() && left >= WORTHWHILE + backoff).then_some(backoff)
}

/// Returns what a repeat after this error takes from the budget for repeats.
pub(super) fn cost(error: &Error) -> f64 {
    match error {
        Error::NoVerdict(_, api_error) if api_error.status == 0 => 10.0,
        Error::Limited(..) => 0.0,
        _ => 5.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::truedy::error::ApiError;

    const LONG: Duration = Duration::from_secs(20);

    fn status(status: u16) -> ApiError {
        ApiError { status, ..ApiError::default() }
    }

    fn failures() -> Vec<Error> {
        vec![
            Error::Refused(status(422)),
            Error::NotSent(NotSent::NoConnection("refused".to_owned())),
            Error::NotSent(NotSent::Cancelled),
            Error::NotSent(NotSent::Queue(LONG)),
            Error::NoVerdict("reset".to_owned(), status(0)),
            Error::NoVerdict("503".to_owned(), status(503)),
            Error::NoVerdict("500".to_owned(), status(500)),
            Error::Unreadable("html".to_owned(), status(200)),
        ]
    }

    #[test]
    fn what_may_have_happened_is_never_sent_again_unless_it_only_reads() {
        for kind in [RequestKind::Set, RequestKind::Delete, RequestKind::Create] {
            for error in failures().iter().filter(|error| error.may_have_happened()) {
                assert_eq!(wait(kind, error, 1, LONG, 0.5), None, "{kind:?} {error}");
            }
        }
    }

    #[test]
    fn attempts_are_bounded() {
        for kind in [RequestKind::Read, RequestKind::Search, RequestKind::Set, RequestKind::Delete, RequestKind::Create]
        {
            for error in failures() {
                assert_eq!(wait(kind, &error, kind.attempts(), LONG, 0.5), None, "{kind:?} {error}");
            }
        }
        assert!(wait(RequestKind::Read, &Error::NoVerdict(String::new(), status(503)), 2, LONG, 0.5).is_some());
        assert!(
            wait(RequestKind::Create, &Error::NotSent(NotSent::NoConnection(String::new())), 1, LONG, 0.5).is_some()
        );
        assert_eq!(wait(RequestKind::Search, &Error::NoVerdict(String::new(), status(500)), 1, LONG, 0.5), None);
    }

    #[test]
    fn a_rate_limit_is_waited_for_only_if_it_fits() {
        let limited = |seconds| Error::Limited(Duration::from_secs(seconds), status(429));
        assert!(wait(RequestKind::Create, &limited(5), 1, LONG, 0.0).is_some());
        assert_eq!(wait(RequestKind::Create, &limited(30), 1, LONG, 0.0), None);
        assert_eq!(
            wait(RequestKind::Read, &Error::NoVerdict(String::new(), status(503)), 1, Duration::from_secs(1), 0.0),
            None
        );
    }
}
