//! How the source is laid out: which room may know which, where each outside crate lives, that no two files need each
//! other, how long files and functions are, and that a name stands for one thing.

mod source;
mod tool_names;

use std::collections::{BTreeMap, BTreeSet};

use source::{Place, SRC, SourceFile, TESTS, Tree};

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
    ("telemetry", &["domain"]),
];

/// The order inside `mcp`: a group may know those behind it, and none before it.
const ORDER_OF_MCP: [&str; 8] = ["transport", "server", "results", "offer", "tenant", "call", "consent", "apps"];

/// Where each outside crate lives.
const HOMES: [(&str, &[&str]); 18] = [
    ("rmcp", &["mcp"]),
    ("reqwest", &["truedy", "http", "telemetry"]),
    ("jsonwebtoken", &["http"]),
    ("axum", &["sandbox"]),
    ("clap", &["cli", "config"]),
    ("rusqlite", &["journal", "sandbox"]),
    ("rlibphonenumber", &["domain"]),
    ("toml_edit", &["config"]),
    ("jsonc_parser", &["config"]),
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

/// Words of everyday life that stand for a term of the field no longer: as a type, and as a module.
const NOT_TYPES: [&str; 44] = [
    "Desk",
    "Passage",
    "Stakes",
    "Claims",
    "Given",
    "Verdict",
    "Halt",
    "Pass",
    "Crowd",
    "Place",
    "Running",
    "Tally",
    "Guest",
    "Word",
    "Then",
    "Asker",
    "AskWay",
    "Way",
    "Views",
    "Flight",
    "Parts",
    "KeyPages",
    "Clearance",
    "Departure",
    "Share",
    "Nature",
    "Saying",
    "Held",
    "Late",
    "Lasting",
    "Standing",
    "Stop",
    "Ending",
    "KnownBy",
    "Life",
    "Object",
    "Temper",
    "Manner",
    "Door",
    "Edge",
    "Site",
    "Watch",
    "World",
    "Moments",
];
const NOT_MODULES: [&str; 20] = [
    "trials",
    "moments",
    "exchange",
    "world",
    "door",
    "edge",
    "site",
    "watch",
    "wire",
    "lines",
    "seal",
    "advice",
    "reading",
    "written",
    "open",
    "picker",
    "switches",
    "tally",
    "crowd",
    "key_pages",
];

/// Functions that are longer than others may be, and why.
const LONG_FUNCTIONS: [(&str, &str); 7] = [
    ("cli/client_config::http_snippet", "one arm a client"),
    ("cli/client_config::snippet", "one arm a client"),
    ("http/server::bind", "one part of the server after another"),
    ("journal/tests/model::play", "one arm a step of the model"),
    ("sandbox/pipeline::handle", "one exchange, in the order of time"),
    ("tools/catalog/diagnose_number/case::slot", "one finding after another"),
    ("truedy/client/send::exchange", "one exchange, in the order of time"),
];

fn named(place: &[String]) -> String {
    place.join("/")
}

#[test]
fn the_rooms_know_only_those_below_them() {
    let tree = Tree::new();
    let rooms: BTreeSet<&str> = tree.files.iter().map(SourceFile::room).collect();
    assert_eq!(rooms, MAY_KNOW.iter().map(|(room, _)| *room).collect(), "every room stands in the plan");
    let mut arrows = 0;
    for (file, path, target) in tree.arrows() {
        let (_, known) = MAY_KNOW.iter().find(|(room, _)| *room == file.room()).unwrap();
        let other = target[0].as_str();
        let allowed = other == file.room() || known.contains(&other) || file.room() == "lib";
        assert!(allowed, "{} knows {}", named(&file.place), path.join("::"));
        arrows += usize::from(other != file.room());
    }
    assert!(arrows > 100, "only {arrows} were found");
}

#[test]
fn the_groups_of_mcp_know_only_those_behind_them() {
    let tree = Tree::new();
    let rank = |name: &str| ORDER_OF_MCP.iter().position(|group| *group == name);
    let mut arrows = 0;
    for (file, path, target) in tree.arrows() {
        let Some(target) = tree.file_of(&target).filter(|at| at.len() > 1 && at[0] == "mcp") else { continue };
        let (Some(from), Some(to)) = (file.place.get(1).and_then(|name| rank(name)), rank(&target[1])) else {
            continue;
        };
        if file.room() == "mcp" {
            assert!(from <= to, "{} knows {}", named(&file.place), path.join("::"));
            arrows += usize::from(from < to);
        }
    }
    assert!(arrows > 30, "only {arrows} were found");
}

#[test]
fn every_outside_crate_has_one_home() {
    for (name, homes) in HOMES {
        let visitors = SRC.iter().filter(|file| !file.is_test() && file.paths.iter().any(|(path, _)| path[0] == name));
        let rooms: BTreeSet<&str> = visitors.map(SourceFile::room).collect();
        assert_eq!(rooms, homes.iter().copied().collect(), "{name}");
    }
}

#[test]
fn a_mod_file_gathers_and_holds_no_code() {
    for file in SRC.iter().filter(|file| file.is_mod()) {
        assert_eq!(file.code_items, 0, "{} holds code", named(&file.place));
    }
}

/// Within a room a path names the file where a thing is, so that a reader finds it without a detour.
#[test]
fn nobody_imports_through_the_mod_file_of_the_own_room() {
    let tree = Tree::new();
    for (file, path, target) in tree.arrows().filter(|(file, ..)| !file.is_mod()) {
        let through = target[0] == file.room() && target.len() == 2 && tree.shown_at(&target).is_some();
        let is_module = tree.file_of(&target).is_some_and(|at| at == target);
        assert!(!through || is_module, "{} imports {}", named(&file.place), path.join("::"));
    }
}

#[test]
fn no_two_files_need_each_other() {
    let tree = Tree::new();
    let mut needs: BTreeMap<Place, BTreeSet<Place>> = BTreeMap::new();
    for (file, _, target) in tree.arrows().filter(|(file, ..)| !file.is_mod()) {
        let at = file.module();
        if let Some(other) = tree.file_of(&target).filter(|other| *other != at) {
            needs.entry(at).or_default().insert(other);
        }
    }
    assert!(needs.len() > 100, "only {} files need others", needs.len());
    // What needs nothing that is left, or is needed by nothing, is taken away, until nothing is left, or a circle.
    loop {
        let needed: BTreeSet<Place> = needs.values().flatten().cloned().collect();
        let before = needs.len();
        let left: BTreeSet<Place> = needs.keys().cloned().collect();
        needs.retain(|at, all| needed.contains(at) && all.iter().any(|one| left.contains(one)));
        if needs.len() == before {
            break;
        }
    }
    let of = |all: &BTreeSet<Place>| -> Vec<String> {
        all.iter().filter(|one| needs.contains_key(*one)).map(|one| named(one)).collect()
    };
    let circle: Vec<String> =
        needs.iter().map(|(at, all)| format!("{} needs {}", named(at), of(all).join(", "))).collect();
    assert!(circle.is_empty(), "a circle:\n{}", circle.join("\n"));
}

#[test]
fn files_and_functions_are_short_enough_to_be_read_at_once() {
    let mut too_long = Vec::new();
    let exceptions: BTreeSet<&str> = LONG_FUNCTIONS.iter().map(|(name, _)| *name).collect();
    assert!(exceptions.len() <= 10 && LONG_FUNCTIONS.iter().all(|(_, why)| !why.is_empty()));
    let mut used = BTreeSet::new();
    for file in SRC.iter() {
        let (lines, most) = (file.text.lines().count(), if file.is_test() { 600 } else { 450 });
        if lines > most {
            too_long.push(format!("{} has {lines} lines", named(&file.place)));
        }
        for (name, lines, in_test) in &file.functions {
            let most = if *in_test || file.is_test() { 80 } else { 60 };
            let name = format!("{}::{name}", named(&file.place));
            if *lines > most && exceptions.contains(name.as_str()) {
                used.insert(name);
            } else if *lines > most {
                too_long.push(format!("{name} has {lines} lines"));
            }
        }
    }
    assert!(too_long.is_empty(), "{}", too_long.join("\n"));
    assert_eq!(used.len(), exceptions.len(), "an exception that is no longer needed");
}

#[test]
fn the_files_and_functions_of_the_tests_are_short_enough_to_be_read_at_once() {
    let mut too_long = Vec::new();
    for file in TESTS.iter() {
        let lines = file.text.lines().count();
        if lines > 600 {
            too_long.push(format!("{} has {lines} lines", named(&file.place)));
        }
        let functions = file.functions.iter().filter(|(_, lines, _)| *lines > 80);
        too_long.extend(functions.map(|(name, lines, _)| format!("{}::{name} has {lines} lines", named(&file.place))));
    }
    assert!(too_long.is_empty(), "{}", too_long.join("\n"));
}

#[test]
fn a_type_name_stands_for_one_thing_and_is_a_term_of_the_field() {
    let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in SRC.iter() {
        let last = file.place.last().unwrap();
        assert!(!NOT_MODULES.contains(&last.as_str()), "{} has a name of everyday life", named(&file.place));
        for name in &file.types {
            assert!(!NOT_TYPES.contains(&name.as_str()), "{} has a type {name}", named(&file.place));
            places.entry(name.clone()).or_default().insert(named(&file.place));
        }
    }
    let twice = places.iter().filter(|(name, at)| at.len() > 1 && !["Error", "Result"].contains(&name.as_str()));
    let twice: Vec<String> = twice.map(|(name, at)| format!("{name}: {at:?}")).collect();
    assert!(places.len() > 300 && twice.is_empty(), "{}", twice.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for_and_nothing_is_left_undone() {
    for (part, files) in [("src", &SRC), ("tests", &TESTS)] {
        for SourceFile { place, text, .. } in files.iter() {
            assert!(text.starts_with("//! "), "{part}: {place:?} does not say what it is for");
            for left in [["#[ign", "ore"], ["to", "do!("], ["unimpl", "emented!("], ["TO", "DO"], ["FIX", "ME"]] {
                let left = left.concat();
                assert!(!text.contains(&left), "{part}: {place:?} has {left}");
            }
        }
    }
}
