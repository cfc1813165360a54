//! The keys an issuer signs with: fetched from one place, kept for a while, found by their id.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::OwnedMutexGuard;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::http::auth::fetch::{Fetcher, NoDocument};
use crate::http::auth::oauth_discovery::KeysAt;

/// How long keys are used without asking again.
const FRESH: Duration = Duration::from_secs(10 * 60);
/// How long keys are used while newer ones are asked for, or cannot be had.
const GOOD: Duration = Duration::from_secs(60 * 60);
/// How often, at most, an id that is not known makes us ask: anybody can make one up.
const SEARCH_PAUSE: Duration = Duration::from_secs(10);
/// How long an issuer that failed is left alone.
const FAILURE_PAUSE: Duration = Duration::from_secs(2);
/// How long it may take to find out where the keys are and to fetch them.
const WHOLE: Duration = Duration::from_secs(5);

/// `y` of the points of Ed25519 whose order divides 8, in every encoding, without the sign: RFC 8032 §5.1.2.
///
/// Under such a key one signature fits any message, so whoever knows it signs for the issuer.
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

/// A number of 32 bytes, the lowest first; those between the first and the last are alike.
const fn little(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

/// One key to verify with, and the algorithms it is for.
#[derive(Debug)]
pub(crate) struct VerificationKey {
    id: Option<String>,
    /// More than one only where the issuer does not say for which its RSA key is.
    algorithms: Vec<Algorithm>,
    pub(crate) decoding: DecodingKey,
}

impl VerificationKey {
    /// Reads one entry of the document; `None` if it is not for verifying, or of no kind that is accepted.
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

/// Whether an RSA key is one of 2048 to 8192 bits that not everybody can sign for. Both numbers are big-endian.
fn is_strong(n: &[u8], e: &[u8]) -> bool {
    // Zeros in front would pass a small number for a large one.
    let size = n.first().filter(|first| **first != 0).map(|first| n.len() * 8 - first.leading_zeros() as usize);
    let is_odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
    // With the exponent 1 a signature is the message.
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
    /// There are several, and the token does not say which.
    Unnamed,
    /// The key is there, for another algorithm.
    OtherAlgorithm,
    /// The issuer cannot be asked now.
    Unavailable,
}

/// The keys as they were fetched at one moment.
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
    /// Whether it failed.
    failed: bool,
    /// When an unknown id last made us ask.
    searched: Option<Instant>,
}

/// Why keys are fetched.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FetchReason {
    /// There are none, or they are old.
    Age,
    /// A token names one that is not among them.
    Search,
}

/// Where the keys come from, and those that came last.
pub(crate) struct JwksSource {
    at: KeysAt,
    fetcher: Fetcher,
    state: Mutex<JwksState>,
    /// Held by the one fetch that is under way.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl JwksSource {
    /// Keys from this place; nothing is fetched yet. The error says what is wrong with the certificates.
    pub(crate) fn new(at: KeysAt, ca_pem: Option<&[u8]>) -> Result<Self, String> {
        let fetcher = Fetcher::new(at.is_https(), ca_pem)?;
        Ok(Self { at, fetcher, state: Mutex::default(), turn: Arc::default() })
    }

    /// The key that a token names, for the algorithm it names.
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
        // The issuer may have a new key since.
        self.fetch(FetchReason::Search, asked).await;
        let picked = self.younger_than(GOOD).ok_or(NoKey::Unavailable)?.pick(id, algorithm);
        match picked {
            // An issuer that could not be asked did not say that it has no such key.
            Err(NoKey::Unknown) if self.state().failed => Err(NoKey::Unavailable),
            picked => picked,
        }
    }

    fn state(&self) -> MutexGuard<'_, JwksState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn younger_than(&self, age: Duration) -> Option<Arc<KeySet>> {
        self.state().set.clone().filter(|set| set.fetched.elapsed() < age)
    }

    /// Fetches the keys unless it is too early to; whoever wants them meanwhile waits for the same fetch.
    async fn fetch(self: &Arc<Self>, cause: FetchReason, asked: Instant) {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        if self.is_due(cause, asked) {
            // If it broke down, there are no keys, and that says it all.
            drop(self.begin(turn).await);
        }
    }

    /// Fetches newer keys while those there are serve on. An issuer that is slow keeps nobody waiting.
    fn refresh(self: &Arc<Self>, asked: Instant) {
        if let Ok(turn) = Arc::clone(&self.turn).try_lock_owned()
            && self.is_due(FetchReason::Age, asked)
        {
            drop(self.begin(turn));
        }
    }

    /// A fetch in a task of its own: a caller who goes away must not take it along for all the others.
    fn begin(self: &Arc<Self>, turn: OwnedMutexGuard<()>) -> JoinHandle<()> {
        let source = Arc::clone(self);
        tokio::spawn(async move {
            let outcome = tokio::time::timeout(WHOLE, source.load()).await;
            source.settle(outcome.unwrap_or_else(|_| Err("there was no answer in time".to_owned())));
            drop(turn);
        })
    }

    /// Whether to fetch now. Asked with the turn in hand, so that one of many gets a yes.
    fn is_due(&self, cause: FetchReason, asked: Instant) -> bool {
        let mut state = self.state();
        // Whoever had the turn before has fetched for this caller too.
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
        let document = self.fetcher.json(&url).await.map_err(NoDocument::why)?;
        let entries = document.get("keys").and_then(Value::as_array).ok_or("the answer has no list `keys`")?;
        Ok(entries.iter().filter_map(VerificationKey::read).map(Arc::new).collect())
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;
    use serde_json::json;

    use super::*;
    use crate::http::auth::fetch::LARGEST;
    use crate::http::issuer;
    use crate::http::issuer::{Answer, Issuer};

    const ES256: Algorithm = Algorithm::ES256;

    fn source(issuer: &Issuer) -> Arc<JwksSource> {
        Arc::new(JwksSource::new(KeysAt::Url(issuer.jwks_url()), None).unwrap())
    }

    /// Lets time go by for everything but the operating system.
    async fn pass(time: Duration) {
        tokio::time::pause();
        tokio::time::advance(time).await;
        tokio::time::resume();
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Waits for the fetch that is under way.
    async fn until_settled(source: &Arc<JwksSource>) {
        drop(source.turn.lock().await);
    }

    fn broken() -> Answer {
        Answer::Status(503, Duration::ZERO)
    }

    /// Whether the key is there, or why it is not.
    async fn look(source: &Arc<JwksSource>, id: &str) -> Result<(), NoKey> {
        source.find(Some(id), ES256).await.map(|_| ())
    }

    #[tokio::test]
    async fn keys_are_fetched_when_first_needed_and_kept_for_ten_minutes() {
        let issuer = Issuer::start().await;
        let source = source(&issuer);
        assert_eq!(issuer.fetches(), 0);
        for _ in 0..3 {
            assert_eq!(look(&source, "key-0").await, Ok(()));
        }
        pass(seconds(590)).await;
        assert_eq!((look(&source, "key-0").await, issuer.fetches()), (Ok(()), 1));
        issuer.rotate();
        pass(seconds(15)).await;
        // Whoever comes first is served by the old set, and has a new one fetched for those who follow.
        assert_eq!(look(&source, "key-0").await, Ok(()));
        until_settled(&source).await;
        assert_eq!((look(&source, "key-1").await, issuer.fetches()), (Ok(()), 2));
        // The old key is gone with the old set.
        assert_eq!(look(&source, "key-0").await, Err(NoKey::Unknown));
    }

    #[tokio::test]
    async fn a_new_key_is_found_at_once_and_made_up_ids_ask_once_in_ten_seconds() {
        let issuer = Issuer::start().await;
        let source = source(&issuer);
        assert_eq!(look(&source, "key-0").await, Ok(()));
        issuer.rotate();
        assert_eq!((look(&source, "key-1").await, issuer.fetches()), (Ok(()), 2));
        for made_up in 0..50 {
            assert_eq!(look(&source, &format!("made-up-{made_up}")).await, Err(NoKey::Unknown));
        }
        assert_eq!(issuer.fetches(), 2);
        issuer.rotate();
        pass(seconds(9)).await;
        assert_eq!((look(&source, "key-2").await, issuer.fetches()), (Err(NoKey::Unknown), 2));
        pass(seconds(2)).await;
        assert_eq!((look(&source, "key-2").await, issuer.fetches()), (Ok(()), 3));
        // With several at once it is still one.
        pass(seconds(11)).await;
        let all: Vec<String> = (0..20).map(|made_up| format!("made-up-{made_up}")).collect();
        let all = join_all(all.iter().map(|id| look(&source, id))).await;
        assert!(all.iter().all(|outcome| *outcome == Err(NoKey::Unknown)), "{all:?}");
        assert_eq!(issuer.fetches(), 4);
    }

    #[tokio::test]
    async fn an_unknown_id_at_the_first_fetch_does_not_ask_twice() {
        let issuer = Issuer::start().await;
        assert_eq!((look(&source(&issuer), "made-up").await, issuer.fetches()), (Err(NoKey::Unknown), 1));
    }

    #[tokio::test]
    async fn many_who_need_keys_share_one_fetch() {
        let issuer = Issuer::start().await;
        let source = source(&issuer);
        issuer.answer(Answer::Late(Duration::from_millis(100)));
        let all = join_all((0..30).map(|_| look(&source, "key-0"))).await;
        assert!(all.iter().all(Result::is_ok), "{all:?}");
        assert_eq!(issuer.fetches(), 1);
        // Also when they want a new key.
        issuer.rotate();
        let all = join_all((0..30).map(|_| look(&source, "key-1"))).await;
        assert!(all.iter().all(Result::is_ok), "{all:?}");
        assert_eq!(issuer.fetches(), 2);
    }

    #[tokio::test]
    async fn many_who_wait_for_a_failure_share_it_too() {
        let issuer = Issuer::start().await;
        let source = source(&issuer);
        issuer.answer(Answer::Status(503, Duration::from_millis(100)));
        let all = join_all((0..30).map(|_| look(&source, "key-0"))).await;
        assert!(all.iter().all(|outcome| *outcome == Err(NoKey::Unavailable)), "{all:?}");
        assert_eq!(issuer.fetches(), 1);
    }

    #[tokio::test]
    async fn whoever_goes_away_does_not_take_the_fetch_along() {
        let issuer = Issuer::start().await;
        let source = source(&issuer);
        issuer.answer(Answer::Late(Duration::from_millis(100)));
        let impatient = tokio::time::timeout(Duration::from_millis(30), look(&source, "key-0")).await;
        assert!(impatient.is_err());
        assert_eq!((look(&source, "key-0").await, issuer.fetches()), (Ok(()), 1));
    }

    #[tokio::test]
    async fn while_the_issuer_is_down_its_keys_are_good_for_an_hour() {
        let issuer = Issuer::start().await;
        let source = source(&issuer);
        assert_eq!(look(&source, "key-0").await, Ok(()));
        issuer.answer(broken());
        pass(seconds(3590)).await;
        assert_eq!(look(&source, "key-0").await, Ok(()));
        until_settled(&source).await;
        assert_eq!((look(&source, "key-0").await, issuer.fetches()), (Ok(()), 2));
        // Nobody can say that there is no such key.
        assert_eq!(look(&source, "key-1").await, Err(NoKey::Unavailable));
        pass(seconds(11)).await;
        assert_eq!(look(&source, "key-0").await, Err(NoKey::Unavailable));
        issuer.answer(Answer::Keys);
        pass(seconds(3)).await;
        assert_eq!(look(&source, "key-0").await, Ok(()));
    }

    #[tokio::test]
    async fn an_issuer_that_failed_is_left_alone_for_a_moment() {
        let issuer = Issuer::start().await;
        let source = source(&issuer);
        issuer.answer(broken());
        for _ in 0..10 {
            assert_eq!(look(&source, "key-0").await, Err(NoKey::Unavailable));
        }
        assert_eq!(issuer.fetches(), 1);
        issuer.answer(Answer::Keys);
        pass(seconds(3)).await;
        assert_eq!((look(&source, "key-0").await, issuer.fetches()), (Ok(()), 2));
    }

    #[tokio::test]
    async fn what_is_no_list_of_keys_is_no_answer() {
        let issuer = Issuer::start().await;
        let keys = |padding: usize| format!("{{\"keys\":[{}]}}{}", issuer.key().jwk(), " ".repeat(padding));
        let fits = LARGEST - keys(0).len();
        for bad in ["", "no JSON", "[]", "{}", r#"{"keys":{}}"#, &keys(fits + 1)].map(str::to_owned) {
            issuer.answer(Answer::Text(bad.clone()));
            assert_eq!(look(&source(&issuer), "key-0").await, Err(NoKey::Unavailable), "{:.40}", bad);
        }
        for status in [203, 301, 404, 500] {
            issuer.answer(Answer::Status(status, Duration::ZERO));
            assert_eq!(look(&source(&issuer), "key-0").await, Err(NoKey::Unavailable), "{status}");
        }
        issuer.answer(Answer::Elsewhere);
        assert_eq!(look(&source(&issuer), "key-0").await, Err(NoKey::Unavailable), "a redirect is not followed");
        issuer.answer(Answer::Text(keys(fits)));
        assert_eq!(look(&source(&issuer), "key-0").await, Ok(()));
    }

    #[tokio::test]
    async fn an_issuer_that_says_nothing_is_not_waited_for() {
        let issuer = Issuer::start().await;
        let source = source(&issuer);
        issuer.answer(Answer::Never);
        tokio::time::pause();
        let begun = Instant::now();
        let outcome = tokio::time::timeout(seconds(60), look(&source, "key-0")).await;
        assert_eq!(outcome, Ok(Err(NoKey::Unavailable)));
        assert!(begun.elapsed() <= seconds(6), "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn an_issuer_that_hangs_keeps_nobody_waiting_while_its_keys_are_younger_than_an_hour() {
        let issuer = Issuer::start().await;
        let source = source(&issuer);
        assert_eq!(look(&source, "key-0").await, Ok(()));
        issuer.answer(Answer::Never);
        tokio::time::pause();
        let fetched = Instant::now();
        for minutes in [11, 30, 59] {
            tokio::time::advance(fetched + seconds(minutes * 60) - Instant::now()).await;
            let begun = Instant::now();
            for _ in 0..20 {
                assert_eq!(look(&source, "key-0").await, Ok(()), "after {minutes} minutes");
            }
            assert_eq!(begun.elapsed(), Duration::ZERO, "after {minutes} minutes");
        }
        // Older ones serve nobody.
        tokio::time::advance(seconds(61)).await;
        assert_eq!(look(&source, "key-0").await, Err(NoKey::Unavailable));
    }

    #[tokio::test]
    async fn nobody_at_the_address_is_unavailable() {
        let issuer = Issuer::start().await;
        let source = source(&issuer);
        drop(issuer);
        tokio::task::yield_now().await;
        assert_eq!(look(&source, "key-0").await, Err(NoKey::Unavailable));
    }

    #[test]
    fn only_keys_to_verify_with_are_read() {
        let (rsa, ec, ed) =
            (issuer::Key::rsa("r").jwk(), issuer::Key::es256("e").jwk(), issuer::Key::ed25519("d").jwk());
        let with = |jwk: &Value, name: &str, value: Value| {
            let mut jwk = jwk.clone();
            jwk[name] = value;
            if jwk[name].is_null() {
                jwk.as_object_mut().unwrap().remove(name);
            }
            jwk
        };
        let none = Value::Null;
        for good in [
            rsa.clone(),
            ec.clone(),
            ed.clone(),
            with(&rsa, "use", none.clone()),
            with(&rsa, "alg", none.clone()),
            with(&rsa, "alg", json!("PS256")),
            with(&rsa, "kid", none.clone()),
            issuer::Key::es384("e").jwk(),
            with(&rsa, "key_ops", json!(["verify"])),
        ] {
            assert!(VerificationKey::read(&good).is_some(), "{good}");
        }
        for bad in [
            none.clone(),
            json!("key"),
            json!({}),
            issuer::Key::shared("s", b"secret").jwk(),
            with(&rsa, "use", json!("enc")),
            with(&rsa, "use", json!(["sig"])),
            with(&rsa, "key_ops", json!(["encrypt"])),
            with(&rsa, "key_ops", json!("verify")),
            with(&rsa, "alg", json!("RS512")),
            with(&rsa, "alg", json!("RSA-OAEP")),
            with(&rsa, "alg", json!("ES256")),
            with(&rsa, "kid", json!(7)),
            with(&rsa, "kty", json!("EC")),
            with(&rsa, "n", none.clone()),
            with(&rsa, "n", json!("not base64!")),
            with(&rsa, "n", json!(URL_SAFE_NO_PAD.encode([0xff; 128]))),
            // A small number behind zeros, an even one, and one of more than 8192 bits.
            with(&rsa, "n", json!(URL_SAFE_NO_PAD.encode([[0; 128], [0xff; 128]].concat()))),
            with(&rsa, "n", json!(URL_SAFE_NO_PAD.encode([0xfe; 256]))),
            with(&rsa, "n", json!(URL_SAFE_NO_PAD.encode([0xff; 1025]))),
            with(&rsa, "e", json!("")),
            // 0, 1, 1 again and 2: with these anybody signs, or nobody.
            with(&rsa, "e", json!("AA")),
            with(&rsa, "e", json!("AQ")),
            with(&rsa, "e", json!("AAAB")),
            with(&rsa, "e", json!("Ag")),
            with(&ec, "crv", json!("P-384")),
            with(&ec, "crv", json!("secp256k1")),
            with(&ec, "crv", none.clone()),
            with(&ec, "x", json!("AAAA")),
            with(&ec, "y", none),
            with(&ed, "crv", json!("X25519")),
            with(&ed, "x", json!("AAAA")),
            with(&ed, "kty", json!("EC")),
        ] {
            assert!(VerificationKey::read(&bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_key_is_for_what_the_issuer_says_and_an_rsa_key_for_both_schemes_where_it_says_nothing() {
        let mut rsa = issuer::Key::rsa("r").jwk();
        for (alg, expected) in [
            (json!("RS256"), &[Algorithm::RS256][..]),
            (json!("PS256"), &[Algorithm::PS256]),
            (Value::Null, &[Algorithm::RS256, Algorithm::PS256]),
        ] {
            rsa["alg"] = alg;
            assert_eq!(VerificationKey::read(&rsa).unwrap().algorithms, expected);
        }
        let mut mixed = issuer::Key::es384("e").jwk();
        assert_eq!(VerificationKey::read(&mixed).unwrap().algorithms, [Algorithm::ES384]);
        mixed["alg"] = json!("ES256");
        assert!(VerificationKey::read(&mixed).is_none());
    }

    #[test]
    fn no_point_of_low_order_is_a_key_in_any_encoding() {
        let entry = |x: [u8; 32]| json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(x) });
        for point in LOW_ORDER {
            for sign in [0, 0x80] {
                let mut x = point;
                x[31] |= sign;
                assert!(VerificationKey::read(&entry(x)).is_none(), "{x:02x?}");
            }
        }
        let mut base = [0x66; 32];
        base[0] = 0x58;
        assert!(VerificationKey::read(&entry(base)).is_some(), "the base point has the order of a key");
    }

    #[tokio::test]
    async fn keys_that_cannot_be_used_do_not_count() {
        let issuer = Issuer::start().await;
        let mut encrypts = issuer::Key::rsa("encrypts").jwk();
        encrypts["use"] = json!("enc");
        issuer.publish(&[encrypts, issuer::Key::shared("shared", b"secret").jwk(), json!(7), issuer.key().jwk()]);
        let source = source(&issuer);
        assert!(source.find(None, ES256).await.is_ok(), "it is the only one");
        assert_eq!(source.find(None, Algorithm::RS256).await.map(|_| ()), Err(NoKey::OtherAlgorithm));
        assert_eq!(look(&source, "encrypts").await, Err(NoKey::Unknown));
    }

    #[tokio::test]
    async fn an_issuer_that_withdraws_its_keys_is_believed() {
        let issuer = Issuer::start().await;
        let source = source(&issuer);
        assert_eq!(look(&source, "key-0").await, Ok(()));
        issuer.publish(&[]);
        pass(seconds(601)).await;
        assert_eq!(look(&source, "key-0").await, Ok(()));
        until_settled(&source).await;
        assert_eq!(look(&source, "key-0").await, Err(NoKey::Unknown));
    }

    #[tokio::test]
    async fn keys_of_one_id_are_told_apart_by_their_algorithm() {
        let issuer = Issuer::start().await;
        issuer.publish(&[issuer::Key::ed25519("key-0").jwk(), issuer.key().jwk()]);
        let source = source(&issuer);
        for algorithm in [Algorithm::EdDSA, ES256] {
            assert_eq!(source.find(Some("key-0"), algorithm).await.unwrap().algorithms, [algorithm]);
        }
    }
}
