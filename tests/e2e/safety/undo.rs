//! `truedy-mcp undo`: what was displaced comes back, from another process and days later, and never over somebody else's change.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::era::Era;
use crate::support::fake_truedy::{ASSIGN, FRONT_DESK, FRONT_OFFICE, UNASSIGN, Upstream};
use crate::support::program::{KEY, Ran, program, run, server};
use crate::support::raw_client::Wire;
use crate::support::terminal::run_at_terminal;

const NUMBER: &str = "+14155550170";
const PROMPT: &str = "Undo it? [y/N]";

/// An account with one number, which this agent answers, and a journal.
struct Scene {
    upstream: Upstream,
    home: TempDir,
}

impl Scene {
    fn with(holder: Option<&str>) -> Self {
        let upstream = Upstream::start();
        upstream.account(|account| account.add(NUMBER, true));
        let scene = Self { upstream, home: tempfile::tempdir().unwrap() };
        scene.give(holder);
        scene
    }

    /// Somebody else gives the number to an agent, or takes it away.
    fn give(&self, holder: Option<&str>) {
        self.upstream.account(|account| account.numbers[0]["inbound_agent_id"] = json!(holder));
    }

    fn holder(&self) -> Value {
        self.upstream.account(|account| account.numbers[0]["inbound_agent_id"].clone())
    }

    /// Calls a tool in a process of its own; the id of the operation.
    fn call(&self, tool: &str, arguments: Value) -> String {
        let mut command = server(&self.upstream.base_url());
        command.arg("--state-dir").arg(self.home.path());
        let called = Wire::open(command, Era::Modern).call(tool, arguments);
        let id = called.object()["operation_id"].as_str();
        id.unwrap_or_else(|| panic!("{}", called.0)).to_owned()
    }

    fn assign(&self, agent: &str) -> String {
        let slot = json!({ "number_id": NUMBER, "agent_id": agent, "assignment_type": "inbound", "confirm": true });
        self.call("assign_number", slot)
    }

    fn unassign(&self) -> String {
        self.call("unassign_number", json!({ "number_id": NUMBER, "assignment_type": "inbound" }))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program();
        command.args(arguments).arg("--state-dir").arg(self.home.path());
        command.env("TRUEDY_BASE_URL", self.upstream.base_url()).env("TRUEDY_API_KEY", KEY);
        command
    }

    fn undo(&self, id: &str, flags: &[&str]) -> Ran {
        run(self.command(&[&["undo", id], flags].concat()), "")
    }

    /// Undoes an operation that can be undone.
    fn undoes(&self, id: &str) -> Value {
        let ran = self.undo(id, &["--yes"]);
        assert_eq!(ran.code, Some(0), "{} {}", ran.stdout, ran.stderr);
        serde_json::from_str(&ran.stdout).unwrap()
    }

    /// Asks for an undo that shows something else and changes nothing, with a yes and without.
    fn keeps(&self, id: &str, status: &str, says: &str) {
        let changes = self.upstream.changes();
        for flags in [&["--yes"][..], &[]] {
            let ran = self.undo(id, flags);
            assert_eq!(ran.code, Some(1), "{flags:?}: {} {}", ran.stdout, ran.stderr);
            let told: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr));
            assert_eq!(told["status"], status, "{flags:?}: {told}");
            assert!(told.to_string().contains(says), "{flags:?}: {told}");
        }
        assert_eq!(self.upstream.changes(), changes);
    }

    fn journal(&self) -> Connection {
        Connection::open(self.home.path().join("journal.sqlite")).unwrap()
    }

    /// Which operation another one undid, as the journal has it.
    fn undo_of(&self, id: &Value) -> Option<String> {
        let sql = "SELECT undo_of FROM operations WHERE id = ?1";
        self.journal().query_row(sql, [id.as_str().unwrap()], |row| row.get(0)).unwrap()
    }

    /// Lets a week pass for all that is kept.
    fn wait_a_week(&self) {
        let columns = ["begun_at", "sent_at", "ended_at", "begun_up", "ended_up"];
        let set: Vec<String> = columns.iter().map(|column| format!("{column} = {column} - 604800000")).collect();
        self.journal().execute(&format!("UPDATE operations SET {}", set.join(", ")), []).unwrap();
    }
}

#[test]
fn what_an_assignment_displaced_comes_back_a_week_later_from_another_process() {
    let scene = Scene::with(Some(FRONT_OFFICE));
    let moved = scene.assign(FRONT_DESK);
    assert_eq!(scene.holder(), json!(FRONT_DESK));
    scene.wait_a_week();
    let done = scene.undoes(&moved.to_ascii_uppercase());
    assert_eq!((&done["status"], scene.holder()), (&json!("assigned"), json!(FRONT_OFFICE)), "{done}");
    assert_eq!(scene.undo_of(&done["operation_id"]), Some(moved.clone()));
    // What was put back is not put back again. The undo is an operation, so it has an undo of its own.
    let changes = scene.upstream.changes();
    assert_eq!((&scene.undoes(&moved)["status"], scene.upstream.changes()), (&json!("already_assigned"), changes));
    scene.undoes(done["operation_id"].as_str().unwrap());
    assert_eq!(scene.holder(), json!(FRONT_DESK));
}

#[test]
fn an_assignment_of_a_free_direction_is_taken_away_and_an_unassignment_put_back() {
    let scene = Scene::with(None);
    let given = scene.assign(FRONT_DESK);
    let taken = scene.undoes(&given);
    assert_eq!((&taken["status"], scene.holder()), (&json!("unassigned"), Value::Null), "{taken}");
    let back = scene.undoes(taken["operation_id"].as_str().unwrap());
    assert_eq!((&back["status"], scene.holder()), (&json!("assigned"), json!(FRONT_DESK)), "{back}");
    let taken = scene.unassign();
    scene.wait_a_week();
    scene.undoes(&taken);
    assert_eq!(
        (scene.holder(), scene.upstream.count(ASSIGN), scene.upstream.count(UNASSIGN)),
        (json!(FRONT_DESK), 3, 2)
    );
}

#[test]
fn a_world_that_has_changed_is_shown_and_nothing_is_sent() {
    // Another holder, nobody, the number gone, the number another one, the agent gone.
    let scene = Scene::with(Some(FRONT_OFFICE));
    let moved = scene.assign(FRONT_DESK);
    scene.give(None);
    scene.keeps(&moved, "state_changed", "\"now\":\"no agent\"");
    let third = "77777777-1540-4d91-9696-7f34b2f2cb77";
    let agent = json!({ "id": third, "name": "Third", "status": "active" });
    scene.upstream.account(|account| account.agents.push(agent));
    scene.give(Some(third));
    scene.keeps(&moved, "state_changed", third);
    let taken = scene.unassign();
    scene.give(Some(FRONT_OFFICE));
    scene.keeps(&taken, "state_changed", FRONT_OFFICE);
    assert_eq!(scene.holder(), json!(FRONT_OFFICE));
    scene.give(Some(FRONT_DESK));
    scene.upstream.account(|account| account.agents.retain(|agent| agent["id"] != json!(FRONT_OFFICE)));
    scene.keeps(&moved, "state_changed", "no longer in the account");
    scene.upstream.account(|account| {
        account.numbers.clear();
        account.add(NUMBER, true);
    });
    scene.give(Some(FRONT_DESK));
    let agent = json!({ "id": FRONT_OFFICE, "name": "Front office", "status": "active" });
    scene.upstream.account(|account| account.agents.push(agent));
    scene.keeps(&moved, "state_changed", "given up and added again");
    scene.upstream.account(|account| account.numbers.clear());
    scene.keeps(&moved, "not_found", "No number of this account");
}

#[test]
fn a_person_is_shown_what_comes_back_and_asked() {
    let scene = Scene::with(Some(FRONT_OFFICE));
    let moved = scene.assign(FRONT_DESK);
    let changes = scene.upstream.changes();
    for no in ["\n", "n\n", "no\n", "yess\n", "\u{4}"] {
        let ran = run_at_terminal(scene.command(&["undo", &moved]), PROMPT, no);
        assert_eq!(ran.code, Some(1), "{no:?}: {}", ran.stderr);
        for said in [FRONT_OFFICE, "assign_number", "+1 415 555 0170", "nothing was changed"] {
            assert!(ran.stderr.contains(said), "{no:?}, {said}: {}", ran.stderr);
        }
    }
    // Without a terminal nobody says yes.
    let piped = run(scene.command(&["undo", &moved]), "y\n");
    assert_eq!((piped.code, scene.upstream.changes()), (Some(1), changes), "{}", piped.stderr);
    assert!(piped.stderr.contains("--yes was not given"), "{}", piped.stderr);
    let ran = run_at_terminal(scene.command(&["undo", &moved]), PROMPT, "y\n");
    assert_eq!((ran.code, scene.holder()), (Some(0), json!(FRONT_OFFICE)), "{}", ran.stderr);
}

/// At a terminal a person reads facts; a pipe and `--json` give JSON.
#[test]
fn a_terminal_shows_a_card_and_a_pipe_json() {
    let scene = Scene::with(Some(FRONT_OFFICE));
    let moved = scene.assign(FRONT_DESK);
    let at_terminal = |flags: &[&str], typed: &str| {
        let mut command = scene.command(&[&["undo", &moved], flags].concat());
        command.env("NO_COLOR", "1").env("TERM", "xterm");
        let ran = run_at_terminal(command, PROMPT, typed);
        (ran.code, ran.stderr.replace('\r', ""))
    };
    let (code, shown) = at_terminal(&[], "n\n");
    assert_eq!(code, Some(1), "{shown}");
    assert!(!shown.contains('{') && !shown.contains("confirmation_required"), "{shown}");
    let (before, _) = shown.split_once(PROMPT).unwrap();
    for said in [
        "to undo it: assign_number agent_id=",
        "Nothing was changed. This is a preview",
        "  number ",
        "+1 415 555 0170",
    ] {
        assert!(before.contains(said), "{said}: {shown}");
    }
    let (code, shown) = at_terminal(&["--json"], "n\n");
    assert!(code == Some(1) && shown.contains("to undo it: assign_number {\""), "{shown}");
    assert!(!shown.contains("  number "), "{shown}");
    let (code, shown) = at_terminal(&[], "y\n");
    let (_, result) = shown.split_once(PROMPT).unwrap();
    assert_eq!((code, scene.holder()), (Some(0), json!(FRONT_OFFICE)), "{shown}");
    assert!(result.contains("  number ") && !result.contains('{'), "{shown}");
    let (code, shown) = at_terminal(&["--yes", "--json"], "");
    let body = &shown[shown.find("{\n").unwrap_or_else(|| panic!("{shown}"))..];
    let body: Value = serde_json::from_str(body).unwrap_or_else(|why| panic!("{why}: {shown}"));
    assert_eq!((code, &body["status"]), (Some(0), &json!("already_assigned")));
}

#[test]
fn it_goes_through_policy_gate_and_freeze_as_any_change() {
    let scene = Scene::with(Some(FRONT_OFFICE));
    let moved = scene.assign(FRONT_DESK);
    let denied = scene.undo(&moved, &["--yes", "--read-only"]);
    assert_eq!(denied.code, Some(5), "{} {}", denied.stdout, denied.stderr);
    let denied = scene.undo(&moved, &["--yes", "--exclude-tools", "assign_number"]);
    assert_eq!(denied.code, Some(5), "{} {}", denied.stdout, denied.stderr);
    let frozen = run(scene.command(&["freeze", "--why", "look"]), "");
    assert_eq!(frozen.code, Some(0), "{}", frozen.stderr);
    assert_eq!(scene.undo(&moved, &["--yes"]).code, Some(5));
    let shown = scene.undo(&moved, &[]);
    assert!(shown.stdout.contains("frozen all changes"), "{} {}", shown.stdout, shown.stderr);
    assert_eq!(scene.holder(), json!(FRONT_DESK));
}

#[test]
fn what_has_no_undo_says_what_the_opposite_would_lose() {
    let scene = Scene::with(None);
    let bought = scene.call("purchase_number", json!({ "phone_number": "+14155550160", "confirm": true }));
    let import = json!({ "phone_number": "+14155550161", "provider_type": "telnyx", "api_key": "KEY0123456789" });
    let imported = scene.call("import_number", import);
    let released = scene.call("release_number", json!({ "number_id": NUMBER, "confirm": true }));
    let changes = scene.upstream.changes();
    for (id, says) in [
        (&bought, "release_number gives it up for good, nothing is paid back"),
        (&imported, "release_number takes it out of Truedy"),
        (&released, "no undo"),
    ] {
        let ran = scene.undo(id, &["--yes"]);
        assert_eq!(ran.code, Some(1), "{} {}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains(says) && ran.stderr.contains("Nothing was changed."), "{}", ran.stderr);
    }
    assert_eq!(scene.upstream.changes(), changes);
}

#[test]
fn what_another_tenant_did_or_nobody_is_not_found() {
    let scene = Scene::with(Some(FRONT_OFFICE));
    let moved = scene.assign(FRONT_DESK);
    let changes = scene.upstream.changes();
    // A colleague's operation is the tenant's.
    scene.journal().execute("UPDATE operations SET principal = 'ben'", []).unwrap();
    let shown = scene.undo(&moved, &[]);
    assert!(shown.stdout.contains("confirmation_required"), "{} {}", shown.stdout, shown.stderr);
    scene.journal().execute("UPDATE operations SET tenant = 'other'", []).unwrap();
    for id in [moved.as_str(), "0199d0ab-7c1e-7d4b-9a55-2f0e6b1c8d90", "' OR 1=1 --", ""] {
        let ran = scene.undo(id, &["--yes"]);
        assert_eq!(ran.code, Some(1), "{id:?}: {}", ran.stdout);
        assert!(ran.stderr.contains("there is no operation"), "{id:?}: {}", ran.stderr);
    }
    assert_eq!((scene.upstream.changes(), scene.holder()), (changes, json!(FRONT_DESK)));
}

/// Two tenants that share a journal, and what else stands in the section of the first.
fn tenants(scene: &Scene, more: &str) -> String {
    let file = scene.home.path().join("tenants.toml");
    let text =
        format!("[tenants.acme]\napi_key_env = \"ACME_KEY\"\n{more}\n[tenants.beta]\napi_key_env = \"BETA_KEY\"\n");
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn what_a_tenant_did_is_undone_in_its_name_with_its_key_and_under_its_policy() {
    let scene = Scene::with(Some(FRONT_OFFICE));
    let moved = scene.assign(FRONT_DESK);
    scene.journal().execute("UPDATE operations SET tenant = 'acme', principal = 'ben'", []).unwrap();
    let undo = |config: &str, flags: &[&str]| {
        let mut command = scene.command(&[&["undo", &moved, "--config", config], flags].concat());
        // Only the key of its own section opens the account of this tenant.
        command.env("TRUEDY_API_KEY", "truedy_TheKeyForAllOpensNothing000000000000").env("ACME_KEY", KEY);
        command.env("BETA_KEY", "truedy_TheKeyOfBetaOpensNothing000000000000");
        run(command, "")
    };
    let (narrow, open) = ("read_only = true", "");
    let changes = scene.upstream.changes();
    for (more, flags, code, says) in [
        (open, &["--yes"][..], 2, "several tenants: name the one"),
        (open, &["--yes", "--tenant", "acmee"], 2, "Did you mean acme?"),
        (open, &["--yes", "--tenant", "default"], 2, "There are: acme, beta."),
        (open, &["--yes", "--tenant", "beta"], 1, "there is no operation"),
        (narrow, &["--yes", "--tenant", "acme"], 5, "not allowed here"),
        (open, &["--tenant", "acme"], 1, "the account is as this operation left it"),
    ] {
        let ran = undo(&tenants(&scene, more), flags);
        let (out, said) = (&ran.stdout, &ran.stderr);
        assert_eq!(ran.code, Some(code), "{flags:?}: {out} {said}");
        let shows = says.starts_with("the account") && out.contains("can be put back");
        assert!(said.contains(says) || shows, "{flags:?}: {out} {said}");
    }
    let frozen = run(scene.command(&["freeze", "--why", "look", "--tenant", "acme"]), "");
    assert_eq!(frozen.code, Some(0), "{}", frozen.stderr);
    assert_eq!(undo(&tenants(&scene, open), &["--yes", "--tenant", "acme"]).code, Some(5));
    assert_eq!((scene.upstream.changes(), scene.holder()), (changes, json!(FRONT_DESK)));
    scene.journal().execute("DELETE FROM freezes", []).unwrap();
    let ran = undo(&tenants(&scene, open), &["--yes", "--tenant", "acme"]);
    assert_eq!((ran.code, scene.holder()), (Some(0), json!(FRONT_OFFICE)), "{} {}", ran.stdout, ran.stderr);
    let row = "SELECT tenant || '/' || principal FROM operations WHERE undo_of = ?1 AND state = 'done'";
    let whose: String = scene.journal().query_row(row, [&moved], |row| row.get(0)).unwrap();
    assert_eq!(whose, "acme/local");
}
