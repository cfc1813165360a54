//! Reads when a rate limit ends, from every form in which Truedy may state it.
//!
//! Forms: a time with a zone, a time without one (then UTC), or an epoch. It may also be absent. Source: contract §4
//! and its rows 9 to 13.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;

/// How long to wait if the response states no usable time.
const UNSAID: Duration = Duration::from_secs(60);
/// The longest plausible wait, in seconds. A time further ahead is ignored.
const PLAUSIBLE: i64 = 120;

/// Returns how long to wait: between 1 and 65 seconds.
///
/// `date` is the `Date` header of the same response. It makes the result independent of a wrong local clock.
pub(crate) fn wait(
    reset_at: Option<&Value>,
    retry_after: Option<&str>,
    date: Option<&str>,
    now: Timestamp,
) -> Duration {
    let server_now = date.and_then(http_date).unwrap_or(now);
    let seconds_until = |then: Timestamp| then.as_second() - server_now.as_second();
    let from_body = reset_at.and_then(instant).map(seconds_until);
    let from_header = retry_after.and_then(|text| {
        let text = text.trim();
        text.parse::<i64>().ok().filter(|s| *s >= 0).or_else(|| http_date(text).map(seconds_until))
    });
    match from_body.into_iter().chain(from_header).filter(|s| *s <= PLAUSIBLE).max() {
        Some(seconds) => Duration::from_secs(seconds.clamp(1, 65).unsigned_abs()),
        None => UNSAID,
    }
}

/// Reads a time in any of the known forms.
fn instant(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Number(number) => epoch(number.as_f64()?),
        Value::String(text) => {
            let text = text.trim();
            if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
                return epoch(text.parse().ok()?);
            }
            text.parse::<Timestamp>().ok().or_else(|| TimeZone::UTC.to_timestamp(text.parse::<DateTime>().ok()?).ok())
        }
        _ => None,
    }
}

/// Reads seconds since 1970. Numbers above 1e11 are read as milliseconds.
fn epoch(number: f64) -> Option<Timestamp> {
    let seconds = if number > 1e11 { number / 1000.0 } else { number };
    #[expect(clippy::cast_possible_truncation, reason = "checked to be in the range of a timestamp first")]
    (seconds.is_finite() && seconds.abs() < 1e11).then(|| Timestamp::from_second(seconds as i64).ok()).flatten()
}

/// Reads the date form of HTTP headers (RFC 9110 §5.6.7).
pub(crate) fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn now() -> Timestamp {
        "2026-03-03T12:00:00Z".parse().expect("a time")
    }

    #[test]
    fn every_form_is_read() {
        let at = now().as_second() + 30;
        for form in [
            json!("2026-03-03T12:00:30.000000Z"),
            json!("2026-03-03T12:00:30"),
            json!("2026-03-03T12:00:30.123456"),
            json!("2026-03-03 12:00:30"),
            json!("2026-03-03T14:00:30+02:00"),
            json!(at),
            json!(at * 1000),
            json!(at.to_string()),
            json!(at as f64 + 0.5),
        ] {
            assert_eq!(wait(Some(&form), None, None, now()), Duration::from_secs(30), "{form}");
        }
    }

    #[test]
    fn nonsense_waits_a_minute_and_the_past_a_second() {
        for form in [json!("soon"), json!(null), json!({}), json!("2027-03-03T12:00:30Z"), json!(1e300), json!("")] {
            assert_eq!(wait(Some(&form), None, None, now()), UNSAID, "{form}");
        }
        assert_eq!(wait(Some(&json!("2020-01-01T00:00:00Z")), None, None, now()), Duration::from_secs(1));
        assert_eq!(wait(None, None, None, now()), UNSAID);
    }

    #[test]
    fn headers_count_and_the_servers_clock_wins() {
        assert_eq!(wait(None, Some("7"), None, now()), Duration::from_secs(7));
        assert_eq!(wait(Some(&json!("2026-03-03T12:00:05Z")), Some("9"), None, now()), Duration::from_secs(9));
        let date = "Tue, 03 Mar 2026 11:59:50 GMT";
        assert_eq!(wait(Some(&json!("2026-03-03T12:00:00Z")), None, Some(date), now()), Duration::from_secs(10));
        assert_eq!(wait(None, Some("Tue, 03 Mar 2026 12:00:20 GMT"), None, now()), Duration::from_secs(20));
    }

    proptest! {
        #[test]
        fn the_wait_is_always_bounded(text in "\\PC{0,40}", seconds in any::<i64>()) {
            for form in [json!(text), json!(seconds)] {
                let wait = wait(Some(&form), Some(&text), Some(&text), now());
                prop_assert!((1..=65).contains(&wait.as_secs()));
            }
        }
    }
}
