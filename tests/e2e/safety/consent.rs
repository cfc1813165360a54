//! What a person said stands, and nobody waits for another's answer.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use futures::future::join_all;
use regex_lite::Regex;
use rustix::process::Signal;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;

use crate::support::era::{Era, LEGACY, MODERN};
use crate::support::fake_truedy::{FRONT_DESK, IMPORT, RELEASE, Upstream};
use crate::support::http_client::{Answer, Served, Talk, eventually, message, request};
use crate::support::program::{at_once, server};
use crate::support::raw_client::{Called, Wire};

pub(super) const NUMBER: &str = "+14155550150";
pub(super) const OTHER: &str = "+14155550151";
pub(super) const ELSEWHERE: &str = "+12125550143";

pub(super) fn release(number: &str) -> Value {
    json!({ "number_id": number, "confirm": true })
}

fn yes(number: &str) -> Value {
    json!({ "action": "accept", "content": { "release": true, "last4": number[number.len() - 4..] } })
}

/// An account with two numbers that nobody uses.
pub(super) fn account() -> Upstream {
    let upstream = Upstream::start();
    upstream.account(|account| {
        account.add(NUMBER, true);
        account.add(OTHER, true);
    });
    upstream
}

/// A client of 2026-07-28 that may declare something else with each request.
pub(super) struct Client {
    pub(super) wire: Wire,
    pub(super) last: u64,
}

/// What a call came to: a question with its state, or an answer.
pub(super) struct Heard(pub(super) Value);

impl Heard {
    pub(super) fn state(&self) -> String {
        assert_eq!(self.0["result"]["resultType"], "input_required", "nobody is asked: {}", self.0);
        self.0["result"]["requestState"].as_str().expect("a state").to_owned()
    }

    pub(super) fn status(&self) -> String {
        Called(self.0.clone()).status().to_owned()
    }

    pub(super) fn summary(&self) -> String {
        Called(self.0.clone()).summary().to_owned()
    }
}

impl Client {
    pub(super) fn start(command: Command) -> Self {
        Self { wire: Wire::open(command, Era::Modern), last: 9_000 }
    }

    pub(super) fn of(upstream: &Upstream, arguments: &[&str]) -> Self {
        let mut command = server(&upstream.base_url());
        command.args(arguments);
        Self::start(command)
    }

    /// A call with these capabilities, this state and these answers.
    pub(super) fn say(
        &mut self,
        capabilities: &Value,
        (tool, arguments): (&str, &Value),
        state: Option<&str>,
        responses: Option<Value>,
    ) -> Heard {
        self.last += 1;
        let mut call = message("tools/call", json!({ "name": tool, "arguments": arguments }));
        call["id"] = json!(self.last);
        call["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = capabilities.clone();
        if let Some(state) = state {
            call["params"]["requestState"] = json!(state);
        }
        if let Some(responses) = responses {
            call["params"]["inputResponses"] = responses;
        }
        self.wire.send(&call);
        Heard(self.wire.answer(self.last))
    }
}

pub(super) fn forms() -> Value {
    json!({ "elicitation": {} })
}

fn pages() -> Value {
    json!({ "elicitation": { "url": {} } })
}

pub(super) fn nothing() -> Value {
    json!({})
}

/// The token of a preview.
pub(super) fn token(heard: &Heard) -> String {
    let object = &heard.0["result"]["structuredContent"];
    object["confirmation_token"].as_str().unwrap_or_else(|| panic!("no token: {}", heard.0)).to_owned()
}

#[test]
fn a_no_counts_even_from_a_request_that_declares_no_elicitation() {
    let noes = [
        json!({ "action": "decline" }),
        json!({ "action": "cancel" }),
        json!({ "action": "maybe" }),
        json!("no"),
        json!({ "action": "accept" }),
        json!({ "action": "accept", "content": { "release": false, "last4": "0150" } }),
        json!({ "action": "accept", "content": { "release": true, "last4": "9999" } }),
    ];
    let levels = ["flag", "token", "human"];
    at_once(levels.iter().flat_map(|level| noes.iter().map(move |no| (*level, no.clone()))), |(level, no)| {
        for declared in [nothing(), pages(), json!({ "sampling": {} })] {
            let upstream = account();
            let mut client = Client::of(&upstream, &["--gate", level]);
            let mut arguments = release(NUMBER);
            if level != "flag" {
                let preview = client.say(&forms(), ("release_number", &arguments), None, None);
                arguments["confirmation_token"] = json!(token(&preview));
            }
            let call = ("release_number", &arguments);
            let state = client.say(&forms(), call, None, None).state();
            let heard = client.say(&declared, call, Some(&state), Some(json!({ "confirm": no })));
            let status = heard.status();
            assert!(["human_declined", "human_unavailable"].contains(&status.as_str()), "{no} {declared}: {}", heard.0);
            assert!(heard.summary().starts_with("Nothing was released."), "{}", heard.0);
            // It was the answer: a yes to the same question comes too late, from whomever.
            for declared in [forms(), nothing()] {
                client.say(&declared, call, Some(&state), Some(json!({ "confirm": yes(NUMBER) })));
            }
            assert_eq!(upstream.count(RELEASE), 0, "{level} {no} {declared}");
        }
    });
}

#[test]
fn a_no_counts_although_something_else_stops_the_call_as_well() {
    for declared in [forms(), nothing()] {
        let upstream = account();
        let mut client = Client::of(&upstream, &[]);
        let arguments = release(NUMBER);
        let call = ("release_number", &arguments);
        let state = client.say(&forms(), call, None, None).state();
        let held_by = |agent: Value| upstream.account(|account| account.numbers[0]["inbound_agent_id"] = agent);
        held_by(json!(FRONT_DESK));
        let declined = client.say(&declared, call, Some(&state), Some(json!({ "confirm": { "action": "decline" } })));
        assert_eq!(declined.status(), "human_declined", "{}", declined.0);
        held_by(Value::Null);
        // The number is free again, and the no still stands.
        client.say(&forms(), call, Some(&state), Some(json!({ "confirm": yes(NUMBER) }))).state();
        assert_eq!(upstream.count(RELEASE), 0);
    }
}

#[test]
fn a_no_is_told_to_every_process_that_keeps_the_same_journal() {
    let (upstream, home) = (account(), tempfile::tempdir().unwrap());
    let at = ["--state-dir", home.path().to_str().unwrap()];
    let (mut one, mut other) = (Client::of(&upstream, &at), Client::of(&upstream, &at));
    let arguments = release(NUMBER);
    let call = ("release_number", &arguments);
    let state = one.say(&forms(), call, None, None).state();
    let declined = one.say(&nothing(), call, Some(&state), Some(json!({ "confirm": { "action": "decline" } })));
    assert_eq!(declined.status(), "human_declined");
    let late = other.say(&forms(), call, Some(&state), Some(json!({ "confirm": yes(NUMBER) })));
    assert_eq!(late.status(), "confirmation_used", "{}", late.0);
    assert_eq!(upstream.count(RELEASE), 0);
    // A yes is good in another process, and there once as well.
    let state = one.say(&forms(), call, None, None).state();
    let done = other.say(&forms(), call, Some(&state), Some(json!({ "confirm": yes(NUMBER) })));
    assert_eq!(done.status(), "released", "{}", done.0);
    upstream.account(|account| account.add(NUMBER, true));
    let again = one.say(&forms(), call, Some(&state), Some(json!({ "confirm": yes(NUMBER) })));
    assert_ne!(again.0["result"]["structuredContent"]["status"], "released", "{}", again.0);
    assert_eq!(upstream.count(RELEASE), 1);
}

#[test]
fn a_yes_counts_only_from_a_request_that_declares_elicitation() {
    for level in ["flag", "token"] {
        let upstream = account();
        let mut client = Client::of(&upstream, &["--gate", level]);
        let mut arguments = release(NUMBER);
        if level == "token" {
            let preview = client.say(&forms(), ("release_number", &arguments), None, None);
            arguments["confirmation_token"] = json!(token(&preview));
        }
        let call = ("release_number", &arguments);
        let state = client.say(&forms(), call, None, None).state();
        let accept = || Some(json!({ "confirm": yes(NUMBER) }));
        for declared in [nothing(), pages()] {
            let heard = client.say(&declared, call, Some(&state), accept());
            assert_eq!(heard.status(), "human_unavailable", "{declared}: {}", heard.0);
            assert!(heard.summary().starts_with("Nothing was released."), "{}", heard.0);
        }
        assert_eq!(upstream.count(RELEASE), 0);
        let heard = client.say(&forms(), call, Some(&state), accept());
        assert_eq!(heard.status(), "released", "{}", heard.0);
        assert_eq!(upstream.count(RELEASE), 1);
    }
}

#[test]
fn half_of_a_second_round_is_never_taken_for_a_first_call() {
    let upstream = account();
    let mut client = Client::of(&upstream, &[]);
    let (one, other) = (release(NUMBER), release(OTHER));
    let buy = json!({ "phone_number": ELSEWHERE, "confirm": true });
    let state = client.say(&forms(), ("release_number", &one), None, None).state();
    let foreign = client.say(&forms(), ("release_number", &other), None, None).state();
    let accept = || Some(json!({ "confirm": yes(NUMBER) }));
    let cases = [
        (Some(state.as_str()), None),
        (Some(state.as_str()), Some(json!({}))),
        (Some(state.as_str()), Some(json!({ "something": yes(NUMBER) }))),
        (None, accept()),
        (Some(foreign.as_str()), accept()),
        (Some(foreign.as_str()), None),
        (Some("AAAA"), accept()),
    ];
    for (state, responses) in cases {
        let heard = client.say(&nothing(), ("release_number", &one), state, responses.clone());
        assert_eq!(heard.status(), "human_unavailable", "{state:?} {responses:?}: {}", heard.0);
        let asked = client.say(&forms(), ("release_number", &one), state, responses);
        assert!(!asked.state().is_empty());
    }
    let bought = client.say(&nothing(), ("purchase_number", &buy), Some(&state), accept());
    assert_eq!(bought.status(), "human_unavailable", "{}", bought.0);
    assert_eq!(upstream.changes(), 0);
    // A first call of the same client is what it was: the flag is enough where nobody can be asked.
    let heard = client.say(&nothing(), ("release_number", &one), None, None);
    assert_eq!(heard.status(), "released", "{}", heard.0);
}

#[tokio::test]
async fn a_page_is_refused_by_whoever_says_no_and_filled_by_nobody_who_cannot_show_it() {
    let upstream = account();
    let mut client = Client::of(&upstream, &[]);
    let arguments = json!({ "phone_number": ELSEWHERE, "provider_type": "telnyx" });
    let call = ("import_number", &arguments);
    for (declared, no) in [(nothing(), "decline"), (forms(), "cancel")] {
        let asked = client.say(&pages(), call, None, None);
        let url = page_of(&asked.0);
        let heard = client.say(&declared, call, Some(&asked.state()), Some(json!({ "keys": { "action": no } })));
        assert_eq!(heard.status(), "human_declined", "{}", heard.0);
        assert_eq!(browse(&url, "GET", "").await.status, 404, "the page is closed");
    }
    let asked = client.say(&pages(), call, None, None);
    let url = page_of(&asked.0);
    assert_eq!(fill(&url).await.status, 200);
    let accept = || Some(json!({ "keys": { "action": "accept" } }));
    let heard = client.say(&nothing(), call, Some(&asked.state()), accept());
    assert_eq!(upstream.count(IMPORT), 0, "{}", heard.0);
    assert_eq!(client.say(&pages(), call, Some(&asked.state()), accept()).status(), "imported");
}

fn page_of(asked: &Value) -> String {
    let requests = asked["result"]["inputRequests"].as_object().unwrap_or_else(|| panic!("no page: {asked}"));
    requests["keys"]["params"]["url"].as_str().unwrap().to_owned()
}

async fn browse(url: &str, method: &str, body: &str) -> Answer {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let headers: &[(&str, &str)] =
        if method == "POST" { &[("content-type", "application/x-www-form-urlencoded")] } else { &[] };
    let text = request(host, method, &format!("/{path}"), headers, body);
    Talk::new(TcpStream::connect(host).await.unwrap()).ask(method, text.as_bytes()).await
}

async fn fill(url: &str) -> Answer {
    let page = browse(url, "GET", "").await;
    let csrf = Regex::new("name=\"csrf\" value=\"([0-9a-f]{64})\"").unwrap();
    let csrf = csrf.captures(&page.body).unwrap_or_else(|| panic!("no form: {page:?}"))[1].to_owned();
    browse(url, "POST", &format!("csrf={csrf}&do=import&api_key=KEY0123456789abcdef")).await
}

/// A server with sessions, and a token for each of so many people.
async fn crowd(upstream: &Upstream, people: usize, home: &Path) -> (Served, Vec<String>) {
    let tokens: Vec<String> = (0..people).map(|at| format!("tmcp_consent_{at}")).collect();
    let entries = tokens.iter().enumerate().map(|(at, token)| {
        let digest: String = Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        let scopes = r#"["numbers:read", "numbers:release", "numbers:import"]"#;
        format!("[[token]]\nsha256 = \"{digest}\"\nprincipal = \"p{at}\"\ntenant = \"default\"\nscopes = {scopes}\n")
    });
    let file = home.join("tokens.toml");
    fs::write(&file, entries.collect::<String>()).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let state = home.join("state");
    let arguments = ["--sessions", "--tokens", file.to_str().unwrap(), "--state-dir", state.to_str().unwrap()];
    (Served::on(upstream, &arguments).await, tokens)
}

/// The session of somebody whose client can be asked.
async fn session(served: &Served, bearer: &str) -> String {
    let client = json!({ "name": "consent", "version": "1" });
    let params = json!({ "protocolVersion": LEGACY, "capabilities": { "elicitation": {} }, "clientInfo": client });
    let hello = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
    let opened = served.post(&[("authorization", bearer)], hello).await;
    let session = opened.header("mcp-session-id").unwrap_or_else(|| panic!("no session: {opened:?}")).to_owned();
    let headers = [("authorization", bearer), ("mcp-session-id", &session), ("mcp-protocol-version", LEGACY)];
    served.post(&headers, json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    session
}

/// A call that asks, as far as its question: the stream on which it waits.
async fn open_question(served: &Served, bearer: &str, session: &str, id: usize) -> Talk<TcpStream> {
    let params = json!({ "name": "release_number", "arguments": release(NUMBER) });
    let call = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params });
    let headers = [("authorization", bearer), ("mcp-session-id", session), ("mcp-protocol-version", LEGACY)];
    let mut talk = served.connect().await;
    talk.send(request(&served.host(), "POST", "/mcp", &headers, &call.to_string())).await;
    let asked = talk.until(b"elicitation/create").await;
    assert!(asked.is_some(), "nobody was asked: {}", served.stderr());
    talk
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_thinks_holds_up_neither_the_same_principal_nor_others() {
    for people in [1, 40] {
        let (upstream, home) = (account(), tempfile::tempdir().unwrap());
        let (served, tokens) = crowd(&upstream, people, home.path()).await;
        let mut open = Vec::new();
        for token in &tokens {
            let bearer = format!("Bearer {token}");
            let session = session(&served, &bearer).await;
            let questions = (1..=8).map(|id| open_question(&served, &bearer, &session, id));
            open.extend(join_all(questions).await);
        }
        assert_eq!(open.len(), people * 8);
        let begun = Instant::now();
        let read = served.call(&tokens[0], "list_numbers", json!({})).await;
        assert_eq!(read["status"], "ok", "{read}");
        assert!(begun.elapsed() < Duration::from_secs(1), "with {people} it took {:?}", begun.elapsed());
        assert_eq!(upstream.count(RELEASE), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_many_questions_of_one_principal_are_open_and_no_more() {
    let (upstream, home) = (account(), tempfile::tempdir().unwrap());
    let (served, tokens) = crowd(&upstream, 1, home.path()).await;
    let bearer = format!("Bearer {}", tokens[0]);
    let session = session(&served, &bearer).await;
    let mut open = Vec::new();
    for id in 1..=16 {
        open.push(open_question(&served, &bearer, &session, id).await);
    }
    let headers = [("authorization", &*bearer), ("mcp-session-id", &session), ("mcp-protocol-version", LEGACY)];
    let params = json!({ "name": "release_number", "arguments": release(NUMBER) });
    let call = json!({ "jsonrpc": "2.0", "id": 99, "method": "tools/call", "params": params });
    let more = served.post(&headers, call).await.json();
    let told = &more["result"]["structuredContent"];
    assert_eq!(told["status"], "rate_limited", "{more}");
    assert!(told["summary"].as_str().unwrap().starts_with("Nothing was released."), "{more}");
    assert_eq!(served.call(&tokens[0], "list_numbers", json!({})).await["status"], "ok");
}

async fn readyz(served: &Served) -> u16 {
    const SIGN: &str = "admin endpoints on http://";
    served.until_it_says(SIGN).await;
    let said = served.stderr();
    let address = said.split_once(SIGN).unwrap().1.split_once(": ").unwrap().0.to_owned();
    let mut talk = Talk::new(TcpStream::connect(&address).await.unwrap());
    talk.ask("GET", request(&address, "GET", "/readyz", &[], "")).await.status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_is_taken_away_under_a_running_server_stops_changes() {
    type Spoil = fn(&Path);
    let spoils: [(&str, Spoil); 6] = [
        ("deleted", |state| fs::remove_file(state.join("journal.sqlite")).unwrap()),
        ("moved", |state| fs::rename(state.join("journal.sqlite"), state.join("journal.old")).unwrap()),
        ("replaced", |state| {
            fs::copy(state.join("journal.sqlite"), state.join("copy")).unwrap();
            fs::rename(state.join("copy"), state.join("journal.sqlite")).unwrap();
        }),
        ("directory", |state| fs::rename(state, state.with_extension("moved")).unwrap()),
        ("log", |state| fs::remove_file(state.join("journal.sqlite-wal")).unwrap()),
        ("cut", |state| {
            fs::File::options().write(true).open(state.join("journal.sqlite")).unwrap().set_len(0).unwrap()
        }),
    ];
    for (what, spoil) in spoils {
        let (upstream, home) = (account(), tempfile::tempdir().unwrap());
        let state = home.path().join("state");
        let arguments = ["--admin-listen", "127.0.0.1:0", "--state-dir", state.to_str().unwrap()];
        let served = Served::on(&upstream, &arguments).await;
        let token = served.token();
        let first = served.call(&token, "release_number", release(NUMBER)).await;
        assert_eq!((&first["status"], readyz(&served).await), (&json!("released"), 200), "{first}");
        spoil(&state);
        for _ in 0..3 {
            let refused = served.call(&token, "release_number", release(OTHER)).await;
            assert_eq!(refused["status"], "journal_unavailable", "{what}: {refused}");
        }
        assert_eq!(readyz(&served).await, 503, "{what}");
        assert_eq!(upstream.count(RELEASE), 1, "{what}");
        assert_eq!(served.call(&token, "list_numbers", json!({})).await["status"], "ok", "{what}");
        assert_eq!(served.stderr().matches("the journal was taken away").count(), 1, "{what}: {}", served.stderr());
        if what == "directory" {
            assert!(!state.exists(), "nothing is begun anew");
        }
        if what == "moved" {
            // Put back, it goes on where it was.
            fs::rename(state.join("journal.old"), state.join("journal.sqlite")).unwrap();
            let done = served.call(&token, "release_number", release(OTHER)).await;
            assert_eq!((&done["status"], readyz(&served).await), (&json!("released"), 200), "{done}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_that_is_posted_while_the_server_ends_is_answered() {
    let upstream = account();
    let mut served = Served::on(&upstream, &["--drain-seconds", "0"]).await;
    let token = served.token();
    let bearer = format!("Bearer {token}");
    let arguments = json!({ "phone_number": ELSEWHERE, "provider_type": "telnyx" });
    let mut call = message("tools/call", json!({ "name": "import_number", "arguments": arguments }));
    call["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = pages();
    let headers = [
        ("authorization", &*bearer),
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "tools/call"),
        ("mcp-name", "import_number"),
    ];
    let url = page_of(&served.post(&headers, call).await.json());
    let path = format!("/enter/{}", url.rsplit('/').next().unwrap());
    let page = served.get(&path, &[("authorization", &bearer)]).await;
    let csrf = Regex::new("name=\"csrf\" value=\"([0-9a-f]{64})\"").unwrap();
    let csrf = csrf.captures(&page.body).unwrap_or_else(|| panic!("no form: {page:?}"))[1].to_owned();
    let body = format!("csrf={csrf}&do=import&api_key=KEY0123456789abcdef");
    let headers = [("authorization", &*bearer), ("content-type", "application/x-www-form-urlencoded")];
    let posted = request(&served.host(), "POST", &path, &headers, &body);
    let (first, rest) = posted.split_at(posted.len() - 10);
    let mut talk = served.connect().await;
    assert!(talk.send(first).await);
    // The head has been read by the time others are answered.
    for _ in 0..5 {
        served.get("/", &[]).await;
    }
    served.signal(Signal::TERM);
    eventually("it still listens", async || TcpStream::connect(served.address()).await.is_err()).await;
    // Longer than connections on which nothing is said any more are given.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(talk.send(rest).await, "it was cut: {}", served.stderr());
    let answer = talk.answer("POST").await.expect("an answer");
    assert!(answer.status == 200 && answer.body.contains("The keys were taken"), "{answer:?}");
    assert_eq!(served.wait().await, 0, "{}", served.stderr());
}
