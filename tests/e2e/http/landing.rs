//! The page for people, and what a browser asks for besides.

use crate::support::http_client::Served;
use crate::support::program::{program, run};

#[tokio::test]
async fn a_browser_is_shown_how_to_connect_and_no_secret() {
    let server = Served::start(&["--legacy-sse", "off"], &[]).await;
    let page = server.get("/", &[]).await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.body.contains(server.url()) && page.body.contains("ready"), "{}", page.body);
    assert!(
        page.body.contains("A purchase needs") && page.body.contains("confirm: true, without which it is a preview")
    );
    assert!(!page.body.contains(&server.token()) && !page.body.contains("{{"), "{}", page.body);
    assert!(!page.body.contains("/sse"), "a transport that is off");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(page.header(name), Some(value));
    }
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && policy.contains("frame-ancestors 'none'"));
    assert!(policy.contains("; script-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.body.matches("<script").count(), 1, "the one that the policy names");
    let endpoint = server.url().replace(':', "%3A").replace('/', "%2F").replace('.', "%2E");
    assert!(page.body.contains("href=\"vscode:mcp/install?") && page.body.contains(&endpoint), "{}", page.body);
    assert!(page.body.contains("href=\"cursor://anysphere.cursor-deeplink/mcp/install?name=truedy&amp;config="));

    let head = server.send("HEAD", "/", &[], "").await;
    assert_eq!((head.status, head.header("content-length")), (200, Some(page.body.len().to_string().as_str())));
    assert_eq!(server.get("/favicon.ico", &[]).await.status, 204);
    assert_eq!(server.get("/?anything=at-all", &[]).await.status, 200);
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"] {
        for path in ["/", "/favicon.ico"] {
            let answer = server.send(method, path, &[], "").await;
            assert_eq!(
                (answer.status, answer.header("allow")),
                (405, Some("GET, HEAD")),
                "{method} {path}: {answer:?}"
            );
        }
    }
}

#[tokio::test]
async fn it_tells_a_sandbox_from_a_live_account() {
    let badge = |mode: &str, words: &str| format!("<span class=\"mode {mode}\">{words}</span>");
    let sandbox: &[&str] = &["--sandbox", "--ephemeral"];
    for (flags, expected) in [(sandbox, badge("sandbox", "Sandbox")), (&[], badge("live", "Live"))] {
        let server = Served::start(flags, &[]).await;
        let page = server.get("/", &[]).await;
        assert!(page.body.contains(&expected), "{flags:?}: {}", page.body);
    }
}

#[tokio::test]
async fn it_shows_the_name_that_the_client_uses_and_the_scheme_that_the_operator_told() {
    let server = Served::start(&["--behind-tls-proxy", "--allow-host", "mcp.example.com", "--legacy-sse"], &[]).await;
    let headers = [
        ("host", "mcp.example.com"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("forwarded", "host=evil.example;proto=http"),
    ];
    let page = server.get("/", &headers).await;
    assert!(page.body.contains("https://mcp.example.com/mcp") && page.body.contains("https://mcp.example.com/sse"));
    assert!(!page.body.contains("evil.example") && !page.body.contains("http://mcp."), "{}", page.body);
    for bad in ["evil.example", "mcp.example.com\"><script>", "mcp.example.com'"] {
        let answer = server.get("/", &[("host", bad)]).await;
        assert!(answer.status == 403 && !answer.body.contains("script"), "{bad}: {answer:?}");
    }
}

#[tokio::test]
async fn behind_a_proxy_its_own_address_speaks_http_and_clients_are_sent_to_the_proxys() {
    let server = Served::start(&["--behind-tls-proxy", "--allow-host", "mcp.example.com:8443"], &[]).await;
    assert!(server.url().starts_with("http://127.0.0.1:"), "{}", server.url());
    let said = "that address speaks HTTP and is for the proxy alone; clients use https://mcp.example.com:8443/mcp\n";
    server.until_it_says(said).await;
    assert!(!server.stderr().contains("https://127.0.0.1"), "{}", server.stderr());
    // Whoever looks at that address, and a proxy that names it instead of its own.
    let page = server.get("/", &[]).await.body;
    assert!(page.contains("https://mcp.example.com:8443/mcp") && !page.contains("://127.0.0.1"), "{page}");

    let dir = tempfile::tempdir().unwrap();
    let tokens = dir.path().join("tokens.toml").display().to_string();
    let mut made = program();
    made.args(["token", "new", "--tokens", &tokens, "--principal", "ana"]);
    assert_eq!(run(made, "").code, Some(0));
    let unnamed = Served::start(&["--behind-tls-proxy", "--tokens", &tokens], &[]).await;
    unnamed.until_it_says("clients use https and a name of --allow-host").await;
    let (page, own) = (unnamed.get("/", &[]).await.body, unnamed.url().to_owned());
    assert!(own.starts_with("http://") && page.contains(&own) && !page.contains("https://127."), "{own}: {page}");
}

#[tokio::test]
async fn the_admin_endpoints_are_not_here() {
    let server = Served::start(&["--admin-listen", "127.0.0.1:0"], &[]).await;
    server.until_it_says("admin endpoints on http://").await;
    let bearer = format!("Bearer {}", server.token());
    for path in ["/metrics", "/livez", "/readyz"] {
        assert_eq!(server.get(path, &[]).await.status, 404, "{path}");
        assert_eq!(server.get(path, &[("authorization", &bearer)]).await.status, 404, "{path}");
    }
}
