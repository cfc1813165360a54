//! What clients err in on stdio, they err in over HTTP: there it is read in the same way.

use serde_json::{Value, json};

use crate::support::era::{LEGACY, MODERN};
use crate::support::http_client::{Answer, Served, message};

async fn post(server: &Served, message: Value) -> Answer {
    let bearer = format!("Bearer {}", server.token());
    let method = message["method"].as_str().unwrap_or_default().to_owned();
    let mut headers = vec![("authorization", bearer.as_str())];
    if message["params"]["_meta"].is_object() {
        headers.extend([("mcp-protocol-version", MODERN), ("mcp-method", method.as_str())]);
    }
    if method == "tools/call" {
        headers.push(("mcp-name", "list_credentials"));
    }
    server.post(&headers, message).await
}

#[tokio::test]
async fn a_handshake_that_lacks_something_is_answered() {
    for mode in [&[][..], &["--sessions"]] {
        let server = Served::start(mode, &[]).await;
        for params in [
            json!(null),
            json!([]),
            json!({}),
            json!({ "protocolVersion": 20_251_125, "capabilities": [], "clientInfo": [] }),
            json!({ "capabilities": { "elicitation": true }, "clientInfo": { "name": "php" } }),
        ] {
            let hello = json!({ "jsonrpc": "2.0", "id": 7, "method": "initialize", "params": params });
            let answer = post(&server, hello).await;
            assert_eq!(answer.status, 200, "{mode:?} {params}: {answer:?}");
            let answer = answer.json();
            assert_eq!((&answer["id"], &answer["result"]["protocolVersion"]), (&json!(7), &json!(LEGACY)), "{answer}");
        }
    }
}

#[tokio::test]
async fn an_empty_list_and_the_notes_of_a_client_are_read_as_on_stdio() {
    let server = Served::start(&["--sandbox", "--ephemeral"], &[]).await;
    let call = |arguments: Value| message("tools/call", json!({ "name": "list_credentials", "arguments": arguments }));
    for arguments in [json!([]), json!({ "sessionId": "a", "toolCallId": "b" }), json!({ "random_string": "x" })] {
        let answer = post(&server, call(arguments.clone())).await.json();
        assert_eq!(answer["result"]["structuredContent"]["status"], "ok", "{arguments}: {answer}");
    }
    for arguments in [json!([1]), json!({ "statsu": "a" })] {
        let answer = post(&server, call(arguments.clone())).await.json();
        assert_eq!(answer["result"]["structuredContent"]["status"], "invalid_argument", "{arguments}: {answer}");
    }
    let older = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": [] });
    assert!(post(&server, older).await.json()["result"]["tools"].is_array());
}

#[tokio::test]
async fn methods_that_are_not_offered_are_named_in_words() {
    let server = Served::start(&[], &[]).await;
    let params = || json!({ "level": "info", "uri": "truedy://numbers", "taskId": "1", "notifications": {} });
    for method in ["ping", "logging/setLevel", "subscriptions/listen", "tools/sell"] {
        let answer = post(&server, message(method, params())).await;
        assert_eq!(answer.status, 404, "{answer:?}");
        let error = answer.json()["error"].clone();
        assert_eq!(
            (&error["code"], &error["message"]),
            (&json!(-32601), &json!(format!("Method not found: {method}")))
        );
    }
    for method in ["logging/setLevel", "resources/subscribe", "resources/unsubscribe"] {
        let older = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params() });
        assert_eq!(post(&server, older).await.json()["error"]["message"], format!("Method not found: {method}"));
    }
}
