//! The file of tokens: how it is made, and what a running server makes of each change to it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use super::bearer_tokens::{assert_shut_out, tokens_for};
use crate::support::expected::SCOPES;
use crate::support::http_client::{Served, eventually};
use crate::support::program::{at_once, program};

fn token(arguments: &[&str], file: &Path) -> Output {
    program().args(["token", "new"]).args(arguments).arg("--tokens").arg(file).output().unwrap()
}

#[test]
fn a_new_token_stands_alone_on_standard_output_and_only_its_digest_in_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens.toml");
    let output = token(&["--principal", "ana@example.com"], &file);
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).unwrap();
    let (line, rest) = printed.split_once('\n').unwrap();
    assert!(line.starts_with("tmcp_") && line.len() == 48 && rest.is_empty(), "{printed:?}");
    assert!(!String::from_utf8(output.stderr).unwrap().contains(line));
    let written = fs::read_to_string(&file).unwrap();
    assert!(!written.contains(line) && !written.contains(&line[5..]), "{written}");
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    let entry: toml::Table = written.parse().unwrap();
    let entry = entry["token"][0].as_table().unwrap();
    assert_eq!(entry["principal"].as_str(), Some("ana@example.com"));
    assert_eq!(entry["tenant"].as_str(), Some("default"));
    assert_eq!(entry["scopes"].as_array().map(Vec::len), Some(SCOPES.len()));
    assert_eq!(entry["sha256"].as_str().map(str::len), Some(64));
    // What stands there stays.
    assert!(token(&["--principal", "ben", "--scopes", "numbers:read, numbers:assign"], &file).status.success());
    let both = fs::read_to_string(&file).unwrap();
    assert!(both.starts_with(&written) && both.contains("scopes = [\"numbers:read\", \"numbers:assign\"]"), "{both}");
}

#[test]
fn many_tokens_made_at_the_same_time_are_all_written_whole() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens.toml");
    at_once(0..16, |at| {
        assert!(token(&["--principal", &format!("p{at}")], &file).status.success());
    });
    let written: toml::Table = fs::read_to_string(&file).unwrap().parse().unwrap();
    assert_eq!(written["token"].as_array().map(Vec::len), Some(16));
}

#[test]
fn what_cannot_be_a_token_is_refused_in_a_sentence_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens.toml");
    for arguments in [
        &["--principal", ""][..],
        &["--principal", "a b"],
        &["--principal", "oauth:alice"],
        &["--principal", "ana\"\ntenant = \"x"],
        &["--principal", "ana", "--tenant", "a/b"],
        &["--principal", "ana", "--scopes", "numbers:write"],
        &["--principal", "ana", "--scopes", "*"],
        &["--principal", "ana", "--scopes", ""],
        &[],
    ] {
        let output = token(arguments, &file);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
        assert!(!file.exists(), "{arguments:?}");
    }
    // Nor is a file touched that others can read, or that is none.
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let link = dir.path().join("link");
    symlink(&file, &link).unwrap();
    for place in [file.as_path(), link.as_path(), dir.path()] {
        let output = token(&["--principal", "ana"], place);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{place:?}");
    }
    assert_eq!(fs::read(&file).unwrap(), b"");
}

fn on_tokens(file: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = program().arg("token").args(arguments).arg("--tokens").arg(file).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The tokens of a file as `token list --json` shows them.
fn list(file: &Path) -> Vec<Value> {
    let (code, printed, said) = on_tokens(file, &["list", "--json"]);
    assert_eq!((code, said.as_str()), (Some(0), ""), "{printed}");
    serde_json::from_str(&printed).unwrap()
}

#[tokio::test]
async fn a_token_is_listed_expires_and_is_taken_back_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens.toml");
    let read = ["--scopes", "numbers:read"];
    let tokens = tokens_for(
        &file,
        &[
            &[&["--principal", "ana"], &read[..]].concat(),
            &["--principal", "ben", "--expires", "30d"],
            &["--principal", "eve", "--expires", "2099-01-31"],
        ],
    );
    let before = fs::read_to_string(&file).unwrap();
    let rows = list(&file);
    let told: Vec<_> = rows.iter().map(|row| (row["principal"].as_str().unwrap(), row["expired"].clone())).collect();
    assert_eq!(told, ["ana", "ben", "eve"].map(|name| (name, json!(false))));
    assert_eq!((&rows[0]["scopes"], &rows[0]["expires"]), (&json!(["numbers:read"]), &Value::Null));
    let (code, table, _) = on_tokens(&file, &["list"]);
    assert_eq!((code, table.lines().count()), (Some(0), 4), "{table}");
    assert!(table.starts_with("ID ") && table.contains("numbers:read") && !table.contains("tmcp_"), "{table}");

    let server = Served::start(&["--sandbox", "--ephemeral", "--tokens", file.to_str().unwrap()], &[]).await;
    let read_all = async |expected: [bool; 3]| {
        eventually("what opens", async || {
            let mut all = [false; 3];
            for (token, open) in tokens.iter().zip(&mut all) {
                let bearer = format!("Bearer {token}");
                let answer = server.call_with(&[("authorization", &bearer)], "list_numbers", json!({})).await;
                *open = answer.status == 200;
            }
            all == expected
        })
        .await;
    };
    read_all([true, true, true]).await;
    // Ben's has expired.
    let until = rows[1]["expires"].as_str().unwrap();
    fs::write(&file, before.replace(until, "2026-01-01T00:00:00Z")).unwrap();
    read_all([true, false, true]).await;
    assert_eq!(list(&file)[1]["expired"], json!(true));

    let eve = rows[2]["id"].as_str().unwrap();
    let (code, said, _) = on_tokens(&file, &["revoke", eve]);
    assert!(code == Some(0) && said.contains("of eve is taken back"), "{said}");
    read_all([true, false, false]).await;
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    let now = fs::read_to_string(&file).unwrap();
    assert!(before.starts_with(now.split("\n[[token]]\n").take(2).collect::<Vec<_>>().join("\n[[token]]\n").as_str()));
    // Neither an id that is none nor a token that was pasted for one is repeated.
    for id in [eve, "", &tokens[0]] {
        let (code, printed, said) = on_tokens(&file, &["revoke", id]);
        assert!(code == Some(1) && printed.is_empty() && !said.contains("tmcp_"), "{said}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), now);
}

#[test]
fn an_expiry_lies_in_the_future() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens.toml");
    for wrong in ["0d", "-3d", "yesterday", "2020-01-01", "2020-01-01T00:00:00Z", "30", "99999999999999d", ""] {
        let output = token(&["--principal", "ana", &format!("--expires={wrong}")], &file);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), file.exists()), (Some(2), false), "{wrong}: {said}");
        assert!(said.contains("30d") || said.contains("expires"), "{said}");
    }
}

#[test]
fn tokens_that_are_made_and_taken_back_at_the_same_time_are_all_there_or_gone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens.toml");
    let names: Vec<String> = (0..8).map(|at| format!("old{at}")).collect();
    let arguments: Vec<Vec<&str>> = names.iter().map(|name| vec!["--principal", name.as_str()]).collect();
    tokens_for(&file, &arguments.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let ids: Vec<String> = list(&file).iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    at_once(0..16, |at| match ids.get(at) {
        Some(id) => assert_eq!(on_tokens(&file, &["revoke", id]).0, Some(0)),
        None => assert!(token(&["--principal", &format!("new{at}")], &file).status.success()),
    });
    let mut left: Vec<String> = list(&file).iter().map(|row| row["principal"].as_str().unwrap().to_owned()).collect();
    left.sort();
    let mut expected: Vec<String> = (8..16).map(|at| format!("new{at}")).collect();
    expected.sort();
    assert_eq!(left, expected);
}

/// Whether each of these tokens opens.
async fn opens(server: &Served, tokens: &[String]) -> Vec<bool> {
    let mut all = Vec::new();
    for token in tokens {
        let bearer = format!("Bearer {token}");
        let answer = server.call_with(&[("authorization", &bearer)], "list_operations", json!({})).await;
        if answer.status != 200 {
            assert_shut_out(&answer, "Bearer realm=\"truedy-mcp\", error=\"invalid_token\"", token);
        }
        all.push(answer.status == 200);
    }
    all
}

#[tokio::test]
async fn a_running_server_notices_whatever_happens_to_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens.toml");
    let mut tokens = tokens_for(&file, &[&["--principal", "ana"]]);
    let only_ana = fs::read(&file).unwrap();
    let server = Served::start(&["--sandbox", "--ephemeral", "--tokens", file.to_str().unwrap()], &[]).await;
    assert!(!server.stderr().contains("tmcp_"), "no token of its own beside the file's");
    let becomes = async |tokens: &[String], expected: &[bool], what: &str| {
        eventually(what, async || opens(&server, tokens).await == expected).await;
    };
    becomes(&tokens, &[true], "the first token").await;

    tokens.extend(tokens_for(&file, &[&["--principal", "ben"]]));
    becomes(&tokens, &[true, true], "a token that is added").await;
    let both = fs::read(&file).unwrap();

    // Written in place, as an editor may.
    fs::write(&file, &only_ana).unwrap();
    becomes(&tokens, &[true, false], "a token that is taken out").await;

    // Put in its place whole, as others do, with the same length and the same time as before.
    let time = fs::metadata(&file).unwrap().modified().unwrap();
    let other = dir.path().join("other.toml");
    let cleo = tokens_for(&other, &[&["--principal", "cle"]]);
    assert_eq!(fs::metadata(&other).unwrap().len(), fs::metadata(&file).unwrap().len());
    fs::File::options().write(true).open(&other).unwrap().set_modified(time).unwrap();
    fs::rename(&other, &file).unwrap();
    tokens.extend(cleo);
    becomes(&tokens, &[false, false, true], "a file that replaces another").await;

    // Written in place with the same length, and the time set back.
    fs::write(&file, &only_ana).unwrap();
    fs::File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
    becomes(&tokens, &[true, false, false], "a file whose time was set back").await;

    fs::write(&file, "").unwrap();
    becomes(&tokens, &[false, false, false], "an empty file").await;
    fs::write(&file, &both).unwrap();
    becomes(&tokens, &[true, true, false], "a full file again").await;

    for (mode, expected) in [(0o644, false), (0o600, true), (0o604, false), (0o600, true)] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        becomes(&tokens[..2], &[expected; 2], &format!("mode {mode:o}")).await;
    }

    let half = &both[..both.len() - 20];
    for broken in [half, b"[[token]\n", b"\xff\xfe", b"[[token]]\nsha256 = \"00\"\nprincipal = \"ana\"\n"] {
        fs::write(&file, broken).unwrap();
        becomes(&tokens[..2], &[false; 2], "a file that cannot be understood").await;
        server.until_it_says("nobody comes in until it can").await;
        fs::write(&file, &both).unwrap();
        becomes(&tokens[..2], &[true; 2], "a file that is mended").await;
    }

    fs::remove_file(&file).unwrap();
    becomes(&tokens[..2], &[false; 2], "a file that is gone").await;
    symlink(dir.path().join("elsewhere"), &file).unwrap();
    fs::write(dir.path().join("elsewhere"), &both).unwrap();
    fs::set_permissions(dir.path().join("elsewhere"), fs::Permissions::from_mode(0o600)).unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(900)).await;
    assert_eq!(opens(&server, &tokens[..2]).await, [false; 2], "a link that somebody put there");
    fs::remove_file(&file).unwrap();
    fs::write(&file, &both).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    becomes(&tokens[..2], &[true; 2], "a file that is back").await;

    for token in &tokens {
        assert!(!server.stderr().contains(token), "a token was logged");
    }
}
