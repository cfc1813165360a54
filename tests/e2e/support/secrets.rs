//! Planted secrets, every form in which a program may repeat one, and answers of Truedy that do.
//!
//! The encodings are written down here once more, so that no mistake is shared with the program.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::fake_truedy::{Play, Reply};

/// One secret for each place; every kind of character that some encoding changes is in it.
pub(crate) const TRUEDY: &str = r#"Tr4edy/canary+one=two"three\four&five%20six"#;
pub(crate) const API_KEY: &str = r#"Kc4nary/Telnyx+own=key"with\all&of%7Eit <'!*>"#;
pub(crate) const AUTH_TOKEN: &str = r#"Ac4nary/Twilio+auth=token"with\all&of%2Fit;:@,"#;
pub(crate) const SIP_PASSWORD: &str = r#"Pc4nary/SIP+pass=word"with\all&of%it #?[]$"#;

/// Every byte but those kept becomes `%XX`.
fn percent(text: &str, keep: &str, upper: bool) -> String {
    text.bytes()
        .map(|b| match b {
            b if b.is_ascii_alphanumeric() || keep.as_bytes().contains(&b) => char::from(b).to_string(),
            b if upper => format!("%{b:02X}"),
            b => format!("%{b:02x}"),
        })
        .collect()
}

fn json_inside(text: &str) -> String {
    let quoted = json!(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// The secret as it may be written, by name; each can be read back by anyone.
pub(crate) fn written(secret: &str) -> Vec<(&'static str, String)> {
    let json = json_inside(secret);
    let (first, rest) = secret.split_at(secret.len() / 2);
    let html_safe = json.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e");
    vec![
        ("plain", secret.to_owned()),
        ("with a character that cannot be seen", format!("{first}\u{200b}{rest}")),
        ("JSON", json.clone()),
        ("JSON with escaped slashes", json.replace('/', "\\/")),
        ("JSON safe for HTML", html_safe),
        ("URL, RFC 3986", percent(secret, "-._~", true)),
        ("URL, small letters", percent(secret, "-._~", false)),
        ("URL, encodeURIComponent", percent(secret, "-._~!*'()", true)),
        ("URL, encodeURI", percent(secret, "-._~!*'();,/?:@&=+$#", true)),
        ("URL, a path", percent(secret, "-._~/", true)),
        ("form", percent(secret, "-._~ ", true).replace(' ', "+")),
        ("form, browsers", percent(secret, "-._* ", true).replace(' ', "+")),
    ]
}

/// The same in base64, among other words, at each of the three alignments.
pub(crate) fn packed(secret: &str) -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    for before in ["", "k", "ke"] {
        let whole = format!("{before}{secret}, as sent");
        all.push(("base64", STANDARD.encode(&whole)));
        all.push(("base64 for URLs", URL_SAFE.encode(&whole)));
        let bare = format!("{before}{secret}");
        all.push(("base64 at the end", STANDARD.encode(&bare)));
        all.push(("base64 for URLs without padding", URL_SAFE_NO_PAD.encode(&bare)));
    }
    all
}

/// What base64 of any text around the secret holds: the characters that come from the secret alone.
fn cores(secret: &str) -> Vec<(&'static str, String)> {
    let mut cores = Vec::new();
    for pad in 0..3 {
        let bytes = [vec![0; pad], secret.as_bytes().to_vec()].concat();
        let (start, end) = ((pad * 8).div_ceil(6), bytes.len() * 8 / 6);
        cores.push(("base64", STANDARD_NO_PAD.encode(&bytes)[start..end].to_owned()));
        cores.push(("base64 for URLs", URL_SAFE_NO_PAD.encode(&bytes)[start..end].to_owned()));
    }
    cores
}

/// In which form a secret can be read in a text.
pub(crate) fn read_in(text: &str, secret: &str) -> Option<&'static str> {
    let forms = written(secret).into_iter().chain(cores(secret));
    // What is printed as JSON is escaped once more, and twice where the text of a result repeats its structure.
    let forms = forms.flat_map(|(name, form)| {
        let (once, twice) = (json_inside(&form), json_inside(&json_inside(&form)));
        [(name, form), (name, once), (name, twice)]
    });
    forms.into_iter().find(|(_, form)| text.contains(form.as_str())).map(|(name, _)| name)
}

#[track_caller]
pub(crate) fn nowhere(what: &str, text: &str, secrets: &[&str]) {
    for secret in secrets {
        if let Some(form) = read_in(text, secret) {
            let lines = text.lines().filter(|line| read_in(line, secret).is_some());
            let line: String = lines.take(1).flat_map(|line| line.chars().take(1_500)).collect();
            panic!("{what} holds {secret} ({form}): {line}");
        }
    }
}

/// The documented errors, each with the echo in every text of it.
pub(crate) fn errors(echo: &str) -> Vec<Value> {
    vec![
        json!({ "error": { "code": echo, "message": format!("Failed: {echo}"), "details": { "field": echo, "reason": echo } }, "meta": { "request_id": echo } }),
        json!({ "error": { "code": "validation_error", "message": echo, "details": { "fields": { echo: echo } }, "request_id": echo } }),
        json!({ "detail": [{ "type": echo, "loc": ["body", echo], "msg": format!("bad {echo}"), "input": { "api_key": echo, echo: 1 }, "ctx": { "error": echo } }] }),
        json!({ "detail": echo }),
        json!({ "error": echo }),
    ]
}

/// A row with the echo in every field that a tool may look at, and in some it does not know.
pub(crate) fn row(id: &str, echo: &str) -> Value {
    json!({
        "id": id, "phone_number": "+14155550100", "status": echo, "name": echo, "friendly_name": echo, "provider_type": echo,
        "created_at": echo, "inbound_agent_id": echo, "outbound_agent_id": null, "is_trudy_managed": true,
        "inbound_phone_numbers": [{ "id": echo, "phone_number": echo }], "outbound_phone_numbers": [],
        "api_key": echo, "auth_token": [echo], "sip": { "sip_password": echo }, echo: echo,
        "phone_number_type": echo, "features": [echo, { "name": echo }],
        "region_information": { "region_name": echo, "locality": echo },
        "cost_information": { "monthly_cost": echo, "upfront_cost": "1.0", "currency": echo }
    })
}

/// A row for each form of a secret.
pub(crate) fn rows(secret: &str) -> Value {
    let forms = written(secret).into_iter().chain(packed(secret)).enumerate();
    forms.map(|(index, (_, form))| row(&format!("n{index}"), &format!("Bearer {form}"))).collect()
}

pub(crate) fn list(rows: Value, echo: &str) -> Value {
    let pagination = json!({ "total": rows.as_array().map_or(0, Vec::len), "has_more": false, "cursor": echo });
    json!({ "data": rows, "pagination": pagination, "meta": { "request_id": echo, "ts": echo }, echo: echo })
}

/// An answer that carries the echo in its headers too, where a header can.
pub(crate) fn reply(status: u16, body: &Value, echo: &str) -> Play {
    let id = echo.replace(['\\', '"'], "_");
    Play::Answer(Reply::json(status, body).header("X-Request-ID", echo).header("Location", &id).header("Server", echo))
}

/// The answer to a purchase or an import, with the echo wherever it says something.
pub(crate) fn created(echo: &str, number: &Value) -> Value {
    let order = json!({ "data": { "status": echo, echo: echo } });
    let data = json!({ "number_id": echo, "credential_id": echo, "id": echo, "phone_number": number, "purchase_response": order });
    json!({ "data": data, "meta": { "request_id": echo }, echo: echo })
}
