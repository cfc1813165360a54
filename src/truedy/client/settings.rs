//! What a client is made of.

use std::fmt;

use url::Url;

use crate::redact::Secret;
use crate::truedy::limiter::Rate;

/// What a client is made of.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Where the API is; https, or http on a literal loopback host.
    pub base_url: Url,
    /// The key of the organisation.
    pub key: Secret,
    /// How many requests a minute.
    pub rate: Rate,
    /// `None` for a direct connection, whatever the environment says.
    pub proxy: Option<Proxy>,
    /// A further root certificate, PEM.
    pub ca_pem: Option<Vec<u8>>,
}

/// By which way requests go out. It may hold a password, and therefore does not print.
#[derive(Clone, PartialEq, Eq)]
pub enum Proxy {
    /// As the environment says (`HTTPS_PROXY`, `NO_PROXY` …).
    Environment,
    /// Through this one.
    Url(Url),
}

impl fmt::Debug for Proxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Environment => "Environment",
            Self::Url(_) => "[a proxy]",
        })
    }
}

/// Why no client could be made.
#[derive(Debug)]
pub struct SetupError(pub(crate) String);

impl fmt::Display for SetupError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for SetupError {}
