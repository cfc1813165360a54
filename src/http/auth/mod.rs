//! Authenticates callers, by static tokens of this server and by access tokens of an OAuth issuer.

pub(crate) mod authenticator;
pub(crate) mod fetch;
pub(crate) mod jwks;
pub(crate) mod oauth;
pub(crate) mod oauth_claims;
pub(crate) mod oauth_discovery;
pub(crate) mod oauth_options;
pub(crate) mod static_tokens;
