//! Both directions of a number in one call: two changes, two rows of the journal, one answer.

use serde_json::{Value, json};

use super::scene::{ID, NUMBER, Scene, Stage, agrees};
use crate::support::era::{Era, in_both_eras};
use crate::support::fake_truedy::{ASSIGN, FRONT_DESK, FRONT_OFFICE, Play};
use crate::support::mcp_client::Agent;

/// Bought, used by nobody.
const FREE: &str = "+13125550110";
/// "Front desk" answers it, nobody calls from it.
const ANSWERED: &str = "+14155550123";

fn both(number: &str, agent: &str) -> Value {
    json!({ "number_id": number, "agent_id": agent, "assignment_type": "both" })
}

in_both_eras!(two_directions_are_assigned_and_taken_away_by_one_call_each);
async fn two_directions_are_assigned_and_taken_away_by_one_call_each(era: Era) {
    let agent = Agent::alone(era).start().await;
    let assigned = agent.call("assign_number", both(FREE, "Front desk")).await.unwrap();
    assert_eq!((&assigned["status"], &assigned["direction"]), (&json!("assigned"), &json!("both")), "{assigned}");
    assert_eq!((&assigned["number"], &assigned["agent"]), (&json!(FREE), &json!("Front desk")), "{assigned}");
    for direction in ["inbound", "outbound"] {
        let part = &assigned["directions"][direction];
        assert_eq!((&part["status"], &part["verified"]), (&json!("assigned"), &json!(true)), "{assigned}");
        assert!(part.get("undo").is_none(), "one undo stands for both: {assigned}");
    }
    let undo = json!({ "number_id": FREE, "assignment_type": "both" });
    assert_eq!(assigned["undo"], json!({ "tool": "unassign_number", "arguments": undo }), "{assigned}");
    let warnings = assigned["warnings"].to_string();
    assert!(!warnings.contains("assign it for outbound too"), "{assigned}");

    let again = agent.call("assign_number", both(FREE, "Front desk")).await.unwrap();
    assert_eq!(again["status"], "already_assigned", "{again}");

    let taken = agent.call("unassign_number", json!({ "number_id": FREE, "assignment_type": "both" })).await.unwrap();
    assert_eq!((&taken["status"], &taken["direction"]), (&json!("unassigned"), &json!("both")), "{taken}");
    assert_eq!(
        (&taken["directions"]["inbound"]["stopped"], &taken["directions"]["outbound"]["stopped"]),
        (&json!("Front desk"), &json!("Front desk"))
    );

    let ledger = agent.sent();
    assert_eq!((ledger.count("POST", "/assign"), ledger.count("POST", "/unassign")), (2, 2));
    let journal = agent.call("list_operations", json!({ "object": FREE })).await.unwrap();
    let rows = journal["operations"].as_array().unwrap();
    let mut named: Vec<String> = rows.iter().map(|row| format!("{} {}", row["tool"], row["direction"])).collect();
    named.sort();
    let (assign, unassign) = (r#""assign_number""#, r#""unassign_number""#);
    let each = |tool| [format!(r#"{tool} "inbound""#), format!(r#"{tool} "outbound""#)];
    assert_eq!(named, [each(assign), each(unassign)].concat(), "{journal}");
}

in_both_eras!(nothing_is_moved_in_either_direction_without_a_flag);
async fn nothing_is_moved_in_either_direction_without_a_flag(era: Era) {
    let agent = Agent::alone(era).start().await;
    let refusal = agent.call("assign_number", both(ANSWERED, "Front office")).await.unwrap_err();
    assert_eq!(refusal.status, "would_reassign", "{refusal:?}");
    assert!(refusal.summary.starts_with("Nothing was assigned."), "{refusal:?}");
    assert_eq!(refusal.body["directions"]["inbound"]["holder"], "Front desk", "{refusal:?}");
    assert!(refusal.body["directions"]["outbound"].is_null(), "nobody would lose it: {refusal:?}");
    assert_eq!(agent.sent().changes(), 0, "not even the free direction");

    let next = &refusal.body["next"];
    assert_eq!(next["tool"], "assign_number");
    let moved = agent.call("assign_number", next["arguments"].clone()).await.unwrap();
    assert_eq!(
        (&moved["status"], &moved["directions"]["inbound"]["displaced"]),
        (&json!("assigned"), &json!("Front desk")),
        "{moved}"
    );
    assert_eq!(agent.sent().count("POST", "/assign"), 2);
}

in_both_eras!(where_different_agents_had_the_directions_each_has_its_own_undo);
async fn where_different_agents_had_the_directions_each_has_its_own_undo(era: Era) {
    let agent = Agent::alone(era).start().await;
    let wish = json!({ "number_id": ANSWERED, "agent_id": "Sales", "assignment_type": "both", "confirm": true });
    let moved = agent.call("assign_number", wish).await.unwrap();
    assert!(moved.get("undo").is_none(), "{moved}");
    let tools = ["inbound", "outbound"].map(|way| &moved["directions"][way]["undo"]["tool"]);
    assert_eq!(tools, ["assign_number", "unassign_number"], "{moved}");
}

in_both_eras!(with_the_flag_each_direction_is_looked_at_once);
async fn with_the_flag_each_direction_is_looked_at_once(era: Era) {
    let agent = Agent::alone(era).start().await;
    let assign = |direction: &str, name: &str| json!({ "number_id": FREE, "agent_id": name, "assignment_type": direction, "confirm": true });
    // What the program remembers of the account is the same for both ways.
    agent.call("assign_number", assign("both", "Front desk")).await.unwrap();
    let reads = || agent.sent().count("GET", "");
    let before = reads();
    agent.call("assign_number", assign("both", "Sales")).await.unwrap();
    let in_one = reads() - before;
    for direction in ["outbound", "inbound"] {
        agent.call("assign_number", assign(direction, "Front office")).await.unwrap();
    }
    let one_by_one = reads() - before - in_one;
    assert!(in_one <= one_by_one, "{in_one} requests for both at once, {one_by_one} one by one");
}

/// Imported. "Front office" answers it and calls from it.
const IMPORTED: &str = "+16175550155";

in_both_eras!(before_an_imported_number_moves_both_webhooks_are_told);
async fn before_an_imported_number_moves_both_webhooks_are_told(era: Era) {
    let agent = Agent::alone(era).start().await;
    let url = async |name: &str| {
        let answer = agent.call("get_webhook_url", json!({ "agent_id": name })).await.unwrap();
        answer["webhook_url"].clone()
    };
    let (now, then) = (url("Front office").await, url("Front desk").await);
    assert_ne!(now, then);
    let move_it = json!({ "number_id": IMPORTED, "agent_id": "Front desk", "assignment_type": "inbound" });
    let refusal = agent.call("assign_number", move_it).await.unwrap_err();
    assert_eq!(refusal.status, "would_reassign", "{refusal:?}");
    assert_eq!((&refusal.body["webhook_now"], &refusal.body["webhook_then"]), (&now, &then), "{refusal:?}");
    assert!(refusal.summary.contains("until the webhook there is changed"), "{refusal:?}");

    let whole = agent.call("assign_number", both(IMPORTED, "Front desk")).await.unwrap_err();
    assert_eq!(whole.body["directions"]["inbound"]["webhook_now"], now, "{whole:?}");
    assert!(whole.body["directions"]["outbound"]["webhook_now"].is_null(), "calls out need no webhook: {whole:?}");
    // A number that was bought through Truedy has no webhook elsewhere.
    let bought = json!({ "number_id": ANSWERED, "agent_id": "Front office", "assignment_type": "inbound" });
    let refusal = agent.call("assign_number", bought).await.unwrap_err();
    assert!(refusal.body["webhook_now"].is_null(), "{refusal:?}");
}

#[test]
fn an_error_between_the_two_is_told_and_what_was_done_can_be_undone() {
    for era in Era::BOTH {
        let stage = Stage::new(Scene { own: agrees, ..Scene::free() });
        let scene = std::sync::Arc::clone(&stage.scene);
        stage.upstream.on(ASSIGN, move |seen, _| {
            let sent = seen.json();
            if sent["assignment_type"] == "inbound" {
                return Play::json(422, &json!({ "error": { "code": "validation_error", "message": "no" } }));
            }
            let mut scene = scene.lock().unwrap();
            scene.numbers[0]["outbound_agent_id"] = json!(FRONT_DESK);
            scene.agents[0]["outbound_phone_numbers"] = json!([ID]);
            Play::json(200, &json!({ "data": {} }))
        });
        let called = stage.wire(era, &[]).call("assign_number", both(NUMBER, FRONT_DESK));
        let answer = called.object();
        assert!(called.is_error() && called.status() == "not_assigned", "{answer}");
        assert_eq!(
            (&answer["directions"]["outbound"]["status"], &answer["directions"]["inbound"]["status"]),
            (&json!("assigned"), &json!("not_assigned"))
        );
        assert_eq!(answer["directions"]["outbound"]["undo"]["tool"], "unassign_number", "{answer}");
        assert_eq!(stage.upstream.count(ASSIGN), 2, "{answer}");
    }
}

#[test]
fn after_a_change_that_failed_the_next_one_is_not_tried() {
    for play in [Play::json(422, &json!({ "error": { "code": "validation_error", "message": "no" } })), Play::Close] {
        let stage = Stage::new(Scene::free());
        stage.upstream.on(ASSIGN, move |seen, _| {
            assert_eq!(seen.json()["assignment_type"], "outbound");
            play.clone()
        });
        let called = stage.wire(Era::Modern, &[]).call("assign_number", both(NUMBER, FRONT_OFFICE));
        assert!(called.is_error(), "{}", called.object());
        assert!(called.object()["directions"]["inbound"].is_null(), "{}", called.object());
    }
}
