//! The key that seals confirmations: kept for the next process, made once, and never one that others could know.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::consent::{Client, NUMBER, OTHER, account, forms, nothing, release, token};
use crate::support::fake_truedy::{RELEASE, Upstream};
use crate::support::program::{at_once, program, server};

fn at_token(upstream: &Upstream, home: &Path) -> Command {
    let mut command = server(&upstream.base_url());
    command.args(["--gate", "token", "--state-dir"]).arg(home);
    command
}

#[test]
fn a_token_of_one_process_is_good_in_the_next() {
    let (upstream, home) = (account(), tempfile::tempdir().unwrap());
    let state = home.path().join("state");
    let mut first = Client::start(at_token(&upstream, &state));
    assert!(!state.join("state.key").exists(), "nothing is made before it is needed");
    let preview = first.say(&nothing(), ("release_number", &release(NUMBER)), None, None);
    assert_eq!(preview.status(), "confirmation_required");
    drop(first);
    let key = state.join("state.key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let mut arguments = release(NUMBER);
    arguments["confirmation_token"] = json!(token(&preview));
    let mut second = Client::start(at_token(&upstream, &state));
    let released = second.say(&nothing(), ("release_number", &arguments), None, None);
    assert_eq!(released.status(), "released", "{}", released.0);
    // And once: a third process knows that it was used.
    upstream.account(|account| account.add(NUMBER, true));
    let mut third = Client::start(at_token(&upstream, &state));
    let again = third.say(&nothing(), ("release_number", &arguments), None, None);
    assert_ne!(again.status(), "released");
    assert_eq!(upstream.count(RELEASE), 1);
}

#[test]
fn processes_that_start_at_once_end_with_one_key() {
    let (upstream, home) = (account(), tempfile::tempdir().unwrap());
    let state = home.path().join("state");
    let tokens = std::sync::Mutex::new(Vec::new());
    at_once(0..6, |_| {
        let mut client = Client::start(at_token(&upstream, &state));
        let preview = client.say(&nothing(), ("release_number", &release(NUMBER)), None, None);
        tokens.lock().unwrap().push(token(&preview));
    });
    let mut client = Client::start(at_token(&upstream, &state));
    for token in tokens.into_inner().unwrap() {
        // Each is good here: the person is asked, which is what comes after the token.
        let mut arguments = release(NUMBER);
        arguments["confirmation_token"] = json!(token);
        client.say(&forms(), ("release_number", &arguments), None, None).state();
    }
    let left = fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let keys: Vec<String> = left.filter(|name| name.starts_with("state.key")).collect();
    assert_eq!(keys, ["state.key"]);
}

#[test]
fn a_key_that_others_could_know_or_change_seals_nothing() {
    let (upstream, home) = (account(), tempfile::tempdir().unwrap());
    let state = home.path().join("state");
    drop(Client::start(at_token(&upstream, &state)).say(&nothing(), ("release_number", &release(NUMBER)), None, None));
    let key = state.join("state.key");
    let good = fs::read(&key).unwrap();
    let spoil: [(&str, &dyn Fn()); 4] = [
        ("chmod 600", &|| {
            fs::write(&key, &good).unwrap();
            fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
        }),
        ("not a regular file", &|| {
            let elsewhere = home.path().join("elsewhere");
            fs::write(&elsewhere, &good).unwrap();
            fs::set_permissions(&elsewhere, Permissions::from_mode(0o600)).unwrap();
            symlink(elsewhere, &key).unwrap();
        }),
        ("at least 32 bytes", &|| {
            fs::write(&key, "short").unwrap();
            fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
        }),
        ("not a regular file", &|| fs::create_dir(&key).unwrap()),
    ];
    for (why, spoil) in spoil {
        spoil();
        let mut client = Client::start(at_token(&upstream, &state));
        let heard = client.say(&nothing(), ("release_number", &release(NUMBER)), None, None);
        assert_eq!(heard.status(), "journal_unavailable", "{why}: {}", heard.0);
        assert!(heard.summary().contains(why) && heard.summary().contains("state.key"), "{why}: {}", heard.0);
        assert!(heard.0["result"]["structuredContent"].get("confirmation_token").is_none());
        // Reading needs no key; nor does a process that puts the file right.
        assert_eq!(client.say(&nothing(), ("list_numbers", &json!({})), None, None).status(), "ok");
        if key.is_dir() { fs::remove_dir(&key).unwrap() } else { fs::remove_file(&key).unwrap() }
    }
    let mut client = Client::start(at_token(&upstream, &state));
    let preview = client.say(&nothing(), ("release_number", &release(NUMBER)), None, None);
    assert_eq!(preview.status(), "confirmation_required");
    assert_eq!(upstream.changes(), 0);
}

#[test]
fn where_nothing_is_kept_the_key_is_not_kept_either() {
    let (upstream, home) = (account(), tempfile::tempdir().unwrap());
    let state = home.path().join("state");
    let mut command = at_token(&upstream, &state);
    command.args(["--journal", "memory"]);
    let mut client = Client::start(command);
    let preview = client.say(&nothing(), ("release_number", &release(NUMBER)), None, None);
    let mut arguments = release(NUMBER);
    arguments["confirmation_token"] = json!(token(&preview));
    assert_eq!(client.say(&nothing(), ("release_number", &arguments), None, None).status(), "released");
    assert!(!state.join("state.key").exists());
    // A key of the operator's takes its place.
    let own = home.path().join("own");
    fs::write(&own, "0123456789abcdef0123456789abcdef").unwrap();
    fs::set_permissions(&own, Permissions::from_mode(0o600)).unwrap();
    let mut command = at_token(&upstream, &state);
    command.arg("--state-key-file").arg(&own);
    let preview = Client::start(command).say(&nothing(), ("release_number", &release(OTHER)), None, None);
    assert!(!token(&preview).is_empty() && !state.join("state.key").exists());
    // The sandbox keeps its own beside its own journal.
    let mut command = program();
    command.args(["stdio", "--sandbox", "--gate", "token", "--state-dir"]).arg(&state);
    let play = Client::start(command).say(&nothing(), ("release_number", &release("+13125550110")), None, None);
    assert!(!token(&play).is_empty());
    assert!(state.join("sandbox-journal").join("state.key").exists() && !state.join("state.key").exists());
}
