//! TLS by certificate files, which are read again when they change.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::http::auth::static_tokens::FileReader;

/// The two files.
#[derive(Clone)]
pub struct Certificates {
    /// The chain, in PEM, the server's own first.
    pub chain: PathBuf,
    /// Its key, in PEM.
    pub key: PathBuf,
    /// Reads the chain, which is no secret, and the key, which is.
    pub readers: (Arc<FileReader>, Arc<FileReader>),
}

impl fmt::Debug for Certificates {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Certificates").field("chain", &self.chain).finish_non_exhaustive()
    }
}

/// What is presented to clients, as the files are now.
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

    /// The files to be watched.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        vec![self.files.chain.clone(), self.files.key.clone()]
    }

    /// Reads both again. While a new pair is half written the old one goes on: it is what clients trust.
    pub(crate) fn reload(&self) -> Result<(), String> {
        let config = load(&self.files)?;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner)))
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
        // rustls says what does not fit together, and nothing of the key.
        .map_err(|error| told(&files.chain, format!("it does not go with the key: {error}")))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
