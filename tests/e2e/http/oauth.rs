//! Access tokens of an OAuth issuer at the door: which open, what clients are told who have none, and who they become.

use serde_json::{Value, json};

use super::bearer_tokens::{assert_shut_out, tokens_for};
use crate::support::expected::{self, ALL_SCOPES};
use crate::support::fake_truedy::{LIST, PURCHASE, Upstream};
use crate::support::http_client::{Answer, Served, eventually};
use crate::support::issuer::{self, AUDIENCE, Issuer, Key, base64url, now};
use crate::support::program::KEY;

const METADATA: &str = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";

/// A server that believes this issuer.
async fn believing(issuer: &Issuer, upstream: &Upstream, arguments: &[&str]) -> Served {
    let keys = issuer.jwks_url();
    let mut all = vec!["--oauth-issuer", issuer.url(), "--oauth-audience", AUDIENCE, "--oauth-jwks-url", keys.as_str()];
    all.extend(["--behind-tls-proxy", "--allow-host", "mcp.example.com"]);
    all.extend(arguments);
    Served::on(upstream, &all).await
}

fn challenge(error: &str) -> String {
    format!("Bearer realm=\"truedy-mcp\"{error}, resource_metadata=\"{METADATA}\", scope=\"{ALL_SCOPES}\"")
}

async fn list(server: &Served, token: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    server.call_with(&[("authorization", &bearer), ("host", "mcp.example.com")], "list_numbers", json!({})).await
}

#[tokio::test]
async fn a_token_of_the_issuer_opens_and_is_never_passed_on() {
    let (issuer, upstream) = (Issuer::start().await, Upstream::start());
    let server = believing(&issuer, &upstream, &[]).await;
    let token = issuer.token(json!({}));
    let answer = list(&server, &token).await;
    assert_eq!(
        (answer.status, &answer.json()["result"]["structuredContent"]["status"]),
        (200, &json!("ok")),
        "{answer:?}"
    );
    assert_eq!(upstream.count(LIST), 1);
    for seen in upstream.seen() {
        assert_eq!(seen.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
        assert!(!format!("{seen:?}").contains(&token[..20]), "{seen:?}");
    }
    // What the token is good for, and nothing else, is offered.
    let tools = server.tools(&[("authorization", &format!("Bearer {token}"))]).await;
    assert_eq!(tools, expected::opened_by(&["numbers:read"]));
    assert!(!server.stderr().contains("tmcp_") && !server.stderr().contains(&token), "{}", server.stderr());
    assert_eq!(issuer.fetches(), 1, "the keys are kept");
}

#[tokio::test]
async fn whoever_has_no_token_is_told_where_one_comes_from() {
    let (issuer, upstream) = (Issuer::start().await, Upstream::start());
    let server = believing(&issuer, &upstream, &[]).await;
    for method in ["GET", "POST", "DELETE", "PUT"] {
        for path in ["/mcp", "/mcp/"] {
            assert_shut_out(&server.send(method, path, &[], "{}").await, &challenge(""), &format!("{method} {path}"));
        }
        // What is not there is nobody's.
        assert_eq!(server.send(method, "/elsewhere", &[], "{}").await.status, 404, "{method}");
    }
    let wrong = challenge(", error=\"invalid_token\"");
    assert_shut_out(&list(&server, "nonsense").await, &wrong, "nonsense");

    // Both places of RFC 9728, to anybody, by GET and HEAD alone.
    let documents = ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"];
    for path in documents {
        let answer = server.get(path, &[("host", "mcp.example.com")]).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("application/json")),
            "{path}: {answer:?}"
        );
        assert_eq!(
            answer.json(),
            json!({
                "resource": AUDIENCE, "authorization_servers": [issuer.url()], "bearer_methods_supported": ["header"],
                "scopes_supported": ALL_SCOPES.split(' ').collect::<Vec<_>>(), "resource_name": "Truedy telephony"
            })
        );
        assert_eq!(server.send("HEAD", path, &[], "").await.status, 200, "{path}");
        let posted = server.send("POST", path, &[], "{}").await;
        assert_eq!((posted.status, posted.header("allow")), (405, Some("GET, HEAD")), "{path}");
        assert_eq!(server.get(path, &[("host", "evil.example")]).await.status, 403, "{path}");
        assert_eq!(server.get(path, &[("origin", "https://evil.example")]).await.status, 403, "{path}");
    }
    for slash in documents.map(|path| format!("{path}/")) {
        assert_eq!(server.get(&slash, &[]).await.status, 200, "{slash}");
    }
    // What only ends or begins like them is none of them.
    for path in [
        "/oauth-protected-resource/mcp",
        "/protected-resource",
        "/.well-known/oauth-protected-resource/other",
        "/.well-known/oauth-protected-resource/mcp//",
        "/.well-known/oauth-protected-resourcemcp",
        "//.well-known/oauth-protected-resource",
        "/p",
    ] {
        for method in ["GET", "POST"] {
            assert_eq!(server.send(method, path, &[], "").await.status, 404, "{method} {path}");
        }
    }
    assert_eq!((upstream.connections(), issuer.fetches()), (0, 0));
}

#[tokio::test]
async fn a_token_that_is_wrong_in_any_way_is_refused_and_nothing_reaches_truedy() {
    let (issuer, other, upstream) = (Issuer::start().await, Issuer::start().await, Upstream::start());
    let server = believing(&issuer, &upstream, &[]).await;
    let key = issuer.key();
    let id = key.jwk()["kid"].as_str().unwrap().to_owned();
    // The public half of the issuer's key is what everybody has: as the secret of an HMAC it must open nothing.
    let public = key.jwk().to_string();
    let (hmac, nothing, stranger) = (Key::shared(&id, public.as_bytes()), Key::nothing(&id), Key::es256(&id));
    let plain = issuer.token(json!({}));
    let (head, rest) = plain.split_once('.').unwrap();
    let claims = rest.split('.').next().unwrap();
    let embedded = json!({ "jwk": stranger.jwk(), "jku": format!("{}/keys", other.url()), "x5u": other.url() });
    let cases = [
        ("another audience", issuer.token(json!({ "aud": "https://other.example.com/mcp" }))),
        ("the bare host as audience", issuer.token(json!({ "aud": "https://mcp.example.com" }))),
        ("the audience with a slash", issuer.token(json!({ "aud": format!("{AUDIENCE}/") }))),
        ("no audience", issuer.token(json!({ "aud": null }))),
        ("another issuer's name", issuer.token(json!({ "iss": "https://login.example.com" }))),
        ("the issuer's name with a slash", issuer.token(json!({ "iss": format!("{}/", issuer.url()) }))),
        ("no issuer", issuer.token(json!({ "iss": null }))),
        ("expired", issuer.token(json!({ "exp": now() - 61 }))),
        ("no expiry", issuer.token(json!({ "exp": null }))),
        ("an expiry that is text", issuer.token(json!({ "exp": "9999999999" }))),
        ("not yet valid", issuer.token(json!({ "nbf": now() + 120 }))),
        ("no subject", issuer.token(json!({ "sub": null }))),
        ("an ID token", issuer.token_with(json!({ "typ": "id_token+jwt" }), json!({}), &key)),
        ("alg none", issuer.token_with(json!({}), json!({}), &nothing)),
        ("alg None", issuer.token_with(json!({ "alg": "None" }), json!({}), &nothing)),
        ("HS256 with the public key", issuer.token_with(json!({}), json!({}), &hmac)),
        ("RS256 in name", issuer.token_with(json!({ "alg": "RS256" }), json!({}), &key)),
        ("another key under the same id", issuer.token_with(json!({}), json!({}), &stranger)),
        ("a key that the token brings", issuer.token_with(embedded, json!({}), &stranger)),
        ("an unknown key", issuer.token_with(json!({ "kid": "key-9" }), json!({}), &key)),
        ("a critical header", issuer.token_with(json!({ "crit": ["x"] }), json!({}), &key)),
        ("no signature", format!("{head}.{claims}.")),
        ("two parts", format!("{head}.{claims}")),
        ("other claims", format!("{head}.{}.{}", base64url("{}"), plain.rsplit('.').next().unwrap())),
        ("another issuer's token", other.token(json!({}))),
        ("another issuer's token in our issuer's name", other.token(json!({ "iss": issuer.url() }))),
        ("a tenant-less key of Truedy", "truedy_live_0123456789abcdef".to_owned()),
    ];
    for (case, token) in cases {
        let answer = list(&server, &token).await;
        assert_shut_out(&answer, &challenge(", error=\"invalid_token\""), case);
        // Nothing of the token comes back.
        assert!(!answer.body.contains(&token), "{case}: {answer:?}");
    }
    assert_eq!((upstream.connections(), other.fetches()), (0, 0));
    assert_eq!(list(&server, &plain).await.status, 200, "a good one among them");
}

#[tokio::test]
async fn all_five_algorithms_open() {
    for key in [Key::rsa("r"), Key::ps256("p"), Key::es256("e"), Key::es384("f"), Key::ed25519("d")] {
        let (name, upstream) = (key.algorithm(), Upstream::start());
        let issuer = Issuer::with(key).await;
        let server = believing(&issuer, &upstream, &[]).await;
        assert_eq!(list(&server, &issuer.token(json!({}))).await.status, 200, "{name}");
    }
}

#[tokio::test]
async fn a_scope_that_a_token_lacks_is_asked_for_by_name() {
    let (issuer, upstream) = (Issuer::start().await, Upstream::start());
    let server = believing(&issuer, &upstream, &[]).await;
    for (scope, asked) in [
        (json!("numbers:read"), "numbers:read numbers:purchase"),
        (json!("numbers:read numbers:purchases NUMBERS:PURCHASE *"), "numbers:read numbers:purchase"),
        (json!("openid credentials:read numbers:read"), "numbers:read numbers:purchase credentials:read"),
        (json!(null), ALL_SCOPES),
    ] {
        let bearer = format!("Bearer {}", issuer.token(json!({ "scope": scope })));
        let arguments = json!({ "phone_number": "+14155550199", "confirm": true });
        let answer = server.call_with(&[("authorization", &bearer)], "purchase_number", arguments).await;
        assert_eq!(answer.status, 403, "{scope}: {answer:?}");
        let told = format!(
            "Bearer realm=\"truedy-mcp\", error=\"insufficient_scope\", resource_metadata=\"{METADATA}\", scope=\"{asked}\""
        );
        assert_eq!(answer.header("www-authenticate"), Some(told.as_str()), "{scope}");
    }
    assert_eq!((upstream.connections(), upstream.count(PURCHASE)), (0, 0));
}

#[tokio::test]
async fn a_new_key_of_the_issuer_is_found_and_the_old_one_forgotten() {
    let (issuer, upstream) = (Issuer::start().await, Upstream::start());
    let server = believing(&issuer, &upstream, &[]).await;
    let old = issuer.token(json!({}));
    assert_eq!(list(&server, &old).await.status, 200);
    issuer.rotate();
    let new = issuer.token(json!({}));
    eventually("the new key is never found", async || list(&server, &new).await.status == 200).await;
    assert_eq!(list(&server, &old).await.status, 401);
    assert!(issuer.fetches() <= 3, "{} fetches", issuer.fetches());
}

#[tokio::test]
async fn while_the_issuer_cannot_be_asked_nobody_comes_in_and_everybody_is_told_to_come_again() {
    let (issuer, upstream) = (Issuer::start().await, Upstream::start());
    issuer.answer(issuer::Answer::Status(500, std::time::Duration::ZERO));
    let server = believing(&issuer, &upstream, &[]).await;
    let answer = list(&server, &issuer.token(json!({}))).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "{answer:?}");
    assert_eq!(answer.json()["error"]["code"], 503);
    // What can be told without the keys is told.
    assert_eq!(list(&server, "nonsense").await.status, 401);
    assert_eq!(upstream.connections(), 0);
    issuer.answer(issuer::Answer::Keys);
    eventually("it never opens again", async || list(&server, &issuer.token(json!({}))).await.status == 200).await;
}

#[tokio::test]
async fn tokens_of_a_file_open_beside_those_of_the_issuer() {
    let (issuer, upstream) = (Issuer::start().await, Upstream::start());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens.toml");
    let own = tokens_for(&file, &[&["--principal", "ana"]]).remove(0);
    let server = believing(&issuer, &upstream, &["--tokens", file.to_str().unwrap()]).await;
    assert_eq!(list(&server, &own).await.status, 200);
    assert_eq!(issuer.fetches(), 0, "the issuer is not asked about a token of the file");
    assert_eq!(list(&server, &issuer.token(json!({}))).await.status, 200);
    let answer = list(&server, &own.replace("tmcp_", "tmcq_")).await;
    assert_shut_out(&answer, &challenge(", error=\"invalid_token\""), "neither");
}

#[tokio::test]
async fn a_token_of_a_tenant_that_does_not_exist_opens_nothing() {
    let (issuer, first, second) = (Issuer::start().await, Upstream::start(), Upstream::start());
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("truedy.toml");
    let section = |name: &str, upstream: &Upstream| {
        format!("[tenants.{name}]\napi_key_env = \"KEY_{name}\"\nbase_url = \"{}\"\n", upstream.base_url())
    };
    std::fs::write(&config, section("acme", &first) + &section("bolt", &second)).unwrap();
    let (config, keys) = (config.to_str().unwrap(), issuer.jwks_url());
    let mut arguments = vec!["--config", config, "--oauth-issuer", issuer.url(), "--oauth-audience", AUDIENCE];
    arguments.extend(["--oauth-jwks-url", keys.as_str(), "--oauth-tenant-claim", "org"]);
    let environment = [("KEY_acme", "truedy_AcmeKey000000000000000000000001"), ("KEY_bolt", KEY)];
    let call = async |server: &Served, org: Value| {
        let bearer = format!("Bearer {}", issuer.token(json!({ "org": org })));
        server.call_with(&[("authorization", &bearer)], "list_numbers", json!({})).await
    };
    let server = Served::start(&arguments, &environment).await;
    for org in [json!("other"), json!("default"), json!("ACME"), json!("acme "), json!(["acme"]), json!(1), json!(null)]
    {
        let answer = call(&server, org.clone()).await;
        assert_shut_out(&answer, &challenge(", error=\"invalid_token\""), &org.to_string());
    }
    assert_eq!((first.connections(), second.connections()), (0, 0));
    assert_eq!(call(&server, json!("acme")).await.status, 200);
    assert_eq!((first.count(LIST), second.connections()), (1, 0));

    arguments.extend(["--oauth-tenant", "org-1=bolt"]);
    let mapped = Served::start(&arguments, &environment).await;
    assert_eq!(call(&mapped, json!("acme")).await.status, 401, "the name itself where values are mapped");
    assert_eq!(call(&mapped, json!("org-1")).await.status, 200);
    assert_eq!((first.count(LIST), second.count(LIST)), (1, 1));
}
