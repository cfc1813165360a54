//! Arguments that say a thing twice, through every door: which value was meant is not known, and nothing is sent.

use serde_json::{Value, json};

use crate::support::era::{Era, MODERN};
use crate::support::fake_truedy::Upstream;
use crate::support::http_client::Served;
use crate::support::program::{KEY, program, run, server};
use crate::support::raw_client::Wire;

const NUMBER: &str = "+14155550150";

/// Arguments that would buy if the last value counted, each with the name that they have twice.
fn odd() -> Vec<(String, &'static str)> {
    let with = |more: &str| format!(r#"{{"phone_number":"{NUMBER}",{more}}}"#);
    vec![
        (with(r#""confirm":false,"confirm":true"#), "confirm"),
        (with(r#""confirm":false,"\u0063onfirm":true"#), "confirm"),
        (with(r#""confirm":true,"confirm":true"#), "confirm"),
        (with(r#""confirm":true,"max_monthly_cost":"1 USD","max_monthly_cost":"90 USD""#), "max_monthly_cost"),
        (with(r#""confirm":true,"acknowledge_unresolved":[{"a":1,"a":2}]"#), "a"),
    ]
}

/// The metadata of a request in this era, as the rest of its parameters.
fn meta(era: Era) -> String {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { "name": "wire", "version": "1" }
    });
    if era == Era::Modern { format!(r#","_meta":{meta}"#) } else { String::new() }
}

fn purchase(id: u64, arguments: &str, era: Era) -> String {
    let params = format!(r#"{{"name":"purchase_number","arguments":{arguments}{}}}"#, meta(era));
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{params}}}"#)
}

#[track_caller]
fn refused(object: &Value, name: &str) {
    assert_eq!(object["status"], "invalid_argument", "{object}");
    assert_eq!(object["problems"][0]["field"], json!(name), "{object}");
    let said = object["summary"].as_str().unwrap();
    assert!(said.starts_with("Nothing was bought. ") && said.contains(&format!("{name}: it is given twice")), "{said}");
}

#[test]
fn over_stdio_a_call_that_says_a_thing_twice_is_refused_with_its_name() {
    let upstream = Upstream::start();
    for era in Era::BOTH {
        let mut wire = Wire::open(server(&upstream.base_url()), era);
        for (id, (arguments, name)) in (500..).zip(odd()) {
            // Some clients give the arguments as a text.
            for (id, arguments) in [(id, arguments.clone()), (id + 50, json!(arguments).to_string())] {
                wire.raw(format!("{}\n", purchase(id, &arguments, era)).as_bytes());
                refused(&wire.answer(id)["result"]["structuredContent"], name);
            }
        }
        for (id, name, message) in [
            (
                600,
                "method",
                r#"{"jsonrpc":"2.0","id":600,"method":"tools/list","method":"tools/call","params":{}}"#.to_owned(),
            ),
            (
                601,
                "name",
                format!(
                    r#"{{"jsonrpc":"2.0","id":601,"method":"tools/call","params":{{"name":"list_numbers","name":"purchase_number"{}}}}}"#,
                    meta(era)
                ),
            ),
            (602, "arguments", purchase(602, r#"{},"arguments":{}"#, era)),
            (603, "params", r#"{"jsonrpc":"2.0","id":603,"method":"tools/call","params":{},"params":{}}"#.to_owned()),
        ] {
            wire.raw(format!("{message}\n").as_bytes());
            let error = &wire.answer(id)["error"];
            assert_eq!(error["code"], -32600, "{error}");
            assert!(error["message"].as_str().unwrap().contains(&format!("{name} stands twice")), "{error}");
        }
        assert_eq!(wire.call("list_credentials", json!({})).status(), "ok");
    }
    assert_eq!(upstream.changes(), 0);
}

#[tokio::test]
async fn over_http_a_call_that_says_a_thing_twice_is_refused_with_its_name() {
    let upstream = Upstream::start();
    let served = Served::on(&upstream, &["--no-auth-loopback"]).await;
    let modern = [("mcp-protocol-version", MODERN), ("mcp-method", "tools/call"), ("mcp-name", "purchase_number")];
    for (era, headers) in [(Era::Legacy, &[][..]), (Era::Modern, &modern[..])] {
        for (arguments, name) in odd() {
            for arguments in [arguments.clone(), json!(arguments).to_string()] {
                let answer = served.send("POST", "/mcp", headers, &purchase(1, &arguments, era)).await;
                assert_eq!(answer.status, 200, "{answer:?}");
                refused(&answer.json()["result"]["structuredContent"], name);
            }
        }
        let answer = served.send("POST", "/mcp", headers, &purchase(8, r#"{},"arguments":{}"#, era)).await;
        let error = answer.json();
        assert_eq!((answer.status, &error["id"], &error["error"]["code"]), (400, &json!(8), &json!(-32600)), "{error}");
        assert!(error["error"]["message"].as_str().unwrap().contains("arguments stands twice"), "{error}");
    }
    // Of a batch all is refused.
    let batch = format!("[{}]", purchase(1, &odd()[0].0, Era::Legacy));
    let answer = served.send("POST", "/mcp", &[], &batch).await;
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (400, &json!(-32600)), "{answer:?}");
    assert_eq!(upstream.seen().len(), 0);
}

#[test]
fn the_command_refuses_what_is_given_twice() {
    let upstream = Upstream::start();
    let called = |arguments: &[&str], input: &str| {
        let mut command = program();
        command.env("TRUEDY_BASE_URL", upstream.base_url()).env("TRUEDY_API_KEY", KEY);
        command.args(["call", "purchase_number"]).args(arguments);
        let ran = run(command, input);
        assert_eq!(ran.code, Some(2), "{} {}", ran.stdout, ran.stderr);
        serde_json::from_str::<Value>(&ran.stdout).unwrap()
    };
    for (arguments, name) in odd() {
        refused(&called(&["--json", &arguments], ""), name);
        refused(&called(&["--json", "-"], &arguments), name);
    }
    let number = format!("phone_number={NUMBER}");
    refused(&called(&[&number, "confirm=false", "confirm=true"], ""), "confirm");
    assert_eq!(upstream.seen().len(), 0);
}
