//! The transport of 2024-11-05 (--legacy-sse): one stream out, messages in by POST, each stream its caller's alone.

use serde_json::{Value, json};

use super::callers::{Files, Line, bearer, release_it};
use crate::support::event_stream::Events;
use crate::support::expected::TOOLS;
use crate::support::fake_truedy::{LIST, RELEASE, Upstream};
use crate::support::http_client::{Answer, Served, eventually};

/// The most streams of one principal.
const EACH: usize = 16;

/// A client that is connected.
struct Client {
    events: Events,
    target: String,
    token: String,
}

impl Client {
    async fn connect(served: &Served, token: &str) -> Self {
        let line = Line::open(served, token).await;
        let written = line.written("GET", "/sse", &[], "");
        let mut events = Events::open(line.into_talk(), &written).await;
        assert_eq!((events.status, events.header("content-type")), (200, Some("text/event-stream")));
        let (name, target) = events.next().await.expect("an event");
        assert_eq!(name, "endpoint");
        let id = target.strip_prefix("messages?sessionId=").unwrap_or_else(|| panic!("no relative path: {target}"));
        assert!(id.len() == 64 && id.bytes().all(|digit| digit.is_ascii_hexdigit()), "{id}");
        Self { events, target: format!("/{target}"), token: token.to_owned() }
    }

    async fn post(&self, served: &Served, message: &Value) -> Answer {
        post(served, &self.token, &self.target, message).await
    }

    /// Sends a request; its answer, which comes on the stream.
    async fn ask(&mut self, served: &Served, id: u64, method: &str, params: Value) -> Value {
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let answer = self.post(served, &message).await;
        assert_eq!((answer.status, answer.body.as_str()), (202, ""), "{answer:?}");
        let answer = self.events.message().await;
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    async fn shake_hands(&mut self, served: &Served, version: &str, capabilities: Value) -> Value {
        let client = json!({ "name": "legacy", "version": "1" });
        let params = json!({ "protocolVersion": version, "capabilities": capabilities, "clientInfo": client });
        let answer = self.ask(served, 0, "initialize", params).await;
        let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(self.post(served, &ready).await.status, 202);
        answer
    }
}

async fn post(served: &Served, token: &str, target: &str, message: &Value) -> Answer {
    served.send("POST", target, &[("authorization", &bearer(token))], &message.to_string()).await
}

fn ping() -> Value {
    json!({ "jsonrpc": "2.0", "id": 9, "method": "ping" })
}

#[tokio::test]
async fn a_whole_conversation_takes_place() {
    let (upstream, mut files) = (Upstream::start(), Files::new());
    upstream.account(|account| account.add("+14155550150", true));
    let ana = files.person("ana");
    let served = files.serve(&upstream, &["--legacy-sse"]).await;
    let mut client = Client::connect(&served, &ana).await;
    let hello = client.shake_hands(&served, "2024-11-05", json!({})).await;
    assert_eq!(hello["result"]["protocolVersion"], "2024-11-05", "{hello}");
    assert_eq!(hello["result"]["serverInfo"]["name"], "truedy-mcp");
    assert!(client.ask(&served, 1, "ping", json!({})).await.get("result").is_some());
    let tools = client.ask(&served, 2, "tools/list", json!({})).await;
    assert_eq!(tools["result"]["tools"].as_array().map(Vec::len), Some(TOOLS.len()), "{tools}");
    let params = json!({ "name": "list_numbers", "arguments": {} });
    let listed = client.ask(&served, 3, "tools/call", params).await;
    assert_eq!(listed["result"]["structuredContent"]["numbers"][0]["number"], "+14155550150", "{listed}");
    let params = json!({ "name": "no_such_tool" });
    assert!(client.ask(&served, 4, "tools/call", params).await.get("error").is_some());
    // What cannot be read is refused where it came in.
    for (body, due) in [("{", 400), ("[]", 400), ("{}", 400), ("{\"jsonrpc\":\"2.0\",\"id\":1}", 400)] {
        let answer = served.send("POST", &client.target, &[("authorization", &bearer(&ana))], body).await;
        assert_eq!(answer.status, due, "{body}: {answer:?}");
    }
    assert!(client.ask(&served, 5, "ping", json!({})).await.get("result").is_some());
}

#[tokio::test]
async fn a_stream_is_of_no_use_to_anybody_else() {
    let (upstream, mut files) = (Upstream::start(), Files::new());
    let (ana, ben) = (files.person("ana"), files.person("ben"));
    let ana_reads = files.token("ana", "default", &["numbers:read"]);
    let served = files.serve(&upstream, &["--legacy-sse"]).await;
    let mut client = Client::connect(&served, &ana).await;
    client.shake_hands(&served, "2024-11-05", json!({})).await;
    for target in
        [client.target.as_str(), "/messages", "/messages?sessionId=", "/messages?sessionId=0", "/messages?x=1"]
    {
        assert_eq!(post(&served, &ben, target, &ping()).await.status, 404, "{target}");
    }
    for (method, target, due) in [("GET", "/messages", 405), ("DELETE", "/sse", 405), ("POST", "/sse", 405)] {
        assert_eq!(served.send(method, target, &[("authorization", &bearer(&ana))], "").await.status, due, "{method}");
        let answer = served.send(method, target, &[], "").await;
        assert_eq!(answer.status, 401, "{answer:?}");
    }
    assert_eq!(served.send("GET", "/sse", &[], "").await.status, 401);
    assert_eq!(served.send("POST", &client.target, &[], &ping().to_string()).await.status, 401);
    // Another token of the same person has its own rights here.
    let call = |tool: &str| {
        let params = json!({ "name": tool, "arguments": {} });
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params })
    };
    assert_eq!(post(&served, &ana_reads, &client.target, &call("release_number")).await.status, 403);
    assert_eq!(post(&served, &ana_reads, &client.target, &call("list_numbers")).await.status, 202);
    assert_eq!(client.events.message().await["result"]["structuredContent"]["status"], "ok");
    assert_eq!(post(&served, &ana, &client.target, &call("list_numbers")).await.status, 202);
    assert_eq!(client.events.message().await["result"]["structuredContent"]["status"], "ok");
    // What a request narrows holds for that request.
    let narrow = [("authorization", &*bearer(&ana)), ("x-mcp-tools", "list_agents")];
    let answer = served.send("POST", &client.target, &narrow, &call("list_numbers").to_string()).await;
    assert_eq!(answer.status, 202);
    assert_eq!(client.events.message().await["result"]["structuredContent"]["rule"], "x_mcp_tools");
    assert_eq!(upstream.count(LIST), 2);
}

#[tokio::test]
async fn one_has_sixteen_streams_at_most_and_leaving_frees_one() {
    let (upstream, mut files) = (Upstream::start(), Files::new());
    let (ana, ben) = (files.person("ana"), files.person("ben"));
    let served = files.serve(&upstream, &["--legacy-sse"]).await;
    let mut clients = Vec::new();
    for _ in 0..EACH {
        clients.push(Client::connect(&served, &ana).await);
    }
    let refused = async || served.send("GET", "/sse", &[("authorization", &bearer(&ana))], "").await;
    let answer = refused().await;
    assert_eq!(answer.status, 429, "{answer:?}");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    let theirs = Client::connect(&served, &ben).await;
    let left = clients.swap_remove(3);
    let (target, token) = (left.target.clone(), left.token.clone());
    drop(left);
    eventually("it is still there", async || post(&served, &token, &target, &ping()).await.status == 404).await;
    clients.push(Client::connect(&served, &ana).await);
    assert_eq!(refused().await.status, 429);
    assert_eq!(theirs.post(&served, &ping()).await.status, 202);
}

#[tokio::test]
async fn a_person_is_asked_over_it_and_nobody_else_can_answer() {
    let (upstream, mut files) = (Upstream::start(), Files::new());
    let number = "+14155550150";
    upstream.account(|account| account.add(number, true));
    let (ana, ben) = (files.person("ana"), files.person("ben"));
    let ana_reads = files.token("ana", "default", &["numbers:read"]);
    let served = files.serve(&upstream, &["--legacy-sse"]).await;
    let mut client = Client::connect(&served, &ana).await;
    client.shake_hands(&served, "2025-06-18", json!({ "elicitation": {} })).await;
    let release = json!({ "name": "release_number", "arguments": { "number_id": number, "confirm": true } });
    for (answer, due) in [(json!({ "action": "cancel" }), "human_declined"), (release_it(number), "released")] {
        let asks = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": release });
        assert_eq!(client.post(&served, &asks).await.status, 202);
        let asked = client.events.message().await;
        assert_eq!(asked["method"], "elicitation/create", "{asked}");
        let yes = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": release_it(number) });
        assert_eq!(post(&served, &ben, &client.target, &yes).await.status, 404);
        assert_eq!(post(&served, &ana_reads, &client.target, &yes).await.status, 403, "it may not release");
        let says = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": answer });
        assert_eq!(client.post(&served, &says).await.status, 202);
        let answered = client.events.message().await;
        assert_eq!(answered["result"]["structuredContent"]["status"], due, "{answered}");
    }
    assert_eq!(upstream.count(RELEASE), 1);
}

#[tokio::test]
async fn a_call_that_says_a_thing_twice_is_refused_with_its_name() {
    let (upstream, mut files) = (Upstream::start(), Files::new());
    let ana = files.person("ana");
    let served = files.serve(&upstream, &["--legacy-sse"]).await;
    let mut client = Client::connect(&served, &ana).await;
    client.shake_hands(&served, "2024-11-05", json!({})).await;
    let with = |arguments: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"purchase_number","arguments":{arguments}}}}}"#
        )
    };
    let headers = bearer(&ana);
    let headers = [("authorization", headers.as_str())];
    let odd = with(r#"{"phone_number":"+14155550150","confirm":false,"\u0063onfirm":true}"#);
    assert_eq!(served.send("POST", &client.target, &headers, &odd).await.status, 202);
    let answer = client.events.message().await;
    let object = &answer["result"]["structuredContent"];
    assert_eq!((&object["status"], &object["problems"][0]["field"]), (&json!("invalid_argument"), &json!("confirm")));
    let odd = served.send("POST", &client.target, &headers, &with(r#"{},"arguments":{}"#)).await;
    assert_eq!((odd.status, &odd.json()["id"], &odd.json()["error"]["code"]), (400, &json!(7), &json!(-32600)));
    assert_eq!(upstream.changes(), 0);
}
