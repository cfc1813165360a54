//! Secrets: values that go out on the wire and nowhere else, and the finder that keeps them from coming back.

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

/// What the tokens of this server begin with, so that people and secret scanners know one when they see it.
pub const TOKEN_PREFIX: &str = "tmcp_";
/// What stands where a secret stood.
const REDACTED: &str = "[redacted]";

/// A key, token or password. It cannot be printed or serialised and is wiped when dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// The pattern a model is told.
    pub const PATTERN: &'static str = r"^.{1,512}$";

    /// Takes a text; the error says what is wrong without repeating it.
    pub fn new(text: String) -> Result<Self, String> {
        let secret = Self(SecretString::from(text));
        let text = secret.expose();
        if text.is_empty() {
            return Err("it is empty".to_owned());
        }
        if text.len() > 512 {
            return Err("it is longer than 512 characters".to_owned());
        }
        if !text.bytes().all(|b| (0x20..=0x7e).contains(&b)) {
            return Err("it has a character outside printable ASCII".to_owned());
        }
        Ok(secret)
    }

    /// The value itself. Called where it goes on the wire, and nowhere else.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(REDACTED)
    }
}

impl JsonSchema for Secret {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": Self::PATTERN })
    }
}

/// Finds the secrets now in use in any text, in every encoding they may come back in.
#[derive(Default)]
pub struct Redactor {
    held: Arc<RwLock<Vec<WatchedSecret>>>,
    /// Whose secrets are looked for besides those of nobody in particular; `None` for everybody's.
    only: Option<u64>,
}

/// A secret that is looked for.
struct WatchedSecret {
    id: u64,
    /// Whose it is; `None` for nobody's in particular.
    of: Option<u64>,
    needles: Vec<Needle>,
}

/// One form of one secret.
struct Needle {
    text: String,
    /// Base64 may be broken into lines.
    broken: bool,
    /// Very short secrets are only looked for as whole words: as parts of words they would be everywhere.
    whole_word: bool,
}

/// Keeps a secret looked for until it is dropped.
#[must_use]
pub struct RedactionGuard {
    redactor: Arc<Redactor>,
    id: u64,
}

impl Drop for RedactionGuard {
    fn drop(&mut self) {
        let mut held = self.redactor.held.write().unwrap_or_else(PoisonError::into_inner);
        held.retain(|hidden| hidden.id != self.id);
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Redactor")
    }
}

impl Redactor {
    /// Looks for this secret from now until the returned value is dropped.
    pub fn redact_until_dropped(self: &Arc<Self>, secret: &Secret) -> RedactionGuard {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let id = held.iter().map(|hidden| hidden.id + 1).max().unwrap_or(0);
        held.push(WatchedSecret { id, of: self.only, needles: needles(secret.expose()) });
        RedactionGuard { redactor: Arc::clone(self), id }
    }

    /// One for somebody who shares nothing with others: what is held there is taken out of what is read there, and not of
    /// what others read, who could tell by that what it is. This one finds it all the same.
    pub fn for_tenant(&self) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Arc::new(Self { held: Arc::clone(&self.held), only: Some(NEXT.fetch_add(1, Ordering::Relaxed)) })
    }

    /// The text without any secret.
    pub fn text(&self, text: &str) -> String {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        self.changed(&held, text).unwrap_or_else(|| text.to_owned())
    }

    /// Takes secrets out of every text of a JSON value. Names of fields stay: the schema would not hold without them, and
    /// no name that came from outside is passed on as a name.
    pub fn value(&self, value: &mut Value) {
        // One look for all of it: a list has a thousand texts.
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        self.change(&held, value);
    }

    fn change(&self, held: &[WatchedSecret], value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Some(clean) = self.changed(held, text) {
                    *text = clean;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.change(held, item)),
            Value::Object(fields) => fields.values_mut().for_each(|value| self.change(held, value)),
            _ => {}
        }
    }

    /// The text without any secret, if there is one in it.
    fn changed(&self, held: &[WatchedSecret], text: &str) -> Option<String> {
        let mut clean = Cow::Borrowed(text);
        // No escape is shorter than what it stands for: a shorter text cannot hold the form.
        let ours = |hidden: &&WatchedSecret| self.only.is_none() || hidden.of.is_none() || hidden.of == self.only;
        let needles = held.iter().filter(ours).flat_map(|hidden| &hidden.needles);
        for needle in needles.filter(|needle| needle.text.len() <= text.len()) {
            if needle.whole_word {
                if clean.contains(&needle.text) {
                    clean = Cow::Owned(replace_words(&clean, &needle.text));
                }
            } else if clean.contains(['%', '\\', '&'])
                || (clean.contains('+') && needle.text.contains(' '))
                || (needle.broken && clean.contains(char::is_whitespace))
            {
                clean = Cow::Owned(replace_escaped(&clean, needle));
            } else if clean.contains(&needle.text) {
                clean = Cow::Owned(clean.replace(&needle.text, REDACTED));
            }
        }
        for prefix in ["truedy_", TOKEN_PREFIX, "KEY0"] {
            if clean.len() >= prefix.len() + TAIL && clean.contains(prefix) {
                clean = Cow::Owned(replace_keys(&clean, prefix));
            }
        }
        match clean {
            Cow::Borrowed(_) => None,
            Cow::Owned(clean) => Some(clean),
        }
    }
}

/// Every form in which a secret may come back; escapes of each are seen through by [`replace_escaped`].
fn needles(secret: &str) -> Vec<Needle> {
    let mut forms = vec![(secret.to_owned(), false)];
    forms.push((secret.bytes().map(|b| format!("{b:02x}")).collect(), false));
    forms.push((secret.bytes().map(|b| format!("{b:02X}")).collect(), false));
    for pad in 0..3_usize {
        let mut bytes = vec![0; pad];
        bytes.extend_from_slice(secret.as_bytes());
        // Only the characters that depend on nothing but the secret: its neighbours change the edges.
        let (start, end) = ((pad * 8).div_ceil(6), bytes.len() * 8 / 6);
        for encoded in [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
            forms.extend(encoded.get(start..end).map(|form| (form.to_owned(), true)));
        }
    }
    // Longest first, so that no form leaves the rest of a longer one behind.
    forms.sort_unstable_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    forms.dedup();
    forms
        .into_iter()
        .filter(|(form, _)| !form.is_empty())
        .map(|(text, broken)| Needle { whole_word: text.len() < 5, broken, text })
        .filter(|needle| !needle.whole_word || needle.text == secret)
        .collect()
}

/// Replaces a form wherever it stands, whichever of its characters are escaped, for URLs or for JSON, once or several times.
fn replace_escaped(text: &str, needle: &Needle) -> String {
    let (bytes, mut result, mut kept, mut at) = (text.as_bytes(), String::new(), 0, 0);
    let mut steps = bytes.len().saturating_mul(8).saturating_add(STEPS);
    // Nothing begins at any other character: most of a long text is passed over at once.
    let begins = |byte: &u8| needle.text.as_bytes().first() == Some(byte) || matches!(byte, b'%' | b'\\' | b'+' | b'&');
    while let Some(next) = bytes.get(at..).and_then(|rest| rest.iter().position(begins)) {
        at += next;
        match escaped_end(bytes, at, needle.text.as_bytes(), needle.broken, &mut steps) {
            Some(end) => {
                result.push_str(text.get(kept..at).unwrap_or_default());
                result.push_str(REDACTED);
                (kept, at) = (end, end);
            }
            None => at += 1,
        }
        if steps == 0 {
            // What cannot be looked through in bounds is not shown at all.
            return REDACTED.to_owned();
        }
    }
    result.push_str(text.get(kept..).unwrap_or_default());
    result
}

/// Backslashes can be read in many ways; a text made of them must not cost for ever. Steps beside those for its length.
const STEPS: usize = 100_000;

/// Where the form ends that begins at `at`; `None` if none does.
fn escaped_end(text: &[u8], at: usize, form: &[u8], broken: bool, steps: &mut usize) -> Option<usize> {
    let Some((byte, rest)) = form.split_first() else {
        return Some(at);
    };
    *steps = steps.checked_sub(1)?;
    let gap = |end: usize| text.iter().skip(end).take(4).take_while(|b| broken && b.is_ascii_whitespace()).count();
    one_ends(text, at, *byte).into_iter().find_map(|end| {
        // White space after the last character belongs to what follows.
        let gap = if rest.is_empty() { 0 } else { gap(end) };
        escaped_end(text, end + gap, rest, broken, steps)
    })
}

/// The longest run of backslashes that is taken for one character, however often it was escaped.
const RUN: usize = 8;
/// How far a run is followed to what comes after it.
const LOOK: usize = 32;

/// Where one character may end that stands at `at`, in any of its escapes.
fn one_ends(text: &[u8], at: usize, byte: u8) -> Vec<usize> {
    let rest = text.get(at..).unwrap_or_default();
    let is_hex = |digits: Option<&[u8]>| {
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) == Some(u32::from(byte))
    };
    match rest {
        [first, ..] if *first == byte && !matches!(byte, b'\\' | b'%' | b'&') => vec![at + 1],
        [b'+', ..] if byte == b' ' => vec![at + 1],
        [b'&', ..] => {
            let named = entity(rest).filter(|(named, _)| *named == byte).map(|(_, length)| at + length);
            named.into_iter().chain((byte == b'&').then_some(at + 1)).collect()
        }
        [b'%', rest @ ..] => {
            // `%2541` is `%41` escaped once more.
            let again = rest.chunks(2).take_while(|pair| *pair == b"25").count();
            let bare = (byte == b'%').then_some(at + 1);
            let escaped = (0..=again).map(|n| n * 2).filter(|n| is_hex(rest.get(*n..*n + 2))).map(|n| at + 3 + n);
            escaped.chain(bare).collect()
        }
        [b'\\', ..] => {
            let run = rest.iter().take(LOOK).take_while(|b| **b == b'\\').count();
            let after = rest.get(run..).unwrap_or_default();
            let mut ends = Vec::new();
            if after.first() == Some(&b'u') && is_hex(after.get(1..5)) {
                ends.push(at + run + 5);
            }
            if byte == b'\\' {
                ends.extend((1..=run.min(RUN)).rev().map(|taken| at + taken));
            } else if after.first() == Some(&byte) {
                ends.push(at + run + 1);
            }
            ends
        }
        _ => Vec::new(),
    }
}

/// The character that an entity of HTML at the start stands for, and how long it is.
fn entity(text: &[u8]) -> Option<(u8, usize)> {
    let end = text.iter().take(10).position(|b| *b == b';')?;
    let name = std::str::from_utf8(text.get(1..end)?).ok()?;
    let byte = match name {
        "amp" => b'&',
        "lt" => b'<',
        "gt" => b'>',
        "quot" => b'"',
        "apos" => b'\'',
        "nbsp" => b' ',
        _ => {
            let digits = name.strip_prefix('#')?;
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => digits.parse().ok()?,
            };
            u8::try_from(code).ok()?
        }
    };
    Some((byte, end + 1))
}

fn replace_words(text: &str, word: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(word) {
        let inside =
            before.chars().next_back().or_else(|| result.chars().next_back()).is_some_and(char::is_alphanumeric)
                || after.chars().next().is_some_and(char::is_alphanumeric);
        result.push_str(before);
        result.push_str(if inside { word } else { REDACTED });
        rest = after;
    }
    result.push_str(rest);
    result
}

/// What follows the prefix of a key is at least so long.
const TAIL: usize = 8;

/// Replaces what looks like a key of ours or of a carrier, whoever's it is.
fn replace_keys(text: &str, prefix: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(prefix) {
        result.push_str(before);
        let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-').unwrap_or(after.len());
        let (tail, next) = after.split_at(end);
        // A cut key is hidden as well; a name is not.
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

/// Whether a run of letters and digits is no word of a language: digits, or letters of both sizes, stand in it.
fn is_random(run: &str) -> bool {
    let has = |is: fn(&u8) -> bool| run.bytes().any(|b| is(&b));
    has(u8::is_ascii_digit) || (has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase)) || run.len() >= 2 * KEY_RUN
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether a word is what looks like a key.
pub(crate) fn is_key(word: &str) -> bool {
    let long = |run: &str| run.len() >= KEY_RUN;
    let token = |text: &str| text.len() == 32 && is_hex(text);
    if let Some(rest) = word.strip_prefix("truedy_").or_else(|| word.strip_prefix("truedy-")) {
        return rest.split(['_', '-']).any(|run| long(run) && is_random(run));
    }
    // The tokens that open our own door.
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

/// Whether a text is a token of this server, which opens nothing at Truedy or at a carrier.
pub fn is_own_token(text: &str) -> bool {
    text.trim().get(..TOKEN_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(TOKEN_PREFIX))
}

/// Whether a text holds what looks like a key of Truedy, of this server or of a carrier: `truedy_…`, `tmcp_…`, Telnyx's `KEY0…`, Twilio's `SK…` and its
/// auth token of 32 hexadecimal digits.
pub fn looks_like_key(text: &str) -> bool {
    text.split(|c| !is_of_word(c)).any(is_key)
}

/// The text without what looks like a key: for what a caller wrote and is told of.
pub fn without_keys(text: &str) -> String {
    let parts = text.split_inclusive(|c| !is_of_word(c)).map(|part| {
        let word = part.trim_end_matches(|c| !is_of_word(c));
        let after = part.get(word.len()..).unwrap_or_default();
        if is_key(word) { format!("{REDACTED}{after}") } else { part.to_owned() }
    });
    parts.collect()
}

#[cfg(test)]
#[path = "secret_tests.rs"]
mod tests;
