//! The pages: what the program writes is fresh, every link leads somewhere, and no line is too long to read.

mod console;
mod generated;
mod labels;
mod markdown;
mod packaging;
mod pictures;

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

use markdown::Page;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below a folder of the repository, without those that tools put there.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    const NOT_OURS: [&str; 6] = [".git", "target", "node_modules", "__pycache__", ".venv", "proptest-regressions"];
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
        let (path, name) = (entry.path(), entry.file_name());
        let kind = entry.file_type().expect("its type");
        if kind.is_dir() && !NOT_OURS.contains(&name.to_str().expect("text")) {
            files(&path, found);
        } else if kind.is_file() {
            found.push(path);
        }
    }
}

/// Every page in Markdown.
fn pages() -> Vec<Page> {
    let mut found = Vec::new();
    files(root(), &mut found);
    found.retain(|path| path.extension().is_some_and(|end| end == "md"));
    found.sort();
    assert!(found.len() > 20, "{found:?}");
    found.into_iter().map(Page::read).collect()
}

/// Fails with all that is wrong, a line each.
fn none(wrong: Vec<String>, what: &str) {
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}

#[test]
fn no_line_of_prose_is_longer_than_140_characters() {
    let mut wrong = Vec::new();
    for page in pages() {
        for (number, line) in page.prose() {
            let length = line.chars().count();
            if length > 140 {
                wrong.push(format!("{}:{number}: {length} characters", page.name()));
            }
        }
    }
    none(wrong, "wrap these lines at about 100 characters");
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let pages = pages();
    let mut wrong = Vec::new();
    for page in &pages {
        for (number, target) in page.links() {
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let file = page.resolve(path);
            let leads = match pages.iter().find(|other| other.path == file) {
                Some(other) => anchor.is_empty() || other.anchors().contains(anchor),
                None => file.exists() && anchor.is_empty(),
            };
            if !leads || !file.starts_with(root()) {
                wrong.push(format!("{}:{number}: {target}", page.name()));
            }
        }
    }
    none(wrong, "these links lead nowhere");
}

#[test]
fn every_page_of_docs_is_reached_from_readme_by_links() {
    let pages = pages();
    let mut reached = BTreeSet::from([root().join("README.md")]);
    let mut next = VecDeque::from_iter(reached.clone());
    while let Some(path) = next.pop_front() {
        let Some(page) = pages.iter().find(|page| page.path == path) else { continue };
        for (_, target) in page.links() {
            let file = page.resolve(target.split('#').next().expect("a path"));
            if reached.insert(file.clone()) {
                next.push_back(file);
            }
        }
    }
    let lost = pages.iter().filter(|page| page.name().starts_with("docs/") && !reached.contains(&page.path));
    none(lost.map(Page::name).collect(), "no link leads to these pages: docs/README.md is the map");
}

#[test]
fn the_pages_that_the_program_names_are_there() {
    let mut sources = Vec::new();
    for folder in ["src", "deploy", ".ci", "benches", "tests"] {
        files(&root().join(folder), &mut sources);
    }
    let mut wrong = Vec::new();
    for source in sources {
        let Ok(text) = fs::read_to_string(&source) else { continue };
        for (at, _) in text.match_indices("docs/") {
            let end = text[at..].find(|c: char| !c.is_ascii_alphanumeric() && !"/-_.".contains(c));
            let path = text[at..at + end.unwrap_or(text.len() - at)].trim_end_matches('.');
            if path.ends_with(".md") && !root().join(path).exists() {
                wrong.push(format!("{}: {path}", source.display()));
            }
        }
    }
    none(wrong, "there is no such page");
}

#[test]
fn readme_is_short_and_the_first_two_screens_lead_on() {
    let text = fs::read_to_string(root().join("README.md")).expect("README.md");
    assert!(text.len() <= 8192, "README.md has {} bytes, and may have 8192: move the rest to docs/", text.len());
    let screens: Vec<&str> = text.lines().take(80).collect();
    let (first, both) = (screens[..40].join("\n"), screens.join("\n"));
    assert!(first.contains("```mermaid") || first.contains("<picture>"), "the first screen has no picture");
    for command in ["cargo run --release -- tour", "cargo test"] {
        assert!(first.contains(command), "the first screen does not show `{command}`");
    }
    for page in ["install.md", "clients/README.md", "safety.md", "reference/tools.md", "troubleshooting.md"] {
        assert!(both.contains(&format!("](docs/{page})")), "the first two screens do not lead to docs/{page}");
    }
    assert!(
        fs::read_to_string(root().join(".ci/run")).expect(".ci/run").contains("cargo test"),
        "CI runs something else"
    );
}

/// A name that nobody has published invites somebody else to publish it.
#[test]
fn no_page_installs_from_where_nothing_is_published() {
    let channels = ["npx -y truedy", "npx truedy", "uvx truedy", "pip install truedy", "npm install truedy"];
    let more =
        ["brew install", "cargo install truedy", "cargo binstall", "docker pull", "docker run truedy/", "ghcr.io"];
    let mut wrong = Vec::new();
    for page in pages() {
        let named = channels.iter().chain(&more).filter(|channel| page.text.contains(**channel));
        wrong.extend(named.map(|channel| format!("{}: {channel}", page.name())));
    }
    none(wrong, "these channels are not published");
}

#[test]
fn the_example_configuration_is_valid_and_holds_no_key() {
    let text = fs::read_to_string(root().join("mcp.json.example")).expect("the example");
    let example: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let servers = example["mcpServers"].as_object().expect("servers");
    assert!(servers.values().any(|server| server["args"].to_string().contains("--sandbox")));
    assert!(servers.values().any(|server| server["env"]["TRUEDY_API_KEY"] == "${TRUEDY_API_KEY}"));
    let bearer = "Bearer ${TRUEDY_MCP_TOKEN}";
    for (kind, end) in [("http", "/mcp"), ("sse", "/sse")] {
        let by_url =
            |server: &&serde_json::Value| server["type"] == kind && server["headers"]["Authorization"] == bearer;
        let server = servers.values().find(by_url).expect(kind);
        assert!(server["url"].as_str().is_some_and(|url| url.ends_with(end)), "{server}");
    }
    assert!(!text.contains("truedy_") && !text.contains("tmcp_"));
}

/// In `docs/troubleshooting.md` a heading in quotes is a message of the program: `…` stands for what differs.
#[test]
fn the_headings_of_troubleshooting_are_messages_of_the_program() {
    let page = fs::read_to_string(root().join("docs/troubleshooting.md")).expect("the page");
    let mut sources = Vec::new();
    files(&root().join("src"), &mut sources);
    let sources: Vec<String> = sources.iter().filter_map(|path| fs::read_to_string(path).ok()).collect();
    let mut wrong = Vec::new();
    let headings: Vec<&str> = page.lines().filter(|line| line.starts_with("### ")).collect();
    for message in headings.iter().flat_map(|heading| heading.split('"').skip(1).step_by(2)) {
        for part in message.split('…').map(str::trim) {
            if !sources.iter().any(|text| text.contains(part)) {
                wrong.push(format!("{message}: the program does not say `{part}`"));
            }
        }
    }
    none(wrong, "update these headings");
    let statuses = page.lines().filter_map(|line| line.strip_prefix("Status `")?.split('`').next());
    let unknown = statuses.filter(|word| truedy_mcp::domain::Status::parse(word).is_none());
    none(unknown.map(str::to_owned).collect(), "there is no such status");
    assert!(headings.len() > 25, "{headings:?}");
}
