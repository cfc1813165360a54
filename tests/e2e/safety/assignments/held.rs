//! A number that any source says is held is neither released nor moved in silence.

use serde_json::{Value, json};

use super::scene::{ID, LEVELS, NUMBER, Scene, Stage, agrees, fails, row};
use crate::support::era::{Era, LEGACY};
use crate::support::fake_truedy::{FRONT_DESK, FRONT_OFFICE};
use crate::support::http_client::Served;
use crate::support::program::at_once;

/// What stands in an agent's list, and whether it certainly is the number.
fn entries() -> Vec<(Value, bool)> {
    vec![
        (json!(ID), true),
        (json!(ID.to_uppercase()), true),
        (json!(NUMBER), true),
        (json!("tel:+1-415-555-0111"), true),
        (json!({ "id": ID, "phone_number": "+1 (415) 555-0111" }), true),
        (json!({ "phone_number": { "number": NUMBER } }), true),
        (json!({ "id": "assignment-17", "number_id": ID }), true),
        (json!({ "number": { "number_id": ID } }), true),
        (json!({ "id": "assignment-17" }), false),
        (json!("(415) 555-0111"), false),
        (json!({ "phone": { "digits": "4155550111" } }), false),
        (json!({ "phone_number": "+19995550100" }), false),
        (json!({}), false),
        (json!(null), false),
    ]
}

/// The scenes in which the number is held, or may be, although its row names nobody; and whether it certainly is.
fn held() -> Vec<(String, Scene, bool)> {
    let mut scenes = Vec::new();
    for (entry, certain) in entries() {
        for (name, own) in [("agrees", agrees as fn(&Scene, &str) -> _), ("fails", fails)] {
            let scene = Scene { own, ..Scene::with(entry.clone()) };
            scenes.push((format!("{entry} {name}"), scene.clone(), certain));
            scenes.push((format!("{entry} {name}, no columns"), scene.without_columns(), certain));
        }
    }
    let mut other_row = row("11111111-2222-4333-8444-555555555555", NUMBER);
    other_row["outbound_agent_id"] = json!(FRONT_DESK);
    other_row["inbound_agent_id"] = json!(FRONT_DESK);
    let twin = Scene { numbers: json!([row(ID, NUMBER), other_row]), ..Scene::free() };
    let mut second_row = row(ID, NUMBER);
    second_row["inbound_agent_id"] = json!(FRONT_DESK);
    let twice = Scene { numbers: json!([row(ID, NUMBER), second_row]), ..Scene::free() };
    scenes.push(("two ids".to_owned(), Scene { own: fails, ..twin }, true));
    scenes.push(("one id twice".to_owned(), Scene { own: fails, ..twice }, true));
    scenes
}

/// Calls a tool in one of the eras, over one of the transports.
type Caller<'a> = &'a mut dyn FnMut(&str, Value) -> Value;

/// Tries everything that would give the number up or take it away in silence, and finds that nothing does.
fn nothing_goes(call: Caller, what: &str, certain: bool) {
    let status = |answer: &Value| answer["status"].as_str().unwrap_or_default().to_owned();
    let (in_use, taken) =
        if certain { ("number_in_use", "would_reassign") } else { ("assignment_unknown", "assignment_unknown") };
    let preview = call("release_number", json!({ "number_id": ID }));
    // Where a person must agree, a client that cannot ask is told so at once.
    let first = if what.contains(", human ") { "human_unavailable" } else { "confirmation_required" };
    assert_eq!(status(&preview), first, "{what}: {preview}");
    let mut sure = json!({ "number_id": ID, "confirm": true, "confirmation_token": preview["confirmation_token"] });
    if sure["confirmation_token"].is_null() {
        drop(sure.as_object_mut().unwrap().remove("confirmation_token"));
    }
    let mut named = sure.clone();
    named["phone_number"] = json!(NUMBER);
    for arguments in [sure, named] {
        let refusal = call("release_number", arguments.clone());
        assert_eq!(status(&refusal), in_use, "{what}: {arguments} {refusal}");
        assert!(refusal["summary"].as_str().unwrap().starts_with("Nothing was released."), "{what}: {refusal}");
    }
    let assignment = json!({ "number_id": ID, "agent_id": FRONT_OFFICE, "assignment_type": "inbound" });
    let refusal = call("assign_number", assignment);
    assert_eq!(status(&refusal), taken, "{what}: {refusal}");
    let listed = call("list_numbers", json!({ "unassigned": true }));
    assert!(!listed.to_string().contains(ID), "{what}: {listed}");
}

fn http_call(served: &Served, runtime: &tokio::runtime::Runtime, era: Era, tool: &str, arguments: Value) -> Value {
    runtime.block_on(async {
        let token = served.token();
        match era {
            Era::Modern => served.call(&token, tool, arguments).await,
            Era::Legacy => {
                let bearer = format!("Bearer {token}");
                let headers = [("authorization", bearer.as_str()), ("mcp-protocol-version", LEGACY)];
                let params = json!({ "name": tool, "arguments": arguments });
                let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
                let answer = served.post(&headers, message).await;
                assert_eq!(answer.status, 200, "{answer:?}");
                answer.json()["result"]["structuredContent"].clone()
            }
        }
    })
}

#[test]
fn what_any_source_says_is_held_is_neither_released_nor_moved_in_silence() {
    let combinations = LEVELS.into_iter().flat_map(|level| Era::BOTH.map(|era| (level, era)));
    at_once(combinations.flat_map(|case| [(case, false), (case, true)]), |((level, era), http)| {
        let stage = Stage::new(Scene::free());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let served = http.then(|| runtime.block_on(Served::on(&stage.upstream, &["--gate", level])));
        let mut wire = (!http).then(|| stage.wire(era, &["--gate", level]));
        for (what, scene, certain) in held() {
            stage.set(scene);
            let what = format!("{what}, {level} {era:?} {}", if http { "http" } else { "stdio" });
            nothing_goes(
                &mut |tool, arguments| match (&served, &mut wire) {
                    (Some(served), _) => http_call(served, &runtime, era, tool, arguments),
                    (None, Some(wire)) => wire.call(tool, arguments).object().clone(),
                    (None, None) => unreachable!("one of them runs"),
                },
                &what,
                certain,
            );
        }
        assert_eq!(stage.upstream.changes(), 0, "{level} {era:?} {http}");
    });
}
