//! The edge: how the server is reached over a network, and who gets in. What is let through goes to `mcp`.

mod admin;
mod auth;
mod batch;
mod connection;
mod cors;
#[cfg(test)]
#[path = "../../tests/e2e/support/issuer.rs"]
mod issuer;
mod pages;
mod request;
mod router;
mod server;

pub use admin::endpoints::ReadinessCheck;
pub use auth::authenticator::{Authenticator, Verifiers};
pub use auth::oauth::OAuth;
pub use auth::oauth_options::OAuthOptions;
pub use auth::static_tokens::{
    FILE_LIMIT, FileReader, ListedToken, StaticTokens, TokenHolder, add, file_fields, fresh, listed, revoke, scopes,
};
pub use connection::listener::Listen;
pub use connection::tls::{Certificates, ServerTls};
pub use pages::credential_form::serve_pages;
pub use request::host_check::{AllowedHost, AllowedOrigin};
pub use request::public_path::PublicPath;
pub use server::{AdminConfig, HttpServer, ServerConfig};
