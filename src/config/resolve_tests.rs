//! Tests of `resolve.rs`, beside it since both together are long.

use super::*;
use crate::domain::{Money, NumberType};
use crate::guard::Cap;
use clap::{CommandFactory, FromArgMatches, Parser};

#[derive(Parser)]
struct Alone {
    #[command(flatten)]
    settings: Settings,
}

pub(crate) fn with(arguments: &[&str]) -> Settings {
    let matches = Alone::command().get_matches_from([&["x"], arguments].concat());
    let mut settings = Alone::from_arg_matches(&matches).expect("settings").settings;
    settings.note_sources(&matches);
    settings
}

#[test]
fn only_safe_base_urls_pass() {
    for good in
        [BASE_URL, "https://api.example.com/v1/", "http://127.0.0.1:8787/api", "http://[::1]:1/x", "http://localhost:9"]
    {
        assert!(with(&["--base-url", good]).base_url().is_ok(), "{good}");
    }
    for bad in [
        "http://api.truedy.ai/v1",
        "http://10.0.0.1/",
        "http://localhost.evil.com/",
        "https://user:pass@api.truedy.ai/",
        "https://api.truedy.ai/?a=b",
        "https://api.truedy.ai/#x",
        "https://169.254.169.254/latest",
        "ftp://api.truedy.ai/",
        "file:///etc/passwd",
        "api.truedy.ai",
        "https://[fe80::1]/",
        "https://0.0.0.0/",
    ] {
        assert!(with(&["--base-url", bad]).base_url().is_err(), "{bad}");
    }
}

#[test]
fn names_of_tools_and_numbers_are_checked() {
    assert!(with(&["--tools", "list_numbers,nope"]).policy(&["list_numbers"]).is_err());
    assert!(with(&["--protect", "not a number"]).policy(&[]).is_err());
    for lost in ["14155550123", "1-415-555-0123", "all", "Main-line", "+1312555011"] {
        assert!(with(&["--protect", lost]).policy(&[]).is_err(), "{lost}");
    }
    assert!(with(&["--sip-hosts", "http://sip.example.com"]).policy(&[]).is_err());
    let policy = with(&["--protect", "+14155550123, +12125550142"]).policy(&[]).expect("fine");
    assert_eq!(policy.protected.len(), 2);
}
#[test]
fn limits_are_read_or_refused_with_an_example() {
    let read = |arguments: &[&str]| {
        Alone::try_parse_from([&["x"], arguments].concat()).map(|alone| alone.settings.policy(&[]).expect("fine"))
    };
    let policy = read(&[]).expect("the defaults");
    assert_eq!((policy.level, policy.caps, policy.max_monthly), (Level::Flag, Caps::default(), None));
    assert_eq!((policy.countries, policy.number_types), (None, None));
    for (text, cap) in [("0", Cap::Most(0)), (" 7 ", Cap::Most(7)), ("unlimited", Cap::Unlimited)] {
        let caps = read(&["--purchases-per-day", text, "--releases-per-day", "3"]).expect(text).caps;
        assert_eq!((caps.purchases, caps.releases, caps.imports), (cap, Cap::Most(3), Cap::Most(50)));
    }
    let policy = read(&[
        "--spend-per-day=50 USD",
        "--max-monthly-cost=2.5 EUR",
        "--countries=US, CA",
        "--number-types=toll-free,local",
        "--gate=human",
    ])
    .expect("fine");
    assert_eq!((policy.caps.spend, policy.max_monthly), (Money::parse("50 USD"), Money::parse("2.5 EUR")));
    assert_eq!(policy.countries.map(|set| set.len()), Some(2));
    assert_eq!(policy.number_types, Some([NumberType::Local, NumberType::TollFree].into()));
    assert_eq!(policy.level, Level::Human);
    for bad in [
        ["--purchases-per-day", "-1"],
        ["--releases-per-day", "+1"],
        ["--imports-per-day", "4294967296"],
        ["--imports-per-day", ""],
        ["--purchases-per-day", "Unlimited"],
        ["--spend-per-day", "50"],
        ["--spend-per-day", "-50 USD"],
        ["--spend-per-day", "USD 50"],
        ["--max-monthly-cost", "2,50 EUR"],
        ["--max-monthly-cost", "2 usd"],
        ["--countries", "US,,CA"],
        ["--countries", ""],
        ["--countries", "UK"],
        ["--countries", "us"],
        ["--number-types", "local,satellite"],
        ["--number-types", ""],
    ] {
        let said = read(&bad).map(drop).expect_err(bad[1]).to_string();
        assert!(said.contains("for example"), "{bad:?}: {said}");
    }
    let nobody = with(&["--gate", "human", "--ask", "off"]).policy(&[]).expect_err("nobody to ask");
    assert!(nobody.0.contains("--gate human") && nobody.0.contains("--ask off"), "{nobody}");
    assert!(with(&["--gate", "token", "--ask", "off"]).policy(&[]).is_ok());
}

#[test]
fn play_never_counts_against_the_account() {
    let place = |arguments: &[&str]| with(&[&["--state-dir", "/s"], arguments].concat()).journal_place();
    let directory = |path: &str| Ok(JournalPlace::Directory(path.into()));
    assert_eq!(place(&[]), directory("/s"));
    assert_eq!(place(&["--journal", "memory"]), Ok(JournalPlace::Memory));
    let url = "postgres://u@db.example.com/d";
    assert!(matches!(place(&["--journal", url]), Ok(JournalPlace::Postgres(_))));
    for journal in ["sqlite", url] {
        assert_eq!(place(&["--sandbox", "--journal", journal]), directory("/s/sandbox-journal"));
        assert_eq!(place(&["--sandbox", "--ephemeral", "--journal", journal]), Ok(JournalPlace::Memory));
    }
    assert_eq!(place(&["--sandbox", "--journal", "memory"]), Ok(JournalPlace::Memory));
    let said = |arguments: &[&str]| with(arguments).journal_warning(&JournalPlace::Memory);
    assert_eq!((said(&[]), said(&["--sandbox"])), (Some(FORGETFUL), None));
}

#[test]
fn a_wrong_journal_is_told_without_repeating_it() {
    for wrong in
        ["", "mysql", "hunter2", "postgres://hunter2", "postgres://u:hunter2@", "postgres://u:hunter2@a/d?x=hunter2"]
    {
        let error = with(&["--journal", wrong]).journal_place().expect_err(wrong).to_string();
        assert!(error.starts_with("--journal (TRUEDY_MCP_JOURNAL)") && error.ends_with('.'), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    let settings = with(&["--journal", "postgres://u:hunter2@db.example.com/d"]);
    let error = settings.no_password_in_journal().expect_err("refused").to_string();
    assert!(!format!("{settings:?}{error}{:?}", settings.journal_place()).contains("hunter2"));
    assert_eq!(with(&["--journal", "postgres://u@db.example.com/d"]).no_password_in_journal(), Ok(()));
}

#[test]
fn the_password_of_a_proxy_is_a_secret_as_it_is_written_and_as_it_is_meant() {
    let secrets = |proxy: &str| -> Vec<String> {
        let secrets = with(&["--upstream-proxy", proxy]).secrets();
        secrets.iter().map(|secret| secret.expose().to_owned()).collect()
    };
    assert_eq!(secrets("http://u:hunt%2Fer+2@127.0.0.1:9"), ["hunt/er+2", "hunt%2Fer+2"]);
    assert!(secrets("http://127.0.0.1:9").is_empty());
    let settings = with(&["--upstream-proxy", "http://u:hunter2@127.0.0.1:9"]);
    assert!(!format!("{settings:?}").contains("hunter2"));
    let journal = with(&["--journal", "postgres://u:hunter2@db.example.com/d"]).secrets();
    assert_eq!(journal.iter().map(Secret::expose).collect::<Vec<_>>(), ["hunter2"]);
}

#[test]
fn accounts_are_told_apart_without_showing_the_key() {
    let key = |text: &str| Secret::new(text.to_owned()).expect("a key");
    let (one, other) = (with(&[]).account(&key("truedy_1")), with(&[]).account(&key("truedy_2")));
    assert!(one != other && one.len() == 16 && one.bytes().all(|b| b.is_ascii_hexdigit()), "{one}");
    assert_eq!(with(&[]).account(&key("truedy_1")), one);
    assert_eq!(with(&["--sandbox"]).account(&key("truedy_1")), "sandbox");
}
