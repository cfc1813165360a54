//! Sessions for older clients: each is one principal's, there are only so many, and a person can be asked in one.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::callers::{Files, Line, bearer, connected, measured, modern, release_it};
use super::tenancy::{Setup, Tenancy, for_one_tenant_and_many};
use crate::support::era::{LEGACY, MODERN};
use crate::support::event_stream::Events;
use crate::support::expected::{self, TOOLS};
use crate::support::fake_truedy::{RELEASE, Upstream};
use crate::support::http_client::{Answer, Served, eventually, message};

/// The most sessions of one principal.
const EACH: usize = 16;

fn initialize(version: &str, capabilities: &Value) -> Value {
    let client = json!({ "name": "sessions", "version": "1" });
    json!({
        "jsonrpc": "2.0", "id": 0, "method": "initialize",
        "params": { "protocolVersion": version, "capabilities": capabilities, "clientInfo": client }
    })
}

fn call(id: u64, tool: &str, arguments: &Value) -> Value {
    let params = json!({ "name": tool, "arguments": arguments });
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })
}

/// Posts a message in a session, or without one.
async fn post(served: &Served, token: &str, session: Option<&str>, message: Value) -> Answer {
    let bearer = bearer(token);
    let mut headers = vec![("authorization", bearer.as_str())];
    headers.extend(session.map(|session| ("mcp-session-id", session)));
    headers.extend(session.map(|_| ("mcp-protocol-version", LEGACY)));
    served.post(&headers, message).await
}

/// Opens a session of somebody who can be asked.
async fn open(served: &Served, token: &str) -> String {
    let answer = post(served, token, None, initialize(LEGACY, &json!({ "elicitation": {} }))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let session = answer.header("mcp-session-id").expect("a session").to_owned();
    assert_eq!(post(served, token, Some(&session), ready()).await.status, 202);
    session
}

/// What a client says once it has begun.
fn ready() -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })
}

fn ping() -> Value {
    json!({ "jsonrpc": "2.0", "id": 2, "method": "ping" })
}

async fn close(served: &Served, token: &str, session: &str) -> u16 {
    let headers = [("authorization", &*bearer(token)), ("mcp-session-id", session)];
    served.send("DELETE", "/mcp", &headers, "").await.status
}

for_one_tenant_and_many!(a_session_is_of_no_use_to_anybody_else);
async fn a_session_is_of_no_use_to_anybody_else(tenancy: Tenancy) {
    let mut setup = Setup::new(tenancy);
    let (ana, ben) = (setup.person("ana"), setup.stranger("ana"));
    let served = setup.serve(&["--sessions"]).await;
    let session = open(&served, &ana).await;
    let list = call(1, "list_numbers", &json!({}));
    assert_eq!(post(&served, &ana, Some(&session), list.clone()).await.status, 200);
    // Whatever way it is tried: to others it is not there.
    for message in [
        list.clone(),
        ping(),
        ready(),
        json!({ "jsonrpc": "2.0", "id": 0, "result": { "action": "accept", "content": {} } }),
    ] {
        let answer = post(&served, &ben, Some(&session), message.clone()).await;
        assert_eq!(answer.status, 404, "{message}: {answer:?}");
    }
    // Whoever begins anew gets a session of their own, whatever they named.
    let anew = post(&served, &ben, Some(&session), initialize(LEGACY, &json!({}))).await;
    assert!(anew.status == 200 && anew.header("mcp-session-id").is_some_and(|own| own != session), "{anew:?}");
    let foreign = [("authorization", &*bearer(&ben)), ("mcp-session-id", &*session)];
    for version in [None, Some("2025-03-26"), Some("2025-06-18"), Some(LEGACY)] {
        let mut headers = foreign.to_vec();
        headers.extend(version.map(|version| ("mcp-protocol-version", version)));
        assert_eq!(served.send("GET", "/mcp", &headers, "").await.status, 404, "{version:?}");
        assert_eq!(served.send("DELETE", "/mcp", &headers, "").await.status, 404, "{version:?}");
    }
    // It goes on for its own.
    assert_eq!(post(&served, &ana, Some(&session), list.clone()).await.status, 200);
    // The newer revision knows no sessions: there the header means nothing.
    let headers = [&modern("list_numbers")[..], &foreign[..]].concat();
    let params = json!({ "name": "list_numbers", "arguments": {} });
    assert_eq!(served.post(&headers, message("tools/call", params)).await.status, 200);
}

for_one_tenant_and_many!(a_session_is_its_callers_whatever_revision_somebody_else_names);
async fn a_session_is_its_callers_whatever_revision_somebody_else_names(tenancy: Tenancy) {
    let mut setup = Setup::new(tenancy);
    let (ana, ben) = (setup.person("ana"), setup.stranger("ana"));
    let served = setup.serve(&["--sessions"]).await;
    let session = open(&served, &ana).await;
    let status = async |token: &str| post(&served, token, Some(&session), ping()).await.status;
    assert_eq!((status(&ana).await, status(&ben).await), (200, 404));
    let foreign = [("authorization", &*bearer(&ben)), ("mcp-session-id", &*session)];
    // A handshake is one of the older revisions whatever it calls itself: refused, or a session of its own.
    for version in [LEGACY, "2024-11-05", "2025-03-26", MODERN, "2027-01-01", "9999-12-31", "zzz", "1", ""] {
        let headers = [&foreign[..], &[("mcp-protocol-version", version)]].concat();
        for more in [&[][..], &[("mcp-method", "initialize")]] {
            let answer = served.post(&[&headers[..], more].concat(), initialize(version, &json!({}))).await;
            let own = answer.header("mcp-session-id").filter(|own| *own != session);
            assert_ne!(answer.header("mcp-session-id"), Some(&*session), "{version}: {answer:?}");
            assert!(answer.status != 200 || own.is_some(), "{version}: {answer:?}");
            if let Some(own) = own {
                assert_eq!(close(&served, &ben, own).await, 204);
            }
        }
        for accept in ["application/json, text/event-stream", "text/event-stream"] {
            for method in ["GET", "DELETE"] {
                let headers = [&headers[..], &[("accept", accept)]].concat();
                let answer = served.send(method, "/mcp", &headers, "").await;
                assert!(matches!(answer.status, 400..=405), "{method} {version}: {answer:?}");
            }
        }
        assert_eq!(status(&ana).await, 200, "it lives after {version}");
    }
}

#[tokio::test]
async fn a_session_goes_on_with_another_token_of_its_person_and_each_request_has_the_scopes_of_its_own() {
    let (upstream, mut files) = (Upstream::start(), Files::new());
    let reads = files.token("ana", "default", &["numbers:read"]);
    let (all, other) = (files.person("ana"), files.token("ana", "default", &["credentials:read"]));
    let served = files.serve(&upstream, &["--sessions"]).await;
    let session = open(&served, &reads).await;
    let list = || json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let buy = || call(2, "purchase_number", &json!({}));
    // A step-up in the middle, and back.
    let opened = |scope: &str| expected::opened_by(&[scope]).len();
    let (some, every, one) = (opened("numbers:read"), TOOLS.len(), opened("credentials:read"));
    for (token, tools, bought) in
        [(&reads, some, 403), (&all, every, 200), (&other, one, 403), (&reads, some, 403), (&all, every, 200)]
    {
        let answer = post(&served, token, Some(&session), list()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()["result"]["tools"].as_array().map(Vec::len), Some(tools), "{answer:?}");
        let answer = post(&served, token, Some(&session), buy()).await;
        assert_eq!(answer.status, bought, "{answer:?}");
        let uri = json!({ "uri": "truedy://numbers" });
        let read = json!({ "jsonrpc": "2.0", "id": 3, "method": "resources/read", "params": uri });
        let answer = post(&served, token, Some(&session), read).await.json();
        assert_eq!(answer.get("result").is_some(), tools > 1, "{answer}");
    }
    // A stream that is taken up again may tell what the wider token was answered.
    let reads_bearer = bearer(&reads);
    let own = [("authorization", &*reads_bearer), ("mcp-session-id", &*session), ("mcp-protocol-version", LEGACY)];
    let headers = [&own[..], &[("last-event-id", "0"), ("accept", "text/event-stream")]].concat();
    assert_eq!(served.send("GET", "/mcp", &headers, "").await.status, 403);
    assert_eq!(close(&served, &reads, &session).await, 204);
    assert_eq!(post(&served, &all, Some(&session), list()).await.status, 404);
}

#[tokio::test]
async fn an_id_is_made_here_and_cannot_be_guessed_or_chosen() {
    let (upstream, mut files) = (Upstream::start(), Files::new());
    let ana = files.person("ana");
    let served = files.serve(&upstream, &["--sessions"]).await;
    for chosen in ["chosen", "00000000-0000-4000-8000-000000000000"] {
        let answer = post(&served, &ana, Some(chosen), call(1, "list_numbers", &json!({}))).await;
        assert_eq!((answer.status, answer.header("mcp-session-id")), (404, None), "{answer:?}");
        let answer = post(&served, &ana, Some(chosen), initialize(LEGACY, &json!({}))).await;
        let made = answer.header("mcp-session-id").expect("a session");
        assert!(made != chosen && uuid::Uuid::parse_str(made).is_ok(), "{answer:?}");
        assert_eq!(close(&served, &ana, made).await, 204);
    }
    let mut ids = BTreeSet::new();
    for _ in 0..EACH {
        let session = open(&served, &ana).await;
        let id = uuid::Uuid::parse_str(&session).expect("a random id");
        assert_eq!(id.get_version_num(), 4, "{session}");
        ids.insert(session);
    }
    assert_eq!(ids.len(), EACH);
    // Without a session only a handshake is answered.
    assert_eq!(post(&served, &ana, None, call(1, "list_numbers", &json!({}))).await.status, 400);
}

for_one_tenant_and_many!(one_has_sixteen_at_most_whatever_revision_is_named_and_gives_one_back_by_closing_it);
async fn one_has_sixteen_at_most_whatever_revision_is_named_and_gives_one_back_by_closing_it(tenancy: Tenancy) {
    let mut setup = Setup::new(tenancy);
    let (ana, ben) = (setup.person("ana"), setup.stranger("ana"));
    let served = setup.serve(&["--sessions", "--admin-listen", "127.0.0.1:0"]).await;
    // What the handshake names in its head, and in its body.
    let named = [
        (None, LEGACY),
        (None, MODERN),
        (Some("2025-03-26"), "2025-03-26"),
        (Some(LEGACY), LEGACY),
        (Some(MODERN), MODERN),
    ];
    let begin = async |(head, body): (Option<&str>, &str), more: &[(&str, &str)]| {
        let bearer = bearer(&ana);
        let mut headers = vec![("authorization", bearer.as_str())];
        headers.extend(more);
        headers.extend(head.map(|version| ("mcp-protocol-version", version)));
        served.post(&headers, initialize(body, &json!({}))).await
    };
    let method = ("mcp-method", "initialize");
    let mut sessions = Vec::new();
    for version in named.into_iter().cycle().take(EACH) {
        let answer = begin(version, &[method]).await;
        assert_eq!(answer.status, 200, "{version:?}: {answer:?}");
        let session = answer.header("mcp-session-id").expect("a session");
        assert_eq!(post(&served, &ana, Some(session), ready()).await.status, 202);
        sessions.push(session.to_owned());
    }
    for version in named {
        for more in [&[][..], &[method]] {
            let answer = begin(version, more).await;
            assert_eq!((answer.status, answer.header("mcp-session-id")), (429, None), "{version:?}: {answer:?}");
            assert!(answer.header("retry-after").is_some(), "{answer:?}");
        }
    }
    assert_eq!(measured(&served, "http_sessions").await, EACH as f64);
    let theirs = open(&served, &ben).await;
    assert_eq!(close(&served, &ben, &sessions[0]).await, 404);
    assert_eq!(close(&served, &ana, &sessions[0]).await, 204);
    let list = call(1, "list_numbers", &json!({}));
    assert_eq!(post(&served, &ana, Some(&sessions[0]), list.clone()).await.status, 404);
    sessions.push(open(&served, &ana).await);
    assert_eq!(post(&served, &ana, None, initialize(LEGACY, &json!({}))).await.status, 429);
    for (token, session) in [(&ana, &sessions[1]), (&ana, &sessions[EACH]), (&ben, &theirs)] {
        assert_eq!(post(&served, token, Some(session), list.clone()).await.status, 200);
    }
}

#[tokio::test]
async fn a_handshake_whose_client_has_gone_counts_like_any_other() {
    let (upstream, mut files) = (Upstream::start(), Files::new());
    let ana = files.person("ana");
    let served = files.serve(&upstream, &["--sessions", "--admin-listen", "127.0.0.1:0"]).await;
    for _ in 0..300 {
        let mut line = Line::open(&served, &ana).await;
        let written = line.written("POST", "/mcp", &[], &initialize(LEGACY, &json!({})).to_string());
        line.send(written).await;
    }
    // All of them were read.
    eventually("they are still connected", async || connected(&served).await <= 0.0).await;
    assert!(measured(&served, "http_sessions").await <= EACH as f64);
}

#[tokio::test]
async fn a_person_is_asked_in_a_session_and_nobody_else_can_answer() {
    let (upstream, mut files) = (Upstream::start(), Files::new());
    let (kept, gone) = ("+14155550150", "+14155550151");
    upstream.account(|account| [kept, gone].map(|number| account.add(number, true)));
    let (ana, ben) = (files.person("ana"), files.person("ben"));
    let ana_reads = files.token("ana", "default", &["numbers:read"]);
    let served = files.serve(&upstream, &["--sessions"]).await;
    let session = open(&served, &ana).await;
    for (number, answer, due) in [
        (kept, json!({ "action": "decline" }), "human_declined"),
        (kept, release_it("0000"), "human_declined"),
        (gone, release_it(gone), "released"),
    ] {
        let line = Line::open(&served, &ana).await;
        let body = call(7, "release_number", &json!({ "number_id": number, "confirm": true })).to_string();
        let headers = [("mcp-session-id", session.as_str()), ("mcp-protocol-version", LEGACY)];
        let written = line.written("POST", "/mcp", &headers, &body);
        let mut events = Events::open(line.into_talk(), &written).await;
        assert_eq!((events.status, events.header("content-type")), (200, Some("text/event-stream")));
        let asks = events.message().await;
        assert_eq!(asks["method"], "elicitation/create", "{asks}");
        assert!(asks["params"]["message"].as_str().unwrap().replace(' ', "").contains(number), "{asks}");
        let says = json!({ "jsonrpc": "2.0", "id": asks["id"], "result": answer });
        let yes = json!({ "jsonrpc": "2.0", "id": asks["id"], "result": release_it(number) });
        assert_eq!(post(&served, &ben, Some(&session), yes.clone()).await.status, 404);
        // A token of the same person that may not release does not say yes to it either, in whatever form.
        assert_eq!(post(&served, &ana_reads, Some(&session), yes.clone()).await.status, 403);
        let mut disguised = yes.clone();
        disguised["method"] = json!("notifications/progress");
        assert_eq!(post(&served, &ana_reads, Some(&session), disguised).await.status, 400);
        let elsewhere = open(&served, &ben).await;
        assert_eq!(post(&served, &ben, Some(&elsewhere), yes).await.status, 202);
        assert_eq!(close(&served, &ben, &elsewhere).await, 204);
        assert_eq!(post(&served, &ana, Some(&session), says).await.status, 202);
        let answered = events.message().await;
        assert_eq!((&answered["id"], &answered["result"]["structuredContent"]["status"]), (&json!(7), &json!(due)));
        assert_eq!(events.next().await, None, "the stream ends with the answer");
    }
    assert_eq!((upstream.count(RELEASE), upstream.account(|account| account.has(kept))), (1, true));
}

#[tokio::test]
async fn without_them_older_clients_are_served_and_nobody_is_asked() {
    let (upstream, mut files) = (Upstream::start(), Files::new());
    let ana = files.person("ana");
    let served = files.serve(&upstream, &[]).await;
    let answer = post(&served, &ana, None, initialize(LEGACY, &json!({ "elicitation": {} }))).await;
    assert_eq!((answer.status, answer.header("mcp-session-id")), (200, None), "{answer:?}");
    let answer = post(&served, &ana, Some("any"), call(1, "list_numbers", &json!({}))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    for method in ["GET", "DELETE"] {
        let answer = served.send(method, "/mcp", &[("authorization", &bearer(&ana))], "").await;
        assert_eq!(answer.status, 405, "{answer:?}");
    }
}
