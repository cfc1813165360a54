//! Twelve things that the owner of an account asks for, each as the calls that a sensible model makes for it.
//!
//! Each has a budget of calls and of bytes: arguments and structured results. The model makes the call in `next` where an
//! answer has one, and the call in `undo` where something is to be undone.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::budgets::Talk;
use crate::support::era::{Era, in_both_eras};
use crate::support::mcp_client::{Agent, Listed, Setup};
use crate::support::people::Human;

const AUSTIN: &str = "+15125550131";
const BOSTON: &str = "+16175550155";
const MIAMI: &str = "+13055550164";
const NEW_YORK: &str = "+12125550142";
const MANCHESTER: &str = "+441614960231";
/// What was bought the day before, and is used by nobody.
const BOUGHT: &str = "+17735550101";
const FRONT_OFFICE: &str = "3a9c5d20-8b1e-4f6a-9c47-51d0e2a6b318";

/// No task may need more calls.
const MOST_CALLS: usize = 4;
/// The median of all tasks may be no higher.
const MEDIAN_CALLS: usize = 3;

/// How many calls each task needs, and how many bytes it may cost at most.
const BUDGETS: [(&str, usize, usize); 12] = [
    ("Chicago under 2 USD for Front desk", 4, 3000),
    ("unused, and what they cost", 1, 1000),
    ("move Boston from Front office to Sales", 3, 2800),
    ("the three oldest unused", 1, 600),
    ("what was done yesterday, and spent", 1, 1700),
    ("undo that", 3, 3100),
    ("why can Reminders not call out", 1, 1000),
    ("who approved this", 1, 900),
    ("a table of numbers with agents", 1, 1700),
    ("which numbers are imported", 1, 400),
    ("both directions to one agent", 2, 1200),
    ("what is left of today's limits", 1, 1000),
];

/// Goes through a task and holds it to its budget.
async fn costs(name: &str, agent: Agent, task: impl AsyncFn(&mut Talk)) {
    let (_, calls, bytes) = BUDGETS.iter().find(|(known, ..)| *known == name).expect("a task of the list");
    let mut talk = Talk::of(agent, false);
    task(&mut talk).await;
    assert_eq!(talk.calls, *calls, "calls of {name}:\n{}", talk.told);
    assert!(talk.bytes <= *bytes, "{name} costs {} bytes, and {bytes} are allowed:\n{}", talk.bytes, talk.told);
    // Names of zones and the fractions of times differ a little from run to run.
    assert!(talk.bytes + 200 > *bytes, "{name} costs only {} bytes of {bytes}: lower the budget", talk.bytes);
}

#[test]
fn no_task_needs_more_than_four_calls_and_half_of_them_at_most_three() {
    let mut calls = BUDGETS.map(|(_, calls, _)| calls);
    calls.sort_unstable();
    assert!(calls.iter().all(|calls| *calls <= MOST_CALLS), "{calls:?}");
    assert!(calls[BUDGETS.len() / 2] <= MEDIAN_CALLS, "{calls:?}");
}

/// A zone in which it is noon now, so that no day ends while a test runs.
fn zone_at_noon() -> String {
    let hour = Timestamp::now().as_second() / 3600 % 24;
    match hour - 12 {
        0 => "Etc/GMT".to_owned(),
        // The names of these zones count west of Greenwich.
        ahead => format!("Etc/GMT{ahead:+}"),
    }
}

/// An account on which a bot worked yesterday: it bought a number, for which its user said yes, and moved another one.
async fn after_a_day(era: Era, home: &Path) -> Setup {
    let bot = Agent::with(Human::Agrees).in_era(era).kept_in(home).start().await;
    let bought = bot.call("purchase_number", json!({ "phone_number": BOUGHT })).await.unwrap();
    assert_eq!(bought["status"], "purchased");
    let moved =
        json!({ "number_id": NEW_YORK, "agent_id": "Front desk", "assignment_type": "outbound", "confirm": true });
    assert_eq!(bot.call("assign_number", moved).await.unwrap()["displaced"], "Front office");
    bot.leave().await;
    let journal = Connection::open(home.join("sandbox-journal").join("journal.sqlite")).unwrap();
    let day = 25 * 60 * 60 * 1000;
    let columns = ["begun_at", "sent_at", "ended_at", "begun_up", "ended_up"];
    let set: Vec<String> = columns.iter().map(|column| format!("{column} = {column} - {day}")).collect();
    assert_eq!(journal.execute(&format!("UPDATE operations SET {}", set.join(", ")), []).unwrap(), 2);
    Agent::alone(era).kept_in(home).in_zone(&zone_at_noon())
}

in_both_eras!(a_chicago_number_under_two_dollars_for_front_desk);
async fn a_chicago_number_under_two_dollars_for_front_desk(era: Era) {
    costs("Chicago under 2 USD for Front desk", Agent::alone(era).start().await, async |talk| {
        let wish = json!({ "locality": "Chicago", "max_monthly_cost": "2 USD", "page_size": 3 });
        let offers = talk.done("search_numbers", wish).await;
        let number = offers["offers"][0]["number"].as_str().unwrap();
        let preview = talk.refused("purchase_number", json!({ "phone_number": number }), "confirmation_required").await;
        assert_eq!((&preview.body["monthly"], &preview.body["currency"]), (&json!("1.00"), &json!("USD")));
        let bought = talk.done("purchase_number", preview.body["next"]["arguments"].clone()).await;
        assert_eq!((&bought["status"], &bought["monthly"]), (&json!("purchased"), &json!("1.00")));
        let wish = json!({ "number_id": number, "agent_id": "Front desk", "assignment_type": "both" });
        let assigned = talk.done("assign_number", wish).await;
        assert_eq!((&assigned["status"], &assigned["agent"]), (&json!("assigned"), &json!("Front desk")));
        assert!(number.starts_with("+1312"));
    })
    .await;
}

in_both_eras!(which_are_unused_and_what_do_they_cost);
async fn which_are_unused_and_what_do_they_cost(era: Era) {
    let home = tempfile::tempdir().unwrap();
    let agent = after_a_day(era, home.path()).await.start().await;
    costs("unused, and what they cost", agent, async |talk| {
        let told = talk.done("list_numbers", json!({ "unassigned": true, "show": ["monthly"] })).await;
        let listed = Listed::of(&told);
        assert_eq!((listed.rows.len(), &listed.row(BOUGHT)["monthly"]), (6, &json!("1.00 USD")));
        assert_eq!(listed.row(AUSTIN)["monthly"], "unknown");
        assert!(told["summary"].as_str().unwrap().contains("1.00 USD a month for 1 of 6"), "{told}");
    })
    .await;
}

in_both_eras!(move_the_boston_number_from_front_office_to_sales);
async fn move_the_boston_number_from_front_office_to_sales(era: Era) {
    costs("move Boston from Front office to Sales", Agent::alone(era).start().await, async |talk| {
        let found = talk.done("list_numbers", json!({ "place": "Boston" })).await;
        let listed = Listed::of(&found);
        assert_eq!(listed.numbers(), [BOSTON]);
        assert_eq!(listed.row(BOSTON)["inbound"], "Front office");
        let wish = json!({ "number_id": BOSTON, "agent_id": "Sales", "assignment_type": "both" });
        let refusal = talk.refused("assign_number", wish, "would_reassign").await;
        // The carrier of an imported number must be told, too.
        assert!(refusal.body["directions"]["inbound"]["webhook_then"].is_string(), "{refusal:?}");
        let moved = talk.done("assign_number", refusal.body["next"]["arguments"].clone()).await;
        assert_eq!((&moved["status"], &moved["agent"]), (&json!("assigned"), &json!("Sales")));
        // Undoing it is one call.
        let undo = json!({ "number_id": BOSTON, "agent_id": FRONT_OFFICE, "assignment_type": "both", "confirm": true });
        assert_eq!(moved["undo"], json!({ "tool": "assign_number", "arguments": undo }), "{moved}");
    })
    .await;
}

in_both_eras!(the_three_oldest_that_nobody_uses);
async fn the_three_oldest_that_nobody_uses(era: Era) {
    costs("the three oldest unused", Agent::alone(era).start().await, async |talk| {
        let told = talk.done("list_numbers", json!({ "unassigned": true, "sort": "created", "limit": 3 })).await;
        assert_eq!(Listed::of(&told).numbers(), [AUSTIN, MIAMI, MANCHESTER]);
    })
    .await;
}

in_both_eras!(what_was_done_yesterday_and_what_was_spent);
async fn what_was_done_yesterday_and_what_was_spent(era: Era) {
    let home = tempfile::tempdir().unwrap();
    let agent = after_a_day(era, home.path()).await.start().await;
    costs("what was done yesterday, and spent", agent, async |talk| {
        let told = talk.done("list_operations", json!({ "since": "yesterday", "until": "yesterday" })).await;
        let [moved, bought] = told["operations"].as_array().unwrap().as_slice() else { panic!("{told}") };
        assert_eq!((&moved["agent"], &moved["displaced"]), (&json!("Front desk"), &json!("Front office")));
        assert_eq!((&bought["number"], &bought["monthly"]), (&json!(BOUGHT), &json!("1.00")));
        let money = json!([{ "currency": "USD", "spent_once": "1.00", "added_monthly": "1.00" }]);
        assert_eq!(told["totals"], json!({ "purchases": 1, "money": money }), "{told}");
        // What is left of the limits of now has nothing to do with yesterday.
        assert!(told["limits_left"].is_null(), "{told}");
    })
    .await;
}

in_both_eras!(undo_what_was_done_yesterday);
async fn undo_what_was_done_yesterday(era: Era) {
    let home = tempfile::tempdir().unwrap();
    let agent = after_a_day(era, home.path()).await.start().await;
    costs("undo that", agent, async |talk| {
        let told = talk.done("list_operations", json!({ "since": "yesterday", "until": "yesterday" })).await;
        let undo = &told["operations"][0]["undo"];
        let tool = undo["tool"].as_str().unwrap();
        let preview = talk.refused(tool, undo["arguments"].clone(), "would_reassign").await;
        assert_eq!(preview.body["holder"], "Front desk", "the user is told who loses it");
        let undone = talk.done(tool, preview.body["next"]["arguments"].clone()).await;
        assert_eq!((&undone["agent"], &undone["displaced"]), (&json!("Front office"), &json!("Front desk")));
        assert!(told["operations"][1]["undo"].as_str().unwrap().contains("nothing is paid back"), "{told}");
    })
    .await;
}

in_both_eras!(why_can_reminders_not_call_out);
async fn why_can_reminders_not_call_out(era: Era) {
    costs("why can Reminders not call out", Agent::alone(era).start().await, async |talk| {
        let told =
            talk.done("diagnose_number", json!({ "agent_id": "Reminders", "assignment_type": "outbound" })).await;
        let codes: Vec<&Value> = told["findings"].as_array().unwrap().iter().map(|row| &row["code"]).collect();
        assert_eq!(codes, ["agent_not_active", "calls_from_no_number"]);
    })
    .await;
}

in_both_eras!(who_approved_this_purchase);
async fn who_approved_this_purchase(era: Era) {
    let home = tempfile::tempdir().unwrap();
    let agent = after_a_day(era, home.path()).await.start().await;
    costs("who approved this", agent, async |talk| {
        let told = talk.done("list_operations", json!({ "object": BOUGHT })).await;
        let row = &told["operations"][0];
        assert_eq!((&row["tool"], &row["outcome"]), (&json!("purchase_number"), &json!("purchased")));
        assert_eq!(
            (&row["approved_by"], &row["principal"], &row["client"]),
            (&json!("person (form)"), &json!("local"), &json!("e2e 1"))
        );
    })
    .await;
}

in_both_eras!(a_table_of_the_numbers_with_their_agents);
async fn a_table_of_the_numbers_with_their_agents(era: Era) {
    costs("a table of numbers with agents", Agent::alone(era).start().await, async |talk| {
        let told = talk.done("list_numbers", json!({})).await;
        let listed = Listed::of(&told);
        assert_eq!((listed.rows.len(), &listed.row(NEW_YORK)["outbound"]), (12, &json!("Front office")));
    })
    .await;
}

in_both_eras!(which_numbers_are_imported);
async fn which_numbers_are_imported(era: Era) {
    costs("which numbers are imported", Agent::alone(era).start().await, async |talk| {
        let told = talk.done("list_numbers", json!({ "managed": false })).await;
        assert_eq!(Listed::of(&told).numbers(), ["+442079460123", BOSTON]);
    })
    .await;
}

in_both_eras!(give_the_austin_number_to_front_desk_in_both_directions);
async fn give_the_austin_number_to_front_desk_in_both_directions(era: Era) {
    costs("both directions to one agent", Agent::alone(era).start().await, async |talk| {
        let found = talk.done("list_numbers", json!({ "place": "Austin" })).await;
        let listed = Listed::of(&found);
        let number = listed.numbers()[0];
        let wish = json!({ "number_id": number, "agent_id": "Front desk", "assignment_type": "both" });
        let assigned = talk.done("assign_number", wish).await;
        for direction in ["inbound", "outbound"] {
            let part = &assigned["directions"][direction];
            assert_eq!((&part["status"], &part["verified"]), (&json!("assigned"), &json!(true)), "{assigned}");
        }
        let undo = json!({ "number_id": number, "assignment_type": "both" });
        assert_eq!(assigned["undo"], json!({ "tool": "unassign_number", "arguments": undo }), "{assigned}");
    })
    .await;
}

in_both_eras!(what_is_left_of_the_limits_of_today);
async fn what_is_left_of_the_limits_of_today(era: Era) {
    let home = tempfile::tempdir().unwrap();
    let setup = after_a_day(era, home.path()).await;
    let agent = setup.flags(&["--spend-per-day", "20 USD", "--imports-per-day", "unlimited"]).start().await;
    let bought = agent.call("purchase_number", json!({ "phone_number": "+17735550102", "confirm": true })).await;
    assert_eq!(bought.unwrap()["status"], "purchased");
    costs("what is left of today's limits", agent, async |talk| {
        let told = talk.done("list_operations", json!({ "since": "today" })).await;
        // What was bought yesterday, more than a day ago, counts no longer.
        let left = json!({ "purchases": 9, "releases": 10, "imports": "unlimited", "to_spend": "18.00 USD" });
        assert_eq!((&told["limits_left"], &told["frozen"]), (&left, &Value::Null), "{told}");
    })
    .await;
}
