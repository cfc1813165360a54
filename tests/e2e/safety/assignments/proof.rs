//! What proves that nobody holds a number, and what leaves it open.

use std::sync::Arc;

use serde_json::{Value, json};

use super::scene::{
    ID, NUMBER, OTHER_ID, Scene, Stage, agent, agrees, denies, half_fails, proven, row, status, sure, surely,
};
use crate::support::era::Era;
use crate::support::fake_truedy::{
    AGENT_NUMBERS, AGENTS, ASSIGN, FRONT_DESK, FRONT_OFFICE, IMPORT, LIST, PURCHASE, Play, RELEASE, UNASSIGN,
};
use crate::support::program::at_once;

#[test]
fn what_nobody_holds_by_any_source_is_released() {
    // Where rows and lists carry assignments and agree, nobody is asked singly; where they name nobody at all, everybody is.
    for (scene, asked) in [(proven(), 0), (Scene::free(), 2)] {
        for era in Era::BOTH {
            let stage = Stage::new(scene.clone());
            let called = stage.wire(era, &[]).call("release_number", sure());
            assert_eq!(called.status(), "released", "{}", called.0);
            assert_eq!((stage.upstream.count(RELEASE), stage.upstream.count(AGENT_NUMBERS)), (1, asked));
        }
    }
    let nobody = Scene { agents: json!([]), ..Scene::free() };
    assert_eq!(status(&Stage::new(nobody).wire(Era::Modern, &[]).call("release_number", sure())), "released");
}

/// One agent says itself that it has the number, whatever the lists say.
fn one_admits(scene: &Scene, agent: &str) -> (u16, Value) {
    if agent == FRONT_DESK {
        (200, json!({ "data": { "inbound": [ID], "outbound": [] } }))
    } else {
        denies(scene, agent)
    }
}

#[test]
fn an_agent_that_alone_says_it_has_the_number_is_heard_where_the_lists_name_nobody() {
    for scene in [Scene::free(), Scene::free().without_columns()] {
        let stage = Stage::new(Scene { own: one_admits, ..scene });
        let mut wire = stage.wire(Era::Modern, &[]);
        for arguments in [sure(), surely()] {
            assert_eq!(status(&wire.call("release_number", arguments)), "number_in_use");
        }
        let assign = json!({ "number_id": ID, "agent_id": FRONT_OFFICE, "assignment_type": "inbound" });
        let called = wire.call("assign_number", assign);
        assert_eq!((called.status(), stage.upstream.changes()), ("would_reassign", 0), "{}", called.0);
        let listed = wire.call("list_numbers", json!({ "unassigned": true }));
        assert!(!listed.0.to_string().contains(ID), "{}", listed.0);
        let called = wire.call("unassign_number", json!({ "number_id": ID, "assignment_type": "inbound" }));
        assert_eq!((called.status(), stage.upstream.count(UNASSIGN)), ("unassigned", 1), "{}", called.0);
        assert_eq!(stage.upstream.count(RELEASE), 0);
    }
}

/// Scenes in which something that is hard to read says that the number is held.
fn hard_to_read() -> Vec<(&'static str, Scene)> {
    let rows = |change: fn(&mut Value)| {
        let mut scene = proven();
        change(&mut scene.numbers);
        Scene { own: denies, ..scene }
    };
    let agents = |change: fn(&mut Value)| {
        let mut scene = proven();
        change(&mut scene.agents);
        scene
    };
    let twin = |id: Value, number: Value| {
        let mut scene = proven();
        let mut twin = row("", NUMBER);
        (twin["id"], twin["phone_number"], twin["inbound_agent_id"]) = (id, number, json!(FRONT_DESK));
        scene.numbers.as_array_mut().unwrap().push(twin);
        scene
    };
    vec![
        ("an object", rows(|rows| rows[0]["inbound_agent_id"] = json!({ "id": FRONT_DESK }))),
        ("an array", rows(|rows| rows[0]["outbound_agent_id"] = json!([FRONT_DESK]))),
        ("an integer", rows(|rows| rows[0]["inbound_agent_id"] = json!(17))),
        ("an object without an id", rows(|rows| rows[0]["inbound_agent_id"] = json!({ "name": "x" }))),
        ("the agent beside a null id", rows(|rows| rows[0]["inbound_agent"] = json!({ "id": FRONT_DESK }))),
        ("an agent's row points at it", agents(|rows| rows[1]["inbound_phone_number_id"] = json!(ID))),
        ("a twin without an id", twin(json!(null), json!(NUMBER))),
        ("a twin whose id is an object", twin(json!({ "x": 1 }), json!(NUMBER))),
        ("its id without a number", twin(json!(ID), json!(null))),
        ("a twin dialled with 00", twin(json!("n9"), json!("0014155550111"))),
        ("a twin without +", twin(json!("n9"), json!("14155550111"))),
        ("a twin that is an integer", twin(json!("n9"), json!(14_155_550_111_u64))),
        (
            "a single answer that goes on",
            Scene {
                own: |_, _| {
                    (200, json!({ "data": { "inbound": [], "outbound": [] }, "pagination": { "has_more": true } }))
                },
                ..Scene::free()
            },
        ),
        (
            "a single answer about another agent",
            Scene {
                own: |_, _| (200, json!({ "data": { "agent_id": "agt_other", "inbound": [], "outbound": [] } })),
                ..Scene::free()
            },
        ),
    ]
}

#[test]
fn what_is_hard_to_read_never_frees_a_number() {
    at_once(hard_to_read(), |(what, scene)| {
        let stage = Stage::new(scene);
        let mut wire = stage.wire(Era::Modern, &[]);
        for arguments in [sure(), surely()] {
            let called = wire.call("release_number", arguments);
            assert!(["number_in_use", "assignment_unknown"].contains(&called.status()), "{what}: {}", called.0);
        }
        assert_eq!(stage.upstream.changes(), 0, "{what}");
    });
}

#[test]
fn naming_the_number_helps_nobody_where_the_agents_are_too_many_to_ask() {
    let mut scene = Scene::free();
    scene.agents = (0..51).map(|n| json!({ "id": format!("agt_{n}"), "name": format!("Agent {n}") })).collect();
    let stage = Stage::new(scene);
    let mut wire = stage.wire(Era::Modern, &[]);
    for arguments in [sure(), surely()] {
        let called = wire.call("release_number", arguments);
        assert_eq!(called.status(), "assignment_unknown", "{}", called.0);
        assert!(!called.summary().contains("phone_number"), "it teaches no way round: {}", called.0);
    }
    assert_eq!(stage.upstream.changes(), 0);
}

#[test]
fn a_list_of_agents_that_goes_on_is_not_taken_for_whole() {
    for pagination in [
        json!({ "total": "2", "has_more": "true" }),
        json!({ "next_cursor": "abc", "limit": 1 }),
        json!({ "page": 1, "page_size": 1, "total_results": 2, "total_pages": 2 }),
        json!({ "has_more": 1 }),
    ] {
        let stage = Stage::new(proven());
        let first = json!({ "data": [proven().agents[0]], "pagination": pagination });
        stage.upstream.always(AGENTS, Play::json(200, &first));
        let called = stage.wire(Era::Modern, &[]).call("release_number", surely());
        assert_eq!((called.status(), stage.upstream.changes()), ("assignment_unknown", 0), "{}", called.0);
    }
    // The documented default of a page, and no word about pages.
    let agents: Value = (0..130).map(|n| agent(&format!("agt_{n}"), &format!("Agent {n}"), json!([]))).collect();
    let numbers: Value = (0..130).map(|n| row(&format!("n{n}"), &format!("+1415200{n:04}"))).collect();
    let stage = Stage::new(Scene { agents, numbers, ..Scene::free() });
    for route in [LIST, AGENTS] {
        let scene = Arc::clone(&stage.scene);
        stage.upstream.on(route, move |seen, _| {
            let scene = scene.lock().unwrap();
            let rows = if route == LIST { &scene.numbers } else { &scene.agents };
            let offset = seen.query.split("offset=").nth(1).and_then(|rest| rest.split('&').next()?.parse().ok());
            let page: Vec<&Value> = rows.as_array().unwrap().iter().skip(offset.unwrap_or(0)).take(50).collect();
            Play::json(200, &json!({ "data": page }))
        });
    }
    let mut wire = stage.wire(Era::Modern, &[]);
    let owned = wire.call("purchase_number", json!({ "phone_number": "+14152000120", "confirm": true }));
    assert_eq!(owned.status(), "already_owned", "{}", owned.0);
    let found = wire.call("get_agent_numbers", json!({ "agent_id": "Agent 129" }));
    assert_eq!(found.status(), "ok", "{}", found.0);
}

#[test]
fn where_the_rows_prove_nothing_every_agent_is_asked_before_a_release() {
    for era in Era::BOTH {
        // The agents' lists name another number, and no row names anybody: the columns may be missing.
        let scene = Scene::with(json!(OTHER_ID));
        let stage = Stage::new(Scene { own: half_fails, ..scene.clone() });
        let mut wire = stage.wire(era, &[]);
        for arguments in [sure(), surely()] {
            let called = wire.call("release_number", arguments);
            assert_eq!(called.status(), "assignment_unknown", "one of them could not be heard: {}", called.0);
        }
        // An agent that lists it itself, which the list of agents does not show.
        stage.set(Scene {
            own: |scene, agent| {
                if agent == FRONT_DESK {
                    agrees(scene, agent)
                } else {
                    (200, json!({ "data": { "inbound": [], "outbound": [{ "id": ID }] } }))
                }
            },
            ..scene.clone()
        });
        let called = wire.call("release_number", surely());
        assert_eq!(called.status(), "number_in_use", "{}", called.0);
        assert_eq!(called.object()["in_use_by"], json!([{ "agent": "Front office", "direction": "outbound" }]));
        // More agents than are asked.
        let mut crowd = scene.clone();
        for n in 0..49 {
            crowd.agents.as_array_mut().unwrap().push(agent(&format!("agt_{n}"), &format!("Agent {n}"), json!([])));
        }
        stage.set(crowd);
        assert_eq!(status(&wire.call("release_number", surely())), "assignment_unknown");
        assert_eq!(stage.upstream.count(RELEASE), 0);
        stage.set(scene);
        let before = stage.upstream.count(AGENT_NUMBERS);
        let called = wire.call("release_number", sure());
        assert_eq!((called.status(), stage.upstream.count(RELEASE)), ("released", 1), "{}", called.0);
        assert_eq!(stage.upstream.count(AGENT_NUMBERS) - before, 2, "both were asked");
    }
}

#[test]
fn an_agents_own_no_frees_for_what_can_be_taken_back_and_never_for_a_release() {
    let listed = || Scene { own: denies, ..Scene::with(json!(ID)) };
    let mut rows = Scene { own: denies, ..Scene::free() };
    rows.numbers[0]["inbound_agent_id"] = json!(FRONT_DESK);
    for era in Era::BOTH {
        for scene in [listed(), rows.clone()] {
            let stage = Stage::new(scene);
            let mut wire = stage.wire(era, &[]);
            for arguments in [sure(), surely()] {
                let called = wire.call("release_number", arguments);
                assert_eq!(called.status(), "number_in_use", "{}", called.0);
                assert!(called.summary().contains("disagree"), "{}", called.0);
            }
            let assign = json!({ "number_id": ID, "agent_id": FRONT_OFFICE, "assignment_type": "inbound" });
            let called = wire.call("assign_number", assign);
            assert_eq!((stage.upstream.count(ASSIGN), stage.upstream.count(RELEASE)), (1, 0), "{}", called.0);
            // The source that still names an agent is set right.
            let called = wire.call("unassign_number", json!({ "number_id": ID, "assignment_type": "inbound" }));
            assert_eq!((called.status(), stage.upstream.count(UNASSIGN)), ("unassigned", 1), "{}", called.0);
            assert!(!called.summary().contains("Nothing had to be changed"), "{}", called.0);
            let mut operators = stage.wire(era, &["--release-in-use"]);
            let called = operators.call("release_number", sure());
            assert_eq!((called.status(), stage.upstream.count(RELEASE)), ("released", 1), "{}", called.0);
        }
    }
}

#[test]
fn unassigning_takes_away_what_only_an_agents_list_shows() {
    for era in Era::BOTH {
        let stage = Stage::new(Scene::with(json!({ "number_id": ID })));
        let mut wire = stage.wire(era, &[]);
        let called = wire.call("unassign_number", json!({ "number_id": NUMBER, "assignment_type": "inbound" }));
        let answer = called.object();
        assert_eq!((called.status(), &answer["stopped"]), ("unassigned", &json!("Front desk")), "{}", called.0);
        assert_eq!(stage.upstream.count(UNASSIGN), 1);
        assert_eq!(answer["verified"], json!(false), "the agent still lists it: {}", called.0);
        let called = wire.call("unassign_number", json!({ "number_id": NUMBER, "assignment_type": "outbound" }));
        assert!(called.summary().starts_with("Nothing had to be changed"), "{}", called.0);
    }
}

#[test]
fn a_token_for_a_free_number_is_none_for_one_that_came_into_use() {
    for era in Era::BOTH {
        for entry in [json!({ "phone_number": NUMBER }), json!({ "id": "assignment-17" })] {
            let stage = Stage::new(Scene::free());
            let mut wire = stage.wire(era, &["--gate", "token"]);
            let preview = wire.call("release_number", json!({ "number_id": ID }));
            let mut arguments = surely();
            arguments["confirmation_token"] = preview.object()["confirmation_token"].clone();
            stage.set(Scene::with(entry));
            let called = wire.call("release_number", arguments.clone());
            assert!(["number_in_use", "assignment_unknown"].contains(&called.status()), "{}", called.0);
            assert_eq!(stage.upstream.count(RELEASE), 0);
        }
    }
}

#[test]
fn from_a_part_of_a_list_no_absence_and_no_total_follows() {
    let many = |count: usize| -> Value {
        (0..count).map(|n| agent(&format!("agt_{n}"), &format!("Agent {n}"), json!([]))).collect()
    };
    let stuck = Scene { agents: many(60), stuck_at: 50, ..Scene::free() };
    let mut odd = Scene::free();
    odd.numbers.as_array_mut().unwrap().push(json!({ "id": "n9", "phone_number": null }));
    odd.agents.as_array_mut().unwrap().push(json!({ "name": "Nobody knows" }));
    let long = Scene {
        numbers: (0..5_001).map(|n| row(&format!("n{n}"), &format!("+1415{n:07}"))).collect(),
        agents: many(5_001),
        stuck_at: 6_000,
        ..Scene::free()
    };
    let absent = "+14155559999";
    for (name, scene) in [("ignores the offset", stuck), ("an unreadable row", odd), ("too long", long)] {
        let stage = Stage::new(scene);
        let mut wire = stage.wire(Era::Modern, &[]);
        let by_name = json!({ "number_id": ID, "agent_id": "Agent 55 of another list", "assignment_type": "inbound" });
        let agents = [
            ("get_agent_numbers", json!({ "agent_id": "Somebody else" })),
            ("get_webhook_url", json!({ "agent_id": "Somebody else" })),
            ("list_numbers", json!({ "agent_id": "Somebody else" })),
        ];
        for (tool, arguments) in agents {
            let called = wire.call(tool, arguments);
            assert_eq!(called.status(), "bad_upstream_response", "{name} {tool}: {}", called.0);
            assert!(called.summary().contains("in the part of the list"), "{name}: {}", called.0);
        }
        if name == "ignores the offset" {
            let listed = wire.call("list_agents", json!({ "offset": 50 }));
            assert!(!listed.summary().contains("No agents"), "{}", listed.0);
            continue;
        }
        if name == "an unreadable row" {
            assert_eq!(status(&wire.call("assign_number", by_name)), "bad_upstream_response", "{name}");
        }
        for (tool, arguments) in [
            ("release_number", json!({ "number_id": absent, "confirm": true })),
            ("assign_number", json!({ "number_id": absent, "agent_id": FRONT_DESK, "assignment_type": "inbound" })),
            ("unassign_number", json!({ "number_id": absent, "assignment_type": "inbound" })),
            ("purchase_number", json!({ "phone_number": absent, "confirm": true })),
            (
                "import_number",
                json!({ "phone_number": absent, "provider_type": "telnyx", "api_key": "KEYwire0123456789" }),
            ),
        ] {
            let called = wire.call(tool, arguments);
            assert_eq!(called.status(), "bad_upstream_response", "{name} {tool}: {}", called.0);
            assert!(called.summary().contains("could be read"), "{name} {tool}: {}", called.0);
        }
        let called = wire.call("diagnose_number", json!({ "number_id": absent }));
        assert!(called.summary().contains("in the part of the account's list"), "{name}: {}", called.0);
        for arguments in [json!({ "managed": true }), json!({})] {
            let called = wire.call("list_numbers", arguments);
            assert_eq!(
                (called.status(), called.object().get("total")),
                ("ok", None),
                "{name}: {}",
                called.object()["summary"]
            );
        }
        let called = wire.call("list_agents", json!({}));
        assert_eq!(
            (called.status(), called.object().get("total")),
            ("ok", None),
            "{name}: {}",
            called.object()["summary"]
        );
        assert_eq!(
            stage.upstream.count(PURCHASE) + stage.upstream.count(IMPORT) + stage.upstream.changes(),
            0,
            "{name}"
        );
    }
}
