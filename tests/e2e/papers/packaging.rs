//! The packages: what they are made from is fresh, and no name in their table or in their code is one that the program lacks.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

use clap::{Arg, ArgAction, Command, CommandFactory};
use serde_json::{Value, json};
use toml::Table;

use super::generated::{STALE, updates};
use super::{files, none, root};

const KEY: &str = "TRUEDY_API_KEY";

fn text(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn table(name: &str) -> Table {
    text(name).parse().unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// One setting, as the packages offer it.
fn setting(arg: &Arg) -> Option<Value> {
    let (flag, variable) = (arg.get_long()?, arg.get_env()?.to_str()?);
    let takes_values = arg.get_action().takes_values();
    let kind = match arg.get_action() {
        ArgAction::SetTrue => "switch",
        _ if arg.get_value_parser().type_id() == std::any::TypeId::of::<PathBuf>() => "path",
        _ => "value",
    };
    let default: Vec<_> = arg.get_default_values().iter().filter_map(|value| value.to_str()).collect();
    let choices: Vec<_> = arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    Some(json!({
        "flag": flag,
        "variable": variable,
        "kind": kind,
        "default": if takes_values { default.join(",") } else { String::new() },
        "choices": if takes_values { choices } else { Vec::new() },
        "help": arg.get_help().map(ToString::to_string).unwrap_or_default(),
    }))
}

/// Every setting that has a variable, those of all commands first.
fn settings() -> Vec<Value> {
    fn add(command: &Command, found: &mut Vec<Value>) {
        for one in command.get_arguments().filter_map(setting) {
            if !found.contains(&one) {
                found.push(one);
            }
        }
        command.get_subcommands().for_each(|below| add(below, found));
    }
    let help = "The Truedy API key. There is no flag: every process can read arguments";
    let mut found = vec![json!({
        "flag": null, "variable": KEY, "kind": "value", "default": "", "choices": [], "help": help,
    })];
    add(&truedy_mcp::cli::Cli::command(), &mut found);
    found
}

#[test]
fn the_settings_of_the_packages_are_those_of_the_program() {
    let about = "Generated: do not edit. `UPDATE_DOCS=1 cargo test --test e2e -- papers` writes it.";
    let settings = settings();
    assert!(settings.len() > 40, "{settings:?}");
    let wanted = format!("{:#}\n", json!({ "about": about, "settings": settings }));
    let file = root().join("packaging/settings.json");
    if updates() {
        fs::write(&file, wanted).expect("written");
    } else if fs::read_to_string(&file).ok().as_ref() != Some(&wanted) {
        none(vec!["packaging/settings.json".to_owned()], STALE);
    }
}

/// The packages look each setting up by its flag. A flag that is gone would be found by the next release only.
#[test]
fn the_table_of_the_packages_names_settings_that_exist() {
    let settings = settings();
    let flags: BTreeSet<&str> = settings.iter().map(|one| one["flag"].as_str().unwrap_or("api-key")).collect();
    let table = table("packaging/packages.toml");
    let fields = table["field"].as_array().expect("fields").iter();
    let fields = fields.map(|field| field["setting"].as_str().expect("a flag").to_owned());
    let more = table["registry"]["settings"].as_array().expect("settings").iter();
    let more = more.map(|flag| flag.as_str().expect("a flag").to_owned());
    // What the code of the packages looks up itself: `facts.variable('listen')`.
    let image = text("packaging/image.py");
    let looked_up =
        image.split("facts.variable('").skip(1).filter_map(|rest| rest.split('\'').next()).map(str::to_owned);
    let named: Vec<String> = fields.chain(more).chain(looked_up).collect();
    assert!(named.len() > 10, "{named:?}");
    none(named.into_iter().filter(|flag| !flags.contains(flag.as_str())).collect(), "the program has no such setting");
}

/// A variable that is written out somewhere would not follow when the program's changes.
#[test]
fn every_variable_that_the_packages_name_is_one_of_the_program() {
    let known: BTreeSet<String> =
        settings().iter().map(|one| one["variable"].as_str().expect("a variable").to_owned()).collect();
    let mut sources = Vec::new();
    files(&root().join("packaging"), &mut sources);
    files(&root().join(".ci"), &mut sources);
    sources.retain(|path| !path.starts_with(root().join(".ci")) || path.to_string_lossy().contains("/packages"));
    sources.extend([".github/workflows/release.yml", "RELEASING.md"].map(|name| root().join(name)));
    assert!(sources.len() > 12, "{sources:?}");
    let mut wrong = Vec::new();
    for source in sources.into_iter().filter(|path| path.extension() != Some(OsStr::new("pyc"))) {
        let text = fs::read_to_string(&source).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
        for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            let is_ours = word.starts_with("TRUEDY_") && !word.ends_with('_');
            if is_ours && !known.contains(word) {
                wrong.push(format!("{}: {word}", source.display()));
            }
        }
    }
    none(wrong, "the program does not read these variables");
}

/// What binstall looks for must be what the archives are called.
#[test]
fn binstall_looks_for_the_archives_that_are_made() {
    let cargo = table("Cargo.toml");
    let package = &cargo["package"];
    let binstall = &package["metadata"]["binstall"];
    let fill = |text: &toml::Value, end: &str| {
        let text = text.as_str().expect("text");
        let text = text.replace("{ name }", "truedy-mcp").replace("{ version }", "1.2.3");
        text.replace("{ target }", "x-y-z")
            .replace("{ archive-suffix }", end)
            .replace("{ bin }{ binary-ext }", "truedy-mcp")
    };
    assert_eq!(
        fill(&binstall["pkg-url"], ".tar.gz"),
        "{ repo }/releases/download/v1.2.3/truedy-mcp-1.2.3-x-y-z.tar.gz"
    );
    assert_eq!(fill(&binstall["bin-dir"], ""), "truedy-mcp-1.2.3-x-y-z/truedy-mcp");
    let archive = text("packaging/archive.py");
    assert!(
        archive.contains(r#"folder = f"{facts.name}-{facts.version}-{target.triple}""#),
        "the folder has another name"
    );
    for target in table("packaging/packages.toml")["target"].as_array().expect("targets") {
        let triple = target["triple"].as_str().expect("a target");
        let format = binstall["overrides"].get(triple).unwrap_or(binstall)["pkg-fmt"].as_str().expect("a format");
        let is_windows = target["mcpb"].as_str() == Some("win32");
        assert_eq!(format, if is_windows { "zip" } else { "tgz" }, "{triple}");
    }
}

/// A name that nobody has decided on must not get into a package. The names for trials are nobody's.
#[test]
fn the_names_for_trials_are_examples() {
    let (names, owner) = (table("packaging/example-project.toml"), table("docs/project.toml"));
    for section in ["project", "contact", "published"] {
        let keys = |table: &Table| table[section].as_table().expect("a section").keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&names), keys(&owner), "[{section}] has other keys than docs/project.toml");
        for (key, value) in names[section].as_table().expect("a section") {
            let value = value.as_str().expect("text");
            assert!(value.is_empty() || value.contains("example"), "{key} = {value} could be somebody's name");
        }
    }
    assert_eq!(names["project"]["owner"].as_str(), Some("example"));
}

/// Bundles and plugins pass a variable for each field, also for those that the user left blank.
#[test]
fn a_blank_field_of_a_package_counts_as_not_set() {
    let ran = |variables: &[(String, &str)]| {
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_truedy-mcp"));
        program.args(["tools", "--json"]).env_clear().envs(variables.iter().map(|(name, value)| (name, value)));
        let ran = program.output().expect("it runs");
        assert!(ran.status.success(), "{variables:?}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).expect("text")
    };
    let settings = settings();
    let variables = settings.iter().map(|one| one["variable"].as_str().expect("a variable").to_owned());
    let blank: Vec<(String, &str)> = variables.map(|name| (name, "")).collect();
    let without = ran(&[]);
    assert_eq!(ran(&blank), without);
    // What the manifests have as the default of a switch.
    let switches = settings.iter().filter(|one| one["kind"] == "switch");
    let off: Vec<_> = switches.map(|one| (one["variable"].as_str().expect("a variable").to_owned(), "false")).collect();
    assert!(off.len() > 4, "{off:?}");
    assert_eq!(ran(&off), without);
}
