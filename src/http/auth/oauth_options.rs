//! The options for the verification of access tokens, and their checks.

use std::collections::BTreeMap;

use url::Url;

use crate::domain::{SecureUrl, clean_to};

/// The longest subject or name of a tenant, in characters.
const LONGEST_NAME: usize = 200;
/// The longest audience, name of a claim or prefix, in characters.
const LONGEST_WORD: usize = 500;

pub(crate) const ISSUER: &str = "--oauth-issuer";
const ISSUER_EXAMPLE: &str = "https://login.example.com";
const AUDIENCE: &str = "--oauth-audience";
const AUDIENCE_EXAMPLE: &str = "api://truedy or https://mcp.example.com/mcp";
const PUBLIC: &str = "--public-url";
const PUBLIC_EXAMPLE: &str = "https://mcp.example.com/mcp";

/// The options for the verification of access tokens.
#[derive(Debug, Clone)]
pub struct OAuthOptions {
    /// The issuer of the tokens: `iss`, character by character. https, or http on a loopback host.
    pub issuer: String,
    /// The accepted values of `aud`, any text. A token needs one of them. If it is empty, the public URL is accepted.
    pub audiences: Vec<String>,
    /// The URL of the endpoint for clients. https, or http on a loopback host; no query.
    pub public_url: Url,
    /// The URL of the issuer's keys. https, or http on a loopback host. Without it the issuer's discovery names it.
    pub jwks_url: Option<Url>,
    /// The claims that hold scopes, all of them read. If it is empty, `scope` is read, and without that `scp`.
    pub scope_claims: Vec<String>,
    /// The prefix of the name of a scope at the issuer.
    pub scope_prefix: Option<String>,
    /// The claim that names the tenant. Without it every caller belongs to the tenant `default`.
    pub tenant_claim: Option<String>,
    /// Maps the values of that claim to tenants. If it is empty, the value is the tenant's name.
    pub tenants: BTreeMap<String, String>,
    /// An additional root certificate for connections to the issuer, in PEM.
    pub ca_pem: Option<Vec<u8>>,
}

impl OAuthOptions {
    /// Checks all options and returns their URLs. The error names the option that is wrong.
    pub(crate) fn check(&self) -> Result<OAuthUrls, String> {
        let (issuer, public) = (check_issuer(&self.issuer)?, check_public_url(&self.public_url)?);
        self.audiences.iter().try_for_each(|audience| check_audience(audience))?;
        let jwks = |url| check_url("--oauth-jwks-url", url, "https://login.example.com/.well-known/jwks.json");
        let jwks = self.jwks_url.as_ref().map(jwks).transpose()?;
        if self.scope_claims.iter().any(|claim| !is_word(claim)) {
            return Err(refusal("--oauth-scope-claim", "it is no name of a claim", "permissions"));
        }
        if self.scope_prefix.as_deref().is_some_and(|prefix| !is_prefix(prefix)) {
            let why = "a scope has no spaces, quotes, backslashes or characters outside ASCII";
            return Err(refusal("--oauth-scope-prefix", why, "api://truedy/"));
        }
        check_tenants(self.tenant_claim.as_deref(), &self.tenants)?;
        Ok(OAuthUrls { issuer, public, jwks })
    }
}

/// The URLs of the options, checked.
pub(crate) struct OAuthUrls {
    /// The issuer.
    pub(crate) issuer: SecureUrl,
    /// The endpoint, as clients reach it.
    pub(crate) public: SecureUrl,
    /// The issuer's keys, if the operator names their address.
    pub(crate) jwks: Option<SecureUrl>,
}

/// Whether a text can name a subject or a tenant in journals and logs. Cleaning must not change or shorten it.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= LONGEST_NAME && clean_to(text, LONGEST_NAME) == text
}

fn is_word(text: &str) -> bool {
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control();
    !text.is_empty() && text.chars().count() <= LONGEST_WORD && text.chars().all(is_plain)
}

/// Whether a text can be a prefix of scopes. RFC 6749 §3.3 allows no other characters, and a challenge puts it in
/// quotes.
fn is_prefix(text: &str) -> bool {
    is_word(text) && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}

fn refusal(option: &str, why: &str, example: &str) -> String {
    format!("{option} cannot be used: {why}, for example {example}.")
}

/// Checks that clients can reach the endpoint by this URL.
fn check_public_url(url: &Url) -> Result<SecureUrl, String> {
    let checked = check_url(PUBLIC, url, PUBLIC_EXAMPLE)?;
    if url.query().is_some() {
        return Err(refusal(PUBLIC, "it must not hold ?", PUBLIC_EXAMPLE));
    }
    Ok(checked)
}

fn check_audience(audience: &str) -> Result<(), String> {
    if !is_word(audience) {
        return Err(refusal(
            AUDIENCE,
            "it is empty, longer than 500 characters or holds white space",
            AUDIENCE_EXAMPLE,
        ));
    }
    // An audience with a password is meant as a URL, and the password would be shown.
    if Url::parse(audience).is_ok_and(|url| !url.username().is_empty() || url.password().is_some()) {
        return Err(refusal(AUDIENCE, "it must not hold a user name or password", AUDIENCE_EXAMPLE));
    }
    Ok(())
}

fn check_issuer(issuer: &str) -> Result<SecureUrl, String> {
    let bad = |why: &str| Err(refusal(ISSUER, why, ISSUER_EXAMPLE));
    // The parser would remove these characters, and then no token's `iss` would be equal.
    if issuer.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return bad("it holds white space");
    }
    let Some(url) = Url::parse(issuer).ok().filter(|_| issuer.contains("://")) else {
        return bad("it is not a URL");
    };
    let checked = check_url(ISSUER, &url, ISSUER_EXAMPLE)?;
    if url.query().is_some() {
        return bad("it must not hold ?");
    }
    Ok(checked)
}

/// Checks a URL: secure, without user name, password and fragment.
pub(crate) fn check_url(option: &str, url: &Url, example: &str) -> Result<SecureUrl, String> {
    let bad = |why: &str| refusal(option, why, example);
    let url = SecureUrl::new(url.clone()).map_err(|error| bad(&error.why("http can be changed on its way")))?;
    if url.has_credentials() {
        return Err(bad("it must not hold a user name or password"));
    }
    if url.as_url().fragment().is_some() {
        return Err(bad("it must not hold #"));
    }
    Ok(url)
}

fn check_tenants(claim: Option<&str>, tenants: &BTreeMap<String, String>) -> Result<(), String> {
    let bad =
        |why: &str| Err(refusal("--oauth-tenant", why, "--oauth-tenant-claim org_id --oauth-tenant org_123=acme"));
    match claim {
        Some("") => return Err(refusal("--oauth-tenant-claim", "it is empty", "org_id")),
        None if !tenants.is_empty() => return bad("no claim is named whose values it maps"),
        _ => {}
    }
    if tenants.iter().any(|(value, tenant)| value.is_empty() || !is_name(tenant)) {
        return bad("it is a value of the claim, =, and a tenant's name of 1 to 200 characters");
    }
    Ok(())
}
