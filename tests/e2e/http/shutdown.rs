//! The end of a server that is in use: whoever was heard is answered, and no change is left without an outcome.

use std::time::{Duration, Instant};

use futures::future::join_all;
use rustix::process::Signal;
use serde_json::json;
use tokio::net::TcpStream;

use super::callers::{Files, Line, bearer, begun, look, number};
use crate::support::era::LEGACY;
use crate::support::event_stream::Events;
use crate::support::fake_truedy::{LIST, PURCHASE, Play, Upstream};
use crate::support::http_client::{Served, eventually};

/// Truedy answers after this long.
fn slowly(seconds: u64) -> Play {
    Play::After(Duration::from_secs(seconds), Box::new(Play::Usual))
}

/// Waits until nothing more is taken.
async fn until_shut(served: &Served) {
    eventually("it still listens", async || TcpStream::connect(served.address()).await.is_err()).await;
}

#[tokio::test]
async fn all_that_was_asked_is_answered_and_every_change_has_its_outcome() {
    let (upstream, mut files) = (Upstream::start(), Files::new());
    upstream.always(LIST, slowly(1)).always(PURCHASE, slowly(3));
    let people: Vec<String> = (0..8).map(|n| files.person(&format!("p{n}"))).collect();
    let arguments = ["--ask", "off", "--admin-listen", "127.0.0.1:0", "--drain-seconds", "2"];
    let mut served = files.serve(&upstream, &arguments).await;
    assert_eq!(look(&served, "/readyz").await.status, 200);
    let mut lines = Vec::new();
    for n in 0..50 {
        let mut line = Line::open(&served, &people[n % people.len()]).await;
        let written = match n {
            0..5 => line.written_call("purchase_number", &json!({ "phone_number": number(160 + n), "confirm": true })),
            _ => line.written_call("list_numbers", &json!({})),
        };
        line.send(written).await;
        lines.push(line);
    }
    eventually("it is not bought", async || upstream.count(PURCHASE) == 5).await;
    let idle = Line::open(&served, &people[0]).await;
    served.signal(Signal::TERM);
    eventually("it is still ready", async || look(&served, "/readyz").await.status == 503).await;
    let told = look(&served, "/readyz").await.json();
    assert_eq!((&told["ready"], &told["draining"]), (&json!(false), &json!(true)));
    assert_eq!(look(&served, "/livez").await.status, 200);
    // For a while it still serves, and asks to be left.
    let late = served.call_with(&[("authorization", &bearer(&people[0]))], "list_agents", json!({})).await;
    assert_eq!((late.status, late.header("connection")), (200, Some("close")));
    let answers = lines.iter_mut().map(async |line| line.answer().await);
    for (n, answer) in join_all(answers).await.into_iter().enumerate() {
        let answer = answer.unwrap_or_else(|| panic!("{n} was not answered: {}", served.stderr()));
        assert_eq!(answer.status, 200, "{answer:?}");
        let status = answer.json()["result"]["structuredContent"]["status"].clone();
        assert_eq!(status, if n < 5 { "purchased" } else { "ok" }, "{n}: {answer:?}");
    }
    assert_eq!(served.wait().await, 0, "{}", served.stderr());
    drop(idle);
    let operations = begun(&files.state());
    assert_eq!(operations.len(), 5);
    for operation in operations {
        assert_eq!(operation["state"], "done", "{operation}");
    }
}

#[tokio::test]
async fn a_change_that_takes_longer_than_its_caller_may_wait_is_finished() {
    let (upstream, mut files) = (Upstream::start(), Files::new());
    upstream.always(PURCHASE, slowly(28));
    let ana = files.person("ana");
    let mut served = files.serve(&upstream, &["--ask", "off", "--drain-seconds", "0"]).await;
    let mut line = Line::open(&served, &ana).await;
    let written = line.written_call("purchase_number", &json!({ "phone_number": number(160), "confirm": true }));
    line.send(written).await;
    eventually("it is not bought", async || upstream.count(PURCHASE) == 1).await;
    served.signal(Signal::TERM);
    let answer = line.answer().await.expect("an answer").json();
    let told = &answer["result"]["structuredContent"];
    assert_eq!(told["status"], "in_progress", "{answer}");
    assert_eq!(begun(&files.state())[0]["state"], "sent");
    assert_eq!(served.wait().await, 0, "{}", served.stderr());
    let operation = &begun(&files.state())[0];
    assert_eq!((&operation["state"], &operation["id"]), (&json!("done"), &told["operation_id"]));
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once_and_the_journal_says_what_was_under_way() {
    let (upstream, mut files) = (Upstream::start(), Files::new());
    upstream.always(PURCHASE, Play::Never);
    let ana = files.person("ana");
    let mut served =
        files.serve(&upstream, &["--ask", "off", "--drain-seconds", "300", "--admin-listen", "127.0.0.1:0"]).await;
    let mut line = Line::open(&served, &ana).await;
    let written = line.written_call("purchase_number", &json!({ "phone_number": number(160), "confirm": true }));
    line.send(written).await;
    eventually("it is not bought", async || upstream.count(PURCHASE) == 1).await;
    served.signal(Signal::TERM);
    eventually("it is still ready", async || look(&served, "/readyz").await.status == 503).await;
    let second = Instant::now();
    served.signal(Signal::TERM);
    assert_eq!(served.wait().await, 1);
    assert!(second.elapsed() < Duration::from_secs(20), "it took {:?}", second.elapsed());
    assert_eq!(begun(&files.state())[0]["state"], "unknown");
}

#[tokio::test]
async fn a_message_that_is_still_on_its_way_when_the_door_shuts_is_answered() {
    let (upstream, mut files) = (Upstream::start(), Files::new());
    let ana = files.person("ana");
    let mut served = files.serve(&upstream, &["--drain-seconds", "0", "--legacy-sse"]).await;
    let line = Line::open(&served, &ana).await;
    let written = line.written("GET", "/sse", &[], "");
    let mut events = Events::open(line.into_talk(), &written).await;
    let (_, reference) = events.next().await.expect("an event");
    let target = format!("/{reference}");
    let mut legacy = Line::open(&served, &ana).await;
    let ping =
        legacy.written("POST", &target, &[], &json!({ "jsonrpc": "2.0", "id": 3, "method": "ping" }).to_string());
    let mut line = Line::open(&served, &ana).await;
    let call = line.written_call("list_numbers", &json!({}));
    let (call, rest) = call.split_at(call.len() - 10);
    let (ping, ping_rest) = ping.split_at(ping.len() - 10);
    assert!(line.send(call).await && legacy.send(ping).await);
    // The heads have been read by the time another request is answered.
    for _ in 0..20 {
        assert_eq!(served.call(&ana, "list_agents", json!({})).await["status"], "ok");
    }
    served.signal(Signal::TERM);
    until_shut(&served).await;
    assert!(line.send(rest).await && legacy.send(ping_rest).await);
    let answer = line.answer().await.expect("an answer");
    assert_eq!((answer.status, &answer.json()["result"]["structuredContent"]["status"]), (200, &json!("ok")));
    assert_eq!(legacy.answer().await.expect("an answer").status, 202);
    assert_eq!(events.message().await["id"], 3);
    assert_eq!(events.next().await, None);
    assert_eq!(served.wait().await, 0, "{}", served.stderr());
}

#[tokio::test]
async fn a_question_that_nobody_answers_is_taken_back_and_its_call_answered() {
    let (upstream, mut files) = (Upstream::start(), Files::new());
    upstream.account(|account| account.add("+14155550150", true));
    let ana = files.person("ana");
    let mut served = files.serve(&upstream, &["--drain-seconds", "0", "--sessions"]).await;
    let client = json!({ "name": "drain", "version": "1" });
    let params = json!({ "protocolVersion": LEGACY, "capabilities": { "elicitation": {} }, "clientInfo": client });
    let hello = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
    let opened = served.post(&[("authorization", &bearer(&ana))], hello).await;
    let session = opened.header("mcp-session-id").expect("a session");
    let headers = [("authorization", &*bearer(&ana)), ("mcp-session-id", session), ("mcp-protocol-version", LEGACY)];
    served.post(&headers, json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    let params = json!({ "name": "release_number", "arguments": { "number_id": "+14155550150", "confirm": true } });
    let call = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params });
    let line = Line::open(&served, &ana).await;
    let written = line.written("POST", "/mcp", &headers[1..], &call.to_string());
    let mut events = Events::open(line.into_talk(), &written).await;
    assert_eq!(events.message().await["method"], "elicitation/create");
    served.signal(Signal::TERM);
    let answered = loop {
        let message = events.message().await;
        if message["id"] == 7 && message.get("method").is_none() {
            break message;
        }
    };
    assert_eq!(answered["result"]["structuredContent"]["status"], "cancelled", "{answered}");
    assert_eq!(served.wait().await, 0, "{}", served.stderr());
    assert!(upstream.account(|account| account.has("+14155550150")));
}

/// One that gives up is usual: the log of an operator must not call it an error.
#[tokio::test]
async fn clients_that_leave_before_their_answers_are_no_errors_in_the_log() {
    let (upstream, mut files) = (Upstream::start(), Files::new());
    upstream.always(LIST, slowly(1));
    let ana = files.person("ana");
    let mut served = files.serve(&upstream, &["--drain-seconds", "0"]).await;
    let mut line = Line::open(&served, &ana).await;
    let written = line.written_call("list_numbers", &json!({}));
    line.send(written).await;
    eventually("it is not asked for", async || upstream.count(LIST) == 1).await;
    drop(line);
    // This call ends after the one that nobody waits for.
    let patient = served.call_with(&[("authorization", &bearer(&ana))], "list_numbers", json!({})).await;
    assert_eq!(patient.status, 200);
    served.signal(Signal::TERM);
    assert_eq!(served.wait().await, 0, "{}", served.stderr());
    let log = served.stderr();
    assert!(!log.contains("\"ERROR\""), "{log}");
}
