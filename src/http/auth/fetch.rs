//! Fetches the documents of an issuer: small JSON, limited in time and size, without redirects or proxies.

use std::error::Error;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::ACCEPT;
use serde_json::Value;
use url::Url;

use crate::domain::clean;

const CONNECT: Duration = Duration::from_secs(3);
/// Time limit for fetching one document.
const WHOLE: Duration = Duration::from_secs(5);
/// The largest document, in bytes.
pub(crate) const LARGEST: usize = 256 * 1024;

/// Why there is no document, without an address.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoDocument {
    /// The exchange with the host failed.
    #[error("{0}")]
    Exchange(String),
    /// The host answered, but with this status.
    #[error("the answer has status {0}")]
    Status(u16),
    /// The host answered with a document that is too large.
    #[error("the answer is larger than {} KiB", LARGEST / 1024)]
    TooLarge,
    /// The host answered with another kind of document.
    #[error("the answer is not JSON")]
    NotJson,
}

/// Fetches documents.
pub(crate) struct Fetcher {
    client: reqwest::Client,
}

impl Fetcher {
    /// Creates a fetcher for https only, or for http on a loopback host. The error says what is wrong with the
    /// certificates.
    pub(crate) fn new(https: bool, ca_pem: Option<&[u8]>) -> Result<Self, String> {
        let mut builder = reqwest::Client::builder()
            .https_only(https)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .connect_timeout(CONNECT)
            .timeout(WHOLE)
            // Fetches are minutes apart, so a kept connection would usually be dead.
            .pool_max_idle_per_host(0)
            .user_agent(concat!("truedy-mcp/", env!("CARGO_PKG_VERSION")));
        // Plain http goes only to a loopback host. It needs no root certificates, which take time to load.
        if !https {
            builder = builder.tls_certs_only([]);
        } else if let Some(pem) = ca_pem {
            let certificates = reqwest::Certificate::from_pem_bundle(pem).map_err(|error| words(&error))?;
            builder = builder.tls_certs_merge(certificates);
        }
        Ok(Self { client: builder.build().map_err(|error| words(&error))? })
    }

    /// Fetches the JSON at this URL.
    pub(crate) async fn json(&self, url: &Url) -> Result<Value, NoDocument> {
        let exchange = |error: reqwest::Error| NoDocument::Exchange(words(&error));
        let request = self.client.get(url.clone()).header(ACCEPT, "application/json");
        let mut response = request.send().await.map_err(exchange)?;
        if response.status() != StatusCode::OK {
            return Err(NoDocument::Status(response.status().as_u16()));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(exchange)? {
            if bytes.len() + chunk.len() > LARGEST {
                return Err(NoDocument::TooLarge);
            }
            bytes.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&bytes).map_err(|_| NoDocument::NotJson)
    }
}

/// Describes a failed exchange: the innermost cause, without the address.
fn words(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "there was no answer in time".to_owned();
    }
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if std::ptr::addr_eq(cause, error) { "the exchange failed".to_owned() } else { clean(&cause.to_string()) }
}
