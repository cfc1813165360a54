//! TLS by certificate files: spoken by the server itself, with whatever pair of files is there and fits together.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::bearer_tokens::tokens_for;
use crate::support::certificate::Certificate;
use crate::support::expected::TOOLS;
use crate::support::http_client::{Served, Talk, eventually, message, request};

/// Takes any certificate: the tests look at it themselves.
#[derive(Debug)]
struct Any;

impl ServerCertVerifier for Any {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

async fn connect(server: &Served) -> TlsStream<TcpStream> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Any))
        .with_no_client_auth();
    // A client that would like the newer one as well.
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let address = server.url().strip_prefix("https://").and_then(|rest| rest.strip_suffix("/mcp")).expect("https");
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

/// The certificate that a new connection is shown.
async fn shown(server: &Served) -> Vec<u8> {
    let stream = connect(server).await;
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

/// The two files, and a server on them.
struct Pair {
    dir: TempDir,
    chain: PathBuf,
    key: PathBuf,
}

impl Pair {
    fn of(certificate: &Certificate) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let pair = Self { chain: dir.path().join("chain.pem"), key: dir.path().join("key.pem"), dir };
        pair.write(certificate);
        pair
    }

    fn write(&self, certificate: &Certificate) {
        fs::write(&self.chain, certificate.chain_pem()).unwrap();
        self.write_key(certificate);
    }

    fn write_key(&self, certificate: &Certificate) {
        fs::write(&self.key, certificate.key_pem()).unwrap();
        fs::set_permissions(&self.key, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn flags(&self) -> [&str; 4] {
        ["--tls-cert", self.chain.to_str().unwrap(), "--tls-key", self.key.to_str().unwrap()]
    }
}

#[tokio::test]
async fn a_server_with_a_certificate_speaks_tls_and_nothing_else() {
    let certificate = Certificate::new();
    let pair = Pair::of(&certificate);
    let server = Served::start(&pair.flags(), &[]).await;
    let stream = connect(&server).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert_eq!(shown(&server).await, certificate.der);
    let bearer = format!("Bearer {}", server.token());
    let headers =
        [("authorization", bearer.as_str()), ("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/list")];
    let body = message("tools/list", json!({})).to_string();
    let answer = Talk::new(stream).ask("POST", request("localhost", "POST", "/mcp", &headers, &body)).await;
    assert_eq!(answer.json()["result"]["tools"].as_array().map(Vec::len), Some(TOOLS.len()), "{answer:?}");
    for (headers, expected) in [(&headers[1..], 401), (&[("host", "evil.example")], 403)] {
        let text = request("localhost", "POST", "/mcp", headers, &body);
        assert_eq!(Talk::new(connect(&server).await).ask("POST", text).await.status, expected);
    }
    let page = Talk::new(connect(&server).await).ask("GET", request("localhost", "GET", "/", &[], "")).await;
    assert!(page.body.contains("https://localhost/mcp"), "{}", page.body);
    // Whoever does not speak TLS is told nothing of HTTP, least of all what a token opens.
    let answer = server.raw(request("localhost", "POST", "/mcp", &headers, &body)).await;
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP"), "{answer:?}");
}

#[tokio::test]
async fn a_new_pair_of_files_is_shown_to_new_connections_and_half_a_pair_is_not() {
    let (first, second, third) = (Certificate::new(), Certificate::new(), Certificate::new());
    let pair = Pair::of(&first);
    let server = Served::start(&[&pair.flags()[..], &["--no-auth-loopback"]].concat(), &[]).await;
    let mut old = Talk::new(connect(&server).await);
    fs::write(&pair.chain, second.chain_pem()).unwrap();
    server.until_it_says("the one before stays").await;
    assert_eq!(shown(&server).await, first.der, "the key of the second is not there yet");
    pair.write_key(&second);
    eventually("the second is never shown", async || shown(&server).await == second.der).await;
    // What was open goes on.
    assert_eq!(old.ask("GET", request("localhost", "GET", "/favicon.ico", &[], "")).await.status, 204);

    for (chain, mode) in [("", 0o600), ("nonsense", 0o600), (third.chain_pem().as_str(), 0o644)] {
        let before = server.stderr().matches("the one before stays").count();
        fs::write(&pair.chain, chain).unwrap();
        pair.write_key(&third);
        fs::set_permissions(&pair.key, fs::Permissions::from_mode(mode)).unwrap();
        let complained = async || server.stderr().matches("the one before stays").count() > before;
        eventually("it does not complain", complained).await;
        assert_eq!(shown(&server).await, second.der, "{chain:.20} {mode:o}");
    }
    // Each file put in its place whole, as those do who renew certificates.
    for (place, text) in [(&pair.key, third.key_pem()), (&pair.chain, third.chain_pem())] {
        let fresh = pair.dir.path().join("fresh");
        fs::write(&fresh, text).unwrap();
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(&fresh, place).unwrap();
    }
    eventually("the third is never shown", async || shown(&server).await == third.der).await;
}

#[tokio::test]
async fn files_that_make_no_pair_stop_the_start() {
    let (first, second) = (Certificate::new(), Certificate::new());
    let pair = Pair::of(&first);
    let refused = async |part: &str| {
        let (code, said) = Served::refused(&pair.flags(), &[]).await;
        assert!(code == 2 && said.contains("--tls-cert and --tls-key cannot be used") && said.contains(part), "{said}");
        assert!(!said.contains("PRIVATE KEY") && said.lines().count() == 1, "{said}");
    };
    pair.write_key(&second);
    refused("it does not go with the key").await;
    pair.write_key(&first);
    fs::set_permissions(&pair.key, fs::Permissions::from_mode(0o644)).unwrap();
    refused("chmod 600").await;
    pair.write_key(&first);
    fs::write(&pair.chain, "").unwrap();
    refused("it holds no certificate").await;
    fs::write(&pair.chain, first.chain_pem()).unwrap();
    fs::write(&pair.key, first.chain_pem()).unwrap();
    refused("it holds no private key").await;
    fs::remove_file(&pair.key).unwrap();
    refused("key.pem").await;
}

#[tokio::test]
async fn an_open_network_is_served_with_a_certificate_and_without_a_proxy() {
    let certificate = Certificate::new();
    let pair = Pair::of(&certificate);
    let file = pair.dir.path().join("tokens.toml");
    let token = tokens_for(&file, &[&["--principal", "ana"]]).remove(0);
    let mut flags = pair.flags().to_vec();
    flags.extend(["--listen", "0.0.0.0:0", "--tokens", file.to_str().unwrap()]);
    let (code, said) = Served::refused(&flags, &[]).await;
    assert!(code == 2 && said.contains("no name of it is known"), "{said}");
    flags.extend(["--allow-host", "mcp.example.com"]);
    let server = Served::start(&flags, &[]).await;
    let bearer = format!("Bearer {token}");
    let headers =
        [("authorization", bearer.as_str()), ("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/list")];
    let body = message("tools/list", json!({})).to_string();
    for (host, expected) in [("mcp.example.com", 200), ("localhost", 403)] {
        let text = request(host, "POST", "/mcp", &headers, &body);
        assert_eq!(Talk::new(connect(&server).await).ask("POST", text).await.status, expected, "{host}");
    }
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_not_waited_for() {
    let pair = Pair::of(&Certificate::new());
    let server = Served::start(&pair.flags(), &[]).await;
    let begun = Instant::now();
    let silent = tokio::spawn(waits(server.address(), &b""[..]));
    // The first bytes of a greeting whose rest stays away.
    let half = tokio::spawn(waits(server.address(), &b"\x16\x03\x01\x02\x00\x01\x00"[..]));
    let spoken = Talk::new(connect(&server).await).ask("GET", request("localhost", "GET", "/", &[], "")).await;
    assert_eq!(spoken.status, 200);
    silent.await.unwrap();
    half.await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

/// Sends these bytes and waits for the end.
async fn waits(address: std::net::SocketAddr, bytes: &'static [u8]) {
    use tokio::io::AsyncWriteExt;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    while matches!(stream.read(&mut [0; 64]).await, Ok(1..)) {}
}
