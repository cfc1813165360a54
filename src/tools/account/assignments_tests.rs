//! Tests of `assignments.rs`, beside it since both together are long.

use super::*;
use crate::domain::{Agent, Slot};
use crate::tools::account::evidence::Usage;
use crate::tools::account::pages::ListResult;
use proptest::prelude::*;
use serde_json::{Value, json};

const ID: &str = "d0845d54-d96d-4cb8-8cc3-eac55f94c2c0";
const NUMBER: &str = "+14155550111";

fn number(id: &str, text: &str, inbound: &Value) -> OwnedNumber {
    let row = json!({ "id": id, "phone_number": text, "inbound_agent_id": inbound, "outbound_agent_id": null });
    OwnedNumber::read(&row).expect("a number")
}

pub(crate) fn agent(id: &str, inbound: &Value) -> Agent {
    let row = json!({ "id": id, "inbound_phone_numbers": inbound, "outbound_phone_numbers": [] });
    Agent::read(&row).expect("an agent")
}

/// What the sources say of the inbound direction of the first number.
fn judged(numbers: Vec<OwnedNumber>, agents: Option<Vec<Agent>>) -> DirectionEvidence {
    let first = numbers[0].clone();
    let roster = Roster::of(agents.map(|rows| ListResult { rows, complete: true, unreadable: false }));
    Assignments::new(&ListResult { rows: numbers, complete: true, unreadable: false }, &roster).evidence(
        first.view(),
        Direction::Inbound,
        true,
    )
}

#[test]
fn a_list_of_agents_that_is_cut_short_has_answered() {
    let rows = vec![number(ID, NUMBER, &json!(null))];
    let numbers = ListResult { rows, complete: true, unreadable: false };
    let cut = Roster::of(Some(ListResult { rows: Vec::new(), complete: false, unreadable: false }));
    let evidence = Assignments::new(&numbers, &cut).evidence(numbers.rows[0].view(), Direction::Inbound, true);
    assert_eq!(evidence.usage(), Usage::Unknown { silent: false }, "{evidence:?}");
}

#[test]
fn each_source_weighs_what_it_proves() {
    let free = |inbound: Value| vec![number(ID, NUMBER, &inbound), number("n2", "+14155550112", &json!(null))];
    let known = || vec![number(ID, NUMBER, &json!(null)), number("n2", "+14155550112", &json!("b"))];
    let (a, b) = (|held: Value| agent("a", &held), |held: Value| agent("b", &held));
    let held = |id: &str| Slot::Held(id.to_owned());
    let unknown = |silent| Usage::Unknown { silent };
    for (what, numbers, agents, slot, usage) in [
        (
            "nobody is named anywhere",
            free(json!(null)),
            Some(vec![a(json!([])), b(json!([]))]),
            Slot::Free,
            unknown(false),
        ),
        ("no agents to ask", free(json!(null)), Some(vec![]), Slot::Free, unknown(true)),
        ("a holder without an id", free(json!({ "x": 1 })), Some(vec![a(json!([]))]), held("unreadable"), Usage::InUse),
        ("a holder as an object", free(json!({ "id": "a" })), Some(vec![a(json!([]))]), held("a"), Usage::InUse),
        ("the row", free(json!("a")), Some(vec![a(json!([]))]), held("a"), Usage::InUse),
        ("a list", free(json!(null)), Some(vec![a(json!([ID]))]), held("a"), Usage::InUse),
        ("a list, row absent", free(json!([])), Some(vec![a(json!([ID]))]), held("a"), Usage::InUse),
        ("columns may be missing", free(json!(null)), Some(vec![a(json!(["n2"]))]), Slot::Free, unknown(false)),
        ("columns are there", known(), Some(vec![b(json!(["n2"]))]), Slot::Free, Usage::Free),
        ("a list denies another row", known(), Some(vec![b(json!([]))]), Slot::Free, unknown(false)),
        ("an odd entry", known(), Some(vec![b(json!(["n2", "asg"]))]), Slot::Unknown, unknown(false)),
        ("an agent is silent", known(), Some(vec![a(json!(null))]), Slot::Free, unknown(false)),
        ("no list, columns are there", known(), None, Slot::Free, unknown(false)),
        ("no list, columns may be missing", free(json!(null)), None, Slot::Unknown, unknown(true)),
        ("nothing at all", free(json!([])), None, Slot::Unknown, unknown(true)),
    ] {
        let evidence = judged(numbers, agents);
        assert_eq!((evidence.slot(), evidence.usage()), (slot, usage), "{what}: {evidence:?}");
    }
}

#[test]
fn rows_that_share_an_id_or_a_number_are_about_one() {
    let none = json!(null);
    for other in [
        number("n2", NUMBER, &json!("a")),
        number("n2", "+1 (415) 555-0111", &json!("a")),
        number("n2", "0014155550111", &json!("a")),
        number("n2", "14155550111", &json!("a")),
        number(&ID.to_uppercase(), "+14155550199", &json!("a")),
    ] {
        let evidence = judged(vec![number(ID, NUMBER, &none), other.clone()], Some(vec![]));
        assert_eq!(evidence.usage(), Usage::InUse, "{other:?}");
    }
    // Linked by a third row, and by an entry for the other id.
    let rows = vec![number(ID, NUMBER, &none), number("n2", "+14155550199", &none), number("n2", NUMBER, &none)];
    let evidence = judged(rows, Some(vec![agent("a", &json!(["+14155550199"]))]));
    assert_eq!(evidence.usage(), Usage::InUse, "{evidence:?}");
}

#[test]
fn in_a_part_of_a_list_a_number_that_is_written_out_is_another_one() {
    let first = number(ID, NUMBER, &json!(null));
    let of = |entry: Value, strict| {
        let rows = vec![first.clone(), number("n2", "+14155550112", &json!("a"))];
        let roster = Roster::of(Some(ListResult {
            rows: vec![agent("a", &json!(["n2", entry]))],
            complete: true,
            unreadable: false,
        }));
        let all = Assignments::new(&ListResult { rows, complete: false, unreadable: false }, &roster);
        all.evidence(first.view(), Direction::Inbound, strict).usage()
    };
    let unknown = Usage::Unknown { silent: false };
    for (entry, strict, usage) in [
        (json!("+19995550100"), true, Usage::Free),
        (json!("n3"), false, Usage::Free),
        (json!("n3"), true, unknown),
        (json!({}), false, unknown),
    ] {
        assert_eq!(of(entry.clone(), strict), usage, "{entry} {strict}");
    }
}

/// An entry of an agent's list: the number in one of its forms, another number, or none that is known.
fn entry() -> impl Strategy<Value = (Value, char)> {
    prop_oneof![
        1 => Just((json!(ID), 'm')),
        1 => Just((json!({ "id": ID.to_uppercase() }), 'm')),
        1 => Just((json!({ "phone_number": { "number": "tel:+1-415-555-0111" } }), 'm')),
        3 => Just((json!("n2"), 'o')),
        1 => Just((json!({ "id": "asg-1" }), 'u')),
        1 => Just((json!({}), 'u')),
        1 => Just((json!("+19995550100"), 'u')),
    ]
}

fn told() -> impl Strategy<Value = AgentAnswer> {
    prop_oneof![
        Just(AgentAnswer::Yes),
        Just(AgentAnswer::No),
        Just(AgentAnswer::No),
        Just(AgentAnswer::Doubt),
        Just(AgentAnswer::Silent)
    ]
}

fn slot() -> impl Strategy<Value = Value> {
    prop_oneof![3 => Just(json!(null)), 1 => Just(json!([])), 1 => Just(json!("a")), 1 => Just(json!("b"))]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_source_that_says_held_is_talked_away(
        rows in proptest::collection::vec(slot(), 3),
        twin in any::<bool>(),
        lists in proptest::option::of(proptest::collection::vec(proptest::option::of(proptest::collection::vec(entry(), 0..3)), 2)),
        whole in any::<bool>(),
        answers in proptest::collection::vec(proptest::option::of(told()), 2),
    ) {
        let numbers = vec![
            number(ID, NUMBER, &rows[0]),
            number("n2", "+14155550112", &rows[1]),
            number("n3", if twin { NUMBER } else { "+14155550113" }, &rows[2]),
        ];
        let names = ["a", "b"];
        let agents = lists.as_ref().map(|lists| {
            let list = |held: &Vec<(Value, char)>| held.iter().map(|(entry, _)| entry.clone()).collect::<Value>();
            let rows = names.iter().zip(lists).map(|(id, held)| agent(id, &held.as_ref().map_or(json!(null), list)));
            ListResult { rows: rows.collect(), complete: whole, unreadable: false }
        });
        let asked: Vec<(String, AgentAnswer)> = names
            .iter()
            .zip(&answers)
            .filter_map(|(id, told)| told.map(|told| ((*id).to_owned(), told)))
            .collect();
        let asked_all = asked.len() == 2 && lists.is_some() && whole;
        let all = Assignments::new(&ListResult { rows: numbers.clone(), complete: true, unreadable: false }, &Roster::of(agents));
        let evidence = all.evidence(numbers[0].view(), Direction::Inbound, true);
        let evidence = DirectionEvidence { asked: asked.clone(), asked_all, ..evidence };
        let (usage, slot) = (evidence.usage(), evidence.slot());

        let entries: Vec<char> =
            lists.iter().flatten().flatten().flatten().map(|(_, kind)| *kind).collect();
        let held_by_row = rows[0].is_string() || (twin && rows[2].is_string());
        let held = held_by_row || entries.contains(&'m') || asked.iter().any(|(_, told)| *told == AgentAnswer::Yes);
        let unmatched = entries.contains(&'u') || asked.iter().any(|(_, told)| *told == AgentAnswer::Doubt);
        prop_assert_eq!(held, usage == Usage::InUse, "held by any source is held");
        if unmatched {
            prop_assert_ne!(usage, Usage::Free);
            prop_assert_ne!(&slot, &Slot::Free);
        }
        if evidence.disputed() || unmatched {
            prop_assert_ne!(usage, Usage::Unknown { silent: true }, "the caller's word lifts no contradiction");
        }
        if usage == (Usage::Unknown { silent: true }) {
            let heard = lists.iter().flatten().any(Option::is_some);
            prop_assert!(!heard && asked.iter().all(|(_, told)| *told == AgentAnswer::Silent));
        }
        if usage == Usage::Free {
            let by_lists = lists.is_some() && whole && lists.iter().flatten().all(Option::is_some);
            let rows_free = rows[0].is_null() && (!twin || rows[2].is_null());
            let singly = asked_all && asked.iter().all(|(_, told)| *told == AgentAnswer::No);
            prop_assert!(singly || (by_lists && rows_free), "free is said by two, or by every agent");
        }
        if asked.iter().any(|(_, told)| *told == AgentAnswer::Yes) {
            prop_assert!(matches!(slot, Slot::Held(_)));
        }
    }
}
