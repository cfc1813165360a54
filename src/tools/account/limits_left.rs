//! What is left of the operator's limits for 24 hours.

use serde_json::{Map, Value, json};

use crate::domain::{CapRule, ChangeKind, Money};
use crate::guard::Cap;
use crate::tools::contract::context::ToolContext;

/// What stands in the place of a count that has no limit.
const UNLIMITED: &str = "unlimited";

/// Returns how many changes of each kind may still be made in these 24 hours, and how much money may be spent. Kinds
/// that the operator has switched off are left out. `None` if the journal cannot be read.
pub(crate) async fn limits_left(context: &ToolContext) -> Option<Map<String, Value>> {
    let mut left = Map::new();
    let mut counted: Vec<(CapRule, &'static str, u32)> = Vec::new();
    let offered = |kind: &&'static ChangeKind| context.policy.offers(kind.name, false);
    for kind in context.journal.change_kinds().iter().filter(offered) {
        match kind.cap.zip(context.policy.caps.of(kind)) {
            Some((rule, Cap::Most(most))) => counted.push((rule, kind.name, most)),
            Some((rule, Cap::Unlimited)) => drop(left.insert(rule.counted().to_owned(), json!(UNLIMITED))),
            None => {}
        }
        if let (Some(CapRule::Purchases), Some(limit)) = (kind.cap, &context.policy.caps.spend) {
            let spent = context.journal.spent(&context.caller, kind.name, limit).await.ok()?;
            let rest = Money::from_micros(limit.micros().saturating_sub(spent.micros()).max(0), limit.currency());
            left.insert("to_spend".to_owned(), json!(rest.to_string()));
        }
    }
    let tools = counted.iter().map(|(_, tool, most)| (*tool, *most)).collect();
    let used = context.journal.used_of_caps(&context.caller, tools).await.ok()?;
    for ((rule, _, most), used) in counted.into_iter().zip(used) {
        left.insert(rule.counted().to_owned(), json!(most.saturating_sub(used)));
    }
    Some(left)
}
