//! Two servers on one PostgreSQL and no word between them: what holds on one holds on both.

use futures::future::join_all;
use serde_json::{Value, json};

use super::callers::{Files, buy_it, number, release_it, say, state, status};
use crate::support::database::Database;
use crate::support::fake_truedy::{PURCHASE, Play, RELEASE, Upstream};
use crate::support::http_client::Served;

/// One Truedy, one database, and people whom every replica knows.
pub(super) struct Scene {
    pub(super) upstream: Upstream,
    files: Files,
    pub(super) ana: String,
    pub(super) ben: String,
    // Last, so that nobody is connected any more.
    pub(super) database: Database,
}

const KEY: &str = "0123456789abcdef0123456789abcdef";
const NEWER: &str = "fedcba9876543210fedcba9876543210";

impl Scene {
    pub(super) fn set() -> Option<Self> {
        let Some(server) = Database::server() else {
            println!("LEFT OUT: TRUEDY_TEST_POSTGRES is not set");
            return None;
        };
        let database = Database::create(&server, "replicas");
        let mut files = Files::new();
        let (ana, ben) = (files.person("ana"), files.person("ben"));
        Some(Self { upstream: Upstream::start(), files, ana, ben, database })
    }

    /// One replica that seals with the first of these keys.
    async fn replica(&self, keys: &[&str], arguments: &[&str]) -> Served {
        let seal = self.files.write(&format!("seal-{}", keys.concat()), &keys.join("\n"));
        let (tokens, base) = (self.files.tokens(), self.upstream.base_url());
        let own = ["--tokens", &tokens, "--replicas", "2", "--state-key-file", &seal];
        let journal = self.database.variables();
        let mut variables: Vec<(&str, &str)> = journal.iter().map(|(name, value)| (*name, value.as_str())).collect();
        variables.push(("TRUEDY_BASE_URL", &base));
        Served::start(&[&own, arguments].concat(), &variables).await
    }

    pub(super) async fn two(&self, arguments: &[&str]) -> [Served; 2] {
        [self.replica(&[KEY], arguments).await, self.replica(&[KEY], arguments).await]
    }
}

fn buy(number: &str) -> Value {
    json!({ "phone_number": number, "confirm": true })
}

/// Truedy refuses, after it was asked.
fn taken() -> Play {
    let why = "Failed to purchase number: Telnyx API error: 422 - no longer available.";
    Play::json(422, &json!({ "error": { "code": "validation_error", "message": why } }))
}

fn words(answers: &[Value]) -> Vec<&str> {
    let mut words: Vec<&str> = answers.iter().map(|answer| answer["status"].as_str().unwrap()).collect();
    words.sort_unstable();
    words
}

#[tokio::test]
async fn a_question_of_one_is_answered_on_the_other_once() {
    let Some(scene) = Scene::set() else { return };
    let kept = "+14155550150";
    scene.upstream.account(|account| account.add(kept, true));
    let [first, second] = scene.two(&[]).await;
    let release = json!({ "number_id": kept, "confirm": true });
    let asked = state(&say(&first, &scene.ana, ("release_number", &release), None).await);
    // A colleague's yes, or one to something else, is none.
    let again = say(&second, &scene.ben, ("release_number", &release), Some((&asked, release_it(kept)))).await;
    assert_ne!(state(&again), asked);
    assert_eq!(scene.upstream.count(RELEASE), 0);
    let done = say(&second, &scene.ana, ("release_number", &release), Some((&asked, release_it(kept)))).await;
    assert_eq!(status(&done), "released", "{done}");
    // A yes that was used is spent everywhere, whatever came of it: here the carrier says no.
    scene.upstream.always(PURCHASE, taken());
    let buying = buy(&number(160));
    let asked = state(&say(&first, &scene.ana, ("purchase_number", &buying), None).await);
    let yes = || Some((asked.as_str(), buy_it()));
    let refused = say(&second, &scene.ana, ("purchase_number", &buying), yes()).await;
    assert_eq!(status(&refused), "upstream_rejected", "{refused}");
    for replica in [&first, &second] {
        let again = say(replica, &scene.ana, ("purchase_number", &buying), yes()).await;
        let asked_again = again["resultType"] == "input_required";
        assert!(asked_again || status(&again) == "confirmation_used", "{again}");
    }
    assert_eq!(scene.upstream.count(PURCHASE), 1);
}

#[tokio::test]
async fn a_no_on_one_is_a_no_on_the_other() {
    for gate in [&[][..], &["--gate", "token"]] {
        let Some(scene) = Scene::set() else { return };
        let [first, second] = scene.two(gate).await;
        let mut buying = buy(&number(161));
        if !gate.is_empty() {
            let preview = say(&first, &scene.ana, ("purchase_number", &buying), None).await;
            buying["confirmation_token"] = preview["structuredContent"]["confirmation_token"].clone();
            buying["confirm"] = json!(true);
        }
        let asked = state(&say(&first, &scene.ana, ("purchase_number", &buying), None).await);
        let no = json!({ "action": "decline" });
        let declined = say(&first, &scene.ana, ("purchase_number", &buying), Some((&asked, no))).await;
        assert_eq!(status(&declined), "human_declined", "{declined}");
        let yes = say(&second, &scene.ana, ("purchase_number", &buying), Some((&asked, buy_it()))).await;
        assert_eq!(status(&yes), "confirmation_used", "{yes}");
        assert_eq!(scene.upstream.count(PURCHASE), 0);
    }
}

#[tokio::test]
async fn a_preview_of_one_is_confirmed_on_the_other_once_even_at_the_same_time() {
    let Some(scene) = Scene::set() else { return };
    let [first, second] = scene.two(&["--gate", "token", "--ask", "off"]).await;
    let preview = first.call(&scene.ana, "purchase_number", buy(&number(160))).await;
    let next = preview["next"]["arguments"].clone();
    assert!(next["confirmation_token"].is_string(), "{preview}");
    let theirs = second.call(&scene.ben, "purchase_number", next.clone()).await;
    assert_eq!(theirs["status"], "confirmation_invalid", "{theirs}");
    assert_eq!(second.call(&scene.ana, "purchase_number", next).await["status"], "purchased");
    // Once used it is spent, though what it was used for failed.
    scene.upstream.always(PURCHASE, taken());
    let next = first.call(&scene.ana, "purchase_number", buy(&number(161))).await["next"]["arguments"].clone();
    assert_eq!(second.call(&scene.ana, "purchase_number", next.clone()).await["status"], "upstream_rejected");
    for replica in [&first, &second] {
        let again = replica.call(&scene.ana, "purchase_number", next.clone()).await;
        assert_eq!(again["status"], "confirmation_used", "{again}");
    }
    assert_eq!(scene.upstream.count(PURCHASE), 2);
    // At once, on both, ten times: one wins.
    for n in 0..10 {
        let next = first.call(&scene.ana, "purchase_number", buy(&number(170 + n))).await["next"]["arguments"].clone();
        let both =
            [&first, &second, &first, &second].map(|replica| replica.call(&scene.ana, "purchase_number", next.clone()));
        let answers = join_all(both).await;
        assert_eq!(scene.upstream.count(PURCHASE), 3 + n, "{answers:?}");
        let asked = words(&answers).into_iter().filter(|word| *word == "upstream_rejected").count();
        assert_eq!(asked, 1, "{answers:?}");
    }
}

#[tokio::test]
async fn the_same_number_asked_for_on_both_at_once_is_bought_once() {
    let Some(scene) = Scene::set() else { return };
    let [first, second] = scene.two(&["--ask", "off", "--purchases-per-day", "unlimited"]).await;
    for n in 0..10 {
        let asks = [(&first, &scene.ana), (&second, &scene.ana), (&first, &scene.ben), (&second, &scene.ben)];
        let asks = asks.map(|(replica, token)| replica.call(token, "purchase_number", buy(&number(160 + n))));
        let answers = join_all(asks).await;
        let words = words(&answers);
        assert_eq!(words.iter().filter(|word| **word == "purchased").count(), 1, "{answers:?}");
        let fine = ["purchased", "duplicate_in_flight", "already_owned"];
        assert!(words.iter().all(|word| fine.contains(word)), "{answers:?}");
        assert_eq!(scene.upstream.count(PURCHASE), n + 1);
    }
}

#[tokio::test]
async fn caps_are_counted_over_both() {
    let Some(scene) = Scene::set() else { return };
    let [first, second] = scene.two(&["--ask", "off", "--purchases-per-day", "5"]).await;
    let asks = (0..12).map(|n| {
        let (replica, token) = ([&first, &second][n % 2], [&scene.ana, &scene.ben][n / 2 % 2]);
        async move { replica.call(token, "purchase_number", buy(&number(160 + n))).await }
    });
    let answers = join_all(asks).await;
    let bought = words(&answers).into_iter().filter(|word| *word == "purchased").count();
    assert_eq!((bought, scene.upstream.count(PURCHASE)), (5, 5), "{answers:?}");
    for replica in [&first, &second] {
        let refused = replica.call(&scene.ana, "purchase_number", buy(&number(180))).await;
        assert_eq!(refused["rule"], "purchases_per_day", "{refused}");
    }
}

#[tokio::test]
async fn what_one_does_not_know_stops_the_same_person_on_the_other() {
    let Some(scene) = Scene::set() else { return };
    let [first, second] = scene.two(&["--ask", "off"]).await;
    scene.upstream.always(PURCHASE, Play::Close);
    let lost = first.call(&scene.ana, "purchase_number", buy(&number(160))).await;
    assert_eq!(lost["status"], "outcome_unknown", "{lost}");
    scene.upstream.always(PURCHASE, Play::Usual);
    let stopped = second.call(&scene.ana, "purchase_number", buy(&number(161))).await;
    assert_eq!(stopped["status"], "operation_unresolved", "{stopped}");
    let same = second.call(&scene.ben, "purchase_number", buy(&number(160))).await;
    assert_eq!(same["status"], "duplicate_in_flight", "{same}");
    assert_eq!(second.call(&scene.ben, "purchase_number", buy(&number(162))).await["status"], "purchased");
    // The other replica finds it in the account, and the first knows.
    scene.upstream.account(|account| account.add(&number(160), true));
    let found = second.call(&scene.ana, "list_numbers", json!({})).await;
    assert!(found.to_string().contains(&number(160)));
    assert_eq!(first.call(&scene.ana, "purchase_number", buy(&number(161))).await["status"], "purchased");
}

#[tokio::test]
async fn a_key_is_replaced_while_both_serve() {
    let Some(scene) = Scene::set() else { return };
    let gate = ["--gate", "token", "--ask", "off"];
    let (old, both, new) = (
        scene.replica(&[KEY], &gate).await,
        scene.replica(&[NEWER, KEY], &gate).await,
        scene.replica(&[NEWER], &gate).await,
    );
    let mut last = 160;
    let mut try_it = async |from: &Served, to: &Served| {
        last += 1;
        let preview = from.call(&scene.ana, "purchase_number", buy(&number(last))).await;
        let answer = to.call(&scene.ana, "purchase_number", preview["next"]["arguments"].clone()).await;
        answer["status"].as_str().unwrap().to_owned()
    };
    assert_eq!(try_it(&old, &both).await, "purchased");
    assert_eq!(try_it(&both, &new).await, "purchased");
    assert_eq!(try_it(&both, &both).await, "purchased");
    for (from, to) in [(&both, &old), (&old, &new), (&new, &old)] {
        assert_eq!(try_it(from, to).await, "confirmation_invalid");
    }
}
