//! Tests of `listed_rows.rs`: what is read from text is what the same JSON gives as a value.

use super::*;
use crate::redact::{Redactor, Secret};
use proptest::prelude::*;
use serde_json::json;

fn read<T: ListedRow>(text: &str) -> serde_json::Result<ListBody<T>> {
    ListBody::read(text, &Redactor::default().pass())
}

fn agents(text: &str) -> Option<ListedRows<Agent>> {
    read(text).expect("JSON").rows
}

/// Any JSON whose fields often have the names that are read.
fn any_json() -> impl Strategy<Value = Value> {
    let field = "id|number_id|phone_number|e164|name|status|inbound_phone_numbers|outbound_phone_numbers\
        |inbound_phone_number_id|inbound_agent_id|inbound_agent|is_trudy_managed|created_at|organization_id|[a-z]{1,3}";
    let text = "n[0-3]|\\+1415555010[0-3]|active|2026-03-03T20:30:21Z|\\PC{0,9}|";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((field, inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn text_and_value_give_the_same_rows(list in proptest::collection::vec(any_json(), 0..4), other in any_json()) {
        let text = json!({ "other": other, "data": list }).to_string();
        let body: Value = serde_json::from_str(&text).expect("JSON");
        let rows = body["data"].as_array().expect("a list");
        let read_agents = read::<Agent>(&text).expect("JSON");
        prop_assert_eq!(read_agents.others, json!({ "other": body["other"] }));
        let expected: Vec<Agent> = rows.iter().filter_map(Agent::read).collect();
        let all = read_agents.rows.expect("a list");
        prop_assert_eq!((all.read, all.shown, all.listed), (expected, rows.len(), rows.len()));
        let numbers = read::<OrganizationRow>(&text).expect("JSON").rows.expect("a list");
        let expected: Vec<OwnedNumber> = rows.iter().filter_map(OwnedNumber::read).collect();
        prop_assert_eq!(numbers.filter_map(|row| row.number).read, expected);
    }

    #[test]
    fn any_json_is_read(body in any_json()) {
        let rows = agents(&body.to_string());
        let listed = body.get("data").unwrap_or(&body).as_array().map(Vec::len);
        prop_assert_eq!(rows.map(|rows| rows.listed), listed);
    }
}

#[test]
fn a_list_may_have_no_envelope() {
    let rows =
        json!([{ "id": "a1", "name": "Front Desk", "inbound_phone_numbers": ["n1"], "system_prompt": "Say hello." }]);
    for text in [rows.to_string(), json!({ "data": rows }).to_string(), json!({ "meta": {}, "data": rows }).to_string()]
    {
        let read = agents(&text).expect("a list").read;
        assert_eq!(read, [Agent::read(&rows[0]).expect("an agent")], "{text}");
    }
    for text in
        ["{}", "null", "7", "\"data\"", "true", "{\"data\":null}", "{\"data\":{\"id\":\"a1\"}}", "{\"data\":\"\"}"]
    {
        assert_eq!(agents(text), None, "{text}");
    }
}

#[test]
fn what_is_no_whole_json_is_an_error() {
    for text in ["", "{", "[1,", "[] []", "{\"data\":[]}x", "{\"data\":[{\"id\":\"a1\"}}"] {
        assert!(read::<Agent>(text).is_err(), "{text}");
    }
}

#[test]
fn rows_that_were_not_read_are_counted() {
    let rows: Vec<Value> = (0..MOST_ROWS + 3).map(|n| json!({ "id": format!("a{n}") })).collect();
    let all = agents(&Value::from(rows).to_string()).expect("a list");
    assert_eq!((all.read.len(), all.shown, all.listed), (MOST_ROWS, MOST_ROWS, MOST_ROWS + 3));
    assert!(all.is_partly_read());
    let one = agents("[{\"id\":\"a1\"},7]").expect("a list");
    assert_eq!((one.read.len(), one.shown, one.listed), (1, 2, 2));
    assert!(one.is_partly_read());
}

#[test]
fn a_field_that_comes_twice_counts_as_the_last_one() {
    let text =
        r#"[{"id":"a1","id":"a2","inbound_phone_numbers":["n1"],"inbound_phone_numbers":[{"id":"n2","id":"n3"}]}]"#;
    let value: Value = serde_json::from_str(text).expect("JSON");
    assert_eq!(agents(text).expect("a list").read, [Agent::read(&value[0]).expect("an agent")]);
    let text = r#"[{"id":"a1","inbound_phone_numbers":["n1"],"inbound_phone_numbers":7}]"#;
    assert_eq!(agents(text).expect("a list").read[0].inbound, None);
}

#[test]
fn no_secret_comes_out_of_a_row() {
    let redactor = std::sync::Arc::new(Redactor::default());
    redactor.redact_always(&Secret::new("carrier-token-0123456789".to_owned()).expect("a secret"));
    // Longer than what is shown of a text: cut first, the half of it could no longer be found.
    let hidden = format!("{} carrier-token-0123456789", "x".repeat(100));
    let row = json!({
        "id": "a1", "name": hidden, "status": hidden, "inbound_phone_number_id": hidden,
        "inbound_phone_numbers": [hidden, { "id": hidden }, { "phone_number": { "number": hidden } }],
        "inbound_agent": { "id": hidden }, "phone_number": hidden, "organization_id": hidden,
    });
    let text = json!({ "data": [row], "error": { "message": hidden } }).to_string();
    let body: ListBody<Agent> = ListBody::read(&text, &redactor.pass()).expect("JSON");
    let shown = format!("{body:?}");
    assert!(!shown.contains("carrier-t") && shown.contains("xxx"), "{shown}");
    let body: ListBody<OrganizationRow> = ListBody::read(&text, &redactor.pass()).expect("JSON");
    let shown = format!("{body:?}");
    assert!(!shown.contains("carrier-t") && shown.contains("xxx"), "{shown}");
    assert!(
        !ListBody::<Agent>::read(&json!(hidden).to_string(), &redactor.pass())
            .expect("JSON")
            .others
            .to_string()
            .contains("carrier-t")
    );
}
