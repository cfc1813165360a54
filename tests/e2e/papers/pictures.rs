//! The pictures of the command line in `docs/pictures`: what the program shows at a terminal, as SVG in two themes.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{none, root};
use crate::support::program::{program, run};
use crate::support::terminal::run_at_terminal;
use anstyle_svg::Term;

/// Writes what is stale instead of refusing it.
const UPDATE: &str = "UPDATE_PICTURES";
const STALE: &str = "stale; `just pictures` makes them anew";
/// The largest picture, in bytes.
const LARGEST: usize = 20 * 1024;

/// A theme: its name, text, background, and the sixteen colours of the terminal.
struct Theme {
    name: &'static str,
    text: (u8, u8, u8),
    ground: (u8, u8, u8),
    colors: [(u8, u8, u8); 16],
}

const THEMES: [Theme; 2] = [
    Theme {
        name: "dark",
        text: (0xd8, 0xde, 0xe9),
        ground: (0x16, 0x1b, 0x22),
        colors: [
            (0x48, 0x4f, 0x58),
            (0xff, 0x7b, 0x72),
            (0x56, 0xd3, 0x64),
            (0xe3, 0xb3, 0x41),
            (0x79, 0xc0, 0xff),
            (0xd2, 0xa8, 0xff),
            (0x56, 0xd4, 0xdd),
            (0xc9, 0xd1, 0xd9),
            (0x6e, 0x76, 0x81),
            (0xff, 0xa1, 0x98),
            (0x7e, 0xe7, 0x87),
            (0xf0, 0xc0, 0x58),
            (0xa5, 0xd6, 0xff),
            (0xe2, 0xc5, 0xff),
            (0x76, 0xe3, 0xea),
            (0xf0, 0xf6, 0xfc),
        ],
    },
    Theme {
        name: "light",
        text: (0x24, 0x29, 0x2f),
        ground: (0xf6, 0xf8, 0xfa),
        colors: [
            (0x24, 0x29, 0x2f),
            (0xcf, 0x22, 0x2e),
            (0x11, 0x63, 0x29),
            (0x8a, 0x58, 0x00),
            (0x09, 0x69, 0xda),
            (0x82, 0x50, 0xdf),
            (0x0b, 0x6b, 0x7a),
            (0x57, 0x60, 0x6a),
            (0x57, 0x60, 0x6a),
            (0xa4, 0x0e, 0x26),
            (0x1a, 0x7f, 0x37),
            (0x63, 0x3c, 0x01),
            (0x21, 0x8b, 0xff),
            (0xa4, 0x75, 0xf9),
            (0x31, 0x92, 0xaa),
            (0x8c, 0x95, 0x9f),
        ],
    },
];

/// What a picture shows: its name, the words of the command, and the commands that are run before it.
type Picture = (&'static str, &'static [&'static str], &'static [&'static [&'static str]]);

const PICTURES: [Picture; 3] = [
    ("tour", &["tour"], &[]),
    ("doctor", &["doctor", "--sandbox"], &[]),
    (
        "operations",
        &["operations", "--sandbox", "--only", "all"],
        &[
            &["call", "purchase_number", "phone_number=+13125550101", "confirm=true", "--sandbox"],
            &["call", "release_number", "number_id=+14155550123", "confirm=true", "--sandbox"],
            &[
                "call",
                "assign_number",
                "number_id=+442079460123",
                "agent_id=Front desk",
                "assignment_type=inbound",
                "--sandbox",
            ],
        ],
    ),
];

/// Runs a command in a home at a terminal, and returns what it shows with its colours.
fn shown(words: &[&str], before: &[&[&str]]) -> String {
    // Lines are broken before the home is replaced, so its name has the same length everywhere.
    let home = tempfile::Builder::new().prefix("ana-").rand_bytes(6).tempdir_in("/tmp").expect("a home");
    let started = |words: &[&str]| -> Command {
        let mut command = program();
        command.args(words).env("HOME", home.path()).env("TZ", "UTC").env("TERM", "xterm-256color");
        command
    };
    for words in before {
        run(started(words), "");
    }
    let ran = run_at_terminal(started(words), "no prompt", "");
    assert_eq!(ran.code, Some(0), "{words:?}: {}", ran.stderr);
    let text = ran.stderr.replace("\r\n", "\n").replace(&home.path().display().to_string(), "/home/ana");
    // The tour has a title of its own.
    let prompt = if words == ["tour"] { String::new() } else { format!("$ truedy-mcp {}\n", words.join(" ")) };
    prompt + &same_each_time(&of_a_release(&text))
}

/// Puts what a release was built from in the place of what this program was built from.
fn of_a_release(text: &str) -> String {
    let built = format!("commit {}, target {}, features: ", env!("BUILD_COMMIT"), env!("BUILD_TARGET"));
    let Some((before, rest)) = text.split_once(&built) else { return text.to_owned() };
    let end = rest.find('\u{1b}').unwrap_or(rest.len());
    let release = "commit 2f0e6b1c8d90, target x86_64-unknown-linux-musl, features: none";
    format!("{before}{release}{}", &rest[end..])
}

/// Puts fixed digits in the place of times and ids, which differ at each run. Their lengths stay.
fn same_each_time(text: &str) -> String {
    let mut shown = String::new();
    for line in text.split_inclusive('\n') {
        let words: Vec<String> = line.split(' ').map(fixed).collect();
        shown.push_str(&words.join(" "));
    }
    shown
}

fn fixed(word: &str) -> String {
    let shape: String = word.chars().map(|c| if c.is_ascii_hexdigit() { 'x' } else { c }).collect();
    let id = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    if let Some(at) = shape.find(id) {
        return format!("{}0199d0ab-7c1e-7d4b-9a55-2f0e6b1c8d90{}", &word[..at], &word[at + id.len()..]);
    }
    let shape: String = word.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    for (form, fixed) in [("9999-99-99", "2026-11-25"), ("99:99:99", "10:04:07")] {
        if let Some(at) = shape.find(form) {
            return format!("{}{fixed}{}", &word[..at], &word[at + form.len()..]);
        }
    }
    word.to_owned()
}

/// Draws a text with colours.
fn drawn(text: &str, theme: &Theme) -> String {
    let rgb = |(r, g, b): (u8, u8, u8)| anstyle::RgbColor(r, g, b);
    let palette = anstyle_svg::Palette(theme.colors.map(rgb));
    let term = Term::new().palette(palette).fg_color(rgb(theme.text).into()).bg_color(rgb(theme.ground).into());
    // What is dimmed must still be read with ease.
    term.render_svg(text).replace("opacity: 0.4;", "opacity: 0.65;")
}

#[test]
fn the_pictures_show_what_the_program_shows() {
    let folder = root().join("docs/pictures");
    let mut wrong = Vec::new();
    for (name, words, before) in PICTURES {
        let text = shown(words, before);
        for theme in &THEMES {
            let file = folder.join(format!("{name}-{}.svg", theme.name));
            let picture = drawn(&text, theme);
            assert!(picture.len() <= LARGEST, "{name} has {} bytes", picture.len());
            if std::env::var_os(UPDATE).is_some() {
                fs::write(&file, picture).expect("written");
            } else if fs::read_to_string(&file).ok().as_ref() != Some(&picture) {
                wrong.push(shown_name(&file));
            }
        }
    }
    none(wrong, STALE);
}

fn shown_name(file: &Path) -> String {
    file.strip_prefix(root()).unwrap_or(file).display().to_string()
}

/// A picture that no page shows, or that a page shows in one theme only, helps nobody.
#[test]
fn every_picture_is_shown_in_both_themes() {
    let pages = super::pages();
    for (name, ..) in PICTURES {
        for theme in ["dark", "light"] {
            let file = format!("{name}-{theme}.svg");
            assert!(pages.iter().any(|page| page.text.contains(&file)), "no page shows {file}");
        }
    }
}

#[test]
fn times_and_ids_are_the_same_each_time() {
    let text = "2026-01-02 03:04:05  done \u{1b}[2m01a22a61-a958-7138-a4c5-9ffced92187c\u{1b}[0m\n";
    let fixed = "2026-11-25 10:04:07  done \u{1b}[2m0199d0ab-7c1e-7d4b-9a55-2f0e6b1c8d90\u{1b}[0m\n";
    assert_eq!(same_each_time(text), fixed);
}
