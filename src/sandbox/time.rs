//! Points in time, as the sandbox keeps them and as the API writes them.

use std::time::Duration;

use jiff::Timestamp;

/// Now, as it is kept: UTC with microseconds and `Z`. Of a fixed length, so that text order is time order.
pub(crate) fn now() -> String {
    kept(Timestamp::now())
}

/// A moment after now, as it is kept; beyond the end of time, the end.
pub(crate) fn after(delay: Duration) -> String {
    let moment = jiff::SignedDuration::try_from(delay).ok().and_then(|delay| Timestamp::now().checked_add(delay).ok());
    kept(moment.unwrap_or(Timestamp::MAX))
}

/// A moment before now, as it is kept.
pub(crate) fn days_ago(days: i64) -> String {
    let moment = Timestamp::now().checked_sub(jiff::SignedDuration::from_hours(24 * days));
    kept(moment.unwrap_or(Timestamp::MIN))
}

/// A moment as it is kept.
pub(crate) fn kept(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// A kept moment as numbers and credentials show it, with `+00:00`.
pub(crate) fn with_offset(kept: &str) -> String {
    format!("{}+00:00", naive(kept))
}

/// A kept moment without any zone.
pub(crate) fn naive(kept: &str) -> &str {
    kept.strip_suffix('Z').unwrap_or(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_documented() {
        let moment: Timestamp = "2026-03-03T20:30:21.3Z".parse().unwrap();
        assert_eq!(kept(moment), "2026-03-03T20:30:21.300000Z");
        assert_eq!(with_offset(&kept(moment)), "2026-03-03T20:30:21.300000+00:00");
        assert_eq!(naive(&kept(moment)), "2026-03-03T20:30:21.300000");
    }

    #[test]
    fn text_order_is_time_order() {
        assert!(days_ago(7) < now());
        assert!(now() < after(Duration::from_secs(60)));
        assert!(now() < after(Duration::MAX));
    }
}
