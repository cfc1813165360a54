//! The response forms that a client accepts, as its `Accept` header says (RFC 9110 §12.5.1).

use http::HeaderMap;
use http::header::ACCEPT;

/// The response forms that a client accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepts {
    /// One JSON object.
    pub json: bool,
    /// A stream of events.
    pub events: bool,
}

impl Accepts {
    /// Reads the forms from these headers. Without a readable `Accept` header, both forms are accepted.
    pub fn of(headers: &HeaderMap) -> Self {
        let texts: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
        let ranges: Vec<(&str, bool)> = texts.iter().flat_map(|text| text.split(',')).filter_map(range).collect();
        if ranges.is_empty() {
            return Self { json: true, events: true };
        }
        Self { json: takes(&ranges, "application/json"), events: takes(&ranges, "text/event-stream") }
    }

    /// Checks whether the client accepts neither form.
    pub fn nothing(self) -> bool {
        !self.json && !self.events
    }
}

/// Returns one media range and whether its weight is above zero. An unreadable weight excludes nothing.
fn range(text: &str) -> Option<(&str, bool)> {
    let mut parts = text.split(';').map(str::trim);
    let range = parts.next().filter(|range| !range.is_empty())?;
    let weight = parts.find_map(|part| {
        let (name, weight) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| weight.trim().parse::<f32>().ok()).flatten()
    });
    Some((range, weight.is_none_or(|weight| weight > 0.0)))
}

/// Checks whether this media type is accepted. The most specific matching range decides.
fn takes(ranges: &[(&str, bool)], wanted: &str) -> bool {
    let family = wanted.split('/').next().unwrap_or_default();
    let said = |named: &dyn Fn(&str) -> bool| {
        let mut found = ranges.iter().filter(|(range, _)| named(range)).peekable();
        found.peek().is_some().then(|| found.any(|(_, taken)| *taken))
    };
    said(&|range| range.eq_ignore_ascii_case(wanted))
        .or_else(|| said(&|range| range.split_once("/*").is_some_and(|(name, _)| name.eq_ignore_ascii_case(family))))
        .or_else(|| said(&|range| range == "*/*" || range == "*"))
        .unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_can_take_a_form_takes_it() {
        for (accept, json, events) in [
            ("", true, true),
            ("application/json, text/event-stream", true, true),
            ("application/json", true, false),
            ("Application/JSON; charset=utf-8", true, false),
            ("text/event-stream", false, true),
            ("*/*", true, true),
            ("*", true, true),
            ("application/json, text/plain, */*", true, true),
            ("text/html, */*;q=0.1", true, true),
            ("application/*", true, false),
            ("text/*", false, true),
            ("text/html", false, false),
            ("application/jsonp, text/event-streams", false, false),
            ("application/json;q=0, */*", false, true),
            ("application/json;q=0.0, text/event-stream;q=0", false, false),
            ("application/json;q=nonsense", true, false),
            ("application/json;version=1;q=0", false, false),
            (" , ,application/json", true, false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]);
            assert_eq!(Accepts::of(&headers), Accepts { json, events }, "{accept:?}");
        }
        assert_eq!(Accepts::of(&HeaderMap::new()), Accepts { json: true, events: true });
        let mut two = HeaderMap::new();
        two.append(ACCEPT, "text/html".parse().unwrap());
        two.append(ACCEPT, "application/json".parse().unwrap());
        assert_eq!(Accepts::of(&two), Accepts { json: true, events: false });
    }
}
