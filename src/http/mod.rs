//! The edge: how the server is reached over a network, and who gets in. What is let through goes to `mcp`.

mod admin;
mod batch;
mod body;
mod cors;
mod door;
mod edge;
mod envelope;
mod fetch;
mod host;
mod html;
#[cfg(test)]
#[path = "../../tests/e2e/issuer.rs"]
mod issuer;
mod jwks;
mod keep_alive;
mod key_page;
mod landing;
mod life;
mod listen;
mod negotiate;
mod newcomers;
mod oauth;
mod oauth_claims;
mod oauth_discovery;
mod oauth_options;
mod public_path;
mod server;
mod site;
mod tls;
mod tokens;
mod watch;

pub use admin::Check;
pub use door::{Door, Verifiers};
pub use host::{AllowedHost, AllowedOrigin};
pub use key_page::serve_pages;
pub use listen::Listen;
pub use oauth::OAuth;
pub use oauth_options::OAuthOptions;
pub use public_path::PublicPath;
pub use server::{AdminSetup, HttpServer, Setup};
pub use tls::{Certificates, Tls};
pub use tokens::{FILE_LIMIT, Holder, Reader, Tokens, add, file_fields, fresh, scopes};
