//! Agents whose rows are large, and agents that are many.

use serde_json::json;

use super::large::{LargeTruedy, agent_name, asked, number, state};
use crate::support::era::Era;
use crate::support::fake_truedy::{AGENTS, Play, Reply};
use crate::support::raw_client::Wire;

#[test]
fn pages_of_agents_that_are_too_large_are_read_in_smaller_ones() {
    for most in [50, 25, 10, 1] {
        let truedy = LargeTruedy::start(30, 60, 10);
        truedy.on(AGENTS, move |account, seen| match asked(seen, "limit", 50) > most {
            // Longer than any response may be, and cheap to send.
            true => Play::Answer(Reply::text(200, "application/json", " ".repeat(2_200_000))),
            false => account.agents(seen),
        });
        let mut wire = Wire::open(truedy.server(&state()), Era::Legacy);
        let assign = json!({ "number_id": number(7), "agent_id": agent_name(3), "assignment_type": "inbound" });
        let called = wire.call("assign_number", assign);
        assert_eq!(called.status(), "assigned", "{most} a page: {}", called.0);
        let listed = wire.call("list_agents", json!({ "limit": 100 }));
        assert_eq!(listed.object()["agents"].as_array().map_or(0, Vec::len), 60, "{most} a page: {}", listed.0);
        // What is too large is remembered: it is not asked for again.
        let before = truedy.upstream.count(AGENTS);
        assert_eq!(wire.call("diagnose_number", json!({ "number_id": number(7) })).status(), "ok");
        let seen = truedy.upstream.seen().into_iter().filter(|seen| seen.is(AGENTS)).skip(before);
        let sizes: Vec<usize> = seen.map(|seen| asked(&seen, "limit", 50)).collect();
        assert!(!sizes.is_empty() && sizes.iter().all(|size| *size <= most), "{most} a page: {sizes:?}");
    }
}

#[test]
fn an_agent_among_many_is_found_by_its_name() {
    let truedy = LargeTruedy::start(20, 1_500, 10);
    let mut wire = Wire::open(truedy.server(&state()), Era::Modern);
    for (name, status) in [
        (agent_name(1_444), "ok"),
        (agent_name(3).to_uppercase(), "ok"),
        ("Agent".to_owned(), "not_found"),
        ("Nobody".to_owned(), "not_found"),
    ] {
        for _ in 0..2 {
            let called = wire.call("get_agent_numbers", json!({ "agent_id": name }));
            assert_eq!(called.status(), status, "{name}: {}", called.0);
        }
    }
    let before = truedy.upstream.count(AGENTS);
    assert_eq!(wire.call("get_agent_numbers", json!({ "agent_id": agent_name(77) })).status(), "ok");
    assert_eq!(truedy.upstream.count(AGENTS) - before, 1, "one request with the name");
}
