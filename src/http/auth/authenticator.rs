//! Authenticates requests: finds the principal of a bearer token, or refuses the request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, Response, StatusCode};
use parking_lot::Mutex;
use serde_json::Value;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::time::Instant;

use crate::guard::{Rights, Scope};
use crate::http::auth::oauth::{Denied, OAuth};
use crate::http::auth::static_tokens::StaticTokens;
use crate::mcp::transport::http_response::{ResponseBody, busy, refusal, with};
use crate::mcp::{Catalog, Principal, Tenant};
use crate::redact::check_filled_in;

/// How long a client waits before it tries again while the issuer's keys cannot be fetched, in seconds.
const ISSUER_AGAIN: u32 = 5;
/// The shortest time between two log entries that a token gives no tool.
const TOLD_PAUSE: Duration = Duration::from_secs(60);

/// How callers are authenticated.
pub enum Authenticator {
    /// Every caller is this principal. Allowed only on this machine, and only if the operator sets it.
    Open(Principal),
    /// The bearer of one token is this principal. The token is created at the start and shown on standard error.
    Own {
        /// SHA-256 of the token.
        digest: [u8; 32],
        /// The principal of the token.
        principal: Principal,
    },
    /// Every caller has its own token.
    Verified(Box<Verifiers>),
}

/// Finds the principal of a token.
pub struct Verifiers {
    /// The tokens of a file.
    tokens: Option<Arc<StaticTokens>>,
    /// The access tokens of an issuer.
    oauth: Option<OAuth>,
    /// The known tenants, by name.
    tenants: BTreeMap<String, TenantScopes>,
    /// The scopes that the policy of at least one tenant can use.
    useful: BTreeSet<Scope>,
}

/// A tenant, and the scopes that its policy can use.
struct TenantScopes {
    tenant: Arc<Tenant>,
    /// The scopes that give at least one tool.
    offered: BTreeSet<Scope>,
    /// Those of them that a client should request.
    useful: BTreeSet<Scope>,
    /// When the log last said that a token of this tenant gives no tool.
    told: Mutex<Option<Instant>>,
}

/// Why a request is refused.
enum AuthError {
    /// The request has no token.
    Nothing,
    /// The token is not valid, for this reason.
    Wrong(String),
    /// The token is valid, but none of its scopes gives a tool. These scopes would.
    NoTool(BTreeSet<Scope>),
    /// The token cannot be checked now.
    NotNow,
}

impl Authenticator {
    /// Creates an authenticator that accepts one fresh token.
    pub fn own(token: &str, principal: Principal) -> Self {
        Self::Own { digest: Sha256::digest(token.as_bytes()).into(), principal }
    }

    /// Returns a line that tells the operator which issuer's tokens are accepted, if any.
    pub fn issuer_line(&self) -> Option<String> {
        self.oauth().map(OAuth::line)
    }

    /// Returns the principal of the request, or the response that refuses it.
    pub(crate) async fn enter(&self, headers: &HeaderMap) -> Result<Principal, Response<ResponseBody>> {
        self.identify(headers).await.map_err(|outside| match outside {
            AuthError::Nothing => {
                let answer = refusal(StatusCode::UNAUTHORIZED, "A bearer token is needed: Authorization: Bearer TOKEN");
                with(answer, WWW_AUTHENTICATE, &self.challenge(None, &self.useful()))
            }
            AuthError::Wrong(why) => {
                let answer = refusal(StatusCode::UNAUTHORIZED, &format!("The bearer token is refused: {why}"));
                with(answer, WWW_AUTHENTICATE, &self.challenge(Some("invalid_token"), &self.useful()))
            }
            AuthError::NoTool(useful) => {
                let why = format!(
                    "The bearer token is good, and names none of the scopes that open something here: {}",
                    self.names(&useful).join(", ")
                );
                self.step_up(refusal(StatusCode::FORBIDDEN, &why), &useful)
            }
            AuthError::NotNow => {
                busy(StatusCode::SERVICE_UNAVAILABLE, ISSUER_AGAIN, "The keys of the issuer cannot be fetched now.")
            }
        })
    }

    async fn identify(&self, headers: &HeaderMap) -> Result<Principal, AuthError> {
        match self {
            Self::Open(principal) => Ok(principal.clone()),
            Self::Own { digest, principal } => {
                let same = bool::from(Sha256::digest(bearer(headers)?.as_bytes())[..].ct_eq(digest));
                let wrong = "this token is not the one that was shown when the server started";
                same.then(|| principal.clone()).ok_or_else(|| AuthError::Wrong(wrong.to_owned()))
            }
            Self::Verified(verifiers) => verifiers.verify(bearer(headers)?).await,
        }
    }

    /// Adds the challenge to a response for a valid token that lacks scopes.
    ///
    /// `scopes` are all that the next token must have. They include the scopes of the present token. Clients request
    /// exactly what a challenge names, so they would lose scopes that it leaves out.
    pub(crate) fn step_up(&self, answer: Response<ResponseBody>, scopes: &BTreeSet<Scope>) -> Response<ResponseBody> {
        with(answer, WWW_AUTHENTICATE, &self.challenge(Some("insufficient_scope"), scopes))
    }

    /// Returns the challenge for a client: RFC 6750 §3, RFC 9728 §5.1.
    ///
    /// Without a token it names every scope that can be used. Hosts call only the tools that are listed, and request no
    /// scopes later.
    fn challenge(&self, error: Option<&str>, scopes: &BTreeSet<Scope>) -> String {
        let mut parts = vec!["realm=\"truedy-mcp\"".to_owned()];
        parts.extend(error.map(|error| format!("error=\"{error}\"")));
        if let Some(oauth) = self.oauth() {
            parts.push(format!("resource_metadata=\"{}\"", oauth.metadata_url()));
        }
        if self.oauth().is_some() || error == Some("insufficient_scope") {
            parts.push(format!("scope=\"{}\"", self.names(scopes).join(" ")));
        }
        format!("Bearer {}", parts.join(", "))
    }

    /// Returns the names of scopes as a client requests them.
    fn names(&self, scopes: &BTreeSet<Scope>) -> Vec<String> {
        let name = |scope: &Scope| self.oauth().map_or_else(|| scope.to_string(), |oauth| oauth.scope_name(*scope));
        scopes.iter().map(name).collect()
    }

    /// Returns the scopes that at least one tenant can use. Without verifiers these are all scopes.
    fn useful(&self) -> BTreeSet<Scope> {
        match self {
            Self::Verified(verifiers) => verifiers.useful.clone(),
            Self::Open(_) | Self::Own { .. } => Scope::ALL.into(),
        }
    }

    /// Returns the metadata of this resource for clients, and its path, if an issuer's tokens are accepted.
    pub(crate) fn metadata(&self) -> Option<(&str, Value)> {
        self.oauth().map(|oauth| (oauth.metadata_path(), oauth.metadata(&self.useful())))
    }

    /// Returns the issuer whose tokens are accepted, if any.
    fn oauth(&self) -> Option<&OAuth> {
        match self {
            Self::Verified(verifiers) => verifiers.oauth.as_ref(),
            Self::Open(_) | Self::Own { .. } => None,
        }
    }

    /// Returns the file of tokens that are accepted, if any.
    pub(crate) fn tokens(&self) -> Option<&Arc<StaticTokens>> {
        match self {
            Self::Verified(verifiers) => verifiers.tokens.as_ref(),
            Self::Open(_) | Self::Own { .. } => None,
        }
    }
}

impl Verifiers {
    /// Creates verifiers for the tokens of a file, those of an issuer, or both.
    pub fn new(
        tokens: Option<Arc<StaticTokens>>,
        oauth: Option<OAuth>,
        tenants: impl IntoIterator<Item = Arc<Tenant>>,
    ) -> Self {
        let account = |tenant: Arc<Tenant>| {
            let policy = &tenant.service.policy;
            let (offered, useful) = (Catalog::offered_scopes(policy), Catalog::useful_scopes(policy));
            (tenant.name.clone(), TenantScopes { tenant, offered, useful, told: Mutex::default() })
        };
        let tenants: BTreeMap<_, _> = tenants.into_iter().map(account).collect();
        // Before a token is verified its tenant is not known, so the scopes of all tenants are named.
        let useful = tenants.values().flat_map(|account| account.useful.iter().copied()).collect();
        Self { tokens, oauth, tenants, useful }
    }

    async fn verify(&self, token: &str) -> Result<Principal, AuthError> {
        if let Some(holder) = self.tokens.as_ref().and_then(|tokens| tokens.holder(token)) {
            return self.principal(&holder.tenant, holder.principal, holder.scopes, false);
        }
        let Some(oauth) = &self.oauth else {
            let readable = self.tokens.as_ref().is_none_or(|tokens| tokens.is_readable());
            let why = if readable {
                "it is not known, or was taken out"
            } else {
                "the server's file of tokens cannot be used now, so no token is known; its operator finds why in its log"
            };
            return Err(AuthError::Wrong(why.to_owned()));
        };
        match oauth.verify(token).await {
            Ok(identity) => {
                // `OAuth` has already logged a token without any scope, with advice from its claims.
                let is_told = identity.scopes.is_empty();
                self.principal(&identity.tenant, identity.principal, identity.scopes, is_told)
            }
            Err(Denied::Invalid(why)) => Err(AuthError::Wrong(why.to_owned())),
            Err(Denied::Unavailable) => Err(AuthError::NotNow),
        }
    }

    /// Returns the principal of a valid token. It is an error if none of its scopes gives a tool and other scopes
    /// would.
    fn principal(
        &self,
        tenant: &str,
        name: String,
        scopes: BTreeSet<Scope>,
        is_told: bool,
    ) -> Result<Principal, AuthError> {
        let account =
            self.tenants.get(tenant).ok_or_else(|| AuthError::Wrong("its tenant is not known here".to_owned()))?;
        if account.offered.is_disjoint(&scopes) && !account.useful.is_empty() {
            if !is_told {
                account.tell_operator(&scopes);
            }
            return Err(AuthError::NoTool(account.useful.clone()));
        }
        Ok(Principal::new(Arc::clone(&account.tenant), name, Rights::of(scopes)))
    }
}

impl TenantScopes {
    /// Logs which scopes a token has and which would give tools. Nothing else of the token is logged.
    fn tell_operator(&self, has: &BTreeSet<Scope>) {
        let mut told = self.told.lock();
        if told.is_none_or(|told| told.elapsed() >= TOLD_PAUSE) {
            *told = Some(Instant::now());
            let names = |scopes: &BTreeSet<Scope>| scopes.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(" ");
            let (tenant, has, needed) = (&self.tenant.name, names(has), names(&self.useful));
            tracing::warn!(
                tenant,
                has,
                needed,
                "a token is good and its scopes give no tool under the policy in force, so it is refused"
            );
        }
    }
}

/// Returns the one bearer token of a request.
fn bearer(headers: &HeaderMap) -> Result<&str, AuthError> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = given.next() else { return Err(AuthError::Nothing) };
    if given.next().is_some() {
        return Err(AuthError::Wrong("two Authorization headers came".to_owned()));
    }
    let text = value.to_str().map_err(|_| AuthError::Wrong("it has characters that no token has".to_owned()))?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(AuthError::Nothing);
    }
    // Refuses placeholders that a client did not expand, and tokens that were copied with surrounding text.
    check_filled_in(token).map_err(AuthError::Wrong)?;
    if token.starts_with("truedy_") {
        let why = "it is a Truedy API key, which belongs in the server's own settings and never in a client's; make a token with `truedy-mcp token new`";
        return Err(AuthError::Wrong(why.to_owned()));
    }
    Ok(token)
}
