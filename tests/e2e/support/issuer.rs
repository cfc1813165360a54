//! An OAuth issuer of the tests' own: it serves its keys on loopback and signs any token that is asked for, right or wrong.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaKeyPair,
};
use axum::Router;
use axum::http::header::LOCATION;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

/// For whom a token is unless `aud` says otherwise.
pub(crate) const AUDIENCE: &str = "https://mcp.example.com/mcp";

/// What signs a token.
pub(crate) struct Key {
    id: String,
    kind: Kind,
}

enum Kind {
    Rsa(Box<RsaKeyPair>),
    Ps256(Box<RsaKeyPair>),
    Es256(EcdsaKeyPair),
    Es384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    /// One key to sign and to verify, as HS256 has it.
    Shared(Vec<u8>),
    /// These bytes, whatever is signed, under this public key.
    Fixed {
        public: [u8; 32],
        signature: [u8; 64],
    },
    /// No signature at all.
    Nothing,
}

impl Key {
    /// A new RSA key of 2048 bits.
    pub(crate) fn rsa(id: &str) -> Self {
        Self::of(id, Kind::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())))
    }

    /// A new RSA key of 2048 bits that signs by PSS.
    pub(crate) fn ps256(id: &str) -> Self {
        Self::of(id, Kind::Ps256(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())))
    }

    /// A new key on the curve P-384.
    pub(crate) fn es384(id: &str) -> Self {
        Self::of(id, Kind::Es384(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap()))
    }

    /// An Ed25519 key that nobody need have: this signature for every message.
    pub(crate) fn fixed(id: &str, public: [u8; 32], signature: [u8; 64]) -> Self {
        Self::of(id, Kind::Fixed { public, signature })
    }

    /// A new key on the curve P-256.
    pub(crate) fn es256(id: &str) -> Self {
        Self::of(id, Kind::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()))
    }

    /// A new Ed25519 key.
    pub(crate) fn ed25519(id: &str) -> Self {
        Self::of(id, Kind::Ed25519(Ed25519KeyPair::generate().unwrap()))
    }

    /// Signs with HMAC and these bytes.
    pub(crate) fn shared(id: &str, secret: &[u8]) -> Self {
        Self::of(id, Kind::Shared(secret.to_vec()))
    }

    /// Leaves the signature empty.
    pub(crate) fn nothing(id: &str) -> Self {
        Self::of(id, Kind::Nothing)
    }

    fn of(id: &str, kind: Kind) -> Self {
        Self { id: id.to_owned(), kind }
    }

    /// The algorithm it is meant for.
    pub(crate) fn algorithm(&self) -> &'static str {
        match self.kind {
            Kind::Rsa(_) => "RS256",
            Kind::Ps256(_) => "PS256",
            Kind::Es256(_) => "ES256",
            Kind::Es384(_) => "ES384",
            Kind::Ed25519(_) | Kind::Fixed { .. } => "EdDSA",
            Kind::Shared(_) => "HS256",
            Kind::Nothing => "none",
        }
    }

    /// The public half, as an issuer publishes it.
    pub(crate) fn jwk(&self) -> Value {
        let mut jwk = match &self.kind {
            Kind::Rsa(pair) | Kind::Ps256(pair) => {
                let public = pair.public_key();
                let modulus = public.modulus().big_endian_without_leading_zero();
                let exponent = public.exponent().big_endian_without_leading_zero();
                json!({ "kty": "RSA", "n": base64url(modulus), "e": base64url(exponent) })
            }
            Kind::Es256(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "x": base64url(x), "y": base64url(y) })
            }
            Kind::Es384(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(48);
                json!({ "kty": "EC", "crv": "P-384", "x": base64url(x), "y": base64url(y) })
            }
            Kind::Ed25519(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url(pair.public_key().as_ref()) })
            }
            Kind::Fixed { public, .. } => json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url(public) }),
            Kind::Shared(secret) => json!({ "kty": "oct", "k": base64url(secret) }),
            Kind::Nothing => json!({ "kty": "none" }),
        };
        lay_over(&mut jwk, &json!({ "kid": self.id, "use": "sig", "alg": self.algorithm() }));
        jwk
    }

    /// The signature the header's algorithm asks for, where the key can make it; else the key's usual one.
    fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.kind {
            Kind::Rsa(pair) | Kind::Ps256(pair) => {
                let encoding: &'static dyn aws_lc_rs::signature::RsaEncoding = match algorithm {
                    "RS512" => &RSA_PKCS1_SHA512,
                    "PS256" => &RSA_PSS_SHA256,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut signature).unwrap();
                signature
            }
            Kind::Es256(pair) | Kind::Es384(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Kind::Fixed { signature, .. } => signature.to_vec(),
            Kind::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Kind::Shared(secret) => hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message).as_ref().to_vec(),
            Kind::Nothing => Vec::new(),
        }
    }
}

/// What whoever fetches the keys is answered.
#[derive(Clone)]
pub(crate) enum Answer {
    /// The keys that are published.
    Keys,
    /// The keys, after a while.
    Late(Duration),
    /// Nothing, for ever.
    Never,
    /// The keys under another status, after a while.
    Status(u16, Duration),
    /// A redirect to where the keys are.
    Elsewhere,
    /// This text instead of the keys.
    Text(String),
}

struct Shelf {
    document: Mutex<Value>,
    answer: Mutex<Answer>,
    fetches: AtomicUsize,
    /// What else is at which path.
    pages: Mutex<HashMap<String, String>>,
    /// The paths that were asked for beside the keys'.
    asked: Mutex<Vec<String>>,
}

/// An issuer. It stops when it is dropped.
pub(crate) struct Issuer {
    url: String,
    key: Mutex<Arc<Key>>,
    rotations: AtomicUsize,
    shelf: Arc<Shelf>,
    server: JoinHandle<()>,
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Issuer {
    /// An issuer with one key of its own, ES256.
    pub(crate) async fn start() -> Self {
        Self::with(Key::es256("key-0")).await
    }

    /// An issuer that signs with this key.
    pub(crate) async fn with(key: Key) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shelf = Arc::new(Shelf {
            document: Mutex::new(json!({ "keys": [key.jwk()] })),
            answer: Mutex::new(Answer::Keys),
            fetches: AtomicUsize::new(0),
            pages: Mutex::default(),
            asked: Mutex::default(),
        });
        let (counted, plain, others) = (Arc::clone(&shelf), Arc::clone(&shelf), Arc::clone(&shelf));
        let router = Router::new()
            .route("/keys", get(move || serve(Arc::clone(&counted))))
            .route("/elsewhere", get(move || async move { document(&plain) }))
            .fallback(move |uri: Uri| async move { page(&others, uri.path()) });
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, key: Mutex::new(Arc::new(key)), rotations: AtomicUsize::new(0), shelf, server }
    }

    /// Its name, as `iss` has it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Where its keys are.
    pub(crate) fn jwks_url(&self) -> Url {
        Url::parse(&format!("{}/keys", self.url)).unwrap()
    }

    /// What is at this path from now on, beside the keys.
    pub(crate) fn put(&self, path: &str, text: &str) {
        self.shelf.pages.lock().unwrap().insert(path.to_owned(), text.to_owned());
    }

    /// Its description of itself under this name, with this laid over.
    pub(crate) fn description(&self, name: &str, over: Value) -> String {
        let mut description = json!({
            "issuer": name, "jwks_uri": self.jwks_url().as_str(), "authorization_endpoint": format!("{}/authorize", self.url),
            "token_endpoint": format!("{}/token", self.url), "response_types_supported": ["code"],
        });
        lay_over(&mut description, &over);
        description.to_string()
    }

    /// The paths that were asked for beside the keys', in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.shelf.asked.lock().unwrap().clone()
    }

    /// How often the keys were asked for.
    pub(crate) fn fetches(&self) -> usize {
        self.shelf.fetches.load(Ordering::SeqCst)
    }

    /// The key that signs now.
    pub(crate) fn key(&self) -> Arc<Key> {
        Arc::clone(&self.key.lock().unwrap())
    }

    /// Replaces the key by a new one, also in what is published.
    pub(crate) fn rotate(&self) {
        let number = self.rotations.fetch_add(1, Ordering::SeqCst) + 1;
        let key = Key::es256(&format!("key-{number}"));
        self.publish(&[key.jwk()]);
        *self.key.lock().unwrap() = Arc::new(key);
    }

    /// Publishes these keys; what signs stays.
    pub(crate) fn publish(&self, keys: &[Value]) {
        *self.shelf.document.lock().unwrap() = json!({ "keys": keys });
    }

    /// How whoever fetches the keys is answered from now on.
    pub(crate) fn answer(&self, answer: Answer) {
        *self.shelf.answer.lock().unwrap() = answer;
    }

    /// A token that is good for five minutes and may read numbers. `claims` lie over that; `null` takes one away.
    pub(crate) fn token(&self, claims: Value) -> String {
        self.token_with(json!({}), claims, &self.key())
    }

    /// A token with this laid over the usual header and claims, signed with this key. `null` takes away.
    pub(crate) fn token_with(&self, header: Value, claims: Value, key: &Key) -> String {
        let mut whole_header = json!({ "alg": key.algorithm(), "typ": "at+jwt", "kid": key.id });
        lay_over(&mut whole_header, &header);
        let mut whole_claims = json!({
            "iss": self.url, "aud": AUDIENCE, "sub": "alice", "exp": now() + 300, "iat": now(), "scope": "numbers:read",
        });
        lay_over(&mut whole_claims, &claims);
        let message = format!("{}.{}", base64url(whole_header.to_string()), base64url(whole_claims.to_string()));
        let signature = key.sign(whole_header["alg"].as_str().unwrap_or_default(), message.as_bytes());
        format!("{message}.{}", base64url(signature))
    }

    /// Any message, and the signature of the key that signs now.
    pub(crate) fn signed(&self, message: &str) -> String {
        let key = self.key();
        format!("{message}.{}", base64url(key.sign(key.algorithm(), message.as_bytes())))
    }
}

/// This moment, as tokens write it.
pub(crate) fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// Base64 as tokens have it.
pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn lay_over(below: &mut Value, above: &Value) {
    let fields = below.as_object_mut().unwrap();
    for (name, value) in above.as_object().unwrap() {
        fields.insert(name.clone(), value.clone());
    }
    fields.retain(|_, value| !value.is_null());
}

fn document(shelf: &Shelf) -> Response {
    shelf.document.lock().unwrap().to_string().into_response()
}

fn page(shelf: &Shelf, path: &str) -> Response {
    shelf.asked.lock().unwrap().push(path.to_owned());
    match shelf.pages.lock().unwrap().get(path) {
        Some(text) => text.clone().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn serve(shelf: Arc<Shelf>) -> Response {
    shelf.fetches.fetch_add(1, Ordering::SeqCst);
    let answer = shelf.answer.lock().unwrap().clone();
    match answer {
        Answer::Keys => document(&shelf),
        Answer::Late(time) => {
            tokio::time::sleep(time).await;
            document(&shelf)
        }
        Answer::Never => std::future::pending().await,
        Answer::Status(status, time) => {
            tokio::time::sleep(time).await;
            (StatusCode::from_u16(status).unwrap(), document(&shelf)).into_response()
        }
        Answer::Elsewhere => (StatusCode::FOUND, [(LOCATION, "/elsewhere")], document(&shelf)).into_response(),
        Answer::Text(text) => text.into_response(),
    }
}
