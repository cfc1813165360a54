//! Tests of `oauth.rs`, beside it since both together are long.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::http::issuer::{self, AUDIENCE, Answer, Issuer, base64url, now};

fn options(issuer: &Issuer) -> OAuthOptions {
    OAuthOptions {
        issuer: issuer.url().to_owned(),
        audiences: vec![AUDIENCE.to_owned()],
        public_url: Url::parse(AUDIENCE).unwrap(),
        jwks_url: Some(issuer.jwks_url()),
        scope_claims: Vec::new(),
        scope_prefix: None,
        tenant_claim: None,
        tenants: BTreeMap::new(),
        ca_pem: None,
    }
}

fn server(issuer: &Issuer) -> OAuth {
    OAuth::new(options(issuer)).unwrap()
}

/// What a token with these claims is denied for.
async fn denied(server: &OAuth, token: &str) -> Denied {
    server.verify(token).await.expect_err("it is accepted")
}

async fn scopes_of(server: &OAuth, token: &str) -> Vec<&'static str> {
    server.verify(token).await.unwrap().scopes.into_iter().map(Scope::as_str).collect()
}

#[tokio::test]
async fn a_good_token_says_who_calls_and_what_for() {
    let issuer = Issuer::start().await;
    let token = issuer.token(json!({ "sub": "user|42", "scope": "openid numbers:read numbers:assign" }));
    let identity = server(&issuer).verify(&token).await.unwrap();
    assert_eq!(identity.tenant, "default");
    assert_eq!(identity.principal, "oauth:user|42");
    assert_eq!(identity.scopes, [Scope::NumbersRead, Scope::NumbersAssign].into());
}

#[tokio::test]
async fn each_of_the_five_algorithms_is_accepted() {
    use issuer::Key;
    for key in [Key::rsa("a"), Key::ps256("b"), Key::es256("c"), Key::es384("d"), Key::ed25519("e")] {
        let algorithm = key.algorithm();
        let issuer = Issuer::with(key).await;
        let outcome = server(&issuer).verify(&issuer.token(json!({}))).await;
        assert!(outcome.is_ok(), "{algorithm}: {outcome:?}");
    }
}

#[tokio::test]
async fn no_other_algorithm_is_accepted_however_it_is_signed() {
    let issuer = Issuer::with(issuer::Key::rsa("a")).await;
    let server = server(&issuer);
    let not_accepted = Denied::Invalid("algorithm not accepted");
    for other in ["RS384", "RS512", "PS256", "HS256", "ES384", "Ed25519", "rs256", "none", "None", ""] {
        let token = issuer.token_with(json!({ "alg": other }), json!({}), &issuer.key());
        assert_eq!(denied(&server, &token).await, not_accepted, "{other}");
    }
    for other in [json!(null), json!(256)] {
        let token = issuer.token_with(json!({ "alg": other }), json!({}), &issuer.key());
        assert!(matches!(denied(&server, &token).await, Denied::Invalid(_)), "{other}");
    }
    assert_eq!(
        denied(&server, &issuer.token_with(json!({}), json!({}), &issuer::Key::nothing("a"))).await,
        not_accepted
    );
    // The public key is no secret: whoever signs with it by HMAC is anybody.
    let jwk = issuer.key().jwk();
    let modulus = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
    for public in [modulus.as_slice(), jwk.to_string().as_bytes(), jwk["n"].as_str().unwrap().as_bytes()] {
        let forged = issuer::Key::shared("a", public);
        let forged = issuer.token_with(json!({}), json!({}), &forged);
        assert_eq!(denied(&server, &forged).await, not_accepted);
    }
}

#[tokio::test]
async fn under_a_key_that_everybody_can_sign_for_nothing_is_accepted() {
    // The point of order one: with R the same point and S zero, the equation of RFC 8032 §5.1.7 holds for any message.
    let mut one = [0; 32];
    one[0] = 1;
    let mut signature = [0; 64];
    signature[0] = 1;
    let issuer = Issuer::with(issuer::Key::fixed("weak", one, signature)).await;
    assert_eq!(denied(&server(&issuer), &issuer.token(json!({}))).await, Denied::Invalid("unknown key"));
}

#[tokio::test]
async fn what_is_for_the_client_to_read_opens_nothing() {
    let issuer = Issuer::start().await;
    for other in [json!({ "typ": "ID" }), json!({ "at_hash": "77QmUPtjPfzWtF2AnpK9RQ" })] {
        let token = issuer.token(other.clone());
        assert_eq!(denied(&server(&issuer), &token).await, Denied::Invalid("not an access token"), "{other}");
    }
}

#[tokio::test]
async fn a_key_serves_its_own_algorithm_only() {
    let rsa = issuer::Key::rsa("a");
    let issuer = Issuer::start().await;
    issuer.publish(&[rsa.jwk(), issuer.key().jwk()]);
    let server = server(&issuer);
    assert!(server.verify(&issuer.token_with(json!({}), json!({}), &rsa)).await.is_ok());
    for (header, key) in [
        (json!({ "alg": "ES256" }), &rsa),
        (json!({ "alg": "EdDSA" }), &rsa),
        (json!({ "alg": "RS256" }), &*issuer.key()),
        (json!({ "alg": "EdDSA" }), &*issuer.key()),
    ] {
        let token = issuer.token_with(header.clone(), json!({}), key);
        assert_eq!(denied(&server, &token).await, Denied::Invalid("algorithm not accepted"), "{header}");
    }
}

#[tokio::test]
async fn another_key_under_the_same_id_is_found_out() {
    let issuer = Issuer::start().await;
    let stranger = issuer::Key::es256("key-0");
    let token = issuer.token_with(json!({}), json!({}), &stranger);
    assert_eq!(denied(&server(&issuer), &token).await, Denied::Invalid("wrong signature"));
    // Neither a key in the header nor an address of keys is heeded.
    let elsewhere =
        json!({ "jwk": stranger.jwk(), "jku": "https://evil.example.com/keys", "x5u": "https://evil.example.com/c" });
    let token = issuer.token_with(elsewhere, json!({}), &stranger);
    assert!(matches!(denied(&server(&issuer), &token).await, Denied::Invalid(_)));
}

#[tokio::test]
async fn claims_of_one_token_do_not_fit_the_signature_of_another() {
    let issuer = Issuer::start().await;
    let (poor, rich) = (issuer.token(json!({})), issuer.token(json!({ "scope": "numbers:purchase" })));
    let mut parts: Vec<&str> = poor.split('.').collect();
    parts[1] = rich.split('.').nth(1).unwrap();
    assert_eq!(denied(&server(&issuer), &parts.join(".")).await, Denied::Invalid("wrong signature"));
}

#[tokio::test]
async fn a_token_has_its_time_and_a_minute_of_leeway() {
    let issuer = Issuer::start().await;
    let server = server(&issuer);
    for good in [
        json!({ "exp": now() - 50 }),
        json!({ "nbf": now() + 50 }),
        json!({ "exp": now() as f64 + 1.5 }),
        json!({ "nbf": now() - 1000 }),
    ] {
        assert!(server.verify(&issuer.token(good.clone())).await.is_ok(), "{good}");
    }
    for (bad, why) in [
        (json!({ "exp": now() - 70 }), "expired"),
        (json!({ "exp": 0 }), "expired"),
        (json!({ "exp": null }), "no expiry"),
        (json!({ "exp": -1 }), "no expiry"),
        (json!({ "exp": (now() + 300).to_string() }), "no expiry"),
        (json!({ "nbf": now() + 80 }), "not yet valid"),
        (json!({ "nbf": "tomorrow" }), "not a token of the issuer"),
    ] {
        assert_eq!(denied(&server, &issuer.token(bad.clone())).await, Denied::Invalid(why), "{bad}");
    }
}

#[tokio::test]
async fn the_issuer_is_compared_character_by_character() {
    let issuer = Issuer::start().await;
    let server = server(&issuer);
    let with_slash = format!("{}/", issuer.url());
    let upper = issuer.url().to_uppercase();
    for wrong in
        [json!(null), json!("https://evil.example.com"), json!(with_slash), json!(upper), json!([issuer.url()])]
    {
        let token = issuer.token(json!({ "iss": wrong }));
        assert_eq!(denied(&server, &token).await, Denied::Invalid("wrong issuer"), "{wrong}");
    }
}

#[tokio::test]
async fn only_tokens_for_us_are_accepted() {
    let issuer = Issuer::start().await;
    let server = server(&issuer);
    for ours in [json!(AUDIENCE), json!([AUDIENCE]), json!(["https://other.example.com", AUDIENCE, 7])] {
        assert!(server.verify(&issuer.token(json!({ "aud": ours }))).await.is_ok(), "{ours}");
    }
    for others in [
        json!(null),
        json!(""),
        json!([]),
        json!({ "aud": AUDIENCE }),
        json!(format!("{AUDIENCE}/")),
        json!(format!("{AUDIENCE}/more")),
        json!("https://mcp.example.com"),
        json!("https://MCP.example.com/mcp"),
        json!(["https://other.example.com", format!("{AUDIENCE}/")]),
        json!([[AUDIENCE]]),
    ] {
        let token = issuer.token(json!({ "aud": others }));
        assert_eq!(denied(&server, &token).await, Denied::Invalid("wrong audience"), "{others}");
    }
}

#[tokio::test]
async fn an_audience_without_a_path_goes_with_and_without_a_slash() {
    let issuer = Issuer::start().await;
    for written in ["https://mcp.example.com", "https://mcp.example.com/"] {
        let audiences = vec![written.to_owned()];
        let server = OAuth::new(OAuthOptions { audiences, ..options(&issuer) }).unwrap();
        for aud in ["https://mcp.example.com", "https://mcp.example.com/"] {
            assert!(server.verify(&issuer.token(json!({ "aud": aud }))).await.is_ok(), "{written} {aud}");
        }
        let token = issuer.token(json!({ "aud": "https://mcp.example.com//" }));
        assert_eq!(denied(&server, &token).await, Denied::Invalid("wrong audience"));
    }
}

#[tokio::test]
async fn an_audience_is_any_text_and_one_of_several_and_without_one_it_is_our_address() {
    let issuer = Issuer::start().await;
    let with = |audiences: &[&str]| {
        let audiences = audiences.iter().map(|&audience| audience.to_owned()).collect();
        OAuth::new(OAuthOptions { audiences, ..options(&issuer) }).unwrap()
    };
    let several = ["api://truedy", "0a1b2c3d-1111-2222-3333-444455556666", "https://tenant.example.com/api/"];
    let wrong = Denied::Invalid("wrong audience");
    for one in several {
        let token = issuer.token(json!({ "aud": one }));
        assert!(with(&several).verify(&token).await.is_ok(), "{one}");
        assert_eq!(denied(&with(&[]), &token).await, wrong, "{one}");
        assert_eq!(denied(&with(&several), &issuer.token(json!({ "aud": one.to_uppercase() }))).await, wrong);
        assert_eq!(denied(&with(&several), &issuer.token(json!({ "aud": &one[1..] }))).await, wrong);
    }
    assert_eq!(denied(&with(&several), &issuer.token(json!({}))).await, wrong, "our address is not among them");
    assert!(with(&[]).verify(&issuer.token(json!({}))).await.is_ok());
}

#[tokio::test]
async fn a_subject_is_a_short_text_without_control_characters() {
    let issuer = Issuer::start().await;
    let server = server(&issuer);
    assert!(server.verify(&issuer.token(json!({ "sub": "é".repeat(200) }))).await.is_ok());
    for bad in [
        json!(null),
        json!(""),
        json!(42),
        json!("a\nb"),
        json!("a\u{85}b"),
        json!("a\u{202e}b"),
        json!("a\u{200b}b"),
        json!("a".repeat(201)),
    ] {
        let token = issuer.token(json!({ "sub": bad }));
        assert_eq!(denied(&server, &token).await, Denied::Invalid("no subject"), "{bad}");
    }
}

#[tokio::test]
async fn scopes_come_as_text_or_as_a_list_and_unknown_ones_are_left_out() {
    let issuer = Issuer::start().await;
    let server = server(&issuer);
    let both = ["numbers:read", "credentials:read"];
    for (claims, expected) in [
        (json!({ "scope": "numbers:read credentials:read" }), &both[..]),
        (json!({ "scope": "  credentials:read  admin * numbers:read numbers:read " }), &both[..]),
        (json!({ "scope": null, "scp": "numbers:read credentials:read" }), &both[..]),
        (json!({ "scope": null, "scp": ["numbers:read", "credentials:read", "numbers:*", 7] }), &both[..]),
        (json!({ "scope": "numbers:read", "scp": "numbers:purchase" }), &both[..1]),
        (json!({ "scope": "", "scp": "numbers:purchase" }), &[]),
        (json!({ "scope": null }), &[]),
        (json!({ "scope": "NUMBERS:READ\tnumbers:read" }), &[]),
        (json!({ "scope": ["numbers:read"], "scp": null }), &both[..1]),
        (json!({ "scope": ["numbers:read"], "scp": "numbers:purchase" }), &both[..1]),
        (json!({ "scope": 7, "scp": { "numbers:read": true } }), &[]),
    ] {
        assert_eq!(scopes_of(&server, &issuer.token(claims.clone())).await, expected, "{claims}");
    }
}

#[tokio::test]
async fn a_claim_names_the_tenant() {
    let issuer = Issuer::start().await;
    let by_claim = OAuthOptions { tenant_claim: Some("org".to_owned()), ..options(&issuer) };
    let mapped = OAuthOptions { tenants: [("o-1".to_owned(), "acme".to_owned())].into(), ..by_claim.clone() };
    let (by_claim, mapped) = (OAuth::new(by_claim).unwrap(), OAuth::new(mapped).unwrap());
    let token = issuer.token(json!({ "org": "o-1" }));
    assert_eq!(by_claim.verify(&token).await.unwrap().tenant, "o-1");
    assert_eq!(mapped.verify(&token).await.unwrap().tenant, "acme");
    assert_eq!(server(&issuer).verify(&token).await.unwrap().tenant, "default");
    let no_tenant = Denied::Invalid("no tenant");
    for none in [json!(null), json!(""), json!(1), json!(["o-1"]), json!("o\n1"), json!("o".repeat(201))] {
        let token = issuer.token(json!({ "org": none }));
        assert_eq!(denied(&by_claim, &token).await, no_tenant, "{none}");
        assert_eq!(denied(&mapped, &token).await, no_tenant, "{none}");
    }
    // Neither a value that is not in the mapping nor the name of a tenant itself.
    for unmapped in ["o-2", "acme", "default"] {
        assert_eq!(denied(&mapped, &issuer.token(json!({ "org": unmapped }))).await, no_tenant, "{unmapped}");
    }
}

#[tokio::test]
async fn the_type_says_access_token_or_nothing() {
    let issuer = Issuer::start().await;
    let server = server(&issuer);
    let with = |typ: Value| issuer.token_with(json!({ "typ": typ }), json!({}), &issuer.key());
    for good in [json!(null), json!("JWT"), json!("jwt"), json!("at+JWT"), json!("Application/AT+JWT")] {
        assert!(server.verify(&with(good.clone())).await.is_ok(), "{good}");
    }
    for bad in ["", "logout+jwt", "application/jwt", "dpop+jwt", "jwt "] {
        assert_eq!(denied(&server, &with(json!(bad))).await, Denied::Invalid("not an access token"), "{bad}");
    }
    assert!(matches!(denied(&server, &with(json!(["JWT"]))).await, Denied::Invalid(_)));
}

#[tokio::test]
async fn what_must_be_understood_is_refused() {
    let issuer = Issuer::start().await;
    let server = server(&issuer);
    for crit in [json!(["b64"]), json!([]), json!("exp")] {
        let token = issuer.token_with(json!({ "crit": crit, "b64": true }), json!({}), &issuer.key());
        assert_eq!(denied(&server, &token).await, Denied::Invalid("crit not accepted"), "{crit}");
    }
}

#[tokio::test]
async fn a_token_says_by_which_key_unless_there_is_only_one() {
    let issuer = Issuer::start().await;
    let without = |issuer: &Issuer| issuer.token_with(json!({ "kid": null }), json!({}), &issuer.key());
    assert!(server(&issuer).verify(&without(&issuer)).await.is_ok());
    let numbered = issuer.token_with(json!({ "kid": 0 }), json!({}), &issuer.key());
    assert_eq!(denied(&server(&issuer), &numbered).await, NO_ISSUERS);
    let wrong = issuer.token_with(json!({ "kid": "KEY-0" }), json!({}), &issuer.key());
    assert_eq!(denied(&server(&issuer), &wrong).await, Denied::Invalid("unknown key"));
    issuer.publish(&[issuer.key().jwk(), issuer::Key::ed25519("other").jwk()]);
    assert_eq!(denied(&server(&issuer), &without(&issuer)).await, Denied::Invalid("no kid"));
    assert!(server(&issuer).verify(&issuer.token(json!({}))).await.is_ok());
}

#[tokio::test]
async fn what_is_no_token_is_refused_without_asking_the_issuer() {
    let issuer = Issuer::start().await;
    let server = server(&issuer);
    let good = issuer.token(json!({}));
    let (header, rest) = good.split_once('.').unwrap();
    for garbage in [
        "",
        ".",
        "..",
        "...",
        "truedy_live_0123456789",
        &format!("{good}."),
        &format!("{good}="),
        &format!(" {good}"),
        &format!("{good}\n"),
        &format!("{header}.{rest}.{rest}"),
        &format!("{header}=.{rest}"),
        &format!("{}.{rest}", base64url("no JSON")),
        &format!("{}.{rest}", base64url("[]")),
        &format!("{}.{rest}", base64url([0xff, 0xfe])),
    ] {
        assert_eq!(denied(&server, garbage).await, NO_ISSUERS, "{garbage:?}");
    }
    assert_eq!(denied(&server, &"a".repeat(LARGEST + 1)).await, Denied::Invalid("too long"));
    assert_eq!(issuer.fetches(), 0);
    let large = issuer.token(json!({ "padding": "x".repeat(5500) }));
    assert!(large.len() > 7000 && large.len() <= LARGEST && server.verify(&large).await.is_ok(), "{}", large.len());
    let too_large = issuer.token(json!({ "padding": "x".repeat(6500) }));
    assert_eq!(denied(&server, &too_large).await, Denied::Invalid("too long"));
}

#[tokio::test]
async fn claims_that_are_no_object_are_no_claims() {
    let issuer = Issuer::start().await;
    let server = server(&issuer);
    let header = base64url(json!({ "alg": "ES256", "kid": "key-0" }).to_string());
    for claims in ["[]", "null", "1", "", "{", r#"{"exp":9999999999,"exp":1}"#] {
        let token = issuer.signed(&format!("{header}.{}", base64url(claims)));
        assert_eq!(denied(&server, &token).await, NO_ISSUERS, "{claims}");
    }
}

#[tokio::test]
async fn without_the_keys_nothing_is_accepted() {
    let issuer = Issuer::start().await;
    issuer.answer(Answer::Status(500, Duration::ZERO));
    assert_eq!(denied(&server(&issuer), &issuer.token(json!({}))).await, Denied::Unavailable);
}

#[tokio::test]
async fn the_metadata_say_where_tokens_come_from_and_what_for() {
    let issuer = Issuer::start().await;
    let at = |url: &str| {
        let public_url = Url::parse(url).unwrap();
        OAuth::new(OAuthOptions { public_url, ..options(&issuer) }).unwrap()
    };
    let useful = [Scope::NumbersRead, Scope::NumbersRelease].into();
    let metadata = at(AUDIENCE).metadata(&useful);
    assert_eq!(metadata["resource"], AUDIENCE);
    assert_eq!(metadata["authorization_servers"], json!([issuer.url()]));
    assert_eq!(metadata["bearer_methods_supported"], json!(["header"]));
    assert_eq!(metadata["scopes_supported"], json!(["numbers:read", "numbers:release"]));
    let prefixed = OAuthOptions { scope_prefix: Some("api://t/".to_owned()), ..options(&issuer) };
    let metadata = OAuth::new(prefixed).unwrap().metadata(&useful);
    assert_eq!(metadata["scopes_supported"], json!(["api://t/numbers:read", "api://t/numbers:release"]));
    assert_eq!(at("https://mcp.example.com").metadata(&useful)["resource"], "https://mcp.example.com");
    for (public, url) in [
        (AUDIENCE, "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"),
        ("https://mcp.example.com", "https://mcp.example.com/.well-known/oauth-protected-resource"),
        ("https://mcp.example.com/", "https://mcp.example.com/.well-known/oauth-protected-resource"),
        ("https://m.example.com:8443/a/b/", "https://m.example.com:8443/.well-known/oauth-protected-resource/a/b/"),
        ("http://[::1]:80/mcp", "http://[::1]/.well-known/oauth-protected-resource/mcp"),
    ] {
        assert_eq!(at(public).metadata_url(), url);
    }
}

#[tokio::test]
async fn wrong_options_are_named_with_a_reason_and_an_example() {
    let issuer = Issuer::start().await;
    let good = options(&issuer);
    let url = |text: &str| Url::parse(text).unwrap();
    let mut wrong: Vec<(&str, OAuthOptions)> = Vec::new();
    for bad in [
        "",
        "login.example.com",
        "https:login.example.com",
        "http://login.example.com",
        "http://127.0.0.1.example.com",
        "ftp://login.example.com",
        "https://user:hunter2@login.example.com",
        "https://login.example.com?a=b",
        "https://login.example.com#a",
        " https://login.example.com",
        "https://login.exa\nmple.com",
    ] {
        wrong.push(("--oauth-issuer", OAuthOptions { issuer: bad.to_owned(), ..good.clone() }));
    }
    for bad in [
        "http://mcp.example.com",
        "https://user:hunter2@mcp.example.com",
        "https://mcp.example.com/mcp?a",
        "https://mcp.example.com/mcp#a",
        "urn:mcp",
    ] {
        wrong.push(("--public-url", OAuthOptions { public_url: url(bad), ..good.clone() }));
    }
    for bad in ["", " ", "a b", "a\nb", "https://user:hunter2@mcp.example.com/mcp", &"a".repeat(501)] {
        wrong.push(("--oauth-audience", OAuthOptions { audiences: vec![bad.to_owned()], ..good.clone() }));
    }
    for bad in ["", "a b"] {
        wrong.push(("--oauth-scope-claim", OAuthOptions { scope_claims: vec![bad.to_owned()], ..good.clone() }));
    }
    for bad in ["", "a b", "a\"b", "a\\b", "é", "a\r\nx: y"] {
        wrong.push(("--oauth-scope-prefix", OAuthOptions { scope_prefix: Some(bad.to_owned()), ..good.clone() }));
    }
    for bad in
        ["http://login.example.com/keys", "file:///keys", "https://:hunter2@login.example.com/keys", "https://a/#"]
    {
        wrong.push(("--oauth-jwks-url", OAuthOptions { jwks_url: Some(url(bad)), ..good.clone() }));
    }
    for bad in [("", "acme"), ("o-1", ""), ("o-1", "a\u{7}")] {
        let tenants = BTreeMap::from([(bad.0.to_owned(), bad.1.to_owned())]);
        let tenant_claim = Some("org".to_owned());
        wrong.push(("--oauth-tenant", OAuthOptions { tenant_claim, tenants, ..good.clone() }));
    }
    let tenants = BTreeMap::from([("o-1".to_owned(), "acme".to_owned())]);
    wrong.push(("--oauth-tenant", OAuthOptions { tenants, ..good.clone() }));
    wrong.push(("--oauth-tenant-claim", OAuthOptions { tenant_claim: Some(String::new()), ..good.clone() }));
    for (option, options) in wrong {
        let said = OAuth::new(options.clone()).map(|_| ()).expect_err(&format!("{options:?}"));
        assert!(said.starts_with(&format!("{option} cannot be used: ")), "{said}");
        assert!(said.contains("for example") && said.ends_with('.') && !said.contains("hunter2"), "{said}");
    }
    for fine in ["http://localhost:1/keys", "http://[::1]:1/keys", "https://login.example.com/keys?policy=a"] {
        assert!(OAuth::new(OAuthOptions { jwks_url: Some(url(fine)), ..good.clone() }).is_ok(), "{fine}");
    }
    let ca_pem = Some(b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n".to_vec());
    let no_pem = OAuthOptions { jwks_url: Some(url("https://login.example.com/keys")), ca_pem, ..good };
    assert!(OAuth::new(no_pem).unwrap_err().contains("--ca-file"));
}

/// One server with its issuer for all of a property's cases, and a good token.
static HOUSE: LazyLock<(tokio::runtime::Runtime, Issuer, OAuth, String)> = LazyLock::new(|| {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let issuer = runtime.block_on(Issuer::start());
    let server = server(&issuer);
    let token = issuer.token(json!({}));
    assert!(runtime.block_on(server.verify(&token)).is_ok());
    (runtime, issuer, server, token)
});

fn is_accepted(token: &str) -> bool {
    let (runtime, _, server, _) = &*HOUSE;
    runtime.block_on(server.verify(token)).is_ok()
}

proptest! {
    #[test]
    fn no_text_is_a_token(text in any::<String>()) {
        prop_assert!(!is_accepted(&text));
    }

    #[test]
    fn no_three_parts_are_a_token(text in "[A-Za-z0-9_-]{0,60}\\.[A-Za-z0-9_-]{0,60}\\.[A-Za-z0-9_-]{0,90}") {
        prop_assert!(!is_accepted(&text));
    }

    #[test]
    fn no_claims_under_our_own_header_are_a_token(claims in any::<Vec<u8>>(), signature in any::<[u8; 32]>()) {
        let header = HOUSE.3.split('.').next().unwrap();
        let signature = [signature, signature].concat();
        let token = format!("{header}.{}.{}", base64url(claims), base64url(signature));
        prop_assert!(!is_accepted(&token));
    }

    #[test]
    fn no_character_of_a_token_can_be_another(at in any::<prop::sample::Index>(), other in "[A-Za-z0-9_.=-]") {
        let token = &HOUSE.3;
        let at = at.index(token.len());
        prop_assume!(token[at..=at] != other);
        let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
        prop_assert!(!is_accepted(&changed), "{}", changed);
    }
}
