//! What is read as a message, and what as nothing: bodies in every shape, and bytes that two readers could read differently.

use serde_json::{Value, json};

use crate::support::expected::{self, TOOLS};
use crate::support::fake_truedy::Upstream;
use crate::support::http_client::{Served, message, request};

/// A `tools/list` that needs no other header.
fn list() -> String {
    json!({ "jsonrpc": "2.0", "id": "seven", "method": "tools/list", "params": {} }).to_string()
}

/// The statuses of the answers in these bytes, in their order.
fn statuses(bytes: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(bytes);
    text.match_indices("HTTP/1.").filter_map(|(at, _)| text.get(at + 9..at + 12)?.parse().ok()).collect()
}

#[tokio::test]
async fn only_json_by_its_type_is_read() {
    let server = Served::start(&[], &[]).await;
    let bearer = format!("Bearer {}", server.token());
    for (kind, expected) in [
        ("application/json", 200),
        ("Application/JSON", 200),
        ("application/json; charset=utf-8", 200),
        ("application/json;charset=UTF-8", 200),
        ("", 415),
        ("text/plain", 415),
        ("text/plain; application/json", 415),
        ("text/json", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/json-rpc", 415),
        ("application/jsonp", 415),
        ("application/json, text/plain", 415),
        ("text/plain, application/json", 415),
    ] {
        let headers = [("authorization", bearer.as_str()), ("content-type", kind)];
        let answer = server.send("POST", "/mcp", &headers, &list()).await;
        assert_eq!(answer.status, expected, "{kind}: {answer:?}");
        if expected != 200 {
            assert_eq!(answer.json()["error"]["code"], 415, "{kind}: {answer:?}");
        }
    }
    let text = request(&server.host(), "POST", "/mcp", &[("authorization", &bearer)], &list());
    let without = server.raw(text.replace("content-type: application/json\r\n", "")).await;
    assert_eq!(statuses(&without), [415]);
}

#[tokio::test]
async fn a_body_is_at_most_256_kib_however_it_is_sent() {
    const LIMIT: usize = 256 * 1024;
    let server = Served::start(&[], &[]).await;
    let bearer = format!("Bearer {}", server.token());
    let chunked = [("authorization", bearer.as_str()), ("content-length", ""), ("transfer-encoding", "chunked")];
    for (length, expected) in [(LIMIT, 200), (LIMIT + 1, 413), (4 * LIMIT, 413)] {
        let body = format!("{}{}", list(), " ".repeat(length - list().len()));
        let answer = server.send("POST", "/mcp", &[("authorization", &bearer)], &body).await;
        assert_eq!(answer.status, expected, "{length}: {answer:?}");
        for chunk in [length, 4096] {
            let mut sent = String::new();
            for part in body.as_bytes().chunks(chunk) {
                sent.push_str(&format!("{:x}\r\n{}\r\n", part.len(), std::str::from_utf8(part).unwrap()));
            }
            sent.push_str("0\r\n\r\n");
            let text = request(&server.host(), "POST", "/mcp", &chunked, &sent).replace("content-length: \r\n", "");
            let answer = server.connect().await.ask("POST", text).await;
            assert_eq!(answer.status, expected, "{length} in chunks of {chunk}: {answer:?}");
            assert!(expected == 200 || answer.json()["error"]["code"] == 413, "{answer:?}");
        }
    }
    // What announces more is refused before any of it comes.
    let headers = [("authorization", bearer.as_str()), ("content-length", "262145")];
    assert_eq!(server.send("POST", "/mcp", &headers, "").await.status, 413);
}

#[tokio::test]
async fn what_is_no_message_is_told_so_in_the_form_of_the_protocol() {
    let upstream = Upstream::start();
    let server = Served::on(&upstream, &[]).await;
    let bearer = format!("Bearer {}", server.token());
    let nested = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":{}{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let listed = format!("{{\"params\":{}", "{\"a\":".repeat(40_000));
    for (body, code) in [
        ("", -32700),
        (" \r\n", -32700),
        ("{", -32700),
        ("nonsense", -32700),
        ("\u{feff}{", -32700),
        ("\u{feff}{}", -32600),
        ("{}{}", -32700),
        ("{'id':1}", -32700),
        ("{\"id\":1e999}", -32700),
        ("{\"id\":01}", -32700),
        ("{\"method\":\"\\ud800\"}", -32600),
        ("\0", -32700),
        (nested.as_str(), -32600),
        (&listed, -32700),
        ("[]", -32600),
        ("[7]", -32600),
        ("null", -32600),
        ("\"text\"", -32600),
        ("7", -32600),
        ("{\"method\":7}", -32600),
        ("{\"id\":1,\"id\":2,\"method\":\"ping\"}", -32600),
        ("{}", -32600),
        ("{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"ping\"}", -32600),
    ] {
        let answer = server.send("POST", "/mcp", &[("authorization", &bearer)], body).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (400, &json!(code)), "{body:.60}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{body:.60}");
    }
    // What is packed is not unpacked.
    for coding in ["gzip", "deflate", "br", "zstd"] {
        let headers = [("authorization", bearer.as_str()), ("content-encoding", coding)];
        let answer = server.send("POST", "/mcp", &headers, "\u{1f}\u{8b}\u{8}").await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (415, &json!(415)), "{coding}: {answer:?}");
        assert!(answer.body.contains(coding), "{answer:?}");
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn the_id_of_what_is_refused_comes_back() {
    let server = Served::start(&[], &[]).await;
    let bearer = format!("Bearer {}", server.token());
    for id in [json!("seven"), json!(7), json!("\u{e9}\"")] {
        let body = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/list", "params": {} });
        // Whoever takes neither form of answer.
        let answer = server.post(&[("authorization", &bearer), ("accept", "text/html")], body).await;
        assert_eq!((answer.status, &answer.json()["id"]), (406, &id), "{answer:?}");
    }
}

#[tokio::test]
async fn a_request_whose_end_two_readers_could_see_in_two_places_is_not_taken() {
    let upstream = Upstream::start();
    let server = Served::on(&upstream, &[]).await;
    let (host, bearer, body) = (server.host(), format!("Bearer {}", server.token()), list());
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: {host}\r\nauthorization: {bearer}\r\ncontent-type: application/json\r\naccept: application/json, text/event-stream\r\n"
    );
    let length = body.len();
    let chunks = format!("{length:x}\r\n{body}\r\n0\r\n\r\n");
    // Behind each stands a whole request, which would be answered if the first one ended too early.
    let behind = format!("GET /favicon.ico HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    for (lines, sent, expected) in [
        (format!("content-length: {length}\r\ncontent-length: 3"), &body, 400),
        (format!("content-length: {length}, {length}"), &body, 400),
        (format!("content-length: +{length}"), &body, 400),
        (format!("content-length: -{length}"), &body, 400),
        (format!("content-length: {length}.0"), &body, 400),
        (format!("content-length: 0x{length:x}"), &body, 400),
        (format!("content-length: {length} {length}"), &body, 400),
        ("content-length: 99999999999999999999999".to_owned(), &body, 400),
        ("content-length:".to_owned(), &body, 400),
        (format!("content-length : {length}"), &body, 400),
        (format!("content-length: {length}\r\n x: y"), &body, 400),
        (format!("content-length: {length}\r\ntransfer-encoding: identity"), &body, 400),
        (format!("content-length: {length}\r\ntransfer-encoding: xchunked"), &body, 400),
        (format!("content-length: {length}\r\ntransfer-encoding: chunked, identity"), &body, 400),
        (format!("content-length: {length}\r\ntransfer-encoding: \u{b}chunked"), &body, 400),
        (format!("content-length: {length}\r\ntransfer-encoding: chunked;x=y"), &body, 400),
        ("transfer-encoding: chunked\r\ntransfer-encoding: identity".to_owned(), &chunks, 400),
        ("transfer-encoding: chunked\r\ntransfer-encoding: chunked".to_owned(), &chunks, 501),
        ("transfer-encoding: chunked, chunked".to_owned(), &chunks, 501),
        ("transfer-encoding: gzip, chunked".to_owned(), &chunks, 501),
        ("transfer-encoding: identity, chunked".to_owned(), &chunks, 501),
        ("transfer-encoding: , chunked".to_owned(), &chunks, 501),
    ] {
        let answers = server.raw(format!("{head}{lines}\r\n\r\n{sent}{behind}")).await;
        let got = statuses(&answers);
        assert_eq!(got.first(), Some(&expected), "{lines}: {}", String::from_utf8_lossy(&answers));
        // hyper ends the connection; what the edge itself refuses was read to its end as chunks before the next.
        assert!(got.len() == 1 || (expected == 501 && got[1..] == [204]), "{lines}: {got:?}");
    }
    for sent in [
        format!("zz\r\n{body}\r\n0\r\n\r\n"),
        format!("{length:x}\n{body}\r\n0\r\n\r\n"),
        format!("0x{length:x}\r\n{body}\r\n0\r\n\r\n"),
        format!("-{length:x}\r\n{body}\r\n0\r\n\r\n"),
        format!("{length:x}\r\n{body}0\r\n\r\n"),
        format!("fffffffffffffffff\r\n{body}\r\n0\r\n\r\n"),
        format!("{length:x};{}\r\n{body}\r\n0\r\n\r\n", "x".repeat(40_000)),
        format!("{length:x}\r\n{body}\r\n0\r\n{}\r\n", "x: y\r\n".repeat(5000)),
    ] {
        let answers = server.raw(format!("{head}transfer-encoding: chunked\r\n\r\n{sent}{behind}")).await;
        assert_eq!(statuses(&answers), [400], "{sent:.40}: {}", String::from_utf8_lossy(&answers));
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn chunks_are_read_and_what_trails_them_changes_nothing() {
    let upstream = Upstream::start();
    let server = Served::on(&upstream, &[]).await;
    let (host, bearer, body) = (server.host(), format!("Bearer {}", server.token()), list());
    let (first, second) = body.split_at(10);
    let chunks = format!("a;name=\"value\"\r\n{first}\r\n{:X}\r\n{second}\r\n0\r\n", second.len());
    let headers = [("authorization", bearer.as_str()), ("transfer-encoding", "Chunked"), ("content-length", "")];
    let text = |headers: &[(&str, &str)], trailers: &str| {
        request(&host, "POST", "/mcp", headers, &format!("{chunks}{trailers}\r\n")).replace("content-length: \r\n", "")
    };
    let trailers = "host: evil.example\r\nx-mcp-readonly: true\r\norigin: http://evil.example\r\n";
    let answer = server.connect().await.ask("POST", text(&headers, trailers)).await;
    assert_eq!(answer.json()["result"]["tools"].as_array().map(Vec::len), Some(TOOLS.len()), "{answer:?}");
    // A token that trails comes too late.
    let trailers = format!("authorization: {bearer}\r\n");
    let answer = server.connect().await.ask("POST", text(&headers[1..], &trailers)).await;
    assert_eq!(answer.status, 401);
    // Where both lengths are told, chunks count, and the other is not looked at.
    let both = text(&headers, "").replace("transfer-encoding", "content-length: 5\r\ntransfer-encoding");
    assert_eq!(statuses(&server.raw(both).await), [200]);
}

#[tokio::test]
async fn each_request_of_a_connection_stands_for_itself() {
    let upstream = Upstream::start();
    let server = Served::on(&upstream, &[]).await;
    let (host, bearer, body) = (server.host(), format!("Bearer {}", server.token()), list());
    let open = [("connection", "keep-alive")];
    let with = |more: &[(&str, &str)], last: bool| {
        let mut headers = if last { Vec::new() } else { open.to_vec() };
        headers.extend(more);
        request(&host, "POST", "/mcp", &headers, &body)
    };
    let good = ("authorization", bearer.as_str());
    // One after the other without waiting: who was let in once is asked again.
    let all = [
        with(&[good], false),
        with(&[], false),
        with(&[good, ("x-mcp-readonly", "true")], false),
        with(&[good], false),
        with(&[good, ("origin", "https://evil.example")], false),
        with(&[good, ("authorization", "Bearer x")], false),
        with(&[], true),
    ];
    let answers = server.raw(all.concat()).await;
    assert_eq!(statuses(&answers), [200, 401, 200, 200, 403, 401, 401]);
    let text = String::from_utf8(answers).unwrap();
    let tools: Vec<usize> =
        text.split("HTTP/1.1 200").skip(1).map(|one| one.matches("\"inputSchema\"").count()).collect();
    assert_eq!(tools, [TOOLS.len(), expected::reading().len(), TOOLS.len()], "what was narrowed is wide again");
    // What is refused by its head is not read as a request of its own.
    let inner = request(&host, "GET", "/favicon.ico", &open, "");
    let refused = request(&host, "POST", "/mcp", &open, &inner);
    let answers = server.raw(format!("{refused}{}", with(&[], true))).await;
    let got = statuses(&answers);
    assert!(got == [401, 401] || got == [401], "{}", String::from_utf8_lossy(&answers));
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a_client_that_asks_whether_to_go_on_is_told_so_only_if_it_may() {
    let server = Served::start(&[], &[]).await;
    let (host, bearer, body) = (server.host(), format!("Bearer {}", server.token()), list());
    let asks = |headers: &[(&str, &str)]| {
        let mut all = vec![("expect", "100-continue")];
        all.extend(headers);
        let text = request(&host, "POST", "/mcp", &all, &body);
        text.split_once("\r\n\r\n").map(|(head, body)| (format!("{head}\r\n\r\n"), body.to_owned())).unwrap()
    };
    let (head, body) = asks(&[("authorization", &bearer)]);
    let mut talk = server.connect().await;
    talk.send(head).await;
    assert_eq!(talk.until(b"\r\n\r\n").await.as_deref(), Some("HTTP/1.1 100 Continue"));
    assert_eq!(talk.ask("POST", body).await.status, 200);
    for (headers, expected) in [
        (vec![], 401),
        (vec![("authorization", bearer.as_str()), ("host", "evil.example")], 403),
        (vec![("authorization", bearer.as_str()), ("content-type", "text/plain")], 415),
        (vec![("authorization", bearer.as_str()), ("content-length", "300000")], 413),
    ] {
        let (head, _) = asks(&headers);
        let mut talk = server.connect().await;
        talk.send(head).await;
        let first = talk.until(b"\r\n").await.unwrap();
        assert!(first.starts_with(&format!("HTTP/1.1 {expected} ")), "{headers:?}: {first}");
    }
}

#[tokio::test]
async fn what_is_not_http_1_1_is_refused() {
    let upstream = Upstream::start();
    let server = Served::on(&upstream, &["--no-auth-loopback"]).await;
    let body = message("tools/call", json!({ "name": "list_numbers", "arguments": {} })).to_string();
    let post = request("localhost", "POST", "/mcp", &[], &body);
    let stream = request("localhost", "GET", "/mcp", &[], "").replace("HTTP/1.1", "HTTP/1.0");
    let old = server.raw(stream).await;
    assert_eq!(statuses(&old), [505], "{}", String::from_utf8_lossy(&old));
    let told: Value = serde_json::from_slice(old.split(|byte| *byte == b'\n').next_back().unwrap()).unwrap();
    assert_eq!(told["error"]["code"], 505);
    for odd in [
        post.replace(" HTTP/1.1", ""),
        post.replace("HTTP/1.1", "HTTP/1.2"),
        post.replace("HTTP/1.1", "HTTP/2.0"),
        post.replace("HTTP/1.1", "http/1.1"),
        post.replace("POST /mcp", "POST  /mcp"),
        post.replace("POST /mcp", "POST\t/mcp"),
        post.replace("\r\nhost:", "\r\nhost :"),
        post.replace("\r\nhost:", "\r\nx: a\0b\r\nhost:"),
        post.replace("\r\nhost:", "\r\nx: a\rb\r\nhost:"),
        post.replace("\r\nhost:", "\r\nno colon\r\nhost:"),
        post.replace("\r\nhost:", "\r\n: nothing\r\nhost:"),
        post.replace("/mcp", "/mcp\u{1}"),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}".to_owned(),
        "\0\0\0\0\r\n\r\n".to_owned(),
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}\n\r\n\r\n".to_owned(),
    ] {
        let answers = server.raw(&odd).await;
        let got = statuses(&answers);
        assert!(got.is_empty() || matches!(got[..], [400 | 505]), "{odd:?}: {}", String::from_utf8_lossy(&answers));
    }
    // Nor does a connection become another.
    for to in ["h2c", "websocket", "HTTP/2.0"] {
        let headers =
            [("upgrade", to), ("connection", "upgrade, close"), ("http2-settings", "AAMAAABkAARAAAAAAAIAAAAA")];
        assert_eq!(server.get("/mcp", &headers).await.status, 405, "{to}");
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a_head_has_at_most_64_headers_and_a_bounded_length() {
    let server = Served::start(&["--no-auth-loopback"], &[]).await;
    let host = server.host();
    // Beside the three that every request has.
    let many = |count: usize| vec![("x", "y"); count - 3];
    assert_eq!(server.get("/favicon.ico", &many(64)).await.status, 204);
    for text in [
        request(&host, "GET", "/favicon.ico", &many(65), ""),
        request(&host, "GET", "/favicon.ico", &many(5000), ""),
        request(&host, "GET", "/favicon.ico", &[("x", "y".repeat(1 << 20).as_str())], ""),
        request(&host, "GET", &format!("/{}", "a".repeat(1 << 20)), &[], ""),
        request(&host, &"A".repeat(1 << 20), "/", &[], ""),
        "GET / HTTP/1.1\r\n".to_owned() + &"x".repeat(1 << 20),
    ] {
        let answers = server.raw(&text).await;
        let got = statuses(&answers);
        // Whoever is still sending may see nothing but the end.
        assert!(got.is_empty() || matches!(got[..], [431 | 414 | 400]), "{:.40}: {got:?}", text);
    }
    assert_eq!(server.get("/favicon.ico", &[]).await.status, 204);
}
