//! What comes in one body and what goes out as one answer: batches of 2025-03-26, and streams that tell of progress.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::fake_truedy::{CREDENTIALS, Play, Upstream};
use crate::support::http_client::{Answer, Served};
use crate::support::program::{program, run};

const ALONE: &[&str] = &["--no-auth-loopback"];

fn call(id: u32, tool: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": tool, "arguments": {} } })
}

async fn posted(server: &Served, revision: Option<&str>, body: &Value) -> Answer {
    let headers: Vec<_> = revision.into_iter().map(|revision| ("mcp-protocol-version", revision)).collect();
    server.post(&headers, body.clone()).await
}

#[tokio::test]
async fn a_batch_of_2025_03_26_is_answered_as_one() {
    let upstream = Upstream::start();
    let server = Served::on(&upstream, ALONE).await;
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let ping = json!({ "jsonrpc": "2.0", "id": "p", "method": "ping" });
    let batch = json!([ping, note, call(7, "list_credentials"), call(8, "no_such_tool")]);
    for revision in [None, Some("2025-03-26")] {
        let answer = posted(&server, revision, &batch).await;
        let answers = answer.json();
        let by_id = |id: Value| answers.as_array().unwrap().iter().find(|one| one["id"] == id).unwrap().clone();
        assert_eq!((answer.status, answers.as_array().unwrap().len()), (200, 3), "{answers}");
        assert_eq!(by_id(json!("p"))["result"], json!({}));
        assert_eq!(by_id(json!(7))["result"]["structuredContent"]["status"], "ok");
        assert_eq!(by_id(json!(8))["error"]["code"], -32602);
        // Notifications alone are not answered.
        let answer = posted(&server, revision, &json!([note])).await;
        assert_eq!((answer.status, answer.body.as_str()), (202, ""));
        for wrong in
            [json!([]), json!([1]), json!([{ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {} }])]
        {
            let answer = posted(&server, revision, &wrong).await;
            assert_eq!((answer.status, &answer.json()["error"]["code"]), (400, &json!(-32600)), "{wrong}");
        }
    }
    for later in ["2025-06-18", "2025-11-25", "2026-07-28"] {
        let answer = posted(&server, Some(later), &batch).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (400, &json!(-32600)), "{later}");
    }
}

#[tokio::test]
async fn one_call_in_a_batch_that_is_not_allowed_stops_all_of_it() {
    let upstream = Upstream::start();
    let home = tempfile::tempdir().unwrap();
    let tokens = home.path().join("tokens.toml").display().to_string();
    let made = run(
        {
            let mut command = program();
            let scopes = ["--scopes", "credentials:read"];
            command.args(["token", "new", "--tokens", &tokens, "--principal", "ana"]).args(scopes);
            command
        },
        "",
    );
    let server = Served::on(&upstream, &["--tokens", &tokens]).await;
    let bearer = format!("Bearer {}", made.stdout.trim());
    let batch = json!([call(1, "list_credentials"), call(2, "list_numbers")]);
    let answer = server.post(&[("authorization", &bearer)], batch).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    assert!(answer.header("www-authenticate").unwrap().contains("numbers:read"), "{answer:?}");
    assert_eq!(upstream.seen().len(), 0);
    let answer = server.post(&[("authorization", &bearer)], json!([call(1, "list_credentials")])).await;
    assert_eq!(answer.json()[0]["result"]["structuredContent"]["status"], "ok");
}

#[tokio::test]
async fn a_client_that_asks_for_it_hears_every_five_seconds_that_a_call_still_runs() {
    let upstream = Upstream::start();
    upstream.always(CREDENTIALS, Play::After(Duration::from_secs(6), Box::new(Play::Usual)));
    let server = Served::on(&upstream, ALONE).await;
    let mut asks = call(1, "list_credentials");
    asks["params"]["_meta"] = json!({ "progressToken": "tick" });
    let plain = call(2, "list_credentials");
    let (told, untold) =
        tokio::join!(posted(&server, Some("2025-11-25"), &asks), posted(&server, Some("2025-11-25"), &plain));
    assert_eq!(told.header("content-type"), Some("text/event-stream"));
    assert_eq!(told.header("x-accel-buffering"), Some("no"));
    let events: Vec<Value> = told
        .body
        .lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    assert_eq!(events.len(), 2, "{told:?}");
    assert_eq!(events[0]["method"], "notifications/progress");
    assert_eq!(
        (&events[0]["params"]["progressToken"], &events[0]["params"]["progress"]),
        (&json!("tick"), &json!(5.0))
    );
    assert_eq!((&events[1]["id"], &events[1]["result"]["structuredContent"]["status"]), (&json!(1), &json!("ok")));
    // Whoever did not ask gets one piece of JSON, however long it took.
    assert_eq!(untold.header("content-type"), Some("application/json"));
    assert_eq!(untold.json()["result"]["structuredContent"]["status"], "ok");
}
