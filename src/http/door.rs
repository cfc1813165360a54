//! Who may come in: a bearer token becomes a principal, or the request goes no further.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, Response, StatusCode};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::oauth::{Denied, OAuth};
use super::tokens::Tokens;
use crate::guard::{Rights, Scope};
use crate::mcp::wire::{Body, busy, refusal, with};
use crate::mcp::{Principal, Tenant};

/// How long a client waits before it tries again while the issuer's keys cannot be fetched.
const ISSUER_AGAIN: u32 = 5;

/// What a client is told to ask for that brings no token: what is needed beyond it is told when it is needed.
const LEAST: Scope = Scope::NumbersRead;

/// How callers are told apart.
pub enum Door {
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
    Verified(Verifiers),
}

/// What tells whose a token is.
pub struct Verifiers {
    /// The tokens of a file.
    pub tokens: Option<Arc<Tokens>>,
    /// An issuer's tokens.
    pub oauth: Option<OAuth>,
    /// The tenants that there are.
    pub tenants: BTreeMap<String, Arc<Tenant>>,
}

/// Why somebody stays outside.
enum Outside {
    /// No token came.
    Nothing,
    /// One came that opens nothing.
    Wrong(String),
    /// It cannot be told now.
    NotNow,
}

impl Door {
    /// A door that one fresh token opens.
    pub fn own(token: &str, principal: Principal) -> Self {
        Self::Own { digest: Sha256::digest(token.as_bytes()).into(), principal }
    }

    /// The caller, or the answer that turns it away.
    pub(super) async fn enter(&self, headers: &HeaderMap) -> Result<Principal, Response<Body>> {
        self.identify(headers).await.map_err(|outside| match outside {
            Outside::Nothing => {
                let answer = refusal(StatusCode::UNAUTHORIZED, "A bearer token is needed: Authorization: Bearer TOKEN");
                with(answer, WWW_AUTHENTICATE, &self.challenge(None, LEAST))
            }
            Outside::Wrong(why) => {
                let answer = refusal(StatusCode::UNAUTHORIZED, &format!("The bearer token is refused: {why}"));
                with(answer, WWW_AUTHENTICATE, &self.challenge(Some("invalid_token"), LEAST))
            }
            Outside::NotNow => {
                busy(StatusCode::SERVICE_UNAVAILABLE, ISSUER_AGAIN, "The keys of the issuer cannot be fetched now.")
            }
        })
    }

    async fn identify(&self, headers: &HeaderMap) -> Result<Principal, Outside> {
        match self {
            Self::Open(principal) => Ok(principal.clone()),
            Self::Own { digest, principal } => {
                let same = bool::from(Sha256::digest(bearer(headers)?.as_bytes())[..].ct_eq(digest));
                let wrong = "this token is not the one that was shown when the server started";
                same.then(|| principal.clone()).ok_or_else(|| Outside::Wrong(wrong.to_owned()))
            }
            Self::Verified(verifiers) => verifiers.verify(bearer(headers)?).await,
        }
    }

    /// The answer to somebody whose token is good, but not for this.
    pub(super) fn step_up(&self, answer: Response<Body>, scope: Scope) -> Response<Body> {
        with(answer, WWW_AUTHENTICATE, &self.challenge(Some("insufficient_scope"), scope))
    }

    /// What a client needs to come in: RFC 6750 §3, RFC 9728 §5.1.
    fn challenge(&self, error: Option<&str>, scope: Scope) -> String {
        let mut parts = vec!["realm=\"truedy-mcp\"".to_owned()];
        parts.extend(error.map(|error| format!("error=\"{error}\"")));
        if let Some(oauth) = self.oauth() {
            parts.push(format!("resource_metadata=\"{}\"", oauth.metadata_url()));
        }
        if self.oauth().is_some() || error == Some("insufficient_scope") {
            parts.push(format!("scope=\"{scope}\""));
        }
        format!("Bearer {}", parts.join(", "))
    }

    /// The issuer whose tokens open it.
    pub(super) fn oauth(&self) -> Option<&OAuth> {
        match self {
            Self::Verified(verifiers) => verifiers.oauth.as_ref(),
            Self::Open(_) | Self::Own { .. } => None,
        }
    }

    /// The file of tokens that open it.
    pub(super) fn tokens(&self) -> Option<&Arc<Tokens>> {
        match self {
            Self::Verified(verifiers) => verifiers.tokens.as_ref(),
            Self::Open(_) | Self::Own { .. } => None,
        }
    }
}

impl Verifiers {
    async fn verify(&self, token: &str) -> Result<Principal, Outside> {
        if let Some(holder) = self.tokens.as_ref().and_then(|tokens| tokens.holder(token)) {
            return self.principal(&holder.tenant, holder.principal, holder.scopes);
        }
        let Some(oauth) = &self.oauth else {
            let readable = self.tokens.as_ref().is_none_or(|tokens| tokens.is_readable());
            let why = if readable {
                "it is not known, or was taken out"
            } else {
                "the server's file of tokens cannot be used now, so no token is known; its operator finds why in its log"
            };
            return Err(Outside::Wrong(why.to_owned()));
        };
        match oauth.verify(token).await {
            Ok(identity) => self.principal(&identity.tenant, identity.principal, identity.scopes),
            Err(Denied::Invalid(why)) => Err(Outside::Wrong(why.to_owned())),
            Err(Denied::Unavailable) => Err(Outside::NotNow),
        }
    }

    fn principal(
        &self,
        tenant: &str,
        name: String,
        scopes: impl IntoIterator<Item = Scope>,
    ) -> Result<Principal, Outside> {
        let tenant =
            self.tenants.get(tenant).ok_or_else(|| Outside::Wrong("its tenant is not known here".to_owned()))?;
        Ok(Principal::new(Arc::clone(tenant), name, Rights::of(scopes)))
    }
}

/// The one bearer token of a request.
fn bearer(headers: &HeaderMap) -> Result<&str, Outside> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = given.next() else { return Err(Outside::Nothing) };
    if given.next().is_some() {
        return Err(Outside::Wrong("two Authorization headers came".to_owned()));
    }
    let text = value.to_str().map_err(|_| Outside::Wrong("it has characters that no token has".to_owned()))?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(Outside::Nothing);
    }
    if token.starts_with("truedy_") {
        let why = "it is a Truedy API key, which belongs in the server's own settings and never in a client's; make a token with `truedy-mcp token new`";
        return Err(Outside::Wrong(why.to_owned()));
    }
    Ok(token)
}
