//! The signing keys of an issuer: fetched from one URL, cached for a limited time, and found by their id.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use parking_lot::{Mutex, MutexGuard};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::OwnedMutexGuard;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::http::auth::fetch::Fetcher;
use crate::http::auth::oauth_discovery::KeysAt;

/// How long keys are used without a new fetch.
const FRESH: Duration = Duration::from_secs(10 * 60);
/// How long keys are used while newer ones are fetched, or if the fetch fails.
const GOOD: Duration = Duration::from_secs(60 * 60);
/// The shortest time between two fetches for an unknown key id. Anybody can invent an id.
const SEARCH_PAUSE: Duration = Duration::from_secs(10);
/// How long no fetch is made after a failed one.
const FAILURE_PAUSE: Duration = Duration::from_secs(2);
/// Time limit for finding the address of the keys and fetching them.
const WHOLE: Duration = Duration::from_secs(5);

/// The `y` coordinates of the points of Ed25519 whose order divides 8, in every encoding. The sign is left out (RFC
/// 8032 §5.1.2).
///
/// With such a key one signature fits any message. So anyone who knows that signature could sign for the issuer.
const LOW_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    little(0x01, 0x00, 0x00),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
        0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
        0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
    little(0xec, 0xff, 0x7f),
    little(0xed, 0xff, 0x7f),
    little(0xee, 0xff, 0x7f),
];

/// Returns a number of 32 bytes, lowest byte first. All bytes between the first and the last have the same value.
const fn little(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

/// A key for verifying signatures, and the algorithms that it may be used with.
#[derive(Debug)]
pub(crate) struct VerificationKey {
    id: Option<String>,
    /// There is more than one only if the issuer does not state the algorithm of its RSA key.
    algorithms: Vec<Algorithm>,
    pub(crate) decoding: DecodingKey,
}

impl VerificationKey {
    /// Reads one entry of the key document. `None` if it is not for verifying, or of a kind that is not accepted.
    fn read(entry: &Value) -> Option<Self> {
        let jwk = Jwk::deserialize(entry).ok()?;
        let common = jwk.common;
        if common.public_key_use.is_some_and(|usage| usage != PublicKeyUse::Signature) {
            return None;
        }
        if common.key_operations.is_some_and(|operations| !operations.contains(&KeyOperations::Verify)) {
            return None;
        }
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
        let (mut algorithms, decoding) = match jwk.algorithm {
            AlgorithmParameters::RSA(rsa) => {
                let (n, e) = (bytes(&rsa.n)?, bytes(&rsa.e)?);
                let both = vec![Algorithm::RS256, Algorithm::PS256];
                is_strong(&n, &e).then(|| (both, DecodingKey::from_rsa_raw_components(&n, &e)))?
            }
            AlgorithmParameters::EllipticCurve(point) => {
                let (algorithm, size) = match point.curve {
                    EllipticCurve::P256 => (Algorithm::ES256, 32),
                    EllipticCurve::P384 => (Algorithm::ES384, 48),
                    _ => return None,
                };
                let (x, y) = (bytes(&point.x)?, bytes(&point.y)?);
                if x.len() != size || y.len() != size {
                    return None;
                }
                (vec![algorithm], DecodingKey::from_ec_der(&[&[4], x.as_slice(), y.as_slice()].concat()))
            }
            AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
                let x: [u8; 32] = bytes(&pair.x)?.try_into().ok()?;
                (!has_low_order(x)).then(|| (vec![Algorithm::EdDSA], DecodingKey::from_ed_der(&x)))?
            }
            _ => return None,
        };
        if let Some(given) = common.key_algorithm {
            algorithms.retain(|algorithm| given == (*algorithm).into());
        }
        (!algorithms.is_empty()).then_some(Self { id: common.key_id, algorithms, decoding })
    }
}

/// Whether an RSA key has 2048 to 8192 bits and does not let everybody sign. Both numbers are big-endian.
fn is_strong(n: &[u8], e: &[u8]) -> bool {
    // Refuse leading zeros, which would make a small number look large.
    let size = n.first().filter(|first| **first != 0).map(|first| n.len() * 8 - first.leading_zeros() as usize);
    let is_odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
    // With the exponent 1 the signature equals the message.
    let is_one = e.iter().rev().skip(1).all(|byte| *byte == 0) && e.last() == Some(&1);
    size.is_some_and(|size| (2048..=8192).contains(&size)) && is_odd(n) && is_odd(e) && !is_one
}

fn has_low_order(mut point: [u8; 32]) -> bool {
    // The highest bit is the sign of x.
    point[31] &= 0x7f;
    LOW_ORDER.contains(&point)
}

/// Why there is no key for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoKey {
    /// The issuer has no such key.
    Unknown,
    /// The issuer has several keys, and the token does not name one.
    Unnamed,
    /// The key exists, but for another algorithm.
    OtherAlgorithm,
    /// The keys cannot be fetched now.
    Unavailable,
}

/// The keys of one fetch.
struct KeySet {
    keys: Vec<Arc<VerificationKey>>,
    fetched: Instant,
}

impl KeySet {
    fn pick(&self, id: Option<&str>, algorithm: Algorithm) -> Result<Arc<VerificationKey>, NoKey> {
        let named: Vec<&Arc<VerificationKey>> = match id {
            Some(id) => self.keys.iter().filter(|key| key.id.as_deref() == Some(id)).collect(),
            None if self.keys.len() > 1 => return Err(NoKey::Unnamed),
            None => self.keys.iter().collect(),
        };
        if named.is_empty() {
            return Err(NoKey::Unknown);
        }
        named.into_iter().find(|key| key.algorithms.contains(&algorithm)).cloned().ok_or(NoKey::OtherAlgorithm)
    }
}

#[derive(Default)]
struct JwksState {
    set: Option<Arc<KeySet>>,
    /// When the last fetch ended.
    ended: Option<Instant>,
    /// Whether the last fetch failed.
    failed: bool,
    /// When an unknown key id last caused a fetch.
    searched: Option<Instant>,
}

/// Why keys are fetched.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FetchReason {
    /// There are no keys, or they are old.
    Age,
    /// A token names a key that is not among them.
    Search,
}

/// Fetches the keys of an issuer and caches them.
pub(crate) struct JwksSource {
    at: KeysAt,
    fetcher: Fetcher,
    state: Mutex<JwksState>,
    /// Held by the one fetch that is running.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl JwksSource {
    /// Creates a source for this address. It fetches nothing yet. The error says what is wrong with the certificates.
    pub(crate) fn new(at: KeysAt, ca_pem: Option<&[u8]>) -> Result<Self, String> {
        let fetcher = Fetcher::new(at.is_https(), ca_pem)?;
        Ok(Self { at, fetcher, state: Mutex::default(), turn: Arc::default() })
    }

    /// Finds the key that a token names, for the algorithm that it names.
    pub(crate) async fn find(
        self: &Arc<Self>,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Arc<VerificationKey>, NoKey> {
        let asked = Instant::now();
        if self.younger_than(GOOD).is_none() {
            self.fetch(FetchReason::Age, asked).await;
        } else if self.younger_than(FRESH).is_none() {
            self.refresh(asked);
        }
        let picked = self.younger_than(GOOD).ok_or(NoKey::Unavailable)?.pick(id, algorithm);
        if !matches!(picked, Err(NoKey::Unknown)) {
            return picked;
        }
        // The issuer may have added a key since the last fetch.
        self.fetch(FetchReason::Search, asked).await;
        let picked = self.younger_than(GOOD).ok_or(NoKey::Unavailable)?.pick(id, algorithm);
        match picked {
            // If the fetch failed, it is not known whether the issuer has such a key.
            Err(NoKey::Unknown) if self.state().failed => Err(NoKey::Unavailable),
            picked => picked,
        }
    }

    fn state(&self) -> MutexGuard<'_, JwksState> {
        self.state.lock()
    }

    fn younger_than(&self, age: Duration) -> Option<Arc<KeySet>> {
        self.state().set.clone().filter(|set| set.fetched.elapsed() < age)
    }

    /// Fetches the keys, unless it is too early. Callers that need them meanwhile wait for the same fetch.
    async fn fetch(self: &Arc<Self>, cause: FetchReason, asked: Instant) {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        if self.is_due(cause, asked) {
            // If the task failed, there are no keys. The caller finds that out by itself.
            drop(self.begin(turn).await);
        }
    }

    /// Fetches newer keys while the cached ones remain in use. So a slow issuer delays no caller.
    fn refresh(self: &Arc<Self>, asked: Instant) {
        if let Ok(turn) = Arc::clone(&self.turn).try_lock_owned()
            && self.is_due(FetchReason::Age, asked)
        {
            drop(self.begin(turn));
        }
    }

    /// Fetches in a separate task. A caller that cancels its request must not cancel the fetch for all others.
    fn begin(self: &Arc<Self>, turn: OwnedMutexGuard<()>) -> JoinHandle<()> {
        let source = Arc::clone(self);
        tokio::spawn(async move {
            let outcome = tokio::time::timeout(WHOLE, source.load()).await;
            source.settle(outcome.unwrap_or_else(|_| Err("there was no answer in time".to_owned())));
            drop(turn);
        })
    }

    /// Whether to fetch now. The caller holds `turn`, so only one of several waiting callers fetches.
    fn is_due(&self, cause: FetchReason, asked: Instant) -> bool {
        let mut state = self.state();
        // A fetch that ended after this caller asked also serves this caller.
        if state.ended.is_some_and(|ended| ended >= asked) {
            return false;
        }
        let rested = |since: Option<Instant>, pause| since.is_none_or(|since| since.elapsed() >= pause);
        if state.failed && !rested(state.ended, FAILURE_PAUSE) {
            return false;
        }
        if cause == FetchReason::Search {
            if !rested(state.searched, SEARCH_PAUSE) {
                return false;
            }
            state.searched = Some(Instant::now());
        }
        true
    }

    fn settle(&self, outcome: Result<Vec<Arc<VerificationKey>>, String>) {
        let mut state = self.state();
        let now = Instant::now();
        state.ended = Some(now);
        state.failed = outcome.is_err();
        match outcome {
            Ok(keys) if keys.is_empty() => {
                tracing::warn!(
                    "the issuer has no key that can be used: RS256, PS256, ES256, ES384 and EdDSA are accepted"
                );
                state.set = Some(Arc::new(KeySet { keys, fetched: now }));
            }
            Ok(keys) => state.set = Some(Arc::new(KeySet { keys, fetched: now })),
            Err(why) => tracing::warn!(why, "the keys of the issuer could not be fetched"),
        }
    }

    async fn load(&self) -> Result<Vec<Arc<VerificationKey>>, String> {
        let url = self.at.find(&self.fetcher).await?;
        let document = self.fetcher.json(url.as_url()).await.map_err(|error| error.to_string())?;
        let entries = document.get("keys").and_then(Value::as_array).ok_or("the answer has no list `keys`")?;
        Ok(entries.iter().filter_map(VerificationKey::read).map(Arc::new).collect())
    }
}

#[cfg(test)]
#[path = "jwks_tests.rs"]
mod tests;
