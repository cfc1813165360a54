//! Tests of `secret.rs`, beside it since both together are long.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn redactor(secret: &str) -> (Arc<Redactor>, RedactionGuard) {
    let redactor = Arc::new(Redactor::default());
    let held = redactor.redact_until_dropped(&Secret::new(secret.to_owned()).expect("a secret"));
    (redactor, held)
}

#[test]
fn what_is_held_for_one_is_not_taken_out_of_what_another_reads() {
    let secret = |text: &str| Secret::new(text.to_owned()).expect("a secret");
    let all = Arc::new(Redactor::default());
    let (one, other) = (all.for_tenant(), all.for_tenant());
    let (_nobodys, held) =
        (all.redact_until_dropped(&secret("of-nobody")), one.redact_until_dropped(&secret("of-one")));
    let text = "of-nobody of-one";
    for redactor in [&all, &one] {
        assert_eq!(redactor.text(text), "[redacted] [redacted]");
    }
    assert_eq!(other.text(text), "[redacted] of-one");
    drop(held);
    assert_eq!(all.text(text), "[redacted] of-one");
}

proptest! {
    #[test]
    fn no_encoding_gets_through(secret in "[ -~]{8,60}", before in "[a-z :]{0,7}", after in "[a-z :]{0,7}") {
        let (redactor, _held) = redactor(&secret);
        let whole = format!("{before}{secret}{after}");
        prop_assert!(!redactor.text(&whole).contains(&secret));
        for encoded in [STANDARD_NO_PAD.encode(&whole), URL_SAFE_NO_PAD.encode(&whole)] {
            let shown = redactor.text(&encoded);
            let decoded = shown.split(REDACTED).map(|part| {
                String::from_utf8_lossy(&STANDARD_NO_PAD.decode(part.get(..part.len() / 4 * 4).unwrap_or_default()).unwrap_or_default()).into_owned()
            }).collect::<String>();
            prop_assert!(!decoded.contains(&secret), "{shown}");
            prop_assert!(shown.contains(REDACTED));
        }
        let escaped = Value::String(whole.clone()).to_string();
        prop_assert!(redactor.text(&escaped).contains(REDACTED));
        let quoted: String = url::form_urlencoded::byte_serialize(whole.as_bytes()).collect();
        prop_assert!(redactor.text(&quoted).contains(REDACTED), "{quoted}");
    }
}

proptest! {
    #[test]
    fn what_cannot_be_seen_hides_no_secret(secret in "[!-~]{8,40}", at in 0_usize..40, c in "[\u{ad}\u{200b}\u{202e}\u{2060}\u{feff}\u{e0041}]") {
        let (redactor, _held) = redactor(&secret);
        let (before, after) = secret.split_at(at % secret.len());
        let shown = redactor.text(&format!("x {before}{c}{after} é"));
        prop_assert!(!visible(&shown).unwrap_or_else(|| shown.clone()).contains(&secret), "{shown}");
        prop_assert!(shown.contains(REDACTED), "{shown}");
    }
}

#[test]
fn a_character_that_becomes_another_one_hides_no_secret() {
    let (redactor, _held) = redactor("Kelvin;0123456789");
    for text in ["\u{212a}elvin;0123456789", "Kelvin\u{37e}0123456789"] {
        assert_eq!(redactor.text(text), REDACTED, "NFC makes it the secret");
    }
    assert_eq!(redactor.text("\u{212a}elvin"), "\u{212a}elvin", "other texts stay as they are");
}

#[test]
fn escapes_of_every_kind_are_seen_through() {
    let (redactor, _held) = redactor("ab/c+d e=\"f\\g\\\\h&i%j");
    let plain = "ab/c+d e=\"f\\g\\\\h&i%j";
    let json = |text: &str| Value::String(text.to_owned()).to_string().trim_matches('"').to_owned();
    let all = |text: &str| text.bytes().map(|b| format!("%{b:02x}")).collect::<String>();
    for form in [
        plain.to_owned(),
        json(plain),
        json(&json(plain)),
        plain.bytes().map(|b| format!("\\u{b:04x}")).collect(),
        json(plain).replace('&', "\\u0026").replace('/', "\\/"),
        all(plain),
        all(plain).replace('%', "%25"),
        "ab/c%2Bd%20e%3D%22f%5Cg%5C%5Ch%26i%25j".to_owned(),
        "ab%2Fc%2bd+e%3d%22f%5cg%5c%5ch%26i%25j".to_owned(),
        "ab/c+d%20e=%22f%5Cg%5C%5Ch&i%25j".to_owned(),
        plain.replace('&', "&amp;").replace('"', "&quot;"),
        plain.bytes().map(|b| format!("&#{b};")).collect(),
        plain.bytes().map(|b| format!("&#x{b:x};")).collect(),
    ] {
        assert_eq!(redactor.text(&format!("a {form}; b")), "a [redacted]; b", "{form}");
    }
    let encoded = STANDARD_NO_PAD.encode(plain);
    let lines: Vec<&str> =
        (0..encoded.len()).step_by(10).filter_map(|at| encoded.get(at..(at + 10).min(encoded.len()))).collect();
    assert!(!redactor.text(&lines.join("\r\n")).contains(lines[1]));
    let backslashes = "\\".repeat(300_000);
    assert!(redactor.text(&backslashes).len() <= backslashes.len());
    assert_eq!(redactor.text("100 % of \\ab/c+d e"), "100 % of \\ab/c+d e");
}

#[test]
fn it_is_forgotten_with_its_request_and_short_ones_are_whole_words() {
    let (redactor, held) = redactor("abc");
    assert_eq!(redactor.text("abc abcd xabc \"abc\""), "[redacted] abcd xabc \"[redacted]\"");
    drop(held);
    assert_eq!(redactor.text("abc"), "abc");
}

#[test]
fn what_is_always_redacted_needs_no_guard() {
    let redactor = Arc::new(Redactor::default());
    redactor.redact_always(&Secret::new("lasting-0123".to_owned()).unwrap());
    drop(redactor.redact_until_dropped(&Secret::new("passing-0123".to_owned()).unwrap()));
    assert_eq!(redactor.text("lasting-0123 passing-0123"), "[redacted] passing-0123");
}

#[test]
fn keys_of_others_are_hidden_too() {
    let (redactor, _held) = redactor("hunter2hunter2");
    assert_eq!(redactor.text("key truedy_ABCDEFGHIJKLMNOP, ok"), "key [redacted], ok");
    for stays in ["truedy_mcp", "truedy_customer_support", "truedy_assistant", "KEY0-performance-bot"] {
        assert_eq!(redactor.text(stays), stays);
    }
    assert_eq!(redactor.text("cut: truedy_Z9y8X7w6V5u4"), "cut: [redacted]");
    let mut value = json!({"a": [{"b": "xhunter2hunter2"}]});
    redactor.value(&mut value);
    assert_eq!(value, json!({"a": [{"b": "x[redacted]"}]}));
}

#[test]
fn it_does_not_print() {
    assert_eq!(format!("{:?}", Secret::new("hunter2".to_owned())), "Ok([redacted])");
}
