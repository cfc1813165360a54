//! The way in over HTTP: who calls, made sure of before anything is done.

#[cfg(test)]
#[path = "../../tests/e2e/issuer.rs"]
mod issuer;
mod jwks;
mod oauth;

pub use oauth::{Denied, Identity, OAuth, OAuthOptions};
