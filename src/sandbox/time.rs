//! Moments in time, in the stored form and in the forms of the API.

use std::time::Duration;

use jiff::Timestamp;

/// Returns the present time in stored form: UTC with microseconds and `Z`. The length is fixed, so text order is time
/// order.
pub(crate) fn now() -> String {
    kept(Timestamp::now())
}

/// Returns a moment after now in stored form. It is limited to the largest possible time.
pub(crate) fn after(delay: Duration) -> String {
    let moment = jiff::SignedDuration::try_from(delay).ok().and_then(|delay| Timestamp::now().checked_add(delay).ok());
    kept(moment.unwrap_or(Timestamp::MAX))
}

/// Returns a moment before now in stored form.
pub(crate) fn days_ago(days: i64) -> String {
    let moment = Timestamp::now().checked_sub(jiff::SignedDuration::from_hours(24 * days));
    kept(moment.unwrap_or(Timestamp::MIN))
}

/// Returns a moment in stored form.
pub(crate) fn kept(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// Returns a stored moment as numbers and credentials show it, with `+00:00`.
pub(crate) fn with_offset(kept: &str) -> String {
    format!("{}+00:00", naive(kept))
}

/// Returns a stored moment without a zone.
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
