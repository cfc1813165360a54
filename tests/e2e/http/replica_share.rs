//! What a replica may ask of Truedy: as much as the others leave, or its share of what all of them may, for each tenant.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use url::Url;

use super::callers::{Files, number};
use crate::support::database::Database;
use crate::support::expected::SCOPES;
use crate::support::fake_truedy::Upstream;
use crate::support::http_client::Served;
use crate::support::program::KEY;

/// How many requests of twenty reads, which need two each, reach Truedy.
async fn reach(served: &Served, token: &str, upstream: &Upstream) -> usize {
    let before = upstream.seen().len();
    for _ in 0..20 {
        let status = served.call(token, "list_numbers", json!({})).await["status"].clone();
        assert!(status == "ok" || status == "rate_limited", "{status}");
    }
    upstream.seen().len() - before
}

#[tokio::test]
async fn each_replica_takes_its_share_for_every_tenant_and_one_alone_takes_all() {
    let (upstream, mut files) = (Upstream::start(), Files::new());
    let (ana, ben) = (files.token("ana", "acme", &SCOPES), files.token("ben", "beta", &SCOPES));
    let base = upstream.base_url();
    let tenants = format!(
        "[tenants.acme]\napi_key_env = \"KEY_OF_BOTH\"\nbase_url = \"{base}\"\n\
         [tenants.beta]\napi_key_env = \"KEY_OF_BOTH\"\nbase_url = \"{base}\"\nupstream_rpm = 40\n"
    );
    let key = [("KEY_OF_BOTH", KEY)];
    let alone = files.serve_tenants(&tenants, &["--upstream-rpm", "10"], &key).await;
    // One of ten and six of forty are kept for changes, and one person reads three quarters of the rest.
    assert_eq!((reach(&alone, &ana, &upstream).await, reach(&alone, &ben, &upstream).await), (6, 25));
    drop(alone);
    // Reading needs no journal, so there need be none.
    let (seal, nowhere) =
        (files.write("seal", &"0123456789abcdef".repeat(4)), "postgres://nobody@127.0.0.1:1/nothing?sslmode=disable");
    let replica = ["--upstream-rpm", "10", "--replicas", "2", "--state-key-file", &seal, "--journal", nowhere];
    let served = files.serve_tenants(&tenants, &replica, &key).await;
    // Four fifths of ten and of forty, halved; one of four and two of sixteen are kept for changes; then three quarters.
    assert_eq!((reach(&served, &ana, &upstream).await, reach(&served, &ben, &upstream).await), (2, 10));
}

/// A database between whose server and this program stands a go-between, which can be stopped.
struct StoppableDatabase {
    port: u16,
    stopped: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl StoppableDatabase {
    /// Stands before the server at this address.
    fn before(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let this = Self { port: listener.local_addr().unwrap().port(), stopped: Arc::default(), open: Arc::default() };
        let (stopped, open) = (Arc::clone(&this.stopped), Arc::clone(&this.open));
        std::thread::spawn(move || {
            for near in listener.incoming() {
                let near = near.unwrap();
                if stopped.load(Ordering::SeqCst) {
                    continue;
                }
                let far = TcpStream::connect(&server).unwrap();
                open.lock().unwrap().extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
                for (mut from, mut to) in [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)] {
                    std::thread::spawn(move || {
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        this
    }

    /// Breaks all connections and accepts no more.
    fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn start(&self) {
        self.stopped.store(false, Ordering::SeqCst);
    }
}

/// What the log says when a replica counts alone, and when it no longer does.
const ALONE: &str = "did not answer the rate limiter";
const TOGETHER: &str = "answers the rate limiter again";

/// How often these replicas have said so far that they count alone.
fn said_alone(replicas: &[&Served]) -> usize {
    replicas.iter().map(|served| served.stderr().matches(ALONE).count()).sum()
}

/// Replicas of one account with 100 requests a minute, their Truedy and their database.
struct Sharing {
    upstream: Upstream,
    files: Files,
    people: [String; 2],
    stoppable: StoppableDatabase,
    variables: Vec<(&'static str, String)>,
    // Last, so that nobody is connected any more.
    database: Database,
}

impl Sharing {
    fn set() -> Option<Self> {
        let Some(server) = Database::server() else {
            println!("LEFT OUT: TRUEDY_TEST_POSTGRES is not set");
            return None;
        };
        let database = Database::create(&server, "rates");
        let mut files = Files::new();
        let people = [files.person("ana"), files.person("ben")];
        let mut variables = database.variables();
        let mut url = Url::parse(&variables[0].1).unwrap();
        let at = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
        let stoppable = StoppableDatabase::before(at);
        url.set_port(Some(stoppable.port)).unwrap();
        variables[0].1 = url.to_string();
        Some(Self { upstream: Upstream::start(), files, people, stoppable, variables, database })
    }

    async fn replica(&self, arguments: &[&str]) -> Served {
        let seal = self.files.write("seal", &"0123456789abcdef".repeat(4));
        let (tokens, base) = (self.files.tokens(), self.upstream.base_url());
        let own = ["--tokens", &tokens, "--replicas", "2", "--state-key-file", &seal, "--upstream-rpm", "100"];
        let changes = ["--ask", "off", "--purchases-per-day", "unlimited"];
        let mut variables: Vec<(&str, &str)> =
            self.variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        variables.push(("TRUEDY_BASE_URL", &base));
        Served::start(&[&own[..], &changes, arguments].concat(), &variables).await
    }

    /// Two replicas that count together.
    async fn two(&self) -> [Served; 2] {
        let both = [self.replica(&[]).await, self.replica(&[]).await];
        for served in &both {
            self.until_it_shares(served, 0).await;
        }
        both
    }

    /// Calls until the replica counts with the others. On a slow machine its first attempt to connect may take too long.
    /// `since` is the length of what it had said before.
    async fn until_it_shares(&self, served: &Served, since: usize) {
        for _ in 0..50 {
            served.call(&self.people[0], "list_credentials", json!({})).await;
            let said = served.stderr()[since..].to_owned();
            if said.matches(ALONE).count() == said.matches(TOGETHER).count() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        panic!("it does not share: {}", served.stderr());
    }

    /// Reads of both people, then purchases, until nothing more is allowed; how many requests reached Truedy.
    async fn spend(&self, served: &Served, first: usize) -> usize {
        let before = self.upstream.seen().len();
        for token in &self.people {
            while served.call(token, "list_numbers", json!({})).await["status"] != "rate_limited" {}
        }
        for nth in first..first + 20 {
            let buying = json!({ "phone_number": number(nth), "confirm": true });
            served.call(&self.people[0], "purchase_number", buying).await;
        }
        self.upstream.seen().len() - before
    }
}

/// Counts with fresh replicas until nothing came between: a database that answered too late, or the end of the window.
/// On a busy machine both happen, and then the counts say nothing.
async fn undisturbed<T>(count: impl AsyncFn(&Sharing) -> (T, [Served; 2], usize)) -> Option<(T, Sharing)> {
    for _ in 0..5 {
        let scene = Sharing::set()?;
        let began = Instant::now();
        let (counted, replicas, expected) = count(&scene).await;
        let alone: usize = replicas.iter().map(|served| served.stderr().matches(ALONE).count()).sum();
        let together: usize = replicas.iter().map(|served| served.stderr().matches(TOGETHER).count()).sum();
        if (alone, together) == (expected, expected) && began.elapsed() < Duration::from_secs(55) {
            return Some((counted, scene));
        }
        println!("counted again: alone {alone} of {expected} times, {:?}", began.elapsed());
    }
    panic!("the database answered too late in each of five attempts");
}

#[tokio::test]
async fn a_busy_replica_beside_an_idle_one_may_use_nearly_all() {
    let counted = undisturbed(async |scene| {
        let [busy, idle] = scene.two().await;
        let before = said_alone(&[&busy, &idle]);
        let of_idle = scene.upstream.seen().len();
        let of_busy = scene.spend(&busy, 200).await;
        // What the other one wants now is too much.
        let of_late = scene.spend(&idle, 300).await;
        ([of_idle, of_busy, of_late], [busy, idle], before)
    });
    let Some(([of_idle, of_busy, of_late], scene)) = counted.await else { return };
    assert!(of_busy + of_idle >= 90, "{of_busy} and {of_idle}");
    assert!(of_late <= 10, "{of_late}");
    assert!(scene.upstream.seen().len() <= 100, "{}", scene.upstream.seen().len());
    scene.database.assert_used();
}

#[tokio::test]
async fn two_busy_replicas_never_send_more_than_the_limit_together() {
    let counted = undisturbed(async |scene| {
        let [one, two] = scene.two().await;
        let before = said_alone(&[&one, &two]);
        tokio::join!(scene.spend(&one, 200), scene.spend(&two, 300));
        ((), [one, two], before)
    });
    let Some(((), scene)) = counted.await else { return };
    let sent = scene.upstream.seen().len();
    assert!((90..=100).contains(&sent), "{sent}");
}

#[tokio::test]
async fn without_the_database_a_replica_takes_its_fixed_share_and_shares_again_when_it_is_back() {
    let counted = undisturbed(async |scene| {
        let ana = &scene.people[0];
        let [one, two] = scene.two().await;
        scene.stoppable.stop();
        let (before, said, of_two) = (scene.upstream.seen().len(), one.stderr().len(), two.stderr().len());
        for _ in 0..40 {
            one.call(ana, "list_numbers", json!({})).await;
        }
        let alone = scene.upstream.seen().len() - before;
        assert_eq!(one.stderr()[said..].matches(ALONE).count(), 1, "{}", one.stderr());
        scene.stoppable.start();
        scene.until_it_shares(&one, said).await;
        scene.until_it_shares(&two, of_two).await;
        let expected = said_alone(&[&one, &two]);
        // What was sent meanwhile is known.
        while two.call(ana, "list_numbers", json!({})).await["status"] != "rate_limited" {}
        ([alone, before], [one, two], expected)
    });
    let Some(([alone, before], scene)) = counted.await else { return };
    // Four fifths of a hundred, halved, without what is kept for changes; three quarters of the rest. What it had sent
    // before counts, too: on a slow machine that is more than the two first requests. A read takes two.
    assert!(alone <= 25 && alone + before >= 24, "{alone} after {before}");
    // 62 reads are one person's part of all.
    let sent = scene.upstream.seen().len();
    assert!((60..=62).contains(&sent), "{sent}");
}

#[tokio::test]
async fn a_replica_that_counts_alone_takes_its_fixed_share() {
    let Some(scene) = Sharing::set() else { return };
    let served = scene.replica(&["--upstream-window", "own"]).await;
    assert_eq!(reach(&served, &scene.people[0], &scene.upstream).await, 25);
}
