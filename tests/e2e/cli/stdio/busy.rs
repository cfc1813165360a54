//! What holds up nobody else on stdio: long lists, and silent connections to the page for keys.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::era::Era;
use crate::support::fake_truedy::{AGENTS, LIST, Play, Upstream};
use crate::support::http_client::{Talk, request};
use crate::support::program::{LONG, server};
use crate::support::raw_client::{Called, Wire};

/// Rows of a page of a list that ignores `limit`.
const ROWS: usize = 5_000;
/// A Truedy that gives 5,000 numbers and agents at once, whatever it is asked for; each agent holds one number.
fn unlimited() -> Upstream {
    let upstream = Upstream::start();
    let number = |at: usize| format!("+1415{:07}", 2_000_000 + at);
    let numbers: Vec<Value> = (0..ROWS)
        .map(|at| {
            json!({ "id": format!("n{at}"), "phone_number": number(at), "status": "active", "is_trudy_managed": true,
            "inbound_agent_id": format!("a{at}"), "outbound_agent_id": null })
        })
        .collect();
    let agents: Vec<Value> = (0..ROWS)
        .map(|at| json!({ "id": format!("a{at}"), "name": format!("Agent {at}"), "status": "active",
            "inbound_phone_numbers": [{ "id": format!("n{at}"), "phone_number": number(at) }], "outbound_phone_numbers": [] }))
        .collect();
    let all = |rows: Vec<Value>| Play::json(200, &json!({ "data": rows }));
    upstream.always(LIST, all(numbers)).always(AGENTS, all(agents));
    upstream
}

#[test]
fn no_ping_waits_for_a_list_that_ignores_the_limit() {
    let upstream = unlimited();
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    // More at once than there are threads.
    let mut calls: Vec<u64> =
        [json!({ "status": "pending" }), json!({ "agent_id": "a17" }), json!({ "unassigned": false })]
            .into_iter()
            .map(|arguments| wire.send_call("list_numbers", arguments))
            .collect();
    let (begun, mut longest, mut pings) = (Instant::now(), Duration::ZERO, 0);
    while let Some(id) = calls.last().copied() {
        if let Some(answer) = wire.answer_within(id, Duration::ZERO) {
            assert_eq!(Called(answer).status(), "ok");
            calls.pop();
        }
        let asked = Instant::now();
        assert_eq!(wire.ask("ping", json!({}))["result"], json!({}));
        longest = longest.max(asked.elapsed());
        pings += 1;
        thread::sleep(Duration::from_millis(5));
        assert!(begun.elapsed() < LONG);
    }
    // A ping that waits for the lists takes nearly all of the time. On a busy machine each takes its part.
    let all = begun.elapsed();
    assert!(pings > 20 && longest * 2 < all, "{longest:?} of {all:?}, {pings} pings");
}

#[tokio::test]
async fn silent_connections_do_not_keep_a_browser_from_the_page_for_keys() {
    let upstream = Upstream::start();
    let declared = json!({ "elicitation": { "form": {}, "url": {} } });
    let mut wire = Wire::able(server(&upstream.base_url()), Era::Legacy, declared);
    wire.send_call("import_number", json!({ "phone_number": "+12125550143", "provider_type": "telnyx" }));
    let asked = wire.said();
    let url = asked["params"]["url"].as_str().unwrap_or_else(|| panic!("no page: {asked}")).to_owned();
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let browse = async || {
        let begun = Instant::now();
        let text = request(host, "GET", &format!("/{path}"), &[], "");
        let answer = Talk::new(TcpStream::connect(host).await.unwrap()).ask("GET", text.as_bytes()).await;
        (answer.status, begun.elapsed())
    };
    // Silent; or with a head that does not end.
    for said in ["", "GET / HTTP/1.1\r\nhost: "] {
        let mut open = Vec::new();
        for _ in 0..64 {
            let mut stream = TcpStream::connect(host).await.expect("it listens");
            stream.write_all(said.as_bytes()).await.expect("it is read");
            open.push(stream);
        }
        for _ in 0..3 {
            let (status, took) = browse().await;
            assert!(status == 200 && took < Duration::from_secs(2), "{said:?}: {status} after {took:?}");
        }
    }
    let begun = Instant::now();
    let stream = TcpStream::connect(host).await.expect("it listens");
    let ended = tokio::time::timeout(LONG, stream.readable()).await;
    assert!(ended.is_ok() && begun.elapsed() < Duration::from_secs(5), "a silent one is closed: {:?}", begun.elapsed());
}
