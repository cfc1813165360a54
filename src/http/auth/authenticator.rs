//! Who may come in: a bearer token becomes a principal, or the request goes no further.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, Response, StatusCode};
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

/// How long a client waits before it tries again while the issuer's keys cannot be fetched.
const ISSUER_AGAIN: u32 = 5;
/// How often, at most, the log says that a token gives no tool.
const TOLD_PAUSE: Duration = Duration::from_secs(60);

/// How callers are told apart.
pub enum Authenticator {
    /// Everybody who reaches it is this one: only on this machine, and only if the operator says so.
    Open(Principal),
    /// One token, made at the start and shown on standard error, is this one.
    Own {
        /// SHA-256 of the token.
        digest: [u8; 32],
        /// Its holder.
        principal: Principal,
    },
    /// Each by a token of its own.
    Verified(Box<Verifiers>),
}

/// What tells whose a token is.
pub struct Verifiers {
    /// The tokens of a file.
    tokens: Option<Arc<StaticTokens>>,
    /// An issuer's tokens.
    oauth: Option<OAuth>,
    /// The tenants that there are.
    tenants: BTreeMap<String, TenantScopes>,
    /// The scopes that the policy of some tenant has a use for.
    useful: BTreeSet<Scope>,
}

/// A tenant, and the scopes that count under its policy.
struct TenantScopes {
    tenant: Arc<Tenant>,
    /// Those that give a tool.
    offered: BTreeSet<Scope>,
    /// Those of them that are worth a login.
    useful: BTreeSet<Scope>,
    /// When the log last said that a token of this tenant gives no tool.
    told: Mutex<Option<Instant>>,
}

/// Why somebody stays outside.
enum AuthError {
    /// No token came.
    Nothing,
    /// One came that opens nothing.
    Wrong(String),
    /// One came that is good, and none of its scopes gives a tool. These would.
    NoTool(BTreeSet<Scope>),
    /// It cannot be told now.
    NotNow,
}

impl Authenticator {
    /// A door that one fresh token opens.
    pub fn own(token: &str, principal: Principal) -> Self {
        Self::Own { digest: Sha256::digest(token.as_bytes()).into(), principal }
    }

    /// Which issuer's tokens open it: a line for the operator, where there is one.
    pub fn issuer_line(&self) -> Option<String> {
        self.oauth().map(OAuth::line)
    }

    /// The caller, or the answer that turns it away.
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

    /// The answer to somebody whose token is good, but not for this. `scopes` are all that the next token must have.
    ///
    /// What the token has is among them: clients ask for exactly what a challenge names, and would lose it.
    pub(crate) fn step_up(&self, answer: Response<ResponseBody>, scopes: &BTreeSet<Scope>) -> Response<ResponseBody> {
        with(answer, WWW_AUTHENTICATE, &self.challenge(Some("insufficient_scope"), scopes))
    }

    /// What a client needs to come in: RFC 6750 §3, RFC 9728 §5.1.
    ///
    /// Without a token it is told every scope there is a use for: hosts call only what is listed, and ask for nothing later.
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

    /// Scopes as a client asks for them.
    fn names(&self, scopes: &BTreeSet<Scope>) -> Vec<String> {
        let name = |scope: &Scope| self.oauth().map_or_else(|| scope.to_string(), |oauth| oauth.scope_name(*scope));
        scopes.iter().map(name).collect()
    }

    /// The scopes that somebody could use here.
    fn useful(&self) -> BTreeSet<Scope> {
        match self {
            Self::Verified(verifiers) => verifiers.useful.clone(),
            Self::Open(_) | Self::Own { .. } => Scope::ALL.into(),
        }
    }

    /// The description of this server for clients, and its path, where an issuer's tokens open it.
    pub(crate) fn metadata(&self) -> Option<(&str, Value)> {
        self.oauth().map(|oauth| (oauth.metadata_path(), oauth.metadata(&self.useful())))
    }

    /// The issuer whose tokens open it.
    fn oauth(&self) -> Option<&OAuth> {
        match self {
            Self::Verified(verifiers) => verifiers.oauth.as_ref(),
            Self::Open(_) | Self::Own { .. } => None,
        }
    }

    /// The file of tokens that open it.
    pub(crate) fn tokens(&self) -> Option<&Arc<StaticTokens>> {
        match self {
            Self::Verified(verifiers) => verifiers.tokens.as_ref(),
            Self::Open(_) | Self::Own { .. } => None,
        }
    }
}

impl Verifiers {
    /// The tokens of a file, those of an issuer, or both.
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
        // A token's tenant is not known before the token is.
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
                // The issuer's part, which knows the claims, has told the operator of a token without any scope.
                let is_told = identity.scopes.is_empty();
                self.principal(&identity.tenant, identity.principal, identity.scopes, is_told)
            }
            Err(Denied::Invalid(why)) => Err(AuthError::Wrong(why.to_owned())),
            Err(Denied::Unavailable) => Err(AuthError::NotNow),
        }
    }

    /// Somebody whose token is good, unless none of its scopes gives a tool and another token's would.
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
    /// Says which scopes a token has and which would give tools. Nothing else of the token is shown.
    fn tell_operator(&self, has: &BTreeSet<Scope>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
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

/// The one bearer token of a request.
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
    // A client that did not expand its configuration, or a token that was copied with what stood around it.
    check_filled_in(token).map_err(AuthError::Wrong)?;
    if token.starts_with("truedy_") {
        let why = "it is a Truedy API key, which belongs in the server's own settings and never in a client's; make a token with `truedy-mcp token new`";
        return Err(AuthError::Wrong(why.to_owned()));
    }
    Ok(token)
}
