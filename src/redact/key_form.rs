//! Recognises keys by their form, whether or not they are in use.

use crate::redact::ascii_set::AsciiSet;

/// Text that replaces a secret.
pub(super) const REDACTED: &str = "[redacted]";
/// Prefix of the tokens of this server. It lets people and secret scanners recognise them.
pub const TOKEN_PREFIX: &str = "tmcp_";
/// Prefixes of keys of Truedy, of this server and of Telnyx.
pub(super) const PREFIXES: [&str; 3] = ["truedy_", TOKEN_PREFIX, "KEY0"];
/// One character of each of them.
pub(super) const IN_PREFIXES: AsciiSet = AsciiSet::of(b"_K");
/// The fewest characters after a prefix that can make a key.
pub(super) const TAIL: usize = 8;

/// Replaces everything that looks like a key of Truedy, of this server or of Telnyx. The key need not be in use.
pub(super) fn replace_keys(text: &str, prefix: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(prefix) {
        result.push_str(before);
        let end = after.find(|c| !is_of_word(c)).unwrap_or(after.len());
        let (tail, next) = after.split_at(end);
        // A key that was cut short is hidden too. An ordinary name stays.
        let cut = |run: &str| {
            run.len() >= TAIL && is_random(run) || run.len() >= KEY_RUN && run.bytes().all(|b| b.is_ascii_uppercase())
        };
        if tail.split(['_', '-']).any(cut) {
            result.push_str(REDACTED);
        } else {
            result.push_str(prefix);
            result.push_str(tail);
        }
        rest = next;
    }
    result.push_str(rest);
    result
}

/// The fewest letters and digits in a row that make a key.
pub(crate) const KEY_RUN: usize = 16;

/// Whether a run of letters and digits is unlike a word. It has digits or mixed case, or at least 32 characters.
fn is_random(run: &str) -> bool {
    let has = |is: fn(&u8) -> bool| run.bytes().any(|b| is(&b));
    has(u8::is_ascii_digit) || (has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase)) || run.len() >= 2 * KEY_RUN
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether a word looks like a key.
pub(crate) fn is_key(word: &str) -> bool {
    let long = |run: &str| run.len() >= KEY_RUN;
    let token = |text: &str| text.len() == 32 && is_hex(text);
    if let Some(rest) = word.strip_prefix("truedy_").or_else(|| word.strip_prefix("truedy-")) {
        return rest.split(['_', '-']).any(|run| long(run) && is_random(run));
    }
    // Tokens of this server.
    if let Some(rest) = word.strip_prefix(TOKEN_PREFIX) {
        return long(rest);
    }
    if let Some(rest) = word.strip_prefix("KEY") {
        let run = rest.split(['_', '-']).next().unwrap_or_default();
        return long(run) && is_random(run) && run.get(..8).is_some_and(is_hex);
    }
    match word.strip_prefix("SK") {
        Some(rest) if token(rest) => true,
        _ => token(word) && is_random(word) && word.bytes().any(|b| b.is_ascii_alphabetic()),
    }
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// Whether a text is a token of this server. Such a token is not valid at Truedy or at a carrier.
pub fn is_own_token(text: &str) -> bool {
    text.trim().get(..TOKEN_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(TOKEN_PREFIX))
}

/// Whether a text holds what looks like a key of Truedy, of this server or of a carrier.
///
/// Forms: `truedy_…`, `tmcp_…`, Telnyx's `KEY0…`, Twilio's `SK…` and its auth token of 32 hexadecimal digits.
pub fn looks_like_key(text: &str) -> bool {
    text.split(|c| !is_of_word(c)).any(is_key)
}

/// Replaces everything that looks like a key. For texts that a caller wrote and that are returned to it.
pub fn without_keys(text: &str) -> String {
    let parts = text.split_inclusive(|c| !is_of_word(c)).map(|part| {
        let word = part.trim_end_matches(|c| !is_of_word(c));
        let after = part.get(word.len()..).unwrap_or_default();
        if is_key(word) { format!("{REDACTED}{after}") } else { part.to_owned() }
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_from_names_and_ids() {
        for key in [
            "truedy_SandboxFirstKey00000000000000001",
            "use truedy_live_0123456789abcdef0123456789abcdef please",
            "KEY0123456789ABCDEF0123456789ABCDEF_aBcDeFgHiJkLmNoPqRsTuV",
            "Bearer KEY018E0123456789ABCDEF",
            "SK0123456789abcdef0123456789abcdef",
            "0123456789abcdef0123456789abcdef",
            "token=0123456789abcdef0123456789abcdef;",
        ] {
            assert!(looks_like_key(key), "{key}");
        }
        for fine in [
            "",
            "Front desk",
            "truedy_mcp",
            "truedy-assistant-for-support-2026",
            "KEYNOTE-REGISTRATION-DESK",
            "KEY WEST",
            "+14155550123",
            "1f4baf16-1540-4d91-9696-7f34b2f2cb77",
            "AC0123456789abcdef0123456789abcdef",
            "SKATEBOARD",
            "KEYNOTE2026SPEAKERS",
            "truedy_customersupportline",
            "truedy_internationalization bot",
        ] {
            assert!(!looks_like_key(fine), "{fine}");
            assert_eq!(without_keys(fine), fine);
        }
        let told = without_keys("a SK0123456789abcdef0123456789abcdef, b (0123456789abcdef0123456789abcdef)");
        assert_eq!(told, "a [redacted], b ([redacted])");
    }

    #[test]
    fn each_prefix_has_a_character_by_which_it_is_looked_for() {
        for prefix in PREFIXES {
            assert!(AsciiSet::of(prefix.as_bytes()).has_any(IN_PREFIXES), "{prefix}");
        }
    }
}
