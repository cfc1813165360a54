//! Replaces parts of a text and leaves every other byte as it is.

use std::ops::Range;

/// A part of a text, in bytes, and what comes in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Splice {
    range: Range<usize>,
    text: String,
}

impl Splice {
    pub(super) fn insert(at: usize, text: impl Into<String>) -> Self {
        Self { range: at..at, text: text.into() }
    }

    pub(super) fn remove(range: Range<usize>) -> Self {
        Self { range, text: String::new() }
    }

    pub(super) fn replace(range: Range<usize>, text: impl Into<String>) -> Self {
        Self { range, text: text.into() }
    }
}

/// Returns the text with all parts replaced. The parts do not overlap. Of two at one place the first comes first.
pub(super) fn spliced(text: &str, mut splices: Vec<Splice>) -> String {
    splices.sort_by_key(|splice| splice.range.start);
    let (mut out, mut at) = (String::with_capacity(text.len() + 256), 0);
    for splice in splices {
        out.push_str(text.get(at..splice.range.start).unwrap_or_default());
        out.push_str(&splice.text);
        at = splice.range.end.max(at);
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// Returns line and column of a byte, both counted from 1, as people read them: `line 3, column 7`.
pub(super) fn place_in(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}")
}

/// Returns the line end that the text uses.
pub(super) fn line_end(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// Splits the mark of byte order from a text. Some editors on Windows put it at the front.
pub(super) fn without_mark(text: &str) -> (&str, &str) {
    const MARK: &str = "\u{feff}";
    text.strip_prefix(MARK).map_or(("", text), |body| (MARK, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_replaced_and_places_are_told() {
        let parts = vec![Splice::replace(4..5, "x"), Splice::insert(1, "12"), Splice::remove(2..3)];
        assert_eq!(spliced("abcdef", parts), "a12bdxf");
        assert_eq!(place_in("a\nbö c", 6), "line 2, column 4");
        assert_eq!(without_mark("\u{feff}{}"), ("\u{feff}", "{}"));
    }
}
