//! Requests that real clients and proxies send over HTTP.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::event_stream::Events;
use crate::support::fake_truedy::{CREDENTIALS, LIST, Play, Upstream};
use crate::support::http_client::{Served, message, request};
use crate::support::program::{program, run};

const OPEN: &str = "--no-auth-loopback";

fn list() -> Value {
    json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/list", "params": {} })
}

/// A request without these headers.
fn without(names: &[&str], text: &str) -> String {
    let is_kept = |line: &&str| !names.iter().any(|name| line.starts_with(&format!("{name}: ")));
    text.split("\r\n").filter(is_kept).collect::<Vec<_>>().join("\r\n")
}

#[tokio::test]
async fn whoever_takes_a_form_of_answer_is_answered_in_it() {
    let upstream = Upstream::start();
    let server = Served::on(&upstream, &[OPEN]).await;
    for (accept, kind) in [
        ("application/json", "application/json"),
        ("application/json, text/plain, */*", "application/json"),
        ("*/*", "application/json"),
        ("text/html, image/gif, image/jpeg, */*; q=.2", "application/json"),
        ("application/*", "application/json"),
        ("text/event-stream", "text/event-stream"),
        ("text/event-stream, application/json;q=0", "text/event-stream"),
    ] {
        for revision in [None, Some("2025-06-18")] {
            let mut headers = vec![("accept", accept)];
            headers.extend(revision.map(|revision| ("mcp-protocol-version", revision)));
            let answer = server.post(&headers, list()).await;
            assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)), "{accept}: {answer:?}");
            assert_eq!(answer.json()["id"], 7, "{accept}: {answer:?}");
            assert_eq!(answer.body.matches("data:").count(), usize::from(kind.starts_with("text")), "{answer:?}");
        }
        let modern = server.call_with(&[("accept", accept)], "list_numbers", json!({})).await;
        assert_eq!((modern.status, modern.header("content-type")), (200, Some(kind)), "{accept}: {modern:?}");
        assert_eq!(modern.json()["result"]["structuredContent"]["status"], "ok", "{accept}: {modern:?}");
    }
    let none = without(&["accept"], &request(&server.host(), "POST", "/mcp", &[], &list().to_string()));
    let answer = server.connect().await.ask("POST", none).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{answer:?}");
    // Whoever takes neither is told what there is, with the id; a GET has no stream to give, whatever it accepts.
    let answer = server.post(&[("accept", "text/html")], list()).await;
    assert_eq!((answer.status, &answer.json()["id"]), (406, &json!(7)), "{answer:?}");
    assert!(answer.body.contains("application/json") && answer.body.contains("text/event-stream"), "{answer:?}");
    for accept in ["application/json", "text/html", "*/*"] {
        assert_eq!(server.get("/mcp", &[("accept", accept)]).await.status, 405, "{accept}");
    }
}

#[tokio::test]
async fn a_call_that_tells_of_progress_is_one_object_to_whoever_takes_no_stream() {
    let upstream = Upstream::start();
    upstream.always(CREDENTIALS, Play::After(Duration::from_secs(6), Box::new(Play::Usual)));
    let server = Served::on(&upstream, &[OPEN]).await;
    let params = json!({ "name": "list_credentials", "arguments": {}, "_meta": { "progressToken": "tick" } });
    let call = json!({ "jsonrpc": "2.0", "id": "slow", "method": "tools/call", "params": params });
    let (both, json) =
        tokio::join!(server.post(&[], call.clone()), server.post(&[("accept", "application/json")], call.clone()));
    assert!(both.body.contains("notifications/progress"), "{both:?}");
    assert_eq!(json.header("content-type"), Some("application/json"), "{json:?}");
    assert_eq!(json.json()["result"], both.json()["result"]);
    assert_eq!(json.json()["id"], "slow");
}

#[tokio::test]
async fn a_slash_behind_an_endpoint_changes_nothing() {
    let upstream = Upstream::start();
    let server = Served::on(&upstream, &[OPEN]).await;
    let answer = server.send("POST", "/mcp/", &[], &list().to_string()).await;
    assert_eq!((answer.status, &answer.json()["id"]), (200, &json!(7)), "{answer:?}");
    let mut stream = Events::get(&server, "/sse/", &[]).await;
    let reference = stream.data().await;
    assert!(reference.starts_with("../messages?sessionId="), "{reference}");
    let target = format!("/messages/?{}", reference.split_once('?').unwrap().1);
    assert_eq!(server.send("POST", &target, &[], &list().to_string()).await.status, 202);
    assert_eq!(stream.message().await["id"], 7);
    for nothing in ["/mcp//", "/mcp/x", "/sse/x/"] {
        assert_eq!(server.send("POST", nothing, &[], &list().to_string()).await.status, 404, "{nothing}");
    }
    let audience = ["--oauth-issuer", "https://login.example.com", "--oauth-audience", "https://mcp.example.com/mcp/"];
    let keys = ["--oauth-jwks-url", "https://login.example.com/jwks.json"];
    let server = Served::on(&upstream, &[&audience[..], &keys].concat()).await;
    for path in ["", "/", "/mcp", "/mcp/"] {
        let answer = server.get(&format!("/.well-known/oauth-protected-resource{path}"), &[]).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn http_1_0_is_answered_where_the_answer_is_whole() {
    let upstream = Upstream::start();
    let server = Served::on(&upstream, &[OPEN]).await;
    let old = |text: String| without(&["connection"], &text).replace("HTTP/1.1", "HTTP/1.0");
    let call = message("tools/call", json!({ "name": "list_numbers", "arguments": {} })).to_string();
    let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "list_numbers")];
    for (method, target, headers, body) in [
        ("POST", "/mcp", &headers[..], call.as_str()),
        ("POST", "/mcp", &[("connection", "keep-alive")], &list().to_string()),
        ("GET", "/", &[], ""),
        ("GET", "/favicon.ico", &[], ""),
    ] {
        let mut talk = server.connect().await;
        let answer = talk.ask(method, old(request(&server.host(), method, target, headers, body))).await;
        assert!(matches!(answer.status, 200 | 204), "{answer:?}");
        assert_eq!(answer.header("connection"), Some("close"), "{answer:?}");
        assert!(talk.rest().await.is_empty(), "it is closed");
    }
    // Nothing of what guards the door is different.
    for (header, value, status) in [("host", "evil.example", 403), ("origin", "https://evil.example", 403)] {
        let text = request(&server.host(), "POST", "/mcp", &[(header, value)], &list().to_string());
        assert_eq!(server.connect().await.ask("POST", old(text)).await.status, status, "{header}");
    }
    assert!(!server.stderr().contains("HTTP/1.0"), "{}", server.stderr());
    for _ in 0..3 {
        for target in ["/sse", "/mcp"] {
            let text = old(request(&server.host(), "GET", target, &[], ""));
            assert_eq!(server.connect().await.ask("GET", text).await.status, 505, "{target}");
        }
    }
    server.until_it_says("proxy_http_version 1.1").await;
    assert_eq!(server.stderr().matches("proxy_http_version").count(), 1, "{}", server.stderr());
}

#[tokio::test]
async fn a_connection_of_a_known_caller_may_rest_and_anybody_elses_is_closed() {
    let server = Served::start(&["--keep-alive-seconds", "14"], &[]).await;
    let bearer = format!("Bearer {}", server.token());
    let open = ("connection", "keep-alive");
    let known = request(&server.host(), "POST", "/mcp", &[open, ("authorization", &bearer)], &list().to_string());
    let unknown = request(&server.host(), "GET", "/favicon.ico", &[open], "");
    let shut_out = request(&server.host(), "POST", "/mcp", &[open], &list().to_string());
    let rests = async |method: &'static str, text: &str, status: u16| {
        let mut talk = server.connect().await;
        assert_eq!(talk.ask(method, text).await.status, status);
        let begun = Instant::now();
        assert!(talk.rest().await.is_empty());
        begun.elapsed()
    };
    let stays = async {
        let mut talk = server.connect().await;
        assert_eq!(talk.ask("POST", &known).await.status, 200);
        tokio::time::sleep(Duration::from_millis(11_500)).await;
        talk.ask("POST", &known).await.status
    };
    let (stays, known, unknown, shut_out) =
        tokio::join!(stays, rests("POST", &known, 200), rests("GET", &unknown, 204), rests("POST", &shut_out, 401));
    assert_eq!(stays, 200, "11.5 s are no matter");
    assert!((13.5..17.0).contains(&known.as_secs_f64()), "{known:?}");
    for closed in [unknown, shut_out] {
        assert!((9.5..13.0).contains(&closed.as_secs_f64()), "{closed:?}");
    }
}

#[tokio::test]
async fn a_body_is_read_as_a_line_is_and_one_that_cannot_be_is_told_why() {
    let upstream = Upstream::start();
    let server = Served::on(&upstream, &[OPEN]).await;
    let marked = format!("\u{feff}{}", list());
    let answer = server.send("POST", "/mcp", &[], &marked).await;
    assert_eq!((answer.status, &answer.json()["id"]), (200, &json!(7)), "{answer:?}");
    let batch = format!("\u{feff}[{}]", list());
    assert_eq!(server.send("POST", "/mcp", &[], &batch).await.json()[0]["id"], 7);
    let half = r#"{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"search_numbers","arguments":{"area_code":"\ud83d"}}}"#;
    let answer = server.send("POST", "/mcp", &[], half).await;
    let told = answer.json();
    assert_eq!((answer.status, &told["id"]), (200, &json!(8)), "{answer:?}");
    assert_eq!(told["result"]["structuredContent"]["status"], "invalid_argument", "{told}");
    let utf_16: Vec<u8> = list().to_string().encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (body, why) in [(&b"{\"id\":\"\xff\"}"[..], "not UTF-8"), (&utf_16, "UTF-16")] {
        let length = body.len().to_string();
        let head = request(&server.host(), "POST", "/mcp", &[("content-length", &length)], "");
        let answer = server.connect().await.ask("POST", [head.as_bytes(), body].concat()).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (400, &json!(-32700)), "{answer:?}");
        assert!(answer.body.contains(why), "{answer:?}");
    }
    let answer = server.post(&[("content-encoding", "gzip")], list()).await;
    assert_eq!((answer.status, answer.header("accept-encoding")), (415, Some("identity")), "{answer:?}");
    assert!(answer.body.contains("gzip"), "{answer:?}");
    assert_eq!(server.post(&[("content-encoding", "identity")], list()).await.status, 200);

    let mut call = program();
    call.args(["call", "list_numbers", "--sandbox", "--ephemeral", "--json", "-"]);
    let called = run(call, "\u{feff}{\"limit\": 1}");
    assert_eq!(called.code, Some(0), "{}", called.stderr);
}

#[tokio::test]
async fn the_pages_of_extensions_and_desktop_programs_can_be_let_in() {
    let upstream = Upstream::start();
    let origins = "chrome-extension://abcdefghijklmnopabcdefghijklmnop,app://obsidian.md,vscode-webview://1a2b";
    let server = Served::on(&upstream, &[OPEN, "--allow-origin", origins]).await;
    for origin in origins.split(',') {
        let asks = [("origin", origin), ("access-control-request-method", "POST")];
        let answer = server.send("OPTIONS", "/mcp", &asks, "").await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, Some(origin)), "{answer:?}");
        assert_eq!(server.post(&[("origin", origin)], list()).await.status, 200);
    }
    for other in ["chrome-extension://abcdefghijklmnopabcdefghijklmnoq", "app://obsidian", "null"] {
        assert_eq!(server.post(&[("origin", other)], list()).await.status, 403, "{other}");
    }
    // A page of this machine that nobody named learns what to do, and so does the operator, once.
    for origin in ["http://localhost:6274", "http://127.0.0.1:3000"] {
        let asks = [("origin", origin), ("access-control-request-method", "POST")];
        let answer = server.send("OPTIONS", "/mcp", &asks, "").await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (403, None), "{answer:?}");
        assert!(answer.body.contains(&format!("--allow-origin {origin}")), "{answer:?}");
    }
    server.until_it_says("http://localhost:6274").await;
    assert!(!server.stderr().contains("127.0.0.1:3000"), "{}", server.stderr());
}

#[tokio::test]
async fn behind_a_path_everything_that_is_told_leads_back() {
    let upstream = Upstream::start();
    let server = Served::on(&upstream, &[OPEN, "--public-path", "/apps/truedy/"]).await;
    let host = server.host();
    // The proxy may take the path off or leave it there.
    for before in ["", "/apps/truedy"] {
        let answer = server.send("POST", &format!("{before}/mcp"), &[], &list().to_string()).await;
        assert_eq!(answer.status, 200, "{before}: {answer:?}");
        let page = server.get(&format!("{before}/"), &[]).await;
        for told in [format!("http://{host}/apps/truedy/mcp"), format!("http://{host}/apps/truedy/sse")] {
            assert!(page.body.contains(&told), "{told}: {}", page.body);
        }
        assert!(!page.body.contains(&format!("{host}/mcp")), "{}", page.body);
        let mut stream = Events::get(&server, &format!("{before}/sse"), &[]).await;
        let reference = stream.data().await;
        assert!(reference.starts_with("messages?sessionId="), "{reference}");
        assert_eq!(server.send("POST", &format!("{before}/{reference}"), &[], &list().to_string()).await.status, 202);
        assert_eq!(stream.message().await["id"], 7);
    }
    assert_eq!(server.get("/apps/truedy", &[]).await.status, 200);
    assert_eq!(server.send("POST", "/apps/mcp", &[], &list().to_string()).await.status, 404);
    // A page on which keys are entered is reached through the proxy, too.
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": { "elicitation": { "url": {} } },
        "io.modelcontextprotocol/clientInfo": { "name": "door", "version": "1" }
    });
    let arguments = json!({ "phone_number": "+14155550150", "provider_type": "telnyx" });
    let params = json!({ "name": "import_number", "arguments": arguments, "_meta": meta });
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let head = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "import_number")];
    let answer = server.post(&head, call).await;
    let (_, url) = answer.body.split_once("http://").unwrap_or_else(|| panic!("no address: {answer:?}"));
    let url = url.split('"').next().unwrap();
    assert!(url.starts_with(&format!("{host}/apps/truedy/enter/")), "{url}");
    let path = url.strip_prefix(&host).unwrap();
    assert_eq!(server.get(path, &[]).await.status, 200, "{path}");
    for bad in ["truedy", "/truedy/mcp", "/a/../b", "/"] {
        let (code, said) = Served::refused(&["--public-path", bad], &[]).await;
        assert!(code == 2 && said.contains("--public-path"), "{bad}: {said}");
    }
}

#[tokio::test]
async fn the_transport_of_2024_is_there_on_ones_own_machine_and_elsewhere_if_it_is_asked_for() {
    let upstream = Upstream::start();
    upstream.account(|account| account.add("+14155550150", true));
    let server = Served::on(&upstream, &[]).await;
    let bearer = format!("Bearer {}", server.token());
    assert_eq!(server.get("/sse", &[]).await.status, 401, "the same token");
    let mut stream = Events::get(&server, "/sse", &[("authorization", &bearer)]).await;
    let target = format!("/{}", stream.data().await);
    let client = json!({ "name": "older", "version": "1" });
    let hello = json!({ "protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": client });
    for (id, method, params) in [
        (1, "initialize", hello),
        (2, "tools/list", json!({})),
        (3, "tools/call", json!({ "name": "list_numbers", "arguments": {} })),
    ] {
        let asks = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string();
        assert_eq!(server.send("POST", &target, &[], &asks).await.status, 401, "the same token");
        let posted = server.send("POST", &target, &[("authorization", &bearer)], &asks).await;
        assert_eq!(posted.status, 202, "{posted:?}");
        let answer = stream.message().await;
        assert!(answer["id"] == id && answer.get("result").is_some(), "{answer}");
        if id == 1 {
            let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string();
            assert_eq!(server.send("POST", &target, &[("authorization", &bearer)], &ready).await.status, 202);
        }
    }
    assert_eq!(upstream.count(LIST), 1);
    let page = server.get("/", &[]).await.body;
    assert!(page.contains("/sse") && page.contains("nothing newer"), "{page}");

    let home = tempfile::tempdir().unwrap();
    let tokens = home.path().join("tokens.toml").display().to_string();
    let mut made = program();
    made.args(["token", "new", "--tokens", &tokens, "--principal", "ana"]);
    assert_eq!(run(made, "").code, Some(0));
    let elsewhere =
        ["--listen", "0.0.0.0:0", "--behind-tls-proxy", "--allow-host", "0.0.0.0", "--tokens", tokens.as_str()];
    let proxied = ["--behind-tls-proxy", "--tokens", tokens.as_str()];
    for (arguments, environment, status) in [
        (&elsewhere[..], &[][..], 404),
        (&[&elsewhere[..], &["--legacy-sse"]].concat(), &[], 401),
        (&[&elsewhere[..], &["--legacy-sse", "on"]].concat(), &[], 401),
        (&elsewhere, &[("TRUEDY_MCP_LEGACY_SSE", "true")], 401),
        (&proxied, &[], 404),
        (&["--legacy-sse", "off"], &[], 404),
        (&["--legacy-sse=off"], &[], 404),
        (&[], &[("TRUEDY_MCP_LEGACY_SSE", "0")], 404),
        (&["--legacy-sse", "on"], &[("TRUEDY_MCP_LEGACY_SSE", "off")], 401),
        (&["--legacy-sse", "--sessions"], &[], 401),
    ] {
        let server = Served::start(arguments, environment).await;
        for target in ["/sse", "/sse/", "/messages"] {
            assert_eq!(server.get(target, &[]).await.status, status, "{arguments:?} {environment:?} {target}");
        }
        let page = server.get("/", &[]).await.body;
        assert_eq!(page.contains("/sse"), status == 401, "{arguments:?} {environment:?}");
    }
    let (code, said) = Served::refused(&["--legacy-sse", "perhaps"], &[]).await;
    assert!(code == 2 && said.contains("--legacy-sse"), "{said}");
}
