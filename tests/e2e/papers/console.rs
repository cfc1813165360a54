//! The blocks of pages that show a command and what it prints: they are run, and compared with what is printed today.
//!
//! A block is fenced as `console`. A line that begins with `$ truedy-mcp` is a command; what it prints stands below.
//! `[..]` stands for anything in a line, and a line `...` for any lines.

use tempfile::TempDir;

use super::{none, pages};
use crate::support::program::{program, run};

/// A command of a page, and what the page says that it prints.
struct Shown {
    words: Vec<String>,
    printed: Vec<String>,
}

/// Returns the commands of a page in their order.
fn shown(text: &str) -> Vec<Shown> {
    let mut found: Vec<Shown> = Vec::new();
    let mut inside = false;
    for line in text.lines().map(str::trim_end) {
        match line.trim_start() {
            "```console" => inside = true,
            "```" => inside = false,
            _ if !inside => {}
            command if command.starts_with("$ ") => {
                found.push(Shown { words: words(command.trim_start_matches("$ ")), printed: Vec::new() });
            }
            _ => found.last_mut().expect("a command before what it prints").printed.push(line.to_owned()),
        }
    }
    found
}

/// Splits a command at spaces, as a shell does, with double quotes around what belongs together.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in command.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().expect("a word").push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether lines are as a page shows them.
fn fits(wanted: &[String], printed: &[&str]) -> bool {
    match (wanted.split_first(), printed.split_first()) {
        (None, None) => true,
        (Some((any, rest)), _) if any.trim() == "..." => {
            (0..=printed.len()).any(|skipped| fits(rest, &printed[skipped..]))
        }
        (Some((line, rest)), Some((first, left))) => fits_line(line, first.trim_end()) && fits(rest, left),
        _ => false,
    }
}

fn fits_line(wanted: &str, printed: &str) -> bool {
    let Some((before, rest)) = wanted.split_once("[..]") else { return wanted == printed };
    let Some(left) = printed.strip_prefix(before) else { return false };
    (0..=left.len()).filter(|at| left.is_char_boundary(*at)).any(|at| fits_line(rest, &left[at..]))
}

#[test]
fn the_commands_of_the_pages_print_what_the_pages_show() {
    let mut wrong = Vec::new();
    let mut ran = 0;
    for page in pages() {
        let home = TempDir::new().expect("a home");
        for Shown { words, printed } in shown(&page.text) {
            assert_eq!(words[0], "truedy-mcp", "{}: {words:?}", page.name());
            let mut command = program();
            command.args(&words[1..]).env("HOME", home.path()).env("TZ", "UTC");
            let said = run(command, "");
            let said = format!("{}{}", said.stdout, said.stderr);
            if !fits(&printed, &said.lines().collect::<Vec<_>>()) {
                wrong.push(format!("{}: {}\n{said}", page.name(), words.join(" ")));
            }
            ran += 1;
        }
    }
    assert!(ran >= 5, "only {ran} commands were run");
    none(wrong, "these commands print something else");
}

/// A block with output that is not fenced as `console` would grow stale unseen.
#[test]
fn every_block_with_a_command_and_its_output_is_run() {
    let mut wrong = Vec::new();
    for page in pages() {
        let commands = page.text.lines().filter(|line| line.trim_start().starts_with("$ truedy-mcp")).count();
        if commands != shown(&page.text).len() {
            wrong.push(page.name());
        }
    }
    none(wrong, "fence these blocks as `console`");
}

#[test]
fn a_page_that_shows_something_else_is_found() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    for (wanted, printed, fit) in [
        ("a\nb", "a\nb", true),
        ("a\n...\nd", "a\nb\nc\nd", true),
        ("a [..] c", "a b c", true),
        ("a [..] c", "a b d", false),
        ("a", "a\nb", false),
        ("a\nb", "a", false),
    ] {
        assert_eq!(fits(&lines(wanted), &printed.lines().collect::<Vec<_>>()), fit, "{wanted:?} {printed:?}");
    }
    let page = "```console\n$ truedy-mcp call x \"a b\"\nout\n```\n```sh\n$ truedy-mcp y\n```\n";
    let found = shown(page);
    assert_eq!(
        (found.len(), found[0].words[3].as_str(), found[0].printed.as_slice()),
        (1, "a b", &["out".to_owned()][..])
    );
}
