//! Repairs the lines of a client: none is too long, and no request is dropped without a response.
//!
//! rmcp ignores a line that it cannot parse, and the client then waits forever. Half of a surrogate pair, which
//! JavaScript writes for a cut emoji, is replaced. A request that cannot be read at all gets an error response. Input
//! that is no message is reported once on standard error.

use rmcp::model::ErrorData;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};

use crate::mcp::call::duplicate_names::DuplicateName;
use crate::mcp::transport::id_finder::IdFinder;
use crate::mcp::transport::message_repair::repair;

/// The method that replaces an unreadable request, so that it gets an error response.
const UNREADABLE: &str = "truedy-mcp/unreadable";
/// The same for a request whose `params` or `_meta` are not objects.
const SHAPELESS: &str = "truedy-mcp/shapeless";
/// The same for a request on a line that is too long.
const TOO_LONG: &str = "truedy-mcp/too-long";
/// The same for a request that is not JSON-RPC 2.0 or has no method.
const NO_REQUEST: &str = "truedy-mcp/no-request";

/// The same for a request with a duplicate name. Its params carry the text of the error.
const TWICE: &str = "truedy-mcp/twice";

/// Returns the error for a request with one of these methods; `None` for any other method.
pub(crate) fn refusal(method: &str, params: Option<&Value>) -> Option<ErrorData> {
    Some(match method {
        TWICE => {
            let told = params.and_then(|params| params.get("told")?.as_str()).unwrap_or("Invalid Request");
            ErrorData::invalid_request(told.to_owned(), None)
        }
        UNREADABLE => ErrorData::parse_error(
            "Parse error: the request is not JSON that can be read (nesting above 128, a number out of range, or broken text)",
            None,
        ),
        SHAPELESS => ErrorData::invalid_params("Invalid params: params and its _meta are objects", None),
        TOO_LONG => ErrorData::invalid_request("Invalid Request: the line is longer than 1 MiB and was not read", None),
        NO_REQUEST => ErrorData::invalid_request(
            "Invalid Request: jsonrpc is \"2.0\" and method is a text, for example {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}",
            None,
        ),
        _ => return None,
    })
}

/// Copies lines with repairs until either side ends. A line longer than `longest` bytes is skipped. If it is a request,
/// it gets an error response.
pub(crate) async fn mend(input: impl AsyncRead + Unpin, mut output: impl AsyncWrite + Unpin, longest: usize) {
    let (mut input, mut oddities) = (BufReader::new(input), Oddities::default());
    let mut line = Vec::new();
    loop {
        let read = next_line(&mut input, &mut line, longest).await;
        let mended = match &read {
            LineRead::Whole => {
                oddities.tell(&line);
                mended(&line)
            }
            // An incomplete message at the end of the input is dropped. A complete last line may lack its line break.
            LineRead::Last if serde_json::from_slice::<Value>(&line).is_ok() => mended(&line),
            LineRead::Last | LineRead::End => return,
            LineRead::TooLong(id) => match id {
                Some(id) => Some(in_place(TOO_LONG, id)),
                None => continue,
            },
            LineRead::Empty => continue,
        };
        let fit = mended.as_deref().unwrap_or(&line);
        if output.write_all(fit).await.is_err() || output.write_all(b"\n").await.is_err() {
            return;
        }
    }
}

/// The result of reading a line.
enum LineRead {
    /// A complete line.
    Whole,
    /// The last line of the input, which ended without a line break.
    Last,
    /// A line that is too long, with the id of its request if it is one.
    TooLong(Option<Value>),
    /// A line of only white space.
    Empty,
    /// The input has ended.
    End,
}

/// Reads one line without its line break.
async fn next_line(input: &mut (impl AsyncBufReadExt + Unpin), line: &mut Vec<u8>, longest: usize) -> LineRead {
    line.clear();
    let mut long: Option<IdFinder> = None;
    loop {
        let Some(available) = input.fill_buf().await.ok().filter(|bytes| !bytes.is_empty()) else {
            return if long.is_some() || line.trim_ascii().is_empty() { LineRead::End } else { LineRead::Last };
        };
        let end = available.iter().position(|byte| *byte == b'\n');
        let taken = available.get(..end.unwrap_or(available.len())).unwrap_or_default();
        if long.is_none() && line.len() + taken.len() > longest {
            let mut finder = IdFinder::default();
            finder.read(line);
            line.clear();
            long = Some(finder);
        }
        match &mut long {
            Some(finder) => finder.read(taken),
            None => line.extend_from_slice(taken),
        }
        let used = end.map_or(available.len(), |end| end + 1);
        input.consume(used);
        if end.is_some() {
            return match long {
                Some(finder) => {
                    tracing::warn!(longest, "a line from the client was too long and is not read");
                    LineRead::TooLong(finder.found())
                }
                None if line.trim_ascii().is_empty() => LineRead::Empty,
                None => LineRead::Whole,
            };
        }
    }
}

/// The kinds of input that are no messages; each is reported once. The report repeats nothing of a line, because a line
/// may contain secrets.
#[derive(Default)]
struct Oddities {
    framed: bool,
    wide: bool,
    plain: bool,
}

impl Oddities {
    fn tell(&mut self, line: &[u8]) {
        let text = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii_start();
        let header = text.get(..15).is_some_and(|begin| begin.eq_ignore_ascii_case(b"content-length:"));
        let (told, what) = if header {
            (&mut self.framed, "framed with Content-Length, as for a language server")
        } else if line.contains(&0) {
            (&mut self.wide, "in UTF-16 or UTF-32")
        } else if !matches!(text.first(), Some(b'{' | b'[')) {
            (&mut self.plain, "no JSON object")
        } else {
            return;
        };
        if !std::mem::replace(told, true) {
            tracing::warn!(
                "standard input: a line is {what}, and is not read; MCP has one JSON message a line, in UTF-8. This is said once."
            );
        }
    }
}

/// Returns the replacement of a line that cannot be read as it is; `None` if it needs none.
fn mended(line: &[u8]) -> Option<Vec<u8>> {
    if let Ok(message) = serde_json::from_slice::<Value>(line) {
        return refitted(message, line);
    }
    let text = String::from_utf8_lossy(line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line));
    let whole = without_halves(&text);
    if let Ok(message) = serde_json::from_str::<Value>(&whole) {
        return Some(refitted(message, whole.as_bytes()).unwrap_or_else(|| whole.into_bytes()));
    }
    // Only a request waits for a response, and a response needs its id.
    let mut finder = IdFinder::default();
    finder.read(whole.as_bytes());
    Some(in_place(UNREADABLE, &finder.found()?))
}

/// Returns the replacement of a message that was read from this text; `None` if it needs none.
fn refitted(mut message: Value, text: &[u8]) -> Option<Vec<u8>> {
    let mut changed = repair(&mut message);
    if let Some(twice) = DuplicateName::find(text) {
        if !twice.mark(&mut message) {
            return Some(refused(&message, &twice));
        }
        changed = true;
    }
    match unfit(&message) {
        Some((why, id)) => Some(in_place(why, &id)),
        None => changed.then(|| message.to_string().into_bytes()),
    }
}

/// Repairs a body in the same way as a line: removes a byte order mark and replaces half surrogate pairs. Returns
/// `None` if nothing needs repair, or if the repair does not make the body readable.
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

/// Returns the replacement of a message with a duplicate name. A response of the client becomes an error response.
fn refused(message: &Value, twice: &DuplicateName) -> Vec<u8> {
    let id = message.get("id").filter(|id| id.is_i64() || id.is_string());
    let answers = message.get("result").or_else(|| message.get("error")).is_some();
    let told = twice.told();
    let instead = match id {
        Some(id) if answers && message.get("method").is_none() => {
            json!({ "jsonrpc": "2.0", "id": id, "error": ErrorData::invalid_request(told, None) })
        }
        Some(id) => json!({ "jsonrpc": "2.0", "id": id, "method": TWICE, "params": { "told": told } }),
        // The replacement is an unknown notification, so the original has no effect.
        None => json!({ "jsonrpc": "2.0", "method": TWICE }),
    };
    instead.to_string().into_bytes()
}

/// Returns the request that replaces another request, so that it gets an error response.
fn in_place(method: &str, id: &Value) -> Vec<u8> {
    json!({ "jsonrpc": "2.0", "id": id, "method": method }).to_string().into_bytes()
}

/// Returns why a request does not match the protocol, and its id. rmcp would respond without the id.
fn unfit(message: &Value) -> Option<(&'static str, Value)> {
    let id = message.get("id").filter(|id| id.is_i64() || id.is_string())?.clone();
    if message.get("result").is_some() || message.get("error").is_some() {
        return None;
    }
    if message.get("jsonrpc").is_none_or(|version| version != "2.0")
        || !message.get("method").is_some_and(Value::is_string)
    {
        return Some((NO_REQUEST, id));
    }
    let params = message.get("params")?;
    let meta = params.get("_meta");
    let odd =
        !(params.is_object() || params.is_null()) || meta.is_some_and(|meta| !meta.is_object() && !meta.is_null());
    odd.then_some((SHAPELESS, id))
}

/// Replaces each half of a surrogate pair, which represents no character, with U+FFFD.
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
            // Any other escape has two characters. So an escaped backslash does not start the next escape.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::call::duplicate_names::GIVEN_TWICE;

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

    /// Returns the repaired lines of this input, with at most 50 bytes in a line.
    async fn goes_on(input: &str) -> String {
        let mut output = Vec::new();
        mend(input.as_bytes(), &mut output, 50).await;
        String::from_utf8_lossy(&output).into_owned()
    }

    #[tokio::test]
    async fn long_lines_are_skipped_and_the_rest_goes_on() {
        let long = "x".repeat(99);
        let skipped = format!(
            "{long}\n\n{{\"a\":1}}\r\n{{\"b\":\"{long}\"}}\n{{\"id\":1,\"result\":\"{long}\"}}\n{{\"c\":3}}\nunfinished"
        );
        assert_eq!(goes_on(&skipped).await, "{\"a\":1}\r\n{\"c\":3}\n");
        let asks = format!("{{\"id\":\"a\",\"method\":\"tools/call\",\"params\":\"{long}\"}}\n");
        let answer = serde_json::from_str::<Value>(&goes_on(&asks).await).expect("one message");
        assert_eq!(answer, json!({ "jsonrpc": "2.0", "id": "a", "method": TOO_LONG }));
    }

    #[tokio::test]
    async fn a_last_line_counts_if_it_is_whole() {
        for (input, read) in [
            ("{\"a\":1}\n{\"b\":2}", "{\"a\":1}\n{\"b\":2}\n"),
            ("{\"a\":1}\n{\"id\":2,\"b\":", "{\"a\":1}\n"),
            ("", ""),
            ("  ", ""),
        ] {
            assert_eq!(goes_on(input).await, read, "{input}");
        }
        assert_eq!(goes_on(&format!("{{\"id\":1,\"method\":\"{}\"}}", "x".repeat(99))).await, "");
    }

    #[test]
    fn what_says_a_thing_twice_goes_on_as_something_else() {
        let told = "Invalid Request: a stands twice in one object; each name stands there once";
        let error = json!({ "code": -32600, "message": told });
        for (line, instead) in [
            (
                r#"{"jsonrpc":"2.0","id":7.0,"method":"tools/call","params":{"name":"x","arguments":{"a":1,"\u0061":"\ud800"}}}"#,
                json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": { "name": "x", "arguments": { GIVEN_TWICE: "a" } } }),
            ),
            (
                r#"{"jsonrpc":"2.0","id":"b","method":"tools/list","params":{"a":1,"a":1}}"#,
                json!({ "jsonrpc": "2.0", "id": "b", "method": TWICE, "params": { "told": told } }),
            ),
            (
                r#"{"jsonrpc":"2.0","id":2,"result":{"a":1,"a":2}}"#,
                json!({ "jsonrpc": "2.0", "id": 2, "error": error }),
            ),
            (r#"{"jsonrpc":"2.0","method":"x","params":{"a":1,"a":2}}"#, json!({ "jsonrpc": "2.0", "method": TWICE })),
        ] {
            let made = mended(line.as_bytes()).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(serde_json::from_slice::<Value>(&made).expect("JSON"), instead, "{line}");
        }
    }

    #[test]
    fn a_request_of_no_shape_is_answered_with_its_id() {
        for (message, why) in [
            (json!({ "jsonrpc": "2.0", "id": 1, "method": "a" }), None),
            (json!({ "jsonrpc": "2.0", "id": 1, "result": {} }), None),
            (json!({ "jsonrpc": "2.0", "method": 5 }), None),
            (json!({ "id": 1, "method": "a" }), Some(NO_REQUEST)),
            (json!({ "jsonrpc": "1.0", "id": 1, "method": "a" }), Some(NO_REQUEST)),
            (json!({ "jsonrpc": "2.0", "id": 1, "method": 5 }), Some(NO_REQUEST)),
            (json!({ "jsonrpc": "2.0", "id": 1, "method": "a", "params": [1] }), Some(SHAPELESS)),
            (json!({ "jsonrpc": "2.0", "id": 1, "method": "a", "params": { "_meta": 1 } }), Some(SHAPELESS)),
        ] {
            assert_eq!(unfit(&message).map(|(why, _)| why), why, "{message}");
            assert!(why.is_none_or(|why| refusal(why, None).is_some()));
        }
    }
}
