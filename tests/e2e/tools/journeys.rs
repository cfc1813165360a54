//! What people do, start to end: each step one call, in numbers and names.

use std::collections::BTreeSet;

use regex_lite::Regex;
use serde_json::{Value, json};

use crate::support::era::{Era, in_both_eras};
use crate::support::mcp_client::{Agent, Listed, Refusal, Setup};
use crate::support::people::Human;
use crate::support::sandbox::Sandbox;

/// Bought, waiting for its carrier, used by nobody.
const IDLE: &str = "+13125550110";
/// "Front desk" answers it.
const ANSWERED: &str = "+14155550123";
/// "Front office" calls from it.
const CALLED_FROM: &str = "+12125550142";
/// Imported; "Front office" answers it and calls from it.
const BUSY: &str = "+16175550155";
const FRONT_DESK: &str = "1f4baf16-1540-4d91-9696-7f34b2f2cb77";
const FRONT_OFFICE: &str = "3a9c5d20-8b1e-4f6a-9c47-51d0e2a6b318";

fn assignment(number: &str, agent: &str, direction: &str) -> Value {
    json!({ "number_id": number, "agent_id": agent, "assignment_type": direction })
}

/// The numbers in one direction of an answer of `get_agent_numbers`.
fn numbers<'a>(answer: &'a Value, direction: &str) -> Vec<&'a str> {
    answer[direction].as_array().unwrap().iter().map(|row| row["number"].as_str().unwrap()).collect()
}

/// A conversation: every call is kept, and no call may need an id.
struct Conversation {
    agent: Agent,
    steps: usize,
}

impl Conversation {
    async fn with(setup: Setup) -> Self {
        Self { agent: setup.start().await, steps: 0 }
    }

    async fn step(&mut self, tool: &str, arguments: Value) -> Result<Value, Refusal> {
        let id = Regex::new("[0-9a-f]{8}-[0-9a-f]{4}").unwrap();
        assert!(!id.is_match(&arguments.to_string()), "a step needs an id: {tool} {arguments}");
        self.steps += 1;
        self.agent.call(tool, arguments).await
    }

    /// A step that is expected to end so.
    async fn done(&mut self, tool: &str, arguments: Value, status: &str) -> Value {
        let answer = self.step(tool, arguments).await.unwrap_or_else(|refusal| panic!("{tool}: {refusal:?}"));
        assert_eq!(answer["status"], status, "{answer}");
        answer
    }

    /// A step that is expected to be refused so.
    async fn refused(&mut self, tool: &str, arguments: Value, status: &str) -> Refusal {
        let refusal = self.step(tool, arguments).await.expect_err(tool);
        assert_eq!(refusal.status, status, "{refusal:?}");
        refusal
    }
}

in_both_eras!(a_number_is_found_bought_put_to_work_and_given_back);
async fn a_number_is_found_bought_put_to_work_and_given_back(era: Era) {
    let setup = Agent::with(Human::Agrees).in_era(era).fault("pending_ms=300");
    let mut talk = Conversation::with(setup).await;

    let agents = talk.done("list_agents", json!({ "name": "desk" }), "ok").await;
    assert_eq!(agents["agents"].as_array().map(Vec::len), Some(1));
    let name = agents["agents"][0]["name"].as_str().unwrap().to_owned();
    assert_eq!(name, "Front desk");

    let offers = talk.done("search_numbers", json!({ "area_code": "415", "page_size": 3 }), "ok").await;
    let number = offers["offers"][0]["number"].as_str().unwrap().to_owned();
    assert!(number.starts_with("+1415555") && offers["offers"].as_array().unwrap().len() == 3);
    assert_eq!((&offers["offers"][0]["monthly"], &offers["offers"][0]["currency"]), (&json!("1.00"), &json!("USD")));

    let bought = talk.done("purchase_number", json!({ "phone_number": number, "confirm": true }), "purchased").await;
    assert_eq!((&bought["purchased"], &bought["number"]), (&json!(true), &json!(number)));
    assert_eq!(bought["next"], json!({ "tool": "list_numbers", "arguments": { "status": "active" } }));
    assert!(bought["undo"].as_str().is_some_and(|undo| undo.starts_with("no undo; release_number ")), "{bought}");
    assert_eq!(talk.agent.asked().len(), 1);

    let steps = talk.steps;
    for tries in 0.. {
        let active = talk.done("list_numbers", json!({ "status": "active" }), "ok").await;
        if Listed::of(&active).numbers().contains(&number.as_str()) {
            break;
        }
        assert!(tries < 200, "{number} does not become active");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    talk.steps = steps + 1;

    for direction in ["inbound", "outbound"] {
        let assigned = talk.done("assign_number", assignment(&number, &name, direction), "assigned").await;
        assert_eq!(
            (&assigned["verified"], &assigned["direction"], &assigned["agent"]),
            (&json!(true), &json!(direction), &json!("Front desk"))
        );
    }
    let held = talk.done("get_agent_numbers", json!({ "agent_id": name }), "ok").await;
    assert!(numbers(&held, "inbound").contains(&number.as_str()));
    assert_eq!(numbers(&held, "outbound"), [number.as_str()]);

    let preview = talk.refused("release_number", json!({ "number_id": number }), "confirmation_required").await;
    assert_eq!(preview.body["agents_that_fall_silent"].as_array().map(Vec::len), Some(2));
    let release = json!({ "number_id": number, "confirm": true });
    let unassign = json!({ "number_id": number, "assignment_type": "inbound" });
    assert_eq!(preview.body["next"], json!({ "tool": "unassign_number", "arguments": unassign }));
    talk.refused("release_number", release.clone(), "number_in_use").await;
    for direction in ["inbound", "outbound"] {
        let arguments = json!({ "number_id": number, "assignment_type": direction });
        let freed = talk.done("unassign_number", arguments, "unassigned").await;
        assert_eq!((&freed["stopped"], &freed["verified"]), (&json!("Front desk"), &json!(true)));
    }
    let released = talk.done("release_number", release, "released").await;
    assert_eq!((&released["verified"], &released["kind"]), (&json!(true), &json!("managed")));
    assert!(!talk.agent.numbers(json!({})).await.numbers().contains(&number.as_str()));

    assert_eq!(talk.steps, 12);
    assert_eq!(talk.agent.asked().len(), 1, "only the release");
    let sent = talk.agent.leave().await;
    assert_eq!((sent.purchases(), sent.releases(), sent.changes()), (1, 1, 6));
}

in_both_eras!(an_own_twilio_number_is_brought_along);
async fn an_own_twilio_number_is_brought_along(era: Era) {
    let (number, key, token) = ("+16465550177", "SK-very-secret-of-twilio", "auth-token-of-twilio");
    let mut talk = Conversation::with(Agent::with(Human::Agrees).in_era(era)).await;
    let mut read = Vec::new();

    let hook = talk.done("get_webhook_url", json!({ "agent_id": "Front office" }), "ok").await;
    let url = hook["webhook_url"].as_str().unwrap().to_owned();
    assert!(url.starts_with("https://api.ultravox.ai/"), "{url}");
    assert!(hook["twilio"].as_str().unwrap().contains("A call comes in"));

    let arguments = json!({
        "phone_number": number, "provider_type": "twilio", "api_key": key, "auth_token": token,
        "account_sid": "AC00000000000000000000000000000001", "friendly_name": "Sales line"
    });
    let imported = talk.done("import_number", arguments.clone(), "imported").await;
    assert_eq!((&imported["imported"], &imported["number_status"]), (&json!(true), &json!("active")));
    let asked = talk.agent.asked();
    assert_eq!(asked.len(), 1);
    read.extend(asked.iter().map(|question| json!([question.message, question.form])));
    read.push(imported);

    let assigned = talk.done("assign_number", assignment(number, "Front office", "inbound"), "assigned").await;
    assert_eq!(assigned["next"]["tool"], "get_webhook_url", "the carrier must be told last of all");
    let again = talk.done("get_webhook_url", json!({ "agent_id": "front office" }), "ok").await;
    assert_eq!(again["webhook_url"], json!(url), "it does not change");

    let listed = talk.done("list_numbers", json!({ "managed": false, "agent_id": "Front office" }), "ok").await;
    let rows = Listed::of(&listed);
    assert_eq!(rows.numbers().iter().copied().collect::<BTreeSet<_>>(), BTreeSet::from([number, BUSY]));
    assert_eq!((&rows.row(number)["kind"], &rows.row(number)["inbound"]), (&json!("byoc"), &json!("Front office")));

    let stored = talk.done("list_credentials", json!({}), "ok").await;
    let stored_rows = stored["credentials"].as_array().unwrap();
    assert_eq!(stored_rows.len(), 4);
    let ours = stored_rows.iter().find(|row| row["name"] == "Sales line").unwrap();
    assert_eq!(ours["provider"], "twilio");
    let known: BTreeSet<&str> = ours.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(known, BTreeSet::from(["created", "id", "name", "provider"]));

    let preview = talk.refused("release_number", json!({ "number_id": number }), "confirmation_required").await;
    assert!(preview.summary.contains("carrier keeps it"), "{}", preview.summary);
    let twice = talk.done("import_number", arguments, "already_owned").await;
    assert_eq!(twice["imported"], false);
    read.extend([hook, assigned, again, listed, stored, preview.body, twice]);
    let all = Value::Array(read).to_string();
    assert!(!all.contains(key) && !all.contains(token), "a secret came back: {all}");
    assert_eq!(talk.steps, 8);
    let sent = talk.agent.leave().await;
    assert_eq!((sent.imports(), sent.changes()), (1, 2));
    let import = sent.0.iter().find(|sent| sent.path.ends_with("/import")).unwrap();
    assert_eq!((&import.body["phone_number"], &import.body["friendly_name"]), (&json!(number), &json!("Sales line")));
}

in_both_eras!(an_agent_is_known_by_its_name_however_it_is_written);
async fn an_agent_is_known_by_its_name_however_it_is_written(era: Era) {
    let agent = Agent::alone(era).start().await;
    for name in ["Front desk", "front desk", "FRONT DESK", " Front Desk ", FRONT_DESK] {
        let held = agent.call("get_agent_numbers", json!({ "agent_id": name })).await.unwrap();
        assert_eq!((&held["agent_id"], numbers(&held, "inbound")), (&json!(FRONT_DESK), vec![ANSWERED]), "{name}");
        let hook = agent.call("get_webhook_url", json!({ "agent_id": name })).await.unwrap();
        assert_eq!(hook["agent_id"], FRONT_DESK);
        assert_eq!(agent.numbers(json!({ "agent_id": name })).await.numbers(), [ANSWERED]);
        let same = agent.call("assign_number", assignment(ANSWERED, name, "inbound")).await.unwrap();
        assert_eq!((&same["status"], &same["agent"]), (&json!("already_assigned"), &json!("Front desk")));
    }
    assert_eq!(agent.leave().await.changes(), 0);
}

in_both_eras!(two_agents_of_one_name_are_told_apart_by_a_second_call);
async fn two_agents_of_one_name_are_told_apart_by_a_second_call(era: Era) {
    let home = tempfile::tempdir().unwrap();
    let first = Agent::alone(era).kept_in(home.path()).start().await;
    first.numbers(json!({})).await;
    first.leave().await;
    // Agents are made in Truedy's dashboard; here somebody gives a second one the same name.
    let account = rusqlite::Connection::open(home.path().join("sandbox.sqlite")).unwrap();
    let renamed = account.execute("UPDATE agents SET name = 'FRONT DESK' WHERE id = ?1", [FRONT_OFFICE]).unwrap();
    assert_eq!(renamed, 1);
    drop(account);

    let agent = Agent::alone(era).kept_in(home.path()).start().await;
    for (tool, arguments) in [
        ("assign_number", assignment(IDLE, "Front desk", "inbound")),
        ("get_agent_numbers", json!({ "agent_id": "front desk" })),
        ("get_webhook_url", json!({ "agent_id": "Front Desk" })),
        ("list_numbers", json!({ "agent_id": "Front desk" })),
    ] {
        let refusal = agent.call(tool, arguments).await.expect_err("which of the two?");
        assert_eq!(refusal.status, "ambiguous", "{tool}");
        let candidates = refusal.body["candidates"].as_array().unwrap();
        let ids: BTreeSet<&str> = candidates.iter().map(|candidate| candidate["id"].as_str().unwrap()).collect();
        assert_eq!(ids, BTreeSet::from([FRONT_DESK, FRONT_OFFICE]), "{tool}");
    }
    assert_eq!(agent.sent().changes(), 0);
    let assigned = agent.call("assign_number", assignment(IDLE, FRONT_OFFICE, "inbound")).await.unwrap();
    assert_eq!((&assigned["status"], &assigned["agent_id"]), (&json!("assigned"), &json!(FRONT_OFFICE)));
    // A name that is not unique is shown with its id.
    let shown = agent.numbers(json!({ "agent_id": FRONT_OFFICE })).await;
    assert_eq!(shown.row(IDLE)["inbound"], format!("FRONT DESK ({FRONT_OFFICE})"));
    assert_eq!(agent.leave().await.changes(), 1);
}

in_both_eras!(what_is_not_there_is_met_with_what_is);
async fn what_is_not_there_is_met_with_what_is(era: Era) {
    let agent = Agent::alone(era).start().await;
    let elsewhere = "b6a0f3e1-8d27-4c94-9f5b-06e1c7d8a239";
    for number in ["+19995550123", "+17735550160", "no-such-id", elsewhere] {
        for (tool, arguments) in [
            ("release_number", json!({ "number_id": number, "confirm": true })),
            ("unassign_number", json!({ "number_id": number, "assignment_type": "inbound" })),
            ("assign_number", assignment(number, "Front desk", "inbound")),
        ] {
            let refusal = agent.call(tool, arguments).await.expect_err("another account's, or nobody's");
            assert_eq!(refusal.status, "not_found", "{tool} {number}");
            let candidates = refusal.body["candidates"].as_array().unwrap();
            // An id that is like no other suggests nothing.
            assert!((usize::from(number.starts_with('+'))..=5).contains(&candidates.len()), "{candidates:?}");
            assert!(candidates.iter().all(|candidate| candidate["id"].is_string() && candidate["number"].is_string()));
            assert_eq!(refusal.body["next"]["tool"], "list_numbers");
            assert!(refusal.summary.starts_with("Nothing was "), "{}", refusal.summary);
        }
    }
    // The same last digits come first: it is probably that one.
    let near =
        agent.call("unassign_number", json!({ "number_id": "+19995550123", "assignment_type": "inbound" })).await;
    let near = near.unwrap_err().body["candidates"].clone();
    assert!(near[0]["number"].as_str().unwrap().ends_with("0123"), "{near}");
    for arguments in [json!({ "agent_id": "Back desk" }), json!({ "agent_id": "Front" }), json!({ "agent_id": "desk" })]
    {
        let refusal = agent.call("get_agent_numbers", arguments).await.expect_err("no such agent");
        assert_eq!((refusal.status.as_str(), &refusal.body["next"]["tool"]), ("not_found", &json!("list_agents")));
        let candidates = refusal.body["candidates"].as_array().unwrap();
        assert_eq!(candidates.len(), 5, "the nearest of six");
        assert!(candidates[0]["name"].as_str().unwrap().starts_with("Front"), "{candidates:?}");
    }
    assert_eq!(agent.leave().await.changes(), 0);
}

in_both_eras!(a_direction_is_moved_only_when_told_so_and_can_be_moved_back);
async fn a_direction_is_moved_only_when_told_so_and_can_be_moved_back(era: Era) {
    let mut talk = Conversation::with(Agent::alone(era)).await;
    let wish = assignment(ANSWERED, "Front office", "inbound");
    let refusal = talk.refused("assign_number", wish.clone(), "would_reassign").await;
    assert!(refusal.summary.starts_with("Nothing was assigned."), "{}", refusal.summary);
    assert_eq!((&refusal.body["holder"], &refusal.body["retryable"]), (&json!("Front desk"), &json!(false)));
    assert_eq!(talk.agent.sent().changes(), 0);

    // The refusal says what to call; one call more, and it is done.
    let next = refusal.body["next"].clone();
    assert_eq!((&next["tool"], &next["arguments"]["confirm"]), (&json!("assign_number"), &json!(true)));
    let moved = talk.done("assign_number", next["arguments"].clone(), "assigned").await;
    assert_eq!((&moved["agent"], &moved["displaced"]), (&json!("Front office"), &json!("Front desk")));
    assert_eq!(talk.agent.numbers(json!({})).await.row(ANSWERED)["inbound"], "Front office");

    let undo = &moved["undo"];
    let back = talk.agent.call(undo["tool"].as_str().unwrap(), undo["arguments"].clone()).await.unwrap();
    assert_eq!((&back["status"], &back["displaced"]), (&json!("assigned"), &json!("Front office")));
    assert_eq!(talk.agent.numbers(json!({})).await.row(ANSWERED)["inbound"], "Front desk");

    let same = talk.done("assign_number", assignment(ANSWERED, "Front desk", "inbound"), "already_assigned").await;
    assert!(same.get("verified").is_none() && same.get("undo").is_none(), "nothing was done: {same}");
    let sure =
        json!({ "number_id": ANSWERED, "agent_id": "Front desk", "assignment_type": "inbound", "confirm": true });
    talk.done("assign_number", sure, "already_assigned").await;
    assert_eq!(talk.agent.leave().await.changes(), 2);
}

in_both_eras!(what_is_taken_away_is_said_and_can_be_given_back);
async fn what_is_taken_away_is_said_and_can_be_given_back(era: Era) {
    let agent = Agent::alone(era).start().await;
    for (number, direction, holder) in [(BUSY, "outbound", "Front office"), (ANSWERED, "inbound", "Front desk")] {
        let arguments = json!({ "number_id": number, "assignment_type": direction });
        let taken = agent.call("unassign_number", arguments.clone()).await.unwrap();
        assert_eq!((&taken["status"], &taken["stopped"]), (&json!("unassigned"), &json!(holder)));
        let row = agent.numbers(json!({})).await.row(number).clone();
        assert!(row.get(direction).is_none(), "{row}");
        let changes = agent.sent().changes();
        let again = agent.call("unassign_number", arguments).await.unwrap();
        assert_eq!(again["status"], "unassigned");
        assert!(again.get("stopped").is_none() && again.get("undo").is_none(), "nobody had it: {again}");
        assert_eq!(agent.sent().changes(), changes, "nothing was sent for it");
        let undo = &taken["undo"];
        let back = agent.call(undo["tool"].as_str().unwrap(), undo["arguments"].clone()).await.unwrap();
        assert_eq!((&back["status"], &back["agent"]), (&json!("assigned"), &json!(holder)));
        assert_eq!(agent.numbers(json!({})).await.row(number)[direction], holder);
    }
    assert_eq!(agent.leave().await.changes(), 4);
}

in_both_eras!(what_is_bought_can_be_given_back);
async fn what_is_bought_can_be_given_back(era: Era) {
    let agent = Agent::alone(era).fault("pending=stuck").start().await;
    let bought =
        agent.call("purchase_number", json!({ "phone_number": "+14155550150", "confirm": true })).await.unwrap();
    assert_eq!(bought["number_status"], "pending", "pending is not called active");
    assert!(bought["summary"].as_str().unwrap().contains("pending"));
    let assign = json!({ "number_id": "+14155550150", "agent_id": "Front desk", "assignment_type": "inbound" });
    let assigned = agent.call("assign_number", assign).await.unwrap();
    let warnings = assigned["warnings"].to_string();
    assert!(warnings.contains("not active") && warnings.contains("outbound"), "{warnings}");
    let undo = &assigned["undo"];
    agent.call(undo["tool"].as_str().unwrap(), undo["arguments"].clone()).await.unwrap();
    // Giving it back is no undo, and the answer says so: it goes through the gate of a release.
    assert!(bought["undo"].as_str().unwrap().contains("nothing is paid back"));
    let preview = agent.call("release_number", json!({ "number_id": "+14155550150" })).await.unwrap_err();
    let next = &preview.body["next"];
    let released = agent.call(next["tool"].as_str().unwrap(), next["arguments"].clone()).await.unwrap();
    assert_eq!(released["status"], "released");
    assert_eq!(agent.leave().await.changes(), 4);
}

in_both_eras!(an_agent_that_is_not_ready_is_said_to_be_so);
async fn an_agent_that_is_not_ready_is_said_to_be_so(era: Era) {
    let agent = Agent::alone(era).start().await;
    let refusal = agent.call("get_webhook_url", json!({ "agent_id": "Night line" })).await.unwrap_err();
    assert_eq!(refusal.status, "not_synced");
    assert!(refusal.summary.contains("no webhook URL") && refusal.summary.contains("draft"), "{}", refusal.summary);
    let assigned = agent.call("assign_number", assignment(IDLE, "Night line", "inbound")).await.unwrap();
    assert!(assigned["warnings"].to_string().contains("agent is not active"), "{assigned}");
    agent.leave().await;
}

in_both_eras!(where_no_provider_is_set_up_it_is_said_who_can_do_so);
async fn where_no_provider_is_set_up_it_is_said_who_can_do_so(era: Era) {
    let agent = Agent::with(Human::Agrees).in_era(era).fault("provider_configured=false").start().await;
    for (tool, arguments) in [
        ("search_numbers", json!({ "area_code": "415" })),
        ("purchase_number", json!({ "phone_number": "+14155550150", "confirm": true })),
    ] {
        let refusal = agent.call(tool, arguments).await.expect_err(tool);
        assert_eq!(refusal.status, "provider_not_configured", "{refusal:?}");
        for help in ["dashboard", "support", "Telnyx", "api_key"] {
            assert!(refusal.summary.contains(help), "{tool}: {}", refusal.summary);
        }
    }
    assert!(!agent.numbers(json!({})).await.numbers().contains(&"+14155550150"));
    let own = json!({ "area_code": "415", "api_key": "KEY-of-our-own-telnyx" });
    assert!(!agent.call("search_numbers", own).await.unwrap()["offers"].as_array().unwrap().is_empty());
    let own = json!({ "phone_number": "+14155550150", "api_key": "KEY-of-our-own-telnyx" });
    assert_eq!(agent.call("purchase_number", own).await.unwrap()["status"], "purchased");
    agent.leave().await;
}

in_both_eras!(a_search_shows_pages_of_offers_and_an_empty_one_is_no_failure);
async fn a_search_shows_pages_of_offers_and_an_empty_one_is_no_failure(era: Era) {
    let agent = Agent::alone(era).start().await;
    let (mut page, mut seen) = (1, Vec::new());
    loop {
        let arguments = json!({ "locality": "Boston", "page": page, "page_size": 40 });
        let offers = agent.call("search_numbers", arguments).await.unwrap();
        assert_eq!(offers["total"], 99, "one of a hundred is owned already");
        seen.extend(
            offers["offers"].as_array().unwrap().iter().map(|offer| offer["number"].as_str().unwrap().to_owned()),
        );
        match offers.get("next_page") {
            Some(next) => page = next.as_u64().unwrap(),
            None => break,
        }
    }
    assert_eq!((page, seen.len(), seen.iter().collect::<BTreeSet<_>>().len()), (3, 99, 99));
    let none = agent.call("search_numbers", json!({ "country_code": "CA", "phone_number_type": "toll_free" })).await;
    let none = none.unwrap();
    assert_eq!((&none["status"], &none["offers"]), (&json!("ok"), &json!([])));
    let free = agent.call("search_numbers", json!({ "phone_number_type": "toll_free" })).await.unwrap();
    assert_eq!((&free["offers"][0]["type"], &free["offers"][0]["monthly"]), (&json!("toll_free"), &json!("2.00")));
    // Lenient where clients are known to be sloppy.
    let sloppy = json!({ "area_code": "617", "page_size": "5", "page": 1.0, "locality": "", "api_key": null });
    assert_eq!(agent.call("search_numbers", sloppy).await.unwrap()["offers"].as_array().map(Vec::len), Some(5));
    assert_eq!(agent.leave().await.changes(), 0);
}

in_both_eras!(agents_are_listed_briefly_and_by_page);
async fn agents_are_listed_briefly_and_by_page(era: Era) {
    let agent = Agent::alone(era).start().await;
    let names = |answer: &Value| -> Vec<String> {
        answer["agents"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    };
    let all = agent.call("list_agents", json!({})).await.unwrap();
    assert_eq!((names(&all).len(), &all["total"]), (6, &json!(6)));
    for row in all["agents"].as_array().unwrap() {
        let fields: BTreeSet<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, BTreeSet::from(["id", "inbound", "name", "outbound", "status"]), "nothing long: {row}");
    }
    let office = all["agents"].as_array().unwrap().iter().find(|row| row["name"] == "Front office").unwrap();
    assert_eq!(office["inbound"], json!([BUSY]));
    let from: BTreeSet<&str> = office["outbound"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(from, BTreeSet::from([BUSY, CALLED_FROM]));
    assert_eq!(names(&agent.call("list_agents", json!({ "name": "FRONT" })).await.unwrap()).len(), 2);
    assert_eq!(names(&agent.call("list_agents", json!({ "status": "draft" })).await.unwrap()), ["Night line"]);
    assert!(
        names(&agent.call("list_agents", json!({ "name": "front", "status": "failed" })).await.unwrap()).is_empty()
    );
    let first = agent.call("list_agents", json!({ "limit": 3 })).await.unwrap();
    let second = agent.call("list_agents", json!({ "limit": 3, "offset": first["next_offset"] })).await.unwrap();
    assert!(second.get("next_offset").is_none());
    assert_eq!([names(&first), names(&second)].concat(), names(&all));
    agent.leave().await;
}

/// Walks through all pages of a list, which must fit together.
async fn all_pages(agent: &Agent, filters: Value, limit: usize) -> Vec<Value> {
    let (mut rows, mut total) = (Vec::new(), None);
    loop {
        let mut arguments = filters.clone();
        arguments["limit"] = json!(limit);
        arguments["offset"] = json!(rows.len());
        let page = agent.numbers(arguments).await;
        assert_eq!(*total.get_or_insert_with(|| page.total.clone()), page.total, "{filters}");
        let more = rows.len() + page.rows.len();
        let last = page.next_offset.is_null();
        assert!(last || (page.rows.len() == limit && page.next_offset == json!(more)), "{filters}: {page:?}");
        rows.extend(page.rows);
        if last {
            break;
        }
    }
    assert_eq!(total, Some(json!(rows.len())), "{filters}: the total is that of the fitting ones");
    rows
}

/// More than two pages of the API: what is filtered must be filtered over all of them.
#[tokio::test]
async fn filters_run_over_all_pages_and_count_what_fits() {
    let sandbox = Sandbox::start().await;
    let post = |path: &'static str, body: Value| sandbox.post(path, body);
    sandbox.misbehave(json!({ "rate_limit": 0, "pending": "instant" })).await;
    for line in 0..200 {
        if line == 100 {
            sandbox.misbehave(json!({ "rate_limit": 0, "pending": "stuck" })).await;
        }
        let number = match line {
            0..90 => format!("+1303555{:04}", 100 + line),
            90..180 => format!("+1602555{:04}", 10 + line),
            _ => format!("+1713555{:04}", line - 80),
        };
        let id = if line % 2 == 0 {
            post("/telephony/numbers/purchase", json!({ "phone_number": number })).await
        } else {
            let import = json!({ "phone_number": number, "provider_type": "telnyx", "api_key": "KEY-1" });
            post("/telephony/numbers/import", import).await
        }["number_id"]
            .clone();
        for (every, agent, direction) in [(3, FRONT_DESK, "inbound"), (7, FRONT_OFFICE, "outbound")] {
            if line % every == 0 {
                let body = json!({ "number_id": id, "agent_id": agent, "assignment_type": direction });
                post("/telephony/numbers/assign", body).await;
            }
        }
    }
    let agent = Agent::alone(Era::Modern).on(&sandbox).start().await;
    let all = all_pages(&agent, json!({}), 100).await;
    assert_eq!(all.len(), 212);
    assert_eq!(all.iter().map(|row| row["id"].as_str().unwrap()).collect::<BTreeSet<_>>().len(), 212);
    let free = |row: &Value| row.get("inbound").is_none() && row.get("outbound").is_none();
    let with = |row: &Value, agent: &str| row["inbound"] == agent || row["outbound"] == agent;
    type Fits<'a> = &'a dyn Fn(&Value) -> bool;
    let filters: [(Value, Fits<'_>); 10] = [
        (json!({ "status": "active" }), &|row| row["status"] == "active"),
        (json!({ "status": "pending" }), &|row| row["status"] == "pending"),
        (json!({ "managed": true }), &|row| row["kind"] == "managed"),
        (json!({ "managed": false }), &|row| row["kind"] == "byoc"),
        (json!({ "unassigned": true }), &|row| free(row)),
        (json!({ "unassigned": false }), &|row| !free(row)),
        (json!({ "agent_id": "front DESK" }), &|row| with(row, "Front desk")),
        (json!({ "agent_id": FRONT_OFFICE, "managed": true }), &|row| {
            with(row, "Front office") && row["kind"] == "managed"
        }),
        (json!({ "unassigned": true, "managed": true, "status": "pending" }), &|row| {
            free(row) && row["kind"] == "managed" && row["status"] == "pending"
        }),
        (json!({ "agent_id": "Front desk", "unassigned": true }), &|_| false),
    ];
    for (filter, fits) in filters {
        let expected: Vec<&Value> = all.iter().filter(|row| fits(row)).collect();
        for limit in [30, 100] {
            let found = all_pages(&agent, filter.clone(), limit).await;
            assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{filter} by {limit}");
        }
        assert!(expected.is_empty() == (filter == json!({ "agent_id": "Front desk", "unassigned": true })), "{filter}");
    }
    let none = agent.numbers(json!({ "status": "porting" })).await;
    assert_eq!((none.rows.len(), none.total, none.next_offset), (0, json!(0), Value::Null));
    let beyond = agent.numbers(json!({ "managed": true, "offset": 1_000 })).await;
    assert!(beyond.rows.is_empty() && beyond.next_offset.is_null());
    agent.leave().await;
}

in_both_eras!(who_has_a_number_is_shown_as_far_as_it_can_be_known);
async fn who_has_a_number_is_shown_as_far_as_it_can_be_known(era: Era) {
    let sandbox = Sandbox::start().await;
    let agent = Agent::alone(era).on(&sandbox).start().await;

    // The list does not say; the agents do.
    sandbox.misbehave(json!({ "rate_limit": 0, "list": "omit_assignment_fields" })).await;
    let listed = agent.numbers(json!({})).await;
    assert_eq!(listed.row(ANSWERED)["inbound"], "Front desk");
    assert!(listed.row(ANSWERED).get("outbound").is_none() && listed.row(IDLE).get("inbound").is_none());
    assert_eq!(agent.numbers(json!({ "unassigned": true })).await.rows.len(), 5);
    assert_eq!(agent.numbers(json!({ "agent_id": "Front office" })).await.rows.len(), 2);

    // The list does, the agents cannot be read: by id.
    sandbox.misbehave(json!({ "rate_limit": 0, "internal_error": ["agents"] })).await;
    let answer = agent.call("list_numbers", json!({})).await.unwrap();
    let listed = Listed::of(&answer);
    assert_eq!(
        (&listed.row(ANSWERED)["inbound"], &listed.row(BUSY)["outbound"]),
        (&json!(FRONT_DESK), &json!(FRONT_OFFICE))
    );
    assert!(answer["warnings"].to_string().contains("by id"), "{answer}");
    assert_eq!(agent.numbers(json!({ "agent_id": FRONT_OFFICE })).await.rows.len(), 2);

    // Neither does: unknown, and not free.
    sandbox
        .misbehave(
            json!({ "rate_limit": 0, "list": "omit_assignment_fields", "internal_error": ["agents", "agent_numbers"] }),
        )
        .await;
    let listed = agent.numbers(json!({})).await;
    for row in &listed.rows {
        assert_eq!((&row["inbound"], &row["outbound"]), (&json!("unknown"), &json!("unknown")), "{row}");
    }
    for unassigned in [true, false] {
        let answer = agent.call("list_numbers", json!({ "unassigned": unassigned })).await.unwrap();
        assert!(Listed::of(&answer).rows.is_empty(), "{answer}");
        assert!(answer["warnings"].to_string().contains("12 more numbers may fit"), "{answer}");
    }
    let refusal = agent.call("assign_number", assignment(IDLE, FRONT_DESK, "inbound")).await.unwrap_err();
    assert_eq!(refusal.status, "assignment_unknown", "somebody might lose it");
    assert_eq!(agent.leave().await.changes(), 0);
}
