//! Arguments that are not right: each is named, and none reaches the network.

use std::collections::BTreeSet;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use super::account::{BUSY, ELSEWHERE, FOR_SALE, IDLE, refused};
use crate::support::era::{Era, in_both_eras};
use crate::support::mcp_client::{Agent, Refusal};
use crate::support::people::Human;
use crate::support::program::tokio_program;

/// Arguments that are right, for each tool.
fn right(tool: &str) -> Value {
    match tool {
        "purchase_number" => json!({ "phone_number": FOR_SALE }),
        "import_number" => json!({ "phone_number": ELSEWHERE, "provider_type": "telnyx", "api_key": "KEY-1" }),
        "assign_number" => json!({ "number_id": IDLE, "agent_id": "Front desk", "assignment_type": "inbound" }),
        "diagnose_number" => json!({ "number_id": BUSY }),
        "unassign_number" => json!({ "number_id": BUSY, "assignment_type": "inbound" }),
        "release_number" => json!({ "number_id": IDLE, "confirm": true }),
        "get_agent_numbers" | "get_webhook_url" => json!({ "agent_id": "Front desk" }),
        _ => json!({}),
    }
}

/// Values that are wrong for an argument, told by its schema and its name.
fn wrong(name: &str, schema: &Value) -> Vec<Value> {
    let long = "9".repeat(100_000);
    if schema["type"] == "array" {
        let ids = json!(vec!["0199d0ab"; 51]);
        return vec![
            json!("0199d0ab"),
            json!({}),
            json!(true),
            json!([1]),
            json!(["a b"]),
            json!([long]),
            json!([[]]),
            ids,
        ];
    }
    let mut wrong = vec![json!([]), json!(["+14155550123"]), json!({}), json!({ "$ne": null })];
    match schema["type"].as_str() {
        Some("boolean") => {
            wrong.extend([json!(0), json!(1), json!("yes"), json!("1")]);
            // Into the word that spends or destroys nothing is read.
            wrong.extend(["true", "false"].iter().filter(|_| name == "confirm").map(|text| json!(text)));
        }
        Some("integer") => {
            let (least, most) = (schema["minimum"].as_i64().unwrap(), schema["maximum"].as_i64().unwrap());
            wrong.extend([json!(least - 1), json!(most + 1), json!(-1), json!(1.5), json!(u64::MAX), json!(1e300)]);
            wrong.extend([json!(true), json!("ten"), json!("٥"), json!("1;2"), json!("-1"), json!(long)]);
        }
        _ => {
            wrong.extend([json!(true), json!(14_155_550_123_u64), json!(-1.5)]);
            // A user name of digits may come without quotes.
            wrong.retain(|value| name != "sip_username" || !value.is_u64());
            wrong.extend(["\u{0}", "+1415555\n0123", "a\u{7}b", "\u{1b}[31m", "x\u{85}y"].map(|text| json!(text)));
            wrong.push(json!(long));
            let unsafe_in_a_path =
                ["../agents", "..%2fagents", "a/b", "a?b=c", "a#b", "a b", "%2e%2e", "é", "d0845d54;"];
            let no_number =
                ["+14155550١٢٣", "14155550123", "+0123456", "+1 415 555 0123", "+1", "+１４１５", "tel:+14155550123"];
            let no_choice = ["INBOUND", "Both", "inbound ", "telnyx,twilio", "🤖"];
            wrong.extend(match name {
                "number_id" => unsafe_in_a_path.iter().map(|text| json!(text)).collect(),
                "phone_number" => no_number.iter().chain(&unsafe_in_a_path).map(|text| json!(text)).collect(),
                "area_code" => ["٤١٥", "4", "1234567", "41 5", "415;"].iter().map(|text| json!(text)).collect(),
                "country_code" => ["us", "USA", "U", "U5", "ÜS", "ＵＳ"].iter().map(|text| json!(text)).collect(),
                "status" => ["Active", "in use", "activé", "a-b"].iter().map(|text| json!(text)).collect(),
                "account_sid" => ["AC/../x", "AC 1", "ÄC"].iter().map(|text| json!(text)).collect(),
                "sip_server" => {
                    ["sip:user@example.com", "https://example.com/", "a b", "-x", "example.com:port", "[::1"]
                        .iter()
                        .map(|text| json!(text))
                        .collect()
                }
                "sip_username" => ["a b", "ünser"].iter().map(|text| json!(text)).collect(),
                "api_key" | "auth_token" | "sip_password" => {
                    ["schlüssel", "tab\tbed"].iter().map(|text| json!(text)).collect()
                }
                _ if schema.get("enum").is_some() => no_choice.iter().map(|text| json!(text)).collect(),
                _ => Vec::<Value>::new(),
            });
        }
    }
    wrong
}

/// Checks that a refusal complains of exactly these arguments, helpfully, and repeats no secret.
fn complains_of(outcome: Result<Value, Refusal>, expected: &BTreeSet<&str>, why: &str) {
    let Err(refusal) = outcome else { panic!("{why}: it was taken") };
    assert_eq!(refusal.status, "invalid_argument", "{why}: {}", refusal.summary);
    assert!(refusal.summary.starts_with("Nothing was "), "{why}: {}", refusal.summary);
    assert_eq!(refusal.fields().into_iter().collect::<BTreeSet<_>>(), *expected, "{why}");
    assert!(refusal.body.to_string().len() < 20_000, "{why}: too long an answer");
    for problem in refusal.problems() {
        let part = |name: &str| problem[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let (field, reason) = (part("field").unwrap(), part("reason").unwrap_or_else(|| panic!("{why}: no reason")));
        assert!(part("expected").is_some() && part("example").is_some(), "{why}: {problem}");
        assert!(refusal.summary.contains(&field) && refusal.summary.contains(&reason), "{why}: {}", refusal.summary);
        let secret = ["api_key", "auth_token", "sip_password"].contains(&field.as_str());
        assert!(!secret || problem.get("received").is_none(), "{why}: {problem}");
        let received = part("received").unwrap_or_default();
        assert!(received.chars().count() <= 33 && !received.chars().any(char::is_control), "{why}: {problem}");
    }
}

in_both_eras!(a_wrong_argument_is_named_and_reaches_no_network);
async fn a_wrong_argument_is_named_and_reaches_no_network(era: Era) {
    let agent = Agent::with(Human::Agrees).in_era(era).start().await;
    let mut tried = 0;
    for tool in agent.tools() {
        let name = tool.name.as_ref();
        let properties = tool.input_schema["properties"].as_object().unwrap();
        for (argument, schema) in properties {
            for value in wrong(argument, schema) {
                let mut arguments = right(name);
                arguments[argument] = value.clone();
                let shown: String = value.to_string().chars().take(60).collect();
                let why = format!("{name} {argument} {shown}");
                complains_of(agent.call(name, arguments).await, &[argument.as_str()].into(), &why);
                tried += 1;
            }
        }
        let required = tool.input_schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        for argument in required.iter().filter_map(Value::as_str) {
            let mut without = right(name);
            without.as_object_mut().unwrap().remove(argument);
            complains_of(agent.call(name, without).await, &[argument].into(), &format!("{name} without {argument}"));
            for absent in [json!(null), json!("")] {
                let mut arguments = right(name);
                arguments[argument] = absent;
                let why = format!("{name} with an empty {argument}");
                complains_of(agent.call(name, arguments).await, &[argument].into(), &why);
            }
        }
        let mut misspelt = right(name);
        misspelt["confrim"] = json!(true);
        misspelt["../../etc"] = json!(1);
        complains_of(agent.call(name, misspelt).await, &["confrim", "../../etc"].into(), &format!("{name} misspelt"));
        assert_eq!(agent.sent().len(), 0, "{name}: something was sent");
    }
    assert!(tried > 500, "only {tried} were tried");
    assert!(agent.asked().is_empty());
    assert_eq!(agent.leave().await.len(), 0);
}

in_both_eras!(everything_wrong_is_told_at_once);
async fn everything_wrong_is_told_at_once(era: Era) {
    let agent = Agent::with(Human::Agrees).in_era(era).start().await;
    for tool in agent.tools() {
        let properties = tool.input_schema["properties"].as_object().unwrap();
        let mut arguments = json!({ "nonsense": [1], "Confirm": true });
        let mut expected: BTreeSet<&str> = ["nonsense", "Confirm"].into();
        for (argument, schema) in properties {
            arguments[argument] = wrong(argument, schema).pop().unwrap();
            expected.insert(argument);
        }
        complains_of(agent.call(&tool.name, arguments).await, &expected, &tool.name);
    }
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let many: serde_json::Map<String, Value> = (0..300).map(|n| (format!("field_{n}"), json!(n))).collect();
    for arguments in [json!({ "number_id": deep, "confirm": true }), Value::Object(many)] {
        assert_eq!(refused(agent.call("release_number", arguments).await).status, "invalid_argument");
    }
    assert_eq!(agent.leave().await.len(), 0);
}

in_both_eras!(arguments_that_do_not_go_together_are_named);
async fn arguments_that_do_not_go_together_are_named(era: Era) {
    let agent = Agent::with(Human::Agrees).in_era(era).start().await;
    let import = |fields: Value| {
        let mut arguments = json!({ "phone_number": ELSEWHERE });
        arguments.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        arguments
    };
    for (fields, expected) in [
        (json!({}), vec!["carrier"]),
        (json!({ "provider_type": "telnyx" }), vec!["carrier", "api_key"]),
        (json!({ "provider_type": "twilio", "auth_token": "t0ken-t0ken" }), vec!["api_key"]),
        (json!({ "provider_type": "custom_sip" }), vec!["carrier", "sip_password", "sip_server", "sip_username"]),
        (
            json!({ "provider_type": "custom_sip", "sip_username": "u", "sip_password": "p", "api_key": "k3y-k3y" }),
            vec!["api_key", "sip_server"],
        ),
        (
            json!({ "provider_type": "telnyx", "api_key": "k3y-k3y", "auth_token": "t0ken-t0ken", "sip_username": "u" }),
            vec!["auth_token", "sip_username"],
        ),
        (
            json!({ "provider_type": "twilio", "api_key": "k3y-k3y", "sip_server": "sip.example.com" }),
            vec!["sip_server"],
        ),
    ] {
        let why = fields.to_string();
        let outcome = agent.call("import_number", import(fields)).await;
        if let Err(refusal) = &outcome {
            let all = refusal.body.to_string();
            assert!(!all.contains("k3y-k3y") && !all.contains("t0ken-t0ken"), "{all}");
        }
        complains_of(outcome, &expected.into_iter().collect(), &why);
    }
    assert!(agent.asked().is_empty());
    assert_eq!(agent.leave().await.len(), 0);
}

in_both_eras!(what_cannot_be_an_id_is_looked_up_as_a_name_and_never_put_in_a_path);
async fn what_cannot_be_an_id_is_looked_up_as_a_name_and_never_put_in_a_path(era: Era) {
    let agent = Agent::alone(era).start().await;
    for name in ["../numbers", "..%2f..", "a/b?c=d#e", "Front desk/../..", "agt_../x", "' OR 1=1 --", "é🤖", "%00", "."]
    {
        for (tool, mut arguments) in [
            ("get_agent_numbers", json!({})),
            ("get_webhook_url", json!({})),
            ("list_numbers", json!({})),
            ("assign_number", json!({ "number_id": IDLE, "assignment_type": "inbound", "confirm": true })),
        ] {
            arguments["agent_id"] = json!(name);
            let refusal = agent.call(tool, arguments).await.expect_err("there is no such agent");
            assert_eq!(refusal.status, "not_found", "{tool} {name}: {refusal:?}");
        }
        let listed = agent.call("list_agents", json!({ "name": name })).await.unwrap();
        assert_eq!(listed["agents"], json!([]), "{name}");
    }
    let sent = agent.leave().await;
    assert!(sent.len() > 20);
    for request in &sent.0 {
        assert_eq!(request.method, "GET");
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_');
        assert!(request.path.chars().all(plain), "{}", request.path);
    }
}

/// Sends lines as they are, in the old way of the protocol, and reads an answer to each request.
async fn raw(calls: &[&str]) -> (Vec<Value>, usize) {
    let home = tempfile::tempdir().unwrap();
    let ledger = home.path().join("ledger.jsonl");
    let mut command = tokio_program();
    command.args(["stdio", "--sandbox", "--ephemeral", "--ledger"]).arg(&ledger);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    let hello = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"raw","version":"1"}}}
{"jsonrpc":"2.0","method":"notifications/initialized"}

"#;
    input.write_all(hello.as_bytes()).await.unwrap();
    output.next_line().await.unwrap().unwrap();
    let mut answers = Vec::new();
    for arguments in calls {
        let line = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{{\"name\":\"release_number\",\"arguments\":{arguments}}}}}\n"
        );
        input.write_all(line.as_bytes()).await.unwrap();
        answers.push(serde_json::from_str(&output.next_line().await.unwrap().unwrap()).unwrap());
    }
    drop(input);
    child.wait().await.unwrap();
    let deletes = std::fs::read_to_string(&ledger).unwrap_or_default().matches("\"DELETE\"").count();
    (answers, deletes)
}

/// A key that stands twice: which of both was meant is not known, so nothing is released.
#[tokio::test]
async fn a_key_that_stands_twice_releases_nothing() {
    let (answers, deletes) = raw(&[
        &format!(r#"{{"number_id":"{IDLE}","confirm":true,"confirm":false}}"#),
        &format!(r#"{{"number_id":"{IDLE}","number_id":"{BUSY}","confirm":true}}"#),
        &format!(r#"{{"number_id":"{IDLE}","confirm":true,"confirm":"true"}}"#),
    ])
    .await;
    let status = |answer: &Value| answer["result"]["structuredContent"]["status"].clone();
    let statuses: Vec<Value> = answers.iter().map(status).collect();
    assert_eq!(statuses, ["invalid_argument"; 3], "{answers:?}");
    assert_eq!(deletes, 0);
}
