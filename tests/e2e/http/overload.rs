//! Floods: whatever comes at once is answered or refused, in little memory, and the next call is as usual.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures::future::join_all;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use super::callers::{Files, Line, bearer, connected, look, measured, memory, told};
use crate::support::era::LEGACY;
use crate::support::fake_truedy::{Gate, Play, SEARCH, Upstream};
use crate::support::http_client::{Served, eventually};

/// What a server may use at most, in MiB.
const MEMORY: u64 = 256;
/// In how long a flood must be over; a program without optimisation on a busy machine is given more.
const OVER: Duration = if cfg!(debug_assertions) { Duration::from_secs(300) } else { Duration::from_secs(15) };

/// A connection is an open file of ours as well.
fn many_files() {
    let now = getrlimit(Resource::Nofile);
    let most = now.maximum.map_or(8_192, |maximum| maximum.min(8_192));
    if now.current.is_some_and(|current| current < most) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: now.maximum }).unwrap();
    }
}

/// How a call was answered, in one word.
fn word(status: u16, answer: &Value) -> String {
    let told = answer["result"]["structuredContent"]["status"].as_str();
    told.map_or_else(|| status.to_string(), str::to_owned)
}

/// How many calls a connection carries, one behind the other.
const EACH: usize = 5;

/// So many calls of these people, all sent before the first answer is read.
async fn flood(served: &Served, people: &[String], calls: usize) -> BTreeMap<String, usize> {
    let mut lines = Vec::new();
    for n in 0..calls / EACH {
        lines.push(Line::open(served, &people[n % people.len()]).await);
    }
    let begun = Instant::now();
    let written = lines.iter_mut().map(async |line| {
        let call = line.written_call("list_numbers", &json!({}));
        line.send(call.repeat(EACH)).await
    });
    assert!(join_all(written).await.into_iter().all(|sent| sent));
    let read = lines.iter_mut().map(async |line| {
        let mut words = Vec::new();
        for _ in 0..EACH {
            let answer = line.answer().await.expect("every call is answered");
            words.push(word(answer.status, &answer.json()));
        }
        words
    });
    let mut counted = BTreeMap::new();
    for word in join_all(read).await.into_iter().flatten() {
        *counted.entry(word).or_insert(0) += 1;
    }
    let took = begun.elapsed();
    println!("{calls} calls of {}: {counted:?} in {took:.1?}, {} MiB", people.len(), memory(served));
    assert!(took < OVER, "it took {took:?}");
    counted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_calls_come_at_once_they_are_answered_or_refused_and_the_next_is_as_usual() {
    many_files();
    let calls = told("TRUEDY_FLOOD", 2_000);
    let (upstream, mut files) = (Upstream::start(), Files::new());
    upstream.account(|account| account.add("+14155550150", true));
    let people: Vec<String> = (0..40).map(|n| files.person(&format!("p{n}"))).collect();
    let served = files.serve(&upstream, &["--admin-listen", "127.0.0.1:0"]).await;
    for crowd in [&people[..1], &people[..]] {
        let counted = flood(&served, crowd, calls).await;
        assert_eq!(counted.values().sum::<usize>(), calls);
        // Truedy may be too slow for so many: that is a refusal, too.
        let known = ["ok", "rate_limited", "upstream_unavailable"];
        assert!(counted.keys().all(|word| known.contains(&word.as_str())), "{counted:?}");
        assert!(counted["ok"] > 0);
        let next = Instant::now();
        for token in [&people[0], &people[39]] {
            let listed = served.call(token, "list_numbers", json!({})).await;
            assert_eq!(listed["numbers"][0]["number"], "+14155550150", "{listed}");
        }
        assert!(next.elapsed() < Duration::from_secs(30), "the next call took {:?}", next.elapsed());
        eventually("they are still connected", async || connected(&served).await <= 0.0).await;
        assert_eq!(look(&served, "/readyz").await.status, 200);
    }
    assert!(memory(&served) <= MEMORY, "{} MiB", memory(&served));
}

/// How many calls have reached Truedy, each of which searches for something else: one that is sent again counts once.
fn reached(upstream: &Upstream) -> usize {
    upstream.seen().iter().filter(|seen| seen.is(SEARCH)).map(|seen| seen.body.clone()).collect::<BTreeSet<_>>().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_runs_eight_and_waits_with_sixty_four_and_all_together_run_256() {
    many_files();
    let (upstream, mut files) = (Upstream::start(), Files::new());
    let gate = Gate::new();
    upstream.always(SEARCH, Play::Behind(gate.clone(), Box::new(Play::Usual)));
    let people: Vec<String> = (0..40).map(|n| files.person(&format!("p{n}"))).collect();
    let served = files.serve(&upstream, &[]).await;
    let mut begun = Vec::new();
    let mut call = async |token: &str| {
        let mut line = Line::open(&served, token).await;
        let call = line.written_call("search_numbers", &json!({ "locality": format!("City {}", begun.len()) }));
        line.send(call).await;
        begun.push(line);
    };
    for _ in 0..100 {
        call(&people[0]).await;
    }
    eventually("eight run", async || reached(&upstream) == 8).await;
    // Others with eight each are more than may run in all: 8 + 39 * 8 = 320.
    for token in &people[1..] {
        for _ in 0..8 {
            call(token).await;
        }
    }
    eventually("256 run", async || reached(&upstream) == 256).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(reached(&upstream), 256);
    gate.open();
    let answers = join_all(begun.iter_mut().map(async |line| line.answer().await.expect("an answer"))).await;
    let words: Vec<String> = answers.iter().map(|answer| word(answer.status, &answer.json())).collect();
    let refused = |words: &[String]| words.iter().filter(|word| *word == "rate_limited").count();
    assert_eq!((refused(&words[..100]), refused(&words[100..])), (28, 0), "{words:?}");
    assert!(words.iter().all(|word| word == "ok" || word == "rate_limited"), "{words:?}");
    let told = answers.iter().map(|answer| answer.json()["result"]["structuredContent"].clone());
    for told in told.filter(|told| told["status"] == "rate_limited") {
        assert_eq!((&told["retryable"], &told["retry_after_seconds"]), (&json!(true), &json!(2)), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_thousand_sessions_and_streams_are_not_opened() {
    many_files();
    let (upstream, mut files) = (Upstream::start(), Files::new());
    let people: Vec<String> = (0..200).map(|n| files.person(&format!("p{n}"))).collect();
    let served = files.serve(&upstream, &["--sessions", "--legacy-sse", "--admin-listen", "127.0.0.1:0"]).await;
    let client = json!({ "name": "flood", "version": "1" });
    let params = json!({ "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": client });
    let hello = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
    let open = async |people: &[String]| {
        let begun = Instant::now();
        let lines = (0..50).map(|line| {
            let (served, hello) = (&served, &hello);
            async move {
                let mut counted = BTreeMap::new();
                for n in (line..3_000).step_by(50) {
                    let headers = [("authorization", &*bearer(&people[n % people.len()]))];
                    let answer = served.post(&headers, hello.clone()).await;
                    assert_eq!(answer.status == 200, answer.header("mcp-session-id").is_some(), "{answer:?}");
                    assert_eq!(answer.status != 200, answer.header("retry-after").is_some(), "{answer:?}");
                    *counted.entry(answer.status).or_insert(0) += 1;
                }
                counted
            }
        });
        let mut counted: BTreeMap<u16, usize> = BTreeMap::new();
        for (status, count) in join_all(lines).await.into_iter().flatten() {
            *counted.entry(status).or_default() += count;
        }
        println!("3,000 openings of {}: {counted:?} in {:.1?}, {} MiB", people.len(), begun.elapsed(), memory(&served));
        counted
    };
    assert_eq!(open(&people[..1]).await, BTreeMap::from([(200, 16), (429, 2_984)]));
    assert_eq!(open(&people[1..]).await, BTreeMap::from([(200, 1_008), (503, 1_992)]));
    assert_eq!(measured(&served, "http_sessions").await, 1_024.0);
    // Streams are counted by themselves.
    let mut streams = Vec::new();
    let mut refused = 0;
    for n in 0..1_100 {
        let mut line = Line::open(&served, &people[n % people.len()]).await;
        let written = line.written("GET", "/sse", &[], "");
        line.send(written).await;
        let mut talk = line.into_talk();
        let head = talk.until(b"\r\n\r\n").await.expect("an answer");
        match head.split(' ').nth(1) {
            Some("200") => streams.push(talk),
            Some("503") => refused += 1,
            _ => panic!("{head}"),
        }
    }
    assert_eq!((streams.len(), refused), (1_024, 76));
    println!("1,024 sessions and as many streams: {} MiB", memory(&served));
    assert!(memory(&served) <= MEMORY, "{} MiB", memory(&served));
    drop(streams);
    eventually("the streams are gone", async || measured(&served, "http_sessions").await <= 1_024.0).await;
    assert_eq!(served.call(&people[0], "list_numbers", json!({})).await["status"], "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_connections_than_there_is_room_for_are_told_so_before_anything_is_read() {
    const ROOM: usize = 50;
    let (upstream, mut files) = (Upstream::start(), Files::new());
    let ana = files.person("ana");
    let served = files.serve(&upstream, &["--max-connections", "50", "--admin-listen", "127.0.0.1:0"]).await;
    let mut inside = Vec::new();
    for _ in 0..ROOM {
        let mut line = Line::open(&served, &ana).await;
        assert_eq!(line.call("list_numbers", &json!({})).await.status, 200);
        inside.push(line);
    }
    // Each comes with a whole call, as clients do.
    let turned_away = async || {
        let mut line = Line::open(&served, &ana).await;
        let call = line.written_call("list_numbers", &json!({}));
        line.send(call).await;
        let mut told = Vec::new();
        let mut stream = line.into_talk().into_inner();
        // A reset after the answer is no matter.
        while matches!(stream.read_buf(&mut told).await, Ok(1..)) {}
        String::from_utf8(told).unwrap().to_ascii_lowercase()
    };
    // So many are told at a time; in a crowd some may be closed without a word.
    for (crowd, some_are_not_told) in [(60, false), (60, false), (60, false), (300, true)] {
        let told = join_all((0..crowd).map(|_| turned_away())).await;
        let (silent, told): (Vec<_>, Vec<_>) = told.into_iter().partition(String::is_empty);
        println!("of {crowd} connections too many {} were closed without a word", silent.len());
        for told in &told {
            assert!(told.starts_with("http/1.1 503 ") && told.contains("\r\nretry-after: 1\r\n"), "{told}");
        }
        assert!((silent.is_empty() || some_are_not_told) && told.len() >= 60, "{} were told nothing", silent.len());
    }
    // Whoever was inside notices nothing, and whoever leaves makes room.
    for line in &mut inside {
        assert_eq!(line.call("list_numbers", &json!({})).await.status, 200);
    }
    drop(inside);
    eventually("there is no room", async || connected(&served).await <= 0.0).await;
    assert_eq!(served.call(&ana, "list_numbers", json!({})).await["status"], "ok");
}
