//! Lines as they come from a client, made fit to be read: none too long, none that would be dropped without an answer.
//!
//! rmcp ignores a line that it cannot parse, and the client waits for ever. A cut emoji (half of a surrogate pair, which
//! JavaScript writes as it stands) is replaced; a request that cannot be read at all is answered.

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};

/// The method under which an unreadable request goes on, to be answered.
pub(super) const UNREADABLE: &str = "truedy-mcp/unreadable";
/// The same for one whose parameters are of no shape that the protocol knows.
pub(super) const SHAPELESS: &str = "truedy-mcp/shapeless";

/// Copies lines, mended, until either side ends. A line longer than `longest` is skipped.
pub(super) async fn mend(input: impl AsyncRead + Unpin, mut output: impl AsyncWrite + Unpin, longest: usize) {
    let mut input = BufReader::new(input);
    let mut line = Vec::new();
    loop {
        match next_line(&mut input, &mut line, longest).await {
            Some(true) => {}
            Some(false) => continue,
            None => return,
        }
        let written = match mended(&line) {
            Some(mended) => output.write_all(&mended).await,
            None => output.write_all(&line).await,
        };
        if written.is_err() || output.write_all(b"\n").await.is_err() {
            return;
        }
    }
}

/// Reads a line without its end; `Some(false)` if it was too long or empty, `None` at the end. A last line without an end is ignored.
async fn next_line(input: &mut (impl AsyncBufReadExt + Unpin), line: &mut Vec<u8>, longest: usize) -> Option<bool> {
    line.clear();
    let mut too_long = false;
    loop {
        let available = input.fill_buf().await.ok().filter(|bytes| !bytes.is_empty())?;
        let end = available.iter().position(|byte| *byte == b'\n');
        let taken = available.get(..end.unwrap_or(available.len())).unwrap_or_default();
        too_long |= line.len() + taken.len() > longest;
        if too_long {
            line.clear();
        } else {
            line.extend_from_slice(taken);
        }
        let used = end.map_or(available.len(), |end| end + 1);
        input.consume(used);
        if end.is_some() {
            if too_long {
                tracing::warn!(longest, "a line from the client was too long and is skipped");
            }
            return Some(!too_long && !line.trim_ascii().is_empty());
        }
    }
}

/// What to read instead of a line that cannot be read; `None` if it can.
fn mended(line: &[u8]) -> Option<Vec<u8>> {
    if let Ok(message) = serde_json::from_slice::<Value>(line) {
        return shapeless(&message).map(|id| in_place(SHAPELESS, &id));
    }
    let text = String::from_utf8_lossy(line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line));
    let whole = without_halves(&text);
    if serde_json::from_str::<Value>(&whole).is_ok() {
        return Some(whole.into_bytes());
    }
    // Only a request awaits an answer, and only with its id can one be given.
    Some(in_place(UNREADABLE, &id_in(&whole)?))
}

/// A body mended as a line is: without a byte order mark, and with half surrogate pairs replaced. `None` if there is nothing to
/// mend, or it cannot be read even so.
pub fn readable(body: &[u8]) -> Option<Vec<u8>> {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    let bare = body.strip_prefix(MARK).unwrap_or(body);
    let has_pairs = bare.windows(3).any(|part| part.eq_ignore_ascii_case(b"\\ud"));
    if has_pairs && serde_json::from_slice::<Value>(bare).is_err() {
        let whole = without_halves(std::str::from_utf8(bare).ok()?);
        return serde_json::from_str::<Value>(&whole).is_ok().then(|| whole.into_bytes());
    }
    (bare.len() < body.len()).then(|| bare.to_vec())
}

/// What goes on in the place of a request, to be answered.
fn in_place(method: &str, id: &Value) -> Vec<u8> {
    json!({ "jsonrpc": "2.0", "id": id, "method": method }).to_string().into_bytes()
}

/// The id of a request whose parameters are of no shape that MCP knows: rmcp answers those without their id.
fn shapeless(message: &Value) -> Option<Value> {
    let params = message.get("params").filter(|_| message.get("method").is_some_and(Value::is_string))?;
    let meta = params.get("_meta");
    let odd =
        !(params.is_object() || params.is_null()) || meta.is_some_and(|meta| !meta.is_object() && !meta.is_null());
    message.get("id").filter(|id| odd && (id.is_i64() || id.is_string())).cloned()
}

/// The text with half surrogate pairs, which stand for no character, replaced by the character for "unreadable".
fn without_halves(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        result.push_str(before);
        let unit = |from: usize| -> Option<u16> {
            let digits = escape.get(from..)?.strip_prefix("\\u")?.get(..4)?;
            u16::from_str_radix(digits, 16).ok()
        };
        let (shown, used) = match (unit(0), unit(6)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => (escape.get(..12), 12),
            (Some(0xD800..=0xDFFF), _) => (Some("\\ufffd"), 6),
            (Some(_), _) => (escape.get(..6), 6),
            // Any other escape is two characters, so that an escaped backslash begins nothing.
            (None, _) => {
                let used = escape.chars().take(2).map(char::len_utf8).sum();
                (escape.get(..used), used)
            }
        };
        result.push_str(shown.unwrap_or_default());
        rest = escape.get(used..).unwrap_or_default();
    }
    result.push_str(rest);
    result
}

/// The id of a request in a text that is not quite JSON: the value of `id` at its outermost level.
fn id_in(text: &str) -> Option<Value> {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0_u32);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                let end = string_end(bytes, at)?;
                let after = text.get(end..).map(str::trim_start);
                if depth == 1
                    && text.get(at..end) == Some("\"id\"")
                    && let Some(value) = after.and_then(|after| after.strip_prefix(':'))
                {
                    let value = value.trim_start();
                    let length = if value.starts_with('"') {
                        string_end(value.as_bytes(), 0)?
                    } else {
                        value.find([',', '}']).unwrap_or(value.len())
                    };
                    let id: Value = serde_json::from_str(value.get(..length)?.trim()).ok()?;
                    return (id.is_i64() || id.as_str().is_some_and(|id| id.len() <= 256)).then_some(id);
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Where the JSON string that begins at `start` ends.
fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_pairs_are_replaced_and_whole_ones_stay() {
        for (given, mended) in [
            (r#"{"a":"\ud83d\ude00 \u0041 \\ud800"}"#, None),
            (r#"{"a":"\ud800"}"#, Some(r#"{"a":"\ufffd"}"#)),
            (r#"{"a":"x\udc00\ud83d\ude00\ud83d"}"#, Some(r#"{"a":"x\ufffd\ud83d\ude00\ufffd"}"#)),
            (r#"{"a":"\\\ud800"}"#, Some(r#"{"a":"\\\ufffd"}"#)),
        ] {
            assert_eq!(super::mended(given.as_bytes()), mended.map(|text| text.as_bytes().to_vec()), "{given}");
        }
    }

    #[test]
    fn a_body_is_mended_as_a_line_is() {
        for (body, made) in [
            ("{}", None),
            ("\u{feff}{}", Some("{}")),
            (r#"{"a":"\ud83d\ude00"}"#, None),
            (r#"{"a":"\ud83d"}"#, Some(r#"{"a":"\ufffd"}"#)),
            ("\u{feff}{\"a\":\"\\uDC00\"}", Some(r#"{"a":"\ufffd"}"#)),
            (r#"{"a":"\ud83d""#, None),
        ] {
            assert_eq!(readable(body.as_bytes()), made.map(|made| made.as_bytes().to_vec()), "{body}");
        }
        assert_eq!(readable(b"{\"a\":\"\\ud83d \xff\"}"), None, "not UTF-8");
    }

    #[test]
    fn what_cannot_be_read_keeps_its_id() {
        let deep = format!(
            r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{}}}"#,
            "[".repeat(200) + &"]".repeat(200)
        );
        for (line, id) in [
            (deep.as_str(), Some(json!(7))),
            (r#"{"params":{"id":1,"x":1e999},"id":"a\"b","jsonrpc":"2.0"}"#, Some(json!("a\"b"))),
            (r#"{"id":3,"x":1e999}"#, Some(json!(3))),
            (r#"{"id":null,"x":1e999}"#, None),
            ("garbage", None),
            (r#"{"params":{"id":1e999}}"#, None),
        ] {
            let wanted = id.map(|id| json!({ "jsonrpc": "2.0", "id": id, "method": UNREADABLE }));
            let made = mended(line.as_bytes()).map(|made| serde_json::from_slice::<Value>(&made).expect("JSON"));
            assert_eq!(made, wanted, "{line}");
        }
    }

    #[tokio::test]
    async fn long_lines_are_skipped_and_the_rest_goes_on() {
        let input =
            format!("{}\n\n{{\"a\":1}}\r\n{{\"b\":\"{}\"}}\n{{\"c\":3}}\nunfinished", "x".repeat(99), "y".repeat(99));
        let mut output = Vec::new();
        mend(input.as_bytes(), &mut output, 50).await;
        assert_eq!(String::from_utf8_lossy(&output), "{\"a\":1}\r\n{\"c\":3}\n");
    }
}
