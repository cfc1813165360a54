//! Settings of a client.

use std::fmt;

use url::Url;

use crate::domain::SecureUrl;
use crate::redact::Secret;
use crate::truedy::limiter::Rate;

/// Settings of a client.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Base URL of the API.
    pub base_url: SecureUrl,
    /// The key of the organisation.
    pub key: Secret,
    /// The limit of requests per minute.
    pub rate: Rate,
    /// The proxy. `None` for a direct connection, whatever the environment says.
    pub proxy: Option<Proxy>,
    /// An additional root certificate, in PEM.
    pub ca_pem: Option<Vec<u8>>,
}

/// The proxy for requests. Its address may hold a password, so `Debug` does not print it.
#[derive(Clone, PartialEq, Eq)]
pub enum Proxy {
    /// The proxy that the environment names (`HTTPS_PROXY`, `NO_PROXY` …).
    Environment,
    /// This proxy.
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

/// Why a client could not be created.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SetupError(pub(crate) String);
