//! Sessions and ids as clients use them: kept for an hour, begun anew under an old name, and the same id for several requests.

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::era::LEGACY;
use crate::support::event_stream::Events;
use crate::support::fake_truedy::{CREDENTIALS, Play, Upstream};
use crate::support::http_client::{Answer, Served, eventually};

const OPEN: &str = "--no-auth-loopback";

fn hello(capabilities: Value) -> Value {
    let client = json!({ "name": "sessions", "version": "1" });
    let params = json!({ "protocolVersion": LEGACY, "capabilities": capabilities, "clientInfo": client });
    json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params })
}

async fn shake_hands(server: &Served, session: Option<&str>, capabilities: Value) -> Answer {
    let headers: Vec<(&str, &str)> = session.map(|session| ("mcp-session-id", session)).into_iter().collect();
    server.post(&headers, hello(capabilities)).await
}

async fn open(server: &Served) -> String {
    let answer = shake_hands(server, None, json!({})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.header("mcp-session-id").expect("a session").to_owned()
}

async fn ask(server: &Served, session: &str, headers: &[(&str, &str)], message: Value) -> Answer {
    let own = [("mcp-session-id", session), ("mcp-protocol-version", LEGACY)];
    server.post(&[&own, headers].concat(), message).await
}

fn ping() -> Value {
    json!({ "jsonrpc": "2.0", "id": 5, "method": "ping" })
}

fn call(id: &str) -> Value {
    let params = json!({ "name": "list_credentials", "arguments": {} });
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })
}

#[tokio::test]
async fn an_open_stream_is_no_silence_and_silence_ends_a_session() {
    let upstream = Upstream::start();
    let server = Served::on(&upstream, &[OPEN, "--sessions", "--session-idle-seconds", "3"]).await;
    let (listened, silent, spoken) = (open(&server).await, open(&server).await, open(&server).await);
    let headers = [("mcp-session-id", listened.as_str()), ("mcp-protocol-version", LEGACY)];
    let stream = Events::get(&server, "/mcp", &headers).await;
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert_eq!(ask(&server, &spoken, &[], ping()).await.status, 200, "it is spoken in");
    }
    assert_eq!(ask(&server, &silent, &[], ping()).await.status, 404);
    assert_eq!(ask(&server, &listened, &[], ping()).await.status, 200, "somebody listens");
    drop(stream);
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(ask(&server, &listened, &[], ping()).await.status, 404, "nobody listens any more");
    // Whoever begins anew may name the one that has ended.
    for before in [silent.as_str(), "nonsense", ""] {
        let anew = shake_hands(&server, Some(before), json!({})).await;
        let session = anew.header("mcp-session-id").unwrap_or_else(|| panic!("no session: {anew:?}"));
        assert!(anew.status == 200 && session != before, "{anew:?}");
        assert_eq!(ask(&server, session, &[], ping()).await.status, 200);
    }
}

/// Each answer is the whole answer, or says that the id is in use; and at least one is whole.
fn assert_each_is_answered(answers: &[(u16, Value)]) {
    for (status, answer) in answers {
        assert_eq!(answer["id"], "same", "{answer}");
        match status {
            200 => assert_eq!(answer["result"]["structuredContent"]["status"], "ok", "{answer}"),
            400 => assert_eq!(answer["error"]["code"], -32600, "{answer}"),
            _ => panic!("{status}: {answer}"),
        }
    }
    assert!(answers.iter().any(|(status, _)| *status == 200), "{answers:?}");
}

#[tokio::test]
async fn three_requests_with_one_id_are_each_answered_or_refused() {
    let upstream = Upstream::start();
    upstream.always(CREDENTIALS, Play::After(Duration::from_secs(2), Box::new(Play::Usual)));
    let server = Served::on(&upstream, &[OPEN, "--sessions"]).await;
    // Each on its own.
    let alone = Served::on(&upstream, &[OPEN]).await;
    let answers = join_all((0..3).map(|_| alone.post(&[], call("same")))).await;
    let answers: Vec<_> = answers.iter().map(|answer| (answer.status, answer.json())).collect();
    assert_each_is_answered(&answers);
    assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
    // In one session.
    let session = open(&server).await;
    for _ in 0..2 {
        let answers = join_all((0..3).map(|_| ask(&server, &session, &[], call("same")))).await;
        let answers: Vec<_> = answers.iter().map(|answer| (answer.status, answer.json())).collect();
        assert_each_is_answered(&answers);
    }
    // The id is free again with the answer, however its client took it, and other ids were free all the time.
    for accept in ["application/json", "application/json, text/event-stream"] {
        for _ in 0..5 {
            let answer = ask(&server, &session, &[("accept", accept)], ping()).await;
            assert_eq!((answer.status, answer.json()["result"].clone()), (200, json!({})), "{answer:?}");
        }
    }
    // One whose client has gone still runs: its answer is not taken for that of another.
    let gone = tokio::time::timeout(Duration::from_millis(500), ask(&server, &session, &[], call("gone"))).await;
    assert!(gone.is_err());
    let again = ask(&server, &session, &[], call("gone")).await;
    assert_eq!((again.status, &again.json()["error"]["code"]), (400, &json!(-32600)), "{again:?}");
    eventually("the id is never free", async || ask(&server, &session, &[], call("gone")).await.status == 200).await;
    // On one stream of the older transport.
    let mut stream = Events::get(&server, "/sse", &[]).await;
    let target = format!("/{}", stream.data().await);
    let hello = hello(json!({})).to_string();
    assert_eq!(server.send("POST", &target, &[], &hello).await.status, 202);
    assert_eq!(stream.message().await["id"], 0);
    let posts = join_all((0..3).map(|_| {
        let (server, target) = (&server, &target);
        async move { server.send("POST", target, &[], &call("same").to_string()).await }
    }))
    .await;
    let (taken, refused): (Vec<_>, Vec<_>) = posts.iter().partition(|answer| answer.status == 202);
    assert_eq!((taken.len(), refused.len()), (1, 2), "{posts:?}");
    assert!(refused.iter().all(|answer| answer.status == 400 && answer.json()["id"] == "same"), "{posts:?}");
    assert_eq!(stream.message().await["result"]["structuredContent"]["status"], "ok");
    assert_eq!(server.send("POST", &target, &[], &call("same").to_string()).await.status, 202, "free again");
    assert_eq!(stream.message().await["id"], "same");
}

#[tokio::test]
async fn a_client_in_a_session_that_takes_no_stream_is_answered_and_not_asked() {
    let upstream = Upstream::start();
    let number = "+14155550150";
    upstream.account(|account| account.add(number, true));
    let server = Served::on(&upstream, &[OPEN, "--sessions"]).await;
    let opened = shake_hands(&server, None, json!({ "elicitation": {} })).await;
    let session = opened.header("mcp-session-id").expect("a session").to_owned();
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(ask(&server, &session, &[], ready).await.status, 202);
    let arguments = json!({ "number_id": number, "confirm": true });
    let params = json!({ "name": "release_number", "arguments": arguments });
    let release = json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": params });
    let asked = ask(&server, &session, &[("accept", "application/json")], release);
    let answer = tokio::time::timeout(Duration::from_secs(20), asked).await.expect("it does not wait for a person");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{answer:?}");
    let told = answer.json();
    assert_eq!(told["id"], 3, "{told}");
    assert_ne!(told["result"]["structuredContent"]["status"], "released", "{told}");
    assert!(upstream.account(|account| account.has(number)), "{told}");
}
