//! Random calls in any order: only what may be done is done.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::json;

use super::account::{ANSWERED, BUSY, IDLE, IDLE_IMPORTED};
use crate::support::era::Era;
use crate::support::mcp_client::Agent;

/// What an agent may do to one of the numbers.
#[derive(Debug, Clone)]
enum Deed {
    Assign { number: usize, agent: usize, inbound: bool, confirm: bool },
    Unassign { number: usize, inbound: bool },
    Release { number: usize, confirm: bool },
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let flag = prop::bool::weighted(0.6);
    let deed = prop_oneof![
        3 => (0..4_usize, 0..2_usize, any::<bool>(), any::<bool>())
            .prop_map(|(number, agent, inbound, confirm)| Deed::Assign { number, agent, inbound, confirm }),
        3 => (0..4_usize, any::<bool>()).prop_map(|(number, inbound)| Deed::Unassign { number, inbound }),
        2 => (0..4_usize, flag).prop_map(|(number, confirm)| Deed::Release { number, confirm }),
    ];
    prop::collection::vec(deed, 1..40)
}

/// What should become of a deed, by a model in which a number is there or not, and each direction has an agent or none.
fn expected(account: &mut [Option<[Option<usize>; 2]>; 4], deed: &Deed) -> (&'static str, usize) {
    let (Deed::Assign { number, .. } | Deed::Unassign { number, .. } | Deed::Release { number, .. }) = deed;
    let place = &mut account[*number];
    let Some(slots) = place else { return ("not_found", 0) };
    match deed {
        Deed::Assign { agent, inbound, confirm, .. } => {
            let slot = &mut slots[usize::from(*inbound)];
            match *slot {
                Some(holder) if holder == *agent => ("already_assigned", 0),
                Some(_) if !confirm => ("would_reassign", 0),
                _ => {
                    *slot = Some(*agent);
                    ("assigned", 1)
                }
            }
        }
        Deed::Unassign { inbound, .. } => ("unassigned", usize::from(slots[usize::from(*inbound)].take().is_some())),
        Deed::Release { confirm: false, .. } => ("confirmation_required", 0),
        Deed::Release { .. } if slots.iter().any(Option::is_some) => ("number_in_use", 0),
        Deed::Release { .. } => {
            *place = None;
            ("released", 1)
        }
    }
}

async fn live_through(deeds: Vec<Deed>) {
    let numbers = [IDLE, IDLE_IMPORTED, ANSWERED, BUSY];
    let agents = ["Front desk", "Front office"];
    // Outbound, inbound.
    let mut account = [Some([None, None]), Some([None, None]), Some([None, Some(0)]), Some([Some(1), Some(1)])];
    let agent = Agent::alone(Era::Modern).start().await;
    let mut changes = 0;
    for deed in deeds {
        let direction = |inbound| if inbound { "inbound" } else { "outbound" };
        let (tool, arguments) = match deed {
            Deed::Assign { number, agent, inbound, confirm } => (
                "assign_number",
                json!({ "number_id": numbers[number], "agent_id": agents[agent], "assignment_type": direction(inbound), "confirm": confirm }),
            ),
            Deed::Unassign { number, inbound } => {
                ("unassign_number", json!({ "number_id": numbers[number], "assignment_type": direction(inbound) }))
            }
            Deed::Release { number, confirm } => {
                ("release_number", json!({ "number_id": numbers[number], "confirm": confirm }))
            }
        };
        let (status, sent) = expected(&mut account, &deed);
        changes += sent;
        let outcome = agent.call(tool, arguments).await;
        let became =
            outcome.map_or_else(|refusal| refusal.status, |answer| answer["status"].as_str().unwrap().to_owned());
        assert_eq!((became.as_str(), agent.sent().changes()), (status, changes), "{deed:?}");
    }
}

#[test]
fn whatever_the_order_of_calls_only_what_may_be_done_is_done() {
    let settings = ProptestConfig { cases: 6, max_shrink_iters: 60, failure_persistence: None, ..Default::default() };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    TestRunner::new(settings)
        .run(&deeds(), |deeds| {
            runtime.block_on(live_through(deeds));
            Ok(())
        })
        .unwrap();
}
