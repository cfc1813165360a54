//! TLS with certificate files, which are read again when they change.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::http::auth::static_tokens::FileReader;

/// The files of a certificate.
#[derive(Clone)]
pub struct Certificates {
    /// The certificate chain in PEM. The server's own certificate comes first.
    pub chain: PathBuf,
    /// The private key of the server's certificate, in PEM.
    pub key: PathBuf,
    /// Readers of the two files: of the chain, which is public, and of the key, which is a secret.
    pub readers: (Arc<FileReader>, Arc<FileReader>),
}

impl fmt::Debug for Certificates {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Certificates").field("chain", &self.chain).finish_non_exhaustive()
    }
}

/// The TLS configuration for clients, from the current content of the files.
pub struct ServerTls {
    files: Certificates,
    config: RwLock<Arc<ServerConfig>>,
}

impl ServerTls {
    /// Reads both files.
    pub fn open(files: Certificates) -> Result<Self, String> {
        let config = RwLock::new(load(&files)?);
        Ok(Self { files, config })
    }

    /// Returns the files to be watched.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        vec![self.files.chain.clone(), self.files.key.clone()]
    }

    /// Reads both files again. If they cannot be used, for example because one is half written, the old pair stays in
    /// use. Clients trust it.
    pub(crate) fn reload(&self) -> Result<(), String> {
        let config = load(&self.files)?;
        *self.config.write() = config;
        Ok(())
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config.read()))
    }
}

fn load(files: &Certificates) -> Result<Arc<ServerConfig>, String> {
    let (read_chain, read_key) = &files.readers;
    let told = |file: &PathBuf, why: String| format!("{}: {why}", file.display());
    let chain = read_chain(&files.chain).map_err(|why| told(&files.chain, why))?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&chain).collect();
    let chain = chain.map_err(|_| told(&files.chain, "it is no PEM".to_owned()))?;
    if chain.is_empty() {
        return Err(told(&files.chain, "it holds no certificate".to_owned()));
    }
    let key = read_key(&files.key).map_err(|why| told(&files.key, why))?;
    let key =
        PrivateKeyDer::from_pem_slice(&key).map_err(|_| told(&files.key, "it holds no private key".to_owned()))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        // The error of rustls says what does not match. It says nothing of the key.
        .map_err(|error| told(&files.chain, format!("it does not go with the key: {error}")))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
