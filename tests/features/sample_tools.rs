//! The sample tools, each one file and one line, have everything that a tool has.

use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

const NUMBER: &str = "+14155550100";
const OTHER: &str = "+14155550101";

/// The program with a state directory of its own, so that journal and sandbox outlast one call.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn run(&self, arguments: &[&str]) -> String {
        let mut program = Command::new(env!("CARGO_BIN_EXE_truedy-mcp"));
        program.args(arguments).env("TRUEDY_MCP_STATE_DIR", self.0.path()).env("HOME", self.0.path());
        String::from_utf8(program.output().unwrap().stdout).unwrap()
    }

    /// Calls a tool on the sandbox. `settings` are flags of the program.
    fn call(&self, tool: &str, arguments: &[&str], settings: &[&str]) -> Value {
        let shown = self.run(&[&["call", tool][..], arguments, &["--sandbox"], settings].concat());
        serde_json::from_str(&shown).unwrap_or_else(|_| panic!("{tool} answered {shown}"))
    }

    /// Reserves a number, as the user agreed.
    fn reserve(&self, number: &str, settings: &[&str]) -> Value {
        self.call("sample_reserve", &[&format!("phone_number={number}"), "confirm=true"], settings)
    }

    /// The state of the operation of a number in the journal.
    fn state(&self, number: &str) -> Value {
        let object = format!("object={number}");
        let found = self.call("list_operations", &["tool=sample_reserve", &object], &[]);
        found["operations"][0]["state"].clone()
    }
}

#[test]
fn both_are_listed_and_described() {
    let home = Home::new();
    let listed = home.run(&["tools"]);
    for tool in ["sample_count", "sample_reserve"] {
        assert!(listed.contains(tool), "{listed}");
    }
    let whole: Value = serde_json::from_str(&home.run(&["tools", "--json"])).unwrap();
    let tools = whole["tools"].as_array().or(whole.as_array()).unwrap().clone();
    let hints = |name: &str| tools.iter().find(|tool| tool["name"] == name).unwrap()["annotations"].clone();
    assert_eq!(hints("sample_count")["readOnlyHint"], true);
    assert_eq!(hints("sample_reserve")["readOnlyHint"], false);
}

#[test]
fn the_generated_pages_name_both() {
    let [(_, tools), ..] = truedy_mcp::cli::reference_pages();
    assert!(tools.contains("`sample_count`") && tools.contains("`sample_reserve`"), "{tools}");
}

#[test]
fn the_read_is_answered_and_the_change_is_gated_and_recorded() {
    let home = Home::new();
    let before = home.call("sample_count", &[], &[])["numbers"].as_u64().unwrap();
    let preview = home.call("sample_reserve", &[&format!("phone_number={NUMBER}")], &[]);
    assert_eq!(preview["status"], "confirmation_required");
    assert_eq!(home.call("sample_count", &[], &[])["numbers"], before, "a preview changes nothing");
    assert_eq!(home.reserve(NUMBER, &[])["status"], "imported");
    assert_eq!(home.call("sample_count", &[], &[])["numbers"], before + 1);
    assert_eq!(home.state(NUMBER), "done");
    assert_eq!(home.reserve(OTHER, &["--read-only"])["status"], "policy_denied");
}

#[test]
fn the_change_is_counted_by_its_cap() {
    let home = Home::new();
    let cap = ["--imports-per-day", "1"];
    assert_eq!(home.reserve(NUMBER, &cap)["status"], "imported");
    let refused = home.reserve(OTHER, &cap);
    assert_eq!(
        (refused["status"].as_str(), refused["rule"].as_str()),
        (Some("policy_denied"), Some("imports_per_day"))
    );
    assert!(refused["summary"].as_str().unwrap().starts_with("Nothing was reserved."), "{refused}");
}

#[test]
fn a_lost_answer_is_found_in_the_account() {
    let home = Home::new();
    // The sandbox adds the number, but no answer arrives, not even one of the lists.
    let lost = home.reserve(NUMBER, &["--fault", "drop_connection=all"]);
    assert_ne!(lost["status"], "imported", "{lost}");
    assert_eq!(home.state(NUMBER), "done", "list_operations looked for it");
}
