//! Keys of a carrier where they do not belong: in a conversation that is to have none, and in arguments that take none.

use serde_json::{Value, json};

use crate::support::carrier_files::{Files, SECRETS, SIP_PASSWORD, STRAY, TWILIO_TOKEN, bodies, body, kept, refused};
use crate::support::era::{Era, MODERN};
use crate::support::expected::TOOLS;
use crate::support::fake_truedy::{IMPORT, Upstream};
use crate::support::http_client::{Served, message};
use crate::support::program::{KEY, at_once, program, run, server};
use crate::support::raw_client::Wire;
use crate::support::secrets::nowhere;

const RAW: [&str; 6] = ["api_key", "account_sid", "auth_token", "sip_username", "sip_password", "sip_server"];

/// Which tools take a carrier's keys themselves.
fn with_raw_fields(tools: &Value) -> Vec<String> {
    let tools = tools["tools"].as_array().unwrap_or_else(|| panic!("no tools: {tools}"));
    assert_eq!(tools.len(), TOOLS.len());
    let has = |tool: &&Value| RAW.iter().any(|field| tool["inputSchema"]["properties"].get(field).is_some());
    tools.iter().filter(has).map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

fn tools_of_the_command(arguments: &[&str]) -> Value {
    let mut command = program();
    command.args(["tools", "--json"]).args(arguments);
    serde_json::from_str(&run(command, "").stdout).unwrap()
}

#[test]
fn where_the_operator_wants_no_keys_in_conversations_no_schema_has_them_and_a_call_that_does_is_refused() {
    let takers = ["search_numbers", "purchase_number", "import_number"];
    assert_eq!(with_raw_fields(&tools_of_the_command(&[])), takers);
    assert_eq!(with_raw_fields(&tools_of_the_command(&["--inline-secrets", "deny"])), [""; 0]);
    at_once(Era::BOTH, |era| {
        let (upstream, files) = (Upstream::start(), Files::new());
        files.three();
        let mut allowed = files.open(&upstream, era);
        assert_eq!(with_raw_fields(&allowed.ask("tools/list", json!({}))["result"]), takers);
        let mut command = files.server(&upstream);
        command.args(["--inline-secrets", "deny"]);
        let mut wire = Wire::start(command, era);
        let hello = wire.begin();
        assert!(hello.to_string().contains("carrier keys from profiles or the user's page only"), "{hello}");
        assert_eq!(with_raw_fields(&wire.ask("tools/list", json!({}))["result"]), [""; 0]);
        let import = |fields: Value| {
            let mut arguments = json!({ "phone_number": "+14155550111" });
            arguments.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            arguments
        };
        for (tool, arguments) in [
            ("search_numbers", json!({ "api_key": SIP_PASSWORD })),
            ("purchase_number", import(json!({ "api_key": SIP_PASSWORD }))),
            ("import_number", import(json!({ "provider_type": "telnyx", "api_key": SIP_PASSWORD }))),
            (
                "import_number",
                import(
                    json!({ "provider_type": "twilio", "api_key": SIP_PASSWORD, "account_sid": "AC00000000000000000000000000000001", "auth_token": TWILIO_TOKEN }),
                ),
            ),
            (
                "import_number",
                import(
                    json!({ "provider_type": "custom_sip", "sip_username": "u", "sip_password": SIP_PASSWORD, "sip_server": "sip.example.com" }),
                ),
            ),
        ] {
            let called = wire.call(tool, arguments);
            refused(&called, "policy_denied", &["Nothing was done", "inline_secrets", "carrier"]);
            assert_eq!(called.object()["rule"], json!("inline_secrets"), "{}", called.0);
        }
        assert_eq!(upstream.seen().len(), 0);
        let called = wire.call("import_number", json!({ "phone_number": "+14155550111", "carrier": "main" }));
        assert_eq!(called.status(), "imported", "{}", called.0);
        assert_eq!(bodies(&upstream, IMPORT), [body("main", "+14155550111")]);
        assert_eq!(wire.call("search_numbers", json!({ "carrier": "main" })).status(), "ok");
        nowhere("standard output", &wire.running.stdout(), &SECRETS);
        nowhere("standard error", &wire.running.stderr(), &SECRETS);
        nowhere("the journal", &kept(&files.path(".local")), &SECRETS);
    });
}

#[tokio::test]
async fn over_http_no_schema_has_keys_either_and_they_are_refused() {
    let upstream = Upstream::start();
    for (arguments, takers, status) in [(&[][..], 3, "ok"), (&["--inline-secrets", "deny"], 0, "policy_denied")] {
        let served = Served::on(&upstream, arguments).await;
        let bearer = format!("Bearer {}", served.token());
        let headers =
            [("authorization", bearer.as_str()), ("mcp-protocol-version", MODERN), ("mcp-method", "tools/list")];
        let listed = served.post(&headers, message("tools/list", json!({}))).await.json();
        assert_eq!(with_raw_fields(&listed["result"]).len(), takers, "{arguments:?}");
        let answer = served.call(&served.token(), "search_numbers", json!({ "api_key": SIP_PASSWORD })).await;
        assert_eq!(answer["status"], json!(status), "{answer}");
        nowhere("standard error", &served.stderr(), &SECRETS);
    }
    assert_eq!(upstream.seen().len(), 1);
}

#[test]
fn a_key_in_any_argument_that_takes_none_is_refused_unread_and_not_repeated() {
    at_once(Era::BOTH, |era| {
        let upstream = Upstream::start();
        let mut command = server(&upstream.base_url());
        command.env("RUST_LOG", "trace");
        let mut wire = Wire::open(command, era);
        let listed = wire.ask("tools/list", json!({}));
        let tools = listed["result"]["tools"].as_array().cloned().unwrap();
        let takes_keys = ["api_key", "auth_token", "sip_password"];
        let mut tried = 0;
        for tool in &tools {
            let name = tool["name"].as_str().unwrap();
            let known: Vec<String> = tool["inputSchema"]["properties"].as_object().unwrap().keys().cloned().collect();
            let mut fields: Vec<&str> =
                known.iter().map(String::as_str).filter(|field| !takes_keys.contains(field)).collect();
            fields.extend(["note", "carrier_key"]);
            for key in STRAY {
                // What is sealed is random and may look like anything; an id may be any 32 digits.
                let hex = key == STRAY[3];
                for field in fields.iter().filter(|field| **field != "confirmation_token") {
                    for value in [
                        json!(key),
                        json!(format!("use {key}, please")),
                        json!([key]),
                        json!({ "deep": [{ "er": key }] }),
                    ] {
                        if hex && field.ends_with("_id") && (value.is_string() || value.is_array()) {
                            continue;
                        }
                        let called = wire.call(name, json!({ *field: value }));
                        refused(&called, "invalid_argument", &["Nothing", field, "looks like a secret key"]);
                        tried += 1;
                    }
                }
                // In place of a name, where it would be repeated as one that is not known.
                for arguments in [json!({ key: "x" }), json!({ "note": { key: 1 } })] {
                    refused(&wire.call(name, arguments), "invalid_argument", &["Nothing", "looks like a secret key"]);
                }
            }
        }
        assert!(tried > 400, "only {tried} were tried");
        assert_eq!(upstream.seen().len(), 0);
        nowhere("standard output", &wire.running.stdout(), &STRAY);
        nowhere("standard error", &wire.running.stderr(), &STRAY);
    });
}

#[test]
fn truedys_own_key_is_not_taken_for_a_carriers() {
    let upstream = Upstream::start();
    let mut command = server(&upstream.base_url());
    command.env("RUST_LOG", "trace");
    let mut wire = Wire::open(command, Era::Modern);
    for key in [KEY, STRAY[0]] {
        for (tool, arguments) in [
            ("search_numbers", json!({ "api_key": key })),
            ("purchase_number", json!({ "phone_number": "+14155550111", "api_key": key, "confirm": true })),
            ("import_number", json!({ "phone_number": "+14155550111", "provider_type": "telnyx", "api_key": key })),
            ("import_number", json!({ "phone_number": "+14155550111", "provider_type": "twilio", "api_key": key })),
        ] {
            let called = wire.call(tool, arguments);
            refused(&called, "invalid_argument", &["api_key", "Truedy API key"]);
        }
    }
    assert_eq!(upstream.seen().len(), 0);
    nowhere("standard output", &wire.running.stdout(), &[KEY, STRAY[0]]);
    nowhere("standard error", &wire.running.stderr(), &[KEY, STRAY[0]]);
}
