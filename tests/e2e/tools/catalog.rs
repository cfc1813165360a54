//! The catalogue is a contract: every tool, its words, its schemas and what they cost, as clients receive them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use regex_lite::Regex;
use rmcp::model::ProtocolVersion;
use serde_json::{Map, Value, json};
use tiktoken_rs::{CoreBPE, o200k_base};

use crate::support::era::{Era, in_both_eras};
use crate::support::expected::{self, TOOLS};
use crate::support::mcp_client::{Agent, Listed};
use crate::support::people::Human;
use crate::support::program::tokio_program;
use crate::support::sandbox::Sandbox;

/// What a model is made to read, in tokens of the encoding of today's models.
static ENCODING: LazyLock<CoreBPE> = LazyLock::new(|| o200k_base().unwrap());

fn tokens(text: &str) -> usize {
    ENCODING.encode_ordinary(text).len()
}

/// The tools as they came over the wire.
async fn catalogue() -> Vec<Value> {
    let agent = Agent::alone(Era::Modern).start().await;
    agent.tools().iter().map(|tool| serde_json::to_value(tool).unwrap()).collect()
}

fn name(tool: &Value) -> &str {
    tool["name"].as_str().unwrap()
}

/// The arguments of a tool, or the fields of its answer.
fn properties<'a>(tool: &'a Value, schema: &str) -> &'a Map<String, Value> {
    tool[schema]["properties"].as_object().unwrap_or_else(|| panic!("{schema} of {} has no properties", name(tool)))
}

/// Where the snapshots of the tools are: one file a tool, so that a review shows which of them changed.
const SNAPSHOTS: &str = "snapshots/tools";

#[tokio::test]
async fn each_tool_is_what_was_agreed() {
    let tools = catalogue().await;
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(SNAPSHOTS);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for tool in &tools {
            insta::assert_json_snapshot!(name(tool), tool);
        }
    });
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/tools").join(SNAPSHOTS);
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    // A snapshot that was not accepted yet ends in `.snap.new`.
    let files: BTreeSet<String> = files.filter_map(|file| Some(file.strip_suffix(".snap")?.to_owned())).collect();
    let names: BTreeSet<String> = expected::names().into_iter().map(str::to_owned).collect();
    assert_eq!(files, names, "one snapshot a tool, and none of a tool that is gone");
}

#[tokio::test]
async fn the_instructions_are_what_was_agreed() {
    let sandbox = Agent::alone(Era::Modern).start().await.instructions();
    let elsewhere = Sandbox::start().await;
    let live = Agent::alone(Era::Modern).on(&elsewhere).start().await.instructions();
    let named = expected::names().join(",");
    let flags = [
        ["--ask", "off"],
        ["--gate", "token"],
        ["--protect", "+14155550123"],
        ["--tools", &named],
        ["--exclude-tools", &named],
        ["--spend-per-day", "999999999.999999 USD"],
        ["--max-monthly-cost", "999999999.999999 USD"],
        ["--purchases-per-day", "4294967295"],
        ["--releases-per-day", "4294967295"],
        ["--imports-per-day", "unlimited"],
        ["--countries", "US,CA,GB,FR,DE,ES,IT,PT"],
        ["--number-types", "local,toll_free,mobile,national"],
        ["--sip-hosts", "sip.example.com"],
    ];
    let flags = [&flags.concat()[..], &["--release-in-use", "--read-only"]].concat();
    let policy = Agent::alone(Era::Modern).on(&elsewhere).flags(&flags).start().await.instructions();
    for (which, text) in [("sandbox", &sandbox), ("live", &live), ("policy", &policy)] {
        assert!(text.len() <= 1_800, "{which}: {} bytes", text.len());
        // The first sentence is what a directory of servers shows.
        let first = text.split(". ").next().unwrap();
        assert!(first.contains("phone numbers") && first.len() < 250, "{which}: {first}");
        // The level and the caps are told in every mode.
        let rules = text.lines().last().unwrap();
        assert!(rules.starts_with("The operator's policy, which no argument changes: gate "), "{which}: {rules}");
        assert!(rules.contains(" purchases, ") && rules.contains(" in 24 hours"), "{which}: {rules}");
    }
    assert!(sandbox.contains("sandbox") && !live.contains("sandbox"));
    assert!(live.contains("money"));
    for rule in
        ["protect", "switched off", "in use may be released", "not asked", "read-only", "a month", "4 more only"]
    {
        assert!(policy.contains(rule), "{rule}: {policy}");
    }
    insta::assert_snapshot!("instructions", format!("{sandbox}\n\n---\n\n{live}\n\n---\n\n{policy}"));
}

#[tokio::test]
async fn the_list_is_the_same_for_everybody() {
    let one = catalogue().await;
    assert_eq!(one, catalogue().await, "another process");
    for version in [ProtocolVersion::V_2025_11_25, ProtocolVersion::V_2025_06_18] {
        for human in [Human::Absent, Human::Agrees] {
            let agent = Agent::with(human).speaking(version.clone()).start().await;
            let tools: Vec<Value> = agent.tools().iter().map(|tool| serde_json::to_value(tool).unwrap()).collect();
            assert_eq!(one, tools, "{version}");
            assert_eq!(agent.instructions(), Agent::alone(Era::Modern).start().await.instructions());
        }
    }
}

#[tokio::test]
async fn every_tool_says_what_it_may_do() {
    let tools = catalogue().await;
    assert_eq!(tools.iter().map(name).collect::<Vec<_>>(), expected::names());
    for (tool, hints) in tools.iter().zip(TOOLS.map(|tool| tool.hints)) {
        let title = tool["title"].as_str().expect("a title");
        assert!((5..=60).contains(&title.len()), "{title}");
        assert_eq!(
            tool["annotations"],
            json!({
                "title": title,
                "readOnlyHint": hints.read_only,
                "destructiveHint": hints.destructive,
                "idempotentHint": hints.idempotent,
                "openWorldHint": hints.open_world,
            }),
            "{}",
            name(tool)
        );
        let grave = ["purchase_number", "release_number"].contains(&name(tool));
        let mut expected = match name(tool) {
            _ if grave => json!({ "anthropic/requiresUserInteraction": true }),
            "list_numbers" => json!({ "ui": { "resourceUri": "ui://truedy/inventory.html" } }),
            "search_numbers" => json!({ "ui": { "resourceUri": "ui://truedy/number-picker.html" } }),
            _ => json!({}),
        };
        let hint = tool["_meta"]["anthropic/searchHint"].as_str().expect("a hint");
        assert!((10..=80).contains(&hint.len()), "{hint}");
        expected["anthropic/searchHint"] = json!(hint);
        assert_eq!(tool["_meta"], expected, "{}", name(tool));
    }
    let clients: Value = serde_json::from_str(include_str!("../../clients/expected.json")).unwrap();
    assert_eq!(clients["tools"], json!(tools.len()), "what the clients of other makers expect");
    let titles: BTreeSet<&str> = tools.iter().filter_map(|tool| tool["title"].as_str()).collect();
    assert_eq!(titles.len(), tools.len(), "no two tools have one title");
}

#[tokio::test]
async fn descriptions_are_of_a_readable_length_and_do_not_shout() {
    let abbreviations = ["BYOC", "SIP", "URL", "HTTP", "ISO", "API", "PBX", "SID", "CA", "US", "GB", "ID"];
    let words = Regex::new("[A-Z]{2,}").unwrap();
    for tool in catalogue().await {
        let description = tool["description"].as_str().unwrap();
        let length = description.chars().count();
        assert!((120..=600).contains(&length), "{}: {length} characters", name(&tool));
        let arguments = properties(&tool, "inputSchema").values().filter_map(|schema| schema["description"].as_str());
        for text in arguments.chain([description]) {
            for word in words.find_iter(text).map(|word| word.as_str()) {
                // Account ids and numbers of standards are spelt as they are.
                let spelt = text.contains(&format!("\"{word}")) || abbreviations.contains(&word);
                assert!(spelt, "{} shouts {word}: {text}", name(&tool));
            }
            assert!(!text.contains('!') && !text.contains("  ") && !text.contains('\n'), "{}: {text}", name(&tool));
        }
        for order in ["IMPORTANT", "MUST", "WARNING", "NEVER", "ALWAYS"] {
            assert!(!tool.to_string().contains(order), "{}: {order}", name(&tool));
        }
        for other in Regex::new("[a-z]+(_[a-z]+)*_(numbers?|url|credentials|agents|operations)\\b")
            .unwrap()
            .find_iter(description)
        {
            assert!(expected::names().contains(&other.as_str()), "{} names {}", name(&tool), other.as_str());
        }
    }
}

/// Words that some client cannot read.
const UNREADABLE: [&str; 13] = [
    "$ref",
    "$defs",
    "definitions",
    "anyOf",
    "oneOf",
    "allOf",
    "not",
    "const",
    "$schema",
    "title",
    "format",
    "additionalProperties",
    "nullable",
];

/// Checks one schema and all below it. `at` is where it stands.
fn is_plain(schema: &Value, at: &str) {
    let object = schema.as_object().unwrap_or_else(|| panic!("{at} is no object"));
    for (word, value) in object {
        // Where there are no properties it says so: OpenAI's strict converter asks for it.
        let closed = word == "additionalProperties" && *value == json!(false) && object["properties"] == json!({});
        assert!(closed || !UNREADABLE.contains(&word.as_str()), "{at} has {word}");
        assert!(!value.is_null(), "{at} has {word}: null");
    }
    let kind = object.get("type").and_then(Value::as_str).unwrap_or_else(|| panic!("{at} has no single type"));
    assert!(["object", "array", "string", "integer", "boolean"].contains(&kind), "{at} is {kind}");
    if let Some(choices) = object.get("enum").and_then(Value::as_array) {
        assert!(kind == "string" && !choices.is_empty() && choices.iter().all(Value::is_string), "{at}: {choices:?}");
    }
    if kind == "array" {
        is_plain(&schema["items"], &format!("{at}[]"));
    }
    for (name, property) in object.get("properties").and_then(Value::as_object).into_iter().flatten() {
        is_plain(property, &format!("{at}.{name}"));
    }
}

#[tokio::test]
async fn schemas_are_written_so_that_every_client_can_read_them() {
    let names = Regex::new("^[a-z_]{1,40}$").unwrap();
    for tool in catalogue().await {
        for which in ["inputSchema", "outputSchema"] {
            let schema = &tool[which];
            is_plain(schema, &format!("{}.{which}", name(&tool)));
            assert_eq!(schema["type"], "object");
            let known = properties(&tool, which);
            assert!(known.keys().all(|property| names.is_match(property)), "{known:?}");
            let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
            assert!(required.clone().all(|name| known.contains_key(name.as_str().unwrap())), "{}", name(&tool));
        }
    }
}

#[tokio::test]
async fn every_argument_is_described_and_bounded() {
    let mut arguments = 0;
    for tool in catalogue().await {
        for (argument, schema) in properties(&tool, "inputSchema") {
            let at = format!("{} {argument}", name(&tool));
            let description = schema["description"].as_str().unwrap_or_default();
            assert!((5..=200).contains(&description.len()), "{at}: {description:?}");
            let schema = if schema["type"] == "array" { &schema["items"] } else { schema };
            let bounded = schema.get("enum").is_some()
                || schema.get("pattern").is_some()
                || (schema["minimum"].is_i64() && schema["maximum"].is_i64());
            assert!(bounded || schema["type"] == "boolean", "{at} has no bounds");
            assert_ne!(schema["type"], "object", "{at} is nested");
            if let Some(pattern) = schema["pattern"].as_str() {
                assert!(pattern.starts_with('^') && pattern.ends_with('$'), "{at}: {pattern}");
                Regex::new(pattern).unwrap_or_else(|error| panic!("{at}: {error}"));
            }
            arguments += 1;
        }
        assert!(tool["inputSchema"].to_string().len() < 4096, "{}", name(&tool));
    }
    assert!(arguments > 30, "only {arguments}");
}

#[tokio::test]
async fn an_answer_promises_no_more_than_a_refusal_can_keep() {
    for tool in catalogue().await {
        assert_eq!(tool["outputSchema"]["required"], json!(["status", "summary"]), "{}", name(&tool));
        let fields = properties(&tool, "outputSchema");
        assert_eq!((&fields["status"]["type"], &fields["summary"]["type"]), (&json!("string"), &json!("string")));
        assert!(fields.len() > 2, "{} says nothing of its data", name(&tool));
    }
}

#[tokio::test]
async fn the_list_fits_its_budget() {
    let tools = catalogue().await;
    let without: Vec<Value> = tools
        .iter()
        .map(|tool| {
            let mut tool = tool.clone();
            tool.as_object_mut().unwrap().remove("outputSchema");
            tool
        })
        .collect();
    let model: Vec<Value> = tools
        .iter()
        .map(|tool| json!({ "name": tool["name"], "description": tool["description"], "input_schema": tool["inputSchema"] }))
        .collect();
    let (whole, without, model) =
        (json!({ "tools": tools }).to_string(), json!({ "tools": without }).to_string(), json!(model).to_string());
    assert!(without.len() <= 15 * 1024, "{} bytes without output schemas", without.len());
    assert!(whole.len() <= 20 * 1024, "{} bytes", whole.len());
    assert!(tokens(&model) <= 3_000, "a model reads {} tokens", tokens(&model));
    // Hints for searches and schemas of output are read by clients, never by models.
    assert!(tokens(&whole) <= 5_200, "the whole list has {} tokens", tokens(&whole));
}

#[tokio::test]
async fn a_long_list_of_numbers_costs_little_to_read() {
    let sandbox = Sandbox::start().await;
    for line in 0..38 {
        let number = format!("+1303555{:04}", 100 + line);
        let import = json!({ "phone_number": number, "provider_type": "telnyx", "api_key": "KEY-1" });
        let id = sandbox.post("/telephony/numbers/import", import).await["number_id"].clone();
        for (direction, agent) in
            [("inbound", "1f4baf16-1540-4d91-9696-7f34b2f2cb77"), ("outbound", "3a9c5d20-8b1e-4f6a-9c47-51d0e2a6b318")]
        {
            let body = json!({ "number_id": id, "agent_id": agent, "assignment_type": direction });
            sandbox.post("/telephony/numbers/assign", body).await;
        }
    }
    let agent = Agent::alone(Era::Modern).on(&sandbox).start().await;
    let (structure, text) = agent.halves("list_numbers", json!({})).await;
    let listed: Value = serde_json::from_str(&structure).unwrap();
    let listed = Listed::of(&listed);
    assert_eq!((listed.rows.len(), &listed.total), (50, &json!(50)));
    let assigned = listed.row("+13035550137");
    assert_eq!((&assigned["inbound"], &assigned["outbound"]), (&json!("Front desk"), &json!("Front office")));
    for half in [structure, text] {
        assert!(tokens(&half) <= 50 * 45, "{} tokens a number:\n{half}", tokens(&half) as f64 / 50.0);
    }
}

in_both_eras!(answers_and_refusals_of_every_tool_keep_to_its_schema);
/// The schema is checked where every result is read; here each tool gives one of either kind.
async fn answers_and_refusals_of_every_tool_keep_to_its_schema(era: Era) {
    let agent = Agent::with(Human::Agrees).in_era(era).start().await;
    let idle = "+13125550110";
    let cases = [
        ("list_numbers", json!({}), json!({ "agent_id": "Nobody" })),
        ("search_numbers", json!({ "area_code": "415" }), json!({ "page": 0 })),
        (
            "purchase_number",
            json!({ "phone_number": "+14155550150", "confirm": true }),
            json!({ "phone_number": "+14155550199", "confirm": true }),
        ),
        (
            "import_number",
            json!({ "phone_number": "+16465550177", "provider_type": "telnyx", "api_key": "KEY-1" }),
            json!({ "phone_number": "+16465550178", "provider_type": "telnyx" }),
        ),
        (
            "assign_number",
            json!({ "number_id": idle, "agent_id": "Front desk", "assignment_type": "inbound" }),
            json!({ "number_id": idle, "agent_id": "Front office", "assignment_type": "inbound" }),
        ),
        (
            "unassign_number",
            json!({ "number_id": idle, "assignment_type": "inbound" }),
            json!({ "number_id": "+19995550100", "assignment_type": "inbound" }),
        ),
        ("release_number", json!({ "number_id": idle, "confirm": true }), json!({ "number_id": "+14155550123" })),
        ("get_agent_numbers", json!({ "agent_id": "Front desk" }), json!({ "agent_id": "Nobody" })),
        ("get_webhook_url", json!({ "agent_id": "Front desk" }), json!({ "agent_id": "Night line" })),
        ("diagnose_number", json!({ "number_id": "+16175550155" }), json!({ "number_id": "+19995550100" })),
        ("list_credentials", json!({}), json!({ "all": true })),
        ("list_agents", json!({}), json!({ "limit": 0 })),
        ("list_operations", json!({}), json!({ "state": "open" })),
    ];
    expected::assert_covers(&expected::names(), cases.iter().map(|(tool, ..)| *tool));
    for (tool, good, bad) in cases {
        let answer = agent.call(tool, good).await.unwrap_or_else(|refusal| panic!("{tool}: {refusal:?}"));
        let schema = agent.tools().iter().find(|known| known.name == tool).unwrap().output_schema.clone().unwrap();
        let known = schema["properties"].as_object().unwrap();
        let around = ["warnings", "next", "undo", "request_id"];
        for field in answer.as_object().unwrap().keys() {
            assert!(known.contains_key(field) || around.contains(&field.as_str()), "{tool}: {field} is not promised");
        }
        agent.call(tool, bad).await.expect_err(tool);
    }
}

/// What people say, and the tool they need.
const SAID: [(&str, &str); 48] = [
    ("which numbers do we have", "list_numbers"),
    ("show all our phone numbers", "list_numbers"),
    ("numbers nobody uses", "list_numbers"),
    ("who answers +14155550123", "list_numbers"),
    ("is the number I bought active yet", "list_numbers"),
    ("find a number in San Francisco", "search_numbers"),
    ("toll-free numbers in Canada", "search_numbers"),
    ("which numbers are available with area code 415", "search_numbers"),
    ("what does a UK number cost", "search_numbers"),
    ("buy a number", "purchase_number"),
    ("order a phone number for us", "purchase_number"),
    ("purchase +14155550150", "purchase_number"),
    ("get a new number", "purchase_number"),
    ("connect my Twilio number", "import_number"),
    ("bring our own number from Telnyx", "import_number"),
    ("import our existing number", "import_number"),
    ("use the number on our SIP trunk", "import_number"),
    ("assign the number to Front desk", "assign_number"),
    ("caller id for outbound calls", "assign_number"),
    ("attach a number to an agent", "assign_number"),
    ("let the bot answer calls to this number", "assign_number"),
    ("stop calls to Front desk", "unassign_number"),
    ("unassign the number", "unassign_number"),
    ("detach +14155550123 from its agent", "unassign_number"),
    ("disconnect the number from the bot", "unassign_number"),
    ("get rid of a number", "release_number"),
    ("cancel this phone number", "release_number"),
    ("delete +14155550123", "release_number"),
    ("release the number for good", "release_number"),
    ("show the numbers of one agent", "get_agent_numbers"),
    ("which numbers does Front desk answer", "get_agent_numbers"),
    ("check the assignment of Front desk", "get_agent_numbers"),
    ("webhook for Twilio", "get_webhook_url"),
    ("which URL do I paste at the carrier", "get_webhook_url"),
    ("webhook URL of the agent", "get_webhook_url"),
    ("the number does not ring", "diagnose_number"),
    ("why can Front desk not call out", "diagnose_number"),
    ("what is wrong with +14155550123", "diagnose_number"),
    ("calls do not reach the bot, troubleshoot the number", "diagnose_number"),
    ("diagnose our Boston number", "diagnose_number"),
    ("which carrier credentials are stored", "list_credentials"),
    ("which providers are connected", "list_credentials"),
    ("which bots do we have", "list_agents"),
    ("list the agents", "list_agents"),
    ("find the assistant called Front desk", "list_agents"),
    ("what was bought today", "list_operations"),
    ("is anything still unresolved", "list_operations"),
    ("show the history of changes", "list_operations"),
];

/// Clients search the tools by their words and show a model only the best.
#[tokio::test]
async fn what_people_say_finds_the_tool_they_need() {
    let (mut second, mut lost) = (Vec::new(), Vec::new());
    for (said, needed) in SAID {
        let output = tokio_program().args(["tools", "--json", "--search", said]).output().await.unwrap();
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        let found: Vec<&str> = found["tools"].as_array().unwrap().iter().map(name).take(3).collect();
        if !found.contains(&needed) {
            lost.push(format!("{said:?} needs {needed} and finds {found:?}"));
        } else if found[0] != needed {
            second.push(format!("{said:?} needs {needed} and finds {found:?}"));
        }
    }
    assert!(lost.is_empty(), "not among the first three:\n{}\nnot first:\n{}", lost.join("\n"), second.join("\n"));
    assert!(second.len() * 10 <= SAID.len(), "not first:\n{}", second.join("\n"));
}

/// What models type into a search of tools, and the tool they need.
const KEYWORDS: [(&str, &str); 69] = [
    ("buy phone number", "purchase_number"),
    ("purchase number", "purchase_number"),
    ("order new number", "purchase_number"),
    ("rent phone line", "purchase_number"),
    ("search available numbers", "search_numbers"),
    ("phone number area code", "search_numbers"),
    ("toll-free number price", "search_numbers"),
    ("available numbers city", "search_numbers"),
    ("list phone numbers", "list_numbers"),
    ("unused numbers", "list_numbers"),
    ("export numbers csv", "list_numbers"),
    ("phone numbers monthly cost", "list_numbers"),
    ("import twilio number", "import_number"),
    ("byoc sip trunk", "import_number"),
    ("port existing number", "import_number"),
    ("connect telnyx number", "import_number"),
    ("assign number agent", "assign_number"),
    ("route calls agent", "assign_number"),
    ("caller id outbound", "assign_number"),
    ("move number bot", "assign_number"),
    ("forward calls", "assign_number"),
    ("unassign number", "unassign_number"),
    ("remove number from agent", "unassign_number"),
    ("stop calls agent", "unassign_number"),
    ("release number", "release_number"),
    ("delete phone number", "release_number"),
    ("cancel number", "release_number"),
    ("agent numbers inbound outbound", "get_agent_numbers"),
    ("webhook url carrier", "get_webhook_url"),
    ("number not ringing", "diagnose_number"),
    ("troubleshoot calls", "diagnose_number"),
    ("carrier credentials", "list_credentials"),
    ("list voice agents", "list_agents"),
    ("audit log spend", "list_operations"),
    ("undo last change", "list_operations"),
    ("purchase history", "list_operations"),
    ("telephony truedy", "list_numbers"),
    ("show numbers", "list_numbers"),
    ("phone inventory", "list_numbers"),
    ("which agent answers number", "get_agent_numbers"),
    ("find toll free number", "search_numbers"),
    ("cheap phone number search", "search_numbers"),
    ("US phone numbers available", "search_numbers"),
    ("acquire phone number", "purchase_number"),
    ("provision phone number", "purchase_number"),
    ("get phone number", "purchase_number"),
    ("give number to agent", "assign_number"),
    ("reassign number", "assign_number"),
    ("attach phone number", "assign_number"),
    ("detach number", "unassign_number"),
    ("unlink number", "unassign_number"),
    ("give up number", "release_number"),
    ("terminate phone number", "release_number"),
    ("remove phone number", "release_number"),
    ("inbound webhook", "get_webhook_url"),
    ("twilio voice url", "get_webhook_url"),
    ("agent cannot call", "diagnose_number"),
    ("check number status", "diagnose_number"),
    ("debug inbound calls", "diagnose_number"),
    ("stored credentials twilio", "list_credentials"),
    ("assistants", "list_agents"),
    ("agent status", "list_agents"),
    ("spending report", "list_operations"),
    ("operation history", "list_operations"),
    ("approve purchases log", "list_operations"),
    ("pending purchase unknown", "list_operations"),
    ("bring your own carrier", "import_number"),
    ("add existing number", "import_number"),
    ("sip number", "import_number"),
];

/// Returns the three tools that Claude Code's search of tools finds for a query, best first.
///
/// It compares whole words and knows no endings: 12 for a part of the name, 6 for a piece of one, 4 for a word of the
/// hint and 2 for one of the description.
fn found_by_words<'a>(tools: &'a [Value], query: &str) -> Vec<&'a str> {
    let holds = |text: &str, word: &str| {
        let text = text.to_lowercase();
        let beside = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        text.match_indices(word)
            .any(|(at, _)| beside(text[..at].chars().next_back()) && beside(text[at + word.len()..].chars().next()))
    };
    let score = |tool: &Value| -> usize {
        let parts: Vec<&str> = ["mcp", "truedy"].into_iter().chain(name(tool).split('_')).collect();
        let words = query.to_lowercase();
        let of_a_word = |word: &str| {
            let in_name = match word {
                _ if parts.contains(&word) => 12,
                _ if parts.iter().any(|part| part.contains(word)) => 6,
                _ => 0,
            };
            let hint = tool["_meta"]["anthropic/searchHint"].as_str().unwrap_or_default();
            let description = tool["description"].as_str().unwrap_or_default();
            in_name + 4 * usize::from(holds(hint, word)) + 2 * usize::from(holds(description, word))
        };
        words.split_whitespace().map(of_a_word).sum()
    };
    let mut scored: Vec<(usize, &str)> = tools.iter().map(|tool| (score(tool), name(tool))).collect();
    scored.retain(|(score, _)| *score > 0);
    scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    scored.into_iter().map(|(_, name)| name).take(3).collect()
}

/// Claude Code shows a model only the names of tools, and finds the rest by words.
#[tokio::test]
async fn what_people_say_and_models_type_finds_the_tool_by_whole_words() {
    let tools = catalogue().await;
    for (queries, percent) in [(&SAID[..], 95), (&KEYWORDS[..], 97)] {
        let lost: Vec<String> = queries
            .iter()
            .map(|(query, needed)| (query, needed, found_by_words(&tools, query)))
            .filter(|(_, needed, found)| !found.contains(needed))
            .map(|(query, needed, found)| format!("{query:?} needs {needed} and finds {found:?}"))
            .collect();
        assert!(lost.len() * 100 <= queries.len() * (100 - percent), "not among three:\n{}", lost.join("\n"));
    }
}
