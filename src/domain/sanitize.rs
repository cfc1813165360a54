//! Reading values from upstream: cleaning texts and accepting several types. Text from upstream is data, never
//! instructions.

use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

use crate::redact::is_invisible;

/// The most characters of an upstream text that are shown.
const SHOWN: usize = 120;

/// Cleans a text from upstream for display: one line of at most 120 characters.
///
/// The result is NFC, without control characters and without invisible or direction-changing characters. White space is
/// folded.
pub fn clean(text: &str) -> String {
    clean_to(text, SHOWN)
}

/// Does the same as [`clean`], with another limit in characters.
pub fn clean_to(text: &str, most: usize) -> String {
    // Most texts are clean already. Checking this is much faster than normalising them.
    if text.len() <= most && is_plain(text) {
        return text.to_owned();
    }
    let mut cleaned = String::new();
    let mut length = 0;
    let mut gap = false;
    // `take` bounds the work for a text of any size.
    for c in text.chars().take(most.saturating_mul(8)).nfc() {
        if c.is_whitespace() || c.is_control() {
            gap = !cleaned.is_empty();
            continue;
        }
        if is_invisible(c) {
            continue;
        }
        if length + usize::from(gap) >= most {
            cleaned.push('…');
            break;
        }
        if gap {
            gap = false;
            cleaned.push(' ');
            length += 1;
        }
        cleaned.push(c);
        length += 1;
    }
    cleaned
}

/// Checks whether cleaning would change nothing: the text is visible ASCII with single spaces only inside.
fn is_plain(text: &str) -> bool {
    let mut before = b' ';
    for byte in text.bytes() {
        let is_single_space = byte == b' ' && before != b' ';
        if !byte.is_ascii_graphic() && !is_single_space {
            return false;
        }
        before = byte;
    }
    before != b' ' || text.is_empty()
}

/// Returns a field of an upstream object as cleaned text. Numbers are accepted too, since prices have either type.
pub fn text_at(object: &Value, field: &str) -> Option<String> {
    match object.get(field)? {
        Value::String(text) => Some(clean(text)).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hidden_and_turning_characters_go() {
        assert_eq!(clean("a\u{202e}b\u{200b}c\u{e0041}\u{1b}[31m\r\nd"), "abc [31m d");
        assert_eq!(clean("  two \n\n lines  "), "two lines");
        assert_eq!(clean("e\u{301}"), "é");
    }

    proptest! {
        #[test]
        fn cleaned_text_is_one_short_visible_line(text in ".{0,400}") {
            let cleaned = clean(&text);
            prop_assert!(cleaned.chars().count() <= SHOWN + 1);
            prop_assert!(!cleaned.chars().any(|c| c.is_control() || is_invisible(c)));
        }
    }
}
