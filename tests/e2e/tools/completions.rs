//! Completions: what is offered for a value while it is typed, and what it costs.

use std::thread;
use std::time::{Duration, Instant};

use rmcp::model::Reference;
use serde_json::{Value, json};

use super::prompts_and_resources::{agents, code, numbers, prompt};
use crate::support::era::{Era, in_both_eras};
use crate::support::fake_truedy::{AGENTS, Gate, LIST, Play, Reply, Upstream};
use crate::support::mcp_client::Agent;
use crate::support::program::{LONG, server};
use crate::support::raw_client::Wire;

in_both_eras!(what_is_typed_is_completed, a_long_list_of_values_is_cut_and_says_so,);

async fn what_is_typed_is_completed(era: Era) {
    let agent = Agent::alone(era).flags(&["--countries", "US,CA,GB"]).start().await;
    let listed = agent.numbers(json!({})).await;
    let (number, id) = (listed.rows[0]["number"].as_str().unwrap(), listed.rows[0]["id"].as_str().unwrap());
    let holder = listed.rows.iter().find_map(|row| row["inbound"].as_str()).expect("an agent with a number");
    let last = &number[number.len() - 4..];
    let offered = async |reference: Reference, argument: &str, typed: &str| {
        let offered = agent.complete(reference, argument, typed).await.unwrap();
        assert_eq!(offered.total, Some(u32::try_from(offered.values.len()).unwrap()));
        assert_eq!(offered.has_more, Some(false));
        offered.values
    };
    assert!(offered(numbers(), "id", "").await.iter().all(|value| value.starts_with('+')));
    assert!(offered(numbers(), "id", last).await.contains(&number.to_owned()));
    assert_eq!(offered(numbers(), "id", number).await, [number]);
    assert_eq!(offered(numbers(), "id", id).await, [id]);
    assert!(offered(prompt("release_number_safely"), "number", last).await.contains(&number.to_owned()));
    for reference in
        [(agents(), "id"), (prompt("provision_number"), "agent"), (prompt("bring_your_own_number"), "agent")]
    {
        assert!(offered(reference.0, reference.1, &holder[1..4].to_uppercase()).await.contains(&holder.to_owned()));
    }
    assert_eq!(offered(prompt("provision_number"), "country", "").await, ["CA", "GB", "US"]);
    assert_eq!(offered(prompt("provision_number"), "country", "g").await, ["GB"]);
    assert_eq!(offered(prompt("bring_your_own_number"), "provider", "").await, ["custom_sip", "telnyx", "twilio"]);
    assert_eq!(offered(prompt("bring_your_own_number"), "provider", "SIP").await, ["custom_sip"]);
    for (name, argument) in
        [("bring_your_own_number", "carrier"), ("bring_your_own_number", "number"), ("provision_number", "area_code")]
    {
        assert!(offered(prompt(name), argument, "").await.is_empty(), "{argument}");
    }
    for (reference, argument, named) in [
        (prompt("buy_everything"), "number", "Unknown reference: buy_everything"),
        (Reference::for_resource("truedy://numbers"), "id", "Unknown reference: truedy://numbers"),
        (Reference::for_resource("test://{x}"), "x", "Unknown reference: test://{x}"),
        (prompt("audit_numbers"), "number", "Unknown argument of audit_numbers: number"),
        (numbers(), "number", "Unknown argument of truedy://numbers/{id}: number"),
    ] {
        let error = agent.complete(reference, argument, "").await.expect_err(named);
        assert_eq!((code(&error), error.message.as_ref()), (-32602, named));
    }
}

async fn a_long_list_of_values_is_cut_and_says_so(era: Era) {
    let agent = Agent::alone(era).start().await;
    let all = agent.complete(prompt("provision_number"), "country", "").await.unwrap();
    assert_eq!((all.values.len(), all.has_more), (100, Some(true)));
    assert!(all.total.is_some_and(|total| (240..260).contains(&total)), "{:?}", all.total);
    assert!(all.values.is_sorted());
}

/// What is offered for a template's variable.
pub(super) fn completed(wire: &mut Wire, template: &str, typed: &str) -> Value {
    let reference = json!({ "type": "ref/resource", "uri": template });
    let answer =
        wire.ask("completion/complete", json!({ "ref": reference, "argument": { "name": "id", "value": typed } }));
    answer["result"]["completion"].clone()
}

#[test]
fn quick_typing_reads_the_account_once() {
    for era in Era::BOTH {
        let upstream = Upstream::start();
        upstream.account(|account| (0..130).for_each(|n| drop(account.add(&format!("+1415555{n:04}"), true))));
        let mut wire = Wire::open(server(&upstream.base_url()), era);
        for typed in ["", "4", "41", "415", "4155550129"] {
            let offered = completed(&mut wire, "truedy://numbers/{id}", typed);
            let fitting = if typed.len() > 3 { 1 } else { 130 };
            let shown = offered["values"].as_array().unwrap().len();
            assert_eq!((shown, &offered["total"]), (fitting.min(100), &json!(fitting)), "{typed}");
            assert_eq!(offered["hasMore"], fitting > 100, "{typed}");
        }
        for typed in ["F", "Fr", "Front d"] {
            assert!(
                !completed(&mut wire, "truedy://agents/{id}/numbers", typed)["values"].as_array().unwrap().is_empty()
            );
        }
        assert_eq!((upstream.count(LIST), upstream.count(AGENTS)), (2, 1), "two pages of numbers, one of agents");
    }
}

#[test]
fn what_cannot_be_read_completes_to_nothing() {
    let nothing = json!({ "values": [], "total": 0, "hasMore": false });
    for era in Era::BOTH {
        let upstream = Upstream::start();
        upstream.account(|account| account.add("+14155550123", true));
        upstream
            .always(LIST, Play::json(401, &json!({})))
            .always(AGENTS, Play::Answer(Reply::text(200, "text/html", "?")));
        let mut wire = Wire::open(server(&upstream.base_url()), era);
        for template in ["truedy://numbers/{id}", "truedy://agents/{id}/numbers"] {
            assert_eq!(completed(&mut wire, template, ""), nothing, "{era:?} {template}");
        }
        let before = upstream.seen().len();
        assert_eq!(completed(&mut wire, "truedy://numbers/{id}", "4"), nothing);
        assert_eq!(upstream.seen().len(), before, "who types does not hammer on a Truedy that fails");
    }
}

#[test]
fn who_types_does_not_wait_for_a_truedy_that_is_silent() {
    let upstream = Upstream::start();
    upstream.always(LIST, Play::Never);
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Modern);
    assert_eq!(completed(&mut wire, "truedy://numbers/{id}", "")["values"], json!([]));
    assert_eq!(upstream.count(LIST), 1, "it was given up before it would have been sent again");
}

#[test]
fn what_nobody_waited_for_is_not_kept_as_nothing() {
    for era in Era::BOTH {
        let (upstream, gate) = (Upstream::start(), Gate::new());
        upstream.account(|account| account.add("+14155550123", true));
        upstream.in_turn(LIST, vec![Play::Behind(gate.clone(), Box::new(Play::Usual)), Play::Usual]);
        let mut wire = Wire::open(server(&upstream.base_url()), era);
        let reference = json!({ "type": "ref/resource", "uri": "truedy://numbers/{id}" });
        let argument = json!({ "name": "id", "value": "4" });
        let id = wire.request("completion/complete", json!({ "ref": reference, "argument": argument }));
        let begun = Instant::now();
        while upstream.count(LIST) == 0 {
            assert!(begun.elapsed() < LONG, "the account is read");
            thread::sleep(Duration::from_millis(5));
        }
        wire.notify("notifications/cancelled", json!({ "requestId": id }));
        let offered = completed(&mut wire, "truedy://numbers/{id}", "41");
        assert_eq!(offered["values"], json!(["+14155550123"]), "{era:?}");
        gate.open();
    }
}
