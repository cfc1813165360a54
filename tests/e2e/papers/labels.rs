//! The pictures of cards and landing page in `docs/pictures`: what stands in them stands in the pages of today, too.
//!
//! Chromium draws them, which these tests do not need: the words of each picture are kept in `labels.json` beside it.

use std::collections::BTreeMap;
use std::fs;

use serde::Deserialize;

use super::{none, root};
use crate::support::http_client::Served;

const STALE: &str = "not in its page any more, so the picture is stale; `just pictures` makes it anew";

/// What a picture says by its page.
#[derive(Deserialize)]
struct Words {
    /// The files of a card. None for the landing page, which the server writes.
    files: Vec<String>,
    labels: Vec<String>,
}

fn pictures() -> BTreeMap<String, Words> {
    let text = fs::read_to_string(root().join("docs/pictures/labels.json")).expect("the words of the pictures");
    serde_json::from_str(&text).expect("words by picture")
}

/// A text with one space where there are several, or an end of a line.
fn in_a_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether these words stand in a text, and not within longer words.
fn stands(words: &str, text: &str) -> bool {
    text.match_indices(words).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + words.len()..]);
        !before.ends_with(char::is_alphabetic) && !after.starts_with(char::is_alphabetic)
    })
}

/// The text of a page as a browser shows it, in one line, and its script, which makes some of the buttons.
fn text_of(page: &str) -> String {
    let mut text = String::new();
    let mut rest = page;
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        let hidden = ["style", "title"].into_iter().find(|name| tag.starts_with(name));
        let end = hidden.map_or(">".to_owned(), |name| format!("</{name}>"));
        // What is not within a line stands apart.
        let name = tag.trim_start_matches('/').split([' ', '>']).next().unwrap_or_default();
        text.push_str(if ["a", "code", "em", "b"].contains(&name) { "" } else { " " });
        rest = tag.split_once(end.as_str()).map_or("", |(_, rest)| rest);
    }
    text.push_str(rest);
    for (entity, character) in
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&#x27;", "'"), ("&amp;", "&")]
    {
        text = text.replace(entity, character);
    }
    in_a_line(&text)
}

fn stale(name: &str, words: &Words, page: &str) -> Vec<String> {
    let gone = words.labels.iter().filter(|label| !stands(label, page));
    gone.map(|label| format!("{name}.png: “{label}”")).collect()
}

#[test]
fn the_words_of_the_cards_stand_in_their_pages_of_today() {
    let mut wrong = Vec::new();
    for (name, words) in pictures().iter().filter(|(_, words)| !words.files.is_empty()) {
        let read = |file: &String| fs::read_to_string(root().join(file)).unwrap_or_else(|why| panic!("{file}: {why}"));
        let page = in_a_line(&words.files.iter().map(read).collect::<Vec<_>>().join("\n"));
        wrong.extend(stale(name, words, &page));
    }
    none(wrong, STALE);
}

#[tokio::test]
async fn the_words_of_the_landing_page_stand_in_what_is_served_today() {
    let server = Served::start(&["--sandbox", "--ephemeral"], &[]).await;
    let page = text_of(&server.get("/", &[]).await.body);
    none(stale("landing", &pictures()["landing"], &page), STALE);
}

/// Without this, a picture whose words nobody kept would never be stale.
#[test]
fn the_words_of_each_drawn_picture_are_kept() {
    let pictures = pictures();
    let mut drawn: Vec<String> = fs::read_dir(root().join("docs/pictures"))
        .expect("the pictures")
        .map(|file| file.expect("a file").file_name().to_string_lossy().into_owned())
        .filter_map(|name| name.strip_suffix(".png").map(str::to_owned))
        .collect();
    drawn.sort();
    assert_eq!(drawn, pictures.keys().cloned().collect::<Vec<_>>());
    for (name, Words { labels, .. }) in &pictures {
        assert!(labels.len() >= 3, "{name}: {labels:?}");
    }
    // A few that everybody sees.
    for (name, label) in [
        ("card-numbers-for-sale", "Numbers for sale"),
        ("card-your-numbers", "Your numbers"),
        ("card-purchase", "Do not buy"),
        ("card-release", "Release for good"),
        ("landing", "Connect a client"),
        ("purchase", "Let"),
    ] {
        assert!(pictures[name].labels.iter().any(|one| one == label), "{name}: {:?}", pictures[name].labels);
    }
}

#[test]
fn a_label_that_changed_is_found() {
    let words = Words { files: Vec::new(), labels: vec!["Buy for".to_owned(), "Keep it".to_owned()] };
    assert!(stale("x", &words, "armed ? \"Buy for\" : \"Keep it\"").is_empty());
    assert_eq!(stale("x", &words, "armed ? \"Buy fort\" : \"Keep it\""), ["x.png: “Buy for”"]);
    assert_eq!(text_of("<title>T</title><style>a</style><p>A &amp; <b>b</b>\n c<br>d</p>"), "A & b c d");
}
