//! What the verification of access tokens is told, and whether it can be used.

use std::collections::BTreeMap;

use url::{Host, Url};

use crate::domain::clean_to;

/// How long a subject or a tenant's name may be, in characters.
const LONGEST_NAME: usize = 200;
/// How long an audience, a claim's name or a prefix may be, in characters.
const LONGEST_WORD: usize = 500;

pub(crate) const ISSUER: &str = "--oauth-issuer";
const ISSUER_EXAMPLE: &str = "https://login.example.com";
const AUDIENCE: &str = "--oauth-audience";
const AUDIENCE_EXAMPLE: &str = "api://truedy or https://mcp.example.com/mcp";
const PUBLIC: &str = "--public-url";
const PUBLIC_EXAMPLE: &str = "https://mcp.example.com/mcp";

/// What the verification is told.
#[derive(Debug, Clone)]
pub struct OAuthOptions {
    /// Who issues the tokens: `iss`, character by character. https, or http on a loopback host.
    pub issuer: String,
    /// What `aud` may say, any text; one of them is enough. Where it is empty, it is the public URL.
    pub audiences: Vec<String>,
    /// The endpoint as clients reach it. https, or http on a loopback host; no query.
    pub public_url: Url,
    /// Where the issuer's keys are. https, or http on a loopback host. Without it the issuer says where.
    pub jwks_url: Option<Url>,
    /// The claims that hold scopes, all of them read. Where it is empty, `scope`, and without that `scp`.
    pub scope_claims: Vec<String>,
    /// What stands before the name of a scope at the issuer.
    pub scope_prefix: Option<String>,
    /// The claim that names the tenant; without it everybody is of the tenant `default`.
    pub tenant_claim: Option<String>,
    /// From the values of that claim to tenants. Where it is empty, the value is the tenant's name.
    pub tenants: BTreeMap<String, String>,
    /// A further root certificate for the way to the issuer, PEM.
    pub ca_pem: Option<Vec<u8>>,
}

impl OAuthOptions {
    /// The error names the option that is wrong.
    pub(crate) fn check(&self) -> Result<(), String> {
        check_issuer(&self.issuer)?;
        check_public_url(&self.public_url)?;
        self.audiences.iter().try_for_each(|audience| check_audience(audience))?;
        if let Some(url) = &self.jwks_url {
            check_url("--oauth-jwks-url", url, "https://login.example.com/.well-known/jwks.json")?;
        }
        if self.scope_claims.iter().any(|claim| !is_word(claim)) {
            return Err(refusal("--oauth-scope-claim", "it is no name of a claim", "permissions"));
        }
        if self.scope_prefix.as_deref().is_some_and(|prefix| !is_prefix(prefix)) {
            let why = "a scope has no spaces, quotes, backslashes or characters outside ASCII";
            return Err(refusal("--oauth-scope-prefix", why, "api://truedy/"));
        }
        check_tenants(self.tenant_claim.as_deref(), &self.tenants)
    }
}

/// Whether a text can name a subject or a tenant in journals and logs: what is shown of it is all of it.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= LONGEST_NAME && clean_to(text, LONGEST_NAME) == text
}

fn is_word(text: &str) -> bool {
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control();
    !text.is_empty() && text.chars().count() <= LONGEST_WORD && text.chars().all(is_plain)
}

/// Whether it can stand at the front of a scope: RFC 6749 §3.3 has no others, and in a challenge it stands in quotes.
fn is_prefix(text: &str) -> bool {
    is_word(text) && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}

fn refusal(option: &str, why: &str, example: &str) -> String {
    format!("{option} cannot be used: {why}, for example {example}.")
}

/// Whether clients can reach the endpoint by this address.
pub(crate) fn check_public_url(url: &Url) -> Result<(), String> {
    check_url(PUBLIC, url, PUBLIC_EXAMPLE)?;
    if url.query().is_some() {
        return Err(refusal(PUBLIC, "it must not hold ?", PUBLIC_EXAMPLE));
    }
    Ok(())
}

fn check_audience(audience: &str) -> Result<(), String> {
    if !is_word(audience) {
        return Err(refusal(
            AUDIENCE,
            "it is empty, longer than 500 characters or holds white space",
            AUDIENCE_EXAMPLE,
        ));
    }
    // Whoever writes a password there means an address, and it would be shown.
    if Url::parse(audience).is_ok_and(|url| !url.username().is_empty() || url.password().is_some()) {
        return Err(refusal(AUDIENCE, "it must not hold a user name or password", AUDIENCE_EXAMPLE));
    }
    Ok(())
}

fn check_issuer(issuer: &str) -> Result<(), String> {
    let bad = |why: &str| Err(refusal(ISSUER, why, ISSUER_EXAMPLE));
    // The parser would forgive these, and then no token's `iss` is equal.
    if issuer.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return bad("it holds white space");
    }
    let Some(url) = Url::parse(issuer).ok().filter(|_| issuer.contains("://")) else {
        return bad("it is not a URL");
    };
    check_url(ISSUER, &url, ISSUER_EXAMPLE)?;
    if url.query().is_some() {
        return bad("it must not hold ?");
    }
    Ok(())
}

/// https, or http where nobody is on the way; nothing in it that does not belong into an address.
pub(crate) fn check_url(option: &str, url: &Url, example: &str) -> Result<(), String> {
    let bad = |why: &str| Err(refusal(option, why, example));
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return bad("it has no host"),
    };
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        "http" => {
            return bad("http can be changed on its way; use https (http only for 127.0.0.1, [::1] or localhost)");
        }
        _ => return bad("only https works"),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return bad("it must not hold a user name or password");
    }
    if url.fragment().is_some() {
        return bad("it must not hold #");
    }
    Ok(())
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
