//! Fifteen things that people ask for, each as the calls a good model makes for it, within a budget of calls and bytes; and each
//! once more with a misstep, whose refusal must be enough to mend it in one further call.
//!
//! The budgets are what was measured, bytes rounded up to a hundred: arguments and structured results, refusals too. Whoever
//! makes an answer longer or shorter sees it here.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::support::era::{Era, in_both_eras};
use crate::support::mcp_client::{Agent, Listed, Refusal, Setup};
use crate::support::people::Human;

const BOSTON: &str = "+16175550155";
const CHICAGO: &str = "+13125550110";
const NEW_YORK: &str = "+12125550142";
const SAN_FRANCISCO: &str = "+14155550123";
const FRONT_OFFICE: &str = "3a9c5d20-8b1e-4f6a-9c47-51d0e2a6b318";

/// The operator's carrier profiles: what opens the accounts stands with the operator, not in the conversation.
const CARRIERS: &str = r#"
[carriers.office-pbx]
provider = "custom_sip"
sip_username = "trunk-1"
sip_password = { command = ["printf", "sip-password-1"] }
sip_server = "sip.example.com"

[carriers.twilio-main]
provider = "twilio"
api_key = { command = ["printf", "KEY-of-our-own-carrier"] }
account_sid = "AC00000000000000000000000000000001"
"#;

/// An agent whose operator has those profiles.
fn with_carriers(era: Era) -> (Setup, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    std::fs::write(&file, CARRIERS).unwrap();
    std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    (Agent::alone(era).flags(&["--config", file.to_str().unwrap()]), folder)
}

/// A number of our own carrier's. All imports of these journeys are made of it.
fn own(number: &str, carrier: &str) -> Value {
    json!({ "phone_number": number, "carrier": carrier })
}

fn assign(number: &str, agent: &str, direction: &str) -> Value {
    json!({ "number_id": number, "agent_id": agent, "assignment_type": direction })
}

fn unassign(number: &str, direction: &str) -> Value {
    json!({ "number_id": number, "assignment_type": direction })
}

/// A conversation that is counted.
pub(super) struct Talk {
    pub(super) agent: Agent,
    /// Whether the first call is to be a wrong one.
    stumbles: bool,
    pub(super) calls: usize,
    pub(super) bytes: usize,
    pub(super) told: String,
}

impl Talk {
    /// A conversation that begins now. `stumbles`: whether its first call is to be a wrong one.
    pub(super) fn of(agent: Agent, stumbles: bool) -> Self {
        Self { agent, stumbles, calls: 0, bytes: 0, told: String::new() }
    }

    async fn call(&mut self, tool: &str, arguments: Value) -> Result<Value, Refusal> {
        let asked = arguments.to_string();
        let answer = self.agent.call(tool, arguments).await;
        let body = match &answer {
            Ok(body) => body,
            Err(refusal) => &refusal.body,
        };
        self.calls += 1;
        self.bytes += asked.len() + body.to_string().len();
        self.told += &format!("{} bytes: {tool} {asked}\n  {body}\n", asked.len() + body.to_string().len());
        answer
    }

    /// A call that succeeds.
    pub(super) async fn done(&mut self, tool: &str, arguments: Value) -> Value {
        let answer = self.call(tool, arguments).await;
        answer.unwrap_or_else(|refusal| panic!("{}\n{}", refusal.summary, self.told))
    }

    /// A call that is refused, because the user must be asked or something else comes first.
    pub(super) async fn refused(&mut self, tool: &str, arguments: Value, status: &str) -> Refusal {
        let refusal = self.call(tool, arguments).await.expect_err(tool);
        assert_eq!(refusal.status, status, "{}", self.told);
        refusal
    }

    /// The first call. Where it stumbles, the wrong one instead, and then the one that its refusal leads to.
    async fn first(&mut self, tool: &str, right: Value, wrong: Value) -> Value {
        if !self.stumbles {
            return self.done(tool, right).await;
        }
        let (tool, mended) = self.stumble(tool, wrong).await;
        self.done(&tool, mended).await
    }

    /// Makes a wrong call; the one that its refusal leads to.
    async fn stumble(&mut self, tool: &str, wrong: Value) -> (String, Value) {
        let before = self.agent.sent().changes();
        let refusal = self.call(tool, wrong.clone()).await.expect_err(tool);
        assert_eq!(self.agent.sent().changes(), before, "a wrong call changes nothing: {}", self.told);
        let tools = self.agent.tools();
        let schema = tools.iter().find(|known| known.name == tool).expect(tool).input_schema["properties"].clone();
        mended(tool, wrong, &refusal.body, &schema)
    }
}

/// How alike two texts are at their ends, whatever the case.
fn alike(one: &str, other: &str) -> usize {
    let (one, other) = (one.to_lowercase(), other.to_lowercase());
    let same = |(a, b): &(char, char)| a == b;
    let start = one.chars().zip(other.chars()).take_while(same).count();
    start + one.chars().rev().zip(other.chars().rev()).take_while(same).count()
}

/// The next call, from nothing but the wrong one, its refusal and the schema of the tool: wrong arguments are put right as
/// `problems` say, what was not found is taken from `candidates`, and otherwise `next` is called.
fn mended(tool: &str, wrong: Value, refusal: &Value, schema: &Value) -> (String, Value) {
    let Value::Object(mut arguments) = wrong else { panic!("arguments are an object") };
    if let Some(problems) = refusal["problems"].as_array() {
        for problem in problems {
            mend(&mut arguments, problem, schema);
        }
        return (tool.to_owned(), Value::Object(arguments));
    }
    if let Some(candidates) = refusal["candidates"].as_array() {
        let (field, shown) =
            if candidates[0]["name"].is_string() { ("agent_id", "name") } else { ("number_id", "number") };
        let given = arguments[field].as_str().expect("what was not found").to_owned();
        let nearest = candidates.iter().max_by_key(|candidate| alike(candidate[shown].as_str().unwrap(), &given));
        arguments.insert(field.to_owned(), nearest.expect("candidates")[shown].clone());
        return (tool.to_owned(), Value::Object(arguments));
    }
    let next = &refusal["next"];
    (next["tool"].as_str().unwrap_or_else(|| panic!("no way on: {refusal}")).to_owned(), next["arguments"].clone())
}

fn mend(arguments: &mut Map<String, Value>, problem: &Value, schema: &Value) {
    let text = |name: &str| problem[name].as_str().unwrap_or_default();
    let (field, example, meant) = (text("field"), text("example"), text("did_you_mean"));
    let Some(known) = schema.get(field) else {
        // There is no such argument: it is meant for another one that is free and takes its kind, or for none.
        let value = arguments.remove(field).expect("what is complained about was given");
        let takes = schema.get(meant).is_some_and(|nearest| (nearest["type"] == "string") == value.is_string());
        if takes {
            arguments.entry(meant).or_insert(value);
        }
        return;
    };
    if text("reason") == "it is missing" && arguments.contains_key(field) {
        return;
    }
    // What was meant; otherwise the example.
    let value = match (meant, known["type"].as_str()) {
        ("", Some("integer" | "boolean")) => serde_json::from_str(example).expect("an example of the right kind"),
        ("", _) => json!(example),
        (meant, _) => json!(meant),
    };
    arguments.insert(field.to_owned(), value);
}

/// Goes through a task twice, once as it should be and once with a misstep, and holds it to its budget.
async fn costs(setup: Setup, calls: usize, bytes: usize, task: impl AsyncFn(&mut Talk)) {
    let run = async |stumbles: bool| {
        let agent = setup.clone().start().await;
        let mut talk = Talk::of(agent, stumbles);
        task(&mut talk).await;
        talk
    };
    let right = run(false).await;
    let measured = (right.calls, right.bytes.div_ceil(100) * 100);
    assert_eq!(measured, (calls, bytes), "calls and bytes, not the budget:\n{}", right.told);
    let stumbling = run(true).await;
    assert_eq!(stumbling.calls, calls + 1, "a misstep costs one call:\n{}", stumbling.told);
}

in_both_eras!(set_up_a_chicago_number_for_front_desk);
async fn set_up_a_chicago_number_for_front_desk(era: Era) {
    costs(Agent::alone(era).fault("pending=instant"), 4, 2500, async |talk| {
        let wish = json!({ "locality": "Chicago", "page_size": 3 });
        let offers = talk.first("search_numbers", wish, json!({ "city": "Chicago", "page_size": 3 })).await;
        let number = offers["offers"][0]["number"].as_str().unwrap();
        let bought = talk.done("purchase_number", json!({ "phone_number": number, "confirm": true })).await;
        assert_eq!(bought["number_status"], "active");
        for direction in ["inbound", "outbound"] {
            let assigned = talk.done("assign_number", assign(number, "Front desk", direction)).await;
            assert_eq!((&assigned["status"], &assigned["verified"]), (&json!("assigned"), &json!(true)));
        }
        assert!(number.starts_with("+1312"));
    })
    .await;
}

in_both_eras!(bring_our_twilio_number_over_without_dropping_calls);
async fn bring_our_twilio_number_over_without_dropping_calls(era: Era) {
    let (setup, _folder) = with_carriers(era);
    costs(setup, 3, 2300, async |talk| {
        // The URL before, and to the carrier last of all: until then calls go where they went.
        let wish = json!({ "agent_id": "Front office" });
        let hook = talk.first("get_webhook_url", wish, json!({ "agent": "Front office" })).await;
        assert!(hook["twilio"].as_str().unwrap().contains("A call comes in"));
        assert_eq!(hook["agent_id"], FRONT_OFFICE);
        talk.done("import_number", own("+16465550177", "twilio-main")).await;
        let assigned = talk.done("assign_number", assign("+16465550177", "Front office", "inbound")).await;
        assert_eq!(assigned["next"]["tool"], "get_webhook_url", "a reminder of the last step");
    })
    .await;
}

in_both_eras!(which_numbers_do_we_pay_for_and_not_use);
async fn which_numbers_do_we_pay_for_and_not_use(era: Era) {
    costs(Agent::alone(era), 1, 600, async |talk| {
        let wish = json!({ "managed": true, "unassigned": true });
        let idle = talk.first("list_numbers", wish, json!({ "managed": "yes", "unassigned": true })).await;
        assert_eq!(Listed::of(&idle).numbers(), [CHICAGO, "+441614960231", "+13055550164", "+15125550131"]);
    })
    .await;
}

in_both_eras!(the_number_does_not_ring);
async fn the_number_does_not_ring(era: Era) {
    costs(Agent::alone(era), 1, 1000, async |talk| {
        let wish = json!({ "number_id": CHICAGO, "assignment_type": "inbound" });
        let wrong = json!({ "number_id": "+3125550110", "assignment_type": "inbound" });
        let found = talk.first("diagnose_number", wish, wrong).await;
        let codes: Vec<&Value> = found["findings"].as_array().unwrap().iter().map(|row| &row["code"]).collect();
        assert_eq!(codes, ["number_pending", "no_inbound_agent"]);
    })
    .await;
}

in_both_eras!(release_the_old_boston_number);
async fn release_the_old_boston_number(era: Era) {
    costs(Agent::alone(era), 4, 2600, async |talk| {
        let first = json!({ "number_id": BOSTON });
        let preview = if talk.stumbles {
            // Half of the number, as people write it on paper.
            let (tool, mended) = talk.stumble("release_number", json!({ "number_id": "+6175550155" })).await;
            talk.refused(&tool, mended, "confirmation_required").await
        } else {
            talk.refused("release_number", first, "confirmation_required").await
        };
        assert_eq!(preview.body["agents_that_fall_silent"].as_array().map(Vec::len), Some(2), "the user is told");
        assert_eq!(preview.body["next"]["arguments"], unassign(BOSTON, "inbound"));
        for direction in ["inbound", "outbound"] {
            talk.done("unassign_number", unassign(BOSTON, direction)).await;
        }
        let released = talk.done("release_number", json!({ "number_id": BOSTON, "confirm": true })).await;
        assert_eq!((&released["status"], &released["verified"]), (&json!("released"), &json!(true)));
    })
    .await;
}

in_both_eras!(find_a_toll_free_number_and_its_price);
async fn find_a_toll_free_number_and_its_price(era: Era) {
    costs(Agent::alone(era), 1, 600, async |talk| {
        let wish = json!({ "phone_number_type": "toll_free", "page_size": 3 });
        let wrong = json!({ "phone_number_type": "tollfree", "page_size": 3 });
        let offers = talk.first("search_numbers", wish, wrong).await;
        assert_eq!(
            (&offers["offers"][0]["monthly"], &offers["offers"][0]["type"]),
            (&json!("2.00"), &json!("toll_free"))
        );
    })
    .await;
}

in_both_eras!(who_answers_the_415_number);
async fn who_answers_the_415_number(era: Era) {
    costs(Agent::alone(era), 1, 300, async |talk| {
        let wish = json!({ "area_code": "415" });
        let listed = talk.first("list_numbers", wish, json!({ "number": SAN_FRANCISCO })).await;
        assert_eq!(Listed::of(&listed).row(SAN_FRANCISCO)["inbound"], "Front desk");
    })
    .await;
}

in_both_eras!(move_the_new_york_number_from_front_office_to_front_desk);
async fn move_the_new_york_number_from_front_office_to_front_desk(era: Era) {
    costs(Agent::alone(era), 3, 2000, async |talk| {
        let wrong = json!({ "agent_id": "Front offce" });
        let held = talk.first("get_agent_numbers", json!({ "agent_id": "Front office" }), wrong).await;
        let number = held["outbound"].as_array().unwrap().iter().find(|row| row["number"] == NEW_YORK).unwrap();
        let number = number["number"].as_str().unwrap();
        let refusal = talk.refused("assign_number", assign(number, "Front desk", "outbound"), "would_reassign").await;
        assert_eq!(refusal.body["holder"], "Front office", "the user is told who loses it");
        let moved = talk.done("assign_number", refusal.body["next"]["arguments"].clone()).await;
        assert_eq!((&moved["agent"], &moved["displaced"]), (&json!("Front desk"), &json!("Front office")));
    })
    .await;
}

in_both_eras!(let_front_desk_call_out_from_its_number);
async fn let_front_desk_call_out_from_its_number(era: Era) {
    costs(Agent::alone(era), 2, 1000, async |talk| {
        let wish = json!({ "agent_id": "Front desk" });
        let held = talk.first("get_agent_numbers", wish, json!({ "agent_id": "Frontdesk" })).await;
        let number = held["inbound"][0]["number"].as_str().unwrap();
        let assigned = talk.done("assign_number", assign(number, "Front desk", "outbound")).await;
        assert_eq!((&assigned["status"], &assigned["number"]), (&json!("assigned"), &json!(SAN_FRANCISCO)));
    })
    .await;
}

in_both_eras!(bring_our_sip_trunk_number);
async fn bring_our_sip_trunk_number(era: Era) {
    let (setup, _folder) = with_carriers(era);
    costs(setup, 2, 1600, async |talk| {
        let wish = own("+16465550177", "office-pbx");
        let imported = talk.first("import_number", wish, own("+16465550177", "office")).await;
        assert_eq!((&imported["status"], &imported["number_status"]), (&json!("imported"), &json!("active")));
        let assigned = talk.done("assign_number", assign("+16465550177", "Front desk", "inbound")).await;
        assert_eq!(assigned["next"]["tool"], "get_webhook_url");
    })
    .await;
}

in_both_eras!(did_the_purchase_go_through);
/// The purchase itself is not counted: its answer was lost before the user asks.
async fn did_the_purchase_go_through(era: Era) {
    let agent = Agent::alone(era).fault("purchase=charged_then_422").start().await;
    let buy = json!({ "phone_number": "+14155550150", "confirm": true });
    let lost = agent.call("purchase_number", buy.clone()).await.expect_err("its answer is lost");
    assert_eq!(lost.status, "outcome_unknown", "{lost:?}");
    let operation = lost.body["operation_id"].clone();
    let mut talk = Talk::of(agent, false);
    for stumbles in [false, true] {
        talk = Talk::of(talk.agent, stumbles);
        let wish = json!({ "object": "+14155550150" });
        let told = if stumbles {
            // It tries once more.
            let (tool, next) = talk.stumble("purchase_number", buy.clone()).await;
            assert_eq!(tool, "list_operations");
            talk.done(&tool, next).await
        } else {
            let told = talk.done("list_operations", wish).await;
            assert_eq!((talk.calls, talk.bytes.div_ceil(100) * 100), (1, 800), "{}", talk.told);
            told
        };
        assert_eq!((&told["operations"][0]["id"], &told["operations"][0]["state"]), (&operation, &json!("unknown")));
        assert!(told["summary"].as_str().unwrap().contains("not known whether"), "{told}");
    }
    assert_eq!(talk.calls, 2, "a misstep costs one call:\n{}", talk.told);
    assert_eq!(talk.agent.leave().await.purchases(), 1);
}

in_both_eras!(buy_the_cheapest_number_under_a_price_in_212);
async fn buy_the_cheapest_number_under_a_price_in_212(era: Era) {
    costs(Agent::alone(era), 2, 2400, async |talk| {
        let wish = json!({ "area_code": "212", "page_size": 10 });
        let offers = talk.first("search_numbers", wish, json!({ "areacode": "212", "page_size": 10 })).await;
        let offers = offers["offers"].as_array().unwrap();
        let cost = |offer: &&Value| offer["monthly"].as_str().unwrap().parse::<f64>().unwrap().to_bits();
        let cheapest = offers.iter().min_by_key(cost).unwrap()["number"].as_str().unwrap();
        let bought = talk
            .done("purchase_number", json!({ "phone_number": cheapest, "max_monthly_cost": "1.50", "confirm": true }))
            .await;
        assert_eq!((&bought["status"], &bought["number"]), (&json!("purchased"), &json!(cheapest)));
        assert!(cheapest.starts_with("+1212"));
    })
    .await;
}

in_both_eras!(take_the_night_line_off_front_desk);
async fn take_the_night_line_off_front_desk(era: Era) {
    costs(Agent::alone(era), 2, 1100, async |talk| {
        let wish = json!({ "agent_id": "Front desk" });
        let held = talk.first("get_agent_numbers", wish, json!({ "agent_id": "the Front desk" })).await;
        let number = held["inbound"][0]["number"].as_str().unwrap();
        let freed = talk.done("unassign_number", unassign(number, "inbound")).await;
        assert_eq!((&freed["stopped"], &freed["verified"]), (&json!("Front desk"), &json!(true)));
    })
    .await;
}

in_both_eras!(which_carriers_do_we_have_credentials_for);
async fn which_carriers_do_we_have_credentials_for(era: Era) {
    let (setup, _folder) = with_carriers(era);
    costs(setup, 1, 800, async |talk| {
        let stored = talk.first("list_credentials", json!({}), json!({ "provider": "twilio" })).await;
        assert_eq!(stored["credentials"].as_array().map(Vec::len), Some(3));
        assert_eq!(stored["local_profiles"].as_array().map(Vec::len), Some(2));
    })
    .await;
}

in_both_eras!(what_did_we_buy_today_and_is_anything_unclear);
async fn what_did_we_buy_today_and_is_anything_unclear(era: Era) {
    let home = tempfile::tempdir().unwrap();
    let setup = Agent::with(Human::Absent).in_era(era).kept_in(home.path());
    let morning = setup.clone().start().await;
    morning.call("purchase_number", json!({ "phone_number": "+14155550150", "confirm": true })).await.unwrap();
    morning.leave().await;
    costs(setup, 1, 900, async |talk| {
        let wish = json!({ "tool": "purchase_number", "since": "2026-11-25T08:00:00Z" });
        let wrong = json!({ "tool": "purchase_number", "since": "this morning" });
        let told = talk.first("list_operations", wish, wrong).await;
        let bought = told["operations"].as_array().unwrap();
        assert_eq!((bought.len(), &bought[0]["number"], &told["unresolved"]), (1, &json!("+14155550150"), &json!(0)));
    })
    .await;
}
