//! Secrets, and the redactor that removes them from texts. A secret is sent to Truedy or to a carrier, and shown
//! nowhere else.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use parking_lot::{RwLock, RwLockReadGuard};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::redact::ascii_set::AsciiSet;
use crate::redact::key_form::{IN_PREFIXES, PREFIXES, REDACTED, TAIL, replace_keys};
use crate::redact::visible::visible;

/// A key, token or password. It cannot be printed or serialised and is wiped when dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Pattern for the value in a JSON schema.
    pub const PATTERN: &'static str = r"^.{1,512}$";

    /// Checks and wraps a text of 1 to 512 printable ASCII characters.
    ///
    /// The error says what is wrong and does not repeat the text.
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

    /// Returns the secret in plain text. Call it only where the secret is sent.
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

/// Finds the secrets now in use in any text. Recognises every encoding in which they may be returned.
#[derive(Default)]
pub struct Redactor {
    held: Arc<RwLock<Vec<WatchedSecret>>>,
    /// The tenant whose secrets are searched for, besides the secrets that belong to no tenant. `None` searches for
    /// all.
    only: Option<u64>,
}

/// A secret that the redactor searches for.
struct WatchedSecret {
    id: u64,
    /// The tenant that the secret belongs to. `None` if it belongs to no particular tenant.
    of: Option<u64>,
    needles: Vec<Needle>,
}

/// Characters with which an escaped character begins.
const ESCAPES: AsciiSet = AsciiSet::of(b"%\\&");
const PLUS: AsciiSet = AsciiSet::of(b"+");
const SPACE: AsciiSet = AsciiSet::of(b" ");
/// What [`u8::is_ascii_whitespace`] accepts.
const WHITE_SPACE: AsciiSet = AsciiSet::of(b" \t\n\x0c\r");

/// One encoded form of one secret.
struct Needle {
    text: String,
    /// Its ASCII characters.
    has: AsciiSet,
    /// Whether white space may stand between the characters, as in base64 with line breaks.
    broken: bool,
    /// Whether the form is searched for only as a whole word. This holds for secrets under 5 characters, which occur
    /// inside many words.
    whole_word: bool,
}

/// Keeps a secret in the redactor until it is dropped.
#[must_use]
pub struct RedactionGuard {
    redactor: Arc<Redactor>,
    id: u64,
}

impl Drop for RedactionGuard {
    fn drop(&mut self) {
        let mut held = self.redactor.held.write();
        held.retain(|hidden| hidden.id != self.id);
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Redactor")
    }
}

impl Redactor {
    /// Searches for this secret from now until the returned guard is dropped.
    pub fn redact_until_dropped(self: &Arc<Self>, secret: &Secret) -> RedactionGuard {
        RedactionGuard { redactor: Arc::clone(self), id: self.add(secret) }
    }

    /// Searches for this secret from now until the program ends.
    pub fn redact_always(&self, secret: &Secret) {
        self.add(secret);
    }

    /// Adds a secret to the list and returns its id.
    fn add(&self, secret: &Secret) -> u64 {
        let mut held = self.held.write();
        let id = held.iter().map(|hidden| hidden.id + 1).max().unwrap_or(0);
        held.push(WatchedSecret { id, of: self.only, needles: needles(secret.expose()) });
        id
    }

    /// Creates a redactor for one tenant. It shares the list of secrets with this redactor.
    ///
    /// Secrets added through it are removed from this tenant's texts and from texts of the shared redactor. They stay
    /// in texts of other tenants: a tenant that saw the gap could infer another tenant's secret.
    pub fn for_tenant(&self) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Arc::new(Self { held: Arc::clone(&self.held), only: Some(NEXT.fetch_add(1, Ordering::Relaxed)) })
    }

    /// Returns the text with every secret replaced.
    pub fn text(&self, text: &str) -> String {
        let held = self.held.read();
        self.changed(&held, text).unwrap_or_else(|| text.to_owned())
    }

    /// Replaces secrets in every text of a JSON value. Field names stay, since the schema needs them. No name from
    /// outside is ever passed on as a field name.
    pub fn value(&self, value: &mut Value) {
        self.pass().value(value);
    }

    /// Begins to replace secrets in many texts. The lock is taken once for all: a list may hold a thousand texts.
    pub fn pass(&self) -> RedactionPass<'_> {
        RedactionPass { redactor: self, held: self.held.read() }
    }

    /// Returns the text with every secret replaced, or `None` if it holds no secret. A secret that stands there with
    /// invisible characters in it is found, too. Then the text comes without them.
    fn changed(&self, held: &[WatchedSecret], text: &str) -> Option<String> {
        let hidden = visible(text).and_then(|seen| self.changed_as_it_stands(held, &seen));
        hidden.or_else(|| self.changed_as_it_stands(held, text))
    }

    fn changed_as_it_stands(&self, held: &[WatchedSecret], text: &str) -> Option<String> {
        let mut clean = Cow::Borrowed(text);
        // A list holds thousands of texts, and most can hold no form: they lack one of its characters.
        let has = AsciiSet::of(text.as_bytes());
        let (escaped, plus, spaced) = (has.has_any(ESCAPES), has.has_any(PLUS), has.has_any(WHITE_SPACE));
        // An escaped character is never shorter than the character. So a text shorter than the form cannot hold it.
        let ours = |hidden: &&WatchedSecret| self.only.is_none() || hidden.of.is_none() || hidden.of == self.only;
        let needles = held.iter().filter(ours).flat_map(|hidden| &hidden.needles);
        for needle in needles.filter(|needle| needle.text.len() <= text.len()) {
            let any_form = escaped || (plus && needle.has.has_any(SPACE)) || (needle.broken && spaced);
            if !needle.whole_word && any_form {
                clean = Cow::Owned(replace_escaped(&clean, needle));
            } else if has.has_all(needle.has) && clean.contains(&needle.text) {
                clean = Cow::Owned(match needle.whole_word {
                    true => replace_words(&clean, &needle.text),
                    false => clean.replace(&needle.text, REDACTED),
                });
            }
        }
        let prefixes = if has.has_any(IN_PREFIXES) { &PREFIXES[..] } else { &[] };
        for prefix in prefixes {
            if clean.len() >= prefix.len() + TAIL && clean.contains(prefix) {
                clean = Cow::Owned(replace_keys(&clean, prefix));
            }
        }
        matches!(clean, Cow::Owned(_)).then(|| clean.into_owned())
    }
}

/// Replaces secrets in many texts. Meanwhile no secret can be added.
pub struct RedactionPass<'a> {
    redactor: &'a Redactor,
    held: RwLockReadGuard<'a, Vec<WatchedSecret>>,
}

impl RedactionPass<'_> {
    /// Returns the text with every secret replaced, or `None` if it holds no secret.
    pub fn changed(&self, text: &str) -> Option<String> {
        self.redactor.changed(&self.held, text)
    }

    /// Replaces secrets in every text of a JSON value.
    pub fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Some(clean) = self.changed(text) {
                    *text = clean;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(fields) => fields.values_mut().for_each(|value| self.value(value)),
            _ => {}
        }
    }
}

impl fmt::Debug for RedactionPass<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RedactionPass")
    }
}

/// Returns every form in which a secret may be returned. [`replace_escaped`] also recognises escaped characters in
/// each.
fn needles(secret: &str) -> Vec<Needle> {
    let mut forms = vec![(secret.to_owned(), false)];
    forms.push((secret.bytes().map(|b| format!("{b:02x}")).collect(), false));
    forms.push((secret.bytes().map(|b| format!("{b:02X}")).collect(), false));
    for pad in 0..3_usize {
        let mut bytes = vec![0; pad];
        bytes.extend_from_slice(secret.as_bytes());
        // Keep only the characters that depend on the secret alone. Neighbouring bytes change the first and last
        // characters.
        let (start, end) = ((pad * 8).div_ceil(6), bytes.len() * 8 / 6);
        for encoded in [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
            forms.extend(encoded.get(start..end).map(|form| (form.to_owned(), true)));
        }
    }
    // Longest first, so that replacing a short form leaves no rest of a longer one.
    forms.sort_unstable_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    forms.dedup();
    forms
        .into_iter()
        .filter(|(form, _)| !form.is_empty())
        .map(|(text, broken)| Needle { has: AsciiSet::of(text.as_bytes()), whole_word: text.len() < 5, broken, text })
        .filter(|needle| !needle.whole_word || needle.text == secret)
        .collect()
}

/// Replaces a form at every position. Any of its characters may be escaped, for URLs, HTML or JSON, once or several
/// times.
fn replace_escaped(text: &str, needle: &Needle) -> String {
    let (bytes, mut result, mut kept, mut at) = (text.as_bytes(), String::new(), 0, 0);
    let mut steps = bytes.len().saturating_mul(8).saturating_add(STEPS);
    // A match begins only with the first byte or an escape. Skip all other bytes at once.
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
            // If the search exceeds its step limit, hide the whole text.
            return REDACTED.to_owned();
        }
    }
    result.push_str(text.get(kept..).unwrap_or_default());
    result
}

/// Steps of a search, added to 8 for each byte of the text. A run of backslashes can be read in many ways, so the
/// search needs a limit.
const STEPS: usize = 100_000;

/// Returns the position after the form that begins at `at`, or `None` if the form does not begin there.
fn escaped_end(text: &[u8], at: usize, form: &[u8], broken: bool, steps: &mut usize) -> Option<usize> {
    let Some((byte, rest)) = form.split_first() else {
        return Some(at);
    };
    *steps = steps.checked_sub(1)?;
    let gap = |end: usize| text.iter().skip(end).take(4).take_while(|b| broken && b.is_ascii_whitespace()).count();
    one_ends(text, at, *byte).into_iter().find_map(|end| {
        // White space after the last character does not belong to the form.
        let gap = if rest.is_empty() { 0 } else { gap(end) };
        escaped_end(text, end + gap, rest, broken, steps)
    })
}

/// The longest run of backslashes that is read as one escaped backslash.
const RUN: usize = 8;
/// The longest run of backslashes after which an escaped character is searched for.
const LOOK: usize = 32;

/// Returns the possible ends of the character at `at`, in any of its escaped forms.
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

/// Returns the character of the HTML entity at the start of the text, and the length of the entity.
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

#[cfg(test)]
#[path = "secret_tests.rs"]
mod tests;
