//! A journal that cannot be used: nothing is changed without it, and reading goes on.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::{Value, json};

use super::scene::{NUMBER, OTHER, buy, leave, open, read};
use crate::support::expected;
use crate::support::fake_truedy::{FRONT_DESK, Upstream};
use crate::support::program::{at_once, program, run};

const FILE: &str = "journal.sqlite";

/// Every tool that changes something, with what it takes; `id` is a number nobody uses.
fn changes(id: &str) -> [(&'static str, Value); 5] {
    let slot = json!({ "number_id": id, "agent_id": FRONT_DESK, "assignment_type": "inbound" });
    let used = json!({ "number_id": OTHER, "assignment_type": "inbound" });
    let import = json!({ "phone_number": NUMBER, "provider_type": "telnyx", "api_key": "KEY0123456789" });
    [
        ("purchase_number", buy(NUMBER)),
        ("import_number", import),
        ("release_number", json!({ "number_id": id, "confirm": true })),
        ("assign_number", slot),
        ("unassign_number", used),
    ]
}

fn upstream() -> (Upstream, String) {
    let upstream = Upstream::start();
    let id = upstream.account(|account| {
        let used = account.add(OTHER, true);
        let row = account.numbers.iter_mut().find(|row| row["id"] == json!(used)).unwrap();
        row["inbound_agent_id"] = json!(FRONT_DESK);
        account.add("+14155550170", true)
    });
    (upstream, id)
}

/// With the journal in this state every change is refused and nothing is sent; the list is read.
fn refuses(state: &Path) {
    let (upstream, id) = upstream();
    expected::assert_covers(&expected::changing(), changes(&id).iter().map(|(tool, _)| *tool));
    at_once(changes(&id), |(tool, arguments)| {
        let mut wire = open(&upstream, state, &[]);
        let called = wire.call(tool, arguments);
        assert_eq!(called.status(), "journal_unavailable", "{tool}: {}", called.0);
        assert!(called.is_error() && called.summary().contains("doctor"), "{tool}: {}", called.0);
        let listed = wire.call("list_numbers", json!({}));
        assert_eq!((listed.status(), &listed.object()["total"]), ("ok", &json!(2)), "{tool}: {}", listed.0);
        assert_eq!(wire.call("list_operations", json!({})).status(), "journal_unavailable");
    });
    assert_eq!(upstream.changes(), 0);
}

/// A directory in which a journal has been kept.
fn used() -> tempfile::TempDir {
    let (upstream, home) = (Upstream::start(), tempfile::tempdir().unwrap());
    let mut wire = open(&upstream, home.path(), &[]);
    assert_eq!(wire.call("purchase_number", buy(NUMBER)).status(), "purchased");
    leave(wire);
    home
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn without_a_place_to_write_nothing_is_changed() {
    let home = tempfile::tempdir().unwrap();
    mode(home.path(), 0o500);
    refuses(home.path());
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    mode(home.path(), 0o700);
}

#[test]
fn a_place_that_became_read_only_is_not_written_to() {
    let home = used();
    mode(home.path(), 0o500);
    refuses(home.path());
    mode(home.path(), 0o700);
}

#[test]
fn a_place_others_can_write_to_is_not_trusted() {
    let home = used();
    mode(home.path(), 0o777);
    refuses(home.path());
    mode(home.path(), 0o700);
}

#[test]
fn a_link_in_place_of_the_journal_is_not_followed() {
    let (home, elsewhere) = (tempfile::tempdir().unwrap(), used());
    let target = elsewhere.path().join(FILE);
    let before = fs::read(&target).unwrap();
    symlink(&target, home.path().join(FILE)).unwrap();
    refuses(home.path());
    assert_eq!(fs::read(&target).unwrap(), before);
}

#[test]
fn a_directory_in_place_of_the_journal_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join(FILE)).unwrap();
    refuses(home.path());
    assert!(home.path().join(FILE).is_dir());
}

#[test]
fn a_file_that_is_no_journal_is_left_alone() {
    for content in [b"not a database, by any means, and long enough to be one".repeat(40), vec![0xff; 8192]] {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join(FILE);
        fs::write(&file, &content).unwrap();
        refuses(home.path());
        assert!(fs::read(&file).unwrap() == content, "it was written to");
    }
}

#[test]
fn a_damaged_journal_is_left_alone() {
    let home = used();
    let file = home.path().join(FILE);
    // What was written last is brought into the file itself.
    Connection::open(&file).unwrap().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let mut bytes = fs::read(&file).unwrap();
    // The first page stays: it opens, and what it holds is nonsense.
    assert!(bytes.len() > 8192, "{}", bytes.len());
    bytes[4096..].fill(0xa5);
    fs::write(&file, &bytes).unwrap();
    refuses(home.path());
}

#[test]
fn a_journal_of_a_newer_program_is_left_alone() {
    let home = used();
    let connection = Connection::open(home.path().join(FILE)).unwrap();
    connection.execute("UPDATE journal_version SET version = 99", []).unwrap();
    drop(connection);
    refuses(home.path());
    // Its place is all right: nobody is told to mend it.
    let (upstream, _) = upstream();
    let mut doctor = program();
    doctor.args(["doctor", "--state-dir"]).arg(home.path());
    doctor.env("TRUEDY_BASE_URL", upstream.base_url()).env("TRUEDY_API_KEY", "truedy_WireTestKey000000000000000000000");
    let said = run(doctor, "").stdout;
    assert!(said.contains("Install that version or a newer one") && !said.contains("Make the directory"), "{said}");
}

#[test]
fn a_journal_that_another_program_holds_is_waited_for_and_then_nothing_is_changed() {
    let home = used();
    let holder = Connection::open(home.path().join(FILE)).unwrap();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    refuses(home.path());
    // When it is let go of, everything works again.
    let (upstream, _) = upstream();
    let mut wire = open(&upstream, home.path(), &[]);
    let asked = wire.send_call("purchase_number", buy("+14155550171"));
    holder.execute_batch("ROLLBACK").unwrap();
    assert_eq!(wire.called(asked).status(), "purchased");
    assert_eq!(read(super::scene::operations(home.path(), &["--json"])).len(), 2);
}

/// Twelve changes at once in one server, while another program holds the journal. Told with the slow stories.
pub(super) fn many_changes_on_a_locked_journal() {
    let (home, (upstream, _)) = (used(), upstream());
    let holder = Connection::open(home.path().join(FILE)).unwrap();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut wire = open(&upstream, home.path(), &[]);
    let asked: Vec<u64> =
        (0..12).map(|nth| wire.send_call("purchase_number", buy(&format!("+1415555{nth:04}")))).collect();
    let since = Instant::now();
    for id in asked {
        let called = wire.called(id);
        assert!(since.elapsed() < Duration::from_secs(26), "answered after {:?}", since.elapsed());
        assert_eq!(called.status(), "journal_unavailable", "{}", called.0);
    }
    assert_eq!(upstream.changes(), 0);
}

#[test]
fn a_journal_that_is_taken_away_is_noticed() {
    let home = used();
    let (upstream, _) = upstream();
    let mut wire = open(&upstream, home.path(), &[]);
    assert_eq!(wire.call("purchase_number", buy("+14155550171")).status(), "purchased");
    for file in fs::read_dir(home.path()).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    // None is begun in silence, with limits that are free again: that takes a start.
    assert_eq!(wire.call("purchase_number", buy("+14155550172")).status(), "journal_unavailable");
    assert_eq!((upstream.changes(), fs::read_dir(home.path()).unwrap().count()), (1, 0));
    drop(wire);
    let mut wire = open(&upstream, home.path(), &[]);
    assert_eq!(wire.call("purchase_number", buy("+14155550172")).status(), "purchased");
    assert_eq!(super::scene::only(home.path())["number"], json!("+14155550172"));
}
