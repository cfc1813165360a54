//! What the program writes of itself, in `docs/reference` and in the snippets of the pages, is what it says today.

use std::fs;
use std::process::Command;

use clap::ValueEnum;

use super::{none, pages, root};

/// Writes what is stale instead of refusing it.
const UPDATE: &str = "UPDATE_DOCS";
pub(super) const STALE: &str = "stale; `UPDATE_DOCS=1 cargo test --test e2e -- papers::generated` writes it";

/// Whether this run writes the pages.
pub(super) fn updates() -> bool {
    std::env::var_os(UPDATE).is_some()
}

/// The output and the messages of the program, without the settings of whoever runs the test.
fn said(words: &[&str]) -> (String, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_truedy-mcp"));
    let ran = program.args(words).env_clear().output().expect("it runs");
    assert!(ran.status.success(), "{words:?}: {}", String::from_utf8_lossy(&ran.stderr));
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (text(ran.stdout), text(ran.stderr).replace("truedy-mcp: ", ""))
}

#[test]
fn the_reference_is_what_the_program_says() {
    let folder = root().join("docs/reference");
    let wanted = truedy_mcp::cli::reference_pages();
    let mut wrong = Vec::new();
    for (name, text) in &wanted {
        let file = folder.join(name);
        if updates() {
            fs::create_dir_all(&folder).expect("docs/reference");
            fs::write(file, text).expect("written");
        } else if fs::read_to_string(file).ok().as_ref() != Some(text) {
            wrong.push(format!("docs/reference/{name}"));
        }
    }
    none(wrong, STALE);
    let there = fs::read_dir(folder).expect("docs/reference").map(|entry| entry.expect("an entry").file_name());
    let mut there: Vec<String> = there.map(|name| name.to_string_lossy().into_owned()).collect();
    let mut names: Vec<String> = wanted.iter().map(|(name, _)| (*name).to_owned()).collect();
    there.sort();
    names.sort();
    assert_eq!(there, names, "a page of docs/reference that nothing writes");
}

#[test]
fn the_tools_of_the_reference_are_those_of_the_command() {
    let (table, _) = said(&["tools", "--markdown"]);
    let pages = truedy_mcp::cli::reference_pages();
    assert!(table.lines().count() > 10 && pages[0].1.contains(&table), "{table}");
}

/// The text between `<!-- printed: WORDS -->` and `<!-- /printed -->` is what `truedy-mcp WORDS` prints.
#[test]
fn the_snippets_are_what_the_program_prints() {
    let mut wrong = Vec::new();
    let mut printed = 0;
    for page in pages() {
        let mut fresh = String::new();
        let mut rest = page.text.as_str();
        while let Some((before, after)) = rest.split_once("<!-- printed: ") {
            let (words, after) = after.split_once(" -->").expect("the end of the mark");
            let (_, after) = after.split_once("<!-- /printed -->").expect("the closing mark");
            let (text, _) = said(&words.split(' ').collect::<Vec<_>>());
            let language = match text.chars().next() {
                Some('{') => "json",
                _ if text.contains("\nextensions:") || text.contains("\nmcpServers:") => "yaml",
                _ => "toml",
            };
            fresh += &format!("{before}<!-- printed: {words} -->\n```{language}\n{text}```\n<!-- /printed -->");
            (rest, printed) = (after, printed + 1);
        }
        fresh += rest;
        if fresh != page.text {
            match updates() {
                true => fs::write(&page.path, fresh).expect("written"),
                false => wrong.push(page.name()),
            }
        }
    }
    none(wrong, STALE);
    assert!(printed >= 3 * truedy_mcp::cli::ClientKind::value_variants().len(), "{printed} snippets");
}

#[test]
fn every_client_has_a_page_with_its_three_snippets() {
    for client in truedy_mcp::cli::ClientKind::value_variants() {
        let name = client.to_possible_value().expect("a name").get_name().to_owned();
        let file = root().join(format!("docs/clients/{name}.md"));
        let page = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for more in ["", " --sandbox", " --http"] {
            let words = format!("config print {name}{more}");
            assert!(page.contains(&format!("<!-- printed: {words} -->")), "{name}: no snippet of `{words}`");
            // What Claude Code is told to run stands in the hints.
            let (_, hints) = said(&words.split(' ').collect::<Vec<_>>());
            for command in hints.lines().filter(|line| line.starts_with("claude mcp add")) {
                assert!(page.contains(command), "{name}: the page does not say `{command}`");
            }
        }
    }
}

/// A page that names the variable of before would have its reader write nothing.
#[test]
fn pages_and_recipes_name_the_variable_that_writes() {
    let mut texts: Vec<(String, String)> = pages().into_iter().map(|page| (page.name(), page.text)).collect();
    if let Ok(recipes) = fs::read_to_string(root().join("justfile")) {
        texts.push(("justfile".to_owned(), recipes));
    }
    let before = ["UPDATE", "README"].join("_");
    let wrong = texts.into_iter().filter(|(_, text)| text.contains(&before)).map(|(name, _)| name);
    none(wrong.collect(), "UPDATE_DOCS is the variable; `cargo test --test e2e -- papers::generated` takes it");
}
