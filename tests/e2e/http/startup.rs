//! What is not started, and why: exit code 2 and one sentence. And what an open network changes for what is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use super::bearer_tokens::tokens_for;
use crate::support::fake_truedy::Upstream;
use crate::support::http_client::Served;

/// Not started: two, and one sentence with this in it.
async fn refused(arguments: &[&str], environment: &[(&str, &str)], part: &str) {
    let (code, said) = Served::refused(arguments, environment).await;
    assert_eq!(code, 2, "{arguments:?} {environment:?}: {said}");
    let sentence = said.strip_prefix("truedy-mcp: ").and_then(|rest| rest.strip_suffix("\n"));
    let sentence = sentence.unwrap_or_else(|| panic!("no sentence of ours: {said}"));
    assert!(!sentence.contains('\n') && sentence.ends_with('.'), "{arguments:?}: {said}");
    assert!(sentence.contains(part), "{arguments:?}: {said}");
}

fn private(file: &Path, text: &str) {
    fs::write(file, text).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test]
async fn what_is_reached_from_elsewhere_needs_tokens_tls_and_a_name() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens.toml");
    tokens_for(&file, &[&["--principal", "ana"]]);
    let tokens = file.to_str().unwrap();
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let listen = ["--listen", listen];
        let with = |more: &[&'static str]| [&listen[..], more].concat();
        refused(&with(&[]), &[], "nothing tells who calls").await;
        refused(&with(&["--behind-tls-proxy", "--allow-host", "mcp.example.com"]), &[], "nothing tells who calls")
            .await;
        refused(&with(&["--no-auth-loopback"]), &[], "--no-auth-loopback is for this machine alone").await;
        let environment = [("TRUEDY_MCP_TOKENS", tokens)];
        refused(&with(&[]), &environment, "tokens would travel in clear").await;
        refused(&with(&["--allow-host", "mcp.example.com"]), &environment, "tokens would travel in clear").await;
        refused(&with(&["--behind-tls-proxy"]), &environment, "no name of it is known").await;
        refused(&with(&["--no-auth-loopback", "--behind-tls-proxy"]), &environment, "--no-auth-loopback").await;
    }
    // Set by a variable it is the same.
    let everybody = ("TRUEDY_MCP_NO_AUTH_LOOPBACK", "true");
    refused(&[], &[("TRUEDY_MCP_LISTEN", "0.0.0.0:0"), everybody], "--no-auth-loopback").await;
}

#[tokio::test]
async fn letting_everybody_in_goes_with_nothing_that_says_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens.toml");
    tokens_for(&file, &[&["--principal", "ana"]]);
    let tokens = ["--no-auth-loopback", "--tokens", file.to_str().unwrap()];
    refused(&tokens, &[], "set one of them only").await;
    refused(&["--no-auth-loopback", "--behind-tls-proxy"], &[], "others come in").await;
    let config = dir.path().join("truedy.toml");
    private(&config, "[tenants.a]\napi_key_env = \"A\"\n[tenants.b]\napi_key_env = \"B\"\n");
    let config = ["--config", config.to_str().unwrap()];
    let keys = [("A", "truedy_KeyOfA00000000000000000000000001"), ("B", "truedy_KeyOfB00000000000000000000000001")];
    refused(&config, &keys, "nothing tells whose a call is").await;
    refused(&[&config[..], &["--no-auth-loopback"]].concat(), &keys, "nothing tells whose a call is").await;
}

#[tokio::test]
async fn tenants_that_no_token_could_reach_are_not_started() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("truedy.toml");
    let issuer = "https://login.example.com";
    let oauth =
        ["--oauth-issuer", issuer, "--oauth-audience", "https://mcp.example.com/mcp", "--oauth-jwks-url", issuer];
    private(&config, "[tenants.acme]\napi_key_env = \"A\"\n");
    let with = [&oauth[..], &["--config", config.to_str().unwrap()]].concat();
    let keys = [("A", "truedy_KeyOfA00000000000000000000000001")];
    refused(&with, &keys, "there are: acme").await;
    Served::start(&[&with[..], &["--oauth-tenant-claim", "org"]].concat(), &keys).await;
    private(&config, "[tenants.default]\napi_key_env = \"A\"\n");
    Served::start(&with, &keys).await;
}

#[tokio::test]
async fn what_it_works_on_is_said_at_the_start() {
    let without_key = Served::start(&["--no-auth-loopback"], &[("TRUEDY_API_KEY", "")]).await;
    without_key.until_it_says("working on Truedy, live; no API key is set").await;
    let play = Served::start(&["--sandbox", "--ephemeral"], &[]).await;
    play.until_it_says("working on the sandbox").await;
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("tokens.toml");
    private(&empty, "");
    let nobody = Served::start(&["--sandbox", "--ephemeral", "--tokens", empty.to_str().unwrap()], &[]).await;
    nobody.until_it_says("the file of tokens holds none").await;
}

#[tokio::test]
async fn more_than_one_replica_needs_what_all_of_them_share() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    private(&key, &"k".repeat(64));
    let (two, key) = (["--replicas", "2"], ["--state-key-file", key.to_str().unwrap()]);
    let postgres = ["--journal", "postgres://truedy@localhost/truedy"];
    refused(&two, &[], "--journal postgres://").await;
    refused(&[&two[..], &key].concat(), &[], "--journal postgres://").await;
    refused(&[&two[..], &key, &["--journal", "memory"]].concat(), &[], "--journal postgres://").await;
    refused(&[&two[..], &key, &postgres, &["--sandbox"]].concat(), &[], "no --sandbox").await;
    refused(&[&two[..], &postgres].concat(), &[], "--state-key-file").await;
    refused(&[&two[..], &postgres, &key, &["--sessions"]].concat(), &[], "--sessions").await;
    refused(&[&two[..], &postgres, &key, &["--legacy-sse"]].concat(), &[], "--legacy-sse").await;
    refused(&key, &[("TRUEDY_MCP_REPLICAS", "3")], "--journal postgres://").await;
}

#[tokio::test]
async fn a_file_of_tokens_that_cannot_be_used_stops_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens.toml");
    let tokens = ["--tokens", file.to_str().unwrap()];
    refused(&tokens, &[], "truedy-mcp token new makes it").await;
    private(&file, "[[token]\n");
    refused(&tokens, &[], "line 1").await;
    private(&file, "[[token]]\nsha256 = \"00\"\nprincipal = \"ana\"\n");
    refused(&tokens, &[], "token 1: sha256").await;
    let digest = "ab".repeat(32);
    private(&file, &format!("[[token]]\nsha256 = \"{digest}\"\nprincipal = \"ana\"\ntenant = \"other\"\n"));
    refused(&tokens, &[], "its field tenant names no tenant of this server").await;
    private(&file, &format!("[[token]]\nsha256 = \"{digest}\"\nprincipal = \"ana\"\nscopes = [\"all\"]\n"));
    refused(&tokens, &[], "scope 1 is not known").await;
    private(&file, "");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    refused(&tokens, &[], "chmod 600").await;
    refused(&["--tokens", dir.path().to_str().unwrap()], &[], "not a regular file").await;
}

#[tokio::test]
async fn what_an_issuer_needs_is_asked_for() {
    let whole = |issuer: &'static str, audience: &'static str, keys: &'static str| {
        ["--oauth-issuer", issuer, "--oauth-audience", audience, "--oauth-jwks-url", keys]
    };
    let (issuer, audience, keys) =
        ("https://login.example.com", "https://mcp.example.com/mcp", "https://login.example.com/k");
    refused(&whole("http://login.example.com", audience, keys), &[], "--oauth-issuer cannot be used").await;
    refused(&whole(issuer, "http://mcp.example.com/mcp", keys), &[], "--public-url cannot be used").await;
    refused(&whole(issuer, "api://truedy", keys), &[], "--public-url https://mcp.example.com/mcp").await;
    refused(&["--oauth-issuer", issuer], &[], "--public-url https://mcp.example.com/mcp").await;
    refused(&whole(issuer, audience, "http://login.example.com/k"), &[], "--oauth-jwks-url cannot be used").await;
    refused(&whole(issuer, audience, "https://user:hunter2@login.example.com/k"), &[], "--oauth-jwks-url").await;
    let mut mapped = whole(issuer, audience, keys).to_vec();
    mapped.extend(["--oauth-tenant-claim", "org", "--oauth-tenant", "x=nobody"]);
    refused(&mapped, &[], "a tenant that there is not").await;
    // In the form of the command line: more than a sentence, and the same exit code.
    for arguments in
        [&["--public-url", audience][..], &["--oauth-scope-claim", "scp"], &whole(issuer, audience, keys)[2..]]
    {
        let (code, said) = Served::refused(arguments, &[]).await;
        assert!(code == 2 && said.contains("--oauth"), "{said}");
    }
}

#[tokio::test]
async fn what_is_no_name_no_origin_and_no_address_is_refused() {
    for arguments in [
        ["--allow-host", "*"],
        ["--allow-host", "*.example.com"],
        ["--allow-host", "https://mcp.example.com"],
        ["--allow-host", "mcp.example.com/mcp"],
        ["--allow-host", "user@mcp.example.com"],
        ["--allow-host", ""],
        ["--allow-origin", "*"],
        ["--allow-origin", "null"],
        ["--allow-origin", "app.example.com"],
        ["--allow-origin", "https://app.example.com/path"],
        ["--allow-origin", "https://*.example.com"],
        ["--listen", "8080"],
        ["--listen", "example.com:80"],
        ["--listen", "unix:relative.sock"],
        ["--admin-listen", "0.0.0.0:0"],
        ["--admin-listen", "192.0.2.1:0"],
        ["--max-connections", "0"],
        ["--tls-cert", "/nowhere"],
        ["--replicas", "0"],
    ] {
        let (code, said) = Served::refused(&arguments, &[]).await;
        assert!(code == 2 && said.contains(arguments[0]), "{arguments:?}: {said}");
    }
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refused(&["--listen", &address], &[], "cannot be listened on").await;
    refused(&["--admin-listen", &address], &[], "cannot be listened on").await;
}

#[tokio::test]
async fn on_an_open_network_neither_names_nor_pages_of_this_machine_pass() {
    let upstream = Upstream::start();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens.toml");
    let token = tokens_for(&file, &[&["--principal", "ana"]]).remove(0);
    let mut arguments = vec!["--listen", "0.0.0.0:0", "--behind-tls-proxy", "--allow-host", "mcp.example.com"];
    arguments.extend(["--tokens", file.to_str().unwrap()]);
    let server = Served::on(&upstream, &arguments).await;
    let bearer = format!("Bearer {token}");
    let call = async |headers: &[(&str, &str)]| {
        let mut all = vec![("authorization", bearer.as_str())];
        all.extend(headers);
        server.call_with(&all, "list_numbers", json!({})).await.status
    };
    for host in ["localhost", "127.0.0.1", "0.0.0.0"] {
        assert_eq!(call(&[("host", host)]).await, 403, "{host}");
    }
    for origin in ["http://localhost", "http://127.0.0.1:6274", "https://mcp.example.com", "null"] {
        assert_eq!(call(&[("host", "mcp.example.com"), ("origin", origin)]).await, 403, "{origin}");
    }
    assert_eq!(upstream.connections(), 0);
    assert_eq!(call(&[("host", "mcp.example.com")]).await, 200);
    // What a proxy says of itself and its clients changes nothing.
    for name in ["x-forwarded-proto", "x-forwarded-for", "x-forwarded-host", "forwarded"] {
        assert_eq!(call(&[("host", "mcp.example.com"), (name, "evil.example")]).await, 200, "{name}");
    }
}
