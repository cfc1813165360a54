//! Who did what, who approved it, what it cost, and how to undo it.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::era::Era;
use crate::support::fake_truedy::{FRONT_DESK, FRONT_OFFICE, PURCHASE, Play, RELEASE, Reply, Upstream};
use crate::support::program::{home, program, run, server};
use crate::support::raw_client::{Called, Wire};

fn number(at: usize) -> String {
    format!("+1415555{at:04}")
}

fn offer(at: usize, currency: &str, monthly: &str, setup: Option<&str>) -> Value {
    let cost = json!({ "currency": currency, "monthly_cost": monthly, "upfront_cost": setup });
    json!({ "phone_number": number(at), "cost_information": cost })
}

fn buy(at: usize) -> Value {
    json!({ "phone_number": number(at), "confirm": true })
}

/// A server that keeps its journal here, in Berlin.
fn keeper(upstream: &Upstream, state: &Path) -> Command {
    let mut command = server(&upstream.base_url());
    command.args(["--purchases-per-day", "unlimited", "--releases-per-day", "unlimited"]);
    command.arg("--state-dir").arg(state).env("TZ", "Europe/Berlin");
    command
}

/// What the command prints about that journal.
fn operations(state: &Path, arguments: &[&str]) -> String {
    let mut command = program();
    command.arg("operations").args(arguments).arg("--state-dir").arg(state).env("TZ", "Europe/Berlin");
    let ran = run(command, "");
    assert_eq!(ran.code, Some(0), "{arguments:?}: {}", ran.stderr);
    ran.stdout
}

#[test]
fn one_call_tells_what_was_done_and_what_it_cost() {
    let (upstream, state) = (Upstream::start(), home());
    upstream.account(|account| {
        account.offers.extend([
            offer(1, "USD", "1.50000", Some("2.00000")),
            offer(2, "EUR", "0.70000", None),
            json!({ "phone_number": number(3) }),
        ]);
        account.agents[0]["name"] = json!("=Front, desk");
    });
    let client = json!({ "name": "bot\u{202e}\u{1b}[31m\n=cmd", "version": "9".repeat(100) });
    let mut wire = Wire::named(keeper(&upstream, &state), Era::Modern, client);
    for at in 1..=3 {
        assert_eq!(wire.call("purchase_number", buy(at)).status(), "purchased");
    }
    let assign = |agent: &str| json!({ "number_id": number(1), "agent_id": agent, "assignment_type": "inbound", "confirm": true });
    assert_eq!(wire.call("assign_number", assign(FRONT_DESK)).status(), "assigned");
    assert_eq!(wire.call("assign_number", assign(FRONT_OFFICE)).status(), "assigned");
    for at in 2..=3 {
        let release = json!({ "number_id": number(at), "confirm": true });
        assert_eq!(wire.call("release_number", release).status(), "released");
    }
    // What this server only showed is no change.
    assert_eq!(wire.call("purchase_number", json!({ "phone_number": number(9) })).status(), "confirmation_required");
    let told = wire.call("list_operations", json!({ "since": "today", "until": "today" }));
    let shown = told.object();
    assert_eq!(shown["time_zone"], "Europe/Berlin");
    assert_eq!(
        shown["totals"],
        json!({
            "purchases": 3, "releases": 2,
            "money": [
                { "currency": "EUR", "spent_once": "0.00", "added_monthly": "0.70", "removed_monthly": "0.70" },
                { "currency": "USD", "spent_once": "2.00", "added_monthly": "1.50" },
            ],
            "unknown_price": { "purchases": 1, "releases": 1 },
        }),
        "{shown}"
    );
    let rows = shown["operations"].as_array().unwrap();
    assert_eq!(rows.len(), 7, "{shown}");
    for row in rows {
        assert_eq!((&row["approved_by"], &row["principal"]), (&json!("flag"), &json!("local")), "{row}");
        let client = row["client"].as_str().unwrap();
        assert!(client.starts_with("bot [31m =cmd 999") && client.chars().count() < 100, "{client:?}");
        let begun = row["begun_at"].as_str().unwrap();
        assert!(begun.ends_with("+01:00") || begun.ends_with("+02:00"), "{begun}");
    }
    let [gone, also_gone, moved, assigned, unpriced, _, bought] = rows.as_slice() else { panic!("{shown}") };
    assert_eq!((&gone["price"], &also_gone["monthly"]), (&json!("unknown"), &json!("0.70")));
    assert_eq!((&moved["agent"], &moved["displaced"]), (&json!("Front office"), &json!("=Front, desk")));
    assert_eq!((&assigned["agent_id"], &assigned["displaced"]), (&json!(FRONT_DESK), &json!("none")));
    assert_eq!((&unpriced["price"], unpriced.get("monthly")), (&json!("unknown"), None));
    assert_eq!(
        (&bought["monthly"], &bought["setup"], &bought["currency"]),
        (&json!("1.50"), &json!("2.00"), &json!("USD"))
    );
    for row in [gone, bought] {
        assert!(row["undo"].as_str().unwrap().starts_with("no undo"), "{row}");
    }
    assert_eq!(assigned["undo"]["tool"], "unassign_number");
    // The undo of the later assignment carries no flag: by now, a third agent may have the direction.
    let undo = &moved["undo"];
    assert_eq!((&undo["tool"], &undo["arguments"]["agent_id"]), (&json!("assign_number"), &json!(FRONT_DESK)));
    let told = wire.call("assign_number", undo["arguments"].clone());
    assert_eq!(told.status(), "would_reassign", "{}", told.0);
    let undone = wire.call("assign_number", told.object()["next"]["arguments"].clone());
    assert_eq!((undone.status(), &undone.object()["agent_id"]), ("assigned", &json!(FRONT_DESK)));
    as_tables(&state);
}

/// The same, as an operator reads it.
fn as_tables(state: &Path) {
    let table = operations(state, &["--since", "today"]);
    let (header, rest) = table.split_once('\n').unwrap();
    assert!(header.starts_with("TIME (Europe/Berlin)") && header.contains("APPROVED BY"), "{table}");
    let cost = header.find("COST").unwrap();
    let lines: Vec<&str> = rest.lines().take_while(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), 8, "{table}");
    assert!(lines.iter().all(|line| line.as_bytes()[cost - 1] == b' '), "{table}");
    assert!(table.contains("1.50 USD a month + 2.00 once") && table.contains(" -0.70 EUR a month "), "{table}");
    let totals = "Bought 3 (+0.70 EUR a month, +1.50 USD a month, 2.00 USD once, 1 at an unknown price); released 2 (-0.70 EUR a month, 1 at an unknown price).";
    assert!(table.contains(totals), "{table}");
    assert!(!table.contains('\u{1b}') && !table.contains('\u{202e}'), "no colours where no terminal is: {table:?}");
    let csv = operations(state, &["--csv", "--only", "all"]);
    let lines: Vec<&str> = csv.split("\r\n").collect();
    // One row more than before: the undo that told who would lose the direction.
    assert_eq!(lines.len(), 12, "a header, ten rows and an end: {csv}");
    assert!(lines[0].starts_with("id,begun_at,") && lines[11].is_empty(), "{csv}");
    assert!(lines.iter().skip(1).all(|line| line.is_empty() || line.contains(",+1415555")), "{csv}");
    let json: Vec<Value> = serde_json::from_str(&operations(state, &["--json", "--until", "yesterday"])).unwrap();
    assert_eq!(json, Vec::<Value>::new());
}

#[test]
fn a_list_goes_on_where_it_ended() {
    let (upstream, state) = (Upstream::start(), home());
    let mut wire = Wire::open(keeper(&upstream, &state), Era::Modern);
    for at in 0..23 {
        assert_eq!(wire.call("purchase_number", buy(at)).status(), "purchased");
    }
    let first = wire.call("list_operations", json!({ "tool": "purchase_number", "since": "1h" }));
    let next = first.object()["next"].clone();
    assert_eq!((&next["tool"], &next["arguments"]["since"]), (&json!("list_operations"), &json!("1h")));
    let second = wire.call("list_operations", next["arguments"].clone());
    let numbers = |called: &Called| -> Vec<Value> {
        called.object()["operations"].as_array().unwrap().iter().map(|row| row["number"].clone()).collect()
    };
    let all: Vec<Value> = (0..23).rev().map(|at| json!(number(at))).collect();
    assert_eq!([numbers(&first), numbers(&second)].concat(), all);
    assert_eq!((first.object()["totals"]["purchases"].clone(), second.object().get("totals")), (json!(23), None));
    assert!(second.object().get("next").is_none());
    for (arguments, field) in [
        (json!({ "since": "today", "until": "yesterday" }), "until"),
        (json!({ "after": "9.1.1" }), "after"),
        (json!({ "since": "last week" }), "since"),
        (json!({ "only": "previews" }), "only"),
    ] {
        let refused = wire.call("list_operations", arguments.clone());
        assert_eq!(refused.status(), "invalid_argument", "{arguments}: {}", refused.0);
        assert!(refused.0.to_string().contains(&format!("\"field\":\"{field}\"")), "{arguments}: {}", refused.0);
    }
}

#[test]
fn a_call_that_the_client_sends_again_is_made_once() {
    for era in [Era::Legacy, Era::Modern] {
        let (upstream, state) = (Upstream::start(), home());
        upstream.account(|account| account.offers.push(offer(1, "USD", "1.00", None)));
        let id = upstream.account(|account| account.add(&number(50), true));
        let mut wire = Wire::open(keeper(&upstream, &state), era);
        let bought = wire.call_by_id("purchase_number", buy(1), "toolu_1");
        // Another process of the same client gets the same call.
        drop(wire);
        let mut wire = Wire::open(keeper(&upstream, &state), era);
        let again = wire.call_by_id("purchase_number", buy(1), "toolu_1");
        assert_eq!(
            (bought.status(), again.status(), again.is_error()),
            ("purchased", "purchased", false),
            "{}",
            again.0
        );
        for field in ["operation_id", "number", "monthly", "currency"] {
            assert_eq!(again.object()[field], bought.object()[field], "{field}: {}", again.0);
        }
        assert_eq!(upstream.count(PURCHASE), 1);
        // With other arguments, or another id, it is another call.
        assert_eq!(wire.call_by_id("purchase_number", buy(2), "toolu_1").status(), "purchased");
        assert_eq!(wire.call_by_id("purchase_number", buy(1), "toolu_2").status(), "already_owned");
        assert_eq!(upstream.count(PURCHASE), 2);
        // A preview is no operation: the same call is shown again.
        let look = json!({ "phone_number": number(3) });
        for _ in 0..2 {
            let shown = wire.call_by_id("purchase_number", look.clone(), "toolu_3");
            assert_eq!(shown.status(), "confirmation_required");
        }
        // What Truedy refused is told again, and not sent again.
        let refusal = json!({ "error": { "code": "conflict", "message": "It is in use" } });
        upstream.always(RELEASE, Play::Answer(Reply::json(409, &refusal)));
        let release = json!({ "number_id": id, "confirm": true });
        let first = wire.call_by_id("release_number", release.clone(), "toolu_4");
        let sent = upstream.count(RELEASE);
        let second = wire.call_by_id("release_number", release, "toolu_4");
        assert_eq!((first.status(), upstream.count(RELEASE)), (second.status(), sent), "{}", second.0);
        assert_eq!(first.object()["operation_id"], second.object()["operation_id"]);
    }
}

#[test]
fn no_name_of_a_client_runs_in_a_spreadsheet_or_moves_a_terminal() {
    let names = [
        "=1+1",
        "+cmd|' /C calc'!A0",
        "-2+3",
        "@SUM(1)",
        "\t=1",
        "\u{ff1d}1",
        ";=1",
        "\u{202e}=1",
        "\u{1b}]0;title\u{7}\u{1b}[31m=1",
        "\u{2066}\u{200b}=1\u{2069}",
        "a\r\n=1",
        "\"=1",
    ];
    let (upstream, state) = (Upstream::start(), home());
    for (at, name) in names.into_iter().enumerate() {
        let mut wire = Wire::named(keeper(&upstream, &state), Era::Modern, json!({ "name": name, "version": "1" }));
        assert_eq!(wire.call("purchase_number", buy(at)).status(), "purchased", "{name:?}");
    }
    let mut wire = Wire::open(keeper(&upstream, &state), Era::Modern);
    let told = wire.call("list_operations", json!({}));
    let csv = operations(&state, &["--csv"]);
    let table = operations(&state, &[]);
    // What sets colours, titles or the direction of writing, or cannot be seen, is in none of them.
    let unseen = |c: char| {
        c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    for row in told.object()["operations"].as_array().unwrap() {
        let client = row["client"].as_str().unwrap();
        assert!(!client.contains(unseen) && client.ends_with(" 1"), "{client:?}");
    }
    assert!(!table.replace('\n', "").contains(unseen), "{table:?}");
    assert!(!csv.replace("\r\n", "").contains(unseen), "{csv:?}");
    let lines: Vec<&str> = csv.trim_end().split("\r\n").collect();
    assert_eq!(lines.len(), names.len() + 1, "one line an operation: {csv}");
    for line in lines {
        let number = |cell: &str| cell[1..].bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        for cell in line.split([',', ';']).map(|cell| cell.trim_start_matches(['"', ' '])) {
            let begins = cell.starts_with(['=', '+', '-', '@', '\u{ff1d}']);
            assert!(!begins || number(cell), "{cell:?} of {line}");
        }
    }
}

#[test]
fn the_numbers_are_a_table_that_no_spreadsheet_runs() {
    let (upstream, state) = (Upstream::start(), home());
    upstream.account(|account| {
        account.agents[0]["name"] = json!("=HYPERLINK(\"http://evil.example\")");
        for at in 0..130 {
            account.add(&number(at), at % 2 == 0);
        }
        account.numbers[0]["inbound_agent_id"] = json!(FRONT_DESK);
    });
    let numbers = |arguments: &[&str]| {
        let mut command = program();
        command.arg("numbers").args(arguments).arg("--state-dir").arg(&state);
        command.env("TRUEDY_BASE_URL", upstream.base_url()).env("TRUEDY_API_KEY", crate::support::program::KEY);
        let ran = run(command, "");
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        ran.stdout
    };
    let csv = numbers(&["--csv"]);
    assert_eq!(csv.split("\r\n").count(), 132, "{csv}");
    assert!(csv.starts_with("number,id,status,kind,inbound,outbound\r\n+14155550000,"), "{csv}");
    assert!(csv.contains("\"'=HYPERLINK(\"\"http://evil.example\"\")\""), "{csv}");
    let json: Vec<Value> = serde_json::from_str(&numbers(&["--json"])).unwrap();
    assert_eq!((json.len(), &json[129]["number"]), (130, &json!(number(129))));
    let table = numbers(&[]);
    assert!(table.starts_with("NUMBER") && table.ends_with("\n130 numbers.\n"), "{table}");
    assert!(table.contains("+1 415 555 0129"), "{table}");
    let mut wire = Wire::open(keeper(&upstream, &state), Era::Modern);
    let read = wire.ask("resources/read", json!({ "uri": "truedy://numbers.csv" }));
    let contents = &read["result"]["contents"][0];
    assert_eq!((&contents["mimeType"], contents["text"].as_str()), (&json!("text/csv"), Some(csv.as_str())), "{read}");
}

#[test]
fn a_number_without_its_plus_is_not_quietly_taken_for_one_that_nothing_was_done_with() {
    let (upstream, state) = (Upstream::start(), home());
    let mut wire = Wire::open(keeper(&upstream, &state), Era::Modern);
    assert_eq!(wire.call("purchase_number", buy(1)).status(), "purchased");
    let bare = number(1).replace('+', "");
    for (object, rows, warned) in [(number(1), 1, false), (number(2), 0, false), (bare.clone(), 0, true)] {
        let told = wire.call("list_operations", json!({ "object": object }));
        assert_eq!(told.object()["operations"].as_array().map(Vec::len), Some(rows), "{}", told.0);
        let warnings = told.object()["warnings"].to_string();
        assert_eq!(warnings.contains("E.164"), warned, "{object}: {warnings}");
    }
    let mut command = program();
    command.args(["operations", "--object", &bare, "--state-dir"]).arg(&state);
    let ran = run(command, "");
    assert!(ran.stderr.contains("E.164") && ran.stdout.contains("No operations."), "{} {}", ran.stdout, ran.stderr);
}
