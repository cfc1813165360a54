//! Tokens of real authorization servers, and what clients and operators are told of scopes.

use serde_json::{Value, json};

use crate::support::expected::{ALL_SCOPES, SCOPES, TOOLS};
use crate::support::fake_truedy::{LIST, Upstream};
use crate::support::http_client::{Answer, Served};
use crate::support::issuer::{AUDIENCE, Issuer};
use crate::support::program::KEY;

const NUMBER: &str = "+14155550199";

/// A server behind a proxy under the name `mcp.example.com`, with these arguments beside the issuer's name.
async fn believing(issuer: &str, upstream: &Upstream, arguments: &[&str]) -> Served {
    let mut all = vec!["--oauth-issuer", issuer, "--behind-tls-proxy", "--allow-host", "mcp.example.com"];
    all.extend(arguments);
    Served::on(upstream, &all).await
}

/// An issuer that describes itself where OIDC says, under this path; its name.
async fn describing(path: &str) -> (Issuer, String) {
    let issuer = Issuer::start().await;
    let name = format!("{}{path}", issuer.url());
    let place = format!("{}/.well-known/openid-configuration", path.trim_end_matches('/'));
    issuer.put(&place, &issuer.description(&name, json!({})));
    (issuer, name)
}

async fn call(server: &Served, token: &str, tool: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    let arguments = if tool == "purchase_number" { json!({ "phone_number": NUMBER }) } else { json!({}) };
    server.call_with(&[("authorization", &bearer)], tool, arguments).await
}

async fn tools(server: &Served, token: &str) -> usize {
    server.tools(&[("authorization", &format!("Bearer {token}"))]).await.len()
}

/// The scopes that a challenge names.
fn asked(answer: &Answer) -> &str {
    let challenge = answer.header("www-authenticate").unwrap_or_else(|| panic!("no challenge: {answer:?}"));
    challenge.split_once("scope=\"").unwrap().1.trim_end_matches('"')
}

async fn metadata(server: &Served) -> Value {
    server.get("/.well-known/oauth-protected-resource/mcp", &[]).await.json()
}

#[tokio::test]
async fn a_client_that_asks_for_what_the_first_challenge_names_gets_every_tool_by_one_login() {
    let ((issuer, name), upstream) = (describing("").await, Upstream::start());
    let server = believing(&name, &upstream, &[]).await;
    let first = call(&server, "", "list_numbers").await;
    assert_eq!((first.status, asked(&first)), (401, ALL_SCOPES));
    server.until_it_says(&format!("access tokens of {name} for {AUDIENCE} open it")).await;
    assert_eq!(metadata(&server).await["scopes_supported"], json!(SCOPES));
    let token = issuer.token(json!({ "scope": asked(&first) }));
    assert_eq!(tools(&server, &token).await, TOOLS.len());
    assert_eq!(call(&server, &token, "purchase_number").await.status, 200);
}

#[tokio::test]
async fn nobody_is_asked_to_log_in_for_what_the_operator_does_not_allow() {
    let ((issuer, name), upstream) = (describing("").await, Upstream::start());
    for (arguments, useful) in [
        (&["--read-only"][..], "numbers:read credentials:read"),
        (&["--tools", "list_numbers,assign_number"], "numbers:read numbers:assign"),
        (
            &["--exclude-tools", "list_credentials,import_number"],
            "numbers:read numbers:purchase numbers:assign numbers:release",
        ),
        (&["--purchases-per-day", "0"], "numbers:read numbers:import numbers:assign numbers:release credentials:read"),
    ] {
        let server = believing(&name, &upstream, arguments).await;
        assert_eq!(asked(&call(&server, "", "list_numbers").await), useful, "{arguments:?}");
        assert_eq!(asked(&call(&server, "nonsense", "list_numbers").await), useful, "{arguments:?}");
        let supported = metadata(&server).await["scopes_supported"].clone();
        assert_eq!(supported, json!(useful.split(' ').collect::<Vec<_>>()), "{arguments:?}");
        // Another login would not help: the call is refused as one that the caller may not make.
        let token = issuer.token(json!({ "scope": "numbers:read" }));
        let refused = ["numbers:purchase", "numbers:import"].into_iter().find(|scope| !useful.contains(scope)).unwrap();
        let tool = if refused == "numbers:purchase" { "purchase_number" } else { "import_number" };
        let answer = call(&server, &token, tool).await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (200, None), "{arguments:?}: {answer:?}");
        assert!(answer.body.contains("policy_denied") || answer.body.contains("invalid"), "{arguments:?}: {answer:?}");
    }
    assert_eq!(upstream.changes(), 0);
}

#[tokio::test]
async fn the_tenants_together_say_what_there_is_a_use_for() {
    let ((_issuer, name), upstream) = (describing("").await, Upstream::start());
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("truedy.toml");
    let section = |name: &str, tools: &str| {
        format!(
            "[tenants.{name}]\napi_key_env = \"KEY\"\nbase_url = \"{}\"\ntools = [\"{tools}\"]\n",
            upstream.base_url()
        )
    };
    std::fs::write(&config, section("acme", "list_numbers") + &section("bolt", "release_number")).unwrap();
    let arguments = ["--oauth-issuer", &name, "--public-url", AUDIENCE, "--oauth-tenant-claim", "org"];
    let arguments = [&arguments[..], &["--config", config.to_str().unwrap()]].concat();
    let server = Served::start(&arguments, &[("KEY", KEY)]).await;
    assert_eq!(asked(&call(&server, "", "list_numbers").await), "numbers:read numbers:release");
}

#[tokio::test]
async fn a_step_up_names_what_the_token_has_and_what_is_missing() {
    let ((issuer, name), upstream) = (describing("").await, Upstream::start());
    let server = believing(&name, &upstream, &[]).await;
    let token = issuer.token(json!({ "scope": "openid credentials:read numbers:read" }));
    let answer = call(&server, &token, "purchase_number").await;
    assert_eq!((answer.status, asked(&answer)), (403, "numbers:read numbers:purchase credentials:read"));
    let said = answer.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(
        said.contains("the scope numbers:purchase") && said.contains("it has numbers:read, credentials:read"),
        "{said}"
    );
    // Whoever asks for exactly that loses nothing: a second login is the last.
    let token = issuer.token(json!({ "scope": asked(&answer) }));
    for tool in ["purchase_number", "list_numbers", "list_credentials"] {
        assert_eq!(call(&server, &token, tool).await.status, 200, "{tool}");
    }
}

#[tokio::test]
async fn a_good_token_without_a_scope_of_ours_is_told_so_and_the_operator_once() {
    let ((issuer, name), upstream) = (describing("").await, Upstream::start());
    let server = believing(&name, &upstream, &["--read-only"]).await;
    for claims in [json!({ "scope": "openid profile" }), json!({ "scope": null, "permissions": ["numbers:read"] })] {
        let token = issuer.token(claims.clone());
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        for answer in [call(&server, &token, "list_numbers").await, server.send("POST", "/mcp", &headers, "{}").await] {
            assert_eq!((answer.status, asked(&answer)), (403, "numbers:read credentials:read"), "{claims}: {answer:?}");
            assert!(answer.header("www-authenticate").unwrap().contains("error=\"insufficient_scope\""));
            let said = answer.json()["error"]["message"].as_str().unwrap().to_owned();
            assert!(said.contains("numbers:read, credentials:read"), "{said}");
        }
        assert!(!server.stderr().contains(&token[..20]));
    }
    let line = "names no scope of this server";
    server.until_it_says(line).await;
    assert_eq!(server.stderr().matches(line).count(), 1, "{}", server.stderr());

    let again = believing(&name, &upstream, &[]).await;
    let token = issuer.token(json!({ "scope": null, "permissions": ["numbers:read"] }));
    assert_eq!(call(&again, &token, "list_numbers").await.status, 403);
    again.until_it_says("--oauth-scope-claim permissions").await;
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a_token_whose_scopes_give_no_tool_is_refused_and_told_which_would() {
    let ((issuer, name), upstream) = (describing("").await, Upstream::start());
    let line = "its scopes give no tool under the policy in force";
    for (arguments, held, due) in [
        (&["--read-only"][..], "numbers:purchase", "numbers:read credentials:read"),
        (&["--read-only"], "openid numbers:purchase numbers:release", "numbers:read credentials:read"),
        (&["--tools", "list_numbers"], "credentials:read numbers:assign", "numbers:read"),
        (
            &["--exclude-tools", "list_credentials"],
            "credentials:read",
            ALL_SCOPES.trim_end_matches(" credentials:read"),
        ),
    ] {
        let server = believing(&name, &upstream, arguments).await;
        let token = issuer.token(json!({ "scope": held }));
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
        for answer in [server.post(&headers, list).await, call(&server, &token, "list_numbers").await] {
            assert_eq!((answer.status, asked(&answer)), (403, due), "{arguments:?}: {answer:?}");
            let challenge = answer.header("www-authenticate").unwrap();
            assert!(
                challenge.starts_with("Bearer ") && challenge.contains("error=\"insufficient_scope\""),
                "{challenge}"
            );
        }
        server.until_it_says(line).await;
        let said = server.stderr();
        let lines: Vec<&str> = said.lines().filter(|one| one.contains(line)).collect();
        assert!(lines.len() == 1 && lines[0].contains("WARN") && lines[0].contains("numbers:read"), "{said}");
        assert!(!said.contains(&token[..20]), "{said}");
        // Whoever asks for what is named has tools.
        let token = issuer.token(json!({ "scope": asked(&call(&server, &token, "list_numbers").await) }));
        assert!(tools(&server, &token).await > 0, "{arguments:?}");
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a_tool_that_is_listed_lets_its_scope_in_though_it_may_be_called_no_time() {
    let ((issuer, name), upstream) = (describing("").await, Upstream::start());
    let server = believing(&name, &upstream, &["--purchases-per-day", "0"]).await;
    assert_eq!(tools(&server, &issuer.token(json!({ "scope": "numbers:purchase" }))).await, 1);
    // Where the policy offers nothing at all, no other token would help: nobody is asked for one.
    let nothing = ["--tools", "list_numbers", "--exclude-tools", "list_numbers"];
    let server = believing(&name, &upstream, &nothing).await;
    assert_eq!(tools(&server, &issuer.token(json!({ "scope": "numbers:purchase" }))).await, 0);
}

#[tokio::test]
async fn what_gives_a_tool_is_said_by_the_policy_of_the_tokens_own_tenant() {
    let ((issuer, name), upstream) = (describing("").await, Upstream::start());
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("truedy.toml");
    let section = |name: &str, tool: &str| {
        let url = upstream.base_url();
        format!("[tenants.{name}]\napi_key_env = \"KEY\"\nbase_url = \"{url}\"\ntools = [\"{tool}\"]\n")
    };
    std::fs::write(&config, section("acme", "list_numbers") + &section("bolt", "release_number")).unwrap();
    let arguments = ["--oauth-issuer", &name, "--public-url", AUDIENCE, "--oauth-tenant-claim", "org"];
    let arguments = [&arguments[..], &["--config", config.to_str().unwrap()]].concat();
    let server = Served::start(&arguments, &[("KEY", KEY)]).await;
    let token = |org: &str, scope: &str| issuer.token(json!({ "org": org, "scope": scope }));
    for (org, opens, shuts) in
        [("acme", "numbers:read", "numbers:release"), ("bolt", "numbers:release", "numbers:read")]
    {
        assert_eq!(tools(&server, &token(org, opens)).await, 1, "{org}");
        let answer = call(&server, &token(org, shuts), "list_numbers").await;
        assert_eq!((answer.status, asked(&answer)), (403, opens), "{org}");
        // One line for each tenant.
        server.until_it_says(&format!("\"tenant\":\"{org}\"")).await;
    }
}

#[tokio::test]
async fn an_issuer_that_does_not_describe_itself_is_told_to_the_operator_and_may_be_overridden() {
    let (issuer, upstream) = (Issuer::start().await, Upstream::start());
    let server = believing(issuer.url(), &upstream, &[]).await;
    let token = issuer.token(json!({}));
    assert_eq!(call(&server, &token, "list_numbers").await.status, 503);
    server.until_it_says("--oauth-jwks-url names the keys where the issuer does not").await;
    let keys = issuer.jwks_url();
    let overridden = believing(issuer.url(), &upstream, &["--oauth-jwks-url", keys.as_str()]).await;
    let asked = issuer.asked().len();
    assert_eq!(call(&overridden, &token, "list_numbers").await.status, 200);
    assert_eq!(issuer.asked().len(), asked, "whoever knows where the keys are does not ask");
}

#[tokio::test]
async fn entra_opens_by_scp_text_and_app_roles_for_an_audience_that_is_no_address() {
    let ((issuer, name), upstream) =
        (describing("/0f3a0000-aaaa-bbbb-cccc-000000000000/v2.0").await, Upstream::start());
    let (app, uri) = ("11112222-3333-4444-5555-666677778888", "api://11112222-3333-4444-5555-666677778888");
    let (both, prefix) = (format!("{app},{uri}"), format!("{uri}/"));
    let arguments = ["--oauth-audience", &both, "--oauth-scope-claim", "scp,roles", "--oauth-scope-prefix", &prefix];
    let server = believing(&name, &upstream, &arguments).await;
    // A client must ask for the scopes by their full names; tokens have them without the prefix.
    let first = asked(&call(&server, "", "list_numbers").await).to_owned();
    assert!(first.starts_with(&format!("{uri}/numbers:read {uri}/numbers:purchase ")), "{first}");
    let metadata = metadata(&server).await;
    assert_eq!(
        (&metadata["resource"], &metadata["scopes_supported"][0]),
        (&json!(AUDIENCE), &json!(format!("{uri}/numbers:read")))
    );
    let entra = |over: Value| {
        let mut claims = json!({
            "iss": name, "aud": app, "ver": "2.0", "scope": null, "scp": "numbers:read numbers:assign", "azp": "client",
            "tid": "0f3a0000-aaaa-bbbb-cccc-000000000000", "oid": "9f", "sub": "pairwise",
        });
        claims.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
        issuer.token_with(json!({ "typ": "JWT" }), claims, &issuer.key())
    };
    assert_eq!(call(&server, &entra(json!({})), "list_numbers").await.status, 200);
    assert_eq!(call(&server, &entra(json!({ "aud": uri })), "list_numbers").await.status, 200);
    // A program of its own has roles and no scopes.
    let program = entra(json!({ "scp": null, "roles": ["numbers:read", "credentials:read"] }));
    assert_eq!(tools(&server, &program).await, 8);
    for wrong in [json!({ "aud": "00000003-0000-0000-c000-000000000000" }), json!({ "aud": AUDIENCE })] {
        assert_eq!(call(&server, &entra(wrong.clone()), "list_numbers").await.status, 401, "{wrong}");
    }
    assert_eq!(upstream.count(LIST), 2);
}

#[tokio::test]
async fn okta_opens_by_scp_list_for_the_name_of_its_authorization_server() {
    let ((issuer, name), upstream) = (describing("/oauth2/aus1abc").await, Upstream::start());
    let server = believing(&name, &upstream, &["--oauth-audience", "api://default"]).await;
    let okta = |over: Value| {
        let mut claims = json!({
            "iss": name, "aud": "api://default", "ver": 1, "cid": "0oa1", "uid": "00u1", "sub": "ana@example.com",
            "scope": null, "scp": ["offline_access", "numbers:read", "numbers:release"],
        });
        claims.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
        issuer.token_with(json!({ "typ": null }), claims, &issuer.key())
    };
    assert_eq!(tools(&server, &okta(json!({}))).await, 8);
    assert_eq!(call(&server, &okta(json!({})), "list_numbers").await.status, 200);
    // The org's own authorization server is another issuer.
    assert_eq!(call(&server, &okta(json!({ "iss": issuer.url() })), "list_numbers").await.status, 401);
    assert_eq!(
        call(&server, &okta(json!({ "aud": "0oa1" })), "list_numbers").await.status,
        401,
        "its ID token's audience"
    );
}

#[tokio::test]
async fn auth0_opens_by_permissions_for_an_identifier_with_a_slash() {
    let ((issuer, name), upstream) = (describing("/").await, Upstream::start());
    let api = "https://truedy.example.com/api/";
    let arguments = ["--oauth-audience", api, "--oauth-scope-claim", "permissions"];
    let server = believing(&name, &upstream, &arguments).await;
    // The identifier is no address of ours: clients are told the one by which they come.
    assert_eq!(metadata(&server).await["resource"], AUDIENCE);
    let auth0 = |over: Value| {
        let mut claims = json!({
            "iss": name, "aud": [api, format!("{name}userinfo")], "azp": "client", "sub": "auth0|65f0", "gty": "password",
            "scope": "openid profile numbers:purchase", "permissions": ["numbers:read", "numbers:assign"],
        });
        claims.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
        issuer.token(claims)
    };
    assert_eq!(call(&server, &auth0(json!({})), "list_numbers").await.status, 200);
    assert_eq!(
        call(&server, &auth0(json!({})), "purchase_number").await.status,
        403,
        "a scope that its holder has no permission for"
    );
    assert_eq!(call(&server, &auth0(json!({ "aud": api.trim_end_matches('/') })), "list_numbers").await.status, 401);
    assert_eq!(
        call(&server, &auth0(json!({ "iss": issuer.url() })), "list_numbers").await.status,
        401,
        "without its slash"
    );
}

#[tokio::test]
async fn keycloak_opens_by_scope_text_where_the_server_is_one_of_several_audiences() {
    let ((issuer, name), upstream) = (describing("/realms/acme").await, Upstream::start());
    let server = believing(&name, &upstream, &["--oauth-audience", "truedy-mcp"]).await;
    let keycloak = |over: Value| {
        let mut claims = json!({
            "iss": name, "aud": ["account", "truedy-mcp"], "azp": "claude", "typ": "Bearer", "sub": "6f1c", "sid": "s",
            "scope": "openid email numbers:read credentials:read", "realm_access": { "roles": ["numbers:purchase"] },
        });
        claims.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
        issuer.token_with(json!({ "typ": "JWT" }), claims, &issuer.key())
    };
    assert_eq!(tools(&server, &keycloak(json!({}))).await, 8);
    assert_eq!(call(&server, &keycloak(json!({})), "list_numbers").await.status, 200);
    // Its other tokens have the same key, and by its settings the same audience.
    for wrong in [
        json!({ "typ": "ID" }),
        json!({ "typ": "Refresh" }),
        json!({ "aud": "account" }),
        json!({ "aud": "account", "azp": "truedy-mcp" }),
    ] {
        assert_eq!(call(&server, &keycloak(wrong.clone()), "list_numbers").await.status, 401, "{wrong}");
    }
}

#[test]
fn the_page_for_operators_names_settings_that_there_are() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/http/oauth.md")).unwrap();
    let table = truedy_mcp::cli::http_table() + &truedy_mcp::cli::settings_table();
    let flags: Vec<&str> =
        page.split(|c: char| !c.is_ascii_lowercase() && c != '-').filter(|word| word.starts_with("--")).collect();
    let flags = flags.into_iter().filter(|flag| flag.contains(|c: char| c.is_ascii_lowercase()));
    let missing: Vec<&str> = flags.filter(|flag| !table.contains(&format!("| `{flag}"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
    for setting in ["issuer", "audience", "jwks-url", "scope-claim", "scope-prefix", "tenant-claim"] {
        assert!(page.contains(&format!("--oauth-{setting}")), "{setting}");
    }
}
