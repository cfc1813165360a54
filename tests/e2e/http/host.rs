//! By which names the server is reached, and whose pages may call it.

use serde_json::json;

use crate::support::fake_truedy::Upstream;
use crate::support::http_client::{Answer, Served, message, request};

async fn list(server: &Served, headers: &[(&str, &str)]) -> Answer {
    let bearer = format!("Bearer {}", server.token());
    let mut all = vec![("authorization", bearer.as_str())];
    all.extend(headers);
    server.call_with(&all, "list_numbers", json!({})).await
}

/// Refused by its head, in the form that clients read.
fn assert_forbidden(answer: &Answer, case: &str) {
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (403, &json!(403)), "{case}: {answer:?}");
    assert!(!answer.headers.iter().any(|(name, _)| name.starts_with("access-control-")), "{case}: {answer:?}");
}

#[tokio::test]
async fn only_the_names_of_this_machine_pass_and_each_exactly_once() {
    let upstream = Upstream::start();
    let server = Served::on(&upstream, &[]).await;
    for bad in [
        "evil.example",
        "evil@localhost",
        "localhost@evil.example",
        "user:password@127.0.0.1",
        "localhost.",
        "localhost.evil.example",
        "evil.example#localhost",
        "evil.example/localhost",
        "evil.example\\localhost",
        "localhost, evil.example",
        "localhost evil.example",
        "localhost:",
        "localhost:http",
        "localhost:99999",
        "localhost:80:80",
        "127.0.0.1.nip.io",
        "127.1",
        "127.0.0.2",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0.0.0.0",
        "[::ffff:127.0.0.1]",
        "[::]",
        "::1",
        "loc\u{e4}lhost",
        "%6cocalhost",
        "",
        "*",
    ] {
        assert_forbidden(&list(&server, &[("host", bad)]).await, bad);
    }
    assert_eq!(upstream.connections(), 0);
    let own = server.host();
    for good in ["localhost", "LocalHost", "localhost:1", "127.0.0.1", "127.0.0.1:65535", "[::1]", "[::1]:8080", &own] {
        assert_eq!(list(&server, &[("host", good)]).await.status, 200, "{good}");
    }
}

#[tokio::test]
async fn two_hosts_or_none_are_refused_and_forwarded_ones_are_not_looked_at() {
    let upstream = Upstream::start();
    let server = Served::on(&upstream, &[]).await;
    for pair in [["localhost", "localhost"], ["localhost", "evil.example"], ["evil.example", "localhost"]] {
        assert_forbidden(&list(&server, &[("host", pair[0]), ("Host", pair[1])]).await, &format!("{pair:?}"));
    }
    let bearer = format!("Bearer {}", server.token());
    let body = message("tools/list", json!({})).to_string();
    let text = request("?", "POST", "/mcp", &[("authorization", bearer.as_str())], &body);
    let without = server.raw(text.replace("host: ?\r\n", "")).await;
    assert!(without.starts_with(b"HTTP/1.1 403 "), "{}", String::from_utf8_lossy(&without));
    assert_eq!(upstream.connections(), 0);
    for name in ["x-forwarded-host", "x-host", "x-original-host", "forwarded", "x-forwarded-server", "x-original-url"] {
        assert_eq!(list(&server, &[(name, "host=evil.example")]).await.status, 200, "{name}");
        assert_forbidden(&list(&server, &[("host", "evil.example"), (name, "localhost")]).await, name);
    }
}

#[tokio::test]
async fn a_target_in_absolute_form_names_a_host_that_counts_as_well() {
    let upstream = Upstream::start();
    let server = Served::on(&upstream, &[]).await;
    let (own, bearer) = (server.host(), format!("Bearer {}", server.token()));
    let body = message("tools/call", json!({ "name": "list_numbers", "arguments": {} })).to_string();
    let headers = |host: &'static str| {
        [
            ("authorization", bearer.clone()),
            ("host", host.to_owned()),
            ("mcp-protocol-version", "2026-07-28".to_owned()),
        ]
    };
    for (target, host) in [
        ("http://evil.example/mcp", "localhost"),
        ("http://localhost/mcp", "evil.example"),
        ("http://evil@localhost/mcp", "localhost"),
        ("https://evil.example:443/mcp", "localhost"),
        ("ftp://evil.example/mcp", "localhost"),
        ("http://localhost.:80/mcp", "localhost"),
    ] {
        let headers = headers(host);
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        assert_forbidden(&server.send("POST", target, &headers, &body).await, target);
    }
    assert_eq!(upstream.connections(), 0);
    let headers = headers("localhost");
    let mut headers = headers.each_ref().map(|(name, value)| (*name, value.as_str())).to_vec();
    headers.extend([("mcp-method", "tools/call"), ("mcp-name", "list_numbers")]);
    for target in [format!("http://{own}/mcp"), "http://localhost/mcp".to_owned()] {
        assert_eq!(server.send("POST", &target, &headers, &body).await.status, 200, "{target}");
    }
}

#[tokio::test]
async fn a_name_that_the_operator_allows_passes_with_its_port_or_any() {
    let upstream = Upstream::start();
    let arguments = ["--allow-host", "mcp.example.com", "--allow-host", "Other.Example.com:8443,third.example.com"];
    let server = Served::on(&upstream, &arguments).await;
    for good in [
        "mcp.example.com",
        "MCP.example.com:443",
        "mcp.example.com:1",
        "other.example.com:8443",
        "third.example.com",
        "localhost",
    ] {
        assert_eq!(list(&server, &[("host", good)]).await.status, 200, "{good}");
    }
    for bad in [
        "other.example.com",
        "other.example.com:443",
        "x.mcp.example.com",
        "mcp.example.com.evil.example",
        "mcp.example.com.",
        "example.com",
    ] {
        assert_forbidden(&list(&server, &[("host", bad)]).await, bad);
    }
}

#[tokio::test]
async fn a_page_of_elsewhere_is_refused_under_any_name_with_any_token() {
    let upstream = Upstream::start();
    for arguments in [&[][..], &["--allow-origin", "https://app.example.com"], &["--allow-host", "evil.example"]] {
        let server = Served::on(&upstream, arguments).await;
        for bad in [
            "https://evil.example",
            "http://evil.example",
            "null",
            "",
            "*",
            "file://",
            "chrome-extension://abcdef",
            "http://localhost.evil.example",
            "http://evil@localhost",
            "http://localhost:80@evil.example",
            "https://app.example.com.evil.example",
            "https://x.app.example.com",
            "https://app.example.com:8443",
            "http://app.example.com",
            "http://localhost http://evil.example",
            "http://localhost/",
            "localhost",
            "http://127.0.0.1.nip.io",
        ] {
            assert_forbidden(&list(&server, &[("origin", bad)]).await, bad);
            for method in ["GET", "OPTIONS", "DELETE"] {
                for path in ["/mcp", "/", "/favicon.ico", "/.well-known/oauth-protected-resource"] {
                    let preflight = [("origin", bad), ("access-control-request-method", "POST")];
                    assert_forbidden(
                        &server.send(method, path, &preflight, "").await,
                        &format!("{bad} {method} {path}"),
                    );
                }
            }
        }
        for pair in [["http://localhost", "https://evil.example"], ["http://localhost", "http://localhost"]] {
            assert_forbidden(&list(&server, &[("origin", pair[0]), ("origin", pair[1])]).await, &format!("{pair:?}"));
        }
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a_page_of_this_machine_may_call_and_is_given_no_leave_to_read_unless_it_is_named() {
    let upstream = Upstream::start();
    let server = Served::on(&upstream, &[]).await;
    for good in ["http://localhost", "http://localhost:6274", "https://127.0.0.1:1", "http://[::1]:3000"] {
        let answer = list(&server, &[("origin", good)]).await;
        assert_eq!(answer.status, 200, "{good}");
        assert!(!answer.headers.iter().any(|(name, _)| name.starts_with("access-control-")), "{answer:?}");
        let asks = [("origin", good), ("access-control-request-method", "POST")];
        let answer = server.send("OPTIONS", "/mcp", &asks, "").await;
        assert_eq!(answer.status, 403, "{answer:?}");
        assert!(answer.body.contains(&format!("--allow-origin {good}")), "{answer:?}");
        assert!(!answer.headers.iter().any(|(name, _)| name.starts_with("access-control-")), "{answer:?}");
    }
}

#[tokio::test]
async fn a_page_that_is_named_may_ask_first_and_read_whatever_it_is_answered() {
    let upstream = Upstream::start();
    let origins = ["https://app.example.com", "http://localhost:6274"];
    let server = Served::on(&upstream, &["--allow-origin", "https://app.example.com,http://localhost:6274"]).await;
    for origin in origins {
        let asks = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization,content-type,mcp-protocol-version"),
        ];
        let answer = server.send("OPTIONS", "/mcp", &asks, "").await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, Some(origin)), "{answer:?}");
        let allowed = answer.header("access-control-allow-headers").unwrap();
        for header in ["authorization", "content-type", "mcp-protocol-version", "mcp-method", "mcp-name"] {
            assert!(allowed.split(", ").any(|name| name == header), "{header}: {allowed}");
        }
        assert_eq!(answer.header("access-control-allow-methods"), Some("GET, POST, DELETE"));
        // The page must be able to read where a token comes from, and why something failed.
        let shut_out = server.send("POST", "/mcp", &[("origin", origin)], "{}").await;
        let bearer = format!("Bearer {}", server.token());
        let headers = [("origin", origin), ("authorization", bearer.as_str())];
        let missing = server.get("/nothing", &headers).await;
        let done = list(&server, &[("origin", origin)]).await;
        for (answer, status) in [(&shut_out, 401), (&missing, 404), (&done, 200)] {
            assert_eq!(
                (answer.status, answer.header("access-control-allow-origin")),
                (status, Some(origin)),
                "{answer:?}"
            );
            assert!(answer.header("access-control-expose-headers").is_some_and(|all| all.contains("www-authenticate")));
            assert!(answer.header("vary").is_some_and(|vary| vary.eq_ignore_ascii_case("origin")), "{answer:?}");
            assert_eq!(answer.header("access-control-allow-credentials"), None);
        }
    }
    // Whoever comes from nowhere is told nothing of it.
    assert_eq!(list(&server, &[]).await.header("access-control-allow-origin"), None);
}
