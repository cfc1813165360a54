//! Who comes in by a bearer token, what everybody else is told, and how far each gets.

use std::path::Path;

use serde_json::json;

use crate::support::expected::TOOLS;
use crate::support::fake_truedy::{CREDENTIALS, Upstream};
use crate::support::http_client::{Answer, Served, message, request};
use crate::support::program::{KEY, program};

/// What somebody without a token is told where there is no issuer.
const CHALLENGE: &str = "Bearer realm=\"truedy-mcp\"";
const WRONG: &str = "Bearer realm=\"truedy-mcp\", error=\"invalid_token\"";

/// That it was refused for want of a good token.
pub(super) fn assert_shut_out(answer: &Answer, challenge: &str, case: &str) {
    assert_eq!(answer.status, 401, "{case}: {answer:?}");
    assert_eq!(answer.header("www-authenticate"), Some(challenge), "{case}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{case}");
    let body = answer.json();
    assert_eq!((&body["jsonrpc"], &body["error"]["code"]), (&json!("2.0"), &json!(401)), "{case}: {body}");
    assert!(body["error"]["message"].as_str().is_some_and(|text| !text.contains("tmcp_")), "{case}: {body}");
}

/// A file with one token for each of these principals; the tokens.
pub(super) fn tokens_for(file: &Path, each: &[&[&str]]) -> Vec<String> {
    let make = |arguments: &&[&str]| {
        let mut command = program();
        command.args(["token", "new", "--tokens"]).arg(file).args(*arguments);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    };
    each.iter().map(make).collect()
}

#[tokio::test]
async fn the_token_of_the_run_opens_and_is_never_passed_on() {
    let upstream = Upstream::start();
    let server = Served::on(&upstream, &[]).await;
    let token = server.token();
    assert_eq!(server.call(&token, "list_credentials", json!({})).await["status"], "ok");
    assert_eq!(server.tools(&[("authorization", &format!("Bearer {token}"))]).await.len(), TOOLS.len());
    assert_eq!(upstream.count(CREDENTIALS), 1);
    for seen in upstream.seen() {
        assert_eq!(seen.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
        assert!(!format!("{seen:?}").contains(&token), "{seen:?}");
    }
}

#[tokio::test]
async fn each_run_has_a_token_of_its_own_with_a_line_for_a_client() {
    let (first, second) = (Served::start(&[], &[]).await, Served::start(&[], &[]).await);
    assert_ne!(first.token(), second.token());
    assert!(first.token().starts_with("tmcp_") && first.token().len() == 48);
    let line = format!(
        "claude mcp add --transport http truedy {} --header 'Authorization: Bearer {}'",
        first.url(),
        first.token()
    );
    first.until_it_says(&line).await;
    let bearer = format!("Bearer {}", second.token());
    let wrong = first.call_with(&[("authorization", &bearer)], "list_numbers", json!({})).await;
    assert_shut_out(&wrong, WRONG, "the token of another run");
}

#[tokio::test]
async fn what_is_not_the_token_does_not_open_however_it_is_written() {
    let upstream = Upstream::start();
    let server = Served::on(&upstream, &[]).await;
    let token = server.token();
    let (short, other_end) = (&token[..token.len() - 1], if token.ends_with('A') { 'B' } else { 'A' });
    for (given, challenge) in [
        (String::new(), CHALLENGE),
        ("Bearer".to_owned(), CHALLENGE),
        ("Bearer ".to_owned(), CHALLENGE),
        ("Bearer \t ".to_owned(), CHALLENGE),
        (token.clone(), CHALLENGE),
        (format!("Bearer\t{token}"), CHALLENGE),
        (format!("Bearer{token}"), CHALLENGE),
        (format!("Bearer: {token}"), CHALLENGE),
        (format!("Token {token}"), CHALLENGE),
        (format!("Basic {token}"), CHALLENGE),
        (format!("Bearer={token}"), CHALLENGE),
        (format!("\"Bearer\" {token}"), CHALLENGE),
        (format!("Bearer {short}"), WRONG),
        (format!("Bearer {short}{other_end}"), WRONG),
        (format!("Bearer {token}{token}"), WRONG),
        (format!("Bearer {}", token.to_lowercase()), WRONG),
        (format!("Bearer {}", token.to_uppercase()), WRONG),
        (format!("Bearer \"{token}\""), WRONG),
        (format!("Bearer {token}, Bearer {token}"), WRONG),
        (format!("Bearer {token} x"), WRONG),
        (format!("Bearer {token};"), WRONG),
        (format!("Bearer Bearer {token}"), WRONG),
        (format!("Bearer {token}\u{e9}"), WRONG),
        (format!("Bearer \u{a0}{token}"), WRONG),
        (format!("Bearer {}", "x".repeat(16_000)), WRONG),
        ("Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.".to_owned(), WRONG),
    ] {
        let answer = server.call_with(&[("authorization", &given)], "list_numbers", json!({})).await;
        assert_shut_out(&answer, challenge, &format!("{given:.80}"));
        assert!(!answer.body.contains(&token), "{given}");
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn the_scheme_is_read_in_any_case_and_space_around_the_token_is_no_part_of_it() {
    let server = Served::start(&[], &[]).await;
    let token = server.token();
    for given in [
        format!("bearer {token}"),
        format!("BEARER {token}"),
        format!("Bearer   {token}"),
        format!("Bearer {token}  "),
        format!("Bearer {token}\t"),
    ] {
        assert_eq!(server.tools(&[("authorization", &given)]).await.len(), TOOLS.len(), "{given:?}");
    }
    assert_eq!(server.tools(&[("AUTHORIZATION", &format!("Bearer {token}"))]).await.len(), TOOLS.len());
}

#[tokio::test]
async fn two_authorization_headers_are_refused_even_if_both_are_right() {
    let upstream = Upstream::start();
    let server = Served::on(&upstream, &[]).await;
    let good = format!("Bearer {}", server.token());
    let good = good.as_str();
    for pair in [[good, good], [good, "Bearer x"], ["Bearer x", good], [good, ""], ["Basic x", good]] {
        let headers = [("authorization", pair[0]), ("Authorization", pair[1])];
        let answer = server.call_with(&headers, "list_numbers", json!({})).await;
        assert_shut_out(&answer, WRONG, &format!("{pair:?}"));
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a_token_anywhere_but_in_its_header_opens_nothing() {
    let upstream = Upstream::start();
    let server = Served::on(&upstream, &[]).await;
    let token = server.token();
    let list = message("tools/list", json!({})).to_string();
    for query in ["access_token", "token", "authorization", "bearer", "Authorization"] {
        let answer = server.send("POST", &format!("/mcp?{query}={token}"), &[], &list).await;
        assert_shut_out(&answer, CHALLENGE, query);
    }
    let bearer = format!("Bearer {token}");
    for (name, value) in [
        ("proxy-authorization", bearer.as_str()),
        ("x-authorization", &bearer),
        ("x-forwarded-authorization", &bearer),
        ("cookie", &format!("token={token}; authorization=Bearer {token}")),
        ("x-api-key", &token),
        ("mcp-session-id", &token),
        ("x-forwarded-user", "local"),
        ("x-forwarded-for", "127.0.0.1"),
        ("forwarded", "for=127.0.0.1;host=localhost"),
        ("x-real-ip", "127.0.0.1"),
    ] {
        let answer = server.call_with(&[(name, value)], "list_numbers", json!({})).await;
        assert_shut_out(&answer, CHALLENGE, name);
    }
    let form = format!("access_token={token}");
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    assert_shut_out(&server.send("POST", "/mcp", &headers, &form).await, CHALLENGE, "a form");
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a_key_of_truedy_is_no_token_and_whoever_sends_one_is_told_so() {
    let upstream = Upstream::start();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens.toml");
    tokens_for(&file, &[&["--principal", "ana"]]);
    let tokens = file.to_str().unwrap();
    for arguments in [&[][..], &["--tokens", tokens]] {
        let server = Served::on(&upstream, arguments).await;
        // The very key that this server works with.
        for key in [KEY, "truedy_live_0123456789abcdef", "truedy_"] {
            let headers = [("authorization", format!("Bearer {key}"))];
            let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
            let answer = server.call_with(&headers, "list_numbers", json!({})).await;
            assert_shut_out(&answer, WRONG, key);
            let told = answer.json()["error"]["message"].to_string();
            assert!(told.contains("Truedy API key") && told.contains("truedy-mcp token new"), "{told}");
            assert!(!answer.body.contains(KEY) && !server.stderr().contains(KEY), "{}", answer.body);
        }
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn without_a_token_nothing_is_answered_but_what_is_not_there() {
    let upstream = Upstream::start();
    for (arguments, sse) in [(&["--legacy-sse", "off"][..], 404), (&["--legacy-sse", "--sessions"], 401)] {
        let server = Served::on(&upstream, arguments).await;
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "HEAD", "PROPFIND", "post"] {
            for target in [
                "/mcp",
                "/mcp/",
                "/mcp?x",
                "/sse",
                "/sse/",
                "/messages",
                "/messages?sessionId=1",
                "//mcp",
                "/mcp//",
                "/MCP",
                "/%6dcp",
                "/mcp%2f",
                "/mcp/../mcp",
                "/./mcp",
                "/mcp;x",
                "/health",
                "/metrics",
                "/livez",
                "/readyz",
                "/sandbox/faults",
                "/index.html",
                "/.well-known/oauth-protected-resource",
                "/.well-known/oauth-protected-resource/mcp",
                "/.well-known/oauth-authorization-server",
                "/.well-known/openid-configuration",
                "/register",
                "/api/public/v1/telephony/numbers",
            ] {
                let expected = match target {
                    "/mcp" | "/mcp/" | "/mcp?x" => 401,
                    "/sse" | "/sse/" | "/messages" | "/messages?sessionId=1" => sse,
                    _ => 404,
                };
                let challenge = (expected == 401).then_some(CHALLENGE);
                let answer = server.send(method, target, &[], "").await;
                assert_eq!(answer.status, expected, "{method} {target}: {answer:?}");
                assert_eq!(answer.header("www-authenticate"), challenge, "{method} {target}");
                let code = method == "HEAD" || answer.json()["error"]["code"] == expected;
                assert!(code, "{method} {target}: {answer:?}");
            }
        }
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn odd_targets_and_methods_reach_nothing_even_with_a_token() {
    let upstream = Upstream::start();
    let server = Served::on(&upstream, &["--legacy-sse", "off"]).await;
    let (host, bearer) = (server.host(), format!("Bearer {}", server.token()));
    let body = message("tools/call", json!({ "name": "list_numbers", "arguments": {} })).to_string();
    let headers = [("authorization", bearer.as_str())];
    for target in ["//mcp", "/mcp//", "/MCP", "/%6dcp", "/mcp%00", "/mcp/.", "/mcp;x", "/metrics", "/sse", "/messages"]
    {
        let answer = server.send("POST", target, &headers, &body).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (404, &json!(404)), "{target}: {answer:?}");
    }
    for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "post"] {
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let answer = server.send(method, "/mcp", &headers, "").await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "{method}: {answer:?}");
        // What TRACE would send back is what only the browser of the victim knows.
        assert!(!answer.body.contains(&server.token()), "{method}: {answer:?}");
    }
    for target in [host.as_str(), "*", "localhost:443"] {
        let method = if target == "*" { "OPTIONS" } else { "CONNECT" };
        let answer = server.send(method, target, &headers, "").await;
        assert!(matches!(answer.status, 403..=405), "{method} {target}: {answer:?}");
    }
    let raw = server.raw(request(&host, "POST", "mcp", &headers, &body)).await;
    assert!(
        raw.starts_with(b"HTTP/1.1 400 ") || raw.starts_with(b"HTTP/1.1 403 "),
        "{}",
        String::from_utf8_lossy(&raw)
    );
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn without_tokens_everybody_on_this_machine_comes_in_only_if_it_was_said() {
    let upstream = Upstream::start();
    let server = Served::on(&upstream, &["--no-auth-loopback"]).await;
    assert_eq!(server.call("", "list_numbers", json!({})).await["status"], "ok");
    server.until_it_says("no token is needed (--no-auth-loopback)").await;
    assert!(!server.stderr().contains("tmcp_"), "{}", server.stderr());
    // Pages of elsewhere do not, nor does a page that rebinds its name.
    let before = upstream.seen().len();
    let page = server.call_with(&[("origin", "https://evil.example")], "list_numbers", json!({})).await;
    let rebound = server.call_with(&[("host", "evil.example")], "list_numbers", json!({})).await;
    assert_eq!((page.status, rebound.status, upstream.seen().len()), (403, 403, before));
}
