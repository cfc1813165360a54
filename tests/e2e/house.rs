//! How the house is built: which room may know which, where each outside crate lives, and that no two files need each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What each room may know. `lib` names the rooms, `main` runs the first of them.
const MAY_KNOW: [(&str, &[&str]); 15] = [
    ("lib", &[]),
    ("main", &["cli"]),
    (
        "cli",
        &[
            "config",
            "http",
            "mcp",
            "guard",
            "tools",
            "truedy",
            "journal",
            "domain",
            "sandbox",
            "telemetry",
            "files",
            "redact",
        ],
    ),
    ("config", &["guard", "truedy", "journal", "domain", "sandbox", "files", "redact"]),
    ("http", &["mcp", "guard", "journal", "domain", "files", "redact"]),
    ("mcp", &["guard", "tools", "truedy", "journal", "domain", "telemetry", "redact"]),
    ("tools", &["guard", "truedy", "journal", "domain", "redact"]),
    ("guard", &["domain"]),
    ("truedy", &["domain", "telemetry", "redact"]),
    ("journal", &["domain", "files", "redact"]),
    ("files", &["domain", "redact"]),
    ("domain", &["redact"]),
    ("redact", &[]),
    ("sandbox", &[]),
    ("telemetry", &[]),
];

/// Where each outside crate lives.
const HOMES: [(&str, &[&str]); 17] = [
    ("rmcp", &["mcp"]),
    ("reqwest", &["truedy", "http", "telemetry"]),
    ("jsonwebtoken", &["http"]),
    ("axum", &["sandbox"]),
    ("clap", &["cli", "config"]),
    ("rusqlite", &["journal", "sandbox"]),
    ("rlibphonenumber", &["domain"]),
    ("toml_edit", &["config"]),
    ("keyring", &["config"]),
    ("tokio_postgres", &["journal"]),
    ("deadpool_postgres", &["journal"]),
    ("rustls", &["http", "journal"]),
    ("hyper", &["http"]),
    ("opentelemetry", &["telemetry"]),
    ("opentelemetry_sdk", &["telemetry"]),
    ("opentelemetry_otlp", &["telemetry"]),
    ("tracing_opentelemetry", &["telemetry"]),
];

/// A source file: its place below `src` without `.rs`, and its text.
struct File {
    place: Vec<String>,
    text: String,
}

impl File {
    fn room(&self) -> &str {
        &self.place[0]
    }

    /// The code alone: no comments, no texts, no tests beside the code.
    fn code(&self) -> String {
        let text = self.text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let lines = lines.map(|line| line.split(" // ").next().unwrap().replace("\\\"", "").replace("'\"'", ""));
        let text = lines.collect::<Vec<_>>().join("\n");
        assert!(text.matches('"').count() % 2 == 0, "{:?}: the texts cannot be told from the code", self.place);
        text.split('"').step_by(2).collect::<Vec<_>>().join("\"\"")
    }

    /// Every path in the code that starts with one of these words, as a list of names; of a group, one for each member.
    fn paths(&self, starts: &[&str]) -> Vec<Vec<String>> {
        let code = self.code();
        let inside = |c: char| c.is_alphanumeric() || c == '_';
        let mut found = Vec::new();
        for start in starts {
            for (at, _) in code.match_indices(&format!("{start}::")) {
                if !code[..at].ends_with(|c: char| inside(c) || c == ':') {
                    branches(&code[at..], &mut Vec::new(), &mut found);
                }
            }
        }
        found
    }

    /// The module, seen from the top of the crate, that a path starting with `crate`, `super` or `self` leads into.
    fn resolve(&self, path: &[String]) -> Vec<String> {
        let mut at = match path[0].as_str() {
            "crate" | "truedy_mcp" => Vec::new(),
            // A `mod.rs` stands for its folder.
            _ => self.place.iter().filter(|name| *name != "mod").cloned().collect(),
        };
        for step in path {
            match step.as_str() {
                "super" => drop(at.pop()),
                "crate" | "truedy_mcp" | "self" => {}
                name => at.push(name.to_owned()),
            }
        }
        at
    }
}

/// Follows a path, and each branch of a group in braces, to its ends. Returns what is left of the text.
fn branches<'a>(mut text: &'a str, above: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> &'a str {
    let depth = above.len();
    loop {
        text = text.trim_start();
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        if end > 0 {
            above.push(text[..end].to_owned());
        }
        text = &text[end..];
        if let Some(rest) = text.strip_prefix("::") {
            text = rest;
            if let Some(rest) = text.trim_start().strip_prefix('{') {
                text = rest;
                while !text.trim_start().starts_with('}') {
                    text = branches(text, above, found).trim_start();
                    text = text.split_once([',', '}']).map_or("", |(before, _)| &text[before.len()..]);
                    text = text.strip_prefix(',').unwrap_or(text);
                    if text.is_empty() {
                        break;
                    }
                }
                text = text.trim_start().strip_prefix('}').unwrap_or("");
                break;
            }
            continue;
        }
        found.push(above.clone());
        break;
    }
    above.truncate(depth);
    text
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn house(part: &str) -> Vec<File> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(part);
    let read = |path: PathBuf| {
        let place = path.strip_prefix(&folder).unwrap().with_extension("");
        let place = place.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
        File { place, text: fs::read_to_string(path).unwrap() }
    };
    files_below(&folder).into_iter().map(read).collect()
}

#[test]
fn the_rooms_know_only_those_below_them() {
    let files = house("src");
    let rooms: BTreeSet<&str> = files.iter().map(File::room).collect();
    assert_eq!(rooms, MAY_KNOW.iter().map(|(room, _)| *room).collect(), "every room stands in the plan");
    let mut arrows = 0;
    for file in &files {
        let (_, known) = MAY_KNOW.iter().find(|(room, _)| *room == file.room()).unwrap();
        for path in file.paths(&["crate", "super", "truedy_mcp"]) {
            let target = file.resolve(&path);
            let other = target.first().unwrap_or_else(|| panic!("{:?}: {path:?} goes nowhere", file.place));
            assert!(
                other == file.room() || known.contains(&other.as_str()),
                "{:?} knows {}",
                file.place,
                path.join("::")
            );
            arrows += usize::from(other != file.room());
        }
    }
    assert!(arrows > 100, "only {arrows} were found");
}

#[test]
fn every_outside_crate_has_one_home() {
    for (name, homes) in HOMES {
        let visitors = house("src").into_iter().filter(|file| !file.paths(&[name]).is_empty());
        let rooms: BTreeSet<String> = visitors.map(|file| file.room().to_owned()).collect();
        assert_eq!(rooms, homes.iter().map(|room| (*room).to_owned()).collect(), "{name}");
    }
}

/// What a `mod.rs` shows of its files, by name: `super::Name` means the file where it lives.
fn shown(files: &[File]) -> BTreeMap<Vec<String>, Vec<String>> {
    let mut shown = BTreeMap::new();
    for file in files.iter().filter(|file| file.place.last().is_some_and(|name| name == "mod")) {
        let folder = &file.place[..file.place.len() - 1];
        let code = file.code();
        let used = |line: &'_ str| line.trim_start().trim_start_matches("pub ").strip_prefix("use ").map(str::to_owned);
        for line in code.split(';').filter_map(used) {
            let mut members = Vec::new();
            branches(&line, &mut Vec::new(), &mut members);
            for member in members {
                let name = [folder, &member[member.len() - 1..]].concat();
                shown.insert(name, [folder, &member[..1]].concat());
            }
        }
    }
    shown
}

#[test]
fn no_two_files_need_each_other() {
    let files = house("src");
    let shown = shown(&files);
    let places: BTreeSet<&Vec<String>> = files.iter().map(|file| &file.place).collect();
    let mut needs: BTreeMap<Vec<String>, BTreeSet<Vec<String>>> = BTreeMap::new();
    // A `mod.rs` only gathers.
    let counted = |place: &[String]| !place.iter().any(|name| name == "mod" || name == "tests" || name == "lib");
    for file in files.iter().filter(|file| counted(&file.place)) {
        for path in file.paths(&["crate", "super"]) {
            let target = file.resolve(&path);
            let file_of =
                |target: &[String]| (1..=target.len()).map(|end| target[..end].to_vec()).find(|at| places.contains(at));
            let through = (1..=target.len()).find_map(|end| shown.get(&target[..end]).cloned());
            if let Some(other) = file_of(&target).or_else(|| file_of(&through?)).filter(|other| *other != file.place) {
                needs.entry(file.place.clone()).or_default().insert(other);
            }
        }
    }
    assert!(needs.len() > 50, "only {} files need others", needs.len());
    // What needs nothing that is left, or is needed by nothing, is taken away, until nothing is left, or a circle.
    loop {
        let needed: BTreeSet<Vec<String>> = needs.values().flatten().cloned().collect();
        let before = needs.len();
        let left: BTreeSet<Vec<String>> = needs.keys().cloned().collect();
        needs.retain(|at, all| needed.contains(at) && all.iter().any(|one| left.contains(one)));
        if needs.len() == before {
            break;
        }
    }
    let circle: Vec<String> = needs
        .iter()
        .map(|(at, all)| {
            let all: Vec<String> = all.iter().filter(|one| needs.contains_key(*one)).map(|one| one.join("/")).collect();
            format!("{} needs {}", at.join("/"), all.join(", "))
        })
        .collect();
    assert!(circle.is_empty(), "a circle:\n{}", circle.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for_and_nothing_is_left_undone() {
    for part in ["src", "tests"] {
        for File { place, text } in house(part) {
            assert!(text.starts_with("//! "), "{part}: {place:?} does not say what it is for");
            for left in [["#[ign", "ore"], ["to", "do!("], ["unimpl", "emented!("], ["TO", "DO"], ["FIX", "ME"]] {
                let left = left.concat();
                assert!(!text.contains(&left), "{part}: {place:?} has {left}");
            }
        }
    }
}
