//! Points in time, as people say them: a day, a time ago, or an exact time.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ZonedDateTime};

use crate::domain::argument::text::checked_text;

checked_text! {
    /// A day, a time ago, or an exact time with its zone. Days are those of the machine's own time zone.
    Moment,
    pattern r"^.{2,35}$",
    expected "a day (2026-11-25, today, yesterday), a time ago (2h, 7d), or a time with its zone in RFC 3339",
    example "yesterday",
    |text| match period(text, &Timestamp::UNIX_EPOCH.to_zoned_datetime(TimeZone::UTC)) {
        Some(_) => Ok(()),
        None => Err("it is neither a day, nor a time ago, nor a time with its zone".to_owned()),
    }
}

/// The most that may lie between now and a time ago: about 27 years.
const MOST_HOURS: i64 = 24 * 9_999;

impl Moment {
    /// Returns when it begins, in milliseconds since 1970. A day begins at its first moment in the zone of `now`.
    pub fn begins(&self, now: &ZonedDateTime) -> i64 {
        period(self.as_str(), now).map_or(0, |(begins, _)| begins)
    }

    /// Returns when it has passed, in milliseconds since 1970. A day has passed when the next one begins.
    pub fn ends(&self, now: &ZonedDateTime) -> i64 {
        period(self.as_str(), now).map_or(0, |(_, ends)| ends)
    }
}

/// Returns the first millisecond of a text, and the first one after it. Both are the same, except of a day.
fn period(text: &str, now: &ZonedDateTime) -> Option<(i64, i64)> {
    if !text.is_ascii() || !(2..=35).contains(&text.len()) {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    let day = match lower.as_str() {
        "today" => Some(now.date()),
        "yesterday" => Some(now.date().yesterday().ok()?),
        _ if text.len() == 10 => Some(text.parse::<Date>().ok()?),
        _ => None,
    };
    if let Some(day) = day {
        let midnight =
            |day: Date| Some(day.to_zoned_datetime(now.time_zone().clone()).ok()?.timestamp().as_millisecond());
        return Some((midnight(day)?, midnight(day.tomorrow().ok()?)?));
    }
    let moment = match ago(&lower) {
        Some(ago) => now.timestamp().checked_sub(ago).ok()?.as_millisecond(),
        None if text.contains(' ') || text.len() < 16 => return None,
        None => text.parse::<Timestamp>().ok()?.as_millisecond(),
    };
    Some((moment, moment))
}

/// Returns how long ago `2h` or `7d` is. `m` are minutes, `w` are weeks.
fn ago(text: &str) -> Option<SignedDuration> {
    let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if count.is_empty() || count.len() > 5 || !count.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let count: i64 = count.parse().ok()?;
    let ago = match unit {
        "m" => SignedDuration::from_mins(count),
        "h" => SignedDuration::from_hours(count),
        "d" => SignedDuration::from_hours(count * 24),
        "w" => SignedDuration::from_hours(count * 24 * 7),
        _ => return None,
    };
    (ago.as_hours() <= MOST_HOURS).then_some(ago)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> ZonedDateTime {
        // The day before, the clocks of this zone were set back by an hour.
        "2026-10-26T08:30:00+01:00[Europe/Berlin]".parse().unwrap()
    }

    #[test]
    fn a_moment_is_read_as_people_say_it() {
        for (said, begins, ends) in [
            ("today", "2026-10-26T00:00:00+01:00", "2026-10-27T00:00:00+01:00"),
            // This day had 25 hours.
            ("Yesterday", "2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00"),
            ("2026-10-25", "2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00"),
            ("2h", "2026-10-26T06:30:00+01:00", "2026-10-26T06:30:00+01:00"),
            ("90m", "2026-10-26T07:00:00+01:00", "2026-10-26T07:00:00+01:00"),
            // A day ago is 24 hours ago.
            ("7d", "2026-10-19T09:30:00+02:00", "2026-10-19T09:30:00+02:00"),
            ("1w", "2026-10-19T09:30:00+02:00", "2026-10-19T09:30:00+02:00"),
            ("2026-10-25T08:00:00Z", "2026-10-25T08:00:00Z", "2026-10-25T08:00:00Z"),
            ("2026-10-25T08:00:00.5+02:00", "2026-10-25T06:00:00.5Z", "2026-10-25T06:00:00.5Z"),
        ] {
            let moment = Moment::try_from(said).unwrap_or_else(|why| panic!("{said}: {why}"));
            let expected = [begins, ends].map(|text| text.parse::<Timestamp>().unwrap().as_millisecond());
            assert_eq!([moment.begins(&now()), moment.ends(&now())], expected, "{said}");
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for odd in [
            "",
            "7",
            "d",
            "-7d",
            "7 d",
            "7y",
            "999999d",
            "99999w",
            "tomorrow",
            "last week",
            "2026-13-01",
            "2026-02-30",
            "25.11.2026",
            "2026-11-25T08:00:00",
            "2026-11-25 08:00:00Z",
            "08:00",
            "20261125",
            "١d",
        ] {
            assert!(Moment::try_from(odd).is_err(), "{odd}");
        }
    }
}
