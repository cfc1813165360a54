//! The confirmation card of a client that shows pages. It has the same form as the plain question, and shows the impact
//! beside it.

use rmcp::model::RequestMetaObject;
use serde_json::{Map, Value, json};

use crate::guard::{Cap, ChangeImpact};
use crate::mcp::apps::pages::{self, CONFIRM};

/// The entry of `_meta` in which the page finds the impact.
const FACTS: &str = "truedy/card";
/// The fields of a preview by which a person decides. Its other fields are for the caller.
const SHOWN: [&str; 5] = ["number", "number_status", "kind", "price", "agents_that_fall_silent"];

/// Returns the impact as the page reads it. Names of agents are separate data here, and never part of the form's text.
pub(crate) fn facts(impact: &ChangeImpact, used: u32, cap: Option<Cap>) -> Value {
    let seen = impact.without_flag.as_ref().map(|preview| &preview.details);
    let shown = |name: &str| Some((name.to_owned(), seen?.get(name)?.clone()));
    let mut facts: Map<String, Value> = SHOWN.iter().filter_map(|name| shown(name)).collect();
    facts.insert("releases".to_owned(), json!(impact.destroys));
    if let Some(most) = cap.and_then(|cap| cap.most()) {
        facts.insert("used".to_owned(), json!(used));
        facts.insert("limit".to_owned(), json!(most));
    }
    Value::Object(facts)
}

/// Returns the `_meta` that goes with the form.
pub(crate) fn beside(facts: Value) -> RequestMetaObject {
    let mut meta = pages::meta("ui", json!({ "resourceUri": CONFIRM }));
    meta.0.insert(FACTS.to_owned(), facts);
    RequestMetaObject(meta)
}
