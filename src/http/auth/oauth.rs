//! An OAuth 2.1 resource server: verifies that an access token is from the issuer and for this server. Finds the
//! principal of the token.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use url::Url;

use crate::guard::Scope;
use crate::http::auth::jwks::{JwksSource, NoKey, VerificationKey};
use crate::http::auth::oauth_claims::{ScopeForm, is_of_another_kind};
use crate::http::auth::oauth_discovery::KeysAt;
use crate::http::auth::oauth_options::{ISSUER, OAuthOptions, is_name};

/// The largest token that is accepted, in bytes.
const LARGEST: usize = 8 * 1024;
/// How far the clocks of the issuer and of this server may differ, in seconds.
const LEEWAY: u64 = 60;
/// The shortest time between two log entries that a token names no scope of this server.
const TOLD_PAUSE: Duration = Duration::from_secs(60);

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";
const NO_ISSUERS: Denied = Denied::Invalid("not a token of the issuer");

/// The tenant, principal and scopes of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The tenant whose account is used.
    pub tenant: String,
    /// The principal: `oauth:` and the subject.
    pub principal: String,
    /// The scopes of the token.
    pub scopes: BTreeSet<Scope>,
}

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// The token is not valid. The reason may be shown: it holds no text of the token.
    Invalid(&'static str),
    /// The token cannot be checked, since the issuer's keys cannot be fetched now.
    Unavailable,
}

impl From<NoKey> for Denied {
    fn from(none: NoKey) -> Self {
        match none {
            NoKey::Unknown => Self::Invalid("unknown key"),
            NoKey::Unnamed => Self::Invalid("no kid"),
            NoKey::OtherAlgorithm => Self::Invalid("algorithm not accepted"),
            NoKey::Unavailable => Self::Unavailable,
        }
    }
}

/// Verifies the access tokens of one issuer.
pub struct OAuth {
    issuer: String,
    /// The accepted values of `aud`.
    audiences: Vec<String>,
    /// The URL of this server for clients: `resource` of RFC 9728.
    resource: String,
    metadata_path: String,
    metadata_url: String,
    scope_form: ScopeForm,
    tenant_claim: Option<String>,
    tenants: BTreeMap<String, String>,
    keys: Arc<JwksSource>,
    /// When the log last said that a token names no scope of this server.
    told: Mutex<Option<Instant>>,
}

impl fmt::Debug for OAuth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("OAuth").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl OAuth {
    /// Checks the options. It fetches nothing yet. The error names the option that is wrong.
    pub fn new(options: OAuthOptions) -> Result<Self, String> {
        let urls = options.check()?;
        let url = urls.public.as_url();
        // The parser adds a slash to a URL without a path. The operator did not write it.
        let path = if url.path() == "/" { "" } else { url.path() };
        let origin = url.origin().ascii_serialization();
        let (resource, metadata_path) = (format!("{origin}{path}"), format!("{WELL_KNOWN}{path}"));
        let written = if options.audiences.is_empty() { vec![resource.clone()] } else { options.audiences };
        let at = match urls.jwks {
            Some(url) => KeysAt::Url(url),
            None => KeysAt::Discovered { issuer: options.issuer.clone(), url: urls.issuer },
        };
        let keys = JwksSource::new(at, options.ca_pem.as_deref()).map_err(|why| {
            format!("The keys of {ISSUER} cannot be fetched with the certificates of --ca-file: {why}.")
        })?;
        Ok(Self {
            issuer: options.issuer,
            audiences: written.into_iter().flat_map(with_and_without_slash).collect(),
            resource,
            metadata_url: format!("{origin}{metadata_path}"),
            metadata_path,
            scope_form: ScopeForm::new(options.scope_claims, options.scope_prefix),
            tenant_claim: options.tenant_claim,
            tenants: options.tenants,
            keys: Arc::new(keys),
            told: Mutex::default(),
        })
    }

    /// Verifies a token and returns its identity. The token is in no error and no log.
    pub async fn verify(&self, token: &str) -> Result<Identity, Denied> {
        let header = TokenHeader::read(token)?;
        let key = self.keys.find(header.kid.as_deref(), header.algorithm).await?;
        self.identify(&claims(token, header.algorithm, &key)?)
    }

    /// Returns the metadata of this resource for clients (RFC 9728). `scopes` are those that it can use.
    pub fn metadata(&self, scopes: &BTreeSet<Scope>) -> Value {
        json!({
            "resource": self.resource,
            "authorization_servers": [self.issuer],
            "scopes_supported": scopes.iter().map(|scope| self.scope_name(*scope)).collect::<Vec<_>>(),
            "bearer_methods_supported": ["header"],
            "resource_name": "Truedy telephony",
        })
    }

    /// Returns the URL of that metadata.
    pub fn metadata_url(&self) -> &str {
        &self.metadata_url
    }

    /// Returns the name of a scope at the issuer.
    pub(crate) fn scope_name(&self, scope: Scope) -> String {
        self.scope_form.name(scope)
    }

    /// Returns a line that tells the operator whose tokens are accepted, and where clients learn that.
    pub(crate) fn line(&self) -> String {
        let (issuer, audiences, at) = (&self.issuer, self.audiences.join(" or "), &self.metadata_url);
        format!("access tokens of {issuer} for {audiences} open it; clients learn that at {at}")
    }

    /// Returns the path of the metadata.
    pub(crate) fn metadata_path(&self) -> &str {
        &self.metadata_path
    }

    /// Returns the identity in verified claims, if they are for this server.
    fn identify(&self, claims: &Map<String, Value>) -> Result<Identity, Denied> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        if text("iss") != Some(self.issuer.as_str()) {
            return Err(Denied::Invalid("wrong issuer"));
        }
        let is_us = |value: &Value| self.audiences.iter().any(|audience| value == audience.as_str());
        let for_us = match claims.get("aud") {
            Some(Value::Array(all)) => all.iter().any(is_us),
            Some(one) => is_us(one),
            None => false,
        };
        if !for_us {
            return Err(Denied::Invalid("wrong audience"));
        }
        if is_of_another_kind(claims) {
            return Err(Denied::Invalid("not an access token"));
        }
        let subject = text("sub").filter(|subject| is_name(subject)).ok_or(Denied::Invalid("no subject"))?;
        let tenant = self.tenant(claims).ok_or(Denied::Invalid("no tenant"))?;
        let scopes = self.scope_form.read(claims);
        if scopes.is_empty() {
            self.tell_operator(claims);
        }
        Ok(Identity { tenant, principal: format!("oauth:{subject}"), scopes })
    }

    /// Logs that a token has no scope of this server. Its holder cannot correct that. Nothing of the token is logged.
    fn tell_operator(&self, claims: &Map<String, Value>) {
        let mut told = self.told.lock();
        if told.is_none_or(|told| told.elapsed() >= TOLD_PAUSE) {
            *told = Some(Instant::now());
            let advice = self.scope_form.advice(claims);
            let advice = advice.as_deref().unwrap_or("the issuer must grant some, such as numbers:read");
            tracing::warn!(
                advice,
                "a token of the issuer is good and names no scope of this server, so it opens nothing"
            );
        }
    }

    fn tenant(&self, claims: &Map<String, Value>) -> Option<String> {
        let Some(claim) = &self.tenant_claim else {
            return Some("default".to_owned());
        };
        let value = claims.get(claim)?.as_str()?;
        if self.tenants.is_empty() {
            return is_name(value).then(|| value.to_owned());
        }
        self.tenants.get(value).cloned()
    }
}

/// The relevant fields of a token's header. They are not verified yet.
struct TokenHeader {
    algorithm: Algorithm,
    kid: Option<String>,
}

impl TokenHeader {
    fn read(token: &str) -> Result<Self, Denied> {
        if token.len() > LARGEST {
            return Err(Denied::Invalid("too long"));
        }
        let is_base64 = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        let parts: Vec<&str> = token.split('.').collect();
        let [header, _, _] = parts.as_slice() else { return Err(NO_ISSUERS) };
        if !parts.iter().all(|part| is_base64(part)) {
            return Err(NO_ISSUERS);
        }
        let bytes = URL_SAFE_NO_PAD.decode(header).map_err(|_| NO_ISSUERS)?;
        let fields: Map<String, Value> = serde_json::from_slice(&bytes).map_err(|_| NO_ISSUERS)?;
        let text = |name: &str| match fields.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(NO_ISSUERS),
        };
        // `crit` lists extensions that a verifier must understand. This server supports none.
        if fields.contains_key("crit") {
            return Err(Denied::Invalid("crit not accepted"));
        }
        let kinds = ["jwt", "at+jwt", "application/at+jwt"];
        // Other kinds, such as ID tokens and logout tokens, are refused even if everything else is correct.
        if text("typ")?.is_some_and(|typ| !kinds.iter().any(|kind| typ.eq_ignore_ascii_case(kind))) {
            return Err(Denied::Invalid("not an access token"));
        }
        let algorithm = match text("alg")?.as_deref() {
            Some("RS256") => Algorithm::RS256,
            Some("PS256") => Algorithm::PS256,
            Some("ES256") => Algorithm::ES256,
            Some("ES384") => Algorithm::ES384,
            Some("EdDSA") => Algorithm::EdDSA,
            _ => return Err(Denied::Invalid("algorithm not accepted")),
        };
        Ok(Self { algorithm, kid: text("kid")? })
    }
}

/// Verifies the signature and the times of a token and returns its claims. The key must be one for this algorithm.
fn claims(token: &str, algorithm: Algorithm, key: &VerificationKey) -> Result<Map<String, Value>, Denied> {
    let mut validation = Validation::new(algorithm);
    validation.leeway = LEEWAY;
    validation.validate_nbf = true;
    // `identify` compares issuer and audience, since the crate skips the check if the claim is absent.
    validation.validate_aud = false;
    let data = jsonwebtoken::decode::<Map<String, Value>>(token, &key.decoding, &validation);
    data.map(|data| data.claims).map_err(|error| match error.kind() {
        ErrorKind::InvalidSignature => Denied::Invalid("wrong signature"),
        ErrorKind::InvalidAlgorithm => Denied::Invalid("algorithm not accepted"),
        ErrorKind::ExpiredSignature => Denied::Invalid("expired"),
        ErrorKind::ImmatureSignature => Denied::Invalid("not yet valid"),
        ErrorKind::MissingRequiredClaim(_) => Denied::Invalid("no expiry"),
        _ => NO_ISSUERS,
    })
}

/// Returns a URL without a path in both forms, with and without a slash. Any other text is returned as it is.
fn with_and_without_slash(audience: String) -> Vec<String> {
    let is_http = |url: Url| matches!(url.scheme(), "http" | "https") && url.path() == "/";
    if !Url::parse(&audience).is_ok_and(is_http) || audience.contains(['?', '#']) {
        return vec![audience];
    }
    let bare = audience.strip_suffix('/').unwrap_or(&audience).to_owned();
    vec![format!("{bare}/"), bare]
}

#[cfg(test)]
#[path = "oauth_tests.rs"]
mod tests;
