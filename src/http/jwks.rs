//! The keys an issuer signs with: fetched from one place, kept for a while, found by their id.

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use reqwest::StatusCode;
use reqwest::header::ACCEPT;
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use crate::domain::clean;

/// How long keys are used without asking again.
const FRESH: Duration = Duration::from_secs(10 * 60);
/// How long keys are used while the issuer cannot be asked.
const GOOD: Duration = Duration::from_secs(60 * 60);
/// How often, at most, an id that is not known makes us ask: anybody can make one up.
const SEARCH_PAUSE: Duration = Duration::from_secs(10);
/// How long an issuer that failed is left alone.
const FAILURE_PAUSE: Duration = Duration::from_secs(2);

const CONNECT: Duration = Duration::from_secs(3);
const WHOLE: Duration = Duration::from_secs(5);
const LARGEST: usize = 256 * 1024;

/// One key to verify with, and the one algorithm it is for.
#[derive(Debug)]
pub(super) struct Key {
    id: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
}

impl Key {
    /// Reads one entry of the document; `None` if it is not for verifying, or of no kind that is accepted.
    fn read(entry: &Value) -> Option<Self> {
        if entry.get("use").is_some_and(|usage| usage != "sig") {
            return None;
        }
        let verifies = |operations: &Value| {
            operations.as_array().is_some_and(|operations| operations.iter().any(|operation| operation == "verify"))
        };
        if !entry.get("key_ops").is_none_or(verifies) {
            return None;
        }
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(entry.get(name)?.as_str()?).ok();
        let text = |name: &str| entry.get(name).and_then(Value::as_str);
        let (algorithm, name, decoding) = match (text("kty")?, text("crv")) {
            ("RSA", None) => {
                let (n, e) = (bytes("n")?, bytes("e")?);
                // What the verifier takes: 2048 to 8192 bits.
                if !(256..=1024).contains(&n.len()) || e.is_empty() {
                    return None;
                }
                (Algorithm::RS256, "RS256", DecodingKey::from_rsa_raw_components(&n, &e))
            }
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes("x")?, bytes("y")?);
                if x.len() != 32 || y.len() != 32 {
                    return None;
                }
                (Algorithm::ES256, "ES256", DecodingKey::from_ec_der(&[&[4], x.as_slice(), y.as_slice()].concat()))
            }
            ("OKP", Some("Ed25519")) => {
                let x = bytes("x").filter(|x| x.len() == 32)?;
                (Algorithm::EdDSA, "EdDSA", DecodingKey::from_ed_der(&x))
            }
            _ => return None,
        };
        if entry.get("alg").is_some_and(|given| given != name) {
            return None;
        }
        let id = match entry.get("kid") {
            None => None,
            Some(id) => Some(id.as_str()?.to_owned()),
        };
        Some(Self { id, algorithm, decoding })
    }
}

/// Why there is no key for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoKey {
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
    keys: Vec<Arc<Key>>,
    fetched: Instant,
}

impl KeySet {
    fn pick(&self, id: Option<&str>, algorithm: Algorithm) -> Result<Arc<Key>, NoKey> {
        let named: Vec<&Arc<Key>> = match id {
            Some(id) => self.keys.iter().filter(|key| key.id.as_deref() == Some(id)).collect(),
            None if self.keys.len() > 1 => return Err(NoKey::Unnamed),
            None => self.keys.iter().collect(),
        };
        if named.is_empty() {
            return Err(NoKey::Unknown);
        }
        named.into_iter().find(|key| key.algorithm == algorithm).cloned().ok_or(NoKey::OtherAlgorithm)
    }
}

#[derive(Default)]
struct State {
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
enum Cause {
    /// There are none, or they are old.
    Age,
    /// A token names one that is not among them.
    Search,
}

/// Where the keys come from, and those that came last.
pub(super) struct KeySource {
    url: Url,
    client: reqwest::Client,
    state: Mutex<State>,
    /// Held by the one fetch that is under way.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl KeySource {
    /// Keys from this place; nothing is fetched yet. The error says what is wrong with the certificates.
    pub(super) fn new(url: Url, ca_pem: Option<&[u8]>) -> Result<Self, String> {
        let mut builder = reqwest::Client::builder()
            .https_only(url.scheme() == "https")
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .connect_timeout(CONNECT)
            .timeout(WHOLE)
            // Fetches are minutes apart: a kept connection would mostly be a dead one.
            .pool_max_idle_per_host(0)
            .user_agent(concat!("truedy-mcp/", env!("CARGO_PKG_VERSION")));
        // Plain http goes to a loopback host only: it needs no root certificates, which take time to load.
        if url.scheme() == "http" {
            builder = builder.tls_certs_only([]);
        } else if let Some(pem) = ca_pem {
            let certificates = reqwest::Certificate::from_pem_bundle(pem).map_err(|error| words(&error))?;
            builder = builder.tls_certs_merge(certificates);
        }
        let client = builder.build().map_err(|error| words(&error))?;
        Ok(Self { url, client, state: Mutex::default(), turn: Arc::default() })
    }

    /// The key that a token names, for the algorithm it names.
    pub(super) async fn find(self: &Arc<Self>, id: Option<&str>, algorithm: Algorithm) -> Result<Arc<Key>, NoKey> {
        let asked = Instant::now();
        if self.younger_than(FRESH).is_none() {
            self.fetch(Cause::Age, asked).await;
        }
        let picked = self.younger_than(GOOD).ok_or(NoKey::Unavailable)?.pick(id, algorithm);
        if !matches!(picked, Err(NoKey::Unknown)) {
            return picked;
        }
        // The issuer may have a new key since.
        self.fetch(Cause::Search, asked).await;
        let picked = self.younger_than(GOOD).ok_or(NoKey::Unavailable)?.pick(id, algorithm);
        match picked {
            // An issuer that could not be asked did not say that it has no such key.
            Err(NoKey::Unknown) if self.state().failed => Err(NoKey::Unavailable),
            picked => picked,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn younger_than(&self, age: Duration) -> Option<Arc<KeySet>> {
        self.state().set.clone().filter(|set| set.fetched.elapsed() < age)
    }

    /// Fetches the keys unless it is too early to; whoever wants them meanwhile waits for the same fetch.
    async fn fetch(self: &Arc<Self>, cause: Cause, asked: Instant) {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        if !self.is_due(cause, asked) {
            return;
        }
        let source = Arc::clone(self);
        // A task of its own: a caller who goes away must not take the fetch of all the others along.
        let task = tokio::spawn(async move {
            let outcome = source.load().await;
            source.settle(outcome);
            drop(turn);
        });
        // If it broke down, there are no keys, and that says it all.
        drop(task.await);
    }

    /// Whether to fetch now. Asked with the turn in hand, so that one of many gets a yes.
    fn is_due(&self, cause: Cause, asked: Instant) -> bool {
        let mut state = self.state();
        // Whoever had the turn before has fetched for this caller too.
        if state.ended.is_some_and(|ended| ended >= asked) {
            return false;
        }
        let rested = |since: Option<Instant>, pause| since.is_none_or(|since| since.elapsed() >= pause);
        if state.failed && !rested(state.ended, FAILURE_PAUSE) {
            return false;
        }
        if cause == Cause::Search {
            if !rested(state.searched, SEARCH_PAUSE) {
                return false;
            }
            state.searched = Some(Instant::now());
        }
        true
    }

    fn settle(&self, outcome: Result<Vec<Arc<Key>>, String>) {
        let mut state = self.state();
        let now = Instant::now();
        state.ended = Some(now);
        state.failed = outcome.is_err();
        match outcome {
            Ok(keys) if keys.is_empty() => {
                tracing::warn!("the issuer has no key that can be used: RS256, ES256 and EdDSA are accepted");
                state.set = Some(Arc::new(KeySet { keys, fetched: now }));
            }
            Ok(keys) => state.set = Some(Arc::new(KeySet { keys, fetched: now })),
            Err(why) => tracing::warn!(why, "the keys of the issuer could not be fetched"),
        }
    }

    async fn load(&self) -> Result<Vec<Arc<Key>>, String> {
        let request = self.client.get(self.url.clone()).header(ACCEPT, "application/json");
        let mut response = request.send().await.map_err(|error| words(&error))?;
        if response.status() != StatusCode::OK {
            return Err(format!("the answer has status {}", response.status().as_u16()));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| words(&error))? {
            if bytes.len() + chunk.len() > LARGEST {
                return Err(format!("the answer is larger than {} KiB", LARGEST / 1024));
            }
            bytes.extend_from_slice(&chunk);
        }
        let document: Value = serde_json::from_slice(&bytes).map_err(|_| "the answer is not JSON".to_owned())?;
        let entries = document.get("keys").and_then(Value::as_array).ok_or("the answer has no list `keys`")?;
        Ok(entries.iter().filter_map(Key::read).map(Arc::new).collect())
    }
}

/// What went wrong with an exchange: the innermost cause, without the address.
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

#[cfg(test)]
mod tests {
    use futures::future::join_all;
    use serde_json::json;

    use super::*;
    use crate::http::issuer::{self, Answer, Issuer};

    const ES256: Algorithm = Algorithm::ES256;

    fn source(issuer: &Issuer) -> Arc<KeySource> {
        Arc::new(KeySource::new(issuer.jwks_url(), None).unwrap())
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

    fn broken() -> Answer {
        Answer::Status(503, Duration::ZERO)
    }

    /// Whether the key is there, or why it is not.
    async fn look(source: &Arc<KeySource>, id: &str) -> Result<(), NoKey> {
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
        // The old key is gone with the old set.
        assert_eq!((look(&source, "key-0").await, issuer.fetches()), (Err(NoKey::Unknown), 2));
        assert_eq!((look(&source, "key-1").await, issuer.fetches()), (Ok(()), 2));
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
            with(&rsa, "kid", none.clone()),
            with(&rsa, "key_ops", json!(["verify"])),
        ] {
            assert!(Key::read(&good).is_some(), "{good}");
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
            with(&rsa, "alg", json!("PS256")),
            with(&rsa, "alg", json!("RSA-OAEP")),
            with(&rsa, "alg", json!("ES256")),
            with(&rsa, "kid", json!(7)),
            with(&rsa, "kty", json!("EC")),
            with(&rsa, "n", none.clone()),
            with(&rsa, "n", json!("not base64!")),
            with(&rsa, "n", json!(URL_SAFE_NO_PAD.encode([0xff; 128]))),
            with(&rsa, "e", json!("")),
            with(&ec, "crv", json!("P-384")),
            with(&ec, "crv", json!("secp256k1")),
            with(&ec, "crv", none.clone()),
            with(&ec, "x", json!("AAAA")),
            with(&ec, "y", none),
            with(&ed, "crv", json!("X25519")),
            with(&ed, "x", json!("AAAA")),
            with(&ed, "kty", json!("EC")),
        ] {
            assert!(Key::read(&bad).is_none(), "{bad}");
        }
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
        assert_eq!(look(&source, "key-0").await, Err(NoKey::Unknown));
    }

    #[tokio::test]
    async fn keys_of_one_id_are_told_apart_by_their_algorithm() {
        let issuer = Issuer::start().await;
        issuer.publish(&[issuer::Key::ed25519("key-0").jwk(), issuer.key().jwk()]);
        let source = source(&issuer);
        for algorithm in [Algorithm::EdDSA, ES256] {
            assert_eq!(source.find(Some("key-0"), algorithm).await.unwrap().algorithm, algorithm);
        }
    }
}
