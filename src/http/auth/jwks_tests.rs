//! Tests of `jwks.rs`, beside it since both together are long.

use futures::future::join_all;
use serde_json::json;

use super::*;
use crate::domain::SecureUrl;
use crate::http::auth::fetch::LARGEST;
use crate::http::issuer::{self, Answer, Issuer};

const ES256: Algorithm = Algorithm::ES256;

fn source(issuer: &Issuer) -> Arc<JwksSource> {
    Arc::new(JwksSource::new(KeysAt::Url(SecureUrl::new(issuer.jwks_url()).unwrap()), None).unwrap())
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
    let (rsa, ec, ed) = (issuer::Key::rsa("r").jwk(), issuer::Key::es256("e").jwk(), issuer::Key::ed25519("d").jwk());
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
